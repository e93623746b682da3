"""`neff check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from neff.cli.options import GATES, NO_OUTPUT, Flag, Number, Output, Whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from neff.claims import CheckReport, Progress

__all__ = ["check"]

CHECK = Group("Check", sort_key=1)
JOURNAL = Group("Journal", sort_key=2)

Paths = Annotated[str, Parameter(name="PATH", show_default=False)]
Names = Annotated[tuple[str, ...], Parameter(group=CHECK, show_default=False)]
DEFAULT_JOURNAL = Path(".neff/claims.sqlite")


def check(
    *path: Paths,
    seeds: Annotated[Whole | None, Parameter(group=CHECK)] = None,
    budget: Annotated[Number | None, Parameter(group=CHECK)] = None,
    only: Names = (),
    quick: Annotated[Flag, Parameter(group=CHECK)] = False,
    workers: Annotated[Whole, Parameter(group=CHECK)] = 1,
    journal: Annotated[Path, Parameter(group=JOURNAL)] = DEFAULT_JOURNAL,
    no_journal: Annotated[Flag, Parameter(group=JOURNAL)] = False,
    fresh: Annotated[Flag, Parameter(group=JOURNAL)] = False,
    baseline: Annotated[Flag, Parameter(group=JOURNAL)] = False,
    output: Output = NO_OUTPUT,
    strict: Annotated[Flag, Parameter(group=GATES)] = False,
) -> int:
    """Hold claims of improvement against their margins, seed by seed, until each is decided.

    For example:
      neff check claims.py
      neff check tests/ --workers 2 --strict -o junit.xml
      neff check claims.py --only faster --seeds 200
      neff check claims.py --baseline
      neff check --quick

    A claim is a function of the seed under @claim, which returns what treatment and control gave. Exits with 1 where a
    claim fails or its seeds crash, with 3 where a file cannot be imported.

    Parameters
    ----------
    path
        Files, folders (claims.py, claim_*.py, *_claims.py) or modules; by default the claims of papers that come with
        neff.
    seeds
        The most seeds of each claim, instead of the budget that it declares.
    budget
        Seconds for the whole check; what is not decided by then stays undecided.
    only
        Only claims whose name holds this. Repeatable.
    quick
        Only claims that are declared quick.
    workers
        Seeds run at a time; verdicts do not depend on it. Claims about speed deserve 1.
    journal
        Where every seed is kept; a check that was killed goes on from there.
    no_journal
        Keep nothing.
    fresh
        Run every seed anew.
    baseline
        Hold each claim against its last run: exits with 1 where one got worse or a new one fails, and not for what
        failed before.
    strict
        Exit with 4 where a claim is undecided or could not be checked.
    """
    from neff.claims import check as run
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.errors import ArgumentError

    delivery = prepare(output, inputs=[Path(p) for p in path], junit=True)
    if no_journal and baseline:
        raise ArgumentError("no_journal", "left out beside --baseline", True, "The journal is the baseline.")
    with progress("checking", quiet=output.quiet) as say:
        report = run(
            *path,
            seeds=seeds,
            budget=budget,
            only=only,
            quick=quick,
            n_workers=workers,
            journal=None if no_journal else journal,
            fresh=fresh,
            baseline=baseline,
            tell=_teller(say),
        )
    notes = [*(f"not read: {u.path}: {u.reason}" for u in report.unread), *(f"note: {n}" for n in report.notes)]
    delivery.put_out(report, notes)
    return _exit_code(report, strict=strict)


def _teller(say: Callable[[str], None]) -> Callable[[Progress], None]:
    """Return what puts the progress into the line on the terminal: a bar over the claims, and the seeds of one."""

    def tell(at: Progress) -> None:
        full = 16 * at.n_done // at.n_claims
        bar = f"[{'#' * full}{'.' * (16 - full)}]"
        say(f"checking {bar} {at.n_done}/{at.n_claims}, {at.claim[:30]}: seed {at.n_seeds} of {at.budget}")

    return tell


def _exit_code(report: CheckReport, *, strict: bool) -> int:
    """Return the exit code: what fails counts before what could not be read, and that before what is open."""
    from neff.cli.streams import say
    from neff.cli.verbs import Exit
    from neff.results import Verdict

    bad = [r for r in report if r.verdict is Verdict.FAILS or r.failed_seeds]
    if report.baseline:
        bad = [r for r in report if r.change == "worse" or (r in bad and r.change == "new")]
    if bad:
        said = "; ".join(f"{r.name}: {'worse, ' * (r.change == 'worse')}{r.verdict}" for r in bad[:3])
        say(f"failed: {said}" + (f" (and {len(bad) - 3} more)" if len(bad) > 3 else ""))
        return Exit.GATE_FAILED
    if report.unread or not report.results:
        if not report.results:
            say("no claim was checked.")
        return Exit.UNREADABLE
    waiting = [r for r in report if r.verdict in (Verdict.UNDECIDED, Verdict.NOT_CHECKED)]
    if strict and waiting:
        first = f"{waiting[0].name}: {waiting[0].verdict}, {waiting[0].why}"
        say(f"inconclusive (--strict): {first}" + (f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""))
        return Exit.INCONCLUSIVE
    return Exit.DONE
