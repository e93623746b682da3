"""Energy of settings: what is compared, what is refused, and whether the error rates are what they say."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.train.energy import EnergyRun, compare_energy, difference_test

A, B = [182, 188, 179, 191, 185], [174, 181, 170, 183, 176]


def runs(setting, values, **fields):
    return [EnergyRun(setting, float(v), 100.0, block=str(i), **fields) for i, v in enumerate(values)]


def test_blocks_are_paired_on_the_log_scale():
    study = compare_energy([*runs("a", A), *runs("b", B)])
    (pair,) = study.comparisons
    logs = difference_test(np.log(B), np.log(A), design="paired")
    assert (pair.a, pair.b) == ("b", "a")
    assert pair.ratio == pytest.approx(math.exp(logs.difference), rel=1e-12)
    assert pair.interval == pytest.approx(tuple(np.exp(logs.interval)), rel=1e-12)
    assert pair.p_value == pytest.approx(logs.p_value, rel=1e-12)
    assert pair.difference == pytest.approx(np.mean(B) - np.mean(A), rel=1e-12)
    assert (pair.n_a, pair.n_unmatched, study.n_blocks) == (5, 0, 5)
    assert math.isnan(pair.p_wilcoxon)  # five blocks are too few for it
    assert study.table().to_dict()["kwh"] == pytest.approx([np.mean(B) / 3.6e6, np.mean(A) / 3.6e6], rel=1e-12)
    assert json.dumps(study.to_dict(), allow_nan=False)


def test_without_blocks_it_is_welch_and_says_so():
    study = compare_energy([*A, *B], ["a"] * 5 + ["b"] * 5)
    assert study.comparisons[0].p_value == pytest.approx(difference_test(np.log(B), np.log(A)).p_value, rel=1e-12)
    assert study.n_blocks is None
    assert any("not blocked" in note for note in study.notes)


def test_the_order_of_rows_does_not_matter():
    rows = [*runs("a", A), *runs("b", B)]
    first, second = compare_energy(rows), compare_energy(rows[::-1])
    assert first.comparisons[0].interval == pytest.approx(second.comparisons[0].interval, rel=1e-12)
    for one, other in zip(first.settings, second.settings, strict=True):
        assert one[0] == other[0]
        assert one[1:] == pytest.approx(other[1:], rel=1e-12)


def test_no_difference_is_never_reported_alone():
    rng = np.random.default_rng(0)
    base = rng.normal(1000, 50, 12)
    study = compare_energy([*runs("a", base * 1.001), *runs("b", base * rng.normal(1, 0.004, 12))])
    (pair,) = study.comparisons
    assert pair.finding == "equivalent"
    assert pair.p_equivalence < 0.05 < pair.p_adjusted
    noisy = compare_energy([*runs("a", rng.normal(1000, 90, 6)), *runs("b", rng.normal(1000, 90, 6))])
    (pair,) = noisy.comparisons
    assert pair.finding == "not told apart"
    assert pair.p_equivalence > 0.05
    assert pair.runs_needed > 6
    assert not math.isnan(pair.p_wilcoxon)
    assert any("not equal" in note for note in noisy.notes)


def test_a_difference_within_the_margin_is_both():
    base = np.linspace(1000, 1100, 11)
    study = compare_energy([*runs("a", base), *runs("b", base * 0.99 * np.linspace(0.999, 1.001, 11))])
    assert study.comparisons[0].finding == "less energy, within the margin"


def test_one_run_is_described_and_not_compared():
    study = compare_energy([10.0, 12.0, 11.0], ["a", "b", "b"])
    (pair,) = study.comparisons
    assert (pair.reason, pair.finding) == (Reason.ONE_RUN, "not graded")
    assert math.isnan(pair.interval[0])
    assert pair.ratio == pytest.approx(10 / math.sqrt(132), rel=1e-12)
    same = compare_energy([10.0, 10.0, 12.0, 12.0], ["a", "a", "b", "b"])
    assert same.comparisons[0].reason is Reason.NO_SPREAD


def test_pseudo_replication_is_refused():
    with pytest.raises(ArgumentError, match="add up or average"):
        compare_energy([1.0, 2.0, 3.0], ["a", "a", "b"], run=["r1", "r1", "r2"])
    with pytest.raises(ArgumentError, match="with each setting once"):
        compare_energy([1.0, 2.0, 3.0], ["a", "a", "b"], block=["x", "x", "x"])


def test_estimates_and_measurements_do_not_mix():
    with pytest.raises(ArgumentError, match="kind must be the same"):
        compare_energy([*runs("a", A), *runs("b", B, kind="estimated")])
    with pytest.raises(ArgumentError, match="meter must be the same"):
        compare_energy([*runs("a", A, meter="gpu"), *runs("b", B, meter="cpu")])
    study = compare_energy([*runs("a", A, kind="estimated"), *runs("b", B, kind="estimated")])
    assert any("estimated by a model" in note for note in study.notes)


def test_runs_that_failed_are_counted_and_left_out():
    rows = [*runs("a", A), *runs("b", B)]
    rows[0] = EnergyRun("a", 5.0, 1.0, block="0", reached=False)
    rows[6] = EnergyRun("b", math.nan, 1.0, block="1")
    study = compare_energy(rows, per="target")
    by_name = {row.setting: row for row in study.settings}
    assert (by_name["a"].n, by_name["a"].n_censored, by_name["b"].n, by_name["b"].n_undefined) == (4, 1, 4, 1)
    assert (study.comparisons[0].n_a, study.comparisons[0].n_unmatched) == (3, 2)
    assert study.unit == "J to the target"
    assert any("did not reach the target" in note for note in study.notes)


def test_energy_per_sample():
    rows = [EnergyRun("a", 100.0 + i, 10.0, samples=50.0) for i in range(3)]
    rows += [EnergyRun("b", 100.0 + i, 10.0, samples=100.0) for i in range(3)]
    study = compare_energy(rows, per="sample")
    assert [row.mean for row in study.settings] == pytest.approx([1.01, 2.02], rel=1e-12)
    assert study.settings[0].setting == "b"
    with pytest.raises(ArgumentError, match="samples must be known"):
        compare_energy([*runs("a", A), *runs("b", B)], per="sample")


def test_watts_do_not_decide():
    rows = [EnergyRun("slow", 400.0 + i, 10.0, block=str(i)) for i in range(5)]
    rows += [EnergyRun("fast", 200.0 + i, 2.0, block=str(i)) for i in range(5)]
    study = compare_energy(rows)
    assert study.settings[0].setting == "fast"
    assert any(note.startswith("slow draws the least power") for note in study.notes)


def test_a_coarse_meter_widens_the_interval():
    fine = compare_energy([*runs("a", A), *runs("b", B)]).comparisons[0]
    coarse = compare_energy([*runs("a", A, resolution=1.5), *runs("b", B, resolution=0.5)]).comparisons[0]
    assert coarse.difference_interval[0] == pytest.approx(fine.difference_interval[0] - 2.0, rel=1e-12)
    assert math.log(coarse.interval[1] / fine.interval[1]) == pytest.approx(
        1.5 / np.mean(A) + 0.5 / np.mean(B), rel=1e-9
    )


def test_three_settings_are_tested_together_and_adjusted():
    rng = np.random.default_rng(1)
    blocks = rng.normal(0, 0.1, 7)
    rows = []
    for name, shift in (("a", 0.0), ("b", 0.05), ("c", 0.3)):
        rows += runs(name, 1000 * np.exp(shift + blocks + rng.normal(0, 0.02, 7)))
    study = compare_energy(rows, correction="bonferroni")
    assert len(study.comparisons) == 3
    assert study.overall.method == "randomized block analysis of variance"
    assert study.overall.p_value < 1e-6
    for pair in study.comparisons:
        assert pair.p_adjusted == pytest.approx(min(3 * pair.p_value, 1), rel=1e-12)
    only = compare_energy(rows, baseline="a")
    assert [(c.a, c.b) for c in only.comparisons] == [("b", "a"), ("c", "a")]
    with pytest.raises(ArgumentError, match="one of the settings"):
        compare_energy(rows, baseline="z")
    without = compare_energy(rows, discard_first=True)
    assert without.n_blocks == 6
    assert any("warm-up" in note for note in without.notes)


@pytest.mark.parametrize("blocked", [True, False])
def test_false_alarms_are_as_rare_as_stated(blocked):
    rng = np.random.default_rng(17)
    alarms = covered = equivalent = 0
    n = 700
    for _ in range(n):
        session = rng.normal(0, 0.08, 5) * blocked
        logs = session + rng.normal(0, 0.03, (2, 5))
        logs[1] += math.log1p(0.05)  # at the margin, "equivalent" is the false alarm
        block = {"block": list(range(5)) * 2} if blocked else {}
        study = compare_energy(np.exp(logs.ravel()), ["a"] * 5 + ["b"] * 5, **block)
        (pair,) = study.comparisons
        truth = 1.05 if pair.a == "b" else 1 / 1.05
        covered += pair.interval[0] <= truth <= pair.interval[1]
        equivalent += pair.p_equivalence < 0.05
        logs[1] -= math.log1p(0.05)
        null = compare_energy(np.exp(logs.ravel()), ["a"] * 5 + ["b"] * 5, **block)
        alarms += null.comparisons[0].p_value < 0.05
    assert 0.93 <= covered / n <= 0.97
    assert 0.03 <= alarms / n <= 0.07
    assert equivalent / n <= 0.065


def test_what_cannot_be_used_is_refused():
    with pytest.raises(ArgumentError, match=r"Did you mean 0\.05"):
        compare_energy([1.0, 2.0], ["a", "b"], margin=5)
    with pytest.raises(ArgumentError, match="setting must be given"):
        compare_energy([1.0, 2.0])
    with pytest.raises(ArgumentError, match="above 0"):
        compare_energy([1.0, 0.0], ["a", "b"])
    with pytest.raises(ArgumentError, match="known for every run"):
        compare_energy([EnergyRun("a", 1.0, block="x"), EnergyRun("b", 2.0)])
    with pytest.raises(ArgumentError, match="discard_first must be left out"):
        compare_energy([1.0, 2.0], ["a", "b"], discard_first=True)


def test_a_margin_far_below_the_spread_is_no_error():
    rng = np.random.default_rng(0)
    study = compare_energy(np.exp(rng.normal(5, 0.5, 8)), ["a"] * 4 + ["b"] * 4, margin=1e-5)
    assert math.isnan(study.comparisons[0].runs_needed)
    assert study.comparisons[0].finding == "not told apart"
    assert str(study)


def test_equivalence_is_adjusted_for_all_pairs_too():
    rng = np.random.default_rng(1)
    names = [f"s{k}" for k in range(5)]
    logs = rng.normal(0, 0.02, (5, 7))
    rows = [EnergyRun(name, 100 * math.exp(v), block=str(j)) for name, row in zip(names, logs, strict=True)
            for j, v in enumerate(row)]  # fmt: skip
    raw = {(c.a, c.b): c.p_equivalence for c in compare_energy(rows, correction="none").comparisons}
    held = {(c.a, c.b): c.p_equivalence for c in compare_energy(rows, correction="bonferroni").comparisons}
    assert held == pytest.approx({pair: min(10 * p, 1.0) for pair, p in raw.items()}, rel=1e-9)
    found = compare_energy(rows, correction="bonferroni").comparisons
    assert any(c.finding == "equivalent" for c in compare_energy(rows, correction="none").comparisons)
    assert all(c.p_equivalence < 0.05 for c in found if c.finding == "equivalent")


def test_a_setting_without_a_usable_run_says_so():
    study = compare_energy([5.0, 6.0, math.nan, math.nan], ["a", "a", "b", "b"], baseline="b")
    (pair,) = study.comparisons
    assert (pair.finding, pair.reason) == ("not graded", Reason.EMPTY)


@pytest.mark.parametrize("missing", [None, math.nan, ""])
@pytest.mark.parametrize("name", ["setting", "block", "run"])
def test_a_missing_name_is_no_name(name, missing):
    given = {"setting": ["a", "b"], "block": ["1", "1"], "run": ["r", "s"]}
    given[name][1] = missing
    with pytest.raises(ArgumentError, match=f"{name} must be known for every run.*Position 1 is missing"):
        compare_energy([1.0, 2.0], **given)
