"""Cameras over WebRTC: published to us (WHIP), or fetched from a gateway (WHEP).

    aiortc's receiver → assembler → handover ─► transport → decoder → clock → ring
    └──────── the WebRTC thread ───────────┘   └────── the camera's thread ──────┘

All peer connections live in one thread with an event loop of its own: their packets and their closing never hold up the
engine's. aiortc does ICE, DTLS, SRTP and asks for lost packets; its decoder and its queues, which have no bound, are
left unused: access units leave here encoded and are decoded like any other camera's.
"""
