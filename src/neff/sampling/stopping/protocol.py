"""The protocol of stopping rules, and what they share: a cap, a least number, and no draw after the stop."""

from __future__ import annotations

import math
from typing import Any, Protocol, runtime_checkable

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_count

__all__ = ["FixedDraws", "Rule", "Stopper"]


@runtime_checkable
class Stopper(Protocol):
    """What decides, draw by draw, whether to draw another answer; usable around any sampler.

    Examples
    --------
    >>> from neff.sampling.stopping import FirstAbove
    >>> rule = FirstAbove(0.9, max_draws=4)
    >>> for score in (0.4, 0.7, 0.95):
    ...     if rule.observe(score):
    ...         break
    >>> rule.n, rule.choose()
    (3, 2)
    """

    n: int

    @property
    def stopped(self) -> bool:
        """Whether no further draw is wanted."""
        ...

    def observe(self, value: Any) -> bool:
        """Take one draw's score or answer, and return whether to stop."""
        ...

    def choose(self) -> int | None:
        """Return the place of the draw to give as the answer, None where there is none."""
        ...


class Rule:
    """Common part of the rules: counts draws, refuses one after the stop, and stops at the cap in any case.

    Attributes
    ----------
    n
        Draws observed.
    capped
        Whether it was the cap that stopped the rule, not what it looks at.
    """

    def __init__(self, *, max_draws: int, min_draws: int = 1) -> None:
        name = type(self).__name__
        self.max_draws = check_count(max_draws, argument="max_draws", call=name, minimum=1)
        self.min_draws = check_count(min_draws, argument="min_draws", call=name, minimum=1)
        if self.min_draws > self.max_draws:
            raise ArgumentError("min_draws", f"at most max_draws={max_draws}", min_draws, call=name)
        self.n = 0
        self.capped = False
        self._done = False

    @property
    def stopped(self) -> bool:
        """Whether no further draw is wanted."""
        return self._done

    def observe(self, value: Any) -> bool:
        """Take one draw's score or answer, and return whether to stop.

        Raises
        ------
        ArgumentError
            If the rule had stopped before, or the value is not of its kind.
        """
        if self._done:
            raise ArgumentError(
                "value", "left out once the rule has stopped", value, "Begin a new one.", call=type(self).__name__
            )
        self._take(value)
        self.n += 1
        enough = self.n >= self.min_draws and self._enough()
        self.capped = not enough and self.n >= self.max_draws
        self._done = enough or self.capped
        return self._done

    def _take(self, value: Any) -> None:
        raise NotImplementedError

    def _enough(self) -> bool:
        raise NotImplementedError


class FixedDraws(Rule):
    """Draw a fixed number: what the other rules are compared with. Returns the majority or the best, as told.

    Parameters
    ----------
    max_draws
        How many.
    by
        "score": values are scores, the highest is returned; "vote": they are answers, the most frequent is.
    """

    def __init__(self, max_draws: int, *, by: str = "score") -> None:
        super().__init__(max_draws=max_draws)
        self.by = check_choice(by, ("score", "vote"), argument="by", call="FixedDraws")
        self._values: list[Any] = []

    def _take(self, value: Any) -> None:
        from neff.sampling.stopping.voting import check_answer

        if self.by == "vote":
            self._values.append(check_answer(value, "FixedDraws"))
            return
        try:
            self._values.append(math.nan if value is None else float(value))
        except (TypeError, ValueError):
            raise ArgumentError("value", "a score, or NaN", value, call="FixedDraws") from None

    def _enough(self) -> bool:
        return self.n >= self.max_draws

    def choose(self) -> int | None:
        """Return the place of the highest score, or of the first draw with the most frequent answer."""
        from neff.sampling.stopping.scoring import best_place
        from neff.sampling.stopping.voting import vote_place

        return best_place(self._values) if self.by == "score" else vote_place(self._values)
