import FoundationEssentials

/// A directory with the binaries of a PostgreSQL server.
package struct ServerInstallation: Equatable, Sendable {
  /// Where `initdb`, `postgres` and `pg_ctl` are.
  package let binaries: String
  /// The major version, such as `15`.
  package let majorVersion: String

  /// The path of one of the tools, such as `psql`; nil if it is not there.
  package func tool(_ name: String) -> String? {
    let path = "\(binaries)/\(name)"
    return FileManager.default.isExecutableFile(atPath: path) ? path : nil
  }

  var initdb: String { binaries + "/initdb" }
  var pgCtl: String { binaries + "/pg_ctl" }

  /// The installations of this machine: that of `pg_config` first, then Debian's and Red Hat's
  /// directories with the newest version first, then `PATH`.
  package static func all() async throws -> [ServerInstallation] {
    var found: [ServerInstallation] = []
    for directory in await candidates() {
      if let installation = try await installation(in: directory),
        !found.contains(installation)
      {
        found.append(installation)
      }
    }
    return found
  }

  /// The preferred installation, or of all that are of one major version.
  ///
  /// Data can be read by its own major version only
  /// (PostgreSQL manual, 19.6 "Upgrading a PostgreSQL Cluster").
  static func find(for data: DataDirectory) async throws -> ServerInstallation {
    let installed = try await all()
    guard let first = installed.first else {
      throw ClusterError.serverNotInstalled(searched: await candidates())
    }
    guard let version = data.majorVersion else { return first }
    guard let match = installed.first(where: { $0.majorVersion == version }) else {
      throw ClusterError.versionMismatch(
        directory: data.path, version: version,
        installed: installed.map { "PostgreSQL \($0.majorVersion) (\($0.binaries))" })
    }
    return match
  }

  /// What is installed in a directory, if all that a server takes is there.
  static func installation(in directory: String) async throws -> ServerInstallation? {
    let tools = ["initdb", "postgres", "pg_ctl"].map { "\(directory)/\($0)" }
    guard tools.allSatisfy(FileManager.default.isExecutableFile(atPath:)) else { return nil }
    let outcome = try await Command("\(directory)/postgres", ["--version"]).run()
    // Such as `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `… 18beta1`.
    let words = outcome.output.split(separator: " ")
    guard outcome.succeeded, words.count > 2 else { return nil }
    let version = words[2].prefix { $0.isNumber }
    return ServerInstallation(binaries: directory, majorVersion: String(version))
  }

  private static func candidates() async -> [String] {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    let onPath = path.split(separator: ":").map(String.init).filter { $0.hasPrefix("/") }
    var candidates: [String] = []
    for directory in onPath
    where FileManager.default.isExecutableFile(atPath: directory + "/pg_config") {
      if let outcome = try? await Command(directory + "/pg_config", ["--bindir"]).run() {
        candidates += outcome.output.split(separator: "\n").prefix(1).map(String.init)
      }
      break
    }
    candidates += versioned(in: "/usr/lib/postgresql", prefix: "")
    candidates += versioned(in: "/usr", prefix: "pgsql-")
    candidates += onPath
    var seen: Set<String> = []
    return candidates.filter { seen.insert($0).inserted }
  }

  /// `parent/prefix<version>/bin`, newest first.
  private static func versioned(in parent: String, prefix: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    let versions = names.compactMap { name -> Int? in
      guard name.hasPrefix(prefix) else { return nil }
      return Int(name.dropFirst(prefix.count))
    }
    return versions.sorted(by: >).map { "\(parent)/\(prefix)\($0)/bin" }
  }
}
