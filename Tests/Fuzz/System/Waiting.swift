import Dispatch
import Synchronization

/// What an asynchronous function returns, for libFuzzer's thread, which knows no tasks.
func waiting<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) -> Value {
  let answer = Answer<Value>()
  Task { await answer.take(body) }
  return answer.wait()
}

private final class Answer<Value: Sendable>: Sendable {
  private let value = Mutex<Result<Value, any Error>?>(nil)
  private let isThere = DispatchSemaphore(value: 0)

  func take(_ body: @Sendable () async throws -> Value) async {
    let found: Result<Value, any Error>
    do {
      found = .success(try await body())
    } catch {
      found = .failure(error)
    }
    value.withLock { $0 = found }
    isThere.signal()
  }

  func wait() -> Value {
    isThere.wait()
    let found = value.withLock { $0 }
    guard case .success(let value)? = found else {
      fail("what is fuzzed cannot be made: \(String(describing: found))")
    }
    return value
  }
}
