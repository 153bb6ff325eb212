/// What a caller may do. What it may do in a database PostgreSQL decides, by the database's role.
package struct Rights: Equatable, Sendable {
  /// The databases' aliases.
  package var databases = Names.these(["default"])
  /// Whether every transaction is READ ONLY and stores nothing: see the steps `snapshot` and `verify` of a plan. Before
  /// PostgreSQL 16, statements can advance a sequence nevertheless, which no rollback undoes.
  package var isReadOnly = false
  /// What `role` of a request may be. SQL itself can change to any role that the database's user is a member of, as
  /// long as it is allowed to run: who must not is given a database of its own, with another user.
  package var roles = Names.any
  /// What `settings` of a request may hold. The same is true of them.
  package var settings = Names.any
  /// Whether it may send SQL of its own.
  package var sendsSQL = true
  /// The named transactions that it may run.
  package var transactions = Names.any
  /// Whether it may use `/webhooks` and `/deliveries`.
  package var managesWebhooks = false
  /// Whether it may see `/metrics`, and all of `/health`.
  package var monitors = false

  package init() {}
}

extension Rights {
  /// Makes a request one that these rights allow. A named transaction has its role and its settings by its definition.
  ///
  /// - Throws: `ServiceError.forbidden` with the place of what they do not.
  package func constrain(
    _ request: inout TransactionRequest, isNamed: Bool = false
  ) throws(ServiceError) {
    guard databases.contains(request.database) else {
      throw .forbidden(
        pointer: isNamed ? nil : "/database",
        detail: "The key may not use the database \"\(request.database)\".")
    }
    if !isNamed { try checkFields(request) }
    if isReadOnly {
      request.readOnly = true
      request.storesNothing = true
    }
  }

  private func checkFields(_ request: TransactionRequest) throws(ServiceError) {
    if let role = request.role, !roles.contains(role) {
      throw .forbidden(pointer: "/role", detail: "The key may not take the role \"\(role)\".")
    }
    for setting in request.settings where !allows(setting) {
      throw .forbidden(
        pointer: JSONPointer().appending("settings").appending(setting.name).description,
        detail: "The key may not set \"\(setting.name)\".")
    }
  }

  private func allows(_ setting: TransactionRequest.Setting) -> Bool {
    // PostgreSQL does not tell the cases of names apart.
    let name = setting.name.lowercasedASCII
    // These are other ways to write `role`.
    if name == "role" || name == "session_authorization" {
      return roles.contains(setting.value) && settings.contains(name)
    }
    return settings.contains(name)
  }
}
