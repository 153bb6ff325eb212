extension Rights {
  /// Why an endpoint may not be used at all; nil if it may.
  func refusal(of purpose: Authenticator.Purpose) -> String? {
    switch purpose {
    case .transactions where !sendsSQL:
      "The key may not send SQL: it runs named transactions, by POST /transactions/NAME."
    case .named(let name) where !transactions.contains(name):
      "The key may not run the transaction \"\(name)\"."
    case .webhooks where !managesWebhooks: "The key may not manage webhooks."
    case .monitoring where !monitors: "The key may not see metrics."
    case .transactions, .named, .webhooks, .monitoring: nil
    }
  }
}
