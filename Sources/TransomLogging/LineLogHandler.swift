internal import FoundationEssentials
package import Logging
internal import Synchronization
internal import SystemPackage

/// Where the program's log goes: standard error, a line for each event.
///
/// All loggers of the process share it, with one level that can be changed while the program runs.
package final class LogOutput: Sendable {
  private let format: LogFormat
  private let isColored: Bool
  /// The level's place among all.
  private let rank: Atomic<Int>

  /// - Parameters:
  ///   - format: How events are written.
  ///   - isColored: Whether they go to a terminal.
  ///   - level: What is below it is not written.
  package init(_ format: LogFormat, isColored: Bool, level: Logger.Level) {
    self.format = format
    self.isColored = isColored
    rank = Atomic(Self.rank(level))
  }

  /// A logger that writes here.
  package func logger(_ label: String) -> Logger {
    Logger(label: label) { LineLogHandler(label: $0, output: self) }
  }

  package var logLevel: Logger.Level {
    get { Logger.Level.allCases[rank.load(ordering: .relaxed)] }
    set { rank.store(Self.rank(newValue), ordering: .relaxed) }
  }

  private static func rank(_ level: Logger.Level) -> Int {
    Logger.Level.allCases.firstIndex(of: level) ?? 0
  }

  fileprivate func write(_ event: LogFormat.Event) {
    let line = format.line(event, isColored: isColored)
    // In one call, so that lines of several threads do not mix. Who cannot be written to cannot be told that either.
    _ = try? FileDescriptor.standardError.writeAll(Array(line.utf8))
  }
}

private struct LineLogHandler: LogHandler {
  let label: String
  let output: LogOutput
  var metadata: Logger.Metadata = [:]
  /// Of this logger alone; nil: that of all.
  private var ownLevel: Logger.Level?

  init(label: String, output: LogOutput) {
    self.label = label
    self.output = output
  }

  var logLevel: Logger.Level {
    get { ownLevel ?? output.logLevel }
    set { ownLevel = newValue }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var metadata = metadata
    if let own = event.metadata { metadata.merge(own) { $1 } }
    output.write(
      LogFormat.Event(
        time: .seconds(Date().timeIntervalSince1970), level: event.level, label: label,
        message: event.message.description, metadata: metadata))
  }
}
