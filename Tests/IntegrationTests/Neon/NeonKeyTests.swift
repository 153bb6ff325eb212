import TestSupport
import Testing

/// POST /sql of a service that has keys.
@Suite(.timeLimit(.minutes(2))) struct NeonKeyTests {
  private static let insert = #"{"query": "insert into t values (1)"}"#

  private static func fields(
    _ user: String, _ password: String, _ database: String = "default", bearer: String? = nil
  ) -> [(name: String, value: String)] {
    let string = "postgresql://\(user):\(password)@db.example/\(database)"
    return [("Neon-Connection-String", string)]
      + (bearer.map { [("Authorization", "Bearer \($0)")] } ?? [])
  }

  private static func withKey(
    _ rights: [String: String] = [:], _ body: (TestDatabase, Service) async throws -> Void
  ) async throws {
    try await withDatabase { db in
      try await db.query("create table t (n int)")
      try await withService(
        for: db.connectionString, environment: TestKey.writer.environment(rights)
      ) {
        try await body(db, $0)
      }
    }
  }

  @Test func `user and password of the connection string are a key's name and the key`()
    async throws
  {
    try await Self.withKey { db, service in
      let (name, key) = (TestKey.writer.rawValue, TestKey.writer.text)
      let good = [
        Self.fields(name, key), Self.fields(name, "", bearer: key),
        Self.fields("other", "wrong", bearer: key),
      ]
      for fields in good {
        let answer = try await service.sql(Self.insert, fields)
        #expect(answer.status == 200, "\(fields)")
      }
      let count = try await db.value("select count(*) from t")
      #expect(count == "3")
    }
  }

  @Test
  func `a wrong user, password or database is told as PostgreSQL does, and opens no connection`()
    async throws
  {
    try await Self.withKey { db, service in
      let (name, key) = (TestKey.writer.rawValue, TestKey.writer.text)
      let sessions = """
        select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
        """
      // The service opens some of its own at its start, on a busy machine after it has begun to listen.
      var (before, same) = (try await db.value(sessions), 0)
      while same < 10 {
        try await Task.sleep(for: .milliseconds(100))
        let now = try await db.value(sessions)
        same = now == before ? same + 1 : 0
        before = now
      }
      let wrong = [
        Self.fields(name, key + "x"), Self.fields(name, ""), Self.fields("x" + name, key),
        Self.fields(name, TestKey.writer.hash), Self.fields(name, key, "other"),
        Self.fields(name, key, bearer: "wrong"), Self.fields(name, "", "other", bearer: key),
      ]
      for fields in wrong {
        let answer = try await service.sql(Self.insert, fields)
        #expect(answer.status == 400 && answer.body["code"] == "28P01", "\(fields)")
        let message = answer.body["message"].text ?? ""
        #expect(message.contains("password authentication failed for user"), "\(message)")
        #expect(!message.contains(key))
      }
      let after = try await db.value(sessions)
      #expect(after == before)
      let count = try await db.value("select count(*) from t")
      #expect(count == "0")
    }
  }

  @Test func `a read-only key stores nothing, neither by a query nor by a batch`() async throws {
    try await Self.withKey(["READ_ONLY": "true"]) { db, service in
      let fields = Self.fields(TestKey.writer.rawValue, TestKey.writer.text)
      for body in [Self.insert, #"{"queries": [\#(Self.insert)]}"#] {
        let answer = try await service.sql(body, fields)
        #expect(answer.status == 400 && answer.body["code"] == "25006", "\(answer.body)")
      }
      let read = try await service.sql(#"{"query": "select count(*)::int as n from t"}"#, fields)
      #expect(read.body["rows"] == [["n": 0]])
      let count = try await db.value("select count(*) from t")
      #expect(count == "0")
    }
  }
}
