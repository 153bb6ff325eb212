import Glibc
import TestSupport
import TransomCluster

/// A receiver of webhooks on loopback, which is a process of its own.
struct WebhookReceiver: Sendable {
  let port: Int
  private let process: TransomProcess
  private var scheme = "http"

  func url(_ path: String) -> String { "\(scheme)://127.0.0.1:\(port)\(path)" }

  /// What has been received so far, in order.
  func messages() throws -> [JSON] {
    try process.log.split(separator: "\n").filter { $0.hasPrefix("{") }.map {
      try JSON(parsing: Array($0.utf8))
    }
  }

  /// Waits until so many messages have come, and returns all of them.
  func messages(_ count: Int, within limit: Duration = .seconds(60)) async throws -> [JSON] {
    try await eventually("\(count) messages", within: limit) { try messages().count >= count }
    return try messages()
  }

  /// Runs one while the body runs, or another program that does the same.
  static func with<Result>(
    script: String = "receiver.py", environment: [String: String] = [:],
    _ body: (WebhookReceiver) async throws -> Result
  ) async throws -> Result {
    let process = try await TransomProcess.start(
      [path(of: script)], environment: environment, executable: "/usr/bin/python3")
    return try await with(process, scheme: "http", body)
  }

  /// Runs one that speaks TLS, and within that HTTP/2 or HTTP/1.1, as it offers.
  static func withTLS<Result>(
    _ certificate: TestCertificate, offering protocols: [String],
    _ body: (WebhookReceiver) async throws -> Result
  ) async throws -> Result {
    let python = try PythonEnvironment.command("python", []).executable
    let process = try await TransomProcess.start(
      [path(of: "tls_receiver.py"), certificate.file, certificate.keyFile] + protocols,
      executable: python)
    return try await with(process, scheme: "https", body)
  }

  private static func path(of name: String) -> String {
    "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/" + name
  }

  private static func with<Result>(
    _ process: TransomProcess, scheme: String, _ body: (WebhookReceiver) async throws -> Result
  ) async throws -> Result {
    let port = try await process.listeningPort()
    let receiver = WebhookReceiver(port: port, process: process, scheme: scheme)
    do {
      let result = try await body(receiver)
      process.send(SIGKILL)
      try await process.waitForExit()
      return result
    } catch {
      process.send(SIGKILL)
      _ = try? await process.waitForExit()
      throw error
    }
  }
}

extension Service {
  /// Registers a webhook, and returns its answer.
  func addWebhook(
    _ url: String, _ events: String = "*", _ fields: String = ""
  ) async throws -> JSON {
    let answer = try await request(
      "POST", "/webhooks", body: #"{"url": "\#(url)", "events": ["\#(events)"]\#(fields)}"#)
    guard answer.status == 201 else { throw UnexpectedAnswer(status: answer.status) }
    return answer.body
  }

  /// A transaction that emits one event.
  static func emit(_ event: String, _ data: String = "{}") -> String {
    #"{"statements": [], "on_commit": [{"event": "\#(event)", "data": \#(data)}]}"#
  }

  struct UnexpectedAnswer: Error { var status: Int }
}

/// A receiver on loopback, and a service that delivers there: failures are repeated at once, twice unless `arguments`
/// say more.
func withReceiver(
  _ arguments: [String] = [], environment: [String: String] = [:],
  _ body: (Service, WebhookReceiver, TestDatabase) async throws -> Void
) async throws {
  try await withDatabase { db in
    try await WebhookReceiver.with { receiver in
      try await withService(
        for: db.connectionString, WebhookReceiver.settings + arguments, environment: environment
      ) { service in
        try await body(service, receiver, db)
      }
    }
  }
}

extension WebhookReceiver {
  static let settings = [
    "--webhooks-allow-networks", "127.0.0.0/8", "--webhooks-retry-schedule", "0",
    "--webhooks-retry-schedule", "0", "--webhooks-poll-ms", "50",
  ]
}
