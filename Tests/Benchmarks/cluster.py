"""The PostgreSQL server that is measured with, and the invariants of its data."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from machine import Wrong, processes, run, stop

HERE = Path(__file__).resolve().parent


class Cluster:
    """A private server with pgbench's tables and ours, all of them in its buffers."""

    def __init__(self, scale, settings=None):
        """`settings` are PostgreSQL's, beside those or instead of those that all are measured with."""
        self.scale = scale
        binaries = run(["pg_config", "--bindir"])
        self.tool = lambda name: f"{binaries}/{name}" if os.access(f"{binaries}/{name}", 1) else name
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} \
            if os.geteuid() == 0 else {}
        self.folder = Path(tempfile.mkdtemp(prefix="transom-bench-"))
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        data = self.folder / "data"
        run([self.tool("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"], cwd="/", **self.user)
        settings = {
            "unix_socket_directories": self.folder, "listen_addresses": "", "max_connections": 200,
            "shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "1h",
            "autovacuum": "off", "timezone": "UTC", "log_min_messages": "fatal", **(settings or {})}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen(
            [self.tool("postgres"), "-D", data, *options], cwd="/", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.user)
        try:
            self.fill()
        except BaseException:
            self.close()
            raise

    def fill(self):
        deadline = time.monotonic() + 30
        while subprocess.run([self.tool("pg_isready"), *self.where, "-q"], check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Wrong("PostgreSQL did not start")
            time.sleep(0.05)
        self.durable(False)
        run([self.tool("pgbench"), "-i", "-q", "-s", str(self.scale), *self.where, "postgres"])
        run([self.tool("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", *self.where, "-f",
             HERE / "schema.sql"])
        self.sql("SELECT sum(pg_prewarm(oid)) FROM pg_class WHERE relkind IN ('r', 'i')"
                 " AND relname ~ '^(pgbench|w[34])'")

    @property
    def where(self):
        return ["-h", str(self.folder), "-U", "postgres"]

    @property
    def url(self):
        return f"postgresql:///postgres?host={self.folder}&user=postgres"

    def sql(self, text):
        return run([self.tool("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", *self.where, "-c", text])

    def durable(self, durable):
        self.sql(f"ALTER SYSTEM SET fsync = {'on' if durable else 'off'}")
        self.sql("SELECT pg_reload_conf()")
        while self.sql("SHOW fsync") != ("on" if durable else "off"):
            time.sleep(0.02)

    def reset(self, workload):
        """The same state for everyone, and nothing left to write."""
        if workload == "w2":
            self.sql("TRUNCATE pgbench_history")
            # The two small tables as after some use: rows that are updated all the time need room in their pages, and are
            # found by index then. Just vacuumed, they are one or two pages that are read as a whole, with all the dead rows
            # of a busy run; and how many pages those fill depends on who came before.
            self.sql("VACUUM FULL pgbench_branches, pgbench_tellers")
            self.sql("DO $$ BEGIN FOR n IN 1..100 LOOP UPDATE pgbench_branches SET bbalance = bbalance;"
                     " UPDATE pgbench_tellers SET tbalance = tbalance; END LOOP; END $$")
            self.sql("VACUUM ANALYZE pgbench_branches, pgbench_tellers, pgbench_accounts")
        if workload == "w1":
            self.sql("VACUUM pgbench_accounts")
        if workload == "w3":
            self.sql("TRUNCATE w3 RESTART IDENTITY")
            self.sql("INSERT INTO w3 (ref, slot, note) VALUES (0, 1, 'taken')")
        if workload in ("w2", "w3"):
            self.sql("CHECKPOINT")

    def sums(self, workload):
        """Row count and what must change alike."""
        if workload == "w3":
            return [int(self.sql("SELECT count(*) FROM w3"))]
        return [int(x) for x in self.sql(
            "SELECT count(*), coalesce(sum(delta), 0), (SELECT sum(abalance) FROM pgbench_accounts),"
            " (SELECT sum(tbalance) FROM pgbench_tellers),"
            " (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history").split("|")]

    def check(self, workload, before, answers, on_the_way=0):
        """W2: balances and history agree. W3: eight rows for each answer. `on_the_way` requests may
        have been executed without their answer being counted."""
        if workload not in ("w2", "w3"):
            return
        rows, *sums = (now - then for now, then in zip(self.sums(workload), before))
        if len(set(sums)) > 1:
            raise Wrong(f"{workload}: history, accounts, tellers, branches changed by {sums}")
        each = 8 if workload == "w3" else 1
        if rows % each or not answers <= rows // each <= answers + on_the_way:
            raise Wrong(f"{workload}: {rows} rows for {answers} answers")

    @property
    def process_count(self):
        return sum(1 for _ in processes(self.process.pid))

    def wait_for_process_count(self, count):
        """A backend that is just ending would be missed: neither a process nor fetched by its parent."""
        deadline = time.monotonic() + 2
        while self.process_count > count and time.monotonic() < deadline:
            time.sleep(0.005)

    def close(self):
        stop(self.process, signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)
