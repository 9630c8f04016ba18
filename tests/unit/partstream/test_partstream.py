"""The public package: its names, and an import that loads only what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import partstream
from support.repository import REPOSITORY


def test_every_public_name_can_be_imported() -> None:
    for name in partstream.__all__:
        assert getattr(partstream, name) is not None
    from partstream import Config, Engine, load, subscribe
    from stream.engine import Engine as Defined

    assert Engine is Defined
    assert isinstance(load(), Config)
    assert callable(subscribe)


def test_a_configuration_is_loaded_from_a_path_or_a_string(tmp_path: Path) -> None:
    path = tmp_path / "partstream.yaml"
    path.write_text("batch: {max_frames: 3}")
    assert partstream.load(path).batch.max_frames == partstream.load(str(path)).batch.max_frames == 3


def test_wrong_types_are_named() -> None:
    with pytest.raises(TypeError, match="config must be a Config, for example from load"):
        partstream.Engine({"cameras": []})  # pyright: ignore[reportArgumentType]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"endpoint": None}, "endpoint must be a string, not NoneType"),
        ({"endpoint": "tcp://h:1", "replay": 5}, "replay must be a string, not int"),
        ({"endpoint": "tcp://h:1", "cameras": "door"}, "cameras must be a list of strings, not one string"),
        ({"endpoint": "tcp://h:1", "kinds": "results"}, "kinds must be a list of strings, not one string"),
    ]
    for arguments, message in wrong:
        with pytest.raises(TypeError, match=message):
            partstream.subscribe(**arguments)


def test_an_invalid_configuration_does_not_quote_its_values() -> None:
    with pytest.raises(ValueError, match=r"cameras\.0") as error:
        partstream.Config.model_validate({"cameras": ["rtsp://u:hunter2@h"]})
    assert "hunter2" not in str(error.value)


def test_public_names_are_listed_by_dir() -> None:
    assert set(partstream.__all__) <= set(dir(partstream))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Engin'"):
        _ = partstream.Engin  # pyright: ignore[reportAttributeAccessIssue]


def test_the_version_is_that_of_the_installed_package() -> None:
    from importlib import metadata

    assert partstream.__version__ == metadata.version("partstream")


def test_a_checkout_that_is_not_installed_has_an_unknown_version(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.delitem(vars(partstream), "__version__", raising=False)
    assert partstream.__version__ == "0+unknown"
    monkeypatch.delitem(vars(partstream), "__version__", raising=False)


@pytest.mark.parametrize(
    ("statement", "left_out"),
    [
        ("import partstream; partstream.__version__", ("torch", "numpy", "av", "zmq", "pydantic", "stream.config")),
        ("from partstream import subscribe", ("torch", "numpy", "av", "aiohttp")),
        ("import run_stream", ("torch", "numpy", "av", "zmq", "pydantic", "aiohttp")),
    ],
)
def test_an_import_loads_only_what_it_needs(statement: str, left_out: tuple[str, ...]) -> None:
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & set(left_out)
