"""The live page of a fleet: its files, and the passes with which it reads pictures and results from the engines."""
