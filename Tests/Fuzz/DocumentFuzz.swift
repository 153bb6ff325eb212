import TransomService

/// A body of POST /transactions: decoded and planned, or refused; the same by a reader that has read others before.
enum DocumentFuzz {
  private enum Outcome: Equatable {
    case planned([TransactionPlan.Step], [TransactionPlan.Statement], [TransactionPlan.Group])
    case refused(RequestError)
  }

  static func run(_ input: [UInt8]) {
    var used = JSONReader()
    _ = decode(
      Array(#"{"statements": [{"sql": "select 1", "params": [[[]], "\u00e9"]}]}"#.utf8), &used)
    let first = decode(input, &used)
    var fresh = JSONReader()
    check(decode(input, &fresh) == first, "another result by another reader")
    check(decode(input, &used) == first, "another result the second time")
    guard case .planned(let steps, let statements, let groups) = first else { return }
    check(steps.count >= 2 && steps.first == .begin, "a plan that does not begin")
    check(groups.allSatisfy { $0.depth <= RequestDecoder.maximumGroupDepth }, "deeper than allowed")
    for statement in statements {
      check((try? SQLText(statement.sql)) != nil, "a plan with transaction control")
      check(
        statement.parameters.count <= RequestDecoder.maximumParameters, "too many parameters")
    }
  }

  private static func decode(_ input: [UInt8], _ reader: inout JSONReader) -> Outcome {
    do throws(RequestError) {
      let plan = TransactionPlan(try RequestDecoder.decode(input.span, with: &reader))
      return .planned(plan.steps, plan.statements, plan.groups)
    } catch {
      return .refused(error)
    }
  }
}
