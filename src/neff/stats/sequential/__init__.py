"""Anytime-valid inference: look after every value, stop whenever you like, and still cover."""

from neff.stats.sequential.batch import ConfidenceSequence, confidence_sequence
from neff.stats.sequential.claims import alpha_spending, e_benjamini_hochberg, e_holm
from neff.stats.sequential.evidence import EProcess, e_process
from neff.stats.sequential.online import MeanSequence, bounded_sequence, paired_sequence
from neff.stats.sequential.ratio import RatioSequence, ratio_sequence

__all__ = [
    "ConfidenceSequence",
    "EProcess",
    "MeanSequence",
    "RatioSequence",
    "alpha_spending",
    "bounded_sequence",
    "confidence_sequence",
    "e_benjamini_hochberg",
    "e_holm",
    "e_process",
    "paired_sequence",
    "ratio_sequence",
]
