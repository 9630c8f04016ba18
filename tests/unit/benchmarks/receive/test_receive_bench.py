"""The benchmark of receiving RTSP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cameras.clip import Clip, Recipe, prepared
from benchmarks.receive import receive_bench
from benchmarks.receive.packet_server import packets_of, units_of
from stream.sources.rtp.access_units import AccessUnits


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    recipe = Recipe(width=320, height=192, frames=30, bits_per_second=400_000)
    return prepared(recipe, tmp_path_factory.mktemp("clip"))


def test_the_packets_make_the_clip_s_access_units(clip: Clip) -> None:
    access_units = AccessUnits("h264", 96, (), lambda reason: None, reorder=False)
    units = units_of(clip)
    received: list[bytes] = []
    sequence = 0
    for number, nals in enumerate(units):
        packets = packets_of(nals, 3600 * number, sequence)
        sequence += len(packets)
        received += [unit.data for packet in packets for unit in access_units.add(memoryview(packet), 0)]
    assert len(units) == clip.recipe.frames and sequence > 1.2 * len(units)
    assert b"".join(received).count(b"\0\0\0\1") == sum(map(len, units))


@pytest.mark.parametrize("options", [[], ["--udp"], ["--at-once", "--decode", "--spread-us", "10"]])
def test_a_run_receives_every_frame(
    clip: Clip, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive_bench, "prepared", lambda: clip)
    path = tmp_path / "receive.json"
    load = ["--runs", "1", "--cameras", "2", "--frames", "20", "--fps", "100"]
    assert receive_bench.main([*load, *options, "--json", str(path)]) == 0
    (run,) = json.loads(path.read_text())["runs"]["this"]
    assert run["frames"] >= 20 and run["discarded"] == 0
    assert run["process_us"] > run["network_us"] > 0
