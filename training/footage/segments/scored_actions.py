"""The actions that scores are computed over."""

from __future__ import annotations

SCORED_ACTIONS = (
    "stand",
    "walk",
    "run",
    "jump",
    "crouch",
    "sit",
    "lie",
    "crawl",
    "fall",
    "sit_down",
    "stand_up",
    "wave",
    "clap",
    "punch",
    "kick",
    "throw",
    "pick_up",
    "carry",
    "push_up",
    "squat",
    "cartwheel",
    "dance",
    "juggle",
    "other",
)
"""A checkpoint whose vocabulary lacks one of these is wrong wherever it is the label, so that no figure is gained by
leaving an action out."""
