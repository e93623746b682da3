"""The parts of a budget plan: the variances of a calibrated mean, from a pilot or not, and the plan."""
