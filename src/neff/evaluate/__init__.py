"""The evaluate room: which model is better, by how much, and how sure are we?"""

from neff.evaluate.api import evaluate
from neff.evaluate.compare import compare
from neff.evaluate.planning import Plan, PlanRow, minimum_detectable_effect, plan
from neff.evaluate.result import Evaluation

__all__ = ["Evaluation", "Plan", "PlanRow", "compare", "evaluate", "minimum_detectable_effect", "plan"]
