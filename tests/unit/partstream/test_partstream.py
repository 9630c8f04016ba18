"""The public package: its names, and an import that loads only what it needs."""

from __future__ import annotations

import subprocess
import sys

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
