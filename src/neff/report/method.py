"""How the numbers were made, in sentences: estimands, intervals, pairs, corrections, assumptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from neff.evaluate.result import Evaluation
    from neff.report.document import Text
    from neff.report.groups import Group

__all__ = ["method_bullets"]

_CORRECTIONS = {
    "holm": "p-values are adjusted by Holm's method over all pairs of a table: the chance of even one false "
    "“told apart” is at most {alpha:.2g} per table.",
    "bonferroni": "p-values are multiplied by the number of pairs of a table (Bonferroni): the chance of even one "
    "false “told apart” is at most {alpha:.2g} per table.",
    "benjamini-hochberg": "p-values are adjusted by Benjamini and Hochberg's method over all pairs of a table: of the "
    "pairs told apart, at most {alpha:.2g} are expected to be false.",
    "benjamini-yekutieli": "p-values are adjusted by Benjamini and Yekutieli's method over all pairs of a table: of "
    "the pairs told apart, at most {alpha:.2g} are expected to be false, however the pairs depend on each other.",
    "none": "p-values are not corrected for the number of pairs: about {alpha:.2g} of equal pairs are told apart "
    "by chance alone.",
}


def method_bullets(result: Evaluation, groups: Sequence[Group]) -> tuple[Text, ...]:
    """Return what a careful reader must know to trust the numbers."""
    alpha = 1 - result.level
    lines: list[str] = []
    lines += [f"Scores: {_sentence(m)}" for m in _once(e.method for e in result.estimates)]
    lines.append(
        f"Each interval covers its own number with {100 * result.level:g}% confidence; it is not adjusted for how "
        "many there are. Two overlapping intervals do not mean two equal models: read the differences."
        if result.comparisons
        else f"Each interval covers its own number with {100 * result.level:g}% confidence."
    )
    if result.comparisons:
        lines += [f"Differences: {_sentence(m)}" for m in _once(c.method for c in result.comparisons)]
        if any(len(g.comparisons) > 1 for g in groups):
            sentence = _CORRECTIONS.get(result.correction, f"p-values are corrected by {result.correction}.")
            lines.append(f"Many pairs: {sentence.format(alpha=alpha)}")
        for margin in sorted({c.margin for c in result.comparisons if c.margin}):
            lines.append(f"A model counts as better only by more than the margin {margin:g}, declared beforehand.")
    lines += [f"n_eff counts {_sentence(of)}" for of in _once(e.n_eff_of for e in result.estimates)]
    if any(e.n_unscored for e in result.estimates):
        how = (result.provenance.options if result.provenance else {}).get("unscored", "exclude")
        lines.append(
            "Answers without a score were counted as wrong, as asked for."
            if how == "wrong"
            else "Answers without a score are left out and counted; they do not count as wrong."
        )
    if result.lower_is_better:
        lines.append(f"Lower is better for: {', '.join(sorted(result.lower_is_better))}.")
    lines += [f"Assumed: {_sentence(a)}" for a in _once(a for e in result.estimates for a in e.assumptions)]
    return tuple((line,) for line in lines)


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
