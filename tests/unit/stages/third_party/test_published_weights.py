"""Weights that libraries publish: addresses, caches, and hashes of which only the beginning is known."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Generator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import get_weight
from typer.testing import CliRunner

import run_stream
from stages.third_party import package_download, weights
from stages.third_party.package_download import DownloadError
from stages.third_party.weight_catalogue import CASCADE_RCNN, CATALOGUE, KEYPOINT_RCNN, VGG16, AssetFile
from stages.third_party.weights import WeightsError

CONTENT = bytes(range(256)) * 500
HASH = hashlib.sha256(CONTENT).hexdigest()
NAME = f"example-{HASH[:8]}.pth"
TORCHVISION = replace(
    VGG16, name="example", files=(AssetFile(NAME, NAME, None, HASH[:8]),), download_bytes=len(CONTENT)
)
MMDET = replace(TORCHVISION, registry="mmdet", package="cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco")


class Site(BaseHTTPRequestHandler):
    """Serves `CONTENT` at any path; `/broken` ends half way, and `/missing` does not exist."""

    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.path.startswith("/broken") else CONTENT)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def site() -> Generator[str]:
    Site.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use empty caches of ours and of torch; return torch's."""
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "ours"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setitem(CATALOGUE, "example", TORCHVISION)
    return tmp_path / "torch" / "checkpoints"


@pytest.fixture
def published_at(monkeypatch: pytest.MonkeyPatch, site: str) -> str:
    """Have torchvision give the address of the local server."""
    monkeypatch.setattr(package_download, "_address_in_torchvision", lambda _: f"{site}/files/{NAME}")
    return site


def test_weights_are_downloaded_from_the_librarys_address_and_checked_by_the_beginning_of_their_hash(
    published_at: str,
) -> None:
    seen: list[tuple[int, int]] = []
    where = weights.fetch("example", lambda done, total: seen.append((done, total)))
    assert (where / NAME).read_bytes() == CONTENT
    assert Site.asked == [f"/files/{NAME}"]
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and all(done <= total for done, total in seen)
    assert weights.present("example") and weights.verify("example") == []
    weights.fetch("example")
    assert len(Site.asked) == 1


@pytest.mark.parametrize(
    ("folder", "message_part"), [("broken", "ended after 64000 of 128000 bytes"), ("missing", "HTTP Error 404")]
)
def test_a_failed_download_leaves_no_file_and_lists_the_files_to_add_by_hand(
    folder: str, message_part: str, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_download, "_address_in_torchvision", lambda _: f"{site}/{folder}/{NAME}")
    with pytest.raises(WeightsError) as error:
        weights.fetch("example")
    message = str(error.value)
    assert message_part in message
    assert "torchvision weights VGG16_Weights.IMAGENET1K_V1" in message
    assert f"{NAME} as {NAME} (SHA-256 {HASH[:8]}…)" in message and str(weights.folder("example")) in message
    assert "partstream weights add example" in message
    assert not weights.present("example")


def test_files_in_torchs_cache_are_used_without_a_network(caches: Path, published_at: str) -> None:
    caches.mkdir(parents=True)
    (caches / NAME).write_bytes(CONTENT)
    assert (weights.fetch("example") / NAME).read_bytes() == CONTENT
    assert Site.asked == []


@pytest.mark.parametrize("asset", [VGG16, KEYPOINT_RCNN], ids=lambda asset: asset.name)
def test_torchvision_publishes_the_file_that_the_catalogue_pins(asset: Any) -> None:
    (file,) = asset.files
    assert get_weight(asset.package).url.rsplit("/", 1)[1] == file.member == file.name
    assert file.member.endswith(f"-{file.sha256}.pth")
    with pytest.raises(DownloadError, match=r"has no weights VGG16_Weights\.NOTHING"):
        package_download.download_published(replace(asset, package="VGG16_Weights.NOTHING"), Path("nowhere"))


def index(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Install a package mmdet that has only its index."""
    configs = folder / "mmdet" / ".mim" / "configs" / "cascade_rcnn"
    configs.mkdir(parents=True)
    (configs / "metafile.yml").write_text(text)
    (folder / "mmdet" / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "mmdet", raising=False)


def test_the_address_comes_from_the_index_of_mmdet(tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    models = f"Models:\n  - {{Name: other, Weights: {site}/other.pth}}\n"
    index(tmp_path, monkeypatch, f"{models}  - {{Name: cascade-rcnn_r50_fpn_1x_coco, Weights: {site}/v2/{NAME}}}\n")
    monkeypatch.setitem(CATALOGUE, "example", MMDET)
    assert (weights.fetch("example") / NAME).read_bytes() == CONTENT
    assert Site.asked == [f"/v2/{NAME}"]


def test_mmdet_lists_the_cascade_rcnn_that_the_catalogue_pins() -> None:
    if importlib.util.find_spec("mmdet") is None:
        with pytest.raises(DownloadError, match="extra `mmdet`"):
            package_download._address_in_mmdet(CASCADE_RCNN)
        return
    assert package_download._address_in_mmdet(CASCADE_RCNN).rsplit("/", 1)[1] == CASCADE_RCNN.files[0].name


def test_a_local_file_of_any_name_can_be_added_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    answer = CliRunner().invoke(run_stream.app, ["weights", "add", "example", str(tmp_path / "mine.pth")])
    assert answer.exit_code == 0, answer.output
    assert weights.locate("example", NAME).read_bytes() == CONTENT
    (tmp_path / "other.pth").write_bytes(b"other")
    answer = CliRunner().invoke(run_stream.app, ["weights", "add", "example", str(tmp_path / "other.pth")])
    assert answer.exit_code == 3 and HASH[:8] in answer.output
    answer = CliRunner().invoke(run_stream.app, ["weights", "add", "example", str(tmp_path / "nowhere.pth")])
    assert answer.exit_code == 3 and "nowhere.pth" in answer.output.replace("\n", "")


def repository(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> list[str]:
    """Replace the hub's client by one with a single repository; return the list of requested files."""
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    asked: list[str] = []

    def hf_hub_download(name: str, file: str, *, local_dir: Path | None) -> str:
        asked.append(file)
        if name != "someone/example":
            raise RepositoryNotFoundError("404 no such repository", response=_Response())  # pyright: ignore
        if file not in files:
            raise EntryNotFoundError("404 no such file")
        assert local_dir is not None
        (local_dir / file).write_bytes(files[file])
        return str(local_dir / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", hf_hub_download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "nowhere")
    return asked


class _Response:
    """The attributes of an HTTP response that the hub's errors read."""

    headers: dict[str, str] = {}  # noqa: RUF012
    request = None
    status_code = 404


HUB = replace(
    TORCHVISION,
    registry="huggingface",
    package="someone/example",
    files=tuple(AssetFile(name, name, len(CONTENT), HASH) for name in ("config.json", "vocab.txt")),
)


def test_files_of_a_hub_repository_are_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = repository(monkeypatch, {"config.json": CONTENT, "vocab.txt": CONTENT, "README.md": b"long"})
    monkeypatch.setitem(CATALOGUE, "example", HUB)
    where = weights.fetch("example")
    assert sorted(path.name for path in where.iterdir() if not path.name.startswith(".")) == [
        "config.json",
        "vocab.txt",
    ]
    assert asked == ["config.json", "vocab.txt"]
