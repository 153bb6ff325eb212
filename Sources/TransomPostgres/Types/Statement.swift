/// SQL with its parameters.
///
/// A string literal is one, and each value that is interpolated becomes a parameter, never a part of the SQL:
///
///     let statement: Statement = "select name from account where id = \(id) and balance > \(limit)"
///     // select name from account where id = $1 and balance > $2
///
/// PostgreSQL infers a parameter's type from where it stands; where it cannot, a cast tells: `\(value)::int`.
public struct Statement: Sendable {
  /// The SQL, with `$1`, `$2`, … for the parameters.
  public private(set) var sql: String
  package private(set) var parameters = ParameterList()
  /// Where the parameters that were interpolated stand in the SQL, in UTF-8 code units.
  private var slots: [Int] = []
  private var firstFlaw: Flaw?

  /// An error in an object of its own: hardly any statement has one, and all are copied.
  private final class Flaw: Sendable {
    let error: PostgresError
    init(_ error: PostgresError) { self.error = error }
  }

  private init(reserving literalCapacity: Int, _ interpolationCount: Int) {
    sql = ""
    sql.reserveCapacity(literalCapacity + 2 * interpolationCount)
    parameters.reserveCapacity(parameters: interpolationCount, octets: 16 * interpolationCount)
    slots.reserveCapacity(interpolationCount)
  }

  /// Takes SQL as it is: never to be made of what others wrote.
  public init(sql: String) {
    self.sql = ""
    append(sql: sql)
  }

  private mutating func append(sql part: String) {
    // What stands behind the last parameter is empty mostly.
    guard !part.isEmpty else { return }
    if part.holdsNUL { note(PostgresError(.encoding, "SQL cannot hold U+0000")) }
    sql += part
  }

  /// Why it cannot be sent.
  var flaw: PostgresError? { firstFlaw?.error }

  private mutating func note(_ flaw: PostgresError) { firstFlaw = firstFlaw ?? Flaw(flaw) }

  /// Takes SQL with `$1`, `$2`, … and the values for them.
  public init(sql: String, parameters: [(any PostgresEncodable)?]) {
    self.init(sql: sql)
    for parameter in parameters { append(parameter) }
  }

  /// The number of parameters.
  public var parameterCount: Int { parameters.count }

  /// Adds the value for the next `$n`.
  public mutating func append(_ parameter: (any PostgresEncodable)?) {
    if let parameter { bind(parameter) } else { parameters.appendNull() }
  }

  private mutating func bind(_ value: some PostgresEncodable) {
    do {
      try parameters.append(value)
    } catch {
      note(error)
    }
  }
}

extension Statement: ExpressibleByStringInterpolation {
  /// Takes SQL from a literal.
  public init(stringLiteral sql: String) { self.init(sql: sql) }

  /// Takes SQL and parameters from an interpolated literal.
  public init(stringInterpolation: consuming StringInterpolation) {
    self = exchange(&stringInterpolation.statement, with: Statement(reserving: 0, 0))
  }

  /// Collects a literal's parts.
  public struct StringInterpolation: StringInterpolationProtocol {
    var statement: Statement

    /// Begins a literal.
    public init(literalCapacity: Int, interpolationCount: Int) {
      statement = Statement(reserving: literalCapacity, interpolationCount)
    }

    /// Takes a part of the SQL.
    public mutating func appendLiteral(_ literal: String) { statement.append(sql: literal) }

    /// Takes a parameter.
    public mutating func appendInterpolation(_ value: some PostgresEncodable) {
      statement.bind(value)
      statement.appendSlot(statement.parameters.count)
    }

    /// Takes another statement, with its parameters.
    public mutating func appendInterpolation(_ part: Statement) { statement.append(part) }

    /// Takes the name of a table, column or other object, quoted.
    public mutating func appendInterpolation(identifier name: String) {
      statement.sql += Statement.quoted(name)
      if name.utf8.contains(0) || name.isEmpty {
        statement.note(PostgresError(.encoding, "a name cannot be empty or hold U+0000"))
      }
    }

    /// Takes SQL as it is: never to be made of what others wrote.
    public mutating func appendInterpolation(unescaped sql: String) {
      statement.append(sql: sql)
    }
  }

  /// A name as SQL spells it in any case (PostgreSQL manual, 4.1.1 "Identifiers and Key Words").
  ///
  /// By bytes, as the server reads it: in a `String` a quote with a combining mark behind it is no quote.
  static func quoted(_ name: String) -> String {
    let quote = UInt8(ascii: "\"")
    var quoted = [quote]
    for byte in name.utf8 {
      if byte == quote { quoted.append(quote) }
      quoted.append(byte)
    }
    quoted.append(quote)
    return String(decoding: quoted, as: UTF8.self)
  }

  /// Appends another statement, whose parameters get the next numbers.
  private mutating func append(_ part: Statement) {
    firstFlaw = firstFlaw ?? part.firstFlaw
    guard part.slots.count == part.parameters.count else {
      return note(
        PostgresError(
          .encoding,
          "a statement whose parameters are numbered by hand cannot be a part of another"))
    }
    var rest = part.sql.utf8[...]
    for (number, slot) in part.slots.enumerated() {
      let place = part.sql.utf8.index(part.sql.startIndex, offsetBy: slot)
      sql += String(Substring(rest[..<place]))
      appendSlot(parameters.count + number + 1)
      rest = rest[place...].dropFirst("$\(number + 1)".utf8.count)
    }
    sql += String(Substring(rest))
    parameters.append(contentsOf: part.parameters)
  }

  private mutating func appendSlot(_ number: Int) {
    slots.append(sql.utf8.count)
    sql += number < Self.usualSlots.count ? Self.usualSlots[number] : "$\(number)"
  }

  /// An interpolation costs ten times as much as what it makes here.
  private static let usualSlots = (0..<64).map { "$\($0)" }
}
