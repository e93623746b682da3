"""Means of scores as they stand: items, repeats, clusters, tasks; pairs of models; who is tied with the best."""

from neff.evaluate.means.score import MACRO, MICRO

__all__ = ["MACRO", "MICRO"]
