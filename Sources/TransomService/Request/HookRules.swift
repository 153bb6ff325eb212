/// Which hooks a request may have.
package struct HookRules: Equatable, Sendable {
  /// The databases that have an outbox, by alias.
  package var databases: Set<String>
  /// Whether a hook may have an address of its own.
  package var allowsAddresses: Bool

  package init(databases: Set<String>, allowsAddresses: Bool) {
    self.databases = databases
    self.allowsAddresses = allowsAddresses
  }

  /// No hooks at all.
  package static let none = HookRules(databases: [], allowsAddresses: false)

  /// Whatever a service may allow: with a document that is checked before it is known by which one it runs.
  package static func any(in database: String) -> HookRules {
    HookRules(databases: [database], allowsAddresses: true)
  }
}
