"""What counts as no answer, in votes and stopping rules alike."""

from __future__ import annotations

from typing import Any

__all__ = ["no_answer"]


def no_answer(value: Any) -> bool:
    """Return whether a draw gave no answer: None, NaN, or an empty text. It then casts no vote.

    Examples
    --------
    >>> [no_answer(value) for value in (None, float("nan"), "", "0", 0)]
    [True, True, True, False, False]
    """
    if value is None or type(value).__name__ == "NAType":  # pandas.NA, which answers neither yes nor no
        return True
    if isinstance(value, str):
        return not value
    return value != value if isinstance(value, float) else False
