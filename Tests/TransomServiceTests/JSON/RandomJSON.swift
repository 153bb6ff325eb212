import TestSupport

/// Appends a random document, with white space and escapes in odd places.
func appendRandomJSON(
  to text: inout [UInt8], depth: Int, using generator: inout SeededGenerator
) {
  appendSpace(to: &text, using: &generator)
  defer { appendSpace(to: &text, using: &generator) }
  switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &generator) {
  case 0:
    text += ["null", "true", "false"].randomElement(using: &generator)?.utf8 ?? "0".utf8
  case 1, 2:
    let numbers = ["0", "-1", "12345678901234567890.123", "1e5", "-0.0E-10", "7"]
    text += numbers.randomElement(using: &generator)?.utf8 ?? "0".utf8
  case 3, 4:
    appendRandomString(to: &text, using: &generator)
  case 5, 6:
    text.append(UInt8(ascii: "["))
    for index in 0..<Int.random(in: 0...3, using: &generator) {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      appendRandomJSON(to: &text, depth: depth - 1, using: &generator)
    }
    text.append(UInt8(ascii: "]"))
  default:
    text.append(UInt8(ascii: "{"))
    for index in 0..<Int.random(in: 0...3, using: &generator) {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      appendSpace(to: &text, using: &generator)
      appendRandomString(to: &text, using: &generator)
      appendSpace(to: &text, using: &generator)
      text.append(UInt8(ascii: ":"))
      appendRandomJSON(to: &text, depth: depth - 1, using: &generator)
    }
    text.append(UInt8(ascii: "}"))
  }
}

/// Changes, drops, doubles or swaps a few octets, mostly for such as mean something in JSON.
func mutate(_ text: inout [UInt8], using generator: inout SeededGenerator) {
  let octets = Array("[]{}\",:\\/u0e1-+. \n\ttfn".utf8) + [0, 0x1F, 0x80, 0xC3, 0xE2, 0xED, 0xF4]
  let place = Int.random(in: 0...text.count, using: &generator)
  let octet = octets.randomElement(using: &generator) ?? 0
  switch Int.random(in: 0..<5, using: &generator) {
  case 0:
    text.insert(octet, at: place)
  case 1 where place < text.count:
    text[place] = octet
  case 2 where place < text.count:
    text.remove(at: place)
  case 3:
    text.removeLast(min(Int.random(in: 0...3, using: &generator), text.count))
  default:
    let end = min(text.count, place + Int.random(in: 0...4, using: &generator))
    text.insert(contentsOf: Array(text[place..<end]), at: place)
  }
}

private func appendSpace(to text: inout [UInt8], using generator: inout SeededGenerator) {
  guard Int.random(in: 0..<4, using: &generator) == 0 else { return }
  for _ in 0...Int.random(in: 0..<70, using: &generator) {
    text.append([0x20, 0x09, 0x0A, 0x0D].randomElement(using: &generator) ?? 0x20)
  }
}

private func appendRandomString(to text: inout [UInt8], using generator: inout SeededGenerator) {
  let pieces = [
    "a", "é", "😀", "\\n", "\\\"", "\\\\", "\\/", "\\u0000", "\\u00e9", "\\ud83d\\ude00", "[", "}",
    ":", ",", "null", " ", "\\uD83D", "\\u12", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
  ]
  text.append(UInt8(ascii: "\""))
  for _ in 0..<Int.random(in: 0...4, using: &generator) {
    // The last three are rare: two of them are errors.
    let bound = Int.random(in: 0..<40, using: &generator) == 0 ? 19 : 16
    text += pieces[Int.random(in: 0..<bound, using: &generator)].utf8
  }
  text.append(UInt8(ascii: "\""))
}
