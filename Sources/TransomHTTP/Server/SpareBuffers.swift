internal import TransomEventLoop

/// What a connection holds only as long as it has something to do.
struct ConnectionBuffers: Sendable {
  var received: [UInt8] = []
  var output: [UInt8] = []
  /// Of the next response.
  var body: [UInt8] = []
  var fields: [UInt8] = []
}

/// Buffers that no connection of one event loop needs now: most connections are idle, and then have none.
actor SpareBuffers: EventLoopActor {
  /// Sets that are kept: as many as connections are likely to be busy at the same time.
  private static let limit = 64

  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }
  private var sets: [ConnectionBuffers] = []

  init(on loop: EventLoop) { self.loop = loop }

  /// The set that was given back last, whose memory is the most likely to be in the processor's cache.
  func take() -> ConnectionBuffers { sets.popLast() ?? ConnectionBuffers() }

  func keep(_ buffers: consuming ConnectionBuffers) {
    if sets.count < Self.limit { sets.append(buffers) }
  }
}
