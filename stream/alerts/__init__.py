"""Alerts of a running engine: the rules in force, the open and the latest cleared alerts, and their pictures."""
