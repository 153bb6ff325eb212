/// Calls `body` with `actor`; the other half of `EventLoopActor.onLoop`, which declares it under this name with a body that
/// is isolated to the actor.
///
/// Swift has no way to call such a body from synchronous code but `assumeIsolated`, and that puts two objects on the heap
/// each time, to change the closure's type: 22 of them for one transaction, 2 µs of the 30 that it takes. The
/// two types differ for the type checker only: an isolated parameter is passed like any other. That is what this function stands
/// on, and why it is a module of its own: one module may not say both.
@_silgen_name("transom_call_on_loop")
package func callOnLoop<Instance: Actor, Value>(
  _ actor: Instance, _ body: (Instance) -> Value
) -> Value {
  body(actor)
}
