"""Imperfect verifiers where little is known: one item, items alike, all or no false positives, odd arguments."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from neff.errors import ArgumentError, ArgumentTypeError
from neff.results import Verdict
from neff.sampling import TwoTypeModel, as_draws, can_match, draws_of, verifier_curves
from neff.sampling.verifiers.accept_first import Counts, curves
from neff.sampling.verifiers.rewards import resampled
from neff.stats import wilson


@pytest.mark.parametrize("n_items", range(1, 30))
def test_items_alike_say_nothing_about_the_range(n_items):
    """Whatever their number: shares of items that sum to 1 but for rounding must not make an interval."""
    report = verifier_curves([[1] + [0] * 6] * n_items, [[1, 1] + [0] * 5] * n_items, costs=(0.5,), rng=0)
    (best,) = report.curves[0].rewards
    assert best.best_k == 6
    assert best.best_k_range is None
    assert all(math.isnan(x) for x in best.reward_interval)
    assert best.to_dict()["best_k_range"] is None
    assert report.rewards().rows[0][3] is None


def test_one_cluster_says_nothing_about_the_range():
    rows = {"item": [f"q{i // 2}" for i in range(8)], "score": [1, 0, 0, 0, 1, 1, 0, 1], "ok": [1, 0, 1, 0, 1, 1, 1, 1]}
    one = verifier_curves({**rows, "topic": ["a"] * 8}, "ok", cluster="topic", costs=(1,), rng=0)
    two = verifier_curves({**rows, "topic": list("aaaabbbb")}, "ok", cluster="topic", costs=(1,), rng=0)
    assert one.curves[0].rewards[0].best_k_range is None
    assert two.curves[0].rewards[0].best_k_range is not None


def test_without_draws_nothing_is_best():
    (best,) = verifier_curves([], [], costs=(1,), rng=0).curves[0].rewards
    assert math.isnan(best.reward)
    assert best.best_k_range is None


@pytest.mark.parametrize(("right", "value"), [([[1, 0], [1, 1], [0, 0]], 1.0), ([[0, 0], [0, 0], [1, 0]], 0.0)])
def test_accepted_draws_that_agree_have_an_interval(right, value):
    """All accepted draws right, or none: two items with an acceptance, each counted once."""
    pooled = verifier_curves(right, [[1, 0], [1, 1], [0, 0]], costs=(), rng=0).curves[0].pooled
    assert pooled.value == value
    assert pooled.interval == pytest.approx(wilson(round(2 * value), 2)[:2])


def test_resampled_curves_are_made_in_pieces(monkeypatch):
    rng = np.random.default_rng(2)
    n, accepted = np.full(40, 6), rng.integers(0, 7, 40)
    both = rng.binomial(accepted, 0.7)
    items = curves(Counts(n, accepted, both, both), 6)
    whole = resampled(items, None, 50, np.random.default_rng(0))
    monkeypatch.setattr("neff.sampling.verifiers.rewards.BLOCK", 40 * 7)
    pieces = resampled(items, None, 50, np.random.default_rng(0))
    for one, other in zip(whole, pieces, strict=True):
        assert one == pytest.approx(other, abs=1e-12)
    assert whole.right.mean(axis=0) == pytest.approx(items.right.mean(axis=0), abs=0.05)  # a mean of 50 resamples


def test_memory_does_not_grow_with_resamples_times_items():
    """20,000 items in 2,000 resamples would be 320 MB of weights at once."""
    rng = np.random.default_rng(0)
    accepted = rng.integers(0, 3, 20_000)
    items = curves(Counts(np.full(20_000, 2), accepted, accepted // 2, accepted // 2), 2)
    tracemalloc.start()
    resampled(items, None, 2000, rng)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80e6


def test_a_best_budget_at_the_end_is_said():
    right, accepted = [[1, 0, 0], [0, 1, 0], [0, 0, 0]], [[1, 0, 1], [0, 1, 0], [1, 0, 0]]
    end = verifier_curves(right, accepted, costs=(0,), rng=0)
    assert any("a longer one may be better" in note for note in end.notes)
    assert not any("a longer one" in note for note in verifier_curves(right, accepted, costs=(9,), rng=0).notes)


def test_the_correlation_over_models_does_not_mix_verifiers():
    """Single-draw and conditional accuracy fall together over models in each verifier; pooled, they would not."""
    item, model, score, loose, strict = [], [], [], [], []
    for m, rights in enumerate((8, 6, 4)):
        for draw in range(10):
            right = draw < rights
            item.append("q"), model.append(f"m{m}"), score.append(int(right))
            loose.append(1)
            strict.append(int(right or draw == 9))
    rows = {"item": item, "model": model, "score": score, "loose": loose, "strict": strict}
    one = {name: verifier_curves(rows, name, costs=(), rng=0) for name in ("loose", "strict")}
    assert one["loose"].correlation == pytest.approx(1)
    both = verifier_curves(rows, ["loose", "strict"], costs=(), rng=0)
    x = np.array([(c.single.value, c.conditional.value) for c in both.curves]).reshape(2, 3, 2)
    centred = (x - x.mean(axis=1, keepdims=True)).reshape(6, 2)
    assert both.correlation == pytest.approx(np.corrcoef(centred.T)[0, 1])
    two_models = {name: values[:20] for name, values in rows.items()}
    assert math.isnan(verifier_curves(two_models, ["loose", "strict"], costs=(), rng=0).correlation)


def test_metrics_are_told_apart():
    rows = {
        "item": ["a", "a", "b", "b"] * 2, "model": ["m"] * 8, "metric": ["exact"] * 4 + ["loose"] * 4,
        "score": [1, 0, 0, 1, 1, 1, 0, 1], "ok": [1, 1, 0, 1] * 2,
    }  # fmt: skip
    report = verifier_curves(rows, "ok", costs=(1,), rng=0)
    assert [c.metric for c in report.curves] == ["exact", "loose"]
    assert "metric" in [column.name for column in report.table().columns]
    assert "metric" in [column.name for column in report.rewards().columns]


def test_results_say_what_rewards_are_made_of():
    found = verifier_curves([[1, 0]], [[1, 1]], costs=3, right_value=2, abstain_value=0.5, price=0.1, rng=0)
    assert [reward.cost for reward in found.curves[0].rewards] == [3.0]
    told = found.to_dict()
    assert (told["right_value"], told["abstain_value"], told["price"]) == (2.0, 0.5, 0.1)


@pytest.mark.parametrize(
    ("accepts", "options", "message"),
    [
        (None, {}, "accepts must be the verifier's yes or no"),
        ([], {}, "accepts must be the verifier's yes or no"),
        ([[1, 1]], {"costs": 1e300}, "costs must be at most"),
        ([[1, 1]], {"right_value": -1e300}, "right_value must be at most"),
        ([[1, 1]], {"costs": "4"}, "costs must be one number"),
    ],
)
def test_odd_arguments_are_refused(accepts, options, message):
    with pytest.raises(ArgumentError, match=message):
        verifier_curves([[1, 0]], accepts, **options)


def test_a_column_of_text_is_named():
    with pytest.raises(ArgumentError, match=r"accepts must be a column of numbers, got 'ok'\. It holds text such as"):
        draws_of({"item": ["a", "b"], "score": [1, 0], "ok": ["yes", "no"]}, accepts="ok")


def test_completeness_is_estimated():
    """Two of three right draws accepted, one of three wrong ones."""
    fit = verifier_curves([[1, 1, 0], [0, 0, 1]], [[1, 0, 1], [0, 0, 1]], costs=(), rng=0).curves[0]
    assert fit.model_fit.completeness == pytest.approx(2 / 3)
    assert fit.model_fit.soundness == pytest.approx(2 / 3)
    assert fit.to_dict()["two_types"]["completeness"] == fit.model_fit.completeness


@pytest.mark.parametrize("unit", [1e-20, 1e20])
def test_the_budget_of_the_theory_does_not_depend_on_the_unit(unit):
    model = TwoTypeModel(np.array([0.87, 0.13]), [0.58, 0.42], soundness=0.75)
    budget, reward = model.best_budget(right=unit, wrong=-0.7 * unit)
    assert (budget, reward / unit) == pytest.approx((3, 0.524567), abs=1e-6)


def test_rare_acceptances_lose_no_digits():
    assert TwoTypeModel((1e-9,), (1.0,)).ceiling == 1.0
    assert TwoTypeModel((1e-9,), (1.0,)).accuracy(1) == pytest.approx(1e-9, rel=1e-12)
    assert TwoTypeModel((1.0,), (1.0,)).accuracy(1) == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: TwoTypeModel(0.5, (1.0,)),
        lambda: TwoTypeModel(("a",), (1.0,)),
        lambda: TwoTypeModel((0.5,), (1.0,), soundness=None),
        lambda: TwoTypeModel((0.5,), (1.0,)).accuracy("3"),
        lambda: TwoTypeModel((0.5,), (1.0,)).reward(3, wrong=math.nan),
    ],
)
def test_the_theory_takes_numbers(call):
    with pytest.raises(ArgumentError):
        call()


@pytest.mark.parametrize(("right", "verdict"), [([[0, 0]] * 50, Verdict.FAILS), ([[1, 1]] * 50, Verdict.UNDECIDED)])
def test_items_that_all_differ_alike_have_a_verdict(right, verdict):
    found = can_match(as_draws(right, accepts=[[1, 1]] * 50), as_draws([[1]] * 50))
    share = 1 - 0.025 ** (1 / 50)
    assert found.verdict is verdict
    assert found.interval[1] == pytest.approx(found.difference + (1 - found.difference) * share)
    assert found.interval[0] == pytest.approx(found.difference - (1 + found.difference) * share)
    assert found.reason == ""


def test_the_interval_of_equal_items_covers():
    """Of 20 items each 5% lie elsewhere: samples that show none of them must not exclude the true mean."""
    found = can_match(as_draws([[0]] * 20, accepts=[[1]] * 20), as_draws([[1]] * 20))
    assert found.interval[0] <= -1 + 2 * 0.05 <= found.interval[1]
    assert found.verdict is Verdict.FAILS


def test_items_of_one_side_only_are_counted():
    weak, strong = as_draws([[1, 0]] * 4, accepts=[[1, 1]] * 4), as_draws([[1], [0], [1]])
    assert (can_match(weak, strong).n_items, can_match(weak, strong).n_left_out) == (3, 1)
    never = replace(weak, accept=np.array([1.0, 1, 0, 0, 1, 1, 1, 1]))
    left = can_match(never, strong, counting="abstentions left out")
    assert (left.n_items, left.n_left_out, left.to_dict()["n_left_out"]) == (2, 3, 3)


@pytest.mark.parametrize("which", [0, 1])
def test_only_draws_can_be_matched(which):
    pair = [as_draws([[1]], accepts=[[1]]), as_draws([[1]])]
    pair[which] = [[1]]
    with pytest.raises(ArgumentTypeError, match=("weak", "strong")[which] + " must be Draws"):
        can_match(*pair)
