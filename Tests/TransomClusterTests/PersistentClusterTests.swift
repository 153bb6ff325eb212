import FoundationEssentials
import TestSupport
import Testing
@testable import TransomCluster

@Suite struct PersistentClusterTests {
  @Test func `the data are there again at the next start`() async throws {
    try await withDirectory { directory in
      let first = try await PrivateCluster.start(.persistent(in: directory))
      try await Psql(cluster: first).query("create table t as select 7 as n", in: "postgres")
      try await first.stop()
      let second = try await PrivateCluster.start(.persistent(in: directory))
      #expect(try await Psql(cluster: second).query("select n from t", in: "postgres") == [["7"]])
      try await second.stop()
    }
  }

  @Test func `a directory has one user at a time, who is named`() async throws {
    try await withDirectory { directory in
      let first = try await PrivateCluster.start(.persistent(in: directory))
      let process = "\(ProcessInfo.processInfo.processIdentifier)"
      await #expect(
        throws: ClusterError.directoryInUse(directory: directory, processID: process)
      ) {
        _ = try await PrivateCluster.start(.persistent(in: directory))
      }
      #expect(try await Psql(cluster: first).query("select 1", in: "postgres") == [["1"]])
      try await first.stop()
    }
  }

  @Test func `a server that somebody left running is replaced`() async throws {
    try await withDirectory { directory in
      let first = try await PrivateCluster.start(.persistent(in: directory))
      let (pgCtl, account) = (first.installation.binaries + "/pg_ctl", try Account.forServer())
      try await first.stop()
      // As a predecessor leaves it that was killed together with its watchdog.
      let data = directory + "/data"
      try await Command(
        pgCtl, ["start", "-w", "-s", "-D", data, "-l", first.logFile, "-o", "-h '' -k '\(data)'"],
        as: account
      ).runChecked()
      let left = try #require(first.processID)
      let second = try await PrivateCluster.start(.persistent(in: directory))
      #expect(second.processID != left)
      #expect(!isRunning(left))
      #expect(try await Psql(cluster: second).query("select 1", in: "postgres") == [["1"]])
      try await second.stop()
    }
  }

  @Test func `a server does not outlive its process, and its data survive`() async throws {
    try await withDirectory { directory in
      var first: PrivateCluster? = try await PrivateCluster.start(.persistent(in: directory))
      let left = try #require(first?.processID)
      first = nil
      // At once, while the watchdog may still be at work.
      let second = try await PrivateCluster.start(.persistent(in: directory))
      #expect(!isRunning(left))
      #expect(try await Psql(cluster: second).query("select 1", in: "postgres") == [["1"]])
      try await second.stop()
    }
  }

  @Test func `a process number that a stranger has got since does not hinder`() async throws {
    try await withDirectory { directory in
      let first = try await PrivateCluster.start(.persistent(in: directory))
      let file = directory + "/data/postmaster.pid"
      let text = try #require(FileManager.default.contents(atPath: file))
      try await signal("KILL", try #require(first.processID))
      try await eventually("the postmaster's end") { first.processID == nil }
      try await first.stop()
      // Our own number: a live process that is no PostgreSQL server.
      let own = "\(ProcessInfo.processInfo.processIdentifier)\n"
      let rest = String(decoding: text, as: UTF8.self).drop { $0 != "\n" }.dropFirst()
      try Data((own + rest).utf8).write(to: URL(filePath: file))
      let second = try await PrivateCluster.start(.persistent(in: directory))
      #expect(try await Psql(cluster: second).query("select 1", in: "postgres") == [["1"]])
      try await second.stop()
    }
  }

  @Test func `data of another major version are refused with the ways out`() async throws {
    try await withDirectory { directory in
      try await PrivateCluster.start(.persistent(in: directory)).stop()
      try Data("9\n".utf8).write(to: URL(filePath: directory + "/data/PG_VERSION"))
      await #expect {
        _ = try await PrivateCluster.start(.persistent(in: directory))
      } throws: { error in
        guard case .versionMismatch(_, "9", _)? = error as? ClusterError else { return false }
        return "\(error)".contains("pg_upgrade")
      }
    }
  }

  @Test func `other files in the data directory's place are left alone`() async throws {
    try await withDirectory { directory in
      let data = directory + "/data"
      let manager = FileManager.default
      try await PrivateCluster.start(.persistent(in: directory)).stop()
      try manager.removeItem(atPath: data)
      try manager.createDirectory(atPath: data, withIntermediateDirectories: false)
      try Data("mine".utf8).write(to: URL(filePath: data + "/letter"))
      await #expect(throws: ClusterError.notADataDirectory(data)) {
        _ = try await PrivateCluster.start(.persistent(in: directory))
      }
      #expect(manager.fileExists(atPath: data + "/letter"))
    }
  }

  @Test func `an interrupted initialisation is done again`() async throws {
    try await withDirectory { directory in
      let unfinished = directory + "/data.unfinished"
      try await PrivateCluster.start(.persistent(in: directory)).stop()
      try Files.rename(directory + "/data", to: unfinished)
      let cluster = try await PrivateCluster.start(.persistent(in: directory))
      #expect(!FileManager.default.fileExists(atPath: unfinished))
      try await cluster.stop()
    }
  }

  @Test func `a path too long for a socket gets a socket elsewhere`() async throws {
    try await withDirectory { directory in
      let long = directory + "/" + String(repeating: "long", count: 30)
      let cluster = try await PrivateCluster.start(.persistent(in: long))
      #expect(cluster.socketDirectory.hasPrefix("/tmp/"))
      #expect(try await Psql(cluster: cluster).query("select 1", in: "postgres") == [["1"]])
      try await cluster.stop()
      #expect(!FileManager.default.fileExists(atPath: cluster.socketDirectory))
    }
  }

  @Test func `a blank and other odd characters in the path do no harm`() async throws {
    try await withDirectory { directory in
      let odd = directory + "/a b,c;d&é%41"
      let cluster = try await PrivateCluster.start(.persistent(in: odd))
      #expect(try await Psql(cluster: cluster).query("select 1", in: "postgres") == [["1"]])
      try await cluster.stop()
    }
  }

  @Test(arguments: ["a\"b", "a'b", "a$b", "a`b", "a\\b", "a\nb"])
  func `a path that would break out of a shell's quotes is refused`(_ name: String) async throws {
    let path = "/tmp/transom-none/\(name)"
    await #expect(throws: ClusterError.unusablePath(path)) {
      _ = try await PrivateCluster.start(.persistent(in: path))
    }
  }

  @Test func `a directory that the server's account cannot reach is named`() async throws {
    guard Account.isRoot else { return }
    try await withDirectory { directory in
      let closed = directory + "/closed"
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: false)
      try FileManager.default.createDirectory(
        atPath: closed, withIntermediateDirectories: false,
        attributes: [.posixPermissions: 0o700])
      let path = closed + "/cluster"
      await #expect {
        _ = try await PrivateCluster.start(.persistent(in: path))
      } throws: { error in
        guard case .directoryNotAccessible(path, closed, _)? = error as? ClusterError else {
          return false
        }
        return true
      }
    }
  }

  /// Runs the body with a path that does not exist yet, and removes what it made there.
  private func withDirectory(_ body: (String) async throws -> Void) async throws {
    let path = "/tmp/transom-persistent-\(UInt64.random(in: 0...UInt64.max))"
    // The test process may be killed in the middle.
    let watchdog = try await Watchdog.start(
      over: path + "/data", as: nil, farewell: .removal(of: [path]))
    try await body(path)
    watchdog.dismiss()
    try FileManager.default.removeItem(atPath: path)
  }
}
