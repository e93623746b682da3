"""The contract that neff tests itself by, for plugins and users: simulators with known truth, and checks."""

from neff.testing.importance import WeightTruth, simulate_weights
from neff.testing.simulate import ScoreTruth, simulate_scores

__all__ = ["ScoreTruth", "WeightTruth", "simulate_scores", "simulate_weights"]
