import FoundationEssentials

/// What PostgreSQL keeps in its data directory, as far as it tells about the server
/// (PostgreSQL manual, 73.1 "Database File Layout").
struct DataDirectory: Sendable {
  let path: String

  /// The major version that made the data; nil if there is none yet.
  var majorVersion: String? {
    let line = lines(of: "PG_VERSION").first
    return line.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Nothing that initialisation could overwrite.
  var isMissingOrEmpty: Bool {
    let names = try? FileManager.default.contentsOfDirectory(atPath: path)
    return names?.isEmpty ?? !FileManager.default.fileExists(atPath: path)
  }

  /// The process of which `postmaster.pid` speaks, running or not.
  var recordedProcessID: Int32? {
    lines(of: "postmaster.pid").first.flatMap { Int32($0) }
  }

  /// The running server's process, and not a stranger that has got the number since.
  var serverProcessID: Int32? {
    recordedProcessID.flatMap { holder(of: $0) == .server ? $0 : nil }
  }

  /// Who has the number that `postmaster.pid` tells.
  private enum Holder {
    case server
    /// Another process, a zombie, or nobody.
    case stranger
    /// A server, but perhaps not that of these data.
    case unknown
  }

  /// A postmaster's working directory is its data directory. But in most containers root may not look at that of another
  /// account's process, which takes CAP_SYS_PTRACE; the arguments everybody may see, and one of them is the data directory.
  private func holder(of processID: Int32) -> Holder {
    guard processID > 0, let own = Files.realPath(path) else { return .stranger }
    if let directory = Files.linkTarget("/proc/\(processID)/cwd") {
      return directory == own ? .server : .stranger
    }
    let arguments = Self.arguments(of: processID)
    guard arguments.first?.hasSuffix("postgres") == true else { return .stranger }
    return arguments.contains { $0.hasPrefix("/") && Files.realPath($0) == own }
      ? .server : .unknown
  }

  /// The command line of a process (proc(5), `/proc/pid/cmdline`); empty if it is gone, or a zombie.
  private static func arguments(of processID: Int32) -> [String] {
    guard let data = FileManager.default.contents(atPath: "/proc/\(processID)/cmdline") else {
      return []
    }
    return data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Removes lock files that name a process which is not the server: a stranger that has got the
  /// number since, or a zombie. PostgreSQL would refuse to start. Lock files of processes that are
  /// gone are left to PostgreSQL. Surviving backends it finds by their shared memory.
  func removeMisleadingLocks(andOfSocket socket: String) throws {
    let manager = FileManager.default
    guard let processID = recordedProcessID, holder(of: processID) == .stranger,
      manager.fileExists(atPath: "/proc/\(processID)")
    else { return }
    try manager.removeItem(atPath: path + "/postmaster.pid")
    if manager.fileExists(atPath: socket + ".lock") {
      try manager.removeItem(atPath: socket + ".lock")
    }
  }

  private func lines(of file: String) -> [String] {
    guard let data = FileManager.default.contents(atPath: "\(path)/\(file)") else { return [] }
    return String(decoding: data, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }
}
