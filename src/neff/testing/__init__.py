"""The contract that neff tests itself by, for plugins and users: simulators with known truth, and checks."""

from neff.testing.contract import ContractError, EstimatorReport, check_estimator, coverage_band
from neff.testing.importance import WeightTruth, simulate_weights
from neff.testing.off_policy import OffPolicyTruth, simulate_off_policy
from neff.testing.readers import ReaderReport, check_reader
from neff.testing.simulate import ScoreTruth, simulate_scores

__all__ = [
    "ContractError",
    "EstimatorReport",
    "OffPolicyTruth",
    "ReaderReport",
    "ScoreTruth",
    "WeightTruth",
    "check_estimator",
    "check_reader",
    "coverage_band",
    "simulate_off_policy",
    "simulate_scores",
    "simulate_weights",
]
