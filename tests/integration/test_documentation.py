"""The documentation leads nowhere wrong: it builds without a broken link, and describes the tree that is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from commands.configuration import load_config
from stages.packaged_checkpoints import PACKAGED, summary
from support.repository import REPOSITORY

ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text()
PACKAGES = (
    "benchmarks", "commands", "fleet", "partstream", "ring_buffers", "stages", "stream", "telemetry", "tools",
    "training",
)  # fmt: skip


def test_the_site_builds_with_every_page_listed_and_no_link_or_anchor_broken(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'href="archive.html"' in (tmp_path / "index.html").read_text()


def test_the_site_loads_nothing_from_elsewhere() -> None:
    settings = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())
    assert settings["theme"]["font"] is False
    assert "extra_javascript" not in settings
    assert all((REPOSITORY / "docs" / sheet).is_file() for sheet in settings["extra_css"])
    assert all("url(" not in (REPOSITORY / "docs" / sheet).read_text() for sheet in settings["extra_css"])


def test_every_link_of_the_readme_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)", (REPOSITORY / "README.md").read_text())
    assert len(links) > 20
    assert [link for link in links if "://" not in link and not (REPOSITORY / link).exists()] == []


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


# -- docs/architecture.md -------------------------------------------------------------------------------------------
def rows_of(heading: str) -> set[str]:
    """Folders named in the first column of the table under a heading."""
    section = ARCHITECTURE.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| (`[^|]+) \|", section, flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([a-z_]+)/`", row)}


def subfolders(place: Path) -> set[str]:
    return {path.name for path in place.iterdir() if path.is_dir() and list(path.rglob("*.py"))} - {"__pycache__"}


def test_the_table_of_packages_has_every_package_and_no_other() -> None:
    assert rows_of("## Packages") == set(PACKAGES)
    assert {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} == set(PACKAGES)


def test_the_tables_of_folders_have_every_folder_of_stream_and_stages() -> None:
    assert rows_of("### Inside `stream/`") == subfolders(REPOSITORY / "stream")
    assert rows_of("### Inside `stages/`") - {"checkpoints"} == subfolders(REPOSITORY / "stages")


def test_every_package_is_checked_and_all_but_the_tools_are_installed() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
    assert set(project["importlinter"]["root_packages"]) == set(PACKAGES)
    installed = {f"{package}*" for package in PACKAGES if package != "tools"}
    assert installed == set(project["setuptools"]["packages"]["find"]["include"])


@pytest.mark.parametrize(
    ("sentence", "container"),
    [(r"Imports point one way: `run_stream → ([^`]+)`", None), (r"imports point one way too: `([^`]+)`", "stream")],
)
def test_the_order_of_imports_is_the_one_that_is_checked(sentence: str, container: str | None) -> None:
    (described,) = re.findall(sentence, ARCHITECTURE)
    (contract,) = [
        contract
        for contract in tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers" and contract.get("containers", [None]) == [container]
    ]
    assert " ".join(described.split()).split(" → ") == contract["layers"]


def test_every_file_named_exists() -> None:
    prose = re.sub(r"```.*?```", "", ARCHITECTURE, flags=re.DOTALL)
    files = re.findall(r"`([a-z_/]+\.py)`", prose)
    assert len(files) > 3
    assert [name for name in files if not (REPOSITORY / name).exists()] == []


def test_every_class_named_is_there() -> None:
    there = {name for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py") for name in classes(path)}
    named = set(re.findall(r"\b((?:[A-Z][a-z]+){2,})\b", ARCHITECTURE)) - {"MoveNet", "PyTorch"}
    assert {"StateBank", "FrameRing", "FeatureWindow"} <= named
    assert named <= there


def test_the_diagram_has_the_stages_in_the_order_in_which_they_run() -> None:
    source = "".join((REPOSITORY / "stages" / name).read_text() for name in ("pipeline.py", "step_scores.py"))
    order = re.findall(r'timer\.stage\("(\w+)"', source)
    drawn = {
        "detection": "detect",
        "tracking": "track",
        "geometry": "part boxes",
        "roi_features": "RoI features",
        "part_relevance": "relevance",
        "part_states": "states",
        "language_priors": "priors",
        "part_graph": "part ",
        "action_lstm": "action LSTM",
    }
    assert list(drawn) == order, "a stage came, went or moved: draw it"
    diagram = "".join(re.findall(r"```\n(.*?)```", ARCHITECTURE, flags=re.DOTALL)[0])
    diagram = diagram[diagram.index("leases") :]
    places = [diagram.index(drawn[stage]) for stage in order if stage != "part_graph"]
    assert places == sorted(places)
    assert diagram.index("priors") < diagram.index("graph") < diagram.index("action LSTM")


def classes(path: Path) -> set[str]:
    return set(re.findall(r"^class (\w+)", path.read_text(), flags=re.MULTILINE))


# -- configurations -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md", "docs/rtsp.md", "docs/recording.md"])
def test_the_configurations_shown_are_valid(page: str, tmp_path: Path) -> None:
    shown = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / page).read_text(), flags=re.DOTALL)
    assert shown
    for number, text in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text.replace("5F:0C:…", ":".join(["5F"] * 32)))
        load_config(path, {}, [], None)
