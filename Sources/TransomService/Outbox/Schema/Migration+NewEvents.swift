// Version 2: who emits inserts one row, of which the dispatcher makes the deliveries.
//
// The functions of version 1 stay, as replicas of both versions run at the same time: those of the first one call
// transom.on_commit(), transom.on_commit_to(), and transom.committed().
extension Migration {
  static let newEvents = [
    // What transactions have emitted, until a dispatcher has found the webhooks that take it: who emits pays for one row
    // and one small index, however many webhooks there are.
    """
    create table transom.new_events (
      seq bigint generated always as identity primary key,
      -- A UUID of version 7, made of one of version 4: its time in milliseconds comes first, so that ids ascend.
      id uuid not null default cast(
        lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
          || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14) as uuid),
      event text collate "C" not null,
      data jsonb not null,
      -- To one address, or to one webhook; else to all that take it.
      url text,
      webhook_id bigint,
      created_at timestamptz not null default clock_timestamp()
    )
    """,
    // What the service inserts into for `on_commit`. A request may have any role, which need not be allowed to emit: it is
    // the service that emits, so that the rights of the session's user count. There is nothing to be read here.
    //
    // What an event may be is said here for those who get around the service's own checks, and here only: the expressions
    // of constraints, of a table or a domain, are prepared anew for each row that is inserted alone, a view's are not.
    // That was a tenth of a small transaction.
    #"""
    create view transom.on_commit as
    select id, event, data, url from transom.new_events
    where has_table_privilege(session_user, 'transom.new_events'::regclass, 'insert')
      and length(event) <= 128 and event ~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$'
      -- jsonb may take six times as much as its text.
      and pg_column_size(data) <= 8388608
    with check option
    """#,
    "grant insert on transom.on_commit to public",
    // Events of both versions have no number in common: a replica of the first version counts on where it was, and what it
    // emits comes before all that is emitted as here.
    """
    select setval('transom.new_events_seq_seq', case when is_called then last_value + 1000000000 else 1 end, is_called)
    from transom.events_seq_seq
    """,
    #"""
    create or replace function transom.emit(event text, data jsonb) returns text
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare
      event_id uuid;
    begin
      if event is null or length(event) > 128 or event !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' then
        raise exception 'an event''s name is words of letters, digits, _ and -, joined by dots, and has at most 128 characters'
          using errcode = 'invalid_parameter_value';
      end if;
      if data is null or pg_column_size(data) > 1048576 then
        raise exception 'an event''s data are JSON of at most 1 MiB'
          using errcode = 'invalid_parameter_value';
      end if;
      if event ~ '^(transaction|webhook)\.' then
        raise exception 'events that begin with "transaction." or "webhook." are Transom''s own'
          using errcode = 'invalid_parameter_value';
      end if;
      insert into transom.new_events (event, data) values (event, data) returning id into event_id;
      return 'evt_' || replace(event_id::text, '-', '');
    end $$
    """#,
  ]
}
