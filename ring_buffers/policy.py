"""What a ring does with frames that are not read in time. Imports nothing, so that reading a configuration is quick."""

from __future__ import annotations

from typing import Literal

Policy = Literal["latest", "every"]
