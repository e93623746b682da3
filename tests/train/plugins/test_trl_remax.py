"""ReMax in TRL: the greedy response is the argmax, has the same rewards, and leaves no trace."""

from __future__ import annotations

import pytest
import torch

from neff.train.plugins import NeffConfig


def sevens(completions, **_):
    return [text.split().count("7") / max(len(text.split()), 1) for text in completions]


@pytest.fixture
def heard(tiny):
    """Return a reward function that keeps what it was asked, and the greedy answers of the untrained model."""
    calls = []

    def reward(prompts, completions, completion_ids, log_metric, log_extra, **columns):
        calls.append((list(prompts), [list(ids) for ids in completion_ids], columns))
        log_metric("asked", float(len(prompts)))
        log_extra("text", list(completions))
        return sevens(completions)

    def greedy(prompt):
        made, ids = tiny.tokenizer(), tiny.tokenizer()(prompt)["input_ids"]
        assert len(made) == 13
        model, found = tiny.model(), list(ids)
        for _ in range(8):
            with torch.no_grad():
                found.append(int(model(input_ids=torch.tensor([found])).logits[0, -1].argmax()))
            if found[-1] == 2:
                break
        return found[len(ids) :]

    return reward, calls, greedy


@pytest.mark.parametrize("kind", ["GRPO", "RLOO"])
def test_advantages_are_the_reward_minus_that_of_the_argmax(tiny, heard, kind):
    reward, calls, greedy = heard
    trainer = tiny.run(getattr(tiny, f"Neff{kind}"), neff=NeffConfig.remax(), rewards=reward, max_steps=2)
    (prompts, ids, _), (unique, best, columns) = calls
    assert prompts == [prompt for prompt in unique for _ in range(4)]
    assert best == [greedy(prompt) for prompt in unique]
    assert "trainer_state" in columns
    text = trainer.processing_class.batch_decode
    rewards = sevens(text(ids, skip_special_tokens=True))
    baseline = [x for x in sevens(text(best, skip_special_tokens=True)) for _ in range(4)]
    expected = torch.tensor(rewards) - torch.tensor(baseline)
    shown = torch.tensor(list(trainer._logs["advantages"]))
    torch.testing.assert_close(shown, expected)
    used = torch.cat([part["advantages"] for part in trainer._buffered_inputs])
    torch.testing.assert_close(used.sort().values, expected.sort().values)
    assert tiny.log(trainer, "neff/greedy_reward")[0] == pytest.approx(sum(baseline) / 16, abs=1e-6)
    assert tiny.log(trainer, "neff/nonzero_advantage_share")[0] == pytest.approx((expected != 0).float().mean())


def test_the_greedy_response_leaves_no_trace(tiny, heard):
    """Same samples, metrics and tables as without it; the table of completions would not fit together else."""
    reward, *_ = heard
    settings = {"rewards": reward, "max_steps": 1, "mask_truncated_completions": True}
    plain = tiny.run(tiny.NeffGRPO, neff=NeffConfig(loss="reinforce"), **settings)
    remax = tiny.run(tiny.NeffGRPO, neff=NeffConfig.remax(), **settings)
    for name in ("num_tokens", "completions/mean_length", "reward", "rewards/reward/mean", "asked", "entropy"):
        assert tiny.log(plain, name) == tiny.log(remax, name), name
    assert list(plain._logs["extra"]["text"]) == list(remax._logs["extra"]["text"])
    assert len(remax._logs["extra"]["text"]) == len(remax._logs["advantages"]) == 16
    assert remax.num_generations == 4
    assert remax.generation_config.do_sample


def test_the_clip_of_rewards_is_on_both(tiny, heard):
    reward, calls, _ = heard
    trainer = tiny.run(
        tiny.NeffRLOO, neff=NeffConfig.remax(), rewards=lambda **kw: [10 * x for x in reward(**kw)],
        reward_clip_range=(0.0, 0.5), max_steps=1,
    )  # fmt: skip
    assert len(calls) == 2
    assert {round(float(a), 6) for a in trainer._logs["advantages"]} <= {-0.5, 0.0, 0.5}


def test_stale_remax_has_importance_weights_and_a_scaled_rate(tiny):
    neff = NeffConfig.remax(loss="sequence_tis", lr="sqrt")
    trainer = tiny.run(tiny.NeffGRPO, neff=neff)
    share = tiny.log(trainer, "neff/ess_sequence")
    assert share[0] == pytest.approx(1, abs=1e-9)
    assert max(share[1:]) < 1


def test_an_unscored_answer_has_no_advantage(tiny):
    def reward(completions, **_):
        return [None if k == 0 and len(completions) == 16 else x for k, x in enumerate(sevens(completions))]

    with pytest.warns(UserWarning, match=r"reward"):
        trainer = tiny.run(tiny.NeffGRPO, neff=NeffConfig.remax(), rewards=reward, max_steps=1)
    assert trainer._logs["advantages"][0] == 0
