"""Processes of this machine: what they cost, how they are run and stopped."""
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


class Wrong(Exception):
    """An answer or an invariant that does not hold."""


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise Wrong(f"{command[0]}: {done.stderr[-400:] or done.stdout[-400:]}")
    return done.stdout.strip()


def processes(root):
    """A process and all that descend from it: (pid, CPU seconds with fetched children, RSS bytes)."""
    found, children = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks = sum(map(int, fields[11:15]))
        found[int(name)] = (ticks / TICK, int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))
        children.setdefault(int(fields[1]), []).append(int(name))
    todo = [root]
    while todo:
        pid = todo.pop()
        if pid in found:
            yield (pid, *found[pid])
        todo += children.get(pid, [])


def cpu(root):
    return sum(seconds for _, seconds, _ in processes(root))


def machine():
    """(busy, all) CPU seconds since the machine started."""
    ticks = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICK, sum(ticks) / TICK


def end_with_signals():
    """A signal ends the program as Ctrl-C does: what it has started is stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup has SIGHUP ignored.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda *_: sys.exit("stopped"))


def stop(process, with_signal=signal.SIGTERM):
    """Ends a process, if there is one."""
    if process is None:
        return
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Meter:
    """What a stretch of time cost: CPU of given processes, and of all others (the noise)."""

    def __init__(self, *roots):
        self.roots, self.before, self.machine = roots, [cpu(r) for r in roots], machine()

    def read(self, other=0.0):
        used = [cpu(root) - before for root, before in zip(self.roots, self.before)]
        busy, all_time = (now - then for now, then in zip(machine(), self.machine))
        return used, max(0.0, (busy - sum(used) - other) / max(all_time, 1e-9))
