"""What is known of public sources, for `partstream data import --like NAME`: `public_sources.yaml`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from training.settings.run_config import RecordedConfig
from training.sources.formats.conversion import Options
from training.sources.terms import SourceFacts, Terms, permitted

FILE = Path(__file__).with_name("public_sources.yaml")


@dataclass(frozen=True, slots=True)
class PublicSource:
    """A public data set: its format, terms and home, and how its files are named and converted.

    `person_from` and `name_from` are regular expressions on a file's path; `labels` are (pattern, action).
    `preparation`: what to do with the files of the home before the import, "" if they have the format already.
    """

    id: str
    format: str
    dataset: str
    home: str
    terms: Terms
    terms_text: str
    person_from: str | None = None
    name_from: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    options: Options = field(default_factory=Options)
    preparation: str = ""


def _source(content: dict[str, Any]) -> PublicSource:
    names = {"" if action == "-" else action: names.split() for action, names in content["labels"].items()}
    labels = tuple((name, action) for action, own in names.items() for name in own)
    return PublicSource(**{**content, "labels": labels, "options": Options(**content.get("options", {}))})


PUBLIC = {one["id"]: _source(one) for one in yaml.safe_load(FILE.read_text(encoding="utf-8"))}


def missing_sources(config: RecordedConfig, present: Collection[str] = ()) -> list[PublicSource]:
    """Return the public sources that the configuration permits and that are not `present`, by name."""
    known = {name: SourceFacts(name, source.terms) for name, source in PUBLIC.items()}
    wanted = permitted(known, config.terms, config.also, config.without)
    return [PUBLIC[name] for name in sorted(wanted) if name not in present]
