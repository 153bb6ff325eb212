import Testing

@testable import TransomPostgres

struct SessionFootprintTests {
  @Test(arguments: [
    "select 1", " \n\tSELECT * from template where tempo > 1", "insert into t values ($1)",
    "with a as (select 1) update t set n = 1", "delete from t", "values (1)", "table t",
    "select set_config('a.b', $1, true)", "select set_config($1, $2, TRUE )",
    "select set_config('a', f(')', 1), true), now()", "select pg_advisory_xact_lock(1)",
    "select pg_try_advisory_xact_lock(1)", "select count(*), now(), current_setting('a')",
    #"select set_config('a', '{"b": "--", "c": "$$/*"}', true)"#,
    "with a as (insert into t values (1) returning n) select * from a",
    "/* app:web */ insert into t values (1) on conflict do nothing", "--x\rselect 1",
    " /* /* set */ a = */\t-- b\n/**/select 1",
    "merge into t using u on t.n = u.n when matched then delete",
  ])
  func `a query that only reads and changes rows leaves nothing`(_ sql: String) {
    #expect(SessionFootprint(of: sql) == [])
  }

  @Test(arguments: [
    ("insert into t values (1)", true), ("alter table t add n int", true),
    ("set local lock_timeout = '5s'", true), ("lock table t", true),
    ("create temp table t (n int)", true), ("commit", false), ("begin", false), ("call p()", false),
    ("do $$ begin commit; end $$", false), ("execute p", false), ("prepare transaction 'a'", false),
    ("select pg_advisory_lock(1)", false), ("vacuum t", false), (";set a = 1", false), ("", false),
    ("create table t as select dblink_exec('x')", false), ("select U&\"f\"()", false),
    ("refresh materialized view v", true), ("fetch 10 from c", false),
    ("create index concurrently i on t (n)", false), ("drop database d", false), ("end", false),
    ("rollback", false),
  ])
  func `what is known to be undone with its transaction can be done again`(
    _ sql: String, _ isUndone: Bool
  ) {
    #expect(SessionFootprint.isUndone(sql) == isUndone)
  }

  @Test(arguments: [
    "set a.b = 'c'", "SET ROLE x", "create temp table t (n int)", "listen x",
    "call p()",
    "declare c cursor with hold for select 1", "", ";", "-- select\nset a = 1", "/* */ set a = 1",
    "(select set_config('a', 'b', false))", "select set_config('a', 'b', false)",
    "select set_config('a', 'b', $1)", "select set_config('a', 'true', false), true",
    "select SET_CONFIG('a', 'b', false)", "select pg_advisory_lock(1)",
    "select pg_try_advisory_lock_shared(1)", "select 1 into temp t", "select setseed(0.5)",
    "select dblink_connect('x')", "select set_config('a', 'b', true), set_config('a', 'b', false)",
    "/* select 1", "-- select 1", "/* */* select 1", "/*/ select */set a = 1",
    "select 1 as n into t", "with a as (select 1 as n) select n into t from a",
    "update pg_settings set setting = 'on' where name = 'a'",
    "select set_config('a', 'b', false is true)", "select set_config('a', 'b', not true)",
    "select set_config('a', 'b', false -- , true\n)",
    "select set_config('a', 'b', false /*, true*/)",
    #"select set_config('a', E'\'', false), ' , true) '"#,
    "select set_config('a', $$'$$, false), $$ , true)$$",
    "select set_config('a', 'b', is_local => true)",
    #"select set_config('a', "'", false), "', true)""#,
  ])
  func `what may leave something in the session is found`(_ sql: String) {
    #expect(SessionFootprint(of: sql) == .state)
    #expect(!SessionFootprint(of: sql).cleanUp.contains("DEALLOCATE ALL"))
  }

  @Test(arguments: [
    "prepare x as select 1", "DEALLOCATE ALL", "discard all", "/**/prepare x as select 1",
    "do $$ $$", "select query_to_xml('pre' || 'pare x as select 1', true, true, '')",
    "select nextval('s'), QUERY_TO_XML_AND_XMLSCHEMA($1, true, true, '')", "(select ts_stat($1))",
    #"select U&"\0073et_config"('a', 'b', false)"#, #"select u&"q" from t"#,
    "/* x */ do $$ begin execute 'deallo' || 'cate transom_1'; end $$", "select pg_temp.f()",
    "-- a\ndo $$ $$", "; /* x */ do $$ $$", "select 1 as n into pg_temp.t",
    #"insert into "pg_temp_3".t values (1)"#,
  ])
  func `what touches prepared statements makes all of them unknown`(_ sql: String) {
    #expect(SessionFootprint(of: sql) == [.state, .preparedStatements])
    #expect(SessionFootprint(of: sql).cleanUp.last == "DEALLOCATE ALL")
  }
}
