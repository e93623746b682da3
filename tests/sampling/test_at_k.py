"""`at_k`: golden numbers on real draws, both intervals by simulation, ragged and broken input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff import evaluate
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Verdict
from neff.sampling import as_draws, at_k, draws_of
from neff.stats import wilson

HUMANEVAL = {"item": "task", "draw": "draw"}


def by_metric(result):
    return {e.metric: e for e in result.estimates}


def test_humaneval(neff_data):
    path = neff_data / "humaneval_codegen16b_samples.csv.gz"
    ks = (1, 2, 5, 10, 25, 50, 100)
    base = at_k(path, k=ks, score="accept_base", **HUMANEVAL)
    found = [e.value for e in base.estimates if e.metric.startswith("pass@")]
    assert found == pytest.approx([0.22973, 0.31987, 0.43521, 0.51980, 0.63308, 0.70640, 0.76000], abs=6e-6)
    true = at_k(path, k=ks, score="correct", **HUMANEVAL)
    found = [e.value for e in true.estimates if e.metric.startswith("pass@")]
    assert found == pytest.approx([0.21807, 0.30785, 0.42180, 0.50383, 0.61492, 0.69053, 0.74667], abs=6e-6)
    assert {(e.n_items, e.n) for e in base.estimates} == {(150, 15_000)}


def test_every_estimator_in_one_call():
    outcomes = [[1, 1, 1, 1, 1, 0, 0, 0, 0, 0]]
    answers = [["A"] * 5 + ["B"] * 3 + ["C"] * 2]
    scores = [[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]]
    ks = (1, 2, 3, 5, 7, 9)
    result = at_k(outcomes, k=ks, answers=answers, scores=scores, at_least=(2,), weighted="sum", rng=3)
    found = by_metric(result)
    majority = [found[f"majority@{k}"].value for k in ks]
    assert majority == pytest.approx([0.5, 0.5, 0.5833333333, 0.6785714286, 0.8333333333, 1.0], abs=1e-10)
    assert found["best-of-1"].value == pytest.approx(0.5)
    assert found["best-of-7"].value == pytest.approx(1, abs=1e-12)
    assert found["at-least-2@2"].value == pytest.approx(found["pass^2"].value)
    assert found["weighted-sum@1"].value == pytest.approx(0.5, abs=0.05)  # 2,000 random subsets
    assert result.seed == 3
    assert all(math.isnan(e.standard_error) for e in result.estimates)


def test_an_exact_result_names_no_seed():
    assert at_k([[1, 0], [0, 1], [1, 1]], k=1).seed is None


def test_unscored_is_not_wrong():
    nan = math.nan
    complete = at_k([[1, 0, 1], [0, 0, 1], [1, 1, 1]], k=(1, 2))
    gaps = at_k([[1, nan, 0, 1], [0, 0, 1, nan], [1, 1, nan, 1, nan]], k=(1, 2))
    assert [e.value for e in gaps.estimates] == [e.value for e in complete.estimates]
    assert {e.n_unscored for e in gaps.estimates} == {4}
    assert any("4 draws are unscored" in note for note in gaps.notes)


def test_fewer_draws_than_k():
    outcomes = [[1, 0, 1, 0], [0, 1], [1, 0, 0, 1], [0, 0, 1, 0]]
    refused = by_metric(at_k(outcomes, k=(2, 3)))["pass@3"]
    assert (math.isnan(refused.value), refused.reason) == (True, Reason.FEW_DRAWS)
    assert refused.warnings == ("1 of 4 items have fewer draws than k",)
    dropped = by_metric(at_k(outcomes, k=(2, 3), short="drop"))["pass@3"]
    assert dropped.value == pytest.approx((1 + 1 + 0.75) / 3)
    assert (dropped.n_items, dropped.n) == (3, 12)
    assert dropped.warnings == ("1 of 4 items have fewer draws than k",)


def test_all_right_and_all_wrong_have_an_interval():
    found = by_metric(at_k([[1, 1, 1]] * 7, k=2))
    low, high = found["pass@2"].interval
    assert (found["pass@2"].value, high) == (1.0, 1.0)
    assert 0.5 < low < 0.75
    fixed = at_k([[1, 1, 1]] * 7, k=1).fixed[0]
    assert (math.isnan(fixed.interval[0]), fixed.reason) == (True, Reason.ALL_EQUAL)


def test_no_item():
    result = at_k([], k=1)
    assert [e.reason for e in result.estimates] == [Reason.EMPTY, Reason.EMPTY]


def test_no_scored_draw_is_no_lack_of_draws():
    (first, *_) = at_k([[math.nan, math.nan], [math.nan]], k=1).estimates
    assert (first.reason, first.n_unscored) == (Reason.NO_SCORED, 3)


def test_short_items_are_no_numbers_for_any_metric():
    """Warnings are errors in tests: sums over subsets that do not exist must not be formed."""
    result = at_k([[1, 0, 1, 0], [0, 1]], k=3, at_least=(2,), short="drop")
    assert by_metric(result)["at-least-2@3"].value == pytest.approx(0.5)


def test_items_of_0_or_1_have_the_interval_of_a_share():
    """One draw per item, and k = n: what `neff.evaluate` says of the same records."""
    rng = np.random.default_rng(8)
    right = (rng.random(47) < 0.9).astype(float)
    table = {"item": list(range(47)), "model": ["m"] * 47, "score": right.tolist()}
    columns = {"item": "item", "model": "model", "score": "score"}
    (plain,) = evaluate(table, **columns).estimates
    assert at_k(table, k=1, **columns).estimates[0].interval == plain.interval
    outcomes = rng.random((47, 3)) < 0.4
    low, high, _ = wilson(int(outcomes.any(axis=1).sum()), 47)
    assert by_metric(at_k(outcomes, k=3))["pass@3"].interval == (low, high)


def test_equal_clusters_count_once():
    rows = {"item": list(range(6)), "model": ["m"] * 6, "score": [1.0] * 6, "topic": [0, 0, 0, 0, 1, 1]}
    found = at_k(rows, k=1, item="item", model="model", score="score", cluster="topic").estimates[0]
    assert found.interval == tuple(wilson(2, 2)[:2])
    assert "counts each cluster once" in found.method


def test_budgets_of_any_kind_in_ascending_order():
    outcomes = [[1, 0, 1], [0, 0, 1]]
    assert at_k(outcomes, k=np.int64(2)).ks == (2,)
    assert at_k(outcomes, k=np.array([3, 1])).ks == (1, 3)
    assert [e.metric for e in at_k(outcomes, k=(2, 1)).estimates[:2]] == ["pass@1", "pass@2"]


def test_a_list_of_paths_is_records(tmp_path):
    path = tmp_path / "draws.csv"
    path.write_text("item,model,score\na,m,1\na,m,0\nb,m,1\n")
    assert at_k([path], k=1).estimates[0].value == at_k([str(path)], k=1).estimates[0].value == 0.75


def test_random_subsets_say_what_they_leave():
    rng = np.random.default_rng(4)
    answers, scores = rng.integers(0, 3, (5, 9)), rng.random((5, 9))
    options = {"k": (4, 9), "answers": answers, "scores": scores, "weighted": "sum"}
    values = [
        by_metric(at_k(answers == 0, n_resamples=50, rng=seed, **options))["weighted-sum@4"].value for seed in range(60)
    ]
    result = at_k(answers == 0, n_resamples=50, rng=1, **options)
    found = by_metric(result)
    spread = pytest.approx(np.var(values), rel=0.6)  # three standard errors of a variance of sixty values
    assert found["weighted-sum@4"].components["subsets"] == spread
    assert found["weighted-sum@9"].components["subsets"] == 0
    assert "subsets" not in found["majority@4"].components
    assert "50 random subsets per item: they leave a standard error of" in result.notes[-1]


def test_texts_that_are_empty_are_no_answers():
    columns = {"item": "item", "model": "model", "score": "score"}
    table = {"item": ["q"] * 3, "model": ["m"] * 3, "score": [1, 0, 0], "answer": ["x", "", ""]}
    (draws,) = draws_of(table, answers="answer", **columns)
    assert (draws.answer >= 0).tolist() == [True, False, False]
    assert as_draws([[1, 0, 0]], answers=[["x", "", math.nan]]).answer.tolist() == [0, -1, -1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"outcomes": [["yes", "no"]]}, "as_draws: outcomes must be 0, 1 or missing, got 'yes'"),
        ({"outcomes": [[1]], "answers": [[["x"]]]}, "answers must be hashable"),
    ],
)
def test_draws_that_are_none(given, message):
    with pytest.raises(ArgumentError, match=message):
        as_draws(**given)


@pytest.mark.parametrize(
    ("outcomes", "options", "message"),
    [
        ([[1, 0]], {"k": 1, "n_resamples": 0}, "n_resamples must be a whole number of at least 2"),
        ([[0.5, 1]], {}, "outcomes must be 0, 1 or missing, got 0.5"),
        ([[1, 0]], {"scores": [[1]]}, "scores must be of the shape of outcomes"),
        ([1, 0], {}, "outcomes must be a matrix, or one sequence per item"),
        (np.zeros(3), {}, "outcomes must be a matrix of items by draws"),
        ([[1, 0]], {"k": (2, 2)}, "k must be one or more different budgets"),
        ([[1, 0]], {"k": 0}, "k must be"),
        ([[1, 0]], {"short": "keep"}, "short must be 'refuse' or 'drop'"),
        ([[1, 0]], {"weighted": "sum"}, "weighted must be left out without scores and answers"),
        ([[1, 0]], {"level": 95}, "Did you mean 0.95"),
    ],
)
def test_bad_input(outcomes, options, message):
    with pytest.raises(ArgumentError, match=message):
        at_k(outcomes, **options)


def test_the_order_of_draws_and_items_does_not_matter():
    rng = np.random.default_rng(2)
    outcomes, scores = rng.integers(0, 2, (11, 7)), rng.integers(0, 3, (11, 7))
    one = at_k(outcomes, k=(1, 3), scores=scores)
    rows, columns = rng.permutation(11), rng.permutation(7)
    two = at_k(outcomes[rows][:, columns], k=(1, 3), scores=scores[rows][:, columns])
    for a, b in zip([*one.estimates, *one.fixed], [*two.estimates, *two.fixed], strict=True):
        assert a.value == pytest.approx(b.value, abs=1e-12)
        assert a.interval == pytest.approx(b.interval, abs=1e-12, nan_ok=True)


def records(rng, models=("a", "b"), n=41, draws=5, gap=0.0):
    rows = [
        {"item": i, "model": m, "score": float(rng.random() < 0.3 + 0.4 * (i % 3) / 2 + gap * j), "topic": i % 13}
        for j, m in enumerate(models)
        for i in range(n)
        for _ in range(draws)
    ]
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_models_are_paired_by_item():
    result = at_k(records(np.random.default_rng(0), gap=0.25), k=(1, 3), item="item", model="model", score="score")
    pair = result.comparisons[0]
    values = {e.model: e.value for e in result.estimates if e.metric == "pass@1"}
    assert (pair.a, pair.b, pair.metric) == ("a", "b", "pass@1")
    assert pair.difference == pytest.approx(values["a"] - values["b"], abs=1e-12)
    assert pair.n_items == 41
    assert pair.p_adjusted == pair.p_value < 0.05
    assert pair.verdict is Verdict.FAILS


def test_clusters_widen_the_interval_over_items_only():
    table = records(np.random.default_rng(1), models=("a",))
    plain = at_k(table, k=1, item="item", model="model", score="score")
    clustered = at_k(table, k=1, item="item", model="model", score="score", cluster="topic")
    assert clustered.estimates[0].n_clusters == 13
    assert clustered.estimates[0].standard_error != plain.estimates[0].standard_error
    assert clustered.fixed[0].interval == plain.fixed[0].interval


def test_draws_of_keeps_the_order_of_draws():
    table = {"item": ["q", "q", "p", "q"], "model": ["m"] * 4, "score": [1, 0, 1, 1], "draw": [2, 0, 0, 1]}
    (draws,) = draws_of(table, call="test", item="item", model="model", score="score", draw="draw")
    assert draws.items == ("p", "q")
    assert draws.outcome.tolist() == [1, 0, 1, 1]
    assert [(s.start, s.stop) for s in draws.spans()] == [(0, 1), (1, 4)]


def test_a_missing_column_is_named():
    table = {"item": ["q"], "model": ["m"], "score": [1]}
    with pytest.raises(Exception, match="judge"):
        at_k(table, scores="judge", item="item", model="model", score="score")


def test_answers_that_are_missing_do_not_vote():
    outcomes, answers = [[1, 0, 0, 0]], [["x", None, None, "y"]]
    found = by_metric(at_k(outcomes, k=2, answers=answers))["majority@2"]
    assert (found.value, found.n) == (0.5, 2)
    assert as_draws(outcomes, answers=answers, call="test").answer.tolist() == [0, -1, -1, 1]


def cover(rng, replicates, k, fixed):
    """Draw items and draws anew (or draws only), and count how often each interval holds the truth."""
    n_items, n = 61, 13
    population = np.random.default_rng(99).beta(0.4, 0.8, 100_000)
    truth = float((1 - (1 - population) ** k).mean())
    own = population[:n_items]
    hits, ratio, errors = 0, [], []
    for _ in range(replicates):
        chance = own if fixed else rng.choice(population, n_items)
        result = at_k(rng.random((n_items, n)) < chance[:, None], k=k)
        found = (result.fixed if fixed else result.estimates)[0]
        target = float((1 - (1 - own) ** k).mean()) if fixed else truth
        hits += found.interval[0] <= target <= found.interval[1]
        ratio.append(found.standard_error)
        errors.append(found.value - target)
    return hits / replicates, np.sqrt(np.mean(np.square(ratio))) / np.std(errors), float(np.mean(errors))


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("k", [1, 5])
def test_coverage(k, fixed):
    covered, ratio, bias = cover(np.random.default_rng(5), 400, k, fixed)
    assert 0.92 <= covered <= 0.98
    assert 0.9 <= ratio <= 1.1
    assert abs(bias) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("k", [1, 3, 6])
def test_coverage_long(k, fixed):
    covered, ratio, bias = cover(np.random.default_rng(6), 4000, k, fixed)
    assert 0.937 <= covered <= 0.963
    assert 0.96 <= ratio <= 1.04
    assert abs(bias) < 0.003


@pytest.mark.slow
def test_the_jackknife_of_votes_errs_on_the_wide_side():
    """Items with five answers each, their chances fixed: standard error over draws against the spread of values."""
    rng = np.random.default_rng(7)
    chances = rng.dirichlet(np.full(5, 0.7), 29)
    values, errors = [], []
    for _ in range(300):
        answers = np.array([rng.choice(5, 11, p=p) for p in chances])
        result = at_k((answers == 0).astype(float), k=5, answers=answers, scores=rng.random((29, 11)))
        fixed = {e.metric: e for e in result.fixed}
        values.append([fixed["majority@5"].value, fixed["best-of-5"].value])
        errors.append([fixed["majority@5"].standard_error, fixed["best-of-5"].standard_error])
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / np.std(values, axis=0)
    assert (ratio > 0.95).all()
    assert (ratio < 1.35).all()
