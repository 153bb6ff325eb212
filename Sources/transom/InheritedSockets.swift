import ArgumentParser
import FoundationEssentials
import Glibc
import TransomConfiguration
import TransomService

/// Sockets that the process was started with, such as by systemd (sd_listen_fds(3)).
enum InheritedSockets {
  private static let first: Int32 = 3

  /// Adds them; they replace the default address, but none that was set, and need keys just as any other.
  ///
  /// - Throws: `ValidationError` that names LISTEN_FDS.
  static func add(to configuration: inout ServiceConfiguration, _ settings: Settings) throws {
    let environment = ProcessInfo.processInfo.environment
    guard let text = environment["LISTEN_FDS"], environment["LISTEN_PID"] == String(getpid()) else {
      return
    }
    guard let count = Int32(text), 0...1000 ~= count else {
      throw ValidationError("LISTEN_FDS is \"\(text)\"; allowed is a number from 0 to 1000")
    }
    do {
      for descriptor in first..<first + count {
        configuration.inherited.append(try .init(descriptor: descriptor))
      }
    } catch {
      throw ValidationError("LISTEN_FDS: \(error)")
    }
    if !configuration.inherited.isEmpty, !settings.isListenSet { configuration.listen = [] }
    let isOpen = configuration.isOpen && !settings.allowsUnauthenticated
    if isOpen, let address = try configuration.publicAddresses().first {
      throw ValidationError(
        "LISTEN_FDS holds \(address), which others can reach: that takes keys, or --allow-unauthenticated"
      )
    }
  }
}
