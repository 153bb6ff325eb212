internal import FoundationEssentials
internal import Logging
internal import TransomEventLoop
internal import TransomWebhooks

/// Sends spans to a collector by OTLP/HTTP in its JSON form, in batches, on an event loop of its own: whatever the
/// collector does, no request waits for it.
///
/// What can be tried again is, a few times (OTLP specification, "OTLP/HTTP Response"); then the batch is dropped.
actor SpanExporter: EventLoopActor {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  private let buffer: SpanBuffer
  private let target: WebhookURL
  private let headers: [(name: String, value: String)]
  private let document: TraceDocument
  private let logger: Logger
  private let signal: LoopSignal
  private var client: WebhookClient?
  private var isStopping = false
  private var hasEnded = false
  private var stopped: [CheckedContinuation<Void, Never>] = []
  /// Whether the collector took nothing the last time.
  private var isFailing = false

  private static let interval = Duration.seconds(1)
  private static let attemptLimit = Duration.seconds(10)
  private static let attempts = 4
  private static let longestPause = 30

  init(
    of buffer: SpanBuffer, to target: WebhookURL, headers: [(name: String, value: String)],
    _ resource: TraceDocument.Resource, on loop: EventLoop, logger: Logger
  ) {
    self.buffer = buffer
    self.target = target
    self.headers = [(name: "Content-Type", value: "application/json")] + headers
    document = TraceDocument(resource: resource)
    self.loop = loop
    self.logger = logger
    signal = LoopSignal(on: loop)
  }

  /// There is a batch to be sent. From any thread.
  nonisolated func wake() { signal.set() }

  /// Sends until `stop`, then what is left.
  func run() async {
    if let client = makeClient() { await export(with: client) }
    hasEnded = true
    for waiter in exchange(&stopped, with: []) { waiter.resume() }
  }

  /// Sends what is left, for so long at most; the rest is dropped.
  func stop(within limit: Duration) async {
    isStopping = true
    signal.set()
    guard !hasEnded else { return }
    let timer = loop.schedule(at: loop.now + limit) { [weak self] in
      self?.onLoop { $0.client?.close() }
    }
    await withCheckedContinuation { waiter in
      // Looked at once more, because the caller may be suspended before.
      guard !hasEnded else { return waiter.resume() }
      stopped.append(waiter)
    }
    loop.cancel(timer)
  }

  private func makeClient() -> WebhookClient? {
    // A collector is mostly in a network that is not public; and it is who runs the service that names it.
    let everywhere = ["0.0.0.0/0", "::/0"].compactMap { IPNetwork($0) }
    do {
      client = try WebhookClient(on: loop, AddressPolicy(allowedNetworks: everywhere))
    } catch {
      logger.error("spans cannot be sent", metadata: ["reason": "\(error)"])
    }
    return client
  }

  private func export(with client: WebhookClient) async {
    // Each attempt has an end, its timeout or `close`, and all of them are waited for.
    let transfers = Task(executorPreference: loop) { await client.run() }
    while true {
      let isLast = isStopping
      var count = SpanBuffer.batch
      while count == SpanBuffer.batch {
        let spans = buffer.take()
        count = spans.count
        if count > 0 { await send(spans, with: client) }
      }
      if isLast { break }
      await signal.wait(for: Self.interval)
    }
    client.close()
    await transfers.value
  }

  private func send(_ spans: [TraceSpan], with client: WebhookClient) async {
    let request = WebhookRequest(
      url: target, headers: headers, body: document.bytes(of: spans), timeout: Self.attemptLimit)
    for attempt in 1... {
      let answer = await client.send(request)
      if let status = answer.status, 200...299 ~= status {
        let rejected = min(Self.rejected(answer.excerpt), spans.count)
        buffer.exported(spans.count - rejected)
        buffer.dropped(rejected)
        return note(failure: rejected > 0 ? "it rejected \(rejected) of a batch" : nil)
      }
      note(failure: answer.failure ?? "it answered \(answer.status ?? 0)")
      guard Self.isTransient(answer.status), attempt < Self.attempts, !isStopping else { break }
      await pause(answer.retryAfter.flatMap { Int($0) } ?? 1 << attempt)
    }
    buffer.dropped(spans.count)
  }

  /// Whether the same batch may be taken later.
  private static func isTransient(_ status: Int?) -> Bool {
    status.map { [429, 502, 503, 504].contains($0) } ?? true
  }

  /// Waits for so many seconds, or until `stop`.
  private func pause(_ seconds: Int) async {
    let end = loop.now + .seconds(min(max(1, seconds), Self.longestPause))
    while !isStopping, loop.now < end { await signal.wait(for: end - loop.now) }
  }

  /// Tells the log when the collector begins to fail, and when it no longer does.
  private func note(failure: String?) {
    guard (failure != nil) != isFailing else { return }
    isFailing = failure != nil
    if let failure {
      logger.warning("spans are not taken", metadata: ["reason": "\(failure)"])
    } else {
      logger.notice("spans are taken again")
    }
  }

  /// `partialSuccess.rejectedSpans` of an answer, which is a string in JSON, though some write a number.
  private static func rejected(_ body: [UInt8]) -> Int {
    guard let answer = try? JSONDecoder().decode(ExportAnswer.self, from: Data(body)) else {
      return 0
    }
    return max(0, answer.partialSuccess?.rejectedSpans?.value ?? 0)
  }
}

private struct ExportAnswer: Decodable {
  struct PartialSuccess: Decodable {
    var rejectedSpans: Count?
  }

  struct Count: Decodable {
    var value: Int

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(Int.self) {
        value = number
      } else {
        value = Int(try container.decode(String.self)) ?? 0
      }
    }
  }

  var partialSuccess: PartialSuccess?
}
