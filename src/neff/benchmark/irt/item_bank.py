"""`ItemBank`: what is known about the items of a benchmark, to be kept beside it and used on the next model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.irt.logistic import Items, item_information, probability
from neff.errors import ArgumentError, RecordsError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._validate import as_numbers, check_number, check_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["SCHEMA", "ItemBank", "information"]

SCHEMA = "neff.item-bank/1"
_PER_ITEM = (
    "discrimination", "difficulty", "guess", "discrimination_se", "difficulty_se", "covariance", "share", "exposure",
    "rest_correlation",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ItemBank:
    """Items of one benchmark with their parameters: P(right) = c + (1 - c) / (1 + exp(-D a (theta - b))).

    Made by `fit_irt`, or by hand with `ItemBank.of`. Arrays have shape (n_items,).

    Attributes
    ----------
    items
        Their names.
    discrimination, difficulty, guess
        a > 0, b and c. NaN where an item could not be fitted; `reasons` says why.
    discrimination_se, difficulty_se, covariance
        Standard errors of a and b, and the covariance of the two. They do not contain the error of the scale itself,
        which all items share and which is about 1 / sqrt(models).
    share
        Share of right answers among the calibration models.
    exposure
        Calibration models that answered the item.
    rest_correlation
        Correlation of the item with the share right on the other items. Below 0: better models do worse, as they do
        where the key is wrong.
    suspect
        Whether it is below 0 by more than chance (Benjamini-Hochberg at 5% over the items).
    content
        Category of each item, or ().
    reasons
        By item: why there are no parameters.
    model, scaling
        "1pl", "2pl" or "3pl"; D.
    n_models
        Calibration models with at least one answer.
    ability_mean, ability_sd
        Of the calibration models, on the scale of the bank.
    ability_gap
        Mean gap between models that are neighbours in rank: the precision that tells them apart.
    log_likelihood, n_iterations, converged
        Of the fit.
    task
        The benchmark.
    reason
        Why the whole fit is undefined, or None.
    warnings
        What weakens it.
    """

    items: tuple[str, ...]
    discrimination: Floats
    difficulty: Floats
    guess: Floats
    discrimination_se: Floats
    difficulty_se: Floats
    covariance: Floats
    share: Floats
    exposure: Floats
    rest_correlation: Floats
    suspect: NDArray[np.bool_]
    content: tuple[str, ...] = ()
    reasons: Mapping[str, Reason] | None = None
    model: str = "2pl"
    scaling: float = 1.0
    n_models: int = 0
    ability_mean: float = 0.0
    ability_sd: float = 1.0
    ability_gap: float = math.nan
    log_likelihood: float = math.nan
    n_iterations: int = 0
    converged: bool = True
    task: str = ""
    reason: Reason | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        discrimination: ArrayLike,
        difficulty: ArrayLike,
        *,
        guess: ArrayLike = 0.0,
        items: Sequence[Any] | None = None,
        content: Sequence[Any] | None = None,
        scaling: float = 1.0,
    ) -> ItemBank:
        """Build a bank from known parameters, such as another tool's.

        Raises
        ------
        ArgumentError
            If lengths differ, a discrimination is not above 0, or a guess is not in [0, 1).

        Examples
        --------
        >>> bank = ItemBank.of([1.0, 2.0], [0.0, -1.0])
        >>> bank.information([0.0]).round(4).tolist()
        [[0.25, 0.42]]
        """
        call = "ItemBank.of"
        a = check_vector(discrimination, argument="discrimination", call=call)
        b = check_vector(difficulty, argument="difficulty", call=call)
        c = as_numbers(guess, argument="guess", call=call).astype(np.float64)
        if len(a) != len(b):
            raise ArgumentError("difficulty", f"of length {len(a)}", f"length {len(b)}", call=call)
        if (a <= 0).any():
            fix = "Turn the item's answers round, or leave it out: such an item rewards the weaker model."
            raise ArgumentError("discrimination", "above 0", float(a.min()), fix, call=call)
        if c.shape not in ((), a.shape) or not ((c >= 0) & (c < 1)).all():
            must = f"one number in [0, 1), or {len(a)} of them"
            raise ArgumentError("guess", must, guess, "Give 1 / options.", call=call)
        c = np.broadcast_to(c, a.shape).copy()
        if not (math.isfinite(check_number(scaling, argument="scaling", call=call)) and scaling > 0):
            raise ArgumentError("scaling", "above 0", scaling, "1 or 1.7.", call=call)
        names = tuple(map(str, range(len(a)) if items is None else items))
        kinds = () if content is None else tuple(map(str, content))
        if len(set(names)) != len(a) or (kinds and len(kinds) != len(a)):
            raise ArgumentError("items", f"{len(a)} different names, content as many", names[:5], call=call)
        unknown = np.full(len(a), np.nan)
        return cls(
            names, a, b, c, unknown, unknown, unknown, unknown, np.zeros(len(a)), unknown, np.zeros(len(a), bool),
            content=kinds, model="3pl" if c.any() else "2pl", scaling=scaling,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        return str(self.table())

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Whether an item has parameters."""
        return ~np.isnan(self.discrimination)

    @property
    def parameters(self) -> Items:
        """The parameters, for the kernels."""
        return Items(self.discrimination, self.difficulty, self.guess, self.scaling)

    def probability(self, theta: ArrayLike) -> Floats:
        """Return P(right) of each item, shape (n_abilities, n_items)."""
        return probability(np.atleast_1d(np.asarray(theta, np.float64)), self.parameters)

    def information(self, theta: ArrayLike) -> Floats:
        """Return the Fisher information of each item about theta, shape (n_abilities, n_items)."""
        return item_information(np.atleast_1d(np.asarray(theta, np.float64)), self.parameters)

    def places(self, items: Sequence[Any], *, call: str = "ItemBank.places") -> NDArray[np.intp]:
        """Return where items are in the bank.

        Raises
        ------
        ArgumentError
            If one is not in it.
        """
        where = {name: k for k, name in enumerate(self.items)}
        unknown = [str(name) for name in items if str(name) not in where]
        if unknown:
            fix = f"{len(unknown)} of {len(items)} are not; the bank begins with {list(self.items[:3])}."
            raise ArgumentError("items", "in the bank", unknown[0], fix, call=call)
        return np.array([where[str(name)] for name in items], np.intp)

    def with_content(self, content: Sequence[Any] | Mapping[str, Any]) -> ItemBank:
        """Return the bank with a category for each item, for a balanced selection."""
        kinds = [content[item] for item in self.items] if isinstance(content, Mapping) else list(content)
        if len(kinds) != len(self):
            raise ArgumentError("content", f"of length {len(self)}", f"length {len(kinds)}", call="with_content")
        return replace(self, content=tuple(map(str, kinds)))

    def table(self, *, suspects: bool = False) -> Table:
        """Return one row per item in the order of the bank, or only the suspected ones, the worst first."""
        columns = (
            Column("item", "Item"), Column("difficulty", "Difficulty", "signed", 3),
            Column("difficulty_se", "SE", "number", 3), Column("discrimination", "Discrimination", "number", 3),
            Column("discrimination_se", "SE of it", "number", 3), Column("share", "Right", "percent"),
            Column("exposure", "Models", "count"), Column("rest_correlation", "With the rest", "signed", 3),
            Column("note", "Note"),
        )  # fmt: skip
        which: Sequence[int] = range(len(self))
        if suspects:
            order = np.argsort(np.nan_to_num(self.rest_correlation, nan=1.0), kind="stable")
            which = order[self.suspect[order]].tolist()
        rows = tuple(
            (
                self.items[k], float(self.difficulty[k]), float(self.difficulty_se[k]), float(self.discrimination[k]),
                float(self.discrimination_se[k]), float(self.share[k]), float(self.exposure[k]),
                float(self.rest_correlation[k]), self._note(k),
            )
            for k in which
        )  # fmt: skip
        return Table(columns, rows)

    def _note(self, k: int) -> str:
        why = (self.reasons or {}).get(self.items[k])
        return str(why) if why else "suspect: better models do worse" if self.suspect[k] else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        first = () if self.reason is None else (f"No parameters: {self.reason}.",)
        return (*first, *self.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, one row per item, NaN as None beside the reason."""
        reasons = self.reasons or {}
        rows = [
            {"item": item}
            | {name: json_number(float(getattr(self, name)[k])) for name in _PER_ITEM}
            | {"suspect": bool(self.suspect[k]), "content": self.content[k] if self.content else None}
            | {"reason": str(reasons[item]) if item in reasons else None}
            for k, item in enumerate(self.items)
        ]
        whole = ("model", "scaling", "n_models", "n_iterations", "converged", "task")
        numbers = ("ability_mean", "ability_sd", "ability_gap", "log_likelihood")
        return {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in whole},
            **{name: json_number(getattr(self, name)) for name in numbers},
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
            "items": rows,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ItemBank:
        """Rebuild from `to_dict`.

        Raises
        ------
        RecordsError
            If it is no item bank.
        """
        if data.get("schema") != SCHEMA:
            fix = "Give a file written by `neff benchmark fit RECORDS -o bank.json`."
            raise RecordsError(f"is no item bank (schema {data.get('schema')!r}, expected {SCHEMA!r}).", fix)
        try:
            rows = data["items"]
            columns: dict[str, Any] = {
                name: np.array([math.nan if row[name] is None else row[name] for row in rows], np.float64)
                for name in _PER_ITEM
            }
            numbers = ("ability_mean", "ability_sd", "ability_gap", "log_likelihood")
            more: dict[str, Any] = {name: math.nan if data[name] is None else float(data[name]) for name in numbers}
            kept = ("n_models", "n_iterations", "converged", "task", "model", "scaling")
            more |= {name: data[name] for name in kept}
            content = tuple(row["content"] for row in rows if row["content"] is not None)
            return cls(
                items=tuple(row["item"] for row in rows),
                suspect=np.array([row["suspect"] for row in rows], bool),
                content=content,
                reasons={row["item"]: Reason(row["reason"]) for row in rows if row["reason"] is not None},
                reason=None if data["reason"] is None else Reason(data["reason"]),
                warnings=tuple(data["warnings"]),
                **columns,
                **more,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordsError(
                f"is a damaged item bank ({error}).", "Write it again with `neff benchmark fit`."
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> ItemBank:
        """Read a bank that was written as JSON.

        Raises
        ------
        RecordsError
            If the file cannot be read, or is no item bank.
        """
        fix = "Give a file written by `neff benchmark fit RECORDS -o bank.json`."
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise RecordsError(f"cannot be read: {error.strerror or error}.", fix, path=path) from error
        except (ValueError, RecursionError) as error:
            raise RecordsError("is not JSON in UTF-8.", fix, path=path) from error
        try:
            return cls.from_dict(data if isinstance(data, dict) else {})
        except RecordsError as error:
            raise RecordsError(error.problem, error.fix, path=path) from error


def information(bank: ItemBank, theta: ArrayLike) -> Floats:
    """Return the test information of a bank at each ability: the sum over its items, shape (n_abilities,).

    Use it to see for which models a benchmark is precise: 1 / sqrt(information) is the standard error of an ability.

    Parameters
    ----------
    bank
        From `fit_irt`. Items without parameters count nothing.
    theta
        Abilities, shape (n_abilities,).

    Returns
    -------
    numpy.ndarray
        Shape (n_abilities,), in 1 / theta^2.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking. arXiv:2509.11106

    Examples
    --------
    >>> information(ItemBank.of([1.0, 2.0], [0.0, -1.0]), [0.0, 1.2]).round(4).tolist()
    [0.67, 0.2258]
    """
    return np.asarray(np.nansum(bank.information(theta), axis=1))
