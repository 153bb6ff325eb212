import HTTPTypes
import Testing
import TransomEventLoop

@testable import TransomHTTP

struct ListenerTests {
  private let get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

  @Test(arguments: [TestAddress.tcp, .ipv6, .unix])
  func `a server listens on any kind of address`(_ place: TestAddress) async throws {
    try await withServer(at: place) { server in
      let client = server.client()
      try await client.send(get)
      #expect(try await client.reply().body == "GET /x")
    }
  }

  @Test func `one server serves several addresses, and ends on all of them`() async throws {
    try await withServer(at: .tcp, .ipv6, .unix, .tcp) { server in
      #expect(Set(server.addresses.map(\.description)).count == 4)
      for place in server.addresses.indices {
        let client = server.client(of: place)
        try await client.send(get)
        #expect(try await client.reply().status == 200)
        await client.close()
      }
    }
  }
}
