import FoundationEssentials

/// Makes a folder with these files for as long as the body runs.
package func withFolder<Result>(
  _ files: [String: String], _ body: (_ path: String) async throws -> Result
) async throws -> Result {
  let folder =
    FileManager.default.temporaryDirectory.path
    + "/transom-folder-\(UInt64.random(in: 0 ... .max))"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  for (name, text) in files {
    try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"))
  }
  return try await body(folder)
}
