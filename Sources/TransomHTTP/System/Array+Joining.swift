extension [UInt8] {
  /// Appends several arrays with one look at the capacity: each look takes as long as to copy a kilobyte.
  ///
  /// Safe: the room is there for as many bytes as are copied.
  mutating func append(
    joining first: [UInt8], _ second: [UInt8], _ third: [UInt8], _ fourth: [UInt8]
  ) {
    let added = first.count + second.count + third.count + fourth.count
    append(addingCapacity: added) { output in
      unsafe output.withUnsafeMutableBufferPointer { target, count in
        count = unsafe first.copy(to: target, at: 0)
        count = unsafe second.copy(to: target, at: count)
        count = unsafe third.copy(to: target, at: count)
        count = unsafe fourth.copy(to: target, at: count)
      }
    }
  }

  /// Copies all to `target` from `start` on, which must have the room, and tells where that ends.
  @inline(__always)
  private func copy(to target: UnsafeMutableBufferPointer<UInt8>, at start: Int) -> Int {
    unsafe withUnsafeBufferPointer { source in
      guard let from = source.baseAddress, let to = target.baseAddress else { return start }
      unsafe (to + start).update(from: from, count: source.count)
      return start + source.count
    }
  }
}
