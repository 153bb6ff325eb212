internal import TransomEventLoop

/// How many attempts may be on their way: in all, and to each webhook, so that those that hang or fail delay no other.
///
/// What is short is places. A receiver that never answers holds its place until the timeout, a thousand times longer
/// than one that answers; and nobody can tell which one it will be. So places go by what was seen of a webhook last:
///
/// - *Prompt* ones answered well, within ``patience``, and have nothing on its way that takes longer. They have all
///   places but an eighth. Each has one at first; it gets twice as many whenever it has answered and more was waiting,
///   up to the limit for each, and up to a sixteenth of what is free; and after a pause it begins with one again. By
///   that a crowd of them that begin to hang at the same moment takes about one place each, and not all there are.
/// - What takes longer makes its webhook doubtful while it is still on its way, not only at its timeout. *Doubtful*
///   ones together have three quarters of the places, so that a quarter is left for the prompt ones, always. The
///   *untried* may have one attempt each, which tells what they are; the *slow*, that answer well but late, a share;
///   and the *failing* one each, as long as doubtful ones have less than half of all places: those that are dead do
///   not keep others from being tried.
/// - After failures in a row a webhook rests, longer each time, up to ``longestRest``, so that one that is dead and has
///   a long queue does not take all the time of the dispatcher, and of the database, with attempts that fail at once.
///
/// A claim never takes more than half of what is free, so that the shares shrink as places become few.
///
/// Of webhooks that it has not seen yet, the database tells whether they were failing. So a replica that starts does
/// not try all that are dead before it finds those that are not.
struct DeliveryLanes {
  private enum Standing {
    case untried
    case prompt
    case slow
    case failing
  }

  private struct Lane {
    var standing: Standing
    /// What is on its way, and what of it takes longer than patience lasts.
    var count = 0
    var lateCount = 0
    /// In a row.
    var failures = 0
    var restsUntil = MonotonicInstant(sinceOrigin: .zero)
    /// How many it may have on their way if it is prompt or slow.
    var window = 1
    var lastEnd = MonotonicInstant(sinceOrigin: .zero)

    var isPrompt: Bool { standing == .prompt && lateCount == 0 }
  }

  private struct Attempt {
    var webhook: Int
    var isLate = false
    /// Whether it took the last place of its lane, right after another one had ended: as if more was waiting.
    var fillsLane = false
  }

  /// An attempt's place, until it has ended.
  struct Place: Hashable {
    fileprivate var number: Int
  }

  private let maximum: Int
  private let maximumForEach: Int
  private var lanes: [Int: Lane] = [:]
  private(set) var promptCount = 0
  private var doubtfulCount = 0
  /// By place: what is on its way.
  private var taken: [Place: Attempt] = [:]
  /// The places in the order in which they were taken; those before `nextTaken` have been looked at.
  private var begun: [(place: Place, at: MonotonicInstant)] = []
  private var nextBegun = 0
  private var lastNumber = 0
  /// What a claim that is under way may take of the doubtful ones.
  var reserved = 0

  /// Of webhooks that have nothing on its way no more than so many are remembered.
  private static let remembered = 10_000
  /// How long an attempt may take before others are asked first.
  static let patience = Duration.seconds(1)
  static let longestRest = Duration.seconds(5)
  private static let shortestRest = Duration.milliseconds(100)
  /// What begins so soon after an end has waited for it. After a pause nothing is known of what waits.
  private static let soon = Duration.milliseconds(50)
  private static let pause = Duration.seconds(1)
  /// What is claimed at most at a time: of each kind, so that neither keeps the other waiting.
  private static let promptClaim = 192
  private static let doubtfulClaim = 64

  init(maximum: Int, forEach: Int) {
    self.maximum = max(4, maximum)
    maximumForEach = max(1, forEach)
  }

  /// What is on its way.
  var count: Int { promptCount + doubtfulCount }

  // MARK: What may be claimed

  /// What a claim may take.
  struct Room {
    /// In all, of webhooks that are prompt and of those that are doubtful.
    var prompt = 0
    var doubtful = 0
    /// For each webhook of which nothing is known here, as the database knows it.
    var untried = 0
    var failing = 0
    /// For each one that is known here.
    var known: [(webhook: Int, room: Int, isPrompt: Bool)] = []

    var isEmpty: Bool { prompt == 0 && doubtful == 0 }
  }

  func room(at now: MonotonicInstant) -> Room {
    let free = max(0, maximum - count - reserved)
    let promptRoom = min(free, max(0, maximum - max(1, maximum / 8) - promptCount))
    let doubtfulRoom = min(free, max(0, maximum * 3 / 4 - doubtfulCount - reserved))
    var room = Room()
    room.prompt = min(Self.promptClaim, Self.part(2, of: promptRoom))
    room.doubtful = min(
      Self.doubtfulClaim, Self.part(2, of: doubtfulRoom), free - room.prompt)
    room.untried = min(1, doubtfulRoom)
    room.failing = doubtfulCount + reserved < maximum / 2 ? room.untried : 0
    let promptShare = min(maximumForEach, Self.part(16, of: promptRoom))
    let slowShare = min(maximumForEach, Self.part(64, of: doubtfulRoom))
    room.known = lanes.map { webhook, lane in
      let share =
        switch lane.standing {
        case .prompt where lane.isPrompt: min(promptShare, lane.window)
        case .prompt, .slow: min(slowShare, lane.window)
        case .untried: room.untried
        case .failing: lane.restsUntil <= now ? room.failing : 0
        }
      return (webhook, max(0, share - lane.count), lane.isPrompt)
    }
    return room
  }

  /// Rounded up, so that something is left of little.
  private static func part(_ divisor: Int, of number: Int) -> Int {
    (number + divisor - 1) / divisor
  }

  func isPrompt(_ webhook: Int) -> Bool { lanes[webhook]?.isPrompt ?? false }

  // MARK: What happens

  /// An attempt begins. `isFailing` is what the database says of its webhook.
  mutating func began(_ webhook: Int, isFailing: Bool, at now: MonotonicInstant) -> Place {
    lastNumber += 1
    let place = Place(number: lastNumber)
    var attempt = Attempt(webhook: webhook)
    change(webhook, isFailing ? .failing : .untried) { lane in
      if lane.count == 0, now - lane.lastEnd > Self.pause { lane.window = 1 }
      lane.count += 1
      attempt.fillsLane = lane.count >= lane.window && now - lane.lastEnd < Self.soon
    }
    taken[place] = attempt
    begun.append((place, now))
    return place
  }

  /// Time has passed: what takes too long makes its webhook doubtful.
  mutating func advance(to now: MonotonicInstant) {
    while nextBegun < begun.count, now - begun[nextBegun].at > Self.patience {
      let place = begun[nextBegun].place
      nextBegun += 1
      guard let webhook = taken[place]?.webhook else { continue }
      taken[place]?.isLate = true
      change(webhook) { $0.lateCount += 1 }
    }
    if nextBegun > 1000, nextBegun > begun.count / 2 {
      begun.removeFirst(nextBegun)
      nextBegun = 0
    }
  }

  /// An attempt has ended; `succeeded` is nil if it says nothing about the webhook.
  mutating func ended(_ place: Place, succeeded: Bool?, at now: MonotonicInstant) {
    advance(to: now)
    guard let attempt = taken.removeValue(forKey: place) else { return }
    let most = maximumForEach
    change(attempt.webhook) { lane in
      lane.count -= 1
      if attempt.isLate { lane.lateCount -= 1 }
      lane.lastEnd = now
      switch succeeded {
      case true?:
        (lane.standing, lane.failures) = (attempt.isLate ? .slow : .prompt, 0)
        if attempt.fillsLane { lane.window = min(most, lane.window * 2) }
      case false?:
        (lane.standing, lane.window) = (.failing, 1)
        // What was sent together fails together, once.
        if lane.count == 0 { lane.failures += 1 }
        lane.restsUntil = now + Self.rest(after: lane.failures)
      case nil: break
      }
    }
    if lanes.count > Self.remembered { lanes = lanes.filter { $0.value.count > 0 } }
  }

  /// The first failure may be the event's own fault.
  private static func rest(after failures: Int) -> Duration {
    guard failures > 1 else { return .zero }
    return min(longestRest, shortestRest * (1 << min(failures - 2, 10)))
  }

  /// Changes a lane, and counts what it has on its way where that belongs by then.
  private mutating func change(
    _ webhook: Int, _ standing: Standing = .untried, _ body: (inout Lane) -> Void
  ) {
    var lane = lanes[webhook] ?? Lane(standing: standing)
    if lane.isPrompt { promptCount -= lane.count } else { doubtfulCount -= lane.count }
    body(&lane)
    if lane.isPrompt { promptCount += lane.count } else { doubtfulCount += lane.count }
    lanes[webhook] = lane
  }
}
