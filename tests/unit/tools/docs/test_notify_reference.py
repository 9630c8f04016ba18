from __future__ import annotations

from pathlib import Path

from stream.notify.notify_config import load
from tools.docs import notify_reference


def test_the_page_is_current() -> None:
    assert notify_reference.PAGE.read_text(encoding="utf-8") == notify_reference.page(), (
        "run `python -m tools.docs.notify_reference`"
    )


def test_the_example_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text(notify_reference.EXAMPLE, encoding="utf-8")
    assert set(load(path).targets) == {"house", "hook", "phone"}
