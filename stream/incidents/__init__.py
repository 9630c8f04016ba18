"""Incidents: alerts and actions that began, kept with a picture of their frame."""
