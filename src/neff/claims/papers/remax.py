"""ReMax (arXiv:2310.10505): REINFORCE whose baseline is the reward of the greedy response; no critic.

Published: memory about 46% less than PPO and half the time per iteration (7B parameters), because nothing but the
policy is trained; variance lower than without a baseline until the best answer dominates.

Here: policies that are tables (16 prompts, 8 tokens, 8 to choose from), whose gradients are looked at with 400
responses per prompt, and the state of Adam counted after a step of two small networks. A seed draws the tables, the
rewards and the responses. Controls: no baseline; and the mean of two responses, each the other's baseline, which costs
the two generations of ReMax. What this cannot show: time, which depends on how generation and training share a machine,
and activations, which are most of the memory of long sequences.
"""

from __future__ import annotations

import warnings
from contextlib import suppress

import numpy as np

from neff.claims.spec import Paired, claim
from neff.testing import baseline_study

# Imported once, before seeds are forked; a package that torch brings adds a filter of warnings, which is taken back.
with suppress(ImportError), warnings.catch_warnings():
    import torch
    import torch._dynamo  # which optimizers import when the first one is made

    import neff.train.advantages  # noqa: F401  (used by the study)

PAPER = "2310.10505"


def _variances(seed: int, rewards: str) -> dict[str, float]:
    study = baseline_study(
        rewards=rewards, sharpness=2.0, n_prompts=16, n_samples=400, rng=np.random.default_rng([seed, 2310])
    )
    return {row.name: row.value for row in study.rows}


@claim(
    says="Where rewards differ between prompts, the greedy baseline lowers the variance of the gradient.",
    paper=PAPER,
    published="lower until the best answer dominates",
    kind="ratio",
    lower_is_better=True,
    needs=("train",),
    quick=True,
)
def rewards_with_offsets(seed: int) -> Paired:
    """Scores as of a reward model: an offset for each prompt, and twice the share of right tokens."""
    found = _variances(seed, "reward_model")
    return Paired(treatment=found["greedy"], control=found["none"])


@claim(
    says="With rewards of 0 and 1 the greedy baseline lowers the variance of the gradient.",
    paper=PAPER,
    published="lower until the best answer dominates",
    kind="ratio",
    lower_is_better=True,
    needs=("train",),
    quick=True,
)
def rewards_of_0_and_1(seed: int) -> Paired:
    """1 where at most one of eight tokens is wrong; the greedy response is right, and few sampled ones are."""
    found = _variances(seed, "verifiable")
    return Paired(treatment=found["greedy"], control=found["none"])


@claim(
    says="Its variance is lower than that of two responses that are each other's baseline, at the same cost.",
    paper=PAPER,
    published="not compared",
    kind="ratio",
    lower_is_better=True,
    needs=("train",),
    quick=True,
)
def beside_two_responses(seed: int) -> Paired:
    """RLOO with two samples, in the setting that is best for ReMax."""
    found = _variances(seed, "reward_model")
    return Paired(treatment=found["greedy"], control=found["rloo_2"])


@claim(
    says="Training keeps more than a third less in memory than PPO with a critic.",
    paper=PAPER,
    published="46% less (1.85×)",
    kind="ratio",
    lower_is_better=True,
    margin=1.5,
    deterministic=True,
    needs=("train",),
    quick=True,
)
def memory(seed: int) -> Paired:
    """Bytes of parameters, gradients and moments after one step of AdamW in single precision, networks of one size."""
    torch.manual_seed(seed)

    def bytes_of(n_trained: int) -> int:
        total = 0
        for k in range(n_trained + 2):  # and a frozen reference and reward model
            network = torch.nn.Sequential(torch.nn.Linear(128, 256), torch.nn.ReLU(), torch.nn.Linear(256, 64))
            total += sum(p.numel() * p.element_size() for p in network.parameters())
            if k >= n_trained:
                continue
            optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
            network(torch.randn(8, 128)).square().mean().backward()
            optimizer.step()
            held = [p.grad for p in network.parameters()]
            held += [t for state in optimizer.state.values() for t in state.values() if t.numel() > 1]
            total += sum(t.numel() * t.element_size() for t in held if t is not None)
        return total

    return Paired(treatment=bytes_of(1), control=bytes_of(2))
