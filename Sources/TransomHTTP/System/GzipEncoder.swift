internal import CTransomZlib

/// Compresses one body in pieces, into the format of RFC 1952.
///
/// Safe: owns its stream, whose state it frees once, and zlib reads and writes only the memory that it is told here.
@safe struct GzipEncoder: ~Copyable {
  /// The fastest: an answer is compressed once and sent once.
  private static let level: CInt = 1
  /// Room that is made for output at a time.
  private static let portion = 16 * 1024

  /// At one place: zlib keeps its address.
  private let stream: UnsafeMutablePointer<z_stream>

  /// Nil if there is no memory.
  init?() {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    guard unsafe ctransom_gzip_init(stream, Self.level) == Z_OK else {
      unsafe stream.deallocate()
      return nil
    }
  }

  deinit {
    unsafe deflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// Appends what a part of the body gives, and the end of the format after the last one.
  mutating func encode(_ body: [UInt8], _ range: Range<Int>, isLast: Bool, to output: inout [UInt8])
  {
    precondition(body.indices.contains(range), "the part is not in the body")
    unsafe body.withUnsafeBufferPointer { bytes in
      // zlib does not write to its input, though it does not say so.
      unsafe stream.pointee.next_in = unsafe UnsafeMutablePointer(
        mutating: bytes.baseAddress.map { unsafe $0 + range.lowerBound })
      unsafe stream.pointee.avail_in = UInt32(range.count)
      var isFull = true
      while isFull {
        output.append(addingCapacity: Self.portion) { room in
          unsafe room.withUnsafeMutableBufferPointer { bytes, initialized in
            unsafe stream.pointee.next_out = bytes.baseAddress.map { unsafe $0 + initialized }
            unsafe stream.pointee.avail_out = UInt32(Self.portion)
            _ = unsafe deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
            let left = Int(unsafe stream.pointee.avail_out)
            initialized += Self.portion - left
            isFull = left == 0
          }
        }
      }
      unsafe stream.pointee.next_in = nil
    }
  }
}
