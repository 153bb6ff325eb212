/// Splits an input at random places, which the input's own first eight bytes decide: the same input, the same splits.
struct Portions {
  let bytes: [UInt8]
  let hasSmallLimits: Bool
  private var state: UInt64

  /// Nil for an input that is too short.
  init?(_ input: [UInt8]) {
    guard input.count >= 8 else { return nil }
    state = input.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    hasSmallLimits = state & 1 == 1
    bytes = Array(input.dropFirst(8))
  }

  /// Ends of portions, in order, the whole included.
  mutating func draw() -> [Int] {
    guard !bytes.isEmpty else { return [0] }
    let count = Int(next() % 8)
    let ends = (0..<count).map { _ in Int(next() % UInt64(bytes.count)) }
    return ends.sorted() + [bytes.count]
  }

  /// SplitMix64.
  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Ends the process unless something holds, so that libFuzzer keeps the input.
func check(_ condition: Bool, _ what: @autoclosure () -> String) {
  if !condition { fail(what()) }
}

/// Ends the process: libFuzzer knows no other way to be told.
func fail(_ what: String) -> Never { fatalError(what) }
