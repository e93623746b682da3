"""VerifierReport -> Document: what resampling until a verifier accepts buys, and where it should stop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.report.document import Bullets, Document, Fact, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, ReferenceLine, Series, line_figure
from neff.report.text import Name, count, number, plural
from neff.sampling.verifiers.result import VerifierReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block, Gate, Text
    from neff.sampling.verifiers.result import VerifierCurve

__all__ = ["verifier_document"]

MOST_CURVES = 6
WHICH = ("task", "metric", "model", "verifier")  # where a table has them
BRIEF_CURVES = (*WHICH, "k", "right", "wrong", "abstain", "wrong_share")
BRIEF_REWARDS = (*WHICH, "cost", "best_k", "range", "reward")


@document.register(VerifierReport)
def verifier_document(result: VerifierReport, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of `verifier_curves`: ceilings, curves, best budgets by the cost of a wrong answer."""
    sections = [Section(_named(c, result), _figures(c, result)) for c in result.curves[:MOST_CURVES]]
    budgets = _shown(max((len(c.budgets) for c in result.curves), default=0))
    curves = TableBlock(result.table(budgets), "Right, wrong and no answer by budget", BRIEF_CURVES)
    rewards = TableBlock(result.rewards(), "Best budget by the cost of a wrong answer", BRIEF_REWARDS)
    sections += [Section(("By budget",), (curves,)), Section(("When a wrong answer costs something",), (rewards,))]
    notes: list[Text] = [(note,) for note in result.notes]
    if not math.isnan(result.correlation):
        known = f"Over models, single-draw and conditional accuracy correlate with {result.correlation:.2f}"
        notes.append((f"{known}, within each task and verifier.",))
    notes += [
        ("Ceilings are plug-ins: an item accepted less often than once in the recorded draws counts as lost.",),
        ("The best budget is unstable: read its 5 to 95% range over resampled items.",),
    ]
    sections.append(Section(("Notes",), (Bullets(tuple(notes)),), "context"))
    return Document(
        title=_title(result),
        kind="imperfect verifier",
        kicker=(f"{plural(len(result.curves), 'model and verifier', 'models and verifiers')}",),
        lead=tuple(_sentence(c, result) for c in result.curves[:MOST_CURVES] if len(c.budgets)),
        facts=_facts(result),
        notices=gate_notices(gates),
        sections=tuple(sections),
    )


def _shown(longest: int) -> tuple[int, ...]:
    """Return 1, 2, 5, 10, ... up to the longest budget.

    Examples
    --------
    >>> _shown(100), _shown(3)
    ((1, 2, 5, 10, 20, 50, 100), (1, 2, 3))
    """
    steps = [unit * 10**power for power in range(7) for unit in (1, 2, 5)]
    return tuple(sorted({k for k in steps if k <= longest} | ({longest} if longest else set())))


def _named(curve: VerifierCurve, result: VerifierReport) -> tuple[str, ...]:
    parts: list[str] = []
    metric = curve.metric if len({c.metric for c in result.curves}) > 1 else ""
    for part in (curve.model, "" if curve.task == "all" else curve.task, metric, curve.verifier):
        if part:
            parts += [" · "] * bool(parts) + [Name(part)]
    return tuple(parts)


def _title(result: VerifierReport) -> Text:
    known = [c for c in result.curves if len(c.budgets)]
    if not known:
        return ("No draw has both an outcome and an acceptance",)
    best = max(known, key=lambda c: float(c.right[-1]))
    gap = float(best.perfect[-1] - best.right[-1])
    alone = len({(c.task, c.metric, c.model) for c in known}) == 1
    return (
        f"Resampling reaches {100 * float(best.right[-1]):.1f}% with ",
        *((Name(best.verifier),) if alone else _named(best, result)),
        f", {100 * gap:.1f} points below a perfect verifier",
    )  # fmt: skip


def _sentence(c: VerifierCurve, result: VerifierReport) -> Text:
    ends = [(float(c.right[i]), float(c.wrong[i])) for i in (0, -1)]
    first, last = (f"{100 * wrong / (right + wrong):.1f}%" if right + wrong else "none" for right, wrong in ends)
    longest = f"{len(c.budgets):,}"
    reach = f": right {number(ends[0][0], 3)} at 1 and {number(ends[1][0], 3)} at {longest} attempts; "
    return (*_named(c, result), reach, f"of the accepted answers {first} are wrong at 1, {last} at {longest}.")


def _facts(result: VerifierReport) -> tuple[Fact, ...]:
    if not result.curves:
        return ()
    items = max(c.n_items for c in result.curves)
    draws = max(c.n_draws for c in result.curves)
    never = max(c.n_never for c in result.curves)
    return (
        Fact("Items", count(items)),
        Fact("Draws", count(draws)),
        Fact("Never accepted", count(never), ("items, at most",)),
    )


def _figures(c: VerifierCurve, result: VerifierReport) -> tuple[Block, ...]:
    if not len(c.budgets):
        return ()
    x = tuple(map(float, c.budgets.tolist()))

    def line(name: str, values: object, band: object = None) -> Series:
        y = tuple(map(float, values))  # type: ignore[call-overload]
        if band is None:
            return Series(name, x, y)
        low, high = zip(*((float(a), float(b)) for a, b in band), strict=True)  # type: ignore[attr-defined]
        return Series(name, x, y, tuple(low), tuple(high))

    accuracy = LineChart(
        (
            line("right", c.right, c.right_interval), line("wrong", c.wrong, c.wrong_interval),
            line("perfect verifier", c.perfect),
        ),
        "attempts", "share of items", x_scale="log", band_label="interval over items", y_range=(0.0, 1.0),
    )  # fmt: skip
    rewards = LineChart(
        tuple(line(f"wrong costs {r.cost:g}", r.curve) for r in c.rewards), "attempts", "expected reward per item",
        x_scale="log", references=(ReferenceLine(result.abstain_value, "no attempt"),),
    )  # fmt: skip
    said = "Items answered rightly and wrongly within a budget of attempts; the rest get no answer."
    blocks: list[Block] = [line_figure(accuracy, "Accepted answers", said)]
    if c.rewards:
        worth = f"A right answer counts {result.right_value:g}, a wrong one costs what is said"
        worth += f", none counts {result.abstain_value:g}" * bool(result.abstain_value)
        worth += f", an attempt costs {result.price:g}" * bool(result.price)
        blocks.append(line_figure(rewards, "Expected reward", f"{worth}."))
    return tuple(blocks)
