"""The real trainers of TRL on a random Llama of 32 units and 13 tokens: a run takes a second or two."""

from __future__ import annotations

import os
import warnings
from types import SimpleNamespace

import pytest
import torch


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Return the trainers, and `run`, which trains one and returns it."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    pytest.importorskip("trl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers and what it imports warn about what is not here
        from datasets import Dataset
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
        from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

        from neff.train.plugins.trl import NeffGRPOTrainer, NeffRLOOTrainer

    words = ["<pad>", "<bos>", "<eos>", *map(str, range(10))]
    folder = tmp_path_factory.mktemp("tiny")
    configs = {GRPOTrainer: GRPOConfig, RLOOTrainer: RLOOConfig}

    def model():
        torch.manual_seed(0)
        size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "max_position_embeddings": 64}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 4}
        ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
        return LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **size, **heads, **ends))

    def tokenizer():
        made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<pad>"))
        made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>")

    data = Dataset.from_dict({"prompt": [f"{i % 10} {3 * i % 10} {7 * i % 10}" for i in range(24)]})

    def reward(completions, **_):
        """Share of sevens: a number between 0 and 1 that differs between responses."""
        return [text.split().count("7") / max(len(text.split()), 1) for text in completions]

    def make(trainer, *, neff=None, rewards=reward, named=False, peft_config=None, **options):
        arguments = {
            "output_dir": str(folder), "per_device_train_batch_size": 8, "num_generations": 4, "max_steps": 4,
            "steps_per_generation": 2, "num_iterations": 2, "max_completion_length": 8, "learning_rate": 1e-2,
            "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "logging_steps": 1, "report_to": [],
            "disable_tqdm": True, "save_strategy": "no", "beta": 0.0, "seed": 3, "dataloader_pin_memory": False,
        }  # fmt: skip
        config = next(made for host, made in configs.items() if issubclass(trainer, host))
        policy = model()
        if named:  # a reference model is loaded from where the policy came from
            policy.save_pretrained(folder / "model")
            policy = str(folder / "model")
        extra = {} if neff is None else {"neff": neff}
        return trainer(
            model=policy,
            args=config(**(arguments | options)),
            processing_class=tokenizer(),
            train_dataset=data,
            reward_funcs=rewards,
            peft_config=peft_config,
            **extra,
        )

    def run(trainer, **options):
        made = make(trainer, **options)
        made.train()
        return made

    def weights(trainer):
        return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])

    def log(trainer, name):
        return [row[name] for row in trainer.state.log_history if name in row]

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield SimpleNamespace(
        GRPO=GRPOTrainer, RLOO=RLOOTrainer, NeffGRPO=NeffGRPOTrainer, NeffRLOO=NeffRLOOTrainer,
        make=make, run=run, weights=weights, log=log, model=model, tokenizer=tokenizer, start=torch.cat(
            [p.detach().flatten() for p in model().parameters()]
        ),
    )  # fmt: skip
    torch.set_num_threads(before)
