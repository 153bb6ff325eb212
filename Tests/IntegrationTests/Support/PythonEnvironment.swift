import FoundationEssentials
import TransomCluster

/// The checkout, and what `scripts/install-deps test` has put from PyPI into its `.build/python`.
enum PythonEnvironment {
  struct NotInstalled: Error, CustomStringConvertible {
    let description = "run scripts/install-deps test first: .build/python is missing"
  }

  /// The top of the checkout.
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// A program of the environment, or its interpreter, past any proxy that the machine may have.
  static func command(_ program: String = "python", _ arguments: [String]) throws -> Command {
    let folder = "\(root)/.build/python/bin"
    guard FileManager.default.fileExists(atPath: "\(folder)/\(program)") else {
      throw NotInstalled()
    }
    var command = Command("\(folder)/\(program)", arguments)
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    command.environment = [
      "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PATH": "\(folder):\(path)",
      "PYTHONDONTWRITEBYTECODE": "1",
    ]
    command.limit = .seconds(110)
    return command
  }
}
