import TestSupport
import Testing
import TransomCluster

/// compose.yaml, the Kubernetes manifests, the unit and the default settings. `make check-deploy` asks their own tools, too.
@Suite(.timeLimit(.minutes(2))) struct DeploymentTests {
  @Test func `everything that is set for a deployment is a setting`() async throws {
    let script = #"cd "$0" && exec /usr/bin/python3 Tests/Deployment/settings.py "$1""#
    let outcome = try await Command(
      "/bin/sh", ["-c", script, PythonEnvironment.root, TransomProcess.executable]
    ).run()
    #expect(outcome.succeeded, "\(outcome.text)")
  }
}
