"""Changes of cameras over HTTP: the schemas of their bodies, and their errors as problems."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from stream.cameras import changes
from stream.http.server import openapi
from stream.http.server.problems import Problem, invalid
from stream.http.server.queries import CAMERA_ID_SCHEMA
from stream.settings.engine import CameraConfig

T = TypeVar("T")


def settings_schema(kind: type[CameraConfig]) -> dict[str, Any]:
    """Return the JSON Schema of a camera's settings; `id` is optional, because the path contains it."""
    schema = kind.model_json_schema(ref_template=openapi.REFERENCE)
    schema["properties"]["id"] |= CAMERA_ID_SCHEMA
    schema["properties"]["source"]["examples"] = ["pattern:640x360@25"]
    schema["required"] = ["source"]
    schema["title"] = "CameraSettings"
    return schema


def changes_schema(kind: type[CameraConfig]) -> dict[str, Any]:
    """Return the JSON Schema of changes to a camera's settings: any of them, or null."""
    schema = settings_schema(kind)
    for name, field in schema["properties"].items():
        if name not in ("id", "source"):
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}]}
    del schema["required"]
    schema["title"] = "CameraChanges"
    return schema


async def applied(change: Awaitable[T]) -> T:
    """Await a change, and turn its errors into problems."""
    try:
        return await change
    except changes.SettingsError as error:
        raise invalid(error.errors) from None
    except changes.NoSuchCameraError as error:
        raise Problem(404, "no-such-camera", str(error)) from None
    except changes.PrivateError as error:
        raise Problem(403, "private", str(error)) from None
    except changes.NoCapacityError as error:
        raise Problem(409, "no-room", str(error)) from None
    except changes.InFleetError as error:
        raise Problem(409, "in-a-fleet", str(error)) from None
    except changes.NotSavedError as error:
        raise Problem(507, "not-kept", str(error)) from None
    except changes.NotNowError as error:
        raise Problem(503, "not-now", str(error), headers={"Retry-After": "2"}) from None
