import Testing
import TransomService

/// `on_commit` in the document.
@Suite struct HookDecoderTests {
  private func decode(
    _ hooks: String, _ fields: String = "", allowsAddresses: Bool = true
  ) throws -> TransactionRequest {
    var reader = JSONReader()
    let document = #"{"statements": [], \#(fields) "on_commit": \#(hooks)}"#
    return try RequestDecoder.decode(
      Array(document.utf8).span, with: &reader,
      hooks: HookRules(databases: ["default"], allowsAddresses: allowsAddresses))
  }

  private func error(
    _ hooks: String, _ fields: String = "", allowsAddresses: Bool = true
  ) -> RequestError? {
    do {
      _ = try decode(hooks, fields, allowsAddresses: allowsAddresses)
      return nil
    } catch {
      return error as? RequestError
    }
  }

  @Test(arguments: [
    (#"{}"#, "/on_commit"), (#"[{}]"#, "/on_commit/0"), (#"[{"event": 1}]"#, "/on_commit/0/event"),
    (#"[{"event": ""}]"#, "/on_commit/0/event"), (#"[{"event": "a b"}]"#, "/on_commit/0/event"),
    (#"[{"event": "a."}]"#, "/on_commit/0/event"), (#"[{"event": "a.*"}]"#, "/on_commit/0/event"),
    (#"[{"event": "webhook.test"}]"#, "/on_commit/0/event"),
    (#"[{"event": "transaction.committed"}]"#, "/on_commit/0/event"),
    (#"[{"event": "a"}, {"event": "a", "event": "b"}]"#, "/on_commit/1/event"),
    (#"[{"event": "a", "data": 1}]"#, "/on_commit/0/data"),
    (#"[{"event": "a", "more": 1}]"#, "/on_commit/0/more"),
    (#"[{"event": "a", "refs": 1}]"#, "/on_commit/0/refs"),
    (#"[{"event": "a", "refs": {"": "/a"}}]"#, "/on_commit/0/refs/"),
    (#"[{"event": "a", "refs": {"x": "/a"}}]"#, "/on_commit/0/refs/x"),
    (#"[{"event": "a", "refs": {"/x": "a"}}]"#, "/on_commit/0/refs/~1x"),
    (#"[{"event": "a", "refs": {"/x/y": "/a"}}]"#, "/on_commit/0/refs/~1x~1y"),
    (#"[{"event": "a", "data": {"x": 1}, "refs": {"/x": "/a"}}]"#, "/on_commit/0/data/x"),
    (#"[{"event": "a", "data": {"x": 1}, "refs": {"/x/y": "/a"}}]"#, "/on_commit/0/refs/~1x~1y"),
    (#"[{"event": "a", "data": {"x": [1]}, "refs": {"/x/1": "/a"}}]"#, "/on_commit/0/refs/~1x~11"),
    (#"[{"event": "a", "data": {"x": [1]}, "refs": {"/x/-": "/a"}}]"#, "/on_commit/0/refs/~1x~1-"),
    (#"[{"event": "a", "url": "ftp://x"}]"#, "/on_commit/0/url"),
    (#"[{"event": "a", "url": "http://u:p@x"}]"#, "/on_commit/0/url"),
  ])
  func `a wrong hook is refused, and the place is named`(_ hooks: String, _ pointer: String) {
    let error = error(hooks)
    #expect(error?.pointer?.description == pointer && error?.status == 400)
  }

  @Test func `data of more than 1 MiB are refused`() {
    let most = String(repeating: "x", count: (1 << 20) - 8)
    let errors = [most, most + "y"].map { error(#"[{"event":"a","data":{"x":"\#($0)"}}]"#) }
    #expect(errors[0] == nil && errors[1]?.pointer == "/on_commit/0/data")
  }

  @Test func `hooks need webhooks in their database, and a transaction that may write`() {
    let hooks = #"[{"event": "a"}]"#
    #expect(error(hooks, #""database": "other","#)?.code == .webhooksNotInstalled)
    #expect(error(hooks, #""read_only": true,"#)?.pointer == "/on_commit")
    #expect(error("[]", #""database": "other", "read_only": true,"#) == nil)
  }

  @Test func `a hook with an address is refused unless it is allowed`() {
    let hooks = #"[{"event": "a", "url": "https://x"}]"#
    #expect(error(hooks) == nil)
    #expect(error(hooks, allowsAddresses: false)?.pointer == "/on_commit/0/url")
  }
}
