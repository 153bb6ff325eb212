import Glibc

/// Whether the C library takes a text for an IP address of either version.
func isAddress(_ text: String) -> Bool {
  var address = in6_addr()
  let is4 = unsafe inet_pton(AF_INET, text, &address) == 1
  let is6 = unsafe inet_pton(AF_INET6, text, &address) == 1
  return is4 || is6
}
