/// A row of a COPY FROM STDIN in PostgreSQL's text format (PostgreSQL manual, "COPY").
///
///     try await connection.copy("copy person (name, age) from stdin", rows: people) {
///       CopyRow($0.name, $0.age)
///     }
public struct CopyRow: Sendable {
  package private(set) var bytes: [UInt8] = []
  /// Why it cannot be sent.
  package private(set) var flaw: PostgresError?

  /// Takes the values of the columns, in the order in which the statement names them.
  public init<each Value: PostgresEncodable>(_ values: repeat each Value) {
    var texts = ParameterList()
    do throws(PostgresError) {
      for value in repeat each values { try texts.append(value) }
    } catch {
      flaw = error
    }
    append(texts)
  }

  /// Takes the values of the columns, in the order in which the statement names them; nil is NULL.
  public init(_ values: [(any PostgresEncodable)?]) {
    var texts = ParameterList()
    do throws(PostgresError) {
      for value in values {
        if let value { try texts.append(value) } else { texts.appendNull() }
      }
    } catch {
      flaw = error
    }
    append(texts)
  }

  private mutating func append(_ texts: ParameterList) {
    bytes.reserveCapacity(texts.bytes.count + texts.count)
    for index in 0..<texts.count {
      if index > 0 { bytes.append(UInt8(ascii: "\t")) }
      if let range = texts.range(at: index) {
        for byte in texts.bytes[range] { append(escaping: byte) }
      } else {
        bytes.append(contentsOf: #"\N"#.utf8)
      }
    }
    bytes.append(UInt8(ascii: "\n"))
  }

  private mutating func append(escaping byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\\"): bytes.append(contentsOf: #"\\"#.utf8)
    case UInt8(ascii: "\n"): bytes.append(contentsOf: #"\n"#.utf8)
    case UInt8(ascii: "\r"): bytes.append(contentsOf: #"\r"#.utf8)
    case UInt8(ascii: "\t"): bytes.append(contentsOf: #"\t"#.utf8)
    default: bytes.append(byte)
    }
  }
}
