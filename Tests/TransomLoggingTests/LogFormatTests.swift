import FoundationEssentials
import Logging
import Testing

@testable import TransomLogging

struct LogFormatTests {
  private func event(
    _ message: String = "listening", _ metadata: Logger.Metadata = [:], label: String = "transom"
  ) -> LogFormat.Event {
    LogFormat.Event(
      time: .milliseconds(1_764_084_560_123), level: .info, label: label, message: message,
      metadata: metadata)
  }

  @Test func `an event is an object in one line, with numbers where numbers were logged`() {
    let line = LogFormat.json.line(
      event(
        "slow",
        [
          "b": .stringConvertible(1.5), "a": .stringConvertible(200), "c": "200",
          "d": .stringConvertible(true),
          "e": .array(["x", .dictionary(["n": .stringConvertible(1)])]),
          "f": .stringConvertible(Double.infinity), "message": "of a library",
        ], label: "lib"))
    #expect(
      line == """
        {"time":"2025-11-25T15:29:20.123Z","level":"info","message":"slow","logger":"lib","a":200,"b":1.5,"c":"200",\
        "d":true,"e":["x",{"n":1}],"f":"inf","message_":"of a library"}

        """)
  }

  @Test func `people read the time of the day, the level, the message, and what belongs to it`() {
    let event = event(
      "listening",
      [
        "address": "127.0.0.1:8080", "reason": "two words", "empty": "",
        "list": .array(["a", "b c"]),
      ])
    #expect(
      LogFormat.pretty.line(event)
        == #"15:29:20.123Z INFO   listening               address=127.0.0.1:8080 empty="" list=[a, "b c"] reason="two words""#
        + "\n")
    let colored = LogFormat.pretty.line(event, isColored: true)
    #expect(colored.contains("\u{1b}[32mINFO\u{1b}[0m"))
  }

  @Test(arguments: LogFormat.allCases)
  func `whatever is logged, it is one line, and commands no terminal`(_ format: LogFormat) throws {
    for text in [
      "a\nb", "\r\n", "\u{1b}[31m", "\u{9b}31m", "\u{2028}", "\u{85}", "\0", "\"quoted\" \\", "é 🎉",
      "\u{7f}",
    ] {
      let line = format.line(event(text, ["k": "\(text)", text: "v"]))
      #expect(line.last == "\n")
      #expect(
        line.dropLast().unicodeScalars.allSatisfy {
          $0.value >= 0x20 && !(0x7f...0x9f ~= $0.value) && $0 != "\u{2028}"
        })
      guard format == .json else { continue }
      let object = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
      #expect(object["message"] == text && object["k"] == text)
    }
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"),
    (951_868_799, "2000-02-29T23:59:59.000Z"), (951_868_800, "2000-03-01T00:00:00.000Z"),
    (4_107_542_400, "2100-03-01T00:00:00.000Z"), (1_767_225_599, "2025-12-31T23:59:59.000Z"),
    (1_767_225_600, "2026-01-01T00:00:00.000Z"),
  ]) func `times are those of RFC 3339`(_ seconds: Int, _ text: String) {
    #expect(Timestamp.text(.seconds(seconds)) == text)
  }

  @Test func `all loggers follow the level of their output, unless they have one of their own`() {
    let output = LogOutput(.json, isColored: false, level: .warning)
    let logger = output.logger("a")
    var own = output.logger("b")
    own.logLevel = .error
    #expect(logger.logLevel == .warning)
    output.logLevel = .debug
    #expect(logger.logLevel == .debug && own.logLevel == .error)
  }
}
