/// Why a document is refused before anything runs.
package struct RequestError: Error, Equatable, Sendable {
  /// The last part of the problem's type (RFC 9457), stable.
  package enum Code: String, Sendable {
    case malformedJSON = "malformed-json"
    case invalidRequest = "invalid-request"
    case unknownField = "unknown-field"
    case tooDeep = "too-deep"
    case transactionControl = "transaction-control"
    case copyNotSupported = "copy-not-supported"
    case invalidParameter = "invalid-parameter"
    case webhooksNotInstalled = "webhooks-not-installed"
  }

  package var code: Code
  /// Where in the document; nil if it is no document.
  package var pointer: JSONPointer?
  /// What is wrong, and what would be right.
  package var detail: String

  package init(_ code: Code, at pointer: JSONPointer?, _ detail: String) {
    self.code = code
    self.pointer = pointer
    self.detail = detail
  }

  /// The HTTP status.
  package var status: Int {
    switch code {
    case .malformedJSON, .invalidRequest, .unknownField, .tooDeep: 400
    case .transactionControl, .copyNotSupported, .invalidParameter, .webhooksNotInstalled: 422
    }
  }
}

extension RequestError {
  /// Turns a failed read into the problem that it is for a client.
  init(_ error: JSONError) {
    let place = error.offset.map { " (at byte \($0))" } ?? ""
    let code: Code = error.reason == .tooDeep ? .tooDeep : .malformedJSON
    self.init(code, at: nil, error.message + place)
  }
}
