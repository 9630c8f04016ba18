"""Frozen test sets: what a set that figures are compared on is made from, kept in `training/held_out`.

A set is frozen by its seed, its settings and the hash of the code that draws it, so that figures of different days
are of the same videos. A changed generator makes another set: it gets a new version, and the old figures stay with the
old one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from training.kinetics_tps.write import write_whole
from training.synthetic.videos.code import code_hash
from training.synthetic.videos.manifest import Manifest

CURRENT = "generated-2"
"""The set that checkpoints are scored on now."""
_FOLDER = "held_out"
_SHIPPED = Path(__file__).parents[2] / _FOLDER
_NEW_VERSION = (
    "A changed generator is a new version: freeze it as one, or make this one with the code that it was frozen with"
)


class FrozenSetError(ValueError):
    """A frozen set can't be read, or a folder holds another one; the message says what to do."""


class FrozenSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the generator is told, and the SHA-256 of its sources."""

    version: int
    seed: int
    per_action: int
    code: str
    settings: dict[str, Any]
    former_codes: tuple[str, ...] = ()
    """Hashes of the same generator by earlier versions of `code_hash`; folders made then have them."""


def frozen_sets() -> list[str]:
    """The names of the frozen sets that ship."""
    return sorted(path.stem for path in _SHIPPED.glob("*.json"))


def read_frozen_set(name: str) -> FrozenSet:
    """A frozen set that ships. Raises `FrozenSetError`."""
    file = _SHIPPED / f"{name}.json"
    if not file.is_file():
        known = ", ".join(frozen_sets()) or "none"
        raise FrozenSetError(
            f"no frozen test set is called {name!r}; there is: {known}. `generated freeze` makes one of a generated "
            "set, and --own-set scores any other"
        )
    try:
        return msgspec.json.decode(file.read_bytes(), type=FrozenSet)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FrozenSetError(f"training/{_FOLDER}/{name}.json: is not a frozen test set: {error}") from None


def freeze(manifest: Manifest, version: int) -> FrozenSet:
    """The set that a manifest tells of. Raises `FrozenSetError` unless it is whole and made by this very code."""
    counts = _videos_of(manifest)
    if len(set(counts.values())) != 1:
        raise FrozenSetError(
            f"the actions have from {min(counts.values(), default=0)} to {max(counts.values(), default=0)} videos; a "
            "frozen set has as many of each: generate one with `data generate --split test --per-action`"
        )
    frozen = FrozenSet(version, manifest.seed, next(iter(counts.values())), manifest.code, manifest.settings)
    require_this_code(frozen)
    return frozen


def write_frozen_set(frozen: FrozenSet, folder: Path | None = None) -> Path:
    """Write it among those that ship, or in another folder, as `generated-VERSION.json`.

    Raises `FrozenSetError` where there is one already, since figures may have been published of it, and
    `training.kinetics_tps.DatasetError`.
    """
    path = (folder or _SHIPPED) / f"generated-{frozen.version}.json"
    if path.exists():
        raise FrozenSetError(f"{path}: is there already, and what is frozen isn't changed; give the next --version")
    write_whole(path, msgspec.json.format(msgspec.json.encode(frozen), indent=1) + b"\n")
    return path


def require_this_code(frozen: FrozenSet) -> None:
    """Raises `FrozenSetError` where this code would make another set."""
    if (now := code_hash()) != frozen.code:
        raise FrozenSetError(
            f"version {frozen.version} was frozen with a generator whose code is {frozen.code[:12]}, and this one's is "
            f"{now[:12]}. {_NEW_VERSION}"
        )


def require(manifest: Manifest, frozen: FrozenSet, where: Path) -> None:
    """Raises `FrozenSetError`, naming everything that differs, unless the manifest is of just this set."""
    if differing := differences(manifest, frozen):
        raise FrozenSetError(
            f"{where}: is not the frozen test set of version {frozen.version}: {'; '.join(differing)}. {_NEW_VERSION}, "
            "or score the folder as a set of its own with --own-set"
        )


def differences(manifest: Manifest, frozen: FrozenSet) -> Sequence[str]:
    """What differs, in words; empty for just this set."""
    found: list[str] = []
    if manifest.code not in (frozen.code, *frozen.former_codes):
        found.append(f"its generator's code is {manifest.code[:12]}, not {frozen.code[:12]}")
    if manifest.seed != frozen.seed:
        found.append(f"its seed is {manifest.seed}, not {frozen.seed}")
    # As they are read back: a tuple and a list are the same there.
    if msgspec.json.encode(manifest.settings, order="sorted") != msgspec.json.encode(frozen.settings, order="sorted"):
        found.append("its settings differ")
    counts = set(_videos_of(manifest).values())
    if counts != {frozen.per_action}:
        most = ", ".join(str(count) for count in sorted(counts))
        found.append(f"it has {most or 'no'} videos an action, not {frozen.per_action}")
    return found


def _videos_of(manifest: Manifest) -> Counter[str]:
    """How many videos there are of each action, also of those that the set was to have and has none of."""
    counts = Counter[str](dict.fromkeys(manifest.settings.get("actions", ()), 0))
    counts.update(video.action for video in manifest.videos)
    return counts
