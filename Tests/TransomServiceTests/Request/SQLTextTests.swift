import Testing
import TransomService

/// Why a statement is refused; nil if it is not.
func refusal(of sql: String) -> SQLRefusal? {
  do {
    _ = try SQLText(sql)
    return nil
  } catch {
    return error
  }
}

@Suite struct SQLTextTests {
  @Test(arguments: [
    "select n from t where n = $1",
    "SELECT count(*), Max(n) from t where n in (1, 2) and exists (select)",
    "select (a).b, array[f[1]], 'f(x)', $$f(x)$$, \"f\" from t -- f(x)\n", "values (1), (2)",
    "table t",
    "select cast(n as numeric(10, 2)), 1::varchar(3) from (select 1) t where (n) > (2)",
    "select sum(n) filter (where n > 0) over (order by n) from t limit (1)",
    #"select n ~ '\d(x)', lower('\') from t"#,
  ])
  func `a query without functions of one's own stores nothing`(_ sql: String) throws {
    #expect(try SQLText(sql).kind == .reads)
  }

  @Test(arguments: [
    "select f()", "select f (1)", "select 1 from t where g(n)", "select \"F\"(1)",
    "select \"count\"(1)",
    "select own.count(n) from t", "select nextval('s')", "values (f(1))",
    "select * from f /* */ ()",
    "select count(f(n)) from t", "select é(1)", "select U&\"f\"(1)",
    "select U&\"!0066\" UESCAPE '!' (1)",
    // With `standard_conforming_strings` on, and off.
    #"select 'a\', f('b')"#, #"select 'a\'', f('b') --'"#, #"with a as (select 'b\'', f('c') --')"#,
  ])
  func `a query that calls a function of one's own may store something`(_ sql: String) throws {
    #expect(try SQLText(sql).kind == .changes)
    #expect(try SQLText(sql).isQuery)
  }

  @Test(arguments: [
    "select 1 as n into t", "SELECT n INTO TEMP t from u", "select f(1) as n into t",
    "with a as (select 1 as n) select n into t from a", "select 1 as insert into t",
    "select merge into t from u",
    "with a as (insert into u values (1) returning n) select n into t from a",
    #"select 'a\'' into t --'"#,
  ])
  func `a query that makes a table is none`(_ sql: String) throws {
    #expect(try SQLText(sql).kind == .defines)
  }

  @Test(arguments: [
    ("select 'into', \"into\" from t -- into", SQLText.Kind.reads),
    ("with a as (insert /**/ into t values (1) returning n) select n from a", .changes),
    ("with a as (select 1) merge into t using a on true when matched then delete", .changes),
  ])
  func `not every INTO makes a table`(_ sql: String, _ kind: SQLText.Kind) throws {
    #expect(try SQLText(sql).kind == kind)
  }

  @Test(arguments: [
    ("BEGIN", "BEGIN"), ("begin isolation level serializable", "BEGIN"), ("Start", "START"),
    ("START TRANSACTION", "START"), ("commit;", "COMMIT"), ("COMMIT AND CHAIN", "COMMIT"),
    ("COMMIT PREPARED 'x'", "COMMIT"), ("end", "END"), ("ROLLBACK", "ROLLBACK"),
    ("rollback to savepoint a", "ROLLBACK"), ("ROLLBACK PREPARED 'x'", "ROLLBACK"),
    ("ABORT", "ABORT"), ("SAVEPOINT a", "SAVEPOINT"), ("savepoint\"a\"", "SAVEPOINT"),
    ("release a", "RELEASE"), ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
    ("prepare/**/transaction $$x$$", "PREPARE TRANSACTION"),
    ("PREPARE TRANSACTION E'x'", "PREPARE TRANSACTION"),
    ("PREPARE TRANSACTION", "PREPARE TRANSACTION"),
  ])
  func `transaction control is refused`(_ sql: String, _ command: String) {
    #expect(refusal(of: sql) == .transactionControl(command))
  }

  @Test(arguments: [
    "", " ", "\t\n\r\u{0C}\u{0B}", ";", ";;", " ; ;\n", "--\n", "--\r", "-- commit\n", "/**/",
    "/***/", "/* /* */ */", "/*/**/*/", "/* ' */", "/* -- */", "--/*\n", "/*\n--*/", "/* \" $$ */",
    ";--;\n/*;*/;", "/*/*/**/*/*/", "--é\r", "/*é*/", "/****/--*/\n",
  ])
  func `nothing before the command hides it`(_ prefix: String) {
    #expect(refusal(of: prefix + "CoMmIt") == .transactionControl("COMMIT"))
    #expect(refusal(of: prefix + "copy t from stdin") == .clientCopy)
    #expect(refusal(of: prefix + "select 1") == nil)
    #expect(refusal(of: prefix) == nil)
  }

  @Test(arguments: [
    "select 1", "INSERT INTO t VALUES ('commit')", "\"commit\"", "U&\"commit\"", "'commit'",
    "commits", "commit_", "commit1", "commit$", "commité", "écommit", "\u{A0}commit", "(commit)",
    "select 1; commit", "/* commit", "/* /* */ commit", "-- commit", "e", "be",
    "SET TRANSACTION READ ONLY",
    "set session characteristics as transaction read only", "PREPARE p AS SELECT 1", "PREPARE",
    "PREPARE transaction AS SELECT 1", "prepare transaction (int) as select $1",
    "PREPARE \"transaction\" AS SELECT 1", "PREPARE transactions AS SELECT 1", "DEALLOCATE ALL",
    "EXPLAIN SELECT 1", "DO $$ begin commit; end $$", "DISCARD TEMP", "-", "/", "+commit", "$1",
    "\u{0}commit", "1commit", "E'", "U&", "U&'", "$x", "$x$", "\"", "'", "/*", "*/commit",
  ])
  func `everything else is PostgreSQL's to judge`(_ sql: String) {
    #expect(refusal(of: sql) == nil)
  }

  @Test(arguments: [
    "COPY t FROM STDIN", "copy t to stdout", "COPY t FROM STDOUT", "COPY t TO STDIN",
    "COPY t(a,b)FROM/**/STDIN", "copy\"t\"from stdin", "COPY public.t FROM STDIN WITH (FORMAT csv)",
    "COPY public.from FROM STDIN", "COPY public . /**/ \"to\" . to TO STDOUT",
    "COPY BINARY t FROM STDIN",
    "COPY t (\"from 'x'\") FROM STDIN", "COPY U&\"t\" FROM STDIN", "COPY (select 1) TO STDOUT",
    "COPY (select '('from t) TO STDOUT", "COPY (select ') to ''x'' --') TO STDOUT",
    "COPY (select E'\\') to ''x'' --') TO STDOUT", "COPY (select $$) to 'x'$$) TO STDOUT",
    "COPY (select $a$ $$ $b$ ) to 'x' $a$) TO STDOUT",
    "COPY (select a$$ from t) TO STDOUT --$$) to 'x'",
    "COPY (select E'a'\n'\\') to ''x''') TO STDOUT",
    "COPY (select E'a'--\n '\\') to ''x''') TO STDOUT",
    "COPY (select b'1'--'\n) TO STDOUT", "COPY (select n'\\') TO STDOUT --') to 'x'",
    "COPY (select '\\') TO STDOUT --') to 'x'", "COPY (select '\\'') to ''x'' --') TO STDOUT",
    "COPY (select U&'\\') TO STDOUT --') to 'x'", "COPY (select ((1))) TO STDOUT",
    "COPY (select a[1] from t) TO STDOUT", "COPY (select 1 /* ) to 'x' */) TO STDOUT",
    "COPY (select 1 -- ) to 'x'\n) TO STDOUT", "COPY (select 1+/* ) to 'x' */1) TO STDOUT",
    "COPY t FROM /*'x'*/ STDIN", "COPY t FROM --'x'\nSTDIN", "COPY t FROM PROGRAM STDIN",
    "COPY t FROM \"STDIN\"", "COPY t FROM", "COPY t", "COPY", "COPY t)) FROM 'x'", "COPY (t",
    "COPY t TO n'x'",
    "COPY t TO b'1'", "COPY t TO $1", "COPY t TO /*", "COPY t.'x' TO STDOUT",
  ])
  func `COPY from or to the client is refused in every disguise`(_ sql: String) {
    #expect(refusal(of: sql) == .clientCopy)
  }

  @Test(arguments: [
    "COPY t FROM '/data/t.csv'", "copy t to'/data/t.csv'with(format csv)",
    "COPY t FROM PROGRAM 'zcat x'",
    "COPY (select 1) TO '/data/x'", "COPY (select ')') TO PROGRAM $$cat$$",
    "COPY t(a, b) FROM E'/d\\'t'",
    "COPY public.from FROM 'x'", "COPY \"to\" TO $q$x$q$", "COPY t TO U&'x'", "COPY t TO ''",
    "COPY (select 'it''s (') TO 'x'", "COPY (select E'\\'(') TO 'x'", "COPY t FROM -- STDIN\n'x'",
    "COPY t FROM 'x' WHERE a = 'stdin'", "COPY stdin TO 'x'", "COPY t (stdin) FROM 'x'",
    "COPY (select $a$)$b$)$a$) TO 'x'", "COPY (select U&\"a)\" from t) TO 'x'",
  ])
  func `COPY from or to the server's files passes`(_ sql: String) {
    #expect(refusal(of: sql) == nil)
  }

  @Test func `a statement's length costs no more than its length`() {
    let million = 1 << 20
    for unit in ["/*", "--\n", ";", " ", "(", "$a", "'", "''", "$", "\"", "E'\\", "'\n", "*/"] {
      let many = String(repeating: unit, count: million / unit.utf8.count)
      _ = refusal(of: many)
      #expect(refusal(of: "copy (" + many) == .clientCopy)
    }
  }
}
