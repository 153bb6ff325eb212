#!/usr/bin/env python3
"""What clients cost that do nothing, or do it slowly: memory of idle connections, and the latency of others.

  python3 Tests/Benchmarks/idle.py [--transom PATH] [--idle 10000] [--slow 1000] [--seconds 5] [--rounds 3]

Opens idle keep-alive connections, each after one answered request, and tells the resident memory of each (the kernel's
buffers are not the process's). Then clients that send a header section byte by byte come in addition, and the latency of
GET /livez, as wrk sees it, is compared with that before them, in turns of one run, and with that of a server without any
of them, which is measured last.
"""
import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

REQUEST = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def resident(process):
    """Resident bytes of a process."""
    with open(f"/proc/{process}/smaps_rollup") as file:
        return int(re.search(r"^Rss:\s+(\d+) kB", file.read(), re.M)[1]) * 1024


class Connections:
    """Sockets of clients that have been answered once and are silent since."""

    def __init__(self, address, count):
        self.sockets = []
        for start in range(0, count, 100):
            batch = [socket.create_connection(address) for _ in range(min(100, count - start))]
            for one in batch:
                one.sendall(REQUEST)
            for one in batch:
                answer = b""
                while b"alive\n" not in answer:
                    part = one.recv(4096)
                    if not part:
                        sys.exit("the server closed an idle connection")
                    answer += part
            self.sockets += batch

    def close(self):
        for one in self.sockets:
            one.close()


class Attackers:
    """Clients that never finish their header section. One byte each every half second; who is cut off comes again.

    They take turns, a few every hundredth of a second, as clients would that know nothing of each other; and they cost
    this machine little, because other people's machines do that work in truth: what is measured is the server's part.
    """

    SCRIPT = """
import socket, sys, time
address, count = (sys.argv[1], int(sys.argv[2])), int(sys.argv[3])
def connect():
    one = socket.create_connection(address)
    one.sendall(b"GET /livez HTTP/1.1\\r\\nX: ")
    one.setblocking(False)
    return one
sockets = [connect() for _ in range(count)]
position, turn = 0, time.monotonic()
while True:
    for _ in range(max(1, count // 50)):
        try:
            sockets[position].send(b"y")
        except BlockingIOError:
            pass
        except OSError:
            sockets[position].close()
            sockets[position] = connect()
        position = (position + 1) % count
    turn += 0.01
    time.sleep(max(0, turn - time.monotonic()))
"""

    def __init__(self, address, count):
        self.process = subprocess.Popen(
            ["nice", "-n", "10", sys.executable, "-c", self.SCRIPT, address[0], str(address[1]), str(count)])

    def close(self):
        self.process.terminate()
        self.process.wait()


def latency(address, seconds):
    """p50 and p99 in milliseconds, and requests a second, of one connection: what one client waits for."""
    output = subprocess.run(
        ["wrk", "-t1", "-c1", f"-d{seconds}s", "--latency", f"http://{address[0]}:{address[1]}/livez"],
        capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(output)

    def milliseconds(name):
        number, unit = re.search(rf"{name}\s+([\d.]+)(us|ms|s)\b", output).groups()
        return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]

    return milliseconds("50%"), milliseconds("99%"), float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


def connected(process):
    """How many sockets a process has."""
    count = 0
    for descriptor in os.listdir(f"/proc/{process}/fd"):
        try:
            count += os.readlink(f"/proc/{process}/fd/{descriptor}").startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def wait_for(condition, what):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"{what}: not within a minute")
        time.sleep(0.02)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transom", default=".build/release/transom")
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--slow", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        with open(log, "w") as output:
            server = subprocess.Popen(
                [options.transom, "serve", "--database-url", "postgresql:///none", "--listen", "127.0.0.1:0"],
                stdout=output, stderr=output,
                env={**os.environ, "TRANSOM_LIMITS_CONNECTIONS": "50000"})
        try:
            wait_for(lambda: "listening" in open(log).read(), "the start")
            port = int(re.search(r"127\.0\.0\.1:(\d+)", open(log).read())[1])
            address = ("127.0.0.1", port)
            # What a process takes once and for all is taken before anything is measured.
            Connections(address, min(1000, options.idle)).close()
            latency(address, 1)
            wait_for(lambda: connected(server.pid) < 50, "the end of the first connections")
            before = resident(server.pid)
            base = connected(server.pid)

            idle = Connections(address, options.idle)
            # Silent connections have no task any more after a tenth of a second.
            time.sleep(1)
            after = resident(server.pid)
            print(f"{options.idle} idle connections: {(after - before) / options.idle:.0f} bytes each "
                  f"(resident {before >> 10} KiB before, {after >> 10} KiB after)")
            quiet, loaded = [], []
            for _ in range(options.rounds):
                quiet.append(latency(address, options.seconds))
                attackers = Attackers(address, options.slow)
                wait_for(lambda: connected(server.pid) >= base + options.idle + options.slow, "the attackers")
                loaded.append(latency(address, options.seconds))
                attackers.close()
            print("with the idle ones   p50 ms / p99 ms / requests/s:",
                  ", ".join("%.3f / %.3f / %.0f" % row for row in quiet))
            print(f"and {options.slow} slow ones   p50 ms / p99 ms / requests/s:",
                  ", ".join("%.3f / %.3f / %.0f" % row for row in loaded))
            idle.close()
            wait_for(lambda: connected(server.pid) < base + 50, "the end of all connections")
            alone = [latency(address, options.seconds) for _ in range(options.rounds)]
            print("without any of them  p50 ms / p99 ms / requests/s:",
                  ", ".join("%.3f / %.3f / %.0f" % row for row in alone))
            ratio = statistics.median(row[1] for row in loaded) / statistics.median(row[1] for row in alone)
            print(f"p99 with all of them / without: {ratio:.2f}")
            print(f"resident in the end: {resident(server.pid) >> 10} KiB")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
