"""Tests of the rules with promtool: they are current, and each alert fires when it should and only then."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.cluster.settings import ClusterSettings
from fleet.coordinator.http_api import ROOT
from fleet.coordinator.metrics import METRICS as FLEET_METRICS
from fleet.proxy.metrics import METRICS as PROXY_METRICS
from support.repository import REPOSITORY
from telemetry.catalogue import METRICS
from tools.monitoring import rule_file
from tools.monitoring.alerts import ALERTS
from tools.monitoring.fleet_alerts import FLEET_ALERTS
from tools.monitoring.promql import OUTSIDE

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
NAMES = sorted(alert.name for alert in (*ALERTS, *FLEET_ALERTS))


def promtool(*arguments: str | Path) -> str:
    """Run promtool and return its output. Fails with the output if promtool reports an error."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.fail("promtool is missing: install the Debian package `prometheus` (apt-get install prometheus)")
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def unit_tests() -> list[dict[str, Any]]:
    return [test for file in UNIT_TESTS for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]]


def test_the_rule_file_is_current() -> None:
    assert rule_file.FILE.read_text(encoding="utf-8") == rule_file.text(), "run `python -m tools.monitoring.rule_file`"


def test_promtool_accepts_the_rules_and_the_scrape_configuration() -> None:
    assert f"SUCCESS: {len(rule_file.RECORDING_RULES) + len(NAMES)} rules found" in promtool(
        "check", "rules", rule_file.FILE
    )
    for name in ("prometheus.yml", "fleet.yml"):
        promtool("check", "config", "--syntax-only", PROMETHEUS / name)


def test_promtools_unit_tests_of_the_alerts_pass() -> None:
    promtool("test", "rules", *UNIT_TESTS)


def test_every_alert_has_a_test_firing_and_silent() -> None:
    tried = [trial for test in unit_tests() for trial in test["alert_rule_test"]]
    assert sorted({trial["alertname"] for trial in tried if trial["exp_alerts"]}) == NAMES
    assert sorted({trial["alertname"] for trial in tried if not trial["exp_alerts"]}) == NAMES


def test_the_unit_tests_use_existing_metrics() -> None:
    known = {
        spec.full_name + part
        for spec in (*METRICS, *FLEET_METRICS, *PROXY_METRICS)
        for part in ("", "_bucket", "_sum", "_count")
    } | set(OUTSIDE)
    fed = {re.split(r"[{ ]", given["series"])[0] for test in unit_tests() for given in test["input_series"]}
    assert fed <= known, fed - known


def test_every_alert_links_to_its_section_of_the_runbook() -> None:
    sections = re.findall(r"^## (\w+)$", (REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == NAMES
    groups = rule_file.rules("https://docs.example/runbook/")["groups"][1:]
    for rule in [rule for group in groups for rule in group["rules"]]:
        assert rule["annotations"]["runbook_url"] == f"https://docs.example/runbook/#{rule['alert'].lower()}"


@pytest.mark.parametrize(
    ("file", "jobs"),
    [("prometheus.yml", ["partstream"]), ("fleet.yml", ["partstream-fleet", "partstream", "partstream-ray"])],
)
def test_the_scrape_configurations_use_the_jobs_and_the_file_of_the_rules(file: str, jobs: list[str]) -> None:
    config, other = (yaml.safe_load((PROMETHEUS / name).read_text()) for name in (file, "prometheus.yml"))
    assert [scraped["job_name"] for scraped in config["scrape_configs"]] == jobs
    assert [str(PROMETHEUS / name) for name in config["rule_files"]] == [str(rule_file.FILE)]
    assert config["global"] == other["global"]


def metrics_port() -> int:
    return ClusterSettings().ports(head=True)["metrics-export-port"]  # pyright: ignore[reportCallIssue]


def test_the_engines_of_a_fleet_are_found_where_the_coordinator_lists_them() -> None:
    coordinator, engines, ray = yaml.safe_load((PROMETHEUS / "fleet.yml").read_text())["scrape_configs"]
    (found,) = engines["http_sd_configs"]
    (target,) = coordinator["static_configs"][0]["targets"]
    assert found["url"] == f"http://{target}{ROOT}/prometheus/targets"
    assert ray["static_configs"] == [{"targets": [f"{target.split(':')[0]}:{metrics_port()}"]}]
    assert found["authorization"] == coordinator["authorization"] == {"credentials_file": "partstream.token"}
