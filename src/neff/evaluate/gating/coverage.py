"""How well the labelled rows cover a policy's scores: where the calibrator knows, and where it guesses.

What it estimates: the number of labels that a policy's calibrated mean rests on (label n_eff), and how much of the
policy lies where no label is. Both need no label of the policy itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.evaluate.gating.reach import Boundary, boundary, label_density, label_ess
from neff.evaluate.gating.selection import SampleTest, ks_test
from neff.reasons import Reason
from neff.results import Column, Table, json_value
from neff.stats._validate import check_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.judge.data import Judged

__all__ = ["Coverage", "coverage", "coverage_table"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the labels know about one policy.

    Attributes
    ----------
    policy
        Its name.
    n, n_labels
        Its judged rows; all labelled rows that the calibrator was fitted to.
    n_own, n_own_prompts
        Labelled rows of its own, and the prompts they answer.
    label_ess
        How many labels its calibrated mean rests on; see `label_ess`.
    boundary
        Rows beyond the labelled scores; see `Boundary`.
    floor_mass
        Share of its rows whose calibrated value is the lowest fitted one.
    bottom_10, bottom_20
        Labelled rows per judged row among the lowest tenth and fifth of its scores. For the policy that was
        labelled this is the share of its lowest answers that have a label.
    collapsed
        The curve is constant though labels vary: the judge's scale may be upside down.
    selection
        Test of its own labelled scores against its unlabelled ones. A small p-value says that labels were not
        drawn at random; a large one says nothing.
    reason
        Why the shares are undefined, or None.
    """

    policy: str
    n: int
    n_labels: int
    n_own: int
    n_own_prompts: int
    label_ess: float
    boundary: Boundary
    floor_mass: float
    bottom_10: float
    bottom_20: float
    collapsed: bool
    selection: SampleTest
    reason: Reason | None = None

    def table(self) -> Table:
        """Return a table of one row."""
        return coverage_table([self])

    def __str__(self) -> str:
        return str(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        data: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Boundary | SampleTest):
                data[f.name] = {name: json_value(part) for name, part in value._asdict().items()}
            else:
                data[f.name] = json_value(value)
        return data


def coverage_table(rows: Sequence[Coverage]) -> Table:
    """Return one row per policy."""
    columns = (
        Column("policy", "Policy"),
        Column("n", "Answers", "count"),
        Column("n_labels", "Labels", "count", help="all labelled answers that the calibrator was fitted to"),
        Column("n_own", "of its own", "count"),
        Column("label_ess", "Label n_eff", "number", 1, help="labels that its calibrated mean rests on"),
        Column("outside", "Outside", "percent", help="scores beyond the labelled ones"),
        Column("saturation", "Saturated", "percent", help="calibrated values at either end of the fitted range"),
        Column("width", "Left open", "number", help="how far the mean could move, were the curve wrong outside"),
        Column("floor_mass", "At the floor", "percent"),
        Column("bottom_10", "Labels per answer, lowest 10%", "number", 2),
        Column("bottom_20", "lowest 20%", "number", 2),
        Column("selection_p", "Labels at random?", "p", help="p-value; can only reject"),
    )
    return Table(
        columns,
        tuple(
            (
                row.policy,
                row.n,
                row.n_labels,
                row.n_own,
                row.label_ess,
                row.boundary.outside,
                row.boundary.saturation,
                row.boundary.width,
                row.floor_mass,
                row.bottom_10,
                row.bottom_20,
                row.selection.p_value,
            )
            for row in rows
        ),
        "What the labels know about each policy",
    )


def coverage(judged: Judged, calibration: Calibration, *, labelled_score: ArrayLike) -> Coverage:
    """Say how well the labels behind a calibration cover one policy.

    Use it before trusting the level of a calibrated mean, above all for a policy without labels of its own. It sees
    scores only: a policy whose answers earn other labels at the same scores needs a transport audit.

    Parameters
    ----------
    judged
        The policy's judged answers.
    calibration
        The fitted calibrator.
    labelled_score
        Scores of all labelled rows that it was fitted to, whatever their policy, shape (m,).

    Returns
    -------
    Coverage
        Shares are NaN, with the reason, where the policy has no rows.

    Raises
    ------
    ArgumentError
        If a score is not finite.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (boundary card, floor mass). The label n_eff
    is ours.

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.judge.data import Judged
    >>> score, label = np.repeat([0.2, 0.5, 0.8], 20), np.repeat([0.1, 0.6, 0.9], 20)
    >>> fit = calibrate(score, label, fold=np.arange(60) % 5, mode="monotone")
    >>> low = Judged("low", np.arange(4), np.array([0.0, 0.2, 0.2, 0.5]), np.full(4, np.nan))
    >>> found = coverage(low, fit, labelled_score=score)
    >>> round(found.label_ess, 1), found.boundary.below, round(found.boundary.width, 3)
    (32.0, 0.25, 0.025)
    """
    labelled = check_vector(labelled_score, argument="labelled_score", call="coverage")
    value = calibration.predict(judged.score, judged.covariates)
    floor, _ = calibration.quality.value_range
    own = judged.labelled
    nothing = judged.n == 0
    return Coverage(
        policy=judged.policy,
        n=judged.n,
        n_labels=len(labelled),
        n_own=int(own.sum()),
        n_own_prompts=len(np.unique(judged.prompt[own])),
        label_ess=label_ess(judged.score, labelled),
        boundary=boundary(
            judged.score, labelled, value, value_range=calibration.quality.value_range, scale=calibration.scale
        ),
        floor_mass=math.nan if nothing else float(np.mean(np.abs(value - floor) <= 1e-6)),
        bottom_10=label_density(judged.score, labelled, lowest=0.1),
        bottom_20=label_density(judged.score, labelled, lowest=0.2),
        collapsed=calibration.quality.collapsed,
        selection=ks_test(_by_prompt(judged, own), _by_prompt(judged, ~own)),
        reason=Reason.EMPTY if nothing else None if len(labelled) else Reason.NO_LABELS,
    )


def _by_prompt(judged: Judged, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return one mean score per prompt: several answers to one prompt are not independent, as the test assumes."""
    _, code = np.unique(judged.prompt[rows], return_inverse=True)
    return np.bincount(code, judged.score[rows]) / np.bincount(code) if len(code) else judged.score[rows]
