import Glibc
import TestSupport

/// A receiver of webhooks on loopback, which is a process of its own.
struct WebhookReceiver: Sendable {
  let port: Int
  private let process: TransomProcess

  func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

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
    let folder = #filePath.split(separator: "/").dropLast().joined(separator: "/")
    let process = try await TransomProcess.start(
      ["/\(folder)/\(script)"], environment: environment, executable: "/usr/bin/python3")
    let receiver = WebhookReceiver(port: try await process.listeningPort(), process: process)
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

  struct UnexpectedAnswer: Error { var status: Int }
}
