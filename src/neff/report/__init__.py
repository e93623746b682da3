"""Reports: a result as one document, and the document as terminal text, HTML, Markdown, JSON, JUnit, CSV or Parquet.

Examples
--------
>>> from neff.report import formats
>>> formats()
('text', 'html', 'markdown', 'json', 'junit', 'csv', 'eee', 'parquet')
"""

from neff.report.audits import audit_document
from neff.report.baselines import baselines_document
from neff.report.batch_sizes import checkpointed_document, critical_document, tradeoff_document
from neff.report.benchmark.factorial import (
    contingency_document,
    factorial_document,
    frozen_choice_document,
    learning_curve_document,
)
from neff.report.benchmark.fluid import fluid_replay_document, next_items_document
from neff.report.benchmark.irt import abilities_document, item_bank_document
from neff.report.benchmark.ks import ks_document
from neff.report.benchmark.labeling import deferral_document, hybrid_labels_document, label_metrics_document
from neff.report.benchmark.noise import benchmark_noise_document
from neff.report.benchmark.paraphrase import paraphrase_document
from neff.report.benchmark.ranking import judged_pairs_document, ranking_document
from neff.report.benchmark.survey import (
    discriminator_document,
    letter_bias_document,
    option_order_document,
    place_and_label_document,
    populations_document,
)
from neff.report.build import evaluation_document
from neff.report.claims import check_document
from neff.report.converting import Converted, convert
from neff.report.document import Document, Gate, document
from neff.report.energy import energy_document
from neff.report.output import formats, render, show, write
from neff.report.papers import papers_document
from neff.report.plans import audit_plan_document, budget_plan_document, plan_document
from neff.report.sampling.abstention import abstention_document
from neff.report.sampling.choosing import replay_document, selection_document
from neff.report.sampling.forecast import emergence_document, forecast_document, task_law_document
from neff.report.sampling.repeated import at_k_document
from neff.report.sampling.verifier import verifier_document
from neff.report.saved import load, schema
from neff.report.staleness import staleness_document
from neff.report.subtasks import subtasks_document
from neff.report.training import training_document

__all__ = [
    "Converted",
    "Document",
    "Gate",
    "abilities_document",
    "abstention_document",
    "at_k_document",
    "audit_document",
    "audit_plan_document",
    "baselines_document",
    "benchmark_noise_document",
    "budget_plan_document",
    "check_document",
    "checkpointed_document",
    "contingency_document",
    "convert",
    "critical_document",
    "deferral_document",
    "discriminator_document",
    "document",
    "emergence_document",
    "energy_document",
    "evaluation_document",
    "factorial_document",
    "fluid_replay_document",
    "forecast_document",
    "formats",
    "frozen_choice_document",
    "hybrid_labels_document",
    "item_bank_document",
    "judged_pairs_document",
    "ks_document",
    "label_metrics_document",
    "learning_curve_document",
    "letter_bias_document",
    "load",
    "next_items_document",
    "option_order_document",
    "papers_document",
    "paraphrase_document",
    "place_and_label_document",
    "plan_document",
    "populations_document",
    "ranking_document",
    "render",
    "replay_document",
    "schema",
    "selection_document",
    "show",
    "staleness_document",
    "subtasks_document",
    "task_law_document",
    "tradeoff_document",
    "training_document",
    "verifier_document",
    "write",
]
