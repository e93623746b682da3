"""Batch-size warm-up through the real Trainer of transformers, with a model of two parameters."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from neff.errors import ArgumentError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")
    from neff.train.optim.hf import BatchSizeWarmupCallback

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers and accelerate warn about what is not here


class Line(torch.nn.Module):
    """Squared distance of a line to points."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.3, -0.2]))
        self.seen: list[list[int]] = []

    def forward(self, x, y, row):
        if self.training:
            self.seen.append(row.tolist())
        return {"loss": (self.weight[0] + self.weight[1] * x - y).square().mean()}


class Points(torch.utils.data.Dataset):
    def __len__(self):
        return 48

    def __getitem__(self, i):
        return {"x": torch.tensor(math.sin(i)), "y": torch.tensor(math.cos(2.0 * i)), "row": torch.tensor(i)}


def train(folder, critical, *, resume=None, callback=None, **options):
    model = Line()
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=2,
        num_train_epochs=2,
        learning_rate=0.05,
        lr_scheduler_type="linear",
        max_grad_norm=0.0,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        restore_callback_states_from_checkpoint=True,
        **({"optim": "sgd", "save_strategy": "no"} | options),
    )

    class Ordered(transformers.Trainer):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    chosen = BatchSizeWarmupCallback(critical) if callback is None else callback
    trainer = Ordered(model=model, args=arguments, train_dataset=Points(), callbacks=[chosen])
    trainer.train(resume_from_checkpoint=resume)
    return trainer, model


def history(trainer):
    return [row for row in trainer.state.log_history if "learning_rate" in row]


def by_hand(sizes):
    """Plain gradient descent over the batches of those sizes; rate linear in examples, and linear in the batch."""
    weight, seen, rates = torch.tensor([0.3, -0.2]), 0, []
    rows = [i % 48 for i in range(96)]
    for size in sizes:
        points = [Points()[i] for i in rows[seen : seen + size]]
        w = weight.clone().requires_grad_()
        loss = torch.stack([(w[0] + w[1] * p["x"] - p["y"]).square() for p in points]).mean()
        rate = 0.05 * size / 2 * (1 - seen / 96)
        rates.append(rate)
        weight = weight - rate * torch.autograd.grad(loss, w)[0]
        seen += size
    return weight, rates


def test_the_trainer_grows_its_batches_and_keeps_the_schedule_in_examples(tmp_path):
    """2 examples to begin with; more than 2 * 2 are fine from the 8th example on, more than 2 * 4 from the 30th."""
    trainer, model = train(tmp_path, [(0, 3), (8, 5), (30, 9)])
    sizes = [2] * 4 + [4] * 6 + [8] * 8
    assert sum(sizes) == 96
    assert [row["batch_size"] for row in history(trainer)] == [2] * 3 + [4] * 6 + [8] * 9  # as of the end of a step
    assert [row for batch in model.seen for row in batch] == [i % 48 for i in range(96)]  # each row once per epoch
    weight, rates = by_hand(sizes)
    np.testing.assert_allclose(model.weight.detach(), weight, rtol=1e-5)
    np.testing.assert_allclose([row["learning_rate"] for row in history(trainer)], rates, rtol=1e-6)
    assert trainer.state.global_step == len(sizes)
    assert trainer.args.gradient_accumulation_steps == 1  # put back


def test_without_growth_it_is_the_plain_trainer_bit_for_bit(tmp_path):
    _, plain = train(tmp_path, None, callback=transformers.TrainerCallback())
    _, same = train(tmp_path, [(0, 3)])
    assert torch.equal(plain.weight, same.weight)


def test_the_budget_of_a_run_in_steps_is_one_of_examples(tmp_path):
    trainer, model = train(tmp_path, [(0, 100)], max_steps=16)
    assert trainer.state.global_step < 16
    assert sum(map(len, model.seen)) == 32


def test_a_run_goes_on_from_a_checkpoint(tmp_path):
    critical = [(0, 3), (8, 5)]
    whole, _ = train(tmp_path, critical, save_strategy="steps", save_steps=10)
    assert whole.state.global_step == 4 + 88 // 4
    saved = str(tmp_path / "checkpoint-10")  # after 4 * 2 + 6 * 4 = 32 examples
    with pytest.raises(ArgumentError, match="True to resume at a larger batch"):
        train(tmp_path / "again", critical, resume=saved)
    again, model = train(tmp_path / "again", critical, resume=saved, ignore_data_skip=True)
    assert {len(batch) for batch in model.seen} == {2}  # micro-batches
    assert sum(map(len, model.seen)) == 96 - 32
    assert again.state.global_step == whole.state.global_step
    one, two = ([row["learning_rate"] for row in history(t) if row["step"] > 10] for t in (whole, again))
    np.testing.assert_allclose(one, two, rtol=1e-12)
    assert [row["batch_size"] for row in history(again)][-16:] == [4] * 16


def test_a_function_and_bad_input(tmp_path):
    trainer, _ = train(tmp_path, lambda seen: 5 if seen >= 8 else None)
    assert trainer.state.global_step == 4 + 88 // 4
    with pytest.raises(ArgumentError, match="SGD, Adam or one of its kin"):
        train(tmp_path, [(0, 3)], optim="adafactor")
