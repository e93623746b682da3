"""`SplitConformal`: sets of classes that hold the right one for a stated share of items like the calibration items."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from neff.errors import ArgumentError
from neff.sampling.abstention._check import check_codes_of, check_probabilities
from neff.sampling.abstention._parameters import Parameters
from neff.stats import WeightSummary
from neff.stats._options import check_choice, seeded
from neff.stats._special import beta_quantile
from neff.stats._validate import check_level, check_vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.stats._validate import FloatArray

__all__ = ["ConformalScore", "SplitConformal", "conformal_quantile", "coverage_spread"]

ConformalScore = Literal["lac", "aps", "raps"]


def conformal_quantile(scores: Any, *, coverage: float = 0.9, log_weights: Any = None, log_weight: Any = None) -> Any:
    """Return the threshold that a new score passes with probability `coverage`.

    Parameters
    ----------
    scores
        Scores of the calibration items, shape (n,).
    coverage
        1 - a.
    log_weights
        Natural logarithms of the likelihood ratios of the calibration items, new over old distribution, shape (n,).
    log_weight
        Those of new items, on the same scale, shape (m,); needed with `log_weights`.

    Returns
    -------
    float or array
        The ceil((n + 1) coverage)-th smallest score; infinite where that is above n. With weights one threshold for
        each new item, shape (m,): its own weight stands on a score of infinity.

    Raises
    ------
    ArgumentError
        If a score is not finite, `coverage` not in (0, 1), or only one kind of weight is given.

    References
    ----------
    Tibshirani, Barber, Candès and Ramdas, Conformal Prediction Under Covariate Shift. arXiv:1904.06019

    Examples
    --------
    >>> scores = [0.02, 0.05, 0.07, 0.1, 0.11, 0.2, 0.25, 0.31, 0.4, 0.6]
    >>> conformal_quantile(scores), conformal_quantile(scores, coverage=0.8), conformal_quantile(scores, coverage=0.95)
    (0.6, 0.4, inf)
    """
    call = "conformal_quantile"
    coverage = check_level(coverage, call=call)
    values = np.sort(check_vector(scores, argument="scores", call=call))
    n = len(values)
    if log_weights is None and log_weight is None:
        place = max(math.ceil((n + 1) * coverage - 1e-9), 1)
        return float(values[place - 1]) if place <= n else math.inf
    if log_weights is None or log_weight is None:
        fix = "Weights of the calibration items alone do not say how likely a new item is."
        raise ArgumentError("log_weight", "given with log_weights, and only then", None, fix, call=call)
    own = check_vector(log_weights, argument="log_weights", call=call, allow_inf=True)
    new = check_vector(np.atleast_1d(log_weight), argument="log_weight", call=call, allow_inf=True)
    if len(own) != n or np.isposinf(own).any() or np.isposinf(new).any():
        raise ArgumentError("log_weights", f"{n} numbers below infinity", f"{len(own)} values", call=call)
    top = float(own.max(initial=-np.inf))
    if top == -np.inf:  # all the mass there is stands on infinity
        return np.full(len(new), np.inf)
    order = np.argsort(np.asarray(scores, np.float64), kind="stable")
    mass = np.cumsum(np.exp(own[order] - top))
    wanted = coverage * (mass[-1] + np.exp(np.minimum(new - top, 700.0)))
    place = np.searchsorted(mass, wanted * (1 - 1e-12), "left")
    return np.where(place < n, np.r_[values, np.inf][np.minimum(place, n)], np.inf)


def coverage_spread(n: int, *, coverage: float = 0.9, level: float = 0.9) -> tuple[float, float]:
    """Return between which bounds the coverage of one calibration set of n items lies, in a share `level` of such sets.

    The stated coverage is a mean over calibration sets; given one, it is a Beta(n + 1 - l, l), l = floor((n + 1) a).

    References
    ----------
    Vovk 2012, Conditional validity of inductive conformal predictors.

    Examples
    --------
    >>> [round(x, 3) for x in coverage_spread(100)], [round(x, 3) for x in coverage_spread(1000)]
    ([0.848, 0.945], [0.884, 0.915])
    """
    coverage, level = check_level(coverage, call="coverage_spread"), check_level(level, call="coverage_spread")
    left = math.floor((n + 1) * (1 - coverage) + 1e-9)
    if left < 1:
        return 1.0, 1.0  # every class is in every set
    tail = (1 - level) / 2
    return beta_quantile(tail, n + 1 - left, left), beta_quantile(1 - tail, n + 1 - left, left)


class SplitConformal(Parameters):
    """Split-conformal sets of classes.

    Use the sets where a downstream user can act on several candidates. To answer only where a set has one class is
    *not* a guarantee on the answers: coverage is a mean over all items, and under shift it is none at all.

    Parameters
    ----------
    coverage
        Share of items whose set holds the right class.
    score
        "lac": 1 - p of the class, the smallest sets; "aps": cumulative mass, for coverage that is more even over items;
        "raps": the same with a penalty on large sets.
    by_class
        One threshold per class, for the coverage of every class; a class without calibration items is in every set.
    penalty, free
        Of "raps": added mass for each class beyond the first `free`.
    rng
        For the random part of "aps" and "raps" (SPEC 7), in `fit` and `predict_set`.

    Attributes
    ----------
    threshold_
        Largest score in a set: a float, or shape (C,) with `by_class`; NaN with weights, where each new item has its
        own.
    n_eff_
        Calibration items that the weighted ones are worth; a count per class with `by_class`.
    spread_
        Bounds of the coverage given this calibration set, in 90% of such sets; of the class with fewest items with
        `by_class`.

    References
    ----------
    Sadinle, Lei and Wasserman, Least Ambiguous Set-Valued Classifiers with Bounded Error Levels. arXiv:1609.00451
    Romano, Sesia and Candès, Classification with Valid and Adaptive Coverage. arXiv:2006.02544
    Angelopoulos, Bates, Malik and Jordan, Uncertainty Sets for Image Classifiers. arXiv:2009.14193
    Tibshirani, Barber, Candès and Ramdas, Conformal Prediction Under Covariate Shift. arXiv:1904.06019

    Examples
    --------
    >>> import numpy as np
    >>> p = np.linspace(0.5, 0.99, 50)
    >>> sets = SplitConformal(coverage=0.9).fit(np.stack([p, 1 - p], axis=1), np.zeros(50, int))
    >>> sets.predict_set([[0.9, 0.1], [0.5, 0.5]]).tolist()
    [[True, False], [False, False]]
    """

    threshold_: Any
    n_eff_: Any
    spread_: tuple[float, float]

    def __init__(
        self, coverage: float = 0.9, *, score: ConformalScore = "lac", by_class: bool = False, penalty: float = 0.01,
        free: int = 5, rng: Any = None,
    ) -> None:  # fmt: skip
        self.coverage = coverage
        self.score = score
        self.by_class = by_class
        self.penalty = penalty
        self.free = free
        self.rng = rng

    def fit(self, probabilities: Any, labels: Any, *, log_weights: Any = None) -> SplitConformal:
        """Find the threshold.

        Parameters
        ----------
        probabilities
            Of calibration items, shape (n, C).
        labels
            Codes of their classes, shape (n,).
        log_weights
            Natural logarithms of their likelihood ratios, where new items come from another distribution of inputs.
        """
        call = "SplitConformal.fit"
        check_level(self.coverage, call=call)
        check_choice(self.score, get_args(ConformalScore), argument="score", call=call)
        p = check_probabilities(probabilities, call=call)
        y = check_codes_of(labels, argument="labels", call=call, n=len(p), n_classes=p.shape[1])
        if log_weights is not None and self.by_class:
            raise ArgumentError("log_weights", "left out with by_class", "both", "Use one of the two.", call=call)
        generator, self._seed = seeded(self.rng, call=call)
        scores = self._scores(p, generator)[np.arange(len(p)), y]
        self.classes_ = np.arange(p.shape[1])
        self._calibration = None if log_weights is None else (scores, np.asarray(log_weights, np.float64))
        if self._calibration is not None:
            self.n_eff_ = WeightSummary.of(log_weights).ess
            self.threshold_ = math.nan
            if len(self._calibration[1]) != len(p):
                raise ArgumentError(
                    "log_weights", f"of shape ({len(p)},)", f"length {len(self._calibration[1])}", call=call
                )
            self.spread_ = coverage_spread(int(self.n_eff_), coverage=self.coverage)
        elif self.by_class:
            counts = np.bincount(y, minlength=p.shape[1])
            parts = [scores[y == c] for c in range(p.shape[1])]
            self.threshold_ = np.array([conformal_quantile(part, coverage=self.coverage) for part in parts])
            self.n_eff_ = counts
            self.spread_ = coverage_spread(int(counts.min()), coverage=self.coverage)
        else:
            self.threshold_ = conformal_quantile(scores, coverage=self.coverage)
            self.n_eff_ = len(p)
            self.spread_ = coverage_spread(len(p), coverage=self.coverage)
        return self

    def predict_set(self, probabilities: Any, *, log_weight: Any = None) -> NDArray[np.bool_]:
        """Return which classes are in the set of each new item, shape (n, C).

        Parameters
        ----------
        probabilities
            Shape (n, C).
        log_weight
            Logarithms of the new items' likelihood ratios, shape (n,), where `fit` had weights.
        """
        threshold = self._fitted("threshold_", "predict_set")
        call = "SplitConformal.predict_set"
        p = check_probabilities(probabilities, call=call)
        if p.shape[1] != len(self.classes_):
            raise ArgumentError("probabilities", f"of {len(self.classes_)} classes", f"{p.shape[1]}", call=call)
        limit = np.asarray(threshold, np.float64)
        if self._calibration is not None or log_weight is not None:
            if self._calibration is None:
                raise ArgumentError("log_weight", "left out where fit had no weights", "given", call=call)
            scores, own = self._calibration
            new = (
                None
                if log_weight is None
                else check_vector(log_weight, argument="log_weight", call=call, allow_inf=True)
            )
            if new is None or len(new) != len(p):
                raise ArgumentError("log_weight", f"of shape ({len(p)},)", log_weight, call=call)
            limit = conformal_quantile(scores, coverage=self.coverage, log_weights=own, log_weight=new)[:, None]
        seed = None if self._seed is None else [self._seed, 1]  # other draws than in fit, the same on every call
        generator = seeded(self.rng, call=call)[0] if seed is None else np.random.default_rng(seed)
        return np.asarray(self._scores(p, generator) <= limit, np.bool_)

    def _scores(self, p: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return the score of every class of every item, shape (n, C)."""
        if self.score == "lac":
            return 1 - p
        order = np.argsort(-p, axis=1, kind="stable")
        ranked = np.take_along_axis(p, order, axis=1)
        mass = np.cumsum(ranked, axis=1) - ranked * rng.random((len(p), 1))
        if self.score == "raps":
            mass = mass + self.penalty * np.maximum(np.arange(1, p.shape[1] + 1) - self.free, 0)
        found = np.empty_like(p)
        np.put_along_axis(found, order, mass, axis=1)
        return found
