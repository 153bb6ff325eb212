extension LoadedSettings {
  /// What differs from other settings.
  package struct Changes: Equatable, Sendable {
    /// What can change while the service runs, such as `limits.body`, or `keys.web` for one that is new or gone.
    package var live: [String] = []
    /// What takes a restart.
    package var restart: [String] = []
  }

  /// What has changed.
  package func changes(since old: LoadedSettings) -> Changes {
    let (own, others) = (byPath, old.byPath)
    var changes = Changes()
    for path in Set(own.keys).union(others.keys) where own[path] != others[path] {
      let isWhole = own[path] == nil || others[path] == nil
      let name = Self.name(path, isWhole)
      if Self.isLive(path), !isWhole || path[0] == "keys" {
        changes.live.append(name)
      } else {
        changes.restart.append(name)
      }
    }
    changes.live = Set(changes.live).sorted()
    changes.restart = Set(changes.restart).sorted()
    return changes
  }

  private static func name(_ path: [String], _ isWhole: Bool) -> String {
    let isNamed = path.count > 2 && ["databases", "keys"].contains(path[0])
    return (isWhole && isNamed ? Array(path.prefix(2)) : path).joined(separator: ".")
  }

  /// As `QueryService.reload` takes them.
  private static func isLive(_ path: [String]) -> Bool {
    switch path.first {
    case "keys", "jwt", "limits", "timeouts", "idempotency": true
    case "log": path != ["log", "format"]
    case "databases": path.suffix(2) == ["pool", "size"]
    default: false
    }
  }
}
