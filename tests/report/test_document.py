"""The document says the right thing, in the right order, whatever the result."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from neff.errors import ArgumentTypeError
from neff.evaluate.result import Evaluation
from neff.report import Document, Gate, document
from neff.report.charts import DifferenceMatrix, ForestPlot, difference_step, ticks
from neff.report.document import Figure, Section, TableBlock, plain
from neff.report.groups import AVERAGES, groups
from neff.report.headline import correction_words
from neff.results import Column, Reason, Table, Verdict


def lead(doc: Document) -> str:
    return " ".join(plain(sentence) for sentence in doc.lead)


def figures(doc: Document) -> list[Figure]:
    return [block for section in doc.sections for block in section.blocks if isinstance(block, Figure)]


def test_headline_names_the_best_its_interval_and_the_tied_set(make):
    result = make(5, 211)
    best, (second, *_) = result.estimates[0], result.tied("all", "accuracy")[1:]
    doc = document(result)
    assert plain(doc.title) == f"{best.model} is best, but cannot be told from {second}"
    low, high = best.interval
    assert f"{best.model} is best: {best.value:.3f}, 95% interval {low:.3f} to {high:.3f}, from 211 items." in lead(doc)
    assert f"It cannot be told from {second}; 3 models are behind it, after Holm's correction over 10 pairs." in lead(
        doc
    )


@pytest.mark.parametrize("tied", [1, 2, 3, 4, 6, 7])
def test_title_for_every_size_of_the_tied_set(make, tied):
    result = make(7, 101)
    names = [e.model for e in result.estimates]
    result = replace(result, tied_with_best={"all": tuple(names[:tied])})
    title = plain(document(result).title)
    expected = {
        1: f"{names[0]} is best",
        2: f"{names[0]} is best, but cannot be told from {names[1]}",
        3: f"{names[0]} is best, but cannot be told from {names[1]} or {names[2]}",
        4: f"{names[0]} is best, but cannot be told from {names[1]}, {names[2]} or {names[3]}",
        6: f"{names[0]} is best, but cannot be told from 5 others",
        7: f"{names[0]} scores best, but cannot be told from any other model",
    }
    assert title == expected[tied]


def test_a_flagged_winner_is_not_crowned_silently(make_undefined):
    result = make_undefined()
    said = lead(document(result))
    assert "Read model-00 with care: only 4 clusters" in said
    assert "The best model without such a flag is model-01" in said


def test_a_refused_level_is_named_not_crowned(samples):
    result = samples["refused"]
    doc = document(result)
    assert plain(doc.title) == "model-01 is best"
    why = "the oracle slice does not reach the scores of this policy"
    assert f"model-00 has a better score ({result.estimates[0].value:.3f}), but its level is refused." in lead(doc)
    assert [(n.level, n.heading(), plain(n.text)) for n in doc.notices] == [
        ("error", "Level refused", f"model-00: {why}.")
    ]
    scores, differences = figures(doc)
    assert [row.standing for row in scores.chart.rows] == ["refused", "best", "behind", "behind", "behind"]
    assert scores.chart.reference == result.estimates[1].value
    table = scores.table.table.to_dict()
    assert table["standing"][0] == "refused"
    assert table["reason"][0] == why
    assert differences.chart.cell(0, 1).decided is None
    notes = next(section for section in doc.sections if plain(section.title) == "Notes")
    assert not [item for item in notes.blocks[0].items if why in plain(item)]  # it stands at the top, once


def test_nobody_is_crowned_where_all_levels_are_refused(samples):
    result = samples["refused"]
    lost = tuple(replace(e, refused="no overlap") for e in result.estimates)
    doc = document(replace(result, estimates=lost, tied_with_best={}))
    assert plain(doc.title) == "No model can be named best"
    assert lead(doc) == "The level of every model is refused."
    said = [plain(notice.text) for notice in doc.notices]
    assert said[:4] == [f"model-0{j}: no overlap." for j in range(4)]
    assert said[4:] == ["1 more model, marked ✕ in the scores. The reasons are listed with the diagnostics."]


def test_a_better_mean_on_other_items_is_named(make):
    result = make(4, 101)
    first, second, *_ = result.estimates
    result = replace(result, tied_with_best={"all": (second.model, first.model)})
    doc = document(result)
    assert plain(doc.title).startswith(f"{second.model} is best")
    assert f"{first.model} has a better mean" in lead(doc)


def test_two_models(make):
    result = make(2, 211)
    (c,) = result.comparisons
    doc = document(result)
    assert plain(doc.title) == f"{c.a} and {c.b} cannot be told apart"
    low, high = c.interval
    assert f"The difference is {c.difference:+.3f}, 95% interval {low:+.3f} to {high:+.3f}, on 211 common" in lead(doc)
    for verdict, winner, loser in ((Verdict.HOLDS, c.a, c.b), (Verdict.FAILS, c.b, c.a)):
        told = document(replace(result, comparisons=(replace(c, verdict=verdict),)))
        assert plain(told.title) == f"{winner} is better than {loser}"
    *_, difference = figures(doc)
    assert isinstance(difference.chart, ForestPlot)
    assert difference.chart.signed
    assert difference.chart.reference == 0.0
    assert f"A is {c.a}, B is {c.b}" in difference.description


def test_a_declared_margin_is_part_of_the_title(make):
    result = make(2, 211)
    (c,) = result.comparisons
    said = {
        Verdict.HOLDS: f"{c.a} is better than {c.b} by more than 0.02",
        Verdict.FAILS: f"{c.a} is not better than {c.b} by more than 0.02",
        Verdict.UNDECIDED: f"{c.a} is not shown to be better than {c.b} by more than 0.02",
    }
    for verdict, title in said.items():
        changed = replace(result, comparisons=(replace(c, margin=0.02, verdict=verdict),))
        assert plain(document(changed).title) == title


def test_two_models_on_several_tasks_are_turned_the_same_way(make_many):
    result = make_many(("math", "code", "law", "medicine"), n_models=2)
    first = result.comparisons[0]
    swapped = tuple(c if i != 1 else c.swapped() for i, c in enumerate(result.comparisons))
    section = document(replace(result, comparisons=swapped)).sections[0]
    figure = section.blocks[0]
    assert isinstance(figure, Figure)
    values = [row.value for row in figure.chart.rows]
    oriented = [c if c.a == first.a else c.swapped() for c in result.comparisons]
    assert values == [c.difference for c in oriented]


def test_one_model_and_no_comparisons_and_nothing(make):
    one = make(1, 53)
    assert plain(document(one).title) == f"model-00 scores {one.estimates[0].value:.3f}"
    compared = make(5, 53, compare=False)
    alone = document(compared)
    assert plain(alone.title) == f"{compared.estimates[0].model} has the highest score"
    assert "No differences were tested" in lead(alone)
    assert plain(document(Evaluation(())).title) == "There are no scores"
    assert document(Evaluation(())).facts == ()


def test_all_scores_undefined(make):
    base = make(2, 53)
    nan = math.nan
    lost = tuple(
        replace(e, value=nan, standard_error=nan, interval=(nan, nan), reason=Reason.NO_SCORED) for e in base.estimates
    )
    doc = document(replace(base, estimates=lost, comparisons=(), tied_with_best={}))
    assert plain(doc.title) == "No score could be computed"
    assert lead(doc) == "Reason: no scored draws."


def test_lower_is_better(make):
    result = make(3, 101, metric="loss", lower=True)
    doc = document(result)
    assert plain(doc.title).startswith(result.estimates[0].model)
    matrix = figures(doc)[1].chart
    assert isinstance(matrix, DifferenceMatrix)
    cell = matrix.cell(0, 2)
    assert cell is not None
    assert cell.difference < 0
    assert (matrix.shade(cell) or 0) > 0  # lower is good for the row: blue


def test_an_average_over_tasks_is_the_headline(make_many):
    result = make_many(("math", "code", "law"))
    renamed = tuple(replace(e, task="macro average") if e.task == "math" else e for e in result.estimates)
    moved = tuple(replace(c, task="macro average") if c.task == "math" else c for c in result.comparisons)
    tied = {("macro average" if t == "math" else t): m for t, m in result.tied_with_best.items()}
    doc = document(replace(result, estimates=renamed, comparisons=moved, tied_with_best=tied))
    best = next(e for e in renamed if e.task == "macro average")
    assert plain(doc.title).startswith(f"{best.model} ")
    assert "of 2 tasks" in lead(doc)
    assert plain(doc.kicker) == "5 models · 2 tasks · accuracy"
    assert doc.facts[0].label == "Best score"


def test_the_names_of_averages_are_those_of_the_room():
    means = pytest.importorskip("neff.evaluate.means")
    assert AVERAGES == (means.MACRO, means.MICRO)


def test_every_group_has_its_section_and_many_are_details(make_many):
    few = document(make_many(("math", "code"), ("accuracy", "loss")))
    assert [plain(s.title) for s in few.sections[1:5]] == [
        "math · accuracy", "code · accuracy", "math · loss", "code · loss",
    ]  # fmt: skip
    many = document(make_many(tuple("abcdefg"), n_models=3))
    assert [s.role for s in many.sections[:8]] == ["result", *["detail"] * 7]


def test_numbers_of_a_section_are_the_numbers_of_the_result(make):
    result = make(5, 211)
    scores, differences = figures(document(result))
    rows = scores.table.table.to_dict()
    assert rows["value"] == [e.value for e in result.estimates]
    assert rows["interval_low"] == [e.interval[0] for e in result.estimates]
    for name, difference in zip(rows["model"][1:], rows["difference"][1:], strict=True):
        assert difference == result.comparison(name, rows["model"][0]).difference
    pairs = differences.table.table.to_dict()
    assert pairs["p_adjusted"] == [c.p_adjusted for c in result.comparisons]
    matrix = differences.chart
    assert isinstance(matrix, DifferenceMatrix)
    for i, a in enumerate(matrix.models):
        for j, b in enumerate(matrix.models):
            if i != j:
                cell = matrix.cell(i, j)
                assert cell is not None
                assert cell.difference == pytest.approx(result.comparison(a, b).difference, abs=1e-15)
                assert cell.low == pytest.approx(result.comparison(a, b).interval[0], abs=1e-15)


def test_columns_that_say_nothing_are_left_out(make, make_undefined):
    names = [c.name for c in figures(document(make(3, 53)))[0].table.table.columns]
    assert not {"n", "n_unscored", "n_clusters", "reason"} & set(names)
    shown = [c.name for c in figures(document(make_undefined()))[0].table.table.columns]
    assert {"n_unscored", "n_clusters", "reason"} <= set(shown)


def test_shares_of_variance_are_columns(make):
    base = make(2, 53)
    parts = {"item": 0.1, "sampling": 0.2, "single_draw": 0.3, "sampling_share": 0.25}
    result = replace(base, estimates=tuple(replace(e, components=parts) for e in base.estimates))
    table = figures(document(result))[0].table.table
    column = next(c for c in table.columns if c.name == "sampling_share")
    assert column.format(table.to_dict()["sampling_share"][0]) == "25.0%"


def test_unread_files_warnings_and_notes_are_told(make_undefined):
    doc = document(make_undefined())
    assert "1 file was not read" in plain(doc.notices[0].text)
    text = {plain(section.title): section for section in doc.sections}
    assert text["Files not read"].blocks[0].table.rows == (("logs/broken.eval", "the zip file ends early"),)
    notes = [plain(item) for item in text["Notes"].blocks[0].items]
    assert "61 of 305 draws have no score: counted, not used." in notes
    assert "model-03: one cluster." in notes


def test_failed_gates_come_first(make):
    gates = [Gate("a", True), Gate("b", False, "it is 3"), Gate("c", None)]
    notices = document(make(2, 53), gates=gates).notices
    assert [n.heading() for n in notices] == ["Gate failed", "Gate undecided", "Gate passed"]
    assert plain(notices[0].text) == "fail if b: it is 3."


@pytest.mark.parametrize(
    ("correction", "said"),
    [
        ("holm", ", after Holm's correction over 45 pairs"),
        ("none", ", without correction for the number of pairs"),
        ("benjamini-hochberg", ", after Benjamini and Hochberg's correction over 45 pairs"),
    ],
)
def test_the_correction_is_named(correction, said):
    assert correction_words(correction, 45) == said
    assert correction_words(correction, 1) == ""


def test_any_result_with_a_table_has_a_document():
    @dataclass
    class Plan:
        notes = ("one note",)

        def table(self) -> Table:
            return Table((Column("n", "Items", "count"),), ((100,),), "What it takes")

    doc = document(Plan())
    assert plain(doc.title) == "What it takes"
    assert isinstance(doc.sections[0], Section)
    assert isinstance(doc.sections[0].blocks[0], TableBlock)
    assert plain(doc.sections[1].blocks[0].items[0]) == "one note"
    with pytest.raises(ArgumentTypeError, match="result must be a result of neff, got 3"):
        document(3)


def test_unconnected_models_have_no_standing(make_undefined):
    (group,) = groups(make_undefined())
    assert group.standing(group.estimates[4]) == ""
    assert group.not_told_apart == ("model-01", "model-02", "model-03")


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.381, 0.627), (-3.0, 8e5), (1e-7, 3e-7), (99.5, 99.9)])
def test_ticks_are_round_and_inside(low, high):
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 12
    assert all(low - 1e-9 * abs(low) <= mark <= high * (1 + 1e-9) for mark in marks)
    steps = {round((b - a) / (marks[1] - marks[0]), 6) for a, b in pairwise(marks)}
    assert steps == {1.0}


def test_difference_step_covers_most():
    differences = [k / 100 for k in range(1, 101)]
    assert difference_step(differences) == pytest.approx(0.3)
    assert difference_step([0.0, 0.0]) == 0.1
    assert difference_step([math.nan]) == 0.1
