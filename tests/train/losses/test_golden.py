"""Golden numbers of rl-ecosystem 4 and rl-batch-adaptive 6, run on verl 0.9.1, FeynRL and VCPO in single precision."""

from __future__ import annotations

import math

import pytest
import torch

from neff.train.losses import (
    RatioOverflowWarning,
    RatioShiftWarning,
    RatioSummary,
    cispo,
    dapo,
    decoupled_ppo,
    dual_clip,
    ess_adaptive,
    gspo,
    mis,
    p4o,
    ppo_clip,
    reinforce,
    sequence_log_ratio,
    sequence_mis,
    sequence_tis,
    tis,
    token_log_ratio,
)

BLP = torch.tensor([[-1, -2, -0.5, -3], [-0.7, -1.2, -2.5, -0.1]])
LP = torch.tensor([[-0.8, -2.5, -0.5, -1.5], [-0.9, -1, -2.4, -5]])
PROX = torch.tensor([[-0.9, -2.2, -0.6, -2], [-0.8, -1.1, -2.5, -4]])
A = torch.tensor([1.0, -0.5])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
PPO_SUM = [[0, -0.606531, -1, 0], [0.409365, 0.610701, 0.552585, 0]]


def run(f, lp=LP, blp=BLP, a=A, mask=MASK, **options):
    lp = lp.clone().requires_grad_()
    out = f(lp, blp, a, mask, **options)
    out.loss.backward()
    return out, lp.grad


def close(got, expected, tolerance=2e-6):
    torch.testing.assert_close(got.double(), torch.tensor(expected).double(), atol=tolerance, rtol=tolerance)


CLIPPED = [
    (ppo_clip, {"aggregate": "token-sum"}, -2.433879, PPO_SUM),
    (ppo_clip, {"aggregate": "token-mean"}, -0.347697, [[x / 7 for x in row] for row in PPO_SUM]),
    (
        ppo_clip, {"aggregate": "seq-mean-token-mean"}, -0.238708,
        [[0, -0.075816, -0.125, 0], [0.068228, 0.101784, 0.092098, 0]],
    ),
    (ppo_clip, {"aggregate": "seq-mean-token-sum"}, -1.216939, [[x / 2 for x in row] for row in PPO_SUM]),
    (
        ppo_clip, {"aggregate": "seq-mean-token-sum-norm", "norm_length": 4}, -0.304235,
        [[x / 8 for x in row] for row in PPO_SUM],
    ),
    (dapo, {"aggregate": "token-sum"}, -2.535281, [[-1.221403, -0.606531, -1, 0], PPO_SUM[1]]),
    (
        gspo, {"clip_low": 0.2, "clip_high": 0.2}, -0.341526,
        [[0, 0, 0, 0], [0.086158, 0.086158, 0.086158, 0]],
    ),
    (
        cispo, {"band": "band", "aggregate": "token-sum"}, 2.965367,
        [[-1.2, -0.8, -1, -1.2], [0.409365, 0.6, 0.552585, 0]],
    ),
    (reinforce, {"aggregate": "token-mean"}, 0.45, [[-1 / 7] * 4, [0.5 / 7] * 3 + [0]]),
    (
        decoupled_ppo, {"olp": PROX, "aggregate": "token-sum"}, -4.517219,
        [[-1.221403, -0.606531, -1, 0], PPO_SUM[1]],
    ),
    (
        decoupled_ppo, {"olp": PROX, "aggregate": "token-sum", "cap": 2.0}, -3.655281,
        [[-1.221403, -0.606531, -1, 0], PPO_SUM[1]],
    ),
    (
        decoupled_ppo, {"olp": PROX, "aggregate": "token-sum", "objective": "cispo"}, 5.702155,
        [[-1.221403, -0.654985, -1, -3.261938], PPO_SUM[1]],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("f", "options", "value", "gradient"), CLIPPED)
def test_values_and_gradients_of_the_baselines(f, options, value, gradient):
    out, got = run(f, **options)
    close(out.loss, value)
    close(got, gradient)


@pytest.mark.parametrize(
    ("ratio", "a", "value", "gradient"),
    [(1.5, 1, -1.2, 0), (0.5, 1, -0.5, -0.5), (1.5, -1, 1.5, 1.5), (0.5, -1, 0.8, 0), (5, -1, 3, 0)],
)
def test_dual_clip_of_one_token(ratio, a, value, gradient):
    lp = torch.tensor([[math.log(ratio) - 2]])
    options = {"blp": torch.tensor([[-2.0]]), "a": torch.tensor([float(a)]), "mask": torch.ones(1, 1)}
    out, got = run(dual_clip, lp, **options)
    close(out.loss, float(value))
    close(got, [[float(gradient)]])


WEIGHTS = [
    (tis, {}, [[1.221403, 0.606531, 1, 2], [0.818731, 1.221403, 1.105171, 0]]),
    (sequence_tis, {"cap": 2.0}, [[2] * 4, [1.105171] * 3 + [0]]),
    (mis, {"low": 0.5, "high": 2.0}, [[1.221403, 0.606531, 1, 0], [0.818731, 1.221403, 1.105171, 0]]),
    (sequence_mis, {"low": 0.5, "high": 2.0}, [[0] * 4, [1.105171] * 3 + [0]]),
    (sequence_tis, {"cap": 8.0}, [[3.320117] * 4, [1.105171] * 3 + [0]]),
]


@pytest.mark.parametrize(("f", "options", "weights"), WEIGHTS)
def test_importance_weights(f, options, weights):
    """verl's `compute_rollout_correction_weights` on lp and blp; the loss is -w A lp."""
    out, gradient = run(f, aggregate="token-sum", **options)
    close(out.weights, weights)
    a = A[:, None].double()
    close(gradient, (-a * torch.tensor(weights).double()).tolist())
    close(out.loss, float((-a * torch.tensor(weights).double() * LP.double()).sum()))


@pytest.mark.parametrize(
    ("weights", "ess"),
    [
        (WEIGHTS[0][2], 0.886612),
        (WEIGHTS[1][2], 0.930195),
        (WEIGHTS[2][2], 0.816414),
        (WEIGHTS[3][2], 0.428571),
        (WEIGHTS[4][2], 0.823895),
    ],
)
def test_what_verl_reports_as_effective_sample_size_is_that_of_the_truncated_weights(weights, ess):
    """Averaged over tokens, so that a sequence weight counts once per token; we report that of the whole weights."""
    close(RatioSummary.of(torch.tensor(weights).log(), MASK).ess_fraction, ess)


def test_divergences_of_the_set():
    out, _ = run(reinforce)
    close(1 / out.ess_token, 1 / 0.59307968, 1e-5)
    log = token_log_ratio(LP, BLP, MASK)
    close((log.exp()[MASK > 0] ** 2).mean() - 1, 2.761256)  # chi2_token
    close((sequence_log_ratio(LP, BLP, MASK).exp() ** 2).mean() - 1, 5.122290, 5e-6)  # chi2_seq
    close(-out.metrics["log_ratio_mean"], -0.185714)  # k1
    other, _ = run(reinforce, blp=LP, rlp=LP - token_log_ratio(LP, BLP, MASK), lp=LP)
    close(
        out.tokens.log_mean.exp() - 1 - out.metrics["log_ratio_mean"], 0.307847
    )  # k3 of verl: mean(rho - 1 - log rho)
    assert other.metrics["kl_reference"] > 0


# P3O: `P3O.compute_policy_loss` of FeynRL, which returns the sum over tokens.


def adaptive(lp, blp, a=A, mask=MASK, **options):
    return run(ess_adaptive, lp, blp, a, mask, aggregate="token-sum", kl="k3_behaviour", **options)


def test_p3o_a():
    out, gradient = adaptive(LP, BLP)
    close(out.ess_token, 0.59307968)
    close(out.loss, 2.2488966)
    close(out.metrics["policy_loss"] / 7, 0.26688585)
    close(out.metrics["kl_behaviour"], 0.13365045)
    close(out.loss / 7, 0.32127094)
    close(gradient, [[-0.51931757, -0.85705745, -0.59307969, -0.27695554], [0.20644656, 0.37030199, 0.3352634, 0]])


def test_p3o_b_on_policy():
    out, gradient = adaptive(LP, LP)
    assert out.ess_token == 1
    close(out.loss, 4.3 - 1.15)
    close(gradient, [[-1] * 4, [0.5] * 3 + [0]])


def test_p3o_c_nothing_valid():
    with pytest.warns(UserWarning, match="no valid token"):
        out, gradient = adaptive(LP, BLP, mask=torch.zeros_like(MASK))
    assert out.metrics["ess_used"] == 1
    assert out.loss == 0
    assert not gradient.any()
    assert out.ess_token.isnan()


def test_p3o_d_a_shift_of_all_is_invisible():
    out, gradient = adaptive(BLP + 0.5, BLP)
    assert 1 - 1e-7 < out.ess_token <= 1  # 1.00000016 there
    close(out.loss, 3.0500004)
    close(gradient, [[-1] * 4, [0.5] * 3 + [0]])
    close(out.metrics["log_mean_ratio"], 0.5)


def test_p3o_e_with_a_reference():
    out, _ = adaptive(LP, BLP, rlp=BLP - 0.3, beta=0.1)
    close(out.loss, 2.38047051)
    close(out.metrics["kl_reference"], 0.18796265)


def test_p3o_f():
    blp = -1 - torch.tensor([[4.0, 1, 1, 1]]).log()
    out, gradient = adaptive(torch.full((1, 4), -1.0), blp, A[:1], torch.ones(1, 4))
    close(out.ess_token, 0.64473684)
    close(out.loss, 2.80499935)
    close(out.metrics["kl_behaviour"], 0.15907359)
    close(gradient, [[-0.37828949, -0.64473689, -0.64473689, -0.64473689]])


def test_p3o_g_one_large_ratio():
    with pytest.warns(RatioShiftWarning, match="mean ratio is e\\^28.61"):
        out, gradient = adaptive(torch.full((1, 4), -1.0), torch.tensor([[-31.0, -1, -1, -1]]), A[:1], torch.ones(1, 4))
    close(out.ess_token, 0.25)
    close(out.loss, 22.750034)
    close(gradient, [[0.5, -0.25, -0.25, -0.25]])


def test_p3o_h_an_overflow_is_no_sign_of_fresh_data():
    """The reference fails open: e = 1, sum 4, as if on-policy."""
    with pytest.warns(RatioOverflowWarning, match="largest log-ratio of a token is 100"):
        out, gradient = adaptive(
            torch.full((1, 4), -1.0), torch.tensor([[-101.0, -1, -1, -1]]), A[:1], torch.ones(1, 4)
        )
    close(out.ess_token, 0.25)
    close(gradient, [[0.5, -0.25, -0.25, -0.25]])


def test_p3o_i_tiny_ratios_are_no_sign_of_stale_data():
    """The reference's eps takes over: e = 0, sum 87981.86, gradient +1 away from the sampler. Nothing moves here."""
    with pytest.warns(RatioShiftWarning, match="mean ratio is e\\^-30"):
        out, gradient = adaptive(torch.full((1, 4), -31.0), torch.full((1, 4), -1.0), A[:1], torch.ones(1, 4))
    assert out.ess_token == 1
    assert out.loss.abs() < 1e-10
    assert gradient.abs().max() < 1e-12


def test_p4o():
    out, gradient = run(p4o, olp=PROX, aggregate="token-sum", kl="k3_behaviour")
    close(out.ess_token, 0.59307968)
    close(out.metrics["ess_proximal"], 0.94780439)
    far = 1 - out.ess_token
    close(far / (far + 1 - out.metrics["ess_proximal"]), 0.88631278, 2e-6)
    close(out.metrics["kl_behaviour"], 0.11158294)
    close(out.loss, 2.18603849)
    close(gradient, [[-0.52330095, -0.84323156, -0.58867729, -0.29469231], [0.2118237, 0.36631861, 0.3352634, 0]])


def test_p4o_with_the_proximal_policy_at_the_current_one_is_p3o():
    out, gradient = run(p4o, olp=LP, aggregate="token-sum", kl="k3_behaviour")
    other, expected = adaptive(LP, BLP)
    close(out.loss, other.loss.item())
    close(gradient, expected.tolist())


def test_p4o_on_fresh_rollouts():
    out, _ = run(p4o, lp=BLP, olp=PROX, aggregate="token-sum", kl="k3_behaviour")
    assert out.ess_token == 1
    close(out.metrics["ess_proximal"], 0.93037235)
    close(out.loss, 4.05331182)


def test_ess_of_each_response():
    log = token_log_ratio(LP, BLP, MASK)
    got = [float(RatioSummary.of(log[i], MASK[i]).ess_fraction) for i in range(2)]
    assert got == pytest.approx([0.58215314, 0.97461206], rel=1e-6)


def test_clamping_log_ratios_hides_the_collapse():
    log = torch.tensor([30.0, 45, 60, 90])
    close(RatioSummary.of(log).ess_fraction, 0.25)
    close(RatioSummary.of(log.clamp(-20, 20)).ess_fraction, 1.0)
