internal import Dispatch
internal import Synchronization

/// Waits for asynchronous work on the thread on which XCTest runs its tests: none of those that run Swift's tasks.
func blocking<Value: Sendable>(
  _ body: @escaping @Sendable () async throws -> Value
) throws -> Value {
  let outcome = Outcome<Value>()
  let done = DispatchSemaphore(value: 0)
  // Detached, so that it finds none of the connections of the test.
  Task.detached {
    do {
      outcome.set(.success(try await body()))
    } catch {
      outcome.set(.failure(error))
    }
    done.signal()
  }
  done.wait()
  return try outcome.get()
}

private final class Outcome<Value: Sendable>: Sendable {
  private let result = Mutex<Result<Value, any Error>?>(nil)

  func set(_ value: Result<Value, any Error>) { result.withLock { $0 = value } }

  func get() throws -> Value {
    guard let value = try result.withLock({ try $0?.get() }) else { throw NoTestDatabase() }
    return value
  }
}
