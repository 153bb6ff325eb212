#!/usr/bin/env python3
"""Measures the library TransomPostgres alone, beside psycopg 3, in interleaved rounds: one task with one connection, and
as many as a server has.

  make bench-library
  python3 Tests/Benchmarks/library.py --rounds 3 --seconds 3

psycopg 3 is its compiled form (`psycopg[binary]`), from PyPI, in a virtual environment in .build/bench; statements are
prepared. CPU is user and system time of the client's process. Ratios are medians of each round's own
ratio: compare them, not figures of different runs. The table is Markdown, on standard output.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from cluster import Cluster
from machine import Wrong, end_with_signals, run

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".build/bench"
SINGLE, SERVER = (1, 1), (32, 16)
"""Tasks and connections."""
WORKLOADS = {
    ("select", SINGLE): "one SELECT by key",
    ("atomic", SINGLE): "atomic block of five statements, one by one",
    ("atomic-pipeline", SINGLE): "atomic block of five statements, pipelined",
    ("many", SINGLE): "executeMany, 10,000 rows",
    ("iterate", SINGLE): "iteration over 1,000,000 rows",
    ("select", SERVER): "one SELECT by key, 32 tasks on 16 connections",
    ("atomic", SERVER): "atomic block of five statements, one by one, 32 tasks on 16 connections",
    ("atomic-pipeline", SERVER): "atomic block of five statements, pipelined, 32 tasks on 16 connections",
}
PSYCOPG = "3.3.9"
POOL = "3.3.3"


def python():
    """A Python that has psycopg 3."""
    environment = CACHE / "venv"
    interpreter = environment / "bin/python"
    if not interpreter.exists():
        run([sys.executable, "-m", "venv", environment])
    version = ("import psycopg, psycopg_pool;"
               f"assert (psycopg.__version__, psycopg_pool.__version__) == {(PSYCOPG, POOL)}")
    if subprocess.run([interpreter, "-c", version], capture_output=True, check=False).returncode:
        run([interpreter, "-m", "pip", "install", "-q", f"psycopg[binary]=={PSYCOPG}",
             f"psycopg-pool=={POOL}"])
    return interpreter


def measure(command):
    """What the command prints, and its largest resident memory in MiB."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise Wrong(f"{command[0]} ended with status {status}")
    return {**json.loads(said), "rss": usage.ru_maxrss / 1024}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="length of a measurement")
    parser.add_argument("--scale", type=int, default=5, help="pgbench's scale: 100,000 accounts each")
    parser.add_argument("--bench", default=CACHE / "library/release/LibraryBench")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s")
    if "--quick" in sys.argv:
        parser.set_defaults(rounds=1, seconds=1)
    options = parser.parse_args()
    interpreter = python()
    psycopg = [interpreter, HERE / "Library/psycopg_bench.py"]
    contestants = {
        "TransomPostgres": ([options.bench], []),
        "psycopg 3, async": (psycopg, ["async"]),
        "psycopg 3, sync": (psycopg, ["sync"]),
    }
    end_with_signals()
    cluster = Cluster(options.scale)
    results = {}
    try:
        for number in range(options.rounds):
            for workload in WORKLOADS:
                kind, (tasks, connections) = workload
                for name, (command, last) in contestants.items():
                    if tasks > 1 and last == ["sync"]:
                        continue
                    cluster.reset("w2")
                    got = measure([*command, cluster.url, kind, options.seconds, options.scale, tasks,
                                   connections, *last])
                    results.setdefault((workload, name), []).append(got)
                    print(f"round {number + 1} {kind:16} {tasks:2} {name:18} {got['count'] / got['seconds']:10.1f}/s"
                          f" {got['cpu'] / got['count'] * 1e6:12.0f} µs CPU {got['rss']:6.0f} MiB",
                          file=sys.stderr, flush=True)
    finally:
        cluster.close()
    print(f"{options.rounds} rounds of {options.seconds:g} s, {os.cpu_count()} cores, psycopg {PSYCOPG} (binary)"
          f" and psycopg_pool {POOL}.")
    for workload, title in WORKLOADS.items():
        print(f"\n**{title[0].upper()}{title[1:]}**\n")
        print("| | times/s | CPU of the client, µs each | per CPU second | memory, MiB | ÷ psycopg 3, async,"
              " per CPU second |\n| --- | ---: | ---: | ---: | ---: | ---: |")
        base = results[workload, "psycopg 3, async"]
        for name in contestants:
            if (workload, name) not in results:
                continue
            rounds = results[workload, name]
            middle = lambda figure: statistics.median(map(figure, rounds))
            ratio = statistics.median(
                (theirs["cpu"] / theirs["count"]) / (own["cpu"] / own["count"])
                for own, theirs in zip(rounds, base))
            cost = middle(lambda got: got["cpu"] / got["count"])
            print(f"| {name} | {middle(lambda got: got['count'] / got['seconds']):,.1f} | {cost * 1e6:,.0f} |"
                  f" {1 / cost:,.1f} | {middle(lambda got: got['rss']):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
