"""Files are opened for writing in few places: elsewhere, a path that a user gives could be that of another file."""

from __future__ import annotations

import ast
from pathlib import Path

from support.repository import REPOSITORY

PACKAGES = ("commands", "fleet", "partstream", "stream", "telemetry")

OWN_WAYS = {
    "stream/output_file.py": "the way for paths that a user gives",
    "stream/file_lock.py": "locks, which are never written",
    "stream/settings/private_file.py": "new files beside their place",
}
OWN_NAMES = {
    "commands/console/standard_streams.py": "`/dev/null` and the standard streams",
    "commands/demo/show.py": "files of the demo in its folder",
    "commands/gate/gate_file.py": "new file beside its place",
    "commands/privacy/command.py": "never replaces a file",
    "fleet/agent/detached_process.py": "the agent's log files",
    "fleet/agent/launch.py": "the agent's lock",
    "fleet/agent/log_file.py": "the agent's log files",
    "fleet/coordinator/store.py": "checks what kind of file it is first",
    "stream/alerts/open_alerts_file.py": "new file beside its place",
    "stream/annotation/annotated_video.py": "the file that `output_file.replacing` gave",
    "stream/archive/archive.py": "files of the archive, by their names",
    "stream/incidents/database.py": "the database of the folder",
    "stream/incidents/picture_files.py": "pictures of the folder, by their names",
    "stream/incidents/verdicts/verdict_folder.py": "verdicts and clips of the folder, by their names",
    "stream/notify/targets/apprise_sender.py": "a temporary file",
    "stream/recording/clip_file.py": "clips of the folder, by their names",
    "stream/recording/library.py": "clips of the folder, by their names",
    "stream/recording/open_clip.py": "clips of the folder, by their names",
}
GIVEN_UNFINISHED = "unfinished"
"""Name of the path that `output_file.replacing` gives."""


def writes(path: Path) -> list[int]:
    """Return the lines in which a file is opened for writing."""
    found: list[int] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"):
            found.append(node.lineno)
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        on = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in ("write_text", "write_bytes") and getattr(on, "id", "") != GIVEN_UNFINISHED:
            found.append(node.lineno)
        given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
        modes = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if name in ("open", "fdopen") and any(
            set(mode) <= set("rwxabt+") and set(mode) & set("wxa+") for mode in modes
        ):
            found.append(node.lineno)
    return found


def test_a_file_is_opened_for_writing_only_where_it_cannot_be_another_one() -> None:
    found = {
        str(path.relative_to(REPOSITORY)): lines
        for package in PACKAGES
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        if (lines := writes(path)) and "output_file.opened(" not in path.read_text(encoding="utf-8")
    }
    listed = OWN_WAYS | OWN_NAMES
    assert {path: lines for path, lines in found.items() if path not in listed} == {}


def test_the_listed_places_still_open_files() -> None:
    assert [path for path in OWN_WAYS | OWN_NAMES if not writes(REPOSITORY / path)] == []
