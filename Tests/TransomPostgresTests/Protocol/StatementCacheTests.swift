import TestSupport
import Testing

@testable import TransomPostgres

struct StatementCacheTests {
  private func known(_ name: String) -> StatementCache.Lookup {
    .init(name: StatementName(name), unknown: nil)
  }

  private func unknown(_ name: String, _ statement: Int) -> StatementCache.Lookup {
    .init(name: StatementName(name), unknown: statement)
  }

  @Test func `a statement is prepared once, and known by the same name from then on`() {
    var cache = StatementCache(capacity: 4)
    #expect(cache.lookUp("select 1") == unknown("transom_1", 1))
    // Even before the server has confirmed it: it will have it when the next command comes.
    #expect(cache.lookUp("select 1") == known("transom_1"))
    cache.confirm(1)
    #expect(cache.lookUp("select 1") == known("transom_1"))
    #expect(cache.lookUp("select 2") == unknown("transom_2", 2))
    #expect(cache.takeDeallocations() == [])
  }

  @Test func `a statement that the server refused is prepared anew under another name`() {
    var cache = StatementCache(capacity: 4)
    _ = cache.lookUp("select 1")
    cache.forget(1)
    #expect(cache.lookUp("select 1") == unknown("transom_2", 2))
    #expect(cache.takeDeallocations() == [])
  }

  @Test func `all that the server knows can be let go, and is prepared anew under new names`() {
    var cache = StatementCache(capacity: 4)
    for sql in ["select 1", "select 2", "select 3"] as [StatementText] { _ = cache.lookUp(sql) }
    cache.confirm(1)
    cache.confirm(2)
    cache.evictAll()
    #expect(cache.takeDeallocations().sorted() == ["DEALLOCATE transom_1", "DEALLOCATE transom_2"])
    #expect(cache.lookUp("select 1") == unknown("transom_4", 4))
    #expect(cache.lookUp("select 3") == known("transom_3"))
  }

  @Test func `texts that only Unicode takes for the same are two statements`() {
    var cache = StatementCache(capacity: 4)
    #expect(cache.lookUp("select '\u{E9}'") == unknown("transom_1", 1))
    #expect(cache.lookUp("select 'e\u{301}'") == unknown("transom_2", 2))
    // As long as each other, too.
    #expect(cache.lookUp("'a\u{323}\u{307}'") == unknown("transom_3", 3))
    #expect(cache.lookUp("'a\u{307}\u{323}'") == unknown("transom_4", 4))
    #expect(cache.lookUp("select 'e\u{301}'") == known("transom_2"))
  }

  @Test func `what was noted of types lives as long as the statement`() {
    var cache = StatementCache(capacity: 2)
    _ = cache.lookUp("select 1")
    cache.note(parameterTypes: [OID(23)], of: "select 1")
    cache.note(resultTypes: [OID(20_000)], of: "select 1")
    cache.note(parameterTypes: [OID(23)], of: "select 2")
    #expect(cache.parameterTypes(of: "select 1") == [OID(23)])
    #expect(cache.parameterTypes(of: "select 2") == nil)
    #expect(cache.takeResultTypes() == [])
    _ = cache.lookUp("select 1")
    _ = cache.lookUp("select 3")
    #expect(cache.takeResultTypes() == [OID(20_000)])
    #expect(cache.takeResultTypes() == [])
    cache.invalidate()
    #expect(cache.parameterTypes(of: "select 1") == nil)
    _ = cache.lookUp("select 1")
    #expect(cache.takeResultTypes() == [])
  }

  @Test func `the least recently used goes first, and is freed on the server`() {
    var cache = StatementCache(capacity: 2)
    for sql: StatementText in ["a", "b"] { cache.lookUp(sql).unknown.map { cache.confirm($0) } }
    _ = cache.lookUp("a")
    #expect(cache.lookUp("c") == unknown("transom_3", 3))
    #expect(cache.takeDeallocations() == ["DEALLOCATE transom_2"])
    #expect(cache.takeDeallocations() == [])
    #expect(cache.lookUp("a") == known("transom_1"))
    #expect(cache.count == 2)
  }

  @Test func `what is on its way stays, and later statements bring the cache back to its size`() {
    var cache = StatementCache(capacity: 3)
    for index in 0..<10 { _ = cache.lookUp(StatementText("long \(index)")) }
    #expect(cache.count == 10)
    #expect(cache.takeDeallocations() == [])
    for statement in 1...10 { cache.confirm(statement) }
    _ = cache.lookUp("next")
    #expect(cache.count == 3)
    #expect(cache.takeDeallocations() == (1...8).map { "DEALLOCATE transom_\($0)" })
    #expect(cache.lookUp("long 9") == known("transom_10"))
  }

  @Test func `after an invalidation everything is prepared anew, and the server frees all`() {
    var cache = StatementCache(capacity: 2)
    for sql: StatementText in ["a", "b", "c"] {
      cache.lookUp(sql).unknown.map { cache.confirm($0) }
    }
    cache.invalidate()
    #expect(cache.count == 0)
    #expect(cache.takeDeallocations() == ["DEALLOCATE ALL"])
    #expect(cache.lookUp("a") == unknown("transom_4", 4))
  }

  @Test(arguments: [-1, 0, 1])
  func `a capacity below one is one`(_ capacity: Int) {
    var cache = StatementCache(capacity: capacity)
    for sql: StatementText in ["a", "b"] { cache.lookUp(sql).unknown.map { cache.confirm($0) } }
    #expect(cache.count == 1)
    #expect(cache.lookUp("b") == known("transom_2"))
  }

  @Test func `any use leaves the server with what the cache believes, and no more than that`() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      let capacity = Int.random(in: 1...6, using: &random)
      var cache = StatementCache(capacity: capacity)
      var server: Set<StatementName> = []
      for _ in 0..<100 {
        // A transaction: what was evicted is freed, some statements run, one may fail.
        for command in cache.takeDeallocations() {
          if command == "DEALLOCATE ALL" {
            server = []
          } else {
            #expect(
              server.remove(StatementName(String(command.dropFirst(11)))) != nil, "seed \(seed)")
          }
        }
        Self.run(&cache, &server, seed, &random)
        if Int.random(in: 0..<30, using: &random) == 0 { cache.invalidate() }
      }
      _ = cache.lookUp("one more")
      #expect(cache.count <= capacity, "seed \(seed)")
    }
  }

  private static func run(
    _ cache: inout StatementCache, _ server: inout Set<StatementName>, _ seed: UInt64,
    _ random: inout SeededGenerator
  ) {
    var prepared: [(name: StatementName, statement: Int)] = []
    for _ in 0..<Int.random(in: 1...10, using: &random) {
      let number = Int.random(in: 0..<12, using: &random)
      let found = cache.lookUp(StatementText("statement \(number)"))
      let name = found.name
      if let statement = found.unknown {
        #expect(!server.contains(name), "seed \(seed)")
        prepared.append((name, statement))
      } else {
        #expect(server.contains(name) || prepared.contains { $0.name == name }, "seed \(seed)")
      }
    }
    let failing = Int.random(in: 0..<40, using: &random)
    for (index, (name, statement)) in prepared.enumerated() {
      if index < failing {
        cache.confirm(statement)
        server.insert(name)
      } else {
        cache.forget(statement)
      }
    }
  }
}
