"""The text of a new configuration file: cameras as they were found, with comments."""

from __future__ import annotations

import json
from collections.abc import Iterable

from commands.cameras.opening import Probe
from commands.ending import printable
from stream.settings.engine import CameraConfig

STEPS_PER_SECOND = 12.5
"""The action model makes no more steps per person than this (`window.max_steps_per_second`)."""
MAX_SIDE, MULTIPLE = 768, 32
"""The detector finds people best who are 80 to 220 pixels tall in a picture of at most this size."""

_HEAD = """\
# Configuration of partstream. Every setting and its default: docs/configuration.md
#   partstream config check partstream.yaml
#   partstream run --config partstream.yaml
cameras:
"""
_REST = """\
# The settings below are defaults.
model:
  profile: edge                       # or the path of a checkpoint
  device: auto                        # auto, cpu or cuda:N
publish:
  endpoint: tcp://127.0.0.1:5555      # results; other hosts need keys: `partstream keys new`
  replay: tcp://127.0.0.1:5556
http:
  bind: 127.0.0.1:9090                # live page, API and metrics; other hosts need tokens: docs/security.md
"""


def new_file(cameras: Iterable[tuple[CameraConfig, Probe]]) -> str:
    """Return the YAML text for these cameras. It holds the sources whole, with the secrets that the user gave."""
    return _HEAD + "".join(_entry(config, found) for config, found in cameras) + _REST


def proposed_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the detector's input size for pictures of this size: its aspect, in multiples of 32."""
    scale = min(1.0, MAX_SIDE / max(size))
    width, height = (max(MULTIPLE, -(-round(side * scale) // MULTIPLE) * MULTIPLE) for side in size)
    return width, height


def _entry(config: CameraConfig, found: Probe) -> str:
    if found.size is not None:
        rate = f", {_number(found.fps)} frames a second" if found.fps is not None else ""
        comment = f"{found.size[0]}x{found.size[1]} {found.codec}{rate}"
    else:
        comment = _sentence(f"{found.error}. {found.remedy}" if found.remedy else f"{found.error}")
    lines = [
        f"  - id: {json.dumps(config.id)}",
        f"    # {comment}",
        f"    source: {json.dumps(config.source.reveal(), ensure_ascii=False)}",
    ]
    if found.size is None:
        lines += [f"    # max_fps: {STEPS_PER_SECOND}", "    # detector_size: [768, 448]"]
    else:
        if found.fps is None or found.fps > STEPS_PER_SECOND:
            lines.append(_commented(f"    max_fps: {STEPS_PER_SECOND}", "the model needs no more"))
        width, height = proposed_size(found.size)
        lines.append(
            _commented(f"    detector_size: [{width}, {height}]", "smaller if people are near: docs/detector.md")
        )
    return "\n".join(lines) + "\n"


def _commented(setting: str, comment: str) -> str:
    return f"{setting:<37} # {comment}"


def _sentence(text: str) -> str:
    line = printable(text).replace("\n", " ")
    begins_with_address = "://" in line.partition(" ")[0]
    return line if begins_with_address else line[:1].upper() + line[1:]


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
