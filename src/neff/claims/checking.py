"""`check`: collect claims, run their seeds, and say which of them hold."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from neff.claims.baseline import beside
from neff.claims.collecting import BUNDLED, collect
from neff.claims.journal import Journal
from neff.claims.pool import Pool
from neff.claims.process import available
from neff.claims.result import CheckReport, ClaimResult
from neff.claims.run import Progress, run
from neff.claims.terms import Terms
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Provenance, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from neff.claims.collecting import Case, Collection
    from neff.claims.run import Checked

__all__ = ["Progress", "check"]


def check(
    *paths: str | Path,
    seeds: int | None = None,
    budget: float | None = None,
    only: Sequence[str] = (),
    quick: bool = False,
    n_workers: int = 1,
    journal: str | Path | None = None,
    fresh: bool = False,
    baseline: bool = False,
    tell: Callable[[Progress], None] | None = None,
) -> CheckReport:
    """Check claims seed by seed, each until its interval decides or its budget is spent.

    Parameters
    ----------
    *paths
        Files, folders and names of modules; none means the claims of papers that come with neff.
    seeds
        The most seeds of each claim, instead of the budget that it declares.
    budget
        Seconds for the whole check; claims that were not decided by then are undecided or not checked. With a limit
        of time the verdicts depend on the speed of the machine, without one they do not.
    only
        Words; claims whose name holds none of them are left out.
    quick
        Only claims that are declared quick.
    n_workers
        Seeds run at a time. Verdicts do not depend on it; claims about speed deserve a worker alone.
    journal
        An SQLite file that keeps every seed; a run that was killed goes on from it. None keeps nothing.
    fresh
        Run every seed anew.
    baseline
        Say of each claim whether it is better or worse than in the last run that the journal knows.
    tell
        Called with a `Progress` after each seed.

    Returns
    -------
    CheckReport
        One `ClaimResult` per claim, and what could not be read.

    Raises
    ------
    ArgumentError
        If an option makes no sense, or `only` fits no claim.
    RecordsError
        If a path is nothing that could hold claims.
    NeffError
        If the journal is in use, or the system cannot fork.

    Notes
    -----
    Every seed runs in a process of its own, forked from one that has imported the file: a claim that crashes, hangs,
    eats memory or leaves processes behind is reported and does not stop the others. Each claim's interval is
    anytime-valid at its own level: of twenty claims without substance one may be called "holds".

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "claims.py")
    ...     _ = file.write_text('''
    ... import random
    ... from neff.claims import Paired, claim
    ...
    ... @claim(says="Half a point better.", margin=0.1)
    ... def better(seed):
    ...     rng = random.Random(seed)
    ...     control = rng.gauss(0, 1)
    ...     return Paired(control + rng.gauss(0.5, 0.2), control)
    ... ''')
    ...     report = check(file)
    >>> [(r.name, str(r.verdict)) for r in report]
    [('better', 'holds')]
    """
    _validate(seeds=seeds, budget=budget, n_workers=n_workers, baseline=baseline, journal=journal)
    available()
    started = monotonic()
    until = math.inf if budget is None else started + budget
    with Journal(journal) as book, Pool(n_workers) as pool:
        found = collect(paths or (BUNDLED,), pool)
        chosen = _chosen(found, only, quick=quick)
        ready = [case for case in chosen if not case.missing]
        if fresh:
            for case in ready:
                book.forget(case.id, case.fingerprint)
        done = {c.case.id: c for c in run(ready, pool, book, seeds=seeds, until=until, tell=tell)}
        results = [_result(done[case.id]) if case.id in done else _skipped(case) for case in chosen]
        results += [_lacking(home, package) for home, package in found.lacking]
        used = {c.case.id: c.used for c in done.values()}
        if baseline:
            results = [beside(r, used.get(r.claim, ()), book.before(r.claim)) for r in results]
        for result in results:
            if result.claim in done:
                book.conclude(result.claim, done[result.claim].case.fingerprint, result.to_dict(), used[result.claim])
        book.finish()
    return CheckReport(
        tuple(results),
        found.unread,
        seconds=monotonic() - started,
        n_workers=n_workers,
        baseline=baseline,
        notes=_notes(found, chosen, bundled=not paths, quick=quick),
        provenance=_provenance(paths, seeds=seeds, budget=budget, only=list(only), quick=quick, n_workers=n_workers),
    )


def _validate(**given: Any) -> None:
    for name, least in (("seeds", 2), ("n_workers", 1)):
        value = given[name]
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            raise ArgumentError(name, f"a whole number of at least {least}", value, call="check")
    budget = given["budget"]
    if budget is not None and not budget > 0:
        raise ArgumentError("budget", "a positive number of seconds", budget, call="check")
    if given["baseline"] and given["journal"] is None:
        raise ArgumentError("journal", "a file where a baseline is asked for", None, call="check")


def _chosen(found: Collection, only: Sequence[str], *, quick: bool) -> list[Case]:
    cases = [case for case in found.cases if case.terms.quick or not quick]
    if not only:
        return cases
    for word in only:
        if not any(word in case.id for case in cases):
            names = ", ".join(case.name for case in cases[:20]) or "none"
            raise ArgumentError("only", "a part of the name of a claim", word, f"There are: {names}.", call="check")
    return [case for case in cases if any(word in case.id for word in only)]


def _result(checked: Checked) -> ClaimResult:
    case, d = checked.case, checked.decision
    return ClaimResult(
        case.id,
        case.terms,
        d.verdict,
        d.why,
        d.reason,
        value=d.value,
        standard_error=d.standard_error,
        interval=d.interval,
        treatment=d.treatment,
        control=d.control,
        distance=d.distance,
        distance_interval=d.distance_interval,
        n=d.n,
        failures=d.failures,
        seconds=checked.seconds,
        params=case.params,
        method=d.method,
        warnings=d.warnings,
    )


def _skipped(case: Case) -> ClaimResult:
    why = f"needs {' and '.join(case.missing)}"
    return ClaimResult(case.id, case.terms, Verdict.NOT_CHECKED, why, Reason.MISSING_EXTRA, params=case.params)


def _lacking(home: str, package: str) -> ClaimResult:
    terms = Terms(says="The claims of this file.")
    return ClaimResult(home, terms, Verdict.NOT_CHECKED, f"needs {package}", Reason.MISSING_EXTRA)


def _notes(found: Collection, chosen: Sequence[Case], *, bundled: bool, quick: bool) -> tuple[str, ...]:
    if bundled and not found.cases:
        return (f"{BUNDLED} holds no claims yet. Give a file of your own: neff check claims.py.",)
    if quick and found.cases and not chosen:
        return ("No claim is declared quick.",)
    if not found.cases and not found.unread and not found.lacking:
        return ("There is no claim in what was given: decorate a function with neff.claims.claim.",)
    return ()


def _provenance(paths: Sequence[str | Path], **options: Any) -> Provenance:
    from neff import __version__

    call = " ".join(["neff check", *map(str, paths)])
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return Provenance(__version__, call, {k: v for k, v in options.items() if v not in (None, [], False)}, (), created)
