"""Answers under several orders of the options: content on one side, place on the other.

A presentation is a permutation: place j shows option order[j]. With p[j] the probability of place j, option order[j]
gets it: adjusted[order[j]] += p[j]. The released post-processing gathers p[order[c]] instead, the inverse permutation
missing, which pulls every question of three or more options toward uniform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.survey.divergence import entropy_share, kl_divergence
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._options import check_choice
from neff.stats._validate import as_numbers, check_count, check_rng

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["OptionOrder", "adjusted_answers", "option_orders", "uniform_tail"]

DESIGNS = ("cyclic", "full", "random")
MOST_OPTIONS = 7
"""7! = 5,040 presentations; beyond, take cyclic shifts or random orders."""


@dataclass(frozen=True, slots=True, eq=False)
class OptionOrder:
    """What a model answers to one question, by content and by place.

    Attributes
    ----------
    naive
        Distribution over options in the first presentation, shape (n_options,).
    adjusted
        Mean over presentations, place taken out, shape (n_options,); NaN where no presentation has any label mass.
    standard_error
        Of `adjusted` over presentations that are a random sample of orders, shape (n_options,); NaN where a balanced
        design was asked whole.
    places
        Mean distribution over places, content taken out, shape (n_options,).
    a_bias
        Share of the first place minus 1 / n: between -1 / n and 1 - 1 / n.
    place_divergence
        KL(places || uniform), bits.
    entropy
        Of `adjusted`, as a share of the largest possible.
    label_mass
        Mean probability on the labels before it was normalised; small where a model would say something else first.
    n_presentations, balanced
        Orders asked, and whether every option stood equally often in every place.
    reason
        Why numbers are undefined, or None.
    """

    naive: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    places: NDArray[np.float64]
    a_bias: float
    place_divergence: float
    entropy: float
    label_mass: float
    n_presentations: int
    balanced: bool
    reason: Reason | None = None

    def table(self) -> Table:
        """Return one row per option, and per place of the same number."""
        columns = (
            Column("option", "Option", "count"), Column("naive", "First order", "number"),
            Column("adjusted", "Adjusted", "number"), Column("standard_error", "SE", "number"),
            Column("place", "Place", "number"),
        )  # fmt: skip
        parts = zip(self.naive, self.adjusted, self.standard_error, self.places, strict=True)
        return Table(columns, tuple((i + 1, *map(float, row)) for i, row in enumerate(parts)))

    def __str__(self) -> str:
        return f"{self.table()}\nA-bias {self.a_bias:+.4f}; entropy {self.entropy:.3f} of the largest"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lines = ("naive", "adjusted", "standard_error", "places")
        return {
            "schema": "neff.option-order/1",
            **{name: [json_number(float(x)) for x in getattr(self, name)] for name in lines},
            "a_bias": json_number(self.a_bias),
            "place_divergence": json_number(self.place_divergence),
            "entropy": json_number(self.entropy),
            "label_mass": json_number(self.label_mass),
            "n_presentations": self.n_presentations,
            "balanced": self.balanced,
            "reason": None if self.reason is None else str(self.reason),
        }


def option_orders(n: int, *, design: str = "cyclic", n_random: int = 100, rng: Any = None) -> NDArray[np.int64]:
    """Return orders in which to present n options.

    Parameters
    ----------
    n
        Options, 2 or more.
    design
        "cyclic": the n shifts, in which every option stands once in every place: n calls, and as good as all n! where
        preferences for content and place add up in log odds. "full": all n! orders, up to 7 options. "random": so many
        different random orders.
    n_random, rng
        Of "random" (SPEC 7).

    Returns
    -------
    ndarray of int
        Shape (n_presentations, n); row s shows option `orders[s, j]` in place j. The first row is the order as given.

    Raises
    ------
    ArgumentError
        If there are fewer than 2 options, or too many for "full".

    Examples
    --------
    >>> option_orders(3).tolist()
    [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    """
    n = check_count(n, argument="n", call="option_orders", minimum=2)
    check_choice(design, DESIGNS, argument="design", call="option_orders")
    if design == "cyclic":
        return (np.arange(n)[:, None] + np.arange(n)[None, :]) % n
    if design == "full":
        if n > MOST_OPTIONS:
            fix = f"{n}! orders are {math.factorial(n):,}: use 'cyclic' or 'random'."
            raise ArgumentError("n", f"at most {MOST_OPTIONS} for all orders", n, fix, call="option_orders")
        return np.array(list(permutations(range(n))), np.int64)
    rng = check_rng(rng, call="option_orders")
    n_random = check_count(n_random, argument="n_random", call="option_orders", minimum=1)
    if n <= MOST_OPTIONS and n_random >= math.factorial(n):
        return option_orders(n, design="full")
    seen = {tuple(range(n))}
    while len(seen) < n_random:
        seen.add(tuple(rng.permutation(n).tolist()))
    first, *rest = sorted(seen)
    return np.array([first, *rest], np.int64)


def adjusted_answers(probabilities: ArrayLike, orders: ArrayLike) -> OptionOrder:
    """Separate what a model prefers by content from what it prefers by place, for one question.

    Use it on label probabilities from several orders of the same options, each asked alone. Not on letters counted over
    many questions in one order: see `letter_bias`.

    Parameters
    ----------
    probabilities
        Of the label of each place, shape (n_presentations, n); need not sum to 1: rows are normalised, and their sums
        reported as label mass. NaN, or a row of zeros: the model gave no label; the row is left out.
    orders
        Which option stood in each place, shape (n_presentations, n), from `option_orders`.

    Returns
    -------
    OptionOrder
        Distributions over options and over places.

    Raises
    ------
    ArgumentError
        If shapes differ, a probability is negative or infinite, or a row of orders is no permutation.

    Notes
    -----
    A model that goes by content alone is recovered exactly by every design; one that goes by place alone is uniform
    after the adjustment under a balanced design. Where both add up in log odds, cyclic shifts differ from all orders by
    terms of second order.

    References
    ----------
    Dominguez-Olmedo, Hardt and Mendler-Duenner, Questioning the Survey Responses of Large Language Models.
    arXiv:2306.07951

    Examples
    --------
    >>> orders = option_orders(3)
    >>> likes = np.array([0.7, 0.2, 0.1])
    >>> found = adjusted_answers(likes[orders], orders)
    >>> found.adjusted.round(3).tolist(), found.places.round(3).tolist()
    ([0.7, 0.2, 0.1], [0.333, 0.333, 0.333])
    """
    p, sigma = (
        as_numbers(values, argument=name, call="adjusted_answers")
        for name, values in (("probabilities", probabilities), ("orders", orders))
    )
    if p.ndim != 2 or p.shape != sigma.shape or p.shape[1] < 2:
        got = f"{p.shape} and {sigma.shape}"
        raise ArgumentError(
            "probabilities", "of the shape of orders, two or more options", got, call="adjusted_answers"
        )
    if (np.sort(sigma, axis=1) != np.arange(p.shape[1])).any():
        row = int(np.flatnonzero((np.sort(sigma, axis=1) != np.arange(p.shape[1])).any(axis=1))[0])
        fix = "Each row names every option once, from 0."
        raise ArgumentError("orders", "permutations", sigma[row].tolist(), fix, call="adjusted_answers")
    p, sigma = p.astype(np.float64), sigma.astype(np.int64)
    bad = (p < 0) | np.isinf(p)
    if bad.any():
        fix = "Give probabilities, not logs."
        raise ArgumentError("probabilities", "0 or more, and finite", float(p[bad][0]), fix, call="adjusted_answers")
    mass = p.sum(axis=1)
    keep = np.isfinite(mass) & (mass > 0)
    n = p.shape[1]
    if not keep.any():
        nan = np.full(n, np.nan)
        return OptionOrder(
            nan, nan, nan, nan, math.nan, math.nan, math.nan, 0.0, 0, balanced=False, reason=Reason.EMPTY
        )
    p, sigma, mass = p[keep] / mass[keep, None], sigma[keep], mass[keep]
    by_option = np.take_along_axis(p, np.argsort(sigma, axis=1), axis=1)  # the inverse permutation
    balanced = _balanced(sigma)
    adjusted, places = by_option.mean(axis=0), p.mean(axis=0)
    spread = by_option.std(axis=0, ddof=1) / math.sqrt(len(p)) if len(p) > 1 else np.full(n, np.nan)
    return OptionOrder(
        naive=by_option[0], adjusted=adjusted, standard_error=np.full(n, np.nan) if balanced else spread, places=places,
        a_bias=float(places[0]) - 1 / n, place_divergence=kl_divergence(places), entropy=entropy_share(adjusted),
        label_mass=float(mass.mean()), n_presentations=len(p), balanced=balanced,
    )  # fmt: skip


def _balanced(sigma: NDArray[np.int64]) -> bool:
    """Return whether every option stands equally often in every place."""
    n = sigma.shape[1]
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (np.broadcast_to(np.arange(n), sigma.shape), sigma), 1)
    return bool((counts == counts[0, 0]).all())


def uniform_tail(log_probs: ArrayLike) -> NDArray[np.float64]:
    """Return label probabilities where an API reported only the most likely tokens.

    A label that was not reported shares what is left with the other unreported ones, but gets no more than the least
    likely reported one.

    Parameters
    ----------
    log_probs
        Natural log-probabilities of the labels, shape (n_presentations, n), NaN = not reported.

    Returns
    -------
    ndarray
        Probabilities, shape (n_presentations, n), normalised over the labels; a row without any report is NaN.

    Examples
    --------
    >>> uniform_tail([[np.log(0.6), np.log(0.3), np.nan, np.nan]]).round(3).tolist()
    [[0.6, 0.3, 0.05, 0.05]]
    """
    p = np.exp(np.atleast_2d(np.asarray(log_probs, np.float64)))
    missing = np.isnan(p)
    seen = np.where(missing, 0.0, p)
    n_missing = np.maximum(missing.sum(axis=1, keepdims=True), 1)
    rest = np.maximum(1 - seen.sum(axis=1, keepdims=True), 0.0) / n_missing
    least = np.where(missing, np.inf, p).min(axis=1, keepdims=True)
    filled = np.where(missing, np.minimum(rest, least), p)
    total = filled.sum(axis=1, keepdims=True)
    known = ~missing.all(axis=1, keepdims=True)
    return np.where(known, filled / np.where(total > 0, total, 1.0), np.nan)
