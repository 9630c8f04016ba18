"""Generator of deploy/grafana/dashboards: `python -m tools.monitoring.dashboards.files`."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tools.monitoring.dashboards import camera, fleet, overview, pipeline, subscribers

FOLDER = Path(__file__).parents[3] / "deploy" / "grafana" / "dashboards"


def texts() -> dict[str, str]:
    """Return the JSON text of each dashboard by file name."""
    made = {}
    for module in (overview, pipeline, camera, subscribers, fleet):
        built = module.dashboard().build()
        for number, panel in enumerate(built.panels or [], start=1):
            panel.id_val = number
        made[f"{built.uid}.json"] = JSONEncoder(sort_keys=True, indent=1, ensure_ascii=False).encode(built) + "\n"
    return made


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
