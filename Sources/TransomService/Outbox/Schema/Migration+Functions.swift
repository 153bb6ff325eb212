// Version 1: the functions that emit events.
//
// They run with the rights of the schema's owner, so that who emits needs none on the tables; and with a search path
// that nobody else decides about (PostgreSQL manual, "CREATE FUNCTION", "Writing SECURITY DEFINER Functions Safely").
extension Migration {
  static let emitFunctions = [
    // Stores an event and its deliveries: to one webhook, or to all that take it. If none does, nothing is stored.
    // Its search path is its callers'.
    #"""
    create function transom.store(event_name text, event_data jsonb, target bigint) returns text
    language plpgsql volatile as $$
    declare
      -- Its time in milliseconds, so that ids ascend, and 76 bits of lots.
      event_id constant text := 'evt_'
        || lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
        || substr(replace(gen_random_uuid()::text, '-', ''), 13);
      event_seq constant bigint := nextval('transom.events_seq_seq');
      -- What takes the event: for a.b.c that is *, a.*, a.b.* and a.b.c. Events of Transom's own are no part of *.
      patterns text[] := case when event_name like 'transaction.%' then array[event_name]
        else array['*', event_name] end;
      parts text[];
      prefix text := '';
    begin
      if event_name is null or length(event_name) > 128
        or event_name !~ '^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$' then
        raise exception 'an event''s name is words of letters, digits, _ and -, joined by dots, and has at most 128 characters'
          using errcode = 'invalid_parameter_value';
      end if;
      if event_data is null or pg_column_size(event_data) > 1048576 then
        raise exception 'an event''s data are JSON of at most 1 MiB'
          using errcode = 'invalid_parameter_value';
      end if;
      if target is null then
        parts := string_to_array(event_name, '.');
        for index in 1 .. array_length(parts, 1) - 1 loop
          prefix := prefix || parts[index] || '.';
          patterns := patterns || (prefix || '*');
        end loop;
        insert into transom.deliveries (event_seq, webhook_id, is_ordered)
        select event_seq, w.id, w.is_ordered from transom.webhooks w
        where w.disabled_at is null and w.id in (
          select s.webhook_id from transom.subscriptions s
          where s.pattern = any (patterns collate "C"));
      else
        insert into transom.deliveries (event_seq, webhook_id, is_ordered)
        select event_seq, w.id, w.is_ordered from transom.webhooks w where w.id = target;
      end if;
      if found then
        insert into transom.events (seq, id, event, data) overriding system value
        values (event_seq, event_id, event_name, event_data);
      end if;
      return event_id;
    end $$
    """#,
    #"""
    create function transom.emit(event text, data jsonb) returns text
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      if event ~ '^(transaction|webhook)\.' then
        raise exception 'events that begin with "transaction." or "webhook." are Transom''s own'
          using errcode = 'invalid_parameter_value';
      end if;
      return transom.store(event, data, null);
    end $$
    """#,
    """
    comment on function transom.emit(text, jsonb) is
    'Emits an event to the webhooks that take it, once the transaction is committed. Returns its id.'
    """,
    "revoke all on function transom.store(text, jsonb, bigint) from public",
    // Who may emit is granted it: usage on the schema, execute on the function.
    "revoke all on function transom.emit(text, jsonb) from public",
  ]

  /// Lets nobody else use a function that everybody may call: the session's user must be one who owns it.
  private static func onlyForService(_ function: String) -> String {
    """
    if not pg_has_role(session_user, current_user, 'member') then
      raise exception 'permission denied for function \(function)'
        using errcode = 'insufficient_privilege';
    end if;
    """
  }

  /// What the service calls for `on_commit`. A request may have any role, which need not be allowed to emit: it is
  /// the service that emits, so that its own rights count, those of the session's user.
  static let serviceFunctions = [
    #"""
    create function transom.on_commit(event text, data jsonb) returns text
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      \#(onlyForService("on_commit"))
      return transom.store(event, data, null);
    end $$
    """#,
    // The built-in event of every commit.
    #"""
    create function transom.committed(database text, request_id text, statements int) returns text
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      \#(onlyForService("committed"))
      return transom.store(
        'transaction.committed',
        jsonb_build_object(
          'transaction_id', pg_current_xact_id()::text, 'database', database,
          'request_id', request_id, 'statements', statements),
        null);
    end $$
    """#,
    // To one address, whether a webhook is registered there or not.
    #"""
    create function transom.on_commit_to(url text, event text, data jsonb) returns text
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    #variable_conflict use_column
    declare
      target bigint;
    begin
      \#(onlyForService("on_commit_to"))
      select w.id into target from transom.webhooks w where w.is_ad_hoc and w.url = on_commit_to.url;
      if target is null then
        insert into transom.webhooks as w (url, is_ad_hoc) values (on_commit_to.url, true)
        on conflict (url) where is_ad_hoc do update set updated_at = now()
        returning w.id into target;
      end if;
      return transom.store(event, data, target);
    end $$
    """#,
    // Whoever connects as the service may call them, whatever role is set; nobody else gets past their check.
    "grant usage on schema transom to public",
    "grant execute on function transom.on_commit(text, jsonb) to public",
    "grant execute on function transom.committed(text, text, int) to public",
    "grant execute on function transom.on_commit_to(text, text, jsonb) to public",
  ]

  /// What the service calls at the end of a transaction with an Idempotency-Key, which may have any role by then.
  static let idempotencyFunctions = [
    #"""
    create function transom.keep_answer(key text, body bytea) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      \#(onlyForService("keep_answer"))
      -- Only this transaction sees a key without an answer.
      update transom.idempotency_keys k set body = keep_answer.body
      where k.key = keep_answer.key and k.body is null;
      if not found then
        raise exception 'the statements have taken the Idempotency-Key away'
          using errcode = 'object_not_in_prerequisite_state';
      end if;
    end $$
    """#,
    "grant execute on function transom.keep_answer(text, bytea) to public",
  ]
}
