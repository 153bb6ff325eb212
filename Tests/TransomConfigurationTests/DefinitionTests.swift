import FoundationEssentials
import TestSupport
import Testing
import TransomService

@testable import TransomConfiguration

@Suite struct DefinitionTests {
  private static func read(_ yaml: String) throws(DefinitionFlaw) -> NamedTransaction {
    try DefinitionReader.read(yaml, file: "t.yaml", name: "t")
  }

  private static func flaw(_ yaml: String) -> String? {
    do {
      _ = try read(yaml)
      return nil
    } catch {
      return error.description
    }
  }

  private static func bind(_ transaction: NamedTransaction, _ body: String) throws -> String {
    var json = JSONReader()
    let document = try NamedRequestDecoder.document(
      Array(body.utf8).span, of: transaction, with: &json)
    return String(decoding: document, as: UTF8.self)
  }

  @Test func `all of a definition is what POST /transactions would get`() throws {
    let transaction = try Self.read(
      """
      # A comment.
      description: |
        Moves *money*.

        Twice.
      idempotency_key: required
      params:
        from: {type: bigint, description: Who pays.}
        cents: integer
        tags: {type: "text[]", default: [a, 'b']}
        note: {type: jsonb, nullable: true, default: null}
      isolation: serializable
      timeout_ms: 500
      settings: {app.who: !param from, app.fixed: yes}
      row_format: arrays
      statements:
        - id: debit
          sql: >-
            update account set cents = cents - :cents
            where id = :from -- :nobody
            returning cents
          expect: {row_count: 1}
        - savepoint:
            - sql: insert into log values ($1, $2, :note)
              params: [!param tags]
              refs: {"2": /debit/rows/0/cents}
            - sql: insert into tag values ($1, $2)
              batch: [[1, !param cents], [null, 0x1F], [true, "true"]]
          on_error: continue
          on_commit: [{event: a.b, data: {x: [!param note, {y: !param tags}], z: 1.50}}]
        - sql: select :note, :note
      on_commit:
        - event: moved
          data: {who: !param from}
          refs: {/left: /debit/rows/0/cents}
      """)
    #expect(transaction.documentation == "Moves *money*.\n\nTwice.")
    #expect(transaction.idempotency == .required)
    #expect(transaction.parameters.map(\.name) == ["from", "cents", "tags", "note"])
    #expect(transaction.parameters[0].documentation == "Who pays.")
    let bound = try Self.bind(
      transaction, #"{"params": {"from": 7, "cents": 30, "note": "a\"b"}}"#)
    let expected = """
      {"isolation":"serializable","timeout_ms":500,
      "settings":{"app.who":7,"app.fixed":"yes"},"row_format":"arrays",
      "statements":[
      {"id":"debit","sql":"update account set cents = cents - ($1::integer) where id = ($2::bigint) -- :nobody returning cents",
      "expect":{"row_count":1},"params":[30,7]},
      {"savepoint":[
      {"sql":"insert into log values ($1, $2, ($3::jsonb))","refs":{"2":"/debit/rows/0/cents"},"params":[["a","b"],null,"\\"a\\\\\\"b\\""]},
      {"sql":"insert into tag values ($1, $2)","batch":[[1,30],[null,"0x1F"],[true,"true"]]}],
      "on_error":"continue",
      "on_commit":[{"event":"a.b","data":{"x":["a\\"b",{"y":["a","b"]}],"z":1.50}}]},
      {"sql":"select ($1::jsonb), ($1::jsonb)","params":["\\"a\\\\\\"b\\""]}],
      "on_commit":[{"event":"moved","data":{"who":7},"refs":{"/left":"/debit/rows/0/cents"}}]}
      """
    #expect(bound == expected.replacing("\n", with: ""))
  }

  @Test(arguments: [
    ("", "t.yaml: it is no mapping"), ("- a", "t.yaml: it is no mapping"), ("a: [", "t.yaml: "),
    ("description: x", "t.yaml: \"statements\" is missing"),
    ("statements: 1", "t.yaml, line 1, /statements: must be an array"),
    ("a: 1\nstatements: []", "t.yaml, line 1, /a: there is no such field"),
    ("statements: []\nstatements: []", "t.yaml: "),
    (
      "statements:\n- sql: select 1\n- savepoint:\n  - sql: commit",
      "t.yaml, line 4, /statements/1/savepoint/0/sql: COMMIT is transaction control"
    ),
    (
      "statements:\n- {sql: select 1,\n   paramz: []}",
      "t.yaml, line 3, /statements/0/paramz: there is no such field"
    ),
    ("statements:\n- sql: select $1", "t.yaml, line 2, /statements/0/sql: the statement takes 1"),
    ("statements:\n- sql: 7", "t.yaml, line 2, /statements/0/sql: must be a string"),
    (
      "statements:\n- sql: select :a",
      "t.yaml, line 2, /statements/0/sql: there is no parameter \"a\""
    ),
    (
      "statements:\n- sql: select $1\n  params: [!param a]",
      "t.yaml, line 3, /statements/0/params/0: there is no parameter \"a\""
    ),
    (
      "statements:\n- sql: select $1\n  params: [!who a]",
      "t.yaml, line 3, /statements/0/params/0: the tag !who means nothing here"
    ),
    ("params: [a]\nstatements: []", "t.yaml, line 1, /params: allowed is a mapping"),
    ("params: {a b: int4}\nstatements: []", "t.yaml, line 1, /params: a name has"),
    ("params: {a: int4}\nstatements: []", "t.yaml, line 1, /params/a: nothing refers to it"),
    ("params: {a: 'numeric(3)'}\nstatements: []", "t.yaml, line 1, /params/a: allowed is the name"),
    ("params: {a: {}}\nstatements: []", "t.yaml, line 1, /params/a: \"type\" is missing"),
    ("params:\n  a: {typ: x}\nstatements: []", "t.yaml, line 2, /params/a: allowed are type"),
    (
      "params:\n  a: {type: int4, nullable: maybe}\nstatements: []",
      "t.yaml, line 2, /params/a/nullable: allowed is true or false"
    ),
    (
      "params:\n  a: {type: int4, default: x}\nstatements: [{sql: 'select :a'}]",
      "t.yaml, line 2, /params/a/default: int4 must be an integer"
    ),
    (
      "params:\n  a: {type: int4, default: null}\nstatements: [{sql: 'select :a'}]",
      "t.yaml, line 2, /params/a/default: int4 must not be null"
    ),
    ("idempotency_key: sometimes\nstatements: []", "t.yaml, line 1, /idempotency_key: allowed are"),
    ("description: [x]\nstatements: []", "t.yaml, line 1, /description: allowed is a text"),
    (
      "params: {a: text}\nstatements:\n- sql: !param a",
      "t.yaml, line 3, /statements/0/sql: a parameter can stand in params"
    ),
    (
      "params: {a: text}\nrole: !param a\nstatements: []",
      "t.yaml, line 2, /role: a parameter can stand in params"
    ),
    (
      "params: {a: text}\nstatements:\n- {sql: select 1, id: !param a}",
      "t.yaml, line 3, /statements/0/id: a parameter can stand in params"
    ),
    (
      "params: {a: 'text[]'}\nstatements:\n- {sql: select $1, params: !param a}",
      "t.yaml, line 3, /statements/0/params: a parameter can stand in params"
    ),
    (
      "params: {a: text}\nstatements: []\non_commit: [{event: !param a}]",
      "t.yaml, line 3, /on_commit/0/event: a parameter can stand in params"
    ),
    (
      "params: {a: jsonb}\nsettings: {app.a: !param a}\nstatements: []",
      "t.yaml, line 2, /settings/app.a: a setting takes a text"
    ),
    (
      "params: {a: int4}\nstatements:\n- {sql: 'select :a', batch: [[1]]}",
      "t.yaml, line 3, /statements/0/sql: the SQL of a batch has no names"
    ),
    ("isolation: high\nstatements: []", "t.yaml, line 1, /isolation: must be one of"),
  ]) func `a malformed definition is refused, with its file and place`(
    _ yaml: String, _ expected: String
  ) {
    let flaw = Self.flaw(yaml)
    #expect(flaw?.hasPrefix(expected) == true, "\(flaw as Any)")
  }

  @Test func `a folder holds the definitions of as many transactions`() async throws {
    let empty = "statements: []"
    let files = [
      "a.yaml": empty, "b-2.yml": "database: other\n\(empty)", "README.md": "x", ".c.yaml": "[",
    ]
    try await withFolder(files) { folder in
      let loaded = try Settings.load(
        arguments: ["--transactions-folder", folder], environment: [:])
      #expect(loaded.settings.service.transactions.map(\.name) == ["a", "b-2"])
      #expect(loaded.yaml.contains("transactions:\n  folder: \(folder)  # --transactions-folder\n"))
    }
    try await withFolder(["a.yaml": empty]) { folder in
      func load() throws -> LoadedSettings {
        try Settings.load(arguments: ["--transactions-folder", folder], environment: [:])
      }
      let first = try load()
      #expect(try load().changes(since: first) == .init())
      let text = "description: Another.\n\(empty)"
      try text.write(toFile: "\(folder)/a.yaml", atomically: true, encoding: .utf8)
      #expect(try load().changes(since: first) == .init(restart: ["transactions.folder"]))
    }
    for (name, text, expected) in [
      ("a b.yaml", empty, "a b.yaml: a name has up to"), ("t.yaml", "[", "t.yaml: "),
      ("t.yaml", "x: 1", "t.yaml, line 1, /x: there is no such field"),
    ] {
      try await withFolder([name: text]) { folder in
        let error = #expect(throws: SettingError.self) {
          try Settings.load(arguments: ["--transactions-folder", folder], environment: [:])
        }
        let start = "--transactions-folder is \"\(folder)\"; \(folder)/\(expected)"
        #expect(error?.description.hasPrefix(start) == true, "\(error as Any)")
      }
    }
    try await withFolder(["a.yaml": empty, "a.yml": empty]) { folder in
      let error = #expect(throws: SettingError.self) {
        try Settings.load(arguments: ["--transactions-folder", folder], environment: [:])
      }
      #expect(error?.description.contains("another definition of a") == true)
    }
  }

  @Test func `a key is limited to transactions that there are`() async throws {
    try await withFolder(["pay_in.yaml": "statements: []"]) { folder in
      func load(_ names: String) throws -> Rights? {
        let environment = [
          "TRANSOM_KEYS_WEB_SHA256": String(repeating: "cd", count: 32),
          "TRANSOM_KEYS_WEB_TRANSACTIONS": names, "TRANSOM_TRANSACTIONS_FOLDER": folder,
        ]
        return try Settings.load(arguments: [], environment: environment).settings.service.keys
          .first?.rights
      }
      for names in ["pay_in", "pay_*", "*", "pay_in,pay_*"] {
        let rights = try load(names)
        #expect(rights?.sendsSQL == false && rights?.transactions.contains("pay_in") == true)
      }
      #expect(try load("pay_in")?.transactions.contains("pay_out") == false)
      let error = #expect(throws: SettingError.self) { try load("pay_out") }
      #expect(
        error?.description == """
          keys.web.transactions is "pay_out"; there is no transaction "pay_out" in the \
          transactions.folder, but pay_in
          """)
    }
  }
}
