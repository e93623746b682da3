"""The parts of a transport audit: the probe, the test, the result, and how large a probe must be."""
