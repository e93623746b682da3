"""A plain training loop on stale rollouts: an adaptive loss, a learning rate that follows the batch, and a monitor.

One file, one loop, no trainer: copy what you need. A policy of a few thousand parameters learns to answer each digit
with the next one. Every batch is sampled by the weights of 16 optimizer steps ago, as in asynchronous training.

Run it from anywhere: `python examples/train_plain_loop.py`. It needs the extra `neff[train]`, writes nothing unless
`--log run.jsonl` is given (then `neff report run.jsonl` shows the run), and takes a few seconds. It prints:

    every batch is 16 optimizer steps old
    reward of a fresh policy: 0.1
    reward after training: 1.0
    a batch was worth less than half of its responses: yes
    the learning rate was scaled down for it: yes
"""

from __future__ import annotations

import argparse
from collections import deque
from dataclasses import dataclass

import torch
from torch import nn

from neff.train import EssLRScaler, JsonlSink, Monitor, ess_adaptive, group_advantage, sequence_log_ratio

DIGITS = 8


@dataclass
class Settings:
    """What there is to set."""

    lag: int = 16  # optimizer steps between sampling a batch and learning from it
    steps: int = 200
    prompts: int = 8
    responses: int = 8  # per prompt
    length: int = 12
    learning_rate: float = 0.02
    good_enough: float = 0.97


@dataclass
class Rollout:
    """One batch, and who sampled it."""

    prompts: torch.Tensor  # [B, T]
    tokens: torch.Tensor  # [B, T]
    blp: torch.Tensor  # [B, T], log-probabilities under the sampler, kept from the time of sampling
    rewards: torch.Tensor  # [B]
    group: torch.Tensor  # [B]
    step: int  # optimizer steps that the sampler's weights had made


class Policy(nn.Module):
    """Logits of the next digit, from the digit asked for and the digit answered before."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.asked, self.before = nn.Embedding(DIGITS, width), nn.Embedding(DIGITS + 1, width)
        self.out = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, DIGITS))

    def forward(self, prompts: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities, one row per digit asked for."""
        return torch.log_softmax(self.out(self.asked(prompts) + self.before(before)), -1)


def shifted(tokens: torch.Tensor) -> torch.Tensor:
    """Return the digit before each, and a mark at the start."""
    return torch.cat([torch.full_like(tokens[:, :1], DIGITS), tokens[:, :-1]], 1)


@torch.no_grad()
def sample(policy: Policy, settings: Settings, number: int, step: int, draw: torch.Generator) -> Rollout:
    asked = torch.randint(DIGITS, (settings.prompts, settings.length), generator=draw)
    prompts = asked.repeat_interleave(settings.responses, 0)
    tokens = torch.empty_like(prompts)
    blp = torch.empty(prompts.shape)
    before = torch.full_like(prompts[:, 0], DIGITS)
    for t in range(settings.length):
        log_p = policy(prompts[:, t], before)
        before = torch.multinomial(log_p.exp(), 1, generator=draw)[:, 0]
        tokens[:, t], blp[:, t] = before, log_p.gather(1, before[:, None])[:, 0]
    rewards = (tokens == (prompts + 1) % DIGITS).float().mean(1)
    group = torch.arange(settings.prompts).repeat_interleave(settings.responses) + number * settings.prompts
    return Rollout(prompts, tokens, blp, rewards, group, step)


def train(settings: Settings, log: str | None = None, seed: int = 1) -> tuple[float, float, list[float], list[float]]:
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    policy = Policy()
    optimizer = torch.optim.AdamW(policy.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95))
    scaler = EssLRScaler(optimizer)
    waiting: deque[Rollout] = deque()
    reward: list[float] = []
    shares: list[float] = []
    factors: list[float] = []
    with Monitor(*([JsonlSink(log)] if log else [])) as monitor:
        step = 0
        for number in range(settings.steps + settings.lag):
            waiting.append(sample(policy, settings, number, step, draw))
            reward.append(float(waiting[-1].rewards.mean()))
            if reward[-1] > settings.good_enough:
                break
            if len(waiting) <= settings.lag:  # the queue fills
                continue
            batch = waiting.popleft()
            mask = torch.ones_like(batch.blp)

            every = policy(batch.prompts, shifted(batch.tokens))
            lp = every.gather(-1, batch.tokens[..., None])[..., 0]
            entropy = -(every.exp() * every).sum(-1)
            advantages = group_advantage(batch.rewards, batch.group).advantages
            out = ess_adaptive(lp, batch.blp, advantages, mask)

            optimizer.zero_grad()
            out.loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            monitor.observe(
                lp, batch.blp, mask, rewards=batch.rewards, group=batch.group, entropy=entropy, cap=out.ess_token,
                policy_step=batch.step,
            )  # fmt: skip
            with scaler.step(sequence_log_ratio(lp, batch.blp, mask)) as scale:
                rate = optimizer.param_groups[0]["lr"]
                optimizer.step()
            report = monitor.close_step(step, learning_rate=rate, lr_factor=scale.factor)
            step += 1
            shares.append(report.ess_sequence.value)
            factors.append(scale.factor)
    return reward[0], max(reward), shares, factors


def main() -> None:
    parser = argparse.ArgumentParser(description="A plain training loop on stale rollouts.")
    parser.add_argument("--lag", type=int, default=Settings.lag)
    parser.add_argument("--log", help="write one line per step here, for `neff report`")
    given = parser.parse_args()
    torch.set_num_threads(1)
    first, best, shares, factors = train(Settings(lag=given.lag), given.log)
    print(f"every batch is {given.lag} optimizer steps old")
    print(f"reward of a fresh policy: {first:.1f}")
    print(f"reward after training: {best:.1f}")
    print(f"a batch was worth less than half of its responses: {'yes' if min(shares) < 0.5 else 'no'}")
    print(f"the learning rate was scaled down for it: {'yes' if min(factors) < 0.71 else 'no'}")


if __name__ == "__main__":
    main()
