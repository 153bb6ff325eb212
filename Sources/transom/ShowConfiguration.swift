import ArgumentParser
import TransomConfiguration

/// `transom config`
struct ShowConfiguration: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Print the settings that are in force, and where each of them comes from.",
    discussion: """
      As a YAML file, which could be given by --config again, but for secrets: those are masked. Settings are given as for
      "transom serve".
      """)

  @OptionGroup
  var arguments: SettingArguments

  func run() async throws { print(try arguments.load().yaml, terminator: "") }
}
