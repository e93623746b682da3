"""ReMax against PPO with a critic, at equal samples, on a small transformer: bytes of state and time per iteration.

What is measured
    Bytes of parameters, gradients and Adam moments, counted from the tensors after one iteration: PPO trains a policy
    and a critic of the same size beside a frozen reference and a frozen reward model; ReMax trains a policy beside the
    same two. And the processor time of one iteration on 64 prompts of 16 tokens with 48 sampled ones, single
    precision, one thread: generation (with a cache of keys and values), log-probabilities, rewards, values and 1 or 4
    epochs of updates for PPO; two generations (the second greedy), log-probabilities, two rewards and one update for
    ReMax. Each round times all in turn; ratios are medians over rounds of the ratio within a round. RLOO with two
    sampled responses per prompt costs the two generations of ReMax and learns from both.

Run: python benchmarks/bench_remax.py [rounds]
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

import torch
from tiny import LENGTH, VOCABULARY, Tiny, generate, log_probs, state_bytes
from torch.nn.functional import mse_loss

from neff.train import ppo_clip, reinforce, remax_advantage

PROMPTS, PROMPT, BETA, GAMMA, LAMBDA = 64, 16, 0.05, 1.0, 0.95


class Setting:
    """One method's models; the reference and the reward model are alike."""

    def __init__(self, *, critic: bool) -> None:
        torch.manual_seed(1)
        self.policy, self.reference, self.reward_model = Tiny(), Tiny(), Tiny(1)
        self.critic = Tiny(1) if critic else None
        self.optimizer = torch.optim.AdamW(self.policy.parameters(), lr=1e-4)
        self.critic_optimizer = torch.optim.AdamW(self.critic.parameters(), lr=1e-4) if self.critic else None
        for frozen in (self.reference, self.reward_model):
            frozen.requires_grad_(requires_grad=False)

    def bytes(self) -> int:
        """Count what is kept between iterations."""
        trained = [(self.policy, self.optimizer)]
        if self.critic is not None:
            trained.append((self.critic, self.critic_optimizer))
        return state_bytes(trained, [self.reference, self.reward_model])

    @torch.no_grad()
    def rewards(self, tokens: Any) -> Any:
        """Return one number per response."""
        return self.reward_model(tokens)[:, -1, 0]


def step(loss: Any, model: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def ppo(s: Setting, prompts: Any, epochs: int) -> None:
    tokens = generate(s.policy, prompts, LENGTH)
    mask = torch.zeros(PROMPTS, LENGTH - 1)
    mask[:, PROMPT - 1 :] = 1
    with torch.no_grad():
        old, ref = (log_probs(model(tokens), tokens) for model in (s.policy, s.reference))
        values = s.critic(tokens)[:, :-1, 0]
        rewards = -BETA * (old - ref) * mask
        rewards[:, -1] += s.rewards(tokens)
        advantages, last = torch.zeros_like(rewards), torch.zeros(PROMPTS)
        for t in reversed(range(LENGTH - 1)):
            after = values[:, t + 1] if t + 1 < LENGTH - 1 else 0.0
            last = rewards[:, t] + GAMMA * after - values[:, t] + GAMMA * LAMBDA * last
            advantages[:, t] = last
        returns = advantages + values
    for _ in range(epochs):
        step(ppo_clip(log_probs(s.policy(tokens), tokens), old, advantages, mask).loss, s.policy, s.optimizer)
        value = s.critic(tokens)[:, :-1, 0]
        step(mse_loss(value * mask, returns * mask), s.critic, s.critic_optimizer)


def remax(s: Setting, prompts: Any) -> None:
    tokens, greedy = generate(s.policy, prompts, LENGTH), generate(s.policy, prompts, LENGTH, greedy=True)
    mask = torch.zeros(PROMPTS, LENGTH - 1)
    mask[:, PROMPT - 1 :] = 1
    with torch.no_grad():
        old, ref = (log_probs(model(tokens), tokens) for model in (s.policy, s.reference))
        penalty = BETA * ((old - ref) * mask).sum(1)
    advantages = remax_advantage(s.rewards(tokens) - penalty, s.rewards(greedy)).advantages
    step(reinforce(log_probs(s.policy(tokens), tokens), old, advantages, mask).loss, s.policy, s.optimizer)


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    with_critic, without = Setting(critic=True), Setting(critic=False)
    generator = torch.Generator().manual_seed(2)
    jobs = {
        "generation": lambda p: generate(without.policy, p, LENGTH),
        "PPO, 1 epoch": lambda p: ppo(with_critic, p, 1),
        "PPO, 4 epochs": lambda p: ppo(with_critic, p, 4),
        "ReMax": lambda p: remax(without, p),
    }
    times: list[list[float]] = []
    for _ in range(rounds + 1):
        prompts = torch.randint(VOCABULARY, (PROMPTS, PROMPT), generator=generator)
        times.append([])
        for job in jobs.values():
            start = time.process_time()
            job(prompts)
            times[-1].append(time.process_time() - start)
    times = times[1:]
    n = sum(p.numel() for p in without.policy.parameters())
    a, b = with_critic.bytes(), without.bytes()
    print(f"{n:,} parameters per model, {PROMPTS} responses of {LENGTH - PROMPT} tokens")
    print(
        f"state   PPO {a:>12,} bytes ({a / n:.1f} per parameter)   ReMax {b:>12,} ({b / n:.1f}): saving {1 - b / a:.3f}"
    )
    print(f"{'':16}{'median s':>10}{'of ReMax':>10}")
    for k, name in enumerate(jobs):
        print(f"{name:16}{median(row[k] for row in times):>10.3f}{median(row[k] / row[-1] for row in times):>10.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
