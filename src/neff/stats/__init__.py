"""Ground floor: pure statistics on arrays. Arrays in, small results out; no I/O, no frames, numpy and scipy only."""
