"""`read_abstention`: logits or probabilities, labels, splits and embeddings from one file, for `abstention_table`."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import RecordsError
from neff.records.duck import engine, scan
from neff.records.reader import head_of, open_bytes, reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neff.stats._validate import FloatArray

__all__ = ["AbstentionData", "read_abstention"]

LABELS = ("label", "y", "target", "gold", "class")
SPLITS = ("split", "set", "part")
LOGITS = ("logit_*", "logits_*", "logits", "logit")
PROBABILITIES = ("prob_*", "p_*", "proba_*", "probability_*", "probabilities_*", "probabilities", "probs")
EMBEDDINGS = ("embedding_*", "embeddings_*", "emb_*", "feature_*", "features_*", "embedding", "embeddings", "features")
WEIGHTS = ("log_weight", "log_weights")
DELIMITERS = ",\t;|"


@dataclass(frozen=True, slots=True, eq=False)
class AbstentionData:
    """What `abstention_table` takes, from a file.

    Attributes
    ----------
    logits
        Logits or probabilities, shape (n, C).
    labels, split
        Values of the columns, n of them.
    probabilities
        Whether `logits` are probabilities.
    classes
        Names of the columns; None where they have none.
    features, log_weights
        Shapes (n, D), (n,); None where there are none.
    """

    logits: FloatArray
    labels: list[Any]
    split: list[Any]
    probabilities: bool
    classes: tuple[str, ...] | None = None
    features: FloatArray | None = None
    log_weights: FloatArray | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `abstention_table`; the data come first: `logits, labels, split`."""
        return {
            "features": self.features,
            "classes": self.classes,
            "probabilities": self.probabilities,
            "log_weights": self.log_weights,
        }


def read_abstention(
    path: str | Path,
    *,
    label: str | None = None,
    split: str | None = None,
    logits: str | None = None,
    probabilities: str | None = None,
    embedding: str | None = None,
    embeddings: str | Path | None = None,
    log_weight: str | None = None,
) -> AbstentionData:
    r"""Read one table of a classifier's outputs: CSV (also gzip), Parquet, or npz.

    Parameters
    ----------
    path
        The file, one row per item. In an npz file the arrays `label`, `split`, `logits` or `probabilities`,
        `embeddings` and `log_weights`, by these or the names below.
    label, split
        Columns; by default found by name. An empty label means that no class is right.
    logits, probabilities
        Pattern of the columns with one number per class, such as "logit_*": what the star stands for is the name of
        the class. Or a Parquet column of lists.
    embedding
        Pattern of the columns of the embedding, in their order, or a Parquet column of lists.
    embeddings
        A .npy file with the embeddings instead, shape (n, D), in the order of the rows.
    log_weight
        Column of log likelihood ratios.

    Returns
    -------
    AbstentionData
        For `abstention_table`.

    Raises
    ------
    RecordsError
        If the file cannot be read, a column is missing, or a cell is no number.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "outputs.csv")
    ...     _ = path.write_text("label,split,p_cat,p_dog\ncat,calibration,0.9,0.1\n,moved,0.5,0.5\n")
    ...     data = read_abstention(path)
    >>> data.classes, data.labels, data.split, data.logits.tolist()
    (('cat', 'dog'), ['cat', ''], ['calibration', 'moved'], [[0.9, 0.1], [0.5, 0.5]])
    """
    file = Path(path)
    with reading(file):
        columns = _columns(file)
        own, parts = _one(columns, label, LABELS, "label", file), _one(columns, split, SPLITS, "split", file)
        found, names = (None, []) if probabilities else _matrix(columns, logits, LOGITS, file, "logit")
        as_probabilities = found is None
        if found is None:
            found, names = _matrix(columns, probabilities, PROBABILITIES, file, "probability")
        if found is None:
            there = ", ".join(list(columns)[:20])
            raise RecordsError(
                f"no columns of logits or probabilities among {there}.", "Name them: logit_*.", path=file
            )
        features, _ = _matrix(columns, embedding, EMBEDDINGS, file, "embedding")
        weight = _one(columns, log_weight, WEIGHTS, "log_weight", file, needed=False)
        weights = None if weight is None else _numbers(columns[weight], weight, file)
    if embeddings is not None:
        features = _npy(Path(embeddings), len(found))
    told = columns.get("classes") if len(columns.get("classes", ())) == found.shape[1] else None
    classes = tuple(names) if names else None if told is None else tuple(map(str, _cells(told)))
    return AbstentionData(
        logits=found, labels=_cells(columns[own or ""]), split=_cells(columns[parts or ""]),
        probabilities=as_probabilities, classes=classes, features=features, log_weights=weights,
    )  # fmt: skip


def _columns(file: Path) -> Mapping[str, Any]:
    head = head_of(file)
    if head.startswith(b"PK"):
        return _npz(file)
    if head.startswith(b"PAR1"):
        with engine(file) as connection:
            return dict(connection.execute(f"SELECT * FROM {scan(file)}").fetchnumpy())  # noqa: S608  (quoted)
    return _delimited(file)


def _npz(file: Path) -> dict[str, Any]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        problem = f"is no archive of plain arrays ({error})."
        raise RecordsError(problem, "Write it with numpy.savez, labels as text or numbers.", path=file) from error


def _npy(file: Path, rows: int) -> FloatArray:
    with reading(file):
        try:
            array = np.load(file, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise RecordsError(f"is no plain array ({error}).", "Write it with numpy.save.", path=file) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or len(array) != rows or array.dtype.kind not in "fiu":
        got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        fix = "Give one row per row of the table, in the same order."
        raise RecordsError(f"the embeddings are {got}, the table has {rows} rows.", fix, path=file)
    return np.asarray(array, np.float64)


def _delimited(file: Path) -> dict[str, list[str]]:
    with open_bytes(file) as stream:
        text = stream.read().decode("utf-8-sig")
    if "\0" in text:
        raise RecordsError("is no text.", "Give CSV, Parquet or npz.", path=file)
    first = next((line for line in text.splitlines() if line.strip()), "")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count), skipinitialspace=True)
    header: list[str] = []
    cells: list[list[str]] = []
    for row in rows:
        if not row:
            continue
        if not header:
            header = [name.strip() for name in row]
            if len(set(header)) < len(header):
                raise RecordsError("two columns have the same name.", "Name each one.", path=file, line=1)
        elif len(row) != len(header):
            problem = f"the row has {len(row)} fields, the header {len(header)}."
            raise RecordsError(problem, "End every row with the same number of fields.", path=file, line=rows.line_num)
        else:
            cells.append(row)
    if not cells:
        raise RecordsError("there are no rows.", "Give a header and one row per item.", path=file)
    return {name: [row[i] for row in cells] for i, name in enumerate(header)}


def _one(
    columns: Mapping[str, Any], wanted: str | None, usual: Sequence[str], what: str, file: Path, *, needed: bool = True
) -> str | None:
    if wanted is None:
        found = next((name for name in usual if name in columns), None)
        if found is None and needed:
            there = ", ".join(list(columns)[:20])
            raise RecordsError(f"no column of the {what} among {there}.", f"Name it: --{what} COLUMN.", path=file)
        return found
    if wanted not in columns:
        close = get_close_matches(wanted, list(columns), n=1)
        fix = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(list(columns)[:20])}."
        raise RecordsError(f"there is no column {wanted!r}.", fix, path=file)
    return wanted


def _matrix(
    columns: Mapping[str, Any], pattern: str | None, usual: Sequence[str], file: Path, what: str
) -> tuple[FloatArray | None, list[str]]:
    """Return the columns of a pattern side by side, and what its star stands for."""
    for one in [pattern] if pattern else usual:
        names = [name for name in columns if fnmatchcase(name, one)]
        if len(names) == 1 and _is_wide(columns[names[0]]):
            return _stacked(columns[names[0]], names[0], file), []
        if names and ("*" in one or pattern):
            head, _, tail = one.partition("*")
            array = np.stack([_numbers(columns[name], name, file) for name in names], axis=1)
            return array, [name[len(head) : len(name) - len(tail)] for name in names]
    if pattern:
        there = ", ".join(list(columns)[:20])
        raise RecordsError(f"no column is like {pattern!r} among {there}.", f"Name the {what} columns.", path=file)
    return None, []


def _is_wide(column: Any) -> bool:
    if isinstance(column, np.ndarray) and column.ndim == 2:
        return True
    return isinstance(column, np.ndarray) and column.dtype.kind == "O" and isinstance(column[0], (list, np.ndarray))


def _stacked(column: Any, name: str, file: Path) -> FloatArray:
    try:
        return np.asarray(np.stack([np.asarray(cell, np.float64) for cell in column]), np.float64)
    except (TypeError, ValueError) as error:
        fix = "Give every row a list of as many numbers."
        raise RecordsError(
            f"column {name!r} holds lists of different lengths, or no numbers.", fix, path=file
        ) from error


def _numbers(column: Any, name: str, file: Path) -> FloatArray:
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        values = np.ma.filled(np.ma.asarray(column, np.float64), np.nan)
        return np.asarray(values, np.float64)
    found = np.empty(len(column))
    for i, cell in enumerate(column):
        try:
            found[i] = np.nan if cell is None or cell == "" else float(cell)
        except (TypeError, ValueError):
            fix = "Give a column of numbers."
            raise RecordsError(f"column {name!r} holds {cell!r} in row {i + 1}.", fix, path=file) from None
    return found


def _cells(column: Any) -> list[Any]:
    return [
        None if cell is np.ma.masked else cell for cell in (column.tolist() if hasattr(column, "tolist") else column)
    ]
