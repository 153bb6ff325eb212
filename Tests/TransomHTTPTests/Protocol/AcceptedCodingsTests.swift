import Testing

@testable import TransomHTTP

struct AcceptedCodingsTests {
  private func codings(_ lines: [String]) -> AcceptedCodings {
    var codings = AcceptedCodings()
    for line in lines { codings.take(line.utf8.span) }
    return codings
  }

  @Test(arguments: [
    "gzip", "GZip", "x-gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8, *;q=0.1", "*",
    "deflate\t, \tgzip ;\tq=0.001", ",,gzip,,", "identity;q=0.5, gzip;q=0.5", "gzip;q=1.000",
    "identity;q=0, gzip;q=0.1", "*;q=0.5, identity;q=0.1", "gzip;Q=0.3", "nonsense/;q=2, gzip",
  ])
  func `gzip is used where the client takes it as gladly as anything that we have`(_ text: String) {
    #expect(codings([text]).prefersGzip)
  }

  @Test(arguments: [
    "", "identity", "deflate", "br", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=0, *",
    "identity, gzip;q=0.9", "identity;q=0.6, *;q=0.5", "gzip;q=1.001", "gzip;q=1.1", "gzip;q=",
    "gzip;q=0.1234", "gzip;q=.5", "gzip;q=-1", "gzip;level=1", "gzip q=1", "gzipped", "\"gzip\"",
    "gzip;q=0.5;x", "gzip;q=2", "gzip;q=0,5",
  ])
  func `gzip is not used where the client refuses it, prefers another or says nonsense`(
    _ text: String
  ) {
    #expect(!codings([text]).prefersGzip)
  }

  @Test(arguments: [
    ("gzip, identity;q=0", true), ("gzip, *;q=0", true), ("identity;q=0.0, *", true),
    ("gzip", false), ("gzip, identity;q=0.001, *;q=0", false), ("identity;q=0", false),
    ("*;q=0", false), ("br, identity;q=0", false),
  ])
  func `a client that refuses what is not encoded gets even little compressed, if it takes that`(
    _ text: String, _ needs: Bool
  ) {
    #expect(codings([text]).needsGzip == needs)
  }

  @Test func `lines are elements of one list`() {
    #expect(codings(["identity;q=0.5", "gzip"]).prefersGzip)
    #expect(!codings(["gzip;q=0.2", "identity;q=0.5"]).prefersGzip)
  }
}
