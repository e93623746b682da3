"""Losses and advantage estimators of neff in verl, found through the entry point group `verl.plugins`.

With neff installed, `import verl` makes the names of `verl_losses()` and `verl_estimators()` known: in YAML,
`actor_rollout_ref.actor.policy_loss.loss_mode: neff_ess_adaptive` and `algorithm.adv_estimator: neff_rloo`. Importing
verl costs nothing more: names are registered at the moment verl's registry itself is imported, and torch when a loss is
called.
"""

from __future__ import annotations

import importlib.util
import inspect
import logging
import sys
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError, NeffError
from neff.train.findings import Finding
from neff.train.plugins.versions import check_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["check_config", "connect", "register_loss", "verl_estimators", "verl_losses"]

REGISTRY = "verl.trainer.ppo.core_algos"
PREFIX = "neff_"

LOSSES = (
    "reinforce", "rloo", "grpo", "dr_grpo", "ppo_clip", "dual_clip", "dapo", "cispo", "gspo", "decoupled_ppo", "tis",
    "mis", "sequence_tis", "sequence_mis", "sequence_is", "vespo", "opsm", "ess_adaptive", "p3o", "p4o",
)  # fmt: skip
ESTIMATORS = ("grpo", "dr_grpo", "rloo", "opo")


def verl_losses() -> tuple[str, ...]:
    """Return the names of the policy losses that verl knows through this plug-in.

    Returns
    -------
    tuple of str
        Values for `actor_rollout_ref.actor.policy_loss.loss_mode`.

    Examples
    --------
    >>> verl_losses()[-3:]
    ('neff_ess_adaptive', 'neff_p3o', 'neff_p4o')
    """
    return tuple(PREFIX + name for name in LOSSES)


def verl_estimators() -> tuple[str, ...]:
    """Return the names of the advantage estimators that verl knows through this plug-in.

    Returns
    -------
    tuple of str
        Values for `algorithm.adv_estimator`.

    Examples
    --------
    >>> verl_estimators()
    ('neff_grpo', 'neff_dr_grpo', 'neff_rloo', 'neff_opo')
    """
    return tuple(PREFIX + name for name in ESTIMATORS)


def connect() -> bool:
    """Register everything in verl, at once or as soon as its registry is imported.

    `import verl` calls it through the entry point. Call it yourself where entry points are switched off
    (`VERL_USE_EXTERNAL_PLUGINS=none`).

    Returns
    -------
    bool
        Whether verl's registry was there. False too where verl is of an unknown version, which is logged as a warning:
        verl swallows what a plug-in raises.
    """
    try:
        check_version("verl")
    except NeffError as error:
        logging.getLogger(__name__).warning("%s The losses of neff are not registered.", error)
        return False
    module = sys.modules.get(REGISTRY)
    if module is not None and hasattr(module, "ADV_ESTIMATOR_REGISTRY") and not _importing(module):
        _register_all(module)
        return True
    if not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())
    return False


def _importing(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


class _Waiting:
    """Finds verl's registry as everyone else does, and registers in it once it is there."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if name != REGISTRY:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)  # by whoever finds it: it may be an editable install
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            _register_all(module)

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def _register_all(module: Any) -> None:
    for name in LOSSES:
        module.register_policy_loss(PREFIX + name)(_policy_loss(name, {}))
    for name in ESTIMATORS:
        if PREFIX + name not in module.ADV_ESTIMATOR_REGISTRY:
            module.register_adv_est(PREFIX + name)(_estimator(name))


def register_loss(name: str, loss: str, **options: Any) -> None:
    """Register a loss of neff in verl under a name of your own, with options that verl has no place for.

    Use it in a module that `VERL_USE_EXTERNAL_MODULES` names, so that every worker runs it.

    Parameters
    ----------
    name
        For `policy_loss.loss_mode`.
    loss
        A loss of `neff.train.LOSSES`.
    **options
        Options of that loss, which then do not come from verl's configuration.

    Raises
    ------
    ArgumentError
        If there is no loss of that name, it has no such option, or verl already has one of this name.
    """
    from neff.stats._options import check_choice

    check_choice(loss, LOSSES, argument="loss", call="register_loss")
    from verl.trainer.ppo import core_algos

    from neff.train.losses import table
    from neff.train.losses.options import LossOptions

    known = {*inspect.signature(table.LOSSES[loss]).parameters, *LossOptions.__annotations__}
    for option in options:
        check_choice(option, known, argument="an option", call="register_loss")
    if name in core_algos.POLICY_LOSS_REGISTRY:
        raise ArgumentError("name", "new to verl", name, "Take another name.", call="register_loss")
    core_algos.register_policy_loss(name)(_policy_loss(loss, options))


def _policy_loss(loss: str, options: Mapping[str, Any]) -> Callable[..., tuple[Any, dict[str, float]]]:
    """Return a policy loss with verl's call signature."""

    def policy_loss(
        old_log_prob: Any,
        log_prob: Any,
        advantages: Any,
        response_mask: Any,
        loss_agg_mode: str = "token-mean",
        config: Any = None,
        rollout_is_weights: Any = None,
    ) -> tuple[Any, dict[str, float]]:
        from neff.train.plugins._verl_calls import verl_loss

        return verl_loss(
            loss, dict(options), old_log_prob, log_prob, advantages, response_mask, loss_agg_mode, config,
            rollout_is_weights,
        )  # fmt: skip

    policy_loss.__name__ = policy_loss.__qualname__ = PREFIX + loss
    policy_loss.__doc__ = f"The loss {loss!r} of neff, in verl."
    return policy_loss


def _estimator(name: str) -> Callable[..., tuple[Any, Any]]:
    """Return an advantage estimator with verl's call signature."""

    def estimator(token_level_rewards: Any, response_mask: Any, config: Any = None, **fields: Any) -> tuple[Any, Any]:
        from neff.train.plugins._verl_calls import verl_advantage

        return verl_advantage(name, token_level_rewards, response_mask, config, fields)

    estimator.__name__ = estimator.__qualname__ = PREFIX + name
    estimator.__doc__ = f"The advantages {name!r} of neff, in verl."
    return estimator


def check_config(config: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Check whether a run of verl gives a loss of neff the log-probabilities of the sampler.

    Use it on the resolved configuration, before the run: `enforce(check_config(config))`.

    Parameters
    ----------
    config
        Nested mapping: a dict or an OmegaConf node.

    Returns
    -------
    tuple of Finding
        What `check_verl_config` and `check_sampling` find; "behaviour-log-probs": refused where the sampler's cannot be
        known, warned where they are rebuilt from weights; "greedy-baseline": refused where the trainer does not compute
        the baseline of ReMax.

    Notes
    -----
    Read from verl 0.9.1: a loss is never given `rollout_log_probs`. With `rollout_correction.bypass_mode` on, the v1
    trainer puts them in the place of `old_log_prob`. Else `old_log_prob` is recomputed by the trainer, and the sampler
    is `old_log_prob - log(rollout_is_weights)`, as long as those are one per token and were not truncated, masked or
    normalised. Greedy responses are generated by the classic trainer alone, for `adv_estimator=remax`.

    Examples
    --------
    >>> config = {
    ...     "actor_rollout_ref": {"actor": {"policy_loss": {"loss_mode": "neff_ess_adaptive"}}},
    ...     "algorithm": {"rollout_correction": {"bypass_mode": False, "rollout_is": "sequence"}},
    ...     "trainer": {"use_v1": True},
    ... }
    >>> [(finding.name, finding.severity) for finding in check_config(config)]
    [('behaviour-log-probs', 'refuse')]
    """
    from neff.train.monitor.settings import check_sampling, check_verl_config, inside

    found = list(check_verl_config(config))
    rollout = inside(config, "actor_rollout_ref", "rollout") or {}
    names = ("temperature", "top_p", "top_k")
    sampler = {name: rollout.get(name) for name in names}
    found += check_sampling(sampler, {"temperature": sampler["temperature"]})
    loss = inside(config, "actor_rollout_ref", "actor", "policy_loss", "loss_mode") or ""
    correction = inside(config, "algorithm", "rollout_correction") or {}
    if str(loss).startswith(PREFIX) and not correction.get("bypass_mode"):
        found.append(_rebuilt(str(loss), correction))
    if inside(config, "algorithm", "adv_estimator") == "remax" and inside(config, "trainer", "use_v1"):
        said = "adv_estimator=remax needs reward_baselines, which the v1 trainer of verl 0.9.1 does not compute."
        found.append(Finding("greedy-baseline", "refuse", f"{said} Use the classic trainer (trainer.use_v1=false)."))
    return tuple(found)


def _rebuilt(loss: str, correction: Any) -> Finding:
    name, kind = "behaviour-log-probs", correction.get("rollout_is")
    cure = "Set rollout_correction.bypass_mode=true and trainer.use_v1=true: old_log_prob then is the sampler's."
    if kind is None:
        said = f"{loss} would take the trainer's recomputed old_log_prob for the sampler's: what is stale looks fresh."
        return Finding(name, "refuse", f"{said} {cure}")
    if kind != "token" or correction.get("rollout_is_batch_normalize"):
        what = "normalised" if kind == "token" else "whole responses'"
        said = f"{loss} cannot rebuild the sampler's log-probabilities from {what} rollout_is weights."
        return Finding(name, "refuse", f"{said} {cure}")
    said = f"{loss} rebuilds the sampler's log-probabilities from rollout_is weights, and stops where one was truncated"
    threshold = correction.get("rollout_is_threshold", 2.0)
    return Finding(name, "warn", f"{said} (rollout_is_threshold={threshold}). {cure}")


def __getattr__(name: str) -> Any:
    """`plugin` is what the entry point names: looking it up connects, importing this module does not."""
    if name == "plugin":
        connect()
        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
