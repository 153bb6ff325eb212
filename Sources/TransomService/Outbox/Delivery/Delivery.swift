internal import FoundationEssentials
internal import TransomEventLoop
internal import TransomWebhooks

/// One event on its way to one webhook, as a dispatcher has claimed it.
struct Delivery: Sendable {
  /// Its key in `transom.deliveries`.
  struct ID: Hashable, Sendable {
    var event: Int
    var webhook: Int
  }

  var id: ID
  /// The attempts that failed so far.
  var failures: Int
  /// Whether nothing has succeeded since an attempt failed, of all that its webhook gets.
  var webhookIsFailing: Bool
  /// What the receiver knows the message by: the same for every attempt.
  var messageID: String
  var url: String
  /// As they are stored, the newest first.
  var secrets: [[UInt8]]
  var body: [UInt8]

  /// The message's body (Standard Webhooks, "Payload structure").
  static func body(type: String, timestamp: String, data: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.raw(#"{"type":"#)
    writer.string(type)
    writer.raw(#","timestamp":"#)
    writer.string(timestamp)
    writer.raw(#","data":"#)
    writer.raw(data.utf8.span)
    writer.byte(JSONWriter.closeBrace)
    return writer.bytes
  }
}

/// What came of an attempt, to be recorded.
struct AttemptRecord: Sendable {
  var id: Delivery.ID
  /// nil: it was not an attempt, as the service stopped; somebody else makes it.
  var verdict: AttemptVerdict?
  /// The attempt as JSON.
  var attempt: String

  /// The same with a question mark for each character that not every database has.
  var inASCII: AttemptRecord {
    var record = self
    record.attempt = String(
      String.UnicodeScalarView(attempt.unicodeScalars.map { $0.isASCII ? $0 : "?" }))
    return record
  }
}

extension Delivery {
  /// Why a delivery cannot be sent at all.
  struct Unsendable: Error, CustomStringConvertible {
    var description: String
  }

  /// What is sent, signed with all secrets of the webhook.
  func request(_ configuration: WebhookConfiguration) -> Result<WebhookRequest, Unsendable> {
    do throws(WebhookURL.Flaw) {
      let target = try WebhookURL(url)
      return request(to: target, configuration)
    } catch {
      return .failure(Unsendable(description: error.description))
    }
  }

  private func request(
    to url: WebhookURL, _ configuration: WebhookConfiguration
  ) -> Result<WebhookRequest, Unsendable> {
    let opened = secrets.compactMap(configuration.seal.open)
    guard opened.count == secrets.count else {
      return .failure(
        Unsendable(description: "the webhook's secret cannot be opened: its key is missing"))
    }
    let timestamp = Int(Date().timeIntervalSince1970)
    var headers = [
      (name: "Content-Type", value: "application/json"),
      (name: "webhook-id", value: messageID),
      (name: "webhook-timestamp", value: String(timestamp)),
    ]
    if !opened.isEmpty {
      let signature = Signature.header(
        id: messageID, timestamp: timestamp, body: body, secrets: opened)
      headers.append((name: "webhook-signature", value: signature))
    }
    return .success(
      WebhookRequest(url: url, headers: headers, body: body, timeout: configuration.timeout))
  }
}

extension WebhookAnswer {
  /// What is kept of an attempt.
  var json: String {
    var writer = JSONWriter()
    writer.raw(#"{"status":"#)
    if let status { writer.integer(status) } else { writer.null() }
    writer.raw(#","duration_ms":"#)
    writer.integer(duration.milliseconds)
    if let failure {
      writer.raw(#","failure":"#)
      writer.string(failure)
    }
    writer.raw(#","answer":"#)
    // PostgreSQL's JSON cannot hold U+0000.
    let text = excerpt.map { $0 == 0 ? 0x20 : $0 }
    writer.string(text.span)
    writer.byte(JSONWriter.closeBrace)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
