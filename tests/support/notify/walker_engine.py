"""An engine as a process of its own, with rules and kept incidents: `python -m support.notify.walker_engine SETTINGS`.

SETTINGS is JSON: `folder` of its files, and the addresses `endpoint` and `replay`. It runs until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from stream.engine import Engine
from stream.incidents import database
from stream.results import Alert
from support.engines.alerting import Walker, with_rules


async def main() -> None:
    settings = json.loads(sys.argv[1])
    folder = Path(settings["folder"])
    made = with_rules(folder)
    publish = made.publish.model_copy(update={"endpoint": settings["endpoint"], "replay": settings["replay"]})
    incidents = made.incidents.model_copy(update={"directory": folder / "incidents", "least_free": 0})
    async with Engine(made.model_copy(update={"publish": publish, "incidents": incidents}), model=Walker()) as engine:
        await engine.wait()


def kept_alerts(folder: Path) -> dict[str, list[Alert]]:
    """Return the messages of alerts that engines in this folder have kept, by run, in order."""
    path = folder / "incidents" / database.NAME
    if not path.exists():
        return {}
    found: dict[str, list[Alert]] = {}
    query = "SELECT r.run, m.body FROM messages m JOIN runs r ON r.number = m.run ORDER BY m.number"
    try:
        with closing(sqlite3.connect(path)) as connection:
            for run, body in connection.execute(query):
                found.setdefault(run, []).append(msgspec.json.decode(body, type=Alert))
    except sqlite3.OperationalError:  # the tables are being made
        return {}
    return found


if __name__ == "__main__":
    asyncio.run(main())
