/// How many deliveries may be on their way: in all, and to each webhook, so that one that hangs or fails delays no other.
///
/// A webhook that has just answered well may have many at a time, one that has not answered yet few, and one whose last
/// attempt failed a single one. Those that have not answered well share three quarters of all places: a quarter is
/// always left for those that do.
struct DeliveryLanes {
  private struct Lane {
    var count = 0
    var trust = Trust.unknown
  }

  private enum Trust {
    case unknown
    case good
    case bad
  }

  private let maximum: Int
  private let maximumForEach: Int
  private var lanes: [Int: Lane] = [:]
  private(set) var count = 0
  private var doubtfulCount = 0
  /// Of webhooks that have nothing on its way no more than so many are remembered.
  private static let remembered = 10_000
  private static let unknownLimit = 4

  init(maximum: Int, forEach: Int) {
    self.maximum = max(4, maximum)
    maximumForEach = max(1, forEach)
  }

  /// How many more there may be in all.
  var room: Int { max(0, maximum - count) }

  /// How many there may be to a webhook of which nothing is known.
  var roomForUnknown: Int {
    min(Self.unknownLimit, maximumForEach, doubtfulRoom)
  }

  /// How many more there may be to the webhooks that something is known of.
  var rooms: [(webhook: Int, room: Int)] {
    lanes.map { webhook, lane in (webhook, room(of: lane)) }
  }

  private var doubtfulRoom: Int { max(0, maximum * 3 / 4 - doubtfulCount) }

  private func room(of lane: Lane) -> Int {
    switch lane.trust {
    case .good: max(0, maximumForEach - lane.count)
    case .unknown: min(max(0, min(Self.unknownLimit, maximumForEach) - lane.count), doubtfulRoom)
    case .bad: min(max(0, 1 - lane.count), doubtfulRoom)
    }
  }

  mutating func began(_ webhook: Int) {
    var lane = lanes[webhook] ?? Lane()
    lane.count += 1
    lanes[webhook] = lane
    count += 1
    if lane.trust != .good { doubtfulCount += 1 }
  }

  /// An attempt has ended; nil: it says nothing about the webhook.
  mutating func ended(_ webhook: Int, succeeded: Bool?) {
    guard var lane = lanes[webhook], lane.count > 0 else { return }
    if lane.trust != .good { doubtfulCount -= lane.count }
    lane.count -= 1
    count -= 1
    if let succeeded { lane.trust = succeeded ? .good : .bad }
    if lane.trust != .good { doubtfulCount += lane.count }
    lanes[webhook] = lane
    if lanes.count > Self.remembered { lanes = lanes.filter { $0.value.count > 0 } }
  }
}
