"""TRL, of a version that the plug-in knows, or the error that says what to install."""

from __future__ import annotations

from neff.errors import MissingExtraError
from neff.train.plugins.versions import check_version

__all__ = ["GRPOTrainer", "RLOOTrainer", "TrainerCallback", "add_fused_lm_head", "disable_gradient_checkpointing"]

check_version("trl")
try:
    from transformers import TrainerCallback
    from trl import GRPOTrainer, RLOOTrainer
    from trl.models.utils import disable_gradient_checkpointing
    from trl.trainer.utils import add_fused_lm_head
except ModuleNotFoundError as error:  # torch, or another package that TRL needs
    raise MissingExtraError("neff.train.plugins.trl", "trl") from error
