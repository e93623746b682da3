"""Verbs of the sampling room."""
