internal import HTTPTypes
package import TransomHTTP
package import TransomPostgres

/// What the header fields of a POST /sql ask for. As in Neon's service a switch is on if its field is just `true`.
package struct NeonOptions: Equatable, Sendable {
  /// Values are PostgreSQL's text, which the driver reads itself; if not, some types become JSON of their own.
  package var isRawText = false
  /// Rows are arrays, unless a query says otherwise; if not, objects.
  package var hasArrays = false
  // Of a batch:
  package var isolation: IsolationLevel?
  package var isReadOnly = false
  package var isDeferrable = false

  package init() {}

  /// - Throws: `ServiceError.invalidRequest` for an isolation level that there is not.
  package init(_ request: Request) throws(ServiceError) {
    isRawText = Self.isOn("neon-raw-text-output", request)
    hasArrays = Self.isOn("neon-array-mode", request)
    isReadOnly = Self.isOn("neon-batch-read-only", request)
    isDeferrable = Self.isOn("neon-batch-deferrable", request)
    isolation = try Self.isolation(request)
  }

  private static func isOn(_ name: String, _ request: Request) -> Bool {
    request.field(name)?.elementsEqual("true") == true
  }

  private static func isolation(_ request: Request) throws(ServiceError) -> IsolationLevel? {
    switch request.fieldText("neon-batch-isolation-level") {
    case nil: return nil
    // PostgreSQL has no lower level than READ COMMITTED (manual, 13.2).
    case "ReadCommitted", "ReadUncommitted": return .readCommitted
    case "RepeatableRead": return .repeatableRead
    case "Serializable": return .serializable
    case let level?:
      throw .invalidRequest(
        code: "invalid-request", status: 400, pointer: nil,
        detail: "invalid isolation level \"\(level)\" in Neon-Batch-Isolation-Level")
    }
  }
}
