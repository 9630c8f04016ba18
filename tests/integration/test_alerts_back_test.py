"""Alerts of a running engine on an RTSP camera, and of a back-test over the results that it published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.cameras.rtsp_server import RtspServer
from stream.archive.tables import batch, rows_of
from stream.backtest.archive_results import read_archives
from stream.backtest.replay import replay
from stream.backtest.results_files import ResultsFiles
from stream.backtest.selection import Recorded, Selection, all_fields
from stream.results import Alert, Frame, Message, decode
from stream.rules.compiled import CompiledRules
from stream.rules_file import load_rules
from support.engines.alerting import engine_with, with_rules
from support.engines.small_clips import make_clip
from support.waiting import until

ENDED = ("restart", "no_results")
"""How alerts are cleared when the engine stops, or the camera is silent: without a result, which a back-test needs."""


def content(alerts: list[Alert]) -> list[bytes]:
    """Return the messages without what belongs to one run, by the alert's order of beginning."""
    order: dict[str, int] = {}
    lines: list[bytes] = []
    for alert in alerts:
        if alert.clear_reason not in ENDED:
            number = order.setdefault(alert.alert, len(order))
            lines.append(msgspec.json.encode(msgspec.structs.replace(alert, run="", seq=0, alert=str(number))))
    return lines


def archived(frames: list[Frame], folder: Path) -> Path:
    """Write the results as `partstream archive --parts all` does."""
    rows: dict[str, list[Any]] = {"frames": [], "people": []}
    for frame in frames:
        for table, row in rows_of(frame, 100):
            rows[table].append(row)
    for table in ("frames", "people"):
        path = folder / table / "day=2026-11-29" / "hour=00" / "0.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_batches([batch(table, rows[table])]), path)
    return folder


def alerts_of(recorded: Recorded, rules: CompiledRules) -> list[Alert]:
    (segments,) = recorded.segments.values()
    return list(replay(segments, rules))


async def test_a_back_test_finds_the_alerts_of_a_live_rtsp_camera_byte_for_byte(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=500, size=(200, 100))
    results = tmp_path / "results.jsonl"
    with RtspServer(files={"/clip": clip}) as server:
        settings = with_rules(tmp_path, source=server.url("/clip")).model_copy(update={"results": results})
        async with engine_with(settings) as (_, _, messages):
            rules = ("visitor", "call", "empty")  # the fence is crossed again before its alert is cleared

            def cleared(rule: str) -> int:
                return sum(isinstance(one, Alert) and (one.rule, one.state) == (rule, "cleared") for one in messages)

            await until(lambda: all(cleared(rule) > 1 for rule in rules))
    live = content([message for message in messages if isinstance(message, Alert)])
    config = load_rules(tmp_path / "rules.yaml")
    compiled, fields = CompiledRules(config), all_fields(config)
    files = ResultsFiles([results], Selection())
    assert content(alerts_of(files.recorded(), compiled)) == live
    files.close()
    frames: list[Message] = [decode(line) for line in results.read_bytes().splitlines()]
    archive = archived([frame for frame in frames if isinstance(frame, Frame)], tmp_path / "archive")
    assert content(alerts_of(read_archives([archive], Selection(), fields), compiled)) == live
