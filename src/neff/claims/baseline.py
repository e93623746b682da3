"""Beside the last run: did a claim get better or worse? First by its verdict, then seed by seed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from neff.claims.effects import effect, sequence
from neff.claims.result import ClaimResult
from neff.reasons import Reason
from neff.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neff.claims.journal import Before
    from neff.claims.outcome import Measured
    from neff.claims.terms import Terms

__all__ = ["beside", "moved"]

ROUNDING = 1e-12
RANK = {Verdict.NOT_CHECKED: 0, Verdict.FAILS: 0, Verdict.UNDECIDED: 1, Verdict.HOLDS: 2}


def beside(now: ClaimResult, used: Sequence[Measured], before: Before | None) -> ClaimResult:
    """Return the result with how it stands to its last run: new, same, better or worse.

    Parameters
    ----------
    now, used
        The result, and the seeds that it rests on.
    before
        What the journal knows of the last run, if any.
    """
    if before is None:
        return replace(now, change="new")
    then = ClaimResult.from_dict(before.result)
    if then.verdict is Verdict.NOT_CHECKED or then.terms.kind != now.terms.kind:
        return replace(now, change="new", before=then.verdict)
    if now.verdict is Verdict.NOT_CHECKED:
        return replace(now, change="worse" if now.failed_seeds else "", before=then.verdict)
    step = RANK[now.verdict] - RANK[then.verdict] or moved(before.seeds, {m.seed: m.values for m in used}, now.terms)
    return replace(now, change="better" if step > 0 else "worse" if step < 0 else "same", before=then.verdict)


def moved(then: Mapping[int, tuple[float, ...]], now: Mapping[int, tuple[float, ...]], terms: Terms) -> int:
    """Return 1 where the effect has surely risen since, -1 where it has surely fallen, 0 where that cannot be told.

    Runs are paired by seed: the same seed before and after the change is the fairest comparison there is. Where every
    seed moved by the same amount, as far as can be told from rounding, two are enough.

    Examples
    --------
    >>> from neff.claims import Terms
    >>> before = {0: (0.9, 0.5), 1: (0.8, 0.5), 2: (0.7, 0.1), 3: (0.9, 0.2), 4: (0.6, 0.2)}
    >>> after = {seed: (treatment - 0.3 - 0.01 * seed, control) for seed, (treatment, control) in before.items()}
    >>> moved(before, after, Terms(says="Better."))
    -1
    """
    common = sorted(then.keys() & now.keys())
    turn = -1 if terms.kind == "level" and terms.lower_is_better else 1
    shifts = [turn * (effect(now[seed], terms) - effect(then[seed], terms)) for seed in common]
    track = sequence(replace(terms, bounds=None))
    for shift in shifts:
        track.update(shift)
    if track.reason is Reason.ALL_EQUAL:
        rounding = ROUNDING * max(abs(effect(now[seed], terms)) for seed in common)
        return (shifts[0] > rounding) - (shifts[0] < -rounding)
    return (track.low > 0) - (track.high < 0)
