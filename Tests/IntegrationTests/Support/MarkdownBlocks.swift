import FoundationEssentials
import Testing

/// A fenced block of a document.
struct MarkdownBlock: Sendable, CustomTestStringConvertible {
  var document: String
  /// What stands behind the fence, such as `sh`.
  var language: String
  var text: String
  /// The line of the fence, from 1.
  var line: Int

  var testDescription: String { "\(document):\(line)" }

  /// Those of a document of the checkout, in order.
  static func all(in document: String) -> [MarkdownBlock] {
    let data =
      FileManager.default.contents(atPath: "\(PythonEnvironment.root)/\(document)") ?? Data()
    var blocks: [MarkdownBlock] = []
    var open: MarkdownBlock?
    let lines = String(decoding: data, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      if var block = open {
        guard line == "```" else {
          block.text += line + "\n"
          open = block
          continue
        }
        blocks.append(block)
        open = nil
      } else if line.hasPrefix("```") {
        open = MarkdownBlock(
          document: document, language: String(line.dropFirst(3)), text: "", line: index + 1)
      }
    }
    return blocks
  }
}
