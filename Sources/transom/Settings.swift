import Configuration

/// A setting that cannot be used: which one, where it came from, and what is allowed.
struct SettingError: Error, CustomStringConvertible {
  let description: String

  init(_ setting: String, _ value: String, allowed: String) {
    description = "\(setting) is \"\(value)\"; allowed is \(allowed)"
  }

  /// Names the setting that whoever used it complained of.
  init(_ setting: String, _ reason: any Error) {
    description = "\(setting): \(reason)"
  }
}

/// The settings from the environment, which the command line's flags override.
///
/// Every one is `TRANSOM_…`, as `--help` lists them; `DATABASE_URL` sets the database, too.
struct Settings {
  private let reader = ConfigReader(
    provider: EnvironmentVariablesProvider().prefixKeys(with: "transom"))
  private let plainReader = ConfigReader(provider: EnvironmentVariablesProvider())

  var dataDirectory: String? { reader.string(forKey: "data.directory") }
  var logLevel: String? { reader.string(forKey: "log.level") }

  /// The database; nil if none is set.
  var databaseURL: String? {
    reader.string(forKey: "database.url", isSecret: true)
      ?? plainReader.string(forKey: "database.url", isSecret: true)
  }

  /// A setting that is true or false.
  func flag(_ key: String) throws(SettingError) -> Bool? {
    guard let text = reader.string(forKey: ConfigKey(key)) else { return nil }
    switch text {
    case "true", "1", "yes": return true
    case "false", "0", "no": return false
    default: throw SettingError(Self.variable(key), text, allowed: "true or false")
    }
  }

  /// A setting that is a whole number, from its flag or else from the environment.
  func number(
    _ flag: Int?, _ key: String, in range: ClosedRange<Int>
  ) throws(SettingError) -> Int? {
    if let flag { return try Self.check(flag, String(flag), Self.flag(key), in: range) }
    guard let text = reader.string(forKey: ConfigKey(key)) else { return nil }
    return try Self.check(Int(text), text, Self.variable(key), in: range)
  }

  /// Uses a whole number if it is set.
  func number(
    _ flag: Int?, _ key: String, in range: ClosedRange<Int>, use: (Int) -> Void
  ) throws(SettingError) {
    if let number = try number(flag, key, in: range) { use(number) }
  }

  /// Uses a number of milliseconds if it is set.
  func milliseconds(
    _ flag: Int?, _ key: String, in range: ClosedRange<Int>, use: (Duration) -> Void
  ) throws(SettingError) {
    if let number = try number(flag, key, in: range) { use(.milliseconds(number)) }
  }

  /// A setting that is a text, from its flag or else from the environment, with the name of where it is from.
  func text(_ flag: String?, _ key: String) -> (name: String, text: String)? {
    if let flag { return (Self.flag(key), flag) }
    return reader.string(forKey: ConfigKey(key)).map { (Self.variable(key), $0) }
  }

  /// A setting of several texts: a flag that may be repeated, or a list with commas in the environment.
  func list(_ flags: [String], _ key: String) -> (name: String, values: [String])? {
    if !flags.isEmpty { return (Self.flag(key), flags) }
    guard let text = reader.string(forKey: ConfigKey(key)) else { return nil }
    let values = text.split(separator: ",").map { $0.drop { $0 == " " } }
    return (Self.variable(key), values.map { String($0.prefix { $0 != " " }) })
  }

  /// The numbers of the sockets that the process was started with (sd_listen_fds(3)).
  func inheritedDescriptors(of process: Int32) throws(SettingError) -> Range<Int32> {
    let first: Int32 = 3
    guard let text = plainReader.string(forKey: "listen.fds"),
      plainReader.string(forKey: "listen.pid") == String(process)
    else { return first..<first }
    let count = try Self.check(Int32(text).map(Int.init), text, "LISTEN_FDS", in: 0...1000)
    return first..<first + Int32(count)
  }

  /// The number if it is in range.
  static func check(
    _ number: Int?, _ text: String, _ name: String, in range: ClosedRange<Int>
  ) throws(SettingError) -> Int {
    guard let number, range.contains(number) else {
      throw SettingError(
        name, text, allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// What `use` makes of a setting; its error if it cannot use it, with the setting's name.
  static func check<Result>(
    _ name: String, _ use: () throws -> Result
  ) throws(SettingError) -> Result {
    do { return try use() } catch { throw SettingError(name, error) }
  }

  private static func flag(_ key: String) -> String { "--" + key.replacing(".", with: "-") }

  private static func variable(_ key: String) -> String {
    "TRANSOM_" + key.uppercased().replacing(".", with: "_")
  }
}
