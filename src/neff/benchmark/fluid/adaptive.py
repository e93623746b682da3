"""`AdaptiveTest`: ask for items, tell the answers, until the ability is known well enough. Around any evaluator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.fluid.selecting import draw, most_behind
from neff.benchmark.irt.predicting import predicted_scores
from neff.benchmark.irt.scoring import ability, check_scale
from neff.benchmark.irt.theta import METHODS, Scale, estimate_theta
from neff.errors import ArgumentError, RecordsError
from neff.results import Estimate, json_number
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neff.benchmark.irt.item_bank import ItemBank

__all__ = ["SCHEMA", "AdaptiveTest"]

SCHEMA = "neff.adaptive-test/1"


class AdaptiveTest:
    """An adaptive evaluation of one model: `next_items()`, run them, `tell(items, answers)`, until `finished`.

    Use it around any evaluator, one item or a batch at a time, to measure a model with a tenth of the items or fewer.
    Not for a model that is unlike the calibration models in what it can and cannot do: its answers to items of much
    information then say less than the error claims.

    Parameters
    ----------
    bank
        From `fit_irt`. Items without parameters are not asked.
    max_items
        Stop after so many answers.
    min_items
        Do not stop for precision before.
    delta
        Stop when the standard error is below this. "gap": the mean gap between calibration models that are neighbours
        in rank, as in the paper. None: only `max_items` stops.
    start
        Ability at which the first item is chosen. None: the mean of the calibration models.
    batch
        Items asked for at once: the most informative ones at the present ability.
    randomesque
        Draw each item among this many of the most informative ones, so that not every model begins with the same item,
        which one leak or one wrong key would bias. 1: always the best.
    balance
        Share of each category of the bank's `content`; the category furthest behind comes next. True: the shares that
        the bank has. None: no balance.
    method, prior, bounds
        Of the ability, as in `ability`.
    rng
        For `randomesque` (SPEC 7). The choice at each step depends on the seed and on what was asked, not on how often
        `next_items` was called.

    Raises
    ------
    ArgumentError
        If an option makes no sense with this bank.

    Notes
    -----
    Items are chosen by Fisher information a^2 P (1 - P), at most a^2 / 4, where difficulty meets ability.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking. arXiv:2509.11106
    Kingsbury and Zara 1989, Appl. Meas. Educ. 2:359 (randomesque).

    Examples
    --------
    >>> from neff.benchmark.irt import ItemBank
    >>> bank = ItemBank.of([1, 2, 0.5, 1.5, 1.2, 0.8, 3, 0.3], [0, -1, 1, 0.5, -0.3, 2, 1.2, -2])
    >>> right = {"3": 1, "6": 0, "4": 1}
    >>> test = AdaptiveTest(bank, max_items=3)
    >>> while not test.finished:
    ...     (item,) = test.next_items()
    ...     test.tell([item], [right[item]])
    >>> test.asked, round(test.theta, 4), test.stopped
    (('3', '6', '4'), 0.5906, '3 items asked')
    """

    def __init__(
        self,
        bank: ItemBank,
        *,
        max_items: int = 100,
        min_items: int = 1,
        delta: float | str | None = None,
        start: float | None = None,
        batch: int = 1,
        randomesque: int = 1,
        balance: bool | Mapping[str, float] | None = None,
        method: str = "map",
        prior: tuple[float, float] = (0.0, 1.0),
        bounds: tuple[float, float] = (-4.0, 4.0),
        rng: Any = None,
    ) -> None:
        call = "AdaptiveTest"
        check_choice(method, METHODS, argument="method", call=call)
        if not bank.usable.any():
            raise ArgumentError(
                "bank", "one with parameters", str(bank.reason or "none"), "Fit more models.", call=call
            )
        self.bank = bank
        self.max_items = check_count(max_items, argument="max_items", call=call, minimum=0)
        self.min_items = check_count(min_items, argument="min_items", call=call, minimum=0)
        self.batch = check_count(batch, argument="batch", call=call, minimum=1)
        self.randomesque = check_count(randomesque, argument="randomesque", call=call, minimum=1)
        self.delta = _delta(delta, bank, call)
        self.method = method
        self.scale: Scale = check_scale(prior, bounds, call)
        first = bank.ability_mean if start is None else check_number(start, argument="start", call=call)
        self.start = first if math.isfinite(first) else self.scale.mean
        self.plan = _plan(bank, balance, call=call)
        generator, seed = seeded(0 if self.randomesque == 1 else rng, call=call)
        self.seed: int = int(generator.integers(2**31)) if seed is None else seed
        self._answers: dict[int, float] = {}
        self.theta = math.nan
        self.standard_error = math.nan
        self.trace: list[tuple[float, float]] = []

    @property
    def asked(self) -> tuple[str, ...]:
        """Items that were answered, in order."""
        return tuple(self.bank.items[k] for k, answer in self._answers.items() if not math.isnan(answer))

    @property
    def n_left(self) -> int:
        """Items that could still be asked."""
        return int(self._available().sum())

    @property
    def stopped(self) -> str:
        """Why there is nothing more to ask, or an empty string."""
        n = len(self.asked)
        if n >= self.max_items:
            return f"{n} items asked"
        if self.delta is not None and n >= max(self.min_items, 1) and self.standard_error < self.delta:
            return f"standard error {self.standard_error:.3f} below {self.delta:.3f}"
        if not self._available().any():
            return "no item left"
        return ""

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to ask."""
        return bool(self.stopped)

    def next_items(self, count: int | None = None) -> tuple[str, ...]:
        """Return the items to run next, the most informative first; empty where the test has finished.

        Parameters
        ----------
        count
            How many, instead of `batch`; never more than `max_items` allows.
        """
        if self.finished:
            return ()
        n = len(self.asked)
        want = self.batch if count is None else check_count(count, argument="count", call="next_items", minimum=1)
        want = min(want, self.max_items - n)
        at = self.start if math.isnan(self.theta) else self.theta
        information = self.bank.information([at])[0]
        available = self._available()
        rng = np.random.default_rng([self.seed, len(self._answers)]) if self.randomesque > 1 else None
        if not self.plan:
            chosen = draw(information, available, want, among=self.randomesque, rng=rng)
            return tuple(self.bank.items[k] for k in chosen)
        kinds = [self.bank.content[k] for k, answer in self._answers.items() if not math.isnan(answer)]
        found: list[int] = []
        while len(found) < want and available.any():
            part = most_behind(self.plan, kinds, self.bank.content, available)
            (place,) = draw(information, part, 1, among=self.randomesque, rng=rng)
            found.append(place)
            kinds.append(self.bank.content[place])
            available[place] = False
        return tuple(self.bank.items[k] for k in found)

    def tell(self, items: Sequence[Any] | str, responses: Any) -> None:
        """Record answers: 1 right, 0 wrong, NaN (or None) where an item could not be run; it is not asked again.

        They need not be the items that were asked for.

        Raises
        ------
        ArgumentError
            If lengths differ, an item is not in the bank or was answered before, or an answer is not 0, 1 or NaN.
        """
        names = [items] if isinstance(items, str) else list(items)
        values = [responses] if np.ndim(responses) == 0 else list(responses)
        if len(names) != len(values):
            raise ArgumentError("responses", f"of length {len(names)}", f"length {len(values)}", call="tell")
        places = self.bank.places(names, call="tell").tolist()
        given: dict[int, float] = {}
        for name, place, value in zip(names, places, values, strict=True):
            answer = _answer(value)
            if not (math.isnan(answer) or answer in (0.0, 1.0)):
                fix = "Say first from which score on an answer is right."
                raise ArgumentError("responses", "0, 1 or NaN", value, fix, call="tell")
            if place in self._answers or place in given:
                fix = "Each item counts once."
                raise ArgumentError("items", "items without an answer yet", str(name), fix, call="tell")
            given[place] = answer
        self._answers |= given
        self._estimate()

    def estimate(self, level: float = 0.95) -> Estimate:
        """Return the ability with its interval; NaN with a reason before the first answer."""
        (found,) = ability(
            self.bank, self._row(), models=[""], method=self.method, prior=(self.scale.mean, self.scale.sd),
            bounds=(self.scale.low, self.scale.high), level=level,
        ).estimates()  # fmt: skip
        return found

    def score(self, level: float = 0.95) -> Estimate:
        """Return the predicted share right on all items of the bank (p-IRT)."""
        (found,) = predicted_scores(
            self.bank, self._row(), models=[""], method=self.method, prior=(self.scale.mean, self.scale.sd),
            bounds=(self.scale.low, self.scale.high), level=level,
        )  # fmt: skip
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values: options and answers, not the bank."""
        return {
            "schema": SCHEMA,
            "options": {
                "max_items": self.max_items, "min_items": self.min_items, "delta": self.delta, "start": self.start,
                "batch": self.batch, "randomesque": self.randomesque, "balance": self.plan or None,
                "method": self.method, "prior": [self.scale.mean, self.scale.sd],
                "bounds": [self.scale.low, self.scale.high], "rng": self.seed,
            },
            "answers": [[self.bank.items[k], json_number(value)] for k, value in self._answers.items()],
            "trace": [[json_number(theta), json_number(error)] for theta, error in self.trace],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, bank: ItemBank, data: Mapping[str, Any]) -> AdaptiveTest:
        """Go on from a saved state with the same bank.

        Raises
        ------
        RecordsError
            If it is no such state, or a damaged one.
        ArgumentError
            If an item of it is not in the bank.
        """
        if data.get("schema") != SCHEMA:
            raise RecordsError(f"is no state of an adaptive test (schema {data.get('schema')!r}).", "Save to_dict().")
        try:
            test = cls(bank, **{name: _tuple(value) for name, value in data["options"].items()})
            names, values = [name for name, _ in data["answers"]], [_answer(value) for _, value in data["answers"]]
            trace = [(_answer(theta), _answer(error)) for theta, error in data["trace"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordsError(f"is a damaged state of an adaptive test ({error}).", "Save to_dict().") from error
        if not all(math.isnan(value) or value in (0.0, 1.0) for value in values):
            raise RecordsError("is a damaged state of an adaptive test: answers are 0, 1 or null.", "Save to_dict().")
        test._answers = dict(zip(bank.places(names, call="from_dict").tolist(), values, strict=True))
        test._estimate()
        test.trace = trace
        return test

    def _available(self) -> Any:
        free = self.bank.usable.copy()
        free[list(self._answers)] = False
        return free

    def _row(self) -> Any:
        row = np.full(len(self.bank), np.nan)
        row[list(self._answers)] = list(self._answers.values())
        return row

    def _estimate(self) -> None:
        row = np.where(self.bank.usable, self._row(), np.nan)
        theta, error, _ = estimate_theta(row[None, :], self.bank.parameters, self.method, self.scale)
        self.theta, self.standard_error = float(theta[0]), float(error[0])
        self.trace.append((self.theta, self.standard_error))


def _delta(delta: float | str | None, bank: ItemBank, call: str) -> float | None:
    if delta is None:
        return None
    if delta == "gap":
        if not bank.ability_gap > 0:
            fix = "A bank made by hand has no calibration models: give a number."
            raise ArgumentError("delta", "a number for this bank", delta, fix, call=call)
        return bank.ability_gap
    if isinstance(delta, str) or not check_number(delta, argument="delta", call=call) > 0:
        raise ArgumentError("delta", "above 0, or 'gap'", delta, call=call)
    return float(delta)


def _plan(bank: ItemBank, balance: Any, *, call: str) -> dict[str, float]:
    if balance is None or balance is False:
        return {}
    if not bank.content:
        fix = "Give the bank categories: fit_irt(content=...) or bank.with_content(...)."
        raise ArgumentError("balance", "None for a bank without content", balance, fix, call=call)
    kinds = sorted(set(bank.content))
    if balance is True:
        return {kind: bank.content.count(kind) / len(bank) for kind in kinds}
    plan = {str(kind): float(share) for kind, share in balance.items()}
    if not set(plan) <= set(kinds) or min(plan.values(), default=-1) < 0 or not abs(sum(plan.values()) - 1) <= 1e-6:
        raise ArgumentError("balance", f"shares that sum to 1 of {kinds[:8]}", balance, call=call)
    return plan


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _answer(value: Any) -> float:
    """Return a number, NaN for None, infinity for what is no number at all: the caller refuses it."""
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError):
        return math.inf
