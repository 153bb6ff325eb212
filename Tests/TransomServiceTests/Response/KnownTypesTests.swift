import Testing

@testable import TransomService

/// What is remembered of a catalogue.
@Suite struct KnownTypesTests {
  private static func type(_ oid: UInt32, _ form: CatalogueType.Form) -> CatalogueType {
    CatalogueType(oid: oid, name: "t\(oid)", form: form, stamp: "")
  }

  @Test func `a type changes with those that it is made of`() {
    let pair = Self.type(20_000, .composite([.init(name: "a", type: 23)]))
    let array = Self.type(20_001, .array(of: 20_000, delimiter: 0x2c))
    let known = KnownTypes.none.adding([pair, array])
    let renamed = Self.type(20_000, .composite([.init(name: "b", type: 23)]))
    let later = known.adding([renamed])
    #expect(
      later.table[20_001].encoding == .array(of: later.table[20_000].encoding, delimiter: 0x2c))
    #expect(later.table[20_001] != known.table[20_001])
  }

  @Test func `a closure holds all that a type is made of, but for what is built in`() {
    let known = KnownTypes.none.adding([
      Self.type(20_000, .composite([.init(name: "a", type: 23), .init(name: "b", type: 20_002)])),
      Self.type(20_001, .array(of: 20_000, delimiter: 0x2c)), Self.type(20_002, .text),
      Self.type(20_003, .domain(over: 20_004)),
    ])
    #expect(known.closure(of: [20_001, 23]) == [20_000, 20_001, 20_002])
    #expect(known.closure(of: [20_003]) == nil)
    #expect(known.closure(of: [20_001, 30_000]) == nil)
  }

  @Test func `types that come and go do not fill the memory`() {
    var known = KnownTypes.none
    for batch in UInt32(0)..<100 {
      known = known.adding((0..<100).map { Self.type(20_000 + batch * 100 + $0, .text) })
    }
    let kept = (UInt32(20_000)..<30_000).filter { known.table.knows($0) }
    #expect(kept.count <= KnownTypes.limit && kept.contains(29_999))
  }
}
