"""The checks that a monitor makes at every step, from the sums that it has anyway."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.train.findings import Finding
from neff.train.monitor.checks import BOUNDS, check_clamped, check_length, check_token_ess
from neff.train.monitor.verdicts import equal_log_probs, shifted_ratios

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from neff.train.history import StepReport

__all__ = ["step_findings"]

EQUAL_STEPS = 10
"""So many steps in a row with every ratio exactly 1 are no chance of fresh samples any more."""


def step_findings(
    report: StepReport, of: dict[str, NDArray[np.float64]], *, equal_steps: int = 0
) -> tuple[Finding, ...]:
    """Return what is wrong with a step, from its report and its rows."""
    return tuple(_all(report, of, equal_steps))


def _all(report: StepReport, of: dict[str, NDArray[np.float64]], equal_steps: int) -> Iterator[Finding]:
    if not report.n_tokens:
        said = "No token of this step has a ratio: nothing was observed, or all was masked or not finite."
        yield Finding("empty-step", "warn", said)
    if report.n_dropped_tokens:
        total = report.n_tokens + report.n_dropped_tokens
        said = f"{report.n_dropped_tokens:,} of {total:,} valid tokens have no finite log-ratio (NaN or infinite)."
        lost = f"They and the {report.n_dropped_sequences:,} responses that they are in were left out of the ESS."
        yield Finding("non-finite", "warn", f"{said} {lost}")
    if report.n_groups and report.informative_group_share == 0:
        said = "No prompt has two different rewards: every advantage relative to the group is 0."
        yield Finding("no-informative-group", "warn", f"{said} Nothing is learnt from this step.")
    if not report.n_tokens:
        return
    if equal_steps:
        yield from _equal(report, equal_steps)
        return  # ratios of exactly 1 have nothing else to say
    whole = (of["n_good"] > 0) & (of["n_good"] == of["n_kept"])
    log_w, top = of["log_ratio"][whole], of["log_max"][of["n_good"] > 0]
    own = (math.log(report.cap),) if report.cap > 1 else ()
    bounds = (*BOUNDS, *own)
    yield from check_clamped(log_w, bounds=bounds, known_only=True) or check_clamped(
        top, bounds=bounds, known_only=True
    )
    value, error = report.log_mean_ratio_token, report.log_mean_ratio_token_standard_error
    tokens = report.ess_token
    yield from shifted_ratios(value, error, tokens.value, report.n_tokens, tokens.n_clusters)
    yield from check_length(of["n_kept"][whole], log_w)
    yield from check_token_ess(report.ess_token.value, report.ess_sequence.value)


def _equal(report: StepReport, equal_steps: int) -> tuple[Finding, ...]:
    if not math.isnan(report.lag_max):
        return equal_log_probs(report.lag_max)
    return equal_log_probs(None) if equal_steps >= EQUAL_STEPS else ()
