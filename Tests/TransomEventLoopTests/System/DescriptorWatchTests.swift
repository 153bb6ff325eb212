import TestSupport
import Testing
import TransomEventLoop

/// A watch on one end of a pair of sockets, without a `Socket` around it.
private actor Watcher {
  let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }
  private let watch: DescriptorWatch
  private let ends: [CInt]

  private init(_ watch: DescriptorWatch, _ ends: [CInt]) {
    self.watch = watch
    self.ends = ends
    loop = watch.loop
  }

  static func start(on loop: EventLoop) async throws -> Watcher {
    let ends = try socketPair()
    let watch = try await loop.run { () throws(SystemError) in
      try DescriptorWatch(ends[0], on: loop)
    }
    return Watcher(watch, ends)
  }

  func read(isShielded: Bool = false) async -> Wake {
    if watch.readableBytes == 0 { watch.didDrain() }
    return await watch.readable(isShielded: isShielded)
  }

  func readOrWrite(isFull: Bool) async -> Wake {
    if watch.readableBytes == 0 { watch.didDrain() }
    if isFull { watch.didFill() }
    return await watch.readableOrWritable()
  }

  /// The other end writes.
  func poke() throws {
    let socket = try Socket(
      adopting: FileDescriptor(duplicating: ends[1]), on: loop)
    _ = try socket.write([1], from: 0)
    socket.close()
  }

  var readableBytes: Int { watch.readableBytes }

  func close() {
    watch.close()
    for end in ends { _ = FileDescriptor(adopting: end) }
  }
}

struct DescriptorWatchTests {
  @Test func `a shielded wait goes on when its task is cancelled, and ends when something comes`()
    async throws
  {
    let group = try EventLoopGroup(count: 1)
    let watcher = try await Watcher.start(on: group.loops[0])
    let wait = Task { await watcher.read(isShielded: true) }
    wait.cancel()
    // The cancelled task has begun to wait when another one gets its turn on the loop.
    #expect(await watcher.readableBytes == 0)
    try await watcher.poke()
    #expect(await wait.value == .ready)
    #expect(await watcher.readableBytes == 1)
    await watcher.close()
    await group.shutdown()
  }

  @Test func `a wait for either direction does not wait while a write is worth a try`()
    async throws
  {
    let group = try EventLoopGroup(count: 1)
    let watcher = try await Watcher.start(on: group.loops[0])
    #expect(await watcher.readOrWrite(isFull: false) == .ready)
    async let wake = watcher.readOrWrite(isFull: true)
    try await watcher.poke()
    #expect(await wake == .ready)
    await watcher.close()
    await group.shutdown()
  }

  @Test func `a wait for reading is not ended by what a write could do`() async throws {
    let group = try EventLoopGroup(count: 1)
    let watcher = try await Watcher.start(on: group.loops[0])
    async let wake = watcher.read()
    try await watcher.poke()
    #expect(await wake == .ready)
    #expect(await watcher.readableBytes == 1)
    await watcher.close()
    await group.shutdown()
  }

  @Test func `a watch that was closed waits for nothing`() async throws {
    let group = try EventLoopGroup(count: 1)
    let watcher = try await Watcher.start(on: group.loops[0])
    await watcher.close()
    #expect(await watcher.read() == .closed)
    await group.shutdown()
  }

  @Test func `slots of closed watches are used again for others, which get their own events only`()
    async throws
  {
    let group = try EventLoopGroup(count: 1)
    var watchers: [Watcher] = []
    for round in 0..<200 {
      watchers.append(try await Watcher.start(on: group.loops[0]))
      if round % 3 == 2 { await watchers.removeFirst().close() }
    }
    for watcher in watchers {
      async let wake = watcher.read()
      try await watcher.poke()
      #expect(await wake == .ready)
      #expect(await watcher.readableBytes == 1)
      await watcher.close()
    }
    await group.shutdown()
  }
}
