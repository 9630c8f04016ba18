"""Dashboard of the pipeline: time and memory of an engine."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from tools.monitoring.dashboards.board import board
from tools.monitoring.dashboards.overview import HERE, NOW
from tools.monitoring.dashboards.panels import BAD, GOOD, WORSE, Advice, AnyPanel, Query, heat, lines, number
from tools.monitoring.promql import ENGINE, happened, increase, mean, quantile, rate, series, total
from tools.monitoring.recording_rules import recorded

BUSY = 0.9
"""Share of the inference thread's time above which no reserve is left for more people."""

_BUSY = recorded("instance:partstream_stage_seconds:rate5m", **HERE)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return board(
        "partstream-pipeline",
        "partstream: pipeline",
        "Batches, stages, people and memory of an engine. Several engines are summed: select one.",
        [
            ("Now", _numbers()),
            ("Stages", _stages()),
            ("Detection", _detection()),
            ("Batches", _batches()),
            ("People and their states", _people()),
            ("Memory and CPU", _memory()),
        ],
    )


def _numbers() -> list[AnyPanel]:
    return [
        number(
            "Share of time in stages",
            Advice(
                f"Under {BUSY:.0%}: the rest is reserve for scenes with more people.",
                "Lower max_fps or detector_size, or move cameras to another engine. See Ease level.",
            ),
            Query(f"max({_BUSY})"),
            unit="percentunit",
            steps=[(None, GOOD), (BUSY - 0.2, WORSE), (BUSY, BAD)],
        ),
        number(
            "Frames per batch",
            Advice(
                "Between 1 and the number of live cameras, at most batch.max_frames.",
                "1 under load: larger batches would exceed batch.max_batch_ms.",
            ),
            Query(mean("batch_frames", NOW, ENGINE, **HERE)),
        ),
        number(
            "People tracked",
            Advice("The people in view.", "Far more: a screen, posters or a crowd. Raise model.person_score."),
            Query(f"sum({series('tracks_active', **HERE)})"),
        ),
        number(
            "Free states",
            Advice("Above 0.", "Raise model.state_slots.", "PartstreamStatesEvicted"),
            Query(f"min({series('state_bank_slots', state='free', **HERE)})"),
            steps=[(None, BAD), (1, WORSE), (16, GOOD)],
        ),
        number(
            "Stage errors, last hour",
            Advice("0.", "See the log for the tracebacks.", "PartstreamStageErrors"),
            Query(f"sum({increase(series('stage_errors_total', **HERE), '1h')}) or vector(0)"),
            steps=[(None, GOOD), (1, BAD)],
        ),
        number(
            "Frames waiting",
            Advice(
                "A few, which arrived since the last batch.",
                "Near cameras × ring_slots: the engine is too slow; frames are overwritten or become stale.",
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
                f"The sum is under the dashed line at {BUSY:.0%} (one engine). Detection takes most of it.",
                "Reduce the largest share. detection: lower detector_size or max_fps, raise detect_every. Stages after "
                "tracking take longer with more people: lower max_people.",
            ),
            Query(total(rate(series("stage_seconds", "sum", **HERE), NOW), by_stage), "{{stage}}"),
            unit="percentunit",
            stacked=True,
            limit=BUSY,
        ),
        lines(
            "Time per batch, by stage",
            Advice(
                "Steady, with the sum under batch.max_batch_ms (150 ms by default).",
                "A jump after an update: the model or device changed. A rise over the day: the host is throttled.",
            ),
            Query(
                f"avg by (stage) ({recorded('instance_stage:partstream_stage_seconds:mean5m', **HERE)})", "{{stage}}"
            ),
            unit="s",
            stacked=True,
        ),
        lines(
            "Time per batch, p99, by stage",
            Advice(
                "Within a few times the mean.",
                "Far above the mean: pauses. Check for other programs on the host or device at these times.",
            ),
            Query(quantile(0.99, "stage_seconds", NOW, by_stage, **HERE), "{{stage}}"),
            unit="s",
        ),
        lines(
            "Errors, by stage",
            Advice("None.", "See the log for tracebacks and affected cameras.", "PartstreamStageErrors"),
            Query(total(happened(series("stage_errors_total", **HERE), NOW), by_stage), "{{stage}}"),
            width=12,
        ),
        lines(
            "Batches halved for memory, by stage",
            Advice(
                "None after the start.",
                "Another program uses the device, or batch.max_frames is too large for it.",
                "PartstreamOutOfDeviceMemory",
            ),
            Query(total(happened(series("out_of_memory_total", **HERE), NOW), by_stage), "{{stage}}"),
            width=12,
        ),
    ]


def _detection() -> list[AnyPanel]:
    by_look = total(rate(series("frame_looks_total", **HERE), NOW), ("look",))
    in_regions = f"sum({rate(series('frame_looks_total', look='regions', **HERE), NOW)})"
    regions = f"sum({rate(series('frame_regions_total', **HERE), NOW)})"
    return [
        lines(
            "Frames, by what the detector looked at",
            Advice(
                "nothing where nothing moves, else regions or whole. skipped: cameras send more frames than are "
                "detected (model.detect_every, window.max_steps_per_second).",
                "Hardly any nothing in quiet scenes: something always moves, such as a screen or trees. See the "
                "detector overlay of the live page.",
            ),
            Query(by_look, "{{look}}"),
            unit="cps",
            stacked=True,
            colours={"whole": WORSE, "regions": "blue", "nothing": GOOD, "skipped": "#888888"},
            width=12,
        ),
        lines(
            "Regions per frame",
            Advice(
                "About one for each group of people, in frames looked at in regions. No data while there are none.",
                "Many: people or motion all over the picture. With model.detection auto, the whole picture is looked "
                "at where that costs less.",
            ),
            Query(f"{regions} / ({in_regions} > 0)", "regions"),
            width=12,
        ),
    ]


def _batches() -> list[AnyPanel]:
    return [
        heat(
            "Frames per batch, distribution",
            Advice(
                "Near the number of live cameras, or batch.max_frames if that is smaller.",
                "Always 1 with many cameras: larger batches would exceed batch.max_batch_ms or, at low load, "
                "batch.max_wait_ms is too short for further frames to arrive.",
            ),
            Query(total(rate(series("batch_frames", "bucket", **HERE), NOW), ("le",)), "{{le}}"),
            unit="short",
            width=6,
        ),
        lines(
            "Wait of a batch's oldest frame",
            Advice(
                "Under batch.max_wait_ms (10 ms by default).",
                "Frames wait for the previous batch: see Share of time in stages. At low load, lower "
                "batch.max_wait_ms, which adds to the age of every result.",
            ),
            *(Query(quantile(q / 100, "batch_wait_seconds", NOW, ("job",), **HERE), f"p{q}") for q in (50, 99)),
            unit="s",
            colours={"p50": GOOD, "p99": WORSE},
            width=6,
        ),
        lines(
            "Frames waiting in rings",
            Advice(
                "A few for each engine.", "Near the number of slots: the engine is too slow.", "PartstreamDropsHigh"
            ),
            Query(total(series("ring_ready_frames", **HERE), ("instance",)), "{{instance}}"),
            width=6,
        ),
        lines(
            "Ease level",
            Advice(
                "0: full quality.",
                "The machine is too slow, so people are detected less often; frames are lost only where overloaded is "
                "1. Lower max_fps or detector_size, or move cameras to another engine.",
            ),
            Query(series("ease_level", **HERE), "{{instance}}"),
            Query(series("overloaded", **HERE), "overloaded, {{instance}}"),
            width=6,
        ),
    ]


def _people() -> list[AnyPanel]:
    people = rate(series("people_total", **HERE), NOW)
    frames = rate(series("frames_processed_total", **HERE), NOW)
    return [
        lines(
            "People",
            Advice(
                "Follows the time of day.",
                "0 during the day: nothing is detected; check the live page. Thousands: a screen or a crowd.",
            ),
            Query(f"sum({series('tracks_active', **HERE)})", "tracked"),
            Query(f"sum({people}) / (sum({frames}) > 0)", "published per frame"),
        ),
        lines(
            "State bank",
            Advice("Some slots are free.", "None is free: raise model.state_slots.", "PartstreamStatesEvicted"),
            *(Query(f"sum({series('state_bank_slots', state=state, **HERE)})", state) for state in ("used", "free")),
            stacked=True,
            colours={"used": "blue", "free": "#555555"},
        ),
        lines(
            "States evicted",
            Advice("0.", "Recognition of actions starts over: raise model.state_slots.", "PartstreamStatesEvicted"),
            Query(total(happened(series("state_evictions_total", **HERE), NOW), ("instance",)), "{{instance}}"),
        ),
    ]


def _memory() -> list[AnyPanel]:
    descriptors = series("process_open_fds", **HERE)
    return [
        lines(
            "Resident memory",
            Advice(
                "Constant after the first hour.",
                "A steady rise is a leak; a single step has a cause, such as a larger picture.",
                "PartstreamMemoryGrowth",
            ),
            Query(series("process_resident_memory_bytes", **HERE), "{{instance}}"),
            unit="bytes",
            width=6,
        ),
        lines(
            "Device memory at the start",
            Advice(
                "Free memory remains above the peak. Measured once, with the largest batch; no data on a CPU.",
                "Lower batch.max_frames, detector_size or model.state_slots.",
                "PartstreamOutOfDeviceMemory",
            ),
            Query(total(series("device_memory_bytes", **HERE), ("kind",)), "{{kind}}"),
            unit="bytes",
            width=6,
        ),
        lines(
            "CPU cores used",
            Advice(
                "Below the number of the host's cores. Decoding takes about 3 ms per 720p frame, in separate threads.",
                "At the host's limit, all results are late: use fewer cameras or nvdec (docs/cuda.md).",
            ),
            Query(total(rate(series("process_cpu_seconds_total", **HERE), NOW), ("instance",)), "{{instance}}"),
            width=6,
        ),
        lines(
            "Open files, share of the limit",
            Advice(
                "Under half and constant.",
                "A rise: connections are not closed. Raise the limit (LimitNOFILE) and report it to the developers.",
                "PartstreamDescriptorsHigh",
            ),
            Query(f"{descriptors} / {series('process_max_fds', **HERE)}", "{{instance}}"),
            unit="percentunit",
            width=6,
        ),
    ]
