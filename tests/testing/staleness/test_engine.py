"""One run written out with torch's own parts gives what the engine gives; runs do not see each other."""

from __future__ import annotations

import warnings
from collections import deque

import numpy as np
import pytest
import torch

from neff.errors import TrainingWarning
from neff.testing.staleness import StalenessMethod
from neff.testing.staleness.engine import Spec, ess_fraction, simulate
from neff.testing.staleness.environment import Noise, Rollouts
from neff.testing.staleness.methods import OPTIONS, method_of
from neff.testing.staleness.optimizer import Adam, clip
from neff.testing.staleness.settings import COMPARED, METHODS
from neff.testing.staleness.study import environment_of
from neff.train.advantages.group import group_advantage
from neff.train.advantages.opob import opob_advantage
from neff.train.losses.ratios import sequence_log_ratio
from neff.train.losses.table import LOSSES
from neff.train.optim.ess_lr import EssLRScaler

FEW = ("reinforce", "gspo", "sequence_mis", "vcpo", "ess_adaptive_exact")
"""For the transformer, which takes its time."""


def spec(method, lag, seed=0, rate=None, environment="E2"):
    chosen = method_of(method, call="test")
    return Spec(chosen, lag, environment_of(environment).settings.learning_rate if rate is None else rate, seed)


# --- a naive twin -------------------------------------------------------------------------------------------------


def naive(name, method, lag, seed, steps, rate):
    """One run: batches wait in a queue, torch's Adam and clipping, neff's scaler around the step."""
    environment = environment_of(name)
    environment.bind([seed])
    stream, s = environment.stream(seed), environment.settings
    theta = torch.nn.Parameter(environment.start(seed)[None].clone())
    optimizer = torch.optim.AdamW([theta], lr=rate, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0)
    scaler = EssLRScaler(optimizer)
    mask = torch.ones(s.batch, s.length)
    group = torch.arange(s.n_groups).repeat_interleave(s.group_size)
    # The batch of step t is drawn with the numbers of step t, by the policy of step t - lag.
    numbers = [stream.batch() for _ in range(steps)]
    queue: deque[Rollouts] = deque()

    def add(step):
        if step < steps:
            prompts, uniforms = numbers[step]
            noise = Noise(
                None if prompts is None else torch.from_numpy(prompts)[None], torch.from_numpy(uniforms)[None]
            )
            queue.append(environment.rollout(theta.detach().clone(), noise))

    for step in range(lag):
        add(step)
    rewards, shares = [], []
    for step in range(steps):
        add(step + lag)
        batch = queue.popleft()
        scored = environment.score(theta, batch)
        lp, blp = scored.log_probs[0], batch.log_probs[0]
        log_w = sequence_log_ratio(lp, blp, mask)
        if method == "vcpo":
            norms = environment.squared_norms(theta.detach(), scored, batch, exact=False)[0]
            advantages = opob_advantage(log_w, norms, batch.rewards[0], group).advantages
            out = LOSSES["sequence_tis"](lp, blp, advantages, mask, cap=8.0)
        else:
            advantages = group_advantage(batch.rewards[0], group).advantages
            more = {}
            if method == "ess_adaptive_exact":
                more = {
                    "kl": "exact",
                    "lp_full": environment.per_run(scored.distributions, [0])[0],
                    "blp_full": environment.per_run(batch.distributions, [0])[0],
                }
            out = LOSSES[method.removesuffix("_exact")](lp, blp, advantages, mask, **more)
        optimizer.zero_grad()
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_([theta], 1.0)
        if method == "vcpo":
            with scaler.step(out.sequences):
                optimizer.step()
        else:
            optimizer.step()
        shares.append((float(out.ess_token), float(out.ess_sequence)))
        rewards.append(theta.detach().clone())
    return rewards[-1][0], np.array(shares)


@pytest.mark.parametrize(
    ("name", "method", "lag", "steps"),
    [("E2", "grpo", 3, 23), ("E2", "vcpo", 5, 23), ("E2", "ess_adaptive_exact", 3, 23), ("TF", "vcpo", 2, 5)],
)
def test_a_run_is_the_one_written_out(name, method, lag, steps):
    rate = 0.05 if name == "E2" else 0.003
    seen = {}

    class Watched(type(environment_of(name))):
        def evaluate(self, theta, noise):
            seen["theta"] = theta.clone()
            return super().evaluate(theta, noise)

    environment = Watched() if name == "TF" else Watched(name)
    (trace,) = simulate(environment, [spec(method, lag, seed=4, rate=rate)], steps=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        theta, shares = naive(name, method, lag, 4, steps, rate)
    # rounding in another order, amplified by Adam where a gradient is about 0
    moved = float((theta - environment.start(4)).norm())
    assert float((seen["theta"][0] - theta).norm()) < 1e-2 * moved
    assert np.allclose(trace.ess_token, shares[:, 0], rtol=1e-3, atol=1e-6)
    assert np.allclose(trace.ess_sequence, shares[:, 1], rtol=5e-3, atol=1e-6)
    assert shares[:, 1].min() < 0.99  # the test would show nothing at an ESS of 1


def test_adam_is_torchs():
    generator = torch.Generator().manual_seed(2)
    gradients = torch.randn(11, 3, 5, generator=generator)
    rates = [0.1, 0.02, 0.003]
    theta = torch.zeros(3, 5)
    adam = Adam(theta)
    for gradient in gradients:
        theta = theta + adam.change(gradient, rates)
    for run, rate in enumerate(rates):
        weight = torch.nn.Parameter(torch.zeros(5))
        optimizer = torch.optim.AdamW([weight], lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
        for gradient in gradients[:, run]:
            weight.grad = gradient.clone()
            optimizer.step()
        assert torch.allclose(theta[run], weight, rtol=1e-5)


def test_clipping_is_torchs_also_where_squares_overflow():
    gradient = torch.tensor([[3.0, 4.0], [0.3, 0.4], [3e25, 4e25]])
    clipped, norm = clip(gradient)
    assert norm.tolist() == pytest.approx([5.0, 0.5, 5e25], rel=1e-6)
    assert torch.allclose(clipped, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.6, 0.8]]), rtol=1e-5)


def test_ess_of_a_batch_by_hand():
    assert float(ess_fraction(torch.tensor([4.0, 1.0, 1.0, 1.0]).log())) == pytest.approx(49 / 76)
    # Not clamped: with log-ratios cut at 20 these four would all weigh the same.
    assert float(ess_fraction(torch.tensor([30.0, 45.0, 60.0, 90.0]))) == pytest.approx(0.25)
    assert float(ess_fraction(torch.full((64,), -700.0))) == 1.0


# --- on-policy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "steps"), [("E1", 17), ("E2", 17), ("TF", 2)])
def test_on_policy_all_losses_coincide_and_the_ess_is_exactly_1(name, steps):
    """Weights are 1 and nothing is clipped, so that only the baseline can make a difference."""
    methods = FEW if name == "TF" else METHODS
    traces = dict(
        zip(
            methods,
            simulate(environment_of(name), [spec(m, 0, environment=name) for m in methods], steps=steps),
            strict=True,
        )
    )
    for trace in traces.values():
        assert (trace.ess_token == 1.0).all()
        assert (trace.ess_sequence == 1.0).all()
    first = traces["reinforce"]
    for method in methods:
        if "advantage" in OPTIONS.get(method, {}):
            # the plug-in baseline is not the group mean, and the standard deviation has another divisor
            assert traces[method].rewards != first.rewards
            continue
        assert traces[method].rewards == first.rewards, method
        assert np.allclose(traces[method].update_norms, first.update_norms, rtol=1e-5)


def test_the_first_update_is_on_policy_at_every_lag():
    """All batches that wait at first are of the first policy."""
    specs = [spec(m, k) for m in ("reinforce", "sequence_is", "vcpo") for k in (0, 1, 7, 64)]
    traces = simulate(environment_of("E2"), specs, steps=11)
    for method in range(3):
        per_lag = traces[4 * method : 4 * method + 4]
        assert all(t.ess_token[0] == t.ess_sequence[0] == 1.0 for t in per_lag)
        assert len({float(t.update_norms[0]) for t in per_lag}) == 1
        assert all(t.ess_token[1] < 1 for t in per_lag[1:])
    # lags of 64 and 7 are the same until a batch of the second policy comes
    assert (traces[2].update_norms[:8] == traces[3].update_norms[:8]).all()
    assert (traces[2].update_norms[8:] != traces[3].update_norms[8:]).all()


# --- runs side by side --------------------------------------------------------------------------------------------


def same(a, b):
    numbers = ("ess_token", "ess_sequence", "update_norms")
    return a.rewards == b.rewards and all((getattr(a, n) == getattr(b, n)).all() for n in numbers)


@pytest.mark.parametrize(("name", "steps"), [("E1", 13), ("E2", 13), ("TF", 3)])
def test_results_do_not_depend_on_what_runs_beside(name, steps):
    """Bit for bit: alone, in pairs, in another order."""
    environment = environment_of(name)
    methods = FEW if name == "TF" else COMPARED
    specs = [spec(m, (0, 3, 7)[j % 3], seed=j % 2, environment=name) for j, m in enumerate(methods)]
    whole = simulate(environment, specs, steps=steps)
    backwards = simulate(environment, specs[::-1], steps=steps)[::-1]
    pairs = [t for j in range(0, len(specs), 2) for t in simulate(environment, specs[j : j + 2], steps=steps)]
    for j, trace in enumerate(whole):
        assert same(trace, backwards[j]), specs[j]
        assert same(trace, pairs[j]), specs[j]
    for j in (0, 3, len(specs) - 1):
        assert same(whole[j], simulate(environment, [specs[j]], steps=steps)[0])


def test_seeds_differ_and_repeat():
    environment = environment_of("E2")
    a, b = simulate(environment, [spec("grpo", 3, 0), spec("grpo", 3, 1)], steps=13)
    assert not same(a, b)
    assert same(a, simulate(environment, [spec("grpo", 3, 0)], steps=13)[0])


def test_the_number_of_threads_is_left_as_it_was():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        a = simulate(environment_of("E2"), [spec("grpo", 3)], steps=11)[0]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert same(a, simulate(environment_of("E2"), [spec("grpo", 3)], steps=11)[0])


# --- methods of one's own -----------------------------------------------------------------------------------------


def test_a_loss_of_ones_own():
    mine = StalenessMethod("mine", lambda lp, blp, advantages, mask: -(advantages[:, None] * lp)[mask].mean())
    a, b = simulate(environment_of("E2"), [spec(mine, 3), spec("reinforce", 3)], steps=23)
    assert a.rewards == pytest.approx(b.rewards, abs=0.01)  # the same to rounding


def test_a_step_without_a_finite_gradient_is_left_out_and_counted():
    calls = []

    def broken(lp, blp, advantages, mask):
        calls.append(0)
        loss = -(advantages[:, None] * lp).mean()
        return loss * float("nan") if len(calls) == 4 else loss

    specs = [spec(StalenessMethod("broken", broken), 2), spec("reinforce", 2)]
    a, b = simulate(environment_of("E2"), specs, steps=11)
    assert (a.n_skipped, b.n_skipped) == (1, 0)
    assert a.update_norms[3] == 0
    assert (a.update_norms[4:] > 0).all()
    assert np.isfinite(a.rewards).all()
    assert same(b, simulate(environment_of("E2"), specs[1:], steps=11)[0])


def test_every_described_method_is_built():
    for name in METHODS:
        method = method_of(name, call="test")
        assert method.name == name
        assert callable(method.loss)
    assert set(OPTIONS) <= set(METHODS)
    assert method_of("ess-adaptive-exact", call="test").name == "ess_adaptive_exact"
    assert [m for m in COMPARED if m not in METHODS] == []


def test_a_collapsed_run_raises_no_warning():
    """Ratios far from 1 are what is studied: sequence weights without truncation, at a lag of the whole run."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (trace,) = simulate(environment_of("E1"), [spec("sequence_is", 64, rate=3.0)], steps=97)
    assert trace.ess_sequence.min() < 0.02
    assert np.isfinite(trace.rewards).all()
