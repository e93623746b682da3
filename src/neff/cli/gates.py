"""`--fail-if`: conditions under which the exit code is 1, so that a result can stop a build.

A gate is one comparison, ``STAT(WHAT) OP NUMBER``:

- STAT: value, se, lower, upper, n, n_eff for both, unscored for scores, p, p_adjusted, unmatched
  for differences;
- WHAT: ``score`` (every model), ``score[MODEL]``, ``diff`` (every pair), ``diff[A,B]`` (A minus B);
- OP: ``<  <=  >  >=  ==  !=``.

It fails where the condition is true for any row it names, and where the number is undefined: what could not
be checked must not pass silently.
"""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from neff.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from neff.evaluate.result import Evaluation
    from neff.report.document import Gate
    from neff.results import Comparison, Estimate

__all__ = ["Condition", "check_gates", "parse_gate"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}

_SCORE: dict[str, Callable[[Estimate], float]] = {
    "value": lambda e: e.value,
    "se": lambda e: e.standard_error,
    "lower": lambda e: e.interval[0],
    "upper": lambda e: e.interval[1],
    "n": lambda e: e.n,
    "n_eff": lambda e: e.n_eff,
    "unscored": lambda e: e.n_unscored,
}

_DIFF: dict[str, Callable[[Comparison], float]] = {
    "value": lambda c: c.difference,
    "se": lambda c: c.standard_error,
    "lower": lambda c: c.interval[0],
    "upper": lambda c: c.interval[1],
    "p": lambda c: c.p_value,
    "p_adjusted": lambda c: c.p_adjusted,
    "n": lambda c: c.n_items,
    "n_eff": lambda c: c.n_eff,
    "unmatched": lambda c: c.n_unmatched,
}

_GRAMMAR = re.compile(
    r"\s*(?P<stat>\w+)\s*\(\s*(?P<what>\w+)\s*(?:\[(?P<names>.*)\])?\s*\)"
    r"\s*(?P<op><=|>=|==|!=|<|>)\s*(?P<number>[-+.\w]+)\s*",
    re.DOTALL,
)

_EXAMPLE = "Write for example --fail-if 'lower(diff) < -0.01' or --fail-if 'value(score[my-model]) < 0.8'."
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that must not be true: `stat` of `what`, compared by `op` with `number`."""

    text: str
    stat: str
    what: str
    names: str | None
    op: str
    number: float


def parse_gate(text: str) -> Condition:
    """Return the gate that an expression states.

    Parameters
    ----------
    text
        The expression, such as ``lower(diff) < -0.01``.

    Returns
    -------
    Condition
        The condition under which the gate fails.

    Raises
    ------
    GateError
        If the expression is not of the form ``STAT(WHAT) OP NUMBER``; the message says which part is wrong.

    Examples
    --------
    >>> parse_gate("lower(diff[new, old]) < -0.01").names
    'new, old'
    >>> parse_gate("lowr(diff) < 0")
    Traceback (most recent call last):
    neff.errors.GateError: --fail-if 'lowr(diff) < 0': diff has no statistic 'lowr'. Did you mean 'lower'?
    """
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        raise _error(text, "this is not STAT(WHAT) OP NUMBER.", _EXAMPLE)
    stat, what, names, op, written = found.group("stat", "what", "names", "op", "number")
    if what not in ("score", "diff"):
        raise _error(text, f"WHAT must be score or diff, got {what!r}.", _nearest(what, ("score", "diff"), _EXAMPLE))
    known = _SCORE if what == "score" else _DIFF
    if stat not in known:
        hint = f"Use one of {', '.join(known)}."
        raise _error(text, f"{what} has no statistic {stat!r}.", _nearest(stat, known, hint))
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _error(text, f"NUMBER must be a finite number, got {written!r}.", "Write it as 0.01 or 1e-3.")
    if names is not None:
        names = names.strip()
        if what == "score" and not names:
            raise _error(text, "score[] names no model.", "Write score[MODEL], or score for every model.")
        if what == "diff" and "," not in names:
            raise _error(text, "diff[] needs two models.", "Write diff[A,B] for A minus B, or diff for every pair.")
    return Condition(" ".join(text.split()), stat, what, names, op, number)


def check_gates(gates: Iterable[Condition], evaluation: Evaluation) -> tuple[Gate, ...]:
    """Return one result per gate, in order.

    Parameters
    ----------
    gates
        What `parse_gate` returned.
    evaluation
        The result to hold against them.

    Raises
    ------
    GateError
        If a gate names a model or pair that the result does not have; the message lists those it has.
    """
    return tuple(_check(gate, evaluation) for gate in gates)


def _check(gate: Condition, evaluation: Evaluation) -> Gate:
    from neff.report.document import Gate

    rows = _scores(gate, evaluation) if gate.what == "score" else _differences(gate, evaluation)
    broken, undefined = [], []
    for label, number, reason in rows:
        if math.isnan(number):
            undefined.append(f"{gate.stat} of {label} could not be checked ({reason or 'undefined'})")
        elif _OPERATORS[gate.op](number, gate.number):
            broken.append(f"{gate.stat} of {label} is {number:.6g}")
    failing = broken + undefined
    if not failing:
        return Gate(gate.text, passed=True, detail=f"{len(rows)} checked, none {gate.op} {gate.number:g}")
    more = f" (and {len(failing) - _SHOWN} more)" if len(failing) > _SHOWN else ""
    return Gate(gate.text, passed=False, detail="; ".join(failing[:_SHOWN]) + more)


def _scores(gate: Condition, evaluation: Evaluation) -> list[tuple[str, float, Any]]:
    rows = [e for e in evaluation.estimates if gate.names is None or e.model == gate.names]
    if not rows:
        models = sorted({e.model for e in evaluation.estimates})
        raise _error(
            gate.text,
            f"there is no model {gate.names!r}.",
            _nearest(gate.names or "", models, _among(models)),
        )
    return [(_label(e.model, e.task, evaluation), _SCORE[gate.stat](e), e.reason) for e in rows]


def _differences(gate: Condition, evaluation: Evaluation) -> list[tuple[str, float, Any]]:
    rows: list[Comparison] = []
    if gate.names is None:
        rows = list(evaluation.comparisons)
    else:
        a, b = _pair(gate, evaluation)
        for found in evaluation.comparisons:
            if (found.a, found.b) == (a, b):
                rows.append(found)
            elif (found.a, found.b) == (b, a):
                if found.margin:
                    raise _error(gate.text, "this pair has a margin, which has a direction.", f"Write diff[{b},{a}].")
                rows.append(found.swapped())
    if not rows:
        raise _error(
            gate.text,
            "nothing was compared." if gate.names is None else "this pair was not compared.",
            "Give records of at least two models, without --no-compare.",
        )
    return [(_label(f"{c.a} - {c.b}", c.task, evaluation), _DIFF[gate.stat](c), c.reason) for c in rows]


def _pair(gate: Condition, evaluation: Evaluation) -> tuple[str, str]:
    """Split ``A,B`` at the comma that leaves two known models: names may hold commas themselves."""
    models = sorted({name for c in evaluation.comparisons for name in (c.a, c.b)})
    parts = (gate.names or "").split(",")
    splits = [(",".join(parts[:j]).strip(), ",".join(parts[j:]).strip()) for j in range(1, len(parts))]
    for a, b in splits:
        if a in models and b in models:
            return a, b
    unknown = next((name for name in splits[0] if name not in models), splits[0][0])
    raise _error(gate.text, f"there is no compared model {unknown!r}.", _nearest(unknown, models, _among(models)))


def _label(name: str, task: str, evaluation: Evaluation) -> str:
    return name if len(evaluation.groups()) == 1 else f"{name} ({task})"


def _among(models: Sequence[str]) -> str:
    shown = ", ".join(models[:10]) or "none"
    return f"There are: {shown}{', ...' if len(models) > 10 else ''}."


def _nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else otherwise


def _error(text: str, problem: str, fix: str) -> GateError:
    return GateError(f"--fail-if {text!r}: {problem} {fix}")
