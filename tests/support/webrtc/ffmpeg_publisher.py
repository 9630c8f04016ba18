"""FFmpeg's WHIP publisher as a process: `ffmpeg_publisher.py ADDRESS TOKEN CERTIFICATE KEY`.

Publishes H.264 until its standard input is closed.
"""

from __future__ import annotations

import sys
import threading
import time
from fractions import Fraction

import av
import av.logging
import numpy as np

FPS = 25
SIZE = (320, 180)


def main(address: str, token: str, certificate: str, key: str) -> None:
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    av.logging.set_level(av.logging.ERROR)
    options = {"authorization": token, "cert_file": certificate, "key_file": key}
    with av.open(address, "w", format="whip", options=options) as output:
        fast = {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency", "bf": "0", "g": str(FPS)}
        stream = output.add_stream("libx264", rate=FPS, options=fast)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        began_s = time.monotonic()
        number = 0
        while not closed.is_set():
            planes = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
            planes[: SIZE[1], : number % SIZE[0]] = 235
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            output.mux(stream.encode(frame))
            number += 1
            time.sleep(max(0.0, began_s + number / FPS - time.monotonic()))


if __name__ == "__main__":
    main(*sys.argv[1:])
