import Testing

@testable import TestSupport

@Suite struct TransomProcessTests {
  @Test(arguments: [
    (#"{"level":"info","message":"listening","address":"127.0.0.1:8080"}"#, 8080),
    ("2026-11-23T21:06:25+0000 info transom: port=4711 [Transom] listening", 4711),
    (#"12:34:56 listening on http://[::1]:9090/"#, 9090),
    (#"{"time":"2026-11-23T21:06:25","message":"listening","port":80}"#, 80),
    ("listening on 0.0.0.0:65535", 65535),
  ])
  func `the port is found in the log line`(_ line: String, _ port: Int) {
    #expect(TransomProcess.port(in: line) == port)
  }

  @Test func `a program's output, signals and exit status are seen`() async throws {
    let script = """
      trap 'echo asked to end; exit 7' TERM
      echo "listening on 127.0.0.1:$PORT" >&2
      while :; do sleep 0.01; done
      """
    let process = try await TransomProcess.start(
      ["-c", script], environment: ["PORT": "1234"], executable: "/bin/sh")
    #expect(try await process.listeningPort() == 1234)
    #expect(process.exitStatus == nil)
    process.terminate()
    #expect(try await process.waitForExit() == 7)
    #expect(process.log.contains("asked to end"))
  }

  @Test func `a program that ends before it listens is told with its log`() async throws {
    let process = try await TransomProcess.start(
      ["-c", "echo no database; exit 3"], executable: "/bin/sh")
    await #expect { try await process.listeningPort() } throws: { error in
      "\(error)".contains("exit status 3") && "\(error)".contains("no database")
    }
  }

  @Test func `a program that is dropped is killed`() async throws {
    var process: TransomProcess? = try await TransomProcess.start(["60"], executable: "/bin/sleep")
    let processID = try #require(process?.processID)
    #expect(isRunning(processID))
    process = nil
    try await eventually("the process' end") { !isRunning(processID) }
  }
}
