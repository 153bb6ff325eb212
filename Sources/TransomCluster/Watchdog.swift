import Glibc

/// A small process that outlives us by a moment: when we end without having said why, it stops the
/// server, and removes what was temporary.
///
/// It reads lines from a socket that only we hold the other end of. End of file means that we are
/// gone: killed, crashed, or ended without `stop`. The last line says what to do then:
/// a process number (stop this server) or `done` (nothing).
package final class Watchdog: Sendable {
  private let lifeline: LifelineSocket

  private init(lifeline: LifelineSocket) {
    self.lifeline = lifeline
  }

  /// What to do with the server when we are gone.
  package enum Farewell: Sendable {
    /// Stop it at once, and remove these directories.
    case removal(of: [String])
    /// Shut it down in order, if it is the one that we told of; remove the directories.
    case shutdown(thenRemoving: [String])
  }

  /// Starts a watchdog for the server of a data directory.
  static func start(
    over data: String, as account: Account?, farewell: Farewell
  ) async throws -> Watchdog {
    let arguments: [String]
    switch farewell {
    case .removal(let directories): arguments = ["QUIT", "any"] + directories
    case .shutdown(let directories): arguments = ["INT", "told"] + directories
    }
    return try await start(script: serverScript, arguments: [data] + arguments, as: account)
  }

  /// Starts a watchdog that kills a process of ours when we are gone: for programs under test.
  package static func start(killing processID: Int32) async throws -> Watchdog {
    try await start(script: killScript, arguments: ["\(processID)"], as: nil)
  }

  /// Says which server is ours now.
  func watch(processID: Int32) {
    lifeline.send(line: "\(processID)")
  }

  /// Says that all is in order: nothing is to be done when we end.
  package func dismiss() {
    lifeline.send(line: "done")
  }

  private static func start(
    script: String, arguments: [String], as account: Account?
  ) async throws -> Watchdog {
    let (ours, watched) = try LifelineSocket.pair()
    let watchdog = Watchdog(lifeline: ours)
    // The shell that we start ends at once and leaves the watching to its child, so that the
    // watchdog is nobody's zombie. `exec 3<&0`: a background job's standard input is /dev/null.
    let frame = "exec 3<&0\n(\n\(prologue)\n\(script)\n) <&3 3<&- >/dev/null 2>&1 &\n"
    let command = Command("/bin/sh", ["-c", frame, "transom-watchdog"] + arguments, as: account)
    let outcome = try await command.run(input: watched)
    guard outcome.succeeded else {
      throw ClusterError.commandFailed(command: "/bin/sh", output: outcome.text)
    }
    return watchdog
  }

  private static let prologue = """
    trap '' HUP INT TERM
    last=
    while read -r line; do last=$line; done
    [ "$last" != done ] || exit 0
    """

  /// $1 data directory, $2 signal, $3 `any` or `told`, then what to remove.
  private static let serverScript = """
    data=$1 signal=$2 whom=$3
    shift 3
    pid=$(head -n 1 "$data/postmaster.pid")
    # The number may be another process's by now: a server lives in its data directory.
    place=$(readlink "/proc/$pid/cwd")
    [ -z "$place" ] || [ "$place" = "$(cd "$data" && pwd -P)" ] || pid=
    if [ -n "$pid" ] && { [ "$whom" = any ] || [ "$pid" = "$last" ]; }; then
      kill -s "$signal" "$pid"
      tries=0
      while [ -e "$data/postmaster.pid" ] && kill -0 "$pid" && [ $tries -lt 300 ]; do
        sleep 0.1
        tries=$((tries + 1))
      done
      [ ! -e "$data/postmaster.pid" ] || kill -s QUIT "$pid"
    fi
    tries=0
    while [ $# -gt 0 ] && ! rm -rf -- "$@" && [ $tries -lt 50 ]; do
      sleep 0.1
      tries=$((tries + 1))
    done
    """

  private static let killScript = """
    kill -s KILL "$1"
    """
}
