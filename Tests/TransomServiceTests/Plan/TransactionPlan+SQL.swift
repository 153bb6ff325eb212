import TransomPostgres
import TransomService

extension TransactionPlan {
  /// A step's command as text.
  func sql(of step: Step) -> String {
    switch command(of: step) {
    case .control(let sql): sql
    case .statement(let text): text.sql
    }
  }
}
