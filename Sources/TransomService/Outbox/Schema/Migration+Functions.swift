// Version 1: the functions.
//
// They run with the rights of the schema's owner, so that who calls them needs none on the tables; and with a search path
// that nobody else decides about (PostgreSQL manual, "CREATE FUNCTION", "Writing SECURITY DEFINER Functions Safely").
extension Migration {
  static let emitFunctions = [
    #"""
    create function transom.emit(event text, data jsonb) returns text
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
    """
    comment on function transom.emit(text, jsonb) is
    'Emits an event to the webhooks that take it, once the transaction is committed. Returns its id.'
    """,
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
