"""`partstream doctor`: check the installation, the configuration, and the cameras with their clocks.

Pictures of several cameras are compared by their times, and `notify` judges the age of an alert, so clocks are checked
too: a camera sends its time in RTCP sender reports, and the kernel knows whether this machine's clock is synchronised.
"""

from __future__ import annotations

import json
import logging
import platform
import statistics
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from commands.application import lines
from commands.configuration import SourcesArgument, configuration
from commands.console.amounts import counted
from commands.ending import EXIT_FAILED, console
from commands.options import ConfigOption, ConfiguredDevice, ConfiguredProfile

if TYPE_CHECKING:
    from stages.settings import ModelSettings
    from stream.config import Config
    from stream.settings.engine import CameraConfig
    from stream.sources.open_transport import MakeOpener

EPILOG = lines("`partstream doctor --config partstream.yaml`", "Exit codes: 0 no fault, 1 a fault")
Level = Literal["ok", "warning", "fault"]
MARKS: Mapping[Level, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "fault": ("FAULT", "bold red"),
}
PACKAGES = ("partstream", "torch", "torchvision", "av", "pyzmq", "aiohttp", "aiortc")
CODECS = ("h264", "hevc", "mjpeg")
"""The codecs that cameras use."""
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
CLOCK_WITHIN_S = 6.0
"""Cameras send RTCP sender reports about every five seconds."""
WARNING_S, FAULT_S = 0.5, 2.0
"""Differences of clocks that are a warning, and a fault. Alerts compare ages to the second."""
MAX_DELAY_S = 1.0
"""A picture may take this long from capture to arrival; that much is no difference of clocks."""
KEEP_TIME = "Run chrony or systemd-timesyncd with an NTP server that this machine reaches (often the cameras' own)"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: its name, what was seen, and what to do (empty if all is well, or said in `seen`).

    A warning does not stop anything from working; a fault does.
    """

    check: str
    level: Level
    seen: str
    remedy: str = ""


def doctor_command(
    sources: SourcesArgument = None,
    config: ConfigOption = None,
    profile: ConfiguredProfile = None,
    device: ConfiguredDevice = None,
    cameras: Annotated[bool, typer.Option("--cameras/--no-cameras", help="Open each camera for a moment.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Check your installation, configuration and cameras.

    Checks versions, decoders, device and weights, all that the configuration needs on this machine, and opens each
    camera. Each fault comes with a remedy. An engine may run meanwhile; if cameras accept only one client, use
    --no-cameras.
    """
    from stream.config import ConfigError
    from telemetry import logs

    logs.configure(json=False, level="error").setLevel(logging.CRITICAL + 1)  # what matters is a finding
    asked: dict[str, Any] = {"profile": profile, "device": device}
    overrides = {"model": {name: value for name, value in asked.items() if value is not None}}
    try:
        settings = configuration(config, overrides, sources or [], None)
    except ConfigError as error:
        advice = "Correct it. `partstream config schema` lists all settings"
        found = iter([Finding("configuration", "fault", str(error), advice)])
    else:
        found = examine(settings, open_cameras=cameras)
    findings = [_shown(finding, as_json) for finding in found]
    faults = sum(finding.level == "fault" for finding in findings)
    if as_json:
        listed = [asdict(finding) | {"remedy": finding.remedy or None} for finding in findings]
        typer.echo(json.dumps({"ok": faults == 0, "findings": listed}, indent=1))
    else:
        warnings = sum(finding.level == "warning" for finding in findings)
        numbers = " and ".join(
            counted(number, name) if number else f"no {name}s"
            for number, name in ((faults, "fault"), (warnings, "warning"))
        )
        console.print(f"\n{numbers} in {counted(len(findings), 'check')}.", highlight=False)
    raise typer.Exit(EXIT_FAILED if faults else 0)


def examine(config: Config, *, open_cameras: bool = True) -> Iterator[Finding]:
    """Yield each finding as soon as it is known: some take seconds."""
    from commands.config.checks import problems
    from commands.config.this_machine import with_kept_cameras
    from stream.settings.config_error import ConfigError

    yield from installation(config)
    found = problems(config)
    for problem in found:
        yield Finding("configuration", "fault", problem)
    with suppress(ConfigError):  # which is a finding already
        config = with_kept_cameras(config)
    if not found:
        yield Finding("configuration", "ok", f"valid, {counted(len(config.cameras), 'camera')}")
    yield own_clock()
    if open_cameras:
        yield from look_at_cameras(config)


# -- the installation -------------------------------------------------------------------------------------------------
def installation(config: Config) -> Iterator[Finding]:
    """Check packages, decoders, the device and the weights."""
    import av
    import zmq
    from av.codec import Codec

    from stream.sources.decoding import nvdec

    found = [f"Python {platform.python_version()} on {platform.platform(terse=True)}"]
    missing: list[str] = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            if package != "partstream":  # it runs from its checkout
                missing.append(package)
    found += [f"FFmpeg {av.ffmpeg_version_info}", f"libzmq {zmq.zmq_version()}"]
    if missing:
        again = "Install partstream again, with its dependencies"
        yield Finding("versions", "fault", f"not installed: {', '.join(missing)}", again)
        return
    yield Finding("versions", "ok", ", ".join(found))
    if absent := [name for name in CODECS if name not in av.codecs_available or not Codec(name, "r").is_decoder]:
        remedy = "Install PyAV's own wheel (`pip install --force-reinstall av`): other builds may lack decoders"
        yield Finding("decoders", "fault", f"this FFmpeg cannot decode {', '.join(absent)}", remedy)
    wanted = [camera.id for camera in config.cameras if camera.decoder == "nvdec"]
    if wanted and (reason := nvdec.missing()) is not None:
        seen = f"{', '.join(wanted)}: decoded in software, although decoder is nvdec: {nvdec.MEANINGS[reason]}"
        remedy = "Install the NVIDIA driver with its video libraries, or set cameras[].decoder to software"
        yield Finding("decoders", "warning", seen, remedy)
    yield device(config.model)
    yield weights(config.model)


def device(model: ModelSettings, driver: Path = NVIDIA_DRIVER) -> Finding:
    """Check whether the device is there, and whether there is a GPU that is not used."""
    import torch

    from stages.device.precision import vision_precision
    from stages.profiles import choose_device

    cuda = torch.version.cuda
    built_for = f"torch {torch.__version__}, " + (f"CUDA {cuda}" if cuda else "no CUDA")
    if not cuda:
        remedy = "Install a build of torch with CUDA (docs/cuda.md), or set model.device: auto or cpu"
    elif driver.exists():
        remedy = "Check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or set model.device: cpu"
    else:
        remedy = "Install NVIDIA's driver (in a container: its toolkit, and `--gpus`), or set model.device: cpu"
    try:
        chosen = choose_device(model.device)
        vision_precision(model.precision, chosen)
    except ValueError as error:
        return Finding("device", "fault", f"{error} ({built_for})", remedy)
    if chosen.type == "cuda":
        free, total = torch.cuda.mem_get_info(chosen)
        name = torch.cuda.get_device_name(chosen)
        return Finding("device", "ok", f"{chosen}: {name}, {free >> 20} of {total >> 20} MiB free ({built_for})")
    if model.device == "auto" and driver.exists():
        seen = f"the model runs on the CPU: an NVIDIA driver is installed, but torch sees no GPU ({built_for})"
        return Finding("device", "warning", seen, remedy)
    return Finding("device", "ok", f"the CPU, {torch.get_num_threads()} threads ({built_for})")


def weights(model: ModelSettings) -> Finding:
    """Check the SHA-256 of checkpoint and weights: every byte is read."""
    if model.profile == "free":
        return Finding("weights", "ok", "the profile `free` needs none")
    from stages.profiles import load_checkpoint, load_detector
    from stages.third_party import weights as files
    from stages.third_party.weight_catalogue import KEYPOINT_DETECTOR

    try:
        checkpoint = load_checkpoint(model.profile)
        about = f"profile {model.profile} (terms: {checkpoint.terms}"
        if checkpoint.experimental:
            about += f"; experimental actions: {', '.join(checkpoint.experimental)}"
        if checkpoint.detector is not None:
            load_detector(checkpoint)
            return Finding("weights", "ok", f"{about}), which contains its detector")
        for name in KEYPOINT_DETECTOR:
            if faults := files.verify(name):
                remedy = (
                    f"Run `partstream weights fetch {name}`, or without a network `partstream weights add {name} "
                    f"FOLDER` with files from another machine. Delete damaged files in {files.folder(name)} first"
                )
                return Finding("weights", "fault", "; ".join(faults), remedy)
        return Finding("weights", "ok", f"{about}), and {', '.join(KEYPOINT_DETECTOR)} with the published SHA-256")
    except files.WeightsError as error:
        seen, _, remedy = str(error).partition("\n")
        advice = remedy or "Set model.profile to edge or to the path of another checkpoint"
        return Finding("weights", "fault", seen, advice)


# -- cameras and clocks -----------------------------------------------------------------------------------------------
def own_clock() -> Finding:
    """Report whether this machine's clock is synchronised, as `timedatectl` shows it; in a container, the host's."""
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5.0, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        answer = ""
    if answer == "no":
        return Finding("clock", "warning", "this machine's clock is not synchronised", KEEP_TIME)
    seen = "synchronised" if answer == "yes" else "the system does not report whether its clock is synchronised"
    return Finding("clock", "ok", seen)


def look_at_cameras(config: Config) -> Iterator[Finding]:
    """Open all cameras at the same time, as the engine does; then compare their clocks with this machine's."""
    from commands.cameras.opening import openers

    behind_s: dict[str, float] = {}
    if not config.cameras:
        return
    with openers(config.webrtc) as make_opener, ThreadPoolExecutor(len(config.cameras)) as threads:
        for camera, (finding, behind) in zip(
            config.cameras, threads.map(lambda camera: look_at(camera, make_opener), config.cameras)
        ):
            if behind is not None:
                behind_s[camera.id] = behind
            yield finding
    yield from camera_clocks(behind_s)


def look_at(config: CameraConfig, make_opener: MakeOpener) -> tuple[Finding, float | None]:
    """Open one camera, decode a picture, wait for its time if it may send it, and close it.

    Also returns how far the camera's clock at capture was behind ours at arrival, s; None if it does not send its time.
    """
    from commands.cameras.opening import PICTURE_WITHIN_S, probe

    check = f"camera {config.id}"
    if not config.enabled:
        return Finding(check, "ok", "not enabled, so not opened"), None
    if config.source.kind == "whip":
        return Finding(check, "ok", f"not opened: it publishes to /whip/{config.id} (docs/webrtc.md)"), None
    found = probe(
        config,
        make_opener,
        picture_within_s=min(config.start_timeout_s, PICTURE_WITHIN_S),
        clock_within_s=CLOCK_WITHIN_S if config.source.kind == "rtsp" else 0.0,
    )
    if found.size is None:
        return Finding(check, "fault", found.error or "could not be opened", found.remedy), None
    seen = f"{found.size[0]}x{found.size[1]} {found.codec}, first picture after {found.after_s:.1f} s"
    if found.fallback is not None:
        remedy = "It works. Set the camera's transport or lower_transport to what is used, to save an attempt"
        return Finding(check, "warning", f"{seen}; {found.fallback}", remedy), found.behind_s
    return Finding(check, "ok", seen), found.behind_s


def camera_clocks(behind_s: Mapping[str, float]) -> Iterator[Finding]:
    """Judge the cameras' clocks by how far each was behind ours when a picture arrived, s.

    If most are off by the same amount, ours is probably the one that is wrong.
    """
    off = {camera: seconds if seconds < 0 else max(0.0, seconds - MAX_DELAY_S) for camera, seconds in behind_s.items()}
    if not off:
        return
    middle = statistics.median(off.values())
    alike = [camera for camera, seconds in off.items() if abs(seconds - middle) < WARNING_S]
    if abs(middle) >= WARNING_S and len(off) > 1 and len(alike) * 2 > len(off):
        seen = f"the clocks of {len(alike)} of {len(off)} cameras agree, {_words(middle)} this machine's"
        yield Finding("clock", _level(middle), seen, f"This machine's is probably the one that is wrong. {KEEP_TIME}")
        return
    for camera, seconds in off.items():
        seen = f"{_words(seconds)} this machine's" if abs(seconds) >= WARNING_S else "agrees with this machine's"
        remedy = "Set the camera's time, preferably by NTP from the same server as this machine"
        level = _level(seconds)
        yield Finding(f"clock of camera {camera}", level, seen, "" if level == "ok" else remedy)


def _level(off_s: float) -> Level:
    return "fault" if abs(off_s) >= FAULT_S else "warning" if abs(off_s) >= WARNING_S else "ok"


def _words(behind_s: float) -> str:
    return f"{abs(behind_s):.1f} s {'behind' if behind_s > 0 else 'ahead of'}"


def _shown(finding: Finding, as_json: bool) -> Finding:
    """Return a finding without what looks like a secret, after printing it unless all are printed as JSON."""
    from telemetry.redaction import redact

    finding = replace(finding, seen=redact(finding.seen))
    if not as_json:
        mark, colour = MARKS[finding.level]
        text = Text(finding.check, "bold")
        text.append(f"  {finding.seen}", "dim" if finding.level == "ok" else "not bold")
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}", "not bold")
        line = Table.grid()
        line.add_column(width=9)
        line.add_column(overflow="fold")
        line.add_row(Text(mark, colour), text)
        console.print(line)
    return finding
