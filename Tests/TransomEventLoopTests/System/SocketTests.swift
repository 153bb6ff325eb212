import TestSupport
import Testing
import TransomEventLoop

/// One end of a pair of connected sockets, on a loop.
private actor Peer {
  let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }
  private let descriptor: CInt
  private var socket: Socket?
  /// Whether somebody has come to wait: seen from outside, the wait has begun.
  private(set) var hasWaited = false

  init(_ descriptor: CInt, on loop: EventLoop) {
    self.loop = loop
    self.descriptor = descriptor
  }

  private func open() throws -> Socket {
    if let socket { return socket }
    let opened = try Socket(adopting: FileDescriptor(adopting: descriptor), on: loop)
    socket = opened
    return opened
  }

  func send(_ bytes: [UInt8]) async throws {
    let socket = try open()
    var sent = 0
    while sent < bytes.count {
      sent += try socket.write(bytes, from: sent)
      if sent < bytes.count { _ = await socket.writable() }
    }
  }

  func receive(atLeast count: Int) async throws -> [UInt8] {
    let socket = try open()
    var bytes: [UInt8] = []
    while bytes.count < count {
      switch try socket.read(into: &bytes, atMost: 4096) {
      case .bytes: continue
      case .wouldBlock: guard await socket.readable() == .ready else { return bytes }
      case .endOfStream: return bytes
      }
    }
    return bytes
  }

  func wait(until deadline: MonotonicInstant? = nil) async throws -> Wake {
    let socket = try open()
    var bytes: [UInt8] = []
    while case .bytes = try socket.read(into: &bytes, atMost: 4096) {}
    hasWaited = true
    return await socket.readable(until: deadline)
  }

  func waitForHangUp() async throws {
    let socket = try open()
    await withCheckedContinuation { continuation in socket.onHangUp { continuation.resume() } }
  }

  func close() throws { try open().close() }
}

struct SocketTests {
  private let group: EventLoopGroup
  private let ends: [Peer]

  init() throws {
    group = try EventLoopGroup(count: 2)
    let loops = group.loops
    ends = try socketPair().enumerated().map { Peer($1, on: loops[$0]) }
  }

  private func end() async throws {
    for end in ends { try await end.close() }
    await group.shutdown()
  }

  @Test func `bytes pass in order through full buffers, between two loops`() async throws {
    let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 / 7) }
    async let sent: Void = ends[0].send(bytes)
    #expect(try await ends[1].receive(atLeast: bytes.count) == bytes)
    try await sent
    try await end()
  }

  @Test func `a wait ends at its deadline, and the socket is usable afterwards`() async throws {
    #expect(try await ends[0].wait(until: .now + .milliseconds(5)) == .timedOut)
    // A longer wait after a shorter one: the timer is moved, not taken for the old one.
    #expect(try await ends[0].wait(until: .now + .milliseconds(20)) == .timedOut)
    try await ends[1].send([1])
    #expect(try await ends[0].receive(atLeast: 1) == [1])
    try await end()
  }

  @Test func `a cancelled task stops waiting, and another can wait after it`() async throws {
    for _ in 0..<200 {
      let wait = Task { try await ends[0].wait() }
      await Task.yield()
      wait.cancel()
      #expect(try await wait.value == .cancelled)
    }
    try await ends[1].send([7])
    #expect(try await ends[0].receive(atLeast: 1) == [7])
    try await end()
  }

  @Test func `closing the socket ends a wait`() async throws {
    async let wake = ends[0].wait()
    while await !ends[0].hasWaited { await Task.yield() }
    try await ends[0].close()
    #expect(try await wake == .closed)
    try await end()
  }

  @Test func `a peer that closes is reported, and what it sent before can still be read`()
    async throws
  {
    try await ends[1].send([1, 2, 3])
    async let hungUp: Void = ends[0].waitForHangUp()
    try await ends[1].close()
    try await hungUp
    #expect(try await ends[0].receive(atLeast: 100) == [1, 2, 3])
    try await end()
  }
}
