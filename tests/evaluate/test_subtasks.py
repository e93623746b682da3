"""Scores by subtask: cells from records, every rule's risk, honest claims, LiveBench with known truth."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import neff
from neff.errors import ArgumentError, RecordsError
from neff.evaluate import SubtaskScores, subtask_scores
from neff.records import Records
from neff.stats import beta_binomial, shrink_rates, wilson


def records_of(right, asked, models=None, tasks=None, **columns):
    """One row per answer of a model x task table of counts; `right` of each cell are right."""
    right, asked = np.asarray(right), np.broadcast_to(asked, np.shape(right))
    rows = [
        (m, t, i, float(i < right[m, t]))
        for m in range(len(right))
        for t in range(right.shape[1])
        for i in range(asked[m, t])
    ]
    model, task, item, score = zip(*rows, strict=True)
    model = [f"m{m:02d}" if models is None else models[m] for m in model]
    task = [f"t{t:02d}" if tasks is None else tasks[t] for t in task]
    return Records.build(model=model, task=task, item=item, score=list(score), **columns)


def additive(seed, n_models=11, n_tasks=7, asked=6):
    """Models differ, tasks differ, and the two hardly interact."""
    rng = np.random.default_rng(seed)
    ability, ease = rng.normal(size=(n_models, 1)), 1.5 * rng.normal(size=(1, n_tasks))
    p = 1 / (1 + np.exp(-ability - ease - 0.2 * rng.normal(size=(n_models, n_tasks))))
    n = rng.integers(2, 2 * asked - 1, p.shape)
    return p, n, rng.binomial(n, p)


def test_cells_are_raw_rates_with_wilson_intervals_beside_shrunk_ones():
    x, n = np.array([[3, 0, 5], [4, 2, 5]]), 5
    result = subtask_scores(records_of(x, n), target="mean")
    assert isinstance(result, SubtaskScores)
    fit, prior = shrink_rates(x.T.ravel(), np.full(6, 5)), beta_binomial(x.T.ravel(), np.full(6, 5))
    assert [(cell.task, cell.model) for cell in result.cells][:3] == [("t00", "m00"), ("t00", "m01"), ("t01", "m00")]
    for i, cell in enumerate(result.cells):
        hits = x.T.ravel()[i]
        assert cell.raw == hits / 5
        assert cell.interval == wilson(hits, 5)[:2]
        assert cell.shrunk == pytest.approx(fit.shrunk[i], rel=1e-12)
        assert cell.target == pytest.approx(fit.target[i], rel=1e-12)
        assert cell.weight == pytest.approx(fit.weight[i], rel=1e-12)
        assert cell.beta_binomial == pytest.approx(prior.shrunk[i], rel=1e-12)
        assert cell.n_items == 5
    summary = result.fits[0]
    assert summary.lam == fit.lam
    assert summary.pseudo_count == prior.pseudo_count
    assert [rule.rule for rule in summary.rules] == [
        "raw",
        "mean of the others",
        "shrunk to mean of the others",
        "beta-binomial",
    ]
    assert summary.rules[2].risk == pytest.approx(fit.rule("linear").risk, rel=1e-12)
    assert summary.best == summary.reference == "beta-binomial"


def test_an_evaluation_gives_what_its_records_give():
    _, n, x = additive(0)
    table = records_of(x, n)
    evaluation = neff.evaluate(table, level=0.9)  # with macro averages, which are no subtasks
    one, other = subtask_scores(evaluation), subtask_scores(table, level=0.9)
    assert one.cells == other.cells
    assert one.fits == other.fits
    assert one.level == 0.9
    assert len(one.cells) == 77


def test_the_order_of_rows_does_not_matter():
    _, n, x = additive(1)
    table = records_of(x, n)
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    assert subtask_scores(table).cells == subtask_scores(shuffled).cells


def test_auto_takes_the_target_of_lower_estimated_risk():
    _, n, x = additive(2)
    result = subtask_scores(records_of(x, n))
    risk = {rule.rule: rule.risk for rule in result.fits[0].rules}
    assert result.fits[0].shrunk_by == "shrunk to prediction"
    assert risk["shrunk to prediction"] < risk["shrunk to mean of the others"]
    assert subtask_scores(records_of(x, n), target="mean").fits[0].shrunk_by == "shrunk to mean of the others"
    rng = np.random.default_rng(3)
    noise = rng.binomial(n, rng.beta(2, 2, n.shape))
    forced = subtask_scores(records_of(noise, n), target="covariates")
    assert forced.fits[0].shrunk_by == "shrunk to prediction"


def test_the_prediction_is_better_where_there_is_structure_and_its_risk_is_honest():
    losses, estimated = [], []
    for seed in range(12):
        p, n, x = additive(seed)
        result = subtask_scores(records_of(x, n), target="covariates")
        truth = p.T.ravel()
        losses.append(
            [
                np.mean((np.array([getattr(c, name) for c in result.cells]) - truth) ** 2)
                for name in ("raw", "shrunk", "beta_binomial")
            ]
        )
        estimated.append({rule.rule: rule.risk for rule in result.fits[0].rules}["shrunk to prediction"])
    raw, shrunk, beta = np.mean(losses, axis=0)
    assert shrunk < 0.45 * raw
    assert shrunk < beta
    gaps = np.array(estimated) - np.array(losses)[:, 1]
    assert abs(gaps.mean()) < 3 * gaps.std() / math.sqrt(12)


def test_equal_models_do_not_make_the_prediction_look_better_than_it_is():
    """Three models alike, 20 tasks: a row mean without the cell itself would give the cell away."""
    estimated, realised = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        p = np.tile(rng.beta(2, 2, 20), (3, 1))
        n = rng.integers(5, 15, p.shape)
        x = rng.binomial(n, p)
        result = subtask_scores(records_of(x, n), target="covariates")
        realised.append(np.mean((np.array([cell.shrunk for cell in result.cells]) - p.T.ravel()) ** 2))
        estimated.append({rule.rule: rule.risk for rule in result.fits[0].rules}["shrunk to prediction"])
    gaps = np.array(estimated) - realised
    assert abs(gaps.mean()) < 3 * gaps.std() / math.sqrt(12)


def test_given_targets_by_cell_by_name_or_for_all():
    _, n, x = additive(4)
    table = records_of(x, n)
    keys = [(cell.model, cell.task) for cell in subtask_scores(table, target="mean").cells]
    values = np.linspace(0.2, 0.8, len(keys))
    by_order, by_name = (
        subtask_scores(table, target=values),
        subtask_scores(table, target=dict(zip(keys, values, strict=True))),
    )
    assert by_order.cells == by_name.cells
    assert [cell.target for cell in by_order.cells] == values.tolist()
    assert by_order.fits[0].shrunk_by == "shrunk to given target"
    assert {cell.target for cell in subtask_scores(table, target=0.5).cells} == {0.5}


def test_covariates_and_a_predictor_of_ones_own():
    rng = np.random.default_rng(5)
    size = rng.normal(size=(13, 7))
    p = 1 / (1 + np.exp(-2 * size))
    n = np.full(p.shape, 5)
    table = records_of(rng.binomial(n, p), n)
    keys = [(cell.model, cell.task) for cell in subtask_scores(table, target="mean").cells]
    known = {(m, t): [size[int(m[1:]), int(t[1:])]] for m, t in keys}
    risk = {}
    for name, given in (("without", None), ("with", known)):
        fit = subtask_scores(table, target="covariates", covariates=given).fits[0]
        risk[name] = {rule.rule: rule.risk for rule in fit.rules}["shrunk to prediction"]
    assert risk["with"] < 0.7 * risk["without"]

    class Mean:
        def fit(self, X, y):
            assert X.shape[1] == 2
            self.mean = y.mean()

        def predict(self, X):
            return np.full(len(X), self.mean)

    targets = {cell.target for cell in subtask_scores(table, target="covariates", predictor=Mean()).cells}
    assert len(targets) == 5  # one per fold


def test_too_few_cells_for_a_prediction_say_so():
    result = subtask_scores(records_of([[3, 0, 5], [4, 2, 5]], 5))
    assert result.fits[0].shrunk_by == "shrunk to mean of the others"
    assert any("a prediction needs 20 cells" in note for note in result.notes)
    assert any("6 cells: the gain may well be larger" in note for note in result.notes)
    single = subtask_scores(records_of(np.arange(24)[None, :] % 6, 5))
    assert single.fits[0].shrunk_by == "shrunk to mean of the others"


def test_fractional_scores_have_no_beta_binomial():
    rng = np.random.default_rng(6)
    model, task, item = (grid.ravel() for grid in np.meshgrid(range(5), range(7), range(4), indexing="ij"))
    score = rng.beta(2, 1 + model).round(3)
    result = subtask_scores(
        {"model": model, "task": task, "item": item, "score": score},
        item="item",
        model="model",
        score="score",
        task="task",
    )
    assert all(math.isnan(cell.beta_binomial) for cell in result.cells)
    assert result.fits[0].reference == "raw"
    assert any("no beta-binomial" in note for note in result.notes)
    assert result.fits[0].lam > 0
    cell = result.cell("2", "3")
    rows = (model == 2) & (task == 3)
    assert cell.raw == pytest.approx(score[rows].mean())
    assert cell.shrunk == pytest.approx((1 - cell.weight) * cell.raw + cell.weight * cell.target)


def test_clustered_items_are_not_counts():
    x, n = additive(10)[2] % 7, 6
    plain = records_of(x, n)
    table = records_of(x, n, clusters=[[str(int(i) // 2) for i in plain.item.names()]])
    result = subtask_scores(table, target="mean")
    assert all(math.isnan(cell.beta_binomial) for cell in result.cells)
    assert result.fits[0].reference == "raw"
    lam = result.fits[0].lam
    assert 0 < lam < math.inf
    assert all(cell.weight == pytest.approx(lam / (lam + 3)) for cell in result.cells)


def test_cells_without_a_score_are_listed_and_those_of_one_item_are_shrunk():
    x, n = np.array([[3, 1, 1], [4, 2, 2]]), np.array([[5, 5, 1], [5, 5, 5]])
    table = records_of(x, n)
    score = table.score.copy()
    gone = np.array([m == "m01" and t == "t01" for m, t in zip(table.model.names(), table.task.names(), strict=True)])
    score[gone] = math.nan
    result = subtask_scores(
        Records.build(model=table.model, task=table.task, item=table.item, score=score), target="mean"
    )
    missing = result.cell("m01", "t01")
    assert math.isnan(missing.raw)
    assert math.isnan(missing.shrunk)
    assert missing.n_unscored == 5
    assert result.fits[0].n_cells == 5
    alone = result.cell("m00", "t02")
    assert alone.n_items == 1
    assert 0 < alone.weight <= 1
    json.loads(result.to_json())


def test_several_metrics_are_fitted_apart():
    _, n, x = additive(7)
    first, second = records_of(x, n, metric="exact"), records_of(n - x, n, metric="wrong")
    result = subtask_scores(Records.concat([first, second]))
    assert [fit.metric for fit in result.fits] == ["exact", "wrong"]
    assert [fit.n_cells for fit in result.fits] == [77, 77]
    assert result.cell("m03", "t02", "exact").raw == pytest.approx(1 - result.cell("m03", "t02", "wrong").raw)


def test_models_on_the_same_questions_are_clustered_by_task():
    """The same answers by every model: twice the models add no information, and the interval knows."""
    _, n, x = additive(8, n_models=1, n_tasks=23)
    one = subtask_scores(records_of(x, n), target=0.5)
    copies = subtask_scores(records_of(np.tile(x, (5, 1)), np.tile(n, (5, 1))), target=0.5)
    widths = []
    for result in (one, copies):
        rule = next(rule for rule in result.fits[0].rules if rule.rule == "given target")
        raw = next(rule for rule in result.fits[0].rules if rule.rule == "raw")
        widths.append((rule.risk - raw.risk, rule.interval[1] - rule.interval[0]))
    assert widths[1][0] == pytest.approx(widths[0][0], rel=1e-9)
    assert widths[1][1] > 0.9 * widths[0][1]


def test_one_task_leaves_the_intervals_undefined_with_the_reason():
    result = subtask_scores(records_of(np.arange(13)[:, None] % 7, 7), target="mean")
    rule = result.fits[0].rules[0]
    assert math.isnan(rule.interval[0])
    assert str(rule.reason) == "one cluster"
    assert result.fits[0].best == result.fits[0].reference
    assert "one cluster" in str(result.rules_table())


def test_it_renders_itself():
    _, n, x = additive(9)
    result = subtask_scores(records_of(x, n))
    lines = str(result).splitlines()
    assert lines[0].split()[:6] == ["Task", "Metric", "Model", "Items", "Raw", "95%"]
    assert "Estimated MSE" in str(result)
    assert "lowest estimated risk" in str(result)
    data = json.loads(result.to_json())
    assert data["schema"] == "neff.subtasks/1"
    assert len(data["cells"]) == 77
    assert data["fits"][0]["rules"][0]["rule"] == "raw"
    assert data["cells"][0]["interval"] == list(result.cells[0].interval)
    assert "<table>" in result._repr_html_()
    frame = result.to_frame()
    assert len(frame) == 77
    assert next(iter(result.to_frame("rules")["rule"])) == "raw"
    with pytest.raises(KeyError, match="no score of model 'x'"):
        result.cell("x", "t00")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "median"}, "target must be 'auto', 'mean' or 'covariates'"),
        ({"target": [0.1, 0.2]}, "target must be of 6 rows, one per cell"),
        ({"target": {("m00", "t00"): 0.5}}, "target must be a mapping from every"),
        ({"target": [0.5] * 5 + [2.0]}, "target must be between 0 and 1"),
        ({"target": math.nan}, "target must be finite"),
        ({"covariates": [[1.0]]}, "covariates must be of 6 rows"),
        ({"predictor": object()}, "predictor must be an object with fit and predict"),
        ({"n_folds": 1}, "n_folds must be a whole number of at least 2"),
        ({"level": 95}, r"Did you mean 0\.95"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ArgumentError, match=message):
        subtask_scores(records_of([[3, 0, 5], [4, 2, 5]], 5), **options)


def test_an_evaluation_keeps_its_level_and_has_no_columns():
    evaluation = neff.evaluate(records_of([[3, 0, 5], [4, 2, 5]], 5), level=0.9)
    with pytest.raises(ArgumentError, match=r"level must be the level of the evaluation \(0\.9\)"):
        subtask_scores(evaluation, level=0.95)
    with pytest.raises(ArgumentError, match="model must be left out for an evaluation"):
        subtask_scores(evaluation, model="m")
    with pytest.raises(RecordsError, match="no scores by task"):
        subtask_scores(neff.evaluate.Evaluation(estimates=()))


# --- Real answers -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def livebench(neff_data):
    """Rates of 93 models on the 10 binary tasks, as a list of (model, task, rate): cells of 38 answers or more."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(neff_data / "livebench.parquet", columns=["model", "task", "score"]).to_pydict()
    scores = {}
    for model, task, score in zip(table["model"], table["task"], table["score"], strict=True):
        scores.setdefault((model, task), []).append(score)
    fractional = {task for (_, task), values in scores.items() if not set(values) <= {0.0, 1.0}}
    cells = {key: v for key, v in sorted(scores.items()) if key[1] not in fractional and len(v) >= 38}
    assert len(cells) == 877
    return {key: float(np.mean(values)) for key, values in cells.items()}


def few_answers(livebench, rng):
    """Records with 2 to 10 answers per cell, drawn with replacement."""
    model, task, item, score = [], [], [], []
    for (m, t), rate in livebench.items():
        n = int(rng.integers(2, 11))
        model += [m] * n
        task += [t] * n
        item += range(n)
        score += (rng.random(n) < rate).astype(float).tolist()
    return Records.build(model=model, task=task, item=item, score=score)


def test_livebench_with_few_answers_per_cell(livebench):
    rng = np.random.default_rng(13)
    losses = []
    for _ in range(6):
        result = subtask_scores(few_answers(livebench, rng), target="covariates")
        truth = np.array([livebench[cell.model, cell.task] for cell in result.cells])
        columns = ("raw", "shrunk", "beta_binomial", "target")
        losses.append([np.mean((np.array([getattr(c, name) for c in result.cells]) - truth) ** 2) for name in columns])
        assert 0.19 <= losses[-1][1] / losses[-1][0] <= 0.45  # the sheet's range with a covariate
        fit = result.fits[0]
        assert fit.best in ("shrunk to prediction", "beta-binomial")
        if fit.best == "shrunk to prediction":
            assert losses[-1][1] < losses[-1][2]
        low, _ = fit.gain_interval
        assert 0 < low < losses[-1][0] - losses[-1][1]
    raw, shrunk, beta, predicted = np.mean(losses, axis=0)
    assert raw == pytest.approx(0.0390, rel=0.06)  # Monte Carlo, 6 draws
    assert beta / raw == pytest.approx(0.440, rel=0.06)  # Monte Carlo, 6 draws
    assert shrunk / raw < 0.314 < predicted / raw  # the sheet's 0.314 with boosted trees


def test_livebench_without_covariates_is_never_called_better_than_beta_binomial(livebench):
    rng = np.random.default_rng(14)
    ratios = []
    for _ in range(4):
        result = subtask_scores(few_answers(livebench, rng), target="mean")
        truth = np.array([livebench[cell.model, cell.task] for cell in result.cells])
        raw, shrunk = (
            np.mean((np.array([getattr(c, n) for c in result.cells]) - truth) ** 2) for n in ("raw", "shrunk")
        )
        ratios.append(shrunk / raw)
        assert result.fits[0].best == "beta-binomial"
        assert "shrunk to mean of the others (" not in str(result.fits[0]) or "not told apart" in str(result.fits[0])
    assert np.mean(ratios) == pytest.approx(0.441, rel=0.06)  # Monte Carlo, 4 draws
