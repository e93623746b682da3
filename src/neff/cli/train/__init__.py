"""Verbs of the train room."""
