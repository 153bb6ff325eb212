internal import Synchronization
internal import TransomEventLoop

/// What the pools of one database tell each other across their loops: who has something idle, who has waiters, who
/// has room for more.
///
/// Hints only: whoever acts on one asks the other pool itself. None is missed, because every pool first writes what
/// it has and then reads what the others want, and the other way round.
final class PoolBoard: Sendable {
  struct Entry: Equatable {
    var idle = 0
    var waiting = 0
    var hasRoom = true
  }

  private final class Place: Sendable {
    let idle = Atomic(0)
    let waiting = Atomic(0)
    let hasRoom = Atomic(true)
  }

  private let places: [Place]
  private let totalWaiting = Atomic(0)
  private let pools = Mutex<[ConnectionPool]>([])

  init(count: Int) { places = (0..<count).map { _ in Place() } }

  /// Makes the pools known to one another. They hold the board: once they are shut down it has to forget them, or all
  /// would keep each other for ever.
  func register(_ pools: [ConnectionPool]) { self.pools.withLock { $0 = pools } }

  /// Writes what has changed of a pool.
  func publish(_ entry: Entry, instead before: Entry, at index: Int) {
    let place = places[index]
    if entry.idle != before.idle { place.idle.store(entry.idle, ordering: .sequentiallyConsistent) }
    if entry.waiting != before.waiting {
      place.waiting.store(entry.waiting, ordering: .sequentiallyConsistent)
      totalWaiting.add(entry.waiting - before.waiting, ordering: .sequentiallyConsistent)
    }
    if entry.hasRoom != before.hasRoom {
      place.hasRoom.store(entry.hasRoom, ordering: .sequentiallyConsistent)
    }
  }

  /// A pool of another loop that has an idle connection.
  func poolWithIdle(except index: Int) -> ConnectionPool? {
    pool(except: index) { $0.idle.load(ordering: .sequentiallyConsistent) > 0 }
  }

  /// A pool of another loop that may make one more connection.
  func poolWithRoom(except index: Int) -> ConnectionPool? {
    pool(except: index) { $0.hasRoom.load(ordering: .sequentiallyConsistent) }
  }

  /// A pool of another loop that has waiters.
  func poolWithWaiters(except index: Int) -> ConnectionPool? {
    guard totalWaiting.load(ordering: .sequentiallyConsistent) > 0 else { return nil }
    return pool(except: index) { $0.waiting.load(ordering: .sequentiallyConsistent) > 0 }
  }

  private func pool(except index: Int, where isWanted: (Place) -> Bool) -> ConnectionPool? {
    // Each begins with its next neighbour, so that not all turn to the first.
    for step in 1..<max(1, places.count) {
      let other = (index + step) % places.count
      if isWanted(places[other]) { return pools.withLock { $0.isEmpty ? nil : $0[other] } }
    }
    return nil
  }
}
