internal import Configuration

/// Where settings come from: flags, environment, file. What comes first wins.
struct SettingSources {
  /// What a setting is called in each of them.
  struct Names {
    var flag: String?
    /// The first one that is set counts.
    var variables: [String]
    var path: [String]
  }

  /// A value, and where it was found.
  struct Found {
    var texts: [String]
    /// What the setting is called there.
    var name: String
    /// The source alone, for who shows the setting under its own name.
    var source: String
  }

  private let flags: InMemoryProvider
  private let environment: EnvironmentVariablesProvider
  let file: YAMLSettings?
  /// The names of our variables that are set.
  let variables: [String]

  init(flags: FlagArguments, environment: [String: String], file: YAMLSettings?) {
    self.flags = InMemoryProvider(
      name: "flags",
      values: Dictionary(
        uniqueKeysWithValues: flags.values.map {
          (AbsoluteConfigKey([$0.key]), ConfigValue(.stringArray($0.value), isSecret: false))
        }))
    self.environment = EnvironmentVariablesProvider(environmentVariables: environment)
    self.file = file
    variables = environment.filter {
      $0.key.hasPrefix("TRANSOM_") && !Self.isForeign($0.key, $0.value)
    }
    .keys.sorted()
  }

  /// The value of a setting from the first source that has one.
  func find<Root>(_ setting: Setting<Root>, _ names: Names) throws(SettingError) -> Found? {
    if let flag = names.flag, let texts = Self.texts(in: flags.snapshot(), [flag]) {
      return Found(texts: texts, name: "--\(flag)", source: "--\(flag)")
    }
    for variable in names.variables {
      guard let text = text(of: variable) else { continue }
      let texts = setting.shape == .list ? Self.list(text) : [text]
      return Found(texts: texts, name: variable, source: variable)
    }
    guard let file, let texts = Self.texts(in: file, names.path),
      let value = file.values[names.path]
    else { return nil }
    let name = "\(names.path.joined(separator: ".")) in \(file.providerName), line \(value.line),"
    guard setting.shape == .list || !value.isList else {
      throw SettingError(name, nil, Allowed("one value"))
    }
    return Found(texts: texts, name: name, source: "\(file.providerName), line \(value.line)")
  }

  /// What is set; nil if it is not.
  func text(of variable: String) -> String? {
    (try? environment.environmentValue(forName: variable)) ?? nil
  }

  private static func texts(in snapshot: any ConfigSnapshot, _ path: [String]) -> [String]? {
    let value = try? snapshot.value(forKey: AbsoluteConfigKey(path), type: .stringArray).value
    guard case .stringArray(let texts) = value?.content else { return nil }
    return texts
  }

  private static func list(_ text: String) -> [String] {
    text.split(separator: ",").map { part in
      let reversed = part.drop { $0 == " " }.reversed().drop { $0 == " " }
      return String(reversed.reversed())
    }
  }

  /// What Kubernetes and Docker put into the environment of everything that runs beside a service named `transom`, or
  /// `transom-metrics` (Kubernetes, "Service", section "Environment variables").
  private static func isForeign(_ variable: String, _ value: String) -> Bool {
    let own =
      #/TRANSOM_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)/#
    let others =
      #/TRANSOM_[A-Z0-9_]+_(?:SERVICE_HOST|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)/#
    if variable.wholeMatch(of: own) != nil || variable.wholeMatch(of: others) != nil { return true }
    // A setting that is misspelt shall be told: of these the value says whose they are.
    if variable.wholeMatch(of: #/TRANSOM_[A-Z0-9_]+_SERVICE_PORT(?:_[A-Z0-9_]+)?/#) != nil {
      return UInt16(value) != nil
    }
    return variable.hasSuffix("_PORT") && value.contains("://")
  }
}
