"""Letters in one order: how far a model's choices lean to a place, measured on many questions with known answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.survey.divergence import kl_divergence
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats import spearman, wilson
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["LetterBias", "LetterBiases", "letter_bias"]


@dataclass(frozen=True, slots=True, eq=False)
class LetterBias:
    """One model's letters against the letters of the right answers.

    Attributes
    ----------
    a_bias, interval
        Share of the first letter minus 1 / n, and its interval (Wilson).
    shares, expected
        Share of each letter among the model's answers, and among the right answers of the same questions.
    largest
        The letter furthest above the right answers' share, and by how much.
    divergence
        KL(shares || expected), bits; infinite where a letter was given that is right on none of the questions.
    accuracy
        Share right.
    n, n_unanswered
        Questions answered, and without an answer.
    """

    model: str
    a_bias: float
    interval: tuple[float, float]
    shares: NDArray[np.float64]
    expected: NDArray[np.float64]
    largest: tuple[str, float]
    divergence: float
    accuracy: float
    n: int
    n_unanswered: int
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class LetterBiases:
    """Letter biases of several models on the same questions.

    Attributes
    ----------
    models
        One per model.
    letters
        The options' letters.
    accuracy_and_bias, accuracy_and_divergence
        Spearman correlations over models of accuracy with |A-bias|, and with the divergence; NaN below 4 models.
    """

    models: tuple[LetterBias, ...]
    letters: tuple[str, ...]
    accuracy_and_bias: float
    accuracy_and_divergence: float
    level: float
    n_questions: int

    def table(self) -> Table:
        """Return one row per model, the most biased first."""
        columns = (
            Column("model", "Model"), Column("a_bias", "A-bias", "signed"), Column("interval", "Interval", "interval"),
            Column("largest", "Most above"), Column("excess", "By", "signed"),
            Column("divergence", "KL to right letters", "number"), Column("accuracy", "Accuracy", "number"),
            Column("n", "Answered", "count"), Column("n_unanswered", "Not answered", "count"),
        )  # fmt: skip
        order = sorted(self.models, key=lambda m: -abs(m.a_bias) if not math.isnan(m.a_bias) else 1.0)
        rows = (
            (m.model, m.a_bias, m.interval, *m.largest, m.divergence, m.accuracy, m.n, m.n_unanswered) for m in order
        )
        return Table(columns, tuple(rows))

    def __str__(self) -> str:
        return str(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.letter-bias/1",
            "letters": list(self.letters),
            "models": [
                {
                    "model": m.model,
                    "a_bias": json_number(m.a_bias),
                    "interval": [json_number(x) for x in m.interval],
                    "shares": [json_number(float(x)) for x in m.shares],
                    "expected": [json_number(float(x)) for x in m.expected],
                    "divergence": json_number(m.divergence),
                    "accuracy": json_number(m.accuracy),
                    "n": m.n,
                    "n_unanswered": m.n_unanswered,
                    "reason": None if m.reason is None else str(m.reason),
                }
                for m in self.models
            ],
            "accuracy_and_bias": json_number(self.accuracy_and_bias),
            "accuracy_and_divergence": json_number(self.accuracy_and_divergence),
            "level": self.level,
            "n_questions": self.n_questions,
        }


def letter_bias(
    predicted: Mapping[str, Sequence[Any]], gold: Sequence[Any], *, n_options: int, level: float = 0.95
) -> LetterBiases:
    """Measure how far models' letters lean to a place, on questions of which the right letters are known.

    Use it on recorded letters of a benchmark asked in one order. It cannot tell a lean from knowledge question by
    question: for that ask in several orders, `adjusted_answers`. Give only questions with `n_options` options.

    Parameters
    ----------
    predicted
        By model the letter given to each question, None or "" where there was none, shape (n_questions,).
    gold
        The right letters, shape (n_questions,).
    n_options
        Options of every question; letters beyond are refused.
    level
        Coverage of the intervals.

    Returns
    -------
    LetterBiases
        Of each model, and over models.

    Raises
    ------
    ArgumentError
        If lengths differ, or a letter is none of the first `n_options`.

    Notes
    -----
    Where the right letters are about uniform, an excess of a letter is a preference for its place. Questions without an
    answer are left out and counted, not taken as wrong letters.

    References
    ----------
    Dominguez-Olmedo, Hardt and Mendler-Duenner, Questioning the Survey Responses of Large Language Models.
    arXiv:2306.07951

    Examples
    --------
    >>> gold = list("ABCD" * 5)
    >>> found = letter_bias({"leaning": list("AACD" * 5), "fair": gold}, gold, n_options=4)
    >>> [(m.model, round(m.a_bias, 2), round(m.accuracy, 2)) for m in found.models]
    [('leaning', 0.25, 0.75), ('fair', 0.0, 1.0)]
    """
    n_options = check_count(n_options, argument="n_options", call="letter_bias", minimum=2)
    if n_options > 26:
        raise ArgumentError("n_options", "at most 26", n_options, "There are no more letters.", call="letter_bias")
    level = check_level(level, call="letter_bias")
    letters = tuple(chr(ord("A") + i) for i in range(n_options))
    right = _codes(gold, letters, "gold")
    if (right < 0).any():
        row = int(np.flatnonzero(right < 0)[0])
        raise ArgumentError("gold", "a letter for every question", f"none in row {row + 1}", call="letter_bias")
    models = []
    for name, told in predicted.items():
        codes = _codes(told, letters, f"letters of {name}")
        if len(codes) != len(right):
            raise ArgumentError(
                "predicted", f"{len(right)} letters per model", f"{len(codes)} of {name}", call="letter_bias"
            )
        models.append(_one(name, codes, right, letters, level))
    known = [m for m in models if m.reason is None]
    over = {"bias": math.nan, "divergence": math.nan}
    if len(known) >= 4:
        accuracy = [m.accuracy for m in known]
        over["bias"] = float(spearman(accuracy, [abs(m.a_bias) for m in known]))
        over["divergence"] = float(spearman(accuracy, [m.divergence for m in known]))
    return LetterBiases(tuple(models), letters, over["bias"], over["divergence"], level, len(right))


def _codes(values: Sequence[Any], letters: tuple[str, ...], name: str) -> NDArray[np.int64]:
    place: dict[Any, int] = {letter: i for i, letter in enumerate(letters)} | {None: -1, "": -1}
    codes = np.empty(len(values), np.int64)
    for i, value in enumerate(values):
        key = None if isinstance(value, float) and math.isnan(value) else value
        code = place.get(key.strip().upper() if isinstance(key, str) else key)
        if code is None:
            must = f"letters {letters[0]} to {letters[-1]}"
            raise ArgumentError(name, must, value, "Keep the questions with so many options.", call="letter_bias")
        codes[i] = code
    return codes


def _one(
    name: str, codes: NDArray[np.int64], right: NDArray[np.int64], letters: tuple[str, ...], level: float
) -> LetterBias:
    known = codes >= 0
    n, size = int(known.sum()), len(letters)
    if not n:
        nan = np.full(size, np.nan)
        return LetterBias(
            name,
            math.nan,
            (math.nan, math.nan),
            nan,
            nan,
            ("", math.nan),
            math.nan,
            math.nan,
            0,
            len(codes),
            Reason.EMPTY,
        )
    counts = np.bincount(codes[known], minlength=size)
    shares, expected = counts / n, np.bincount(right[known], minlength=size) / n
    low, high, _ = wilson(int(counts[0]), n, level=level)
    most = int(np.argmax(shares - expected))
    return LetterBias(
        model=name, a_bias=float(shares[0]) - 1 / size, interval=(low - 1 / size, high - 1 / size), shares=shares,
        expected=expected, largest=(letters[most], float(shares[most] - expected[most])),
        divergence=kl_divergence(shares, expected), accuracy=float((codes[known] == right[known]).mean()), n=n,
        n_unanswered=len(codes) - n,
    )  # fmt: skip
