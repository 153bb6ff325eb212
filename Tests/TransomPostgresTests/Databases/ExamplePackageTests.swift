import FoundationEssentials
import Subprocess
import SystemPackage
import TestSupport
import Testing

/// What the library looks like from outside. One at a time: they all keep a compiler busy.
@Suite(.serialized) enum OutsideTests {
  /// The package's folder.
  static let root =
    URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
}

extension OutsideTests {
  /// A package of its own, with none of our settings, uses the library.
  struct ExamplePackageTests {
    /// Beside what our own build makes, and kept like that: the first build takes a minute or two, the next ones seconds.
    private static let scratch = root + "/.build/examples"

    @Test func `the example package builds and runs`() async throws {
      let build = try await run(
        .name("swift"),
        arguments: [
          "build", "--package-path", "\(root)/Examples", "--scratch-path", Self.scratch,
        ],
        output: .string(limit: 8 << 20), error: .string(limit: 8 << 20))
      try #require(
        build.terminationStatus.isSuccess, "\(build.standardOutput)\n\(build.standardError)")
      try await withDatabase { database in
        let bank = try await run(
          .path(FilePath(Self.scratch + "/debug/Bank")),
          arguments: [database.connectionString], output: .string(limit: 1 << 20),
          error: .string(limit: 1 << 20))
        #expect(bank.terminationStatus.isSuccess, "\(bank.standardError)")
        #expect(
          bank.standardOutput == """
            moved 30 from Ada to Grace
            Ada has not enough: nothing was moved
            Ada: 70
            Grace: 50

            """)
      }
    }
  }
}
