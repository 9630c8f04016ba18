"""Write deploy/prometheus/rules/partstream.yml: `python -m tools.monitoring.rule_file`.

With `--runbook URL` alerts link to where your site has docs/runbook.md.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import yaml

from tools.monitoring.alerts import ALERTS, Alert
from tools.monitoring.recording_rules import RECORDING_RULES

FILE = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules" / "partstream.yml"
RUNBOOK = "docs/runbook.md"
"""Where the runbook is, for an alert's link; each alert's name in lower case is the anchor of its section."""

HEADER = "# Written by `python -m tools.monitoring.rule_file` from tools/monitoring/alerts.py and recording_rules.py.\n"


class _Block(str):
    """Text that is written as a block of lines."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Block, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
)


def rules(runbook: str = RUNBOOK) -> dict[str, Any]:
    """The file's content as Prometheus wants it."""
    return {
        "groups": [
            {
                "name": "partstream-recording",
                "rules": [{"record": rule.record, "expr": rule.expression} for rule in RECORDING_RULES],
            },
            {"name": "partstream-alerts", "rules": [_rule(alert, runbook) for alert in ALERTS]},
        ]
    }


def _rule(alert: Alert, runbook: str) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": _lines(alert.expression),
        **({} if alert.lasts == "0s" else {"for": alert.lasts}),
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{runbook}#{alert.name.lower()}",
        },
    }


def _lines(expression: str) -> str:
    """A condition of several is read more easily with a line for each."""
    parts = re.split(r" (?=(?:and|or) )", expression)
    return expression if len(parts) == 1 else _Block("\n".join(parts) + "\n")


def text(runbook: str = RUNBOOK) -> str:
    """The whole file, YAML."""
    return HEADER + yaml.dump(rules(runbook), Dumper=_Dumper, sort_keys=False, width=1000)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m tools.monitoring.rule_file", description=__doc__)
    parser.add_argument("--runbook", default=RUNBOOK, metavar="URL", help="where docs/runbook.md is on your site")
    parser.add_argument("--to", type=Path, default=FILE, metavar="FILE", help="the file to write")
    arguments = parser.parse_args()
    arguments.to.write_text(text(arguments.runbook), encoding="utf-8")


if __name__ == "__main__":
    main()
