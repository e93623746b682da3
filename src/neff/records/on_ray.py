"""The same sums on a Ray cluster: the caller's, never one of our own.

Work is spread with Ray Data: files, ranges of rows of Parquet files, or batches of a dataset. Each worker returns
per-item sums; they are exact, so that adding them up in whatever order they come gives the same bits.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from neff.errors import ArgumentError, MissingExtraError, NeffError, RecordsError
from neff.records.columns import ColumnMap
from neff.records.detect import detect
from neff.records.files import File, find_files
from neff.records.merging import fold
from neff.records.parts import DroppedError
from neff.records.reader import Chunk, reading
from neff.records.streaming import (
    NeedsRowsError,
    Request,
    checked,
    chunk_sums,
    part_sums,
    sourced,
    summed_layout,
)
from neff.records.sums import sum_files
from neff.records.table import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from neff.records.combine import ByFile
    from neff.records.summary import ItemSums

    Outcome: TypeAlias = tuple[str, Any]

__all__ = ["sums_on_ray"]

_ROWS = 1 << 22
"""Rows of a Parquet file that one task reads."""
_DATASET = "Ray dataset"


def sums_on_ray(
    data: Any,
    *,
    by_file: ByFile = "refuse",
    strict: bool = False,
    labels: bool = True,
    keep: Any = None,  # noqa: ARG001  (an option of `read`; sums keep nothing else)
    **columns: Any,
) -> ItemSums:
    """Return the per-item sums of files that all workers can read, or of a Ray dataset.

    Parameters
    ----------
    data
        A `ray.data.Dataset`, or paths as in `read`.
    by_file, strict, labels, **columns
        As in `summarise`.

    Raises
    ------
    ArgumentError
        If there is no cluster to run in.
    RecordsError
        If the records cannot be read.
    """
    ray = _connected()
    request = Request(ColumnMap(**columns), labels=labels, distinct=by_file != "draws")
    if hasattr(data, "map_batches"):
        return _until_settled(lambda asked: _dataset_sums(data, asked), request, _DATASET)
    names = [data] if isinstance(data, (str, os.PathLike)) else data
    if "-" in [os.fspath(name) for name in names]:
        raise ArgumentError("records", "files that the workers can read", "-", "Save it to a file.", call="evaluate")
    with tempfile.TemporaryDirectory(prefix="neff-") as spool:
        files = find_files(data, Path(spool))
    found = _file_sums(ray, [replace(file, path=file.path.absolute()) for file in files], request)
    return sum_files(files, lambda file: found[file.shown](), by_file=by_file, strict=strict)


def _connected() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError('engine="ray"', "ray") from error
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        if not address:
            fix = "Connect first, ray.init(address=...), or set RAY_ADDRESS; neff never starts a cluster of its own."
            raise ArgumentError("engine", "one that runs: there is no connection to a cluster", "ray", fix)
        ray.init(address=address, log_to_driver=False)
    return ray


def _until_settled(sums_of: Callable[[Request], ItemSums], request: Request, shown: str) -> ItemSums:
    """Sum, again without a role where a guessed column turns out not to play it."""
    while True:
        try:
            return checked(sums_of(request), shown, request)
        except DroppedError as error:
            request = request.without(error)


def _file_sums(ray: Any, files: Sequence[File], request: Request) -> dict[str, Callable[[], ItemSums]]:
    """Return by file what gives its sums, or raises; all files are first read at the same time."""
    first = _run(ray, files, request)

    def of(file: File) -> Callable[[], ItemSums]:
        def sums(asked: Request) -> ItemSums:
            outcomes = first.pop(file.shown) if file.shown in first else _run(ray, [file], asked)[file.shown]
            return sourced(fold(_unpacked(outcomes, file)), asked, file.shown)

        return lambda: _until_settled(sums, request, file.shown)

    return {file.shown: of(file) for file in files}


def _run(ray: Any, files: Sequence[File], request: Request) -> dict[str, list[bytes]]:
    """Sum all parts of files on the cluster; return the outcomes of each file in the order of its parts."""
    units = [(file, request, rows) for file in files for rows in _ranges(file)]
    items = [{"place": place, "unit": pickle.dumps(unit)} for place, unit in enumerate(units)]
    spread = ray.data.from_items(items, override_num_blocks=len(items))
    outcomes = {row["place"]: row["outcome"] for row in spread.map(_work).iter_rows()}
    found: dict[str, list[bytes]] = {file.shown: [] for file in files}
    for place, (file, _, _) in enumerate(units):
        found[file.shown].append(outcomes[place])
    return found


def _ranges(file: File) -> Iterable[range | None]:
    try:
        with reading(file.path, file.shown):
            count = detect(file.path).count
            n = 0 if count is None else count(file.path)
    except NeffError:
        n = 0  # the worker says what is wrong
    return [range(first, min(first + _ROWS, n)) for first in range(0, n, _ROWS)] or [None]


def _work(row: dict[str, Any]) -> dict[str, Any]:
    """Sum one part of a file, on a worker."""
    file, request, rows = pickle.loads(row["unit"])  # noqa: S301  (our own bytes)
    return {"place": row["place"], "outcome": _outcome(lambda: part_sums(file, request, rows))}


def _outcome(sums_of: Callable[[], ItemSums]) -> bytes:
    """Return sums or what went wrong as bytes: errors lose their fields when Ray carries them."""
    outcome: Outcome
    try:
        outcome = ("sums", sums_of())
    except DroppedError as error:
        outcome = ("dropped", (error.role, error.note))
    except RecordsError as error:
        kind = "rows" if isinstance(error, NeedsRowsError) else "records"
        path = None if error.path is None else str(error.path)
        outcome = (kind, (error.problem, error.fix, path, error.line))
    except NeffError as error:
        outcome = ("other", str(error))
    return pickle.dumps(outcome)


def _unpacked(outcomes: Iterable[bytes], file: File | None) -> Iterator[ItemSums]:
    for packed in outcomes:
        kind, found = pickle.loads(packed)  # noqa: S301  (our own bytes)
        if kind == "sums":
            yield found
        elif kind == "dropped":
            raise DroppedError(*found)
        elif kind == "other":
            raise NeffError(found)
        else:
            problem, fix, path, line = found
            error = NeedsRowsError if kind == "rows" else RecordsError
            shown = file.shown if file is not None and path == str(file.path) else path
            raise error(problem, fix, path=shown, line=line)


def _dataset_sums(dataset: Any, request: Request) -> ItemSums:
    names = tuple(dataset.schema().names)
    layout = request.columns.resolve(names, path=_DATASET, keep="mapped")
    if layout.loose or layout.target is not None:
        raise RecordsError(
            "sums of a dataset need one score column, or model columns that are named one by one.",
            "Name them: model=[...]; compute scores from targets first.",
        )
    layout = summed_layout(layout, request, _DATASET)
    wanted = list(layout.uses())

    def work(batch: dict[str, Any]) -> dict[str, Any]:
        from neff.records.frames import from_object

        chunk = Chunk({name: from_object(name, batch[name], use) for name, use in layout.uses().items()}, _row)
        source = Source(_DATASET, "ray", 0)
        return {"outcome": [_outcome(lambda: chunk_sums(chunk, layout, request, source, "model"))]}

    spread = dataset.select_columns(wanted).map_batches(work, batch_format="numpy", batch_size=_ROWS)
    return sourced(fold(_unpacked((row["outcome"] for row in spread.iter_rows()), None)), request, _DATASET)


def _row(row: int) -> int:
    return row + 1
