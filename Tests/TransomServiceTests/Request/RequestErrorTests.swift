import Testing
import TransomService

@Suite struct RequestErrorTests {
  @Test(
    arguments: [
      ("", "the document is empty (at byte 0)"),
      ("{", "the document ends too early (at byte 1)"),
      ("{\"statements\": [tru]}", "neither a number"),
      ("{\"statements\": [01]}", "(at byte 16)"),
      ("\u{FEFF}{}", "byte order mark"),
      ("{} {}", "text follows the document (at byte 3)"),
    ])
  func `what is not JSON has no pointer, but a place`(_ text: String, _ detail: String) {
    let error = refusal(ofDocument: text)
    #expect(error?.code == .malformedJSON)
    #expect(error?.status == 400)
    #expect(error?.pointer == nil)
    #expect(error?.detail.contains(detail) == true, "\(error?.detail ?? "")")
  }

  @Test(arguments: [
    ("[]", ""), ("null", ""), ("\"x\"", ""), ("{}", ""), ("{\"database\": \"x\"}", ""),
    ("{\"database\": 1, \"statements\": []}", "/database"), ("{\"database\": \"\"}", "/database"),
    ("{\"isolation\": \"SERIALIZABLE\"}", "/isolation"), ("{\"isolation\": 1}", "/isolation"),
    ("{\"isolation\": \"read_uncommitted\"}", "/isolation"), ("{\"read_only\": 1}", "/read_only"),
    ("{\"deferrable\": \"true\"}", "/deferrable"), ("{\"dry_run\": null}", "/dry_run"),
    ("{\"timeout_ms\": 0}", "/timeout_ms"), ("{\"timeout_ms\": -1}", "/timeout_ms"),
    ("{\"timeout_ms\": 5.0}", "/timeout_ms"), ("{\"timeout_ms\": 5e3}", "/timeout_ms"),
    ("{\"timeout_ms\": \"5\"}", "/timeout_ms"), ("{\"timeout_ms\": 2147483648}", "/timeout_ms"),
    ("{\"timeout_ms\": 99999999999999999999999999}", "/timeout_ms"),
    ("{\"max_attempts\": 0}", "/max_attempts"), ("{\"max_attempts\": 101}", "/max_attempts"),
    ("{\"role\": \"\"}", "/role"), ("{\"role\": \"a\\u0000\"}", "/role"),
    ("{\"role\": []}", "/role"),
    ("{\"settings\": []}", "/settings"), ("{\"settings\": {\"\": \"x\"}}", "/settings/"),
    ("{\"settings\": {\"a\\u0000\": \"x\"}}", "/settings/a\u{0}"),
    ("{\"settings\": {\"a/b~\": null}}", "/settings/a~1b~0"),
    ("{\"settings\": {\"a\": {}}}", "/settings/a"),
    ("{\"settings\": {\"a\": \"\\u0000\"}}", "/settings/a"),
    ("{\"settings\": {\"a\": 1, \"\\u0061\": 2}}", "/settings/a"),
    ("{\"row_format\": \"rows\"}", "/row_format"), ("{\"statements\": {}}", "/statements"),
    ("{\"statements\": [], \"statements\": []}", "/statements"),
    ("{\"statements\": [], \"stat\\u0065ments\": []}", "/statements"),
    ("{\"statements\": [1]}", "/statements/0"), ("{\"statements\": [{}]}", "/statements/0"),
    ("{\"statements\": [{\"params\": []}]}", "/statements/0"),
    ("{\"statements\": [{\"sql\": \"\", \"savepoint\": []}]}", "/statements/0"),
    ("{\"statements\": [{\"sql\": 1}]}", "/statements/0/sql"),
    ("{\"statements\": [{\"sql\": \"a\\u0000\"}]}", "/statements/0/sql"),
    ("{\"statements\": [{\"sql\": \"\", \"sql\": \"\"}]}", "/statements/0/sql"),
    ("{\"statements\": [{\"sql\": \"\", \"params\": {}}]}", "/statements/0/params"),
    ("{\"statements\": [{\"sql\": \"\", \"params\": null}]}", "/statements/0/params"),
    ("{\"statements\": [{\"sql\": \"\", \"id\": 1}]}", "/statements/0/id"),
    ("{\"statements\": [{\"savepoint\": {}}]}", "/statements/0/savepoint"),
    (#"{"statements": [{"sql": "", "batch": {}}]}"#, "/statements/0/batch"),
    (#"{"statements": [{"sql": "", "batch": []}]}"#, "/statements/0/batch"),
    (#"{"statements": [{"sql": "", "batch": [1]}]}"#, "/statements/0/batch/0"),
    (#"{"statements": [{"sql": "", "batch": [[]], "params": []}]}"#, "/statements/0/params"),
    (#"{"statements": [{"sql": "", "expect": 1}]}"#, "/statements/0/expect"),
    (#"{"statements": [{"sql": "", "expect": {}}]}"#, "/statements/0/expect"),
    (
      #"{"statements": [{"sql": "", "expect": {"row_count": -1}}]}"#,
      "/statements/0/expect/row_count"
    ),
    (
      #"{"statements": [{"sql": "", "expect": {"row_count": 1, "min": 1}}]}"#,
      "/statements/0/expect"
    ),
    (#"{"statements": [{"sql": "", "expect": {"min": 2, "max": 1}}]}"#, "/statements/0/expect"),
    (#"{"statements": [{"sql": "", "refs": []}]}"#, "/statements/0/refs"),
    (#"{"statements": [{"sql": "", "refs": {"0": "/a"}}]}"#, "/statements/0/refs/0"),
    (#"{"statements": [{"sql": "", "refs": {"01": "/a"}}]}"#, "/statements/0/refs/01"),
    (#"{"statements": [{"sql": "", "refs": {"x": "/a"}}]}"#, "/statements/0/refs/x"),
    (#"{"statements": [{"sql": "", "refs": {"1": 1}}]}"#, "/statements/0/refs/1"),
    (#"{"statements": [{"sql": "", "refs": {"1": ""}}]}"#, "/statements/0/refs/1"),
    (#"{"statements": [{"sql": "", "refs": {"1": "a"}}]}"#, "/statements/0/refs/1"),
    (#"{"statements": [{"sql": "", "refs": {"1": "/a~2"}}]}"#, "/statements/0/refs/1"),
    (#"{"statements": [{"sql": "", "refs": {"1": "/a~"}}]}"#, "/statements/0/refs/1"),
    ("{\"statements\": [{\"savepoint\": [], \"on_error\": \"stop\"}]}", "/statements/0/on_error"),
    ("{\"statements\": [{\"savepoint\": [[]]}]}", "/statements/0/savepoint/0"),
    (
      "{\"statements\":[{\"id\":\"a\",\"sql\":\"\"},{\"savepoint\":[{\"id\":\"a\",\"sql\":\"\"}]}]}",
      "/statements/1/savepoint/0/id"
    ),
  ])
  func `what has the wrong shape is named by its pointer`(_ text: String, _ pointer: String) {
    let error = refusal(ofDocument: text)
    #expect(error?.code == .invalidRequest)
    #expect(error?.status == 400)
    #expect(error?.pointer?.description == pointer)
    #expect(error?.detail.isEmpty == false)
  }

  @Test(arguments: [
    (#"{"statements": [], "on_commit": [{"event": "x"}]}"#, "/on_commit"),
    (#"{"statements": [{"savepoint": [], "on_commit": [{}]}]}"#, "/statements/0/on_commit"),
  ])
  func `a hook is refused as long as there is nothing that would call it`(
    _ text: String, _ pointer: String
  ) {
    let error = refusal(ofDocument: text)
    #expect(error?.code == .webhooksNotInstalled && error?.status == 422)
    #expect(error?.pointer?.description == pointer)
  }

  @Test(arguments: [
    ("{\"statement\": []}", "/statement", "statements"),
    ("{\"statements\": [], \"a/b~c\": 1}", "/a~1b~0c", "statements"),
    ("{\"onCommit\": []}", "/onCommit", "on_commit"), ("{\"\": 1}", "/", "database"),
    ("{\"Statements\": []}", "/Statements", "statements"),
    (
      "{\"statements\": [{\"sql\": \"\", \"batches\": []}]}", "/statements/0/batches",
      "sql, params, batch"
    ),
    ("{\"statements\": [{\"sql\": \"\", \"ref\": {}}]}", "/statements/0/ref", "refs, expect, id"),
    ("{\"statements\": [{\"sql\": \"\", \"on_commit\": []}]}", "/statements/0/on_commit", "sql"),
    (
      "{\"statements\": [{\"sql\": \"\", \"on_error\": \"continue\"}]}", "/statements/0/on_error",
      "savepoint, on_error"
    ),
    ("{\"statements\": [{\"savepoint\": [], \"id\": \"a\"}]}", "/statements/0/id", "savepoint"),
    (
      "{\"statements\": [{\"params\": [], \"savepoint\": []}]}", "/statements/0/params", "savepoint"
    ),
    ("{\"statements\": [{\"savepoint\": [{\"x\": 1}]}]}", "/statements/0/savepoint/0/x", "sql"),
  ])
  func `an unknown field is named, and the known ones are listed`(
    _ text: String, _ pointer: String, _ listed: String
  ) {
    let error = refusal(ofDocument: text)
    #expect(error?.code == .unknownField)
    #expect(error?.status == 400)
    #expect(error?.pointer?.description == pointer)
    #expect(error?.detail.contains(listed) == true)
  }

  @Test(arguments: [
    ("/*x*/ ; commit", RequestError.Code.transactionControl, "COMMIT"),
    ("savepoint a", .transactionControl, "savepoint"),
    ("copy t from stdin", .copyNotSupported, "COPY"),
  ])
  func `a statement that may not run is refused by its pointer`(
    _ sql: String, _ code: RequestError.Code, _ detail: String
  ) {
    let error = refusal(
      ofDocument: "{\"statements\": [{\"sql\": \"\"}, {\"savepoint\": [{\"sql\": \"\(sql)\"}]}]}")
    #expect(error?.code == code)
    #expect(error?.status == 422)
    #expect(error?.pointer == "/statements/1/savepoint/0/sql")
    #expect(error?.detail.contains(detail) == true)
  }

  @Test func `a value nested deeper than the reader allows is too deep`() {
    let deep = String(repeating: "[", count: 600) + String(repeating: "]", count: 600)
    let error = refusal(
      ofDocument: "{\"statements\": [{\"sql\": \"\", \"params\": [\(deep)]}]}")
    #expect(error?.code == .tooDeep)
    #expect(error?.status == 400)
  }
}
