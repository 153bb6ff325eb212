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
}
