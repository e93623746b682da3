"""The options of `evaluate` that say how to use labels and logs, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from neff.errors import ArgumentError
from neff.evaluate.calibrating.calibration import Mode
from neff.evaluate.off_policy.estimators import OffPolicyMethod
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ESTIMATORS", "UNCALIBRATED", "Estimator", "JudgeOptions"]

Direct: TypeAlias = Literal["augmented", "augmented-tuned", "plug-in", "labels", "judge", "ppi", "ppi++"]
Estimator: TypeAlias = Direct | OffPolicyMethod

DIRECT: tuple[Direct, ...] = get_args(Direct)
UNCALIBRATED = ("labels", "judge", "ppi", "ppi++")
ESTIMATORS: tuple[str, ...] = (*DIRECT, *get_args(OffPolicyMethod))


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """How to use the labels; see `evaluate` for the meaning of each."""

    estimator: Estimator = "augmented"
    scale: tuple[float, float] = (0.0, 1.0)
    mode: Mode = "auto"
    covariates: tuple[str, ...] = ()
    propensity: str | None = None
    n_folds: int | None = None
    inference: Literal["analytic", "bootstrap"] = "analytic"
    log_prob: str | None = None
    targets: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice(self.estimator, ESTIMATORS, argument="estimator", call="evaluate")
        check_choice(self.mode, get_args(Mode), argument="mode", call="evaluate")
        check_choice(self.inference, ("analytic", "bootstrap"), argument="inference", call="evaluate")
        if self.n_folds is not None and self.n_folds < 2:
            raise ArgumentError("n_folds", "at least 2", self.n_folds, "Use 20.", call="evaluate")
        if self.estimator in get_args(OffPolicyMethod) and not self.targets:
            raise ArgumentError(
                "target_log_prob",
                f"given for estimator={self.estimator!r}, with log_prob",
                None,
                "Name the columns of log-probabilities.",
                call="evaluate",
            )
        if bool(self.targets) != (self.log_prob is not None):
            missing, given = ("log_prob", "target_log_prob") if self.targets else ("target_log_prob", "log_prob")
            raise ArgumentError(
                missing, f"given where {given} is", None, "A weight needs both log-probabilities.", call="evaluate"
            )
        if self.targets and self.estimator in UNCALIBRATED:
            raise ArgumentError(
                "target_log_prob",
                f"left out for estimator={self.estimator!r}",
                list(self.targets.values()),
                "That estimator weights no answers.",
                call="evaluate",
            )
        if self.inference == "bootstrap" and (self.estimator != "augmented" or self.covariates):
            raise ArgumentError(
                "inference",
                "'analytic' for this estimator",
                self.inference,
                "The bootstrap refits the monotone calibrator of estimator='augmented' without covariates.",
                call="evaluate",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, by the names that `evaluate` gives them."""
        return {
            "estimator": self.estimator,
            "scale": list(self.scale),
            "calibration": self.mode,
            "covariates": list(self.covariates),
            "propensity": self.propensity,
            "n_folds": self.n_folds,
            "inference": self.inference,
            "log_prob": self.log_prob,
            "target_log_prob": dict(self.targets),
        }
