"""Find the process that listens on a TCP port, from /proc. Processes of other users may be hidden."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LISTENING = "0A"


class Owner(NamedTuple):
    """A process, without its command line, which may contain secrets."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


def owner_of(port: int, proc: Path = Path("/proc")) -> Owner | None:
    """Return the process that listens on this port, on any address; None if there is none or it cannot be seen."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    if not wanted:
        return None
    for process in proc.iterdir():
        if process.name.isdigit() and any(link in wanted for link in _open_files(process)):
            return Owner(int(process.name), _name_of(process))
    return None


def process(pid: int, proc: Path = Path("/proc")) -> Owner:
    """Return the process of this number."""
    return Owner(pid, _name_of(proc / str(pid)))


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (proc / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for file in (process / "fd").iterdir():
            try:
                yield str(file.readlink())
            except OSError:
                continue
    except OSError:
        return


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a program"
