import Glibc
import TransomConfiguration
import TransomLogging

extension LogOutput {
  /// Where the log goes, as it is set.
  convenience init(_ settings: Settings) {
    let isTerminal = isatty(STDERR_FILENO) != 0
    self.init(
      settings.logFormat ?? (isTerminal ? .pretty : .json), isColored: isTerminal,
      level: settings.logLevel)
  }
}
