#!/usr/bin/env python3
"""1,000 webhooks of which 900 hang: what that does to the other 100. `make bench` runs it.

Each webhook has events of its own, at the same rate. Measured is the time from the answer of the transaction (it is
committed then) to the message at the receiver, for the 100 that answer:

  alone     nobody takes the other 900 kinds of events, which are emitted nevertheless
  well      the other 900 webhooks are there and answer, too
  at first  from the moment at which all 900 receivers accept connections and never answer again
  later     when their attempts have begun to run into the timeout
  restart   the same, from the start of another service process

The wanted p99 of "later" is at most twice that of "alone". All of it shares the machine.
"""
import argparse
import http.client
import json
import random
import subprocess
import sys
import time
from pathlib import Path

from bench import HERE, Cluster, Transom, stop
from machine import Wrong, end_with_signals


class Receiver:
    process = None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "receiver.py"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())


def register(transom, port, kinds, path):
    for kind in kinds:
        hook = {"url": f"http://127.0.0.1:{port}{path}", "events": [f"kind.{kind}"]}
        status, answer = transom.call("POST", "/webhooks", json.dumps(hook))
        if status != 201:
            raise Wrong(answer)


def phase(name, transom, receiver, options, good, seconds):
    """Transactions at an even pace, each with one event of a random kind; prints what came of the good ones'."""
    receiver.ask("/arrivals")
    connection = http.client.HTTPConnection("127.0.0.1", transom.port, timeout=60)
    rate = options.rate * options.webhooks
    committed, late, begin = {}, 0, time.monotonic()
    for number in range(int(rate * seconds)):
        pause = begin + number / rate - time.monotonic()
        late = max(late, -pause)
        time.sleep(max(0, pause))
        kind = random.randrange(options.webhooks)
        document = {"statements": [], "on_commit": [{"event": f"kind.{kind}", "data": {}}]}
        connection.request("POST", "/transactions", json.dumps(document), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise Wrong(f"status {response.status}: {answer}")
        if kind in good:
            committed[answer["events"][0]["id"]] = time.time()
    connection.close()
    delays, lost = [], set(committed)
    deadline = time.monotonic() + options.timeout + 5
    while lost and time.monotonic() < deadline:
        for message, at in receiver.ask("/arrivals"):
            if message in lost:
                lost.remove(message)
                delays.append(max(0, at - committed[message]) * 1000)
        time.sleep(0.1)
    if not delays:
        raise Wrong("no message has come")
    delays.sort()
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print(f"| {name} | {len(committed)} | {p50:.1f} | {p99:.1f} | {delays[-1]:.1f} | {len(lost)} | {late * 1000:.0f} |",
          flush=True)
    if lost:
        raise Wrong(f"{len(lost)} messages have not come")
    return p99


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--webhooks", type=int, default=1000)
    parser.add_argument("--good", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.2, help="events a second for each webhook")
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement")
    parser.add_argument("--timeout", type=float, default=15, help="seconds of an attempt")
    parser.add_argument("--pool", type=int, default=16)
    parser.add_argument("--transom", default=str(HERE.parents[1] / ".build/release/transom"))
    options = parser.parse_args()
    options.conns = [1]
    good = range(options.good)
    others = range(options.good, options.webhooks)
    end_with_signals()
    cluster, receiver = Cluster(1), Receiver()
    transom = Transom(options, cluster)
    transom.arguments = [
        "--webhooks-allow-networks", "127.0.0.0/8", "--webhooks-timeout-ms", str(int(options.timeout * 1000))]

    def measure(name):
        return phase(name, transom, receiver, options, good, options.seconds)

    try:
        receiver.start()
        # As it is by default: what is dead in an index is cleared away.
        cluster.sql("ALTER SYSTEM SET autovacuum = on")
        cluster.sql("SELECT pg_reload_conf()")
        transom.start()
        print("| 100 good webhooks | events | p50 ms | p99 ms | longest ms | lost | load late by ms |\n|" + " --- |" * 7)
        register(transom, receiver.port, good, "/")
        phase("(warm-up)", transom, receiver, options, good, 3)
        alone = measure("alone")
        register(transom, receiver.port, others, "/hang")
        phase("(warm-up)", transom, receiver, options, good, min(10, options.seconds))
        measure("well")
        receiver.ask("/hang")
        first = measure("at first")
        later = measure("later")
        stop(transom.process)
        transom.start()
        restart = measure("restart")
        print(f"p99 with {len(others)} of {options.webhooks} hanging: {later / alone:.1f} times that of {options.good} alone"
              f" (wanted 2); {first / alone:.1f} times while they begin, {restart / alone:.1f} times after a restart")
        print(transom.call("GET", "/health")[1].decode())
    finally:
        stop(transom.process)
        stop(receiver.process)
        cluster.close()


if __name__ == "__main__":
    main()
