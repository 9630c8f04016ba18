"""The network's graph as an ONNX file in the user's cache, from which ONNX Runtime and OpenVINO load it.

Writing takes 10 to 20 seconds of CPU time. A file's name has a hash of what it was made from and one of its content, so
that a damaged file is noticed and an outdated one is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from torch import nn

from stages.export import onnx_file
from stages.export.graph import ExportError
from stages.runtimes.network import RunnableNetwork, RuntimeUnavailableError

UNUSED_S = 30 * 86_400.0
"""Files of the same network that were not used for this long are removed when another one is written."""
_DIGITS = 16

logger = logging.getLogger(__name__)


def weights_sha256(module: nn.Module) -> str:
    """Return a hash of the names, shapes and values of a module's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def network_sha256(network: RunnableNetwork) -> str:
    """Return a hash of the network's weights and of the code of its layers."""
    digest = hashlib.sha256(weights_sha256(network.graph().module).encode())
    for path in network.sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def graph_file(network: RunnableNetwork, folder: Path) -> Generator[Path]:
    """Give the network's ONNX file from `folder`, writing it first if it is not there; valid within the context.

    If the folder can't be written, the file is temporary. Raises `RuntimeUnavailableError` if torch can't export the
    network.
    """
    prefix = f"{network.name}-{_made_from(network)}"
    if (path := _intact(folder, prefix)) is not None:
        with contextlib.suppress(OSError):
            os.utime(path)
        yield path
        return
    logger.info("model.runtime: writing %s for other runtimes, once, in %s", network.name, folder)
    with tempfile.TemporaryDirectory(prefix="partstream-graph-") as scratch:
        made = _write(network, Path(scratch))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # On the cache's file system, so that the rename is atomic.
            with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as incoming:
                copy = Path(incoming) / made.name
                copy.write_bytes(made.read_bytes())
                made = copy.replace(folder / f"{prefix}.{_sha256(copy)}.onnx")
            _remove_unused(folder, network.name)
        except OSError as error:
            logger.warning("model.runtime: %s can't be written (%s): it is made at each start", folder, error.strerror)
        yield made


def _made_from(network: RunnableNetwork) -> str:
    versions = [f"{name} {version(name)}" for name in ("torch", "onnx", "onnxscript")]
    parts = (network_sha256(network), str(onnx_file.DEFAULT_OPSET), *versions)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]


def _intact(folder: Path, prefix: str) -> Path | None:
    """Return the file whose content has the hash in its name. A damaged file is removed."""
    for path in sorted(folder.glob(f"{prefix}.*.onnx")):
        try:
            if path.name == f"{prefix}.{_sha256(path)}.onnx":
                return path
            logger.warning("model.runtime: %s is damaged and is made again", path)
            path.unlink()
        except OSError as error:
            logger.warning("model.runtime: %s can't be used: %s", path, error.strerror)
    return None


def _write(network: RunnableNetwork, folder: Path) -> Path:
    path = folder / f"{network.name}.onnx"
    try:
        onnx_file.write(network.graph(), path, onnx_file.DEFAULT_OPSET, {})
    except ExportError as error:
        raise RuntimeUnavailableError(f"model.runtime: {error}; use torch") from error
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]


def _remove_unused(folder: Path, name: str) -> None:
    for path in folder.glob(f"{name}-*.onnx"):
        if time.time() - path.stat().st_mtime > UNUSED_S:
            path.unlink(missing_ok=True)
