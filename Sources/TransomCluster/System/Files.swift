import Glibc

/// The few file operations that a cluster needs, with errors that name the path.
enum Files {
  /// Makes a directory that only its owner can enter; false if there is one already.
  static func makePrivateDirectory(
    _ path: String, for account: Account?
  ) throws(ClusterError) -> Bool {
    guard unsafe mkdir(path, 0o700) == 0 else {
      guard errno != EEXIST else { return false }
      throw .systemCallFailed(name: "mkdir", path: path, reason: describe(errno))
    }
    try give(path, to: account)
    return true
  }

  /// Makes a directory with a name of its own that only its owner can enter.
  static func makeTemporaryDirectory(
    in parent: String, for account: Account?
  ) throws(ClusterError) -> String {
    var template = Array("\(parent)/transom-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else {
      throw .systemCallFailed(name: "mkdtemp", path: parent, reason: describe(errno))
    }
    let bytes = template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    let path = String(decoding: bytes, as: UTF8.self)
    try give(path, to: account)
    return path
  }

  /// The target of a symbolic link, or nil if it cannot be read.
  static func linkTarget(_ path: String) -> String? {
    var target = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe readlink(path, &target, target.count)
    guard count > 0 else { return nil }
    return String(decoding: target.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The path without symbolic links, or nil if there is nothing.
  static func realPath(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  static func rename(_ old: String, to new: String) throws(ClusterError) {
    guard unsafe Glibc.rename(old, new) == 0 else {
      throw .systemCallFailed(name: "rename", path: old, reason: describe(errno))
    }
  }

  private static func give(_ path: String, to account: Account?) throws(ClusterError) {
    guard let account else { return }
    guard unsafe chown(path, account.userID, account.groupID) == 0 else {
      throw .systemCallFailed(name: "chown", path: path, reason: describe(errno))
    }
  }
}
