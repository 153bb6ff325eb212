import FoundationEssentials
import TestSupport
import Testing
import TransomCluster

@Suite struct TemporaryClusterTests {
  @Test func `a temporary cluster answers, and is gone after its stop`() async throws {
    let cluster = try await PrivateCluster.start(.temporary())
    let psql = Psql(cluster: cluster)
    #expect(try await psql.query("select 1, null, 'é'", in: "postgres") == [["1", nil, "é"]])
    let processID = try #require(cluster.processID)
    try await cluster.stop()
    #expect(cluster.processID == nil)
    #expect(!FileManager.default.fileExists(atPath: cluster.socketDirectory))
    #expect(!FileManager.default.fileExists(atPath: cluster.logFile))
    try await eventually("the postmaster's end") { !isRunning(processID) }
  }

  @Test func `the socket's directory is closed to others, and TCP is off`() async throws {
    try await withDatabase { db in
      #expect(try await db.value("show listen_addresses") == "")
      #expect(db.cluster.tcpConnectionString() == nil)
      let attributes = try FileManager.default.attributesOfItem(atPath: db.cluster.socketDirectory)
      #expect(attributes[.posixPermissions] as? Int == 0o700)
    }
  }

  @Test func `a Ctrl-C in our terminal is not for the server`() async throws {
    let cluster = try await TestCluster.shared
    // proc(5): the sixth field is the session; the name before it may hold blanks.
    let stat = try String(
      contentsOfFile: "/proc/\(try #require(cluster.processID))/stat", encoding: .utf8)
    let own = try String(contentsOfFile: "/proc/self/stat", encoding: .utf8)
    let sessions = [stat, own].map { $0.split(separator: ")").last?.split(separator: " ")[3] }
    #expect(sessions[0] != sessions[1])
  }

  @Test func `TCP is there when asked for, on loopback`() async throws {
    var configuration = PrivateCluster.Configuration.temporary()
    configuration.listensOnTCP = true
    let cluster = try await PrivateCluster.start(configuration)
    let url = try #require(cluster.tcpConnectionString(database: "postgres"))
    let psql = try #require(cluster.installation.tool("psql"))
    let outcome = try await Command(
      psql, ["-XAt", "-d", url, "-c", "select host(inet_server_addr())"]
    ).run()
    #expect(outcome.output == "127.0.0.1\n", "\(outcome.errors)")
    try await cluster.stop()
  }

  @Test(arguments: [PrivateCluster.ShutdownMode.fast, .immediate])
  func `a restart keeps the data and the address`(_ mode: PrivateCluster.ShutdownMode) async throws
  {
    let cluster = try await PrivateCluster.start(.temporary())
    let psql = Psql(cluster: cluster)
    try await psql.query("create table t as select 7 as n", in: "postgres")
    let before = cluster.processID
    try await cluster.restart(mode: mode)
    #expect(cluster.processID != before)
    #expect(try await psql.query("select n from t", in: "postgres") == [["7"]])
    try await cluster.stop()
    try await cluster.stop()
    await #expect(throws: ClusterError.stopped) { try await cluster.restart() }
  }

  @Test func `a server that was killed starts again`() async throws {
    let cluster = try await PrivateCluster.start(.temporary())
    let processID = try #require(cluster.processID)
    try await signal("KILL", processID)
    try await eventually("the postmaster's end") { cluster.processID == nil }
    try await cluster.restart()
    #expect(try await Psql(cluster: cluster).query("select 1", in: "postgres") == [["1"]])
    try await cluster.stop()
  }

  @Test func `settings are passed on, whatever they hold`() async throws {
    let cluster = try await PrivateCluster.start(
      .temporary(settings: ["application_name": "it's $HOME `x` \"y\""]))
    let shown = try await Psql(cluster: cluster).query(
      "select reset_val from pg_settings where name = 'application_name'", in: "template1")
    #expect(shown.count == 1)
    try await cluster.stop()
  }

  @Test func `a setting that the server refuses is told in the server's words`() async throws {
    await #expect {
      _ = try await PrivateCluster.start(.temporary(settings: ["no_such_setting": "1"]))
    } throws: { error in
      "\(error)".contains("no_such_setting")
    }
  }

  @Test func `a cancelled start leaves nothing behind`() async throws {
    let task = Task { try await PrivateCluster.start(.temporary()) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func `a cluster that is dropped without a stop is removed by its watchdog`() async throws {
    var cluster: PrivateCluster? = try await PrivateCluster.start(.temporary())
    let processID = try #require(cluster?.processID)
    let directory = try #require(cluster?.socketDirectory)
    cluster = nil
    try await eventually("the cluster's end") {
      !isRunning(processID) && !FileManager.default.fileExists(atPath: directory)
    }
  }
}

/// Whether the process runs; one that has ended and was not fetched by its parent does not.
func isRunning(_ processID: Int32) -> Bool {
  guard let data = FileManager.default.contents(atPath: "/proc/\(processID)/stat") else {
    return false
  }
  let text = String(decoding: data, as: UTF8.self)
  let state = text.split(separator: ")").last?.split(separator: " ").first
  return state != "Z" && state != "X"
}

func signal(_ name: String, _ processID: Int32) async throws {
  try await Command("/bin/sh", ["-c", "kill -s \(name) \(processID)"]).runChecked()
}
