"""Small messages for tests, with every field of real ones."""

from __future__ import annotations

from stream.results import (
    Action,
    CameraStats,
    DetectedObject,
    Event,
    Frame,
    Load,
    ModelRef,
    Part,
    Person,
    Stats,
    Status,
)

RUN = "0123456789abcdef0123456789abcdef"
MODEL = ModelRef("edge", "sha256:" + "5a" * 32, True)


def frame(camera: str = "lobby", epoch: int = 1, number: int = 0, people: int = 1) -> Frame:
    """Return a result with `people` people of two parts each, about 830 bytes of JSON per person."""
    return Frame(
        run="",
        seq=0,
        camera=camera,
        epoch=epoch,
        frame=number,
        capture_us=1_790_000_000_000_000 + 40_000 * number,
        clock="rtcp",
        media_time_us=40_000 * number,
        published_us=0,
        size=(1280, 720),
        model=MODEL,
        people=[person(track) for track in range(1, people + 1)],
        objects=[DetectedObject("cup", (550.0, 150.0, 580.0, 180.0), 0.71)],
    )


def person(track: int) -> Person:
    """Return a person who waves with the right hand."""
    return Person(
        track=track,
        box=(412.0, 118.5, 590.0, 640.0),
        score=0.94,
        action=Action("wave", 0.88, 1_789_999_998_400_000, [("wave", 0.88), ("clap", 0.06)]),
        parts=[
            Part("right_hand", (540.0, 130.0, 585.0, 178.0), 0.81, 0.93, [("wave", 0.91), ("raise", 0.64)], "cup"),
            Part("head", (470.0, 118.5, 520.0, 180.0), 0.9, 0.12, [("look", 0.55)]),
        ],
        foot=(503.5, 632.0),
        zones=["hall"],
        stature=521.5,
        trunk=4,
        hips=0.52,
        speed=0.03,
        crossed=[("door", "right")],
    )


def event(camera: str = "lobby", epoch: int = 1, number: int = 0) -> Event:
    """Return the event that track 1 changed from standing to waving."""
    return Event(
        run="",
        seq=0,
        camera=camera,
        epoch=epoch,
        frame=number,
        track=1,
        kind="changed",
        label="wave",
        previous="stand",
        score=0.88,
        capture_us=1_790_000_000_000_000,
        since_us=1_789_999_998_400_000,
        box=(412.0, 118.5, 590.0, 640.0),
    )


def status(camera: str = "lobby", epoch: int = 1) -> Status:
    """Return the status of a live camera."""
    return Status(
        run="",
        seq=0,
        camera=camera,
        epoch=epoch,
        state="live",
        reason=None,
        message="live at 1280×720",
        at_us=1_790_000_000_000_000,
        clock="rtcp",
        size=(1280, 720),
        source="rtsp://camera.example/stream",
    )


def stats() -> Stats:
    """Return the statistics of an engine with one camera."""
    camera = CameraStats("lobby", "live", 1, 100, 98, {"overwritten": 2}, 25.0, 24.5, 1)
    return Stats(
        run="",
        seq=0,
        at_us=1_790_000_000_000_000,
        uptime_s=4.0,
        ready=True,
        ready_reason="",
        model=MODEL,
        cameras=[camera],
        state_slots_used=1,
        state_slots=256,
        subscriptions=1,
        load=Load(2, 5, False, 8.0, None),
    )
