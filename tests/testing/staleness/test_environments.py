"""Rewards by hand, sampling against probabilities, log-probabilities and gradients against naive ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import layer_norm, linear

from neff.testing.staleness import transformer
from neff.testing.staleness.digits import Digits, right_answers, warm_start
from neff.testing.staleness.environment import Noise
from neff.testing.staleness.settings import SETTINGS
from neff.testing.staleness.tabular import Tabular, share_of_zeros, share_right


def noise_of(environment, seeds, *, evaluation=False):
    streams = [environment.stream(seed) for seed in seeds]
    drawn = [stream.evaluation() if evaluation else stream.batch() for stream in streams]
    prompts, uniforms = zip(*drawn, strict=True)
    return Noise(
        None if prompts[0] is None else torch.from_numpy(np.stack(prompts)), torch.from_numpy(np.stack(uniforms))
    )


def random_theta(environment, runs, scale=0.5, seed=3):
    size = environment.start(0).numel()
    return scale * torch.randn(runs, size, generator=torch.Generator().manual_seed(seed))


# --- rewards ------------------------------------------------------------------------------------------------------


def test_rewards_by_hand():
    tokens = torch.tensor([[[[0, 1, 2, 3], [0, 0, 0, 0], [1, 1, 0, 0], [0, 2, 2, 3]]]])
    target = torch.tensor([[[[0, 1, 0, 0]]]])
    assert share_right(tokens, target).tolist() == [[[0.5, 0.75, 0.75, 0.25]]]
    # one of four is token 0: half of the way from none (reward 0) to half of them (reward 1)
    assert share_of_zeros(tokens).tolist() == [[[0.5, 0.0, 1.0, 0.5]]]
    assert right_answers(torch.tensor([0, 6, 7])).tolist() == [1, 7, 0]


def test_e1_has_a_target_per_seed_and_prompt_and_pays_for_it():
    environment = Tabular("E1")
    environment.bind([5, 5, 6])
    s = environment.settings
    target = torch.from_numpy(np.random.default_rng([5, 0]).integers(s.vocabulary, size=(s.n_groups, 1, s.length)))
    full = target.expand(3, -1, 2, -1)
    rewards = environment.rewards(full)
    assert (rewards[:2] == 1).all()
    assert 0.1 < float(rewards[2].mean()) < 0.4  # another seed's target: right by chance, 1 of 4


# --- sampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["E1", "E2"])
def test_tokens_are_drawn_with_their_probability(name):
    """On an even grid of uniforms every token comes up as often as its probability says, within one."""
    environment = Tabular(name)
    environment.bind([0, 1, 2])
    theta = random_theta(environment, 3)
    s = environment.settings
    n = 1009
    grid = ((torch.arange(n, dtype=torch.float32) + 0.5) / n).view(1, 1, n, 1).expand(3, s.n_groups, n, s.length)
    tokens = environment._sample(environment._table(theta), grid)
    counts = torch.stack([(tokens == v).sum(2) for v in range(s.vocabulary)], -1)
    expected = n * theta.view(3, s.n_groups, s.length, s.vocabulary).softmax(-1)
    assert (counts.sum(-1) == n).all()
    assert ((counts - expected).abs() <= 1.001).all()


@pytest.mark.parametrize("name", ["E1", "E2", "TF"])
def test_a_uniform_of_0_is_the_first_token_and_one_near_1_the_last(name):
    environment = Digits() if name == "TF" else Tabular(name)
    environment.bind([0])
    theta = environment.start(0)[None]
    noise = noise_of(environment, [0])
    for uniform, token in ((0.0, 0), (1 - 2.0**-24, environment.settings.vocabulary - 1)):
        fixed = noise._replace(uniforms=torch.full_like(noise.uniforms, uniform))
        tokens = environment.rollout(theta, fixed).tokens
        assert (tokens == token).all()


# --- log-probabilities --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["E1", "E2"])
def test_log_probs_of_the_table(name):
    environment = Tabular(name)
    environment.bind([0, 1])
    s = environment.settings
    theta = random_theta(environment, 2)
    rollouts = environment.rollout(theta, noise_of(environment, [0, 1]))
    other = random_theta(environment, 2, seed=4)
    scored = environment.score(other, rollouts)
    full = environment.per_run(scored.distributions, [1, 0])
    for run in range(2):
        table = other[run].view(s.n_groups, s.length, s.vocabulary).log_softmax(-1)
        for prompt, response, t in ((0, 0, 0), (3, 15, 31), (2, 7, 11)):
            token = int(rollouts.tokens[run, prompt, response, t])
            row = prompt * s.group_size + response
            assert scored.log_probs[run, row, t] == table[prompt, t, token]
            assert torch.equal(full[run][row, t], table[prompt, t])


def naive_transformer(theta, prompt, answer):
    """The same policy for one prompt and one answer, written out: 16 digits, BOS, 15 digits of the answer."""
    p = {name: part[0] for name, part in transformer._named(theta[None]).items()}
    ids = torch.cat([prompt, torch.tensor([transformer.BOS]), answer[:-1]])
    x = p["token"][ids] + p["position"]

    def norm(values, which):
        return layer_norm(values, (32,), p[which][0], p[which][1])

    q, k, v = linear(norm(x, "norm1"), p["qkv"].T, p["qkv_bias"]).split(32, -1)
    heads = []
    for h in range(4):
        part = slice(8 * h, 8 * h + 8)
        scores = q[:, part] @ k[:, part].T / 8**0.5
        scores = scores.masked_fill(torch.ones(32, 32, dtype=torch.bool).triu(1), float("-inf"))
        heads.append(scores.softmax(-1) @ v[:, part])
    x = x + linear(torch.cat(heads, -1), p["out"].T, p["out_bias"])
    x = x + linear(linear(norm(x, "norm2"), p["up"].T, p["up_bias"]).relu(), p["down"].T, p["down_bias"])
    return linear(norm(x, "norm3"), p["unembed"].T, p["unembed_bias"]).log_softmax(-1)[16:]


def test_the_transformer_is_the_naive_one_and_the_sampler_agrees():
    environment = Digits()
    theta = environment.start(0) + random_theta(environment, 2, scale=0.1)
    rollouts = environment.rollout(theta, noise_of(environment, [0, 1]))
    scored = environment.score(theta, rollouts)
    assert transformer.N_PARAMETERS == theta.shape[1] == 14_344
    for run, group, response in ((0, 0, 0), (1, 7, 7), (1, 2, 5)):
        answer = rollouts.tokens[run, group, response]
        naive = naive_transformer(theta[run], rollouts.noise.prompts[run, group], answer)
        assert torch.allclose(scored.distributions[run, group, response], naive, atol=2e-5)
        row = group * 8 + response
        assert torch.allclose(scored.log_probs[run, row], naive[torch.arange(16), answer], atol=2e-5)
    assert torch.allclose(scored.distributions, rollouts.distributions, atol=2e-5)
    assert torch.allclose(scored.log_probs, rollouts.log_probs, atol=2e-5)


def test_rewards_of_digits():
    environment = Digits()
    rollouts = environment.rollout(environment.start(0)[None], noise_of(environment, [0]))
    wanted = (rollouts.noise.prompts + 1) % 8
    for group, response in ((0, 0), (5, 3)):
        by_hand = (rollouts.tokens[0, group, response] == wanted[0, group]).float().mean()
        assert rollouts.rewards[0, group * 8 + response] == by_hand


# --- score norms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["E2", "TF"])
def test_exact_norms_are_those_of_single_gradients(name):
    environment = Digits() if name == "TF" else Tabular(name)
    theta = random_theta(environment, 2, scale=0.3)
    rollouts = environment.rollout(theta, noise_of(environment, [0, 1]))
    scored = environment.score(theta, rollouts)
    found = environment.squared_norms(theta, scored, rollouts, exact=True)
    assert found.shape == rollouts.rewards.shape
    for run, row in ((0, 0), (1, 63), (1, 29)):
        leaf = theta.clone().requires_grad_()
        environment.score(leaf, rollouts).log_probs[run, row].sum().backward()
        assert float(found[run, row]) == pytest.approx(float(leaf.grad.square().sum()), rel=1e-4)


def test_norms_in_the_logits():
    """d log pi(y) / d logits is the one-hot minus the probabilities, at every place of the answer."""
    environment = Digits()
    theta = random_theta(environment, 1, scale=0.3)
    rollouts = environment.rollout(theta, noise_of(environment, [0]))
    scored = environment.score(theta, rollouts)
    found = environment.squared_norms(theta, scored, rollouts, exact=False)
    for group, response in ((0, 0), (7, 7)):
        p = scored.distributions[0, group, response].exp()
        one_hot = torch.nn.functional.one_hot(rollouts.tokens[0, group, response], 8)
        assert float(found[0, group * 8 + response]) == pytest.approx(float((one_hot - p).square().sum()), rel=1e-5)


# --- evaluations and the warm start -------------------------------------------------------------------------------


def test_evaluations():
    s = SETTINGS["TF"]
    assert s.evaluations(250) == [0, *range(20, 241, 20), 250]
    assert s.evaluations(25) == [0, *range(2, 25, 2), 25]  # short runs are looked at more often
    assert s.evaluations(10) == list(range(11))
    assert SETTINGS["E1"].evaluations(600) == list(range(0, 601, 15))
    for name in ("E1", "E2", "TF"):
        environment = Digits() if name == "TF" else Tabular(name)
        environment.bind([0])
        assert environment.stream(0).evaluation()[1].shape[:2] == ((256, 1) if name == "TF" else (4, 64))
        reward = environment.evaluate(environment.start(0)[None], noise_of(environment, [0], evaluation=True))
        assert 0 < float(reward) < 1


def test_the_warm_start_is_right_as_often_as_its_labels_allow():
    """0.4 + 0.6 / 8 = 0.475 where the rule is learned; 256 x 16 sampled digits have a standard error of 0.008."""
    environment = Digits()
    reward = environment.evaluate(environment.start(0)[None], noise_of(environment, [0], evaluation=True))
    assert float(reward) == pytest.approx(0.475, abs=0.03)  # estimated from 4,096 digits


def test_a_short_warm_start_learns_and_is_reproducible():
    environment = Digits()
    start, later, again = (warm_start(steps=steps, rng=1) for steps in (0, 23, 23))
    assert torch.equal(later, again)
    rollouts = environment.rollout(environment.start(0)[None], noise_of(environment, [0]))
    right = rollouts._replace(tokens=right_answers(rollouts.noise.prompts).unsqueeze(2).expand(-1, -1, 8, -1))
    before, after = (float(environment.score(x[None], right).log_probs.mean()) for x in (start, later))
    assert after > before


@pytest.mark.slow
def test_the_shipped_warm_start_is_what_warm_start_makes():
    """Rounding differs between machines and training amplifies it: the policies agree, not the bits."""
    environment = Digits()
    shipped, made = environment.start(0), warm_start()
    rollouts = environment.rollout(shipped[None], noise_of(environment, [0]))
    a, b = (environment.score(x[None], rollouts).log_probs for x in (shipped, made))
    assert float((a.exp() - b.exp()).abs().mean()) < 0.05
