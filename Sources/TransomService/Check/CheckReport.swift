/// What was found when a configuration was tried, for a person to read.
package struct CheckReport: Equatable, Sendable {
  package enum Grade: Sendable {
    case fine
    /// It works, but is worth a thought.
    case warning
    /// The service would not start, or not work.
    case problem
  }

  package struct Finding: Equatable, Sendable {
    package var grade: Grade
    package var text: String
  }

  /// Findings that belong together, such as those of a database.
  package struct Section: Equatable, Sendable {
    package var title: String
    package var findings: [Finding] = []

    package init(_ title: String) { self.title = title }

    package mutating func add(_ grade: Grade, _ text: String) {
      findings.append(Finding(grade: grade, text: text))
    }
  }

  package var sections: [Section] = []

  package init() {}

  /// How many findings there are of a grade.
  package func count(_ grade: Grade) -> Int {
    sections.reduce(0) { $0 + $1.findings.count { $0.grade == grade } }
  }

  /// The report as it is printed.
  package func text(isColored: Bool) -> String {
    var lines: [String] = []
    for section in sections {
      lines.append(isColored ? "\u{1b}[1m\(section.title)\u{1b}[0m" : section.title)
      for finding in section.findings {
        lines.append("  \(Self.sign(finding.grade, isColored)) \(Self.wrapped(finding.text))")
      }
      lines.append("")
    }
    let (problems, warnings) = (count(.problem), count(.warning))
    let counts = [Self.counted(problems, "problem"), Self.counted(warnings, "warning")]
      .compactMap(\.self)
    lines.append(
      counts.isEmpty ? "Everything is as it should be." : counts.joined(separator: ", ") + ".")
    return lines.joined(separator: "\n")
  }

  private static func sign(_ grade: Grade, _ isColored: Bool) -> String {
    let (sign, color) =
      switch grade {
      case .fine: ("✓", 32)
      case .warning: ("!", 33)
      case .problem: ("✗", 31)
      }
    return isColored ? "\u{1b}[\(color)m\(sign)\u{1b}[0m" : sign
  }

  private static func counted(_ count: Int, _ what: String) -> String? {
    switch count {
    case 0: nil
    case 1: "1 \(what)"
    default: "\(count) \(what)s"
    }
  }

  /// Further lines stand below the first one.
  private static func wrapped(_ text: String) -> String {
    var lines = [""]
    for word in text.split(whereSeparator: \.isWhitespace) {
      if !lines[lines.count - 1].isEmpty, lines[lines.count - 1].count + word.count > 92 {
        lines.append("")
      }
      lines[lines.count - 1] += lines[lines.count - 1].isEmpty ? word : " " + word
    }
    return lines.joined(separator: "\n    ")
  }
}
