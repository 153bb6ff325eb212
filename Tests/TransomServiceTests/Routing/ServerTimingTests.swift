import Testing
import TransomHTTP

@testable import TransomService

struct ServerTimingTests {
  @Test(arguments: [
    (0, 0, 0, "queue;dur=0.000, execute;dur=0.000, encode;dur=0.000"),
    (1, 20, 300, "queue;dur=0.001, execute;dur=0.020, encode;dur=0.300"),
    (9_999, 1_000, 7_089, "queue;dur=9.999, execute;dur=1.000, encode;dur=7.089"),
    (10_000, 9_009, 10, "queue;dur=10.000, execute;dur=9.009, encode;dur=0.010"),
    (0, 30_000_456, 12_045, "queue;dur=0.000, execute;dur=30000.456, encode;dur=12.045"),
  ])
  func `Server-Timing tells milliseconds with three decimals, however short or long`(
    queue: Int, execute: Int, encode: Int, value: String
  ) {
    var fields = ResponseFields()
    fields.append(
      TransactionAnswer.Timing(
        queue: .microseconds(queue), execute: .microseconds(execute),
        encode: .microseconds(encode)))
    #expect(fields.value(of: "Server-Timing") == value)
  }
}
