"""`NoiseAccumulator`: the gradient noise scale inside a training loop, in sums that add over ranks and files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._validate import check_level, check_number, check_vector
from neff.train.batch_size.noise import LABEL, Moments2, NoiseScale, check_batches, scale_from_moments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["NoiseAccumulator"]


class NoiseAccumulator:
    """Collect squared gradient norms step by step; ask for the noise scale at any time.

    Use it in a training loop: the small gradient is that of a micro-batch or of a rank before the all-reduce, the big
    one the mean that the optimizer sees. It holds eight numbers, no gradients.

    Parameters
    ----------
    b_small, b_big
        Examples behind the small and the big gradient, b_small < b_big.
    decay
        Weight that the past keeps per step, in (0, 1), such as 0.99: the scale of the recent past, for a course over
        training. By default all steps count alike.

    Notes
    -----
    Two accumulators with the same batch sizes and no decay add with `+`, exactly as if all steps had gone to one;
    `to_array` and `from_array` carry the sums through an all-reduce. With decay, the effective number of steps is
    (sum w)^2 / sum w^2.

    References
    ----------
    McCandlish, Kaplan, Amodei and others 2018, arXiv:1812.06162, appendix A.1.

    Examples
    --------
    >>> seen = NoiseAccumulator(b_small=1, b_big=64)
    >>> seen.update(50.0, 2.5)
    >>> seen.update_ranks([53.0, 55.0], 3.0625)  # two ranks
    >>> found = seen.result()
    >>> found.n, round(found.signal, 6), round(found.trace, 6), round(found.value, 6)
    (2, 2.0, 50.0, 25.0)
    """

    __slots__ = ("_sums", "b_big", "b_small", "decay")

    def __init__(self, *, b_small: float, b_big: float, decay: float | None = None) -> None:
        call = "NoiseAccumulator"
        self.b_small, self.b_big = check_batches(b_small, b_big, call=call)
        self.decay = decay
        if decay is not None and not 0 < check_number(decay, argument="decay", call=call) < 1:
            raise ArgumentError("decay", "in (0, 1)", decay, "0.99 keeps about the last 100 steps.", call=call)
        # steps, sum of weights, of squared weights, and the weighted moments of small and big norms
        self._sums: FloatArray = np.zeros(8)

    def update(self, small_sq_norm: float, big_sq_norm: float) -> None:
        """Add one step: the squared norms of one small gradient (or the mean of several) and of the big one."""
        call = "NoiseAccumulator.update"
        small = check_number(small_sq_norm, argument="small_sq_norm", call=call)
        big = check_number(big_sq_norm, argument="big_sq_norm", call=call)
        if not (0 <= small < math.inf and 0 <= big < math.inf):
            fix = "Leave out the steps whose gradient is not finite."
            raise ArgumentError("small_sq_norm", "finite and 0 or more, as big_sq_norm", (small, big), fix, call=call)
        if self.decay is not None:
            keep = np.full(8, self.decay)
            keep[0], keep[2] = 1.0, self.decay**2
            self._sums *= keep
        self._sums += (1.0, 1.0, 1.0, small, big, small * small, big * big, small * big)

    def update_ranks(self, small_sq_norms: ArrayLike, big_sq_norm: float) -> None:
        """Add one step of which every rank or micro-batch gives its squared norm."""
        norms = check_vector(small_sq_norms, argument="small_sq_norms", call="NoiseAccumulator.update_ranks")
        if not norms.size:
            raise ArgumentError("small_sq_norms", "of one rank or more", "none", call="NoiseAccumulator.update_ranks")
        self.update(float(norms.mean()), big_sq_norm)

    def __add__(self, other: NoiseAccumulator) -> NoiseAccumulator:
        if not isinstance(other, NoiseAccumulator):
            return NotImplemented
        mine, theirs = (self.b_small, self.b_big, self.decay), (other.b_small, other.b_big, other.decay)
        if mine != theirs or self.decay is not None:
            fix = "Sums with decay have an order, and cannot be added."
            raise ArgumentError("other", f"of batch sizes {mine[:2]} and without decay", theirs, fix, call="+")
        total = NoiseAccumulator(b_small=self.b_small, b_big=self.b_big)
        total._sums = self._sums + other._sums
        return total

    def to_array(self) -> FloatArray:
        """Return the sums, shape (8,): add those of all ranks, and give the total to `from_array`."""
        return self._sums.copy()

    @classmethod
    def from_array(cls, sums: ArrayLike, *, b_small: float, b_big: float) -> NoiseAccumulator:
        """Return the accumulator of these sums."""
        made = cls(b_small=b_small, b_big=b_big)
        given = check_vector(sums, argument="sums", call="NoiseAccumulator.from_array")
        if given.shape != (8,):
            raise ArgumentError("sums", "of shape (8,)", f"shape {given.shape}", call="NoiseAccumulator.from_array")
        made._sums = given.copy()
        return made

    def result(self, *, level: float = 0.95) -> NoiseScale:
        """Return the noise scale of the steps seen; NaN with a reason before the first."""
        level = check_level(level, call="NoiseAccumulator.result")
        steps, total, squares, *sums = self._sums.tolist()
        if not steps:
            nan = math.nan
            return NoiseScale(
                nan, (nan, nan), level, nan, nan, nan, nan, self.b_small, self.b_big, 0,
                "ratio of means of unbiased parts", Reason.EMPTY, (LABEL,),
            )  # fmt: skip
        small, big, small2, big2, cross = (s / total for s in sums)
        n_eff = total**2 / squares
        spread = n_eff / (n_eff - 1) if n_eff > 1 + 1e-9 else math.nan
        covariance = spread * np.array([[small2 - small * small, cross - small * big],
                                        [cross - small * big, big2 - big * big]])  # fmt: skip
        bs, bb = self.b_small, self.b_big
        of_signal = np.array([-bs, bb]) / (bb - bs)
        of_trace = np.array([1.0, -1.0]) / (1 / bs - 1 / bb)
        moments = Moments2(
            float(of_trace @ (small, big)),
            float(of_signal @ (small, big)),
            _positive(float(of_trace @ covariance @ of_trace)),
            _positive(float(of_signal @ covariance @ of_signal)),
            float(of_trace @ covariance @ of_signal),
            n_eff,
        )
        return scale_from_moments(moments, bs, bb, level, int(steps))


def _positive(variance: float) -> float:
    return variance if math.isnan(variance) else max(variance, 0.0)
