"""One rank of a run of the TRL plug-in over gloo; what it saw goes into a file."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

rank, world, port, folder, recipe = sys.argv[1:]
os.environ |= {
    "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1", "CI": "1",
}  # fmt: skip
warnings.simplefilter("ignore")

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: E402
from trl import GRPOConfig  # noqa: E402

from neff.train import NeffConfig, NeffGRPOTrainer  # noqa: E402

torch.set_num_threads(1)
WORDS = ["<pad>", "<bos>", "<eos>", *map(str, range(10))]
SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
NEFF = {
    "ess": NeffConfig(lr="sqrt"),
    "vcpo": NeffConfig.vcpo(),
    "remax": NeffConfig.remax(loss="sequence_tis", lr="linear"),
}[recipe]
seen = {"weights": [], "advantages": [], "rewards": [], "greedy": []}


class Watched(NeffGRPOTrainer):
    """Notes what this rank alone had."""

    def _neff_observe(self, batch, heard, inputs, out):
        summary = out.sequences
        seen["weights"].append([float(x) for x in (summary.max_log, summary.sum_w, summary.sum_w2, summary.n)])
        seen["advantages"].append([inputs["neff_group"].tolist(), batch.advantages.tolist()])
        seen["rewards"].append(inputs["neff_reward"].tolist())
        super()._neff_observe(batch, heard, inputs, out)

    def _neff_baseline(self, output, greedy):
        seen["greedy"].append([output["neff_group"].tolist(), output["neff_reward"].tolist(), greedy.tolist()])
        super()._neff_baseline(output, greedy)
        seen["greedy"][-1].append(output["advantages"].tolist())


def main():
    torch.manual_seed(0)
    policy = LlamaForCausalLM(LlamaConfig(vocab_size=13, **SIZE, pad_token_id=0, bos_token_id=1, eos_token_id=2))
    words = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = Watched(
        model=policy,
        args=GRPOConfig(
            output_dir=folder, per_device_train_batch_size=3, num_generations=4, steps_per_generation=2,
            num_iterations=2, max_steps=4, max_completion_length=6, learning_rate=0.01, use_cpu=True, bf16=False,
            gradient_checkpointing=False, dataloader_pin_memory=False, logging_steps=1, report_to=[],
            disable_tqdm=True, save_strategy="no",
        ),
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>"
        ),
        train_dataset=Dataset.from_dict({"prompt": [f"{k % 10} {3 * k % 10}" for k in range(40)]}),
        reward_funcs=lambda completions, **_: [text.count("7") / max(len(text), 1) for text in completions],
        neff=NEFF,
    )  # fmt: skip
    trainer.train()
    seen["ranks"] = trainer.accelerator.num_processes
    seen["log"] = trainer.state.log_history
    seen["monitor"] = [trainer.neff_recorder.monitor.last.n_ranks, trainer.neff_recorder.monitor.last.n_sequences]
    seen["factors"] = trainer.neff_recorder.scaler.last.factor
    seen["total"] = float(sum(p.detach().double().abs().sum() for p in trainer.model.parameters()))
    Path(folder, f"{rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
