/// What is due when: a binary heap of deadlines, from which any entry can be taken out.
///
/// Most timers are made for waits that end in time, so taking one out is what has to be cheap: the entry only loses
/// its payload, and leaves the heap when it comes up, or when the heap is half full of such.
///
/// Rules of this file:
/// 1. Every slot that is in use has one entry in the heap, whether its payload has been taken or not.
/// 2. A slot's generation grows when its payload is taken, so that an old `TimerID` removes nothing.
package struct TimerQueue<Payload> {
  /// Names one entry of one queue.
  package struct TimerID: Hashable, Sendable {
    fileprivate var slot: Int
    fileprivate var generation: UInt64
  }

  /// What is moved about in the heap: small, and nothing to count references of.
  private struct Entry {
    var deadline: MonotonicInstant
    var slot: Int
  }

  private struct Slot {
    var generation: UInt64 = 0
    /// Nil once it was taken, and while the slot is free.
    var payload: Payload?
  }

  private var heap: [Entry] = []
  private var slots: [Slot] = []
  private var free: [Int] = []
  /// How many entries of the heap have no payload any more.
  private var takenCount = 0

  package init() {}

  package var count: Int { heap.count - takenCount }

  /// Tells the earliest deadline.
  package mutating func nextDeadline() -> MonotonicInstant? {
    dropTaken()
    return heap.first?.deadline
  }

  package mutating func insert(
    at deadline: MonotonicInstant, _ payload: Payload
  ) -> TimerID {
    let slot: Int
    if let reused = free.popLast() {
      slot = reused
    } else {
      slot = slots.count
      slots.append(Slot())
    }
    slots[slot].payload = payload
    heap.append(Entry(deadline: deadline, slot: slot))
    siftUp(from: heap.count - 1)
    return TimerID(slot: slot, generation: slots[slot].generation)
  }

  /// Takes an entry out; nil if it has been taken out before.
  @discardableResult
  package mutating func remove(_ id: TimerID) -> Payload? {
    guard slots.indices.contains(id.slot), slots[id.slot].generation == id.generation,
      let payload = take(id.slot)
    else { return nil }
    takenCount += 1
    if takenCount > 32, takenCount > heap.count / 2 { compact() }
    return payload
  }

  /// Takes out the earliest entry if it is due.
  package mutating func popDue(at now: MonotonicInstant) -> Payload? {
    dropTaken()
    guard let first = heap.first, first.deadline <= now else { return nil }
    let payload = take(first.slot)
    removeFirst()
    return payload
  }

  private mutating func take(_ slot: Int) -> Payload? {
    guard let payload = exchange(&slots[slot].payload, with: nil) else { return nil }
    slots[slot].generation += 1
    return payload
  }

  // MARK: The heap

  /// Afterwards the first entry, if there is one, has its payload.
  private mutating func dropTaken() {
    while takenCount > 0, let first = heap.first, slots[first.slot].payload == nil {
      takenCount -= 1
      removeFirst()
    }
  }

  private mutating func removeFirst() {
    free.append(heap[0].slot)
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    siftDown(from: 0)
  }

  /// Drops all entries without a payload at once. As many have been taken since the last time as are looked at here,
  /// so that each costs the same in the long run.
  private mutating func compact() {
    var kept = 0
    for index in heap.indices {
      let entry = heap[index]
      if slots[entry.slot].payload == nil {
        free.append(entry.slot)
      } else {
        heap[kept] = entry
        kept += 1
      }
    }
    heap.removeLast(heap.count - kept)
    takenCount = 0
    for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(from: index) }
  }

  private mutating func siftUp(from start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].deadline < heap[parent].deadline else { return }
      heap.swapAt(child, parent)
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
      heap.swapAt(parent, smallest)
      parent = smallest
    }
  }
}
