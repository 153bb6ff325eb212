// Version 1: what is stored.
//
// Why there are no foreign keys between deliveries, events and webhooks: each would lock the webhook's row in every
// transaction that emits, which all would wait for at once. What is left over is swept up with what is old.
extension Migration {
  static let webhookTables = [
    """
    create table transom.webhooks (
      id bigint generated always as identity primary key,
      url text not null,
      description text not null default '',
      -- Whether events are delivered one at a time, in the order in which they were emitted.
      is_ordered boolean not null default false,
      -- As stored by the service: sealed if it has a key. Null where nothing is signed.
      secret bytea,
      previous_secret bytea,
      previous_secret_expires_at timestamptz,
      -- A "url" of an on_commit hook: made by its first event, shown to nobody.
      is_ad_hoc boolean not null default false,
      disabled_at timestamptz,
      disabled_reason text,
      -- Since when no delivery succeeded, if one has failed.
      failing_since timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    )
    """,
    "create unique index webhooks_ad_hoc on transom.webhooks (url) where is_ad_hoc",
    // An event finds its webhooks by its own name and by each of its prefixes: however many webhooks there are.
    """
    create table transom.subscriptions (
      pattern text collate "C" not null,
      webhook_id bigint not null references transom.webhooks on delete cascade,
      primary key (pattern, webhook_id)
    )
    """,
    "create index subscriptions_of_webhook on transom.subscriptions (webhook_id)",
  ]

  static let deliveryTables = [
    """
    create table transom.events (
      seq bigint generated always as identity primary key,
      id text not null,
      event text not null,
      data jsonb not null,
      created_at timestamptz not null default clock_timestamp()
    )
    """,
    // A claim sets only what no index holds, so that it is a heap-only update where the page has room.
    """
    create table transom.deliveries (
      event_seq bigint not null,
      webhook_id bigint not null,
      status text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
      is_ordered boolean not null,
      -- When the next attempt may be made.
      due_at timestamptz not null default clock_timestamp(),
      -- The attempts that failed since the last one by hand.
      failures int not null default 0,
      -- Who is at it, and until when nobody else is.
      leased_by bigint,
      leased_until timestamptz,
      attempts jsonb[] not null default '{}',
      finished_at timestamptz,
      primary key (event_seq, webhook_id)
    ) with (fillfactor = 80)
    """,
    // What there is to do: as small as the backlog, however many deliveries have been made.
    """
    create index deliveries_due on transom.deliveries (webhook_id, due_at)
    where status = 'pending'
    """,
    """
    create index deliveries_in_order on transom.deliveries (webhook_id, event_seq)
    where status = 'pending' and is_ordered
    """,
    "create index deliveries_of_webhook on transom.deliveries (webhook_id, event_seq)",
    """
    create index deliveries_dead on transom.deliveries (webhook_id, event_seq)
    where status = 'dead'
    """,
  ]

  static let idempotencyTables = [
    """
    create table transom.idempotency_keys (
      key text collate "C" primary key,
      -- SHA-256 of the request's body.
      fingerprint bytea not null,
      -- The body of the answer; null only within the transaction that it answers.
      body bytea,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null
    )
    """,
    "create index idempotency_keys_expiry on transom.idempotency_keys (expires_at)",
  ]
}
