"""Verbs of the benchmark room."""
