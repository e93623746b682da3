"""The evaluate room: which model is better, by how much, and how sure are we?"""

import inspect
import sys
from types import ModuleType
from typing import Any

from neff.evaluate.api import evaluate
from neff.evaluate.auditing.from_records import audit
from neff.evaluate.auditing.result import Audit, Decile
from neff.evaluate.auditing.size import AuditPlan, plan_audit
from neff.evaluate.auditing.transport import Transport
from neff.evaluate.bands import simultaneous_intervals
from neff.evaluate.budgeting.from_records import pilot_variance
from neff.evaluate.budgeting.pilot import fit_variance_model
from neff.evaluate.budgeting.plan import BudgetPlan
from neff.evaluate.budgeting.planning import plan_budget
from neff.evaluate.budgeting.variance import VarianceModel
from neff.evaluate.comparing import compare
from neff.evaluate.estimators_table import compare_estimators
from neff.evaluate.planning import Plan, PlanRow, minimum_detectable_effect, plan
from neff.evaluate.result import Evaluation
from neff.evaluate.shrinking.result import SubtaskFit, SubtaskRule, SubtaskScore, SubtaskScores
from neff.evaluate.subtasks import subtask_scores

__all__ = [
    "Audit",
    "AuditPlan",
    "BudgetPlan",
    "Decile",
    "Evaluation",
    "Plan",
    "PlanRow",
    "SubtaskFit",
    "SubtaskRule",
    "SubtaskScore",
    "SubtaskScores",
    "Transport",
    "VarianceModel",
    "audit",
    "compare",
    "compare_estimators",
    "evaluate",
    "fit_variance_model",
    "minimum_detectable_effect",
    "pilot_variance",
    "plan",
    "plan_audit",
    "plan_budget",
    "simultaneous_intervals",
    "subtask_scores",
]


class _Room(ModuleType):
    """The room and its main function share a name: `neff.evaluate(records)` works whichever was imported first."""

    def __call__(self, *arguments: Any, **options: Any) -> Evaluation:
        return evaluate(*arguments, **options)


_room = sys.modules[__name__]
_room.__class__ = _Room
_room.__doc__ = evaluate.__doc__
_room.__signature__ = inspect.signature(evaluate)  # type: ignore[attr-defined]
