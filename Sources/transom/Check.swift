import ArgumentParser
import Glibc
import Logging
import TransomCluster
import TransomConfiguration
import TransomLogging
import TransomService

/// `transom check`
struct Check: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Try the configuration: databases, rights, schema, addresses, named transactions, keys, tokens.",
    discussion: """
      Reads the settings as "transom serve" does, connects to every database, binds every address for a moment, prepares named \
      transactions, changes nothing, and says what it has found. The exit status is 0 if the service would work, with \
      warnings perhaps, else 1.
      """)

  @OptionGroup
  var arguments: SettingArguments

  func run() async throws {
    var report = CheckReport()
    do {
      let loaded = try arguments.load()
      var section = CheckReport.Section("Settings")
      section.add(.fine, loaded.summary)
      report.sections.append(section)
      if loaded.settings.needsPrivateDatabase {
        report.sections.append(try await privateDatabase())
      }
      // What is wrong is in the report.
      var logger = LogOutput(loaded.settings).logger("transom")
      logger.logLevel = .critical
      report.sections += try await loaded.settings.service.check(logger: logger)
    } catch let error as SettingError {
      var section = CheckReport.Section("Settings")
      section.add(.problem, error.description)
      report.sections.append(section)
    }
    print(report.text(isColored: isatty(STDOUT_FILENO) != 0))
    if report.count(.problem) > 0 { throw ExitCode.failure }
  }

  /// Whether a server is there to be started.
  private func privateDatabase() async throws -> CheckReport.Section {
    var section = CheckReport.Section("Database default")
    if let installation = try await ServerInstallation.all().first {
      section.add(
        .fine,
        "none is set: a private PostgreSQL \(installation.majorVersion) would be started (\(installation.binaries))"
      )
    } else {
      section.add(
        .problem, "none is set, and no PostgreSQL server is installed that could be started")
    }
    return section
  }
}
