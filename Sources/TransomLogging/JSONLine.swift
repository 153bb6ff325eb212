internal import Logging

/// An event as a line of JSON (RFC 8259).
enum JSONLine {
  /// What every event has.
  private static let reserved: Set<String> = ["time", "level", "message", "logger"]

  static func text(_ event: LogFormat.Event) -> String {
    var text = #"{"time":"#
    append(Timestamp.text(event.time), to: &text)
    text += #","level":"#
    append(event.level.rawValue, to: &text)
    text += #","message":"#
    append(event.message, to: &text)
    if event.label != "transom" {
      text += #","logger":"#
      append(event.label, to: &text)
    }
    for (name, value) in event.metadata.sorted(by: { $0.key < $1.key }) {
      text += ","
      // What a library says under the name of one of ours stands behind it.
      append(reserved.contains(name) ? name + "_" : name, to: &text)
      text += ":"
      append(value, to: &text)
    }
    return text + "}\n"
  }

  private static func append(_ value: Logger.MetadataValue, to text: inout String) {
    switch value {
    case .string(let string): append(string, to: &text)
    case .stringConvertible(let value):
      if let number = LoggedNumber.text(of: value) {
        text += number
      } else {
        append(value.description, to: &text)
      }
    case .array(let values):
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += "," }
        append(value, to: &text)
      }
      text += "]"
    case .dictionary(let members):
      text += "{"
      for (index, (name, value)) in members.sorted(by: { $0.key < $1.key }).enumerated() {
        if index > 0 { text += "," }
        append(name, to: &text)
        text += ":"
        append(value, to: &text)
      }
      text += "}"
    }
  }

  private static func append(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      // Terminals and viewers take some of these for the end of a line, or for commands.
      case _ where scalar.value < 0x20 || 0x7f...0x9f ~= scalar.value,
        "\u{2028}", "\u{2029}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

/// Numbers that were logged as such.
enum LoggedNumber {
  /// As JSON; nil if it is no number, or none that JSON has.
  static func text(of value: any CustomStringConvertible) -> String? {
    switch value {
    case let number as any BinaryInteger: "\(number)"
    case let number as Double where number.isFinite: "\(number)"
    case let flag as Bool: flag ? "true" : "false"
    default: nil
    }
  }
}
