"""partstream: real-time action recognition on live cameras, with the body parts that explain each action.

    from partstream import Engine, load, subscribe

What is listed in `__all__` is the public interface; it is loaded when it is first used, so that `import partstream` is
quick. All other modules may change with any version.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.third_party.weights import WeightsError
    from stream.config import Config, load
    from stream.engine import Engine, EngineFailedError
    from stream.results import Event, Frame, Message, Stats, Status
    from stream.settings.config_error import ConfigError
    from stream.subscriber import Gap, Moved, Subscription, subscribe

    __version__: str

__all__ = [
    "Config",
    "ConfigError",
    "Engine",
    "EngineFailedError",
    "Event",
    "Frame",
    "Gap",
    "Message",
    "Moved",
    "Stats",
    "Status",
    "Subscription",
    "WeightsError",
    "__version__",
    "load",
    "subscribe",
]

_DEFINED_IN = {
    "stages.third_party.weights": ("WeightsError",),
    "stream.config": ("Config", "load"),
    "stream.engine": ("Engine", "EngineFailedError"),
    "stream.results": ("Event", "Frame", "Message", "Stats", "Status"),
    "stream.settings.config_error": ("ConfigError",),
    "stream.subscriber": ("Gap", "Moved", "Subscription", "subscribe"),
}
_MODULE_OF = {name: module for module, names in _DEFINED_IN.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("partstream")
    except metadata.PackageNotFoundError:
        return "0+unknown"
