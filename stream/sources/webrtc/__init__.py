"""WebRTC cameras: published to partstream (WHIP), or fetched from a gateway (WHEP).

    aiortc's receiver → assembler → handover ─► transport → decoder → clock → ring
    └──────── the WebRTC thread ───────────┘   └────── the camera's thread ──────┘

All peer connections run in one thread with its own event loop, so that their packets and closing never delay the
engine's loop. aiortc provides ICE, DTLS, SRTP and requests for lost packets. Its decoder and its unbounded queues are
not used: encoded access units are decoded like those of any other camera.
"""
