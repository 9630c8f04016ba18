"""The messages of a fleet's directory: where each camera is."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stream.results.fields import CameraId, Count, Epoch, Micros, Run, Seq, about

PLACE_SCHEMA = "partstream.place/1"


class EngineAddress(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an engine of a fleet serves its results."""

    engine: Annotated[str, about("The engine's name in the fleet.")]
    node: Annotated[str, about("The name of its machine.")]
    run: Run
    endpoint: Annotated[str, about("The ZeroMQ address of results, as `tcp://host:port`.")]
    replay: Annotated[str, about("The ZeroMQ address of replay.")]
    http: Annotated[str | None, about("The address of its HTTP server, as `http://host:port`. Absent: none.")] = None
    key: Annotated[
        str | None, about("The engine's public CURVE key (docs/security.md). Absent: results are not encrypted.")
    ] = None


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=PLACE_SCHEMA):
    """Topic `directory/v1/<camera>/` of a fleet's coordinator: a camera was placed, moved or removed."""

    run: Annotated[Run, about("The coordinator's run: 32 hexadecimal digits, new at each of its starts.")]
    seq: Seq
    epoch: Annotated[Epoch, about("Always 0.")] = 0
    camera: CameraId
    state: Annotated[
        Literal["placed", "unplaced", "disabled", "removed"],
        about(
            "`placed`: an engine has the camera. `unplaced`: none has it, and `reason` says why. `disabled`: it is "
            "not to be read. `removed`: it is no longer in the fleet."
        ),
    ]
    generation: Annotated[Count, about("Generation of the placement, which grows with each; 0 before the first.")]
    at_us: Micros
    address: Annotated[EngineAddress | None, about("The engine that has the camera. Absent: none.")] = None
    previous: Annotated[
        EngineAddress | None, about("The engine that had the camera before. Absent: none, or not known.")
    ] = None
    previous_generation: Annotated[Count | None, about("The generation at `previous`. Absent: as for `previous`.")] = (
        None
    )
    reason: Annotated[str, about("Why the camera is there, or why no engine has it, as a sentence.")] = ""
