extension [UInt8] {
  /// Appends the octets in one copy. The standard library appends a `Span` one by one.
  package mutating func append(copying octets: Span<UInt8>) {
    unsafe octets.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
  }
}
