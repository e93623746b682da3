"""Where the example's files are, and what is in them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError, RecordsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.records.table import Records

__all__ = ["load", "oracle", "path", "truth"]

_FOLDER = Path(__file__).resolve().parent / "data"
_RECORDS = ("fresh", "logged", "truth")
_FILES = (*_RECORDS, "truth_values")


def path(name: str = "fresh") -> Path:
    """Return the path of a file of the example.

    Parameters
    ----------
    name
        "fresh", "logged", "truth" or "truth_values", with or without ".csv".

    Returns
    -------
    Path
        The file, inside the installed package.

    Raises
    ------
    ArgumentError
        If there is no such file.

    Examples
    --------
    >>> path("fresh").name
    'fresh.csv'
    """
    stem = name.removesuffix(".csv")
    if stem not in _FILES:
        raise ArgumentError("name", f"one of {', '.join(_FILES)}", name, call="neff.example.path")
    return _FOLDER / f"{stem}.csv"


def load(name: str = "fresh") -> Records:
    """Read a file of the example as records.

    Parameters
    ----------
    name
        "fresh": two answers of each policy to each image; judge's score on all, label on a quarter.
        "logged": two answers of one policy, with log-probabilities under all policies in `extra`.
        "truth": the label of every row of both (as score), with `p_correct` in `extra`.

    Returns
    -------
    Records
        One row per answer.

    Raises
    ------
    ArgumentError
        If there is no such file of records.

    Examples
    --------
    >>> records = load()
    >>> len(records), records.model.levels
    (6000, ('bayes', 'forest', 'logistic', 'lowres', 'neighbours', 'network'))
    """
    from neff.records import read

    stem = name.removesuffix(".csv")
    if stem not in _RECORDS:
        raise ArgumentError("name", f"one of {', '.join(_RECORDS)}", name, call="neff.example.load")
    if stem == "truth":
        return read(path(stem), item="item", model="model", draw="draw", score="label", keep=("p_correct",))
    kept = ("answer",) if stem == "fresh" else ("answer", *(f"log_prob_{model}" for model in truth()))
    return read(path(stem), item="item", model="model", draw="draw", score="score", label="label", keep=kept)


def truth() -> dict[str, float]:
    """Return the exact expected accuracy of each policy over the 500 images.

    Returns
    -------
    dict
        Accuracy by model name: the mean over images of p(right answer | image).

    Examples
    --------
    >>> round(truth()["lowres"], 4)
    0.7522
    """
    with path("truth_values").open(encoding="utf-8", newline="") as file:
        return {row["model"]: float(row["accuracy"]) for row in csv.DictReader(file)}


def oracle(records: Records) -> NDArray[np.float64]:
    """Return the true label of every row of `load("fresh")` or `load("logged")`, also where it is hidden.

    Parameters
    ----------
    records
        Rows of the example, in any order and number.

    Returns
    -------
    ndarray of shape (n,)
        1.0 where the answer is right, 0.0 where not.

    Raises
    ------
    RecordsError
        If a row does not belong to the example.

    Examples
    --------
    >>> float(oracle(load("logged")).mean())
    0.899
    """
    with path("truth").open(encoding="utf-8", newline="") as file:
        known = {(row["item"], row["model"], int(row["draw"])): row["label"] for row in csv.DictReader(file)}
    keys = zip(records.item.names(), records.model.names(), records.draw.tolist(), strict=True)
    try:
        return np.array([known[key] for key in keys], np.float64)
    except KeyError as error:
        fix = "Give rows of neff.example.load()."
        raise RecordsError(f"the example has no row {error.args[0]}.", fix) from None
