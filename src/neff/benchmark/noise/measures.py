"""Signal, noise and shape of benchmark scores, as plain functions of arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.stats import kendall_tau, spearman
from neff.stats._options import check_choice
from neff.stats._validate import check_count, check_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = [
    "SIGNALS",
    "flattened_snr",
    "improvement",
    "monotonicity",
    "relative_noise",
    "signal",
    "signal_to_noise",
    "total_variation",
]

SIGNALS = ("range", "sd", "mean_difference", "iqr", "gini")


def signal(scores: ArrayLike, *, kind: str = "range", relative: bool = True, ddof: int = 1) -> float:
    """Return how far a benchmark spreads models apart.

    Use it on models of about the same training compute, each scored once (or by the mean of its last checkpoints).
    Not to compare benchmarks by different numbers of models: a range grows with their number (25 normal models 3.9 SD,
    10 models 3.1 SD); `kind="sd"` does not.

    Parameters
    ----------
    scores
        One score per model, shape (n_models,), higher is better.
    kind
        "range": largest minus smallest. "sd": standard deviation. "mean_difference": mean of |a - b| over all pairs.
        "iqr": the middle half. "gini": mean difference over twice the mean (always relative).
    relative
        Divide by |mean|. Log-likelihoods have a negative mean; the sign does not matter.
    ddof
        Of "sd".

    Returns
    -------
    float
        NaN for fewer than two models, and for a relative signal of scores whose mean is 0.

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> round(signal([0.30, 0.35, 0.42, 0.50]), 4), round(signal([0.30, 0.35, 0.42, 0.50], kind="sd"), 4)
    (0.5096, 0.2215)
    """
    check_choice(kind, SIGNALS, argument="kind", call="signal")
    ddof = check_ddof(ddof, "signal")
    m = check_vector(scores, argument="scores", call="signal")
    if m.size < 2:
        return math.nan
    spread = _spread(m, kind, ddof)
    if not relative and kind != "gini":
        return spread
    centre = _centre(m)
    return spread / centre if centre > 0 else math.nan


def _spread(m: FloatArray, kind: str, ddof: int) -> float:
    if kind == "range":
        return float(m.max() - m.min())
    if kind == "sd":
        return float(m.std(ddof=ddof))
    if kind == "iqr":
        low, high = np.quantile(m, [0.25, 0.75])
        return float(high - low)
    n, ordered = m.size, np.sort(m)
    # the sum over pairs of the larger minus the smaller, in n log n
    pairs = float((2 * np.arange(1, n + 1) - n - 1) @ ordered)
    return pairs / (n * (n - 1)) if kind == "gini" else 2 * pairs / (n * (n - 1))


def _centre(m: FloatArray) -> float:
    """Return |mean|; 0 where the mean is no more than the rounding of the scores."""
    mean = abs(float(m.mean()))
    return mean if mean > 1e-12 * float(np.abs(m).max(initial=0.0)) else 0.0


def relative_noise(scores: ArrayLike, *, last: int | None = None, ddof: int = 1) -> float:
    """Return the standard deviation of a run's last checkpoints, over |mean|.

    Use it for one run at a nearly constant level. Not early in training, where the trend is most of the deviation.

    Parameters
    ----------
    scores
        Scores by checkpoint in the order of training, shape (n,). NaN: not measured, left out.
    last
        Number of checkpoints from the end; None for all. The paper uses 30 for large runs and 5 for small ones.
    ddof
        1 (the paper's definition, default) or 0 (its released quick function).

    Returns
    -------
    float
        NaN for fewer than two checkpoints and for a mean of 0; 0 for a constant curve.

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> curve = [0.48, 0.50, 0.49, 0.52, 0.51]
    >>> round(relative_noise(curve), 6), round(relative_noise(curve, ddof=0), 6)
    (0.031623, 0.028284)
    """
    ddof, tail = check_ddof(ddof, "relative_noise"), _tail(scores, last, "relative_noise")
    if tail.size < 2:
        return math.nan
    centre = _centre(tail)
    deviation = float(tail.std(ddof=ddof)) if np.ptp(tail) > 0 else 0.0
    return deviation / centre if centre > 0 else math.nan


def _tail(scores: ArrayLike, last: int | None, call: str) -> FloatArray:
    y = check_vector(scores, argument="scores", call=call, allow_nan=True)
    y = y[~np.isnan(y)]
    if last is None:
        return y
    return y[-check_count(last, argument="last", call=call, minimum=1) :]


def signal_to_noise(
    scores: ArrayLike, noise: ArrayLike | Sequence[ArrayLike], *, kind: str = "range", ddof: int = 1
) -> float:
    """Return signal over the mean, over models, of each model's own noise.

    Use it to say whether a benchmark tells models apart at a scale. `benchmark_noise` gives the same with an interval.

    Parameters
    ----------
    scores
        One score per model, shape (n_models,).
    noise
        The last checkpoints of each model: an array of shape (n_models, n_checkpoints), a list of vectors, or one
        vector where one run stands for all.
    kind
        See `signal`.
    ddof
        Of the noise.

    Returns
    -------
    float
        Infinite where no checkpoint differs from another and there is signal; 0 without signal; NaN where undefined.

    Notes
    -----
    This is the mended form. The quick-start script of the paper's repository puts the checkpoints of all models into
    one vector (`flattened_snr`), so that the spread between models counts as noise: its value hardly depends on the
    noise.

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> round(signal_to_noise([0.30, 0.35, 0.42, 0.50], [0.48, 0.50, 0.49, 0.52, 0.51]), 4)
    16.1135
    """
    found = [relative_noise(curve, ddof=ddof) for curve in _curves(noise)]
    return _ratio(signal(scores, kind=kind), float(np.mean(found)) if found else math.nan)


def _curves(noise: ArrayLike | Sequence[ArrayLike]) -> list[ArrayLike]:
    listed = list(noise)  # type: ignore[arg-type]
    return listed if listed and np.ndim(listed[0]) == 1 else [np.asarray(listed, np.float64)]


def _ratio(above: float, below: float) -> float:
    if math.isnan(above) or math.isnan(below):
        return math.nan
    if below == 0:
        return 0.0 if above == 0 else math.inf
    return above / below


def flattened_snr(scores: ArrayLike, noise: ArrayLike | Sequence[ArrayLike], *, ddof: int = 0) -> float:
    """Return signal over the noise of all models' checkpoints in one vector, as the paper's quick-start script does.

    Only to compare with published small-scale figures: the spread between models enters the noise, so that the value is
    about the same (3 to 4 for 25 models) however steady the checkpoints are. Use `signal_to_noise`.

    Parameters
    ----------
    scores, noise
        As for `signal_to_noise`.
    ddof
        0, the script's.

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> steady = [[0.30, 0.30, 0.30], [0.40, 0.40, 0.40], [0.50, 0.50, 0.50]]
    >>> flattened_snr([0.3, 0.4, 0.5], steady) < 3, signal_to_noise([0.3, 0.4, 0.5], steady)
    (True, inf)
    """
    flat = np.concatenate([np.ravel(np.asarray(curve, np.float64)) for curve in _curves(noise)])
    return _ratio(signal(scores), relative_noise(flat, ddof=ddof))


def total_variation(scores: ArrayLike, *, normalise: str = "net") -> float:
    """Return how far a training curve wanders on its way: lower is calmer.

    Use it on a whole curve, where the deviation of the last checkpoints says nothing about the way there. The default
    has no unit, and compares measures of the same checkpoints.

    Parameters
    ----------
    scores
        Scores by checkpoint in the order of training, shape (n,). NaN: not measured, left out.
    normalise
        "net": n / (n - 1) * sum |x_(t+1) - x_t| / |x_n - x_1|, how many times the net change was walked (Hofmann et
        al.). "none": mean |difference|. "range": that over the curve's range. "improvement": that minus the mean
        improvement over the range, about 0 for a monotone curve (Heineman et al.).

    Returns
    -------
    float
        NaN for fewer than two checkpoints, for a curve that ends where it began ("net"), and for a constant curve where
        the range divides.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking, section 4.2. arXiv:2509.11106
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> y = [0.25, 0.30, 0.28, 0.35, 0.40, 0.38, 0.45]
    >>> round(total_variation(y), 4)
    1.6333
    >>> [round(total_variation(y, normalise=n), 4) for n in ("none", "range", "improvement")]
    [0.0467, 0.2333, 0.2048]
    """
    check_choice(normalise, ("net", "none", "range", "improvement"), argument="normalise", call="total_variation")
    y = _tail(scores, None, "total_variation")
    if y.size < 2:
        return math.nan
    mean = float(np.abs(np.diff(y)).mean())
    if normalise == "none":
        return mean
    extent, gain = float(y.max() - y.min()), improvement(y)
    if (abs(gain) if normalise == "net" else extent) == 0:
        return math.nan
    if normalise == "net":
        return mean / abs(gain)
    return mean / extent - (gain if normalise == "improvement" else 0.0)


def improvement(scores: ArrayLike) -> float:
    """Return (last - first) over the number of checkpoints, as the paper's code divides it.

    Examples
    --------
    >>> round(improvement([0.25, 0.30, 0.28, 0.35, 0.40, 0.38, 0.45]), 4)
    0.0286
    """
    y = _tail(scores, None, "improvement")
    return float(y[-1] - y[0]) / y.size if y.size > 1 else math.nan


def monotonicity(scores: ArrayLike, *, kind: str = "kendall") -> float:
    """Return how steadily a curve rises.

    Use it to ask whether a benchmark shows progress during training, or is saturated. Below four checkpoints it says
    little.

    Parameters
    ----------
    scores
        Scores by checkpoint in the order of training, shape (n,). NaN: not measured, left out.
    kind
        "kendall": tau-b between the order of checkpoints and the scores, from -1 to 1 (Madaan et al.). "spearman":
        |Spearman's correlation| of the two, from 0 to 1 (Hofmann et al.). "steps": (steps up - steps down) over both.

    Returns
    -------
    float
        NaN for fewer than two checkpoints and for a constant curve, which rises as little as it falls.

    References
    ----------
    Madaan et al., Quantifying Variance in Evaluation Benchmarks. arXiv:2406.10229
    Hofmann et al., Fluid Language Model Benchmarking, section 4.2. arXiv:2509.11106

    Examples
    --------
    >>> round(monotonicity([0.25, 0.25, 0.3, 0.28, 0.4]), 4)
    0.7379
    >>> y = [0.25, 0.30, 0.28, 0.35, 0.40, 0.38, 0.45]
    >>> round(monotonicity(y, kind="spearman"), 4), round(monotonicity(y, kind="steps"), 4)
    (0.9286, 0.3333)
    """
    check_choice(kind, ("kendall", "spearman", "steps"), argument="kind", call="monotonicity")
    y = _tail(scores, None, "monotonicity")
    if y.size < 2:
        return math.nan
    if kind == "kendall":
        return kendall_tau(np.arange(y.size), y)
    if kind == "spearman":
        return abs(spearman(np.arange(y.size), y))
    steps = np.diff(y)
    up, down = int((steps > 0).sum()), int((steps < 0).sum())
    return (up - down) / (up + down) if up + down else math.nan


def check_ddof(ddof: int, call: str) -> int:
    """Return 0 or 1."""
    if ddof not in (0, 1):
        raise ArgumentError("ddof", "0 or 1", ddof, "1 is the unbiased one.", call=call)
    return int(ddof)
