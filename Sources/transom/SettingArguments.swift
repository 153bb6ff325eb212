import ArgumentParser
import FoundationEssentials
import TransomConfiguration

/// The flags that are settings, which TransomConfiguration knows.
struct SettingArguments: ParsableArguments {
  @Argument(
    parsing: .allUnrecognized, help: ArgumentHelp("Flags, as \"transom serve --help\" lists them."))
  var settings: [String] = []

  /// Reads all settings.
  ///
  /// `listens`: whether the command serves by them.
  ///
  /// - Throws: `SettingError`.
  func load(listens: Bool = true) throws -> LoadedSettings {
    try Settings.load(
      arguments: settings, environment: ProcessInfo.processInfo.environment, listens: listens)
  }
}
