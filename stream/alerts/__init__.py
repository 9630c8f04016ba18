"""Alerts of a running engine: the rules in force, and the open and the latest cleared alerts."""
