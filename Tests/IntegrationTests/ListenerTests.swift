import FoundationEssentials
import Glibc
import TestSupport
import Testing

/// Where the real executable listens, and how it ends.
@Suite(.timeLimit(.minutes(2))) struct ListenerTests {
  private static let noDatabase = ["serve", "--database-url", "postgresql:///none"]

  /// Answers of `/livez` on an address.
  private func isAlive(_ address: SocketAddress) async throws -> Bool {
    let client = try await RawHTTPClient.connect(to: address)
    let answer = try await client.request("GET", "/livez")
    await client.close()
    return answer.status == 200
  }

  @Test(arguments: [true, false])
  func `several addresses are served at once, told by flags or by a list`(_ byFlags: Bool)
    async throws
  {
    let path = "/tmp/transom-listen-\(UInt64.random(in: 0...UInt64.max))"
    let addresses = ["127.0.0.1:0", "[::1]:0", "unix:\(path)"]
    let transom = try await TransomProcess.start(
      Self.noDatabase + (byFlags ? addresses.flatMap { ["--listen", $0] } : [])
        + ["--socket-mode", "600"],
      environment: byFlags ? [:] : ["TRANSOM_LISTEN": addresses.joined(separator: ", ")])
    let ipv6 = try await transom.line(with: "[::1]:")
    let port = try #require(ipv6.firstMatch(of: /\[::1\]:(\d+)/).flatMap { Int($0.output.1) })
    _ = try await transom.line(with: path)
    #expect(try await isAlive(.tcp(port: transom.listeningPort())))
    #expect(try await isAlive(.tcp6(port: port)))
    #expect(try await isAlive(.unix(path: path)))
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    transom.terminate()
    #expect(try await transom.waitForExit() == 0)
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func `the socket of a process that was killed is taken over, that of a living one is not`()
    async throws
  {
    let path = "/tmp/transom-listen-\(UInt64.random(in: 0...UInt64.max))"
    let arguments = Self.noDatabase + ["--listen", "unix:\(path)"]
    let killed = try await TransomProcess.start(arguments)
    _ = try await killed.line(with: "listening")
    killed.send(SIGKILL)
    try await killed.waitForExit()
    #expect(FileManager.default.fileExists(atPath: path))

    let living = try await TransomProcess.start(arguments)
    _ = try await living.line(with: "listening")
    let second = try await TransomProcess.start(arguments)
    #expect(try await second.waitForExit() != 0)
    #expect(second.log.contains(path), "\(second.log)")
    #expect(try await isAlive(.unix(path: path)))
    living.terminate()
    #expect(try await living.waitForExit() == 0)
  }

  @Test func `sockets that systemd has opened are served in place of the default address`()
    async throws
  {
    let path = "/tmp/transom-listen-\(UInt64.random(in: 0...UInt64.max))"
    // As systemd does it: descriptors from 3 on, and the process's own id in the environment.
    let script = """
      import os, socket, sys
      tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
      tcp.bind(("127.0.0.1", 0)); unix.bind(sys.argv[1])
      for number, listener in enumerate([tcp, unix]):
        listener.listen(); os.dup2(listener.fileno(), 100 + number)
      for number in range(2): os.dup2(100 + number, 3 + number, inheritable=True)
      os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
      os.execv(sys.argv[2], sys.argv[2:])
      """
    let transom = try await TransomProcess.start(
      ["-c", script, path, TransomProcess.executable] + Self.noDatabase,
      executable: "/usr/bin/python3")
    let port = try await transom.listeningPort()
    _ = try await transom.line(with: path)
    #expect(port != 8080 && !transom.log.contains(":8080"))
    #expect(try await isAlive(.tcp(port: port)))
    #expect(try await isAlive(.unix(path: path)))
    transom.terminate()
    #expect(try await transom.waitForExit() == 0)
    // The file is systemd's.
    #expect(FileManager.default.fileExists(atPath: path))
    try FileManager.default.removeItem(atPath: path)
  }

  @Test func `an address that was set is served beside systemd's sockets, the default one, too`()
    async throws
  {
    let script = """
      import os, socket, sys
      tcp = socket.socket()
      tcp.bind(("127.0.0.1", 0))
      tcp.listen(); os.dup2(tcp.fileno(), 100); os.dup2(100, 3, inheritable=True)
      os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
      os.execv(sys.argv[1], sys.argv[1:])
      """
    let transom = try await TransomProcess.start(
      ["-c", script, TransomProcess.executable] + Self.noDatabase + ["--listen", "127.0.0.1:8080"],
      executable: "/usr/bin/python3")
    // It is served or, if something else on this machine has it, refused.
    try await eventually("the address is told") { transom.log.contains("127.0.0.1:8080") }
    transom.send(SIGKILL)
    _ = try await transom.waitForExit()
  }

  @Test func `sockets for another process are not taken, and wrong ones end the start`()
    async throws
  {
    let other = try await TransomProcess.start(
      Self.noDatabase + ["--listen", "127.0.0.1:0"],
      environment: ["LISTEN_FDS": "1", "LISTEN_PID": "1"])
    #expect(try await isAlive(.tcp(port: other.listeningPort())))
    other.terminate()
    #expect(try await other.waitForExit() == 0)

    let script = """
      import os, sys
      os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
      os.dup2(0, 3, inheritable=True)
      os.execv(sys.argv[1], sys.argv[1:])
      """
    let wrong = try await TransomProcess.start(
      ["-c", script, TransomProcess.executable] + Self.noDatabase, executable: "/usr/bin/python3")
    #expect(try await wrong.waitForExit() != 0)
    #expect(wrong.log.contains("LISTEN_FDS") && wrong.log.contains("descriptor 3"), "\(wrong.log)")
  }

  @Test func `after SIGTERM the service tells load balancers for a while, and then ends`()
    async throws
  {
    let transom = try await TransomProcess.start(
      Self.noDatabase + ["--listen", "127.0.0.1:0", "--shutdown-delay-ms", "3000"])
    let port = try await transom.listeningPort()
    let idle = try await RawHTTPClient.connect(toPort: port)
    let before = try await idle.request("GET", "/livez")
    #expect(before.status == 200 && before["Connection"] == nil)
    transom.terminate()
    try await eventually("not ready") {
      let client = try await RawHTTPClient.connect(toPort: port)
      defer { Task { await client.close() } }
      let answer = try await Answer(client.request("GET", "/readyz"))
      return answer.status == 503 && answer.code == "draining"
    }
    // It is accepted and answered, and told to come no more.
    let answer = try await idle.request("GET", "/livez")
    #expect(answer.status == 200 && answer["Connection"] == "close")
    #expect(await idle.isClosedByPeer())
    #expect(transom.exitStatus == nil)
    #expect(try await transom.waitForExit() == 0)
  }

  @Test func `a request that does not end in its time does not keep the process`() async throws {
    try await withDatabase { db in
      let transom = try await TransomProcess.start([
        "serve", "--database-url", db.connectionString, "--listen", "127.0.0.1:0",
        "--shutdown-limit-ms", "200",
      ])
      let client = try await RawHTTPClient.connect(toPort: transom.listeningPort())
      async let answer = client.request(
        "POST", "/transactions", body: #"{"statements": [{"sql": "select pg_sleep(50)"}]}"#)
      try await eventually("it runs") { try await db.running("pg_sleep(50)") == 1 }
      transom.terminate()
      #expect(try await transom.waitForExit(within: .seconds(20)) == 0)
      _ = try? await answer
      try await eventually("it is cancelled") { try await db.running("pg_sleep(50)") == 0 }
    }
  }

  @Test func `a second SIGINT ends the process at once`() async throws {
    try await withDatabase { db in
      let transom = try await TransomProcess.start([
        "serve", "--database-url", db.connectionString, "--listen", "127.0.0.1:0",
        "--limits-timeout-ms", "120000", "--shutdown-limit-ms", "120000",
      ])
      let client = try await RawHTTPClient.connect(toPort: transom.listeningPort())
      async let answer = client.request(
        "POST", "/transactions", body: #"{"statements": [{"sql": "select pg_sleep(100)"}]}"#)
      try await eventually("it runs") { try await db.running("pg_sleep(100)") == 1 }
      transom.send(SIGINT)
      _ = try await transom.line(with: "stopping")
      #expect(transom.exitStatus == nil)
      transom.send(SIGINT)
      #expect(try await transom.waitForExit() == 130)
      _ = try? await answer
    }
  }
}
