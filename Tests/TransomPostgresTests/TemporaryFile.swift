import Foundation

/// The path of a file that is removed afterwards.
func withTemporaryFile(_ body: (String) async throws -> Void) async throws {
  let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path()
  defer { try? FileManager.default.removeItem(atPath: path) }
  try await body(path)
}

func lines(of path: String) throws -> [Substring] {
  try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
}
