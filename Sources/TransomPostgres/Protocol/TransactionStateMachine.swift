/// The atomic blocks of one connection: what is to be sent for them, and which hooks survive.
///
/// Rules of this file, which are those of Django's `atomic`:
/// 1. The outermost block is a transaction; one inside is a savepoint, or with `savepoint: false` nothing of its own.
/// 2. A block that ends with an error, or while `needsRollback` is set, is undone, and the flag is lifted. If it has
///    nothing of its own to go back to, the flag is set for the block around it.
/// 3. While the flag is set nothing is sent: what it would do could only be lost.
/// 4. Hooks that were registered in a block that is undone are forgotten.
///
/// And one of our own: nothing is sent for a block before a statement needs it. BEGIN and SAVEPOINT go out in front of
/// the next statement, and so does RELEASE, or not at all if the transaction ends first. So a block costs no round trip
/// of its own but the one of its COMMIT.
struct TransactionStateMachine {
  /// What the server says of the transaction when it has answered everything.
  enum ServerStatus: Equatable, Sendable {
    case idle
    case open
    /// A statement failed: everything but going back is refused.
    case failed
  }

  enum Command: Equatable {
    case begin(TransactionOptions)
    case savepoint(Int)
    case release(Int)

    var sql: String {
      switch self {
      case .begin(let options): options.beginSQL
      case .savepoint(let number): "SAVEPOINT transom_\(number)"
      case .release(let number): "RELEASE SAVEPOINT transom_\(number)"
      }
    }
  }

  /// How a block may be begun.
  struct Request: Equatable {
    var options = TransactionOptions()
    var isDurable = false
    var hasSavepoint = true
    /// A test's own transaction: the block in it passes for an outermost one.
    var isTest = false
  }

  /// Why nothing is sent.
  enum Refusal: Error, Equatable {
    /// A durable block is not the outermost one.
    case durableInside
    /// A block inside a transaction cannot choose how that runs.
    case optionsInside
    /// The transaction is to be rolled back.
    case needsRollback
    /// There is no block.
    case outside
    /// The transaction ended before its block did: the connection was lost, or a statement ended it.
    case endedEarly
  }

  /// What is to be done at the end of a block.
  enum Ending: Equatable {
    /// Nothing is sent. `isUndone`: the block's work is, or will be.
    case nothing(isUndone: Bool)
    /// To be answered by `committed` or `rolledBack`.
    case commit
    /// To be answered by `rolledBack`. If `isFailure` the body knows of no error, and must learn of one.
    case rollback(isFailure: Bool)
    /// To be answered by `rolledBackTo`. `isFailure` as above.
    case rollbackTo(Int, isFailure: Bool)
    /// The transaction is gone already. `isFailure` as above.
    case gone(isFailure: Bool)
  }

  private enum Kind: Equatable {
    case transaction(TransactionOptions)
    case savepoint(Int)
    case merged
  }

  private struct Block: Equatable {
    var kind: Kind
    var isTest: Bool
    /// Whether the server knows of it.
    var isOpen = false
    /// The number of hooks when it began.
    var hooks: Int
  }

  private var blocks: [Block] = []
  private var status = ServerStatus.idle
  private var savepoints = 0
  /// Savepoints that are over on our side, in the order in which they ended.
  private var toRelease: [Int] = []
  private var isGone = false
  /// Whether the innermost block, or the transaction, is to be undone.
  private(set) var needsRollback = false
  /// The number of hooks that wait for the commit.
  private(set) var hooks = 0

  /// The number of blocks that are open.
  var depth: Int { blocks.count }
  var isInBlock: Bool { !blocks.isEmpty }

  // MARK: Blocks

  mutating func blockBegan(_ request: Request) throws(Refusal) {
    guard let around = blocks.last else {
      (needsRollback, isGone) = (false, false)
      push(.transaction(request.options), request)
      return
    }
    if !around.isTest {
      guard !request.isDurable else { throw .durableInside }
      guard request.options == TransactionOptions() else { throw .optionsInside }
    }
    guard request.hasSavepoint, !needsRollback else { return push(.merged, request) }
    savepoints += 1
    push(.savepoint(savepoints), request)
  }

  private mutating func push(_ kind: Kind, _ request: Request) {
    blocks.append(Block(kind: kind, isTest: request.isTest, hooks: hooks))
  }

  /// The innermost block's body has returned, or thrown.
  mutating func blockEnded(threw: Bool) -> Ending {
    guard let block = blocks.popLast() else { preconditionFailure("no block has begun") }
    let isUndone = threw || needsRollback
    if isGone {
      needsRollback = !blocks.isEmpty
      isGone = !blocks.isEmpty
      forgetHooks(of: block)
      return .gone(isFailure: !threw)
    }
    if isUndone { needsRollback = false }
    switch block.kind {
    case .transaction:
      toRelease = []
      savepoints = 0
      guard block.isOpen else {
        if isUndone { forgetHooks(of: block) }
        return .nothing(isUndone: isUndone)
      }
      if isUndone || status == .failed {
        forgetHooks(of: block)
        return .rollback(isFailure: !isUndone)
      }
      return .commit
    case .savepoint(let number):
      if isUndone || status == .failed { forgetHooks(of: block) }
      guard block.isOpen else {
        // What fails here failed on its way to our savepoint: the block around is in ruins, too.
        if status == .failed, !isUndone { return .nothing(isUndone: true) }
        return .nothing(isUndone: isUndone)
      }
      if isUndone || status == .failed {
        toRelease.removeAll { $0 > number }
        return .rollbackTo(number, isFailure: !isUndone)
      }
      toRelease.append(number)
      return .nothing(isUndone: false)
    case .merged:
      if isUndone { needsRollback = true }
      return .nothing(isUndone: isUndone)
    }
  }

  private mutating func forgetHooks(of block: Block) { hooks = min(hooks, block.hooks) }

  // MARK: Statements

  /// Whether a statement could succeed now.
  var takesStatements: Bool { !isGone && !needsRollback && status != .failed }

  /// What has to be sent in front of a statement. `opened` tells how much of it the server has done.
  func commandsBeforeStatement() throws(Refusal) -> [Command] {
    guard isInBlock else { return [] }
    guard !isGone else { throw .endedEarly }
    guard !needsRollback else { throw .needsRollback }
    var commands = toRelease.map(Command.release)
    for block in blocks where !block.isOpen {
      switch block.kind {
      case .transaction(let options): commands.append(.begin(options))
      case .savepoint(let number): commands.append(.savepoint(number))
      case .merged: break
      }
    }
    return commands
  }

  /// The server has done the first `count` of those commands.
  mutating func opened(_ count: Int) {
    var left = count
    let released = min(left, toRelease.count)
    toRelease.removeFirst(released)
    left -= released
    for index in blocks.indices where left > 0 && !blocks[index].isOpen {
      guard blocks[index].kind != .merged else { continue }
      blocks[index].isOpen = true
      left -= 1
    }
  }

  /// Everything sent was answered, and left the server's transaction so.
  mutating func answered(_ status: ServerStatus) {
    self.status = status
    // Only a statement of the user's own can have ended it.
    if status == .idle, blocks.first?.isOpen == true { lost() }
  }

  /// The server has rolled everything back, and the same is to be sent again from the beginning.
  mutating func restarted() {
    status = .idle
    for index in blocks.indices { blocks[index].isOpen = false }
  }

  // MARK: Endings

  /// The transaction is over, by COMMIT or ROLLBACK.
  mutating func ended() { status = .idle }

  /// The server answered ROLLBACK TO, or refused it: then the block around is undone, too.
  mutating func rolledBackTo(_ number: Int, succeeded: Bool) {
    if succeeded { status = .open } else { needsRollback = true }
  }

  /// The connection is gone, and the transaction with it.
  mutating func lost() {
    status = .idle
    toRelease = []
    guard isInBlock else { return }
    isGone = true
  }

  // MARK: Flag and hooks

  mutating func setRollback(_ value: Bool) throws(Refusal) {
    guard isInBlock else { throw .outside }
    needsRollback = value
  }

  /// A hook was registered. False: there is no block to wait for, it is to run at once.
  mutating func hookRegistered() -> Bool {
    guard isInBlock else { return false }
    hooks += 1
    return true
  }

  /// The hooks are run after a commit.
  mutating func hooksTaken() { hooks = 0 }
}
