internal import Synchronization
internal import TransomEventLoop

/// What the pools of one database tell each other across their loops: who has something idle, who has waiters.
///
/// A hint only: whoever acts on it asks the other pool itself.
final class PoolBoard: Sendable {
  private final class Entry: Sendable {
    let idle = Atomic(0)
    let waiting = Atomic(0)
  }

  private let entries: [Entry]
  private let totalWaiting = Atomic(0)
  private let pools = Mutex<[ConnectionPool]>([])

  init(count: Int) { entries = (0..<count).map { _ in Entry() } }

  func register(_ pools: [ConnectionPool]) { self.pools.withLock { $0 = pools } }

  func setIdle(_ count: Int, at index: Int) {
    entries[index].idle.store(count, ordering: .sequentiallyConsistent)
  }

  func setWaiting(_ count: Int, at index: Int) {
    let before = entries[index].waiting.exchange(count, ordering: .sequentiallyConsistent)
    totalWaiting.add(count - before, ordering: .sequentiallyConsistent)
  }

  /// The pool of another loop that has an idle connection.
  func poolWithIdle(except index: Int) -> ConnectionPool? {
    for other in entries.indices
    where other != index && entries[other].idle.load(ordering: .sequentiallyConsistent) > 0 {
      return pools.withLock { $0[other] }
    }
    return nil
  }

  /// Tells a pool with waiters that this one has an idle connection.
  func offerIdle(of pool: ConnectionPool, at index: Int) {
    guard totalWaiting.load(ordering: .sequentiallyConsistent) > 0 else { return }
    for other in entries.indices
    where other != index && entries[other].waiting.load(ordering: .sequentiallyConsistent) > 0 {
      let neighbour = pools.withLock { $0[other] }
      neighbour.loop.execute { neighbour.assumeIsolated { $0.offer(from: pool) } }
      return
    }
  }
}
