import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct AtomicityTests {
  @Test func `a group that fails undoes the whole transaction, and the answer says where`()
    async throws
  {
    try await withDatabase { db in
      try await db.query("create table account (id int primary key, owner text)")
      try await withService(for: db.connectionString) { service in
        let answer = try await service.post(
          """
          {"statements": [
            {"sql": "insert into account values (1, 'ada')"},
            {"savepoint": [
              {"sql": "insert into account values (2, $1)", "params": ["bob"]},
              {"savepoint": [{"sql": "insert into account values (1, 'eve')"}],
               "on_error": "rollback"}]},
            {"sql": "insert into account values (3, 'joe')"}]}
          """)
        #expect(answer.status == 409)
        #expect(answer.response["Content-Type"] == "application/problem+json")
        #expect(answer.code == "statement-failed")
        #expect(answer.body["status"] == 409)
        #expect(answer.outcome == "rolled_back")
        #expect(answer.body["retryable"] == false)
        #expect(answer.body["statement"] == "/statements/1/savepoint/1/savepoint/0")
        #expect(answer.body["sqlstate"] == "23505")
        #expect(answer.body["constraint"] == "account_pkey")
        #expect(try await db.query("select * from account") == [])
      }
    }
  }

  @Test func `a group that continues is undone with the groups in it, and the rest is stored`()
    async throws
  {
    try await withDatabase { db in
      try await db.query("create table step (id int primary key)")
      try await withService(for: db.connectionString) { service in
        let answer = try await service.post(
          """
          {"statements": [
            {"sql": "insert into step values (1)"},
            {"on_error": "continue", "savepoint": [
              {"sql": "insert into step values (2)"},
              {"savepoint": [{"sql": "insert into step values (3)"}]},
              {"sql": "select 1 / 0"},
              {"sql": "insert into step values (4)"}]},
            {"savepoint": [{"sql": "insert into step values (5)"}]}]}
          """)
        #expect(answer.status == 200)
        let group = answer.body["results"][1]
        #expect(group["savepoint"] == "rolled_back")
        #expect(group["error"]["sqlstate"] == "22012")
        #expect(group["error"]["statement"] == "/statements/1/savepoint/2")
        #expect(group["results"][0]["command"] == "INSERT")
        #expect(group["results"][1]["savepoint"] == "released")
        #expect(group["results"][2] == .absent)
        #expect(answer.body["results"][2]["savepoint"] == "released")
        #expect(try await db.query("select id from step order by 1") == [["1"], ["5"]])
      }
    }
  }

  @Test func `a dry run returns its results and stores nothing`() async throws {
    try await withDatabase { db in
      try await db.query("create table step (id int primary key)")
      try await withService(for: db.connectionString) { service in
        let answer = try await service.post(
          #"{"dry_run": true, "statements": [{"sql": "insert into step values (7) returning id"}]}"#
        )
        #expect(answer.status == 200)
        #expect(answer.body["status"] == "rolled_back")
        #expect(answer.body["results"][0]["rows"] == [["id": 7]])
        #expect(try await db.query("select * from step") == [])
      }
    }
  }

  @Test func `a deferred constraint that fails at COMMIT leaves nothing behind`() async throws {
    try await withDatabase { db in
      try await db.query(
        """
        create table owner (id int primary key);
        create table pet (owner int references owner deferrable initially deferred)
        """)
      try await withService(for: db.connectionString) { service in
        let answer = try await service.post(
          #"{"statements": [{"sql": "insert into pet values (1)"}]}"#)
        #expect(answer.status == 409)
        #expect(answer.code == "commit-failed")
        #expect(answer.outcome == "rolled_back")
        #expect(answer.body["sqlstate"] == "23503")
        #expect(try await db.query("select * from pet") == [])
      }
    }
  }
}
