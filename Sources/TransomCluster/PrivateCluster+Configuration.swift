import FoundationEssentials

extension PrivateCluster {
  /// What kind of server to start.
  package struct Configuration: Sendable {
    package var life: Life
    /// Settings for the server (PostgreSQL manual, chapter 20), over those of `postgresql.conf`.
    package var settings: [String: String]
    /// Whether to listen on a free TCP port of 127.0.0.1 as well, with no password: any account of
    /// the machine can connect then.
    package var listensOnTCP = false
    /// How long the server may take to be ready, recovery included.
    package var startLimit: Duration = .seconds(60)

    /// A server whose data are gone when it stops, or when we end: for tests. Its commits
    /// survive a crash of the server, but do not wait for the disk unless it is to be `durable`.
    package static func temporary(
      durable: Bool = false, settings: [String: String] = [:]
    ) -> Configuration {
      var all = ["shared_buffers": "64MB", "max_connections": "1000"]
      if !durable {
        all["fsync"] = "off"
        all["full_page_writes"] = "off"
      }
      return Configuration(life: .temporary, settings: all.merging(settings) { $1 })
    }

    /// Where a persistent server's data are kept if nobody says otherwise: for root in
    /// `/var/lib/transom`, which the server's account can reach, unlike root's home.
    package static var defaultDirectory: String {
      let environment = ProcessInfo.processInfo.environment
      if Account.isRoot { return "/var/lib/transom/postgresql" }
      if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") {
        return data + "/transom/postgresql"
      }
      let home = environment["HOME"] ?? FileManager.default.homeDirectoryForCurrentUser.path
      return home + "/.local/share/transom/postgresql"
    }

    /// A server whose data stay in the directory, to be used again by the next start.
    package static func persistent(
      in directory: String, settings: [String: String] = [:]
    ) -> Configuration {
      Configuration(life: .persistent(directory: directory), settings: settings)
    }
  }

  /// How long the data live.
  package enum Life: Sendable {
    case temporary
    case persistent(directory: String)
  }
}
