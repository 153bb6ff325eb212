import TransomPostgres
import TransomService

/// A body of POST /transactions: decoded and planned, or refused; the same by a reader that has read others before.
enum DocumentFuzz {
  private enum Outcome: Equatable {
    case planned(
      [TransactionPlan.Step], [TransactionPlan.Statement], [TransactionPlan.Group], [[UInt8]])
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
    guard case .planned(let steps, let statements, let groups, let arrays) = first else { return }
    check(steps.count >= 2 && steps.last == .end, "a plan that does not end")
    for array in arrays { checkLiteral(of: array) }
    check(groups.allSatisfy { $0.depth <= RequestDecoder.maximumGroupDepth }, "deeper than allowed")
    for statement in statements {
      check((try? SQLText(statement.sql.sql)) != nil, "a plan with transaction control")
      check(
        statement.parameters.count <= RequestDecoder.maximumParameters, "too many parameters")
    }
  }

  private static func decode(_ input: [UInt8], _ reader: inout JSONReader) -> Outcome {
    do throws(RequestError) {
      let plan = TransactionPlan(try RequestDecoder.decode(input.span, with: &reader))
      let arrays = plan.arrays.map { index in
        plan.parameters.range(at: index).map { Array(plan.parameters.bytes[$0]) } ?? []
      }
      return .planned(plan.steps, plan.statements, plan.groups, arrays)
    } catch {
      return .refused(error)
    }
  }

  /// PostgreSQL's form of an array is one whole pair of braces, or the array has none.
  private static func checkLiteral(of json: [UInt8]) {
    for elementsAreJSON in [false, true] {
      let form = ArrayForm.array(delimiter: 0x2c, elementsAreJSON: elementsAreJSON)
      var text: [UInt8] = []
      do throws(TransomService.ArrayLiteral.Flaw) {
        try TransomService.ArrayLiteral.append(json.span, as: form, to: &text)
      } catch {
        check(!elementsAreJSON, "an array of json that has no form")
        continue
      }
      check(isOnePair(text), "an array with another end: \(String(decoding: text, as: UTF8.self))")
    }
    var text: [UInt8] = []
    try? TransomService.ArrayLiteral.append(json.span, as: .vector, to: &text)
  }

  private static func isOnePair(_ text: [UInt8]) -> Bool {
    var (depth, isQuoted, isEscaped) = (0, false, false)
    for (index, byte) in text.enumerated() {
      switch byte {
      case _ where isEscaped: isEscaped = false
      case UInt8(ascii: "\\"): isEscaped = true
      case UInt8(ascii: "\""): isQuoted.toggle()
      case UInt8(ascii: "{") where !isQuoted: depth += 1
      case UInt8(ascii: "}") where !isQuoted:
        depth -= 1
        if depth == 0 { return index == text.count - 1 }
      default: if depth == 0 { return false }
      }
    }
    return false
  }
}
