"""A fresh Debian in a folder, by debootstrap: what scripts/try-image and scripts/try-package run their steps in.

Everything that is mounted or started lives in namespaces of the script's own, and is gone when it ends.
"""
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SUITE = "bookworm"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def enter_namespaces():
    """Starts the script again with mounts and processes of its own. Needs root."""
    if os.environ.get("TRANSOM_NAMESPACES") == "1":
        return
    if os.geteuid() != 0:
        sys.exit(f"{sys.argv[0]}: needs root, for chroot and mounts")
    os.environ["TRANSOM_NAMESPACES"] = "1"
    os.execvp("unshare", ["unshare", "--mount-proc", "--pid", "--fork", "--kill-child", "--propagation", "private",
                          sys.executable, *sys.argv])


def leave_network():
    """From here on there is no network but a loopback of our own: each port is free, and nobody is asked."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 1)  # IFF_UP
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def sh(*command, **options):
    """Runs a command to its end, which must be a good one."""
    return subprocess.run([str(word) for word in command], check=True, **options)


class Root:
    """A folder with Debian in it."""

    def __init__(self, path):
        self.path = Path(path)

    @classmethod
    def fresh(cls, path):
        """A copy of what debootstrap makes: that is kept beside it, for the next time."""
        path = Path(path)
        base = path.parent / f"{SUITE}.base"
        if not (base / "complete").exists():
            shutil.rmtree(base, ignore_errors=True)
            base.parent.mkdir(parents=True, exist_ok=True)
            print(f"debootstrap: {SUITE}", flush=True)
            sh("debootstrap", "--variant=minbase", SUITE, base, stdout=subprocess.DEVNULL)
            (base / "complete").touch()
        shutil.rmtree(path, ignore_errors=True)
        sh("cp", "-a", base, path)
        (path / "complete").unlink()
        root = cls(path)
        root.mount()
        return root

    def mount(self):
        for kind in ("proc", "sysfs"):
            sh("mount", "-t", kind, kind, self.path / kind.replace("fs", ""))
        self.bind("/dev")
        # Packages come from where this machine gets its own.
        (self.path / "etc/apt/sources.list").unlink(missing_ok=True)
        for name in ("apt/sources.list", "apt/sources.list.d", "apt/apt.conf.d", "resolv.conf"):
            source, target = Path("/etc") / name, self.path / "etc" / name
            if source.is_dir():
                for file in source.iterdir():
                    shutil.copy(file, target / file.name)
            elif source.exists():
                shutil.copy(source, target)
        # Nothing is started in here by a package.
        (self.path / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.path / "usr/sbin/policy-rc.d").chmod(0o755)

    def bind(self, folder):
        """Makes a folder of this machine appear at the same place."""
        target = self.path / str(folder).lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        sh("mount", "--rbind", folder, target)

    def command(self, command, user=None, workdir="/", environment=None):
        """The command line of a shell command in here."""
        full = {"PATH": PATH, "HOME": "/", "DEBIAN_FRONTEND": "noninteractive", **(environment or {})}
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        words = ["chroot", *([f"--userspec={user}"] if user else []), self.path, "/usr/bin/env", "-i",
                 *(f"{name}={value}" for name, value in {**proxies, **full}.items()),
                 "/bin/sh", "-ec", f'cd "$0"; {command}', workdir]
        return [str(word) for word in words]

    def run(self, command, **options):
        """Runs a shell command in here to its end, which must be a good one."""
        try:
            return subprocess.run(self.command(command, **options), check=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        except subprocess.CalledProcessError as error:
            sys.exit(f"{command}\n{error.stdout[-5000:]}\nstatus {error.returncode}")

    def start(self, command, **options):
        """Starts a program in here, and returns its process."""
        return subprocess.Popen(self.command("exec " + command, **options), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(process, within=60):
    """Tells a program to end, and returns its status and what it has written."""
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=within)
    return process.returncode, output


def eventually(what, condition, within=60):
    limit = time.monotonic() + within
    while True:
        if found := condition():
            return found
        if time.monotonic() > limit:
            sys.exit(f"not after {within} s: {what}")
        time.sleep(0.1)


def curl(*arguments):
    """What curl says, of this machine and past any proxy: the status on the last line; "" if there is no answer."""
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--write-out", "\n%{http_code}",
         *arguments], capture_output=True, text=True).stdout


class Postgres:
    """A PostgreSQL of this machine, on a port of the loopback."""

    def __init__(self, folder, port=5432):
        self.folder, self.port = Path(folder), port
        shutil.rmtree(folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        shutil.chown(folder, "postgres")
        tools = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        sh("runuser", "-u", "postgres", "--", tools / "initdb", "-D", folder, "-A", "trust", "--no-sync",
           stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen(
            ["runuser", "-u", "postgres", "--", tools / "postgres", "-D", folder, "-p", str(port), "-h", "127.0.0.1",
             "-c", "unix_socket_directories="], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually("PostgreSQL answers", lambda: subprocess.run(
            [tools / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0)
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def end(self):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.folder)
