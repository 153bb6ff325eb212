import TestSupport
import Testing
import TransomCluster
import TransomEventLoop

@testable import TransomPostgres

/// What the pool does when servers, networks and users fail.
struct PoolFaultTests {
  @Test func `a server process that ends while idle is replaced, and no user sees it`()
    async throws
  {
    try await withPool(size: 2, loops: 2) { fixture, database in
      for index in 0..<4 {
        let (processID, _) = try await fixture.run("select 1", index % 2)
        // Returns when the process has ended.
        try await database.query("select pg_terminate_backend(\(processID), 10000)")
        let next = try await fixture.run("select 1", index % 2)
        #expect(next.seen == ["SELECT 1"] && next.processID != processID)
      }
    }
  }

  @Test func `an idle connection that the server ends is forgotten without anybody asking`()
    async throws
  {
    try await withPool(size: 2, loops: 1) { fixture, database in
      let (processID, _) = try await fixture.run("select 1")
      try await database.query("select pg_terminate_backend(\(processID))")
      try await fixture.eventuallyCounts("it is forgotten") { $0 == .init() }
    }
  }

  @Test func `a server process that ends while leased is not given to the next in line`()
    async throws
  {
    try await withPool(size: 1, loops: 1) { fixture, database in
      let lease = try await fixture.lease()
      async let waiter = fixture.run("select 1")
      try await fixture.eventuallyCounts("it waits") { $0.waiting == 1 }
      try await database.query(
        "select pg_terminate_backend(\(lease.connection.processID), 10000)")
      try await eventually("the loop has heard of it") { await !lease.connection.isReusable }
      await fixture.pool.release(lease)
      let (processID, seen) = try await waiter
      #expect(seen == ["SELECT 1"] && processID != lease.connection.processID)
    }
  }

  @Test(.timeLimit(.minutes(1)))
  func `a clean-up that the server does not answer holds nobody's shutdown up`() async throws {
    try await withDatabase { database in
      let proxy = try FaultProxy.start(before: database.cluster)
      defer { proxy.stop() }
      let conninfo = proxy.connectionString(database: database.name)
      try await withPool(conninfo, size: 1, loops: 1) { fixture in
        let lease = try await fixture.lease()
        #expect(try await outcomes(["set a.b = 'c'"], on: lease.connection) == ["SET"])
        proxy.stall(.toClient)
        await fixture.pool.release(lease)
        let counts = await fixture.pool.counts
        #expect(counts.leased == 1 && counts.idle == 0)
      }
    }
  }

  @Test func `the pool recovers from a restart of the server, while it is used`() async throws {
    let cluster = try await PrivateCluster.start(.temporary(settings: TestCluster.settings))
    try await withPool(cluster.connectionString(), size: 4, loops: 2) { fixture in
      for index in 0..<4 { try await fixture.run("select 1", index % 2) }
      let users = (0..<4).map { number in
        Task {
          while !Task.isCancelled {
            _ = try? await fixture.run("select 1", number % 2)
            await Task.yield()
          }
        }
      }
      for mode in [PrivateCluster.ShutdownMode.fast, .immediate] {
        try await cluster.restart(mode: mode)
        for index in 0..<2 {
          try await eventually("it serves again", within: .seconds(30)) {
            (try? await fixture.run("select 2", index).seen) == ["SELECT 2"]
          }
        }
      }
      for user in users { user.cancel() }
      for user in users { await user.value }
      try await fixture.eventuallyCounts("nothing is left over") {
        $0.leased == 0 && $0.waiting == 0 && $0.idle <= 4
      }
    }
    try await cluster.stop()
  }

  @Test func `a server that cannot be reached is named with libpq's reason`() async throws {
    let down = "host=127.0.0.1 port=1 dbname=x"
    try await withPool(down, size: 2, loops: 2, waitLimit: .milliseconds(200)) { fixture in
      do {
        _ = try await fixture.lease()
        Issue.record("leased")
      } catch LeaseError.unreachable(let reason) {
        #expect(reason.contains("Connection refused"))
      }
    }
  }

  @Test func `a database that does not exist is named with the server's reason`() async throws {
    let cluster = try await TestCluster.shared
    let wrong = cluster.connectionString(database: "nowhere")
    try await withPool(wrong, size: 2, loops: 1, waitLimit: .milliseconds(500)) { fixture in
      do {
        _ = try await fixture.lease()
        Issue.record("leased")
      } catch LeaseError.unreachable(let reason) {
        #expect(reason.contains("database \"nowhere\" does not exist"))
      }
    }
  }

  @Test func `a server that takes no more connections is unreachable, though one is at work`()
    async throws
  {
    try await withDatabase { database in
      let proxy = try FaultProxy.start(before: database.cluster)
      defer { proxy.stop() }
      let conninfo = proxy.connectionString(database: database.name)
      try await withPool(conninfo, size: 4, loops: 1, waitLimit: .milliseconds(500)) { fixture in
        let lease = try await fixture.lease()
        proxy.refuseConnections()
        do {
          _ = try await fixture.lease()
          Issue.record("leased")
        } catch LeaseError.unreachable(let reason) {
          #expect(!reason.isEmpty && reason != "the server does not answer")
        }
        await fixture.pool.release(lease)
      }
    }
  }

  @Test func `a server that does not answer is unreachable, not busy`() async throws {
    try await withStalledServer { proxy, conninfo in
      try await withPool(conninfo, size: 2, loops: 1, waitLimit: .milliseconds(50)) { fixture in
        await #expect(throws: LeaseError.unreachable("the server does not answer")) {
          _ = try await fixture.lease()
        }
        proxy.refuseConnections()
        proxy.cutAll()
      }
    }
  }

  @Test func `who waits makes few attempts while the server is down, and is served when it is up`()
    async throws
  {
    try await withDatabase { database in
      let proxy = try FaultProxy.start(before: database.cluster)
      defer { proxy.stop() }
      proxy.refuseConnections()
      let conninfo = proxy.connectionString(database: database.name)
      try await withPool(conninfo, size: 8, loops: 1) { fixture in
        try await withThrowingTaskGroup { tasks in
          for _ in 0..<8 { tasks.addTask { try await fixture.run("select 1").seen } }
          // At first there may be as many attempts as waiters; then they are made one at a time.
          try await eventually("some attempts fail") { proxy.acceptedConnections >= 5 }
          proxy.pass()
          for try await seen in tasks { #expect(seen == ["SELECT 1"]) }
        }
        #expect(proxy.acceptedConnections < 50)
      }
    }
  }

  @Test func `connections that are cut while they are used are all replaced`() async throws {
    try await withDatabase { database in
      let proxy = try FaultProxy.start(before: database.cluster)
      defer { proxy.stop() }
      let conninfo = proxy.connectionString(database: database.name)
      try await withPool(conninfo, size: 4, loops: 2) { fixture in
        for round in 0..<6 {
          try await withThrowingTaskGroup { tasks in
            for number in 0..<12 {
              tasks.addTask { _ = try? await fixture.run("select pg_sleep(0.01)", number % 2) }
            }
            proxy.cutAll(by: round % 2 == 0 ? .close : .reset)
            try await tasks.waitForAll()
          }
        }
        try await fixture.eventuallyCounts("nothing is left over") {
          $0.leased == 0 && $0.waiting == 0 && $0.connecting == 0
        }
        var leases: [DatabasePool.Lease] = []
        for number in 0..<4 { leases.append(try await fixture.lease(number % 2)) }
        for lease in leases { await fixture.pool.release(lease) }
      }
    }
  }
}

struct PoolCancellationTests {
  @Test func `a task that is cancelled while it waits waits no more, and costs nobody anything`()
    async throws
  {
    try await withPool(size: 1, loops: 1) { fixture, _ in
      let lease = try await fixture.lease()
      let waiter = Task { try await fixture.lease() }
      try await fixture.eventuallyCounts("it waits") { $0.waiting == 1 }
      waiter.cancel()
      await #expect(throws: LeaseError.cancelled) { _ = try await waiter.value }
      #expect(await fixture.pool.counts == .init(leased: 1))
      await fixture.pool.release(lease)
      #expect(await fixture.pool.counts == .init(idle: 1))
    }
  }

  @Test func `a task that was cancelled before does not wait`() async throws {
    try await withPool(size: 1, loops: 1) { fixture, _ in
      let lease = try await fixture.lease()
      let waiter = Task {
        while !Task.isCancelled { await Task.yield() }
        return try await fixture.lease()
      }
      waiter.cancel()
      await #expect(throws: LeaseError.cancelled) { _ = try await waiter.value }
      await fixture.pool.release(lease)
    }
  }

  @Test func `a connection that is granted while its waiter is cancelled is not lost`()
    async throws
  {
    try await withPool(size: 1, loops: 2) { fixture, _ in
      for round in 0..<200 {
        let lease = try await fixture.lease(round % 2)
        let waiter = Task { try await fixture.lease(0) }
        await Task.yield()
        async let released: Void = fixture.pool.release(lease)
        waiter.cancel()
        await released
        if let granted = try? await waiter.value { await fixture.pool.release(granted) }
      }
      try await fixture.eventuallyCounts("nothing is left over") {
        $0.leased == 0 && $0.waiting == 0
      }
    }
  }
}

struct PoolShutdownTests {
  @Test func `a shutdown refuses who waits and who comes, and ends when the last lease is back`()
    async throws
  {
    try await withPool(size: 1, loops: 2) { fixture, database in
      let leases = [try await fixture.lease(0), try await fixture.lease(1)]
      let waiter = Task { try await fixture.lease(0) }
      try await fixture.eventuallyCounts("it waits") { $0.waiting == 1 }
      let shutdown = Task { await fixture.pool.shutdown() }
      await #expect(throws: LeaseError.shuttingDown) { _ = try await waiter.value }
      for index in 0..<2 {
        try await eventually("newcomers are refused on every loop") {
          await #expect(throws: LeaseError.self) {
            _ = try await fixture.lease(index, within: .milliseconds(1))
          }
          return (try? await fixture.isShuttingDown(index)) == true
        }
      }
      // What is leased can still be used.
      #expect(try await outcomes(["select 1"], on: leases[1].connection) == ["SELECT 1"])
      for lease in leases { await fixture.pool.release(lease) }
      await shutdown.value
      #expect(await fixture.pool.counts == .init())
      try await eventually("the server has no connection of ours") {
        try await database.value(
          "select count(*) from pg_stat_activity where application_name = 'transom'"
            + " and datname = current_database()") == "0"
      }
    }
  }

  @Test func `a shutdown does not wait for a server that does not answer`() async throws {
    try await withStalledServer { proxy, conninfo in
      try await withPool(conninfo, size: 2, loops: 1) { fixture in
        let waiter = Task { try await fixture.lease() }
        try await eventually("it connects") { proxy.acceptedConnections == 1 }
        await fixture.pool.shutdown()
        await #expect(throws: LeaseError.shuttingDown) { _ = try await waiter.value }
      }
      proxy.refuseConnections()
      proxy.cutAll()
    }
  }

  @Test func `a connection that is made after the shutdown is closed`() async throws {
    try await withDatabase { database in
      let proxy = try FaultProxy.start(before: database.cluster)
      defer { proxy.stop() }
      proxy.stall()
      let conninfo = proxy.connectionString(database: database.name)
      try await withPool(conninfo, size: 2, loops: 1) { fixture in
        let waiter = Task { try await fixture.lease() }
        try await eventually("it connects") { proxy.acceptedConnections == 1 }
        await fixture.pool.shutdown()
        _ = await waiter.result
        proxy.pass()
        try await eventually("the connection is closed") {
          guard proxy.openConnections == 0 else { return false }
          return await fixture.pool.counts == .init()
        }
      }
    }
  }

  @Test func `a shutdown ends while attempts to connect fail`() async throws {
    for _ in 0..<10 {
      try await withPool("host=127.0.0.1 port=1 dbname=x", size: 4, loops: 2) { fixture in
        let waiters = (0..<4).map { number in Task { try await fixture.lease(number % 2) } }
        try await fixture.eventuallyCounts("somebody waits") { $0.waiting > 0 }
        await fixture.pool.shutdown()
        for waiter in waiters {
          await #expect(throws: LeaseError.shuttingDown) { _ = try await waiter.value }
        }
      }
    }
  }

  @Test func `a shutdown can be asked for by many at once`() async throws {
    try await withPool(size: 2, loops: 2) { fixture, _ in
      let lease = try await fixture.lease()
      await withTaskGroup { tasks in
        for number in 0..<100 {
          // One that prefers another executor is suspended where others are not.
          let loop = number.isMultiple(of: 2) ? fixture.group.loops[1] : nil
          tasks.addTask(executorPreference: loop) { await fixture.pool.shutdown() }
        }
        await fixture.pool.release(lease)
      }
    }
  }
}

extension PoolFixture {
  fileprivate func isShuttingDown(_ index: Int) async throws -> Bool {
    do {
      await pool.release(try await lease(index, within: .milliseconds(1)))
      return false
    } catch LeaseError.shuttingDown {
      return true
    }
  }
}

/// A server that accepts connections and says nothing.
private func withStalledServer(
  _ body: (FaultProxy, _ conninfo: String) async throws -> Void
) async throws {
  try await withDatabase { database in
    let proxy = try FaultProxy.start(before: database.cluster)
    defer { proxy.stop() }
    proxy.stall()
    try await body(proxy, proxy.connectionString(database: database.name))
  }
}
