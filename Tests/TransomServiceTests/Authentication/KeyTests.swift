import Testing
import TransomService

struct KeyTests {
  /// FIPS 180-2, appendix B.1.
  private static let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

  @Test func `a key is known by its SHA-256, in either case of the digits`() {
    let hash = KeyHash(of: Array("abc".utf8))
    #expect(hash.hexadecimal == Self.abc)
    #expect(KeyHash(hexadecimal: Self.abc) == hash)
    #expect(KeyHash(hexadecimal: Self.abc.uppercased()) == hash)
    #expect(KeyHash(of: Array("abd".utf8)) != hash)
  }

  @Test(arguments: [
    "", "ba78", KeyTests.abc + "0", "g" + KeyTests.abc.dropFirst(), KeyTests.abc.dropLast() + "é",
  ])
  func `what is no hash is none`(_ text: String) {
    #expect(KeyHash(hexadecimal: text) == nil)
  }

  @Test func `each new key is another one, 256 bits in base64url behind a prefix`() {
    let keys = (0..<100).map { _ in NewKey() }
    #expect(Set(keys.map(\.text)).count == 100 && Set(keys.map(\.hash)).count == 100)
    for key in keys {
      #expect(key.text.wholeMatch(of: /transom_[A-Za-z0-9_-]{43}/) != nil, "\(key.text)")
      #expect(KeyHash(of: Array(key.text.utf8)) == key.hash)
    }
  }

  @Test func `a key's owner is told from others by name and key together`() {
    let (mine, other) = (NewKey(), NewKey())
    let authenticator = Authenticator([
      .init(hash: mine.hash, caller: Caller(name: "mine", rights: Rights())),
      .init(hash: other.hash, caller: Caller(name: "other", rights: Rights())),
    ])
    #expect(authenticator.caller(named: "mine", password: mine.text)?.name == "mine")
    #expect(authenticator.caller(named: "mine", password: other.text) == nil)
    #expect(authenticator.caller(named: "mine", password: mine.text.dropLast() + "~") == nil)
    #expect(authenticator.caller(named: "", password: "") == nil)
  }
}
