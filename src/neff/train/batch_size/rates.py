"""How the learning rate follows the batch size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_number

if TYPE_CHECKING:
    from collections.abc import Callable

    LearningRateRule: TypeAlias = Literal["auto", "sqrt", "linear", "none"] | Callable[[float], float]

__all__ = ["KNOWN", "learning_rate_factor", "rule_of"]

_ADAPTIVE = {
    "adam", "adamw", "nadam", "radam", "adamax", "sparseadam", "fusedadam", "adam8bit", "adamw8bit", "pagedadamw",
    "rmsprop", "adagrad",
}  # fmt: skip
_PLAIN = {"sgd", "fusedsgd"}
KNOWN = "SGD, Adam or one of its kin, RMSprop or Adagrad"
"""The optimizers whose rule is known, to follow the words "must be"."""


def rule_of(optimizer: Any) -> Literal["sqrt", "linear"] | None:
    """Return the rule of an optimizer (itself, its class or its name), by its kind; None for an unknown kind."""
    kind = optimizer if isinstance(optimizer, str | type) else type(optimizer)
    names = {kind.lower()} if isinstance(kind, str) else {base.__name__.lower() for base in kind.__mro__}
    return "sqrt" if names & _ADAPTIVE else "linear" if names & _PLAIN else None


def learning_rate_factor(multiplier: float, optimizer: Any, *, rule: LearningRateRule = "auto") -> float:
    """Return f(k): what the learning rate is multiplied by where the batch is multiplied by k.

    Use it whenever a batch size is changed. "auto" takes the square root for Adam and its kin, RMSprop and Adagrad,
    the multiplier itself for SGD, and refuses an optimizer that it does not know: a wrong guess would be measured as a
    batch size.

    Parameters
    ----------
    multiplier
        k, above 0.
    optimizer
        The optimizer, its class, or its name.
    rule
        "auto", "sqrt", "linear", "none" (1), or a function of k.

    Returns
    -------
    float
        The factor.

    Raises
    ------
    ArgumentError
        If the optimizer is not known and the rule is "auto".

    References
    ----------
    Merrill, Arora, Groeneveld and Hajishirzi 2025, arXiv:2505.23971.

    Examples
    --------
    >>> learning_rate_factor(4, "AdamW"), learning_rate_factor(4, "SGD"), learning_rate_factor(4, "Lion", rule="sqrt")
    (2.0, 4.0, 2.0)
    """
    call = "learning_rate_factor"
    k = check_number(multiplier, argument="multiplier", call=call)
    if not 0 < k < math.inf:
        raise ArgumentError("multiplier", "above 0", multiplier, call=call)
    if callable(rule):
        return float(rule(k))
    check_choice(rule, ("auto", "sqrt", "linear", "none"), argument="rule", call=call)
    found = rule_of(optimizer) if rule == "auto" else rule
    if found is None:
        name = optimizer if isinstance(optimizer, str) else getattr(optimizer, "__name__", type(optimizer).__name__)
        fix = 'Say how its learning rate follows the batch: rule="sqrt", "linear", or a function.'
        raise ArgumentError("optimizer", KNOWN, name, fix, call=call)
    return math.sqrt(k) if found == "sqrt" else k if found == "linear" else 1.0
