"""Every loss against its twin in plain Python, value and gradient; and what they have in common at lag 0."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import pytest
import torch

from neff.train.losses import LOSSES, ess_adaptive, p4o

SPEC = importlib.util.spec_from_file_location("naive_losses", Path(__file__).with_name("naive.py"))
naive = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(naive)

B, T = 5, 7
LENGTHS = [7, 3, 1, 5, 6]
CASES = [
    *((name, {}) for name in LOSSES),
    ("cispo", {"band": "band"}),
    ("decoupled_ppo", {"cap": 1.5}),
    ("decoupled_ppo", {"cap": 1.5, "objective": "cispo"}),
    ("sequence_mis", {"low": 0.7, "high": 1.4}),
    ("opsm", {"delta": 0.0}),
    ("ess_adaptive", {"kl": "k3_behaviour"}),
    ("ess_adaptive", {"kl": "none"}),
    ("p4o", {"kl": "k3_behaviour"}),
    ("p4o", {"kl": "none"}),
]
HOW = ["token-mean", "token-sum", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"]


def batch(rng=0, spread=0.4, dtype=torch.float64, tokenwise=False):
    generator = torch.Generator().manual_seed(rng)
    draw = functools.partial(torch.randn, generator=generator, dtype=torch.float64)
    lp = -1.5 + 0.5 * draw(B, T)
    blp, olp = lp + spread * draw(B, T), lp + 0.5 * spread * draw(B, T)
    a = draw(B, T) if tokenwise else draw(B)
    mask = torch.arange(T) < torch.tensor(LENGTHS)[:, None]
    return lp.to(dtype), blp.to(dtype), a.to(dtype), mask, olp.to(dtype)


def twin_of(name, lp, blp, a, mask, olp, how, options):
    rows = (a[:, None].expand(mask.shape) if a.ndim == 1 else a).tolist()
    frozen, blp, mask = lp.tolist(), blp.tolist(), mask.tolist()
    olp = None if olp is None else olp.tolist()

    def total(moved):
        twin = naive.Twin(moved, frozen, blp, rows, mask, olp)
        return naive.aggregated(getattr(twin, name)(**options), mask, how, norm_length=T)

    return total


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("with_olp", [False, True])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_value_and_gradient_are_those_of_the_twin(name, options, with_olp, how):
    lp, blp, a, mask, olp = batch(spread=0.15 if name in ("gspo", "rloo") else 0.4)
    if name == "gspo":
        options = {"clip_low": 0.05, "clip_high": 0.05}
    twin_options = {"low": 0.05, "high": 0.05} if name == "gspo" else options
    olp = olp if with_olp else None
    total = twin_of(name, lp, blp, a, mask, olp, how, twin_options)
    lp.requires_grad_()
    out = LOSSES[name](lp, blp, a, mask, olp=olp, aggregate=how, **options)
    out.loss.backward()
    values = lp.tolist()
    assert out.loss.item() == pytest.approx(total(values), rel=1e-10, abs=1e-12)
    places = naive.valid(mask.tolist())
    for i, t in places if how == "token-mean" else places[::5]:
        assert lp.grad[i, t].item() == pytest.approx(naive.slope(total, values, i, t), rel=1e-5, abs=1e-8)
    assert not lp.grad[~mask].any()
    assert not out.weights[~mask].any()


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "rloo"])
def test_advantages_per_token(name):
    lp, blp, a, mask, olp = batch(tokenwise=True)
    total = twin_of(name, lp, blp, a, mask, olp, "token-mean", {})
    lp.requires_grad_()
    out = LOSSES[name](lp, blp, a, mask, olp=olp, aggregate="token-mean")
    out.loss.backward()
    assert out.loss.item() == pytest.approx(total(lp.tolist()), rel=1e-10)
    if name != "gspo":  # GSPO-token: the gradient of a token is that of its own advantage alone
        i, t = 3, 4
        assert lp.grad[i, t].item() == pytest.approx(naive.slope(total, lp.tolist(), i, t), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", ["reinforce", "ppo_clip", "dual_clip", "grpo", "dr_grpo", "dapo", "gspo", "rloo"])
def test_gradcheck_where_nothing_is_under_stop_gradient(name):
    lp, blp, a, mask, _ = batch(spread=0.1)
    lp.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: LOSSES[name](x, blp, a, mask).loss, (lp,))


def test_gradcheck_of_the_penalties():
    lp, _, a, mask, rlp = batch()
    entropy = torch.rand(B, T, dtype=torch.float64).requires_grad_()
    lp.requires_grad_()

    def total(x, h):
        return LOSSES["reinforce"](x, None, a, mask, rlp=rlp, beta=0.3, entropy=h, entropy_coef=0.2).loss

    assert torch.autograd.gradcheck(total, (lp, entropy))


def test_weights_are_those_of_the_score():
    """The gradient of the policy part is -c w A, whatever the loss."""
    for name, function in LOSSES.items():
        lp, blp, a, mask, olp = batch(rng=3)
        lp.requires_grad_()
        options = {"kl": "none"} if name in ("ess_adaptive", "p3o", "p4o") else {}
        out = function(lp, blp, a, mask, olp=olp, aggregate="token-mean", **options)
        out.loss.backward()
        torch.testing.assert_close(lp.grad, -out.weights * a[:, None] / mask.sum())


def test_at_lag_0_all_losses_have_the_gradient_of_reinforce():
    expected = None
    for name, function in LOSSES.items():
        lp, _, a, mask, _ = batch(rng=1)
        lp.requires_grad_()
        out = function(lp, lp.detach().clone(), a, mask, aggregate="token-mean")
        out.loss.backward()
        assert out.ess_token == 1
        assert out.ess_sequence == 1
        assert torch.equal(out.weights, mask.double()), name
        expected = lp.grad if expected is None else expected
        assert torch.equal(lp.grad, expected), name


def test_no_behaviour_log_probs_means_fresh_rollouts():
    lp, _, a, mask, _ = batch()
    for function in LOSSES.values():
        assert torch.equal(function(lp, None, a, mask).loss, function(lp, lp, a, mask).loss)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("name", list(LOSSES))
def test_half_and_single_precision(name, dtype):
    lp, blp, a, mask, olp = batch(dtype=dtype)
    exact = LOSSES[name](lp.double(), blp.double(), a.double(), mask, olp=olp.double())
    lp.requires_grad_()
    out = LOSSES[name](lp, blp, a, mask, olp=olp)
    out.loss.backward()
    assert out.loss.dtype == torch.float32
    assert lp.grad.dtype == dtype
    torch.testing.assert_close(out.loss.double(), exact.loss, rtol=2e-5, atol=2e-6)
    torch.testing.assert_close(out.ess_token, exact.ess_token, rtol=1e-6, atol=0)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("ess_adaptive", "p3o", "p4o")])
def test_eight_micro_batches_of_one_are_one_of_eight(name, how):
    lp, blp, a, mask, olp = (torch.cat([x, x[:3].flip(0)]) for x in batch(rng=5))
    size = {"n_tokens": mask.sum(), "n_sequences": 8, "norm_length": 7.0}
    lp.requires_grad_()
    whole = LOSSES[name](lp, blp, a, mask, olp=olp, aggregate=how, norm_length=7.0)
    whole.loss.backward()
    expected, lp.grad = lp.grad, None
    parts = [
        LOSSES[name](lp[r], blp[r], a[r], mask[r], olp=olp[r], aggregate=how, **size)
        for r in (slice(i, i + 1) for i in range(8))
    ]
    loss = sum(part.loss for part in parts)
    loss.backward()
    torch.testing.assert_close(loss, whole.loss)
    torch.testing.assert_close(lp.grad, expected)
    tokens, sequences = (sum((getattr(p, f) for p in parts), start=0) for f in ("tokens", "sequences"))
    torch.testing.assert_close(tokens.ess_fraction, whole.ess_token)
    torch.testing.assert_close(sequences.ess_fraction, whole.ess_sequence)


@pytest.mark.parametrize("function", [ess_adaptive, p4o])
def test_micro_batches_of_an_adaptive_loss_are_one_batch_with_the_step_s_ess(function):
    from neff.train.losses import RatioSummary

    lp, blp, a, mask, olp = batch(rng=7)
    lp.requires_grad_()
    whole = function(lp, blp, a, mask, olp=olp)
    whole.loss.backward()
    expected, lp.grad = lp.grad, None
    step = {"scope": "optimizer-step", "ess": whole.tokens, "n_tokens": mask.sum()}
    if function is p4o:
        step["ess_proximal"] = RatioSummary.of(lp - olp, mask)
    for i in range(B):
        rows = slice(i, i + 1)
        function(lp[rows], blp[rows], a[rows], mask[rows], olp=olp[rows], **step).loss.backward()
    torch.testing.assert_close(lp.grad, expected)


def test_exact_kl_is_the_mean_gradient_of_its_weighted_estimate_and_of_no_k3():
    """rl-batch-adaptive 5 (d): pi = (.7, .2, .1), b = (.2, .3, .5); one token for each outcome, weighted by b."""
    pi, b = torch.tensor([0.7, 0.2, 0.1]).double(), torch.tensor([0.2, 0.3, 0.5]).double()
    rho = pi / b
    found = {}
    for kl in ("is", "k3_behaviour", "exact"):
        logits = pi.log().requires_grad_()
        log_p = torch.log_softmax(logits, -1)
        total = 0.0
        for outcome in range(3):
            lp, blp = log_p[outcome].reshape(1, 1), b.log()[outcome].reshape(1, 1)
            out = ess_adaptive(
                lp, blp, torch.zeros(1).double(), torch.ones(1, 1), kl=kl, scope="optimizer-step", ess=0.5,
                **({"lp_full": log_p.reshape(1, 1, 3), "blp_full": b.log().reshape(1, 1, 3)} if kl == "exact" else {}),
            )  # fmt: skip
            total = total + b[outcome] * out.loss / 0.5
        total.backward()
        found[kl] = total.item(), logits.grad
    close = functools.partial(torch.testing.assert_close, atol=1e-6, rtol=1e-6)
    for kl, value in (("is", 0.634897), ("exact", 0.634897), ("k3_behaviour", 1.331337)):
        assert found[kl][0] == pytest.approx(value, abs=1e-6)
    true = torch.tensor([0.432506, -0.208072, -0.224434]).double()
    close(found["is"][1], true)
    close(found["exact"][1], true)
    close(found["k3_behaviour"][1], torch.tensor([1.547857, 0.251429, -1.799286]).double())
    assert 1 / float((b * rho**2).sum()) == pytest.approx(0.384123, abs=1e-6)


def test_the_exact_kl_is_chosen_where_the_distributions_are_given():
    generator = torch.Generator().manual_seed(2)
    full, old = (torch.log_softmax(torch.randn(B, T, 11, generator=generator), -1) for _ in range(2))
    lp, blp, mask = full[..., 0], old[..., 0], torch.arange(T) < torch.tensor(LENGTHS)[:, None]
    a = torch.randn(B, generator=generator)
    full = full.masked_fill(~mask[..., None], float("nan")).requires_grad_()
    out = ess_adaptive(lp, blp, a, mask, lp_full=full, blp_full=old)
    direct = (full.exp() * (full - old)).sum(-1)[mask]
    torch.testing.assert_close(out.metrics["kl_behaviour"].float(), direct.mean().detach())
    out.loss.backward()
    assert full.grad.isfinite().all()
    assert not full.grad[~mask].any()
    torch.testing.assert_close(
        out.loss.detach(), (out.metrics["policy_loss"] / 1 + (1 - out.ess_token) * direct.mean()).float().detach()
    )
