"""The steps-examples trade-off: exact curves, a known truth, and the zeus traces."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.train.batch_size import fit_tradeoff

SIZES = np.array([16, 32, 64, 128, 256, 512, 1024])


def zeus(folder, network, target, optimizer):
    with (folder / "zeus_summary_train.csv").open(newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if (row["network"], row["optimizer"]) == (network, optimizer) and float(row["target_metric"]) == target
        ]
    return [float(row["batch_size"]) for row in rows], [float(row["target_epoch"]) for row in rows]


def test_an_exact_curve_is_found_exactly():
    found = fit_tradeoff(np.repeat(SIZES, 3), np.repeat(10 * (1 + SIZES / 200), 3), rng=0)
    assert found.value == pytest.approx(200, rel=1e-12)
    assert found.examples_min == pytest.approx(10, rel=1e-12)
    assert found.interval == pytest.approx((200, 200), rel=1e-9)
    assert found.examples(200) == pytest.approx(20, rel=1e-12)  # twice the best possible: the definition
    assert found.definition == "twice the examples"
    assert found.warnings == ()


def test_one_run_per_size_has_no_interval():
    found = fit_tradeoff(SIZES, 10 * (1 + SIZES / 200))
    assert found.reason is Reason.ONE_RUN
    assert found.value == pytest.approx(200, rel=1e-9)
    assert math.isnan(found.interval[0])


@pytest.mark.parametrize(("runs", "low"), [(3, 0.90), (5, 0.91)])
def test_the_interval_covers(runs, low):
    rng = np.random.default_rng(runs)
    hits, plain, values = 0, 0, []
    batch = np.repeat(SIZES, runs)
    for i in range(400):
        cost = 10 * (1 + batch / 200) * np.exp(0.1 * rng.normal(size=batch.size) - 0.005)
        found = fit_tradeoff(batch, cost, rng=i, n_resamples=400)
        narrow = fit_tradeoff(batch, cost, rng=i, n_resamples=400, widen=False)
        values.append(found.value)
        hits += found.interval[0] <= 200 <= found.interval[1]
        plain += narrow.interval[0] <= 200 <= narrow.interval[1]
    assert low <= hits / 400 <= 0.985
    assert plain < hits
    assert np.mean(values) == pytest.approx(200, rel=0.02)  # an estimate


def test_the_zeus_trace_of_the_sheet(neff_data):
    """Sheet G3: mean epochs by batch, epochs = 15.04 + .0673 B, Bc 224, plain run bootstrap (203, 247)."""
    batch, epochs = zeus(neff_data, "shufflenetv2", 0.6, "adadelta")
    found = fit_tradeoff(batch, epochs, unit="epochs", rng=0, widen=False, n_resamples=20_000)
    means = [round(row.examples, 1) for row in found.rows]
    assert means == [40.5, 19.0, 16.6, 18.4, 19.6, 31.0, 43.0, 78.7, 204.0, 485.2]
    assert found.examples_min == pytest.approx(15.04, abs=0.005)
    assert found.slope == pytest.approx(0.0673, abs=5e-5)
    assert round(found.value) == 224
    # 20,000 resamples give (202.1, 246.9) within 0.3; the sheet's were fewer
    assert found.interval == pytest.approx((203, 247), abs=1.5)  # by resampling
    assert (found.n, found.n_censored) == (53, 1)
    assert any("Batch 8, 16 costs more" in w for w in found.warnings)
    assert any("1 at 4,096" in w for w in found.warnings)
    assert any("does not fit at batch 128 (-17%), 512 (-13%), 4,096 (+67%)" in w for w in found.warnings)
    wider = fit_tradeoff(batch, epochs, unit="epochs", rng=0)
    assert wider.interval[0] < found.interval[0] < found.interval[1] < wider.interval[1]
    dropped = fit_tradeoff(batch, epochs, unit="epochs", rng=0, left_branch="drop")
    assert [row.used for row in dropped.rows][:3] == [False, False, True]
    assert round(dropped.value) == 174


def test_sizes_all_below_the_critical_one_identify_nothing(neff_data):
    batch, epochs = zeus(neff_data, "bert_base_uncased", 84.0, "adamw")
    found = fit_tradeoff(batch, epochs, unit="epochs", rng=0)
    assert math.isnan(found.value)
    assert found.reason is Reason.NOT_IDENTIFIED
    assert found.slope_interval[0] < 0 < found.slope_interval[1]
    assert any("all below the critical one" in w for w in found.warnings)
    assert found.describe() == "not identified"
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_sizes_all_above_identify_nothing_either():
    batch = np.repeat([1000, 2000, 4000], 3)
    found = fit_tradeoff(batch, batch * np.tile([0.9, 1.0, 1.15], 3) - 50, rng=0)
    assert found.reason is Reason.NOT_IDENTIFIED
    assert any("above the critical one" in w for w in found.warnings)


def test_what_cannot_be_used_is_refused():
    with pytest.raises(ArgumentError, match="two batch sizes or more"):
        fit_tradeoff([16, 32], [10.0, math.nan])
    with pytest.raises(ArgumentError, match="above 0"):
        fit_tradeoff([16, 32], [10.0, 0.0])
    with pytest.raises(ArgumentError, match="'warn' or 'drop'"):
        fit_tradeoff([16, 32], [10.0, 12.0], left_branch="ignore")


def test_single_runs_beside_repeated_ones_do_not_narrow_the_interval():
    """The spread of a batch size with one run is taken from the others; without it, coverage is about a quarter."""
    runs = np.where(SIZES == 128, 6, 1)
    batch = np.repeat(SIZES, runs)
    rng = np.random.default_rng(7)
    hits = 0
    for i in range(200):
        cost = 10 * (1 + batch / 200) * np.exp(0.05 * rng.normal(size=batch.size))
        found = fit_tradeoff(batch, cost, rng=i, n_resamples=400)
        low, high = found.interval
        hits += math.isnan(low) or low <= 200 <= high
    assert 0.88 <= hits / 200 <= 1
    assert any("One run at batch 16, 32" in warning for warning in found.warnings)


def costs(rng):
    return 10 * (1 + SIZES / 1000) * np.exp(0.05 * rng.normal(size=SIZES.size))


def test_noise_of_single_runs_is_no_left_branch():
    """At small batches costs are nearly equal, and one run each cannot say which is lower."""
    rng, told = np.random.default_rng(3), 0
    for _ in range(100):
        cost = costs(rng)
        told += any("costs more than a larger one" in warning for warning in fit_tradeoff(SIZES, cost).warnings)
    assert told < 30  # two costs of 5% noise differ by a tenth now and then
    batch, cost = np.append(SIZES, [1024, 1024]), np.append(costs(rng), 20 * np.exp([0.05, -0.05]))
    cost[0] = 1.05 * min(cost)
    assert not any("costs more" in warning for warning in fit_tradeoff(batch, cost, rng=0).warnings)
    cost[0] = 2 * min(cost)
    assert any("Batch 16 costs more" in warning for warning in fit_tradeoff(batch, cost, rng=0).warnings)
    assert any("Batch 16 costs more" in warning for warning in fit_tradeoff(SIZES, cost[: SIZES.size]).warnings)


def test_a_single_run_far_off_the_line_is_named():
    batch = np.repeat(SIZES, np.where(SIZES == 256, 1, 3))
    cost = 10 * (1 + batch / 200) * (1 + 0.01 * np.sin(np.arange(batch.size)))
    cost[batch == 256] *= 2
    assert any("does not fit at batch 256 (+" in warning for warning in fit_tradeoff(batch, cost, rng=0).warnings)
