"""Compare the energy of settings, one value per run: blocked or not, with equivalence and what more runs would show."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._options import check_choice
from neff.stats._validate import check_level, check_number, check_same_length, check_vector
from neff.train.energy.omnibus import Anova, anova
from neff.train.energy.pairs import Values, adjusted_pairs, compare_pair
from neff.train.energy.result import EnergyComparison, EnergyStudy, SettingRow
from neff.train.energy.runs import EnergyLog, EnergyRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from neff.stats.multiplicity import Correction

__all__ = ["compare_energy"]

FEW_BLOCKS = 5
Per = Literal["run", "sample", "target"]


def compare_energy(
    data: EnergyLog | Sequence[EnergyRun] | ArrayLike,
    setting: Sequence[object] | None = None,
    *,
    block: Sequence[object] | None = None,
    run: Sequence[object] | None = None,
    per: Per = "run",
    baseline: str | None = None,
    margin: float = 0.05,
    level: float = 0.95,
    correction: Correction = "holm",
    discard_first: bool = False,
) -> EnergyStudy:
    """Compare the energy of settings: is one lower, by how much, and is that real?

    Use it on whole runs, ideally in randomized blocks: every setting once in every session of a warm machine, in random
    order. Not on power samples or epochs: those of one run move together, and a test that takes them for runs finds a
    difference in most comparisons of a setting with itself.

    Parameters
    ----------
    data
        Runs, as `read_energy` returns them; or joules, one value per run, shape (n,).
    setting
        What each value belongs to, shape (n,); with joules only.
    block, run
        Block and name of each value; with joules only. A name that is there twice is refused.
    per
        "run"; "sample" (joules over samples of each run); "target" (runs that did not reach it are left out, counted).
    baseline
        Compare every setting with this one only; by default all pairs.
    margin
        Share that counts as no difference, for equivalence. Declare it before looking.
    level
        Coverage of the intervals, in (0, 1).
    correction
        For the number of pairs.
    discard_first
        Leave out the first block, in which the machine warms up.

    Returns
    -------
    EnergyStudy
        Settings with single runs are described, not compared (`Reason.ONE_RUN`).

    Raises
    ------
    ArgumentError
        If a run is there twice, a setting twice in a block, measured and estimated runs are mixed, or meters are.

    Notes
    -----
    With blocks: paired t test of log energies, Wilcoxon from 6 blocks on; without: Welch's test of them. The ratio and
    its interval are exp of both. Equivalence: two one-sided tests at log(1 + margin). Three or more settings: the
    blocked or Welch's analysis of variance first, pairs adjusted after. Where the meter is read at intervals, half the
    length of an interval is widened by what one reading of each run can be wrong.

    References
    ----------
    Antonopoulos 2024, arXiv:2409.07853.

    Examples
    --------
    >>> joules = [182, 188, 179, 191, 185, 174, 181, 170, 183, 176]
    >>> study = compare_energy(joules, ["fp32"] * 5 + ["amp"] * 5, block=[1, 2, 3, 4, 5] * 2)
    >>> pair = study.comparisons[0]
    >>> pair.a, pair.b, round(pair.ratio, 4), [round(end, 4) for end in pair.interval], pair.finding
    ('amp', 'fp32', 0.9556, [0.9491, 0.9621], 'less energy')
    """
    call = "compare_energy"
    runs, notes = _runs_of(data, setting, block, run, call)
    level = check_level(level, call=call)
    width = check_number(margin, argument="margin", call=call)
    if not 0 < width < 1:
        fix = f"Did you mean {width / 100:g}?" if 1 <= width < 100 else "It is a share, such as 0.05."
        raise ArgumentError("margin", "a share in (0, 1)", width, fix, call=call)
    check_choice(per, ("run", "sample", "target"), argument="per", call=call)
    runs, dropped = _usable(runs, discard_first=discard_first)
    notes += dropped
    blocked = _check(runs, call)
    names = list(dict.fromkeys(r.setting for r in runs))
    if baseline is not None and baseline not in names:
        raise ArgumentError("baseline", "one of the settings", baseline, f"There are: {', '.join(names)}.", call=call)
    values = {name: _values_of([r for r in runs if r.setting == name], per, call) for name in names}
    rows = tuple(sorted((_row(name, runs, values[name]) for name in names), key=_by_mean))
    names = [row.setting for row in rows if values[row.setting].values.size]
    pairs = [(n, baseline) for n in names if n != baseline] if baseline else list(combinations(names, 2))
    compared = adjusted_pairs([compare_pair(a, b, values, width, level, blocked=blocked) for a, b in pairs], correction)
    overall = _overall([values[name] for name in names], blocked=blocked) if len(names) > 2 else None
    meters, kinds = {r.meter for r in runs}, {r.kind for r in runs}
    notes += _weak(rows, compared, kinds, blocked=blocked, n_blocks=len({r.block for r in runs}))
    return EnergyStudy(
        settings=rows,
        comparisons=tuple(compared),
        overall=overall,
        unit={"run": "J per run", "sample": "J per sample", "target": "J to the target"}[per],
        meter="".join(meters),
        kind="".join(kinds),
        n_blocks=len({r.block for r in runs}) if blocked else None,
        level=level,
        margin=width,
        notes=tuple(notes),
    )


def _runs_of(data: Any, setting: Any, block: Any, run: Any, call: str) -> tuple[list[EnergyRun], list[str]]:
    if isinstance(data, EnergyLog):
        return list(data.runs), list(data.notes)
    if isinstance(data, (list, tuple)) and data and all(isinstance(r, EnergyRun) for r in data):
        return list(data), []
    joules = check_vector(data, argument="data", call=call, allow_nan=True)
    if setting is None:
        raise ArgumentError("setting", "given with joules", None, "One name per run.", call=call)
    labels = {"setting": setting, "block": block, "run": run}
    given = {name: _names(values, name, call) for name, values in labels.items() if values is not None}
    check_same_length(call=call, data=joules, **given)
    empty = [""] * joules.size
    names = zip(given["setting"], given.get("block", empty), given.get("run", empty), strict=True)
    return [
        EnergyRun(name, float(value), block=of_block, run=of_run)
        for value, (name, of_block, of_run) in zip(joules, names, strict=True)
    ], []


def _names(values: Sequence[object], argument: str, call: str) -> list[str]:
    found = list(values)
    for i, value in enumerate(found):
        if value is None or value != value or value == "":
            raise ArgumentError(argument, "known for every run", value, f"Position {i} is missing.", call=call)
    return [str(value) for value in found]


def _usable(runs: list[EnergyRun], *, discard_first: bool) -> tuple[list[EnergyRun], list[str]]:
    if not discard_first:
        return runs, []
    blocks = list(dict.fromkeys(r.block for r in runs if r.block))
    if not blocks:
        raise ArgumentError("discard_first", "left out without blocks", "True", call="compare_energy")
    return [r for r in runs if r.block != blocks[0]], [f"The first block ({blocks[0]}) is left out as warm-up."]


def _check(runs: list[EnergyRun], call: str) -> bool:
    """Refuse what cannot be compared; return whether the runs are blocked."""
    if not runs:
        raise ArgumentError("data", "of one run or more", "none", call=call)
    twice = [name for name, count in Counter(r.run for r in runs if r.run).items() if count > 1]
    if twice:
        fix = "The unit is the run: add up or average its values first. Samples of one run are no replicates."
        raise ArgumentError("run", "there once each", f"{twice[0]!r} more than once", fix, call=call)
    for what, found in (("meter", {r.meter for r in runs}), ("kind", {r.kind for r in runs})):
        if len(found) > 1:
            fix = "Choose one meter." if what == "meter" else "A model's estimate and a measurement cannot be compared."
            raise ArgumentError(what, "the same for all runs", ", ".join(sorted(found)), fix, call=call)
    named = sum(bool(r.block) for r in runs)
    if named not in (0, len(runs)):
        raise ArgumentError("block", "known for every run, or none", f"{named} of {len(runs)}", call=call)
    doubled = [key for key, count in Counter((r.setting, r.block) for r in runs if r.block).items() if count > 1]
    if doubled:
        fix = "One run of each setting per block: average repeats, name the run, or make smaller blocks."
        raise ArgumentError("block", "with each setting once", f"{doubled[0]} more than once", fix, call=call)
    bad = [r.joules for r in runs if r.joules <= 0 or r.joules == math.inf]
    if bad:
        fix = "A meter that reads 0 has not measured, and net energy is not below 0: leave these runs out, or give NaN."
        raise ArgumentError("data", "above 0 and finite", min(bad), fix, call=call)
    return bool(named)


def _values_of(runs: list[EnergyRun], per: str, call: str) -> Values:
    if per == "sample" and any(math.isnan(r.samples) or r.samples <= 0 for r in runs):
        fix = "Give the column of samples, above 0 in each run."
        raise ArgumentError("samples", "known for every run", math.nan, fix, call=call)
    kept = [r for r in runs if not math.isnan(r.joules) and r.reached]
    scale = np.array([r.samples if per == "sample" else 1.0 for r in kept])
    return Values(
        np.array([r.joules for r in kept]) / scale,
        tuple(r.block for r in kept),
        np.array([r.resolution for r in kept]) / scale,
    )


def _row(name: str, runs: list[EnergyRun], found: Values) -> SettingRow:
    mine = [r for r in runs if r.setting == name]
    kept = [r for r in mine if not math.isnan(r.joules) and r.reached]
    n = len(kept)
    seconds = float(np.mean([r.seconds for r in kept])) if n else math.nan
    joules = float(np.mean([r.joules for r in kept])) if n else math.nan
    return SettingRow(
        setting=name,
        n=n,
        mean=float(found.values.mean()) if n else math.nan,
        standard_error=float(found.values.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan,
        geometric_mean=float(np.exp(np.log(found.values).mean())) if n else math.nan,
        seconds=seconds,
        watts=joules / seconds,
        n_censored=sum(not r.reached for r in mine),
        n_undefined=sum(r.reached and math.isnan(r.joules) for r in mine),
    )


def _by_mean(row: SettingRow) -> float:
    return math.inf if math.isnan(row.mean) else row.mean


def _overall(values: list[Values], *, blocked: bool) -> Anova:
    if not blocked:
        return anova([np.log(v.values) for v in values], method="welch")
    common = [name for name in values[0].blocks if all(name in v.blocks for v in values)]
    groups = [np.log(v.values[[v.blocks.index(name) for name in common]]) for v in values]
    if not common:
        nan = math.nan
        return Anova(nan, (nan, nan), nan, "randomized block analysis of variance", Reason.ONE_BLOCK)
    return anova(groups, method="blocked")


def _weak(
    rows: tuple[SettingRow, ...], found: list[EnergyComparison], kinds: set[Any], *, blocked: bool, n_blocks: int
) -> list[str]:
    notes = []
    if kinds == {"estimated"}:
        notes.append("The energy is estimated by a model, not measured: it follows time and load, not the setting.")
    if kinds == {"unknown"}:
        notes.append("The log does not say whether the energy was measured or estimated.")
    if blocked and n_blocks < FEW_BLOCKS:
        notes.append(f"{n_blocks} blocks: five or more are needed for a spread that can be trusted.")
    if not blocked and found:
        notes.append("Runs are not blocked: a drift of temperature or load between settings looks like a difference.")
    powered = [row for row in rows if not math.isnan(row.watts)]
    if len(powered) > 1:
        lowest = min(powered, key=lambda row: row.watts)
        if lowest.setting != powered[0].setting:
            notes.append(
                f"{lowest.setting} draws the least power ({lowest.watts:.1f} W) and needs "
                f"{lowest.mean / powered[0].mean:.3g} times the energy of {powered[0].setting}: "
                "compare joules, not watts."
            )
    if sum(row.n_censored for row in rows):
        notes.append(
            "Runs that did not reach the target are left out: a setting that often fails looks better than it is."
        )
    undecided = [c for c in found if c.finding == "not told apart"]
    if undecided:
        notes.append(
            "Not told apart is not equal: the interval says what may still be true, and equivalence within the margin "
            "was not shown."
        )
    return notes
