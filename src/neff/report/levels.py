"""May a level be read? Refusals for the top of a page, the panel of diagnostics, and the calibration curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.evaluate.gating.gate import table as gates_table
from neff.evaluate.gating.thresholds import RULES
from neff.report.document import Block, Figure, Notice, Paragraph, Section, TableBlock
from neff.report.text import Mark, Name, digits_for, label, number, plural
from neff.results import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.calibrating.curve import CalibrationCurve
    from neff.evaluate.gating.gate import Gate
    from neff.evaluate.result import Evaluation

__all__ = ["calibration_figure", "calibration_sections", "gate_panel", "level_sections", "refusals"]

MOST_REFUSALS = 4  # notices; further refused models are counted in one more
MOST_CURVES = 6  # figures on one page

_SHORT = {
    "ess_fraction": "raw n_eff / n",
    "hill": "tail index",
    "hellinger": "affinity",
    "ttc": "typical answers",
    "judge_overlap": "judge overlap",
    "near_zero": "zero weights",
    "mean_ratio": "mean ratio",
    "top_share": "top 5%",
    "label_ess": "label n_eff",
    "outside": "outside range",
    "saturation": "at the ends",
    "own_labels": "own labels",
    "collapsed": "constant",
    "selection": "random labels",
}


def refusals(result: Evaluation) -> tuple[Notice, ...]:
    """Return one notice per model whose level is refused, with the reason, and one for those beyond the fourth."""
    reasons: dict[str, list[str]] = {}
    counted = {e.model: 0 for e in result.estimates}
    for e in result.estimates:
        counted[e.model] += 1
        if e.refused:
            reasons.setdefault(e.model, []).append(e.refused.rstrip("."))
    found = []
    for model, said in list(reasons.items())[:MOST_REFUSALS]:
        where = f" in {len(said):,} of {counted[model]:,} results" if counted[model] > 1 else ""
        distinct = list(dict.fromkeys(said))
        more = f" (and {plural(len(distinct) - 1, 'further reason')})" if len(distinct) > 1 else ""
        found.append(Notice("error", (Name(model), f"{where}: {distinct[0]}{more}."), "Level refused"))
    rest = len(reasons) - MOST_REFUSALS
    if rest > 0:
        text = f"{plural(rest, 'more model')}, marked ✕ in the scores. The reasons are listed with the diagnostics."
        found.append(Notice("error", (text,), "Level refused"))
    return tuple(found)


def level_sections(result: Evaluation) -> list[Section]:
    """Return the panel, what calls for care, and all diagnostics for outputs with room."""
    if not result.gates:
        return []
    care = [gate for gate in result.gates if gate.state != "good"]
    brief = ("policy", "state", "quantity", "value", "refuse")
    first: Block = Paragraph(("Nothing speaks against it.",))
    if care:
        first = TableBlock(gates_table(care), "What calls for care, or refuses a level", brief)
    summary = f"{plural(len(result.gates), 'diagnostic')}, {len(care):,} of them not good."
    whole = TableBlock(gates_table(result.gates), "All diagnostics", brief, summary, open=False)
    return [
        Section(("May these levels be read?",), (gate_panel(result.gates), first), "context"),
        Section((), (whole,), "detail"),
    ]


def gate_panel(gates: Sequence[Gate]) -> TableBlock:
    """Return one row per policy and one column per diagnostic: a mark for its state, the worst where it has several."""
    order = ("good", "unknown", "warn", "refuse")
    states: dict[tuple[str, str, str], dict[str, str]] = {}
    for gate in gates:
        row = states.setdefault((gate.task, gate.metric, gate.policy), {})
        row[gate.quantity] = max(row.get(gate.quantity, "good"), gate.state, key=order.index)
    quantities = [name for name in RULES if any(name in row for row in states.values())]
    several = [j for j in (0, 1) if len({key[j] for key in states}) > 1]
    columns = [
        Column("policy", "Policy"),
        *(Column(("task", "metric")[j], ("Task", "Metric")[j]) for j in several),
        *(Column(name, _SHORT.get(name, RULES[name].title), help=RULES[name].title) for name in quantities),
    ]
    rows = tuple(
        (
            Name(key[2]),
            *(Name(key[j]) for j in several),
            *(Mark(row[name]) if name in row else "" for name in quantities),
        )
        for key, row in states.items()
    )
    title = "Each policy's diagnostics: ✓ good, ! with care, ✕ refused, ? cannot be told"
    return TableBlock(Table(tuple(columns), rows, title), title)


def calibration_sections(result: Evaluation) -> list[Section]:
    """Return the calibration curves, one figure per (task, metric), as far as there is room."""
    if not result.calibrations:
        return []
    tasks = len({curve.task for curve in result.calibrations}) > 1
    metrics = len({curve.metric for curve in result.calibrations}) > 1
    blocks: list[Block] = []
    for curve in result.calibrations[:MOST_CURVES]:
        names = [*([curve.task] if tasks else []), *([curve.metric] if metrics else [])]
        blocks.append(calibration_figure(curve, " · ".join(label(name, 60) for name in names)))
    left_out = len(result.calibrations) - MOST_CURVES
    if left_out > 0:
        blocks.append(Paragraph((f"{plural(left_out, 'more curve')}: in the JSON file, under calibrations.",)))
    return [Section(("How the judge was calibrated",), tuple(blocks), "context")]


def calibration_figure(curve: CalibrationCurve, about: str = "") -> Figure:
    """Return the curve with the labels behind it, and the same numbers as a table."""
    digits = digits_for([curve.rmse_out_of_fold], [*curve.mean_labels, *curve.values])
    score_digits = digits_for([curve.labelled_range[1] - curve.labelled_range[0]], curve.scores)
    low, high = (number(v, score_digits) for v in curve.labelled_range)
    circles = "scores that lie together" if curve.binned else "each score"
    words = (
        f"What a judge's score (across) is worth in labels (up), learned from {curve.n_labelled:,} labels. Circles: "
        f"mean label of {circles}; the marks below show how many. Shaded: where there are labels, {low} to {high}; "
        f"beyond, the line is level. A label is {number(curve.rmse_out_of_fold, digits)} from the line (root mean "
        f"square, out of fold).{' Covariates are held at their medians.' if curve.at_medians else ''}"
    )
    title = f"Calibration curve{': ' if about else ''}{about}"
    table = Table(
        (
            Column("score", "Score", "number", score_digits, help="mean of the bin" if curve.binned else ""),
            Column("n_labelled", "Labels", "count"),
            Column("mean_label", "Mean label", "number", digits),
            Column("calibrated", "Calibrated", "number", digits, help="the curve at this score"),
        ),
        tuple(
            (score, count, mean, curve.value_at(score))
            for score, count, mean in zip(curve.scores, curve.counts, curve.mean_labels, strict=True)
        ),
        "The labels and the curve",
    )
    return Figure(curve, title, words, TableBlock(table, "The same numbers as a table", open=False))
