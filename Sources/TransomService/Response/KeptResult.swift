/// What is kept of a result whose rows are passed on: as much as references lead to.
package struct KeptResult: Sendable {
  /// Which rows somebody refers to.
  package enum Selection: Equatable, Sendable {
    case all
    /// These, counted from 0.
    case rows(Set<Int>)
  }

  private let selection: Selection
  /// As many rows matter: from this number on nobody refers to any.
  private let end: Int
  private var rowCount = 0
  /// The columns, as the elements of a list in JSON.
  let columns: [UInt8]
  /// The rows, likewise. In place of those that nobody refers to stands a null, up to the last one that matters.
  private(set) var rows: [UInt8] = []

  init(_ selection: Selection, columns: ArraySlice<UInt8>) {
    self.selection = selection
    self.columns = Array(columns)
    switch selection {
    case .all: end = .max
    case .rows(let numbers): end = numbers.max().map { $0 + 1 } ?? 0
    }
  }

  /// How many octets it takes.
  package var size: Int { columns.count + rows.count }

  mutating func append(_ row: ArraySlice<UInt8>) {
    guard rowCount < end else { return }
    if rowCount > 0 { rows.append(JSONWriter.comma) }
    if isSelected(rowCount) { rows += row } else { rows += Self.null }
    rowCount += 1
  }

  private static let null = Array("null".utf8)

  private func isSelected(_ row: Int) -> Bool {
    switch selection {
    case .all: true
    case .rows(let numbers): numbers.contains(row)
    }
  }
}

extension KeptResult.Selection {
  /// The rows that a reference's tokens lead to, or into.
  init(tokens: [String]) {
    switch (tokens.first, tokens.count) {
    case (nil, _), ("rows", 1): self = .all
    case ("rows", _):
      let number = Int(tokens[1]).flatMap { 0..<Int.max ~= $0 ? $0 : nil }
      self = .rows(Set(number.map { [$0] } ?? []))
    default: self = .rows([])
    }
  }

  /// Both together.
  mutating func formUnion(_ other: Self) {
    guard case .rows(let own) = self, case .rows(let others) = other else { return self = .all }
    self = .rows(own.union(others))
  }
}
