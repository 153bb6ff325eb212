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

  var listen: String? { reader.string(forKey: "listen") }
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

  /// A setting that is a whole number.
  func number(_ key: String, in range: ClosedRange<Int>) throws(SettingError) -> Int? {
    guard let text = reader.string(forKey: ConfigKey(key)) else { return nil }
    return try Self.check(Int(text), text, Self.variable(key), in: range)
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

  private static func variable(_ key: String) -> String {
    "TRANSOM_" + key.uppercased().replacing(".", with: "_")
  }
}
