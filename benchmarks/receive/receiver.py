"""Receives cameras with partstream's native RTSP, and prints the CPU time for a frame as JSON.

`receive_bench` starts this file with the checkout to measure as PYTHONPATH, so it uses nothing of `benchmarks`.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import threading
import time
from pathlib import Path

from stream.settings.engine import CameraConfig
from stream.sources.decoding.decoder import Decoder
from stream.sources.rtsp.fallback import NativeRtsp, rtsp_opener

NETWORK_THREAD = "rtsp"


class Camera:
    """Reads one camera in a thread, and decodes it if `decode`."""

    def __init__(self, number: int, chosen: argparse.Namespace, native: NativeRtsp) -> None:
        self.units = 0
        self._decode = chosen.decode
        self._native = native
        self._config = CameraConfig.model_validate(
            {
                "id": f"cam{number}",
                "source": chosen.url,
                "transport": "native",
                "lower_transport": "udp" if chosen.udp else "tcp",
            }
        )
        self.discarded = 0
        threading.Thread(target=self._read, name=f"camera-{number}", daemon=True).start()

    def _read(self) -> None:
        transport = rtsp_opener(self._config, threading.Event(), self._discard, self._native).open()
        decoder = Decoder(transport.codec, self._discard) if self._decode else None
        while True:
            unit = transport.read()
            if unit is not None:
                if decoder is not None:
                    decoder.decode(unit)
                self.units += 1

    def _discard(self, reason: str) -> None:
        self.discarded += 1


def switches(thread: threading.Thread) -> int:
    """Return how often a thread has waited."""
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def main() -> None:
    """Measure once, and exit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--cameras", type=int, required=True)
    parser.add_argument("--warm-up", type=int, required=True, help="frames of all cameras before the measurement")
    parser.add_argument("--frames", type=int, required=True, help="frames of all cameras to measure")
    parser.add_argument("--udp", action="store_true")
    parser.add_argument("--decode", action="store_true")
    parser.add_argument("--profile", type=Path)
    chosen = parser.parse_args()
    if chosen.profile:
        profile_network_thread(chosen.profile)
    native = NativeRtsp()
    cameras = [Camera(number, chosen, native) for number in range(chosen.cameras)]

    def wait(frames: int) -> int:
        while (units := sum(camera.units for camera in cameras)) < frames:
            time.sleep(0.02)
        return units

    before = wait(chosen.warm_up)
    network = next(thread for thread in threading.enumerate() if thread.name == NETWORK_THREAD)
    assert network.ident is not None
    clock = time.pthread_getcpuclockid(network.ident)
    network_ns, process_ns, waits = time.clock_gettime_ns(clock), time.process_time_ns(), switches(network)
    frames = wait(before + chosen.frames) - before
    network_ns = time.clock_gettime_ns(clock) - network_ns
    process_ns = time.process_time_ns() - process_ns
    figures = {
        "network_us": network_ns / 1000 / frames,
        "process_us": process_ns / 1000 / frames,
        "wake_ups": (switches(network) - waits) / frames,
        "frames": frames,
        "discarded": sum(camera.discarded for camera in cameras),
    }
    print(json.dumps(figures), flush=True)
    if chosen.profile:
        native.stop()
    os._exit(0)


def profile_network_thread(path: Path) -> None:
    """Write a profile of the network thread when it ends."""
    run = threading.Thread.run

    def profiled(self: threading.Thread) -> None:
        if self.name != NETWORK_THREAD:
            return run(self)
        profile = cProfile.Profile(time.thread_time_ns, 1e-9)
        profile.enable()
        run(self)
        profile.disable()
        profile.dump_stats(path)
        return None

    threading.Thread.run = profiled


if __name__ == "__main__":
    main()
