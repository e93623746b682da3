"""What must be equal to the trainer without the plug-in, and to itself however a step is cut."""

from __future__ import annotations

import pytest
import torch

from neff.train.plugins import NeffConfig

BAND = {"clip_low": 0.2, "clip_high": 0.2}

SAME = [
    # loss of neff, its options, settings of TRL's own, whether all divisors are powers of two: nothing is rounded then
    ("dr_grpo", {}, {"loss_type": "dr_grpo"}, True),
    ("grpo", {}, {"loss_type": "grpo"}, False),
    ("gspo", BAND, {"loss_type": "grpo", "importance_sampling_level": "sequence"}, False),
    ("dapo", BAND, {"loss_type": "dapo"}, False),
    ("ppo_clip", {"aggregate": "local-token-mean"}, {"loss_type": "bnpo"}, False),
    ("cispo", {}, {"loss_type": "cispo", "epsilon_high": 5.0}, False),
    ("vespo", {}, {"loss_type": "vespo"}, False),
]


@pytest.mark.parametrize(("loss", "options", "settings", "exact"), SAME, ids=[row[0] for row in SAME])
def test_a_loss_that_trl_has_too_trains_the_same_parameters(tiny, loss, options, settings, exact):
    """Stale in three of four steps. Where neff multiplies by 1/n in one place and TRL divides in two, digits differ."""
    theirs = tiny.run(tiny.GRPO, **settings)
    ours = tiny.run(tiny.NeffGRPO, neff=NeffConfig(loss=loss, options=options, monitor=False))
    if exact:
        assert torch.equal(tiny.weights(theirs), tiny.weights(ours))
    torch.testing.assert_close(tiny.weights(theirs), tiny.weights(ours), atol=1e-5, rtol=0)
    torch.testing.assert_close(tiny.log(theirs, "loss"), tiny.log(ours, "loss"), atol=1e-6, rtol=0)
    assert (tiny.weights(ours) - tiny.start).abs().max() > 1e-2


def test_under_accumulation_a_loss_has_the_scale_of_trl(tiny):
    cut = {"gradient_accumulation_steps": 2, "steps_per_generation": 4, "per_device_train_batch_size": 4}
    theirs = tiny.run(tiny.GRPO, loss_type="dapo", **cut)
    ours = tiny.run(tiny.NeffGRPO, neff=NeffConfig(loss="dapo", options=BAND), **cut)
    torch.testing.assert_close(tiny.weights(theirs), tiny.weights(ours), atol=1e-5, rtol=0)
    torch.testing.assert_close(tiny.log(theirs, "loss"), tiny.log(ours, "loss"), atol=1e-6, rtol=0)


@pytest.mark.parametrize("extra", [{"beta": 0.1, "named": True}, {"entropy_coef": 0.05}], ids=["kl", "entropy"])
def test_what_is_not_the_policy_term_stays_that_of_trl(tiny, extra):
    theirs = tiny.run(tiny.GRPO, loss_type="dapo", **extra)
    ours = tiny.run(tiny.NeffGRPO, neff=NeffConfig(loss="dapo", options=BAND), **extra)
    torch.testing.assert_close(tiny.weights(theirs), tiny.weights(ours), atol=1e-5, rtol=0)
    torch.testing.assert_close(tiny.log(theirs, "entropy"), tiny.log(ours, "entropy"), atol=1e-5, rtol=0)
    name = "kl" if "beta" in extra else "entropy_coef"
    torch.testing.assert_close(tiny.log(theirs, name), tiny.log(ours, name), atol=1e-5, rtol=0)


FRESH = {"steps_per_generation": 1, "num_iterations": 1}
NORM = {"aggregate": "seq-mean-token-sum-norm"}


@pytest.mark.parametrize(
    ("neff", "loss_type"),
    [
        (NeffConfig(loss=None, lr="sqrt"), "dapo"),
        (NeffConfig(loss="sequence_tis", options=NORM, lr="linear"), "dr_grpo"),
        (NeffConfig(options=NORM, lr="sqrt"), "dr_grpo"),
    ],
    ids=["own-loss", "sequence-tis", "ess-adaptive"],
)
def test_with_weights_of_1_it_is_the_trainer_without_the_plug_in_bit_for_bit(tiny, neff, loss_type):
    theirs = tiny.run(tiny.GRPO, loss_type=loss_type, **FRESH)
    ours = tiny.run(tiny.NeffGRPO, neff=neff, **FRESH)
    assert torch.equal(tiny.weights(theirs), tiny.weights(ours))
    assert tiny.log(ours, "neff/lr_factor") == [1.0] * 4
    assert tiny.log(ours, "neff/ess_sequence") == [1.0] * 4


def test_watching_changes_no_bit_of_a_stale_run(tiny, tmp_path):
    theirs = tiny.run(tiny.GRPO)
    ours = tiny.run(tiny.NeffGRPO, neff=NeffConfig(loss=None, monitor=tmp_path / "run.jsonl"))
    assert torch.equal(tiny.weights(theirs), tiny.weights(ours))
    assert min(tiny.log(ours, "neff/ess_sequence")) < 0.95


def cut(size):
    """One step is 8 responses: of one generation, three times over."""
    parts = 8 // size
    steps = {"gradient_accumulation_steps": parts, "steps_per_generation": parts}
    return {"per_device_train_batch_size": size, "num_iterations": 3, "max_steps": 3} | steps


@pytest.mark.parametrize(
    "neff", [NeffConfig(lr="sqrt"), NeffConfig(loss="p4o"), NeffConfig.vcpo()], ids=lambda c: c.loss
)
def test_8_times_1_is_1_times_8(tiny, neff):
    small, large = (tiny.run(tiny.NeffGRPO, neff=neff, **cut(size)) for size in (1, 8))
    torch.testing.assert_close(tiny.weights(small), tiny.weights(large), atol=1e-5, rtol=0)
    for name in ("loss", "neff/ess_token", "neff/ess_sequence", "neff/lag_max"):
        torch.testing.assert_close(tiny.log(small, name), tiny.log(large, name), atol=1e-5, rtol=1e-5)
    if neff.lr:
        torch.testing.assert_close(tiny.log(small, "neff/lr_factor"), tiny.log(large, "neff/lr_factor"))
    assert tiny.log(large, "neff/ess_token")[2] < 0.95


def test_scope_micro_batch_is_not_the_same_however_a_step_is_cut(tiny):
    """Why the scope is the whole step by default."""
    neff = NeffConfig(scope="micro-batch")
    small, large = (tiny.run(tiny.NeffGRPO, neff=neff, **cut(size)) for size in (1, 8))
    assert (tiny.weights(small) - tiny.weights(large)).abs().max() > 1e-4


@pytest.mark.parametrize("steps", [1, 2])
def test_rloo_of_neff_is_that_of_trl(tiny, steps):
    settings = {"gradient_accumulation_steps": steps, "steps_per_generation": 2 * steps, "learning_rate": 1e-3}
    theirs = tiny.run(tiny.RLOO, **settings)
    ours = tiny.run(tiny.NeffRLOO, neff="rloo", **settings)
    torch.testing.assert_close(tiny.weights(theirs), tiny.weights(ours), atol=1e-5, rtol=0)
    torch.testing.assert_close(tiny.log(theirs, "loss"), tiny.log(ours, "loss"), atol=1e-5, rtol=0)
    assert tiny.log(ours, "neff/ess_sequence")[0] == pytest.approx(1, abs=1e-9)
    assert tiny.log(ours, "neff/ess_sequence")[1] < 0.999


def test_other_losses_have_the_same_scale_in_both_trainers(tiny):
    """The same token mean over one generation of equal advantages, with and without Trainer's division by steps."""
    settings = {"gradient_accumulation_steps": 2, "steps_per_generation": 2, "num_iterations": 1, "max_steps": 1}
    one = tiny.run(tiny.NeffRLOO, neff=NeffConfig(loss="reinforce"), **settings)
    whole = {"gradient_accumulation_steps": 1, "steps_per_generation": 1, "per_device_train_batch_size": 16}
    other = tiny.run(tiny.NeffRLOO, neff=NeffConfig(loss="reinforce"), **(settings | whole))
    torch.testing.assert_close(tiny.weights(one), tiny.weights(other), atol=1e-5, rtol=0)
