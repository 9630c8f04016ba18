"""Only `stream/privacy` shows a slot's pixels or gives packets to receivers. These tests read the product's code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from support.repository import REPOSITORY

STREAM = REPOSITORY / "stream"
TREES = {
    str(path.relative_to(STREAM)): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(STREAM.rglob("*.py"))
}


def nodes(*allowed: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield every node of the product's code outside these files and folders."""
    for path, tree in TREES.items():
        if not path.startswith(allowed):
            yield from ((path, node) for node in ast.walk(tree))


def name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def test_the_pixels_of_a_slot_are_read_only_at_the_boundary_and_where_they_are_written() -> None:
    found = {
        (path, node.lineno)
        for path, node in nodes("privacy/", "sources/decoding/frame_writer.py")
        if isinstance(node, ast.Attribute) and node.attr == "picture" and name_of(node.value) in ("lease", "slot")
    }
    assert found == set()
    assert any(name_of(node) == "picture" for node in ast.walk(TREES["privacy/camera_exit.py"])), "the test sees them"


def test_a_lease_is_passed_only_to_the_model_and_to_the_boundary() -> None:
    users = {
        path
        for path, node in nodes("privacy/")
        if isinstance(node, ast.ImportFrom) and any(alias.name in ("Lease", "WriteSlot") for alias in node.names)
    }
    expected = {"batch_worker.py", "engine.py"}
    assert {path for path in users if not path.startswith("inference/")} == expected


def test_a_slot_is_copied_only_at_the_boundary() -> None:
    assert not [
        path for path, node in nodes("privacy/") if isinstance(node, ast.Call) and name_of(node.func) == "SlotCopy"
    ]


def test_only_the_boundary_chooses_who_receives_packets() -> None:
    made = {
        path for path, node in nodes("privacy/") if isinstance(node, ast.Call) and name_of(node.func) == "PacketSinks"
    }
    assert made == set()
    given = {
        ast.unparse(keyword.value)
        for path, node in nodes("sources/")
        if isinstance(node, ast.Call) and name_of(node.func) == "CameraReader"
        for keyword in node.keywords
        if keyword.arg in ("packets", "mask_for")
    }
    assert len(given) == 2 and all(text.startswith("leaving.") for text in given), given


def test_profiling_records_no_tensors() -> None:
    source = (REPOSITORY / "stages/device/profiler.py").read_text(encoding="utf-8")
    calls = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and name_of(node.func) == "profile"
    ]
    assert calls and all([one.arg for one in call.keywords] == ["activities"] for call in calls)


def test_the_code_is_found() -> None:
    assert {"batch_worker.py", "cameras/registry.py"} <= set(TREES) and Path(STREAM / "privacy").is_dir()
