internal import CTransomCurl
internal import TransomEventLoop

/// One request on its way: what libcurl's callbacks get as their context.
///
/// It lives as long as `WebhookClient` holds it, which is until libcurl is done with it.
@safe
final class Transfer {
  let continuation: CheckedContinuation<WebhookAnswer, Never>
  let policy: AddressPolicy
  let began = MonotonicInstant.now
  /// Owned: freed with the transfer.
  private var headers: UnsafeMutablePointer<curl_slist>?
  private var excerpt: [UInt8] = []
  private var received = 0
  private var isCutShort = false
  /// The last address that was refused.
  private var refused: IPAddress?

  init(_ continuation: CheckedContinuation<WebhookAnswer, Never>, _ policy: AddressPolicy) {
    self.continuation = continuation
    self.policy = policy
  }

  deinit { unsafe curl_slist_free_all(headers) }

  private var context: UnsafeMutableRawPointer {
    unsafe Unmanaged.passUnretained(self).toOpaque()
  }

  /// Tells a handle all that it is to do; false if libcurl refuses something of it.
  func prepare(
    _ easy: EasyHandle, _ request: WebhookRequest, _ authorityFile: String?
  ) -> Bool {
    for header in request.headers {
      guard let longer = unsafe curl_slist_append(self.headers, "\(header.name): \(header.value)")
      else {
        return false
      }
      unsafe headers = longer
    }
    // No waiting for "100 Continue".
    guard let all = unsafe curl_slist_append(self.headers, "Expect:") else { return false }
    unsafe headers = all
    let milliseconds = max(1, request.timeout.milliseconds)
    var texts: [(CURLoption, String)] = [
      (CURLOPT_URL, request.url.text), (CURLOPT_PROTOCOLS_STR, "http,https"),
      // The environment's proxy is not asked.
      (CURLOPT_PROXY, ""), (CURLOPT_NOPROXY, "*"), (CURLOPT_USERAGENT, "Transom"),
    ]
    if let authorityFile { texts.append((CURLOPT_CAINFO, authorityFile)) }
    let numbers: [(CURLoption, Int)] = [
      (CURLOPT_POST, 1), (CURLOPT_FOLLOWLOCATION, 0), (CURLOPT_NOSIGNAL, 1),
      (CURLOPT_SSL_VERIFYPEER, 1), (CURLOPT_SSL_VERIFYHOST, 2),
      (CURLOPT_DISALLOW_USERNAME_IN_URL, 1), (CURLOPT_TIMEOUT_MS, milliseconds),
      (CURLOPT_CONNECTTIMEOUT_MS, milliseconds), (CURLOPT_TCP_NODELAY, 1),
      (CURLOPT_HTTP_VERSION, CTRANSOM_HTTP_VERSION_2TLS),
      // A name that is not found in time keeps nobody waiting.
      (CURLOPT_QUICK_EXIT, 1),
    ]
    let isSet =
      texts.allSatisfy { unsafe ctransom_easy_set_text(easy.pointer, $0.0, $0.1) == CURLE_OK }
      && numbers.allSatisfy { unsafe ctransom_easy_set_long(easy.pointer, $0.0, $0.1) == CURLE_OK }
    return isSet && setBody(easy, request.body) && setCallbacks(easy)
  }

  private func setBody(_ easy: EasyHandle, _ body: [UInt8]) -> Bool {
    guard
      unsafe ctransom_easy_set_size(easy.pointer, CURLOPT_POSTFIELDSIZE_LARGE, Int64(body.count))
        == CURLE_OK
    else { return false }
    return unsafe body.withUnsafeBufferPointer {
      unsafe ctransom_easy_set_pointer(easy.pointer, CURLOPT_COPYPOSTFIELDS, $0.baseAddress)
        == CURLE_OK
    }
  }

  private func setCallbacks(_ easy: EasyHandle) -> Bool {
    unsafe ctransom_easy_set_headers(easy.pointer, headers) == CURLE_OK
      && ctransom_easy_set_pointer(easy.pointer, CURLOPT_WRITEDATA, context) == CURLE_OK
      && ctransom_easy_set_write(easy.pointer) { bytes, size, count, context in
        guard let bytes = unsafe bytes, let context = unsafe context else { return 0 }
        let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        let buffer = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
        return unsafe transfer.received(buffer) ? size * count : 0
      } == CURLE_OK
      && ctransom_easy_set_pointer(easy.pointer, CURLOPT_OPENSOCKETDATA, context) == CURLE_OK
      && ctransom_easy_set_open_socket(easy.pointer) { context, _, address in
        guard let context = unsafe context, let address = unsafe address else {
          return ctransom_bad_socket
        }
        let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        return unsafe transfer.mayConnect(to: address)
          ? ctransom_socket(address) : ctransom_bad_socket
      } == CURLE_OK
  }

  /// Whether more may come.
  private func received(_ bytes: UnsafeRawBufferPointer) -> Bool {
    received += bytes.count
    let room = WebhookAnswer.excerptLimit - excerpt.count
    if room > 0 { unsafe excerpt += bytes.prefix(room) }
    isCutShort = received > WebhookAnswer.bodyLimit
    return !isCutShort
  }

  /// Asked with each address that a connection is opened to, after the name was looked up.
  private func mayConnect(to address: UnsafeMutablePointer<curl_sockaddr>) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 16)
    let count = unsafe bytes.withUnsafeMutableBufferPointer {
      unsafe ctransom_address_bytes(address, $0.baseAddress)
    }
    guard let address = IPAddress(Array(bytes.prefix(Int(count)))) else { return false }
    guard policy.allows(address) else {
      refused = address
      return false
    }
    return true
  }

  /// What came of it, once libcurl is done.
  func answer(_ easy: EasyHandle, _ result: CURLcode) -> WebhookAnswer {
    var answer = WebhookAnswer(
      failure: nil, excerpt: excerpt, duration: MonotonicInstant.now - began)
    let status = Int(unsafe ctransom_easy_status(easy.pointer))
    if status > 0, result == CURLE_OK || isCutShort {
      answer.status = status
      answer.retryAfter = Self.header("Retry-After", easy)
    } else if let refused {
      answer.failure = "the address \(refused) is not public, and its network is not allowed"
    } else {
      answer.failure = unsafe String(cString: curl_easy_strerror(result))
    }
    return answer
  }

  private static func header(_ name: String, _ easy: EasyHandle) -> String? {
    var header = unsafe UnsafeMutablePointer<curl_header>?.none
    let code = unsafe curl_easy_header(
      easy.pointer, name, 0, UInt32(CTRANSOM_HEADER_ORIGIN), -1, &header)
    guard code == CURLHE_OK, let header = unsafe header else { return nil }
    return unsafe String(cString: header.pointee.value)
  }
}

/// A transfer's `CURL`, which `WebhookClient` owns.
@safe
struct EasyHandle: Hashable {
  let pointer: UnsafeMutableRawPointer

  init(_ pointer: UnsafeMutableRawPointer) { unsafe self.pointer = pointer }

  static func == (a: EasyHandle, b: EasyHandle) -> Bool { unsafe a.pointer == b.pointer }

  func hash(into hasher: inout Hasher) { unsafe hasher.combine(pointer) }
}
