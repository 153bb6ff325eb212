extension [UInt8] {
  /// Appends all of `span` by one memcpy.
  @inline(__always)
  package mutating func append(copying span: Span<UInt8>) {
    unsafe span.withUnsafeBufferPointer { buffer in
      unsafe append(contentsOf: buffer)
    }
  }
}
