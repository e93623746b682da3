"""The same numbers from the functions of verl and TRL themselves, on random batches."""

from __future__ import annotations

import functools
import warnings

import pytest
import torch

from neff.train.losses import cispo, decoupled_ppo, dual_clip, gspo, opsm, sequence_tis, tis, token_log_ratio, vespo

pytestmark = pytest.mark.slow

B, T = 7, 11


def batch(spread=0.3):
    draw = functools.partial(torch.randn, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lp = -1.5 + 0.5 * draw(B, T)
    mask = torch.arange(T) < torch.tensor([11, 3, 1, 5, 6, 10, 2])[:, None]
    return lp, lp + spread * draw(B, T), lp + spread * draw(B, T), draw(B), mask


@pytest.fixture(scope="module")
def verl():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("verl")
        from verl.trainer.ppo import core_algos
        from verl.workers.config import ActorConfig

    def run(loss_mode, lp, olp, a, mask, how, weights=None, **options):
        config = ActorConfig(strategy="fsdp", ppo_micro_batch_size_per_gpu=1, rollout_n=1, **options)
        lp = lp.clone().requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss, _ = core_algos.get_policy_loss_fn(loss_mode)(
                olp, lp, a[:, None].expand(B, T), mask.double(), how, config, weights
            )
        loss.backward()
        return loss.item(), lp.grad

    return run


HOW = ["token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("mode", "function", "low", "high", "options"),
    [
        ("vanilla", dual_clip, 0.2, 0.28, {"cap": 3.0}),
        ("gspo", gspo, 0.05, 0.06, {}),
        ("cispo", cispo, 0.2, 0.25, {"band": "band"}),
    ],
)
def test_losses_of_verl(verl, mode, function, low, high, options, how):
    lp, olp, _, a, mask = batch()
    value, gradient = verl(mode, lp, olp, a, mask, how, clip_ratio_low=low, clip_ratio_high=high)
    lp.requires_grad_()
    out = function(lp, olp, a, mask, aggregate=how, clip_low=low, clip_high=high, **options)
    out.loss.backward()
    assert out.loss.item() == pytest.approx(value, rel=1e-6)  # verl adds 1e-8 to lengths
    torch.testing.assert_close(lp.grad, gradient, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("function", "level", "options"),
    [(tis, "token", {"cap": 1.3}), (sequence_tis, "sequence", {"cap": 1.3}), (decoupled_ppo, "token", {"cap": 1.3})],
)
def test_verl_s_ppo_with_rollout_weights(verl, function, level, options):
    lp, olp, blp, a, mask = batch(spread=0.15)
    log = token_log_ratio(olp, blp, mask)
    weights = (log if level == "token" else log.sum(-1, keepdim=True).expand(B, T)).exp().clamp(max=1.3)
    value, gradient = verl("vanilla", lp, olp, a, mask, "token-mean", weights)
    lp.requires_grad_()
    out = function(lp, blp, a, mask, olp=olp, **options)
    out.loss.backward()
    assert out.loss.item() == pytest.approx(value, rel=1e-6)
    torch.testing.assert_close(lp.grad, gradient, rtol=1e-6, atol=1e-9)


def test_weights_of_trl():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("trl")
        from trl import GRPOTrainer

    lp, blp, _, a, mask = batch()
    log = token_log_ratio(lp, blp, mask)
    phi = GRPOTrainer.get_gamma_weights(a[:, None], log, mask.double(), None)
    torch.testing.assert_close(vespo(lp, blp, a, mask).weights, phi * mask)
    keep = GRPOTrainer.get_off_policy_mask(a[:, None], lp, blp, mask.double(), 0.05)
    got = opsm(lp, blp, a, mask, delta=0.05, clip_low=1.0, clip_high=99.0).weights
    assert 0 < keep.sum() < B
    torch.testing.assert_close(got, keep * log.exp() * mask)
