/// What is due when: a binary heap of deadlines, from which any entry can be taken out.
///
/// Rules of this file:
/// 1. `heap[slots[s].position].slot == s` for every slot that is in use.
/// 2. A slot's generation grows when it is freed, so that an old `TimerID` removes nothing.
package struct TimerQueue<Payload> {
  /// Names one entry of one queue.
  package struct TimerID: Hashable, Sendable {
    fileprivate var slot: Int
    fileprivate var generation: UInt64
  }

  /// What is moved about in the heap: small, and nothing to count references of.
  private struct Entry {
    var deadline: ContinuousClock.Instant
    var slot: Int
  }

  private struct Slot {
    var generation: UInt64 = 0
    var position = 0
    /// Nil while the slot is free.
    var payload: Payload?
  }

  private var heap: [Entry] = []
  private var slots: [Slot] = []
  private var free: [Int] = []

  package init() {}

  package var count: Int { heap.count }

  /// The earliest deadline.
  package var nextDeadline: ContinuousClock.Instant? { heap.first?.deadline }

  package mutating func insert(
    at deadline: ContinuousClock.Instant, _ payload: Payload
  ) -> TimerID {
    let slot: Int
    if let reused = free.popLast() {
      slot = reused
    } else {
      slot = slots.count
      slots.append(Slot())
    }
    slots[slot].position = heap.count
    slots[slot].payload = payload
    heap.append(Entry(deadline: deadline, slot: slot))
    siftUp(from: heap.count - 1)
    return TimerID(slot: slot, generation: slots[slot].generation)
  }

  /// Takes an entry out; nil if it has been taken out before.
  @discardableResult
  package mutating func remove(_ id: TimerID) -> Payload? {
    guard slots.indices.contains(id.slot), slots[id.slot].generation == id.generation else {
      return nil
    }
    return remove(at: slots[id.slot].position)
  }

  /// Takes out the earliest entry if it is due.
  package mutating func popDue(at now: ContinuousClock.Instant) -> Payload? {
    guard let first = heap.first, first.deadline <= now else { return nil }
    return remove(at: 0)
  }

  private mutating func remove(at position: Int) -> Payload? {
    let last = heap.count - 1
    swapEntries(position, last)
    let entry = heap.removeLast()
    slots[entry.slot].generation += 1
    free.append(entry.slot)
    if position < heap.count {
      siftDown(from: position)
      siftUp(from: position)
    }
    return exchange(&slots[entry.slot].payload, with: nil)
  }

  private mutating func swapEntries(_ a: Int, _ b: Int) {
    guard a != b else { return }
    heap.swapAt(a, b)
    slots[heap[a].slot].position = a
    slots[heap[b].slot].position = b
  }

  private mutating func siftUp(from start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].deadline < heap[parent].deadline else { return }
      swapEntries(child, parent)
      child = parent
    }
  }

  private mutating func siftDown(from start: Int) {
    var parent = start
    while true {
      var smallest = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && heap[child].deadline < heap[smallest].deadline {
        smallest = child
      }
      guard smallest != parent else { return }
      swapEntries(parent, smallest)
      parent = smallest
    }
  }
}
