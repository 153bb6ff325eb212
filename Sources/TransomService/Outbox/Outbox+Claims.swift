internal import TransomEventLoop
internal import TransomPostgres
internal import TransomWebhooks

// What a dispatcher asks of the tables.
extension Outbox {
  /// Claims what is due to any webhook: so much of each kind of webhooks, and of each webhook, as `DeliveryLanes` allows.
  ///
  /// The webhooks that have something pending are found by jumping from one to the next in the index, so that the time
  /// depends on their number, not on that of the deliveries. Of an ordered webhook only the first one is taken. Those that
  /// are untried come first: there is one attempt for each, and a service that starts finds those that answer by it.
  ///
  /// What is known of webhooks is joined in full, though nothing is wanted of what has nothing pending: a full join is
  /// made by hashing or merging, never by comparing each with each, which would take the longest part of a second if
  /// there are a thousand, and which the planner likes, as it believes that an array has ten elements.
  private static let claimSQL = """
    with recursive pending (id) as (
      (select webhook_id from transom.deliveries where status = 'pending' order by webhook_id limit 1)
      union all
      select (
        select d.webhook_id from transom.deliveries d
        where d.status = 'pending' and d.webhook_id > p.id order by d.webhook_id limit 1)
      from pending p where p.id is not null
    ), known as materialized (
      select p.id, r.room, r.is_prompt
      from pending p full join unnest($3::bigint[], $4::int[], $5::bool[]) as r (id, room, is_prompt)
        on r.id = p.id
    ), wanted as (
      select w.id, coalesce(k.is_prompt, false) as is_prompt,
        coalesce(k.room, case when w.failing_since is null then $6::int else $7::int end) as room
      from known k cross join lateral (\(usable("k.id"))) w
      order by k.room is not null or w.failing_since is not null, random()
    ), chosen as (
      (select due.place from wanted cross join lateral (\(due)) due
        where wanted.is_prompt and wanted.room > 0 limit $8)
      union all
      (select due.place from wanted cross join lateral (\(due)) due
        where not wanted.is_prompt and wanted.room > 0 limit $9)
    )
    \(lease)
    """

  /// Claims what is due to some webhooks: the time depends on their number only, whatever others have pending.
  private static let claimOfSomeSQL = """
    with wanted as (
      select w.id, r.room
      from unnest($3::bigint[], $4::int[]) as r (id, room) cross join lateral (\(usable("r.id"))) w
      order by random()
    ), chosen as (
      select due.place from wanted cross join lateral (\(due)) due limit $5
    )
    \(lease)
    """

  /// A webhook, if something may go to it. The limit keeps this apart from the query around it, which would compare each
  /// of the known webhooks with each of all: the table was so small when the plan was made.
  static func usable(_ id: String) -> String {
    """
    select w.* from transom.webhooks w
    where w.id = \(id) and w.disabled_at is null limit 1
    """
  }

  /// What of a webhook that is wanted may be claimed now, and locks it.
  private static let due = """
    select a.place from (
      select d.ctid as place from transom.deliveries d
      where d.webhook_id = wanted.id and d.status = 'pending' and not d.is_ordered
        and d.due_at <= now() and (d.leased_until is null or d.leased_until < now())
      order by d.due_at limit wanted.room for update skip locked) a
    union all
    select o.place from (
      select d.ctid as place from transom.deliveries d
      where d.webhook_id = wanted.id and d.status = 'pending' and d.is_ordered
        and d.event_seq = (
          select f.event_seq from transom.deliveries f
          where f.webhook_id = wanted.id and f.status = 'pending' and f.is_ordered
          order by f.event_seq limit 1)
        and d.due_at <= now() and (d.leased_until is null or d.leased_until < now())
      for update skip locked) o
    """

  /// A claim is a lease: when it is over, another dispatcher may claim the delivery, as its owner must be dead.
  ///
  /// It begins now, and not with the transaction: what is recorded in front of it may have waited for a row.
  ///
  /// What was chosen is locked, and so stays at its place in the table. By that it is found again, whatever the planner
  /// thinks of the indexes: plans are made while the table is empty, when each looks as good as the other.
  private static let lease = """
    update transom.deliveries d
    set leased_by = $1, leased_until = clock_timestamp() + $2 * interval '1 ms'
    from transom.events e, transom.webhooks w
    where d.ctid = any (array(select place from chosen))
      and e.seq = d.event_seq and w.id = d.webhook_id
    returning d.event_seq, d.webhook_id, d.failures, e.id, e.event,
      to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), e.data::text, w.url,
      w.secret, case when w.previous_secret_expires_at > now() then w.previous_secret end,
      w.failing_since is not null
    """

  /// `owner` claims, and nobody else may for as long as the lease.
  static func claim(_ room: DeliveryLanes.Room, owner: Int, lease: Duration) -> Statement {
    Statement(
      sql: claimSQL,
      parameters: [
        owner, lease.milliseconds, room.known.map(\.webhook), room.known.map(\.room),
        room.known.map(\.isPrompt), room.untried, room.failing, room.prompt, room.doubtful,
      ])
  }

  /// Only of the webhooks that are known to be prompt.
  static func claimOfPrompt(
    _ room: DeliveryLanes.Room, owner: Int, lease: Duration
  ) -> Statement {
    let prompt = room.known.filter { $0.isPrompt && $0.room > 0 }
    return Statement(
      sql: claimOfSomeSQL,
      parameters: [
        owner, lease.milliseconds, prompt.map(\.webhook), prompt.map(\.room), room.prompt,
      ])
  }

  static func deliveries(_ result: QueryResult) throws -> [Delivery] {
    try result.map { row in
      let secrets: [[UInt8]?] = [
        row[8].isNull ? nil : try [UInt8](decoding: row[8]),
        row[9].isNull ? nil : try [UInt8](decoding: row[9]),
      ]
      return Delivery(
        id: .init(event: try Int(decoding: row[0]), webhook: try Int(decoding: row[1])),
        failures: try Int(decoding: row[2]), webhookIsFailing: try Bool(decoding: row[10]),
        messageID: try String(decoding: row[3]),
        url: try String(decoding: row[7]), secrets: secrets.compactMap(\.self),
        body: Delivery.body(
          type: try String(decoding: row[4]), timestamp: try String(decoding: row[5]),
          data: try String(decoding: row[6])))
    }
  }

  /// The status is asked for in a way that no index of what is pending answers: the key is what finds the delivery.
  private static let recordSQL = """
    update transom.deliveries d set
      status = r.status,
      failures = d.failures + r.failed,
      due_at = clock_timestamp() + r.pause * interval '1 ms',
      leased_by = null, leased_until = null,
      attempts = case when r.attempt is null then d.attempts
        else d.attempts[greatest(1, cardinality(d.attempts) - 48):] || (r.attempt || jsonb_build_object(
          'ended_at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
        end,
      finished_at = case when r.status <> 'pending' then clock_timestamp() end
    from unnest($1::bigint[], $2::bigint[], $3::text[], $4::int[], $5::bigint[], $6::jsonb[])
      as r (event_seq, webhook_id, status, failed, pause, attempt)
    where d.event_seq = r.event_seq and d.webhook_id = r.webhook_id and d.status not in ('delivered', 'dead')
      and (d.leased_by = $7 or r.status = 'delivered')
    """

  /// What records attempts, and what they say about their webhooks.
  ///
  /// An attempt whose lease is over is not recorded, as another one is under way, unless it succeeded.
  static func record(
    _ records: [AttemptRecord], owner: Int, disableAfter: Duration
  ) -> [Statement] {
    var (statuses, failed, pauses): ([String], [Int], [Int]) = ([], [], [])
    var (succeeding, failing, gone): (Set<Int>, Set<Int>, Set<Int>) = ([], [], [])
    for record in records {
      var (status, failures, pause) = ("pending", 1, 0)
      switch record.verdict {
      case .delivered:
        (status, failures) = ("delivered", 0)
        succeeding.insert(record.id.webhook)
      case .retry(let after):
        pause = after.milliseconds
        failing.insert(record.id.webhook)
      case .dead:
        status = "dead"
        failing.insert(record.id.webhook)
      case .gone:
        status = "dead"
        gone.insert(record.id.webhook)
      case nil: failures = 0
      }
      statuses.append(status)
      failed.append(failures)
      pauses.append(pause)
    }
    // Who has taken one is there, whatever became of the others.
    failing.subtract(succeeding)
    let attempts = records.map { $0.verdict == nil ? nil : $0.attempt }
    var statements = [
      Statement(
        sql: recordSQL,
        parameters: [
          records.map(\.id.event), records.map(\.id.webhook), statuses, failed, pauses, attempts,
          owner,
        ])
    ]
    if !failing.isEmpty {
      statements.append(
        "update transom.webhooks set failing_since = now() where id = any (\(failing.sorted())) and failing_since is null"
      )
      statements.append(
        """
        update transom.webhooks set disabled_at = now(), disabled_reason = 'no delivery succeeded for too long'
        where id = any (\(failing.sorted())) and disabled_at is null and not is_ad_hoc
          and failing_since < now() - \(disableAfter.milliseconds) * interval '1 ms'
        """)
    }
    if !succeeding.isEmpty {
      statements.append(
        "update transom.webhooks set failing_since = null where id = any (\(succeeding.sorted())) and failing_since is not null"
      )
    }
    if !gone.isEmpty {
      statements.append(
        """
        update transom.webhooks set disabled_at = now(), disabled_reason = 'the receiver answered 410 Gone'
        where id = any (\(gone.sorted())) and disabled_at is null and not is_ad_hoc
        """)
    }
    return statements
  }

  /// Events that a sweep looks at in one transaction.
  private static let sweepLimit = 500

  /// Deletes what is older than `age` of a batch of events: deliveries that are done, or whose webhook is disabled or gone,
  /// and events that have none any more.
  ///
  /// `behind` is the event that the batch before ended with. What is still to be delivered stays, and must not keep a
  /// sweep from what is behind it.
  ///
  /// - Returns: the last event of the batch if there may be more behind it.
  package func sweep(olderThan age: Duration, behind last: Int = 0) async throws -> Int? {
    let milliseconds = age.milliseconds
    let old: Statement = """
      select e.seq from (
        select seq, created_at from transom.events where seq > \(last) order by seq limit \(Self.sweepLimit)) e
      where e.created_at < now() - \(milliseconds) * interval '1 ms'
      """
    let results = try await database.pipeline([
      "select count(*), max(seq) from (\(old)) as old",
      """
      delete from transom.deliveries d using (\(old)) as old where d.event_seq = old.seq
        and (d.status <> 'pending'
          or not exists (
            select from transom.webhooks w where w.id = d.webhook_id and w.disabled_at is null))
      """,
      """
      delete from transom.events e using (\(old)) as old where e.seq = old.seq
        and not exists (select from transom.deliveries d where d.event_seq = e.seq)
      """,
      """
      delete from transom.webhooks w where w.is_ad_hoc
        and w.updated_at < now() - \(milliseconds) * interval '1 ms'
        and not exists (select from transom.deliveries d where d.webhook_id = w.id)
      """,
    ])
    let (count, seq) = try results[0].only((Int, Int?).self)
    return count == Self.sweepLimit ? seq : nil
  }
}
