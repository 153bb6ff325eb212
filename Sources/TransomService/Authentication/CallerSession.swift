/// What every transaction of a caller has, whatever its request says: what its token tells.
package struct CallerSession: Equatable, Sendable {
  /// Nil: that of the database's user.
  package var role: String?
  /// The claims.
  package let claims: TransactionRequest.Setting

  package init(role: String?, claims: TransactionRequest.Setting) {
    self.role = role
    self.claims = claims
  }

  /// Puts it into a request. The definition of a named transaction may have a role of its own, which it keeps.
  ///
  /// - Throws: `ServiceError.forbidden` if the request would have other claims.
  func apply(to request: inout TransactionRequest, isNamed: Bool) throws(ServiceError) {
    // PostgreSQL does not tell the cases of names apart.
    let name = claims.name.lowercasedASCII
    if !isNamed, let setting = request.settings.first(where: { $0.name.lowercasedASCII == name }) {
      throw .forbidden(
        pointer: JSONPointer().appending("settings").appending(setting.name).description,
        detail: "The token alone tells \"\(claims.name)\".")
    }
    request.settings.removeAll { $0.name.lowercasedASCII == name }
    request.settings.append(claims)
    if request.role == nil { request.role = role }
  }
}
