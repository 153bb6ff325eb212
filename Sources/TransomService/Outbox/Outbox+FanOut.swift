internal import TransomPostgres
internal import TransomWebhooks

// From events to deliveries.
extension Outbox {
  /// How many new events are taken at a time at most, and of how many deliveries at most they should be.
  ///
  /// Fewer where transactions wait: for as long as this one takes, PostgreSQL keeps what others update and delete (manual,
  /// 25.1.2 "Recovering Disk Space"), and a table that is updated all the time becomes slow by that.
  static let fanOutLimit = (events: 200, besideTransactions: 50, deliveries: 2000)

  /// What dispatchers do one after the other: any number that others do not use.
  private static let advisoryLock = 0x7472_616E_736F_6D02

  private static var lockFanOut: Statement { "select pg_advisory_xact_lock(\(advisoryLock))" }

  /// For the transaction of a change: waits for a fan-out that goes on, and has later ones wait for the transaction's end.
  /// Each of them sees either nothing or all of what a webhook is changed to, and the change sees all deliveries that were
  /// made before it. A service that vanishes meanwhile must not keep the others from it.
  static var holdFanOut: [Statement] {
    ["set local idle_in_transaction_session_timeout = '5s'", lockFanOut]
  }

  /// The id of an event that receivers and clients see, of the one in a column of `transom.new_events`.
  static func messageID(_ column: String) -> String {
    "'evt_' || replace(\(column)::text, '-', '')"
  }

  /// Takes the oldest new events, and makes a delivery of each for each webhook that takes it. An event that none takes is
  /// gone then.
  ///
  /// A webhook gets what was emitted after it had been made. What takes `a.b.c` is *, a.*, a.b.* and a.b.c; events of
  /// Transom's own are no part of *.
  ///
  /// Events are numbered as they are emitted, and those of a transaction that commits late come here after later ones, which
  /// may be on their way. Then this batch is numbered anew, behind all that came before it: so the number of a webhook that
  /// gets its deliveries in order only grows, and what it gets next never overtakes what it is getting.
  ///
  /// The events are put together by their names first. So each name is looked up once, and nothing is joined of what is
  /// made here: as there is no index on that, it would be compared each with each.
  private static let fanOutSQL = """
    with taken as materialized (
      delete from transom.new_events
      where seq = any (array(select seq from transom.new_events order by seq limit $1))
      returning *
    ), late as materialized (
      select (select min(seq) from taken) <= (select max(seq) from transom.events) as is_late
    ), new as materialized (
      select case when (select is_late from late) then nextval('transom.new_events_seq_seq') else seq end as seq,
        id, event, data, url, webhook_id, created_at
      from (select * from taken order by seq) as in_order
    ), named as materialized (
      select event, array_agg(seq order by seq) as seqs, array_agg(created_at order by seq) as times
      from new where url is null and webhook_id is null group by event
    ), addresses as materialized (
      -- An address of a hook's own is a webhook that nobody sees. The update keeps the sweep off. Who writes into the
      -- view by SQL may have given one that no index takes, which must not keep all others from being delivered.
      insert into transom.webhooks as w (url, is_ad_hoc)
      select distinct url, true from new where octet_length(url) <= \(WebhookURL.maximumLength)
      on conflict (url) where is_ad_hoc do update set updated_at = now()
      returning w.id, w.url
    ), made as materialized (
      insert into transom.deliveries (event_seq, webhook_id, is_ordered)
      select e.seq, w.id, w.is_ordered
      from named n
      cross join lateral (
        select distinct s.webhook_id from transom.subscriptions s where s.pattern = any (\(patterns("n.event")))
      ) s
      cross join lateral (\(usable("s.webhook_id"))) w
      cross join lateral unnest(n.seqs, n.times) as e (seq, created_at)
      where w.created_at <= e.created_at
      union all
      select n.seq, a.id, false from new n join addresses a on a.url = n.url
      union all
      select n.seq, w.id, w.is_ordered
      from new n cross join lateral (
        select w.id, w.is_ordered from transom.webhooks w where w.id = n.webhook_id limit 1) w
      returning event_seq
    ), kept as (
      insert into transom.events (seq, id, event, data, created_at) overriding system value
      select n.seq, \(messageID("n.id")), n.event, n.data, n.created_at
      from new n where n.seq = any (array(select distinct event_seq from made))
    )
    select (select count(*) from new), (select count(*) from made),
      (select count(*) from new where octet_length(url) > \(WebhookURL.maximumLength))
    """

  /// The patterns that take an event, as an array.
  private static func patterns(_ event: String) -> String {
    """
    array(
      select \(event) union all select '*' where \(event) not like 'transaction.%'
      union all
      select array_to_string((string_to_array(\(event), '.'))[:words], '.') || '.*'
      from generate_series(1, cardinality(string_to_array(\(event), '.')) - 1) as words
    )::text[] collate "C"
    """
  }

  /// Makes deliveries of so many new events at most, and returns of how many, how many deliveries these are, and how many
  /// of the events are dropped, because the address they are for is too long.
  ///
  /// One dispatcher does so at a time: else one could take the first events of a webhook and another one those that were
  /// emitted later, and commit before it. The lock comes first, so that the second statement sees all that was committed
  /// under it. What is waited for depends on no client: each of these transactions ends by itself, and one that
  /// changes a webhook soon after its service has vanished.
  func fanOut(_ limit: Int) async throws -> (events: Int, deliveries: Int, dropped: Int) {
    let results = try await database.pipeline([
      Self.lockFanOut,
      Statement(sql: Self.fanOutSQL, parameters: [limit]),
    ])
    return try results[1].only((Int, Int, Int).self)
  }

  /// Makes deliveries of all new events.
  package func fanOut() async throws {
    while try await fanOut(Self.fanOutLimit.events).events > 0 {}
  }

  /// What is pending: how many, and for how many milliseconds the oldest is due of those whose webhook is not disabled.
  func backlog() async throws -> (count: Int, age: Int) {
    try await database.query(
      """
      select count(*), coalesce(extract(epoch from max(now() - since)) * 1000, 0)::bigint from (
        select case when webhook_id in (select id from transom.webhooks where disabled_at is null) then due_at end
        from transom.deliveries where status = 'pending'
        union all
        select created_at from transom.new_events) as pending (since)
      """
    ).only((Int, Int).self)
  }
}
