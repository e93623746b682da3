"""JUnit XML for continuous integration: each gate and each comparison is a test case.

A failed gate is a failure: it is the only declared condition. A comparison states a finding, so it passes when
the two models were told apart, whichever way, and is skipped, with the reason, when the data do not decide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from neff.claims.result import CheckReport
from neff.evaluate.result import Evaluation
from neff.report.claims_junit import claim_cases
from neff.report.groups import decided
from neff.report.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate
    from neff.results import Comparison

__all__ = ["render_junit"]


def render_junit(result: Any, gates: Sequence[Gate] = ()) -> str:
    """Return the gates and comparisons as JUnit XML.

    Parameters
    ----------
    result
        An `Evaluation`, or a check of claims, each claim a case; of another result only the gates are shown.
    gates
        Outcomes of declared conditions.
    """
    suites = []
    if gates:
        suites.append(_suite("gates", [_gate(gate) for gate in gates], result))
    if isinstance(result, Evaluation):
        families: dict[tuple[str, str], list[str]] = {}
        for comparison in result.comparisons:
            families.setdefault((comparison.task, comparison.metric), []).append(_comparison(comparison))
        for (task, metric), cases in families.items():
            name = " · ".join(filter(None, (task, metric))) or "comparisons"
            suites.append(_suite(name, cases, result))
    elif isinstance(result, CheckReport):
        suites += [_suite(name, cases, result) for name, cases in claim_cases(result).items()]
    total = {word: sum(suite.count(mark) for suite in suites) for word, mark in _COUNTED.items()}
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="neff" {_counts(total)} time="0">'
    return "\n".join([head, *suites, "</testsuites>"]) + "\n"


_COUNTED = {"tests": "<testcase ", "failures": "<failure ", "errors": "<error ", "skipped": "<skipped "}


def _counts(total: dict[str, int]) -> str:
    return " ".join(f'{word}="{n}"' for word, n in total.items())


def _suite(name: str, cases: Sequence[str], result: Any) -> str:
    body = "\n".join(cases)
    total = {word: body.count(mark) for word, mark in _COUNTED.items()}
    made = re.match(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}", getattr(getattr(result, "provenance", None), "created", ""))
    stamp = f' timestamp="{made.group()}"' if made else ""
    return f'<testsuite name={_attribute(name)} {_counts(total)} time="0"{stamp}>\n{body}\n</testsuite>'


def _case(name: str, family: str, inner: str) -> str:
    return f'<testcase name={_attribute(name)} classname={_attribute(family)} time="0">{inner}</testcase>'


def _gate(gate: Gate) -> str:
    detail = gate.detail or "no detail recorded"
    if gate.passed is None:
        inner = f"<skipped message={_attribute('undecided: ' + detail)}/>"
    elif gate.passed:
        inner = f"<system-out>{escape(clean(detail))}</system-out>"
    else:
        inner = f'<failure type="gate" message={_attribute(detail)}>{escape(clean(detail))}</failure>'
    return _case(f"fail if {gate.condition}", "neff.gate", inner)


def _comparison(c: Comparison) -> str:
    told, said = decided(c), clean(str(c))
    if told is None:
        inner = f"<skipped message={_attribute(f'{c.verdict}: {c.reason}' if c.reason else str(c.verdict))}/>"
    elif told:
        inner = f"<system-out>{escape(said)}</system-out>"
    else:
        inner = f"<skipped message={_attribute('undecided')}/><system-out>{escape(said)}</system-out>"
    family = "neff.compare" + "".join(f".{part}" for part in (c.task, c.metric) if part)
    return _case(f"{c.a} - {c.b}", family, inner)


def _attribute(text: str) -> str:
    return quoteattr(clean(text))
