internal import TransomService

/// Finds every setting in the sources, and checks that there is nothing in them that is none.
struct SettingsDecoder {
  /// One setting as it is in force, for who shows it.
  struct Effective: Sendable {
    var path: [String]
    /// Nil: not set.
    var texts: [String]?
    /// As it was given; nil: it was not.
    var found: [String]?
    /// What is in the files that it names.
    var content: [[UInt8]]
    var isList: Bool
    /// Nil: it is the default.
    var source: String?
  }

  private let sources: SettingSources
  private(set) var effective: [Effective] = []

  init(_ sources: SettingSources) { self.sources = sources }

  /// `listens`: whether clients are let in by these settings.
  mutating func decode(listens: Bool) throws(SettingError) -> Settings {
    try checkNames()
    var settings = Settings()
    try read(Catalogue.all, into: &settings) { setting in
      SettingSources.Names(
        flag: setting.hasFlag ? Self.flag(setting.path) : nil,
        variables: [Self.variable(setting.path)], path: setting.path)
    }
    try readDatabases(&settings)
    try readKeys(&settings)
    settings.service.tokens = try settings.tokens.configuration()
    if let rights = settings.service.tokens?.rights { try Self.check("jwt", rights, settings) }
    if listens { try checkAddresses(settings) }
    return settings
  }

  private mutating func read<Root>(
    _ catalogue: [Setting<Root>], into root: inout Root,
    names: (Setting<Root>) -> SettingSources.Names
  ) throws(SettingError) {
    for setting in catalogue {
      let names = names(setting)
      let found = try sources.find(setting, names)
      if let found {
        do {
          try setting.read(&root, found.texts)
        } catch {
          let value = setting.isSecret ? nil : found.texts.joined(separator: ", ")
          throw SettingError(found.name, value, error)
        }
      }
      effective.append(
        Effective(
          path: names.path, texts: setting.show(root), found: setting.isSecret ? found?.texts : nil,
          content: setting.content(root), isList: setting.shape == .list,
          source: found?.source))
    }
  }

  // MARK: Databases

  private mutating func readDatabases(_ settings: inout Settings) throws(SettingError) {
    var databases: [String: ServiceConfiguration.Database] = [:]
    var kept: [Effective] = []
    for alias in try names(
      below: "databases", fields: Catalogue.database.map(\.path), and: "default")
    {
      var database = ServiceConfiguration.Database(url: "")
      let start = effective.count
      try read(Catalogue.database, into: &database) { Self.names(ofDatabase: alias, $0) }
      let own = effective[start...]
      let isSet = own.contains { $0.source != nil }
      if !database.url.isEmpty {
        databases[alias] = database
      } else if alias != "default" {
        throw SettingError("databases.\(alias).url is missing")
      }
      // Without any other database, `default` is the private one.
      if database.url.isEmpty, isSet { settings.privateDatabase = database }
      kept += own
      effective.removeSubrange(start...)
    }
    effective += kept.filter { item in
      databases[item.path[1]] != nil || databases.isEmpty || item.source != nil
    }
    if databases["default"] == nil, !databases.isEmpty, settings.privateDatabase != nil {
      throw SettingError("databases.default.url is missing")
    }
    settings.service.databases = databases
  }

  private static func names(
    ofDatabase alias: String, _ setting: Setting<ServiceConfiguration.Database>
  ) -> SettingSources.Names {
    let path = ["databases", alias] + setting.path
    guard alias == "default" else {
      return SettingSources.Names(variables: [variable(path)], path: path)
    }
    let short = shortPath(ofDatabase: setting)
    var variables = [variable(short), variable(path)]
    if setting.path == ["url"] { variables.append("DATABASE_URL") }
    return SettingSources.Names(flag: flag(short), variables: variables, path: path)
  }

  private static func shortPath(
    ofDatabase setting: Setting<ServiceConfiguration.Database>
  ) -> [String] {
    setting.path.count == 1 && setting.path != ["prepared_statements"]
      ? ["database"] + setting.path : setting.path
  }

  /// The flag of a setting of the database `default`.
  static func shortFlag(ofDatabase setting: Setting<ServiceConfiguration.Database>) -> String {
    flag(shortPath(ofDatabase: setting))
  }

  // MARK: Keys

  private mutating func readKeys(_ settings: inout Settings) throws(SettingError) {
    var hashes: [KeyHash: String] = [:]
    for name in try names(below: "keys", fields: Catalogue.key.map(\.path)) {
      var draft = KeyDraft()
      try read(Catalogue.key, into: &draft) {
        let path = ["keys", name] + $0.path
        return SettingSources.Names(variables: [Self.variable(path)], path: path)
      }
      guard let hash = draft.hash else { throw SettingError("keys.\(name).sha256 is missing") }
      if let other = hashes.updateValue(name, forKey: hash) {
        throw SettingError("keys.\(name).sha256 is that of the key \"\(other)\", too")
      }
      if let burst = draft.limits.burst, draft.limits.rate == nil {
        throw SettingError("keys.\(name).burst is \"\(burst)\"; allowed is one beside a \"rate\"")
      }
      try Self.check("keys.\(name)", draft.rights, settings)
      var key = ServiceConfiguration.Key(name: name, hash: hash)
      key.rights = draft.rights
      key.limits = draft.limits
      settings.service.keys.append(key)
    }
  }

  /// Checks that there is what rights are for.
  private static func check(
    _ place: String, _ rights: Rights, _ settings: Settings
  ) throws(SettingError) {
    try checkDatabases(place, rights, settings)
    try checkTransactions(place, rights, settings)
  }

  private static func checkDatabases(
    _ place: String, _ rights: Rights, _ settings: Settings
  ) throws(SettingError) {
    guard case .these(let names) = rights.databases else { return }
    let aliases =
      settings.service.databases.isEmpty ? ["default"] : settings.service.databases.keys.sorted()
    for name in names where !aliases.contains(where: { Names([name]).contains($0) }) {
      throw SettingError(
        "\(place).databases is \"\(names.joined(separator: ", "))\"; there is no database "
          + "\"\(name)\", but \(aliases.joined(separator: ", "))")
    }
  }

  private static func checkTransactions(
    _ place: String, _ rights: Rights, _ settings: Settings
  ) throws(SettingError) {
    guard !rights.sendsSQL, case .these(let names) = rights.transactions else { return }
    let known = settings.service.transactions.map(\.name)
    for name in names where !known.contains(where: { Names([name]).contains($0) }) {
      throw SettingError(
        "\(place).transactions is \"\(names.joined(separator: ", "))\"; there is no transaction "
          + "\"\(name)\" in the transactions.folder"
          + (known.isEmpty ? "" : ", but \(known.joined(separator: ", "))"))
    }
  }

  // MARK: Names

  /// What stands below a part of the file, or is named by variables: databases, or keys.
  private func names(
    below part: String, fields: [[String]], and always: String? = nil
  ) throws(SettingError) -> [String] {
    var names = Set(always.map { [$0] } ?? [])
    for path in sources.file?.named ?? [] where path[0] == part { names.insert(path[1]) }
    let known = Set(names.map { Self.variable([part, $0]) })
    for variable in sources.variables {
      guard let prefix = Self.owner(of: variable, below: part, fields) else { continue }
      if !known.contains(prefix) {
        names.insert(String(prefix.dropFirst(Self.variable([part]).count + 1)).lowercased())
      }
    }
    for name in names where name.wholeMatch(of: #/[A-Za-z0-9_-]{1,63}/#) == nil {
      throw SettingError(
        "\(part).\(name): allowed as a name are up to 63 letters, digits, - and _")
    }
    return names.sorted { ($0 == "default" ? "" : $0) < ($1 == "default" ? "" : $1) }
  }

  /// `TRANSOM_KEYS_WEB` of `TRANSOM_KEYS_WEB_READ_ONLY`; nil if it is none of these.
  private static func owner(
    of variable: String, below part: String, _ fields: [[String]]
  ) -> String? {
    let prefix = Self.variable([part]) + "_"
    guard variable.hasPrefix(prefix) else { return nil }
    // The longest, as a name may end like a field.
    let suffix = fields.map { "_" + name($0, separator: "_").uppercased() }
      .filter { variable.hasSuffix($0) && variable.count > prefix.count + $0.count }
      .max { $0.count < $1.count }
    return suffix.map { String(variable.dropLast($0.count)) }
  }

  /// Everything in the file and in the environment that begins as ours is a setting.
  private func checkNames() throws(SettingError) {
    let paths = Set(Catalogue.all.map(\.path))
    let named = ["databases": Catalogue.database.map(\.path), "keys": Catalogue.key.map(\.path)]
    for (path, value) in (sources.file?.values ?? [:]).sorted(by: { $0.value.line < $1.value.line })
    {
      if let fields = named[path[0]] {
        if path.count > 2, fields.contains(Array(path.dropFirst(2))) { continue }
        // An empty list or mapping.
        if path.count == 1, value.texts.isEmpty { continue }
      } else if paths.contains(path) {
        continue
      }
      let siblings =
        named[path[0]].map { $0.map { path.prefix(2) + $0 } } ?? paths.map { $0[...] }
      throw SettingError(
        unknown: path.joined(separator: "."),
        at: " in \(sources.file?.providerName ?? ""), line \(value.line)",
        among: siblings.map { $0.joined(separator: ".") })
    }
    var variables = Set(Catalogue.all.map { Self.variable($0.path) }).union(["TRANSOM_CONFIG"])
    for setting in Catalogue.database {
      variables.formUnion(Self.names(ofDatabase: "default", setting).variables)
    }
    for variable in sources.variables where !variables.contains(variable) {
      if named.contains(where: { Self.owner(of: variable, below: $0.key, $0.value) != nil }) {
        continue
      }
      throw SettingError(unknown: variable, among: variables)
    }
  }

  /// Without keys only this machine may reach the service.
  private func checkAddresses(_ settings: Settings) throws(SettingError) {
    guard settings.service.isOpen, !settings.allowsUnauthenticated,
      let address = try? settings.service.publicAddresses().first
    else { return }
    let name = effective.first { $0.path == ["listen"] }?.source ?? "listen"
    throw SettingError(
      name, address,
      Allowed(
        "an address of this machine only, such as 127.0.0.1:8080, because anybody who reaches the "
          + "service may run any SQL; keys lift this (transom key new), and --allow-unauthenticated does"
      ))
  }

  static func flag(_ path: [String]) -> String {
    name(path, separator: "-").replacing("_", with: "-")
  }

  static func variable(_ path: [String]) -> String {
    "TRANSOM_"
      + name(path, separator: "_").uppercased().map {
        $0.isASCII && ($0.isLetter || $0.isNumber) ? String($0) : "_"
      }
      .joined()
  }

  private static func name(_ path: [String], separator: String) -> String {
    path.joined(separator: separator)
  }
}
