import Dispatch
import Synchronization

/// What an asynchronous function returns, for libFuzzer's thread, which knows no tasks.
func waiting<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) -> Value {
  let answer = Answer<Value>()
  Task { await answer.take(body) }
  return answer.wait()
}

private final class Answer<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)
  private let isThere = DispatchSemaphore(value: 0)

  func take(_ body: @Sendable () async throws -> Value) async {
    do {
      let found = try await body()
      value.withLock { $0 = found }
    } catch {
      fatalError("what is fuzzed cannot be made: \(error)")
    }
    isThere.signal()
  }

  func wait() -> Value {
    isThere.wait()
    guard let found = value.withLock({ $0 }) else { fatalError("there is no answer") }
    return found
  }
}
