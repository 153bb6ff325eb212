import TransomPostgres

extension SQLState {
  /// The HTTP status for an error of the server (PostgreSQL manual, appendix A).
  ///
  /// What the table does not name, the codes of a client's own RAISE among it, the client caused.
  var status: Int {
    switch code {
    case "42501": 403
    case "55P03", "72000": 409
    // Timeouts and cancellations, of the service or set on the server.
    case "57014", "25P03", "25P04": 504
    // Not the number of parameters that the statement takes.
    case "08P01": 422
    // A limit that the administrator set for each statement: to wait does not help.
    case "53400": 422
    // A file that the client named.
    case "58P01", "58P02": 422
    // A foreign server does not answer.
    case "HV00N": 503
    default: statusOfClass
    }
  }

  private var statusOfClass: Int {
    switch classCode {
    case "28": 403
    case "23", "40": 409
    case "08", "53", "57": 503
    case "58", "F0", "XX": 500
    default: 422
    }
  }

  /// Whether the transaction, run again as it is, may well succeed: it lost against another one
  /// (PostgreSQL manual, 13.5 "Serialization Failure Handling"), or the server was not fit.
  var isRetryable: Bool {
    switch code {
    case "40001", "40P01", "55P03", "72000": true
    default: status == 503
    }
  }
}
