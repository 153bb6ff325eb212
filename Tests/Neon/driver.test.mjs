// What programs do with Neon's driver, against the service at ENDPOINT: `node --test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { neon, NeonDbError } from "./driver.mjs";

const { ENDPOINT, CONNECTION_STRING } = process.env;
const sql = neon(CONNECTION_STRING, ENDPOINT);
const failure = async (query) => {
  try {
    await query;
  } catch (error) {
    return error;
  }
  assert.fail("it should have failed");
};

test("parameters of JavaScript's types reach the server", async () => {
  const day = new Date(Date.UTC(2024, 1, 29, 12, 34, 56, 789));
  const bytes = Buffer.from([0, 1, 65, 255]);
  const [row] = await sql`select ${1}::int as i, ${9007199254740993n}::int8 as l, ${1.5}::float8 as f, ${true}::bool as b,
    ${null}::text as z, ${"it's \"\\é𝄞"} as s, ${{ a: [1, "x"] }}::jsonb as j, ${["a,b", 'c"\\', null]}::text[] as t,
    ${[[1, 2], [3, 4]]}::int[] as m, ${day}::timestamptz as d, ${bytes} as y`;
  assert.deepEqual(row, {
    i: 1, l: "9007199254740993", f: 1.5, b: true, z: null, s: "it's \"\\é𝄞", j: { a: [1, "x"] },
    t: '{"a,b","c\\"\\\\",NULL}', m: "{{1,2},{3,4}}", d: day, y: bytes,
  });
});

test("64 KiB of bytes come back", async () => {
  const bytes = Buffer.from(Array.from({ length: 65536 }, (_, index) => (index * 7) & 255));
  const [row] = await sql`select ${bytes} as y`;
  assert.deepEqual(row.y, bytes);
});

test("full results have fields, command and count", async () => {
  const result = await sql.query("select 'xyz' as str union all select $1 order by 1", ["abc"], { fullResults: true });
  assert.equal(result.command, "SELECT");
  assert.equal(result.rowCount, 2);
  assert.equal(result.rowAsArray, false);
  assert.deepEqual(result.rows, [{ str: "abc" }, { str: "xyz" }]);
  assert.deepEqual(result.fields, [{
    name: "str", tableID: 0, columnID: 0, dataTypeID: 25, dataTypeSize: -1, dataTypeModifier: -1, format: "text",
  }]);
  assert.deepEqual(await sql.query("select 1, 1", [], { arrayMode: true }), [[1, 1]]);
});

test("a transaction is all or nothing, with its options", async () => {
  await sql`create table driver (n int primary key)`;
  const levels = { ReadUncommitted: "read committed", ReadCommitted: "read committed", RepeatableRead: "repeatable read", Serializable: "serializable" };
  let next = 1;
  for (const [isolationLevel, name] of Object.entries(levels)) {
    const [, [level]] = await sql.transaction(
      (txn) => [txn`insert into driver values (${next++})`, txn`select current_setting('transaction_isolation') as level`],
      { isolationLevel });
    assert.equal(level.level, name);
    const error = await failure(sql.transaction(
      [sql`insert into driver values (${next + 100})`, sql`insert into driver values (1)`], { isolationLevel }));
    assert.equal(error.code, "23505");
  }
  assert.deepEqual(await sql`select n from driver order by n`, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
  assert.deepEqual(await sql.transaction([]), []);
  const refused = await failure(sql.transaction([sql`delete from driver`], { readOnly: true, deferrable: true }));
  assert.equal(refused.code, "25006");
});

test("an error is the driver's, with node-postgres's fields", async () => {
  const error = await failure(sql.query("select 123 where x"));
  assert.ok(error instanceof NeonDbError);
  assert.equal(error.message, 'column "x" does not exist');
  assert.deepEqual(
    [error.severity, error.code, error.position, error.file, error.routine],
    ["ERROR", "42703", "18", "parse_relation.c", "errorMissingColumn"]);
  assert.equal(error.detail, undefined);
});

test("too few or too many parameters are told in PostgreSQL's words", async () => {
  assert.match((await failure(sql.query("select $1", []))).message, /bind message supplies 0 parameters/);
  assert.match((await failure(sql.query("select $1", [1, 2]))).message, /bind message supplies 2 parameters/);
});

test("an aborted query ends on the server, too", async () => {
  const query = "select pg_sleep(60) as \"driver sleeps\"";
  const error = await failure(sql.query(query, [], { fetchOptions: { signal: AbortSignal.timeout(500) } }));
  assert.match(error.message, /aborted/);
  const deadline = Date.now() + 30_000;
  for (;;) {
    const [{ n }] = await sql`select count(*)::int as n from pg_stat_activity
      where state = 'active' and pid <> pg_backend_pid() and query like '%driver sleeps%'`;
    if (n === 0) break;
    assert.ok(Date.now() < deadline, "it still runs");
  }
  const signal = AbortSignal.timeout(30_000);
  assert.deepEqual(await sql.query("select pg_sleep(0.1)", [], { fetchOptions: { signal } }), [{ pg_sleep: "" }]);
});

test("many queries at once all get their own answers", async () => {
  const numbers = Array.from({ length: 200 }, (_, index) => index);
  const answers = await Promise.all(numbers.map((number) => sql`select ${number}::int as n`));
  assert.deepEqual(answers.map(([row]) => row.n), numbers);
});
