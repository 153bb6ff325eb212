#!/usr/bin/env python3
"""Which functions a transaction runs, those that take most first: the order in which the linker lays them side by side.

  make profile
  python3 Tests/Benchmarks/order.py .build/release/transom >functions.order     needs valgrind and wrk

A request runs some 1,300 functions, each once or twice, of the 25 MiB that the executable holds with Swift's own libraries:
what it takes is mostly to fetch them. Names that the executable does not hold any more are passed over by the linker, so
that the file may be older than the sources.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from bench import WORKLOADS, Transom, stop
from cluster import Cluster
from machine import end_with_signals


class Watched(Transom):
    """The service under Valgrind, which counts instructions once it is told to."""

    patience = 120

    def __init__(self, executable, counts, cluster):
        super().__init__(SimpleNamespace(transom=executable, pool=4, conns=[4]), cluster)
        self.launcher = ["valgrind", "--tool=callgrind", "--demangle=no", "--instr-atstart=no",
                         f"--callgrind-out-file={counts}"]

    def count(self, on):
        subprocess.run(["callgrind_control", "-i", "on" if on else "off", str(self.process.pid)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def instructions(text, executable):
    """What each function of the executable took itself, by its name (Valgrind manual, "Callgrind Format")."""
    objects, functions, taken = {}, {}, {}
    held = function = None
    is_call = False
    for line in text:
        if named := re.match(r"(c?ob|c?fn)=\((\d+)\)(?: (.*))?", line):
            kind, number, name = named.groups()
            names = objects if kind.endswith("ob") else functions
            if name:
                names[number] = name
            if kind == "ob":
                held = names[number]
            elif kind == "fn":
                # Callgrind tells a function that calls itself from the first call.
                function = re.sub(r"'\d+$", "", names[number])
        elif line.startswith("calls="):
            is_call = True
        elif cost := re.match(r"[+\-*\d]\S* (\d+)$", line):
            if not is_call and held == executable:
                taken[function] = taken.get(function, 0) + int(cost[1])
            is_call = False
    return taken


def order(executable, folder):
    # Valgrind does not read what lld writes for debuggers.
    stripped, counts = f"{folder}/transom", Path(folder, "counts")
    subprocess.run(["strip", "-g", "-o", stripped, executable], check=True)
    cluster = Cluster(1)
    try:
        service = Watched(stripped, counts, cluster)
        service.start()
        try:
            for workload in WORKLOADS:
                cluster.reset(workload)
                service.try_once(workload)
            service.count(True)
            service.load_each(5)
            service.count(False)
        finally:
            stop(service.process)
    finally:
        cluster.close()
    taken = instructions(counts.open(), stripped)
    return sorted(taken, key=lambda name: (-taken[name], name))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    end_with_signals()
    with tempfile.TemporaryDirectory() as folder:
        names = order(str(Path(sys.argv[1]).resolve()), folder)
    # An unnamed function is an address.
    print("\n".join(name for name in names if not name.startswith("0x")))


if __name__ == "__main__":
    main()
