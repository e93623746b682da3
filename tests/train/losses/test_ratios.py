"""Log-ratios and their summary: agreement with neff.stats, merging, masks, two processes."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import neff
from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats.weights import WeightSummary
from neff.train.losses import RatioSummary, sequence_log_ratio, token_log_ratio

LOGS = st.lists(st.floats(-300, 300), min_size=1, max_size=23)


@given(LOGS)
@settings(max_examples=60, deadline=None)
def test_agrees_with_the_functions_of_stats(logs):
    got, expected = RatioSummary.of(torch.tensor(logs, dtype=torch.float64)), WeightSummary.of(logs)
    assert float(got.ess) == pytest.approx(neff.ess(logs), rel=1e-12)
    assert float(got.ess_fraction) == pytest.approx(expected.ess_fraction, rel=1e-12)
    assert float(got.log_mean) == pytest.approx(expected.log_mean, rel=1e-12, abs=1e-12)
    back = got.to_weight_summary()
    assert back.n == len(logs)
    assert back.ess == pytest.approx(expected.ess, rel=1e-12)


@given(LOGS, st.integers(0, 23), st.floats(-500, 500))
@settings(max_examples=60, deadline=None)
def test_merging_shifting_and_bounds(logs, cut, shift):
    x = torch.tensor(logs, dtype=torch.float64)
    whole = RatioSummary.of(x)
    merged = RatioSummary.of(x[cut:]) + RatioSummary.empty() + RatioSummary.of(x[:cut])
    moved = RatioSummary.of(x + shift)
    n = len(logs)
    assert 1 / n <= float(whole.ess_fraction) <= 1
    for other in (merged, moved):
        assert float(other.ess_fraction) == pytest.approx(float(whole.ess_fraction), rel=1e-9)
    assert float(moved.log_mean) == pytest.approx(float(whole.log_mean) + shift, abs=1e-9)
    assert float(merged.log_mean) == pytest.approx(float(whole.log_mean), abs=1e-9)


def test_analytic_shares():
    """rl-batch-adaptive 5 (a): k equal non-zero weights of n are worth k/n, at any scale."""
    for k, n in ((1, 7), (3, 7), (7, 7)):
        logs = torch.full((n,), -math.inf)
        logs[:k] = 250.0
        assert float(RatioSummary.of(logs).ess_fraction) == pytest.approx(k / n, rel=1e-12)


@pytest.mark.parametrize(("temperature", "ess"), [(0.6, 0.812871), (0.8, 0.972908), (1.2, 0.987942), (1.5, 0.951950)])
def test_two_token_policy_sampled_at_another_temperature(temperature, ess):
    """rl-batch-adaptive 5 (b): 1 / E_b[rho^2], from the two outcomes counted as often as b has them."""
    pi = torch.tensor([0.9, 0.1]).double()
    b = pi ** (1 / temperature)
    b = b / b.sum()
    assert 1 / float((b * (pi / b) ** 2).sum()) == pytest.approx(ess, abs=1e-6)
    n = 1_000_003
    counts = (b * n).round().long()
    got = RatioSummary.of((pi / b).log().repeat_interleave(counts))
    assert float(got.ess_fraction) == pytest.approx(ess, abs=3e-6)
    if temperature == 0.6:
        assert b.tolist() == pytest.approx([0.974963, 0.025037], abs=1e-6)
        assert (pi / b).tolist() == pytest.approx([0.923112, 3.994074], abs=2e-6)


@pytest.mark.parametrize(("temperature", "ess"), [(0.6, 0.330), (0.8, 0.882), (1.2, 0.947), (1.5, 0.794)])
def test_a_64_way_softmax_sampled_at_another_temperature(temperature, ess):
    """rl-batch-adaptive 5 (c): pooled population value over random contexts, logits of standard deviation 3."""
    logits = 3 * torch.randn(4001, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pi, b = torch.softmax(logits, -1), torch.softmax(logits / temperature, -1)
    pooled = 1 / float((pi**2 / b).sum(-1).mean())
    assert pooled == pytest.approx(ess, abs=0.02)  # the sheet's value is of other random logits


def test_token_ess_is_blind_to_length():
    """rl-batch-adaptive 7: a uniform offset per token; the token value is 1, that of the sequences .2164."""
    lengths = torch.tensor([347, 6386, 10814, 32630, 32677])
    width = int(lengths.max())
    mask = torch.arange(width) < lengths[:, None]
    blp = torch.zeros(5, width, dtype=torch.float64)
    lp = blp - 5.4341e-4
    assert float(RatioSummary.of(token_log_ratio(lp, blp, mask), mask).ess_fraction) == pytest.approx(1, abs=1e-12)
    assert float(RatioSummary.of(sequence_log_ratio(lp, blp, mask)).ess_fraction) == pytest.approx(0.216409, abs=2e-6)


def test_single_precision_sums_are_good_to_six_digits():
    x = 1.5 * torch.randn(257, 1009, generator=torch.Generator().manual_seed(3))
    mask = torch.rand(257, 1009, generator=torch.Generator().manual_seed(4)) < 0.7
    exact = neff.ess(x[mask].double().numpy())
    assert float(RatioSummary.of(x, mask).ess) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_masked_positions_reach_neither_value_nor_gradient(bad):
    lp = torch.tensor([[-1.0, bad, -2.0], [bad, bad, bad]]).requires_grad_()
    blp = torch.tensor([[-1.5, -1.0, bad], [-1.0, bad, bad]])
    mask = torch.tensor([[1, 0, 0], [0, 0, 0]])
    log = token_log_ratio(lp, blp, mask)
    assert log.tolist() == [[0.5, 0, 0], [0, 0, 0]]
    assert sequence_log_ratio(lp, blp, mask).tolist() == [0.5, 0]
    log.exp().sum().backward()
    assert lp.grad.isfinite().all()
    assert lp.grad.tolist()[0][1:] == [0, 0]
    summary = RatioSummary.of(lp.detach() - blp, mask)
    assert float(summary.n) == 1
    assert float(summary.ess_fraction) == 1


def test_nothing_and_zero_weights_are_undefined():
    for summary in (
        RatioSummary.empty(),
        RatioSummary.of(torch.zeros(0)),
        RatioSummary.of(torch.zeros(2, 3), torch.zeros(2, 3)),
    ):
        assert float(summary.n) == 0
        assert all(math.isnan(float(x)) for x in (summary.ess, summary.ess_fraction, summary.log_mean))
    zero = RatioSummary.of(torch.full((4,), -math.inf))
    assert math.isnan(float(zero.ess_fraction))
    assert float(zero.log_mean) == -math.inf


def test_nan_and_infinite_ratios_do_not_look_fresh():
    for bad in (math.nan, math.inf):
        assert math.isnan(float(RatioSummary.of(torch.tensor([0.0, bad, 1.0])).ess_fraction))
        merged = RatioSummary.of(torch.tensor([0.0, bad])) + RatioSummary.of(torch.zeros(3))
        assert math.isnan(float(merged.ess_fraction))


def test_wrong_shapes_and_types_are_refused():
    x = torch.zeros(2, 3)
    with pytest.raises(ArgumentError, match="blp must be of the shape of lp"):
        token_log_ratio(x, torch.zeros(3, 2), x)
    with pytest.raises(ArgumentError, match="mask must be of the shape of log_weights"):
        RatioSummary.of(x, torch.ones(3))
    with pytest.raises(ArgumentTypeError, match="a tensor of floats"):
        RatioSummary.of(torch.zeros(3, dtype=torch.long))
    with pytest.raises(TypeError):
        RatioSummary.empty() + 1


RANK = """
import datetime, math, sys, torch
import torch.distributed as dist
from neff.train.losses import RatioSummary
rank, port = int(sys.argv[1]), sys.argv[2]
wait = datetime.timedelta(seconds=60)
dist.init_process_group("gloo", init_method=f"file://{port}", rank=rank, world_size=2, timeout=wait)
x = torch.tensor([100.0, 3.0, -7.0, 101.5, 99.0], dtype=torch.float64)
whole = RatioSummary.of(x)
def show(summary):
    return [float(v) for v in (summary.ess_fraction, summary.log_mean, summary.n, summary.max_log)]
for part in (x[:2] if rank else x[2:], x[:0] if rank else x, x[:0]):
    print(show(RatioSummary.of(part).all_reduce()))
bad = RatioSummary.of(torch.tensor([math.nan, 0.0]) if rank else torch.zeros(3)).all_reduce()
print(math.isnan(float(bad.ess_fraction)))
dist.destroy_process_group()
"""


def test_all_reduce_over_two_processes_one_of_them_empty(tmp_path):
    x = torch.tensor([100.0, 3.0, -7.0, 101.5, 99.0], dtype=torch.float64)
    whole = RatioSummary.of(x)
    expected = [float(v) for v in (whole.ess_fraction, whole.log_mean, whole.n, whole.max_log)]
    call = [sys.executable, "-c", RANK]
    runs = [
        subprocess.Popen([*call, str(rank), str(tmp_path / "meet")], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for run in runs:
        out, _ = run.communicate(timeout=120)
        assert run.returncode == 0
        split, one_empty, both_empty, nan = out.split("\n")[:4]
        for line in (split, one_empty):
            assert eval(line) == pytest.approx(expected, rel=1e-12)
        assert both_empty == "[nan, nan, 0.0, -inf]"
        assert nan == "True"


def test_without_processes_all_reduce_changes_nothing():
    summary = RatioSummary.of(torch.tensor(np.arange(5.0)))
    assert summary.all_reduce() is summary
