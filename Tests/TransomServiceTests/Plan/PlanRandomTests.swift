import Testing
import TransomPostgres
import TransomService

/// The state machine against a plain model, by lot.
@Suite struct PlanRandomTests {
  @Test(arguments: [UInt64.random(in: 0 ... .max), 1, 2, 3])
  func `what is stored and answered is what a plain walk over the request says`(
    _ seed: UInt64
  ) throws {
    var generator = TreeGenerator(seed: seed, hasFaults: true)
    var seen: [String: Int] = [:]
    for number in 0..<3_000 {
      let tree = generator.next()
      let model = TransactionModel(tree)
      let run = try SimulatedRun(tree)
      let name: Comment = "seed \(seed), tree \(number): \(tree)"
      let outcome = try #require(run.outcome, name)
      try #require(Self.outcome(outcome, try tree.request()) == model.outcome, name)
      try #require(run.server.committed == model.stored, name)
      try #require(run.server.isIdle, name)
      try #require(run.roundTrips == model.roundTrips, name)
      try #require(run.mistakes.isEmpty, name)
      if [.committed, .dryRun].contains(model.outcome) {
        try #require(run.results == model.results, name)
      }
      seen[Self.kind(model), default: 0] += 1
    }
    // Everything came up, or the test would prove nothing.
    for kind in ["committed", "recovered", "dryRun", "rolledBack", "commitRefused", "undone"] {
      #expect(seen[kind, default: 0] > 10, "seed \(seed): \(seen)")
    }
  }

  private static func kind(_ model: TransactionModel) -> String {
    switch model.outcome {
    case .committed: model.roundTrips > 1 ? "recovered" : "committed"
    case .dryRun: "dryRun"
    case .rolledBack: "rolledBack"
    case .commitRefused: "commitRefused"
    case .undoneSilently: "undone"
    }
  }

  private static func outcome(
    _ outcome: PlanStateMachine.Outcome, _ request: TransactionRequest
  ) -> TransactionModel.Outcome {
    switch outcome {
    case .committed: return .committed
    case .dryRunRolledBack: return .dryRun
    case .commitRefused: return .commitRefused
    case .rolledBackSilently: return .undoneSilently
    case .rolledBack(let failure):
      let pointer = failure.step.flatMap(TransactionPlan(request).pointer(of:))
      return .rolledBack(at: pointer, failure.error?.sqlState ?? "")
    }
  }
}
