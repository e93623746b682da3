"""`link_banks`: put a bank on the scale of another one, by the items that both have (mean-sigma)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.reasons import Reason
from neff.results import json_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.irt.item_bank import ItemBank

__all__ = ["Link", "link_banks"]


@dataclass(frozen=True, slots=True)
class Link:
    """From the scale of a bank to that of the reference: theta' = slope theta + intercept.

    Attributes
    ----------
    slope, intercept
        NaN where fewer than two common items have parameters, or their difficulties do not vary.
    n_items
        Common items used.
    residual_sd
        Standard deviation of the common difficulties about the line, on the reference scale.
    moved
        Common items whose difficulty is off the line by more than three robust standard deviations: they do not measure
        the same in both populations. Leave them out and link again.
    reason
        Why it is undefined, or None.
    """

    slope: float
    intercept: float
    n_items: int
    residual_sd: float = math.nan
    moved: tuple[str, ...] = ()
    reason: Reason | None = None

    def __str__(self) -> str:
        if self.reason:
            return f"no link ({self.reason}), {self.n_items} common items"
        return f"theta' = {self.slope:.4f} theta {self.intercept:+.4f}, {self.n_items} common items"

    def ability(self, theta: Any) -> NDArray[np.float64]:
        """Return abilities on the reference scale."""
        return np.asarray(self.slope * np.asarray(theta, np.float64) + self.intercept)

    def bank(self, bank: ItemBank) -> ItemBank:
        """Return a bank on the reference scale: the same probabilities, other units."""
        k = self.slope
        return replace(
            bank,
            discrimination=bank.discrimination / k,
            difficulty=k * bank.difficulty + self.intercept,
            discrimination_se=bank.discrimination_se / k,
            difficulty_se=bank.difficulty_se * k,
            ability_mean=k * bank.ability_mean + self.intercept,
            ability_sd=k * bank.ability_sd,
            ability_gap=k * bank.ability_gap,
            reason=self.reason or bank.reason,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.link/1",
            "slope": json_number(self.slope),
            "intercept": json_number(self.intercept),
            "n_items": self.n_items,
            "residual_sd": json_number(self.residual_sd),
            "moved": list(self.moved),
            "reason": None if self.reason is None else str(self.reason),
        }


def link_banks(bank: ItemBank, reference: ItemBank) -> Link:
    """Find the line from the scale of a bank to that of a reference, by the difficulties of their common items.

    Use it to add items or models later without moving abilities that were already reported. Common items are those of
    the same name; choose some thirty that span the difficulties.

    Parameters
    ----------
    bank, reference
        From `fit_irt`.

    Returns
    -------
    Link
        `.bank(bank)` is the bank on the reference scale.

    Notes
    -----
    slope = sd(reference b) / sd(b), intercept = mean(reference b) - slope mean(b).

    References
    ----------
    Marco 1977, J. Educ. Meas. 14:139 (mean-sigma).

    Examples
    --------
    >>> from neff.benchmark.irt import ItemBank
    >>> old = ItemBank.of([1, 2, 0.5], [0, -1, 1], items=["p", "q", "r"])
    >>> new = ItemBank.of([2, 4, 1, 1], [0.5, 0, 1, 3], items=["p", "q", "r", "s"])
    >>> print(link_banks(new, old))
    theta' = 2.0000 theta -1.0000, 3 common items
    """
    where = {name: k for k, name in enumerate(reference.items)}
    pairs = [
        (bank.difficulty[k], reference.difficulty[where[name]], name)
        for k, name in enumerate(bank.items)
        if name in where and bank.usable[k] and reference.usable[where[name]]
    ]
    if len(pairs) < 2:
        why = Reason.ONE_COMMON_ITEM if pairs else Reason.NO_COMMON_ITEMS
        return Link(math.nan, math.nan, len(pairs), reason=why)
    own, their = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    if own.std() == 0 or their.std() == 0:
        return Link(math.nan, math.nan, len(pairs), reason=Reason.ALL_EQUAL)
    slope = float(their.std() / own.std())
    intercept = float(their.mean() - slope * own.mean())
    off = their - (slope * own + intercept)
    spread = 1.4826 * float(np.median(np.abs(off - np.median(off))))
    far = np.abs(off - np.median(off)) > 3 * spread
    moved = tuple(pair[2] for pair, is_far in zip(pairs, far.tolist(), strict=True) if is_far) if spread > 1e-9 else ()
    return Link(slope, intercept, len(pairs), float(off.std()), moved)
