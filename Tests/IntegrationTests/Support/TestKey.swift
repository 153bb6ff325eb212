/// Keys of clients, for tests to configure.
enum TestKey: String, CaseIterable {
  case reader
  case writer
  case narrow
  case hooks

  /// What a client sends.
  var text: String { "transom_test_\(rawValue)_key" }

  /// SHA-256 of it: printf KEY | sha256sum
  var hash: String {
    switch self {
    case .reader:
      "836ee5eb2e778e4fa25bca587ee047160caf794ad75ed6032e686ffbfaa508f6"
    case .writer:
      "6029820b482a525acf10cc9035d24550d4be445195e84cd60290aa975920482a"
    case .narrow:
      "8305ebc36a31ad2940fd862b2d00e4f576fbbf276fe98accb33e401294a2c5f7"
    case .hooks:
      "ddb3ae4cfdc828522f9483fb3cf59c0c1c9253a00b8be3685676bf40cb366c7e"
    }
  }

  /// What configures it, and these fields of it.
  func environment(_ fields: [String: String] = [:]) -> [String: String] {
    var environment = ["TRANSOM_KEYS_\(rawValue.uppercased())_SHA256": hash]
    for (name, value) in fields {
      environment["TRANSOM_KEYS_\(rawValue.uppercased())_\(name)"] = value
    }
    return environment
  }
}

extension Service {
  /// Sends one request with a key on a connection of its own.
  func request(
    _ method: String, _ target: String, as key: TestKey,
    headers: [(name: String, value: String)] = [], body: String? = nil
  ) async throws -> Answer {
    try await request(
      method, target, headers: [("Authorization", "Bearer \(key.text)")] + headers, body: body)
  }

  /// Posts one transaction with a key on a connection of its own.
  func post(
    _ transaction: String, as key: TestKey, idempotencyKey: String? = nil
  ) async throws -> Answer {
    let headers = idempotencyKey.map { [(name: "Idempotency-Key", value: $0)] } ?? []
    return try await request("POST", "/transactions", as: key, headers: headers, body: transaction)
  }
}
