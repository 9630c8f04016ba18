"""Download of weights that are in no package, by their name in the library that publishes them.

The libraries know the addresses: torchvision's weights enumerations, mmdet's model index and huggingface_hub. Files in
their caches are used without a network.
"""

from __future__ import annotations

import http.client
import importlib.util
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import yaml

from stages.third_party.assets import Asset
from stages.third_party.package_download import DownloadError, Progress

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
