"""ReMax in TRL: one greedy response per prompt, through the same generation and the same rewards."""

from __future__ import annotations

import copy
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

__all__ = ["greedy_rewards"]


def greedy_rewards(trainer: Any, inputs: list[Any], prompts: list[Any], score: Callable[..., Tensor]) -> Tensor:
    """Return the reward of the greedy response to the prompt of each row of this rank, shape [B].

    `score` is the trainer's `_calculate_rewards`, which returns those of all ranks. Neither the response nor its reward
    gets into the metrics, the tables of completions or the count of tokens.
    """
    device = trainer.accelerator.device
    start = trainer.accelerator.process_index * len(prompts)
    group = [(start + k) // trainer.num_generations for k in range(len(prompts))]
    first = [k for k in range(len(prompts)) if k == 0 or group[k] != group[k - 1]]
    # Ranks that cut groups differently may hold another number of prompts, but must score equally many.
    most = int(trainer.accelerator.gather(torch.tensor([len(first)], device=device)).max())
    chosen = first + first[-1:] * (most - len(first))
    with _aside(trainer):
        made = trainer._generate([prompts[k] for k in chosen])  # noqa: SLF001
        ids, completions = made[1], made[3] if len(made) > 3 else made[2]
        scores = score([inputs[k] for k in chosen], [prompts[k] for k in chosen], completions, ids)
    own = trainer.neff_total(scores)[trainer.accelerator.process_index * most :][: len(first)]
    place = {group[k]: n for n, k in enumerate(first)}
    return own[torch.tensor([place[g] for g in group], device=device)]


@contextmanager
def _aside(trainer: Any) -> Iterator[None]:
    """Generate greedily, one response per prompt, and leave no trace in what the trainer logs."""
    engine = getattr(trainer, "vllm_generation", None)
    swaps: list[tuple[Any, str, Any]] = [
        (trainer, "num_generations", 1),
        (trainer, "_metrics", {"train": defaultdict(list), "eval": defaultdict(list)}),
        (trainer, "_pending_extra_logs", defaultdict(list)),
        (trainer, "_pending_metrics", defaultdict(list)),
        (trainer.state, "num_input_tokens_seen", trainer.state.num_input_tokens_seen),
    ]
    if engine is not None:
        swaps.append((engine, "temperature", 0.0))
    else:
        config = copy.deepcopy(trainer.generation_config)
        neutral = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None, "min_p": None}
        config.update(**neutral)
        swaps.append((trainer, "generation_config", config))
        swaps.append((trainer, "generation_kwargs", trainer.generation_kwargs | neutral))
    before = [(thing, name, getattr(thing, name)) for thing, name, _ in swaps]
    for thing, name, value in swaps:
        setattr(thing, name, value)
    try:
        yield
    finally:
        for thing, name, value in before:
            setattr(thing, name, value)
