internal import CTransomLinux

/// Where to listen or connect: `host:port`, `[v6]:port`, or `unix:/path`.
@safe
package struct SocketAddress: Sendable, CustomStringConvertible {
  private enum Storage {
    case ip(sockaddr_storage, socklen_t)
    case unix(sockaddr_un)
  }

  private let storage: Storage
  package let description: String

  package enum ParseError: Error, Equatable, CustomStringConvertible {
    case malformed(String)
    case unknownHost(String)
    case pathTooLong(String)

    package var description: String {
      switch self {
      case .malformed(let text):
        "\"\(text)\" is no address: expected HOST:PORT, [IPV6]:PORT or unix:/PATH"
      case .unknownHost(let host): "the host \"\(host)\" cannot be resolved"
      case .pathTooLong(let path): "the socket path \"\(path)\" is longer than 107 bytes"
      }
    }
  }

  /// Parses an address. A name is looked up, which may block: not to be called on an event loop.
  package init(parsing text: String) throws(ParseError) {
    if text.hasPrefix("unix:") {
      try self.init(unixPath: String(text.dropFirst(5)))
      return
    }
    guard let colon = text.lastIndex(of: ":"),
      let port = UInt16(text[text.index(after: colon)...]),
      text[text.index(after: colon)...].allSatisfy(\.isNumber)
    else { throw .malformed(text) }
    let host = text[..<colon]
    let name = host.trimmingBrackets
    guard !name.isEmpty, host.hasPrefix("[") || !name.contains(":") else { throw .malformed(text) }
    try self.init(host: name, port: port, description: text)
  }

  private init(unixPath path: String) throws(ParseError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty else { throw .malformed("unix:") }
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw .pathTooLong(path)
    }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    storage = .unix(address)
    description = "unix:\(path)"
  }

  private init(host: String, port: UInt16, description: String) throws(ParseError) {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(host, String(port), &hints, &found) == 0, let first = unsafe found
    else { throw .unknownHost(host) }
    defer { unsafe freeaddrinfo(first) }
    var address = sockaddr_storage()
    let length = unsafe first.pointee.ai_addrlen
    unsafe withUnsafeMutableBytes(of: &address) {
      unsafe $0.copyMemory(
        from: UnsafeRawBufferPointer(start: first.pointee.ai_addr, count: Int(length)))
    }
    storage = .ip(address, length)
    self.description = description
  }

  /// The address that a bound socket has: with the port that the kernel chose for port 0.
  init(boundTo descriptor: CInt) throws(SystemError) {
    guard let (found, length) = unsafe Self.ask(ctransom_socket_name, descriptor) else {
      throw .last("getsockname")
    }
    var address = found
    if address.ss_family == sa_family_t(AF_UNIX) {
      // sockaddr_un: the path stands at offset 2, with or without a null at its end.
      let path = unsafe withUnsafeBytes(of: &address) { bytes in
        unsafe String(decoding: bytes[2..<max(2, Int(length))].prefix { $0 != 0 }, as: UTF8.self)
      }
      do { try self.init(unixPath: path) } catch {
        throw SystemError(call: "getsockname", errno: EINVAL)
      }
      return
    }
    self.init(storage: .ip(address, length), description: Self.describe(&address, length))
  }

  private init(storage: Storage, description: String) {
    self.storage = storage
    self.description = description
  }

  /// The IP address of a connected socket's peer, without its port.
  static func peerHost(of descriptor: CInt) -> String? {
    guard let (found, length) = unsafe ask(ctransom_peer_name, descriptor),
      found.ss_family != sa_family_t(AF_UNIX)
    else { return nil }
    var address = found
    let text = describe(&address, length)
    guard let colon = text.lastIndex(of: ":") else { return nil }
    return text[..<colon].trimmingBrackets
  }

  private static func ask(
    _ call: (CInt, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> CInt,
    _ descriptor: CInt
  ) -> (sockaddr_storage, socklen_t)? {
    var address = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let code = unsafe withUnsafeMutablePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe call(descriptor, $0, &length)
      }
    }
    return code == 0 ? (address, length) : nil
  }

  private static func describe(_ address: inout sockaddr_storage, _ length: socklen_t) -> String {
    var host = [CChar](repeating: 0, count: 64)
    var port = [CChar](repeating: 0, count: 8)
    let code = unsafe withUnsafeMutablePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getnameinfo(
          $0, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
          NI_NUMERICHOST | NI_NUMERICSERV)
      }
    }
    guard code == 0 else { return "?" }
    let name = String(decoding: host.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
    let number = String(decoding: port.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
    return address.ss_family == sa_family_t(AF_INET6) ? "[\(name)]:\(number)" : "\(name):\(number)"
  }

  /// Whether only programs of this machine can reach it.
  package var isLocal: Bool {
    switch storage {
    case .unix: return true
    case .ip(var address, _):
      return unsafe withUnsafeBytes(of: &address) { bytes in
        switch Int32(unsafe bytes.load(as: sa_family_t.self)) {
        // sockaddr_in: the address stands at offset 4; sockaddr_in6: at offset 8.
        case AF_INET: unsafe bytes[4] == 127
        case AF_INET6:
          unsafe bytes[8..<23].allSatisfy { $0 == 0 } && bytes[23] == 1
        default: false
        }
      }
    }
  }

  /// The path of a Unix-domain address.
  package var unixPath: String? {
    guard case .unix = storage else { return nil }
    return String(description.dropFirst(5))
  }

  /// The port of an IP address.
  package var port: Int? {
    guard case .ip = storage, let colon = description.lastIndex(of: ":") else { return nil }
    return Int(description[description.index(after: colon)...])
  }

  var family: CInt {
    switch storage {
    case .ip(let address, _): CInt(address.ss_family)
    case .unix: AF_UNIX
    }
  }

  func withSockaddr<Result>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    switch storage {
    case .ip(let address, let length):
      unsafe withUnsafePointer(to: address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
      }
    case .unix(let address):
      unsafe withUnsafePointer(to: address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
    }
  }
}

extension Substring {
  /// Without the brackets that stand around an IPv6 address.
  fileprivate var trimmingBrackets: String {
    hasPrefix("[") && hasSuffix("]") ? String(dropFirst().dropLast()) : String(self)
  }
}
