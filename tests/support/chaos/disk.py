"""A small disk that can be filled: a tmpfs where it may be mounted, else none, and then it never fills."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

SIZE_MIB = 48
BLOCK = 1 << 16


class SmallDisk:
    """`folder` is on it. `real`: whether it is a file system of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "partstream-chaos", str(folder)]
        try:
            self.real = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            self.real = False

    def fill(self) -> None:
        """Leave no byte free."""
        if not self.real:
            return
        with contextlib.suppress(OSError), (self.folder / "filling").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(BLOCK))
        with contextlib.suppress(OSError), (self.folder / "filling").open("ab", buffering=0) as file:
            while True:
                file.write(b"\0")
                os.fsync(file.fileno())

    def clear(self) -> None:
        """Remove what fills it."""
        (self.folder / "filling").unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it."""
        if self.real:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)
