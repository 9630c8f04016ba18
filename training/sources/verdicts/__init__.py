"""Verdicts of people on recorded clips, from which a trained checkpoint learns and by which another one is judged."""
