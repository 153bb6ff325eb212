import TransomService

/// A statement's text: refused or not, and the same behind comments and white space, which mean nothing to PostgreSQL.
enum SQLFuzz {
  private static let disguises = [
    " ", "\n\t", "/**/", "/* /* */ commit */", "--\n", "-- x\r\n", ";", " ; /*;*/ ;",
  ]

  static func run(_ input: [UInt8]) {
    let text = String(decoding: input, as: UTF8.self)
    let refusal = refusal(of: text)
    for disguise in disguises {
      check(Self.refusal(of: disguise + text) == refusal, "another result behind \"\(disguise)\"")
    }
  }

  private static func refusal(of text: String) -> SQLRefusal? {
    do throws(SQLRefusal) {
      _ = try SQLText(text)
      return nil
    } catch {
      return error
    }
  }
}
