"""The environments' names, sizes and defaults; nothing here needs torch, so that `--help` and reports can read it."""

from __future__ import annotations

from dataclasses import dataclass

from neff.errors import ArgumentError
from neff.stats._options import check_choice

__all__ = ["COMPARED", "LAGS", "METHODS", "SETTINGS", "Settings", "settings_of"]

LAGS = (0, 4, 16, 64, 128)
"""The lags of the published table, in optimizer steps."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes and defaults of an environment.

    Attributes
    ----------
    name, task
        Its short name, and what is asked for, in words.
    n_groups, group_size, length, vocabulary
        A batch is n_groups prompts with group_size responses each, of `length` tokens.
    learning_rate
        Of Adam, betas (0.9, 0.95), eps 1e-8, no weight decay; gradients are clipped to norm 1.
    steps
        Optimizer steps of a run.
    evaluate_every
        Steps between evaluations.
    n_last
        The final reward is the mean of this many last evaluations.
    n_evaluation
        Responses per evaluation.
    """

    name: str
    task: str
    n_groups: int
    group_size: int
    length: int
    vocabulary: int
    learning_rate: float
    steps: int
    evaluate_every: int
    n_last: int
    n_evaluation: int

    @property
    def batch(self) -> int:
        """Responses per batch."""
        return self.n_groups * self.group_size

    def evaluations(self, steps: int) -> list[int]:
        """Return the steps after which a run of `steps` steps is evaluated: 0, every so often, and the last.

        Shorter runs are evaluated more often, so that every run has its last evaluations and a dip.
        """
        every = max(1, min(self.evaluate_every, self.evaluate_every * steps // self.steps))
        marks = list(range(0, steps + 1, every))
        return marks if marks[-1] == steps else [*marks, steps]


SETTINGS = {
    "E1": Settings("E1", "tabular policy; reward: share of right tokens", 4, 16, 32, 4, 0.3, 600, 15, 4, 256),
    "E2": Settings(
        "E2", "tabular policy; reward: half of the tokens must be token 0", 4, 16, 32, 4, 0.1, 600, 15, 4, 256
    ),
    "TF": Settings(
        "TF", "transformer of 14,344 parameters; answer: prompt + 1 (mod 8)", 8, 8, 16, 8, 0.01, 250, 20, 3, 256
    ),
}
"""Settings by name."""


def settings_of(name: str, *, call: str) -> Settings:
    """Return the settings of an environment."""
    if not isinstance(name, str):
        raise ArgumentError("environments", "names", name, f"There are {', '.join(SETTINGS)}.", call=call)
    return SETTINGS[check_choice(name, SETTINGS, argument="environments", call=call)]


METHODS = {
    "reinforce": "no correction",
    "token_is": "token weights, not truncated",
    "tis": "token weights, truncated at 2",
    "mis": "token weights, masked outside [0.5, 5]",
    "cispo": "token weights, clipped to [0.8, 1.2]",
    "grpo": "PPO clip [0.8, 1.2]",
    "dapo": "PPO clip [0.8, 1.28]",
    "gspo": "length-normalized sequence ratio, clipped within 4e-4 of 1",
    "sequence_is": "sequence weights, not truncated",
    "sequence_tis": "sequence weights, truncated at 8",
    "sequence_mis": "sequence weights, masked above 3",
    "sequence_tis+opob": "sequence_tis with the OPOB baseline",
    "sequence_tis+ess_lr": "sequence_tis with the learning rate times the square root of the sequence ESS",
    "vcpo": "sequence_tis with both",
    "vcpo_double_weight": "vcpo with the released code's doubled weight in the baseline",
    "vcpo_exact_norms": "vcpo with exact score norms instead of those in the logits",
    "ess_adaptive_exact": "token weights capped at the ESS, exact KL to the sampler",
    "ess_adaptive_is": "the same, importance-weighted KL",
    "ess_adaptive_k3": "the same, k3 at the sampler's tokens (the reference code)",
    "ess_adaptive_none": "the same without KL",
}
"""What each built-in method does."""

COMPARED = tuple(name for name in METHODS if name not in ("vcpo_double_weight", "vcpo_exact_norms"))
"""The methods of the published table; in a table of logits `vcpo_exact_norms` is `vcpo`."""
