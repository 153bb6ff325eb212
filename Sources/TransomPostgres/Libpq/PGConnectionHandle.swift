internal import CTransomPQ
internal import Glibc

/// A connection could not be made: libpq's own words.
public struct ConnectError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What libpq or the server said.
  public let message: String

  /// Takes the message.
  public init(message: String) { self.message = message }

  /// The message.
  public var description: String { message }
}

/// Owns a `PGconn` in non-blocking pipeline mode: the whole libpq surface that we use
/// (PostgreSQL manual, chapter 34 "libpq", and 34.5 "Pipeline Mode").
///
/// Safe: the pointer never leaves this type and is freed once. `@unchecked Sendable`: made off the loop and
/// then owned by one `PostgresConnection`, whose actor guards it.
@safe
final class PGConnectionHandle: @unchecked Sendable {
  enum FlushResult { case done, pending, failed }

  /// Nil once finished: libpq answers every call on a null connection with a failure.
  private var pointer: OpaquePointer?
  private var traceFile: UnsafeMutablePointer<FILE>?

  /// Connects, blocking: name look-up, TCP, TLS and authentication. Never on an event loop.
  ///
  /// `conninfo` is a connection string or URL (34.1.1), whose encoding is not heeded: ours is UTF-8; `defaults` are keywords that hold unless it has its own;
  /// `sessionOptions` are server settings such as `DateStyle=ISO`, put before its own `options`.
  init(
    connecting conninfo: String, defaults: [(String, String)], sessionOptions: [String]
  ) throws(ConnectError) {
    // Of a keyword that comes twice the last one holds.
    var keywords = defaults.map(\.0) + ["dbname", "client_encoding"]
    var texts = defaults.map(\.1) + [conninfo, "UTF8"]
    if !sessionOptions.isEmpty {
      let own = try Self.option("options", of: conninfo) ?? ""
      keywords.append("options")
      texts.append((sessionOptions.map { "-c \($0)" } + [own]).joined(separator: " "))
    }
    let pointer = unsafe Self.withCStrings(keywords) { keywords in
      unsafe Self.withCStrings(texts) { texts in
        unsafe PQconnectdbParams(keywords, texts, 1)
      }
    }
    guard let pointer = unsafe pointer else { throw ConnectError(message: "out of memory") }
    unsafe self.pointer = unsafe pointer
    let encoding = unsafe PQparameterStatus(pointer, "server_encoding")
    hasEncoding = unsafe encoding.map { unsafe strcmp($0, "SQL_ASCII") != 0 } ?? false
    guard unsafe PQstatus(pointer) == CONNECTION_OK else { throw ConnectError(message: message) }
    _ = unsafe PQsetNoticeReceiver(pointer, { _, _ in }, nil)
    guard unsafe PQsetnonblocking(pointer, 1) == 0, unsafe PQenterPipelineMode(pointer) == 1 else {
      throw ConnectError(message: message)
    }
  }

  deinit { finish() }

  /// Closes the connection; afterwards every call fails.
  func finish() {
    unsafe PQfinish(exchange(&pointer, with: nil))
    if let file = unsafe exchange(&traceFile, with: nil) { _ = unsafe fclose(file) }
  }

  var socket: CInt { unsafe PQsocket(pointer) }
  var processID: CInt { unsafe PQbackendPID(pointer) }
  /// By TLS or GSSAPI.
  var isEncrypted: Bool {
    unsafe PQsslInUse(pointer) != 0 || PQgssEncInUse(pointer) != 0
  }
  var isBroken: Bool { unsafe PQstatus(pointer) != CONNECTION_OK }
  /// Whether texts go and come as UTF-8: SQL can change that (`SET client_encoding`).
  var isUTF8: Bool { unsafe PQclientEncoding(pointer) == Self.utf8 }
  /// Whether the database has an encoding, in which the server keeps every text well-formed.
  let hasEncoding: Bool
  private static let utf8 = unsafe pg_char_to_encoding("UTF8")
  var isIdle: Bool { unsafe PQtransactionStatus(pointer) == PQTRANS_IDLE }
  /// What the server said of the transaction when it had answered everything.
  var transactionStatus: TransactionStateMachine.ServerStatus {
    switch unsafe PQtransactionStatus(pointer) {
    case PQTRANS_INTRANS: .open
    case PQTRANS_INERROR: .failed
    default: .idle
    }
  }

  /// libpq's last error of the connection.
  var message: String {
    guard let text = unsafe PQerrorMessage(pointer) else { return "" }
    return unsafe String(cString: text).trimmingLineEnd
  }

  // MARK: Sending

  /// Names a statement; the server infers the types of its parameters.
  func sendPrepare(_ name: StatementName, _ sql: String) -> Bool {
    unsafe PQsendPrepare(pointer, name.cString, sql, 0, nil) == 1
  }

  /// Asks for the types of a named statement's parameters and columns.
  func sendDescribe(_ name: StatementName) -> Bool {
    unsafe PQsendDescribePrepared(pointer, name.cString) == 1
  }

  /// Runs a named statement; values go and come as text.
  func sendPrepared(_ name: StatementName, _ parameters: ParameterList, _ range: Range<Int>) -> Bool
  {
    unsafe withAddresses(of: parameters, range) { values in
      unsafe PQsendQueryPrepared(
        pointer, name.cString, CInt(range.count), values, nil, nil, 0) == 1
    }
  }

  /// Parses and runs a statement without a name.
  func sendUnnamed(_ sql: String, _ parameters: ParameterList, _ range: Range<Int>) -> Bool {
    unsafe withAddresses(of: parameters, range) { values in
      unsafe PQsendQueryParams(pointer, sql, CInt(range.count), nil, values, nil, nil, 0) == 1
    }
  }

  /// Ends a pipeline: an error skips everything up to here. Sends what is buffered.
  func sendSync() -> Bool { unsafe PQpipelineSync(pointer) == 1 }

  /// Asks the server to send what it has so far.
  func sendFlushRequest() -> Bool { unsafe PQsendFlushRequest(pointer) == 1 }

  func flush() -> FlushResult {
    switch unsafe PQflush(pointer) {
    case 0: .done
    case 1: .pending
    default: .failed
    }
  }

  // MARK: Receiving

  /// Reads what the socket has; false if the connection broke.
  func consumeInput() -> Bool { unsafe PQconsumeInput(pointer) == 1 }

  /// Whether the next result is not there yet.
  var isBusy: Bool { unsafe PQisBusy(pointer) != 0 }

  /// Hands the rows of the command whose results come next out one by one
  /// (34.6 "Retrieving Query Results Row-by-Row").
  func setSingleRowMode() -> Bool { unsafe PQsetSingleRowMode(pointer) == 1 }

  /// The next result; nil ends the results of one command. Must not be called while `isBusy`.
  func nextResult() -> PGResultHandle? {
    guard let result = unsafe PQgetResult(pointer) else { return nil }
    return unsafe PGResultHandle(adopting: result)
  }

  /// The next notification that has come (34.9 "Asynchronous Notification").
  func nextNotification() -> DatabaseNotification? {
    guard let notification = unsafe PQnotifies(pointer) else { return nil }
    defer { unsafe PQfreemem(notification) }
    return unsafe DatabaseNotification(
      channel: String(cString: notification.pointee.relname),
      payload: notification.pointee.extra.map { unsafe String(cString: $0) } ?? "",
      processID: notification.pointee.be_pid)
  }

  // MARK: COPY (34.10 "Functions Associated with the COPY Command")

  /// Leaves pipeline mode, in which COPY is impossible. Nothing may be on its way. No round trip.
  func leavePipelineMode() -> Bool { unsafe PQexitPipelineMode(pointer) == 1 }

  /// Goes back to pipeline mode. Nothing may be on its way. No round trip.
  func enterPipelineMode() -> Bool { unsafe PQenterPipelineMode(pointer) == 1 }

  /// Puts a part of the data of a COPY FROM STDIN into the output buffer; at most 2 GiB.
  func putCopyData(_ bytes: ArraySlice<UInt8>) -> Bool {
    unsafe bytes.withUnsafeBytes { bytes in
      let address = unsafe bytes.bindMemory(to: CChar.self).baseAddress
      return unsafe PQputCopyData(pointer, address, CInt(bytes.count)) == 1
    }
  }

  /// Ends a COPY FROM STDIN; with a reason, makes it fail.
  func putCopyEnd(_ reason: String?) -> Bool {
    guard let reason else { return unsafe PQputCopyEnd(pointer, nil) == 1 }
    return unsafe PQputCopyEnd(pointer, reason) == 1
  }

  enum CopyData { case appended, notThereYet, ended }

  /// Appends the next row of a COPY TO STDOUT. At its end, or after an error, `nextResult` tells which.
  func appendCopyData(to bytes: inout [UInt8]) -> CopyData {
    var row: UnsafeMutablePointer<CChar>?
    let count = unsafe PQgetCopyData(pointer, &row, 1)
    guard count > 0, let row = unsafe row else { return count == 0 ? .notThereYet : .ended }
    defer { unsafe PQfreemem(row) }
    unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: row, count: Int(count)))
    return .appended
  }

  /// What it takes to cancel a statement that runs on this connection, from another thread.
  func cancelHandle() -> PGCancelHandle? {
    guard let cancel = unsafe PQgetCancel(pointer) else { return nil }
    return unsafe PGCancelHandle(adopting: cancel)
  }

  /// Writes every message to a file, as `PQtrace` does: to count round trips in tests.
  func trace(to path: String) {
    guard let file = unsafe fopen(path, "we") else { return }
    if let before = unsafe exchange(&traceFile, with: file) {
      unsafe PQuntrace(pointer)
      _ = unsafe fclose(before)
    }
    unsafe setvbuf(file, nil, _IOLBF, 0)
    unsafe PQtrace(pointer, file)
    unsafe PQsetTraceFlags(pointer, CInt(PQTRACE_SUPPRESS_TIMESTAMPS))
  }

  // MARK: C strings

  private func withAddresses<Result>(
    of parameters: ParameterList, _ range: Range<Int>,
    _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
  ) -> Result {
    unsafe parameters.bytes.withUnsafeBytes { bytes in
      let base = unsafe bytes.bindMemory(to: CChar.self).baseAddress
      return unsafe withUnsafeTemporaryAllocation(
        of: UnsafePointer<CChar>?.self, capacity: range.count
      ) { values in
        for index in 0..<range.count {
          let offset = Int(parameters.offsets[range.lowerBound + index])
          let value: UnsafePointer<CChar>? =
            if offset < 0 { nil } else { unsafe base.map { unsafe $0 + offset } }
          unsafe values.initializeElement(at: index, to: value)
        }
        return unsafe body(UnsafePointer(values.baseAddress))
      }
    }
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
  ) -> Result {
    let copies = unsafe strings.map { unsafe strdup($0) }
    defer { unsafe copies.forEach { unsafe free($0) } }
    let addresses = unsafe copies.map { unsafe UnsafePointer<CChar>($0) } + [nil]
    return unsafe addresses.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("holds at least the end") }
      return unsafe body(base)
    }
  }

  /// A keyword that a connection string sets itself, such as `options` or `dbname`.
  static func option(_ name: String, of conninfo: String) throws(ConnectError) -> String? {
    var message: UnsafeMutablePointer<CChar>?
    guard let parsed = unsafe PQconninfoParse(conninfo, &message) else {
      defer { unsafe PQfreemem(message) }
      let text = unsafe message.map { unsafe String(cString: $0) } ?? "malformed connection string"
      throw ConnectError(message: withoutQuoted(text.trimmingLineEnd))
    }
    defer { unsafe PQconninfoFree(parsed) }
    var option = unsafe parsed
    while let keyword = unsafe option.pointee.keyword {
      if unsafe String(cString: keyword) == name, let value = unsafe option.pointee.val {
        return unsafe String(cString: value)
      }
      unsafe option += 1
    }
    return nil
  }

  /// What libpq quotes of a connection string may be a part of its password.
  private static func withoutQuoted(_ message: String) -> String {
    let text = message.replacing("\"=\"", with: "=")
    // Not by characters: a quote with a combining mark behind it would be none.
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(of: "\""), let last = scalars.lastIndex(of: "\"") else {
      return text
    }
    return String(scalars[..<first]) + "***" + String(scalars[last...].dropFirst())
  }

  /// Checks a connection string without connecting.
  ///
  /// A password that is not percent-encoded can end up in a URL's port or host, which libpq would tell when it connects.
  static func validate(_ conninfo: String) throws(ConnectError) {
    let ports = try option("port", of: conninfo) ?? ""
    guard ports.split(separator: ",").allSatisfy({ Int($0) != nil }) else {
      throw ConnectError(message: "the port is no number; in a password, / is to be written as %2F")
    }
    guard try option("host", of: conninfo)?.contains("@") != true else {
      throw ConnectError(message: "the host holds an @; in a password it is to be written as %40")
    }
  }
}

/// Owns a `PGcancel` (34.7 "Canceling Queries in Progress").
///
/// `@unchecked Sendable`: libpq makes it for use from any thread, and it is used by one at a time.
@safe
final class PGCancelHandle: @unchecked Sendable {
  private let pointer: OpaquePointer

  init(adopting pointer: OpaquePointer) { unsafe self.pointer = unsafe pointer }

  deinit { unsafe PQfreeCancel(pointer) }

  /// Asks the server to cancel what runs; returns once it has taken note. Blocks: never on an event loop.
  func cancel() -> Bool {
    var message = [CChar](repeating: 0, count: 256)
    return withoutPipeSignal {
      unsafe PQcancel(pointer, &message, CInt(message.count)) == 1
    }
  }
}

/// Runs a call that blocks, and keeps SIGPIPE from the process meanwhile.
///
/// `PQcancel` writes to its socket as if there were no such signal: a server that hangs up at once, because
/// it is just ending, would end the process with it.
private func withoutPipeSignal<Value>(_ body: () -> Value) -> Value {
  var signal = sigset_t()
  var before = sigset_t()
  var pending = sigset_t()
  unsafe sigemptyset(&signal)
  unsafe sigaddset(&signal, SIGPIPE)
  unsafe pthread_sigmask(SIG_BLOCK, &signal, &before)
  defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
  unsafe sigpending(&pending)
  let value = body()
  // Ours, which is this thread's, would come when it is let through again.
  if unsafe sigismember(&pending, SIGPIPE) == 0 {
    var now = timespec()
    while unsafe sigtimedwait(&signal, nil, &now) < 0, errno == EINTR {}
  }
  return value
}
