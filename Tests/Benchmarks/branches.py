#!/usr/bin/env python3
"""How often transactions take each branch: has an executable that counts them run those of the benchmark.

  make profile
  python3 Tests/Benchmarks/branches.py .build/profile/release/transom COUNTS     needs gdb and wrk

The service ends by _exit(2), at which nothing is written: the debugger has it write the counts before.
"""
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from bench import Transom, stop
from cluster import Cluster
from machine import end_with_signals


class Counting(Transom):
    def __init__(self, executable, counts, cluster):
        super().__init__(SimpleNamespace(transom=executable, pool=16, conns=[32]), cluster)
        self.launcher = ["env", f"LLVM_PROFILE_FILE={counts}"]

    def write(self):
        subprocess.run(["gdb", "-p", str(self.process.pid), "-batch",
                        "-ex", "call (int)__llvm_profile_write_file()"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    end_with_signals()
    executable, counts = (Path(argument).resolve() for argument in sys.argv[1:])
    cluster = Cluster(5)
    try:
        service = Counting(executable, counts, cluster)
        service.start()
        try:
            service.load_each(5)
            service.write()
        finally:
            stop(service.process)
    finally:
        cluster.close()
    if not counts.exists() or counts.stat().st_size < 100_000:
        sys.exit("the service has not written what it counted")


if __name__ == "__main__":
    main()
