"""Throwing and juggling."""
