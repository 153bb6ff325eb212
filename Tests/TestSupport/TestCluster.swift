package import TransomCluster

/// The PostgreSQL server that all tests of this process share.
///
/// It starts with the first test that wants it. Nothing stops it: its watchdog does, and removes
/// its files, when the test process has ended, even if that was killed.
package enum TestCluster {
  private static let started = Task {
    try await PrivateCluster.start(.temporary(settings: Self.settings))
  }

  /// Settings of every cluster for tests: the same answers on every machine.
  package static let settings = ["timezone": "UTC", "log_min_messages": "fatal"]

  package static var shared: PrivateCluster {
    get async throws { try await started.value }
  }
}
