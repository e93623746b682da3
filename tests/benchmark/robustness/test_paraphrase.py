"""Paraphrases: golden values, the law of total variance, exchangeability, clusters, the simulation of the sheet."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark.robustness import Wordings, consistency, paraphrase_robustness, wordings_of
from neff.errors import ArgumentError
from neff.reasons import Reason

GOLD = "ABCD"
GIVEN = {"m1": ["AAAB", "BBCB", "CAAD", "DDDD"], "m2": ["ABAA", "CCCC", "CCDC", "ADBD"]}


def rows(given=GIVEN, gold=GOLD):
    found = {"item": [], "model": [], "wording": [], "answer": [], "score": []}
    for model, answers in given.items():
        for i, row in enumerate(answers):
            for k, answer in enumerate(row):
                for name, value in (
                    ("item", f"q{i}"), ("model", model), ("wording", f"w{k}"), ("answer", answer),
                    ("score", float(answer == gold[i])),
                ):  # fmt: skip
                    found[name].append(value)
    return found


@pytest.fixture(scope="module")
def golden():
    return paraphrase_robustness(wordings_of(rows(), original="w0", answer="answer"), rng=0)


def test_golden(golden):
    one, two = golden["m1"], golden["m2"]
    assert one.by_wording == (1, 0.75, 0.5, 0.5)
    assert two.by_wording == (0.5, 0.5, 0.25, 0.75)
    assert one.drop.value == pytest.approx(0.4166666667, abs=1e-10)
    assert two.drop.value == pytest.approx(0, abs=1e-12)
    assert (one.worst, one.best, two.worst, two.best) == (0.25, 1, 0, 0.75)
    for m in (one, two):
        assert (m.consistency.identical, m.consistency.modal) == (0.25, 0.75)
        assert m.consistency.pairwise == pytest.approx(0.5416666667, abs=1e-10)
    assert (one.between, one.within) == (0.07421875, 0.140625)
    assert (two.between, two.within) == (0.09375, 0.15625)
    assert one.between + one.within == 0.21484375
    assert "4 items" in golden.warnings[0]


def test_majority_takes_the_original_in_ties():
    told = wordings_of(rows({"m": ["ABAB"]}, "A"), original="w0", answer="answer")
    assert paraphrase_robustness(told, rng=0).models[0].majority == 1
    told = wordings_of(rows({"m": ["BBAA"]}, "A"), original="w0", answer="answer")
    assert paraphrase_robustness(told, rng=0).models[0].majority == 0


def test_identical_wordings():
    score = np.repeat(np.random.default_rng(0).integers(0, 2, (3, 37, 1)), 4, axis=2).astype(float)
    found = paraphrase_robustness(
        Wordings(score, None, ("a", "b", "c"), tuple(map(str, range(37))), tuple("oxyz")), rng=0
    )
    for m in found.models:
        assert m.drop.value == 0
        assert m.drop.reason is Reason.ALL_EQUAL
        assert math.isnan(m.drop.interval[0])
        assert (m.consistency.correctness, m.consistency.flipped, m.within) == (1, 0, 0)
        assert m.p_exchangeable == 1
    assert found.rank_stability == pytest.approx((1, 1, 1))


def test_random_answers_agree_by_chance():
    rng = np.random.default_rng(1)
    answer = rng.integers(0, 4, (5000, 6))
    found = consistency(answer, answer == 0)
    assert found.pairwise == pytest.approx(0.25, abs=0.01)
    assert found.chance == pytest.approx(0.25, abs=0.001)
    # the modal share of six draws of four letters, by enumeration
    grid = np.array(np.meshgrid(*[range(4)] * 6)).reshape(6, -1).T
    exact = np.mean([np.bincount(row, minlength=4).max() for row in grid]) / 6
    assert found.modal == pytest.approx(exact, abs=0.01)
    assert found.identical == pytest.approx(4 / 4**6, abs=0.001)


def test_silence_is_not_agreement():
    found = consistency([[-1, -1, -1], [0, 0, 0]], [[0, 0, 0], [1, 1, 1]])
    assert found.identical == 0.5
    assert found.pairwise == 0.5
    constant = consistency(np.zeros((4, 3)), np.zeros((4, 3)))
    assert constant.constant
    assert constant.pairwise == 1
    assert math.isnan(consistency(None, np.zeros((4, 3))).pairwise)


def simulated(rng, sd, shift, n_items=1000):
    theta, b = np.linspace(-1, 2, 34)[:, None], rng.normal(size=n_items)
    u = rng.uniform(size=(34, n_items))
    columns = []
    for k in range(6):
        harder = rng.normal(shift, sd, n_items) if k else 0.0
        columns.append(u < 1 / (1 + np.exp(-1.7 * (theta - b - harder))))
    names = tuple(f"m{i:02}" for i in range(34))
    return Wordings(np.stack(columns, -1).astype(float), None, names, tuple(map(str, range(n_items))), tuple("oabcde"))


@pytest.mark.parametrize(
    ("sd", "shift", "original", "paraphrased", "consistent"),
    [(0, 0, 0.627, 0.627, 1.0), (0.5, 0, 0.629, 0.623, 0.738), (0.5, 0.3, 0.626, 0.558, 0.731),
     (1.5, 0.3, 0.628, 0.542, 0.375)],
)  # fmt: skip
def test_simulation_of_the_sheet(sd, shift, original, paraphrased, consistent):
    found = paraphrase_robustness(simulated(np.random.default_rng(0), sd, shift), n_resamples=50, rng=0)
    assert np.mean([m.by_wording[0] for m in found.models]) == pytest.approx(original, abs=0.01)
    assert np.mean([np.mean(m.by_wording[1:]) for m in found.models]) == pytest.approx(paraphrased, abs=0.01)
    assert np.mean([m.consistency.correctness for m in found.models]) == pytest.approx(consistent, abs=0.025)  # a draw
    assert found.mean_tau > 0.95
    if sd == 0.5:
        assert found.n_dropped >= 20  # without a shift too: a sign count proves nothing
        assert (found.mean_drop.value > 0.03) == (shift > 0)


def test_the_interval_of_the_drop_covers():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(400):
        p = rng.uniform(0.1, 0.9, (1, 60, 1)) + np.array([0.05, -0.05, -0.05])
        score = (rng.uniform(size=(1, 60, 3)) < p).astype(float)
        told = Wordings(score, None, ("m",), tuple(map(str, range(60))), tuple("oab"))
        low, high = paraphrase_robustness(told, n_resamples=1, rng=0).models[0].drop.interval
        covered.append(low <= 0.1 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)  # 400 draws


def test_exchangeable_p_values_keep_their_level():
    rng = np.random.default_rng(3)
    p = []
    for k in range(300):
        score = (rng.uniform(size=(1, 53, 4)) < rng.uniform(size=(1, 53, 1))).astype(float)
        told = Wordings(score, None, ("m",), tuple(map(str, range(53))), tuple("oabc"))
        p.append(paraphrase_robustness(told, n_resamples=199, rng=k).models[0].p_exchangeable)
    assert np.mean(np.array(p) <= 0.05) <= 0.085  # 300 draws
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)  # 300 draws; ties push it up a little


def test_clusters_of_items_widen_the_interval():
    data = rows({"m": ["AB", "AB", "AA", "AA"] * 8}, "A" * 32)
    data["passage"] = [f"p{int(item[1:]) // 2}" for item in data["item"]]
    from neff.records import as_records

    told = wordings_of(as_records(data, keep=("wording",), cluster="passage"), original="w0")
    assert told.cluster is not None
    clustered = paraphrase_robustness(told, rng=0).models[0].drop
    plain = paraphrase_robustness(
        wordings_of(rows({"m": ["AB", "AB", "AA", "AA"] * 8}, "A" * 32), original="w0"), rng=0
    )
    assert clustered.n_clusters == 16
    assert clustered.standard_error > 1.3 * plain.models[0].drop.standard_error
    assert clustered.value == plain.models[0].drop.value


def test_more_wordings_make_the_error_smaller_as_measured():
    rng = np.random.default_rng(4)
    p = rng.beta(2, 2, 4000)
    score = (rng.uniform(size=(1, 4000, 5)) < p[:, None]).astype(float)
    m = paraphrase_robustness(
        Wordings(score, None, ("m",), tuple(map(str, range(4000))), tuple("oabcd")), rng=0
    ).models[0]
    assert m.standard_error(5, 4000) == pytest.approx(m.mean.standard_error, rel=1e-3)
    true = math.sqrt((1 / 20 + (0.25 - 1 / 20)) / 4000)  # one wording: all of p (1 - p), mean of p is 1/2
    assert m.standard_error(1, 4000) == pytest.approx(true, rel=0.02)  # estimated from 4,000 items
    assert m.standard_error(50, 4000) < m.standard_error(5, 4000)


@given(st.integers(2, 5), st.integers(2, 11), st.randoms(use_true_random=False))
def test_the_law_of_total_variance(k, n, random):
    score = np.array([[random.random() for _ in range(k)] for _ in range(n)])[None]
    told = Wordings(score, None, ("m",), tuple(map(str, range(n))), tuple(map(str, range(k))))
    m = paraphrase_robustness(told, n_resamples=1, rng=0).models[0]
    assert m.between + m.within == pytest.approx(score.var(), abs=1e-12)
    assert m.worst <= m.mean.value <= m.best


def test_bad_input_says_what_to_mend():
    data = rows()
    with pytest.raises(ArgumentError, match="original must be one of"):
        wordings_of(data, original="plain")
    with pytest.raises(ArgumentError, match="wording must be a column"):
        wordings_of(data, original="w0", wording="style")
    one = {
        name: [v for v, w in zip(column, data["wording"], strict=True) if w == "w0"] for name, column in data.items()
    }
    with pytest.raises(ArgumentError, match="two or more values"):
        wordings_of(one, original="w0")
    twice = {name: column + column[:1] for name, column in data.items()}
    with pytest.raises(ArgumentError, match="one answer per model, item and wording"):
        wordings_of(twice, original="w0")


def test_consistency_needs_two_wordings_and_every_score():
    for score in ([[1], [0]], [1, 0], np.zeros((0, 2)), [[1, math.nan]]):
        with pytest.raises(ArgumentError, match="in two wordings or more, without NaN"):
            consistency(None, score)


def test_missing_cells_and_missing_scores():
    data = rows()
    gone = {name: column[1:] for name, column in data.items()}
    told = wordings_of(gone, original="w0")
    assert (told.n_incomplete, len(told.items)) == (1, 3)
    data["score"][0] = math.nan
    found = paraphrase_robustness(wordings_of(data, original="w0"), rng=0)
    assert found["m1"].by_wording[0] == 0.75
    assert found["m1"].n_unanswered == 1
    assert "1 answers without a score count as wrong" in found.warnings


def test_one_item_and_one_model():
    told = wordings_of(rows({"m": ["AB"]}, "A"), original="w0")
    found = paraphrase_robustness(told, rng=0)
    assert found.models[0].drop.reason is Reason.ONE_ITEM
    assert math.isnan(found.models[0].drop.interval[0])
    assert math.isnan(found.mean_tau)
    assert math.isnan(found.association)
