"""What a policy's judged answers are to an estimator: plain arrays, checked once, when they are put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats._validate import as_numbers, check_same_length, check_vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Judged", "check_covariates", "check_prompts", "check_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The judged answers of one policy.

    A prompt may have several answers: they share its code and count as one independent draw, so that a row given
    twice never makes an interval narrower.

    Attributes
    ----------
    policy
        Its name.
    prompt
        Cluster codes, shape (n,), 0 or more, the same code for the same prompt in every policy.
    score
        The judge's score, shape (n,), finite, in any units.
    label
        The oracle's label, shape (n,), NaN where there is none.
    covariates
        Further predictors of the label, such as a second judge's score, shape (n, d) or (n,), finite, or None.
    propensity
        Known probability that a row was labelled, shape (n,), in (0, 1], or None: labelled at random.

    Raises
    ------
    ArgumentError
        If an array does not have one value per row, a score is not finite, a label is infinite, a prompt code is
        negative or not whole, or a propensity is not in (0, 1].

    Examples
    --------
    >>> nan = float("nan")
    >>> answers = Judged("a", np.array([0, 1, 1]), np.array([0.2, 0.9, 0.7]), np.array([0.0, nan, 1.0]))
    >>> answers.n, answers.labelled.tolist()
    (3, [True, False, True])
    """

    policy: str
    prompt: NDArray[np.int64]
    score: NDArray[np.float64]
    label: NDArray[np.float64]
    covariates: NDArray[np.float64] | None = None
    propensity: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        call = "Judged"
        put("score", check_vector(self.score, argument="score", call=call))
        put("label", check_vector(self.label, argument="label", call=call, allow_nan=True))
        put("prompt", check_prompts(self.prompt, argument="prompt", call=call))
        check_same_length(call=call, score=self.score, label=self.label, prompt=self.prompt)
        if self.covariates is not None:
            put("covariates", check_covariates(self.covariates, len(self.score), call=call))
        if self.propensity is not None:
            put("propensity", check_vector(self.propensity, argument="propensity", call=call))
            check_same_length(call=call, score=self.score, propensity=self.propensity)
            bad = self.propensity[~((self.propensity > 0) & (self.propensity <= 1))]
            if len(bad):
                fix = "A row that could not have been labelled belongs to no estimate by labels."
                raise ArgumentError("propensity", "in (0, 1]", float(bad[0]), fix, call=call)

    @property
    def n(self) -> int:
        """Number of answers."""
        return len(self.score)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label, shape (n,)."""
        return ~np.isnan(self.label)


def check_prompts(values: Any, *, argument: str, call: str) -> NDArray[np.int64]:
    """Return codes as int64; they index tables of prompts, where a negative code would wrap around unseen."""
    codes = np.asarray(values)
    if codes.size == 0:
        return np.empty(0, np.int64)
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        got = f"dtype {codes.dtype}, shape {codes.shape}"
        raise ArgumentTypeError(argument, "a vector of integer codes", got, "Number them from 0.", call=call)
    if int(codes.min()) < 0:
        raise ArgumentError(argument, "0 or more", int(codes.min()), "Number them from 0.", call=call)
    return codes.astype(np.int64, copy=False)


def check_covariates(values: Any, n: int, *, call: str) -> NDArray[np.float64]:
    """Return covariates of shape (n, d), finite; one covariate may come as a vector."""
    table = as_numbers(values, argument="covariates", call=call).astype(np.float64, copy=False)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != n or table.shape[1] == 0:
        raise ArgumentError(
            "covariates", f"of shape ({n}, d)", f"shape {table.shape}", "Give one row per answer.", call=call
        )
    bad = np.argwhere(~np.isfinite(table))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        fix = f"The first is in row {row}, column {column}; drop or mend those rows."
        raise ArgumentError("covariates", "finite", float(table[row, column]), fix, call=call)
    return table


def check_rows(score: Any, covariates: Any, *, call: str) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return finite scores (n,) and covariates (n, d), or None."""
    scores = check_vector(score, argument="score", call=call)
    return scores, None if covariates is None else check_covariates(covariates, len(scores), call=call)
