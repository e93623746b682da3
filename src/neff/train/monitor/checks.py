"""Checks of data that refuse or warn: whether the ratios that a loss weighs by are the likelihood ratios it assumes.

Each returns a tuple of `Finding`, empty where nothing is wrong; `enforce` raises on what is refused. They take arrays,
lists or tensors; tensors are copied to the host, so a check of data belongs into the first steps of a run, not into all
of them. `Monitor` runs its own at every step, from the sums that it has anyway.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.train.findings import Finding
from neff.train.monitor.settings import refused
from neff.train.monitor.verdicts import equal_log_probs, shifted_ratios

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "check_behaviour_log_probs",
    "check_clamped",
    "check_length",
    "check_log_mean_ratio",
    "check_token_ess",
]

BOUNDS = (10.0, 20.0, 30.0, *(math.log(cap) for cap in (2.0, 3.0, 4.0, 5.0, 8.0, 10.0)))
"""Where reference implementations clamp log-ratios, and the logarithms of the caps that they put on weights."""
BLIND_TOKEN_ESS, LOW_SEQUENCE_ESS = 0.95, 0.5


def _host(values: Any) -> NDArray[np.float64]:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    return np.asarray(values, dtype=np.float64)


def _together(
    lp: Any, blp: Any, mask: Any, call: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return both on the host, and where the mask is not 0; all of one shape."""
    ours, theirs = _host(lp), _host(blp)
    keep = np.ones(ours.shape, dtype=bool) if mask is None else _host(mask) != 0
    if ours.shape != theirs.shape or keep.shape != ours.shape:
        got = f"lp {ours.shape}, blp {theirs.shape}, mask {keep.shape}"
        raise ArgumentError("blp", "of the shape of lp and mask", got, call=call)
    return ours, theirs, keep


def check_behaviour_log_probs(lp: Any, blp: Any, mask: Any = None, *, lag: float | None = None) -> tuple[Finding, ...]:
    """Check whether there are log-probabilities of the sampler at all.

    Use it on the first batches of a run. Not a check of whether they are right: see `check_log_mean_ratio`.

    Parameters
    ----------
    lp, blp
        Log-probabilities of the trainer and of the sampler, shape [B, T] each, nats; `blp` may be None.
    mask
        Shape [B, T]; non-zero at tokens of the response. All by default.
    lag
        How many optimizer steps older the sampler's weights are, where it is known.

    Returns
    -------
    tuple of Finding
        "behaviour-log-probs": refused where they are absent, all NaN or infinite, all 0, or equal to `lp` though the
        sampler's weights are older; warned where some are NaN or infinite, or all equal `lp` at an unknown lag.
        "positive-log-probs": refused.

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Examples
    --------
    >>> lp = [[-1.0, -2.0, -0.5]]
    >>> [finding.severity for finding in check_behaviour_log_probs(lp, lp, lag=4)]
    ['refuse']
    >>> check_behaviour_log_probs(lp, lp, lag=0)
    ()
    """
    name = "behaviour-log-probs"
    if blp is None:
        said = "There are no log-probabilities of the sampler: every ratio is 1 and an ESS of 1 means nothing."
        return (refused(name, f"{said} Let the engine return them."),)
    ours, theirs, keep = _together(lp, blp, mask, "check_behaviour_log_probs")
    ours, theirs = ours[keep], theirs[keep]
    if not theirs.size:
        return ()
    missing = ~np.isfinite(theirs)
    found: list[Finding] = []
    if missing.all():
        found.append(refused(name, "No log-probability of the sampler is finite. Let the engine return them."))
        return tuple(found)
    if missing.any():
        share = f"{int(missing.sum()):,} of {missing.size:,} ({100 * missing.mean():.2g}%)"
        said = f"{share} log-probabilities of the sampler are NaN or infinite: those tokens have no ratio."
        found.append(Finding(name, "warn", f"{said} They are dropped and counted, not given the ratio 1."))
    ours, theirs = ours[~missing], theirs[~missing]
    if (theirs == 0).all():
        found.append(refused(name, "All log-probabilities of the sampler are 0: a default was never filled in."))
    elif (ours == theirs).all():
        found += equal_log_probs(lag)
    top = max(float(theirs.max()), float(np.nanmax(ours, initial=-math.inf)))
    if top > 1e-3:
        found.append(refused("positive-log-probs", f"A log-probability is {top:.4g}, above 0. Give log-probabilities."))
    return tuple(found)


def check_log_mean_ratio(lp: Any, blp: Any, mask: Any = None) -> tuple[Finding, ...]:
    """Check whether the mean token ratio is 1, as it must be for true likelihood ratios, stale or not.

    Use it beside every effective sample size, which does not see a shift: top-p renormalisation, a wrong temperature
    and a wrong column all leave it near 1.

    Parameters
    ----------
    lp, blp, mask
        As for `check_behaviour_log_probs`.

    Returns
    -------
    tuple of Finding
        "log-mean-ratio": warned, or refused where the log-ratios are a nearly uniform shift down (what a cut-off
        sampler makes of a fresh batch).

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Notes
    -----
    E[pi/mu] = 1 for each token given what came before it, whatever pi is, as long as mu gives every token of pi some
    probability. A mean is reported where its logarithm is at least 0.02 nats from 0, beyond chance (p < 0.0001 by its
    standard error between responses or prompts), and the token ESS is at least 0.5: below, the mean misses the heavy
    ratios that no batch holds.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> blp = -rng.exponential(1.0, (16, 31))
    >>> [finding.severity for finding in check_log_mean_ratio(blp + np.log(0.9), blp)]
    ['refuse']
    """
    from neff.train.ess import ess_estimate
    from neff.train.monitor.summary import log_mean

    ours, theirs, keep = _together(lp, blp, mask, "check_log_mean_ratio")
    with np.errstate(invalid="ignore"):  # infinite in both
        ratio = np.atleast_2d(ours - theirs)
    keep = np.atleast_2d(keep) & np.isfinite(ratio)
    rows = keep.any(axis=1)
    if not rows.any():
        return ()
    ratio, keep = np.where(keep, ratio, -math.inf)[rows], keep[rows]
    top = ratio.max(axis=1, keepdims=True)
    sums, squares = (np.exp(power * (ratio - top)).sum(axis=1) for power in (1, 2))
    log_sum, log_squares = top[:, 0] + np.log(sums), 2 * top[:, 0] + np.log(squares)
    count = keep.sum(axis=1).astype(np.float64)
    value, error = log_mean(log_sum, count, np.arange(len(count)))
    share = ess_estimate(log_sum, log_squares, count).value
    return shifted_ratios(value, error, share, int(count.sum()), len(count))


def check_clamped(
    log_weights: Any, *, bounds: tuple[float, ...] = BOUNDS, known_only: bool = False
) -> tuple[Finding, ...]:
    """Check whether log-ratios were clamped, or weights truncated, before they came here.

    Use it on what an effective sample size is computed from: truncation hides the collapse that it is there to show
    (log-ratios 30, 45, 60, 90 have a share of 0.25; clamped at 20 first, of 1).

    Parameters
    ----------
    log_weights
        Log-ratios of tokens or of sequences, any shape; NaN and infinite values are not looked at.
    bounds
        Where clamps usually are, in nats.
    known_only
        Look at these alone, as `Monitor` does.

    Returns
    -------
    tuple of Finding
        "clamped": refused, where at least two values lie exactly on a known bound that nothing exceeds; warned, where
        at least three, and three times as many as at the next value, pile up at the largest one.

    Notes
    -----
    A pile at 0 is left out: unchanged tokens are there. Values from half precision lie on a grid, which has no pile at
    its end unless they were clamped. A policy that has nearly stopped exploring gives the same response many times, and
    so the same log-ratio: `known_only` leaves such piles alone.

    Examples
    --------
    >>> [finding.name for finding in check_clamped([20.0, 3.0, 20.0, -1.5])]
    ['clamped']
    >>> check_clamped([30.0, 45.0, 60.0, 90.0])
    ()
    """
    x = _host(log_weights).ravel()
    x = x[np.isfinite(x)]
    for end, side in ((x, "above"), (-x, "below")):
        found = _pile(end, side, bounds, known_only=known_only)
        if found:
            return (found,)
    return ()


def _pile(x: NDArray[np.float64], side: str, bounds: tuple[float, ...], *, known_only: bool) -> Finding | None:
    if x.size < 2:
        return None
    top = float(x.max())
    if top <= 0:
        return None
    ties = x > top - 1e-6 * max(top, 1.0)
    tied = int(np.count_nonzero(ties))
    if tied < 2:
        return None
    rest = x[~ties]
    following = int((rest == rest.max()).sum()) if rest.size else 0
    known = any(abs(top - bound) < 1e-5 * bound for bound in bounds)
    # without a second value there is nothing to hold the pile against: a constant shift is another check's business
    pile = not known_only and tied >= 3 and following > 0 and tied >= 3 * following
    if not (known and tied >= 2) and not pile:
        return None
    at = top if side == "above" else -top
    said = f"{tied:,} of {x.size:,} log-ratios are exactly {at:.6g}, and none is {side}"
    if known:
        why = "they were clamped or truncated. Give the untruncated ones; the loss may still truncate its own copy."
        return refused("clamped", f"{said}: {why}")
    why = "a clamp does that, and so do identical responses. Look at what comes before."
    return Finding("clamped", "warn", f"{said}: {why}")


def check_length(lengths: Any, log_ratios: Any) -> tuple[Finding, ...]:
    """Check whether the sequence ratios are a matter of length.

    Use it before acting on a low sequence ESS: a small constant offset per token, from numerical differences between
    engine and trainer, grows with length and makes long responses seem off-policy.

    Parameters
    ----------
    lengths
        Tokens of each response, shape (B,).
    log_ratios
        Log-ratio of each response (the sum over its tokens), shape (B,).

    Returns
    -------
    tuple of Finding
        "length-driven": warned, where length explains more than half of the variance of the log-ratios, beyond chance
        (p < 0.001), and the spread that it explains matters (0.1 nats).

    Examples
    --------
    >>> lengths = [347, 6386, 10814, 32630, 32677]
    >>> [finding.name for finding in check_length(lengths, [-5.4341e-4 * n for n in lengths])]
    ['length-driven']
    """
    x, y = _host(lengths).ravel(), _host(log_ratios).ravel()
    if x.shape != y.shape:
        raise ArgumentError("log_ratios", "as long as lengths", f"{y.size} and {x.size}", call="check_length")
    known = np.isfinite(y)
    x, y = x[known], y[known]
    if x.size < 5 or x.min() == x.max() or y.min() == y.max():
        return ()
    from neff.stats._special import two_sided_p

    off_x, off_y = x - x.mean(), y - y.mean()
    slope = float(off_x @ off_y / (off_x @ off_x))
    explained = min(slope * float(off_x @ off_y) / float(off_y @ off_y), 1.0)
    t = math.inf if explained > 1 - 1e-12 else math.sqrt(explained * (x.size - 2) / (1 - explained))
    spread = abs(slope) * float(x.std())
    if explained <= 0.5 or spread < 0.1 or two_sided_p(t, x.size - 2) > 1e-3:
        return ()
    share, per_token = f"{100 * explained:.0f}%", f"{slope:+.3g} nats per token"
    said = f"Length explains {share} of the spread of the sequences' log-ratios ({per_token})."
    return (Finding("length-driven", "warn", f"{said} Their ESS measures length, not how far the policy moved."),)


def check_token_ess(ess_token: float, ess_sequence: float) -> tuple[Finding, ...]:
    """Note where a token ESS near 1 would be read as safe.

    Parameters
    ----------
    ess_token, ess_sequence
        Effective sample sizes as shares of n.

    Returns
    -------
    tuple of Finding
        "token-ess": a note, where the token ESS is at least 0.95 and the sequence ESS below 0.5.

    Notes
    -----
    In one public report a run fell to 2 of 128 solved problems while its token ESS never was below 0.989.

    Examples
    --------
    >>> [finding.severity for finding in check_token_ess(0.99, 0.2)]
    ['note']
    """
    if not (ess_token >= BLIND_TOKEN_ESS and ess_sequence < LOW_SEQUENCE_ESS):
        return ()
    said = f"A token ESS of {ess_token:.3f} is no proof that the step is safe: the sequence ESS is {ess_sequence:.3f}."
    return (
        Finding(
            "token-ess", "note", f"{said} Runs have collapsed at token ESS above 0.98. Watch reward and entropy too."
        ),
    )
