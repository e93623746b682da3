"""`fit_irt`: banks, reasons instead of numbers, suspects, linking, records, and 29 real models on 10,326 items."""

from __future__ import annotations

import json

import numpy as np
import pytest

from neff.benchmark.irt import ItemBank, ability, fit_irt, link_banks, responses_of
from neff.errors import ArgumentError, RecordsError
from neff.reasons import Reason


def simulate(n, j, seed, *, b_mean=0.0):
    rng = np.random.default_rng(seed)
    bank = ItemBank.of(np.exp(rng.normal(0, 0.35, j)), rng.normal(b_mean, 1.0, j))
    theta = rng.normal(size=n)
    return bank, theta, (rng.random((n, j)) < bank.probability(theta)).astype(float)


def test_the_scale_is_that_of_the_calibration_models():
    """Items all hard: the priors would pull their mean to 0, the models set it."""
    truth, theta, right = simulate(211, 307, 1, b_mean=1.5)
    bank = fit_irt(right)
    assert (bank.ability_mean, bank.ability_sd) == pytest.approx((0.0, 1.0), abs=1e-9)
    found = ability(bank, right, method="eap")
    assert found.theta.mean() == pytest.approx(0.0, abs=0.01)
    assert np.corrcoef(found.theta, theta)[0, 1] > 0.98
    raw = fit_irt(right, standardize=False)
    slope, intercept = raw.ability_sd, raw.ability_mean
    assert slope * bank.difficulty + intercept == pytest.approx(raw.difficulty, nan_ok=True)
    assert bank.discrimination == pytest.approx(raw.discrimination * slope, nan_ok=True)
    assert raw.probability([0.3]) == pytest.approx(bank.probability([(0.3 - intercept) / slope]), nan_ok=True)
    assert np.corrcoef(bank.difficulty, truth.difficulty)[0, 1] > 0.93  # of 211 models
    assert bank.ability_gap == pytest.approx((found.theta.max() - found.theta.min()) / 210, rel=0.01)


def test_scaling_changes_the_unit_of_a_only():
    _, _, right = simulate(101, 13, 2)
    one, other = fit_irt(right), fit_irt(right, scaling=1.7)
    assert other.discrimination * 1.7 == pytest.approx(one.discrimination)
    assert other.difficulty == pytest.approx(one.difficulty)
    assert other.probability([0.4]) == pytest.approx(one.probability([0.4]))


@pytest.mark.parametrize(
    ("right", "reason"),
    [
        ([[1, 0, 1]], Reason.ONE_MODEL),
        ([[1], [0]], Reason.ONE_ITEM),
        ([[1, 1], [1, 1]], Reason.ALL_EQUAL),
        ([[0, 0, 0], [0, 0, 0]], Reason.ALL_EQUAL),
        ([[1, 0], [1, 1]], Reason.ONE_ITEM),
        ([[np.nan, np.nan], [np.nan, np.nan]], Reason.EMPTY),
    ],
)
def test_a_reason_instead_of_numbers(right, reason):
    bank = fit_irt(np.array(right, float))
    assert bank.reason is reason
    assert np.isnan(bank.discrimination).all()
    assert set(bank.reasons) == set(bank.items)
    assert bank.notes[0] == f"No parameters: {reason}."
    found = ability(bank, np.array(right, float))
    assert np.isnan(found.theta).all()
    assert reason in found.reasons
    again = ItemBank.from_dict(json.loads(json.dumps(bank.to_dict(), allow_nan=False)))
    assert again.reason is reason


def test_items_that_say_nothing_have_a_reason():
    _, _, right = simulate(41, 11, 3)
    right[:, 2], right[:, 5], right[:, 7] = 1.0, 0.0, np.nan
    bank = fit_irt(right)
    assert bank.reasons == {"2": Reason.ALL_EQUAL, "5": Reason.ALL_EQUAL, "7": Reason.EMPTY}
    assert np.isnan(bank.difficulty[[2, 5, 7]]).all()
    assert bank.usable.sum() == 8
    rest = fit_irt(np.delete(right, [2, 5, 7], axis=1))
    assert bank.difficulty[bank.usable] == pytest.approx(rest.difficulty)
    assert bank.exposure.tolist() == [41.0] * 7 + [0.0] + [41.0] * 3
    assert any("3 of 11 items have no parameters" in note for note in bank.notes)


def test_few_models_are_said_to_be_few():
    _, _, right = simulate(29, 31, 4)
    assert "29 calibration models are few" in fit_irt(right).warnings[0]
    _, _, right = simulate(211, 31, 4)
    assert not any("few" in said for said in fit_irt(right).warnings)
    right[np.random.default_rng(0).random(right.shape) < 0.7] = np.nan
    assert any("fewer than 100 models" in said for said in fit_irt(right).warnings)


def test_wrong_keys_are_suspected():
    _, _, right = simulate(307, 97, 5)
    wrong = [3, 40, 71]
    right[:, wrong] = 1 - right[:, wrong]
    bank = fit_irt(right)
    assert np.flatnonzero(bank.suspect).tolist() == wrong
    table = bank.table(suspects=True)
    assert {row[0] for row in table.rows} == {"3", "40", "71"}
    assert all(row[7] < 0 for row in table.rows)
    rest = np.delete(right, 40, axis=1).mean(axis=1)
    assert bank.rest_correlation[40] == pytest.approx(np.corrcoef(right[:, 40], rest)[0, 1])
    assert any("on 3 items better models do worse, on 3 of them" in note for note in bank.notes)


def test_no_key_is_suspected_where_all_are_right():
    flagged = sum(int(fit_irt(simulate(101, 53, seed)[2]).suspect.any()) for seed in range(20))
    assert flagged <= 2


def test_a_bank_survives_json():
    _, _, right = simulate(101, 13, 6)
    right[:, 4] = 1.0
    bank = fit_irt(right, content=["ab"[k % 2] for k in range(13)], task="arc")
    again = ItemBank.from_dict(json.loads(json.dumps(bank.to_dict(), allow_nan=False)))
    assert again.to_dict() == bank.to_dict()
    assert again.content[:2] == ("a", "b")
    assert again.reasons == {"4": Reason.ALL_EQUAL}
    assert ability(again, right).theta == pytest.approx(ability(bank, right).theta, abs=1e-12)
    with pytest.raises(RecordsError, match="no item bank"):
        ItemBank.from_dict({"schema": "neff.evaluation/1"})
    with pytest.raises(RecordsError, match="damaged"):
        ItemBank.from_dict({"schema": "neff.item-bank/1", "items": [{}]})


def test_banks_are_linked_by_common_items():
    truth, _, right = simulate(2003, 41, 7)
    rng = np.random.default_rng(8)
    stronger = (rng.random((2003, 41)) < truth.probability(rng.normal(1.0, 0.7, 2003))).astype(float)
    names = [f"q{k}" for k in range(41)]
    old, new = fit_irt(right, items=names), fit_irt(stronger[:, 10:], items=names[10:])
    link = link_banks(new, old)
    assert link.n_items == 31
    assert (link.intercept, link.slope) == pytest.approx((1.0, 0.7), abs=0.1)  # of 2,003 models in each
    moved = link.bank(new)
    assert moved.probability(link.ability([0.5])) == pytest.approx(new.probability([0.5]))
    assert moved.difficulty.mean() == pytest.approx(old.difficulty[10:].mean(), abs=1e-9)
    assert np.corrcoef(moved.difficulty, old.difficulty[10:])[0, 1] > 0.97
    assert link_banks(new, fit_irt(right)).reason is Reason.NO_COMMON_ITEMS
    assert link_banks(old, old).slope == pytest.approx(1.0)


def test_an_item_that_moved_is_named():
    b = np.linspace(-2, 2, 13)
    off = b + np.random.default_rng(0).normal(0, 0.05, 13)
    off[6] += 2
    link = link_banks(ItemBank.of(np.ones(13), b), ItemBank.of(np.ones(13), off))
    assert link.moved == ("6",)


def test_given_guessing_and_refusals():
    _, _, right = simulate(101, 13, 9)
    bank = fit_irt(right, model="3pl", guess=0.2)
    assert bank.model == "3pl"
    assert (bank.guess == 0.2).all()
    assert (bank.difficulty > fit_irt(right).difficulty - 0.05).mean() > 0.7
    with pytest.raises(ArgumentError, match="model='3pl'"):
        fit_irt(right, guess=0.2)
    with pytest.raises(ArgumentError, match="above 0 with"):
        fit_irt(right, model="3pl")
    for guess in ("a fifth", [0.2, 0.2], 1.0):
        with pytest.raises(ArgumentError, match="guess must be"):
            fit_irt(right, model="3pl", guess=guess)
        with pytest.raises(ArgumentError, match="guess must be"):
            ItemBank.of([1.0, 1.0, 1.0], [0.0, 0.0, 0.0], guess=guess)
    with pytest.raises(ArgumentError, match="scaling must be one number"):
        ItemBank.of([1.0], [0.0], scaling="1.7")
    with pytest.raises(ArgumentError, match="2pl"):
        fit_irt(right, model="4pl")
    with pytest.raises(ArgumentError, match=r"threshold=0\.5"):
        fit_irt(right * 0.5)
    with pytest.raises(ArgumentError, match="different names"):
        fit_irt(right, items=["q"] * 13)
    assert fit_irt(right, max_iterations=2).converged is False
    assert "not converged" in fit_irt(right, max_iterations=2).notes[-1]
    assert fit_irt(right, model="1pl").discrimination.std() == pytest.approx(0, abs=1e-12)


def test_records_become_a_matrix():
    told = {
        "item": ["q1", "q2", "q1", "q2", "q1"],
        "model": ["b", "b", "a", "a", "c"],
        "score": [1.0, 0.25, 0.0, 0.75, np.nan],
    }
    found = responses_of(told, threshold=0.5)
    assert found.models == ("a", "b", "c")
    assert found.items == ("q1", "q2")
    np.testing.assert_array_equal(found.matrix, [[0, 1], [1, 0], [np.nan, np.nan]])
    with pytest.raises(ArgumentError, match=r"threshold=0\.5"):
        responses_of(told)
    tasks = {**told, "task": ["x", "x", "x", "x", "y"]}
    with pytest.raises(ArgumentError, match="of one task"):
        responses_of(tasks, threshold=0.5)
    assert responses_of(tasks, threshold=0.5, task="x").models == ("a", "b")
    with pytest.raises(ArgumentError, match="one of the records'"):
        responses_of(tasks, task="z")
    steps = {"item": ["q"] * 4, "model": ["step10", "step2", "step1", "base"], "score": [1, 0, 1, 0]}
    assert responses_of(steps).models == ("base", "step1", "step2", "step10")
    assert responses_of(steps).matrix[:, 0].tolist() == [0, 1, 0, 1]
    twice = {"item": ["q1", "q1"], "model": ["a", "a"], "score": [1, 0]}
    with pytest.raises(ArgumentError, match="one draw per item"):
        responses_of(twice)
    assert responses_of(twice, threshold=0.5).matrix.tolist() == [[1.0]]


@pytest.fixture(scope="module")
def mmlu_pro(request):
    import polars as pl

    table = pl.read_parquet(request.getfixturevalue("neff_data") / "mmlu_pro_predictions.parquet")
    models = table.columns[4:]
    table = table.drop_nulls(models)
    gold = table["gold"].to_numpy()
    return np.stack([(table[name].to_numpy() == gold).astype(float) for name in models]), models


def test_real_models_on_mmlu_pro(mmlu_pro):
    right, models = mmlu_pro
    assert right.shape == (29, 10_326)
    bank = fit_irt(right, models=models)
    assert bank.converged
    assert bank.n_iterations < 80
    assert "29 calibration models are few" in bank.warnings[0]
    found = ability(bank, right, models=models)
    assert np.corrcoef(found.theta, right.mean(axis=1))[0, 1] > 0.99
    assert found.theta.mean() == pytest.approx(0, abs=0.01)
    assert np.isnan(bank.difficulty).sum() == int(((right.mean(0) == 0) | (right.mean(0) == 1)).sum())
