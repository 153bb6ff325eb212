internal import TransomPostgres

/// The SQL of the endpoints that manage webhooks. What is shown is written as JSON by PostgreSQL.
enum WebhookQueries {
  private static let webhookJSON: Statement = """
    json_build_object(
      'id', 'wh_' || w.id, 'url', w.url,
      'events', (select json_agg(s.pattern order by s.pattern) from transom.subscriptions s
        where s.webhook_id = w.id),
      'description', w.description, 'ordered', w.is_ordered, 'enabled', w.disabled_at is null,
      'disabled_reason', w.disabled_reason, 'failing_since', w.failing_since,
      'created_at', w.created_at, 'updated_at', w.updated_at)
    """

  static func webhook(_ id: Int) -> Statement {
    "select \(webhookJSON)::text from transom.webhooks w where w.id = \(id) and not w.is_ad_hoc"
  }

  static func list(after cursor: Int?, limit: Int) -> Statement {
    """
    with page as (
      select w.id, \(webhookJSON) as json from transom.webhooks w
      where not w.is_ad_hoc and w.id > \(cursor ?? 0) order by w.id limit \(limit)
    )
    select json_build_object(
      'webhooks', coalesce((select json_agg(json order by id) from page), '[]'),
      'next_cursor', (select max(id)::text from page having count(*) = \(limit)))::text
    """
  }

  static func insert(_ document: WebhookDocument, secret: [UInt8]) -> Statement {
    """
    insert into transom.webhooks (url, description, is_ordered, secret, disabled_at)
    values (\(document.url ?? ""), \(document.description ?? ""), \(document.isOrdered ?? false),
      \(secret), case when not \(document.isEnabled ?? true)::boolean then now() end)
    returning id
    """
  }

  static func update(_ id: Int, _ document: WebhookDocument) -> Statement {
    Statement(
      sql: """
        update transom.webhooks set
          url = coalesce($2::text, url), description = coalesce($3::text, description),
          is_ordered = coalesce($4::boolean, is_ordered),
          disabled_at = case $5::boolean when true then null when false
            then coalesce(disabled_at, now()) else disabled_at end,
          disabled_reason = case when $5::boolean then null else disabled_reason end,
          failing_since = case when $5::boolean then null else failing_since end,
          updated_at = now()
        where id = $1 and not is_ad_hoc
        """,
      parameters: [id, document.url, document.description, document.isOrdered, document.isEnabled])
  }

  static func subscribe(_ id: Int, _ patterns: [String]) -> Statement {
    """
    insert into transom.subscriptions (pattern, webhook_id)
    select p, \(id)::bigint from unnest(\(patterns)::text[]) as p on conflict do nothing
    """
  }

  static func unsubscribe(_ id: Int, except patterns: [String]) -> Statement {
    """
    delete from transom.subscriptions where webhook_id = \(id) and pattern <> all (\(patterns)::text[])
    """
  }

  static func order(_ id: Int, _ isOrdered: Bool) -> Statement {
    """
    update transom.deliveries set is_ordered = \(isOrdered)
    where webhook_id = \(id) and status = 'pending' and is_ordered <> \(isOrdered)
    """
  }

  /// What has been delivered is left to the sweep, as there may be much of it.
  static func delete(_ id: Int) -> [Statement] {
    [
      "delete from transom.webhooks where id = \(id) and not is_ad_hoc",
      """
      delete from transom.deliveries d where d.webhook_id = \(id) and d.status = 'pending'
        and not exists (select from transom.webhooks w where w.id = d.webhook_id)
      """,
    ]
  }

  static func rotate(_ id: Int, secret: [UInt8]) -> Statement {
    """
    update transom.webhooks set secret = \(secret), previous_secret = secret,
      previous_secret_expires_at = now() + interval '24 hours', updated_at = now()
    where id = \(id) and not is_ad_hoc
    """
  }

  static func test(_ id: Int) -> Statement {
    """
    insert into transom.new_events (event, data, webhook_id)
    select 'webhook.test', '{}', w.id from transom.webhooks w where w.id = \(id) and not w.is_ad_hoc
    returning json_build_object('event', json_build_object(
      'id', \(unescaped: Outbox.messageID("id")), 'event', event))::text
    """
  }

  // MARK: Deliveries

  private static let deliveryFields: Statement = """
    'id', 'dlv_' || d.event_seq || '_' || d.webhook_id,
    'event', json_build_object('id', e.id, 'event', e.event), 'status', d.status,
    'attempt_count', cardinality(d.attempts),
    'next_attempt_at', case when d.status = 'pending' then d.due_at end,
    'created_at', e.created_at, 'finished_at', d.finished_at
    """

  static func deliveries(
    of id: Int, status: String?, before cursor: Int?, limit: Int
  ) -> Statement {
    // Spelled out, so that the planner sees which index there is for it; and one of three words.
    let filter = status.map { " and d.status = '\($0)'" } ?? ""
    return """
      with page as (
        select d.event_seq, json_build_object(\(deliveryFields)) as json
        from transom.deliveries d join transom.events e on e.seq = d.event_seq
        where d.webhook_id = \(id) and d.event_seq < \(cursor ?? Int.max)\(unescaped: filter)
        order by d.event_seq desc limit \(limit)
      )
      select json_build_object(
        'deliveries', coalesce((select json_agg(json order by event_seq desc) from page), '[]'),
        'next_cursor', (select min(event_seq)::text from page having count(*) = \(limit)))::text
      """
  }

  static func delivery(_ id: Delivery.ID) -> Statement {
    """
    select json_build_object(\(deliveryFields), 'data', e.data, 'attempts', to_json(d.attempts))::text
    from transom.deliveries d join transom.events e on e.seq = d.event_seq
    where d.event_seq = \(id.event) and d.webhook_id = \(id.webhook)
    """
  }

  /// One that is on its way now is left alone.
  static func redeliver(_ id: Delivery.ID) -> Statement {
    """
    update transom.deliveries set status = 'pending', due_at = clock_timestamp(), failures = 0,
      finished_at = null, leased_by = null, leased_until = null
    where event_seq = \(id.event) and webhook_id = \(id.webhook)
      and (status <> 'pending' or leased_until is null or leased_until < now())
    """
  }

  static func redeliverAll(_ id: Int, since: String) -> Statement {
    """
    update transom.deliveries d set status = 'pending', due_at = clock_timestamp(), failures = 0,
      finished_at = null, leased_by = null, leased_until = null
    from transom.events e
    where e.seq = d.event_seq and d.webhook_id = \(id) and e.created_at >= \(since)::timestamptz
      and (d.status = 'dead' or d.status = 'pending' and d.failures > 0
        and (d.leased_until is null or d.leased_until < now()))
    """
  }
}
