"""Named options and seeds: the two kinds of argument that the resampling and testing functions share."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import check_rng

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["check_choice", "seeded"]


def check_choice(value: Any, choices: Collection[str], *, argument: str, call: str) -> str:
    """Return the option where it is one of `choices`; the error names them and guesses the one meant.

    Examples
    --------
    >>> check_choice("holms", ["holm", "none"], argument="method", call="adjust")
    Traceback (most recent call last):
        ...
    neff.errors.ArgumentError: adjust: method must be 'holm' or 'none', got 'holms'. Did you mean 'holm'?
    """
    if isinstance(value, str) and value in choices:
        return value
    quoted = [repr(choice) for choice in choices]
    must = " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
    close = get_close_matches(value, choices, n=1) if isinstance(value, str) else []
    raise ArgumentError(argument, must, value, f"Did you mean {close[0]!r}?" if close else "", call=call)


def seeded(rng: Any, *, call: str) -> tuple[np.random.Generator, int | None]:
    """Return a Generator and the seed that reproduces it; None for a Generator, whose state is the caller's.

    Where no seed is given one is drawn, so that a result can always name the seed it came from.
    """
    if rng is None:
        rng = int(np.random.SeedSequence().generate_state(1)[0])
    generator = check_rng(rng, call=call)
    return generator, None if isinstance(rng, np.random.Generator) else int(rng)
