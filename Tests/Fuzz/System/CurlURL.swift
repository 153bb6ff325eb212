import CTransomCurl

/// A URL as libcurl reads it, which is what connects to it in the end.
struct CurlURL {
  let host: String
  let hasUser: Bool

  /// Nil if libcurl does not take the URL.
  init?(_ text: String) {
    guard let url = unsafe curl_url() else { return nil }
    defer { unsafe curl_url_cleanup(url) }
    guard unsafe curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK else { return nil }
    host = unsafe Self.part(CURLUPART_HOST, of: url) ?? ""
    hasUser = unsafe Self.part(CURLUPART_USER, of: url) != nil
  }

  private static func part(_ part: CURLUPart, of url: OpaquePointer) -> String? {
    var text: UnsafeMutablePointer<CChar>?
    guard unsafe curl_url_get(url, part, &text, 0) == CURLUE_OK, let text = unsafe text else {
      return nil
    }
    defer { unsafe curl_free(text) }
    return unsafe String(cString: text)
  }
}
