internal import Logging

/// An event as a line for people: the time of the day, the level, the message, and what belongs to it as `name=value`.
enum PrettyLine {
  private static let messageWidth = 24

  static func text(_ event: LogFormat.Event, isColored: Bool) -> String {
    // Of the time in UTC, what is read at a terminal.
    let time = String(Timestamp.text(event.time).dropFirst(11))
    let level = name(of: event.level)
    let padding = String(repeating: " ", count: 6 - level.count)
    var text =
      isColored
      ? "\u{1b}[2m\(time)\u{1b}[0m \u{1b}[\(color(event.level))m\(level)\u{1b}[0m\(padding) "
      : "\(time) \(level)\(padding) "
    text += plain(event.message)
    var fields = event.metadata.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    if event.label != "transom" { fields.append((name: "logger", value: .string(event.label))) }
    guard !fields.isEmpty else { return text + "\n" }
    text += String(repeating: " ", count: max(1, messageWidth - event.message.count))
    text += fields.map { field in
      let name = plain(field.name) + "="
      return (isColored ? "\u{1b}[2m\(name)\u{1b}[0m" : name) + value(field.value)
    }.joined(separator: " ")
    return text + "\n"
  }

  private static func value(_ value: Logger.MetadataValue) -> String {
    switch value {
    case .string(let text): quoted(text)
    case .stringConvertible(let value): quoted(value.description)
    case .array(let values): "[" + values.map { self.value($0) }.joined(separator: ", ") + "]"
    case .dictionary(let members):
      "{"
        + members.sorted { $0.key < $1.key }.map { plain($0.key) + "=" + self.value($0.value) }
        .joined(separator: " ") + "}"
    }
  }

  /// As it is if it is one word, else in quotation marks.
  private static func quoted(_ text: String) -> String {
    let isWord =
      !text.isEmpty
      && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0.value != 0x7f }
    return isWord ? plain(text) : "\"" + plain(text).replacing("\"", with: "\\\"") + "\""
  }

  /// Without what would end the line or command the terminal.
  private static func plain(_ text: String) -> String {
    var plain = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": plain += "\\n"
      case _ where scalar.value < 0x20 || 0x7f...0x9f ~= scalar.value,
        "\u{2028}", "\u{2029}":
        plain += "\\u{\(String(scalar.value, radix: 16))}"
      default: plain.unicodeScalars.append(scalar)
      }
    }
    return plain
  }

  private static func name(of level: Logger.Level) -> String {
    switch level {
    case .warning: "WARN"
    case .critical: "CRIT"
    case .trace, .debug, .info, .notice, .error: level.rawValue.uppercased()
    }
  }

  private static func color(_ level: Logger.Level) -> Int {
    switch level {
    case .trace, .debug: 90
    case .info: 32
    case .notice: 36
    case .warning: 33
    case .error, .critical: 31
    }
  }
}
