package import Logging
internal import FoundationEssentials
package import TransomLogging
package import TransomService

/// Everything that the program was told, decoded once and checked: by flags, environment and a file, in this order.
package struct Settings: Sendable {
  package var service: ServiceConfiguration
  package var logLevel = Logger.Level.info
  /// How events are written; nil: as standard error wants it.
  package var logFormat: LogFormat?
  /// Where the private PostgreSQL keeps its data; nil: at the usual place.
  package var dataDirectory: String?
  /// How the private PostgreSQL is used, if anything is said about that.
  package var privateDatabase: ServiceConfiguration.Database?
  /// Whether `listen` was set, so that it holds beside sockets that the process was started with.
  package var isListenSet = false
  /// Where named transactions are defined.
  package var transactionsFolder: String?
  /// The definitions, as they were read.
  var definitions: [[UInt8]] = []
  /// What is said of tokens.
  var tokens = TokenDraft()
  /// Whether addresses that others can reach are served although nobody has to say who they are.
  package var allowsUnauthenticated = false

  /// The defaults.
  init() {
    service = ServiceConfiguration(
      databases: [:], loops: ProcessInfo.processInfo.activeProcessorCount)
  }

  /// Whether no database is set, so that a private one is to be served.
  package var needsPrivateDatabase: Bool { service.databases.isEmpty }
}

/// A key, while it is read.
struct KeyDraft {
  var hash: KeyHash?
  var rights = Rights()
  var limits = RateLimiter.Limits()

  init() {}

  init(_ key: ServiceConfiguration.Key) {
    hash = key.hash
    rights = key.rights
    limits = key.limits
  }
}
