import FoundationEssentials

/// Where a cluster lives and what it is run with: all that is decided before anything is started.
///
///     <directory>/data             what initdb made
///     <directory>/run              the socket, if the path is short enough for one
///     <directory>/postgresql.log
///     <directory>/transom.lock     held by the process that has the directory (persistent only)
struct Place: Sendable {
  let configuration: PrivateCluster.Configuration
  let account: Account?
  let installation: ServerInstallation
  let directory: String
  let data: DataDirectory
  let socketDirectory: String
  let lock: DirectoryLock?
  /// Directories that end with the server.
  let ownDirectories: [String]

  var logFile: String { directory + "/postgresql.log" }

  /// Makes the directories and takes the lock; what it made for one life only is removed again if
  /// anything fails.
  static func prepare(_ configuration: PrivateCluster.Configuration) async throws -> Place {
    let account = try Account.forServer()
    switch configuration.life {
    case .temporary:
      let directory = try makeTemporaryDirectory(for: account)
      do {
        return try await Place(
          temporary: directory, configuration: configuration, account: account)
      } catch {
        try? FileManager.default.removeItem(atPath: directory)
        throw error
      }
    case .persistent(let directory):
      return try await Place(persistent: directory, configuration: configuration, account: account)
    }
  }

  private init(
    temporary directory: String, configuration: PrivateCluster.Configuration, account: Account?
  ) async throws {
    self.configuration = configuration
    self.account = account
    self.directory = directory
    data = DataDirectory(path: directory + "/data")
    installation = try await ServerInstallation.find(for: data)
    socketDirectory = directory + "/run"
    _ = try Files.makePrivateDirectory(socketDirectory, for: account)
    lock = nil
    ownDirectories = [directory]
  }

  private init(
    persistent directory: String, configuration: PrivateCluster.Configuration, account: Account?
  ) async throws {
    let directory = try Self.makePersistentDirectory(directory, for: account)
    self.configuration = configuration
    self.account = account
    self.directory = directory
    lock = try await DirectoryLock.take(directory)
    try await Self.checkAccess(to: directory, for: account)
    data = DataDirectory(path: directory + "/data")
    installation = try await ServerInstallation.find(for: data)
    if Self.suitsSocket(directory + "/run") {
      socketDirectory = directory + "/run"
      _ = try Files.makePrivateDirectory(socketDirectory, for: account)
      ownDirectories = []
    } else {
      socketDirectory = try Files.makeTemporaryDirectory(in: "/tmp", for: account)
      ownDirectories = [socketDirectory]
    }
  }

  private static func makeTemporaryDirectory(for account: Account?) throws -> String {
    let preferred = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    // Another account may not be able to enter our TMPDIR.
    let usable = account == nil && preferred.hasPrefix("/") && !hasUnusableCharacter(preferred)
    let parent = usable && suitsSocket(preferred + "/transom-XXXXXX/run") ? preferred : "/tmp"
    return try Files.makeTemporaryDirectory(in: parent, for: account)
  }

  /// The directory's absolute path; made with its parents if it is missing.
  private static func makePersistentDirectory(
    _ path: String, for account: Account?
  ) throws -> String {
    let manager = FileManager.default
    let base = manager.currentDirectoryPath
    var absolute = path.hasPrefix("/") ? path : "\(base)/\(path)"
    while absolute.count > 1, absolute.hasSuffix("/") { absolute.removeLast() }
    guard !hasUnusableCharacter(absolute) else { throw ClusterError.unusablePath(absolute) }
    let parent = absolute[..<(absolute.lastIndex(of: "/") ?? absolute.startIndex)]
    if !parent.isEmpty {
      try manager.createDirectory(atPath: String(parent), withIntermediateDirectories: true)
    }
    _ = try Files.makePrivateDirectory(absolute, for: account)
    return absolute
  }

  /// What would break out of the quotes in which `pg_ctl` passes paths to a shell.
  private static func hasUnusableCharacter(_ path: String) -> Bool {
    path.utf8.contains { byte in
      byte < 0x20 || "\"'`$\\".utf8.contains(byte)
    }
  }

  /// Whether a socket's path fits into `sockaddr_un` (unix(7): 108 bytes with the final NUL) and
  /// into libpq's list of hosts, where a comma separates.
  static func suitsSocket(_ directory: String) -> Bool {
    "\(directory)/.s.PGSQL.65535".utf8.count < 108 && !directory.contains(",")
  }

  /// Asks, as the account itself, whether it gets to the directory and may write there.
  private static func checkAccess(to directory: String, for account: Account?) async throws {
    let script = """
      path=
      set -f
      IFS=/
      for name in $1; do
        [ -n "$name" ] || continue
        path=$path/$name
        [ -x "$path" ] || { echo "$path"; exit 1; }
      done
      [ -w "$path" ] || { echo "$path"; exit 1; }
      """
    let outcome = try await Command("/bin/sh", ["-c", script, "sh", directory], as: account).run()
    guard !outcome.succeeded else { return }
    throw ClusterError.directoryNotAccessible(
      directory: directory, obstacle: outcome.text,
      account: account?.name ?? ProcessInfo.processInfo.userName)
  }
}
