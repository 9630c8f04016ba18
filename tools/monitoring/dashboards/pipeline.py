"""Pipeline: where an engine's time and memory go."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from tools.monitoring.dashboards.board import board
from tools.monitoring.dashboards.fleet import HERE, NOW
from tools.monitoring.dashboards.panels import BAD, GOOD, WORSE, Advice, AnyPanel, Query, heat, lines, number
from tools.monitoring.promql import ENGINE, happened, increase, mean, quantile, rate, series, total
from tools.monitoring.recording_rules import recorded

BUSY = 0.9
"""Of the inference thread's time: above it there is no reserve for a scene with more people."""

_BUSY = recorded("instance:partstream_stage_seconds:rate5m", **HERE)


def dashboard() -> Dashboard:
    """Seconds by stage, batches, people and their states, memory."""
    return board(
        "partstream-pipeline",
        "partstream: pipeline",
        "From a decoded frame to its result: batches, stages, people, memory. Choose one engine; several are summed.",
        [
            ("Now", _numbers()),
            ("Stages", _stages()),
            ("Batches", _batches()),
            ("People and their states", _people()),
            ("Memory and processor", _memory()),
        ],
    )


def _numbers() -> list[AnyPanel]:
    return [
        number(
            "Share of time in stages",
            Advice(
                f"Under {BUSY:.0%}: the rest is reserve for scenes with more people.",
                "Lower max_fps or detector_size, set model.detect_every, or move cameras away.",
            ),
            Query(f"max({_BUSY})"),
            unit="percentunit",
            steps=[(None, GOOD), (BUSY - 0.2, WORSE), (BUSY, BAD)],
        ),
        number(
            "Frames a batch",
            Advice(
                "Between 1 and the number of live cameras, at most batch.max_frames.",
                "1 and busy: the model takes longer than batch.max_batch_ms allows for more.",
            ),
            Query(mean("batch_frames", NOW, ENGINE, **HERE)),
        ),
        number(
            "People followed",
            Advice("As many as one would count.", "Far more: a screen, posters or a crowd; raise model.person_score."),
            Query(f"sum({series('tracks_active', **HERE)})"),
        ),
        number(
            "States free",
            Advice("Above 0.", "Raise model.state_slots.", "PartstreamStatesEvicted"),
            Query(f"min({series('state_bank_slots', state='free', **HERE)})"),
            steps=[(None, BAD), (1, WORSE), (16, GOOD)],
        ),
        number(
            "Stage errors, last hour",
            Advice("0.", "The log has each with its traceback.", "PartstreamStageErrors"),
            Query(f"sum({increase(series('stage_errors_total', **HERE), '1h')}) or vector(0)"),
            steps=[(None, GOOD), (1, BAD)],
        ),
        number(
            "Frames waiting",
            Advice(
                "A few: those that came since the last batch.",
                "Near cameras × ring_slots: the engine is too slow, frames are overwritten or grow stale.",
            ),
            Query(f"sum({series('ring_ready_frames', **HERE)})"),
        ),
    ]


def _stages() -> list[AnyPanel]:
    by_stage = ("stage",)
    return [
        lines(
            "Share of time, by stage",
            Advice(
                f"All of it under the dashed line at {BUSY:.0%} (of one engine). Detection takes most.",
                "The widest band is what to make cheaper. detection: detector_size, detect_every, max_fps. Those after "
                "tracking grow with people: max_people.",
            ),
            Query(total(rate(series("stage_seconds", "sum", **HERE), NOW), by_stage), "{{stage}}"),
            unit="percentunit",
            stacked=True,
            limit=BUSY,
        ),
        lines(
            "Time a batch, by stage",
            Advice(
                "Steady; the sum under batch.max_batch_ms (150 ms by default).",
                "A jump at an update: the model or its device changed. A climb over the day: the host is throttled.",
            ),
            Query(
                f"avg by (stage) ({recorded('instance_stage:partstream_stage_seconds:mean5m', **HERE)})", "{{stage}}"
            ),
            unit="s",
            stacked=True,
        ),
        lines(
            "Slowest batches, p99, by stage",
            Advice(
                "Within a few times the mean.",
                "Far above it: hiccups. Look at other programs on the host or device at these moments.",
            ),
            Query(quantile(0.99, "stage_seconds", NOW, by_stage, **HERE), "{{stage}}"),
            unit="s",
        ),
        lines(
            "Errors, by stage",
            Advice("Nothing.", "The log has each with its traceback and cameras.", "PartstreamStageErrors"),
            Query(total(happened(series("stage_errors_total", **HERE), NOW), by_stage), "{{stage}}"),
            width=12,
        ),
        lines(
            "Halved for memory, by stage",
            Advice(
                "Nothing after the start.",
                "Another program uses the device, or batch.max_frames is too many for it.",
                "PartstreamOutOfDeviceMemory",
            ),
            Query(total(happened(series("out_of_memory_total", **HERE), NOW), by_stage), "{{stage}}"),
            width=12,
        ),
    ]


def _batches() -> list[AnyPanel]:
    return [
        heat(
            "Frames a batch, how often",
            Advice(
                "Near the number of cameras that are live, or batch.max_frames if that is less.",
                "Always 1 with many cameras: more would take longer than batch.max_batch_ms, or, with time to spare, "
                "batch.max_wait_ms is too short for company to come.",
            ),
            Query(total(rate(series("batch_frames", "bucket", **HERE), NOW), ("le",)), "{{le}}"),
            unit="short",
            width=8,
        ),
        lines(
            "A batch's oldest frame waited",
            Advice(
                "Under batch.max_wait_ms (10 ms by default).",
                "It waited for the batch before: see the share of time in stages. If there is time to spare, lower "
                "batch.max_wait_ms: it adds to every result's age.",
            ),
            *(Query(quantile(q / 100, "batch_wait_seconds", NOW, ("job",), **HERE), f"p{q}") for q in (50, 99)),
            unit="s",
            colours={"p50": GOOD, "p99": WORSE},
        ),
        lines(
            "Frames waiting in rings",
            Advice("A few for each engine.", "As many as slots: the engine is too slow.", "PartstreamDropsHigh"),
            Query(total(series("ring_ready_frames", **HERE), ("instance",)), "{{instance}}"),
        ),
    ]


def _people() -> list[AnyPanel]:
    people = rate(series("people_total", **HERE), NOW)
    frames = rate(series("frames_processed_total", **HERE), NOW)
    return [
        lines(
            "People",
            Advice(
                "Follows the day's course.",
                "0 by day: a detector that sees nothing; look at the live page. Thousands: a screen or a crowd.",
            ),
            Query(f"sum({series('tracks_active', **HERE)})", "followed now"),
            Query(f"sum({people}) / (sum({frames}) > 0)", "published a frame"),
        ),
        lines(
            "State bank",
            Advice("Some free.", "None free: raise model.state_slots.", "PartstreamStatesEvicted"),
            *(Query(f"sum({series('state_bank_slots', state=state, **HERE)})", state) for state in ("used", "free")),
            stacked=True,
            colours={"used": "blue", "free": "#555555"},
        ),
        lines(
            "States evicted",
            Advice(
                "0.", "People lose what was known of their action: raise model.state_slots.", "PartstreamStatesEvicted"
            ),
            Query(total(happened(series("state_evictions_total", **HERE), NOW), ("instance",)), "{{instance}}"),
        ),
    ]


def _memory() -> list[AnyPanel]:
    descriptors = series("process_open_fds", **HERE)
    return [
        lines(
            "Resident memory",
            Advice(
                "Level after the first hour.",
                "A steady climb is a leak; a step that stays came with an event.",
                "PartstreamMemoryGrowth",
            ),
            Query(series("process_resident_memory_bytes", **HERE), "{{instance}}"),
            unit="bytes",
            width=6,
        ),
        lines(
            "Device memory at the start",
            Advice(
                "Some free beside the peak. Measured once, with the largest batch; a CPU has none of its own.",
                "Lower batch.max_frames, detector_size or model.state_slots.",
                "PartstreamOutOfDeviceMemory",
            ),
            Query(total(series("device_memory_bytes", **HERE), ("kind",)), "{{kind}}"),
            unit="bytes",
            width=6,
        ),
        lines(
            "Processor, in cores",
            Advice(
                "Under the host's cores. Decoding takes about 3 ms a 720p frame, in threads of its own.",
                "At the host's limit everything is late: fewer cameras, or nvdec (docs/cuda.md).",
            ),
            Query(total(rate(series("process_cpu_seconds_total", **HERE), NOW), ("instance",)), "{{instance}}"),
            width=6,
        ),
        lines(
            "Open files, share of the limit",
            Advice(
                "Under half; level.",
                "A climb: connections that aren't closed. Raise the limit (LimitNOFILE) and tell the developers.",
            ),
            Query(f"{descriptors} / {series('process_max_fds', **HERE)}", "{{instance}}"),
            unit="percentunit",
            width=6,
        ),
    ]
