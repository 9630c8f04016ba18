"""Screen: what `top` shows, a rich renderable of the latest snapshot and of the changes since the one before."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from commands.console.live_table import STATE_COLOUR, duration
from commands.console.load_words import load_words
from commands.console.printable import Printable
from commands.top.engine_client import Camera, Snapshot
from commands.top.measurements import Histogram

NARROW, MEDIUM, WIDE = 60, 80, 100
"""Minimum widths for rates, for ages and waiting frames, and for drops by reason in the table instead of below it."""
LATE_S = 1.0
"""Ages above this are red."""
BAR = 12
STAGES_SHOWN = 16
PROBLEMS_SHOWN = 4
MIN_CAMERA_ROWS = 3
OTHER_ROWS = 14
"""Lines above and below the tables, with the problems of cameras."""


class Screen:
    """The last two snapshots as a rich renderable. `now` gives the monotonic time in seconds, for their age."""

    def __init__(self, address: str, now: Callable[[], float] = monotonic) -> None:
        self._address = address
        self._now = now
        self._snapshot: Snapshot | None = None
        self._before: Snapshot | None = None
        self._error = ""

    def show(self, snapshot: Snapshot) -> None:
        """Show a new snapshot. One of another run is not compared with the one before."""
        same = self._snapshot is not None and self._snapshot.status.run == snapshot.status.run
        self._before = self._snapshot if same else None
        self._snapshot = snapshot
        self._error = ""

    def set_error(self, message: str) -> None:
        """Show why the engine does not answer, above the last snapshot and its age."""
        self._error = message

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        parts: list[RenderableType] = []
        if self._error:
            parts.append(Text(f"{self._error}; retrying", "bold red"))
        snapshot = self._snapshot
        if snapshot is None:
            yield Printable(Group(*parts, *([] if parts else [Text(f"Connecting to {self._address} …", "dim")])))
            return
        if self._error:
            parts.append(Text(f"State {duration(self._now() - snapshot.at_s)} ago:", "yellow"))
        stages = self._stages(snapshot, width)
        drops = self._drop_reasons(snapshot) if width < WIDE else []
        below = (stages.row_count + 2 if stages else 0) + len(drops) + OTHER_ROWS
        rows = max(MIN_CAMERA_ROWS, options.height - below) if options.height else len(snapshot.status.cameras)
        parts += [self._head(snapshot), Text(), self._cameras(snapshot, width, rows), *drops, *_problems(snapshot)]
        if stages is not None:
            parts += [Text(), stages]
        parts += [Text(), *self._memory(snapshot)]
        yield Printable(Group(*parts))

    # -- parts --------------------------------------------------------------------------------------------------
    def _head(self, snapshot: Snapshot) -> Text:
        status = snapshot.status
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("ready" if status.ready else "NOT READY", "green" if status.ready else "bold red")
        text.append(f"  {self._address}", "bold")
        text.append(f"  up {duration(status.uptime_s)}, {status.model.profile}, run {status.run[:8]}", "dim")
        if not status.ready:
            text.append(f"\n{status.ready_reason}", "red")
        load = status.load
        if words := load_words(load.ease_level, load.max_ease_level, load.overloaded):
            text.append("\n").append_text(words)
        return text

    def _cameras(self, snapshot: Snapshot, width: int, rows: int) -> Table:
        """Return the cameras for which there are rows; if not for all, those with problems first."""
        headings = ["camera", "state", "people"]
        headings += ["in", "out"] if width >= NARROW else []
        headings += ["age p50", "p95", "waiting"] if width >= MEDIUM else []
        headings += ["dropped"]
        table = _table(*headings, flexible="dropped")
        cameras = snapshot.status.cameras
        if len(cameras) > rows:
            cameras = sorted(cameras, key=lambda camera: (camera.status.reason is None, camera.status.state == "live"))
        for camera in cameras[:rows]:
            status = camera.status
            age = self._since(snapshot, "frame_age_seconds", camera=camera.id)
            waiting = snapshot.measured.value("ring_ready_frames", camera=camera.id)
            cells: dict[str, RenderableType] = {
                "camera": _name(camera.id, width),
                "state": Text(status.state, STATE_COLOUR.get(status.state, "")),
                "people": str(status.tracks),
                "in": f"{status.fps_in:.1f}/s",
                "out": f"{status.fps_out:.1f}/s",
                "age p50": _age(age.quantile(0.5)),
                "p95": _age(age.quantile(0.95)),
                "waiting": f"{waiting:.0f}" if waiting is not None else "",
                "dropped": self._drops(camera, snapshot, by_reason=width >= WIDE),
            }
            table.add_row(*(cells[heading] for heading in headings))
        if not cameras:
            table.add_row(Text("none", "dim"))
        if len(cameras) > rows:
            table.add_row(Text(f"and {len(cameras) - rows} more", "dim"))
        return table

    def _drops(self, camera: Camera, snapshot: Snapshot, by_reason: bool) -> Text:
        """Return drops per second since the snapshot before; without one, all drops since the camera was started."""
        rates, unit = self._drop_rates(camera, snapshot)
        if not rates:
            return Text("–", "dim")
        text = Text(_number(sum(rates.values())) + unit)
        if by_reason:
            text.append(f"  {_reasons(rates)}", "dim")
        return text

    def _drop_reasons(self, snapshot: Snapshot) -> list[Text]:
        """Return the cameras with drops and their reasons, those with the most drops first."""
        found = [(camera.id, *self._drop_rates(camera, snapshot)) for camera in snapshot.status.cameras]
        found = sorted((drops for drops in found if drops[1]), key=lambda drops: -sum(drops[1].values()))
        return [
            Text(f"{camera} dropped{' per second' if unit else ''}: {_reasons(rates)}", "dim")
            for camera, rates, unit in found[:PROBLEMS_SHOWN]
        ]

    def _drop_rates(self, camera: Camera, snapshot: Snapshot) -> tuple[dict[str, float], str]:
        """Return the drops by reason, most first, and their unit."""
        dropped, unit = dict(camera.status.dropped), ""
        before = self._before and next((one for one in self._before.status.cameras if one.id == camera.id), None)
        if before and self._before and before.status.decoded <= camera.status.decoded:
            seconds = max(1e-3, snapshot.at_s - self._before.at_s)
            earlier = before.status.dropped
            rates = {reason: (count - earlier.get(reason, 0)) / seconds for reason, count in dropped.items()}
            unit = "/s"
        else:
            rates = {reason: float(count) for reason, count in dropped.items()}
        counted = sorted(((rate, reason) for reason, rate in rates.items() if rate > 0), reverse=True)
        return {reason: rate for rate, reason in counted}, unit

    def _stages(self, snapshot: Snapshot, width: int) -> Table | None:
        """Return each stage's batches per second, their duration, and its share of the time."""
        headings = ["stage", "batches", "mean", "p95"] + (["of the time"] if width >= NARROW else [])
        table = _table(*headings, flexible="stage")
        before = self._before
        seconds = snapshot.at_s - before.at_s if before is not None else snapshot.status.uptime_s
        for stage in snapshot.measured.stages()[:STAGES_SHOWN]:
            took = self._since(snapshot, "stage_seconds", stage=stage)
            share = took.total / max(1e-3, seconds)
            bar = Text.assemble(f"{share:4.0%} ", ("█" * min(BAR, round(share * BAR)), "cyan"))
            rate = f"{took.count / max(1e-3, seconds):.1f}/s"
            row = [stage.replace("_", " "), rate, _duration(took.mean), _duration(took.quantile(0.95))]
            table.add_row(*row, *([bar] if width >= NARROW else []))
        return table if table.row_count else None

    def _memory(self, snapshot: Snapshot) -> list[Text]:
        measured, status = snapshot.measured, snapshot.status
        words: list[str] = []
        if (resident := measured.value("process_resident_memory_bytes")) is not None:
            words.append(f"process {_bytes(resident)}")
        words += [f"device {kind} {_bytes(size)}" for kind, size in measured.by("device_memory_bytes", "kind").items()]
        words.append(f"people's states {status.state_slots_used} of {status.state_slots}")
        if (files := measured.value("process_open_fds")) is not None:
            words.append(f"{files:.0f} open files")
        seconds = snapshot.at_s - self._before.at_s if self._before is not None else 0.0
        now, then = (one and one.measured.value("process_cpu_seconds") for one in (snapshot, self._before))
        if seconds > 0 and now is not None and then is not None:
            words.append(f"CPU {max(0.0, now - then) / seconds:.0%}")
        batch = self._since(snapshot, "batch_frames").mean
        readers = [f"{status.subscriptions} ZeroMQ subscriptions, {status.streams} HTTP streams"]
        readers += [f"{batch:.1f} frames a batch"] if batch is not None else []
        lines = (("memory", words), ("readers", readers))
        return [Text.assemble((f"{name:<8}", "dim"), ", ".join(texts)) for name, texts in lines]

    def _since(self, snapshot: Snapshot, name: str, **labels: str) -> Histogram:
        before = self._before.measured.histogram(name, **labels) if self._before is not None else None
        return snapshot.measured.histogram(name, **labels).since(before)


def _problems(snapshot: Snapshot) -> list[Text]:
    """Return the messages of cameras with problems."""
    return [
        Text(camera.status.message, "dim" if camera.status.state == "ended" else "yellow")
        for camera in snapshot.status.cameras
        if camera.status.reason
    ][:PROBLEMS_SHOWN]


def _reasons(rates: dict[str, float]) -> str:
    return ", ".join(f"{reason.replace('_', ' ')} {_number(rate)}" for reason, rate in rates.items())


def _age(seconds: float | None) -> Text:
    if seconds is None:
        return Text("–", "dim")
    return Text(_duration(seconds), "red" if seconds > LATE_S else "")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1e3:.{1 if seconds < 0.01 else 0}f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _bytes(count: float) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MiB"


def _name(camera: str, width: int) -> Text:
    text = Text(camera, "bold")
    text.truncate(20 if width >= NARROW else 10, overflow="ellipsis")
    return text


def _table(*headings: str, flexible: str) -> Table:
    """Return a plain table in which the column `flexible` shrinks first."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        text = heading in ("camera", "state", "stage", "dropped", "of the time")
        table.add_column(heading, justify="left" if text else "right", no_wrap=heading != flexible)
    return table
