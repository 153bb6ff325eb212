extension [UInt8] {
  /// Appends the octets in one copy. The standard library appends a `Span` one by one.
  @inline(__always)
  package mutating func append(copying octets: Span<UInt8>) {
    unsafe octets.withUnsafeBufferPointer { source in
      unsafe append(copying: source)
    }
  }

  /// Appends the text's octets in one copy, without a look at what kind of string it is.
  @inline(__always)
  package mutating func append(copying text: StaticString) {
    unsafe append(
      copying: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  @inline(__always)
  private mutating func append(copying source: UnsafeBufferPointer<UInt8>) {
    append(addingCapacity: source.count) { output in
      unsafe output.withUnsafeMutableBufferPointer { target, count in
        if let address = source.baseAddress {
          unsafe target.baseAddress?.update(from: address, count: source.count)
        }
        count = source.count
      }
    }
  }
}
