"""Calibrated judges: cheap scores on every answer, an oracle's labels on few, and what can be concluded from both."""
