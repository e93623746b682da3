"""`evaluate` on labels and logs, end to end: what is picked, said, refused and graded; the arena data's numbers."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest

import neff
from neff.errors import ArgumentError, RecordsError
from neff.evaluate.judge_options import ESTIMATORS
from neff.results import Verdict
from neff.testing import simulate_off_policy

ARENA = {"item": "prompt_id", "model": "policy", "score": "judge_score", "label": "oracle_label"}


def judged(seed=0, *, n=83, models=("a", "b", "c"), share=0.4, steps=0.08, tasks=()):
    """A judge that flatters, labels on a random share of answers; model k is better by k steps."""
    rng = np.random.default_rng(seed)
    parts = {"item": [], "model": [], "score": [], "label": [], "topic": []}
    if tasks:
        parts["task"] = []
    for task in tasks or ("",):
        quality = rng.beta(2, 2, n)
        for k, model in enumerate(models):
            truth = np.clip(quality + steps * k + rng.normal(0, 0.1, n), 0, 1)
            score = np.round(np.clip(0.25 + 0.7 * truth**0.7 + rng.normal(0, 0.1, n), 0, 1), 2)
            label = np.where(rng.random(n) < share, truth, math.nan)
            parts["item"] += [f"q{i:03d}" for i in range(n)]
            parts["topic"] += [i // 3 for i in range(n)]
            parts["model"] += [model] * n
            parts["score"] += score.tolist()
            parts["label"] += label.tolist()
            if tasks:
                parts["task"] += [task] * n
    return {name: np.array(column) for name, column in parts.items()}


def unlabelled(columns, *models):
    return columns | {"label": np.where(np.isin(columns["model"], models), math.nan, columns["label"])}


def logged(seed=3, n=401):
    """Logged answers of one policy; `new` prefers good ones a little, `far` by a factor of e^30 over the range."""
    rng = np.random.default_rng(seed)
    quality, log_prob = rng.beta(2, 2, n), -30 - 5 * rng.random(n)
    label = np.clip(quality + rng.normal(0, 0.1, n), 0, 1)
    return {
        "item": np.arange(n),
        "model": np.full(n, "log"),
        "score": np.round(np.clip(quality + rng.normal(0, 0.05, n), 0, 1), 2),
        "label": np.where(rng.random(n) < 0.5, label, math.nan),
        "log_prob_log": log_prob,
        "log_prob_new": log_prob + ratio(0.5 * quality),
        "log_prob_far": log_prob + ratio(30 * quality),
    }


def ratio(preference):
    """Log weights of mean 1."""
    return preference - np.log(np.exp(preference).mean())


@pytest.fixture(scope="module")
def logs():
    return logged()


@pytest.fixture(scope="module")
def arena(neff_data):
    with (neff_data / "arena1000_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = {name: [row[column] for row in rows] for name, column in ARENA.items()}
    columns["score"] = np.array(columns["score"], float)
    columns["label"] = np.array([float(text or "nan") for text in columns["label"]])
    columns["model"] = np.array(columns["model"])
    return columns


@pytest.fixture(scope="module")
def base_only(arena):
    return arena | {"label": np.where(arena["model"] == "base", arena["label"], math.nan)}


def values(result):
    return {e.model: e.value for e in result.estimates}


# What is picked.


def test_auto_picks_by_what_is_there(logs):
    columns = judged()
    plain = neff.evaluate({name: columns[name] for name in ("item", "model", "score")})
    assert plain.provenance.options["estimator"] == "mean"
    assert not plain.gates
    with_labels = neff.evaluate(columns)
    assert with_labels.provenance.options["estimator"] == "augmented"
    assert all(e.method.startswith("augmented mean, ") for e in with_labels.estimates)
    assert with_labels.estimates == neff.evaluate(columns, estimator="augmented").estimates
    weighted = neff.evaluate(logs, log_prob="log_prob_log", target_log_prob=["log_prob_new"])
    assert weighted.estimate("log").method.startswith("augmented mean")
    assert weighted.estimate("new").method.startswith("augmented-snips mean")
    assert weighted.provenance.options["target_log_prob"] == {"new": "log_prob_new"}


def test_fresh_answers_say_more_than_weighted_ones():
    logged, fresh, truth = simulate_off_policy("better", 997, rng=3)
    n = len(logged.score)
    columns = {
        "item": np.r_[logged.prompt, fresh.prompt],
        "model": np.repeat(["old", "new"], n),
        "score": np.r_[logged.score, fresh.score],
        "label": np.r_[logged.label, fresh.label],
        "lp": np.r_[logged.log_prob, np.full(n, math.nan)],
        "lp_new": np.r_[logged.target_log_prob, np.full(n, math.nan)],
    }
    options = {"log_prob": "lp", "target_log_prob": {"new": "lp_new"}}
    assert neff.evaluate(columns, **options).estimate("new").method.startswith("plug-in")  # no labels of its own
    asked = neff.evaluate(columns, estimator="dr", **options)
    assert asked.estimate("new").method.startswith("dr mean")
    assert asked.estimate("new").interval[0] < truth.value < asked.estimate("new").interval[1]
    assert asked.estimate("old").method.startswith("augmented")
    for published in ("dr-cpo", "tmle", "stacked-dr", "simcal-ips"):
        pair = neff.evaluate(columns, estimator=published, **options).comparison("new", "old")
        assert pair.verdict is Verdict.NOT_GRADED  # no label corrects the judge for `new`
    assert asked.comparison("new", "old").verdict is not Verdict.NOT_GRADED


@pytest.mark.parametrize("estimator", [name for name in ESTIMATORS if "-" not in name or name == "augmented-tuned"])
def test_estimators_without_logs_run_by_name(estimator):
    columns = judged()
    if estimator in ("dr", "snips", "ips", "mrdr", "tmle"):
        with pytest.raises(ArgumentError, match=f"target_log_prob must be given for estimator='{estimator}'"):
            neff.evaluate(columns, estimator=estimator)
        return
    found = neff.evaluate(columns, estimator=estimator)
    rows = {model: columns["model"] == model for model in "abc"}
    expected = {
        "labels": {model: np.nanmean(columns["label"][own]) for model, own in rows.items()},
        "judge": {model: columns["score"][own].mean() for model, own in rows.items()},
    }
    if estimator in expected:
        assert values(found) == pytest.approx(expected[estimator])
    assert len(found.estimates) == 3
    assert all(e.standard_error > 0 for e in found.estimates)


def test_calibrated_means_are_near_the_truth_and_judge_means_are_not():
    columns = judged(seed=5, n=797)
    everything = judged(seed=5, n=797, share=2.0)  # the same answers, all labelled
    truth = {model: everything["label"][everything["model"] == model].mean() for model in "abc"}
    calibrated, judge = neff.evaluate(columns), neff.evaluate(columns, estimator="judge")
    for model in "abc":
        low, high = calibrated.estimate(model).interval
        assert low < truth[model] < high
        low, high = judge.estimate(model).interval
        assert not low < truth[model] < high
    assert [e.model for e in calibrated.estimates] == ["c", "b", "a"]


# What is said and refused.


def test_a_borrowed_calibration_is_not_graded():
    result = neff.evaluate(unlabelled(judged(), "c"))
    assert result.estimate("c").warnings[0].startswith("borrowed calibration: no labels of its own")
    for other in "ab":
        pair = result.comparison("c", other)
        assert pair.verdict is Verdict.NOT_GRADED
        assert math.isfinite(pair.difference)
        assert any("no label corrects the judge" in warning for warning in pair.warnings)
    assert result.comparison("b", "a").verdict is not Verdict.NOT_GRADED
    assert result.tied("all", "score")  # still named: nothing refuses its level


def test_a_refused_winner_is_named_and_never_crowned():
    columns = judged(n=211, models=("a", "b", "c"))
    high = columns["model"] == "c"
    columns["score"] = np.where(high, 1.0, np.minimum(columns["score"], 0.9))  # where no label is
    columns = unlabelled(columns, "c")
    result = neff.evaluate(columns)
    winner = result.estimates[0]
    assert winner.model == "c"
    assert "lie outside the labelled ones" in winner.refused
    assert result.tied("all", "score")[0] == "b"
    assert "c" not in result.tied("all", "score")
    assert any(note.startswith("all: c has the best value, but it is refused") for note in result.notes)
    assert result.comparison("c", "b").verdict is Verdict.NOT_GRADED
    table = result.estimates_table().to_dict()
    assert dict(zip(table["model"], table["tied"], strict=True))["c"] == "refused"


def test_nobody_is_best_where_every_level_is_refused(logs):
    only_far = {name: column for name, column in logs.items() if name != "log_prob_new"}
    result = neff.evaluate(only_far, log_prob="log_prob_log", target_log_prob=["log_prob_far"])
    assert result.estimate("far").refused
    assert math.isfinite(result.estimate("far").value)
    assert result.tied("all", "score") == ("log",)
    assert result.comparison("log", "far").verdict is Verdict.NOT_GRADED


def test_saved_and_read_again(logs):
    result = neff.evaluate(logs, log_prob="log_prob_log", target_log_prob=["log_prob_new", "log_prob_far"])
    again = neff.Evaluation.from_dict(json.loads(result.to_json()))
    assert again.to_json() == result.to_json()
    assert len(again.gates) == len(result.gates) > 10
    assert {gate.state for gate in again.gates} >= {"good", "refuse"}
    assert again.gates_table().to_dict()["state"] == result.gates_table().to_dict()["state"]
    assert again.estimate("far").refused == result.estimate("far").refused != ""
    assert again.estimate("log").components == result.estimate("log").components
    assert 0 < result.estimate("log").components["oracle_share"] < 1


def test_missing_log_probabilities_are_counted_for_their_target_alone(logs):
    gaps = logs | {"log_prob_new": np.where(np.arange(401) % 5 == 0, math.nan, logs["log_prob_new"])}
    options = {"log_prob": "log_prob_log", "target_log_prob": ["log_prob_new", "log_prob_far"]}
    whole, result = neff.evaluate(logs, **options), neff.evaluate(gaps, **options)
    assert "81 of 401 logged answers have no log-probability for it: left out." in result.estimate("new").warnings
    assert (result.estimate("new").n, result.estimate("new").n_items) == (320, 320)
    assert result.comparison("new", "log").n_unmatched == 81
    assert result.estimate("far") == whole.estimate("far")
    nothing = neff.evaluate(logs | {"log_prob_new": np.full(401, math.nan)}, **options)
    assert math.isnan(nothing.estimate("new").value)
    assert "401 of 401 logged answers" in nothing.estimate("new").warnings[0]
    assert nothing.comparison("new", "log").verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize("column", ["log_prob_log", "log_prob_new"])
def test_positive_log_probabilities_are_named(logs, column):
    wrong = logs[column].copy()
    wrong[7], wrong[9] = 0.5, 2.0
    with pytest.raises(RecordsError, match=f"column {column} has 2 positive value.*0.5 .item 7, model log"):
        neff.evaluate(logs | {column: wrong}, log_prob="log_prob_log", target_log_prob=["log_prob_new"])


def test_options_that_would_do_nothing_are_refused_or_named(logs):
    with pytest.raises(ArgumentError, match="log_prob must be given where target_log_prob is"):
        neff.evaluate(logs, target_log_prob=["log_prob_new"])
    with pytest.raises(ArgumentError, match="target_log_prob must be given where log_prob is"):
        neff.evaluate(logs, log_prob="log_prob_log")
    with pytest.raises(ArgumentError, match="target_log_prob must be left out for estimator='labels'"):
        neff.evaluate(logs, estimator="labels", log_prob="log_prob_log", target_log_prob=["log_prob_new"])
    bare = {name: column for name, column in logs.items() if name != "label"}
    with pytest.raises(RecordsError, match="log-probabilities, but no answer has a label"):
        neff.evaluate(bare, log_prob="log_prob_log", target_log_prob=["log_prob_new"])
    named = neff.evaluate(bare, scale=(1, 5), inference="bootstrap")
    assert "Scores are averaged as they stand: no effect has scale, inference." in named.notes
    assert not any("no effect" in note for note in neff.evaluate(bare).notes)


def test_notes_about_the_shape_of_the_answers():
    columns = judged(n=31, models=("a", "b"), share=0.6)
    assert [note[:6] for note in neff.evaluate(columns).notes] == ["Values"]
    apart = columns | {"item": np.char.add(columns["item"], columns["model"])}
    assert any(note.startswith("No two models answered the same item") for note in neff.evaluate(apart).notes)
    pair = neff.evaluate(apart).comparison("a", "b")
    assert (pair.n_items, pair.n_unmatched) == (0, 62)
    together = neff.evaluate(columns).comparison("a", "b")
    assert pair.standard_error > together.standard_error
    fewer = {name: column[5:] for name, column in columns.items()}
    assert any("(26 of 31 have an answer of every model)" in note for note in neff.evaluate(fewer).notes)
    again = {name: np.r_[column, column[:1]] for name, column in columns.items()}
    assert any("Items have 1 to 2 answers per model" in note for note in neff.evaluate(again).notes)


def test_what_labels_do_not_go_with():
    columns = judged(n=31)
    with pytest.raises(ArgumentError, match="weight must be left out, or equal"):
        neff.evaluate(columns | {"weight": np.arange(93) + 1.0})
    assert values(neff.evaluate(columns | {"weight": np.full(93, 2.0)})) == values(neff.evaluate(columns))
    with pytest.raises(ArgumentError, match="cluster must be one column"):
        neff.evaluate(columns | {"group": columns["topic"] // 2}, cluster=("topic", "group"), label="label")
    with pytest.raises(ArgumentError, match="label must be between 0 and 1, the declared scale"):
        neff.evaluate(columns | {"label": columns["label"] * 5})
    likert = neff.evaluate(columns | {"label": 1 + 4 * columns["label"]}, scale=(1, 5))
    assert values(likert) == pytest.approx({m: 1 + 4 * v for m, v in values(neff.evaluate(columns)).items()})
    one = columns | {"label": np.where(columns["item"] == "q001", 0.5, math.nan)}
    with pytest.raises(RecordsError, match=r"1 prompt\(s\) have a label"):
        neff.evaluate(one)
    flat = neff.evaluate(columns | {"label": np.where(np.isnan(columns["label"]), math.nan, 0.5)})
    assert all("labels are equal" in e.warnings[0] for e in flat.estimates)
    assert all(math.isnan(e.standard_error) and e.reason is not None for e in flat.estimates)


def test_an_upside_down_judge_is_said():
    columns = judged(n=211)
    result = neff.evaluate(columns | {"score": 1 - columns["score"]}, calibration="monotone")
    assert all(any("upside down" in warning for warning in e.warnings) for e in result.estimates)


# Structure: tasks, clusters, order, seeds.


def test_tasks_are_calibrated_apart_and_averaged():
    columns = judged(tasks=("math", "code"), n=61)
    result = neff.evaluate(columns)
    for model in "abc":
        parts = [result.estimate(model, task) for task in ("math", "code")]
        alone = {name: column[columns["task"] == "math"] for name, column in columns.items()}
        assert parts[0].value == pytest.approx(neff.evaluate(alone).estimate(model).value, abs=1e-12)
        macro = result.estimate(model, "macro average")
        assert macro.value == pytest.approx((parts[0].value + parts[1].value) / 2)
        assert macro.standard_error == pytest.approx(math.hypot(*(e.standard_error for e in parts)) / 2)
    assert {gate.task for gate in result.gates} == {"math", "code"}
    assert result.groups()[0] == ("macro average", "score")
    with pytest.raises(ArgumentError, match="aggregate must be 'macro' or 'none' for calibrated means"):
        neff.evaluate(columns, aggregate="micro")
    apart = neff.evaluate(columns, aggregate="none")
    assert {e.task for e in apart.estimates} == {"math", "code"}


def test_a_borrowed_task_leaves_the_average_ungraded():
    columns = judged(tasks=("math", "code"), n=61)
    hidden = (columns["task"] == "code") & (columns["model"] == "c")
    result = neff.evaluate(columns | {"label": np.where(hidden, math.nan, columns["label"])})
    assert result.comparison("c", "a", "macro average").verdict is Verdict.NOT_GRADED
    assert result.comparison("c", "a", "math").verdict is not Verdict.NOT_GRADED


def test_clusters_are_the_unit():
    columns = judged(n=84)
    result = neff.evaluate(columns, cluster="topic", label="label")
    assert {e.n_clusters for e in result.estimates} == {28}
    assert {e.n_items for e in result.estimates} == {84}
    assert values(result) != values(neff.evaluate(columns))  # folds follow clusters
    assert all(e.n_clusters is None for e in neff.evaluate(columns).estimates)


@pytest.mark.parametrize("options", [{}, {"inference": "bootstrap", "n_resamples": 211, "rng": 3}])
def test_the_order_of_rows_does_not_matter(options):
    columns = judged()
    order = np.random.default_rng(5).permutation(len(columns["item"]))
    first = neff.evaluate(columns, **options)
    second = neff.evaluate({name: column[order] for name, column in columns.items()}, **options)
    for a, b in zip(first.estimates, second.estimates, strict=True):
        assert (a.model, a.value) == (b.model, pytest.approx(b.value, abs=1e-12))
        assert a.interval == pytest.approx(b.interval, abs=1e-12)
    for a, b in zip(first.comparisons, second.comparisons, strict=True):
        assert a.interval == pytest.approx(b.interval, abs=1e-12)
    assert [gate.state for gate in first.gates] == [gate.state for gate in second.gates]


def test_a_seed_gives_the_same_bootstrap_again():
    columns = judged()
    options = {"inference": "bootstrap", "n_resamples": 211}
    first, again, other = (neff.evaluate(columns, **options, rng=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.estimates != other.estimates
    assert values(first) == values(other)
    assert {e.seed for e in first.estimates} == {c.seed for c in first.comparisons} == {3}
    assert {e.seed for e in neff.evaluate(columns).estimates} == {None}
    drawn = neff.evaluate(columns, **options)
    assert drawn.estimates == neff.evaluate(columns, **options, rng=drawn.estimates[0].seed).estimates
    for e, analytic in zip(first.estimates, neff.evaluate(columns, calibration="monotone").estimates, strict=True):
        assert e.standard_error == pytest.approx(analytic.standard_error, rel=0.35)  # 211 resamples on 33 labels


# The arena data.


def test_arena_with_labels_on_base_only(base_only):
    result = neff.evaluate(base_only)
    refused = {e.model: e.refused for e in result.estimates if e.refused}
    assert list(refused) == ["unhelpful"]
    assert "8.8 of 480 labels count" in refused["unhelpful"]
    assert result.estimates[-1].model == "unhelpful"  # ranked last by value
    sizes = {gate.policy: gate.value for gate in result.gates if gate.quantity == "label_ess"}
    assert round(sizes.pop("unhelpful"), 1) == 8.8
    assert all(449 < size < 475 for size in sizes.values())
    assert "unhelpful" not in result.tied("all", "score")
    assert {c.verdict for c in result.comparisons} == {Verdict.NOT_GRADED}


def test_arena_direct_values_of_the_published_code(base_only):
    result = neff.evaluate(base_only, estimator="plug-in")
    golden = {
        "clone": 0.763450348,
        "parallel_universe_prompt": 0.764030590,
        "unhelpful": 0.414501038,
        "base": 0.756164096,
    }
    assert values(result) == pytest.approx(golden, abs=1e-8)


def test_arena_with_labels_of_their_own(arena):
    result = neff.evaluate(arena)
    assert not any(e.refused for e in result.estimates)
    assert result.estimates[-1].model == "unhelpful"
    assert result.estimate("unhelpful").value == pytest.approx(0.138, abs=5e-4)  # 0.41 with the borrowed curve
    assert result.comparison("base", "unhelpful").verdict is Verdict.HOLDS


def test_arena_importance_weighting_is_refused_by_raw_ess(neff_data):
    result = neff.evaluate(
        neff_data / "arena1000_logprobs.csv",
        item="prompt_id",
        score="judge_score",
        label="oracle_label",
        log_prob="base_logprob",
        target_log_prob=["clone", "parallel_universe_prompt", "unhelpful"],
    )
    share = {gate.policy: (gate.value, gate.state) for gate in result.gates if gate.quantity == "ess_fraction"}
    assert share["parallel_universe_prompt"] == (pytest.approx(0.0034, abs=5e-5), "refuse")
    assert share["unhelpful"] == (pytest.approx(0.0078, abs=5e-5), "refuse")
    assert share["clone"] == (pytest.approx(0.2146, abs=5e-5), "warn")
    for policy in ("parallel_universe_prompt", "unhelpful"):
        assert "of 1,000 logged answers survive the weights" in result.estimate(policy).refused
        assert math.isfinite(result.estimate(policy).value)
    assert result.tied("all", "judge_score")[0] not in share
