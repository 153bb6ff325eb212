import Testing
import TransomWebhooks

/// Where webhooks may go.
@Suite struct AddressPolicyTests {
  private func address(_ text: String) throws -> IPAddress {
    let network = try #require(IPNetwork(text))
    // A network of one address holds that address: found by asking each byte.
    var bytes: [UInt8] = []
    let count = text.contains(":") ? 16 : 4
    for index in 0..<count {
      let byte = try #require(
        (UInt8.min ... .max).first { byte in
          var probe = bytes + [byte]
          probe += Array(repeating: 0, count: count - index - 1)
          let prefix = IPNetwork("\(text)/\((index + 1) * 8)")
          return IPAddress(probe).map { prefix?.contains($0) == true } ?? false
        })
      bytes.append(byte)
    }
    let address = try #require(IPAddress(bytes))
    #expect(network.contains(address))
    return address
  }

  @Test(arguments: [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::ffff:808:808", "::ffff:7f00:1", "64:ff9b::808:808",
    "64:ff9b:1::1", "100::1", "fc00::1", "fd00::1", "fe80::1", "fec0::1", "ff02::1", "2001::1",
    "2001:db8::1", "2002:808:808::1", "3fff::1", "4000::1",
  ])
  func `an address that is not public is refused, unless its network is configured`(
    _ text: String
  ) throws {
    let address = try address(text)
    #expect(!AddressPolicy().allows(address))
    let network = try #require(IPNetwork(text))
    #expect(AddressPolicy(allowedNetworks: [network]).allows(address))
  }

  @Test(arguments: [
    "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255",
    "172.32.0.0", "192.0.1.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2003::1",
  ])
  func `a public address is allowed`(_ text: String) throws {
    #expect(AddressPolicy().allows(try address(text)))
  }

  @Test func `an IPv4-mapped address is allowed with the network of what it holds`() throws {
    let mapped = try address("::ffff:a01:203")
    let allowed = try [#require(IPNetwork("10.0.0.0/8"))]
    #expect(AddressPolicy(allowedNetworks: allowed).allows(mapped))
  }

  @Test(arguments: [
    "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/+8",
    "1.2.3.4/", "::1/129", ":::", "1::2::3", "12345::", "g::", "1:2:3:4:5:6:7:8:9", "::1.2.3.4",
  ])
  func `what is no network is refused`(_ text: String) {
    #expect(IPNetwork(text) == nil)
  }
}
