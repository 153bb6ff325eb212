internal import FoundationEssentials
internal import TransomPostgres

/// The id of an event: a UUID of version 7, whose first part is the time in milliseconds, so that ids ascend (RFC 9562,
/// section 5.7). A client reads it as `evt_` and its 32 digits.
///
/// The service makes it, not the database: to read it there, who emits would have to be allowed to read events.
struct EventID {
  /// Its 32 hexadecimal digits, which PostgreSQL takes for a uuid.
  let digits: [UInt8]

  /// A new one.
  init() {
    let milliseconds = UInt64(max(0, Date().timeIntervalSince1970 * 1000))
    var digits: [UInt8] = []
    digits.reserveCapacity(32)
    Hexadecimal.append(milliseconds << 16 | 0x7000 | .random(in: 0...0xfff), to: &digits)
    Hexadecimal.append(1 << 63 | .random(in: 0..<1 << 62), to: &digits)
    self.digits = digits
  }
}

extension TransactionRequest {
  /// Gives each of its events an id. It keeps that, however often the transaction is attempted: one attempt is committed.
  mutating func identifyEvents() {
    for index in eventIDs { parameters.replace(at: index, with: EventID().digits) }
  }
}
