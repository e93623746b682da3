"""Ground floor: pure statistics on arrays. Arrays in, small results out; no I/O, no frames, numpy and scipy only."""

from neff.stats.beta_binomial import BetaBinomialFit, beta_binomial
from neff.stats.binary import mcnemar
from neff.stats.cluster import ClusterError, MeanSE, crv1, crv1_two_way, mean_se, welch_satterthwaite
from neff.stats.intervals import (
    Interval,
    beta_interval,
    clopper_pearson,
    paired_proportions,
    t_interval,
    wilson,
)
from neff.stats.isotonic import IsotonicFit, isotonic, isotonic_fit
from neff.stats.jackknife import JackknifeResult, jackknife, jackknife_variance
from neff.stats.moments import Moments
from neff.stats.multiplicity import adjust, simultaneous_z
from neff.stats.permutation import PermutationResult, permutation_paired
from neff.stats.rank import kendall_tau, pairwise_agreement, spearman, top_k_overlap
from neff.stats.resample import BootstrapResult, bootstrap_counts, bootstrap_mean, bootstrap_paired
from neff.stats.sequential import (
    ConfidenceSequence,
    EProcess,
    MeanSequence,
    RatioSequence,
    alpha_spending,
    bounded_sequence,
    confidence_sequence,
    e_benjamini_hochberg,
    e_holm,
    e_process,
    paired_sequence,
    ratio_sequence,
)
from neff.stats.shrinkage import RuleRisk, ShrinkageFit, shrink_means, shrink_rates
from neff.stats.shrinkage_target import Predictor, cross_fitted_target
from neff.stats.shrinkage_two_sample import CellMeans, cell_means, shrink_differences
from neff.stats.sure import approximate_sure
from neff.stats.tail import TailIndex, hill, pareto_k
from neff.stats.weights import WeightSummary, ess, hellinger_affinity, normalise, top_share

__all__ = [
    "BetaBinomialFit",
    "BootstrapResult",
    "CellMeans",
    "ClusterError",
    "ConfidenceSequence",
    "EProcess",
    "Interval",
    "IsotonicFit",
    "JackknifeResult",
    "MeanSE",
    "MeanSequence",
    "Moments",
    "PermutationResult",
    "Predictor",
    "RatioSequence",
    "RuleRisk",
    "ShrinkageFit",
    "TailIndex",
    "WeightSummary",
    "adjust",
    "alpha_spending",
    "approximate_sure",
    "beta_binomial",
    "beta_interval",
    "bootstrap_counts",
    "bootstrap_mean",
    "bootstrap_paired",
    "bounded_sequence",
    "cell_means",
    "clopper_pearson",
    "confidence_sequence",
    "cross_fitted_target",
    "crv1",
    "crv1_two_way",
    "e_benjamini_hochberg",
    "e_holm",
    "e_process",
    "ess",
    "hellinger_affinity",
    "hill",
    "isotonic",
    "isotonic_fit",
    "jackknife",
    "jackknife_variance",
    "kendall_tau",
    "mcnemar",
    "mean_se",
    "normalise",
    "paired_proportions",
    "paired_sequence",
    "pairwise_agreement",
    "pareto_k",
    "permutation_paired",
    "ratio_sequence",
    "shrink_differences",
    "shrink_means",
    "shrink_rates",
    "simultaneous_z",
    "spearman",
    "t_interval",
    "top_k_overlap",
    "top_share",
    "welch_satterthwaite",
    "wilson",
]
