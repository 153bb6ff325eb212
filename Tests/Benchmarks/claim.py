#!/usr/bin/env python3
"""The plan of the query by which the dispatcher claims deliveries, beside ten million that are delivered.

  python3 Tests/Benchmarks/claim.py --delivered 10000000

The tables are filled, and then a real service works on what is pending: auto_explain writes the plan of each statement as
the service sends it. Printed are the times of all claims, and the plan of the slowest of those after the first. The
receivers are refused (their addresses are not public), so that it is claims that take the time. Needs some 5 GB.
"""
import argparse
import re
import statistics
import time

from bench import HERE, Cluster, Transom, stop
from machine import end_with_signals

SETTINGS = {
    "session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on", "auto_explain.log_timing": "on", "log_min_messages": "log",
    "logging_collector": "on", "log_directory": "log", "log_filename": "plans", "log_rotation_size": "0",
    # As it is by default, but for what makes no difference to a plan.
    "autovacuum": "on", "log_checkpoints": "off", "log_autovacuum_min_duration": "-1"}
QUIET = "SET auto_explain.log_min_duration = -1; SET work_mem = '256MB'; "


def say(text):
    print(text, flush=True)


def fill(cluster, options):
    """As deliveries are after an attempt that succeeded."""
    cluster.sql(QUIET + f"""
        INSERT INTO transom.webhooks (url)
        SELECT 'http://127.0.0.1:9/' || n FROM generate_series(1, {options.webhooks}) n;
        INSERT INTO transom.subscriptions (pattern, webhook_id) SELECT 'kind.' || id, id FROM transom.webhooks""")
    step = 1_000_000
    for first in range(1, options.delivered + 1, step):
        last = min(first + step - 1, options.delivered)
        cluster.sql(QUIET + f"""
            INSERT INTO transom.events (seq, id, event, data, created_at) OVERRIDING SYSTEM VALUE
            SELECT n, 'evt_' || md5(n::text), 'kind.' || 1 + n % {options.webhooks}, jsonb_build_object('n', n), now()
            FROM generate_series({first}, {last}) n;
            INSERT INTO transom.deliveries (event_seq, webhook_id, status, is_ordered, finished_at, attempts)
            SELECT n, 1 + n % {options.webhooks}, 'delivered', n % 10 = 0, now(), array[
              '{{"status": 204, "duration_ms": 12, "answer": "", "ended_at": "2026-01-01T00:00:00.000Z"}}'::jsonb]
            FROM generate_series({first}, {last}) n""")
        say(f"{last:,} delivered")
    cluster.sql("VACUUM ANALYZE transom.events, transom.deliveries, transom.webhooks")
    # What is pending comes after the statistics were taken, as always.
    cluster.sql(QUIET + f"""
        SELECT setval('transom.new_events_seq_seq', {options.delivered});
        SELECT count(transom.emit('kind.' || 1 + n % {options.webhooks}, jsonb_build_object('n', n)))
        FROM generate_series(1, {options.pending}) n""")


def plans(cluster):
    """The claims that the log holds: how many milliseconds each took, and its plan."""
    text = (cluster.folder / "data" / "log" / "plans").read_text()
    for entry in re.split(r"^\d{4}-\d\d-\d\d [^\n]*?LOG: +", text, flags=re.M):
        found = re.match(r"duration: ([\d.]+) ms +plan:\n", entry)
        if found and "leased_by =" in entry and "with recursive pending" in entry:
            yield float(found[1]), entry[entry.index("\n\tUpdate on") + 1:].replace("\n\t", "\n").strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delivered", type=int, default=10_000_000)
    parser.add_argument("--pending", type=int, default=10_000)
    parser.add_argument("--webhooks", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10, help="for which the service works")
    parser.add_argument("--pool", type=int, default=4)
    parser.add_argument("--transom", default=str(HERE.parents[1] / ".build/release/transom"))
    options = parser.parse_args()
    options.conns = [1]
    end_with_signals()
    cluster = Cluster(1, SETTINGS)
    transom = Transom(options, cluster)
    try:
        # It installs the schema, and is stopped before there is anything to deliver.
        transom.start()
        stop(transom.process)
        fill(cluster, options)
        begin = time.monotonic()
        transom.start()
        time.sleep(max(0, begin + options.seconds - time.monotonic()))
        stop(transom.process)
        sizes = cluster.sql("""
            SELECT relname || ' ' || pg_size_pretty(pg_relation_size(oid)) FROM pg_class
            WHERE relname ~ '^deliveries' AND relkind IN ('r', 'i') ORDER BY pg_relation_size(oid) DESC""")
        say(sizes)
        claims = list(plans(cluster))
        times = sorted(time for time, _ in claims)
        say(f"\n{len(times)} claims: median {statistics.median(times):.2f} ms, longest {times[-1]:.2f} ms;"
            f" the first {claims[0][0]:.2f} ms. The longest but the first:\n")
        took, plan = max(claims[1:])
        say(f"{plan}\n\n{took:.2f} ms, with the time that measuring takes")
    finally:
        stop(transom.process)
        cluster.close()


if __name__ == "__main__":
    main()
