import TestSupport
import Testing
import TransomPostgres
import TransomService

/// Decodes a document.
func decode(_ text: String) throws(RequestError) -> TransactionRequest {
  var json = JSONReader()
  return try RequestDecoder.decode(Array(text.utf8).span, with: &json)
}

/// The error of a document that is refused.
func refusal(ofDocument text: String) -> RequestError? {
  do {
    _ = try decode(text)
    return nil
  } catch {
    return error
  }
}

@Suite struct RequestDecoderTests {
  @Test func `every field has its value`() throws {
    let request = try decode(
      """
      {"database": "replica", "isolation": "serializable", "read_only": true, "deferrable": true,
       "dry_run": true, "timeout_ms": 5000, "max_attempts": 3, "role": "reporting",
       "settings": {"app.tenant": "42", "work_mem": 65536, "jit": false, "app.empty": ""},
       "row_format": "arrays",
       "statements": [
         {"id": "ada", "sql": "insert into a values ($1)", "params": ["ada"]},
         {"savepoint": [{"sql": "select 1"}, {"on_error": "rollback", "savepoint": []}],
          "on_error": "continue"},
         {"params": [null, 7], "sql": "select $1, $2"}]}
      """)
    var expected = TransactionRequest()
    expected.database = "replica"
    expected.isolation = .serializable
    expected.readOnly = true
    expected.deferrable = true
    expected.dryRun = true
    expected.timeoutMilliseconds = 5000
    expected.maxAttempts = 3
    expected.role = "reporting"
    expected.settings = [
      TransactionRequest.Setting(name: "app.tenant", value: "42"),
      TransactionRequest.Setting(name: "work_mem", value: "65536"),
      TransactionRequest.Setting(name: "jit", value: "false"),
      TransactionRequest.Setting(name: "app.empty", value: ""),
    ]
    expected.rowFormat = .arrays
    expected.parameters.append("ada".utf8)
    expected.parameters.appendNull()
    expected.parameters.append("7".utf8)
    expected.items = [
      .statement(
        TransactionRequest.Statement(
          id: "ada", sql: try SQLText("insert into a values ($1)"), parameters: 0..<1)),
      .group(
        TransactionRequest.Group(
          items: [
            .statement(
              TransactionRequest.Statement(sql: try SQLText("select 1"), parameters: 1..<1)),
            .group(TransactionRequest.Group(items: [])),
          ], onError: .continue)),
      .statement(
        TransactionRequest.Statement(sql: try SQLText("select $1, $2"), parameters: 1..<3)),
    ]
    #expect(request == expected)
  }

  @Test func `what is left out has its default`() throws {
    let request = try decode(#"{"statements": []}"#)
    #expect(request == TransactionRequest())
    #expect(request.database == "default")
    #expect(request.rowFormat == .objects)
    #expect(request.isolation == nil && request.maxAttempts == nil && request.role == nil)
  }

  @Test func `every field that an error lists as allowed is one`() throws {
    let detail = try #require(refusal(ofDocument: #"{"nope": 1}"#)?.detail)
    let names = detail.split(separator: "allowed are ")[1].split(separator: ", ")
    #expect(names.count == 12)
    for name in names {
      // Of the wrong type, but known.
      #expect(refusal(ofDocument: "{\"\(name)\": null}")?.code == .invalidRequest)
    }
  }

  @Test(arguments: [
    ("null", nil), ("true", "true"), ("false", "false"), ("0", "0"), ("-0", "-0"),
    ("12345678901234567890.123", "12345678901234567890.123"), ("1.50e+400", "1.50e+400"),
    ("\"\"", ""), ("\"it's é\"", "it's é"), ("\"\\u00e9\\n\\ud83d\\ude00\"", "é\n😀"),
    ("{}", "{}"), ("{\"a\": [1.0 , \"\\u00e9\"],\"a\":2}", "{\"a\": [1.0 , \"\\u00e9\"],\"a\":2}"),
    ("[1, [\"x\", null]]", "[1, [\"x\", null]]"), ("[]", "[]"),
  ])
  func `a parameter is passed on as the text that it is`(_ json: String, _ text: String?) throws {
    let request = try decode(
      "{\"statements\": [{\"sql\": \"select $1, $2\", \"params\": [\(json), \"next\"]}]}")
    #expect(request.parameters.count == 2)
    #expect(request.parameters.text(at: 0) == text)
    #expect(request.parameters.text(at: 1) == "next")
  }

  @Test(arguments: ["\"\\u0000\"", "\"a\\u0000b\"", "\"\\n\\u0000\""])
  func `a string with U+0000 is no parameter`(_ json: String) {
    let error = refusal(
      ofDocument: "{\"statements\":[{\"sql\":\"\"},{\"sql\":\"\",\"params\":[1,\(json)]}]}")
    #expect(error?.code == .invalidParameter)
    #expect(error?.status == 422)
    #expect(error?.pointer == "/statements/1/params/1")
  }

  @Test func `a statement has as many parameters as the protocol can count`() throws {
    let document = { (count: Int) in
      let params = repeatElement("0", count: count).joined(separator: ",")
      return "{\"statements\":[{\"sql\":\"\",\"params\":[\(params)]}]}"
    }
    #expect(try decode(document(65_535)).parameters.count == 65_535)
    let error = refusal(ofDocument: document(65_536))
    #expect(error?.code == .invalidParameter)
    #expect(error?.pointer == "/statements/0/params")
  }

  @Test func `groups nest to depth 64 and no further`() throws {
    let document = { (depth: Int) in
      let open = String(repeating: "{\"savepoint\":[", count: depth)
      return "{\"statements\":[\(open){\"sql\":\"\",\"params\":[[[{\"a\":[]}]]]}"
        + String(repeating: "]}", count: depth) + "]}"
    }
    var item = try decode(document(64)).items.first
    var depth = 0
    while case .group(let group) = item {
      depth += 1
      item = group.items.first
    }
    #expect(depth == 64)
    let error = refusal(ofDocument: document(65))
    #expect(error?.code == .tooDeep)
    #expect(error?.status == 400)
    let pointer = "/statements/0" + String(repeating: "/savepoint/0", count: 64) + "/savepoint"
    #expect(error?.pointer?.description == pointer)
    #expect(refusal(ofDocument: document(100_000))?.code == .tooDeep)
  }

  @Test func `one reader serves one request after the other`() throws {
    var json = JSONReader()
    let bodies = [
      #"{"statements":[{"sql":"a\n","params":["\u00e9"]}]}"#, "{", #"{"statements":[]}"#,
    ]
    let sizes = (0..<300).map { round in
      let body = Array(bodies[round % 3].utf8)
      return (try? RequestDecoder.decode(body.span, with: &json))?.items.count
    }
    #expect(sizes == (0..<300).map { [1, nil, 0][$0 % 3] })
  }

  @Test(arguments: [UInt64.random(in: 0 ... .max), 1, 2])
  func `no document makes it trap`(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var json = JSONReader()
    let whole = Array(
      """
      {"isolation":"serializable","timeout_ms":5000,"settings":{"a.b":"c"},"statements":
      [{"id":"x","sql":"select $1","params":[1,"\\u00e9",[2],null]},
      {"savepoint":[{"sql":"copy t from 'x'"}],"on_error":"continue"}]}
      """.utf8)
    var outcomes: Set<String> = []
    for _ in 0..<6_000 {
      var body = whole
      for _ in 0...Int.random(in: 0...2, using: &generator) { mutate(&body, using: &generator) }
      do {
        _ = try RequestDecoder.decode(body.span, with: &json)
        outcomes.insert("decoded")
      } catch {
        outcomes.insert(error.code.rawValue)
        #expect(error.pointer != nil || error.code == .malformedJSON, "seed \(seed)")
      }
    }
    #expect(outcomes.isSuperset(of: ["decoded", "malformed-json", "invalid-request"]))
    #expect(outcomes.contains("unknown-field"), "seed \(seed)")
  }
}
