"""Terms of data sources, by which a run chooses what it learns from.

`sources.json` in a data folder describes each source; `partstream data import` writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from training.settings.run_config import Terms

FILE = "sources.json"


class DataFolderError(ValueError):
    """A data folder cannot be used; the message names the file and says what to do."""


class SourceFacts(msgspec.Struct, frozen=True, rename={"terms": "terms_class"}):
    """One data source: its short name, data set, terms, and where it comes from."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9_]+\Z")]
    terms: Terms
    dataset: str = ""
    repository: str = ""
    commit: str = ""


class _Sources(msgspec.Struct, frozen=True):
    sources: tuple[SourceFacts, ...]


def read_content(path: Path, advice: str = "") -> bytes:
    """Return a file's content. Raises `DataFolderError`, whose message ends with `advice`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataFolderError(f"{path}: can't be read ({error.strerror or error}){advice}") from None


def read_sources(folder: Path) -> dict[str, SourceFacts]:
    """Return the sources of a data folder by name. Raises `DataFolderError`, also for terms that are given twice."""
    path = folder / FILE
    content = read_content(path, "; `partstream data import` creates a data folder")
    try:
        listed = msgspec.json.decode(content, type=_Sources).sources
    except (ValueError, RecursionError) as error:
        raise DataFolderError(f"{path}: {error}") from None
    counts = Counter(source.id for source in listed)
    if twice := sorted(name for name, count in counts.items() if count > 1):
        raise DataFolderError(f"{path}: has several entries for {', '.join(twice)}; keep one, with the right terms")
    return {source.id: source for source in listed}


def permits_any_use(source: SourceFacts, also: Collection[str] = ()) -> bool:
    """Return whether weights that learn from a source may be used for any purpose.

    Open terms permit it. Where none are stated, a configuration decides by naming the source in `also`; stated limits
    remain.
    """
    return source.terms == "open" or (source.terms == "none-stated" and source.id in also)


def permitted(
    sources: dict[str, SourceFacts],
    terms: Collection[Terms],
    also: Collection[str] = (),
    without: Collection[str] = (),
) -> dict[str, SourceFacts]:
    """Return the sources with one of these terms, and those of `also`, except those of `without`."""
    return {
        name: source
        for name, source in sources.items()
        if (source.terms in terms or name in also) and name not in without
    }
