import TestSupport
import Testing
import TransomService

/// `SQLText` against PostgreSQL's own lexer and grammar.
///
/// PL/pgSQL's EXECUTE refuses transaction commands, and COPY from or to the client, each with an
/// error of its own, when it has parsed a statement: an oracle for many of them in one call.
@Suite struct SQLTextServerTests {
  private static let oracle = """
    create table t (a int, b int, "b)" int, "from" int);
    create schema s;
    create table s.t (a int); create table s.from (a int);
    create function judge(sql text, conforming text) returns text language plpgsql as $f$
    begin
      perform set_config('standard_conforming_strings', conforming, true);
      execute sql;
      return 'runs';
    exception when others then
      return case
        when sqlerrm like 'EXECUTE of transaction commands%' then 'control'
        when sqlerrm like 'cannot COPY to/from client%' then 'copy'
        when sqlstate = '42601' or sqlerrm like 'unsafe use of %' then 'syntax'
        else 'fails' end;
    end $f$
    """

  @Test(arguments: [UInt64.random(in: 0 ... .max), 1, 2])
  func `what PostgreSQL takes for control or for COPY is refused, and nothing else`(
    _ seed: UInt64
  ) async throws {
    try await withDatabase { db in
      try await db.query(Self.oracle)
      var disguise = SQLDisguise(seed: seed)
      var seen: [String: Int] = [:]
      for _ in 0..<20 {
        let statements = (0..<150).map { _ in disguise.statement() }
        for conforming in ["on", "off"] {
          let judged = try await db.query(Self.question(statements, conforming: conforming))
          try #require(judged.count == statements.count)
          for (sql, row) in zip(statements, judged) {
            let verdict = row[0] ?? ""
            seen[verdict, default: 0] += 1
            try check(sql, verdict, seed: seed)
          }
        }
      }
      // All kinds came up in numbers, or the test would prove nothing.
      for verdict in ["control", "copy", "runs", "fails", "syntax"] {
        #expect(seen[verdict, default: 0] > 100, "seed \(seed): \(seen)")
      }
    }
  }

  private func check(_ sql: String, _ verdict: String, seed: UInt64) throws {
    let refused = refusal(of: sql)
    switch verdict {
    case "control":
      guard case .transactionControl = refused else {
        Issue.record("let through: \(sql.debugDescription), seed \(seed)")
        return
      }
    case "copy":
      try #require(refused == .clientCopy, "\(sql.debugDescription), seed \(seed)")
    case "runs", "fails":
      // A backslash may make it COPY to the client with the other setting of the strings.
      guard refused != .clientCopy || !sql.contains("\\") else { return }
      try #require(refused == nil, "\(sql.debugDescription), seed \(seed)")
    default:
      break
    }
  }

  /// One query that has all of them judged, in order.
  private static func question(_ statements: [String], conforming: String) -> String {
    let values = statements.enumerated().map { index, sql in
      let hex = sql.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      return "(\(index), '\(hex)')"
    }
    return """
      select judge(convert_from(decode(hex, 'hex'), 'UTF8'), '\(conforming)')
      from (values \(values.joined(separator: ","))) v(i, hex) order by i
      """
  }
}
