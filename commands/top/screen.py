"""Screen: what `top` shows, a rich renderable of the latest look, and of what happened since the one before."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from commands.console.live_table import STATE_COLOUR, duration
from commands.top.engine_client import Camera, Look
from commands.top.measurements import Histogram

NARROW, MEDIUM, WIDE = 60, 80, 100
"""From so many columns on more is shown: what comes in and out; how old and waiting; drops by reason."""
LATE_S = 1.0
"""An answer that is older isn't live any more."""
BAR = 12
STAGES_SHOWN = 16
ILL_SHOWN = 4
FEWEST_CAMERAS = 3
ROWS_BESIDE = 14
"""What stands above and below the tables, with what is said of cameras that aren't well."""


class Screen:
    """Holds the last two looks. `now` gives the monotonic time, in seconds, that their age is counted to."""

    def __init__(self, address: str, now: Callable[[], float] = monotonic) -> None:
        self._address = address
        self._now = now
        self._look: Look | None = None
        self._before: Look | None = None
        self._trouble = ""

    def show(self, look: Look) -> None:
        """A new look. One of another run has nothing to be compared with."""
        same = self._look is not None and self._look.status.run == look.status.run
        self._before = self._look if same else None
        self._look = look
        self._trouble = ""

    def trouble(self, message: str) -> None:
        """The engine can't be looked at; what was seen last stays, and is said to be old."""
        self._trouble = message

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        parts: list[RenderableType] = []
        if self._trouble:
            parts.append(Text(f"{self._trouble}; trying again", "bold red"))
        look = self._look
        if look is None:
            yield Group(*parts, *([] if parts else [Text(f"Looking at {self._address} …", "dim")]))
            return
        if self._trouble:
            parts.append(Text(f"As it was {duration(self._now() - look.at_s)} ago:", "yellow"))
        stages = self._stages(look, width)
        below = (stages.row_count + 2 if stages else 0) + ROWS_BESIDE
        rows = max(FEWEST_CAMERAS, options.height - below) if options.height else len(look.status.cameras)
        parts += [self._head(look), Text(), self._cameras(look, width, rows), *_ill(look)]
        if stages is not None:
            parts += [Text(), stages]
        parts += [Text(), *self._memory(look)]
        yield Group(*parts)

    # -- parts --------------------------------------------------------------------------------------------------
    def _head(self, look: Look) -> Text:
        status = look.status
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("ready" if status.ready else "NOT READY", "green" if status.ready else "bold red")
        text.append(f"  {self._address}", "bold")
        text.append(f"  up {duration(status.uptime_s)}, {status.model.profile}, run {status.run[:8]}", "dim")
        if not status.ready:
            text.append(f"\n{status.ready_reason}", "red")
        return text

    def _cameras(self, look: Look, width: int, rows: int) -> Table:
        """As many as there are rows for; if that isn't all, those that aren't well first."""
        headings = ["camera", "state", "people"]
        headings += ["in", "out"] if width >= NARROW else []
        headings += ["age p50", "p95", "waiting"] if width >= MEDIUM else []
        headings += ["dropped"]
        table = _table(*headings, flexible="dropped")
        cameras = look.status.cameras
        if len(cameras) > rows:
            cameras = sorted(cameras, key=lambda camera: (camera.status.reason is None, camera.status.state == "live"))
        for camera in cameras[:rows]:
            status = camera.status
            age = self._since(look, "frame_age_seconds", camera=camera.id)
            waiting = look.measured.value("ring_ready_frames", camera=camera.id)
            cells: dict[str, RenderableType] = {
                "camera": _name(camera.id, width),
                "state": Text(status.state, STATE_COLOUR.get(status.state, "")),
                "people": str(status.tracks),
                "in": f"{status.fps_in:.1f}/s",
                "out": f"{status.fps_out:.1f}/s",
                "age p50": _age(age.quantile(0.5)),
                "p95": _age(age.quantile(0.95)),
                "waiting": f"{waiting:.0f}" if waiting is not None else "",
                "dropped": self._drops(camera, look, by_reason=width >= WIDE),
            }
            table.add_row(*(cells[heading] for heading in headings))
        if not cameras:
            table.add_row(Text("none", "dim"))
        if len(cameras) > rows:
            table.add_row(Text(f"and {len(cameras) - rows} more", "dim"))
        return table

    def _drops(self, camera: Camera, look: Look, by_reason: bool) -> Text:
        """A second since the look before, by reason; without one, in all since the camera was started."""
        dropped, unit = dict(camera.status.dropped), ""
        before = self._before and next((one for one in self._before.status.cameras if one.id == camera.id), None)
        if before and self._before and before.status.decoded <= camera.status.decoded:
            seconds = max(1e-3, look.at_s - self._before.at_s)
            earlier = before.status.dropped
            rates = {reason: (count - earlier.get(reason, 0)) / seconds for reason, count in dropped.items()}
            unit = "/s"
        else:
            rates = {reason: float(count) for reason, count in dropped.items()}
        most = sorted(((rate, reason) for reason, rate in rates.items() if rate > 0), reverse=True)
        if not most:
            return Text("–", "dim")
        text = Text(_number(sum(rate for rate, _ in most)) + unit, overflow="ellipsis", no_wrap=True)
        if by_reason:
            text.append("  " + ", ".join(f"{reason.replace('_', ' ')} {_number(rate)}" for rate, reason in most), "dim")
        return text

    def _stages(self, look: Look, width: int) -> Table | None:
        """Where the time goes: of each stage, batches a second, how long they took, its share of the time."""
        headings = ["stage", "batches", "mean", "p95"] + (["of the time"] if width >= NARROW else [])
        table = _table(*headings, flexible="stage")
        before = self._before
        seconds = look.at_s - before.at_s if before is not None else look.status.uptime_s
        for stage in look.measured.stages()[:STAGES_SHOWN]:
            took = self._since(look, "stage_seconds", stage=stage)
            share = took.total / max(1e-3, seconds)
            bar = Text.assemble(f"{share:4.0%} ", ("█" * min(BAR, round(share * BAR)), "cyan"))
            row = [stage.replace("_", " "), f"{took.count / max(1e-3, seconds):.1f}/s"]
            table.add_row(*row, _took(took.mean), _took(took.quantile(0.95)), *([bar] if width >= NARROW else []))
        return table if table.row_count else None

    def _memory(self, look: Look) -> list[Text]:
        measured, status = look.measured, look.status
        words: list[str] = []
        if (resident := measured.value("process_resident_memory_bytes")) is not None:
            words.append(f"process {_bytes(resident)}")
        words += [f"device {kind} {_bytes(size)}" for kind, size in measured.by("device_memory_bytes", "kind").items()]
        words.append(f"people's states {status.state_slots_used} of {status.state_slots}")
        if (files := measured.value("process_open_fds")) is not None:
            words.append(f"{files:.0f} open files")
        seconds = look.at_s - self._before.at_s if self._before is not None else 0.0
        now, then = (one and one.measured.value("process_cpu_seconds") for one in (look, self._before))
        if seconds > 0 and now is not None and then is not None:
            words.append(f"CPU {max(0.0, now - then) / seconds:.0%}")
        batch = self._since(look, "batch_frames").mean
        readers = [f"{status.subscriptions} ZeroMQ subscriptions, {status.streams} HTTP streams"]
        readers += [f"{batch:.1f} frames a batch"] if batch is not None else []
        lines = (("memory", words), ("readers", readers))
        return [Text.assemble((f"{name:<8}", "dim"), ", ".join(said)) for name, said in lines]

    def _since(self, look: Look, name: str, **labels: str) -> Histogram:
        before = self._before.measured.histogram(name, **labels) if self._before is not None else None
        return look.measured.histogram(name, **labels).since(before)


def _ill(look: Look) -> list[Text]:
    """What to do about cameras that aren't well."""
    return [
        Text(camera.status.message, "dim" if camera.status.state == "ended" else "yellow")
        for camera in look.status.cameras
        if camera.status.reason
    ][:ILL_SHOWN]


def _age(seconds: float | None) -> Text:
    if seconds is None:
        return Text("–", "dim")
    return Text(_took(seconds), "red" if seconds > LATE_S else "")


def _took(seconds: float | None) -> str:
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
    """A plain table in which the column `flexible` gives way where there isn't room for all."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        text = heading in ("camera", "state", "stage", "dropped", "of the time")
        table.add_column(heading, justify="left" if text else "right", no_wrap=heading != flexible)
    return table
