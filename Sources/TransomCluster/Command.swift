import FoundationEssentials
import Subprocess
import SystemPackage

/// Runs one of PostgreSQL's tools to its end.
///
/// A cancelled task does not interrupt it: half an `initdb` or a lost `pg_ctl` would leave more
/// behind than waiting costs. Each call has its own deadline instead.
package struct Command: Sendable {
  package var executable: String
  package var arguments: [String]
  /// nil: as ourselves.
  package var account: Account?
  package var environment: [String: String] = [:]
  package var limit: Duration = .seconds(60)
  package var maximumOutput = 1 << 20

  package init(_ executable: String, _ arguments: [String], as account: Account? = nil) {
    self.executable = executable
    self.arguments = arguments
    self.account = account
  }

  package struct Outcome: Sendable {
    /// The exit status; 128 + n after signal n, as shells have it.
    package let status: Int32
    package let output: String
    package let errors: String

    package var succeeded: Bool { status == 0 }
    /// All that was said, for a message.
    package var text: String {
      let lines = (errors + output).split(separator: "\n", omittingEmptySubsequences: true)
      return lines.joined(separator: "; ")
    }
  }

  /// Runs the command; throws `commandTimedOut` after `limit`, when it was killed. `input` is a
  /// descriptor for its standard input, closed here once it has been passed on.
  package func run(input: CInt? = nil) async throws -> Outcome {
    let work = Task { try await execute(input: input) }
    let timer = Task {
      try await Task.sleep(for: limit)
      work.cancel()
    }
    defer { timer.cancel() }
    do {
      let outcome = try await work.value
      guard !work.isCancelled || outcome.succeeded else { throw CancellationError() }
      return outcome
    } catch  where work.isCancelled {
      throw ClusterError.commandTimedOut(command: executable, seconds: limit.components.seconds)
    }
  }

  /// Runs the command, and throws `commandFailed` unless it exits with status 0.
  @discardableResult
  package func runChecked() async throws -> Outcome {
    let outcome = try await run()
    guard outcome.succeeded else {
      throw ClusterError.commandFailed(command: executable, output: outcome.text)
    }
    return outcome
  }

  private func execute(input: CInt?) async throws -> Outcome {
    guard let input else { return try await execute(with: .none) }
    let descriptor = FileDescriptor(rawValue: input)
    return try await execute(
      with: .fileDescriptor(descriptor, closeAfterSpawningProcess: true))
  }

  private func execute(with input: some InputProtocol) async throws -> Outcome {
    let result = try await Subprocess.run(
      configuration, input: input, output: .string(limit: maximumOutput),
      error: .string(limit: maximumOutput))
    let status: Int32 =
      switch result.terminationStatus {
      case .exited(let code): code
      case .signaled(let signal): 128 + signal
      }
    return Outcome(status: status, output: result.standardOutput, errors: result.standardError)
  }

  private var configuration: Configuration {
    var options = PlatformOptions()
    // Its own session, so that a Ctrl-C in our terminal is for us alone.
    options.createSession = true
    let line = commandLine
    return Configuration(
      executable: .path(FilePath(line.executable)), arguments: Arguments(line.arguments),
      environment: .custom(fullEnvironment), workingDirectory: "/", platformOptions: options)
  }

  /// Another account is entered by setpriv (util-linux), which becomes the command.
  ///
  /// Not by `PlatformOptions.userID`: swift-subprocess 1.0.2 then calls glibc's `setgroups` in a
  /// child that it made with `clone3` behind glibc's back. glibc waits there for threads of ours
  /// that the child has not got, now and then for ever.
  private var commandLine: (executable: String, arguments: [String]) {
    guard let account else { return (executable, arguments) }
    let change = [
      "--reuid=\(account.userID)", "--regid=\(account.groupID)", "--clear-groups", "--",
    ]
    return ("/usr/bin/setpriv", change + [executable] + arguments)
  }

  /// Ours without what would lead PostgreSQL's tools to another server, or change their language.
  private var fullEnvironment: [Environment.Key: String] {
    var full: [Environment.Key: String] = ["LC_ALL": "C"]
    for (name, value) in ProcessInfo.processInfo.environment.merging(
      environment, uniquingKeysWith: { $1 })
    where environment[name] != nil || !Self.isForeign(name) {
      if let key = Environment.Key(rawValue: name) { full[key] = value }
    }
    return full
  }

  private static func isForeign(_ name: String) -> Bool {
    name.hasPrefix("PG") || name.hasPrefix("LC_") || name.hasPrefix("LANG")
  }
}
