"""The documentation tells the truth about terms, tests and configurations. `make lint` checks its links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commands.configuration import configuration
from fleet import settings as fleet_settings
from stages.packaged_checkpoints import PACKAGED, summary
from support.repository import REPOSITORY


@pytest.mark.parametrize("profile", PACKAGED)
def test_the_page_of_third_parties_has_every_source_of_a_packaged_checkpoint_with_its_terms(profile: str) -> None:
    page = (REPOSITORY / "docs" / "third-party.md").read_text()
    for source in summary(profile).terms.sources:
        (row,) = re.findall(rf"^\| `{source.name}` \|.*$", page, flags=re.MULTILINE)
        *_, terms, _, recipe = row.strip("| ").split(" | ")
        assert terms == source.terms
        assert recipe in ("both", f"`{profile}`")


# -- docs/security.md -----------------------------------------------------------------------------------------------
def test_each_row_of_the_threat_model_names_tests_that_exist() -> None:
    page = (REPOSITORY / "docs" / "security.md").read_text()
    for heading, least in (("Who may do what", 25), ("What is not protected", 5)):
        section = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
        rows = [line for line in section.splitlines() if line.startswith("| ") and not line.endswith("| Test |")]
        assert len(rows) > least
        for row in rows:
            cell = row.removesuffix(" |").rpartition(" | ")[2]
            named = re.findall(r"`([a-z_0-9/]+\.py)`", cell)
            assert named or (cell == "–" and heading == "What is not protected"), f"no test: {row}"
            assert [name for name in named if not (REPOSITORY / "tests" / name).is_file()] == []


def test_each_promise_names_tests_that_exist() -> None:
    page = (REPOSITORY / "docs" / "promises.md").read_text()
    rows = re.findall(r"^\| (?!Promise|---).*$", page.split("## Kept\n", 1)[1].split("\n## ", 1)[0], flags=re.MULTILINE)
    assert len(rows) > 40
    for row in rows:
        named = re.findall(r"`([a-z_0-9/]+\.py)`", row)
        assert named, f"no test: {row}"
        assert [name for name in named if not (REPOSITORY / "tests" / name).is_file()] == []


# -- configurations -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md", "docs/rtsp.md", "docs/recording.md"])
def test_the_configurations_shown_are_valid(page: str, tmp_path: Path) -> None:
    shown = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / page).read_text(), flags=re.DOTALL)
    assert shown
    for number, text in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text.replace("5F:0C:…", ":".join(["5F"] * 32)))
        configuration(path, {}, [], None)


def test_the_configurations_of_a_fleet_shown_are_valid(tmp_path: Path) -> None:
    shown = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "fleet.md").read_text(), flags=re.DOTALL)
    assert len(shown) == 2
    for number, text in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert fleet_settings.load(path).cameras
