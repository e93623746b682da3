"""From records to what an audit needs: the calibrator, and each policy's residuals on rows that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.calibrating.folds import balanced_folds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration, Mode
    from neff.records import Records

__all__ = ["Probe", "fit_on", "probes_of", "refuse_shared_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The labelled and scored probe rows of one policy: score, residual, cluster code and weight of shape (n,)."""

    policy: str
    score: NDArray[np.float64]
    residual: NDArray[np.float64]
    cluster: NDArray[np.int64]
    weight: NDArray[np.float64] | None
    n_unlabelled: int
    n_unscored: int


def fit_on(records: Records, *, covariates: Sequence[str], mode: Mode, scale: tuple[float, float]) -> Calibration:
    """Fit a calibration to the labelled rows of records, folds by item."""
    records = _one_metric(records)
    usable = _labelled(records) & ~np.isnan(records.score)
    if not usable.any():
        raise ArgumentError("calibration", "records with labels", f"{len(records):,} without any", call="audit")
    rows = records.take(usable)
    item = _items(rows)
    folds = balanced_folds(int(item.max()) + 1, item)
    labels = np.empty(0) if rows.label is None else rows.label
    return calibrate(
        rows.score,
        labels,
        fold=folds.of(item),
        covariates=_columns(rows, covariates),
        mode=mode,
        scale=scale,
        weights=rows.weight,
        n_folds=folds.n_folds,
        prompt=item,
    )


def probes_of(records: Records, calibration: Calibration, *, covariates: Sequence[str]) -> tuple[Probe, ...]:
    """Return each model's residuals, models in the order of their names."""
    records = _one_metric(records)
    labelled, scored = _labelled(records), ~np.isnan(records.score)
    cluster = records.clusters[0].codes.astype(np.int64) if records.clusters else _items(records)
    found = []
    for code, name in enumerate(records.model.levels):
        own = records.model.codes == code
        if not own.any():
            continue  # a model that the calibration was fitted to
        rows = own & labelled & scored
        some = records.take(rows)
        residual = np.empty(0)
        if some.label is not None and len(some):
            residual = some.label - calibration.predict(some.score, _columns(some, covariates))
        found.append(
            Probe(
                name,
                some.score,
                residual,
                cluster[rows],
                some.weight,
                n_unlabelled=int((own & ~labelled).sum()),
                n_unscored=int((own & labelled & ~scored).sum()),
            )
        )
    return tuple(found)


def refuse_shared_rows(probe: Records, source: Records) -> None:
    """Raise where a labelled probe row is a labelled row of the calibration: its residual says nothing."""
    seen = _keys(source)
    shared = [key for key in _keys(probe) if key in seen]
    if shared:
        _, item, model, draw = shared[0]
        raise ArgumentError(
            "probe",
            "rows that the calibration has not seen",
            f"{len(shared):,} labelled rows of the calibration (first: item {item}, model {model}, draw {draw})",
            "Hold out a probe; where these are other answers, give them other draw numbers.",
            call="audit",
        )


def _keys(records: Records) -> dict[tuple[str | None, ...], None]:
    rows = records.take(_labelled(records))
    names = (rows.task.names(), rows.item.names(), rows.model.names(), [str(draw) for draw in rows.draw.tolist()])
    return dict.fromkeys(zip(*names, strict=True))


def _labelled(records: Records) -> NDArray[np.bool_]:
    return np.zeros(len(records), bool) if records.label is None else ~np.isnan(records.label)


def _items(records: Records) -> NDArray[np.int64]:
    """Return one code per (task, item), from 0 without gaps."""
    key = records.task.codes.astype(np.int64) * max(records.item.n_levels, 1) + records.item.codes
    _, code = np.unique(key, return_inverse=True)
    return np.asarray(code, np.int64)


def _columns(records: Records, names: Sequence[str]) -> NDArray[np.float64] | None:
    if not names:
        return None
    columns: list[Any] = []
    for name in names:
        column = records.extra.get(name)
        if not isinstance(column, np.ndarray):
            known = sorted(key for key, value in records.extra.items() if isinstance(value, np.ndarray))
            raise ArgumentError("covariates", "columns of numbers", name, f"There are: {known}.", call="audit")
        columns.append(column)
    return np.column_stack(columns)


def _one_metric(records: Records) -> Records:
    if records.metric.n_levels > 1:
        raise RecordsError(
            f"there are several metrics ({', '.join(records.metric.levels[:5])}).",
            "Audit one judge at a time: keep the rows of one metric, or name its column with score.",
        )
    return records
