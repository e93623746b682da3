"""Checks: each fires on what it is for, by its own name, and is quiet on what is right."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.train import (
    CheckRefusedError,
    CheckWarning,
    Finding,
    check_behaviour_log_probs,
    check_clamped,
    check_length,
    check_log_mean_ratio,
    check_sampling,
    check_token_ess,
    check_verl_config,
    enforce,
)

torch = pytest.importorskip("torch")


def names(findings):
    return [(finding.name, finding.severity) for finding in findings]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    ("sampler", "trainer", "expected"),
    [
        ({}, None, []),
        ({"temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}, None, []),
        ({"top_p": 0.95}, None, ["top-p"]),
        ({"top_k": 50}, None, ["top-k"]),
        ({"min_p": 0.1, "repetition_penalty": 1.1}, None, ["min-p", "penalty"]),
        ({"temperature": 0.6}, None, ["temperature"]),
        ({"temperature": 0.6}, {"temperature": 0.6}, []),
        ({"temperature": 0}, None, ["temperature"]),
        ({"temperature": 0.7, "logprobs_mode": "raw_logprobs"}, {"temperature": 0.7}, ["raw-log-probs"]),
        ({"logprobs_mode": "raw_logprobs", "top_p": None}, None, []),
    ],
)
def test_sampling_parameters(sampler, trainer, expected):
    found = check_sampling(sampler, trainer)
    assert names(found) == [(name, "refuse") for name in expected]


def test_a_sampling_parameter_that_is_no_number_is_an_error():
    with pytest.raises(ArgumentError, match="top_p must be a number"):
        check_sampling({"top_p": "high"})


def verl(bypass, loss, use_v1, **sections):
    return {
        "algorithm": {"rollout_correction": {"bypass_mode": bypass}},
        "actor_rollout_ref": {"actor": {"policy_loss": {"loss_mode": loss}}},
        "trainer": {"use_v1": use_v1},
        **sections,
    }


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        (verl(True, "ess_adaptive", False), True),
        (verl(True, "ess_adaptive", True), False),
        (verl(True, "ess_adaptive", True, async_training={"staleness_threshold": 0.1}), True),
        (verl(True, "ess_adaptive", True, rollout={"nnodes": 1}), True),
        (verl(False, "ess_adaptive", False), False),
        (verl(True, "vanilla", False), False),
        ({}, False),
    ],
)
def test_bypass_mode_replaces_a_loss(config, refused):
    assert names(check_verl_config(config)) == ([("bypass-mode", "refuse")] if refused else [])


@pytest.mark.slow  # importing verl takes twenty seconds
def test_the_bypass_mode_of_the_real_package_does_what_the_check_says():
    pytest.importorskip("verl")
    from types import SimpleNamespace

    from omegaconf import OmegaConf
    from verl.trainer.ppo.rollout_corr_helper import apply_bypass_mode

    config = OmegaConf.create(verl(True, "ess_adaptive", False))
    assert names(check_verl_config(config)) == [("bypass-mode", "refuse")]
    loss = config.actor_rollout_ref.actor.policy_loss
    batch = SimpleNamespace(batch={"rollout_log_probs": torch.zeros(1, 2)})
    apply_bypass_mode(batch, config.algorithm.rollout_correction, loss)
    assert loss.loss_mode == "bypass_mode"


def test_missing_behaviour_log_probs():
    lp = torch.tensor([[-1.0, -2.0, -0.5], [-0.1, -3.0, -1.0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    check = check_behaviour_log_probs
    assert names(check(lp, None)) == [("behaviour-log-probs", "refuse")]
    assert names(check(lp, torch.full_like(lp, math.nan))) == [("behaviour-log-probs", "refuse")]
    assert names(check(lp, torch.zeros_like(lp), mask)) == [("behaviour-log-probs", "refuse")]
    assert names(check(lp, lp, mask)) == [("behaviour-log-probs", "warn")]
    assert names(check(lp, lp, mask, lag=3)) == [("behaviour-log-probs", "refuse")]
    assert check(lp, lp, mask, lag=0) == ()
    some = lp - 0.1
    some[0, 1] = math.nan
    (found,) = check(lp, some, mask)
    assert found.severity == "warn"
    assert "1 of 5 (20%)" in found.message
    padded = lp - 0.1
    padded[1, 2] = math.nan  # outside the mask
    assert check(lp, padded, mask) == ()
    assert names(check(lp, -lp, mask)) == [("positive-log-probs", "refuse")]
    assert check(lp[:0], lp[:0], mask[:0]) == ()
    with pytest.raises(ArgumentError, match="shape"):
        check(lp, lp[:1], mask)


def cut_off(logits, p):
    """Return the distribution that top-p sampling draws from."""
    order = np.argsort(-logits, axis=-1)
    probabilities = np.take_along_axis(softmax(logits), order, axis=-1)
    keep = np.cumsum(probabilities, axis=-1) - probabilities < p
    kept = np.where(keep, probabilities, 0.0)
    back = np.argsort(order, axis=-1)
    return np.take_along_axis(kept / kept.sum(-1, keepdims=True), back, axis=-1)


def drawn(sampler, trainer, rng):
    """Return (lp, blp) of tokens drawn from `sampler`, both [B, T, V]."""
    cumulative = np.cumsum(sampler, axis=-1)
    tokens = np.minimum((rng.random(sampler.shape[:2])[..., None] > cumulative).sum(-1), sampler.shape[-1] - 1)
    take = lambda p: np.log(np.take_along_axis(p, tokens[..., None], axis=-1)[..., 0])  # noqa: E731
    return take(trainer), take(sampler)


def test_top_p_shows_as_a_uniform_shift_and_staleness_does_not():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (32, 61, 29))
    lp, blp = drawn(cut_off(logits, 0.8), softmax(logits), rng)
    (found,) = check_log_mean_ratio(lp, blp)
    assert (found.name, found.severity) == ("log-mean-ratio", "refuse")
    kept = math.exp(np.log(np.exp(lp - blp).mean()))
    assert f"keeps {100 * kept:.3g}%" in found.message
    assert 0.8 < kept < 0.95
    stale = softmax(logits + rng.normal(0, 0.4, logits.shape))
    lp, blp = drawn(stale, softmax(logits), rng)
    assert np.exp(lp - blp).std() > 0.2
    assert check_log_mean_ratio(lp, blp) == ()
    warm = softmax(logits / 0.7)
    lp, blp = drawn(warm, softmax(logits), rng)
    assert check_log_mean_ratio(lp, blp) == ()  # a true ratio of another policy: its mean is 1
    raw = np.log(np.take_along_axis(softmax(logits), np.argmax(logits, -1)[..., None], -1)[..., 0])
    assert names(check_log_mean_ratio(lp, raw)) == [("log-mean-ratio", "warn")]  # the wrong column


def test_the_mean_ratio_of_right_data_is_quiet_in_nearly_all_batches():
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(400):
        logits = rng.normal(0, 1, (16, 17, 5))
        lp, blp = drawn(softmax(logits + rng.normal(0, 0.5, logits.shape)), softmax(logits), rng)
        alarms += bool(check_log_mean_ratio(lp, blp))
    assert alarms <= 2  # at p < 0.0001 each


def test_the_mean_ratio_has_nothing_to_say_on_nothing():
    assert check_log_mean_ratio([[math.nan, 1.0]], [[0.0, 1.0]], [[1, 0]]) == ()
    assert check_log_mean_ratio(np.zeros((2, 3)), np.ones((2, 3))) == ()  # six tokens are too few


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        ([20.0, 3.0, 20.0, -1.5], "refuse"),
        ([30.0, 45.0, 60.0, 90.0], ""),
        ([math.log(2.0)] * 2 + [0.3, -0.1], "refuse"),
        ([-20.0, -20.0, -3.0, 1.0], "refuse"),
        ([0.0] * 50 + [-0.5, -0.2], ""),
        ([1.7] * 5 + [0.2, 0.3, 0.4], "warn"),
        ([0.3, 0.3, 0.3], ""),
        ([], ""),
        ([20.0], ""),
        ([math.nan, math.inf, 20.0, 20.0, 1.0], "refuse"),
    ],
)
def test_clamped_values_pile_up(values, fires):
    assert names(check_clamped(values)) == ([("clamped", fires)] if fires else [])


def test_clamps_are_found_in_simulated_data_and_half_precision_is_not_one():
    rng = np.random.default_rng(3)
    log_w = rng.normal(0, 1.5, 5003)
    assert check_clamped(log_w) == ()
    assert names(check_clamped(np.minimum(log_w, 1.1))) == [("clamped", "warn")]
    coarse = torch.tensor(log_w).to(torch.bfloat16)
    assert check_clamped(coarse) == ()
    assert check_clamped(torch.tensor(rng.normal(0, 0.02, 5003) - 2).to(torch.bfloat16) + 2) == ()
    assert check_clamped(np.minimum(log_w, 1.1), known_only=True) == ()
    assert names(check_clamped(np.minimum(log_w, math.log(3)), known_only=True)) == [("clamped", "refuse")]


def test_length_driven_ratios():
    # methods sheet rl-vcpo, section 5: sequence ESS 0.2164 at a token ESS of 1
    lengths = np.array([347, 6386, 10814, 32630, 32677])
    (found,) = check_length(lengths, -5.4341e-4 * lengths)
    assert found.severity == "warn"
    assert "-0.000543 nats per token" in found.message
    assert "100%" in found.message
    rng = np.random.default_rng(4)
    assert check_length(rng.integers(10, 999, 64), rng.normal(0, 1, 64)) == ()
    assert check_length([7] * 9, rng.normal(0, 1, 9)) == ()
    assert check_length(range(9), [1e-6 * k for k in range(9)]) == ()  # a spread that does not matter
    assert check_length([], []) == ()
    with pytest.raises(ArgumentError, match="as long as"):
        check_length([1, 2], [1.0])


def test_a_token_ess_near_one_is_no_proof():
    assert names(check_token_ess(0.989, 0.1)) == [("token-ess", "note")]
    assert check_token_ess(0.989, 0.9) == ()
    assert check_token_ess(0.5, 0.1) == ()
    assert check_token_ess(math.nan, math.nan) == ()


def test_enforce_raises_on_a_refusal_and_warns_on_a_warning():
    note, warn = Finding("a", "note", "n."), Finding("b", "warn", "look.")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert enforce([note]) == (note,)
    with pytest.warns(CheckWarning, match="b: look"):
        enforce([note, warn])
    with pytest.raises(CheckRefusedError, match=r"top-p: .*top-k: "):
        enforce(check_sampling({"top_p": 0.9, "top_k": 5}))
    with pytest.raises(ArgumentError, match="severity"):
        Finding("a", "fatal", "x")


def test_log_probabilities_of_minus_infinity_are_missing():
    lp = np.full((2, 3), -1.0)
    blp = lp - 0.1
    blp[0, 1] = -np.inf
    (found,) = check_behaviour_log_probs(lp, blp)
    assert (found.severity, "1 of 6" in found.message) == ("warn", True)
    (found,) = check_behaviour_log_probs(lp, lp * np.inf)
    assert found.severity == "refuse"


@pytest.mark.parametrize("check", [check_behaviour_log_probs, check_log_mean_ratio])
def test_shapes_that_differ_are_refused(check):
    lp = np.full((2, 3), -1.0)
    for arguments in ((lp, lp[:, :2]), (lp, lp, lp[:1])):
        with pytest.raises(ArgumentError, match="blp must be of the shape of lp and mask"):
            check(*arguments)


def test_a_warning_is_at_the_line_of_the_caller():
    with pytest.warns(CheckWarning) as caught:
        enforce([Finding("x", "warn", "Something.")])
    assert caught[0].filename == __file__
