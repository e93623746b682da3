"""From answers to numbers: shuffles by their first Lehmer digit, words by a dictionary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["first_lehmer_digit", "mapped"]


def first_lehmer_digit(order: Sequence[Any], items: Sequence[Any]) -> float:
    """Return how many of the later elements of a shuffle are before its first one, or NaN where it is no shuffle.

    Use it to test shuffles as draws: uniform from 0 to n - 1 for a fair one. It sees the first position only;
    dependence among the others is overlooked.

    Parameters
    ----------
    order
        The shuffle as given.
    items
        What was to be shuffled, in the original order.

    Returns
    -------
    float
        From 0 to n - 1; NaN where an element is missing, new, or there twice.

    References
    ----------
    Abaskohi et al., UnpredictaBench. arXiv:2606.06622

    Examples
    --------
    >>> first_lehmer_digit(["c", "a", "b"], ["a", "b", "c"]), first_lehmer_digit(["a", "a", "b"], ["a", "b", "c"])
    (2.0, nan)
    """
    place = {item: k for k, item in enumerate(items)}
    found = [place.get(item) for item in order]
    if len(place) != len(items) or len(found) != len(items) or None in found or len(set(found)) != len(found):
        return math.nan
    first = found[0]
    return float(sum(1 for k in found[1:] if k is not None and first is not None and k < first))


def mapped(answer: Any, words: Mapping[str, float]) -> float:
    """Return the number of a text answer, whatever its case and the blanks around it; NaN where it has none.

    Use it to test text answers (heads, tails) as draws: NaN is an invalid draw of `ks_at_n`.

    Parameters
    ----------
    answer
        As given.
    words
        The number of each valid answer.

    Returns
    -------
    float
        The number, or NaN.

    References
    ----------
    Abaskohi et al., UnpredictaBench. arXiv:2606.06622

    Examples
    --------
    >>> mapped(" HEADS", {"Heads": 1, "Tails": 0}), mapped("edge", {"Heads": 1, "Tails": 0})
    (1.0, nan)
    """
    plain = {word.strip().lower(): number for word, number in words.items()}
    return float(plain.get(str(answer).strip().lower(), math.nan))
