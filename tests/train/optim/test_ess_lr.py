"""Learning rates scaled by the effective sample size: published numbers, accumulation, two ranks, restoring."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError, ArgumentTypeError
from neff.reasons import Reason
from neff.train.losses.ratios import RatioSummary
from neff.train.optim.ess_lr import EssLRScaler
from neff.train.optim.warnings import DroppedRatioWarning, MissingLogProbsWarning, SkippedStepWarning

BLP = torch.tensor([[-1, -2, -0.5], [-0.7, -1.2, -2.5], [-1.5, -0.3, -0.9], [-2, -1, -0.4]], dtype=torch.float64)
LP = torch.tensor([[-0.8, -1.5, -0.5], [-0.9, -1.6, -2.4], [-0.2, -0.1, -0.5], [-2.5, -1.4, -9]], dtype=torch.float64)
MASK = torch.tensor([[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 1, 0]])
LOG_W = ((LP - BLP) * MASK).sum(1)


def make(kind=torch.optim.SGD, lr=0.1, **options):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = kind([weight], lr=lr)
    return weight, optimizer, EssLRScaler(optimizer, **options)


# rl-vcpo section 6: functions of staleness_utils.py; the last two are tests of a public re-implementation
GOLDEN = [
    (LOG_W, {"rule": "linear"}, 0.57123286, 0.57123286),
    (LOG_W, {"rule": "sqrt"}, 0.57123286, 0.75579948),
    (LOG_W.clamp(max=math.log(2)), {"rule": "linear"}, 0.73627825, 0.73627825),
    (LOG_W.clamp(max=math.log(2)), {"rule": "sqrt"}, 0.73627825, 0.85806658),
    (LOG_W, {"reference": 0.55}, 0.57123286, 1.0),
    (torch.log(torch.tensor([1.0, 1, 1, 5])), {}, 0.571429, 0.755929),
    (torch.log(torch.tensor([1.0, 5])), {"rule": "linear"}, 0.692308, 0.692308),
]


@pytest.mark.parametrize(("log_w", "options", "share", "factor"), GOLDEN)
def test_golden(log_w, options, share, factor):
    _, optimizer, scaler = make(**options)
    with scaler.step(log_w) as scale:
        assert optimizer.param_groups[0]["lr"] == 0.1 * scale.factor
    assert scale.ess_fraction == pytest.approx(share, abs=1e-6)
    assert scale.factor == pytest.approx(factor, abs=1e-6)
    assert scale.n == len(log_w)
    assert scaler.last is scale
    assert scale.metrics()["lr_factor"] == scale.factor


def test_the_floor():
    log_w = torch.zeros(200)
    log_w[0] = 30.0  # one response holds all the weight: 1/200
    for floor, factor in ((0.1, 0.1), (None, math.sqrt(0.005))):
        _, _, scaler = make(floor=floor)
        with scaler.step(log_w) as scale:
            assert scale.factor == pytest.approx(factor, rel=1e-9)
    assert scale.ess_fraction == pytest.approx(0.005)


@pytest.mark.parametrize(("n", "sd"), [(2048, 0.02), (512, 0.05)])
def test_the_law_of_long_responses(n, sd):
    """rl-vcpo section 5: independent token log-ratios of deviation s give exp(-T s^2)."""
    g = torch.Generator().manual_seed(7)
    log_w = torch.randn(20_000, generator=g) * sd * math.sqrt(n)
    _, _, scaler = make(rule="linear")
    with scaler.step(log_w) as scale:
        assert scale.factor == pytest.approx(math.exp(-n * sd**2), rel=0.15)  # estimated, heavy-tailed


def test_a_uniform_offset_per_token_is_seen_by_sequences_only():
    """rl-vcpo section 5."""
    lengths = torch.tensor([347.0, 6386, 10814, 32630, 32677], dtype=torch.float64)
    _, _, scaler = make(rule="linear")
    with scaler.step(-5.4341e-4 * lengths) as scale:
        assert scale.factor == pytest.approx(0.216409, abs=2e-6)
    with scaler.step(torch.full((5, 7), -5.4341e-4)) as scale:
        assert scale.factor == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
def test_the_rate_is_restored_bit_for_bit_and_the_step_is_that_of_the_scaled_rate(kind):
    rate = 0.1 + 1e-17 + 0.2  # 0.30000000000000004
    weight, optimizer, scaler = make(kind, lr=rate)
    weight.grad = torch.tensor([1.0, -2, 0.5])
    with scaler.step(LOG_W) as scale:
        optimizer.step()
    assert optimizer.param_groups[0]["lr"].hex() == rate.hex()
    other = torch.nn.Parameter(torch.ones(3))
    other.grad = weight.grad.clone()
    kind([other], lr=rate * scale.factor).step()
    assert torch.equal(weight, other)


def test_a_rate_that_is_a_tensor_is_changed_in_place():
    rate = torch.tensor(0.3)
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=rate)
    held = optimizer.param_groups[0]["lr"]
    scaler = EssLRScaler(optimizer)
    with scaler.step(LOG_W) as scale:
        assert float(held) == pytest.approx(0.3 * scale.factor)
    assert optimizer.param_groups[0]["lr"] is held
    assert torch.equal(held, torch.tensor(0.3))


def test_restored_also_where_the_step_raises():
    _, optimizer, scaler = make()
    with pytest.raises(RuntimeError, match="out of memory"), scaler.step(LOG_W):
        raise RuntimeError("out of memory")
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_scheduler_inside_the_block_is_an_error_and_the_rate_is_restored():
    weight, optimizer, scaler = make()
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    weight.grad = torch.ones(3)

    def both():
        with scaler.step(LOG_W):
            optimizer.step()
            schedule.step()

    with pytest.raises(ArgumentError, match="A scheduler must step after the rates are restored"):
        both()
    assert optimizer.param_groups[0]["lr"] == 0.1
    with scaler.step(LOG_W):
        optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.05


def test_scaling_twice_is_an_error():
    _, optimizer, scaler = make()
    scaler.scale(LOG_W)
    with pytest.raises(ArgumentError, match=r"Call restore\(\) after each optimizer step"):
        scaler.scale(LOG_W)
    scaler.restore()
    scaler.restore()  # nothing to restore
    assert optimizer.param_groups[0]["lr"] == 0.1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-160, 160).map(lambda i: i / 4), min_size=8, max_size=8), st.sampled_from([1, 2, 4]))
def test_eight_micro_batches_are_one_batch(values, size):
    log_w = torch.tensor(values, dtype=torch.float64)
    _, _, whole = make()
    _, _, parts = make()
    for part in log_w.split(size):
        parts.observe(part)
    with whole.step(log_w) as one, parts.step() as eight:
        assert eight.factor == pytest.approx(one.factor, rel=1e-12)
        assert eight.n == one.n == 8


def test_the_mask_and_what_the_loss_returns():
    _, _, scaler = make()
    masked = torch.cat([LOG_W, torch.tensor([math.nan, 900.0], dtype=torch.float64)])
    scaler.observe(masked, torch.tensor([1, 1, 1, 1, 0, 0]))
    with scaler.step() as scale:
        assert scale.factor == pytest.approx(0.75579948, abs=1e-8)
    scaler.observe(RatioSummary.of(LOG_W))
    with scaler.step() as scale:
        assert scale.factor == pytest.approx(0.75579948, abs=1e-8)


def test_missing_log_probabilities_reset_the_factor():
    """Never the factor of the step before."""
    _, optimizer, scaler = make()
    with scaler.step(LOG_W):
        pass
    scaler.observe(LOG_W)
    scaler.observe(None)
    with pytest.warns(MissingLogProbsWarning), scaler.step() as scale:
        assert optimizer.param_groups[0]["lr"] == 0.1
    assert scale.reason is Reason.MISSING_LOG_PROBS
    assert math.isnan(scale.ess_fraction)
    assert not scale.skip
    with pytest.warns(MissingLogProbsWarning), scaler.step() as scale:  # nothing observed at all
        assert scale.factor == 1
    with scaler.step(LOG_W) as scale:
        assert scale.factor < 1


@pytest.mark.parametrize(
    ("log_w", "reason"),
    [
        (torch.zeros(0), Reason.EMPTY),
        (torch.full((3,), -math.inf), Reason.ZERO_WEIGHT),
        (RatioSummary.of(torch.tensor([math.nan, 0.0])), Reason.NOT_FINITE),
    ],
)
def test_an_unusable_batch_skips_the_step(log_w, reason):
    weight, optimizer, scaler = make(torch.optim.AdamW)
    weight.grad = torch.ones(3)
    with pytest.warns(SkippedStepWarning), scaler.step(log_w) as scale:
        optimizer.step()
    assert scale.reason is reason
    assert scale.skip
    assert torch.equal(weight, torch.ones(3))
    assert not optimizer.state  # no moment was touched
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert "step" not in vars(optimizer)
    with scaler.step(LOG_W):
        optimizer.step()
    assert not torch.equal(weight, torch.ones(3))


def test_a_skipped_step_keeps_the_wrapper_of_a_scheduler():
    weight, optimizer, scaler = make()
    torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    wrapped = vars(optimizer)["step"]
    weight.grad = torch.ones(3)
    with pytest.warns(SkippedStepWarning), scaler.step(torch.zeros(0)):
        optimizer.step()
    assert vars(optimizer)["step"] is wrapped


def test_what_is_not_finite_is_left_out_and_counted():
    _, _, scaler = make()
    bad = torch.cat([LOG_W, torch.tensor([math.nan, math.inf], dtype=torch.float64)])
    with pytest.warns(DroppedRatioWarning), scaler.step(bad) as scale:
        assert scale.factor == pytest.approx(0.75579948, abs=1e-8)
    assert (scale.n, scale.n_dropped) == (4, 2)


@pytest.mark.parametrize("shift", [-11.0, -700, 5000])
def test_only_ratios_of_weights_matter(shift):
    """The released code adds 1e-8 to a sum of weights, so that small weights look like no sample at all."""
    _, _, scaler = make()
    with scaler.step(LOG_W + shift) as scale:
        assert scale.factor == pytest.approx(0.75579948, abs=1e-8)


def test_calibration_at_lag_zero():
    _, _, scaler = make(rule="linear")
    steps = [torch.log(torch.tensor(w)) for w in ([1.0, 1, 1, 5], [1.0, 5])]
    assert scaler.calibrate(*steps) == pytest.approx((64 / 112 + 36 / 52) / 2)
    with scaler.step(LOG_W) as scale:
        assert scale.factor == pytest.approx(0.57123286 / scaler.reference, abs=1e-6)
    with pytest.raises(ArgumentError, match="each with a response"):
        scaler.calibrate()
    with pytest.raises(ArgumentError, match="each with a response"):
        scaler.calibrate(torch.zeros(0))


def test_state_goes_through_a_checkpoint(tmp_path):
    _, _, scaler = make(rule="linear", floor=0.05)
    scaler.calibrate(LOG_W)
    torch.save(scaler.state_dict(), tmp_path / "scaler.pt")
    _, _, other = make()
    other.load_state_dict(torch.load(tmp_path / "scaler.pt", weights_only=True))
    assert (other.rule, other.reference, other.floor) == ("linear", scaler.reference, 0.05)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rule": "root"}, "rule must be 'sqrt' or 'linear'"),
        ({"reference": 0.0}, "reference must be above 0 and at most 1"),
        ({"reference": 2}, "reference must be above 0 and at most 1"),
        ({"floor": -0.1}, "floor must be between 0 and 1"),
    ],
)
def test_bad_options(options, text):
    with pytest.raises(ArgumentError, match=text):
        make(**options)


def test_an_optimizer_without_a_rate_is_refused():
    with pytest.raises(ArgumentError, match="an optimizer with learning rates"):
        EssLRScaler(object())


def test_scaling_the_loss_is_no_substitute_under_adam():
    """Adam does not see the scale of a loss; the rate is what moves the model less."""
    moved = []
    for factor, scale_rate in ((1.0, False), (0.5, False), (0.5, True)):
        weight = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
        optimizer = torch.optim.Adam([weight], lr=0.1 * (factor if scale_rate else 1), eps=0.0)
        weight.grad = torch.tensor([1.0, -2, 0.5], dtype=torch.float64) * (1 if scale_rate else factor)
        optimizer.step()
        moved.append(float((weight.detach() - 1).norm()))
    assert moved[1] == pytest.approx(moved[0], rel=1e-12)
    assert moved[2] == pytest.approx(moved[0] / 2, rel=1e-12)


def test_two_ranks_take_the_step_of_one(tmp_path, run_ranks):
    one = [3.0, -1, 0.5]
    two = [0.25, -8, 2, 1]
    parts = [
        ([[3.0], [-1.0, 0.5]], [two]),
        ([one], []),  # one rank has no micro-batch
        ([one], [[]]),  # one rank has an empty one
        ([[]], [[]]),  # all are empty
        ([one], [None]),  # one rank has no log-probabilities
        ([[*one, math.nan]], [two]),
    ]
    (tmp_path / "parts.json").write_text(json.dumps(parts))
    first, second = (np.array(rows) for rows in run_ranks("ess_lr"))
    np.testing.assert_array_equal(first, second)  # bit for bit
    expected = []
    for rows, dropped in ((one + two, 0), (one, 0), (one, 0), ([], 0), (None, 0), (one + two, 1)):
        if rows is None:
            expected.append((1.0, 3, 0))
        elif not rows:
            expected.append((0.0, 0, 0))
        else:
            _, _, scaler = make()
            with scaler.step(torch.tensor(rows, dtype=torch.float64)) as scale:
                expected.append((scale.factor, len(rows), dropped))
    np.testing.assert_allclose(first[:, :3], expected, rtol=1e-12)
    np.testing.assert_allclose(first[:, 3], 1 - 0.1 * np.cumsum([e[0] for e in expected]), rtol=1e-6)


def test_warnings_are_at_the_line_of_the_caller():
    scaler = EssLRScaler(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1))
    with pytest.warns(MissingLogProbsWarning) as caught, scaler.step():
        pass
    assert caught[0].filename == __file__
    with pytest.warns(DroppedRatioWarning) as caught, scaler.step(torch.tensor([0.0, math.nan])):
        pass
    assert caught[0].filename == __file__


def test_log_ratios_that_are_no_tensor_are_named():
    scaler = EssLRScaler(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1))
    with pytest.raises(ArgumentTypeError, match="log_w must be a tensor or a RatioSummary, got 'list'"):
        scaler.observe([0.0, 1.0])
