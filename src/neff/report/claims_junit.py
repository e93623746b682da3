"""A check of claims as JUnit suites: one per file, one test case per claim.

A claim that fails is a failure, one whose seeds failed or whose file cannot be imported is an error, one that is
undecided or lacks a package is skipped, with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from neff.report.text import clean
from neff.results import Verdict

if TYPE_CHECKING:
    from neff.claims.result import CheckReport, ClaimResult

__all__ = ["claim_cases"]


def claim_cases(report: CheckReport) -> dict[str, list[str]]:
    """Return the test cases by the file they belong to."""
    suites: dict[str, list[str]] = {}
    for result in report:
        suites.setdefault(result.home, []).append(_case(result))
    for unread in report.unread:
        home, _, name = unread.path.partition("::")
        inner = f'<error type="import" message={_attribute(unread.reason)}/>'
        suites.setdefault(home, []).append(_element(name or "import", home, 0.0, inner))
    return suites


def _case(r: ClaimResult) -> str:
    said = f"<system-out>{escape(clean(str(r)))}</system-out>"
    if r.verdict is Verdict.HOLDS:
        inner = said
    elif r.verdict is Verdict.FAILS:
        inner = f'<failure type="claim" message={_attribute(str(r))}/>'
    elif r.failed_seeds:
        text = "\n".join(f"{failure}\n{failure.output}".strip() for failure in r.failures)
        lines = "\n".join(clean(line) for line in text.splitlines())
        inner = f'<error type="seed" message={_attribute(r.why)}>{escape(lines)}</error>'
    else:
        inner = f"<skipped message={_attribute(f'{r.verdict}: {r.why}')}/>{said}"
    return _element(r.name, r.home, r.seconds, inner)


def _element(name: str, home: str, seconds: float, inner: str) -> str:
    family = home.removesuffix(".py").replace("/", ".")
    return f'<testcase name={_attribute(name)} classname={_attribute(family)} time="{seconds:.3f}">{inner}</testcase>'


def _attribute(text: str) -> str:
    return quoteattr(clean(text))
