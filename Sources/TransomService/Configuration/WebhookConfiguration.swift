package import TransomWebhooks

/// How webhooks are delivered.
package struct WebhookConfiguration: Sendable {
  /// Networks that are no public ones, and may be delivered to nevertheless.
  package var allowedNetworks: [IPNetwork] = []
  /// Whether an `on_commit` hook may have a `url` of its own.
  package var allowsAddresses = false
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
