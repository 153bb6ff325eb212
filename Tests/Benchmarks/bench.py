#!/usr/bin/env python3
"""Measures Transom against pgbench on a private PostgreSQL, in interleaved rounds. Needs wrk.

  make bench ARGS="--quick"
  python3 Tests/Benchmarks/bench.py --rounds 5 --workloads w2 --conns 32

Each round begins with another contestant.

W1 one SELECT by key · W2 TPC-B-like, five statements · W3 ten inserts in three nested groups, one of
which fails and continues · W4 1,000 rows x 6 columns. `pgbench` sends a statement and waits for its
answer, `pgbench-pipe` sends BEGIN … COMMIT as one pipeline. Ratios are medians of each round's own
ratio: compare them, not figures of different runs. The table is Markdown, on standard output.
"""
import argparse
import fcntl
import http.client
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster import Cluster
from machine import Meter, Wrong, end_with_signals, free_port, processes, stop

HERE = Path(__file__).resolve().parent
WORKLOADS = {
    "w1": "W1: one SELECT by key",
    "w2": "W2: TPC-B-like, five statements",
    "w3": "W3: ten inserts, three nested groups, one fails and continues",
    "w4": "W4: 1,000 rows x 6 columns",
}


def say(text):
    print(text, file=sys.stderr, flush=True)


# ----------------------------------------------------------------------------------- contestants
class PgBench:
    workloads = list(WORKLOADS)

    def __init__(self, name, options, cluster):
        self.name, self.options, self.cluster = name, options, cluster
        self.conns = [options.pool]

    def script(self, workload):
        text = (HERE / "workloads" / f"{workload}.sql").read_text()
        if self.name == "pgbench":
            return text
        lines = text.splitlines()
        head = [line for line in lines if line.startswith(("\\", "--"))]
        body = [line for line in lines if line not in head]
        if body[0] != "BEGIN;":
            body = ["BEGIN;", *body, "COMMIT;"]
        return "\n".join([*head, "\\startpipeline", *body, "\\endpipeline", ""])

    def measure(self, workload, conns):
        cluster, options = self.cluster, self.options
        cluster.reset(workload)
        before = cluster.sums(workload)
        idle = cluster.process_count
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "script.sql")
            script.write_text(self.script(workload))
            process = subprocess.Popen(
                [cluster.tool("pgbench"), "-n", "-M", "prepared", "-c", str(conns),
                 "-j", str(os.cpu_count()), "-T", str(options.seconds), "-f", script,
                 "-D", f"scale={cluster.scale}", "-l", "--sampling-rate=0.1", *cluster.where, "postgres"],
                cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            meter = Meter(cluster.process.pid)
            said, errors = process.stdout.read(), process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
            if status:
                raise Wrong(f"pgbench: {errors[-400:]}")
            own = usage.ru_utime + usage.ru_stime
            cluster.wait_for_process_count(idle)
            (server,), noise = meter.read(own)
            times = sorted(int(line.split()[2]) / 1000 for log in Path(folder).glob("pgbench_log*")
                           for line in log.open())
        count = int(re.search(r"actually processed: (\d+)", said)[1])
        cluster.check(workload, before, count)
        return {"tps": float(re.search(r"^tps = ([\d.]+)", said, re.M)[1]),
                "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100],
                "cpu": own / count * 1e6, "pg": server / count * 1e6, "rss": 0, "noise": noise}


class Transom:
    name = "transom"
    launcher = []
    arguments = []
    patience = 20
    """Seconds until it is ready."""
    workloads = list(WORKLOADS)
    path = "/transactions"
    headers = {"Content-Type": "application/json"}
    environment = {}
    process = None

    def __init__(self, options, cluster):
        self.options, self.cluster, self.conns = options, cluster, options.conns
        self.log = cluster.folder / "transom.log"

    def start(self):
        try:
            self.launch()
        except BaseException:
            stop(self.process)
            raise

    def launch(self):
        self.port = free_port()
        command = [*self.launcher, self.options.transom, "serve", "--listen", f"127.0.0.1:{self.port}",
                   "--database-url", self.cluster.url, "--pool-size", str(self.options.pool),
                   *self.arguments]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + self.patience
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise Wrong(f"{' '.join(command)} did not get ready: {self.log.read_text()[-600:]}")

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, self.headers)
            answer = connection.getresponse()
            body = answer.read()
            fields = sum(len(f"{name}: {value}\r\n") for name, value in answer.getheaders())
            self.answer_size = len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n\r\n") + fields + len(body)
            return answer.status, body
        finally:
            connection.close()

    def try_once(self, workload):
        """One request whose answer is looked at: load alone would not notice nonsense."""
        aid = random.randint(1, 100_000 * self.cluster.scale)
        values = {"aid": aid, "bid": 1, "tid": 1, "delta": 0, "ref": 1, "from": 9500}
        text = self.body(workload).read_text()
        body = re.sub(r"\{\{(\w+)\}\}", lambda match: str(values[match[1]]), text)
        status, answer = self.call("POST", self.path, body)
        if status != 200:
            raise Wrong(f"{workload}: status {status}: {answer[:400]}")
        self.check(workload, json.loads(answer), aid)
        return self.answer_size

    def load_each(self, seconds):
        """One workload after the other, for who looks at what the service does meanwhile."""
        for workload in self.workloads:
            self.cluster.reset(workload)
            measured, _ = self.load(workload, self.conns[0], seconds)
            say(f"{workload}: {measured['requests']} requests")

    def body(self, workload):
        return HERE / "workloads" / f"{workload}.json"

    def check(self, workload, answer, aid):
        results = answer["results"]
        wanted = {
            "w1": lambda: results[0]["rows"] == [{"abalance": self.balance(aid)}],
            "w2": lambda: ([r["row_count"] for r in results] == [1, 1, 1, 1, 1]
                           and results[1]["rows"] == [{"abalance": self.balance(aid)}]),
            "w3": lambda: (results[2]["results"][3]["savepoint"] == "rolled_back"
                           and results[2]["results"][3]["error"]["sqlstate"] == "23505"
                           and results[2]["savepoint"] == results[3]["savepoint"] == "released"),
            "w4": lambda: results[0]["rows"] == json.loads(self.cluster.sql(
                "SELECT json_agg(row) FROM (SELECT * FROM w4 WHERE id > 9500 ORDER BY id LIMIT 1000) row")),
        }
        if answer["status"] != "committed" or not wanted[workload]():
            raise Wrong(f"{workload}: wrong answer: {str(answer)[:600]}")

    def balance(self, aid):
        return int(self.cluster.sql(f"SELECT abalance FROM pgbench_accounts WHERE aid = {aid}"))

    def load(self, workload, conns, seconds):
        result = self.cluster.folder / "wrk.json"
        process = subprocess.Popen(
            ["wrk", "-t1", f"-c{conns}", f"-d{seconds}s", "--timeout", "20s", "-s", HERE / "post.lua",
             f"http://127.0.0.1:{self.port}{self.path}", "--", self.body(workload), str(self.cluster.scale)],
            env=dict(os.environ, WRK_RESULT=str(result), **self.environment), stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        if status:
            raise Wrong("wrk failed")
        measured = json.loads(result.read_text())
        if measured["failures"]:
            raise Wrong(f"{workload}: {measured['failures']} of {measured['requests']} answers failed")
        return measured, usage.ru_utime + usage.ru_stime

    def measure(self, workload, conns):
        cluster = self.cluster
        cluster.reset(workload)
        self.start()
        try:
            size = self.try_once(workload)
            before = cluster.sums(workload)
            warm, _ = self.load(workload, conns, 1)
            meter = Meter(self.process.pid, cluster.process.pid)
            got, load = self.load(workload, conns, self.options.seconds)
            (own, server), noise = meter.read(load)
            rss = sum(size for _, _, size in processes(self.process.pid))
            self.settle()
            count = got["requests"]
            cluster.check(workload, before, warm["requests"] + count, on_the_way=2 * conns)
            # A number may have some digits more or less; what is still on its way in the end counts, too.
            each = got["bytes"] / count
            if abs(each - size) > max(8, size // 20 if size > 10_000 else 0):
                raise Wrong(f"{workload}: {each:.0f} bytes an answer, where one that is right has {size}")
        finally:
            stop(self.process)
        return {"tps": count / got["seconds"], "p50": got["p50"], "p99": got["p99"],
                "cpu": own / count * 1e6, "pg": server / count * 1e6, "rss": rss / 2**20,
                "noise": noise}

    def settle(self):
        """Until what was on its way when wrk hung up is done."""
        deadline = time.monotonic() + 5
        busy = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()"
        while self.cluster.sql(busy + " AND backend_type = 'client backend'") != "0":
            if time.monotonic() > deadline:
                raise Wrong("the service still works 5 s after the load")
            time.sleep(0.02)


class TransomSQL(Transom):
    """The same through POST /sql, as Neon's driver does it."""
    name = "transom-sql"
    workloads = ["w1", "w2"]
    path = "/sql"
    headers = {
        "Neon-Raw-Text-Output": "true", "Neon-Array-Mode": "true",
        "Neon-Connection-String": "postgresql://bench:bench@localhost/default"}
    environment = {"WRK_NEON": "1"}

    def body(self, workload):
        text = super().body(workload).read_text().replace('"sql"', '"query"')
        text = text.strip().removeprefix('{"statements":[').removesuffix("]}").strip()
        body = self.cluster.folder / f"{workload}-sql.json"
        body.write_text(text if workload == "w1" else f'{{"queries":[{text}]}}')
        return body

    def check(self, workload, answer, aid):
        balance = self.cluster.sql(f"SELECT abalance FROM pgbench_accounts WHERE aid = {aid}")
        results = [answer] if workload == "w1" else answer["results"]
        if ([r["rowCount"] for r in results] != [1] * len(results)
                or results[0 if workload == "w1" else 1]["rows"] != [[balance]]):
            raise Wrong(f"{workload}: wrong answer: {str(answer)[:600]}")


# ---------------------------------------------------------------------------------------- results
def table(results, case, contestants):
    """Medians over the rounds, and the median of each round's ratio."""
    mode, workload = case
    lines = [f"\n### {WORKLOADS[workload]}, fsync {mode}\n",
             "| | clients | transactions/s | p50 ms | p99 ms | CPU µs/request | PostgreSQL µs | RSS MiB |"
             " ÷ pgbench | ÷ pgbench-pipe | noise |",
             "| --- " + "| ---: " * 10 + "|"]
    for contestant in contestants:
        for conns in contestant.conns:
            rounds = results.get((case, contestant.name, conns))
            if not rounds:
                continue
            middle = {key: statistics.median(r[key] for r in rounds.values())
                      for key in next(iter(rounds.values()))}
            ratios = []
            for base in contestants[:2]:
                other = results.get((case, base.name, base.conns[0]), {})
                both = [r["tps"] / other[i]["tps"] for i, r in rounds.items() if i in other]
                ratios.append(f"{statistics.median(both):.2f}" if both else "-")
            lines.append(
                "| {} | {} | {tps:,.0f} | {p50:.2f} | {p99:.2f} | {cpu:.0f} | {pg:.0f} | {} | {} | {}"
                " | {noise:.0%} |".format(
                    contestant.name, conns, f"{middle['rss']:.0f}" if middle["rss"] else "-", *ratios,
                    **middle))
    return "\n".join(lines)


def measure_all(options, cluster):
    contestants = [PgBench(name, options, cluster) for name in ("pgbench", "pgbench-pipe")]
    if not options.without_transom:
        contestants.append(Transom(options, cluster))
        if options.neon:
            contestants.append(TransomSQL(options, cluster))
    cases = [(mode, workload) for mode in options.fsync for workload in options.workloads
             if mode == "off" or workload in ("w2", "w3")]
    results, failures = {}, []
    # Whoever came first would meet tables that are as new, and pages that have no room for another version of a row.
    for workload in options.workloads:
        contestants[1].measure(workload, options.pool)
    for number in range(options.rounds):
        first = number % len(contestants)
        for case in cases:
            cluster.durable(case[0] == "on")
            for contestant in [*contestants[first:], *contestants[:first]]:
                if case[1] not in contestant.workloads:
                    continue
                for conns in contestant.conns:
                    try:
                        got = contestant.measure(case[1], conns)
                    except (Wrong, OSError, LookupError, ValueError, TypeError) as error:
                        failures.append(f"round {number + 1}, fsync {case[0]}, {case[1]}, {contestant.name},"
                                        f" {conns} clients: {type(error).__name__}: {error}")
                        say("FAILED " + failures[-1])
                        continue
                    results.setdefault((case, contestant.name, conns), {})[number] = got
                    say("round {} fsync {:3} {} {:12} {:4} clients {tps:9,.0f}/s p99 {p99:7.2f} ms"
                        " cpu {cpu:5.0f} µs noise {noise:.0%}".format(
                            number + 1, *case, contestant.name, conns, **got))
    print(f"{options.rounds} rounds of {options.seconds} s, {options.pool} PostgreSQL connections, "
          f"{os.cpu_count()} cores, scale {cluster.scale}. `noise`: share of the machine that others took.")
    for case in cases:
        print(table(results, case, contestants))
    print("\nAll answers and invariants were right." if not failures else "\n" + "\n".join(failures))
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="length of a measurement")
    parser.add_argument("--workloads", default="w1,w2,w3,w4", type=lambda text: text.split(","))
    parser.add_argument("--conns", default="32,128", help="HTTP clients",
                        type=lambda text: [int(x) for x in text.split(",")])
    parser.add_argument("--fsync", default="off,on", type=lambda text: text.split(","))
    parser.add_argument("--pool", type=int, default=16, help="PostgreSQL connections of each")
    parser.add_argument("--scale", type=int, default=20, help="pgbench's scale: 100,000 accounts each")
    parser.add_argument("--quick", action="store_true", help="one round of 2 s, 32 clients, fsync off")
    parser.add_argument("--transom", default=str(HERE.parents[1] / ".build/release/transom"))
    parser.add_argument("--neon", action="store_true", help="through POST /sql, too")
    parser.add_argument("--without-transom", action="store_true", help="pgbench alone")
    parser.add_argument("--lock", default=os.environ.get("BENCH_LOCK"),
                        help="a file to lock meanwhile, so that benches of one machine take turns")
    if "--quick" in sys.argv:
        parser.set_defaults(rounds=1, seconds=2, conns=[32], fsync=["off"])
    options = parser.parse_args()
    if unknown := set(options.workloads) - set(WORKLOADS) | set(options.fsync) - {"off", "on"}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    end_with_signals()
    with open(options.lock or os.devnull, "a") as lock:
        if options.lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = Cluster(options.scale)
        try:
            return measure_all(options, cluster)
        finally:
            cluster.close()


if __name__ == "__main__":
    sys.exit(main())
