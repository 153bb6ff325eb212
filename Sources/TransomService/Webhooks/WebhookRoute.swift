internal import HTTPTypes

/// What of the webhooks a path names.
enum WebhookRoute: Equatable, Sendable {
  case collection
  case webhook(Int)
  case rotateSecret(Int)
  case test(Int)
  case deliveries(Int)
  /// All that failed.
  case redeliverAll(Int)
  case delivery(Delivery.ID)
  case redeliver(Delivery.ID)

  /// The path's segments, decoded; nil if they name nothing of the webhooks.
  init?(_ segments: [String]) {
    switch (segments.first, segments.count) {
    case ("webhooks", 1): self = .collection
    case ("webhooks", 2...3):
      guard let id = Self.number(segments[1].dropping("wh_")) else { return nil }
      switch segments.dropFirst(2).first {
      case nil: self = .webhook(id)
      case "rotate-secret": self = .rotateSecret(id)
      case "test": self = .test(id)
      case "deliveries": self = .deliveries(id)
      case "redeliver": self = .redeliverAll(id)
      case _?: return nil
      }
    case ("deliveries", 2...3):
      guard let id = Self.delivery(segments[1]) else { return nil }
      switch segments.dropFirst(2).first {
      case nil: self = .delivery(id)
      case "redeliver": self = .redeliver(id)
      case _?: return nil
      }
    default: return nil
    }
  }

  /// The value of `Allow`.
  var methods: String {
    switch self {
    case .collection: "GET, HEAD, POST, OPTIONS"
    case .webhook: "GET, HEAD, PATCH, DELETE, OPTIONS"
    case .deliveries, .delivery: "GET, HEAD, OPTIONS"
    case .rotateSecret, .test, .redeliverAll, .redeliver: "POST, OPTIONS"
    }
  }

  func allows(_ method: HTTPRequest.Method) -> Bool {
    method != .options
      && methods.split(separator: ",").contains { $0.drop { $0 == " " } == method.rawValue }
  }

  private static func delivery(_ text: String) -> Delivery.ID? {
    guard let parts = text.dropping("dlv_")?.split(separator: "_"), parts.count == 2,
      let event = number(parts[0]), let webhook = number(parts[1])
    else { return nil }
    return Delivery.ID(event: event, webhook: webhook)
  }

  /// A number as we write it.
  private static func number(_ text: Substring?) -> Int? {
    guard let text, let number = Int(text), number > 0, String(number) == text else { return nil }
    return number
  }
}

extension String {
  fileprivate func dropping(_ prefix: String) -> Substring? {
    hasPrefix(prefix) ? dropFirst(prefix.count) : nil
  }
}
