internal import CTransomCurl
package import TransomEventLoop

/// Sends requests to webhooks with libcurl's multi interface, on one event loop: no thread for a request, connections
/// are kept for the next one, and HTTP/2 is used where it is offered.
///
/// Names are looked up by libcurl off the loop. Addresses that ``AddressPolicy`` does not allow are not connected to.
///
/// `@unchecked Sendable`: everything happens on its loop, which each method checks.
@safe
package final class WebhookClient: @unchecked Sendable {
  package let loop: EventLoop
  private let policy: AddressPolicy
  private let authorityFile: String?
  private let multi: UnsafeMutableRawPointer
  private let descriptors: DescriptorSet
  private var transfers: [EasyHandle: Transfer] = [:]
  /// Handles that no request uses now: to make one is not cheap.
  private var idle: [EasyHandle] = []
  private var timer: EventLoop.TimerID?
  package private(set) var isClosed = false

  private static let keptHandles = 256
  private static let keptConnections = 1024
  private static let isInitialized = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

  /// On the loop only. `run` must run as long as it is used. Receivers are verified by the certificates of
  /// `authorityFile`, or of the system.
  package init(
    on loop: EventLoop, _ policy: AddressPolicy, authorityFile: String? = nil
  ) throws(SystemError) {
    precondition(Self.isInitialized, "libcurl cannot be used")
    guard let multi = unsafe curl_multi_init() else {
      throw SystemError(call: "curl_multi_init", errno: 0)
    }
    self.loop = loop
    self.policy = policy
    self.authorityFile = authorityFile
    unsafe self.multi = multi
    descriptors = try DescriptorSet(on: loop)
    let context = unsafe Unmanaged.passUnretained(self).toOpaque()
    unsafe ctransom_multi_set_long(multi, CURLMOPT_MAXCONNECTS, Self.keptConnections)
    unsafe ctransom_multi_set_socket(
      multi,
      { _, socket, what, context, _ in
        guard let context = unsafe context else { return 0 }
        unsafe Unmanaged<WebhookClient>.fromOpaque(context).takeUnretainedValue()
          .socketChanged(socket, what)
        return 0
      }, context)
    unsafe ctransom_multi_set_timer(
      multi,
      { _, milliseconds, context in
        guard let context = unsafe context else { return 0 }
        unsafe Unmanaged<WebhookClient>.fromOpaque(context).takeUnretainedValue()
          .timerChanged(milliseconds)
        return 0
      }, context)
  }

  deinit {
    for easy in idle { unsafe curl_easy_cleanup(easy.pointer) }
    unsafe curl_multi_cleanup(multi)
  }

  /// The requests that are on their way.
  package var count: Int { transfers.count }

  /// Sends a request, and waits for what comes of it: never longer than its timeout. On the loop only.
  package func send(_ request: WebhookRequest) async -> WebhookAnswer {
    loop.preconditionOnLoop()
    return await withCheckedContinuation { start(request, $0) }
  }

  /// Does what libcurl's sockets ask for, until the task is cancelled. On the loop only.
  package func run() async {
    while await descriptors.wait() == .ready {
      while perform() { await Task.yield() }
    }
  }

  /// Ends what is on its way, without an answer. On the loop only.
  package func close() {
    guard !isClosed else { return }
    isClosed = true
    for easy in Array(transfers.keys) { finish(easy, CURLE_ABORTED_BY_CALLBACK) }
    timerChanged(-1)
    descriptors.close()
  }

  // MARK: How it works

  private func start(
    _ request: WebhookRequest, _ continuation: CheckedContinuation<WebhookAnswer, Never>
  ) {
    let transfer = Transfer(continuation, policy)
    guard !isClosed, let easy = makeHandle() else {
      return Self.refuse(continuation, "the service is stopping")
    }
    guard transfer.prepare(easy, request, authorityFile) else {
      unsafe curl_easy_cleanup(easy.pointer)
      return Self.refuse(continuation, "libcurl refuses the request")
    }
    transfers[easy] = transfer
    guard unsafe curl_multi_add_handle(multi, easy.pointer) == CURLM_OK else {
      return finish(easy, CURLE_FAILED_INIT)
    }
  }

  private static func refuse(
    _ continuation: CheckedContinuation<WebhookAnswer, Never>, _ reason: String
  ) {
    continuation.resume(returning: WebhookAnswer(failure: reason))
  }

  /// Tells libcurl of what is ready; whether there may be more.
  private func perform() -> Bool {
    let events = isClosed ? [] : descriptors.ready()
    for event in events {
      var what: CInt = 0
      if event.canRead { what |= CInt(CTRANSOM_CSELECT_IN) }
      if event.canWrite { what |= CInt(CTRANSOM_CSELECT_OUT) }
      if event.hasFailed { what |= CInt(CTRANSOM_CSELECT_ERR) }
      act(on: event.descriptor, what)
    }
    return !events.isEmpty
  }

  private func act(on socket: CInt, _ what: CInt) {
    var running: CInt = 0
    unsafe curl_multi_socket_action(multi, socket, what, &running)
    var left: CInt = 0
    while let message = unsafe curl_multi_info_read(multi, &left) {
      var result = CURLE_OK
      if let easy = unsafe ctransom_message_done(message, &result) {
        unsafe finish(EasyHandle(easy), result)
      }
    }
  }

  private func makeHandle() -> EasyHandle? {
    if let easy = idle.popLast() { return easy }
    return unsafe curl_easy_init().map { unsafe EasyHandle($0) }
  }

  private func finish(_ easy: EasyHandle, _ result: CURLcode) {
    guard let transfer = transfers.removeValue(forKey: easy) else { return }
    let answer = transfer.answer(easy, result)
    unsafe curl_multi_remove_handle(multi, easy.pointer)
    if idle.count < Self.keptHandles {
      unsafe curl_easy_reset(easy.pointer)
      idle.append(easy)
    } else {
      unsafe curl_easy_cleanup(easy.pointer)
    }
    transfer.continuation.resume(returning: answer)
  }

  // MARK: What libcurl wants

  private func socketChanged(_ socket: CInt, _ what: CInt) {
    guard !isClosed else { return }
    if what == CURL_POLL_REMOVE { return descriptors.remove(socket) }
    descriptors.insert(
      socket, reading: what & CURL_POLL_IN != 0, writing: what & CURL_POLL_OUT != 0)
  }

  private func timerChanged(_ milliseconds: Int) {
    if let timer { loop.cancel(timer) }
    timer = nil
    guard milliseconds >= 0, !isClosed else { return }
    timer = loop.schedule(at: .now + .milliseconds(milliseconds)) { [weak self] in
      guard let self, !self.isClosed else { return }
      self.timer = nil
      self.act(on: ctransom_timeout_socket, 0)
    }
  }
}
