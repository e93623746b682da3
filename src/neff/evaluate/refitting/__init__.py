"""The bootstrap that learns the calibrator anew in every resample, on sums instead of rows."""
