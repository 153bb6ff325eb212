#!/usr/bin/env python3
"""W5: W2 with one event for each transaction, and one webhook, beside W2. `make bench` runs it last.

Printed are the medians of some rounds. All of it shares the machine: load generator, service, PostgreSQL and receiver.
"""
import argparse
import http.client
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import HERE, Cluster, Transom, stop
from machine import Wrong, end_with_signals


def share(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1000 if values else 0


def received(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/")
    return json.loads(connection.getresponse().read())


def pending(cluster):
    return int(cluster.sql("""
        SELECT (SELECT count(*) FROM transom.new_events)
          + (SELECT count(*) FROM transom.deliveries WHERE status = 'pending')"""))


def rate(transom, workload, seconds):
    """Transactions a second, as many as the machine can do."""
    transom.load(workload, 32, 1)
    got, _ = transom.load(workload, 32, seconds)
    return got["requests"] / got["seconds"]


def once(transom, cluster, port, seconds):
    """W2, then W5 from the same state, then what is left of the deliveries."""
    cluster.reset("w2")
    w2 = rate(transom, "w2", seconds)
    cluster.reset("w2")
    begin = time.monotonic()
    w5 = rate(transom, "w5", seconds)
    left = pending(cluster)
    during = len(received(port)) / (time.monotonic() - begin)
    begin = time.monotonic()
    while (now := pending(cluster)) > 0 and time.monotonic() < begin + 120:
        time.sleep(0.2)
    if now:
        raise Wrong(f"{now} deliveries are left after two minutes: W2 would be measured beside them")
    drain = (left - now) / max(0.001, time.monotonic() - begin)
    received(port)
    return w2, w5, during, left, drain


def paced(transom, rate, seconds):
    """Transactions at an even pace, far below what the machine can do."""
    text = (HERE / "workloads" / "w5.json").read_text()
    for name, value in {"aid": 7, "bid": 1, "tid": 1, "delta": 1}.items():
        text = text.replace("{{%s}}" % name, str(value))
    connection = http.client.HTTPConnection("127.0.0.1", transom.port, timeout=30)
    begin = time.monotonic()
    for number in range(rate * seconds):
        time.sleep(max(0, begin + number / rate - time.monotonic()))
        connection.request("POST", "/transactions", text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise Wrong(f"status {answer.status}: {answer.read()[:400]}")
        answer.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="of W2 and W5, one after the other")
    parser.add_argument("--pool", type=int, default=16)
    parser.add_argument("--transom", default=str(HERE.parents[1] / ".build/release/transom"))
    options = parser.parse_args()
    options.conns = [32]
    end_with_signals()
    cluster, receiver = Cluster(20), None
    transom = Transom(options, cluster)
    transom.arguments = ["--webhooks-allow-networks", "127.0.0.0/8"]
    try:
        receiver = subprocess.Popen(
            [sys.executable, HERE / "receiver.py"], stdout=subprocess.PIPE, text=True)
        port = int(receiver.stdout.readline())
        cluster.durable(False)
        transom.start()
        hook = json.dumps({"url": f"http://127.0.0.1:{port}/", "events": ["account.*"]})
        status, _ = transom.call("POST", "/webhooks", hook)
        if status != 201:
            raise Wrong(f"the webhook was answered with status {status}")
        rounds = [once(transom, cluster, port, options.seconds) for _ in range(options.rounds)]
        w2, w5, during, left, drain = (statistics.median(values) for values in zip(*rounds))
        ratios = [w5 / w2 for w2, w5, *_ in rounds]
        paced(transom, 200, options.seconds)
        time.sleep(1)
        calm = received(port)
        rest = pending(cluster)
        print(f"W2 {w2:,.0f}/s; W5 {w5:,.0f}/s, {statistics.median(ratios):.2f} of it (wanted 0.75; the rounds:"
              f" {', '.join(f'{ratio:.2f}' for ratio in ratios)}). Deliveries: {during:,.0f}/s"
              f" meanwhile, {left:,} left then, {drain:,.0f}/s alone. At 200 transactions/s, from event to receiver:"
              f" p50 {share(calm, 0.5):.1f} ms, p99 {share(calm, 0.99):.1f} ms (wanted 50), {len(calm)} messages,"
              f" {rest} left a second later (wanted 0).")
        if not rest and len(calm) != 200 * options.seconds:
            raise Wrong(f"{200 * options.seconds} events, and {len(calm)} messages")
    finally:
        stop(transom.process)
        stop(receiver)
        cluster.close()


if __name__ == "__main__":
    main()
