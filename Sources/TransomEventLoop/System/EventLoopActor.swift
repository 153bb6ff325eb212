// Not used by name: it holds what `callIsolated` is linked with.
internal import TransomIsolation

/// An actor that lives on an event loop, which it returns as its `unownedExecutor`.
///
/// Whatever lives on one loop runs on one thread, so that a call from one such actor to another needs no `await`:
/// `onLoop` makes it a plain call. From another thread the actor is awaited like any other.
///
/// Some of this module is public, which nobody but this package uses, so that the compiler can make it a part of its callers:
/// it never does that with what is `package`, `@inlinable` or not.
public protocol EventLoopActor: Actor {
  nonisolated var loop: EventLoop { get }
}

extension EventLoopActor {
  /// Calls `body` at once, on the actor's state. The caller must run on the actor's loop, or the process stops.
  @inlinable
  @inline(__always)
  public nonisolated func onLoop<Value: Sendable>(_ body: (isolated Self) -> Value) -> Value {
    loop.preconditionOnLoop()
    return callIsolated(self, body)
  }
}

/// `callOnLoop` of TransomIsolation. The caller has made sure that it runs on the actor's executor.
@usableFromInline
@_silgen_name("transom_call_on_loop")
func callIsolated<Instance: Actor, Value>(
  _ actor: Instance, _ body: (isolated Instance) -> Value
) -> Value
