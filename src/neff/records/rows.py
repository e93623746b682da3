"""The columns of one file, turned into what `Records.build` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import RecordsError
from neff.records.factor import Factor
from neff.records.values import BadCellError, Column, bad_cell, coded, numbers, numbers_or_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from neff.records.layout import Layout

__all__ = ["Rows"]

_EMPTY_WORDS = frozenset({"none", "null", "nan", "na", "n/a"})


class Rows:
    """The columns of one file with what is needed to speak about them."""

    def __init__(
        self,
        layout: Layout,
        columns: Mapping[str, Column],
        path: str,
        line_of: Callable[[int], int],
        notes: list[str],
    ) -> None:
        self.layout = layout
        self.columns = columns
        self.path = path
        self.line_of = line_of
        self.notes = notes
        self.demoted: list[str] = []
        lengths = {name: len(column) for name, column in columns.items()}
        self.n = lengths[layout.item]
        for name, n in lengths.items():
            if n != self.n:
                raise RecordsError(
                    f"column {name!r} has {n} rows, column {layout.item!r} has {self.n}.",
                    "Give columns of one length.",
                    path=path,
                )
            self._refuse_unprintable(name)

    def _refuse_unprintable(self, name: str) -> None:
        column = self.columns[name]
        if not isinstance(column, Factor):
            return
        text = "".join(column.levels)
        what = "a NUL byte" if "\0" in text else ""
        try:
            text.encode()
        except UnicodeEncodeError:
            what = "half a character (a lone surrogate)"
        if what:
            raise RecordsError(
                f"column {name!r} holds {what}, which no report can show.",
                "Clean that text, and write the file again as UTF-8.",
                path=self.path,
            )

    def repeated(self, column: Any, m: int) -> Any:
        """Return the column m times over, once for each model of a wide table."""
        if m == 1:
            return column
        return Factor(np.tile(column.codes, m), column.levels) if isinstance(column, Factor) else np.tile(column, m)

    def key(self, name: str) -> Factor:
        """Return a column of names."""
        column = self.columns[name]
        if isinstance(column, Factor):
            return column
        levels, codes = np.unique(column, return_inverse=True)
        return coded(codes.astype(np.int32), levels.tolist())

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers."""
        try:
            return numbers(self.columns[name])
        except BadCellError as cell:
            line, role = self.line_of(cell.row), self.layout.roles().get(name, "")
            raise bad_cell(cell, name, path=self.path, line=line, role=role) from cell

    def optional_numbers(self, role: str) -> NDArray[np.float64] | None:
        """Return labels or weights; a text column that was only found by its name is not meant."""
        name = getattr(self.layout, role)
        if name is None:
            return None
        if role in self.layout.guessed and isinstance(numbers_or_names(self.columns[name]), Factor):
            self.notes.append(f"column {name!r} was not used as the {role}: it holds text")
            self.demoted.append(name)
            return None
        return self.numbers(name)

    def draws(self, name: str) -> NDArray[np.int64]:
        """Return the repeat index: whole numbers as they are, names numbered in their order."""
        draw = self.key(name)
        if (draw.codes < 0).any():
            raise RecordsError(
                f"draw column {name!r} is empty in some rows.",
                "Number every draw, or leave the column out.",
                line=int(np.flatnonzero(draw.codes < 0)[0]) + 1,
            )
        try:
            values = np.array([int(level) for level in draw.levels], np.int64)
        except (ValueError, OverflowError):
            return draw.codes.astype(np.int64)
        return values[draw.codes] if len(set(values.tolist())) == len(values) else draw.codes.astype(np.int64)

    def extra(self) -> dict[str, Column]:
        """Return the other columns that are kept."""
        names = [*self.layout.extra, *self.demoted]
        return {name: numbers_or_names(self.columns[name]) for name in names if name in self.columns}

    def scores(self) -> dict[str, NDArray[np.float64]]:
        """Return the scores by score column (wide: one for each model)."""
        if self.layout.target is not None:
            return self._matches(self.key(self.layout.target))
        skipped = [name for name in self.layout.loose if isinstance(numbers_or_names(self.columns[name]), Factor)]
        chosen = [name for name in self.layout.answers() if name not in skipped]
        self._say_skipped([name for name in self.layout.answers() if name in skipped], "it holds text, not scores")
        if not chosen:
            raise RecordsError(
                "no model column holds scores.",
                "If they hold answers, name the column of right answers: --target COLUMN.",
                path=self.path,
            )
        return {name: self.numbers(name) for name in chosen}

    def _matches(self, target: Factor) -> dict[str, NDArray[np.float64]]:
        """Return 1 where the prediction equals the target, 0 where not, NaN where one of them is empty."""
        place = {level: code for code, level in enumerate(target.levels)}
        scores: dict[str, NDArray[np.float64]] = {}
        strangers, words = [], 0
        for name in self.layout.answers():
            answer = self.key(name)
            renumber = np.array([place.get(level, -2) for level in answer.levels] + [-1], np.int64)
            if not (renumber >= 0).any():
                strangers.append(name)
            score = (renumber[answer.codes] == target.codes).astype(np.float64)
            score[(answer.codes < 0) | (target.codes < 0)] = np.nan
            scores[name] = score
            unread = [
                c for c, level in enumerate(answer.levels) if level.lower() in _EMPTY_WORDS and level not in place
            ]
            words += int(np.isin(answer.codes, unread).sum())
        if len(strangers) == len(scores):
            raise RecordsError(
                f"no prediction ever equals column {self.layout.target!r}: they have no value in common.",
                f"Check --target; predictions come from {', '.join(map(repr, strangers[:3]))}.",
                path=self.path,
            )
        self._say_strangers(scores, strangers)
        if words:
            self.notes.append(
                f"{words:,} predictions read 'None', 'NA' or the like: wrong; leave them empty if unscored"
            )
        empty = int((target.codes < 0).sum())
        if empty:
            self.notes.append(f"{empty:,} rows have no right answer in column {self.layout.target!r}: unscored")
        return scores

    def _say_strangers(self, scores: dict[str, NDArray[np.float64]], strangers: list[str]) -> None:
        why = f"it shares no value with column {self.layout.target!r}"
        skipped = [name for name in strangers if name in self.layout.loose]
        for name in skipped:
            del scores[name]
        self._say_skipped(skipped, why)
        self.notes += [f"model {name!r} has no right answer: {why}" for name in strangers if name not in skipped]

    def _say_skipped(self, names: list[str], why: str) -> None:
        self.notes += [f"column {name!r} was not taken as a model: {why}" for name in names]
