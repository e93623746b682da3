"""From a log of runs to a critical batch size: the columns decide which analysis it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.stats._options import check_choice
from neff.train.batch_size.critical import critical_batch_size
from neff.train.batch_size.curve import CheckpointedBatchSizes, critical_batch_sizes
from neff.train.batch_size.tradeoff import fit_tradeoff
from neff.train.log_tables import read_log_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.train.batch_size.result import CriticalBatchSize, Tradeoff
    from neff.train.log_tables import LogTable

__all__ = ["read_batch_runs"]

BATCH = ("batch_size", "batch", "global_batch_size", "train_batch_size", "bs", "b")
SEED = ("seed", "run", "run_id", "trial", "repeat")
LOSS = ("loss", "eval_loss", "probe_loss", "val_loss", "train_loss")
CHECKPOINT = ("checkpoint", "ckpt", "tokens_seen", "examples_seen", "checkpoint_step")
COST = {
    "examples": ("examples", "examples_to_target", "samples", "samples_to_target", "target_examples"),
    "tokens": ("tokens", "tokens_to_target", "target_tokens"),
    "epochs": ("epochs", "epochs_to_target", "target_epoch", "target_epochs"),
    "steps": ("steps", "steps_to_target", "target_step", "target_steps"),
}


def read_batch_runs(
    paths: Any,
    *,
    batch: str | None = None,
    run: str | None = None,
    loss: str | None = None,
    checkpoint: str | None = None,
    cost: str | None = None,
    cost_unit: Literal["auto", "examples", "tokens", "epochs", "steps"] = "auto",
    where: Sequence[str] = (),
    tolerance: float = 0.01,
    level: float = 0.95,
    n_resamples: int = 4000,
    left_branch: Literal["warn", "drop"] = "warn",
    rng: np.random.Generator | int | None = None,
) -> CriticalBatchSize | CheckpointedBatchSizes | Tradeoff:
    r"""Read runs with several batch sizes from logs, and return the critical batch size that they show.

    Use it on the log of branched training (batch size, seed, loss, and perhaps checkpoint), or of runs to a target
    (batch size, and examples, tokens, epochs or steps to it). Where a log has both, the loss decides, unless `cost` is
    given.

    Parameters
    ----------
    paths
        Files or folders: CSV, JSON Lines, Parquet.
    batch, run, loss, checkpoint, cost
        Names of the columns; by default the usual ones are found. `run` is the seed, the same number for runs that are
        paired.
    cost_unit
        What `cost` counts; steps are multiplied by the batch size. "auto": from the name of the column.
    where
        Conditions "COLUMN=VALUE" on the rows.
    tolerance, level, n_resamples, left_branch, rng
        As in `critical_batch_size` and `fit_tradeoff`.

    Returns
    -------
    CriticalBatchSize, CheckpointedBatchSizes or Tradeoff
        The second where there are several checkpoints, the third for runs to a target.

    Raises
    ------
    ArgumentError
        If the columns are not there, or a run is there twice.
    RecordsError
        If a file cannot be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> rows = "".join(
    ...     f"{b},{s},{2 + abs(i - 2) / 50 + s / 1000}\n" for i, b in enumerate((32, 64, 128, 256)) for s in (0, 1)
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "branches.csv")
    ...     _ = path.write_text("batch_size,seed,loss\n" + rows)
    ...     found = read_batch_runs(path, rng=0)
    >>> found.value, found.n
    (128.0, 2)
    """
    call = "read_batch_runs"
    check_choice(cost_unit, ("auto", *COST), argument="cost_unit", call=call)
    table = read_log_tables(paths).filtered(where, call=call)
    batch_name = table.find(batch, BATCH, argument="batch", call=call)
    if batch_name is None:
        raise ArgumentError("batch", "the column of the batch size", "none found", _there(table), call=call)
    cost_name, unit = _cost_column(table, cost, cost_unit, call)
    loss_name = table.find(loss, LOSS, argument="loss", call=call) if loss or not cost else None
    run_name = table.find(run, SEED, argument="run", call=call)
    options: dict[str, Any] = {"level": level, "n_resamples": n_resamples, "rng": rng}
    if loss_name is not None or cost_name is not None:
        _check_batches(table, batch_name, call)
    if loss_name is not None:
        check_name = table.find(checkpoint, CHECKPOINT, argument="checkpoint", call=call)
        options["tolerance"] = tolerance
        return _of_losses(table, batch_name, run_name, loss_name, check_name, options)
    if cost_name is None:
        must = "a column of losses, or of examples, tokens, epochs or steps to a target"
        raise ArgumentError("loss", must, "none found", _there(table), call=call)
    batches, costs = table.numbers(batch_name), table.numbers(cost_name)
    _refuse_doubles(table, batch_name, run_name, None, call)
    if (costs <= 0).any():
        raise ArgumentError("cost", "above 0 in every row, or empty", float(np.nanmin(costs)), call=call)
    if len({b for b, c in zip(batches, costs, strict=True) if not math.isnan(c)}) < 2:
        raise ArgumentError("cost", "known for two batch sizes or more", cost_name, call=call)
    if unit == "steps":
        costs, unit = costs * batches, "examples"
    return fit_tradeoff(batches, costs, unit=unit, left_branch=left_branch, **options)


def _check_batches(table: LogTable, name: str, call: str) -> None:
    """Refuse rows without a batch size, by file and line, and a log of only one batch size."""
    batches = table.numbers(name)
    for i, size in enumerate(batches):
        if not 0 < size < math.inf:
            path, line = table.where[i]
            held = "no batch size" if math.isnan(size) else f"a batch size of {size:g}"
            fix = "Give a number above 0, or leave the row out."
            raise RecordsError(f"column {name!r} holds {held}.", fix, path=path, line=line)
    if len(set(batches)) < 2:
        raise ArgumentError("batch", "a column of two batch sizes or more", f"{batches[0]:g} only", call=call)


def _there(table: LogTable) -> str:
    return f"The log has: {', '.join(table.columns)}."


def _cost_column(table: LogTable, cost: str | None, unit: str, call: str) -> tuple[str | None, str]:
    if cost is not None:
        name = table.find(cost, (), argument="cost", call=call)
        if unit == "auto":
            lower = cost.lower()
            unit = next((kind for kind, names in COST.items() if any(n.rstrip("s") in lower for n in names)), "")
            if not unit:
                fix = "Say what it counts: examples, tokens, epochs or steps."
                raise ArgumentError("cost_unit", "given where the name does not say", cost, fix, call=call)
        return name, unit
    for kind, names in COST.items():
        found = table.find(None, names, argument="cost", call=call)
        if found is not None and unit in ("auto", kind):
            return found, kind
    return None, unit


def _refuse_doubles(table: LogTable, batch: str, run: str | None, checkpoint: str | None, call: str) -> None:
    """Refuse two rows of one run: other columns then tell them apart, and are to be chosen by `where`."""
    if run is None:
        return
    names = [name for name in (checkpoint, batch, run) if name is not None]
    seen: dict[tuple[str, ...], int] = {}
    for i, key in enumerate(zip(*(table.words(name) for name in names), strict=True)):
        if key in seen:
            first = seen[key]
            differ = [
                name
                for name, cells in table.columns.items()
                if name not in names
                and str(cells[first]) != str(cells[i])
                and len(set(map(str, cells))) < len(table) / 2
            ]
            hint = "Leave one of them out."
            if differ:
                hint = f"They differ in {', '.join(differ[:4])}: choose by --where {differ[0]}=VALUE."
            said = ", ".join(f"{name} {value}" for name, value in zip(names, key, strict=True))
            raise ArgumentError("where", "such that each run is there once", f"two rows of {said}", hint, call=call)
        seen[key] = i


def _of_losses(
    table: LogTable, batch: str, run: str | None, loss: str, checkpoint: str | None, options: dict[str, Any]
) -> CriticalBatchSize | CheckpointedBatchSizes:
    _refuse_doubles(table, batch, run, checkpoint, "read_batch_runs")
    names = table.words(checkpoint) if checkpoint is not None else [""] * len(table)
    batches, losses = table.numbers(batch), table.numbers(loss)
    written = np.array([cell not in (None, "") for cell in table.columns[loss]])
    losses[written & np.isnan(losses)] = math.inf  # a loss that is written as NaN is that of a run that diverged
    seeds = table.words(run) if run is not None else None
    branches: dict[str, tuple[list[float], Any]] = {}
    for name in _in_order(names):
        rows = [i for i, n in enumerate(names) if n == name]
        sizes = sorted({float(batches[i]) for i in rows})
        _check_branches(name, sizes, [(float(batches[i]), float(losses[i])) for i in rows])
        branches[name] = (sizes, _grid(rows, batches, losses, seeds, sizes))
    if len(branches) > 1:
        return critical_batch_sizes(branches, **options)
    ((name, (sizes, grid)),) = branches.items()
    return critical_batch_size(sizes, grid, checkpoint=name, **options)


def _check_branches(checkpoint: str, sizes: list[float], rows: list[tuple[float, float]]) -> None:
    """Refuse a checkpoint with one batch size, and a batch size without a loss."""
    call, at = "read_batch_runs", f" of checkpoint {checkpoint}" if checkpoint else ""
    if len(sizes) < 2:
        fix = "Leave its rows out of the log."
        raise ArgumentError("checkpoint", "of two batch sizes or more each", f"{sizes[0]:g} only{at}", fix, call=call)
    known = {size for size, loss in rows if not math.isnan(loss)}
    for size in sizes:
        if size not in known:
            fix = "An empty cell is a run that is missing; write NaN for one that diverged."
            raise ArgumentError("loss", "known for every batch size", f"none for batch {size:g}{at}", fix, call=call)


def _in_order(names: list[str]) -> list[str]:
    """Return the checkpoints in the order of training: by number where all are numbers, else as they come."""
    distinct = list(dict.fromkeys(names))
    try:
        return sorted(distinct, key=float)
    except ValueError:
        return distinct


def _grid(rows: list[int], batches: Any, losses: Any, seeds: list[str] | None, sizes: list[float]) -> Any:
    """Return losses as seeds x batch sizes where seeds are named, else as one list per batch size."""
    if seeds is None:
        return _ragged([[float(losses[i]) for i in rows if batches[i] == size] for size in sizes])
    order = list(dict.fromkeys(seeds[i] for i in rows))
    grid = np.full((len(order), len(sizes)), math.nan)
    for i in rows:
        grid[order.index(seeds[i]), sizes.index(float(batches[i]))] = losses[i]
    return grid


def _ragged(columns: list[list[float]]) -> Any:
    """Return columns of losses that are not paired: padded with NaN, which says so."""
    longest = max(map(len, columns)) + 1
    return np.array([column + [math.nan] * (longest - len(column)) for column in columns]).T
