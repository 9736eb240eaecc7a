"""A running page of which everything is seen: what its processes compute, how much memory they take, what they open."""
from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from threading import Event, Thread

from .running_page import RunningPage

EVERY_S = 0.03  # between two looks at the memory
CALLS = "open,openat,openat2,creat,connect,execve,execveat"
FAILED = re.compile(r"= -1 E\w+ \([^)]*\)$")  # there is no such file, or it may not be opened
# What C libraries look up of the machine, whatever a visitor sends.
MACHINE = re.compile(r"/dev/null|/proc/self/(statm|maps|cgroup)|/proc/(meminfo|sys/vm/overcommit_memory)|"
                     r"/proc/\d+/(statm|maps)|/sys/devices/system/(cpu|node)(/\w+)*|/sys/fs/cgroup/.*|/etc/ld\.so\.cache|"
                     r"/etc/(localtime|mime\.types)")


class WatchedPage(RunningPage):
    """Linux only, and with strace installed. Memory is the sum over the page and its decoding processes, in which what
    they share counts for each of them."""

    def __init__(self, folder: Path, **options):
        if sys.platform != "linux" or not shutil.which("strace"):
            raise SystemExit("What a page opens is seen on Linux with strace alone: install strace.")
        super().__init__(folder, **options)
        self.trace = self.folder / "opened.txt"
        self.command = ["strace", "--daemonize", "--follow-forks", "--seccomp-bpf", "--decode-fds=path", "-s", "4096",
                        "-o", str(self.trace), "-e", f"trace={CALLS}", *self.command]

    def processes(self) -> list[int]:
        """The page's and those that it has started, but for zombies' and their own."""
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found += map(int, children.read_text().split())
                except OSError:
                    continue
        return found

    def memory(self) -> int:
        return sum(int(line.split()[1]) for line in self._each("statm")) * os.sysconf("SC_PAGE_SIZE")

    def computed(self) -> float:
        """Seconds that the processes have computed so far, those that have ended included."""
        ticks = sum(sum(map(int, line.rpartition(")")[2].split()[11:15])) for line in self._each("stat"))
        return ticks / os.sysconf("SC_CLK_TCK")

    def _each(self, name: str) -> list[str]:
        lines = []
        for pid in self.processes():
            try:
                lines.append(Path(f"/proc/{pid}/{name}").read_text())
            except OSError:
                continue
        return lines

    def seen(self, start: int = 0) -> list[str]:
        """Lines of what was opened, asked for and run, from a number of bytes of `trace` on."""
        with self.trace.open(errors="replace") as file:
            file.seek(start)
            return file.read().splitlines()

    def outside(self, lines: list[str]) -> list[str]:
        """Those lines in which something was opened, connected to or run that no visitor's request needs."""
        inside = (f"{self.files.resolve()}/", f"{self.root}/", f"{sys.prefix}/", f"{sys.base_prefix}/lib/", "/usr/lib",
                  "/lib", "/usr/share/")
        found = []
        for line in lines:
            call = re.search(r"\b(\w+)\((?:AT_FDCWD|\d+)?(?:<([^>]*)>)?(?:, )?(?:\"((?:[^\"\\]|\\.)*)\")?", line)
            if call is None or call[1] not in CALLS.split(",") or (call[1] != "connect" and FAILED.search(line)):
                continue
            path = os.path.normpath(os.path.join(call[2] or str(self.folder), call[3] or ""))
            if call[1] == "connect" or not (f"{path}/".startswith(inside) or MACHINE.fullmatch(path)
                                            or (call[1].startswith("exec") and path == sys.executable)):
                found.append(line)
        return found


class PeakMemory:
    """A context that looks at a page's memory all the time; `take` returns the most since it was asked last, bytes."""

    def __init__(self, page: WatchedPage):
        self._page, self._most, self._over = page, 0, Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def take(self) -> int:
        most, self._most = max(self._most, self._page.memory()), 0
        return most

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            self._most = max(self._most, self._page.memory())
