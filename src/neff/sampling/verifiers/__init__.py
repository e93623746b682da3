"""Resampling against an imperfect verifier: what it buys, and when to stop."""
