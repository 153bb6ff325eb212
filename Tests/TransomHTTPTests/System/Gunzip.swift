import CTransomZlib

/// What a gzip member holds, found by zlib's own reader; nil if it is none, is damaged, or something follows it.
func gunzip(_ member: [UInt8]) -> [UInt8]? {
  var stream = unsafe z_stream()
  guard unsafe ctransom_gunzip_init(&stream) == Z_OK else { return nil }
  defer { unsafe inflateEnd(&stream) }
  var input = member
  var output: [UInt8] = []
  return unsafe input.withUnsafeMutableBufferPointer { input in
    unsafe stream.next_in = input.baseAddress
    unsafe stream.avail_in = UInt32(input.count)
    var portion = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let (code, count) = unsafe portion.withUnsafeMutableBufferPointer { room in
        unsafe stream.next_out = room.baseAddress
        unsafe stream.avail_out = UInt32(room.count)
        let code = unsafe inflate(&stream, Z_NO_FLUSH)
        return unsafe (code, room.count - Int(stream.avail_out))
      }
      output += portion[..<count]
      if code == Z_STREAM_END { return unsafe stream.avail_in == 0 ? output : nil }
      guard code == Z_OK else { return nil }
    }
  }
}
