import Glibc

/// TCP ports of this machine.
enum LoopbackPort {
  /// A port that nobody listens on. Somebody else may take it before we do: be ready to try again.
  static func free() throws(ClusterError) -> Int {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    guard descriptor >= 0 else {
      throw .systemCallFailed(name: "socket", path: "", reason: describe(errno))
    }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        let bound = unsafe bind(descriptor, address, size)
        return unsafe bound == 0 ? getsockname(descriptor, address, &size) : bound
      }
    }
    guard code == 0 else {
      throw .systemCallFailed(name: "bind", path: "127.0.0.1", reason: describe(errno))
    }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
