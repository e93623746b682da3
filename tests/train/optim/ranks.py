"""What each rank of the tests with several gloo processes does: `python ranks.py JOB RANK WORLD FOLDER`."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import torch
from torch import distributed

from neff.train.optim.agvm import AGVM
from neff.train.optim.ess_lr import EssLRScaler


def ess_lr(rank: int, folder: Path) -> list[list[float]]:
    """Observe the rank's micro-batches of each step, and take the step."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scaler = EssLRScaler(optimizer)
    rows = []
    for step in json.loads((folder / "parts.json").read_text()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for micro in step[rank]:
                scaler.observe(None if micro is None else torch.tensor(micro, dtype=torch.float64))
            weight.grad = torch.ones(3)
            with scaler.step() as scale:
                optimizer.step()
        rows.append([scale.factor, scale.n, scale.n_dropped, float(weight.detach()[0])])
    return rows


def agvm(rank: int, folder: Path) -> list[list[float]]:
    """Train a small network with a module without gradient; each rank has its rows of the batch of each step."""
    given = torch.load(folder / "given.pt", weights_only=True)
    world = distributed.get_world_size()
    model, agvm = network(given["kind"], across_ranks=True)
    rows = []
    for x in given["batches"]:
        mine = x.chunk(world)[rank]
        agvm.optimizer.zero_grad()
        model["head"](model["body"](mine).tanh()).square().mean().backward()
        if agvm.due:
            agvm.reduce()
        else:
            for p in model.parameters():
                if p.grad is not None:
                    distributed.all_reduce(p.grad)
                    p.grad /= world
        agvm.step()
        flat = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
        rows.append([agvm.phi["body"], agvm.phi["head"], agvm.factors["head"], agvm.factors["unused"], *flat.tolist()])
    return rows


def network(kind: str, **options: object) -> tuple[torch.nn.ModuleDict, AGVM]:
    """Return the network that `agvm` trains, alike on every rank."""
    torch.manual_seed(3)
    layers = {"body": torch.nn.Linear(5, 3), "head": torch.nn.Linear(3, 1), "unused": torch.nn.Linear(2, 2)}
    model = torch.nn.ModuleDict(layers).double()
    groups = [{"params": list(m.parameters())} for m in model.values()]
    optimizer = getattr(torch.optim, kind)(groups, lr=0.05)
    return model, AGVM(optimizer, dict(model.items()), anchor="body", tau=2, **options)


JOBS = {"ess_lr": ess_lr, "agvm": agvm}


def main() -> None:
    job, rank, world, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'init'}", rank=rank, world_size=world)
    found = JOBS[job](rank, folder)
    distributed.destroy_process_group()
    (folder / f"{job}{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
