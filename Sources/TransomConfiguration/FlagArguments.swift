/// The flags of a command line, by their names.
struct FlagArguments {
  private(set) var values: [String: [String]] = [:]

  /// Reads `--name value`, `--name=value`, and of what is true or false `--name` and `--no-name`.
  ///
  /// - Throws: `SettingError` for what is no flag, and for a flag that has no value.
  init(_ arguments: [String], shapes: [String: SettingShape]) throws(SettingError) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("--"), argument.count > 2 else {
        throw SettingError("\"\(argument)\" is no flag; flags begin with --")
      }
      let parts = argument.dropFirst(2).split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      let given = parts.count == 2 ? String(parts[1]) : nil
      if name.hasPrefix("no-"), shapes[String(name.dropFirst(3))] == .flag, given == nil {
        values[String(name.dropFirst(3))] = ["false"]
        continue
      }
      guard let shape = shapes[name] else {
        throw SettingError(unknown: "--\(name)", among: shapes.keys.map { "--\($0)" })
      }
      switch shape {
      case .flag where given == nil && rest.first?.hasPrefix("--") != false:
        values[name] = ["true"]
      case .flag, .value:
        values[name] = [try Self.value(of: name, given, &rest)]
      case .list:
        values[name, default: []].append(try Self.value(of: name, given, &rest))
      }
    }
  }

  private static func value(
    of name: String, _ given: String?, _ rest: inout ArraySlice<String>
  ) throws(SettingError) -> String {
    if let given { return given }
    guard let value = rest.popFirst(), !value.hasPrefix("--") else {
      throw SettingError("--\(name) needs a value")
    }
    return value
  }
}
