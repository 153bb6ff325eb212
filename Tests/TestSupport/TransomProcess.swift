import FoundationEssentials
import Glibc
import Subprocess
import Synchronization
import SystemPackage
import TransomCluster

/// The real executable, as a process of its own.
///
///     try await withTransom(["serve", "--database-url", db.connectionString]) { transom, port in
///       let client = try await RawHTTPClient.connect(toPort: port)
///     }
///
/// It is killed with the test process if that dies, by a watchdog.
package final class TransomProcess: Sendable {
  package let processID: Int32
  private let logFile: String
  private let watchdog: Watchdog
  private let running: Task<Int32, any Error>
  private let status = Status()

  /// Apart from the process, so that who waits for its end does not keep it alive.
  private final class Status: Sendable {
    let code = Mutex<Int32?>(nil)
  }

  private init(
    processID: Int32, logFile: String, watchdog: Watchdog, running: Task<Int32, any Error>
  ) {
    self.processID = processID
    self.logFile = logFile
    self.watchdog = watchdog
    self.running = running
    Task { [status] in
      let code = try await running.value
      watchdog.dismiss()
      status.code.withLock { $0 = code }
    }
  }

  deinit {
    running.cancel()
    try? FileManager.default.removeItem(atPath: logFile)
  }

  /// The executable beside this test in the directory of build products.
  package static var executable: String {
    let test = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let parts = (test ?? CommandLine.arguments[0]).split(separator: "/").dropLast()
    return "/" + parts.joined(separator: "/") + "/transom"
  }

  /// Starts a program, without what the environment says of databases or Transom, but with
  /// `environment`.
  package static func start(
    _ arguments: [String], environment: [String: String] = [:],
    executable: String = TransomProcess.executable
  ) async throws -> TransomProcess {
    let logFile = "/tmp/transom-log-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    let log = try FileDescriptor.open(
      FilePath(logFile), .writeOnly, options: [.create, .append, .closeOnExec],
      permissions: [.ownerReadWrite])
    var options = PlatformOptions()
    options.createSession = true
    let configuration = Configuration(
      executable: .path(FilePath(executable)), arguments: Arguments(arguments),
      environment: .custom(fullEnvironment(environment)), platformOptions: options)
    let (started, announce) = AsyncStream.makeStream(of: Int32.self)
    let running = Task {
      defer { announce.finish() }
      let result = try await Subprocess.run(
        configuration, input: .none,
        output: .fileDescriptor(log, closeAfterSpawningProcess: true),
        error: .combinedWithOutput
      ) { execution in
        announce.yield(execution.processIdentifier.value)
      }
      return switch result.terminationStatus {
      case .exited(let code): code
      case .signaled(let signal): 128 + signal
      }
    }
    guard let processID = await started.first(where: { _ in true }) else {
      _ = try await running.value
      throw DeadlineExceeded("the start of \(executable)", after: .zero)
    }
    let watchdog = try await Watchdog.start(killing: processID)
    return TransomProcess(
      processID: processID, logFile: logFile, watchdog: watchdog, running: running)
  }

  private static func fullEnvironment(_ changes: [String: String]) -> [Environment.Key: String] {
    let inherited = ProcessInfo.processInfo.environment.filter { name, _ in
      !name.hasPrefix("TRANSOM_") && !name.hasPrefix("PG") && name != "DATABASE_URL"
    }
    var full: [Environment.Key: String] = [:]
    // As tests read it most easily.
    let own = ["TRANSOM_LOG_FORMAT": "pretty"].merging(changes) { $1 }
    for (name, value) in inherited.merging(own, uniquingKeysWith: { $1 }) {
      if let key = Environment.Key(rawValue: name) { full[key] = value }
    }
    return full
  }

  // MARK: What it says

  /// All that it has written to its standard output and error.
  package var log: String {
    String(decoding: FileManager.default.contents(atPath: logFile) ?? Data(), as: UTF8.self)
  }

  /// Waits for a line of the log that holds the text, and returns it.
  package func line(
    with text: String, within limit: Duration = .seconds(60)
  ) async throws -> String {
    var found: Substring?
    try await eventually("a log line with \"\(text)\"", within: limit) {
      // First the end, then the log: what was written before the end is read.
      let ended = exitStatus
      found = log.split(separator: "\n").first { $0.contains(text) }
      if found == nil, let ended {
        throw EndedEarly(description: "exit status \(ended), log:\n\(log)")
      }
      return found != nil
    }
    return String(found ?? "")
  }

  /// Waits for the log line that says "listening", and returns the port in it.
  package func listeningPort(within limit: Duration = .seconds(60)) async throws -> Int {
    let line = try await line(with: "listening", within: limit)
    guard let port = Self.port(in: line) else {
      throw EndedEarly(description: "no port in the log line: \(line)")
    }
    return port
  }

  /// The number after an address, or after the word `port`.
  static func port(in line: String) -> Int? {
    let patterns = [#/(?:\d+\.\d+\.\d+\.\d+|localhost|\])"?:(\d+)/#, #/port"?\s*[:=]\s*"?(\d+)/#]
    for pattern in patterns {
      if let match = line.firstMatch(of: pattern) { return Int(match.1) }
    }
    return nil
  }

  // MARK: Its end

  /// A process that ended before it did what the test waits for.
  package struct EndedEarly: Error, CustomStringConvertible {
    package let description: String
  }

  /// The exit status, 128 + n after signal n; nil while it runs.
  package var exitStatus: Int32? { status.code.withLock(\.self) }

  package func send(_ signal: Int32) {
    status.code.withLock { status in
      if status == nil { kill(processID, signal) }
    }
  }

  /// Asks it to end in order.
  package func terminate() { send(SIGTERM) }

  /// Waits for its end and returns the exit status, 128 + n after signal n.
  @discardableResult
  package func waitForExit(within limit: Duration = .seconds(60)) async throws -> Int32 {
    try await eventually("the end of process \(processID)", within: limit) { exitStatus != nil }
    return exitStatus ?? -1
  }
}

/// Starts `transom`, waits until it listens, runs the body, ends it with SIGTERM and waits for that.
///
/// It fails if the process does not end in order, or if it ended before.
package func withTransom<Result>(
  _ arguments: [String], environment: [String: String] = [:],
  _ body: (_ transom: TransomProcess, _ port: Int) async throws -> Result
) async throws -> Result {
  let transom = try await TransomProcess.start(arguments, environment: environment)
  do {
    let result = try await body(transom, transom.listeningPort())
    transom.terminate()
    let status = try await transom.waitForExit()
    guard status == 0 else {
      throw TransomProcess.EndedEarly(description: "exit status \(status), log:\n\(transom.log)")
    }
    return result
  } catch {
    transom.send(SIGKILL)
    _ = try? await transom.waitForExit()
    throw error
  }
}
