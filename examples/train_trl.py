"""TRL's GRPOTrainer with an adaptive loss, a learning rate that follows the batch, and a monitor: one argument more.

A Llama of 32 units and 13 tokens with random weights, nothing is downloaded. Each generation serves four optimizer
steps, so that three of four are on stale rollouts. What differs from plain TRL is marked.

Run it from anywhere: `python examples/train_trl.py`. It needs the extra `neff[trl]`. It prints:

    optimizer steps: 8
    on-policy, with a sequence ESS of 1: steps 1 and 5
    the others were worth less, and their learning rate was scaled: yes
    TRL logs the rate before scaling, neff the factor: 0.01 at step 1, factor 1.0
"""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, PrinterCallback, set_seed
from trl import GRPOConfig

from neff.train import NeffConfig, NeffGRPOTrainer, read_training_run  # neff

WORDS = ["<pad>", "<bos>", "<eos>", *map(str, range(10))]


def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>")


def model() -> LlamaForCausalLM:
    set_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=4, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        )
    )  # fmt: skip


def share_of_sevens(completions: list[str], **_: object) -> list[float]:
    return [text.split().count("7") / max(len(text.split()), 1) for text in completions]


def main() -> None:
    prompts = Dataset.from_dict({"prompt": [f"{k % 10} {3 * k % 10}" for k in range(40)]})
    with tempfile.TemporaryDirectory() as folder:
        trainer = NeffGRPOTrainer(  # neff
            model=model(),
            args=GRPOConfig(
                output_dir=folder, per_device_train_batch_size=8, num_generations=4, steps_per_generation=2,
                num_iterations=2, max_steps=8, max_completion_length=8, learning_rate=0.01, use_cpu=True, bf16=False,
                gradient_checkpointing=False, dataloader_pin_memory=False, logging_steps=1, report_to=[],
                disable_tqdm=True, save_strategy="no",
            ),
            processing_class=tokenizer(),
            train_dataset=prompts,
            reward_funcs=share_of_sevens,
            neff=NeffConfig(loss="ess_adaptive", lr="sqrt", monitor=f"{folder}/run.jsonl"),  # neff
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        run = read_training_run(f"{folder}/run.jsonl")
    fresh = [step.step for step in run.steps if step.ess_sequence.value > 1 - 1e-9]
    stale = [step for step in run.steps if step.step not in fresh]
    scaled = all(step.ess_sequence.value < 1 and step.lr_factor < 1 for step in stale)
    logged = trainer.state.log_history[0]
    print(f"optimizer steps: {len(run.steps)}")
    print(f"on-policy, with a sequence ESS of 1: steps {' and '.join(map(str, fresh))}")
    print(f"the others were worth less, and their learning rate was scaled: {'yes' if scaled else 'no'}")
    rate, factor = logged["learning_rate"], logged["neff/lr_factor"]
    print(f"TRL logs the rate before scaling, neff the factor: {rate:.2g} at step 1, factor {factor:.1f}")


if __name__ == "__main__":
    main()
