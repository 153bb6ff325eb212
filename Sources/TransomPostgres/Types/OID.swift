/// An object identifier: names a type, a table, … of one database
/// (PostgreSQL manual, 8.19 "Object Identifier Types").
public struct OID: Hashable, Sendable {
  /// The number; 0 names nothing.
  public let rawValue: UInt32

  /// Takes the number.
  public init(_ rawValue: UInt32) { self.rawValue = rawValue }
}
