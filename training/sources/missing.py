"""Public sources that a configuration permits and a data folder lacks."""

from __future__ import annotations

from collections.abc import Collection

from training.settings.recorded_config import RecordedConfig
from training.sources.formats.facts import PUBLIC, PublicSource
from training.sources.terms import SourceFacts, permitted


def missing_sources(config: RecordedConfig, present: Collection[str] = ()) -> list[PublicSource]:
    """Return the public sources that the configuration permits and that are not `present`, by name."""
    known = {name: SourceFacts(name, source.terms) for name, source in PUBLIC.items()}
    wanted = permitted(known, config.terms, config.also, config.without)
    return [PUBLIC[name] for name in sorted(wanted) if name not in present]
