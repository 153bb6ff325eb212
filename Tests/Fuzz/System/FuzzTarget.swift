import Glibc

/// What is fuzzed, chosen by the environment variable `FUZZ_TARGET`: libFuzzer knows one entry point for a program.
enum FuzzTarget: String, CaseIterable {
  case request, chunked, json, sql, neon, fields, values, webhooks, tokens, named

  static let chosen: FuzzTarget = {
    let name = unsafe getenv("FUZZ_TARGET").map { unsafe String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
      fatalError("FUZZ_TARGET is \"\(name)\"; allowed is one of \(allCases.map(\.rawValue))")
    }
    return target
  }()

  func run(_ input: [UInt8]) {
    switch self {
    case .request: RequestFuzz.run(input)
    case .chunked: ChunkedFuzz.run(input)
    case .json: DocumentFuzz.run(input)
    case .sql: SQLFuzz.run(input)
    case .neon: NeonFuzz.run(input)
    case .fields: FieldFuzz.run(input)
    case .values: ValueFuzz.run(input)
    case .webhooks: WebhookFuzz.run(input)
    case .tokens: TokenFuzz.run(input)
    case .named: NamedFuzz.run(input)
    }
  }
}

/// Called by libFuzzer for each input (https://llvm.org/docs/LibFuzzer.html).
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
  FuzzTarget.chosen.run(input)
  return 0
}
