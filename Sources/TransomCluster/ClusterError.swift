/// Why a private PostgreSQL server could not be made, started or stopped. Each says what to do.
package enum ClusterError: Error, Equatable, Sendable {
  /// No server binaries; `searched` are the directories that were looked at.
  case serverNotInstalled(searched: [String])
  /// The data directory belongs to a major version whose binaries are not installed.
  case versionMismatch(directory: String, version: String, installed: [String])
  /// Another live process has the directory.
  case directoryInUse(directory: String, processID: String)
  /// There are files in the place of the data directory, but PostgreSQL did not make them.
  case notADataDirectory(String)
  /// The account that runs the server cannot get to the directory: `obstacle` is in the way.
  case directoryNotAccessible(directory: String, obstacle: String, account: String)
  /// The path holds a character that PostgreSQL's tools cannot take.
  case unusablePath(String)
  /// We are root, which PostgreSQL refuses, and there is no other account to run it as.
  case noUnprivilegedAccount
  /// A system call failed.
  case systemCallFailed(name: String, path: String, reason: String)
  /// One of PostgreSQL's tools failed; `output` is what it said.
  case commandFailed(command: String, output: String)
  /// One of PostgreSQL's tools did not finish in time.
  case commandTimedOut(command: String, seconds: Int64)
  /// The server ended, or was not ready in time; `log` is the end of its log.
  case serverDidNotStart(log: String)
  /// A stopped server was asked to restart.
  case stopped
}

extension ClusterError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .serverNotInstalled(let searched):
      """
      no PostgreSQL server is installed (looked for initdb, postgres and pg_ctl in \
      \(searched.joined(separator: ", "))). Install it (Debian: apt-get install postgresql), \
      or name a database with --database-url
      """
    case .versionMismatch(let directory, let version, let installed):
      """
      the data in \(directory) belongs to PostgreSQL \(version), but installed is \
      \(installed.joined(separator: ", ")). Install that version (Debian: apt-get install \
      postgresql-\(version)), migrate the data with pg_upgrade, or use another directory
      """
    case .directoryInUse(let directory, let processID):
      "\(directory) is used by process \(processID): stop it, or use another directory"
    case .notADataDirectory(let path):
      "\(path) is not empty, and no PostgreSQL data directory: move it away, or use another one"
    case .directoryNotAccessible(let directory, let obstacle, let account):
      """
      the account "\(account)", which runs PostgreSQL, cannot use \(directory): it may not \
      enter or write \(obstacle). Change its permissions, or use another directory
      """
    case .unusablePath(let path):
      "PostgreSQL's tools cannot take a path with a quote, $, ` , \\ or line break: \(path)"
    case .noUnprivilegedAccount:
      """
      PostgreSQL does not run as root, and there is neither an account "postgres" nor "nobody": \
      make one (useradd --system postgres), or start as another user
      """
    case .systemCallFailed(let name, let path, let reason):
      "\(name) \(path): \(reason)"
    case .commandFailed(let command, let output):
      "\(command) failed: \(output)"
    case .commandTimedOut(let command, let seconds):
      "\(command) did not finish within \(seconds) s"
    case .serverDidNotStart(let log):
      "PostgreSQL did not start: \(log)"
    case .stopped:
      "the private PostgreSQL server was stopped already"
    }
  }
}
