"""The workloads of LibraryBench in psycopg 3: how often, in which time, at what cost.

  psycopg_bench.py URL WORKLOAD SECONDS SCALE TASKS CONNECTIONS sync|async

One task has a connection of its own all the time; of several, each takes one from a pool each time.
"""
import asyncio
import json
import random
import resource
import sys
import time

import psycopg
import psycopg_pool

url, workload, seconds, scale, tasks, connections, kind = sys.argv[1:]
seconds, scale, tasks, connections = float(seconds), int(scale), int(tasks), int(connections)
SELECT = "select aid, abalance from pgbench_accounts where aid = %s"
ACCOUNT = "select abalance from pgbench_accounts where aid = %s"
MANY = "insert into pgbench_history (tid, bid, aid, delta) values (1, 1, %s, 0)"
SERIES = "select g, 'some text' from generate_series(1, 1000000) g"


def statements():
    """The statements of pgbench's TPC-B-like transaction."""
    aid, bid = random.randint(1, 100_000 * scale), random.randint(1, scale)
    tid, delta = random.randint(1, 10 * scale), random.randint(-5000, 5000)
    return [
        ("update pgbench_accounts set abalance = abalance + %s where aid = %s", (delta, aid)),
        (ACCOUNT, (aid,)),
        ("update pgbench_tellers set tbalance = tbalance + %s where tid = %s", (delta, tid)),
        ("update pgbench_branches set bbalance = bbalance + %s where bid = %s", (delta, bid)),
        ("insert into pgbench_history (tid, bid, aid, delta, mtime)"
         " values (%s, %s, %s, %s, current_timestamp)", (tid, bid, aid, delta)),
    ]


def perform(connection):
    if workload == "select":
        aid = random.randint(1, 100_000 * scale)
        (found, _), = connection.execute(SELECT, (aid,)).fetchall()
        assert found == aid
    elif workload == "atomic":
        with connection.transaction():
            for sql, values in statements():
                connection.execute(sql, values)
    elif workload == "atomic-pipeline":
        with connection.pipeline(), connection.transaction():
            cursors = [connection.execute(sql, values) for sql, values in statements()]
        assert all(cursor.rowcount == 1 for cursor in cursors)
    elif workload == "many":
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(MANY, [(n,) for n in range(1, 10_001)])
            assert cursor.rowcount == 10_000
    elif workload == "iterate":
        with connection.cursor() as cursor:
            assert sum(row[0] for row in cursor.stream(SERIES)) == 1_000_000 * 1_000_001 // 2


async def perform_async(connection):
    if workload == "select":
        aid = random.randint(1, 100_000 * scale)
        cursor = await connection.execute(SELECT, (aid,))
        (found, _), = await cursor.fetchall()
        assert found == aid
    elif workload == "atomic":
        async with connection.transaction():
            for sql, values in statements():
                await connection.execute(sql, values)
    elif workload == "atomic-pipeline":
        async with connection.pipeline(), connection.transaction():
            cursors = [await connection.execute(sql, values) for sql, values in statements()]
        assert all(cursor.rowcount == 1 for cursor in cursors)
    elif workload == "many":
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(MANY, [(n,) for n in range(1, 10_001)])
            assert cursor.rowcount == 10_000
    elif workload == "iterate":
        total = 0
        async with connection.cursor() as cursor:
            async for row in cursor.stream(SERIES):
                total += row[0]
        assert total == 1_000_000 * 1_000_001 // 2


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def report(count, start, before):
    print(json.dumps({"count": count, "seconds": time.monotonic() - start, "cpu": cpu() - before}))


def main():
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
        perform(connection)
        before, start, count = cpu(), time.monotonic(), 0
        while not count or time.monotonic() - start < seconds:
            perform(connection)
            count += 1
        report(count, start, before)


async def main_async():
    async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, prepare_threshold=0) as connection:
        await perform_async(connection)
        before, start, count = cpu(), time.monotonic(), 0
        while not count or time.monotonic() - start < seconds:
            await perform_async(connection)
            count += 1
        report(count, start, before)


async def main_pool():
    async with psycopg_pool.AsyncConnectionPool(
            url, min_size=connections, max_size=connections,
            kwargs={"autocommit": True, "prepare_threshold": 0}) as pool:

        async def work(end):
            count = 0
            while not count or time.monotonic() < end:
                async with pool.connection() as connection:
                    await perform_async(connection)
                count += 1
            return count

        async def all_tasks(end):
            return sum(await asyncio.gather(*(work(end) for _ in range(tasks))))

        await all_tasks(0)
        before, start = cpu(), time.monotonic()
        report(await all_tasks(start + seconds), start, before)


if kind == "sync":
    main()
elif tasks > 1:
    asyncio.run(main_pool())
else:
    asyncio.run(main_async())
