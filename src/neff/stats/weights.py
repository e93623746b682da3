"""What a set of importance weights is worth: effective sample size, overlap, shares.

Weights come as natural logarithms (`log_weights`), so that no ratio of probabilities overflows; a log weight
of minus infinity is a weight of 0. Only ratios of weights matter: adding a constant to all log weights
changes nothing. `ess` and `normalise` also take torch tensors, on any device, and return tensors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.registry import method
from neff.stats._logweights import check_log_weights, log_vector, relative_weights
from neff.stats._validate import FloatArray, as_numbers, check_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["WeightSummary", "ess", "hellinger_affinity", "normalise", "top_share"]


@method("weights", "permutation_invariant", "shift_invariant")
def ess(log_weights: Any = None, *, weights: Any = None, axis: int = -1) -> Any:
    """Return Kish's effective sample size: how many equally weighted rows the weighted ones are worth.

    Use it before any weighted mean: as a share of n it says how much of the sample survives the weights.
    It sees only the weights at hand: a large value is no proof of overlap where rows with huge weight have
    not been drawn yet (look at `pareto_k` and `hill` too).

    Parameters
    ----------
    log_weights
        Natural logarithms of the weights, shape (..., n): an array, a list or a torch tensor.
    weights
        The weights themselves, instead of `log_weights`; 0 or more, finite.
    axis
        The axis that holds the n weights; the others are kept.

    Returns
    -------
    float, array or tensor
        (sum w)^2 / sum w^2, between 1 and n. A float for one-dimensional input; a tensor for a tensor. NaN
        where all weights are 0, or there are none.

    Raises
    ------
    ArgumentError
        If a log weight is NaN or plus infinity, a weight is negative, NaN or infinite (the position is
        named), or not exactly one of `log_weights` and `weights` is given.

    Notes
    -----
    Relative to: the unweighted mean of as many independent rows, for values unrelated to the weights. Computed
    relative to the largest weight, so log weights of any size are safe. Half-precision tensors are computed
    in single precision. On an accelerator the check of the values waits for the device. O(n).

    References
    ----------
    Kish 1965, Survey Sampling. Kong 1992, Technical Report 348, University of Chicago.

    Examples
    --------
    >>> ess([0.0, 0.0, 0.0])
    3.0
    >>> round(ess(weights=[3.0, 1.0]), 6)
    1.6
    >>> ess([1000.0, -1000.0])
    1.0
    """
    xp, array, log = check_log_weights(log_weights, weights, "ess", axis)
    n = array.shape[axis]
    if n == 0:
        empty = xp.sum(array, axis) + math.nan  # right shape, dtype and device
        return float(empty) if xp is np and empty.ndim == 0 else empty
    relative, largest = relative_weights(xp, array, axis, log=log)
    total = xp.sum(relative, axis)
    squares = xp.sum(relative * relative, axis)
    nothing = xp.squeeze(largest, axis) == (-math.inf if log else 0)
    squares = xp.where(nothing, xp.full_like(squares, math.nan), squares)
    result = xp.clip(total * total / squares, None, n)  # rounding may exceed n by an ulp
    return float(result) if xp is np and result.ndim == 0 else result


@method("weights", "permutation_equivariant", "shift_invariant", "bounded_0_1", "monotone")
def normalise(log_weights: Any, *, axis: int = -1) -> Any:
    """Return the weights that sum to 1 (Hajek, self-normalised).

    Use them for self-normalised means, `sum(normalise(lw) * y)`: bounded by the data, at a bias of order 1/n.
    Not for an estimate that must be unbiased (a product of importance weights against a known constant).

    Parameters
    ----------
    log_weights
        Natural logarithms of the weights, shape (..., n): an array, a list or a torch tensor.
    axis
        The axis that sums to 1.

    Returns
    -------
    array or tensor
        Same shape as the input; NaN along an axis whose weights are all 0.

    Raises
    ------
    ArgumentError
        If a log weight is NaN or plus infinity.

    Examples
    --------
    >>> normalise([2000.0, 2000.0, float("-inf")]).tolist()
    [0.5, 0.5, 0.0]
    """
    xp, array, log = check_log_weights(log_weights, None, "normalise", axis)
    if array.shape[axis] == 0:
        return array
    relative, _ = relative_weights(xp, array, axis, log=log)
    total = xp.sum(relative, axis, keepdims=True)
    return relative / xp.where(total == 0, xp.full_like(total, math.nan), total)


@dataclass(frozen=True, slots=True)
class WeightSummary:
    """Sums that say all about a set of weights that `ess` needs, and that add.

    Use it to get the effective sample size of weights that are never in one place: files in a stream, ranks
    of a training job, workers of a cluster. Merging in any order gives the one-shot answer to a few ulp.

    Attributes
    ----------
    n
        Number of weights, zeros included.
    log_max
        Logarithm of the largest weight: the scale of the sums. Minus infinity where all are 0.
    sum_w, sum_w2
        Sums of weights and of squared weights, relative to the largest weight.

    Examples
    --------
    >>> first, second = WeightSummary.of([0.0, 1.0]), WeightSummary.of([2.0])
    >>> merged = first + second
    >>> abs(merged.ess - ess([0.0, 1.0, 2.0])) < 1e-12
    True
    >>> sum([first, second], WeightSummary()) == merged
    True
    """

    n: int = 0
    log_max: float = -math.inf
    sum_w: float = 0.0
    sum_w2: float = 0.0

    @classmethod
    def of(cls, log_weights: Any = None, *, weights: Any = None) -> WeightSummary:
        """Summarise one array or tensor of (log) weights of any shape."""
        xp, array, log = check_log_weights(log_weights, weights, "WeightSummary.of")
        array = array.reshape(-1)
        n = int(array.shape[0])
        if n == 0:
            return cls()
        relative, largest = relative_weights(xp, array, -1, log=log)
        top = float(largest[0])
        if not log:
            top = math.log(top) if top > 0 else -math.inf
        return cls(n, top, float(xp.sum(relative)), float(xp.sum(relative * relative)))

    def __add__(self, other: WeightSummary) -> WeightSummary:
        if not isinstance(other, WeightSummary):
            return NotImplemented
        top = max(self.log_max, other.log_max)
        if top == -math.inf:
            return WeightSummary(self.n + other.n)
        a, b = math.exp(self.log_max - top), math.exp(other.log_max - top)
        return WeightSummary(
            self.n + other.n,
            top,
            self.sum_w * a + other.sum_w * b,
            self.sum_w2 * a * a + other.sum_w2 * b * b,
        )

    @property
    def ess(self) -> float:
        """Kish's effective sample size; NaN where all weights are 0."""
        return min(self.sum_w**2 / self.sum_w2, float(self.n)) if self.sum_w2 > 0 else math.nan

    @property
    def ess_fraction(self) -> float:
        """Effective sample size as a share of n, in (0, 1]."""
        return self.ess / self.n if self.n else math.nan

    @property
    def log_sum(self) -> float:
        """Logarithm of the sum of the weights."""
        return self.log_max + math.log(self.sum_w) if self.sum_w > 0 else -math.inf

    @property
    def log_mean(self) -> float:
        """Logarithm of the mean weight: about 0 for probability ratios that average to 1."""
        return self.log_sum - math.log(self.n) if self.n else math.nan

    @property
    def max_share(self) -> float:
        """Share of the largest weight in the sum, in (0, 1]."""
        return 1 / self.sum_w if self.sum_w > 0 else math.nan

    def to_array(self) -> FloatArray:
        """Return [n, log_max, sum_w, sum_w2] as float64, to be gathered from all ranks."""
        return np.array([self.n, self.log_max, self.sum_w, self.sum_w2], dtype=np.float64)

    @classmethod
    def from_array(cls, array: ArrayLike) -> WeightSummary:
        """Rebuild from `to_array`, shape (4,), or merge the gathered rows, shape (k, 4), in their order.

        The rows are gathered, not summed: each has its own scale.
        """
        rows = as_numbers(array, argument="array", call="WeightSummary.from_array").astype(np.float64)
        if rows.ndim not in (1, 2) or rows.shape[-1] != 4:
            raise ArgumentError(
                "array", "of shape (4,) or (k, 4)", f"shape {rows.shape}", call="WeightSummary.from_array"
            )
        parts = (cls(int(n), *rest) for n, *rest in rows.reshape(-1, 4).tolist())
        return sum(parts, cls())


@method("weights", "permutation_invariant", "shift_invariant", "bounded_0_1", arxiv="2512.11150")
def hellinger_affinity(log_weights: ArrayLike) -> float:
    """Return the overlap of two distributions from the weights between them: 1 for the same, 0 for none.

    Use it to say how far a target policy is from the one that was sampled. Below 0.5 is marginal, below 0.35
    poor, below 0.2 catastrophic.

    Parameters
    ----------
    log_weights
        Natural logarithms of the weights, shape (n,).

    Returns
    -------
    float
        mean(sqrt(w / mean w)), in (0, 1]; NaN where there is no positive weight.

    Raises
    ------
    ArgumentError
        If a log weight is NaN or plus infinity.

    Notes
    -----
    Estimand: the Bhattacharyya coefficient, one minus the squared Hellinger distance. Weights that have not
    been drawn are not seen, so poor overlap is flattered. No floor is put under small weights. O(n).

    References
    ----------
    arXiv:2512.11150.

    Examples
    --------
    >>> round(hellinger_affinity([0.0, 0.0, float("-inf"), float("-inf")]), 6)  # half of the rows: sqrt(1/2)
    0.707107
    """
    x = log_vector(log_weights, "hellinger_affinity")
    if x.size == 0 or x.max() == -math.inf:
        return math.nan
    relative = np.exp(x - x.max())
    roots = np.exp((x - x.max()) / 2)
    return min(float(roots.mean()) / math.sqrt(float(relative.mean())), 1.0)


@method("weights", "permutation_invariant", "shift_invariant", "bounded_0_1", arxiv="2512.11150")
def top_share(log_weights: ArrayLike, *, share: float = 0.05) -> float:
    """Return the part of the total weight that the largest weights hold.

    Use it to say in plain words how uneven weights are: "5% of the rows hold 60% of the weight".

    Parameters
    ----------
    log_weights
        Natural logarithms of the weights, shape (n,).
    share
        Which share of the rows counts as the largest, in (0, 1]; at least one row.

    Returns
    -------
    float
        In (0, 1]; NaN where there is no positive weight.

    Raises
    ------
    ArgumentError
        If a log weight is NaN or plus infinity, or `share` is not in (0, 1].

    Examples
    --------
    >>> round(top_share([1.5 * math.sin(i) for i in range(20)]), 6)
    0.136532
    """
    share = check_number(share, argument="share", call="top_share")
    if not 0 < share <= 1:
        raise ArgumentError("share", "above 0 and at most 1", share, "0.05 is the top 5%.", call="top_share")
    x = log_vector(log_weights, "top_share")
    if x.size == 0 or x.max() == -math.inf:
        return math.nan
    count = max(1, math.floor(share * x.size + 1e-9))  # 0.29 * 100 is 28.999999999999996
    relative = np.sort(np.exp(x - x.max()))
    top = float(relative[x.size - count :].sum())
    return min(top / (top + float(relative[: x.size - count].sum())), 1.0)
