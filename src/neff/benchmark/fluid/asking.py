"""`next_items`: the next items for a model and where it stands, from the answers that it has given so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.fluid.adaptive import AdaptiveTest
from neff.benchmark.irt.scoring import match_items
from neff.errors import ArgumentError
from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.benchmark.irt.item_bank import ItemBank
    from neff.results import Estimate

__all__ = ["NextItems", "next_items"]


@dataclass(frozen=True, slots=True)
class NextItems:
    """What to run next, and what is known.

    Attributes
    ----------
    items, information, difficulty
        The items, what each would add at the present ability, and how hard it is. Empty where the test has finished.
    ability, score
        Of the model: theta, and the predicted share right on all items (p-IRT). NaN before the first answer.
    stopped
        Why there is nothing more to ask, or an empty string.
    n_left
        Items of the bank that could still be asked.
    n_unknown
        Answers to items that are not in the bank; they count nothing.
    delta
        The standard error at which to stop, or None.
    """

    items: tuple[str, ...]
    information: tuple[float, ...]
    difficulty: tuple[float, ...]
    ability: Estimate
    score: Estimate
    stopped: str
    n_left: int
    n_unknown: int
    delta: float | None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.ability}\n{self.stopped or self.table()}"

    def table(self) -> Table:
        """Return one row per item to run."""
        columns = (
            Column("item", "Run next"), Column("information", "Information", "number", 3),
            Column("difficulty", "Difficulty", "signed", 3),
        )  # fmt: skip
        return Table(columns, tuple(zip(self.items, self.information, self.difficulty, strict=True)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.next-items/1",
            "finished": bool(self.stopped),
            "stopped": self.stopped or None,
            "next": [
                {"item": item, "information": json_number(i), "difficulty": json_number(d)}
                for item, i, d in zip(self.items, self.information, self.difficulty, strict=True)
            ],
            "ability": self.ability.to_dict(),
            "score": self.score.to_dict(),
            "n_left": self.n_left,
            "n_unknown": self.n_unknown,
            "delta": self.delta,
            "notes": list(self.notes),
        }


def next_items(
    bank: ItemBank,
    responses: Any = None,
    *,
    items: Sequence[Any] | None = None,
    threshold: float | None = None,
    level: float = 0.95,
    **options: Any,
) -> NextItems:
    """Choose the next items for one model from its answers so far. Nothing is kept between calls.

    Use it where the evaluator is another program: give it all answers so far, run what comes back, and ask again.
    Inside one Python program `AdaptiveTest` does the same.

    Parameters
    ----------
    bank
        From `fit_irt`.
    responses
        Answers of one model, as in `ability`; None before the first. In records, items that are not in the bank count
        nothing.
    items
        Names of the items of an array.
    threshold
        A score of at least this counts as right.
    level
        Coverage of the intervals.
    **options
        Of `AdaptiveTest`: `batch`, `max_items`, `delta`, `randomesque`, `balance`, `method`, ...

    Returns
    -------
    NextItems
        The items to run, the ability and the predicted score so far.

    Raises
    ------
    ArgumentError
        If the answers are of several models, or an option makes no sense.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking. arXiv:2509.11106

    Examples
    --------
    >>> from neff.benchmark.irt import ItemBank
    >>> bank = ItemBank.of([1, 2, 0.5, 1.5], [0, -1, 1, 0.5], items=["q1", "q2", "q3", "q4"])
    >>> next_items(bank, [1, 0], items=["q4", "q2"], batch=2).items
    ('q1', 'q3')
    """
    test = AdaptiveTest(bank, **options)
    unknown = 0
    if responses is not None:
        responses, unknown = _known(bank, responses, items, threshold)
        names = bank.items if items is None else items
        if not isinstance(responses, np.ndarray | list | tuple):
            names = None  # type: ignore[assignment]
        table = match_items(
            bank, responses, items=names, models=None, threshold=threshold, task=None, call="next_items"
        )
        if len(table.models) != 1:
            fix = "Give the answers of the model that is being tested."
            raise ArgumentError("responses", "of one model", f"{len(table.models)} models", fix, call="next_items")
        answered = np.flatnonzero(~np.isnan(table.matrix[0]))
        test.tell([bank.items[k] for k in answered], table.matrix[0, answered].tolist())
    chosen = test.next_items()
    places = bank.places(chosen)
    at = test.start if math.isnan(test.theta) else test.theta
    notes = bank.warnings
    if unknown:
        notes = (*notes, f"answers to items that are not in the bank count nothing: {unknown:,}")
    return NextItems(
        items=chosen,
        information=tuple(bank.information([at])[0][places].tolist()),
        difficulty=tuple(bank.difficulty[places].tolist()),
        ability=test.estimate(level),
        score=test.score(level),
        stopped=test.stopped,
        n_left=test.n_left,
        n_unknown=unknown,
        delta=test.delta,
        notes=notes,
    )


def _known(bank: ItemBank, responses: Any, items: Any, threshold: float | None) -> tuple[Any, int]:
    """Return records as answers to items of the bank only, and how many answers were to others."""
    from neff.benchmark.irt.responses import Responses, responses_of

    if items is not None or (
        isinstance(responses, np.ndarray | list | tuple) and not (len(responses) and isinstance(responses[0], str))
    ):
        return responses, 0
    table = responses if isinstance(responses, Responses) else responses_of(responses, threshold=threshold)
    inside = np.isin(np.asarray(table.items, object), np.asarray(bank.items, object))
    unknown = int(np.count_nonzero(~np.isnan(table.matrix[:, ~inside])))
    kept = tuple(name for name, ok in zip(table.items, inside.tolist(), strict=True) if ok)
    return Responses(table.matrix[:, inside], table.models, kept, table.task), unknown
