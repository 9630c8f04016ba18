"""Verdicts of people on what the engine saw, as the review page writes and training reads them."""
