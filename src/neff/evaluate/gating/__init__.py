"""Which numbers may be read as levels: what the labels cover, the thresholds, and the verdicts."""
