/// Tells one running task from another: unique among tasks that live at the same time.
package struct TaskIdentity: Hashable, Sendable {
  private let value: Int

  /// The task that runs now; nil outside of tasks.
  package static var current: TaskIdentity? {
    unsafe withUnsafeCurrentTask { task in
      unsafe task.map { unsafe TaskIdentity(value: $0.hashValue) }
    }
  }
}
