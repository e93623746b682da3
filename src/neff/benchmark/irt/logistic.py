"""The item response function and what follows from it: probabilities, their slopes, information."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Items", "curves", "item_information", "probability"]

_MOST = 500.0
"""Logits beyond this are the same in float64, and exp() of it does not overflow."""


class Items(NamedTuple):
    """Parameters of items: P = c + (1 - c) s(D a (theta - b)), s the logistic function; arrays of shape (n_items,)."""

    a: Floats
    b: Floats
    c: Floats
    scaling: float = 1.0

    def take(self, which: NDArray[np.intp] | slice) -> Items:
        """Return some of the items."""
        return Items(self.a[which], self.b[which], self.c[which], self.scaling)


def curves(theta: Floats, items: Items) -> tuple[Floats, Floats]:
    """Return P and dP/dtheta of every item at every ability, two arrays of shape (n_abilities, n_items)."""
    slope = items.scaling * items.a
    s = _sigmoid(slope * (theta[:, None] - items.b))
    return items.c + (1 - items.c) * s, (1 - items.c) * slope * s * (1 - s)


def probability(theta: Floats, items: Items) -> Floats:
    """Return the chance of a right answer, shape (n_abilities, n_items)."""
    return curves(theta, items)[0]


def item_information(theta: Floats, items: Items) -> Floats:
    """Return the Fisher information of every item about theta, shape (n_abilities, n_items): P'^2 / (P (1 - P)).

    Without guessing it is (D a)^2 P (1 - P), at most (D a)^2 / 4, where theta = b.
    """
    slope = items.scaling * items.a
    s = _sigmoid(slope * (theta[:, None] - items.b))
    # P' = (1 - c) slope s (1 - s) and 1 - P = (1 - c)(1 - s): what could be 0 / 0 cancels.
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(items.c > 0, (1 - items.c) * s / (items.c + (1 - items.c) * s), 1.0)
    return np.asarray(slope**2 * s * (1 - s) * share)


def _sigmoid(z: Floats) -> Floats:
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1.0, e) / (1.0 + e))


def exp_1p(z: Floats) -> Floats:
    """Return 1 + exp(z) in place of z: its log is softplus(z), one minus its inverse s(z)."""
    np.clip(z, -_MOST, _MOST, out=z)
    np.exp(z, out=z)
    z += 1.0
    return z
