"""Place or letter? Labels are shuffled apart from places, and the main effects of both are taken from the means.

With labels A, B, C in the order of places a lean to the first option is a lean to its place or to its letter: the two
always go together. Where every label stands in every place, they come apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.survey.divergence import kl_divergence
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._validate import check_count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["PlaceAndLabel", "crossed_presentations", "place_and_label"]

CALL = "place_and_label"


@dataclass(frozen=True, slots=True, eq=False)
class PlaceAndLabel:
    """What a model prefers by content, by place and by label, for one question.

    Attributes
    ----------
    adjusted, places, labels
        Mean probability of each option, place and label over the presentations, shape (n,); NaN without any.
    place_bias, label_bias
        Largest excess over 1 / n among places, and among labels, from 0.
    place_divergence, label_divergence
        KL to uniform, bits.
    n_presentations, balanced
        Presentations with a label, and whether all pairs of option, place and label were equally frequent; otherwise a
        lean to one shows in the means of the others.
    reason
        Why numbers are undefined, or None.
    """

    adjusted: NDArray[np.float64]
    places: NDArray[np.float64]
    labels: NDArray[np.float64]
    place_bias: float
    label_bias: float
    place_divergence: float
    label_divergence: float
    n_presentations: int
    balanced: bool
    reason: Reason | None = None

    def table(self) -> Table:
        """Return one row per option, and per place and label of the same number."""
        columns = (
            Column("number", "Number", "count"), Column("option", "As option", "number"),
            Column("place", "As place", "number"), Column("label", "As label", "number"),
        )  # fmt: skip
        parts = zip(self.adjusted, self.places, self.labels, strict=True)
        return Table(columns, tuple((i + 1, *map(float, row)) for i, row in enumerate(parts)))

    def sentence(self) -> str:
        """Return the finding in one sentence."""
        if self.reason is not None:
            return f"Place and label are undefined: {self.reason}."
        more = "place" if self.place_divergence > self.label_divergence else "label"
        if math.isclose(self.place_divergence, self.label_divergence, abs_tol=1e-9):
            more = "neither more than the other"
        return (
            f"Lean to a place: up to {self.place_bias:+.4f}; to a label: up to {self.label_bias:+.4f}. "
            f"The stronger one: {more}."
        )

    def __str__(self) -> str:
        return f"{self.table()}\n{self.sentence()}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lines = ("adjusted", "places", "labels")
        numbers = ("place_bias", "label_bias", "place_divergence", "label_divergence")
        return {
            "schema": "neff.place-and-label/1",
            **{name: [json_number(float(x)) for x in getattr(self, name)] for name in lines},
            **{name: json_number(getattr(self, name)) for name in numbers},
            "n_presentations": self.n_presentations,
            "balanced": self.balanced,
            "reason": None if self.reason is None else str(self.reason),
        }


def crossed_presentations(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return orders of n options and of their n labels, such that options, places and labels are balanced in pairs.

    Parameters
    ----------
    n
        Options, 2 or more.

    Returns
    -------
    tuple of ndarray of int
        Orders of options and of labels, each of shape (n * n, n): presentation s shows option `orders[s, j]` under
        label `labels[s, j]` in place j. The first one is as given.

    Raises
    ------
    ArgumentError
        If there are fewer than 2 options.

    Examples
    --------
    >>> orders, labels = crossed_presentations(2)
    >>> orders.tolist(), labels.tolist()
    ([[0, 1], [0, 1], [1, 0], [1, 0]], [[0, 1], [1, 0], [0, 1], [1, 0]])
    """
    n = check_count(n, argument="n", call="crossed_presentations", minimum=2)
    shifts = (np.arange(n)[:, None] + np.arange(n)) % n
    return np.repeat(shifts, n, axis=0), np.tile(shifts, (n, 1))


def place_and_label(probabilities: ArrayLike, orders: ArrayLike, labels: ArrayLike) -> PlaceAndLabel:
    """Separate a model's lean to places from its lean to labels, for one question.

    Use it on presentations in which labels do not follow the places (`crossed_presentations`), also with other sets of
    labels than A, B, C. For content alone n presentations are enough, `adjusted_answers`.

    Parameters
    ----------
    probabilities
        Of the label that stands in each place, shape (n_presentations, n); rows are normalised. NaN, or a row of zeros:
        the model gave no label; the row is left out.
    orders, labels
        Which option and which label stood in each place, same shape, from 0.

    Returns
    -------
    PlaceAndLabel
        Means by option, place and label.

    Raises
    ------
    ArgumentError
        If shapes differ, a probability is negative, or a row of orders or labels is no permutation.

    Notes
    -----
    Means of probabilities: main effects where each pair of option, place and label is equally frequent. A model that
    goes by one of the three alone is recovered exactly, and the other two are uniform. O(n_presentations n).

    References
    ----------
    Dominguez-Olmedo, Hardt and Mendler-Duenner, Questioning the Survey Responses of Large Language Models.
    arXiv:2306.07951

    Examples
    --------
    >>> orders, labels = crossed_presentations(3)
    >>> likes_the_letter_a = np.array([0.6, 0.2, 0.2])
    >>> found = place_and_label(likes_the_letter_a[labels], orders, labels)
    >>> found.places.round(3).tolist(), found.labels.round(3).tolist()
    ([0.333, 0.333, 0.333], [0.6, 0.2, 0.2])
    """
    p = np.asarray(probabilities, np.float64)
    shown = {"orders": np.asarray(orders, np.int64), "labels": np.asarray(labels, np.int64)}
    for name, sigma in shown.items():
        if p.ndim != 2 or p.shape[1:] < (2,) or sigma.shape != p.shape:
            got = f"{sigma.shape} for probabilities of {p.shape}"
            raise ArgumentError(name, "of the shape of probabilities, two or more options", got, call=CALL)
        wrong = (np.sort(sigma, axis=1) != np.arange(p.shape[1])).any(axis=1)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ArgumentError(name, "permutations", sigma[row].tolist(), "Count from 0 in each row.", call=CALL)
    if (p < 0).any():
        raise ArgumentError("probabilities", "0 or more", float(np.nanmin(p)), "Give no logs.", call=CALL)
    mass = p.sum(axis=1)
    keep = np.isfinite(mass) & (mass > 0)
    n = p.shape[1]
    if not keep.any():
        none, nan = np.full(n, np.nan), math.nan
        return PlaceAndLabel(none, none, none, nan, nan, nan, nan, 0, balanced=False, reason=Reason.EMPTY)
    p = p[keep] / mass[keep, None]
    by_option, by_label = (
        np.take_along_axis(p, np.argsort(sigma[keep], axis=1), axis=1).mean(axis=0) for sigma in shown.values()
    )
    places = p.mean(axis=0)
    return PlaceAndLabel(
        by_option, places, by_label, float(places.max()) - 1 / n, float(by_label.max()) - 1 / n, kl_divergence(places),
        kl_divergence(by_label), len(p), balanced=_balanced(shown["orders"][keep], shown["labels"][keep]),
    )  # fmt: skip


def _balanced(orders: NDArray[np.int64], labels: NDArray[np.int64]) -> bool:
    """Return whether each pair of option, place and label is equally frequent."""
    n = orders.shape[1]
    places = np.broadcast_to(np.arange(n), orders.shape)
    for one, other in ((orders, places), (labels, places), (orders, labels)):
        counts = np.bincount((one * n + other).ravel(), minlength=n * n)
        if (counts != counts[0]).any():
            return False
    return True
