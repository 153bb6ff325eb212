import Synchronization

/// Values as PostgreSQL's own `to_json` gives them, asked for on the connection of the transaction itself.
final class PlainValues: Sendable {
  private struct Key: Hashable {
    var type: UInt32
    var text: String
  }

  private let connection: PlainConnection
  private let known = Mutex<[Key: JSON]>([:])
  private let names = Mutex<[UInt32: [String?]]>([:])

  init(_ connection: PlainConnection) { self.connection = connection }

  /// The type's name in `pg_type`.
  func name(of type: UInt32) async throws -> String {
    try await names(of: type).first.flatMap { $0 } ?? ""
  }

  func json(_ text: String?, of type: UInt32) async throws -> JSON {
    guard let text else { return .null }
    let key = Key(type: type, text: text)
    if let json = known.withLock({ $0[key] }) { return json }
    let sqlName = try await names(of: type).last.flatMap { $0 } ?? ""
    let row = try await connection.run("select to_json($1::\(sqlName))", [text]).rows.first
    let json = try JSON(parsing: Array((row?.first?.flatMap { $0 } ?? "null").utf8))
    known.withLock { $0[key] = json }
    return json
  }

  /// In the catalogue, and as SQL writes it.
  private func names(of type: UInt32) async throws -> [String?] {
    if let names = names.withLock({ $0[type] }) { return names }
    let row =
      try await connection.run(
        "select typname, format_type(oid, null) from pg_type where oid = $1", ["\(type)"]
      ).rows.first ?? []
    names.withLock { $0[type] = row }
    return row
  }
}
