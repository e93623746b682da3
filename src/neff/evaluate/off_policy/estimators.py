"""All off-policy estimators by name: the defaults, and the published ones under their published names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from neff.errors import ArgumentError
from neff.evaluate.off_policy.augmented_snips import augmented_snips
from neff.evaluate.off_policy.dr import dr
from neff.evaluate.off_policy.ips import ips, raw_ips, snips
from neff.evaluate.off_policy.mrdr import mrdr
from neff.evaluate.off_policy.proxy import dr_cpo
from neff.evaluate.off_policy.simcal_ips import simcal_ips
from neff.evaluate.off_policy.stacked import stacked_dr
from neff.evaluate.off_policy.tmle import tmle
from neff.evaluate.off_policy.tr_cpo import tr_cpo
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.judge.estimate import PolicyEstimate
    from neff.evaluate.off_policy.data import Logged

__all__ = ["NEEDS_FRESH", "OffPolicyMethod", "off_policy"]

OffPolicyMethod: TypeAlias = Literal[
    "dr",
    "augmented-snips",
    "snips",
    "ips",
    "raw-ips",
    "simcal-ips",
    "dr-cpo",
    "mrdr",
    "tmle",
    "tr-cpo",
    "tr-cpo-e",
    "stacked-dr",
]

NEEDS_FRESH = frozenset({"dr", "dr-cpo", "mrdr", "tmle", "tr-cpo", "tr-cpo-e", "stacked-dr"})
"""Methods that need fresh answers of the target."""


def off_policy(
    logged: Logged,
    *,
    calibration: Calibration,
    folds: FoldMap,
    fresh: Judged | None = None,
    method: OffPolicyMethod | None = None,
) -> PolicyEstimate:
    """Estimate a target's value from answers that another policy gave.

    Use it to run a method by name. "dr" and "augmented-snips" are the ones to report, where overlap allows; all
    others but "snips" and "ips" exist to reproduce published numbers.

    Parameters
    ----------
    logged
        Logged answers and their log-probabilities.
    calibration
        From scores to labels, fitted on `folds`.
    folds
        Folds of the prompts: about 20 for the defaults, the published 5 for the published methods.
    fresh
        Judged answers of the target, for the doubly robust methods.
    method
        Name of the method; by default "dr" with fresh answers and "augmented-snips" without.

    Returns
    -------
    PolicyEstimate
        With `components["n_eff_fraction"]`, the raw effective sample size as a share of n, to gate it by.

    Raises
    ------
    ArgumentError
        If the method is unknown, or needs fresh answers and has none.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150.

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("better", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled], n_folds=20)
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> given = {"calibration": curve, "folds": folds, "fresh": fresh}
    >>> for method in ("dr", "dr-cpo", "snips"):
    ...     print(method, round(off_policy(logged, method=method, **given).value - truth.value, 3))
    dr 0.005
    dr-cpo -0.022
    snips -0.027
    """
    if method is None:
        method = "augmented-snips" if fresh is None else "dr"
    check_choice(method, get_args(OffPolicyMethod), argument="method", call="off_policy")
    if method == "augmented-snips":
        return augmented_snips(logged, calibration=calibration, folds=folds)
    if method == "snips":
        return snips(logged, calibration=calibration)
    if method == "ips":
        return ips(logged, calibration=calibration)
    if method == "raw-ips":
        return raw_ips(logged, calibration=calibration)
    if method == "simcal-ips":
        return simcal_ips(logged, calibration=calibration, folds=folds)
    if fresh is None:
        raise ArgumentError(
            "fresh", "given", fresh, f"{method!r} needs judged answers of the target; without, use 'augmented-snips'."
        )
    if method in ("tr-cpo", "tr-cpo-e"):
        return tr_cpo(logged, calibration=calibration, folds=folds, fresh=fresh, efficient=method == "tr-cpo-e")
    by_name = {"dr": dr, "dr-cpo": dr_cpo, "mrdr": mrdr, "tmle": tmle, "stacked-dr": stacked_dr}
    return by_name[method](logged, calibration=calibration, folds=folds, fresh=fresh)
