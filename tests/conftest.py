"""For all tests: hypothesis never fails an example for its time, for the machine that tests may be busy with others."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
