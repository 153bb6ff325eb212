import TransomPostgres
import TransomService

/// The same bytes as a body of POST /sql, and as a connection string: taken or refused.
enum NeonFuzz {
  static func run(_ input: [UInt8]) {
    var reader = JSONReader()
    if let request = try? NeonRequestDecoder.decode(
      input.span, with: &reader, NeonOptions(), database: "default", known: KnownStatements())
    {
      check(request.neon?.arrays.count == request.items.count, "a row mode for each query")
      let plan = TransactionPlan(request)
      check(plan.steps.last == .end, "a plan that does not end")
      for statement in plan.statements {
        check((try? SQLText(statement.sql.sql)) != nil, "a plan with transaction control")
      }
    }
    if let string = NeonConnectionString(String(decoding: input, as: UTF8.self)) {
      check(!string.user.isEmpty && !string.database.isEmpty, "a connection string with holes")
    }
  }
}
