import Glibc

/// Two connected, non-blocking Unix-domain sockets; who takes them closes them.
package func socketPair() throws -> [CInt] {
  var ends: [CInt] = [-1, -1]
  let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | O_CLOEXEC
  guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
    throw SocketError(call: "socketpair", code: errno)
  }
  return ends
}
