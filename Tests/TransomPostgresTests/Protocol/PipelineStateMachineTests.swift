import TestSupport
import Testing

@testable import TransomPostgres

struct PipelineStateMachineTests {
  typealias Received = PipelineStateMachine.Received
  typealias Action = PipelineStateMachine.Action

  /// One command, as it is sent.
  enum Sent: Sendable {
    case prepare(Int)
    case execute
    case sync

    func apply(to machine: inout PipelineStateMachine) {
      switch self {
      case .prepare(let statement): machine.prepareSent(statement: statement)
      case .execute: machine.executeSent()
      case .sync: machine.syncSent()
      }
    }
  }

  struct Example: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let sent: [Sent]
    let answers: [(Received, Action)]
  }

  @Test(arguments: [
    Example(
      testDescription: "a statement that is known", sent: [.execute, .sync],
      answers: [(.success, .deliver), (.end, .none), (.sync, .synced)]),
    Example(
      testDescription: "a statement that is prepared first",
      sent: [.prepare(7), .execute, .sync],
      answers: [
        (.success, .prepared(7)), (.end, .none), (.success, .deliver), (.end, .none),
        (.sync, .synced),
      ]),
    Example(
      testDescription: "an error while running", sent: [.execute, .execute, .sync],
      answers: [
        (.error, .fail), (.end, .none), (.aborted, .skip), (.end, .none), (.sync, .synced),
      ]),
    Example(
      testDescription: "an error while preparing is the statement's, and told once",
      sent: [.prepare(7), .execute, .execute, .sync],
      answers: [
        (.error, .notPrepared(7, failed: true)), (.end, .none), (.aborted, .none), (.end, .none),
        (.aborted, .skip), (.end, .none), (.sync, .synced),
      ]),
    Example(
      testDescription: "a statement that was not prepared because of an earlier error",
      sent: [.execute, .prepare(7), .execute, .sync],
      answers: [
        (.error, .fail), (.end, .none), (.aborted, .notPrepared(7, failed: false)), (.end, .none),
        (.aborted, .skip), (.end, .none), (.sync, .synced),
      ]),
    Example(
      testDescription: "a prepared statement that fails when it runs",
      sent: [.prepare(7), .execute, .sync],
      answers: [
        (.success, .prepared(7)), (.end, .none), (.error, .fail), (.end, .none), (.sync, .synced),
      ]),
    Example(
      testDescription: "after the sync everything is as new",
      sent: [.execute, .sync, .execute, .sync],
      answers: [
        (.error, .fail), (.end, .none), (.sync, .synced), (.success, .deliver), (.end, .none),
        (.sync, .synced),
      ]),
    Example(testDescription: "nothing but a sync", sent: [.sync], answers: [(.sync, .synced)]),
  ])
  func `results find their commands`(_ example: Example) {
    var machine = PipelineStateMachine()
    for command in example.sent { command.apply(to: &machine) }
    for (received, action) in example.answers {
      #expect(!machine.isIdle)
      #expect(machine.received(received) == action)
    }
    #expect(machine.isIdle)
  }

  @Test(
    arguments: [
      (sent: [], before: [], wrong: [.success, .error, .aborted, .sync, .end]),
      (sent: [.execute, .sync], before: [], wrong: [.sync, .end]),
      (sent: [.prepare(1), .execute], before: [], wrong: [.sync, .end]),
      (sent: [.execute, .sync], before: [.success], wrong: [.success, .error, .aborted, .sync]),
      (sent: [.sync], before: [], wrong: [.success, .aborted, .end]),
    ] as [(sent: [Sent], before: [Received], wrong: [Received])])
  func `what the protocol does not allow at a point is out of step`(
    _ example: (sent: [Sent], before: [Received], wrong: [Received])
  ) {
    for wrong in example.wrong {
      var machine = PipelineStateMachine()
      for command in example.sent { command.apply(to: &machine) }
      for received in example.before { #expect(machine.received(received) != .outOfStep) }
      #expect(machine.received(wrong) == .outOfStep, "\(wrong)")
    }
  }

  /// What our caller should hear of a command.
  private enum Heard: Equatable {
    case result, failed, skipped, synced
  }

  @Test func `any pipelines with any errors are told as a model of the server tells them`() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<2_000 {
      var machine = PipelineStateMachine()
      var server: [Received] = []
      var expected: [Heard] = []
      var heard: [Heard] = []
      var hasFailed = false
      for number in 0..<Int.random(in: 1...30, using: &random) {
        if Int.random(in: 0..<6, using: &random) == 0 {
          machine.syncSent()
          server.append(.sync)
          expected.append(.synced)
          hasFailed = false
        } else {
          Self.send(number, &machine, &server, &expected, &hasFailed, &random)
        }
        // Answers come at any time, as many as there are.
        for _ in 0..<Int.random(in: 0...3, using: &random) where !server.isEmpty {
          Self.hear(machine.received(server.removeFirst()), &heard)
        }
      }
      for received in server { Self.hear(machine.received(received), &heard) }
      #expect(heard == expected, "seed \(seed)")
      #expect(machine.isIdle, "seed \(seed)")
    }
  }

  /// Sends a command, perhaps with its prepare, and lets the model answer.
  private static func send(
    _ number: Int, _ machine: inout PipelineStateMachine, _ server: inout [Received],
    _ expected: inout [Heard], _ hasFailed: inout Bool, _ random: inout SeededGenerator
  ) {
    var answers = 1
    if Bool.random(using: &random) {
      machine.prepareSent(statement: number)
      answers = 2
    }
    machine.executeSent()
    let wasSkipped = hasFailed
    for _ in 0..<answers {
      if hasFailed {
        server += [.aborted, .end]
      } else if Int.random(in: 0..<8, using: &random) == 0 {
        server += [.error, .end]
        hasFailed = true
      } else {
        server += [.success, .end]
      }
    }
    expected.append(wasSkipped ? .skipped : hasFailed ? .failed : .result)
  }

  private static func hear(_ action: Action, _ heard: inout [Heard]) {
    switch action {
    case .deliver: heard.append(.result)
    case .fail, .failSync, .notPrepared(_, failed: true): heard.append(.failed)
    case .skip: heard.append(.skipped)
    case .synced: heard.append(.synced)
    case .none, .prepared, .notPrepared(_, failed: false): break
    case .outOfStep: Issue.record("out of step")
    }
  }

  @Test func `an error of what the sync commits comes before the sync`() {
    var machine = PipelineStateMachine()
    machine.executeSent()
    machine.syncSent()
    #expect(machine.received(.success) == .deliver)
    #expect(machine.received(.end) == .none)
    #expect(machine.received(.error) == .failSync)
    #expect(machine.received(.end) == .none)
    #expect(!machine.isIdle)
    #expect(machine.received(.sync) == .synced)
    #expect(machine.isIdle)
  }

  @Test func `no sequence of answers is a crash`() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<2_000 {
      var machine = PipelineStateMachine()
      for _ in 0..<40 {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: machine.prepareSent(statement: 1)
        case 1: machine.executeSent()
        case 2: machine.syncSent()
        case 3: _ = machine.received(.success)
        case 4: _ = machine.received(.error)
        case 5: _ = machine.received(.aborted)
        case 6: _ = machine.received(.sync)
        default: _ = machine.received(.end)
        }
      }
    }
  }
}
