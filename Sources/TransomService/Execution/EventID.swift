internal import FoundationEssentials
internal import TransomPostgres

/// The id of an event: a UUID of version 7, whose first part is the time in milliseconds and in 4,096ths of one, so that
/// ids ascend with the time (RFC 9562, sections 5.7 and 6.2, method 3). A client reads it as `evt_` and its 32 digits.
///
/// The service makes it, not the database: to read it there, who emits would have to be allowed to read events.
struct EventID {
  /// Its 32 hexadecimal digits, which PostgreSQL takes for a uuid.
  let digits: [UInt8]

  /// A new one.
  init() {
    let time = UInt64(max(0, Date().timeIntervalSince1970 * 4_096_000))
    var digits: [UInt8] = []
    digits.reserveCapacity(32)
    Hexadecimal.append((time >> 12) << 16 | 0x7000 | time & 0xfff, to: &digits)
    Hexadecimal.append(1 << 63 | .random(in: .min ... .max) >> 2, to: &digits)
    self.digits = digits
  }
}

extension TransactionRequest {
  /// Gives each of its events an id. It keeps that, however often the transaction is attempted: one attempt is committed.
  mutating func identifyEvents() {
    for index in eventIDs { parameters.replace(at: index, with: EventID().digits) }
  }
}
