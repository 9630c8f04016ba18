"""Generators of reference pages and JSON Schemas in docs/."""
