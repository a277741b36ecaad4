"""Processes that are killed at a named point of their program: `points` has the points, `hook` does it."""
