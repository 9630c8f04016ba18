"""Invalid offers: each has a defined answer, and none leaves anything behind."""

from __future__ import annotations

import asyncio
import random

from support.engines.controlled_engine import configured, descriptors, running
from support.waiting import until
from support.webrtc.webrtc_publisher import SDP, PaintedTrack, Publisher, offer_of, peer_connection

CAMERAS = [{"id": name, "source": "whip"} for name in ("cam", "other")]
WORDS = ("0", "-1", "99999999999999999999", "", "a" * 300, "*", "\u00e9", "a=", "m=video 9 X 1", "::1", "evil.local")
ROUNDS = 400


def mutated(offer: str, chance: random.Random) -> bytes:
    """Return the offer with one to three errors."""
    lines = offer.split("\r\n")[:-1]
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                del lines[place]
            case 1:
                lines.insert(chance.randrange(len(lines)), lines[place])
            case 2:
                words = lines[place].split(" ")
                words[chance.randrange(len(words))] = chance.choice(WORDS)
                lines[place] = " ".join(words)
            case 3:
                head, colon, _ = lines[place].partition(":")
                lines[place] = head + colon + chance.choice(WORDS)
            case 4:
                cut = chance.randrange(len(lines[place]) + 1)
                lines[place] = lines[place][:cut]
            case _:
                raw = bytearray(lines[place].encode())
                raw[chance.randrange(len(raw)) if raw else 0 : 1] = chance.randbytes(1)
                lines[place] = raw.decode("latin-1")
        lines = lines or ["v=0"]
    return ("\r\n".join(lines) + "\r\n").encode()


async def test_mutated_offers_are_accepted_or_refused_and_never_cause_an_internal_error() -> None:
    chance = random.Random(5)
    peer = peer_connection()
    peer.addTrack(PaintedTrack())
    peer.addTransceiver("audio")
    offer = await offer_of(peer)
    await peer.close()
    async with running(configured(*CAMERAS)) as (engine, client), Publisher(client.address, "other"):
        await until(lambda: engine.cameras.status("other").state == "live")
        status, _, _ = await client.ask("PATCH", "/api/v1/cameras/cam", json={"start_timeout_s": 1.0})
        assert status == 200  # none of the offers leads to a connection
        before, seen = descriptors(), set[int]()
        for _ in range(ROUNDS):
            body = mutated(offer, chance)
            status, answer, _ = await client.ask("POST", "/whip/cam", data=body, headers=SDP)
            seen.add(status)
            assert status in (201, 413, 422), (status, answer, body)
            if status == 422:
                assert answer["type"] == "urn:partstream:problem:bad-offer"
                assert answer["detail"].startswith("the offer is not accepted: ")
        assert seen == {201, 422}
        await until(lambda: sum(engine._peers.ice_states().values()) == 1)
        await until(lambda: descriptors() <= before + 1)
        loop = engine._peers._thread._loop
        assert loop is not None
        await until(lambda: len(asyncio.all_tasks(loop)) < 20)
        assert (engine.cameras.status("other").state, engine.cameras.status("other").epoch) == ("live", 1)
        assert (await client.ask("PATCH", "/api/v1/cameras/cam", json={"start_timeout_s": 20.0}))[0] == 200
        async with Publisher(client.address, "cam"):
            await until(lambda: engine.cameras.status("cam").state == "live")
