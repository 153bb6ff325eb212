import TestSupport
import Testing
import TransomEventLoop
import TransomPostgres

/// What is sent and what comes back, value by value and byte by byte.
struct ResultTests {
  @Test func `a NULL is not an empty string, whether it goes or comes`() async throws {
    try await withConnection { connection, _ in
      var parameters = ParameterList()
      parameters.appendNull()
      parameters.append("".utf8)
      parameters.append("x".utf8)
      for _ in 0..<2 {
        let seen = try await outcomes(
          ["select unnest(array[$1::text, $2, $3, case when $1 is null then 'was null' end])"],
          parameters, on: connection)
        #expect(seen == ["SELECT null,,x,was null"])
      }
    }
  }

  @Test func `a result without rows still has columns, and a command without any returns none`()
    async throws
  {
    try await withConnection { connection, _ in
      try await connection.expectColumns("select 1 as a, 2 as b where false", ["a", "b"])
      try await connection.expectColumns("set application_name = 'x'", [])
      try await connection.expectColumns("", [])
    }
  }

  @Test func `a parameter of many megabytes goes through whole`() async throws {
    try await withConnection { connection, _ in
      var parameters = ParameterList()
      parameters.append((0..<(8 << 20)).lazy.map { UInt8(ascii: "a") + UInt8($0 % 23) })
      let seen = try await outcomes(
        ["select length($1::text) || ' ' || md5($1)"], parameters, on: connection)
      let text = String(decoding: parameters.bytes.dropLast(), as: UTF8.self)
      var digest = ParameterList()
      digest.append(text.utf8)
      #expect(seen.first?.hasPrefix("SELECT 8388608 ") == true)
      #expect(try await outcomes(["select $1::text"], digest, on: connection) == ["SELECT " + text])
      #expect(await connection.isReusable)
    }
  }

  @Test func `without prepared statements everything works and the server keeps none`()
    async throws
  {
    try await withConnection({ $0.preparesStatements = false }) { connection, _ in
      var parameters = ParameterList()
      parameters.append("41".utf8)
      for _ in 0..<3 {
        let seen = try await outcomes(
          ["select $1::int + 1", "selec $1", "select $1"], parameters, on: connection)
        #expect(seen == ["SELECT 42", "failed 42601", "skipped"])
      }
      let count = "select count(*) from pg_prepared_statements"
      #expect(try await outcomes([count], on: connection) == ["SELECT 0"])
      #expect(await connection.isReusable)
    }
  }

  @Test func `a whole transaction is one sync, also the first time, when it is prepared`()
    async throws
  {
    try await withConnection { connection, _ in
      try await withTemporaryFile { path in
        for round in 1...2 {
          await connection.trace(to: path)
          let seen = try await connection.transaction(["select 1", "select 2", "select 3"])
          #expect(seen == ["BEGIN", "SELECT 1", "SELECT 2", "SELECT 3", "COMMIT"])
          let sent = try lines(of: path).filter { $0.hasPrefix("F\t") }
          #expect(sent.filter { $0.contains("\tSync") }.count == 1)
          // BEGIN and COMMIT are never named.
          #expect(sent.filter { $0.contains("\tParse") }.count == (round == 1 ? 5 : 2))
          #expect(sent.last?.contains("\tSync") == true)
        }
      }
    }
  }

  @Test func `a statement whose result type changed fails once, and works when it is forgotten`()
    async throws
  {
    try await withConnection { connection, database in
      try await database.query("create table t (a int); insert into t values (1)")
      #expect(try await outcomes(["select * from t"], on: connection) == ["SELECT 1"])
      try await database.query("alter table t alter a type text using 'x' || a")
      let error = try await connection.failure(of: "select * from t")
      #expect(error?.sqlState == .featureNotSupported)
      #expect(error?.routine == "RevalidateCachedQuery")
      await connection.forgetStatements()
      #expect(try await outcomes(["select * from t"], on: connection) == ["SELECT x1"])
      #expect(await connection.isReusable)
    }
  }

  @Test func `a statement that SQL took away is reported by its code, and works when forgotten`()
    async throws
  {
    try await withConnection { connection, _ in
      #expect(try await outcomes(["select 5"], on: connection) == ["SELECT 5"])
      _ = try await outcomes(["deallocate all"], on: connection)
      #expect(try await connection.failure(of: "select 5")?.sqlState == .invalidSQLStatementName)
      await connection.forgetStatements()
      #expect(try await outcomes(["select 5"], on: connection) == ["SELECT 5"])
    }
  }

  @Test func `every field of the server's error arrives`() async throws {
    try await withConnection { connection, database in
      try await database.query("create table t (a int constraint positive check (a > 0))")
      let error = try await connection.failure(of: "insert into t values (-1)")
      #expect(error?.severity == "ERROR" && error?.sqlState == "23514")
      #expect(error?.schema == "public" && error?.table == "t")
      #expect(error?.constraint == "positive")
      #expect(error?.detail == "Failing row contains (-1).")
      #expect(error?.routine == "ExecConstraints" && error?.file == "execMain.c")
      #expect(try await connection.failure(of: "select 1 +")?.position == 11)
    }
  }

  @Test func `a changed client encoding makes the connection unusable for others`() async throws {
    try await withConnection { connection, _ in
      let seen = try await outcomes(["set client_encoding = 'LATIN1'"], on: connection)
      #expect(seen == ["SET"])
      #expect(await !connection.isReusable)
    }
  }
}

extension PostgresConnection {
  fileprivate func transaction(_ commands: [String]) async throws -> [String] {
    try enqueueUnnamed("BEGIN")
    for command in commands { try enqueue(StatementText(command), ParameterList(), 0..<0) }
    try enqueueUnnamed("COMMIT")
    try sync()
    return try await answers(on: self)
  }

  fileprivate func failure(of command: String) async throws -> ServerError? {
    try enqueue(StatementText(command), ParameterList(), 0..<0)
    try sync()
    var failure: ServerError?
    while true {
      switch try await next() {
      case .failed(let error): failure = error
      case .result: break
      case .skipped: break
      case .synced: return failure
      }
    }
  }

  fileprivate func expectColumns(_ command: String, _ names: [String]) async throws {
    try enqueue(StatementText(command), ParameterList(), 0..<0)
    try sync()
    guard case .result(let result) = try await next() else {
      Issue.record("no result")
      return
    }
    #expect((0..<result.columnCount).count == names.count)
    for column in 0..<result.columnCount {
      let name = string(result.columnName(column))
      #expect(name == names[column])
    }
    let (returnsRows, rows) = (result.returnsRows, result.rowCount)
    #expect(returnsRows == !names.isEmpty && rows == 0)
    guard case .synced = try await next() else {
      Issue.record("no sync")
      return
    }
  }
}
