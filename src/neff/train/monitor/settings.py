"""Checks of settings, before a run: whether ratios will be likelihood ratios, and the loss the one that is named.

Each returns a tuple of `Finding`, empty where nothing is wrong; `enforce` raises on what is refused.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError
from neff.train.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_sampling", "check_verl_config", "inside", "refused"]

_BUILT_IN = ("vanilla", "bypass_mode")


def check_sampling(sampler: Mapping[str, Any], trainer: Mapping[str, Any] | None = None) -> tuple[Finding, ...]:
    """Check whether the sampler draws from the distribution whose log-probabilities the trainer computes.

    Use it once before a run, with the sampling parameters of the engine (vLLM's or SGLang's names) and what the trainer
    divides its logits by. It knows only what it is told: `check_log_mean_ratio` looks at the data.

    Parameters
    ----------
    sampler
        `temperature`, `top_p`, `top_k`, `min_p`, `repetition_penalty`, `presence_penalty`, `frequency_penalty`,
        `logprobs_mode`; what is missing has its neutral value.
    trainer
        The same for the log-probabilities of the trainer; only `temperature` is known to them. By default 1.

    Returns
    -------
    tuple of Finding
        "top-p", "top-k", "min-p", "penalty", "temperature", "raw-log-probs": refused.

    Raises
    ------
    ArgumentError
        If a value is no number.

    Notes
    -----
    Under top-p, top-k or min-p the sampler renormalises over what it kept: the ratio of a fresh sample is the kept
    probability mass (0.896 on average at top-p 0.8 in one report), not a change of policy, and tokens that the
    trainer's policy would draw are never drawn. A temperature that differs makes a fresh batch off-policy.

    Examples
    --------
    >>> [finding.name for finding in check_sampling({"temperature": 1.0, "top_p": 0.9, "top_k": -1})]
    ['top-p']
    >>> check_sampling({"temperature": 0.7}, {"temperature": 0.7})
    ()
    """
    found: list[Finding] = []
    of = {name: _number(sampler, name, neutral) for name, neutral in _NEUTRAL.items()}
    kept = "the ratio of a fresh sample is then the probability mass that was kept, not a change of policy"
    if of["top_p"] < 1:
        found.append(refused("top-p", f"The sampler uses top_p={of['top_p']:g}: {kept}. Sample with top_p=1."))
    if of["top_k"] > 0:
        found.append(refused("top-k", f"The sampler uses top_k={of['top_k']:g}: {kept}. Switch top_k off (-1 or 0)."))
    if of["min_p"] > 0:
        found.append(refused("min-p", f"The sampler uses min_p={of['min_p']:g}: {kept}. Sample with min_p=0."))
    penalties = [name for name in _NEUTRAL if name.endswith("penalty") and of[name] != _NEUTRAL[name]]
    if penalties:
        named = ", ".join(f"{name}={of[name]:g}" for name in penalties)
        found.append(
            refused(
                "penalty",
                f"The sampler uses {named}, which the trainer's log-probabilities do not know. Switch it off.",
            )
        )
    ours = _number(trainer or {}, "temperature", 1.0)
    if of["temperature"] <= 0:
        found.append(
            refused("temperature", "The sampler is greedy (temperature 0): it has no distribution to weigh by.")
        )
    elif abs(of["temperature"] - ours) > 1e-6 * ours:
        said = (
            f"The sampler's temperature is {of['temperature']:g}, the trainer's {ours:g}: a fresh batch is off-policy."
        )
        found.append(refused("temperature", f"{said} Divide the trainer's logits by the sampler's temperature."))
    mode = str(sampler.get("logprobs_mode") or "")
    if mode.startswith("raw") and abs(of["temperature"] - 1) > 1e-6:
        said = f"The engine returns log-probabilities from before the temperature (logprobs_mode={mode!r})."
        found.append(refused("raw-log-probs", f"{said} Use processed_logprobs."))
    return tuple(found)


_NEUTRAL = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


def refused(name: str, message: str) -> Finding:
    """Return a finding that refuses."""
    return Finding(name, "refuse", message)


def _number(given: Mapping[str, Any], name: str, neutral: float) -> float:
    value = given.get(name)
    if value is None:
        return neutral
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise ArgumentError(name, "a number", value, call="check_sampling")
    return number


def check_verl_config(config: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Check whether verl will run the policy loss that its configuration names.

    Use it on the resolved configuration of a verl 0.9 run with a loss of one's own.

    Parameters
    ----------
    config
        Nested mapping (a dict or an OmegaConf node), with `algorithm.rollout_correction`,
        `actor_rollout_ref.actor.policy_loss` and `trainer.use_v1`.

    Returns
    -------
    tuple of Finding
        "bypass-mode": the loss would be replaced by "bypass_mode" (refused).

    Notes
    -----
    Read from verl 0.9.1: with `bypass_mode` on, the classic trainer and the fully asynchronous and one-step-off ones
    call `apply_bypass_mode`, which overwrites `loss_mode`; the latter two have it on by default and do not look at
    `use_v1` (they are told by their section `rollout` or `async_training`). The v1 trainer only exchanges the
    log-probabilities.

    Examples
    --------
    >>> config = {
    ...     "algorithm": {"rollout_correction": {"bypass_mode": True}},
    ...     "actor_rollout_ref": {"actor": {"policy_loss": {"loss_mode": "ess_adaptive"}}},
    ...     "trainer": {"use_v1": False},
    ... }
    >>> [finding.name for finding in check_verl_config(config)]
    ['bypass-mode']
    """
    bypass = inside(config, "algorithm", "rollout_correction", "bypass_mode")
    loss = inside(config, "actor_rollout_ref", "actor", "policy_loss", "loss_mode") or "vanilla"
    experimental = any(inside(config, section) is not None for section in ("async_training", "rollout"))
    if not bypass or loss in _BUILT_IN or (inside(config, "trainer", "use_v1") and not experimental):
        return ()
    message = (
        f"rollout_correction.bypass_mode replaces the loss {loss!r} by 'bypass_mode' in this trainer. Use main_ppo "
        "with trainer.use_v1=true, which leaves it alone, or switch bypass_mode off."
    )
    return (refused("bypass-mode", message),)


def inside(config: Any, *path: str) -> Any:
    """Return what is at a path of a nested mapping, or None."""
    for name in path:
        config = config.get(name) if hasattr(config, "get") else None
    return config
