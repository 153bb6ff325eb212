import Synchronization

/// What the service answered for each transaction, to be compared with what is stored in the end.
final class Ledger: Sendable {
  private struct State {
    var last = 0
    var outcomes: [Int: String] = [:]
    var isClosed = false
  }

  private let state = Mutex(State())

  /// A number for the next transaction; nil once the ledger is closed.
  func next() -> Int? {
    state.withLock { state in
      guard !state.isClosed else { return nil }
      state.last += 1
      return state.last
    }
  }

  func note(_ outcome: String, of number: Int) {
    state.withLock { $0.outcomes[number] = outcome }
  }

  func close() { state.withLock { $0.isClosed = true } }

  var outcomes: [Int: String] { state.withLock { $0.outcomes } }

  var committed: Int { outcomes.values.count { $0 == "committed" } }
}
