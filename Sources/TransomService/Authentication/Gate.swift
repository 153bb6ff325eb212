internal import Logging
internal import Synchronization
internal import TransomEventLoop
internal import TransomHTTP

/// What happens at the door of a service that has keys: who may come in does, at once; who has no key or a wrong one
/// waits for the answer, and is noted in the log.
final class Gate: Sendable {
  let authenticator: Authenticator
  private let proxies: TrustedProxies
  private let logger: Logger
  private let failures = Mutex(Failures())

  private struct Failures {
    var notedAt: MonotonicInstant?
    /// Since then.
    var count = 0
    /// How many answers are held back now.
    var held = 0
  }

  /// How long the answer 401 is held back. Nobody finds a key by trying; but who tries shall not cost much, neither
  /// in requests nor in the log.
  private static let delay = Duration.milliseconds(500)
  /// So many answers are held back at a time. In a flood the others are given at once, so that it holds no more connections and
  /// no more memory.
  private static let maximumHeld = 1000
  /// Failures are noted so often at most, those in between as a number.
  private static let logInterval = Duration.seconds(1)

  init(_ configuration: ServiceConfiguration, tokens: TokenAuthenticator?, logger: Logger) {
    authenticator = Authenticator(configuration, tokens: tokens)
    proxies = configuration.proxies
    self.logger = logger
  }

  /// A request was refused: notes one that brought no key that is known, and holds its answer back. On its loop only.
  func refused(_ request: Request, _ exchange: Exchange, _ error: ServiceError) async {
    guard case .unauthenticated(let reason) = error else { return }
    let now = exchange.loop.now
    let unnoted: Int? = failures.withLock { failures in
      failures.count += 1
      if let last = failures.notedAt, now - last < Self.logInterval { return nil }
      failures.notedAt = now
      defer { failures.count = 0 }
      return failures.count - 1
    }
    if let unnoted {
      // Nothing of what came as the key: it may be one with a slip in it.
      var metadata: Logger.Metadata = [
        "reason": "\(reason)", "path": "\(request.path.prefix(256))",
        "client": "\(proxies.client(peer: exchange.peerHost, request: request))",
      ]
      if unnoted > 0 { metadata["unnoted_before"] = "\(unnoted)" }
      logger.warning("authentication failed", metadata: metadata)
    }
    let isHeld = failures.withLock { failures in
      guard failures.held < Self.maximumHeld else { return false }
      failures.held += 1
      return true
    }
    guard isHeld else { return }
    defer { failures.withLock { $0.held -= 1 } }
    let loop = exchange.loop
    await withCheckedContinuation { continuation in
      _ = loop.schedule(at: now + Self.delay) { continuation.resume() }
    }
  }
}
