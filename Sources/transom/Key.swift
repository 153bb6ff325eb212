import ArgumentParser
import TransomService

/// `transom key`
struct Key: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make keys for clients.", subcommands: [New.self])

  /// `transom key new`
  struct New: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a key, and print what to configure for it.",
      discussion: """
        The key is drawn from the system's random numbers, and kept nowhere: the configuration holds its SHA-256 only.
        """)

    @Option(help: "What the key is called in the configuration and in the log.")
    var name = "web"

    func validate() throws {
      guard name.wholeMatch(of: #/[A-Za-z0-9_-]{1,63}/#) != nil else {
        throw ValidationError("--name has up to 63 letters, digits, - and _")
      }
    }

    func run() {
      let key = NewKey()
      print(
        """
        The key, which is shown only this once; clients send it as "Authorization: Bearer KEY":

        \(key.text)

        For the configuration file:

        keys:
          - {name: \(name), sha256: \(key.hash.hexadecimal), databases: [default], read_only: false, webhooks: false}
        """)
    }
  }
}
