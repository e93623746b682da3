"""Losses and advantages through the registry and the call signatures of the real verl."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch

from neff.errors import ArgumentError
from neff.train import CheckRefusedError, enforce, remax_token_advantage
from neff.train.plugins import verl as plugin

BLP = torch.tensor([[-1, -2, -0.5, -3], [-0.7, -1.2, -2.5, -0.1]])
LP = torch.tensor([[-0.8, -2.5, -0.5, -1.5], [-0.9, -1, -2.4, -5]])
PROX = torch.tensor([[-0.9, -2.2, -0.6, -2], [-0.8, -1.1, -2.5, -4]])
A = torch.tensor([[1.0] * 4, [-0.5] * 4])
MASK = torch.tensor([[True] * 4, [True] * 3 + [False]])


@pytest.fixture(scope="module")
def verl():
    pytest.importorskip("verl")
    from verl.trainer.ppo import core_algos
    from verl.workers.config import ActorConfig

    def config(**changes):
        info = {key: changes.pop(key) for key in ("dp_size", "batch_num_tokens", "global_batch_size") if key in changes}
        made = ActorConfig(strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=2, **changes)
        made.global_batch_info.update(info | {"loss_scale_factor": made.loss_scale_factor})
        return made

    core_algos.make_config = config
    return core_algos


def call(verl, name, *, config=None, old=BLP, mode="token-mean", lp=LP, mask=MASK, advantages=A, weights=None):
    """Call a loss as `verl.workers.utils.losses.ppo_loss` does."""
    lp = lp.clone().requires_grad_()
    loss, metrics = verl.get_policy_loss_fn(name)(
        old_log_prob=old,
        log_prob=lp,
        advantages=advantages,
        response_mask=mask,
        loss_agg_mode=mode,
        config=verl.make_config() if config is None else config,
        rollout_is_weights=weights,
    )
    loss.backward()
    assert all(type(value) is float for value in metrics.values())
    return loss.detach(), lp.grad, metrics


def close(got, expected, tolerance=2e-6):
    torch.testing.assert_close(got, torch.as_tensor(expected, dtype=got.dtype), atol=tolerance, rtol=tolerance)


# Registered, without importing anything before its time.


def test_verl_finds_the_plug_in_by_its_entry_point():
    (point,) = [p for p in entry_points(group="verl.plugins") if p.name == "neff"]
    assert point.value == "neff.train.plugins.verl:plugin"


def run_python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=240, check=False,
        env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_verl_registers_when_its_registry_is_imported_and_not_before():
    pytest.importorskip("verl")
    code = """
import sys, verl
print("verl.trainer.ppo.core_algos" in sys.modules, "neff.train.losses" in sys.modules)
from verl.trainer.ppo import core_algos
print("neff_ess_adaptive" in core_algos.POLICY_LOSS_REGISTRY, "neff_rloo" in core_algos.ADV_ESTIMATOR_REGISTRY)
print("neff.train.losses" in sys.modules, core_algos.__spec__.loader.get_source(core_algos.__name__)[:3])
print([f for f in sys.meta_path if "neff" in type(f).__module__])
"""
    said = run_python(code).split("\n")
    assert said[0] == "False False"
    assert said[1] == "True True"
    assert said[2].startswith("False")
    assert "[]" in said


def test_another_version_of_verl_is_said_aloud_and_breaks_nothing(monkeypatch, caplog):
    monkeypatch.setattr("neff.train.plugins.versions.version", lambda _: "0.10.0")
    assert plugin.connect() is False
    assert "verl>=0.9.1,<0.10, and 0.10.0 is installed" in caplog.text


def test_every_name_is_in_the_registries(verl):
    assert set(plugin.verl_losses()) <= set(verl.POLICY_LOSS_REGISTRY)
    assert set(plugin.verl_estimators()) <= set(verl.ADV_ESTIMATOR_REGISTRY)
    assert plugin.connect() is True  # again, without harm
    with pytest.raises(AttributeError, match="no attribute 'plugged'"):
        plugin.plugged  # noqa: B018


def test_a_loss_with_options_of_its_own(verl, monkeypatch):
    monkeypatch.setattr(verl, "POLICY_LOSS_REGISTRY", dict(verl.POLICY_LOSS_REGISTRY))
    plugin.register_loss("mine", "sequence_tis", cap=8.0)
    close(call(verl, "mine")[0], call(verl, "neff_sequence_is")[0])  # the largest weight is 3.3
    assert not torch.equal(call(verl, "mine")[0], call(verl, "neff_sequence_tis")[0])
    with pytest.raises(ArgumentError, match="new to verl"):
        plugin.register_loss("mine", "tis")
    with pytest.raises(ArgumentError, match="Did you mean 'tis'"):
        plugin.register_loss("other", "tiss")
    with pytest.raises(ArgumentError, match=r"an option must be .*got 'capp'\. Did you mean 'cap'"):
        plugin.register_loss("other", "tis", capp=3.0)


# Golden numbers of rl-ecosystem 4 and rl-batch-adaptive 6, through verl's call.

PPO = [[0, -0.606531, -1, 0], [0.409365, 0.610701, 0.552585, 0]]


@pytest.mark.parametrize(
    ("name", "mode", "value"),
    [
        ("neff_ppo_clip", "token-sum", -2.433879), ("neff_ppo_clip", "token-mean", -0.347697),
        ("neff_grpo", "seq-mean-token-mean", -0.238708), ("neff_ppo_clip", "seq-mean-token-sum", -1.216939),
        ("neff_dr_grpo", "seq-mean-token-sum-norm", -0.304235), ("neff_gspo", "seq-mean-token-mean", -0.341526),
        ("neff_cispo", "token-sum", 2.965367), ("neff_reinforce", "token-mean", 0.45),
    ],
)  # fmt: skip
def test_golden_values(verl, name, mode, value):
    close(call(verl, name, mode=mode)[0], value)


def test_golden_dapo(verl):
    loss, gradient, metrics = call(verl, "neff_dapo", config=verl.make_config(clip_ratio_high=0.28), mode="token-sum")
    close(loss, -2.535281)
    close(gradient, [[-1.221403, *PPO[0][1:]], PPO[1]])
    assert metrics["actor/ppo_kl"] == pytest.approx(-float(((LP - BLP) * MASK).sum()) / 7, abs=1e-6)


def test_golden_p3o_in_its_reference_form(verl, monkeypatch):
    monkeypatch.setattr(verl, "POLICY_LOSS_REGISTRY", dict(verl.POLICY_LOSS_REGISTRY))
    plugin.register_loss("reference", "p3o", kl="k3_behaviour")
    loss, gradient, metrics = call(verl, "reference")
    close(loss, 2.2488966 / 7)
    rows = [[-0.51931757, -0.85705745, -0.59307969, -0.27695554], [0.20644656, 0.37030199, 0.3352634, 0]]
    close(gradient, [[x / 7 for x in row] for row in rows])
    assert metrics["neff/micro_batch/ess_token"] == pytest.approx(0.59307968, abs=1e-6)
    assert metrics["neff/micro_batch/ess_used"] == metrics["neff/micro_batch/ess_token"]
    assert metrics["neff/micro_batch/kl_behaviour"] == pytest.approx(0.13365045, abs=1e-6)


# Equal to verl's own, also over a global batch on several ranks.

SIZES = [{}, {"dp_size": 3, "batch_num_tokens": 41, "global_batch_size": 11}]
MODES = ("token-mean", "token-sum", "seq-mean-token-sum", "seq-mean-token-mean", "seq-mean-token-sum-norm")


@pytest.mark.parametrize("sizes", SIZES, ids=["local", "global"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("ours", "theirs"), [("neff_dual_clip", "vanilla"), ("neff_gspo", "gspo"), ("neff_cispo", "cispo")]
)
def test_equal_to_the_losses_of_verl(verl, ours, theirs, mode, sizes):
    draw = torch.Generator().manual_seed(7)
    old = -torch.rand(5, 7, generator=draw) * 3
    lp = old + 0.5 * torch.randn(5, 7, generator=draw)
    advantages = torch.randn(5, 1, generator=draw).expand(5, 7) * 1.0
    mask = torch.arange(7) < torch.tensor([[7], [3], [0], [5], [1]])
    batch = {"old": old, "lp": lp, "advantages": advantages, "mask": mask, "mode": mode}
    for options in ({}, {"clip_ratio_low": 0.1, "clip_ratio_high": 0.3, "loss_scale_factor": 13}):
        config = verl.make_config(**options, **sizes)
        mine, slope, said = call(verl, ours, config=config, **batch)
        own, expected, known = call(verl, theirs, config=config, **batch)
        close(mine, own)
        close(slope, expected)
        assert said["actor/ppo_kl"] == pytest.approx(known["actor/ppo_kl"], abs=1e-6)


def test_decoupled_ppo_is_vanilla_times_the_weights_where_these_are_whole(verl):
    weights = (PROX - BLP).exp() * MASK
    config = verl.make_config(clip_ratio_c=100.0)
    mine = call(verl, "neff_decoupled_ppo", old=PROX, weights=weights, config=config, mode="token-sum")
    own = call(verl, "vanilla", old=PROX, weights=weights, config=config, mode="token-sum")
    close(mine[0], own[0])
    close(mine[1], own[1])
    close(mine[0], -4.517219)  # the golden number of the sheet
    assert mine[2]["neff/micro_batch/ess_token"] == pytest.approx(0.59307968, abs=1e-6)  # of lp to the sampler


def test_ranks_need_the_global_sizes(verl):
    config = verl.make_config(dp_size=2)
    for mode, name in (("token-mean", "batch_num_tokens"), ("seq-mean-token-sum", "global_batch_size")):
        with pytest.raises(ArgumentError, match=name):
            call(verl, "neff_ess_adaptive", config=config, mode=mode)
    close(call(verl, "neff_reinforce", config=config, mode="token-sum")[0], 2 * 7 * 0.45)
    with pytest.raises(ArgumentError, match="loss_agg_mode"):
        call(verl, "neff_reinforce", mode="mean")


def test_micro_batches_on_ranks_add_up_to_the_whole_batch(verl):
    """Gradients of two ranks are averaged; each has one row."""
    config = verl.make_config(dp_size=2, batch_num_tokens=7, global_batch_size=2)
    for mode in MODES:
        whole = call(verl, "neff_tis", mode=mode)[1]
        parts = [
            call(verl, "neff_tis", mode=mode, config=config, old=BLP[k], lp=LP[k], mask=MASK[k], advantages=A[k])[1] / 2
            for k in (slice(0, 1), slice(1, 2))
        ]
        close(torch.cat(parts), whole)


# Who sampled?


def test_the_sampler_is_rebuilt_from_whole_weights(verl):
    close(call(verl, "neff_ess_adaptive", old=PROX, weights=(PROX - BLP).exp() * MASK)[0],
          call(verl, "neff_ess_adaptive", old=BLP)[0])  # fmt: skip


def test_weights_that_do_not_tell_the_sampler_are_refused(verl):
    from verl.trainer.ppo.rollout_corr_helper import compute_rollout_correction_weights

    for kind, threshold, said in (
        ("token", 1.2, "truncated"), ("token", "0.5_2.0", "masked"), ("sequence", 1e6, "rollout_is=sequence"),
    ):  # fmt: skip
        weights, _ = compute_rollout_correction_weights(LP - BLP, MASK, kind, threshold)
        with pytest.raises(ArgumentError, match=said):
            call(verl, "neff_ess_adaptive", old=LP, weights=weights)
    weights, _ = compute_rollout_correction_weights(LP - BLP, MASK, "token", 1e6)
    call(verl, "neff_ess_adaptive", old=LP, weights=weights)
    with pytest.raises(ArgumentError, match="truncated"):  # one value, but exactly at a usual cap
        call(verl, "neff_tis", old=LP, weights=compute_rollout_correction_weights(LP - BLP, MASK, "token", 2.0)[0])


BYPASS = {"algorithm": {"rollout_correction": {"bypass_mode": True}}, "trainer": {"use_v1": True}}


def settings(correction, *, v1=True, loss="neff_ess_adaptive", estimator="grpo", **rollout):
    return {
        "actor_rollout_ref": {"actor": {"policy_loss": {"loss_mode": loss}}, "rollout": rollout},
        "algorithm": {"rollout_correction": correction, "adv_estimator": estimator},
        "trainer": {"use_v1": v1},
    }


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (settings({"bypass_mode": True}), []),
        (settings({"bypass_mode": True}, v1=False), [("bypass-mode", "refuse")]),
        (settings({"bypass_mode": False}), [("behaviour-log-probs", "refuse")]),
        (settings(None), [("behaviour-log-probs", "refuse")]),
        (settings({"rollout_is": "token", "rollout_is_threshold": 1e6}), [("behaviour-log-probs", "warn")]),
        (settings({"rollout_is": "sequence"}), [("behaviour-log-probs", "refuse")]),
        (settings({"rollout_is": "token", "rollout_is_batch_normalize": True}), [("behaviour-log-probs", "refuse")]),
        (settings({}, loss="vanilla"), []),
        (settings({"bypass_mode": True}, top_p=0.9), [("top-p", "refuse")]),
        (settings({"bypass_mode": True}, temperature=0.7, top_k=-1), []),
        (settings({}, loss="vanilla", estimator="remax"), [("greedy-baseline", "refuse")]),
        (settings({}, loss="vanilla", estimator="remax", v1=False), []),
        ({}, []),
    ],
)  # fmt: skip
def test_a_configuration_is_checked_before_the_run(config, found):
    got = plugin.check_config(config)
    assert [(finding.name, finding.severity) for finding in got] == found
    if ("behaviour-log-probs", "refuse") in found:
        with pytest.raises(CheckRefusedError, match="use_v1=true"):
            enforce(got)


def test_the_default_configuration_of_verl_is_read(verl):
    """The real YAML: plain rollouts with a loss of neff are refused, with bypass they pass."""
    from pathlib import Path

    import verl as package
    from omegaconf import OmegaConf

    folder = Path(package.__file__).parent / "trainer" / "config"
    correction = OmegaConf.load(folder / "algorithm" / "rollout_correction.yaml")
    config = OmegaConf.create(settings({}))
    config.algorithm.rollout_correction = correction
    assert [finding.name for finding in plugin.check_config(config)] == ["behaviour-log-probs"]
    config.algorithm.rollout_correction.bypass_mode = True
    assert plugin.check_config(config) == ()


# Advantages.

TOKEN_REWARDS = torch.tensor([[0, 0, 1.0], [0, 0, 0], [0.5, 0, 0], [0, 0, 2.0], [0, -1.0, 0]])
LENGTHS = torch.arange(3) < torch.tensor([[3], [2], [1], [3], [2]])
UID = np.array(["a", "a", "a", "b", "b"], dtype=object)


def estimate(verl, name, *, rewards=TOKEN_REWARDS, mask=LENGTHS, index=UID, **more):
    """Call an estimator as `compute_advantage` of verl does."""
    from verl.trainer.config import AlgoConfig

    function = verl.get_adv_estimator_fn(name)
    return function(
        token_level_rewards=rewards.clone(), response_mask=mask.float(), config=AlgoConfig(), index=index, **more
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("neff_grpo", [0.999998, -0.999998, 0, 0.707106, -0.707106]), ("neff_dr_grpo", [0.5, -0.5, 0, 1.5, -1.5]),
        ("neff_rloo", [0.75, -0.75, 0, 3, -3]), ("neff_opo", [0.416667, -0.583333, -0.083333, 1.2, -1.8]),
    ],
)  # fmt: skip
def test_golden_advantages(verl, name, expected):
    advantages, returns = estimate(verl, name)
    close(advantages, torch.tensor(expected)[:, None] * LENGTHS, 2e-6)
    assert torch.equal(advantages, returns)


@pytest.mark.parametrize("name", ["rloo", "grpo", "opo"])
def test_equal_to_the_estimators_of_verl_also_for_a_lone_response(verl, name):
    draw = torch.Generator().manual_seed(3)
    rewards = torch.zeros(6, 3)
    rewards[:, 0] = torch.randn(6, generator=draw)
    mask = torch.cat([LENGTHS, torch.ones(1, 3, dtype=torch.bool)])
    index = np.array([*UID, "c"], dtype=object)
    own = estimate(verl, name, rewards=rewards, mask=mask, index=index)[0]
    with pytest.warns(UserWarning, match="one scored response"):
        mine = estimate(verl, f"neff_{name}", rewards=rewards, mask=mask, index=index)[0]
    close(mine, own, 1e-5)


def test_remax_of_neff_is_that_of_verl(verl):
    baselines = torch.tensor([0.25, 0.25, 0.25, 1, 1])
    rewards = TOKEN_REWARDS.clone()
    rewards[0, :2] = torch.tensor([-0.1, -0.2])
    own, _ = estimate(verl, "remax", rewards=rewards, reward_baselines=baselines)
    close(remax_token_advantage(rewards, baselines, LENGTHS).advantages, own)
    close(own[0], [0.45, 0.55, 0.75])


def test_estimators_need_the_prompts(verl):
    with pytest.raises(ArgumentError, match="column uid"):
        estimate(verl, "neff_rloo", index=None)


def test_rloo_needs_one_advantage_per_response(verl):
    close(call(verl, "neff_rloo", mode="seq-mean-token-sum")[0],
          call(verl, "neff_rloo", mode="seq-mean-token-sum", advantages=torch.where(MASK, A, 9.0))[0])  # fmt: skip
    with pytest.raises(ArgumentError, match="outcome estimator"):
        call(verl, "neff_rloo", advantages=A + torch.arange(4.0))
