"""What ratios of exactly 1, and a mean ratio other than 1, say: for the checks of data and of every step."""

from __future__ import annotations

import math

from neff.train.findings import Finding
from neff.train.monitor.settings import refused

__all__ = ["equal_log_probs", "shifted_ratios"]

SHIFT, CHANCE = 0.02, 1e-4
LARGEST_SHOWN = 20.0
"""Beyond e^20 a mean ratio is shown as a power: e^710 is no float."""


def equal_log_probs(lag: float | None) -> tuple[Finding, ...]:
    """Return what it means that all log-ratios are exactly 0: nothing at lag 0, a missing column at a larger one."""
    name, said = "behaviour-log-probs", "All log-ratios are exactly 0: the ESS is 1 by construction and says nothing."
    if lag is not None and lag > 0:
        why = f"The sampler is {lag:g} steps old: its own log-probabilities are missing, or no step moved the weights."
        return (refused(name, f"{said} {why}"),)
    if lag is None:
        return (Finding(name, "warn", f"{said} Right only for an update on samples of the very same weights."),)
    return ()


def shifted_ratios(value: float, error: float, ess_token: float, n_tokens: int, n_clusters: int) -> tuple[Finding, ...]:
    """Return what the log of the mean token ratio says, from its value, standard error and the token ESS."""
    from neff.stats._special import two_sided_p

    if not math.isfinite(value) or n_tokens < 100 or ess_token < 0.5 or abs(value) < SHIFT:
        return ()
    if n_clusters < 2 or two_sided_p(value / error if error > 0 else math.inf, n_clusters - 1) > CHANCE:
        return ()
    mean = math.exp(min(value, LARGEST_SHOWN))
    shown = f"{mean:.3g}" if value < LARGEST_SHOWN else f"e^{value:.4g}"
    said = f"The mean token ratio is {shown}, and must be 1 for true likelihood ratios (log {value:+.3f} nats)."
    if value < 0 and ess_token > 1 - value * value:  # the spread is smaller than the shift
        why = f"A sampler that keeps {100 * mean:.3g}% of the probability mass (top-p, top-k) makes exactly this."
        return (refused("log-mean-ratio", f"{said} {why} Sample without a cut-off."),)
    why = "The log-probabilities are not those of the sampler: look at temperature, top-p, and which column is used."
    return (Finding("log-mean-ratio", "warn", f"{said} {why}"),)
