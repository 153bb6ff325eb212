/// A setting that cannot be used: which one, where it came from, and what is allowed.
package struct SettingError: Error, Equatable, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }

  /// - Parameters:
  ///   - name: What the setting is called where it came from.
  ///   - value: What was given; nil of a secret.
  ///   - reason: What is allowed, or what is wrong with it.
  init(_ name: String, _ value: String?, _ reason: any Error) {
    description = value.map { "\(name) is \"\($0)\"; \(reason)" } ?? "\(name): \(reason)"
  }

  /// There is no such setting. The nearest of those that there are is named if it is near enough to be meant.
  init(unknown name: String, at place: String = "", among known: some Sequence<String>) {
    let nearest = known.map { ($0, Self.distance($0, name)) }.min { $0.1 < $1.1 }
    let hint =
      nearest.flatMap { $0.1 <= max(2, name.count / 4) ? "; did you mean \($0.0)?" : nil } ?? ""
    description = "\(name)\(place): there is no such setting" + hint
  }

  /// How many letters differ (Levenshtein).
  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let above = row[j + 1]
        row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
        diagonal = above
      }
    }
    return row[b.count]
  }
}

/// What is allowed in place of a value that is not.
struct Allowed: Error, CustomStringConvertible {
  let description: String

  init(_ what: String) { description = "allowed is \(what)" }
}
