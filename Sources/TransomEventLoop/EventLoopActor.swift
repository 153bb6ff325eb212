/// An actor that lives on an event loop, which it returns as its `unownedExecutor`.
///
/// Whatever lives on one loop runs on one thread, so that a call from one such actor to another needs no `await`:
/// `onLoop` makes it a plain call. From another thread the actor is awaited like any other.
package protocol EventLoopActor: Actor {
  nonisolated var loop: EventLoop { get }
}

extension EventLoopActor {
  /// Calls `body` at once, on the actor's state. The caller must run on the actor's loop, or the process stops.
  @_alwaysEmitIntoClient @inline(__always)
  package nonisolated func onLoop<Value: Sendable>(_ body: (isolated Self) -> Value) -> Value {
    assumeIsolated(body)
  }
}
