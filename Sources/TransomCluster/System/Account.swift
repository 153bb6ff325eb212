import Glibc

/// The account that server processes run as. PostgreSQL refuses to run as root
/// (PostgreSQL manual, 19.1 "The PostgreSQL User Account").
package struct Account: Equatable, Sendable {
  package let name: String
  package let userID: UInt32
  package let groupID: UInt32

  /// The account to change to: nil if we are not root, and so run the server as ourselves.
  package static func forServer() throws(ClusterError) -> Account? {
    guard isRoot else { return nil }
    guard let account = named("postgres") ?? named("nobody") else {
      throw .noUnprivilegedAccount
    }
    return account
  }

  package static var isRoot: Bool { geteuid() == 0 }

  /// The account of that name, if there is one.
  package static func named(_ name: String) -> Account? {
    var entry = unsafe passwd()
    var found: UnsafeMutablePointer<passwd>?
    var strings = [CChar](repeating: 0, count: 16_384)
    let code = unsafe getpwnam_r(name, &entry, &strings, strings.count, &found)
    guard code == 0, unsafe found != nil else { return nil }
    return unsafe Account(name: name, userID: entry.pw_uid, groupID: entry.pw_gid)
  }
}
