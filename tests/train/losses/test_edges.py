"""What is wrong with a batch is named, and what comes out is defined: no NaN in silence, no fail-open."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError, ArgumentTypeError, NeffWarning
from neff.train.losses import (
    LOSSES,
    EmptyBatchWarning,
    LossOutput,
    NonFiniteWarning,
    NothingKeptWarning,
    RatioOverflowWarning,
    RatioShiftWarning,
    aggregate,
    cispo,
    dapo,
    decoupled_ppo,
    dual_clip,
    ess_adaptive,
    grpo,
    gspo,
    loss,
    mis,
    opsm,
    p4o,
    ppo_clip,
    reinforce,
    rloo,
    sequence_is,
    sequence_mis,
    sequence_tis,
    tis,
    vespo,
)
from neff.train.losses._surrogate import surrogate

NAMES = [name for name in LOSSES if name != "p3o"]
NAN = math.nan


def batch(b=3, t=5, rng=0):
    generator = torch.Generator().manual_seed(rng)
    lp = -1 - torch.rand(b, t, generator=generator)
    blp = lp + 0.05 * torch.randn(b, t, generator=generator)
    return lp, blp, torch.tensor([1.0, -1.0, 0.5, -0.25, 2.0])[:b], torch.ones(b, t)


def backward(out, lp):
    assert isinstance(out, LossOutput)
    out.loss.backward()
    return lp.grad


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
def test_what_is_masked_may_hold_anything(name, bad):
    lp, blp, a, mask = batch()
    mask[0, 3:], mask[2] = 0, 0
    off = mask == 0
    expected = lp.clone().requires_grad_()
    out = LOSSES[name](expected, blp, a, mask, olp=lp + 0.01, rlp=lp - 0.02, beta=0.1)
    dirty = lp.masked_fill(off, bad).requires_grad_()
    olp, rlp = ((lp + x).masked_fill(off, bad) for x in (0.01, -0.02))
    a[2] = bad  # the advantage of a response without a token
    got = LOSSES[name](dirty, blp.masked_fill(off, bad), a, mask, olp=olp, rlp=rlp, beta=0.1)
    torch.testing.assert_close(got.loss, out.loss)
    torch.testing.assert_close(backward(got, dirty), backward(out, expected))
    torch.testing.assert_close(got.ess_sequence, out.ess_sequence)
    assert not dirty.grad[off].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("argument", "bad"), [("lp", NAN), ("lp", -math.inf), ("blp", -math.inf), ("advantages", NAN)])
def test_values_that_are_not_finite_are_refused_by_name_and_place(name, argument, bad):
    lp, blp, a, mask = batch()
    given = {"lp": lp, "blp": blp, "advantages": a, "mask": mask}
    given[argument].reshape(3, -1)[1, 0] = bad
    with pytest.raises(ArgumentError, match=rf"{name}: {argument} must be finite at valid tokens, got .*first at \[1"):
        LOSSES[name](**given)


def test_other_values_that_are_not_finite():
    lp, blp, a, mask = batch()
    bad = lp.clone()
    bad[2, 4] = NAN
    with pytest.raises(ArgumentError, match=r"olp must be finite at valid tokens, got nan.*\[2, 4\]"):
        ppo_clip(lp, blp, a, mask, olp=bad)
    with pytest.raises(ArgumentError, match=r"rlp must be finite at valid tokens"):
        grpo(lp, blp, a, mask, rlp=bad, beta=0.1)
    with pytest.raises(ArgumentError, match="lp_full and blp_full must be finite"):
        ess_adaptive(lp, blp, a, mask, lp_full=torch.zeros(3, 5, 2), blp_full=torch.full((3, 5, 2), -math.inf))
    tokenwise = torch.ones(3, 5)
    tokenwise[1, 2] = math.inf
    with pytest.raises(ArgumentError, match=r"advantages must be finite at valid tokens, got inf.*\[1, 2\]"):
        reinforce(lp, blp, tokenwise, mask)


@pytest.mark.parametrize("name", NAMES)
def test_dropping_a_response_is_the_batch_without_it(name):
    lp, blp, a, mask = batch()
    expected = lp[[0, 2]].clone().requires_grad_()
    out = LOSSES[name](expected, blp[[0, 2]], a[[0, 2]], mask[[0, 2]])
    blp[1, 2] = NAN
    lp.requires_grad_()
    with pytest.warns(NonFiniteWarning, match="1 of 3 responses"):
        got = LOSSES[name](lp, blp, a, mask, nonfinite="drop")
    torch.testing.assert_close(got.loss, out.loss)
    torch.testing.assert_close(backward(got, lp)[[0, 2]], backward(out, expected))
    assert not lp.grad[1].any()
    torch.testing.assert_close(got.ess_token, out.ess_token)


@pytest.mark.parametrize("name", NAMES)
def test_propagating_makes_the_whole_loss_and_gradient_nan(name):
    lp, blp, a, mask = batch()
    clean = LOSSES[name](lp, blp, a, mask, nonfinite="propagate")
    torch.testing.assert_close(clean.loss, LOSSES[name](lp, blp, a, mask).loss)
    blp[1, 2] = -math.inf
    lp.requires_grad_()
    out = LOSSES[name](lp, blp, a, mask, nonfinite="propagate")
    assert out.loss.isnan()
    assert backward(out, lp).isnan().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(3, 5), (0, 5), (3, 0)])
def test_an_empty_batch_is_zero_and_says_so(name, shape):
    lp = torch.full(shape, -1.0).requires_grad_()
    with pytest.warns(EmptyBatchWarning, match="no valid token"):
        out = LOSSES[name](lp, lp.detach(), torch.ones(shape[0]), torch.zeros(shape))
    assert out.loss == 0
    assert not backward(out, lp).any()
    assert out.ess_token.isnan()
    assert out.ess_sequence.isnan()
    assert out.metrics["n_tokens"] == 0
    assert out.metrics["log_ratio_mean"].isnan()


@pytest.mark.parametrize("name", NAMES)
def test_one_response_and_one_token(name):
    lp = torch.full((1, 1), -1.0).requires_grad_()
    out = LOSSES[name](lp, torch.full((1, 1), -1.0), torch.ones(1), torch.ones(1, 1))
    assert out.ess_token == out.ess_sequence == 1
    assert backward(out, lp).tolist() == [[-1.0]]


@pytest.mark.parametrize("name", NAMES)
def test_advantages_of_zero_teach_nothing_without_a_warning(name):
    lp, blp, a, mask = batch()
    options = {"kl": "none"} if name in ("ess_adaptive", "p4o") else {}
    lp.requires_grad_()
    out = LOSSES[name](lp, blp, 0 * a, mask, **options)
    assert out.loss == 0
    assert not backward(out, lp).any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [60.0, 100.0, 1000.0])
def test_overflowing_ratios_are_named_and_leave_finite_numbers(name, size):
    lp, blp, a, mask = batch()
    blp[1, 2] = lp[1, 2] - size  # advantage below 0: nothing bounds the ratio of PPO
    lp.requires_grad_()
    with pytest.warns(NeffWarning) as caught:
        out = LOSSES[name](lp, blp, a, mask)
    assert any(isinstance(w.message, RatioOverflowWarning) and f"is {size:g}" in str(w.message) for w in caught)
    assert float(out.ess_token) == pytest.approx(1 / 15, rel=1e-6)  # one token has all the weight
    assert out.loss.isfinite()
    assert backward(out, lp).isfinite().all()
    assert (lp.grad.double() ** 2).sum() < torch.finfo(torch.float32).max


@pytest.mark.parametrize("name", NAMES)
def test_ratios_that_are_all_tiny_or_huge_are_named(name):
    for shift in (-30.0, 30.0):
        lp, _, a, mask = batch()
        now = lp.clone().requires_grad_()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            out = LOSSES[name](now, lp - shift, a, mask)
        assert any(issubclass(w.category, RatioShiftWarning) for w in caught)
        assert float(out.ess_token) == pytest.approx(1, abs=1e-6)
        assert backward(out, now).isfinite().all()


def test_an_unbounded_sequence_weight_is_named():
    lp = torch.full((3, 50), -1.0)
    blp = lp.clone()
    blp[0] -= 1.0  # log-weight 50, no token's ratio is large
    for f in (sequence_is, rloo):
        with pytest.warns(RatioOverflowWarning, match="log-weight of a response is 50"):
            assert f(lp, blp, torch.tensor([-1.0, 0, 0]), torch.ones(3, 50)).loss.isfinite()


def test_a_batch_that_is_masked_as_a_whole_is_named():
    """rl-ecosystem 7: mean log-ratio .005 over 300 tokens is a weight of 4.48, above TRL's bound of 3: loss 0."""
    lp = torch.full((3, 300), -1.0)
    with pytest.warns(NothingKeptWarning, match="sequence_mis: every token is clipped or dropped") as caught:
        out = sequence_mis(lp, lp - 0.005, torch.tensor([1.0, -1, 0]), torch.ones(3, 300))
    assert out.loss == 0
    assert out.metrics["kept_fraction"] == 0
    assert caught[0].filename == __file__  # the line of the caller, not ours
    assert float(out.tokens.log_mean) == pytest.approx(0.005, abs=1e-6)


def test_kept_and_capped_fractions():
    lp, blp = torch.log(torch.tensor([[0.5, 0.75, 0.25]])), torch.log(torch.tensor([[0.5, 0.5, 0.5]]))
    out = ppo_clip(lp, blp, torch.tensor([1.0]), torch.ones(1, 3))
    assert float(out.metrics["kept_fraction"]) == pytest.approx(2 / 3)
    out = ess_adaptive(lp, blp, torch.tensor([1.0]), torch.ones(1, 3))
    assert float(out.metrics["ess_used"]) == pytest.approx(3**2 / 3 / (1 + 2.25 + 0.25))
    assert float(out.metrics["capped_fraction"]) == pytest.approx(2 / 3)
    for value in out.metrics.values():
        assert value.ndim == 0
        assert not value.requires_grad


REFUSED = [
    (ppo_clip, {"clip_low": 1.5}, "clip_low must be between 0 and 1"),
    (ppo_clip, {"clip_high": -0.1}, "clip_high must be 0 or more"),
    (dapo, {"clip_high": NAN}, "clip_high must be 0 or more"),
    (dual_clip, {"cap": 1.0}, "cap must be above 1"),
    (cispo, {"band": "lower"}, "band must be 'absolute-upper' or 'band'"),
    (decoupled_ppo, {"cap": 0.0}, "cap must be a positive number"),
    (decoupled_ppo, {"objective": "clp"}, "Did you mean 'clip'"),
    (tis, {"cap": -1.0}, "cap must be a positive number"),
    (mis, {"low": 2.0, "high": 0.5}, "low must be 0 or more, and less than high"),
    (sequence_tis, {"cap": 0.0}, "sequence_tis: cap must be"),
    (sequence_mis, {"low": -1.0}, "low must be 0 or more"),
    (vespo, {"positive": (0.0, 1.0)}, "positive must be"),
    (opsm, {"delta": -0.5}, "delta must be 0 or more"),
    (gspo, {"clip_low": -0.1}, "clip_low must be"),
    (reinforce, {"aggregate": "token_mean"}, "Did you mean 'token-mean'"),
    (reinforce, {"beta": 0.1}, "rlp must be given where beta is not 0"),
    (reinforce, {"beta": NAN}, "beta must be a finite number"),
    (reinforce, {"entropy_coef": 0.1}, "entropy must be given"),
    (reinforce, {"nonfinite": "ignore"}, "nonfinite must be 'raise', 'drop' or 'propagate'"),
    (reinforce, {"n_tokns": 3}, "Did you mean 'n_tokens'"),
    (reinforce, {"n_tokens": 0}, "n_tokens must be a positive number"),
    (ess_adaptive, {"kl": "k3"}, "kl must be"),
    (ess_adaptive, {"kl": "exact"}, "lp_full must be of shape"),
    (ess_adaptive, {"lp_full": torch.zeros(3, 5, 2)}, "blp_full must be given together with the other"),
    (ess_adaptive, {"scope": "optimizer-step"}, "ess must be given with scope"),
    (ess_adaptive, {"ess": 0.5}, "ess must be None with scope"),
    (ess_adaptive, {"scope": "optimizer-step", "ess": 12.0}, "a share in \\(0, 1\\]"),
    (p4o, {"scope": "optimizer-step", "ess": 0.5}, "ess_proximal must be given"),
    (p4o, {"kl": "exact"}, "kl must be"),
]


@pytest.mark.parametrize(("f", "options", "message"), REFUSED)
def test_options_that_make_no_sense_are_refused(f, options, message):
    with pytest.raises(ArgumentError, match=message):
        f(*batch(), **options)


def test_shapes_and_names_that_do_not_fit_are_refused():
    lp, blp, a, mask = batch()
    with pytest.raises(ArgumentError, match="blp must be of the shape of lp"):
        reinforce(lp, blp[:, :4], a, mask)
    with pytest.raises(ArgumentError, match="advantages must be of shape"):
        reinforce(lp, blp, torch.ones(5), mask)
    with pytest.raises(ArgumentError, match="lp must be of shape"):
        reinforce(lp[0], blp[0], a[:1], mask[0])
    with pytest.raises(ArgumentTypeError, match="advantages must be a tensor"):
        reinforce(lp, blp, [1.0, -1.0, 0.5], mask)
    with pytest.raises(ArgumentError, match="one advantage per response"):
        rloo(lp, blp, a[:, None].expand(3, 5), mask)
    with pytest.raises(ArgumentError, match="Did you mean 'ess_adaptive'"):
        loss("ess_adaptiv", lp, blp, a, mask)
    with pytest.raises(ArgumentError, match="mask must be of the shape of values"):
        aggregate(lp, mask[:2], how="token-mean")


def test_a_loss_by_name_is_the_function():
    lp, blp, a, mask = batch()
    for name, function in LOSSES.items():
        assert torch.equal(loss(name, lp, blp, a, mask).loss, function(lp, blp, a, mask).loss)
    assert LOSSES["p3o"] is LOSSES["ess_adaptive"]


def test_the_arguments_are_left_alone():
    lp, blp, a, mask = batch()
    before = [x.clone() for x in (lp, blp, a, mask)]
    for function in LOSSES.values():
        function(lp, blp, a, mask, olp=lp, rlp=blp, beta=0.1)
        function(lp, blp, a[:, None], mask)
    for x, y in zip((lp, blp, a, mask), before, strict=True):
        assert torch.equal(x, y)


def test_masks_of_any_type_mean_the_same():
    lp, blp, a, mask = batch()
    mask[1, 2:] = 0
    for function in LOSSES.values():
        values = {float(function(lp, blp, a, mask.to(kind)).loss) for kind in (torch.bool, torch.long, torch.float32)}
        assert len(values) == 1


@pytest.mark.parametrize("name", NAMES)
def test_propagate_never_waits_for_the_device(name):
    """Tensors on the device "meta" have no values: whatever looked at one would raise."""
    lp, blp, a, mask = (x.to("meta") for x in batch())
    lp.requires_grad_()
    out = LOSSES[name](lp, blp, a, mask, olp=blp, rlp=blp, beta=0.1, nonfinite="propagate")
    out.loss.backward()
    assert lp.grad.shape == lp.shape
    step = (out.tokens + out.tokens).all_reduce()
    assert step.ess_fraction.shape == step.log_mean.shape == ()
    with pytest.raises(RuntimeError, match="meta"):
        float(step.ess_fraction)


WIDE = {"gspo": {"clip_low": 0.1, "clip_high": 0.1}, "rloo": {"clip_low": 0.9, "clip_high": 0.9}}
"""Bounds that leave something of any few responses."""

SEEDS = st.integers(0, 10_000)


@given(SEEDS, st.sampled_from(NAMES), st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_the_loss_is_linear_in_the_size_of_the_advantages(rng, name, scale):
    lp, blp, a, mask = batch(rng=rng)
    options = {"kl": "none"} if name in ("ess_adaptive", "p4o") else WIDE.get(name, {})
    one, two = (LOSSES[name](lp.double(), blp.double(), x.double(), mask, **options) for x in (a, scale * a))
    torch.testing.assert_close(two.loss, scale * one.loss)
    assert torch.equal(one.weights, two.weights)


@given(SEEDS, st.sampled_from(NAMES))
@settings(max_examples=60, deadline=None)
def test_the_order_of_responses_and_padding_do_not_matter(rng, name):
    lp, blp, a, mask = (x.double() for x in batch(b=5, t=3, rng=rng))
    options = {"norm_length": 3.0, **WIDE.get(name, {})}
    out = LOSSES[name](lp, blp, a, mask, **options)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(rng))
    padded = [torch.nn.functional.pad(x[order], (0, 4), value=v) for x, v in ((lp, NAN), (blp, NAN), (mask, 0.0))]
    other = LOSSES[name](padded[0], padded[1], a[order], padded[2], **options)
    torch.testing.assert_close(other.loss, out.loss)
    torch.testing.assert_close(other.ess_sequence, out.ess_sequence)
    torch.testing.assert_close(other.weights[:, :3], out.weights[order])


@given(SEEDS, st.floats(-9, 9))
@settings(max_examples=40, deadline=None)
def test_ess_and_with_it_the_cap_do_not_see_a_shift_but_the_mean_ratio_does(rng, shift):
    lp, blp, a, mask = (x.double() for x in batch(rng=rng))
    one, two = (ess_adaptive(lp, x, a, mask) for x in (blp, blp - shift))
    torch.testing.assert_close(two.ess_token, one.ess_token)
    torch.testing.assert_close(two.metrics["log_mean_ratio"], one.metrics["log_mean_ratio"] + shift)


def test_many_ratios_at_the_bound_have_their_share():
    """The squares of three ratios of e^44 are no float in single precision any more; all equal, the share is 1."""
    lp = torch.full((2, 7), -1.0)
    with pytest.warns(RatioShiftWarning):
        out = reinforce(lp, lp - 43.9, torch.tensor([1.0, -1.0]), torch.ones(2, 7))
    assert float(out.ess_token) == pytest.approx(1, rel=1e-6)


def test_a_saturated_ratio_keeps_its_weight():
    """Advantage below 0: nothing clips it, so that its weight stays at e^44 and does not fall to 0."""
    lp = torch.full((9, 3), -1.0)
    for f in (rloo, ppo_clip, opsm):
        with pytest.warns(RatioOverflowWarning):
            out = f(lp, lp - 50.0, torch.full((9,), -1.0), torch.ones(9, 3), olp=None)
        torch.testing.assert_close(out.weights, torch.full((9, 3), math.exp(44.0)), rtol=1e-5, atol=0)


def test_a_saturated_ratio_keeps_its_weight_however_it_was_rounded():
    bound = torch.tensor([[math.exp(44.0)]])
    above = torch.nextafter(bound, torch.tensor(math.inf))  # what exp gives elsewhere
    q, w = surrogate(SimpleNamespace(advantages=torch.tensor([[-1.0]])), above, 0.2, 0.2)
    assert torch.equal(q, above)
    assert torch.equal(w, above)


def test_aggregating_whole_numbers_is_refused_and_half_precision_is_widened():
    mask = torch.ones(2, 3)
    with pytest.raises(ArgumentTypeError, match="values must be a tensor of floats"):
        aggregate(torch.ones(2, 3, dtype=torch.long), mask, how="token-mean")
    half = torch.full((2, 3), 1 / 3, dtype=torch.bfloat16).requires_grad_()
    found = aggregate(half, mask, how="token-mean", n_tokens=7)
    assert found.item() == pytest.approx(6 * half[0, 0].item() / 7, rel=1e-6)
    found.backward()
    assert half.grad.dtype == torch.bfloat16


def test_arguments_of_rloo_that_are_no_tensors_are_named():
    lp, blp, _, mask = batch()
    with pytest.raises(ArgumentTypeError, match="advantages must be a tensor"):
        rloo(lp, blp, [1.0, -1.0, 0.5], mask)
    with pytest.raises(ArgumentError, match="advantages must be of shape"):
        rloo(lp, blp, torch.tensor(1.0), mask)


def test_two_ratios_at_the_bound_have_a_finite_product():
    lp = torch.full((3, 50), -1.0).requires_grad_()
    now, a, mask = lp.detach(), torch.full((3,), -1.0), torch.ones(3, 50)
    for f in (decoupled_ppo, sequence_is):
        with pytest.warns(RatioOverflowWarning):
            out = f(lp, now - 90, a, mask, olp=now - 45)
        assert out.loss.isfinite()
        assert out.weights.max() <= 1.3e19


def test_an_entropy_that_is_not_finite_is_refused_by_name_and_place_or_dropped():
    lp, blp, a, mask = batch()
    entropy = torch.ones(3, 5)
    entropy[1, 2] = NAN
    options = {"entropy": entropy, "entropy_coef": 0.1}
    with pytest.raises(ArgumentError, match=r"entropy must be finite at valid tokens, got nan.*\[1, 2\]"):
        reinforce(lp, blp, a, mask, **options)
    with pytest.warns(NonFiniteWarning, match="1 of 3 responses"):
        assert reinforce(lp, blp, a, mask, nonfinite="drop", **options).loss.isfinite()
    assert reinforce(lp, blp, a, mask, nonfinite="propagate", **options).loss.isnan()
    mask[1, 2] = 0
    assert reinforce(lp, blp, a, mask, **options).loss.isfinite()


@pytest.mark.parametrize("name", ["lp", "advantages", "mask"])
def test_what_is_missing_or_on_another_device_is_named(name):
    given = dict(zip(("lp", "blp", "advantages", "mask"), batch(), strict=True))
    with pytest.raises(ArgumentTypeError, match=f"{name} must be a tensor, got 'NoneType'"):
        reinforce(**given | {name: None})
    other = "blp" if name == "lp" else name
    with pytest.raises(ArgumentError, match=f"{other} must be on the device of lp, cpu, got 'meta'"):
        reinforce(**given | {other: given[other].to("meta")})


@pytest.mark.parametrize(
    ("f", "options"),
    [
        (tis, {"cap": "2"}), (dual_clip, {"cap": "3"}), (decoupled_ppo, {"cap": "3"}), (grpo, {"clip_low": None}),
        (dapo, {"clip_high": "0.28"}), (mis, {"low": None}), (sequence_mis, {"high": "3"}), (opsm, {"delta": "1"}),
    ],
)  # fmt: skip
def test_options_that_are_no_numbers_are_named(f, options):
    (name,) = options
    with pytest.raises(ArgumentTypeError, match=f"{name} must be one number"):
        f(*batch(), **options)


def test_sizes_of_the_step_are_one_number_each():
    with pytest.raises(ArgumentError, match=r"n_tokens must be one number, got 'shape \(3,\)'"):
        reinforce(*batch(), n_tokens=torch.tensor([5.0, 5.0, 5.0]))
    with pytest.raises(ArgumentError, match="n_tokens must be a positive number"):
        reinforce(*batch(), n_tokens=np.int64(0))
    assert reinforce(*batch(), n_tokens=np.float32(7)).loss == reinforce(*batch(), n_tokens=7).loss
