"""evaluate: edge cases, reference values, properties, and a plain twin."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError, RecordsError
from neff.evaluate import evaluate
from neff.evaluate.means import MACRO, MICRO
from neff.reasons import Reason
from neff.records import Records
from neff.results import Verdict

CLAUDE, GPT = "claude-3-5-sonnet-20240620", "gpt-4o-2024-08-06"


def long_table(matrix, models=None, draws=1, **columns):
    """Rows from an items x models (x draws) array."""
    matrix = np.asarray(matrix, float)
    if matrix.ndim == 2:
        matrix = matrix[:, :, None]
    n, m, k = matrix.shape
    models = models or [f"m{j}" for j in range(m)]
    return Records.build(
        item=np.repeat(np.arange(n), m * k).tolist(),
        model=[models[j] for _ in range(n) for j in range(m) for _ in range(k)],
        score=matrix.reshape(-1),
        **columns,
    )


# ---------------------------------------------------------------------------------------------- edge cases


def test_one_item_has_a_value_and_no_standard_error():
    estimate = evaluate(long_table([[0.25]])).estimate("m0")
    assert estimate.value == 0.25
    assert math.isnan(estimate.standard_error)
    assert all(math.isnan(bound) for bound in estimate.interval)
    assert estimate.reason is Reason.ONE_ITEM


def test_all_unscored_is_undefined_and_counted():
    estimate = evaluate(long_table([[math.nan], [math.nan], [math.nan]])).estimate("m0")
    assert math.isnan(estimate.value)
    assert (estimate.n, estimate.n_items, estimate.n_unscored) == (0, 0, 3)
    assert estimate.reason is Reason.NO_SCORED


def test_all_equal_scores_never_give_a_zero_width_interval():
    fractional = evaluate(long_table([[0.5]] * 7)).estimate("m0")
    assert math.isnan(fractional.standard_error)
    assert fractional.reason is Reason.ALL_EQUAL
    assert all(math.isnan(bound) for bound in fractional.interval)
    right = evaluate(long_table([[1.0]] * 7)).estimate("m0")
    assert math.isnan(right.standard_error)
    assert right.interval[0] < 0.7
    assert right.interval[1] == 1.0


def test_all_equal_binary_scores_in_clusters_count_each_cluster_once():
    scores = [[1.0]] * 11
    clustered = evaluate(long_table(scores, clusters=[[i % 3 for i in range(11)]])).estimate("m0")
    alone = evaluate(long_table([[1.0]] * 3)).estimate("m0")
    assert clustered.interval == alone.interval
    assert clustered.n_clusters == 3


def test_one_cluster_is_undefined():
    estimate = evaluate(long_table([[0.1], [0.9], [0.4]], clusters=[["p"] * 3])).estimate("m0")
    assert estimate.reason is Reason.ONE_CLUSTER
    assert math.isnan(estimate.standard_error)
    assert estimate.value == pytest.approx(1.4 / 3, abs=1e-15)


def test_no_common_items_is_not_checked():
    records = Records.build(item=["a", "b", "c", "d"], model=["x", "x", "y", "y"], score=[0.1, 0.5, 0.2, 0.3])
    comparison = evaluate(records).comparisons[0]
    assert comparison.reason is Reason.NO_COMMON_ITEMS
    assert comparison.verdict is Verdict.NOT_CHECKED
    assert (comparison.n_items, comparison.n_unmatched) == (0, 4)
    assert math.isnan(comparison.p_adjusted)


def test_unmatched_items_are_counted_and_never_paired():
    records = Records.build(
        item=["a", "b", "c", "a", "b", "d", "e"],
        model=["x", "x", "x", "y", "y", "y", "y"],
        score=[0.1, 0.5, 0.9, 0.2, 0.3, 0.0, 0.0],
    )
    result = evaluate(records)
    comparison = result.comparison("x", "y")
    assert (comparison.n_items, comparison.n_unmatched) == (2, 3)
    assert comparison.difference == pytest.approx((0.1 - 0.2 + 0.5 - 0.3) / 2, abs=1e-15)
    assert any("same items" in note for note in result.notes)


def test_identical_models_are_undecided_with_an_interval_for_binary_scores():
    scores = np.array([1, 0, 1, 1, 0, 1, 1], float)
    comparison = evaluate(long_table(np.c_[scores, scores])).comparisons[0]
    assert comparison.difference == 0
    assert math.isnan(comparison.standard_error)
    assert comparison.reason is Reason.ALL_DIFFERENCES_EQUAL
    assert comparison.interval[0] < 0 < comparison.interval[1]
    assert comparison.p_value == 1
    assert comparison.verdict is Verdict.UNDECIDED


def test_a_common_offset_of_1e8_keeps_the_digits():
    rng = np.random.default_rng(3)
    scores = np.round(rng.normal(size=(53, 2)), 3)
    small, large = evaluate(long_table(scores)), evaluate(long_table(scores + 1e8))
    assert large.estimate("m0").standard_error == pytest.approx(small.estimate("m0").standard_error, rel=1e-7)
    assert large.comparisons[0].standard_error == pytest.approx(small.comparisons[0].standard_error, rel=1e-7)


def test_unscored_can_be_called_wrong():
    scores = [[1.0], [math.nan], [0.0], [1.0], [math.nan]]
    excluded, wrong = evaluate(long_table(scores)), evaluate(long_table(scores), unscored="wrong")
    assert excluded.estimate("m0").value == pytest.approx(2 / 3)
    assert wrong.estimate("m0").value == pytest.approx(2 / 5)
    assert excluded.estimate("m0").n_unscored == wrong.estimate("m0").n_unscored == 2


def test_empty_records_are_refused():
    with pytest.raises(RecordsError, match="no rows"):
        evaluate(Records.build(item=[], model=[], score=[]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"level": 95}, "0.95"),
        ({"correction": "hochberg"}, "correction must be"),
        ({"aggregate": "mean"}, "aggregate must be"),
        ({"unscored": 0}, "unscored must be"),
        ({"tests": ("z",)}, "tests must be"),
        ({"margin": -0.1}, "margin must be a non-negative number"),
        ({"margin": math.nan}, "margin must be"),
        ({"margin": "0.1"}, "margin must be one number"),
        ({"n_resamples": 1000.5}, "n_resamples must be"),
        ({"tests": "mcnemar"}, "tests must be a list"),
        ({"lower_is_better": "yes"}, "lower_is_better must be True, False or None"),
        ({"pairs": ("m0", "m1")}, "pairs must be pairs of two models"),
        ({"pairs": [("m0",)]}, "pairs must be pairs of two models"),
        ({"pairs": [("m0", "m0")]}, "pairs must be pairs of two models"),
        ({"pairs": 1}, "pairs must be True, False or a list"),
        ({"pairs": None}, "pairs must be True, False or a list"),
        ({"unscored": "wrong", "lower_is_better": True}, "unscored must be 'exclude'"),
        ({"n_resamples": 3}, "n_resamples must be at least 100"),
        ({"pairs": [("m0", "m9")]}, "pairs must be names of models"),
    ],
)
def test_bad_options_name_the_argument(options, words):
    with pytest.raises(ArgumentError, match=words):
        evaluate(long_table([[0.1, 0.2], [0.3, 0.1], [0.5, 0.5]]), **options)


# ---------------------------------------------------------------------------------------- reference values


def test_livebench_single_scores_and_pairs(neff_data):
    """Golden numbers of the method sheet eval-estimators-peers, section 3 (real LiveBench scores)."""
    path = neff_data / "livebench.parquet"
    columns = {"item": "question_id", "model": "model", "score": "score"}
    plain = evaluate(path, pairs=[(CLAUDE, GPT)], **columns)
    clustered = evaluate(path, pairs=[(CLAUDE, GPT)], cluster="task", **columns)
    assert plain.estimate(CLAUDE).value == pytest.approx(0.58979, abs=5e-6)
    assert plain.estimate(CLAUDE).standard_error == pytest.approx(0.01346, abs=5e-6)
    assert clustered.estimate(CLAUDE).standard_error == pytest.approx(0.02704, abs=5e-6)
    assert clustered.estimate(CLAUDE).df == 17
    pair, pair_clustered = plain.comparison(CLAUDE, GPT), clustered.comparison(CLAUDE, GPT)
    assert pair.difference == pytest.approx(0.03056, abs=5e-6)
    assert pair.standard_error == pytest.approx(0.01360, abs=5e-6)
    assert pair.correlation == pytest.approx(0.494, abs=5e-4)
    assert pair_clustered.standard_error == pytest.approx(0.01925, abs=5e-6)


def test_mmlu_pro_all_models_and_pairs(neff_data):
    result = evaluate(
        neff_data / "mmlu_pro_predictions.parquet", item="question_id", target="gold", cluster="cat", wide=True
    )
    assert len(result.estimates) == 29
    assert len(result.comparisons) == 29 * 28 // 2
    assert all(e.n_items + e.n_unscored == 12_032 for e in result.estimates)


# ---------------------------------------------------------------------------------------------- plain twin


def twin(matrix, cluster=None):
    """Mean and standard error of item means, by loops."""
    cluster = cluster or [None] * len(matrix)
    scored = [([s for s in row if not math.isnan(s)], c) for row, c in zip(matrix, cluster, strict=True)]
    rows = [(sum(row) / len(row), c) for row, c in scored if row]
    n = len(rows)
    mean = sum(x for x, _ in rows) / n
    sums: dict[object, float] = {}
    for i, (x, c) in enumerate(rows):
        key = i if c is None else c
        sums[key] = sums.get(key, 0.0) + x - mean
    g = len(sums)
    return mean, math.sqrt(g / (g - 1) * sum(s * s for s in sums.values())) / n


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 13), st.integers(1, 3), st.booleans())
def test_agrees_with_the_plain_twin(seed, n, k, clustered):
    rng = np.random.default_rng(seed)
    matrix = np.round(rng.normal(size=(n, 2, k)), 3)
    matrix[rng.random(matrix.shape) < 0.1] = math.nan
    matrix[:2, :, 0] = rng.normal(size=(2, 2))
    cluster = [f"c{i % 4}" for i in range(n)] if clustered else None
    rows = [[c for c in cluster for _ in range(2 * k)]] if cluster else []
    result = evaluate(long_table(matrix, clusters=rows))
    mean, error = twin(matrix[:, 0].tolist(), cluster)
    assert result.estimate("m0").value == pytest.approx(mean, rel=1e-12, abs=1e-14)
    assert result.estimate("m0").standard_error == pytest.approx(error, rel=1e-9)
    common = np.flatnonzero(~np.isnan(matrix).all(axis=2).any(axis=1))
    difference = [[np.nanmean(matrix[i, 0]) - np.nanmean(matrix[i, 1])] for i in common]
    mean, error = twin(difference, [cluster[i] for i in common] if cluster else None)
    comparison = result.comparison("m0", "m1")
    assert comparison.difference == pytest.approx(mean, rel=1e-12, abs=1e-12)
    assert comparison.standard_error == pytest.approx(error, rel=1e-9)


# ---------------------------------------------------------------------------------------------- properties


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_rows_in_any_order_give_the_same_bits(seed):
    rng = np.random.default_rng(seed)
    n, m, k = 11, 3, 2
    scores = rng.normal(size=n * m * k)
    scores[rng.random(len(scores)) < 0.1] = math.nan
    item, model = np.repeat(np.arange(n), m * k), np.tile(np.repeat(np.arange(m), k), n)
    cluster, task, draw = item % 5, (item > 6).astype(int), np.tile(np.arange(k), n * m)
    order = rng.permutation(len(scores))

    def run(rows):
        return evaluate(
            Records.build(
                item=item[rows].tolist(),
                model=model[rows].tolist(),
                task=task[rows].tolist(),
                score=scores[rows],
                draw=draw[rows],
                clusters=[cluster[rows].tolist()],
            ),
            tests=("permutation", "bootstrap"),
            n_resamples=200,
            rng=5,
        )

    first, second = run(np.arange(len(scores))), run(order)
    # repr: NaN equals NaN there, and every bit of every float shows.
    assert repr(first.estimates) == repr(second.estimates)
    assert repr(first.comparisons) == repr(second.comparisons)
    assert first.tied_with_best == second.tied_with_best


def test_repeating_every_draw_changes_nothing_but_the_count():
    rng = np.random.default_rng(7)
    once = rng.normal(size=(17, 2))
    twice = np.repeat(once[:, :, None], 2, axis=2)
    a, b = evaluate(long_table(once)).estimate("m0"), evaluate(long_table(twice)).estimate("m0")
    assert b.value == pytest.approx(a.value, rel=1e-14)
    assert b.standard_error == pytest.approx(a.standard_error, rel=1e-12)
    assert (a.n, b.n, a.n_items, b.n_items) == (17, 34, 17, 17)
    assert b.components["sampling"] == pytest.approx(0, abs=1e-28)
    assert b.n_eff == pytest.approx(17, rel=1e-12)


def test_integer_weights_give_the_mean_of_repeated_items():
    rng = np.random.default_rng(11)
    scores, weights = rng.normal(size=13), rng.integers(1, 4, 13).astype(float)
    weighted = evaluate(long_table(scores[:, None], weight=weights)).estimate("m0")
    assert weighted.value == pytest.approx(np.repeat(scores, weights.astype(int)).mean(), rel=1e-12)
    even = evaluate(long_table(scores[:, None], weight=np.full(13, 2.5))).estimate("m0")
    plain = evaluate(long_table(scores[:, None])).estimate("m0")
    assert even.standard_error == pytest.approx(plain.standard_error, rel=1e-12)


def test_scaling_the_scores_scales_the_errors():
    rng = np.random.default_rng(13)
    scores = rng.normal(size=(19, 3))
    one, ten = evaluate(long_table(scores)), evaluate(long_table(10 * scores))
    for c, d in zip(one.comparisons, ten.comparisons, strict=True):
        assert d.standard_error == pytest.approx(10 * c.standard_error, rel=1e-12)
        assert d.p_value == pytest.approx(c.p_value, rel=1e-9)
        assert d.correlation == pytest.approx(c.correlation, rel=1e-9)


def test_lower_is_better_turns_best_and_verdicts_around():
    rng = np.random.default_rng(17)
    base = rng.normal(size=101)
    loss = np.c_[base, base + 0.5 + 0.1 * rng.normal(size=101)]
    result = evaluate(long_table(loss, models=["good", "bad"]), lower_is_better=True)
    assert result.estimates[0].model == "good"
    assert result.tied("all", "score") == ("good",)
    assert result.comparisons[0].describe_verdict() == "good better"
    assert result.comparisons[0].difference < 0
    assert evaluate(long_table(loss, models=["good", "bad"])).estimates[0].model == "bad"


def test_a_margin_must_be_beaten():
    rng = np.random.default_rng(19)
    base = rng.normal(size=211)
    scores = np.c_[base + 0.3 + 0.5 * rng.normal(size=211), base]
    records = long_table(scores, models=["new", "old"])
    assert evaluate(records).comparisons[0].verdict is Verdict.HOLDS
    assert evaluate(records, margin=0.3).comparisons[0].verdict is Verdict.UNDECIDED
    assert evaluate(records, margin=0.8).comparisons[0].verdict is Verdict.FAILS
    lower = evaluate(long_table(-scores, models=["new", "old"]), margin=0.8, lower_is_better=True)
    assert lower.comparisons[0].verdict is Verdict.FAILS


# ------------------------------------------------------------------------------------- tasks, best, repeats


def test_macro_counts_tasks_once_and_micro_items_once():
    rng = np.random.default_rng(23)
    records = Records.build(
        item=list(range(31)), model=["m"] * 31, task=["big"] * 29 + ["small"] * 2, score=rng.normal(size=31)
    )
    big, small = records.score[:29], records.score[29:]
    macro = evaluate(records).estimate("m", MACRO)
    micro = evaluate(records, aggregate="micro").estimate("m", MICRO)
    assert macro.value == pytest.approx((big.mean() + small.mean()) / 2, rel=1e-12)
    assert micro.value == pytest.approx(records.score.mean(), rel=1e-12)
    expected = math.sqrt(big.var(ddof=1) / 29 + small.var(ddof=1) / 2) / 2
    assert macro.standard_error == pytest.approx(expected, rel=1e-12)
    assert macro.df < 29
    assert not [e for e in evaluate(records, aggregate="none").estimates if e.task == MACRO]


def test_clusters_that_reach_over_tasks_move_together():
    """Each document is in both tasks with the same score: the average is no surer than one task."""
    rng = np.random.default_rng(29)
    scores = rng.normal(size=37)
    records = Records.build(
        item=[f"d{i}" for i in range(37)] * 2,
        model=["m"] * 74,
        task=["en"] * 37 + ["fr"] * 37,
        score=np.r_[scores, scores],
        clusters=[[f"d{i}" for i in range(37)] * 2],
    )
    result = evaluate(records)
    assert result.estimate("m", MACRO).standard_error == pytest.approx(
        result.estimate("m", "en").standard_error, rel=1e-12
    )


def test_a_model_that_lacks_a_task_has_no_macro_average():
    records = Records.build(
        item=[1, 2, 3, 1, 2, 3, 4, 5, 6],
        model=["full"] * 3 + ["part"] * 3 + ["full"] * 3,
        task=["t"] * 6 + ["u"] * 3,
        score=[0.1, 0.2, 0.4, 0.9, 0.8, 0.6, 0.3, 0.1, 0.0],
    )
    part = evaluate(records).estimate("part", MACRO)
    assert math.isnan(part.value)
    assert part.reason is Reason.MISSING_TASK
    assert evaluate(records).tied(MACRO, "score")[0] == "full"


def test_a_winner_that_loses_every_direct_comparison_is_named_not_crowned():
    """The cherry picker ran only the easy items: its mean is the best, but it loses on each of them."""
    rng = np.random.default_rng(31)
    easy, hard = 0.9 + 0.01 * rng.normal(size=41), 0.2 + 0.01 * rng.normal(size=43)
    records = Records.build(
        item=[*range(84), *range(41)],
        model=["honest"] * 84 + ["picker"] * 41,
        score=np.r_[easy, hard, easy - 0.1 + 0.01 * rng.normal(size=41)],
    )
    result = evaluate(records)
    assert result.estimates[0].model == "picker"
    assert result.tied("all", "score") == ("honest",)
    assert any("honest is named best instead" in note for note in result.notes)


def test_item_and_sampling_variance_apart():
    """K draws with known variances: components are unbiased (mean over replicates within 4 standard errors)."""
    rng = np.random.default_rng(37)
    item, sampling = [], []
    for _ in range(200):
        true = rng.normal(0, 2, size=(29, 1))
        found = evaluate(long_table((true + rng.normal(0, 3, size=(29, 5)))[:, None, :])).estimate("m0")
        item.append(found.components["item"])
        sampling.append(found.components["sampling"])
    for values, truth in ((item, 4.0), (sampling, 9.0)):
        error = np.std(values, ddof=1) / math.sqrt(len(values))
        assert abs(np.mean(values) - truth) < 4 * error
        assert error < 0.3


def test_holm_is_over_all_pairs_of_a_task():
    rng = np.random.default_rng(41)
    result = evaluate(long_table(rng.normal(size=(31, 5)) + np.linspace(0, 0.6, 5)))
    raw = np.array([c.p_value for c in result.comparisons])
    expected, running = np.empty(10), 0.0
    for rank, i in enumerate(np.argsort(raw)):
        running = max(running, min(1.0, raw[i] * (10 - rank)))
        expected[i] = running
    assert [c.p_adjusted for c in result.comparisons] == pytest.approx(expected.tolist(), rel=1e-12)


def test_results_round_trip_through_json():
    from neff.evaluate import Evaluation

    rng = np.random.default_rng(43)
    scores = rng.normal(size=(7, 3))
    scores[2, 1] = math.nan
    result = evaluate(long_table(scores), tests=("permutation",), n_resamples=200, rng=1)
    text = result.to_json()
    assert Evaluation.from_dict(json.loads(text)).to_json() == text


def test_under_a_margin_not_better_by_it_is_not_beaten():
    """Regression: "not better by the margin" was once read as "beaten", which crowned the worst model."""
    rng = np.random.default_rng(47)
    base = rng.normal(size=211)
    scores = np.c_[base + 0.4, base + 0.2, base] + 0.1 * rng.normal(size=(211, 3))
    result = evaluate(long_table(scores, models=["best", "middle", "worst"]), margin=0.3)
    assert result.tied("all", "score") == ("best", "middle")
    assert evaluate(long_table(scores, models=["best", "middle", "worst"]), margin=0.9).tied("all", "score") == (
        "best",
        "middle",
        "worst",
    )


def test_the_room_can_be_called_and_says_how():
    import inspect

    import neff

    assert list(inspect.signature(neff.evaluate).parameters)[:2] == ["records", "level"]
    assert neff.evaluate({"item": [1, 2], "model": ["m", "m"], "score": [0.5, 0.25]}).estimates[0].n == 2


def test_a_mean_that_hangs_on_one_heavy_item_says_so():
    """Regression: linearised influence called this mean certain to 0.0002, with n_eff of 58,079 from 1,000 items."""
    rng = np.random.default_rng(53)
    weights = np.ones(1000)
    weights[0] = 1e5
    estimate = evaluate(long_table(rng.random((1000, 1)), weight=weights)).estimate("m0")
    assert estimate.standard_error > 0.01
    assert estimate.n_eff < 1000
    assert any("effective items" in warning for warning in estimate.warnings)


def test_items_of_weight_zero_are_not_there():
    rng = np.random.default_rng(59)
    scores, weights = rng.random(101), np.zeros(101)
    weights[:3] = 1.0
    estimate = evaluate(long_table(scores[:, None], weight=weights)).estimate("m0")
    alone = evaluate(long_table(scores[:3, None])).estimate("m0")
    assert (estimate.n_items, estimate.df) == (3, pytest.approx(2.0))
    assert estimate.standard_error == pytest.approx(alone.standard_error, rel=1e-12)
    nothing = evaluate(long_table(scores[:, None], weight=np.zeros(101))).estimate("m0")
    assert nothing.reason is Reason.ZERO_WEIGHT


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_weighted_means_cover(sigma):
    """Lognormal weights, 400 samples of 101 items, within a two-sided band around 95%."""
    rng = np.random.default_rng(61)
    inside = 0
    for _ in range(400):
        weights, scores = np.exp(sigma * rng.normal(size=101)), rng.normal(size=101)
        low, high = evaluate(long_table(scores[:, None], weight=weights)).estimate("m0").interval
        inside += low <= 0 <= high
    assert 0.91 <= inside / 400 <= 0.985


def test_a_task_that_all_pass_does_not_count_as_certain():
    """Five items all right say little; the macro average covers the truth all the same."""
    rng = np.random.default_rng(67)
    inside = 0
    for _ in range(300):
        scores = np.r_[rng.random(5) < 0.9, rng.random(101) < 0.5].astype(float)
        records = Records.build(
            item=list(range(106)), model=["m"] * 106, task=["few"] * 5 + ["many"] * 101, score=scores
        )
        low, high = evaluate(records).estimate("m", MACRO).interval
        inside += low <= 0.7 <= high
    assert 0.9 <= inside / 300 <= 1.0


def test_the_test_against_a_margin_agrees_with_its_interval():
    for n10, n01, n, margin in ((6, 0, 100, 0.02), (9, 1, 100, 0.01), (50, 2, 60, 0.5), (30, 0, 30, 0.5)):
        scores = np.zeros((n, 2))
        scores[:n10, 0] = 1
        scores[n10 : n10 + n01, 1] = 1
        found = evaluate(long_table(scores, models=["a", "b"]), margin=margin, pairs=[("a", "b")]).comparisons[0]
        outside = not found.interval[0] <= margin <= found.interval[1]
        assert (found.p_value <= 0.05) == outside
        assert (found.verdict is Verdict.HOLDS) == (found.interval[0] > margin)


def test_pairs_may_come_from_a_generator_and_count_once():
    rng = np.random.default_rng(71)
    records = long_table(rng.normal(size=(31, 3)))
    wanted = [("m0", "m1"), ("m1", "m0"), ("m0", "m1")]
    found = evaluate(records, pairs=(pair for pair in wanted)).comparisons
    assert [(c.a, c.b) for c in found] == [("m0", "m1")]
    assert found[0].p_adjusted == found[0].p_value


def test_numpy_numbers_go_into_json():
    records = long_table([[0.1, 0.2], [0.3, 0.1], [0.5, 0.9]])
    result = evaluate(records, level=np.float32(0.9), margin=np.float64(0.0), n_resamples=np.int64(200))
    data = json.loads(result.to_json())
    assert data["level"] == float(np.float32(0.9))
    assert data["provenance"]["options"]["n_resamples"] == 200
