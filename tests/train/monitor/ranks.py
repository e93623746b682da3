"""One rank of a test with several gloo processes: `python ranks.py RANK WORLD FOLDER`."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import torch
from torch import distributed

from neff.train import JsonlSink, Monitor


def main() -> None:
    rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'init'}", rank=rank, world_size=world)
    reports = []
    with Monitor(JsonlSink(folder / f"sink{rank}.jsonl")) as monitor:
        for step in json.loads((folder / "parts.json").read_text()):
            for micro in step[rank]:
                lp, blp, mask = (torch.tensor(micro[name], dtype=torch.float64) for name in ("lp", "blp", "mask"))
                monitor.observe(lp, blp, mask, rewards=micro["rewards"], group=micro["group"], policy_step=0)
            reports.append(monitor.close_step().to_dict())
    distributed.destroy_process_group()
    (folder / f"rank{rank}.json").write_text(json.dumps(reports))


if __name__ == "__main__":
    main()
