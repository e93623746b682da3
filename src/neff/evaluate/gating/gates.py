"""Gates: which numbers may be read as levels, which call for care, and which are refused, with the reason.

A refusal keeps the number: it is shown, flagged. Only levels are refused; a gate certifies no ranking either way.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from neff.evaluate.gating.gate import Best, Gate, best_unflagged, flagged, gate, table
from neff.evaluate.gating.thresholds import FEWEST_FOR_TAIL, HIGH_CV, RULES

if TYPE_CHECKING:
    from neff.evaluate.gating.coverage import Coverage
    from neff.evaluate.gating.thresholds import State
    from neff.evaluate.off_policy.overlap import Overlap

__all__ = ["Best", "Gate", "best_unflagged", "flagged", "gates_for_direct", "gates_for_off_policy", "table"]


def gates_for_direct(coverage: Coverage, *, corrected: bool | None = None) -> tuple[Gate, ...]:
    """Judge the level of a calibrated mean of one policy.

    Parameters
    ----------
    coverage
        What the labels know about the policy.
    corrected
        Whether the estimate is corrected by the policy's own labels ("augmented"): then a curve that is wrong where
        labels are thin is mended by them, the interval says how well, and what would refuse the level only warns.
        By default: whether it has at least 5 labelled prompts of its own.

    Returns
    -------
    tuple of Gate
        Where every row is labelled, one gate: no curve is used.

    Notes
    -----
    The scores say nothing about a policy whose answers earn other labels at the same scores; for that there is the
    transport audit.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (range gate). The label n_eff is ours.

    Examples
    --------
    >>> from neff.evaluate.gating.coverage import Coverage
    >>> from neff.evaluate.gating.reach import Boundary
    >>> from neff.evaluate.gating.selection import SampleTest
    >>> no_test, inside = SampleTest(math.nan, math.nan), Boundary(0.013, 0.013, 0.0, 0.1, 0.004)
    >>> unhelpful = Coverage("unhelpful", 1000, 480, 0, 0, 8.8, inside, 0.01, 0.04, 0.05, False, no_test)
    >>> print(gates_for_direct(unhelpful)[0])
    unhelpful: refuse: its 1,000 scores lie where 8.8 of 480 labels count
    """
    policy, edge = coverage.policy, coverage.boundary
    rule = RULES["own_labels"]
    if coverage.n and coverage.n_own == coverage.n:
        sentence = "every answer is labelled: no calibration is needed"
        return (gate(policy, "own_labels", coverage.n_own, sentence, state="good"),)
    mended = coverage.n_own_prompts >= rule.warn if corrected is None else corrected
    found = [
        gate(
            policy,
            "label_ess",
            coverage.label_ess,
            f"its {coverage.n:,} scores lie where {coverage.label_ess:.1f} of {coverage.n_labels:,} labels count",
        ),
        gate(
            policy,
            "outside",
            edge.outside,
            f"{edge.outside:.1%} of its scores lie outside the labelled ones, where the curve is a guess: "
            f"that alone leaves the mean open by {edge.width:.3f}",
        ),
        gate(
            policy,
            "saturation",
            edge.saturation,
            f"{edge.saturation:.1%} of its calibrated values lie at an end of the fitted range",
        ),
        gate(
            policy,
            "own_labels",
            coverage.n_own_prompts,
            f"{coverage.n_own_prompts:,} labelled prompts of its own"
            + (
                "" if mended else ": the calibration is borrowed, and the interval does not cover a judge that is wrong"
            ),
        ),
    ]
    if coverage.collapsed:
        sentence = "the calibration curve is constant although labels vary: is the judge's scale upside down?"
        found.append(gate(policy, "collapsed", 1.0, sentence))
    if not math.isnan(coverage.selection.p_value):
        p = coverage.selection.p_value
        sentence = (
            f"labelled and unlabelled scores differ (p = {p:.2g}): labels were not drawn at random"
            if p < RULES["selection"].warn
            else f"labelled and unlabelled scores do not differ visibly (p = {p:.2g}); this certifies nothing"
        )
        found.append(gate(policy, "selection", p, sentence))
    return tuple(_softened(one) if mended else one for one in found)


def _softened(found: Gate) -> Gate:
    if found.state != "refuse":
        return found
    sentence = f"{found.sentence}; its own labels correct the mean, the curve alone would be refused"
    return replace(found, state="warn", sentence=sentence)


def gates_for_off_policy(overlap: Overlap) -> tuple[Gate, ...]:
    """Judge an importance-weighted estimate of one target policy by the raw weights.

    Returns
    -------
    tuple of Gate
        Any "refuse" refuses the level. The overlap in judge scores is that with fresh answers where there are any.

    Notes
    -----
    No single diagnostic is enough: a target far from all logged answers can pass the typical answers (TTC), and a
    target that prefers answers nobody drew passes the effective sample size, but not the mean probability ratio
    (simulated: 0.006 there, within 0.68 and 1.57 under overlap, even with noisy log-probabilities). A Hill index
    cannot be told from fewer than 50 weights, or where too few are positive; that calls for care unless the
    effective sample size is good.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150.

    Examples
    --------
    >>> import numpy as np
    >>> from neff.evaluate.off_policy.overlap import overlap
    >>> base = np.linspace(-30, -10, 60)
    >>> [one.state for one in gates_for_off_policy(overlap(base, base[::-1], policy="far"))]
    ['refuse', 'refuse', 'warn', 'refuse', 'unknown', 'good', 'refuse', 'refuse']
    """
    policy, share = overlap.policy, overlap.ess_fraction
    tail = overlap.hill.value if overlap.n >= FEWEST_FOR_TAIL else math.nan
    fresh = not math.isnan(overlap.judge_by_fresh)
    judge = overlap.judge_by_fresh if fresh else overlap.judge_by_weights
    per = "" if overlap.length_unit == "answer" else f", by surprisal per {overlap.length_unit}"
    tail_state: State | None = None
    if math.isnan(tail) and share < RULES["ess_fraction"].warn:
        tail_state = "warn"
    top = RULES["top_share"]
    return (
        gate(policy, "ess_fraction", share, f"{overlap.ess:.1f} of {overlap.n:,} logged answers survive the weights"),
        gate(
            policy,
            "hill",
            tail,
            "the tail of the weights cannot be told" if math.isnan(tail) else f"tail index {tail:.2f} of the weights",
            state=tail_state,
        ),
        gate(policy, "hellinger", overlap.hellinger, f"overlap in answers {overlap.hellinger:.2f} of 1"),
        gate(
            policy,
            "ttc",
            overlap.typicality.ttc,
            f"{overlap.typicality.ttc:.0%} of the logged answers are typical of the target{per}",
        ),
        gate(
            policy,
            "judge_overlap",
            judge,
            f"overlap in judge scores {judge:.2f} of 1, by {'fresh answers' if fresh else 'weights'}",
        ),
        gate(
            policy,
            "near_zero",
            overlap.near_zero,
            f"{overlap.near_zero:.1%} of the logged answers are all but impossible under the target",
        ),
        gate(
            policy,
            "mean_ratio",
            _distance(overlap.mean_ratio),
            f"the mean probability ratio is {overlap.mean_ratio:.2g}, where 1 means that the logs cover the target",
        ),
        gate(
            policy,
            "top_share",
            overlap.top_share,
            f"5% of the answers hold {overlap.top_share:.0%} of the weight (coefficient of variation {overlap.cv:.1f})",
            state="good" if top.state(overlap.top_share) == "refuse" and overlap.cv <= HIGH_CV else None,
        ),
    )


def _distance(ratio: float) -> float:
    """Return how near a positive ratio is to 1: itself or its inverse, whichever is below."""
    return ratio if not ratio > 1 else 1 / ratio
