"""The benchmark of the cost of rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.rules import rules_bench


def test_a_round_gives_the_same_results_with_and_without_rules_and_raises_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_bench, "CAMERAS", 2)
    path = tmp_path / "rules.json"
    assert rules_bench.main(["--runs", "2", "--json", str(path)]) == 0
    runs = json.loads(path.read_text())["runs"]
    assert len(runs) == 2 and all(run["began"] > 0 and run["without_us"] > 0 for run in runs)
    compiled = rules_bench.rules()
    assert (len(compiled.rules), len(compiled.written), len(rules_bench.zones())) == (50, 6, 20)
