import ArgumentParser
import TransomConfiguration
import TransomService

/// `transom healthcheck`
struct Healthcheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask a running service whether it works.",
    discussion: """
      For a container's health check. Asks the first address of "listen", as it is set for "transom serve", for /readyz, and \
      exits with 0 if the answer is 200, else with 1 and the reason.
      """)

  @Flag(help: "Ask for /livez: whether the process is up, whatever its databases do.")
  var live = false

  @Option(help: "Seconds that the answer may take.")
  var timeout = 5

  @OptionGroup
  var arguments: SettingArguments

  func validate() throws {
    guard 1...3600 ~= timeout else { throw ValidationError("--timeout is from 1 to 3600 seconds") }
  }

  func run() async throws {
    let settings = try arguments.load(listens: false).settings
    guard let address = settings.service.listen.first else {
      throw ValidationError("no address is set: give --listen")
    }
    do {
      let asked = try await HealthCheck(
        address: address, path: live ? "/livez" : "/readyz", limit: .seconds(timeout)
      ).run()
      print("\(asked) is \(live ? "alive" : "ready")")
    } catch {
      print("\(error)")
      throw ExitCode.failure
    }
  }
}
