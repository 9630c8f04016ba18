"""Alerts of a running engine: the rules in force, the alerts that are open or were lately, and their pictures."""
