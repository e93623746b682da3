"""What a policy's judged answers are to an estimator: plain arrays, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Judged"]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The judged answers of one policy.

    Attributes
    ----------
    policy
        Its name.
    prompt
        Cluster codes, shape (n,), the same code for the same prompt in every policy.
    score
        The judge's score, shape (n,), finite, in any units.
    label
        The oracle's label, shape (n,), NaN where there is none.
    covariates
        Further predictors of the label, shape (n, d), or None.
    propensity
        Known probability that a row was labelled, shape (n,), in (0, 1], or None: labelled at random.
    """

    policy: str
    prompt: NDArray[np.int64]
    score: NDArray[np.float64]
    label: NDArray[np.float64]
    covariates: NDArray[np.float64] | None = None
    propensity: NDArray[np.float64] | None = None

    @property
    def n(self) -> int:
        """Number of answers."""
        return len(self.score)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label, shape (n,)."""
        return ~np.isnan(self.label)
