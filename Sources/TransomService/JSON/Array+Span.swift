internal import Glibc

extension [UInt8] {
  /// Appends the octets in one copy. The standard library appends a `Span` one by one.
  @inline(__always)
  package mutating func append(copying octets: Span<UInt8>) {
    unsafe octets.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
  }

  /// Appends the text's octets in one copy, without a look at what kind of string it is.
  @inline(__always)
  package mutating func append(copying text: StaticString) {
    let octets = unsafe UnsafeBufferPointer(
      start: text.utf8Start, count: text.utf8CodeUnitCount)
    unsafe append(contentsOf: octets)
  }

  /// Appends `first` and the text with one look at the capacity instead of two.
  @inline(__always)
  package mutating func append(copying first: Span<UInt8>, then text: StaticString) {
    let octets = unsafe UnsafeBufferPointer(
      start: text.utf8Start, count: text.utf8CodeUnitCount)
    append(copying: first, then: unsafe Span(_unsafeElements: octets))
  }

  /// Appends `first` and `second` with one look at the capacity instead of two.
  package mutating func append(copying first: Span<UInt8>, then second: Span<UInt8>) {
    append(addingCapacity: first.count + second.count) { output in
      unsafe output.withUnsafeMutableBufferPointer { target, count in
        count = unsafe first.copy(to: target, at: 0)
        count = unsafe second.copy(to: target, at: count)
      }
    }
  }

  /// Appends two texts, and `second` in quotes between them.
  @inline(__always)
  package mutating func append(
    copying first: StaticString, thenQuoting second: Span<UInt8>, then third: StaticString
  ) {
    let a = unsafe UnsafeBufferPointer(start: first.utf8Start, count: first.utf8CodeUnitCount)
    let b = unsafe UnsafeBufferPointer(start: third.utf8Start, count: third.utf8CodeUnitCount)
    append(
      copying: unsafe Span(_unsafeElements: a), thenQuoting: second,
      then: unsafe Span(_unsafeElements: b))
  }

  /// Appends `first`, `second` in quotes and `third`, with one look at the capacity instead of five.
  package mutating func append(
    copying first: Span<UInt8>, thenQuoting second: Span<UInt8>, then third: Span<UInt8>
  ) {
    append(addingCapacity: first.count + second.count + third.count + 2) { output in
      unsafe output.withUnsafeMutableBufferPointer { target, count in
        let quote = UInt8(ascii: "\"")
        count = unsafe first.copy(to: target, at: 0)
        unsafe target[count] = quote
        count = unsafe second.copy(to: target, at: count + 1)
        unsafe target[count] = quote
        count = unsafe third.copy(to: target, at: count + 1)
      }
    }
  }
}

extension Span<UInt8> {
  /// Copies all to `target` from `start` on, which must have the room, and tells where that ends.
  @inline(__always)
  fileprivate func copy(
    to target: UnsafeMutableBufferPointer<UInt8>, at start: Int
  ) -> Int {
    unsafe withUnsafeBufferPointer { source in
      guard let from = source.baseAddress, let to = target.baseAddress else { return start }
      unsafe (to + start).update(from: from, count: source.count)
      return start + source.count
    }
  }
}

extension Span<UInt8> {
  /// Whether the octets are just this text's. Allocates nothing.
  @inline(__always)
  package func elementsEqual(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    return unsafe withUnsafeBufferPointer { octets in
      guard let start = octets.baseAddress else { return true }
      return unsafe memcmp(start, text.utf8Start, octets.count) == 0
    }
  }
}
