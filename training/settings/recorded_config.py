"""Settings for learning from recorded motion of real people (docs/data-folder.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from training.settings.model_config import Section

Terms = Literal["open", "none-stated", "research", "nc"]
"""open: any use, with conditions; nc: non-commercial use; research: published for research; none-stated: none found."""


class RecordedConfig(Section):
    """Motion of real people: captures, 2-D sequences and labelled videos of a data folder (docs/data-folder.md)."""

    folder: str | None = Field(None, min_length=1, description="The data folder; null: no recorded motion.")
    terms: tuple[Terms, ...] = Field(
        ("open", "none-stated", "research", "nc"),
        min_length=1,
        description="Use sources with these terms; the terms of the weights depend on them.",
    )
    also: tuple[str, ...] = Field(
        (),
        description="Sources to use regardless of their terms. Those without stated terms then count as permitting any "
        "use of the weights.",
    )
    without: tuple[str, ...] = Field((), description="Sources not to use.")
    captures: float = Field(
        0.3, ge=0, le=1, description="Share of a batch from 3-D motion, projected through random cameras."
    )
    poses: float = Field(0.25, ge=0, le=1, description="Share of a batch from 2-D keypoints.")
    tracks: float = Field(0.15, ge=0, le=1, description="Share of a batch from people tracked in labelled videos.")

    actions: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        {},
        description="How often sequences end with an action, relative to the other actions, such as {walk: 3}. "
        "Without it, all actions of a source are equally likely.",
    )

    @property
    def shares(self) -> dict[str, float]:
        """The shares by the name of the source; all 0 without a folder."""
        given = {"captures": self.captures, "poses": self.poses, "tracks": self.tracks}
        return given if self.folder is not None else dict.fromkeys(given, 0.0)

    @model_validator(mode="after")
    def _at_most_a_batch(self) -> RecordedConfig:
        if self.captures + self.poses + self.tracks > 1 + 1e-9:
            raise ValueError("captures, poses and tracks are shares of a batch: together at most 1")
        return self
