internal import TransomEventLoop

/// What of the configuration can change while the service runs, as the requests of one event loop see it.
actor ChangeableSettings: EventLoopActor {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  /// Nil: everybody may do everything.
  private(set) var gate: Gate?
  /// Nil: under any name.
  private(set) var hosts: HostPolicy?

  init(on loop: EventLoop, gate: Gate?, hosts: HostPolicy?) {
    self.loop = loop
    self.gate = gate
    self.hosts = hosts
  }

  func change(gate: Gate?, hosts: HostPolicy?) {
    self.gate = gate
    self.hosts = hosts
  }
}
