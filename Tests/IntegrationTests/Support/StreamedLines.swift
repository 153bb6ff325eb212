/// What the lines of a streamed answer say, put together as the answer that is not streamed says it.
struct StreamedLines {
  struct Malformed: Error {
    var line: JSON
  }

  private struct Group {
    var results: [JSON] = []
  }

  private var groups = [Group()]
  private var columns: JSON?
  private var rows: [JSON] = []
  private var events: JSON = .absent

  /// The answer. Its `attempts` are not told by a stream.
  static func answer(_ lines: [JSON]) throws -> JSON {
    var lines = lines
    let last = lines.popLast() ?? .absent
    guard let status = last["status"].text else { throw Malformed(line: last) }
    var reader = StreamedLines()
    for line in lines { try reader.read(line) }
    guard reader.groups.count == 1, reader.columns == nil else { throw Malformed(line: last) }
    var answer: [String: JSON] = [
      "status": .string(status), "results": .array(reader.groups[0].results),
    ]
    if reader.events != .absent { answer["events"] = reader.events }
    return .object(answer)
  }

  private mutating func read(_ line: JSON) throws {
    guard case .object(let members) = line else { throw Malformed(line: line) }
    if let list = members["columns"] {
      guard columns == nil else { throw Malformed(line: line) }
      columns = list
    } else if let row = members["row"], columns != nil {
      rows.append(row)
    } else if case .object(var result) = members["result"] {
      if let columns {
        result["columns"] = columns
        result["rows"] = .array(rows)
      }
      (columns, rows) = (nil, [])
      groups[groups.count - 1].results.append(.object(result))
    } else if let state = members["savepoint"]?.text {
      try read(group: state, members["error"], line)
    } else if let list = members["events"] {
      events = list
    } else {
      throw Malformed(line: line)
    }
  }

  private mutating func read(group state: String, _ error: JSON?, _ line: JSON) throws {
    guard state != "begun" else { return groups.append(Group()) }
    guard groups.count > 1, let group = groups.popLast() else { throw Malformed(line: line) }
    // What fails has no result; and a group inside that failed without an error of its own is a part of what did.
    (columns, rows) = (nil, [])
    var result: [String: JSON] = ["savepoint": .string(state), "results": .array(group.results)]
    if state == "rolled_back" {
      guard let error else { return }
      result["error"] = error
    }
    groups[groups.count - 1].results.append(.object(result))
  }
}
