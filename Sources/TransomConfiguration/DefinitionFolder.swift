internal import FoundationEssentials
internal import TransomService

/// A folder of named transactions: `transfer.yaml` defines `transfer`.
struct DefinitionFolder {
  private(set) var transactions: [NamedTransaction] = []
  /// The name and the text of each, to be compared.
  private(set) var texts: [[UInt8]] = []

  /// Reads all definitions. What is no YAML file, or is hidden, is passed over.
  ///
  /// - Throws: `DefinitionFlaw`, which names the file and the place.
  init(_ folder: String) throws(DefinitionFlaw) {
    let files: [String]
    do {
      files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    } catch {
      throw DefinitionFlaw("allowed is a folder that can be read")
    }
    for file in files where !file.hasPrefix(".") {
      guard let suffix = [".yaml", ".yml"].first(where: { file.hasSuffix($0) }) else { continue }
      let name = String(file.dropLast(suffix.count))
      let path = "\(folder.hasSuffix("/") ? String(folder.dropLast()) : folder)/\(file)"
      guard name.wholeMatch(of: #/[A-Za-z0-9_-]{1,63}/#) != nil else {
        throw DefinitionFlaw("\(path): a name has up to 63 letters, digits, - and _")
      }
      guard !transactions.contains(where: { $0.name == name }) else {
        throw DefinitionFlaw("\(path): there is another definition of \(name)")
      }
      let text = try Self.text(path)
      transactions.append(try DefinitionReader.read(text, file: path, name: name))
      texts += [Array(name.utf8), Array(text.utf8)]
    }
  }

  private static func text(_ path: String) throws(DefinitionFlaw) -> String {
    let text: String?
    do {
      text = String(validating: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    } catch {
      throw DefinitionFlaw("\(path) cannot be read: \(error)")
    }
    guard let text else { throw DefinitionFlaw("\(path): it is not UTF-8") }
    return text
  }
}

/// What is wrong with the definition of a named transaction, and where.
struct DefinitionFlaw: Error, Equatable, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
