"""Generators of reference pages and JSON Schemas under docs/."""
