import TestSupport
import Testing

@testable import TransomPostgres

struct StatementCacheTests {
  private func number(_ lookup: StatementCache.Lookup) -> Int? {
    guard case .unknown(_, let statement) = lookup else { return nil }
    return statement
  }

  @Test func `a statement is prepared once, and known by the same name from then on`() {
    var cache = StatementCache(capacity: 4)
    #expect(cache.lookUp("select 1") == .unknown(name: "transom_1", statement: 1))
    // Even before the server has confirmed it: it will have it when the next command comes.
    #expect(cache.lookUp("select 1") == .known(name: "transom_1"))
    cache.confirm(1)
    #expect(cache.lookUp("select 1") == .known(name: "transom_1"))
    #expect(cache.lookUp("select 2") == .unknown(name: "transom_2", statement: 2))
    #expect(cache.takeDeallocations() == [])
  }

  @Test func `a statement that the server refused is prepared anew under another name`() {
    var cache = StatementCache(capacity: 4)
    _ = cache.lookUp("select 1")
    cache.forget(1)
    #expect(cache.lookUp("select 1") == .unknown(name: "transom_2", statement: 2))
    #expect(cache.takeDeallocations() == [])
  }

  @Test func `texts that only Unicode takes for the same are two statements`() {
    var cache = StatementCache(capacity: 4)
    #expect(cache.lookUp("select '\u{E9}'") == .unknown(name: "transom_1", statement: 1))
    #expect(cache.lookUp("select 'e\u{301}'") == .unknown(name: "transom_2", statement: 2))
    // As long as each other, too.
    #expect(cache.lookUp("'a\u{323}\u{307}'") == .unknown(name: "transom_3", statement: 3))
    #expect(cache.lookUp("'a\u{307}\u{323}'") == .unknown(name: "transom_4", statement: 4))
    #expect(cache.lookUp("select 'e\u{301}'") == .known(name: "transom_2"))
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
    for sql: StatementText in ["a", "b"] { number(cache.lookUp(sql)).map { cache.confirm($0) } }
    _ = cache.lookUp("a")
    #expect(cache.lookUp("c") == .unknown(name: "transom_3", statement: 3))
    #expect(cache.takeDeallocations() == ["DEALLOCATE transom_2"])
    #expect(cache.takeDeallocations() == [])
    #expect(cache.lookUp("a") == .known(name: "transom_1"))
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
    #expect(cache.lookUp("long 9") == .known(name: "transom_10"))
  }

  @Test func `after an invalidation everything is prepared anew, and the server frees all`() {
    var cache = StatementCache(capacity: 2)
    for sql: StatementText in ["a", "b", "c"] {
      number(cache.lookUp(sql)).map { cache.confirm($0) }
    }
    cache.invalidate()
    #expect(cache.count == 0)
    #expect(cache.takeDeallocations() == ["DEALLOCATE ALL"])
    #expect(cache.lookUp("a") == .unknown(name: "transom_4", statement: 4))
  }

  @Test(arguments: [-1, 0, 1])
  func `a capacity below one is one`(_ capacity: Int) {
    var cache = StatementCache(capacity: capacity)
    for sql: StatementText in ["a", "b"] { number(cache.lookUp(sql)).map { cache.confirm($0) } }
    #expect(cache.count == 1)
    #expect(cache.lookUp("b") == .known(name: "transom_2"))
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
      switch cache.lookUp(StatementText("statement \(Int.random(in: 0..<12, using: &random))")) {
      case .known(let name):
        #expect(server.contains(name) || prepared.contains { $0.name == name }, "seed \(seed)")
      case .unknown(let name, let statement):
        #expect(!server.contains(name), "seed \(seed)")
        prepared.append((name, statement))
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
