internal import Crypto
internal import FoundationEssentials
internal import HTTPTypes
internal import TransomHTTP

/// The page at `/docs`: one file, which asks nobody but this service, and shows the document that is served.
struct ReferencePage: Sendable {
  /// HTML.
  let body: [UInt8]
  /// What a browser is to keep to.
  let fields: ResponseFields

  init() {
    let style = PackageResources.reference_css
    let script = PackageResources.reference_form_js + PackageResources.reference_js
    body = Self.filled(
      PackageResources.reference_html,
      [("<style>", style), (#"<script type="module">"#, script)])
    var fields = ResponseFields()
    // Nothing but this style and this script, which ask this service: not even what the document might bring.
    fields.append(
      .contentSecurityPolicy,
      """
      default-src 'none'; script-src '\(Self.hash(script))'; style-src '\(Self.hash(style))'; \
      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
      """)
    fields.append(.referrerPolicy, "no-referrer")
    fields.append(.xContentTypeOptions, "nosniff")
    fields.append(.cacheControl, "no-cache")
    self.fields = fields
  }

  /// The page with each text put behind its tag.
  private static func filled(_ page: [UInt8], _ parts: [(tag: String, text: [UInt8])]) -> [UInt8] {
    var page = page
    for (tag, text) in parts {
      guard let place = page.firstRange(of: Array(tag.utf8)) else {
        preconditionFailure("the page has \(tag)")
      }
      page.insert(contentsOf: text, at: place.upperBound)
    }
    return page
  }

  /// A hash source (Content Security Policy Level 3, section 2.3.1).
  private static func hash(_ text: [UInt8]) -> String {
    "sha256-" + Data(SHA256.hash(data: text)).base64EncodedString()
  }
}

extension HTTPField.Name {
  /// `Referrer-Policy` (W3C Referrer Policy, section 4.1).
  fileprivate static let referrerPolicy = known("Referrer-Policy")
}
