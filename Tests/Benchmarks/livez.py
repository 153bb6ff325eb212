#!/usr/bin/env python3
"""GET /livez beside nginx and Hummingbird 2, each on one core, in turns of one run.

  python3 Tests/Benchmarks/livez.py [--transom PATH] [--seconds 4] [--rounds 3] [--connections 64]

nginx serves a fixed body of the same size and type from its configuration, Hummingbird (Tests/Benchmarks/livez, built by
`swift build -c release` there) answers the same. Each server has core 0 for itself, wrk has core 1. The tables' row is the
median of the rounds; the nginx of Debian is needed.
"""
import argparse
import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import cpu, end_with_signals, free_port, stop

HERE = Path(__file__).resolve().parent

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /livez {{ default_type "text/plain; charset=utf-8"; return 200 "alive\\n"; }}
  }}
}}
"""


def servers(options, folder):
    """Name, port and command of each."""
    ports = [free_port() for _ in range(3)]
    configuration = Path(folder, "nginx.conf")
    configuration.write_text(NGINX.format(folder=folder, port=ports[1]))
    yield "transom", ports[0], [
        options.transom, "serve", "--loops", "1", "--database-url", "postgresql:///none",
        "--listen", f"127.0.0.1:{ports[0]}"]
    yield "nginx", ports[1], ["nginx", "-c", str(configuration)]
    yield "hummingbird", ports[2], [str(HERE / "livez/.build/release/hello"), str(ports[2])]


def answer(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/livez")
    response = connection.getresponse()
    return response.status, response.getheader("Content-Type"), response.read()


def start(command):
    return subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(process, command, port):
    end = time.monotonic() + 30
    while True:
        try:
            if answer(port) != (200, "text/plain; charset=utf-8", b"alive\n"):
                sys.exit(f"{command[0]} answers otherwise: {answer(port)}")
            return
        except OSError:
            if time.monotonic() > end or process.poll() is not None:
                sys.exit(f"{command[0]} does not start")
            time.sleep(0.05)


def load(port, process, seconds, connections):
    """Requests a second, p99 in ms, CPU microseconds a request."""
    before = cpu(process.pid)
    output = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
         f"http://127.0.0.1:{port}/livez"], capture_output=True, text=True, check=True).stdout
    used = cpu(process.pid) - before
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(output)
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", output).groups()
    requests = int(re.search(r"(\d+) requests in", output)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit], used / requests * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transom", default=".build/release/transom")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    rows = {}
    end_with_signals()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        running = []
        try:
            for name, port, command in servers(options, folder):
                process = start(command)
                running.append((name, port, process))
                wait_for(process, command, port)
                load(port, process, 1, options.connections)
            for _ in range(options.rounds):
                for name, port, process in running:
                    rows.setdefault(name, []).append(load(port, process, options.seconds, options.connections))
        finally:
            for _, _, process in running:
                stop(process)
    rate = {name: statistics.median(row[0] for row in found) for name, found in rows.items()}
    print("| server | requests/s | p99 ms | CPU µs/request |\n| --- | ---: | ---: | ---: |")
    for name, found in rows.items():
        print(f"| {name} | {rate[name]:,.0f} | {statistics.median(row[1] for row in found):.2f} "
              f"| {statistics.median(row[2] for row in found):.1f} |")
    print(f"\ntransom / hummingbird {rate['transom'] / rate['hummingbird']:.2f}, "
          f"transom / nginx {rate['transom'] / rate['nginx']:.2f}")


if __name__ == "__main__":
    main()
