"""The plug-in for TRL step by step: effective sample sizes, the learning rate, the monitor, and what can go wrong."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from neff.train import CheckWarning, read_training_run
from neff.train.losses import EmptyBatchWarning
from neff.train.optim.warnings import SkippedStepWarning
from neff.train.plugins import NeffConfig


def test_the_first_step_after_each_generation_is_on_policy_and_the_rate_is_scaled_and_put_back(tiny, tmp_path):
    """The pattern of the method sheet: 1 at steps 1 and 5, below 1 between; a sequence is worth less than a token."""
    used, back = [], []

    class Watch(tiny.NeffGRPO):
        def create_optimizer(self, *args, **kwargs):
            made = super().create_optimizer(*args, **kwargs)
            made.register_step_pre_hook(lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"]))
            return made

    path = tmp_path / "run.jsonl"
    trainer = tiny.make(Watch, neff=NeffConfig(lr="sqrt", monitor=path), max_steps=8)

    class After(type(trainer.neff_recorder).__base__):  # TrainerCallback
        def on_optimizer_step(self, args, state, control, optimizer, **_):
            back.append(optimizer.param_groups[0]["lr"])

    trainer.add_callback(After())
    trainer.train()
    token, sequence = tiny.log(trainer, "neff/ess_token"), tiny.log(trainer, "neff/ess_sequence")
    assert [token[k] for k in (0, 4)] == pytest.approx([1, 1], abs=1e-12)
    assert [sequence[k] for k in (0, 4)] == pytest.approx([1, 1], abs=1e-12)
    for k in (1, 2, 3, 5, 6, 7):
        assert sequence[k] < token[k] < 1
    factor = tiny.log(trainer, "neff/lr_factor")
    assert factor == pytest.approx([math.sqrt(share) for share in sequence], abs=1e-9)
    plain = [0.01 * (1 - k / 8) for k in range(8)]  # TRL's default schedule is linear
    assert tiny.log(trainer, "learning_rate") == pytest.approx(plain, abs=1e-12)
    assert used == pytest.approx([rate * f for rate, f in zip(plain, factor, strict=True)], abs=1e-12)
    assert back == tiny.log(trainer, "learning_rate")  # bit for bit, before the scheduler steps
    run = read_training_run(path)
    assert [step.step for step in run.steps] == list(range(1, 9))
    assert [step.lag_max for step in run.steps] == [0, 1, 2, 3] * 2
    assert [step.learning_rate for step in run.steps] == pytest.approx(used)
    assert [step.ess_sequence.n for step in run.steps] == [8] * 8
    assert {step.n_micro_batches for step in run.steps} == {1}
    assert all(step.metrics["ess_used"] == pytest.approx(step.ess_token.value, abs=1e-6) for step in run.steps)


def test_the_rate_can_follow_the_tokens_and_have_a_floor(tiny):
    token = tiny.run(tiny.NeffGRPO, neff=NeffConfig(lr="linear", lr_of="token"))
    assert tiny.log(token, "neff/lr_factor") == pytest.approx(tiny.log(token, "neff/ess_token"), abs=1e-6)
    floor = tiny.run(tiny.NeffGRPO, neff=NeffConfig(lr="linear", lr_floor=0.97, monitor=False))
    assert min(tiny.log(floor, "neff/lr_factor")) == 0.97
    assert "neff/ess_token" not in floor.state.log_history[0]  # no monitor


def test_a_step_over_two_generations_is_seen_generation_by_generation(tiny):
    """Four micro-batches, two per generation, and no log-probabilities needed: on-policy by construction."""
    trainer = tiny.run(
        tiny.NeffGRPO, neff=NeffConfig(lr="sqrt"), gradient_accumulation_steps=4, num_iterations=1, max_steps=2
    )
    assert tiny.log(trainer, "neff/ess_sequence") == [1.0] * 2
    assert tiny.log(trainer, "neff/lag_max") == [0.0] * 2


@pytest.mark.parametrize("neff", [NeffConfig(loss="dapo", lr="sqrt"), NeffConfig.vcpo()], ids=["dapo", "vcpo"])
def test_equal_rewards_teach_nothing_and_say_so(tiny, neff):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = tiny.run(tiny.NeffGRPO, neff=neff, rewards=lambda completions, **_: [0.3] * len(completions))
    assert any(w.category is CheckWarning and "no-informative-group" in str(w.message) for w in caught)
    assert torch.equal(tiny.weights(trainer), tiny.start)
    assert tiny.log(trainer, "neff/informative_group_share") == [0.0] * 4


def test_a_step_without_a_token_is_skipped_and_says_so(tiny):
    """Nothing ends, and what does not end is masked."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = tiny.run(
            tiny.NeffGRPO,
            neff=NeffConfig(lr="sqrt"),
            mask_truncated_completions=True,
            generation_kwargs={"suppress_tokens": [0, 2]},
            weight_decay=0.1,
        )
    kinds = {warning.category for warning in caught}
    assert {EmptyBatchWarning, SkippedStepWarning} <= kinds
    assert any("empty-step" in str(warning.message) for warning in caught)
    assert torch.equal(tiny.weights(trainer), tiny.start)  # not even the decay
    assert tiny.log(trainer, "loss") == [0.0] * 4
    assert tiny.log(trainer, "neff/lr_factor") == [0.0] * 4


def test_a_run_can_be_evaluated(tiny):
    trainer = tiny.run(tiny.NeffGRPO, neff=NeffConfig(lr="sqrt"), per_device_eval_batch_size=8, max_steps=1)
    found = trainer.evaluate(trainer.train_dataset.select(range(2)))
    assert math.isfinite(found["eval_loss"])
    assert trainer.neff_recorder.n_observed == 0


def test_vcpo_runs_with_an_adapter(tiny):
    """PEFT calls the model beneath it by its forward method; the sum of squared probabilities is heard all the same."""
    peft = pytest.importorskip("peft")
    adapter = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    trainer = tiny.run(tiny.NeffGRPO, neff=NeffConfig.vcpo(), peft_config=adapter)
    assert max(tiny.log(trainer, "grad_norm")) > 0
    assert len(tiny.log(trainer, "neff/ess_sequence")) == 4


def test_rloo_takes_any_loss(tiny):
    trainer = tiny.run(tiny.NeffRLOO, neff=NeffConfig(lr="sqrt"))
    share = tiny.log(trainer, "neff/ess_sequence")
    assert share[0] == pytest.approx(1, abs=1e-9)
    assert max(share[1:]) < 1
    assert tiny.log(trainer, "neff/lr_factor") == pytest.approx([math.sqrt(x) for x in share], abs=1e-9)
