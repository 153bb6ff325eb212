import ArgumentParser
import TransomService

/// How webhooks are delivered. Each flag is a variable, too.
struct WebhookOptions: ParsableArguments {
  @Option(
    help:
      "A network that webhooks may be delivered to although it is not public, such as 10.0.0.0/8; can be repeated."
  )
  var webhooksAllowNetworks: [String] = []

  @Option(
    help: "Whether an on_commit hook may have a url of its own: true or false (default false).")
  var webhooksAllowURLs: Bool?

  @Option(
    help: "A pause in seconds before the next attempt; repeated for each (default 5, 300, …).")
  var webhooksRetrySchedule: [String] = []

  @Option(help: "Milliseconds for one attempt (default 15000).")
  var webhooksTimeoutMs: Int?

  @Option(help: "Seconds of nothing but failures that disable a webhook (default 432000).")
  var webhooksDisableAfter: Int?

  @Option(help: "Attempts at a time (default 1024).")
  var webhooksConcurrency: Int?

  @Option(help: "Attempts at a time for each webhook (default 16).")
  var webhooksConcurrencyEach: Int?

  @Option(help: "Milliseconds between looks for events that others have emitted (default 500).")
  var webhooksPollMs: Int?

  @Option(help: "Seconds that deliveries which are done are kept (default 2592000).")
  var webhooksRetention: Int?

  func read(
    _ settings: Settings, into configuration: inout ServiceConfiguration
  ) throws(SettingError) {
    var webhooks = configuration.webhooks
    if let (name, networks) = settings.list(webhooksAllowNetworks, "webhooks.allow.networks") {
      try Settings.check(name) { try webhooks.allowNetworks(networks) }
    }
    if let allows = webhooksAllowURLs {
      webhooks.allowsAddresses = allows
    } else if let allows = try settings.flag("webhooks.allow.urls") {
      webhooks.allowsAddresses = allows
    }
    if let (name, pauses) = settings.list(webhooksRetrySchedule, "webhooks.retry.schedule") {
      try Settings.check(name) { try webhooks.retry(after: pauses) }
    }
    // Not as a flag: others could read it.
    if let (name, keys) = settings.list([], "webhooks.secret.keys") {
      try Settings.check(name) { try webhooks.sealSecrets(with: keys) }
    }
    let day = 86_400
    try settings.milliseconds(webhooksTimeoutMs, "webhooks.timeout.ms", in: 100...600_000) {
      webhooks.timeout = $0
    }
    try settings.number(webhooksDisableAfter, "webhooks.disable.after", in: 1...(365 * day)) {
      webhooks.disableAfter = .seconds($0)
    }
    try settings.number(webhooksConcurrency, "webhooks.concurrency", in: 4...100_000) {
      webhooks.concurrency = $0
    }
    try settings.number(webhooksConcurrencyEach, "webhooks.concurrency.each", in: 1...10_000) {
      webhooks.concurrencyForEach = $0
    }
    try settings.milliseconds(webhooksPollMs, "webhooks.poll.ms", in: 10...60_000) {
      webhooks.pollInterval = $0
    }
    try settings.number(webhooksRetention, "webhooks.retention", in: 1...(3650 * day)) {
      webhooks.retention = .seconds($0)
    }
    configuration.webhooks = webhooks
  }
}
