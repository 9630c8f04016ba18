"""The wheel, built once by the build backend from a copy of the tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

from stages.packaged_checkpoints import FOLDER, PACKAGED
from support.repository import REPOSITORY

PACKAGES = ("benchmarks", "commands", "partstream", "ring_buffers", "stages", "stream", "telemetry", "training")
BESIDE = ("LICENSE", "LICENSE-WEIGHTS.md", "README.md", "pyproject.toml", "run_stream.py")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
STAND_IN_BYTES = 100_000
"""Checkpoints are truncated: packing 20 MB takes longer than everything else."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in PACKAGES:
        shutil.copytree(
            REPOSITORY / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"), copy_function=_copy
        )
    for name in BESIDE:
        shutil.copy(REPOSITORY / name, tree)
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], cwd=tree, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (file,) = out.glob("*.whl")
    return zipfile.ZipFile(file)


def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel: zipfile.ZipFile) -> None:
    """Page files, checkpoints, vocabularies and `py.typed` too: each kind of file needs a pattern in pyproject.toml."""
    wanted = {
        path.relative_to(REPOSITORY).as_posix()
        for name in PACKAGES
        for path in (REPOSITORY / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if not name.startswith("partstream-")}
    assert packed == wanted | {"run_stream.py"}
    assert {f"stages/{FOLDER}/{file}" for file in PACKAGED.values()} | {"stream/http/page/index.html"} <= packed


def test_the_wheel_has_no_secrets_and_no_tests(wheel: zipfile.ZipFile) -> None:
    paths = [PurePosixPath(name) for name in wheel.namelist()]
    assert not [path for path in paths if path.suffix in (".env", ".pem", ".key", ".key_secret", ".token")]
    assert not [path for path in paths if path.parts[0] == "tests" or path.name == "conftest.py"]


def test_the_wheel_has_the_command_and_the_licence_and_requires_no_development_tools(wheel: zipfile.ZipFile) -> None:
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if name.startswith("partstream-")}
    entry_points = wheel.read(f"{folder}/entry_points.txt").decode()
    assert "partstream = run_stream:main" in entry_points
    assert wheel.read(f"{folder}/licenses/LICENSE") == (REPOSITORY / "LICENSE").read_bytes()
    assert wheel.read(f"{folder}/licenses/LICENSE-WEIGHTS.md") == (REPOSITORY / "LICENSE-WEIGHTS.md").read_bytes()
    metadata: Message = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    assert metadata["License-Expression"] == "Apache-2.0 AND LicenseRef-partstream-weights"
    assert metadata.get_all("License-File") == ["LICENSE", "LICENSE-WEIGHTS.md"]
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert any(line.startswith("torch") for line in needed)
    assert not [
        line
        for line in needed
        if line.startswith(("pytest", "ruff", "onnxscript", "openvino", "opencv", "transformers"))
    ]


def _copy(source: str, target: str) -> str:
    """Copy a file like `shutil.copy`, but only the beginning of a large one."""
    with Path(source).open("rb") as file:
        Path(target).write_bytes(file.read(STAND_IN_BYTES))
    return target
