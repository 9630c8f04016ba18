"""Frozen test sets in `training/held_out`: definitions of the sets on which figures are compared.

A set is defined by its seed, its settings and the hash of the generator's code, so that figures from different days
belong to the same videos. A changed generator makes another set, with a new version.
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

CURRENT = "generated-3"
"""The set on which checkpoints are scored."""
_FOLDER = "held_out"
_SHIPPED = Path(__file__).parents[2] / _FOLDER
_NEW_VERSION = (
    "A changed generator is a new version: freeze its set as one, or make this set with the code that froze it"
)


class FrozenSetError(ValueError):
    """A frozen set cannot be read, or a folder holds another one; the message says what to do."""


class FrozenSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The generator's arguments and the hash of its code."""

    version: int
    seed: int
    per_action: int
    code: str
    settings: dict[str, Any]
    former_codes: tuple[str, ...] = ()
    """Earlier hashes of the same generator, in the manifests of older folders."""


def frozen_sets() -> list[str]:
    """Return the names of the packaged frozen sets."""
    return sorted(path.stem for path in _SHIPPED.glob("generated-*.json"))


def read_frozen_set(name: str) -> FrozenSet:
    """Return a packaged frozen set. Raises `FrozenSetError`."""
    file = _SHIPPED / f"{name}.json"
    if not file.is_file():
        known = ", ".join(frozen_sets()) or "none"
        raise FrozenSetError(
            f"no frozen test set is called {name!r}; there is: {known}. `generated freeze` makes one from a generated "
            "set, and --own-set scores any other set"
        )
    try:
        return msgspec.json.decode(file.read_bytes(), type=FrozenSet)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FrozenSetError(f"training/{_FOLDER}/{name}.json: is not a frozen test set: {error}") from None


def freeze(manifest: Manifest, version: int) -> FrozenSet:
    """Return the set of a manifest. Raises `FrozenSetError` unless it is complete and made by this code."""
    counts = _videos_of(manifest)
    if len(set(counts.values())) != 1:
        raise FrozenSetError(
            f"the actions have from {min(counts.values(), default=0)} to {max(counts.values(), default=0)} videos; a "
            "frozen set has equally many of each: generate one with `data generate --split test --per-action`"
        )
    frozen = FrozenSet(version, manifest.seed, next(iter(counts.values())), manifest.code, manifest.settings)
    require_this_code(frozen)
    return frozen


def write_frozen_set(frozen: FrozenSet, folder: Path | None = None) -> Path:
    """Write it among the packaged sets, or in another folder, as `generated-VERSION.json`.

    Raises `FrozenSetError` if the version exists, because figures may have been published for it, and
    `training.kinetics_tps.DatasetError`.
    """
    path = (folder or _SHIPPED) / f"generated-{frozen.version}.json"
    if path.exists():
        raise FrozenSetError(f"{path}: exists, and a frozen set does not change; give the next --version")
    write_whole(path, msgspec.json.format(msgspec.json.encode(frozen), indent=1) + b"\n")
    return path


def require_this_code(frozen: FrozenSet) -> None:
    """Raise `FrozenSetError` if this code would make another set."""
    if (now := code_hash()) != frozen.code:
        raise FrozenSetError(
            f"version {frozen.version} was frozen with a generator whose code is {frozen.code[:12]}, and this one's is "
            f"{now[:12]}. {_NEW_VERSION}"
        )


def require(manifest: Manifest, frozen: FrozenSet, where: Path) -> None:
    """Raise `FrozenSetError` with all differences unless the manifest is of this set."""
    if differing := differences(manifest, frozen):
        raise FrozenSetError(
            f"{where}: is not the frozen test set of version {frozen.version}: {'; '.join(differing)}. {_NEW_VERSION}, "
            "or score the folder as another set with --own-set"
        )


def differences(manifest: Manifest, frozen: FrozenSet) -> Sequence[str]:
    """Return the differences as phrases; none for this set."""
    found: list[str] = []
    if manifest.code not in (frozen.code, *frozen.former_codes):
        found.append(f"its generator's code is {manifest.code[:12]}, not {frozen.code[:12]}")
    if manifest.seed != frozen.seed:
        found.append(f"its seed is {manifest.seed}, not {frozen.seed}")
    # Compared as JSON, where a tuple and a list are the same.
    if msgspec.json.encode(manifest.settings, order="sorted") != msgspec.json.encode(frozen.settings, order="sorted"):
        found.append("its settings differ")
    counts = set(_videos_of(manifest).values())
    if counts != {frozen.per_action}:
        most = ", ".join(str(count) for count in sorted(counts))
        found.append(f"it has {most or 'no'} videos per action, not {frozen.per_action}")
    return found


def _videos_of(manifest: Manifest) -> Counter[str]:
    """Return the number of videos by action, including planned actions without any."""
    counts = Counter[str](dict.fromkeys(manifest.settings.get("actions", ()), 0))
    counts.update(video.action for video in manifest.videos)
    return counts
