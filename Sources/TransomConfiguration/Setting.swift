/// One row of the catalogue of settings: what it is called, how its text is read, and how its value is shown.
///
/// `Root` is what it is a setting of: all of them, a database, or a key.
struct Setting<Root>: Sendable {
  /// In the file: `["limits", "body"]` is `limits: {body: …}`.
  let path: [String]
  let shape: SettingShape
  /// What stands for the value in the help.
  let placeholder: String
  let help: String
  /// Not to be shown.
  var isSecret = false
  /// Whether it can be given as a flag, too; others could read a secret there.
  var hasFlag = true
  /// Puts a text into its place.
  let read: @Sendable (inout Root, [String]) throws -> Void
  /// The value in the form in which it is read; nil if there is none.
  let show: @Sendable (Root) -> [String]?
  /// What is in the files that it names: that may have changed where the name has not.
  var content: @Sendable (Root) -> [[UInt8]] = { _ in [] }

  init(
    _ path: [String], _ shape: SettingShape = .value, _ placeholder: String, _ help: String,
    isSecret: Bool = false, hasFlag: Bool = true,
    read: @escaping @Sendable (inout Root, [String]) throws -> Void,
    show: @escaping @Sendable (Root) -> [String]?
  ) {
    self.path = path
    self.shape = shape
    self.placeholder = placeholder
    self.help = help
    self.isSecret = isSecret
    self.hasFlag = hasFlag
    self.read = read
    self.show = show
  }
}

extension Setting {
  typealias Place<Value> = WritableKeyPath<Root, Value> & Sendable

  private static func one(
    _ path: [String], _ placeholder: String, _ help: String,
    read: @escaping @Sendable (inout Root, String) throws -> Void,
    show: @escaping @Sendable (Root) -> String?
  ) -> Setting {
    Setting(path, .value, placeholder, help) { root, texts in
      guard texts.count == 1, let text = texts.first else { throw Allowed("one value") }
      try read(&root, text)
    } show: {
      show($0).map { [$0] }
    }
  }

  /// A whole number.
  static func number(
    _ path: [String], _ place: any Place<Int>, in range: ClosedRange<Int>, _ help: String
  ) -> Setting {
    one(path, "N", help) { root, text in
      root[keyPath: place] = try Read.number(text, in: range)
    } show: {
      String($0[keyPath: place])
    }
  }

  /// A whole number, or none.
  static func number(
    _ path: [String], _ place: any Place<Int?>, in range: ClosedRange<Int>, _ help: String
  ) -> Setting {
    one(path, "N", help) { root, text in
      root[keyPath: place] = try Read.number(text, in: range)
    } show: {
      $0[keyPath: place].map { String($0) }
    }
  }

  /// A number of milliseconds.
  static func milliseconds(
    _ path: [String], _ place: any Place<Duration>, in range: ClosedRange<Int>, _ help: String
  ) -> Setting {
    one(path, "MS", help) { root, text in
      root[keyPath: place] = .milliseconds(try Read.number(text, in: range))
    } show: {
      String(Int($0[keyPath: place] / .milliseconds(1)))
    }
  }

  /// A time, in seconds or with a unit.
  static func duration(
    _ path: [String], _ place: any Place<Duration>, in range: ClosedRange<Int>, _ help: String
  ) -> Setting {
    one(path, "TIME", help) { root, text in
      root[keyPath: place] = .seconds(try Read.seconds(text, in: range))
    } show: {
      Read.text(of: $0[keyPath: place])
    }
  }

  /// A number of bytes, with a unit perhaps.
  static func size(
    _ path: [String], _ place: any Place<Int>, in range: ClosedRange<Int>, _ help: String
  ) -> Setting {
    one(path, "SIZE", help) { root, text in
      root[keyPath: place] = try Read.bytes(text, in: range)
    } show: {
      Read.text(ofBytes: $0[keyPath: place])
    }
  }

  /// True or false.
  static func flag(_ path: [String], _ place: any Place<Bool>, _ help: String) -> Setting {
    Setting(path, .flag, "", help) { root, texts in
      root[keyPath: place] = try Read.flag(texts)
    } show: {
      [$0[keyPath: place] ? "true" : "false"]
    }
  }

  /// One of some words, or whatever `read` takes.
  static func text(
    _ path: [String], _ placeholder: String, _ help: String,
    read: @escaping @Sendable (inout Root, String) throws -> Void,
    show: @escaping @Sendable (Root) -> String?
  ) -> Setting {
    one(path, placeholder, help, read: read, show: show)
  }

  /// Several texts.
  static func list(
    _ path: [String], _ placeholder: String, _ help: String,
    read: @escaping @Sendable (inout Root, [String]) throws -> Void,
    show: @escaping @Sendable (Root) -> [String]?
  ) -> Setting {
    Setting(path, .list, placeholder, help, read: read, show: show)
  }

  /// The name of a file, or of a folder with files.
  func naming(_ content: @escaping @Sendable (Root) -> [[UInt8]]) -> Setting {
    var setting = self
    setting.content = content
    return setting
  }

  /// Not to be shown, and no flag.
  var secret: Setting {
    var setting = self
    setting.isSecret = true
    setting.hasFlag = false
    return setting
  }

  /// Not to be shown in full, but a flag nevertheless.
  var masked: Setting {
    var setting = self
    setting.isSecret = true
    return setting
  }
}

/// How many values a setting has, and of what kind.
enum SettingShape: Sendable {
  case value
  /// Several values: a flag that is repeated, a list with commas in a variable, a list in the file.
  case list
  /// True or false: a flag alone is true, and with `no-` before its name false.
  case flag
}

/// How values are written.
enum Read {
  static func number(_ text: String, in range: ClosedRange<Int>) throws(Allowed) -> Int {
    guard let number = Int(text), range.contains(number), text.first != "+" else {
      throw Allowed("a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  static func flag(_ texts: [String]) throws(Allowed) -> Bool {
    switch texts {
    case ["true"], ["1"], ["yes"], ["on"]: true
    case ["false"], ["0"], ["no"], ["off"]: false
    default: throw Allowed("true or false")
    }
  }

  private static let times = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]
  private static let sizes = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]

  /// Seconds, or a number with the unit s, m, h or d.
  static func seconds(_ text: String, in range: ClosedRange<Int>) throws(Allowed) -> Int {
    guard let seconds = amount(text, times), range.contains(seconds) else {
      throw Allowed(
        "a number of seconds from \(range.lowerBound) to \(range.upperBound), or one with a unit: s, m, h, d"
      )
    }
    return seconds
  }

  /// Bytes, or a number with the unit KiB, MiB or GiB.
  static func bytes(_ text: String, in range: ClosedRange<Int>) throws(Allowed) -> Int {
    guard let bytes = amount(text, sizes), range.contains(bytes) else {
      throw Allowed(
        "a number of bytes from \(range.lowerBound) to \(range.upperBound), or one with a unit: KiB, MiB, GiB"
      )
    }
    return bytes
  }

  private static func amount(_ text: String, _ units: [(name: String, value: Int)]) -> Int? {
    let unit = units.first { text.hasSuffix($0.name) }
    let digits = text.dropLast(unit?.name.count ?? 0)
    guard digits.first?.isNumber == true, let number = Int(digits) else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: unit?.value ?? 1)
    return overflow ? nil : product
  }

  static func text(of duration: Duration) -> String {
    text(Int(duration.components.seconds), times, none: "s")
  }

  static func text(ofBytes bytes: Int) -> String { text(bytes, sizes, none: "") }

  private static func text(
    _ number: Int, _ units: [(name: String, value: Int)], none: String
  ) -> String {
    guard number > 0, let unit = units.first(where: { number % $0.value == 0 }) else {
      return "\(number)\(none)"
    }
    return "\(number / unit.value)\(unit.name)"
  }
}
