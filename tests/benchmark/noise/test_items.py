"""Item analysis: golden values, the real MMLU-Pro matrix, and what has no discrimination."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.benchmark.noise import item_analysis, prune_items, split_stability
from neff.errors import ArgumentError
from neff.reasons import Reason

Y = [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]]


def test_golden():
    found = item_analysis(Y)
    assert found.difficulty.tolist() == pytest.approx([0.8, 0.6, 0.4, 0.4])
    assert found.discrimination_total.tolist() == pytest.approx(
        [0.8291562, 0.73854895, 0.80009469, 0.49236596], abs=1e-8
    )
    assert found.discrimination.tolist() == pytest.approx([0.68640647, 0.48038446, 0.58333333, 0.14002801], abs=1e-8)
    assert found.reliability == pytest.approx(0.6666666667, abs=1e-10)
    assert found.table().rows[0][0] == "3"


@pytest.mark.parametrize(
    ("responses", "reason"),
    [
        (np.ones((5, 7)), Reason.ALL_EQUAL),
        (np.ones((1, 7)), Reason.ONE_MODEL),
        (np.array([[1], [0], [1]]), Reason.ONE_ITEM),
    ],
)
def test_nothing_discriminates(responses, reason):
    found = item_analysis(responses)
    assert found.reason is reason
    assert np.isnan(found.discrimination).all()
    assert str(reason) in str(found)


def test_an_item_that_all_get_right_is_not_counted():
    y = np.column_stack([np.ones(5), np.array(Y)])
    found = item_analysis(y)
    assert found.n_constant == 1
    assert math.isnan(found.discrimination[0])
    assert found.discrimination[1:].tolist() == pytest.approx(item_analysis(Y).discrimination.tolist())


def test_refusals():
    with pytest.raises(ArgumentError, match="missing is not wrong"):
        item_analysis([[1, math.nan], [0, 1]])
    with pytest.raises(ArgumentError, match="of 4 names"):
        item_analysis(Y, names=["a"])
    with pytest.raises(ArgumentError, match="n_models, n_items"):
        item_analysis([1, 0])
    assert split_stability(Y[:1]).reason is Reason.ONE_MODEL
    assert split_stability(Y[:3]).reason is Reason.TOO_FEW
    assert split_stability(np.ones((8, 5))).reason is Reason.ALL_EQUAL


@pytest.fixture(scope="module")
def mmlu_pro(neff_data):
    import polars as pl

    table = pl.read_parquet(neff_data / "mmlu_pro_predictions.parquet")
    models = table.columns[4:]
    table = table.drop_nulls(models)
    gold = table["gold"].to_numpy()
    return np.stack([(table[name].to_numpy() == gold).astype(float) for name in models])


def test_discrimination_does_not_carry_over_to_stronger_models(mmlu_pro):
    assert mmlu_pro.shape == (29, 10_326)
    by_strength = split_stability(mmlu_pro)
    assert by_strength.n_items == 6884
    assert by_strength.discrimination == pytest.approx(0.003, abs=5e-4)
    assert by_strength.difficulty == pytest.approx(0.774, abs=5e-4)
    at_random = split_stability(mmlu_pro, by="random", n_splits=20, rng=0)
    assert at_random.discrimination == pytest.approx(0.389, abs=0.03)  # SD over splits .031
    assert at_random.difficulty == pytest.approx(0.895, abs=0.01)
    assert 0.015 < at_random.discrimination_sd < 0.06


def test_pruning_beside_a_random_subset(mmlu_pro):
    table = prune_items(mmlu_pro[:, ::7], thresholds=[-1.0, 0.3], rng=0)
    whole, pruned = table.rows
    assert whole[1] == 1476
    assert whole[2:5] == pytest.approx(whole[5:8])  # nothing pruned: the control is the same items
    assert pruned[1] < 1000
    assert pruned[2] != pytest.approx(pruned[5], abs=0.02)  # a pruned benchmark is another benchmark
    with pytest.raises(ArgumentError, match="6 models"):
        prune_items(mmlu_pro[:4])


def test_halves_of_a_known_model_agree_about_discrimination():
    rng = np.random.default_rng(1)
    slope = np.exp(0.7 * rng.normal(size=300))
    margin = slope * (rng.normal(size=(200, 1)) - rng.normal(size=300)) + rng.logistic(size=(200, 300))
    assert split_stability(margin > 0, by="random", rng=0).discrimination > 0.6
