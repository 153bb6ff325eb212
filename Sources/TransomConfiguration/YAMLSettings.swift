internal import Configuration
internal import FoundationEssentials
internal import Yams

/// What a YAML file sets, as a snapshot of swift-configuration.
///
/// Unlike the one that comes with it, this one knows at which line each value stands, and takes a list of mappings that
/// have a name: `keys: [{name: web, …}]` is the same as `keys: {web: {…}}`.
struct YAMLSettings: ConfigSnapshot {
  struct Value {
    var texts: [String]
    var isList: Bool
    var line: Int
  }

  /// The file.
  let providerName: String
  /// By the path of each.
  let values: [[String]: Value]
  /// What is below a part, be there anything in it or not: `["keys", "web"]`.
  let named: Set<[String]>

  /// - Throws: `SettingError`, which names the file.
  init(yaml: String, file: String) throws(SettingError) {
    providerName = file
    var values: [[String]: Value] = [:]
    var named: Set<[String]> = []
    do {
      // An empty file, or one with comments only, sets nothing.
      if let root = try Yams.Parser(yaml: yaml).singleRoot(), !root.isNull {
        guard root.isMapping else { throw SettingError("it is no mapping of settings") }
        try Self.read(root, at: [], into: &values, &named)
      }
    } catch {
      throw SettingError("\(file): \(error)")
    }
    self.values = values
    self.named = named
  }

  /// Reads a file.
  ///
  /// - Throws: `SettingError`, which names the file.
  init(file: String) throws(SettingError) {
    let yaml: String?
    do {
      yaml = String(validating: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
    } catch {
      throw SettingError("\(file) cannot be read: \(error)")
    }
    guard let yaml else { throw SettingError("\(file): it is not UTF-8") }
    try self.init(yaml: yaml, file: file)
  }

  private static func read(
    _ node: Node, at path: [String], into values: inout [[String]: Value],
    _ named: inout Set<[String]>
  ) throws {
    let line = node.mark?.line ?? 0
    if path.count == 2 { named.insert(path) }
    switch node {
    case .mapping(let mapping):
      for (key, value) in mapping {
        guard let name = key.scalar?.string else {
          throw SettingError("line \(key.mark?.line ?? line): a setting's name must be a word")
        }
        try read(value, at: path + [name], into: &values, &named)
      }
    case .sequence(let sequence):
      if path.count == 1, sequence.contains(where: \.isMapping) {
        return try readNamed(sequence, at: path, into: &values, &named)
      }
      let texts = try sequence.map { element in
        guard let scalar = element.scalar else {
          throw SettingError(
            "\(path.joined(separator: ".")), line \(element.mark?.line ?? line): allowed is a list of single values"
          )
        }
        return scalar.string
      }
      values[path] = Value(texts: texts, isList: true, line: line)
    case .scalar(let scalar):
      // A name without a value is as good as none.
      if !node.isNull { values[path] = Value(texts: [scalar.string], isList: false, line: line) }
    case .alias:
      throw SettingError("line \(line): an alias that leads nowhere")
    }
  }

  /// Mappings that have a name each.
  private static func readNamed(
    _ sequence: Node.Sequence, at path: [String], into values: inout [[String]: Value],
    _ named: inout Set<[String]>
  ) throws {
    var names: Set<String> = []
    for element in sequence {
      let place = "\(path.joined(separator: ".")), line \(element.mark?.line ?? 0)"
      guard var mapping = element.mapping, let name = mapping["name"]?.scalar?.string else {
        throw SettingError("\(place): each element needs a \"name\"")
      }
      guard names.insert(name).inserted else {
        throw SettingError("\(place): the name \"\(name)\" occurs twice")
      }
      mapping["name"] = nil
      try read(.mapping(mapping), at: path + [name], into: &values, &named)
    }
  }

  func value(forKey key: AbsoluteConfigKey, type: ConfigType) throws -> LookupResult {
    let name = key.components.joined(separator: ".")
    let value = values[key.components].map { ConfigValue(.stringArray($0.texts), isSecret: false) }
    return LookupResult(encodedKey: name, value: value)
  }
}

extension Node {
  /// Whether it is no value: nothing, `~` or `null`.
  fileprivate var isNull: Bool { null != nil }
  fileprivate var isMapping: Bool { mapping != nil }
}
