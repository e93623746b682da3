"""The evaluate room: which model is better, by how much, and how sure are we?"""

import inspect
import sys
from types import ModuleType
from typing import Any

from neff.evaluate.api import evaluate
from neff.evaluate.comparing import compare
from neff.evaluate.planning import Plan, PlanRow, minimum_detectable_effect, plan
from neff.evaluate.result import Evaluation
from neff.evaluate.shrinking.result import SubtaskFit, SubtaskRule, SubtaskScore, SubtaskScores
from neff.evaluate.subtasks import subtask_scores

__all__ = [
    "Evaluation",
    "Plan",
    "PlanRow",
    "SubtaskFit",
    "SubtaskRule",
    "SubtaskScore",
    "SubtaskScores",
    "compare",
    "evaluate",
    "minimum_detectable_effect",
    "plan",
    "subtask_scores",
]


class _Room(ModuleType):
    """The room and its main function share a name: `neff.evaluate(records)` works whichever was imported first."""

    def __call__(self, *arguments: Any, **options: Any) -> Evaluation:
        return evaluate(*arguments, **options)


_room = sys.modules[__name__]
_room.__class__ = _Room
_room.__signature__ = inspect.signature(evaluate)  # type: ignore[attr-defined]
