extension ServiceConfiguration {
  /// A key, by its hash, and what its owner may do.
  package struct Key: Equatable, Sendable {
    package var name: String
    package var hash: KeyHash
    package var rights = Rights()
    package var limits = RateLimiter.Limits()

    package init(name: String, hash: KeyHash) {
      self.name = name
      self.hash = hash
    }
  }
}

extension ServiceConfiguration {
  /// Whether nobody has to say who they are.
  package var isOpen: Bool { keys.isEmpty && tokens == nil }
}

extension Authenticator {
  /// Knows the keys of a configuration.
  convenience init(_ configuration: ServiceConfiguration, tokens: TokenAuthenticator?) {
    self.init(
      configuration.keys.map {
        Key(hash: $0.hash, caller: Caller(name: $0.name, rights: $0.rights, limits: $0.limits))
      }, tokens: tokens)
  }
}
