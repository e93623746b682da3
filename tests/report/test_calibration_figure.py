"""The calibration curve, the panel of diagnostics and the refusals: as data, in JSON and in every output."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import pytest

import neff
from neff.errors import RecordsError
from neff.evaluate.calibrating.curve import MOST_KNOTS, MOST_POINTS, CalibrationCurve
from neff.evaluate.gating.gate import Gate
from neff.evaluate.result import Evaluation
from neff.report import load, render, schema, write
from neff.report.document import Figure, document, plain
from neff.report.levels import MOST_CURVES, gate_panel, refusals
from neff.report.svg_calibration import calibration_svg

SVG = "{http://www.w3.org/2000/svg}"


def judged(n=211, *, step=0.05, models=("a", "b", "c"), labelled=0.6, seed=11, top=0.9):
    """Return records of a judge on a grid of scores (step None: continuous); labels only up to the score `top`."""
    rng = np.random.default_rng(seed)
    rows = {"item": [], "model": [], "score": [], "label": [], "length": []}
    for j, model in enumerate(models):
        truth = rng.uniform(0, 1, n)
        score = np.clip(truth + rng.normal(0, 0.1, n), 0, 1)
        score = score if step is None else np.round(score / step) * step
        label = np.clip(0.2 + 0.6 * truth + rng.normal(0, 0.1, n), 0, 1)
        label[(rng.random(n) > labelled) | (score > top)] = np.nan
        rows["item"] += [f"q{i:03d}" for i in range(n)]
        rows["model"] += [model] * n
        rows["score"] += score.tolist()
        rows["label"] += label.tolist()
        rows["length"] += rng.normal(j, 1, n).tolist()
    return rows


@pytest.fixture(scope="module")
def result():
    return neff.evaluate(judged(), label="label")


@pytest.fixture(scope="module")
def curve(result):
    (found,) = result.calibrations
    return found


def figure_of(result):
    blocks = [block for section in document(result).sections for block in section.blocks]
    return next(b for b in blocks if isinstance(b, Figure) and isinstance(b.chart, CalibrationCurve))


def test_the_points_are_the_labels_by_score(curve):
    rows = judged()
    score, label = np.array(rows["score"]), np.array(rows["label"])
    known = ~np.isnan(label)
    assert not curve.binned
    assert sum(curve.counts) == curve.n_labelled == known.sum()
    assert curve.labelled_range == pytest.approx((score[known].min(), score[known].max()), abs=1e-9)
    assert curve.score_range == pytest.approx((score.min(), score.max()), abs=1e-9)
    assert curve.score_range[1] > curve.labelled_range[1]  # scores without any label, drawn outside the shade
    for at, count, mean in zip(curve.scores, curve.counts, curve.mean_labels, strict=True):
        here = known & (np.abs(score - at) < 1e-6)
        assert count == here.sum()
        assert mean == pytest.approx(label[here].mean(), abs=1e-6)


def test_the_curve_keeps_the_mean_of_the_labels_and_rises(curve):
    fitted = np.average([curve.value_at(score) for score in curve.scores], weights=curve.counts)
    assert fitted == pytest.approx(np.average(curve.mean_labels, weights=curve.counts), abs=1e-6)
    assert (np.diff(curve.values) >= 0).all()
    assert curve.value_at(2.0) == curve.values[-1]


def test_many_scores_are_binned_and_a_long_curve_thinned():
    (curve,) = neff.evaluate(judged(1501, step=None), label="label", calibration="monotone").calibrations
    assert curve.binned
    assert len(curve.scores) <= MOST_POINTS
    assert len(curve.knots) <= MOST_KNOTS
    assert sum(curve.counts) == curve.n_labelled
    assert np.median(curve.counts) == pytest.approx(curve.n_labelled / MOST_POINTS, abs=1)  # but for ties at the ends
    assert (np.diff(curve.scores) > 0).all()


def test_covariates_are_held_at_their_medians_and_it_says_so():
    rows = judged(307)
    found = neff.evaluate(rows, label="label", covariates=["length"])
    (curve,) = found.calibrations
    assert (curve.mode, curve.at_medians) == ("two-stage", True)
    assert "held at their medians" in figure_of(found).description


def test_weights_of_known_propensities_weigh_the_mean_labels():
    rows = judged(step=0.5)
    rows["p"] = np.where(np.array(rows["length"]) > 0, 0.9, 0.3).tolist()
    (curve,) = neff.evaluate(rows, label="label", propensity="p", calibration="monotone").calibrations
    score, label, p = (np.array(rows[name]) for name in ("score", "label", "p"))
    here = (score == curve.scores[0]) & ~np.isnan(label)
    assert curve.mean_labels[0] == pytest.approx(np.average(label[here], weights=1 / p[here]), abs=1e-6)


def test_plain_means_have_no_curve(make):
    assert neff.evaluate({k: v for k, v in judged().items() if k != "label"}).calibrations == ()
    assert "Calibration curve" not in render(make(3, 53), "html")


def test_json_keeps_to_the_schema_and_comes_back(result, tmp_path):
    path = write(result, tmp_path / "r.json")
    data = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema()).validate(data)
    assert load(path) == result
    assert set(data["calibrations"][0]) == set(schema()["$defs"]["calibration"]["properties"])
    data["calibrations"][0]["counts"].pop()
    with pytest.raises(RecordsError, match="damaged"):
        Evaluation.from_dict(data)


def test_the_drawing_is_named_and_shows_every_label(curve):
    root = ET.fromstring(
        calibration_svg(curve, "a <title>", "a & b", "x").replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1)
    )
    assert root.get("role") == "img"
    assert [root.find(f"{SVG}{name}").text for name in ("title", "desc")] == ["a <title>", "a & b"]
    assert len(root.findall(f"{SVG}circle")) == len(curve.scores)
    paths = {path.get("class"): path.get("d") for path in root.findall(f"{SVG}path")}
    assert paths["rug"].count("M") == len(curve.scores)
    assert paths["curve"].count("L") == len(curve.knots) - 1
    shade = root.find(f"{SVG}rect")
    box = [float(v) for v in root.get("viewBox").split()]
    assert float(shade.get("x")) + float(shade.get("width")) < box[2] - 30  # the scores above 0.9 are not shaded
    numbers = [float(v) for d in paths.values() for v in re.findall(r"-?\d+\.?\d*", d)]
    assert min(numbers) >= -14
    assert max(numbers) <= box[2]


@pytest.mark.parametrize("score", [(0.5, 0.5), (-3.0, 4e6)])
def test_one_score_and_a_wide_scale_can_be_drawn(curve, score):
    low, high = score
    knots = (low,) if low == high else (low, high)
    thin = replace(
        curve, score_range=score, labelled_range=score, knots=knots, values=knots and (0.4,) * len(knots),
        scores=knots, counts=(3,) * len(knots), mean_labels=(0.4,) * len(knots),
    )  # fmt: skip
    drawn = calibration_svg(thin, "t", "d", "x")
    assert "nan" not in drawn
    assert drawn.count("<circle") == len(knots)


def test_every_output_says_what_it_has_room_for(result, curve):
    page, text, comment = (render(result, kind) for kind in ("html", "text", "markdown"))
    assert page.count('<svg class="calibration"') == 1
    assert f"learned from {curve.n_labelled:,} labels" in page
    assert "<summary>How the judge was calibrated</summary>" in comment
    assert "<summary>All diagnostics</summary>" in comment
    assert "<summary></summary>" not in comment
    assert "Calibration curve" not in text
    assert figure_of(result).table.open is False


def test_each_task_has_its_curve_up_to_a_limit(curve, make):
    several = tuple(replace(curve, task=f"<b>{j}") for j in range(MOST_CURVES + 2))
    page = render(replace(make(3, 53), calibrations=several), "html")
    assert page.count('<svg class="calibration"') == MOST_CURVES
    assert "Calibration curve: &lt;b&gt;0" in page
    assert "2 more curves: in the JSON file" in page


def gates(models=("a", "<i>b")):
    states = ("good", "warn", "refuse", "unknown")
    return tuple(
        Gate(model, quantity, 0.5, 1.0, 2.0, states[(i + j) % 4], f"why {model} {quantity}")
        for i, model in enumerate(models)
        for j, quantity in enumerate(("label_ess", "outside", "saturation", "own_labels"))
    )


def test_the_panel_has_a_mark_with_words_for_each_state(make):
    block = gate_panel(gates())
    assert [column.name for column in block.table.columns] == [
        "policy", "label_ess", "outside", "saturation", "own_labels",
    ]  # fmt: skip
    assert block.table.rows[1] == ("<i>b", "warn", "refuse", "unknown", "good")
    page = render(replace(make(2, 53), gates=gates()), "html")
    for symbol, state in (("✓", "good"), ("!", "warn"), ("✕", "refuse"), ("?", "unknown")):
        mark = f'<td class="mark {state}"><span aria-hidden="true">{symbol}</span><span class="unseen">{state}</span>'
        assert page.count(mark) == 2


def test_the_panel_keeps_tasks_apart_and_the_worst_of_a_policy():
    twice = (*gates(("a",)), *(replace(gate, state="good") for gate in gates(("a",))))
    assert gate_panel(twice).table.rows == gate_panel(gates(("a",))).table.rows
    tasks = tuple(replace(gate, task=task) for task in ("math", "code") for gate in gates(("a",)))
    table = gate_panel(tasks).table
    assert [column.name for column in table.columns][:2] == ["policy", "task"]
    assert [row[:2] for row in table.rows] == [("a", "math"), ("a", "code")]


def test_refusals_come_first_and_are_counted_over_tasks(make_many):
    result = make_many(("math", "code", "law"))
    model = result.estimates[0].model
    lost = tuple(replace(e, refused=f"no labels in {e.task}") if e.model == model else e for e in result.estimates)
    (notice,) = refusals(replace(result, estimates=lost))
    assert plain(notice.text) == f"{model} in 3 of 3 results: no labels in math (and 2 further reasons)."


@pytest.mark.parametrize("kind", ["html", "text", "markdown"])
def test_a_refusal_stands_above_the_numbers_once(samples, kind):
    result = samples["refused"]
    page = render(result, kind)
    why = "the oracle slice does not reach the scores of this policy"
    assert page.index("Level refused") < page.index(why) < page.index("model-04")
    top = page[: page.index("model-04")]
    assert top.count(why) == 1


def test_fifty_models_with_a_curve_stay_small(make, curve):
    fifty = make(50, 211)
    names = tuple(e.model for e in fifty.estimates)
    result = replace(fifty, calibrations=(curve,), gates=gates(names))
    assert len(render(result, "html").encode()) < 300_000
