import Testing

@testable import TransomEventLoop

/// Something that lives on a loop, with results of each shape in which Swift returns them: nothing, in registers, in
/// memory, with and without references, generic.
private actor Ledger: EventLoopActor {
  struct Account: Equatable, Sendable {
    var name: String
    var amounts: (Int, Int, Int, Int, Int, Int) = (1, 2, 3, 4, 5, 6)
    var notes: [String] = []

    static func == (a: Account, b: Account) -> Bool {
      a.name == b.name && a.amounts == b.amounts && a.notes == b.notes
    }
  }

  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }
  private(set) var count = 0
  var account = Account(name: "savings")

  init(on loop: EventLoop) { self.loop = loop }

  func deposit() { count += 1 }

  func echo<Value: Sendable>(_ value: Value) -> Value? { count < 0 ? nil : value }
}

@Suite struct EventLoopActorTests {
  @Test func `a plain call on the loop reaches the actor's state, and returns values of any shape`()
    async throws
  {
    let loop = try EventLoop(name: "test")
    let ledger = Ledger(on: loop)
    let seen = await loop.run {
      for _ in 0..<1000 { ledger.onLoop { $0.deposit() } }
      let note = String(repeating: "a note that is longer than a small string; ", count: 3)
      let isKept = ledger.onLoop {
        $0.account.notes.append(note)
        return $0.account == Ledger.Account(name: "savings", notes: [note])
      }
      return (
        count: ledger.onLoop { $0.count }, account: ledger.onLoop { $0.account }, isKept: isKept,
        half: ledger.onLoop { Double($0.count) / 2 }, text: ledger.onLoop { $0.echo(note) },
        nothing: ledger.onLoop { $0.echo(Int?.none) }, byte: ledger.onLoop { $0.echo(UInt8(7)) }
      )
    }
    #expect(seen.count == 1000)
    #expect(seen.account.notes.count == 1)
    #expect(seen.isKept)
    #expect(seen.half == 500)
    #expect(seen.text == seen.account.notes.first)
    #expect(seen.nothing == .some(nil))
    #expect(seen.byte == 7)
    await loop.shutdown()
  }

  @Test func `a plain call from another thread stops the process`() async throws {
    await #expect(processExitsWith: .failure) {
      let ledger = Ledger(on: try EventLoop(name: "test"))
      ledger.onLoop { $0.deposit() }
    }
  }
}

@Suite struct DurationUnitsTests {
  @Test(arguments: [
    (Duration.zero, 0, 0), (.nanoseconds(999), 0, 0), (.microseconds(1), 1, 0),
    (.microseconds(1_999_999), 1_999_999, 1999), (.seconds(18), 18_000_000, 18000),
    (.seconds(19), 19_000_000, 19000), (.seconds(86_400 * 365), 31_536_000_000_000, 31_536_000_000),
    (.microseconds(-1500), -1500, -1),
  ])
  func `a duration is told in whole units, however long it is`(
    duration: Duration, microseconds: Int, milliseconds: Int
  ) {
    #expect(duration.microseconds == microseconds)
    #expect(duration.milliseconds == milliseconds)
  }

  @Test func `a duration that no number holds is told as the nearest`() {
    #expect(Duration.seconds(Int64.max).nanoseconds == .max)
    #expect(Duration.seconds(Int64.min).nanoseconds == .min)
  }
}
