import CTransomLinux
import FoundationEssentials
import Testing

@testable import TransomEventLoop

struct ListeningSocketTests {
  private let path = "/tmp/transom-listener-\(UInt64.random(in: 0...UInt64.max))"
  private let group: EventLoopGroup

  init() throws { group = try EventLoopGroup(count: 1) }

  private func listen(mode: UInt32 = 0o660) async throws(SystemError) -> ListeningSocket {
    let loop = group.loops[0]
    let path = path
    return try await loop.run { () throws(SystemError) in
      guard let address = try? SocketAddress(parsing: "unix:\(path)") else {
        throw SystemError(call: "parse", errno: EINVAL)
      }
      return try ListeningSocket(listeningOn: address, mode: mode, on: loop)
    }
  }

  private func close(_ listener: ListeningSocket) async {
    await group.loops[0].run { listener.close() }
  }

  private func end() async {
    _ = unsafe unlink(path)
    await group.shutdown()
  }

  @Test(arguments: [0o600, 0o660, 0o666])
  func `a Unix-domain socket may be used by whom its mode says, and its file goes with it`(
    _ mode: UInt32
  ) async throws {
    let listener = try await listen(mode: mode)
    #expect(fileMode(path) == mode)
    await close(listener)
    #expect(fileMode(path) == nil)
    await end()
  }

  @Test func `the file of a server that was killed is replaced`() async throws {
    let left = try boundSocket(path)
    CTransomLinux.close(left)
    #expect(fileMode(path) != nil)
    let listener = try await listen()
    #expect(connects(path))
    await close(listener)
    await end()
  }

  @Test func `the socket of a server that runs is left alone`() async throws {
    let first = try await listen()
    let error = await #expect(throws: SystemError.self) { _ = try await listen() }
    #expect(error?.errno == EADDRINUSE)
    #expect(error?.description.contains(path) == true)
    #expect(connects(path))
    await close(first)
    await end()
  }

  @Test func `a file that is no socket is left alone`() async throws {
    try "precious".write(toFile: path, atomically: false, encoding: .utf8)
    let error = await #expect(throws: SystemError.self) { _ = try await listen() }
    #expect(error?.errno == EADDRINUSE)
    let kept = try String(contentsOfFile: path, encoding: .utf8)
    #expect(kept == "precious")
    await end()
  }

  @Test func `a socket that another server has put in its place stays`() async throws {
    let listener = try await listen()
    _ = unsafe unlink(path)
    let other = try boundSocket(path)
    await close(listener)
    #expect(fileMode(path) != nil)
    CTransomLinux.close(other)
    await end()
  }

  @Test func `an inherited socket is accepted from, and its other owner keeps it`() async throws {
    let theirs = try boundSocket(path)
    CTransomLinux.listen(theirs, 10)
    let ours = dup(theirs)
    let loop = group.loops[0]
    let listener = try await loop.run { () throws(SystemError) in
      try ListeningSocket(inheriting: ours, on: loop)
    }
    #expect(listener.address.description == "unix:\(path)")
    #expect(isClosedOnExec(ours))
    #expect(connects(path))
    let accepted = try await loop.run { () throws(SystemError) in
      switch try listener.accept() {
      case .accepted: true
      case .wouldBlock: false
      }
    }
    #expect(accepted)
    await close(listener)
    #expect(fileMode(path) != nil)
    #expect(connects(path))
    CTransomLinux.close(theirs)
    await end()
  }

  @Test func `what does not listen is not inherited`() async throws {
    let bound = try boundSocket(path)
    for descriptor in [bound, -1, 0] {
      #expect(throws: SystemError.self) { try ListeningSocket.prepareInherited(descriptor) }
    }
    CTransomLinux.close(bound)
    await end()
  }

  @Test func `both versions of IP can have the same port`() async throws {
    let loop = group.loops[0]
    let listeners = try await loop.run { () throws in
      let first = try ListeningSocket(
        listeningOn: SocketAddress(parsing: "[::]:0"), on: loop)
      let port = try #require(first.address.port)
      let second = try ListeningSocket(
        listeningOn: SocketAddress(parsing: "0.0.0.0:\(port)"), on: loop)
      return [first, second]
    }
    for listener in listeners { await close(listener) }
    await end()
  }
}
