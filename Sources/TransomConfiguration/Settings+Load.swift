extension Settings {
  /// Reads flags, environment and the file that `--config` or `TRANSOM_CONFIG` names.
  ///
  /// `listens`: whether clients are let in by these settings: then others must not reach a service without keys.
  ///
  /// - Throws: `SettingError`, which names the setting, where it came from, and what is allowed.
  package static func load(
    arguments: [String], environment: [String: String], listens: Bool = true
  ) throws(SettingError) -> LoadedSettings {
    let flags = try FlagArguments(arguments, shapes: flagShapes)
    let path = flags.values["config"]?.last ?? environment["TRANSOM_CONFIG"]
    var file: YAMLSettings?
    guard path != "" else {
      throw SettingError(
        flags.values["config"] == nil ? "TRANSOM_CONFIG" : "--config", "", Allowed("a file"))
    }
    if let path { file = try YAMLSettings(file: path) }
    return try decode(flags, environment, file, listens: listens)
  }

  static func decode(
    _ flags: FlagArguments, _ environment: [String: String], _ file: YAMLSettings?,
    listens: Bool = true
  ) throws(SettingError) -> LoadedSettings {
    var decoder = SettingsDecoder(
      SettingSources(flags: flags, environment: environment, file: file))
    let settings = try decoder.decode(listens: listens)
    return LoadedSettings(settings: settings, effective: decoder.effective)
  }

  /// All flags.
  static let flagShapes: [String: SettingShape] = {
    var shapes: [String: SettingShape] = ["config": .value]
    for setting in Catalogue.all where setting.hasFlag {
      shapes[SettingsDecoder.flag(setting.path)] = setting.shape
    }
    for setting in Catalogue.database {
      shapes[SettingsDecoder.shortFlag(ofDatabase: setting)] = setting.shape
    }
    return shapes
  }()
}

/// Settings, and where each of them came from.
package struct LoadedSettings: Sendable {
  package let settings: Settings
  /// What was found of each setting, to be compared, not to be shown: secrets are in it.
  var byPath: [[String]: Found] {
    Dictionary(
      effective.map { ($0.path, Found(texts: $0.found ?? $0.texts ?? [], content: $0.content)) }
    ) { $1 }
  }
  private let effective: [SettingsDecoder.Effective]

  struct Found: Equatable {
    let texts: [String]
    let content: [[UInt8]]
  }

  init(settings: Settings, effective: [SettingsDecoder.Effective]) {
    self.settings = settings
    self.effective = effective
  }

  /// How many settings are no defaults, and where they come from.
  package var summary: String {
    let sources = effective.compactMap(\.source)
    let files = Set(
      sources.compactMap { $0.split(separator: ", line").first }.filter {
        !$0.hasPrefix("--") && !$0.hasPrefix("TRANSOM_") && $0 != "DATABASE_URL"
      })
    let place = files.sorted().first.map { ", of \($0) and beside it" } ?? ""
    return sources.isEmpty
      ? "all are the defaults"
      : "\(sources.count) that are no defaults\(place): see \"transom config\""
  }

  /// All settings that are in force, as a file with secrets masked; what is no default says in a comment where it came
  /// from.
  package var yaml: String {
    var text = ""
    var open: [String] = []
    for item in effective {
      guard let texts = item.texts else { continue }
      let parents = Array(item.path.dropLast())
      let common = zip(open, parents).prefix { $0 == $1 }.count
      for depth in common..<max(common, parents.count) {
        text += Self.indent(depth) + "\(parents[depth]):\n"
      }
      open = parents
      let value =
        item.isList
        ? "[" + texts.map(Self.scalar).joined(separator: ", ") + "]"
        : Self.scalar(texts.first ?? "")
      text += Self.indent(parents.count) + "\(item.path.last ?? ""): \(value)"
      text += item.source.map { "  # \($0)\n" } ?? "\n"
    }
    return text
  }

  private static func indent(_ depth: Int) -> String { String(repeating: "  ", count: depth) }

  /// A YAML scalar that is read as this text, also within a list in brackets.
  private static func scalar(_ text: String) -> String {
    if text.wholeMatch(of: #/[A-Za-z0-9_./][A-Za-z0-9_./+@-]*(?::[A-Za-z0-9_./+@-]+)*/#) != nil {
      return text
    }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
