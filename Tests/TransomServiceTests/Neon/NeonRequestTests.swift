import Testing
import TransomPostgres
import TransomService

@Suite struct NeonRequestTests {
  private static func decode(
    _ body: String, _ options: NeonOptions = NeonOptions()
  ) throws -> TransactionRequest {
    var reader = JSONReader()
    return try NeonRequestDecoder.decode(
      Array(body.utf8).span, with: &reader, options, database: "default", known: KnownStatements())
  }

  @Test func `parameters are what PostgreSQL takes as text`() throws {
    let request = try Self.decode(
      #"""
      {"query": "select", "params": ["it's \"\u00e9", 12345678901234567890.10, true, null, {"a": [1]},
        [1, null, "a \"b\"\n"], [], "{1,2}"]}
      """#)
    let texts = (0..<request.parameters.count).map { request.parameters.text(at: $0) }
    #expect(
      texts == [
        "it's \"é", "12345678901234567890.10", "true", nil, #"{"a": [1]}"#,
        #"{1,NULL,"a \"b\""# + "\n" + #""}"#, "{}", "{1,2}",
      ])
  }

  @Test func `a single query is no batch, whatever the fields for batches say`() throws {
    var options = NeonOptions()
    options.isolation = .serializable
    options.isReadOnly = true
    options.hasArrays = true
    let single = try Self.decode(#"{"query": "select 1", "later": [{}], "params": []}"#, options)
    #expect(single.isolation == nil && !single.readOnly && single.items.count == 1)
    #expect(single.neon == NeonForm(isBatch: false, isRawText: false, arrays: [true]))
    let batch = try Self.decode(
      #"{"queries": [{"query": "select 1", "arrayMode": false}, {"query": "select 2", "arrayMode": null}]}"#,
      options)
    #expect(batch.isolation == .serializable && batch.readOnly && batch.items.count == 2)
    #expect(batch.neon == NeonForm(isBatch: true, isRawText: false, arrays: [false, true]))
    #expect(try Self.decode(#"{"queries": []}"#).items.isEmpty)
  }

  @Test(
    arguments: [
      ("", nil, "malformed-json"), ("[]", "", "invalid-request"), ("{}", "", "invalid-request"),
      (#"{"query": 1}"#, "/query", "invalid-request"),
      (#"{"query": "select\u0000"}"#, "/query", "invalid-request"),
      (#"{"query": "select $1", "params": {}}"#, "/params", "invalid-request"),
      (#"{"query": "select $1", "params": ["\u0000"]}"#, "/params/0", "invalid-parameter"),
      (#"{"query": "select $1", "params": [[["\u0000"]]]}"#, "/params/0/0/0", "invalid-parameter"),
      (#"{"query": "select $1", "params": [[[1], [1, 2]]]}"#, "/params/0", "invalid-parameter"),
      (#"{"query": "select 1", "arrayMode": "true"}"#, "/arrayMode", "invalid-request"),
      (#"{"queries": {}}"#, "/queries", "invalid-request"),
      (#"{"queries": [{"query": "select 1"}, {"params": []}]}"#, "/queries/1", "invalid-request"),
      (#"{"queries": [{"query": "/* */ commit"}]}"#, "/queries/0/query", "transaction-control"),
      (#"{"query": "copy t from stdin"}"#, "/query", "copy-not-supported"),
    ] as [(String, String?, String)])
  func `what cannot be run is refused with its place`(
    _ body: String, _ pointer: String?, _ code: String
  ) {
    #expect {
      _ = try Self.decode(body)
    } throws: { error in
      let error = error as? RequestError
      return error?.code.rawValue == code && error?.pointer?.description == pointer
    }
  }
}
