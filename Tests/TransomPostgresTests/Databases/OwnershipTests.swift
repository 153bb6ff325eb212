import FoundationEssentials
import Subprocess
import Testing

extension OutsideTests {
  /// Code that hands a connection or transaction to another task must not compile.
  struct OwnershipTests {
    private static let modules = {
      // Where this test's own product was built: the library's module is beside it.
      var folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
      while folder.path != "/",
        !FileManager.default.fileExists(
          atPath: folder.path + "/Modules/TransomPostgres.swiftmodule")
      {
        folder.deleteLastPathComponent()
      }
      return folder.path + "/Modules"
    }()

    private static let sources = OutsideTests.root + "/Sources"

    /// What the compiler says of a function body, with region isolation checked; empty if it is content.
    private func compile(_ body: String) async throws -> String {
      let path = FileManager.default.temporaryDirectory.path + "/transom-ownership-\(UUID()).swift"
      let source = """
        import TransomPostgres
        actor Keeper { func use(_ connection: Connection) async {} }
        func main(database: Database, keeper: Keeper) async throws {
        \(body)
        }
        """
      try Data(source.utf8).write(to: URL(filePath: path))
      defer { try? FileManager.default.removeItem(atPath: path) }
      let result = try await run(
        .name("swiftc"),
        arguments: [
          "-swift-version", "6", "-parse-as-library", "-emit-sil", "-o", "/dev/null", "-I",
          Self.modules, "-I", Self.sources + "/CTransomLinux", "-I", Self.sources + "/CTransomPQ",
          "-Xcc", "-I/usr/include/postgresql", path,
        ], output: .discarded, error: .string(limit: 1 << 20))
      let errors = result.standardError
      return errors.split(separator: "\n").filter { $0.contains("error:") }.joined(separator: "\n")
    }

    @Test func `a transaction is used by its own task, also from an actor`() async throws {
      let errors = try await compile(
        """
        let count = try await database.atomic { tx in
          try await tx.atomic { inner in try await inner.execute("select 1") }
        }
        print(count)
        """)
      #expect(errors == "")
    }

    @Test(arguments: [
      "try await database.atomic { tx in Task { try await tx.execute(\"select 1\") } }",
      "try await database.atomic { tx in async let x = tx.execute(\"select 1\"); _ = try await x }",
      """
      try await database.withConnection { connection in
        try await withThrowingTaskGroup { group in
          group.addTask { try await connection.execute("select 1") }
        }
      }
      """,
      "try await database.atomic { tx in await keeper.use(tx) }",
      """
      try await database.withConnection { connection in
        try await connection.cursor { cursor in Task { try await cursor.fetchOne() } }
      }
      """,
    ])
    func `another task or actor cannot be handed one`(_ body: String) async throws {
      let errors = try await compile(body)
      #expect(errors.contains("risks causing data races"), "\(errors)")
    }
  }
}
