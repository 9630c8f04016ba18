"""The report of an evaluation: one self-contained page without scripts, with every name escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.training.psc_pairs import Pair, as_json
from training.benchmark.observed_answers import Recognition, recognise
from training.benchmark.psc import evaluate
from training.benchmark.reports.evaluation_report import render, write_report
from training.benchmark.reports.evaluation_summary import Summary, summarise
from training.benchmark.submission import parse_ground_truth, parse_prediction

SCRIPT = "<script>alert(1)</script>"
ODD = "$x_{1}$ & \"q\" 's' --> ]]> #010203 {braces}"


class Page(HTMLParser):
    """The elements, attributes and text that a browser would find."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def summary(truth_class: str, answer: str, *, part: str = "head", recognition: Recognition | None = None) -> Summary:
    box = [0, 0, 9, 9]
    human = {"box": box, "parts": {part: {"box": box, "verb": part}}}
    frames = {video: {"1": {"humans": [human]}} for video in (truth_class, f"{truth_class}2")}
    actions = dict.fromkeys(frames, truth_class)
    truth = parse_ground_truth(as_json(actions), as_json({**frames, f"more {part}": {}}))
    prediction = parse_prediction(as_json(dict(zip(frames, (truth_class, answer)))), as_json(frames), truth)
    return summarise(truth, prediction, evaluate(truth, prediction), recognition)


def full(seed: int = 6) -> Summary:
    pair = Pair(seed, whole=True)
    truth, prediction = pair.read()
    answers = [[(0.5, None, 0.0), (1.0, action, 0.5), (2.0, action, 0.5)] for action in truth.actions]
    return summarise(truth, prediction, evaluate(truth, prediction), recognise(answers, truth.actions))


@pytest.fixture(scope="module")
def source() -> str:
    return render(full(), truth="truth", prediction="guess")


def test_the_page_loads_no_resources_and_runs_no_scripts(source: str) -> None:
    page = Page(source)
    tags = {tag for tag, _ in page.elements}
    assert "svg" in tags and not tags & {"script", "link", "img", "iframe", "object", "embed", "image", "base", "form"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    assert not re.search(r"url\((?!#)|@import", source)
    policy = [attributes.get("content") for tag, attributes in page.elements if tag == "meta"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy


@pytest.mark.parametrize("name", [SCRIPT, ODD])
def test_names_from_the_files_are_escaped_everywhere(name: str) -> None:
    source = render(summary(name, f"not {name}", part=name), truth=name, prediction=name)
    page = Page(source)
    assert not {"script", "q"} & {tag for tag, _ in page.elements}
    # Title, heading, warning, tables of parts, states, classes, mistakes and videos, labels of the plots.
    assert page.text.count(name) >= 8
    assert "var(--ink) {braces}" not in page.text


def test_plots_are_well_formed_and_use_only_colours_of_the_page(source: str) -> None:
    drawings = re.findall(r"<svg .*?</svg>", source, flags=re.DOTALL)
    assert len(drawings) == 5
    declared = set(re.findall(r"(--[a-z]+):#", source))
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert set(re.findall(r"var\((--[a-z]+)\)", drawing)) <= declared
        assert not re.search(r"(fill|stroke): #", drawing)
    ids = re.findall(r'\bid="([^"]+)"', source)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', source)) <= {(i, "") for i in ids} | {
        ("", i) for i in ids
    }
    assert source.count("prefers-color-scheme: dark") == 1


def test_plots_have_tables_of_the_same_numbers(source: str) -> None:
    text = Page(source).text
    for title in (
        "Score",
        "Parts",
        "Part states",
        "Classes",
        "While watching",
        "Time until the class stays correct",
        "Videos",
    ):
        assert title in text
    assert "3 of 3 videos end with the correct class" in text and "1.00 s" in text


def test_answers_over_time_appear_only_if_given() -> None:
    assert "While watching" not in render(summary("lunge", "push_up"), truth="truth", prediction="guess")


def test_a_ground_truth_without_parts_and_with_wrong_answers_gives_a_page() -> None:
    truth = parse_ground_truth(as_json({"v": "lunge"}), as_json({"v": {}}))
    prediction = parse_prediction(as_json({"v": "other"}), as_json({"v": {}}), truth)
    found = summarise(truth, prediction, evaluate(truth, prediction), recognise([[]], ["lunge"]))
    text = Page(render(found, truth="truth", prediction="guess")).text
    assert "never" in text and "Parts" not in text and "(not in the ground truth)" in text


def test_the_same_evaluation_makes_the_same_page(source: str) -> None:
    assert render(full(), truth="truth", prediction="guess") == source


def test_a_page_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError):
        write_report(full(), tmp_path / "report.html", truth="truth", prediction="guess")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
