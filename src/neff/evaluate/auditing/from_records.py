"""`audit`: may this calibrated judge be used for that policy, that month, that domain?

What it estimates: for each policy of a held-out labelled probe, the mean of label minus calibrated score, against a
margin that was declared before looking.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.auditing.probe import fit_on, probes_of, refuse_shared_rows
from neff.evaluate.auditing.result import Audit, Decile
from neff.evaluate.auditing.transport import checked_margin, transport
from neff.evaluate.calibrating.calibration import Calibration
from neff.records import Records, as_records
from neff.stats._validate import check_level
from neff.stats.cluster import mean_se

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.evaluate.auditing.probe import Probe
    from neff.evaluate.calibrating.calibration import Mode

__all__ = ["Audit", "audit"]

UNCHECKED = "It was not checked whether probe rows were used to fit the calibration; name the rows with fitted_on."


def audit(
    probe: Any,
    *,
    calibration: Any = None,
    calibrate_on: str | Sequence[str] | None = None,
    fitted_on: Any = None,
    covariates: Sequence[str] = (),
    mode: Mode = "auto",
    scale: tuple[float, float] = (0.0, 1.0),
    margin: float | None = None,
    n_policies_in_family: int | None = None,
    level: float = 0.95,
    **columns: Any,
) -> Audit:
    """Check on held-out labels whether a calibrated judge holds for other policies, times or domains.

    Use it before a policy without labels of its own is compared by calibrated scores, and again when the judge, the
    prompts or the policies change. Declare the margin first: without one nothing is graded, since "no significant
    residual" is what every small probe finds. Not for a policy that has many labels of its own: use those.

    Parameters
    ----------
    probe
        Records with scores and labels, as for `evaluate`: a path, a dataframe, a dict of arrays. A label that is
        missing is not used; a model without labels is "not checked".
    calibration
        A fitted `Calibration`, or records to fit one on.
    calibrate_on
        Instead of `calibration`: models of `probe` whose labels fit it; all other models are audited.
    fitted_on
        The records behind a `Calibration`, to refuse probe rows that it has seen.
    covariates
        Names of columns that predict the label beside the score (two-stage mode).
    mode, scale
        How a calibration is fitted, as in `calibrate`; scale is the lowest and highest possible label.
    margin
        The largest mean residual that would not matter, in label units, for example 0.05.
    n_policies_in_family
        The error is divided among them; by default the number of policies with a labelled probe.
    level
        Coverage of all intervals together, in (0, 1).
    **columns
        Names of columns of the records, as in `evaluate` (item, model, score, label, cluster, weight, ...).

    Returns
    -------
    Audit
        One verdict per model: holds, fails, undecided, not graded (no margin), not checked (no labels).

    Raises
    ------
    ArgumentError
        If a labelled probe row was used to fit the calibration, or not exactly one of `calibration` and
        `calibrate_on` is given.

    Notes
    -----
    Estimand: the mean of label - f(score) where the probe was drawn, f taken as given. Clustered by the cluster
    column, else by item. "holds" needs the whole interval inside the margin and 20 effective clusters. Labels of the
    probe must be a random sample. Plan its size with `plan_audit`.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150; graded as an equivalence test, as in the code
    of release 0.9.3.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> score = rng.integers(0, 11, 400) / 10
    >>> label = np.clip(score**2 + rng.normal(0, 0.1, 400), 0, 1)
    >>> records = {"item": np.arange(400) % 200, "model": ["old"] * 200 + ["new"] * 200, "score": score, "label": label}
    >>> print(audit(records, calibrate_on="old", margin=0.05).row("new").verdict)
    holds
    """
    call = "audit"
    level, margin = check_level(level, call=call), checked_margin(margin, call)
    if (calibration is None) == (calibrate_on is None):
        got = "neither" if calibration is None else "both"
        raise ArgumentError("calibration", "given, or else calibrate_on", got, "Give exactly one.", call=call)
    records = as_records(probe, **columns)
    if calibrate_on is not None:
        names = (calibrate_on,) if isinstance(calibrate_on, str) else tuple(calibrate_on)
        chosen = _rows_of(names, records.model.levels, records.model.codes)
        calibration, records = records.take(chosen), records.take(~chosen)
    notes = list(dict.fromkeys(note for source in records.sources for note in source.notes))
    if isinstance(calibration, Calibration):
        fitted = calibration
        if fitted_on is None:
            notes.append(UNCHECKED)
        else:
            refuse_shared_rows(records, _source(fitted_on, columns))
    else:
        source = _source(calibration, columns)
        refuse_shared_rows(records, source)
        fitted = fit_on(source, covariates=covariates, mode=mode, scale=scale)
    found = probes_of(records, fitted, covariates=covariates)
    notes += [
        f"{each.n_unscored} labelled rows of {each.policy} have no score and are left out."
        for each in found
        if each.n_unscored
    ]
    checked = sum(len(each.residual) > 0 for each in found)
    family = max(checked, 1) if n_policies_in_family is None else n_policies_in_family
    rows = [
        transport(
            each.residual,
            cluster=each.cluster,
            weights=each.weight,
            margin=margin,
            level=level,
            n_policies_in_family=family,
            policy=each.policy,
        )
        for each in found
    ]
    return Audit(
        rows=tuple(replace(row, n_unlabelled=each.n_unlabelled) for row, each in zip(rows, found, strict=True)),
        deciles={each.policy: _deciles(each) for each in found if len(each.residual)},
        level=level,
        margin=margin,
        n_policies_in_family=family,
        notes=tuple(notes),
        backend=records.backend,
    )


def _source(given: Any, columns: Mapping[str, Any]) -> Records:
    return given if isinstance(given, Records) else as_records(given, **columns)


def _rows_of(names: Sequence[str], known: Sequence[str], codes: NDArray[np.int32]) -> NDArray[np.bool_]:
    for name in names:
        if name not in known:
            raise ArgumentError(
                "calibrate_on", "a model of the records", name, f"There are: {known[:20]}.", call="audit"
            )
    return np.isin(codes, [known.index(name) for name in names])


def _deciles(probe: Probe) -> tuple[Decile, ...]:
    edges = np.unique(np.quantile(probe.score, np.linspace(0, 1, 11)))
    place = np.clip(np.searchsorted(edges, probe.score, side="right") - 1, 0, max(len(edges) - 2, 0))
    parts = []
    for j in np.unique(place):
        rows = place == j
        some = mean_se(
            probe.residual[rows],
            weights=None if probe.weight is None else probe.weight[rows],
            cluster=probe.cluster[rows],
        )
        score = probe.score[rows]
        error = some.standard_error if math.isfinite(some.standard_error) else math.nan
        parts.append(Decile(float(score.min()), float(score.max()), some.n, some.value, error))
    return tuple(parts)
