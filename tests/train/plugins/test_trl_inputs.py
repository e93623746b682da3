"""What the plug-in reads from TRL's batches, on batches written by hand, and which settings it refuses."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from neff.errors import ArgumentError, ArgumentTypeError
from neff.train import CheckRefusedError, CheckWarning, JsonlSink, Monitor, opob_advantage, opob_baseline
from neff.train.losses import loss
from neff.train.plugins import NeffConfig

A = torch.tensor([1.0, -0.5, 0.25])


@pytest.fixture
def ready(tiny):
    """Return a function that makes a trainer which is about to take its first micro-batch, and that micro-batch."""

    def make(neff, **options):
        trainer = tiny.make(tiny.NeffGRPO, neff=neff, **options)
        trainer.create_optimizer_and_scheduler(num_training_steps=4)
        trainer.model.train()
        trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
        draw = torch.Generator().manual_seed(5)
        inputs = {
            "prompt_ids": torch.randint(3, 13, (3, 2), generator=draw),
            "prompt_mask": torch.ones(3, 2, dtype=torch.long),
            "completion_ids": torch.randint(3, 13, (3, 5), generator=draw),
            "completion_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]),
            "advantages": A,
            "num_items_in_batch": torch.tensor(24),
        }
        with torch.no_grad():
            ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
            keep = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
            logits = trainer.model(input_ids=ids, attention_mask=keep).logits[:, 1:-1] / trainer.temperature
            every = logits.log_softmax(-1)
            lp = every.gather(-1, inputs["completion_ids"][..., None])[..., 0]
        noise = 0.3 * torch.randn(3, 5, generator=draw)
        return trainer, inputs, lp, every, noise

    return make


TOLERANCE = {"atol": 2e-6, "rtol": 2e-6}


@pytest.mark.parametrize("name", ["ess_adaptive", "sequence_tis", "dapo", "p4o", "decoupled_ppo"])
def test_the_engine_comes_first_and_what_it_has_not_is_that_of_the_trainer(ready, name):
    """NaN of the engine: a ratio of 1 to the trainer's weights of that time, and counted."""
    trainer, inputs, lp, _, noise = ready(NeffConfig(loss=name))
    old, sampled = lp + 0.1, lp + noise
    sampled[0, 1] = sampled[1, 4] = math.nan  # one that counts, one that does not
    filled = torch.where(sampled.isnan(), old, sampled)
    mask = inputs["completion_mask"]
    options = {} if name in ("ess_adaptive", "sequence_tis") else {"olp": old}
    expected = loss(name, lp, filled, A, mask, n_tokens=12.0, **options)  # 24 tokens, two steps
    got = trainer._compute_loss(
        trainer.model, inputs | {"old_per_token_logps": old, "sampling_per_token_logps": sampled}
    )
    torch.testing.assert_close(got, expected.loss, **TOLERANCE)
    assert float(trainer.neff_recorder._metrics["n_missing_behaviour"][0]) == 1
    with pytest.warns(CheckWarning, match="non-finite"):
        report = trainer.neff_recorder.monitor.close_step()
    assert report.n_dropped_tokens == 1


def test_without_an_engine_the_sampler_is_the_trainer_of_that_time(ready):
    trainer, inputs, lp, _, noise = ready(NeffConfig(loss="tis", options={"cap": 1.2}))
    got = trainer._compute_loss(trainer.model, inputs | {"old_per_token_logps": lp + noise})
    expected = loss("tis", lp, lp + noise, A, inputs["completion_mask"], cap=1.2, n_tokens=12.0)
    torch.testing.assert_close(got, expected.loss, **TOLERANCE)
    assert (expected.weights == 1.2).any()
    assert trainer.neff_recorder.monitor.close_step().cap == pytest.approx(1.2)


def test_a_weight_from_the_sampler_to_the_proximal_policy_by_request(ready):
    trainer, inputs, lp, _, noise = ready(NeffConfig(loss="sequence_tis", proximal=True))
    old, sampled = lp + 0.1, lp + noise
    got = trainer._compute_loss(
        trainer.model, inputs | {"old_per_token_logps": old, "sampling_per_token_logps": sampled}
    )
    expected = loss("sequence_tis", lp, sampled, A, inputs["completion_mask"], olp=old, n_tokens=12.0)
    torch.testing.assert_close(got, expected.loss, **TOLERANCE)
    assert not torch.equal(
        expected.loss, loss("sequence_tis", lp, sampled, A, inputs["completion_mask"], n_tokens=12.0).loss
    )


def test_tokens_of_tools_do_not_count(ready):
    trainer, inputs, lp, _, noise = ready(NeffConfig(loss="grpo"))
    tools = torch.tensor([[1, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]])
    old = lp + noise
    got = trainer._compute_loss(trainer.model, inputs | {"tool_mask": tools, "old_per_token_logps": old})
    mask = inputs["completion_mask"] * tools
    assert mask.sum(1).tolist() == [3, 3, 0]
    expected = loss("grpo", lp, old, A, mask, n_sequences=3)  # TRL counts responses without a token in the mean
    torch.testing.assert_close(got, expected.loss, **TOLERANCE)
    report = trainer.neff_recorder.monitor.close_step()
    assert (report.n_tokens, report.n_empty_sequences) == (6, 1)


def test_squares_come_from_the_head_of_trl(ready):
    trainer, inputs, lp, every, _ = ready(NeffConfig.vcpo(), temperature=0.7)
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
    keep = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
    with trainer.neff_listen() as heard:
        trainer._get_per_token_logps_and_entropies(trainer.model, ids, keep, 5)
    where = inputs["completion_mask"] == 1
    torch.testing.assert_close(heard[0].lp[where], lp[where], **TOLERANCE)
    torch.testing.assert_close(heard[0].log_squares.exp()[where], every.exp().square().sum(-1)[where], **TOLERANCE)


def stamped(inputs, rewards):
    """Add what a generation hands on: two prompts, the first with two responses in this micro-batch."""
    whole = torch.tensor([1.0, 0.0, 0.5, 0.25])  # of the four responses to each prompt
    scaled = (rewards - whole.mean()) / whole.std(correction=0)
    return inputs | {
        "neff_reward": rewards, "neff_scaled": scaled, "neff_group": torch.tensor([0, 0, 1]),
        "neff_step": torch.zeros(3),
    }  # fmt: skip


@pytest.mark.parametrize("whole", [True, False])
def test_opob_has_a_baseline_per_prompt_where_a_step_holds_whole_groups_and_one_per_step_elsewhere(ready, whole):
    trainer, inputs, lp, every, noise = ready(NeffConfig.vcpo(), steps_per_generation=1 if whole else 2)
    rewards = torch.tensor([1.0, 0.0, 0.5])
    inputs = stamped(inputs, rewards) | {"old_per_token_logps": lp + noise}
    mask = inputs["completion_mask"]
    log_w = (-noise * mask).sum(1)
    sqnorm = ((1 - 2 * lp.exp() + every.exp().square().sum(-1)) * mask).sum(1)
    if whole:
        with pytest.warns(UserWarning, match="one scored response"):
            advantages = opob_advantage(log_w, sqnorm, rewards, [0, 0, 1]).advantages
        with pytest.warns(UserWarning, match="one scored response"):
            got = trainer._compute_loss(trainer.model, inputs)
    else:
        scaled = inputs["neff_scaled"]
        advantages = scaled - opob_baseline(log_w, sqnorm, scaled, [0, 0, 0])
        got = trainer._compute_loss(trainer.model, inputs)
    expected = loss("sequence_tis", lp, lp + noise, advantages, mask, cap=8.0, aggregate="seq-mean-token-mean")
    torch.testing.assert_close(got, expected.loss, **TOLERANCE)


def test_deepspeed_makes_its_step_in_the_backward_pass_so_the_rate_is_scaled_before_it(ready):
    """The order of calls alone: DeepSpeed itself is not run here."""
    trainer, inputs, lp, _, noise = ready(NeffConfig(lr="linear"))
    trainer.is_deepspeed_enabled = True
    rate = trainer.optimizer.param_groups[0]["lr"]
    trainer._compute_loss(trainer.model, inputs | {"old_per_token_logps": lp + noise})
    scaled = trainer.optimizer.param_groups[0]["lr"]
    assert scaled == pytest.approx(rate * trainer.neff_recorder.scaler.last.ess_fraction, rel=1e-12)
    assert scaled < rate
    trainer.neff_recorder.on_pre_optimizer_step(trainer.args, trainer.state, trainer.control, trainer.optimizer)
    assert trainer.optimizer.param_groups[0]["lr"] == scaled  # not scaled twice
    trainer.neff_recorder.on_optimizer_step(trainer.args, trainer.state, trainer.control)
    assert trainer.optimizer.param_groups[0]["lr"] == rate


REFUSED = [
    ({"importance_sampling_level": "sequence"}, "ess_adaptive", "gspo"),
    ({"off_policy_mask_threshold": 0.5}, "ess_adaptive", "opsm"),
    ({"delta": 2.0}, "ess_adaptive", "dual_clip"),
    ({"top_entropy_quantile": 0.5}, "ess_adaptive", "no such mask"),
    ({}, "ess_adaptiv", "Did you mean 'ess_adaptive'"),
    ({}, NeffConfig(options={"kap": 2.0}), "an option must be"),
    ({}, NeffConfig(options={"kl": "exact"}), "distributions of the sampler"),
    ({"multi_objective_aggregation": "normalize_then_sum"}, NeffConfig.remax(), "sum_then_normalize"),
]


@pytest.mark.parametrize(("settings", "neff", "said"), REFUSED, ids=range(len(REFUSED)))
def test_settings_that_would_do_nothing_are_refused(tiny, settings, neff, said):
    with pytest.raises(ArgumentError, match=said):
        tiny.make(tiny.NeffGRPO, neff=neff, **settings)


def test_rewards_with_a_kl_in_them_cannot_have_another_baseline(tiny):
    with pytest.raises(ArgumentError, match="beta must be off"):
        tiny.make(tiny.NeffRLOO, neff=NeffConfig.remax(), beta=0.1, named=True)


def test_a_cut_off_sampler_is_refused(tiny):
    for settings in ({"top_p": 0.9}, {"generation_kwargs": {"temperature": 0.5}}):
        with pytest.raises(CheckRefusedError, match=r"top-p|temperature"):
            tiny.make(tiny.NeffGRPO, neff="dapo", **settings)
    with pytest.warns(CheckWarning, match="top-p"):
        trainer = tiny.make(tiny.NeffGRPO, neff=NeffConfig(on_refuse="warn"), top_p=0.9)
    trainer.neff_recorder.monitor.observe(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1))
    with pytest.warns(CheckWarning, match="top-p"):
        report = trainer.neff_recorder.monitor.close_step()
    assert "top-p" in {finding.name for finding in report.findings}


def test_a_clip_range_of_the_trainer_is_used_where_it_was_set(ready):
    trainer, *_ = ready(NeffConfig(loss="dapo"), epsilon=0.1)
    assert trainer._neff_options == {"clip_low": 0.1, "clip_high": 0.1}
    trainer, *_ = ready(NeffConfig(loss="dapo", options={"clip_high": 0.5}), epsilon=0.1, epsilon_high=0.3)
    assert trainer._neff_options == {"clip_low": 0.1, "clip_high": 0.5}
    trainer, *_ = ready(NeffConfig(loss="tis"))
    assert trainer._neff_options == {}


def test_a_monitor_of_ones_own_stays_open(tiny, tmp_path):
    sink = JsonlSink(tmp_path / "run.jsonl")
    trainer = tiny.run(tiny.NeffGRPO, neff=NeffConfig(monitor=Monitor(sink)), max_steps=1)
    assert trainer.neff_recorder.monitor.sinks == (sink,)
    sink(trainer.neff_recorder.monitor.last)
    sink.close()


def test_the_asynchronous_trainer_is_refused_with_the_reason(tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl.experimental.async_grpo import AsyncGRPOTrainer

        from neff.train.plugins.trl import NeffTrainerMixin
    with pytest.raises(ArgumentTypeError, match="no method between them"):

        class Mine(NeffTrainerMixin, AsyncGRPOTrainer):
            pass


def test_a_config_refuses_what_it_cannot_mean():
    for options, said in (
        ({"advantages": "opo"}, "Did you mean 'opob'"),
        ({"lr": "cubic"}, "lr must be"),
        ({"options": {"n_tokens": 5}}, "settings of the trainer"),
        ({"loss": None, "options": {"cap": 2.0}}, "empty where loss is None"),
        ({"loss": None, "advantages": "opob"}, "sequence_tis"),
    ):
        with pytest.raises(ArgumentError, match=said):
            NeffConfig(**options)
