"""Validation first: choose on one part of the items, freeze, report on the other; and what choosing the best adds.

What it estimates: the score of the configuration that looked best, on items that took no part in choosing it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.results import Column, Estimate, Table, json_number
from neff.stats import mean_se, t_interval, wilson
from neff.stats._options import seeded
from neff.stats._validate import check_count, check_level, check_number, check_rng

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["FrozenChoice", "choose_on_dev", "split_items"]


@dataclass(frozen=True, slots=True)
class FrozenChoice:
    """The configuration chosen on the development items, and its score on the held-out ones.

    Attributes
    ----------
    chosen
        The configuration with the best development score.
    fingerprint
        Hash of its name and settings: what was frozen.
    dev
        Its development score, the best of all tried.
    test
        Its score on the held-out items.
    optimism, expected_optimism
        dev - test; and what choosing the best of as many would add if all were equally good (bootstrap of the maximum).
    n_tried
        Configurations tried: the researcher's degrees of freedom.
    dev_scores
        Development score of each, by name.
    """

    chosen: str
    fingerprint: str
    dev: Estimate
    test: Estimate
    optimism: float
    expected_optimism: float
    n_tried: int
    dev_scores: dict[str, float]
    seed: int | None

    def table(self) -> Table:
        """Return the development score of each configuration, the best first."""
        columns = (Column("name", "Configuration"), Column("score", "Development score", "number"))
        return Table(columns, tuple(sorted(self.dev_scores.items(), key=lambda pair: -pair[1])))

    def __str__(self) -> str:
        low, high = self.test.interval
        return (
            f"{self.chosen} (best of {self.n_tried}, {self.fingerprint}): {self.dev.value:.4f} where it was chosen, "
            f"{self.test.value:.4f} [{low:.4f}, {high:.4f}] held out; "
            f"choosing alone adds about {self.expected_optimism:.4f}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.frozen-choice/1",
            "chosen": self.chosen,
            "fingerprint": self.fingerprint,
            "dev": self.dev.to_dict(),
            "test": self.test.to_dict(),
            "optimism": json_number(self.optimism),
            "expected_optimism": json_number(self.expected_optimism),
            "n_tried": self.n_tried,
            "dev_scores": {name: json_number(value) for name, value in self.dev_scores.items()},
            "seed": self.seed,
        }


def split_items(items: Sequence[Any], *, dev: float = 0.5, rng: Any = None) -> NDArray[np.bool_]:
    """Return which rows belong to the development part; an item is never in both.

    Parameters
    ----------
    items
        Item of each row, shape (n,).
    dev
        Share of the items for development.
    rng
        SPEC 7.

    Returns
    -------
    ndarray of bool
        Shape (n,).

    Raises
    ------
    ArgumentError
        If the share leaves a part without an item.

    Examples
    --------
    >>> part = split_items(["q1", "q1", "q2", "q2", "q3", "q3"], dev=0.34, rng=0)
    >>> int(part.sum())
    2
    """
    rng = check_rng(rng, call="split_items")
    names, back = np.unique(np.asarray(items), return_inverse=True)
    size = round(dev * len(names)) if 0 < check_number(dev, argument="dev", call="split_items") < 1 else 0
    if not 0 < size < len(names):
        raise ArgumentError(
            "dev", "a share that leaves items on both sides", dev, f"There are {len(names)}.", call="split_items"
        )
    chosen = np.zeros(len(names), bool)
    chosen[rng.permutation(len(names))[:size]] = True
    return chosen[back.ravel()]


def choose_on_dev(
    scores: Mapping[str, ArrayLike],
    dev: ArrayLike,
    *,
    settings: Mapping[str, Any] | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    rng: Any = None,
) -> FrozenChoice:
    """Choose the best configuration on the development items and report it on the others.

    Use it once: a second look at the held-out items makes them development items. Report `n_tried` with the number.

    Parameters
    ----------
    scores
        Of each configuration on the same items, in the same order, shape (n_items,), by name; higher is better.
    dev
        Which items are for development, shape (n_items,), from `split_items`.
    settings
        Of each configuration, by name: goes into the fingerprint.
    level
        Coverage of the intervals.
    n_resamples, rng
        Bootstrap of development items for the expected optimism (SPEC 7).

    Returns
    -------
    FrozenChoice
        Chosen, its scores on both parts, and the optimism.

    Raises
    ------
    ArgumentError
        If lengths differ, or a part has no item.

    Notes
    -----
    The expected optimism centres every configuration on a common mean and takes the mean of the best of resampled
    development items: what choosing adds when nothing is better. Ties go to the name given first.

    References
    ----------
    McLaren et al., Magic Words or Methodical Work? arXiv:2603.26898

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scores = {f"prompt {i}": (rng.random(200) < 0.6).astype(float) for i in range(12)}
    >>> choice = choose_on_dev(scores, np.arange(200) < 100, rng=1, n_resamples=200)
    >>> choice.dev.value > choice.test.value, round(choice.expected_optimism, 2)
    (True, 0.08)
    """
    level = check_level(level, call="choose_on_dev")
    n_resamples = check_count(n_resamples, argument="n_resamples", call="choose_on_dev", minimum=1)
    given = np.asarray(dev)
    if given.ndim != 1 or not np.isin(given, (0, 1)).all():
        raise ArgumentError("dev", "True or False per item", "other values", call="choose_on_dev")
    mask = given.astype(bool)
    names = tuple(scores)
    table = [np.asarray(scores[name], np.float64) for name in names]
    if not names or any(row.shape != mask.shape for row in table):
        got = [len(row) for row in table][:5]
        raise ArgumentError(
            "scores", f"one per item ({mask.size}), one configuration or more", got, call="choose_on_dev"
        )
    if not mask.any() or mask.all() or not np.isfinite(np.stack(table)).all():
        raise ArgumentError("dev", "items on both sides, all scored", int(mask.sum()), call="choose_on_dev")
    generator, seed = seeded(rng, call="choose_on_dev")
    matrix = np.stack(table)
    means = matrix[:, mask].mean(axis=1)
    best = int(np.argmax(means))
    centred = matrix[:, mask] - means[:, None]
    size = centred.shape[1]
    drawn = [float((centred[:, generator.integers(size, size=size)]).mean(axis=1).max()) for _ in range(n_resamples)]
    parts = [_estimate(matrix[best, rows], level, who) for rows, who in ((mask, "development"), (~mask, "held out"))]
    own = None if settings is None else settings.get(names[best])
    frozen = json.dumps([names[best], own], sort_keys=True, default=str).encode()
    return FrozenChoice(
        chosen=names[best], fingerprint=hashlib.sha256(frozen).hexdigest()[:12], dev=parts[0], test=parts[1],
        optimism=parts[0].value - parts[1].value,
        expected_optimism=float(np.mean(drawn)) if len(names) > 1 else 0.0, n_tried=len(names),
        dev_scores=dict(zip(names, means.tolist(), strict=True)), seed=seed,
    )  # fmt: skip


def _estimate(values: NDArray[np.float64], level: float, who: str) -> Estimate:
    mean, method = mean_se(values), "mean over items"
    if np.isin(values, (0.0, 1.0)).all():
        low, high, reason = wilson(int(values.sum()), len(values), level=level)
        method = "share of items, Wilson interval"
    else:
        low, high, reason = t_interval(mean.value, mean.standard_error, df=mean.df, level=level)
    return Estimate(
        mean.value, mean.standard_error, (low, high), level=level, df=mean.df, n=len(values), n_items=len(values),
        metric=who, method=method, reason=reason,
    )  # fmt: skip
