package import TransomWebhooks

/// How webhooks are delivered.
package struct WebhookConfiguration: Sendable {
  /// Networks that are no public ones, and may be delivered to nevertheless.
  package var allowedNetworks: [IPNetwork] = []
  /// Whether an `on_commit` hook may have a `url` of its own.
  package var allowsAddresses = false
  /// Certificates in PEM of the authorities that receivers' certificates may come from; nil: the system's.
  package var authorityFile: String?
  package var schedule = RetrySchedule.standard
  /// For one attempt.
  package var timeout: Duration = .seconds(15)
  /// A webhook that has failed for so long, and never succeeded meanwhile, is disabled.
  package var disableAfter: Duration = .seconds(5 * 86_400)
  /// Attempts at a time, in all and for each webhook.
  package var concurrency = 1024
  package var concurrencyForEach = 16
  /// How often is looked for what others have emitted. What this process commits is delivered at once.
  package var pollInterval: Duration = .milliseconds(500)
  /// How long deliveries that are done are kept, and their events.
  package var retention: Duration = .seconds(30 * 86_400)
  /// Seals secrets in the database.
  package var seal = SecretSeal()

  package init() {}
}

extension WebhookConfiguration {
  /// A setting that cannot be used, in words.
  package struct Flaw: Error, CustomStringConvertible {
    package let description: String
  }

  /// Takes networks as they are written.
  package mutating func allowNetworks(_ texts: [String]) throws(Flaw) {
    allowedNetworks = []
    for text in texts {
      guard let network = IPNetwork(text) else {
        throw Flaw(description: "\"\(text)\" is no network, such as 10.0.0.0/8 or fd00::/8")
      }
      allowedNetworks.append(network)
    }
  }

  /// The networks as they are written.
  package var allowedNetworkTexts: [String] { allowedNetworks.map(\.description) }

  /// The pauses between attempts.
  package var delays: [Duration] {
    get { schedule.delays }
    set { schedule = RetrySchedule(newValue) }
  }

  /// How many keys seal secrets or open them.
  package var sealingKeys: Int { seal.keyCount }

  /// Takes the keys that secrets are sealed with: the first one seals, all of them open.
  package mutating func sealSecrets(with texts: [String]) throws(Flaw) {
    let keys = texts.compactMap { Base64.decode($0) }
    guard keys.count == texts.count, let seal = SecretSeal(keys: keys) else {
      throw Flaw(
        description: "a key is 32 bytes in Base64, as \"openssl rand -base64 32\" makes it")
    }
    self.seal = seal
  }
}
