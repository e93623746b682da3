"""What loss, monitor and learning-rate scaling add to a training step; and OPOB with norms computed in three ways.

What is measured
    Processor time of one optimizer step of a small transformer (0.4 million parameters, 64 responses of 48 tokens after
    prompts of 16, AdamW, gradient clipping, one thread) with a plain GRPO loss as one writes it in torch; then with
    `ess_adaptive`, with that and `EssLRScaler`, and with that and `Monitor`, closed once per step. The goal is less
    than 3% on top of the plain step for all three together. Then a step with OPOB advantages and `sequence_tis`:
    without norms, with the proxy from the logits, with exact norms by one backward pass per response (`opob_backward`,
    which yields the gradient too), and by vmap before the loss. Each round times everything in turn; the ratio is the
    median over rounds of the ratio within a round. With a larger model the overhead of the first three is smaller: they
    work on log-probabilities, not on parameters.

Run: python benchmarks/bench_train_overhead.py [rounds]
"""

from __future__ import annotations

import gc
import sys
import time
from statistics import median
from typing import Any

import torch
from tiny import LENGTH, VOCABULARY, Tiny, generate, log_probs

from neff.train import (
    EssLRScaler,
    ess_adaptive,
    group_advantage,
    opob_advantage,
    opob_backward,
    score_sqnorm,
    score_sqnorm_proxy,
    sequence_log_ratio,
    sequence_tis,
    sum_pi_squared,
)
from neff.train.monitor.monitor import Monitor

PROMPTS, RESPONSES, PROMPT = 8, 8, 16
B = PROMPTS * RESPONSES
GOAL = 0.03


class Run:
    """A model, an optimizer, and one batch of stale rollouts."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.model = Tiny()
        prompts = torch.randint(VOCABULARY, (PROMPTS, PROMPT)).repeat_interleave(RESPONSES, 0)
        self.tokens = generate(self.model, prompts, LENGTH)
        self.mask = torch.zeros(B, LENGTH - 1)
        self.mask[:, PROMPT - 1 :] = 1
        with torch.no_grad():
            self.blp = log_probs(self.model(self.tokens), self.tokens)
            self.blp += 0.05 * torch.randn(self.blp.shape)
        self.rewards = torch.rand(B)
        self.group = torch.arange(PROMPTS).repeat_interleave(RESPONSES)
        self.advantages = group_advantage(self.rewards, self.group).advantages
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5)
        self.scaler = EssLRScaler(self.optimizer)
        self.monitor = Monitor()

    def lp(self) -> Any:
        """Run the model."""
        return log_probs(self.model(self.tokens), self.tokens)

    def update(self, loss: Any) -> None:
        """Backward pass, clipping."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)

    def finish(self) -> None:
        """Optimizer step."""
        self.optimizer.step()
        self.optimizer.zero_grad()


def plain_grpo(lp: Any, blp: Any, advantages: Any, mask: Any) -> Any:
    ratio = torch.exp(lp - blp)
    a = advantages[:, None]
    token = -torch.min(ratio * a, torch.clamp(ratio, 0.8, 1.2) * a)
    return ((token * mask).sum(-1) / mask.sum(-1)).mean()


def plain(run: Run) -> None:
    run.update(plain_grpo(run.lp(), run.blp, run.advantages, run.mask))
    run.finish()


def with_loss(run: Run) -> None:
    run.update(ess_adaptive(run.lp(), run.blp, run.advantages, run.mask).loss)
    run.finish()


def with_scaling(run: Run) -> None:
    out = ess_adaptive(run.lp(), run.blp, run.advantages, run.mask)
    run.update(out.loss)
    run.scaler.observe(out.sequences)
    with run.scaler.step():
        run.optimizer.step()
    run.optimizer.zero_grad()


def with_monitor(run: Run) -> None:
    lp = run.lp()
    out = ess_adaptive(lp, run.blp, run.advantages, run.mask)
    run.update(out.loss)
    run.scaler.observe(out.sequences)
    run.monitor.observe(lp, run.blp, run.mask, rewards=run.rewards, group=run.group)
    with run.scaler.step() as scale:
        run.optimizer.step()
    run.monitor.close_step(lr_factor=scale.factor)
    run.optimizer.zero_grad()


def vcpo(run: Run, square: Any, logits: Any = None) -> None:
    lp = run.lp() if logits is None else log_probs(logits, run.tokens)
    log_w = sequence_log_ratio(lp.detach(), run.blp, run.mask)
    advantages = opob_advantage(log_w, square, run.rewards, run.group).advantages
    run.update(sequence_tis(lp, run.blp, advantages, run.mask, cap=8.0, aggregate="seq-mean-token-mean").loss)
    run.finish()


def proxy(run: Run) -> None:
    logits = run.model(run.tokens)
    with torch.no_grad():
        squares = sum_pi_squared(logits[:, :-1])
    vcpo(run, score_sqnorm_proxy(log_probs(logits, run.tokens).detach(), squares, run.mask), logits)


def score(call: Any, tokens: Any, mask: Any) -> Any:
    return (log_probs(call(tokens), tokens) * mask).sum(-1)


def by_vmap(run: Run) -> None:
    vcpo(run, score_sqnorm(run.model, score, run.tokens, run.mask))


def by_backward(run: Run) -> None:
    with torch.no_grad():
        log_w = sequence_log_ratio(run.lp(), run.blp, run.mask)
    opob_backward(
        lambda i: score(run.model, run.tokens[i : i + 1], run.mask[i : i + 1])[0],
        log_w,
        run.rewards,
        run.group,
        parameters=run.model.parameters(),
        lengths=run.mask.sum(1),
    )
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.finish()


def one_at_a_time(run: Run) -> None:
    for i in range(B):
        rows = slice(i, i + 1)
        lp = log_probs(run.model(run.tokens[rows]), run.tokens[rows])
        (plain_grpo(lp, run.blp[rows], run.advantages[rows], run.mask[rows]) / B).backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.finish()


JOBS = {
    "plain GRPO step": plain,
    "ess_adaptive": with_loss,
    "+ EssLRScaler": with_scaling,
    "+ Monitor": with_monitor,
    "OPOB, no norms": lambda run: vcpo(run, None),
    "OPOB, proxy": proxy,
    "OPOB, vmap": by_vmap,
    "one response at a time": one_at_a_time,
    "OPOB, one backward each": by_backward,
}


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    runs = {name: Run() for name in JOBS}
    times: list[list[float]] = []
    for _ in range(rounds + 1):
        times.append([])
        for name, job in JOBS.items():
            gc.collect()
            start = time.process_time()
            job(runs[name])
            times[-1].append(time.process_time() - start)
    names, times = list(JOBS), times[1:]
    print(f"{'':26}{'median ms':>10}{'on top of the plain step':>26}")
    for k, name in enumerate(names):
        more = median(row[k] / row[0] for row in times) - 1
        print(f"{name:26}{median(row[k] for row in times) * 1e3:>10.1f}{more:>25.1%}")
        if name == "+ Monitor":
            print(f"{'':26}goal of {GOAL:.0%}: {'met' if more < GOAL else 'MISSED'}")
    k = names.index("one response at a time")
    more = median(row[k + 1] / row[k] for row in times) - 1
    print(f"OPOB by one backward pass per response, on top of one response at a time: {more:.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
