"""The contract that neff tests itself by, for plugins and users: simulators with known truth, and checks."""

from typing import TYPE_CHECKING

from neff._lazy import lazy
from neff.testing.baselines import baseline_study
from neff.testing.contract import ContractError, EstimatorReport, check_estimator, coverage_band
from neff.testing.importance import WeightTruth, simulate_weights
from neff.testing.off_policy import OffPolicyTruth, simulate_off_policy
from neff.testing.readers import ReaderReport, check_reader
from neff.testing.sequential import Miscoverage, Stopping, simulate_miscoverage, simulate_stopping
from neff.testing.simulate import ScoreTruth, simulate_scores

if TYPE_CHECKING:
    from neff.testing.staleness.methods import StalenessMethod
    from neff.testing.staleness.result import StalenessCell, StalenessRun, StalenessStudy
    from neff.testing.staleness.study import staleness_study

__all__ = [
    "ContractError",
    "EstimatorReport",
    "Miscoverage",
    "OffPolicyTruth",
    "ReaderReport",
    "ScoreTruth",
    "StalenessCell",
    "StalenessMethod",
    "StalenessRun",
    "StalenessStudy",
    "Stopping",
    "WeightTruth",
    "baseline_study",
    "check_estimator",
    "check_reader",
    "coverage_band",
    "simulate_miscoverage",
    "simulate_off_policy",
    "simulate_scores",
    "simulate_stopping",
    "simulate_weights",
    "staleness_study",
]

_ON_TORCH = {
    "StalenessCell": "staleness.result",
    "StalenessMethod": "staleness.methods",
    "StalenessRun": "staleness.result",
    "StalenessStudy": "staleness.result",
    "staleness_study": "staleness.study",
}

__getattr__, _ = lazy(__name__, _ON_TORCH, extra="train", needs="torch")
