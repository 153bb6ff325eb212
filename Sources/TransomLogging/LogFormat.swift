package import Logging

/// How an event of the log is written: a line, whatever is in it.
package enum LogFormat: String, CaseIterable, Sendable {
  /// An object for programs: `{"time":…,"level":…,"message":…,…}`. Numbers are numbers where they are logged as such.
  case json
  /// For people at a terminal.
  case pretty

  /// An event as it is written.
  package struct Event: Sendable {
    /// Since 1970.
    package var time: Duration
    package var level: Logger.Level
    package var label: String
    package var message: String
    package var metadata: Logger.Metadata

    package init(
      time: Duration, level: Logger.Level, label: String, message: String,
      metadata: Logger.Metadata = [:]
    ) {
      self.time = time
      self.level = level
      self.label = label
      self.message = message
      self.metadata = metadata
    }
  }

  /// The line, with its end.
  package func line(_ event: Event, isColored: Bool = false) -> String {
    switch self {
    case .json: JSONLine.text(event)
    case .pretty: PrettyLine.text(event, isColored: isColored)
    }
  }
}
