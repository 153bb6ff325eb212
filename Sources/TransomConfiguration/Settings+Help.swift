internal import TransomService

extension Settings {
  /// All flags with their defaults, for `--help`.
  package static var help: String {
    let defaults = Settings()
    var sections: [(title: String, rows: [(String, String)])] = [
      ("GENERAL", [("--config FILE", "A YAML file with settings (TRANSOM_CONFIG).")])
    ]
    sections[0].rows += rows(Catalogue.general, defaults)
    sections.append(
      (
        "DATABASE",
        Catalogue.database.map { setting in
          row(
            setting, flag: SettingsDecoder.shortFlag(ofDatabase: setting),
            setting.show(.init(url: "")))
        }
      ))
    sections.append(("HTTP", rows(Catalogue.http, defaults)))
    sections.append(("WEBHOOKS", rows(Catalogue.webhooks, defaults)))
    sections.append(("TOKENS", rows(Catalogue.tokens, defaults)))
    sections.append(("TRACING", rows(Catalogue.tracing, defaults)))
    return sections.map { section in
      section.title + "\n"
        + section.rows.map { "  \($0.0)\n" + wrapped($0.1) }.joined(separator: "\n")
    }.joined(separator: "\n\n")
  }

  private static func rows(
    _ catalogue: [Setting<Settings>], _ defaults: Settings
  ) -> [(String, String)] {
    catalogue.filter(\.hasFlag).map {
      row($0, flag: SettingsDecoder.flag($0.path), $0.show(defaults))
    }
  }

  private static func row<Root>(
    _ setting: Setting<Root>, flag: String, _ value: [String]?
  ) -> (String, String) {
    var help = setting.help
    let isEverything = value == [String(Int.max)]
    if let value, !value.isEmpty, !isEverything, setting.path != ["loops"] {
      help += " Default: \(value.joined(separator: ", "))."
    }
    let name =
      switch setting.shape {
      case .flag: "--\(flag), --no-\(flag)"
      case .value: "--\(flag) \(setting.placeholder)"
      case .list: "--\(flag) \(setting.placeholder), repeated"
      }
    return (name, help)
  }

  /// Indented lines that fit into a terminal.
  private static func wrapped(_ text: String) -> String {
    let (indent, width) = ("      ", 78)
    var lines = [indent]
    for word in text.split(separator: " ") {
      if lines[lines.count - 1].count + word.count > width { lines.append(indent) }
      lines[lines.count - 1] += word + " "
    }
    return lines.map { String($0.dropLast()) }.joined(separator: "\n")
  }
}
