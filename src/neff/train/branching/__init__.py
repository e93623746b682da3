"""Branched training with PyTorch: a checkpoint that can be gone back to, with the learning rate scaled."""

from neff.train.branching.torch_branch import TorchBranch

__all__ = ["TorchBranch"]
