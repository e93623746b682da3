"""Audits, plans and subtask scores as documents: the finding first, every format, names that cannot steer."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

import neff
from neff.evaluate import VarianceModel, subtask_scores
from neff.report import Gate, document, load, render, schema, write
from neff.report.charts import ForestPlot
from neff.report.document import Figure, TableBlock, plain
from neff.results import Verdict


def probe(names=("near", "far", "thin", "bare"), seed=1):
    """Residuals about 0, about 0.3, about 0 on few labels, and no label; 20 labels do not decide."""
    rng = np.random.default_rng(seed)
    parts = {"item": [], "model": [], "score": [], "label": []}
    for name, n, shift, labelled in zip(names, (211, 101, 23, 31), (0, 0.3, 0, 0), (211, 101, 23, 0), strict=True):
        score = np.round(rng.beta(3, 2, n), 2)
        label = np.clip(score**2 + shift + rng.normal(0, 0.08, n), 0, 1)
        parts["item"] += [f"{n}-{i}" for i in range(n)]
        parts["model"] += [name] * n
        parts["score"] += score.tolist()
        parts["label"] += np.where(np.arange(n) < labelled, label, math.nan).tolist()
    return parts


def source(seed=5, n=307):
    rng = np.random.default_rng(seed)
    score = np.round(rng.beta(3, 2, n), 2)
    return {
        "item": np.arange(n),
        "model": ["base"] * n,
        "score": score,
        "label": np.clip(score**2 + rng.normal(0, 0.08, n), 0, 1),
    }


def cells(n_models=5, n_tasks=7, n=6, names=None, seed=0):
    """Right or wrong answers of models on tasks of different ease."""
    rng = np.random.default_rng(seed)
    rows = [
        (names[m] if names else f"m{m}", f"t{t}", i, float(rng.random() < 1 / (1 + np.exp(1 - 0.4 * m - 0.3 * t))))
        for m in range(n_models)
        for t in range(n_tasks)
        for i in range(n)
    ]
    model, task, item, score = zip(*rows, strict=True)
    return {"model": model, "task": task, "item": item, "score": score}


@pytest.fixture(scope="module")
def audit():
    return neff.audit(probe(), calibration=source(), margin=0.03)


@pytest.fixture(scope="module")
def with_subtasks():
    result = neff.evaluate(cells())
    return replace(result, subtasks=subtask_scores(result))


def lead(doc):
    return " ".join(plain(sentence) for sentence in doc.lead)


def blocks(doc, kind):
    return [block for section in doc.sections for block in section.blocks if isinstance(block, kind)]


# Audits.


def test_an_audit_says_the_worst_first_and_what_would_decide(audit):
    doc = document(audit)
    assert plain(doc.title) == (
        "The calibration fails for far, is undecided for thin, holds for near, is not checked for bare"
    )
    said = lead(doc)
    assert said.index("far: ") < said.index("thin: ") < said.index("near: ")
    assert "bare: " not in said
    thin = audit.row("thin")
    sd = thin.standard_error * math.sqrt(thin.n_eff)
    wanted = neff.plan_audit(margin=0.03, sd=sd, bias=thin.residual, n_policies=3).n_prompts
    assert f"if that is the true mean, about {wanted:,.0f} labelled prompts show that it holds." in said
    assert wanted > thin.n
    far_off = replace(audit, rows=(replace(thin, residual=0.031),))
    assert "labelled prompts show" not in lead(document(far_off))
    hold = float(said.partition("a margin of ")[2].split()[0])
    assert thin.margin_to_hold <= hold < thin.margin_to_hold + 0.01  # rounded up: this margin does hold


def test_an_audit_is_drawn_with_its_margin(audit):
    (figure,) = blocks(document(audit), Figure)
    assert isinstance(figure.chart, ForestPlot)
    assert figure.chart.limits == (-0.03, 0.03)
    assert [row.strong for row in figure.chart.rows] == [False, True, True, False]  # bare, far, near, thin
    page = render(audit, "html")
    assert page.count('class="reference"') == 2 * 3  # zero and both margins, wide and narrow
    assert ">Residual<" in page
    assert ">A − B<" not in page
    ungraded = document(neff.audit(probe(), calibration=source()))
    assert blocks(ungraded, Figure)[0].chart.limits == ()
    assert plain(ungraded.title).startswith("The calibration is not graded for far, near and thin")
    low, high = figure.chart.domain()
    assert low < -0.03
    assert high > 0.3


def test_few_clusters_and_nothing_to_audit(audit):
    few = neff.audit(probe(seed=2), calibration=source(), margin=0.5)
    rows = tuple(replace(row, n_eff=7.0, verdict=Verdict.UNDECIDED) for row in few.rows if row.policy == "near")
    assert "7 effective clusters are too few, 20 are needed" in lead(document(replace(few, rows=rows)))
    nothing = document(replace(audit, rows=(), deciles={}))
    assert plain(nothing.title) == "No policy was audited"
    assert not blocks(nothing, Figure)


def test_many_policies_are_summed_up(audit):
    many = replace(audit, rows=tuple(replace(audit.row("near"), policy=f"p{i}") for i in range(7)))
    doc = document(many)
    assert plain(doc.title) == "The calibration holds for p0, p1, p2 and 4 more"
    assert "3 more policies in the table." in lead(doc)


# Plans.


def test_a_plan_of_labels_says_what_to_buy(audit):
    plan = neff.plan_budget(VarianceModel(0.06, 0.03), budget=1000, price_label=16)
    doc = document(plan)
    assert plain(doc.title) == "Judge 261 prompts and label 46 of them"
    assert "costs 997;" in lead(doc)
    assert "0.118 between two policies is found with power 0.8" in lead(doc)
    four = {"budget": 9000, "price_label": 16, "n_policies": 4}
    own, shared = (neff.plan_budget(plan.variance, **four, labels=labels) for labels in ("own", "shared"))
    assert "for each of 4 policies" in plain(document(own).title)
    assert plain(document(shared).title).endswith(", with labels for one of them")
    assert plain(document(neff.plan_budget(plan.variance, budget=9, price_label=16)).title).startswith("No plan: not")
    poor = replace(plan.variance, reason=neff.Reason.POOR_FIT, warnings=("The model explains 30%.",))
    weak = document(neff.plan_budget(poor, budget=1000, price_label=16))
    assert any("should not be used: the model fits badly" in plain(notice.text) for notice in weak.notices)
    assert "The model explains 30%." in render(neff.plan_budget(poor, budget=1000, price_label=16))


def test_a_plan_of_an_audit_says_how_many_labels():
    doc = document(neff.plan_audit(margin=0.05, sd=0.2, n_policies=3))
    assert plain(doc.title) == "Label 289 prompts for each of 3 policies"
    assert "holds for all within 0.05 with a chance of at least 80%" in lead(doc)
    hopeless = document(neff.plan_audit(margin=0.05, sd=0.2, bias=0.06))
    assert plain(hopeless.title).startswith("No number of labels does")
    assert not hopeless.lead


def test_a_plan_of_items_puts_what_is_the_same_into_the_title():
    plan = neff.plan(neff.evaluate(cells(3, 1, 53)), difference=0.05)
    doc = document(plan)
    assert plain(doc.title).endswith(f": a difference of 0.05, A is {plan.rows[0].a}")
    (block,) = blocks(doc, TableBlock)
    assert not {"a", "task", "metric", "target"} & set(block.brief)
    tasks = neff.plan(neff.evaluate(cells(2, 2, 53)), difference=0.05)
    assert "task" in blocks(document(tasks), TableBlock)[0].brief


# Subtasks.


def test_shrunk_scores_stand_beside_the_raw_ones(with_subtasks):
    text = render(with_subtasks)
    assert "Scores by subtask, raw and shrunk" in text
    assert "Estimated risk of each rule" in text
    assert str(with_subtasks.subtasks.fits[0]) in " ".join(text.split())
    block = next(b for b in blocks(document(with_subtasks), TableBlock) if b.title.startswith("Scores by subtask"))
    assert block.brief.index("raw") < block.brief.index("shrunk")
    assert "metric" not in block.brief
    alone = document(with_subtasks.subtasks)
    assert plain(alone.title) == f"Use {with_subtasks.subtasks.fits[0].best} scores"
    notes = [plain(item) for section in alone.sections for b in section.blocks for item in getattr(b, "items", ())]
    assert notes == list(with_subtasks.subtasks.notes)


def test_many_cells_are_summed_up_on_a_terminal():
    scores = subtask_scores(neff.evaluate(cells(9, 7, 5)))
    text = render(scores)
    assert "63 cells: each model on each task, raw and shrunk. All of them are in -o FILE.html" in " ".join(
        text.split()
    )
    assert "m8" not in text


def test_shrunk_scores_are_saved_by_the_schema_and_come_back(with_subtasks, tmp_path):
    path = write(with_subtasks, tmp_path / "result.json")
    data = json.loads(path.read_text())
    published = schema()
    jsonschema.Draft202012Validator(published).validate(data)
    parts = {"subtasks": data["subtasks"], "subtask_cell": data["subtasks"]["cells"][0]}
    parts |= {"subtask_fit": data["subtasks"]["fits"][0], "subtask_rule": data["subtasks"]["fits"][0]["rules"][0]}
    for name, part in parts.items():
        assert set(part) == set(published["$defs"][name]["properties"]) == set(published["$defs"][name]["required"])
    again = load(path)
    assert render(again, "json") == path.read_text()
    assert render(again.subtasks) == render(with_subtasks.subtasks)
    assert load(write(replace(with_subtasks, subtasks=None), tmp_path / "plain.json")).subtasks is None
    del data["subtasks"]
    (tmp_path / "older.json").write_text(json.dumps(data))
    assert load(tmp_path / "older.json").subtasks is None


def test_shrunk_scores_are_columns_of_the_long_table(with_subtasks):
    rows = list(csv.DictReader(io.StringIO(render(with_subtasks, "csv"))))
    cell = with_subtasks.subtasks.cell("m2", "t3")
    row = next(row for row in rows if (row["kind"], row["model"], row["task"]) == ("score", "m2", "t3"))
    assert (float(row["value"]), float(row["shrunk"])) == (cell.raw, cell.shrunk)
    assert float(row["beta_binomial"]) == cell.beta_binomial
    assert {row["shrunk"] for row in rows if row["kind"] == "difference" or row["task"] == "macro average"} == {""}
    without = render(replace(with_subtasks, subtasks=None), "csv")
    assert "shrunk" not in without.splitlines()[0]


# All of them.


def results():
    """One of every kind, with names that try to break out."""
    evil = ("<script>alert(1)</script>", "red\x1b[31mtext", "`|*[x](http://a.invalid)", "@team #12")
    labels = neff.plan_budget(VarianceModel.from_quality(0.4), budget=3000, price_label=16)
    evaluation = neff.evaluate(cells(4, 3, 7, names=evil))
    return {
        "audit": neff.audit(probe(evil), calibration=source(), margin=0.03),
        "items": neff.plan(evaluation, difference=0.1),
        "labels": labels,
        "audit size": neff.plan_audit(margin=0.05, sd=0.2),
        "subtasks": subtask_scores(evaluation),
        "evaluation": replace(evaluation, subtasks=subtask_scores(evaluation)),
    }


@pytest.fixture(scope="module")
def hostile_results():
    return results()


@pytest.mark.parametrize("name", ["audit", "items", "labels", "audit size", "subtasks", "evaluation"])
def test_every_format_of_every_result(hostile_results, name, tmp_path):
    result = hostile_results[name]
    gates = (Gate("fails", passed=False, detail="x: fails"),)
    text = render(result, "text", width=100, gates=gates)
    assert "Gate failed: fail if fails: x: fails." in text
    assert all(len(line) <= 100 for line in text.splitlines())
    for form in ("text", "markdown", "html", "csv"):
        out = render(result, form, gates=gates)
        assert "\x1b" not in out
        if form == "html":
            assert "<script>alert(1)" not in out
        if form == "markdown":  # in code spans only
            assert out.count("<script>alert(1)") == out.count("`<script>alert(1)")
    assert json.loads(render(result, "json"))["schema"].startswith("neff.")
    for suffix in ("html", "md", "json", "csv", "xml", "txt", "parquet"):
        assert write(result, tmp_path / f"r.{suffix}", gates=gates).stat().st_size > 0
    assert all(len(line) <= 60 for line in render(result, "text", width=60).splitlines())
