"""Short clips of a new action, from which a trained checkpoint learns it."""
