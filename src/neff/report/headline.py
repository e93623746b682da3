"""The finding in plain words: who is best, by how much, and from whom it cannot be told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.report.groups import decided
from neff.report.text import Name, join_names, number, plural, signed
from neff.results import Verdict

if TYPE_CHECKING:
    from neff.report.document import Text
    from neff.report.groups import Group
    from neff.results import Comparison, Estimate

__all__ = ["correction_words", "flagged", "group_lead", "group_title"]

_CORRECTIONS = {
    "holm": "Holm's correction",
    "benjamini-hochberg": "Benjamini and Hochberg's correction",
    "benjamini-yekutieli": "Benjamini and Yekutieli's correction",
    "bonferroni": "Bonferroni's correction",
}


def group_title(group: Group) -> Text:
    """Return the finding of one group in a few words."""
    best = group.best
    if best is None:
        refused = any(e.refused for e in group.estimates)
        return ("No model can be named best" if refused else "No score could be computed",)
    name = Name(best.model)
    if len(group.estimates) == 1:
        return name, f" scores {number(best.value, group.digits)}"
    if not group.comparisons:
        return name, f" has the {'lowest' if group.lower_is_better else 'highest'} score"
    if len(group.comparisons) == 1 and len(group.estimates) == 2:
        return _pair_title(group.comparisons[0])
    others = group.not_told_apart
    if not others:
        return name, " is best"
    if len(others) == len(group.estimates) - 1 and len(others) > 2:
        return name, " scores best, but cannot be told from any other model"
    if len(others) > 3:
        return name, f" is best, but cannot be told from {len(others):,} others"
    return name, " is best, but cannot be told from ", *_or(join_names(others))


def _or(parts: Text) -> Text:
    return tuple(" or " if part == " and " and not isinstance(part, Name) else part for part in parts)


def _pair_title(comparison: Comparison) -> Text:
    a, b = Name(comparison.a), Name(comparison.b)
    told = decided(comparison)
    if told is None:
        return a, " and ", b, " could not be compared"
    if comparison.margin:
        margin = f"{abs(comparison.margin):g}"
        words = {True: " is better than ", False: " is not shown to be better than "}[told]
        if comparison.verdict is Verdict.FAILS:
            words = " is not better than "
        return a, words, b, f" by more than {margin}"
    if not told:
        return a, " and ", b, " cannot be told apart"
    return (a, " is better than ", b) if comparison.verdict is Verdict.HOLDS else (b, " is better than ", a)


def group_lead(group: Group) -> tuple[Text, ...]:
    """Return the finding of one group with its numbers, one sentence each."""
    best = group.best
    if best is None:
        reasons = sorted({str(e.reason) for e in group.estimates if e.reason is not None})
        refused = [e for e in group.estimates if e.refused]
        said: list[Text] = [("The level of every model is refused.",)] if len(refused) == len(group.estimates) else []
        return (*said, (f"Reason: {', '.join(reasons)}.",)) if reasons else tuple(said)
    if len(group.comparisons) == 1 and len(group.estimates) == 2:
        return _pair_lead(group, group.comparisons[0])
    sentences: list[Text] = [_score_sentence(group, best)]
    if len(group.estimates) > 1:
        sentences.append(_standing_sentence(group))
        first = next(e for e in group.estimates if math.isfinite(e.value))
        if first.model != best.model:
            sentences.append((Name(first.model), _not_crowned(first, number(first.value, group.digits))))
    sentences += _flag_sentences(group, best)
    return tuple(sentence for sentence in sentences if sentence)


def _not_crowned(first: Estimate, score: str) -> str:
    if first.refused:
        return f" has a better score ({score}), but its level is refused."
    return f" has a better mean ({score}) over its own items, but loses on the items that both have."


def _score_sentence(group: Group, best: Estimate) -> Text:
    verb = " scores " if len(group.estimates) == 1 else " is best: "
    score, interval = number(best.value, group.digits), _interval_words(best.interval, group, signs=False)
    items = f", from {plural(best.n_items, 'item')}" if best.n_items else ""
    return Name(best.model), f"{verb}{score}, {interval}{items}."


def _interval_words(interval: tuple[float, float], group: Group, *, signs: bool) -> str:
    low, high = interval
    if math.isnan(low) or math.isnan(high):
        return "without an interval"
    write = signed if signs else number
    return f"{100 * group.level:g}% interval {write(low, group.digits)} to {write(high, group.digits)}"


def _standing_sentence(group: Group) -> Text:
    if not group.comparisons:
        return ("No differences were tested, so the order may be due to chance.",)
    others, told = group.not_told_apart, group.behind
    after = correction_words(group.correction, len(group.comparisons))
    if others and not told and len(others) == len(group.estimates) - 1 > 1:
        return ("It cannot be told from any other model", after, ".")
    if not others and not told:
        return ("It could not be compared with any other model.",)
    untold = sum(not e.refused for e in group.estimates) - 1 - told - len(others)
    missing = f"; {plural(untold, 'model')} could not be compared with it" if untold else ""
    if not others:
        every = "all " if told > 1 and not untold else ""
        return (f"It is better than {every}{plural(told, 'other model')}", after, missing, ".")
    behind = f"; {plural(told, 'model is', 'models are')} behind it" if told else ""
    return ("It cannot be told from ", *_or(join_names(others)), behind, after, missing, ".")


def correction_words(correction: str, pairs: int) -> str:
    """Return ", after Holm's correction over 45 pairs", or nothing where there is no correction or one pair."""
    if pairs < 2:
        return ""
    if correction == "none":
        return ", without correction for the number of pairs"
    return f", after {_CORRECTIONS.get(correction, correction)} over {pairs:,} pairs"


def _pair_lead(group: Group, c: Comparison) -> tuple[Text, ...]:
    scores = {e.model: number(e.value, group.digits) for e in group.estimates}
    first: Text = (Name(c.a), f" scores {scores.get(c.a, '–')} and ", Name(c.b), f" {scores.get(c.b, '–')}.")
    if math.isnan(c.difference):
        return first, (f"Their difference is undefined: {c.reason or 'no reason recorded'}.",)
    second = (
        f"The difference is {signed(c.difference, group.digits)}, {_interval_words(c.interval, group, signs=True)}, "
        f"on {plural(c.n_items, 'common item')}."
    )
    return first, (second,)


def flagged(estimate: Estimate) -> str:
    """Return what weakens an estimate, or an empty string."""
    if estimate.reason is not None or estimate.refused:
        return str(estimate.reason or estimate.refused)
    return estimate.warnings[0].rstrip(".") if estimate.warnings else ""


def _flag_sentences(group: Group, best: Estimate) -> list[Text]:
    """Never crown a flagged winner silently: name the flag, and the best model without one."""
    flag = flagged(best)
    if not flag:
        return []
    clean = next((e for e in group.estimates if math.isfinite(e.value) and not flagged(e)), None)
    sentence: Text = ("Read ", Name(best.model), f" with care: {flag}.")
    if clean is None or len(group.estimates) == 1:
        return [sentence]
    score = number(clean.value, group.digits)
    return [sentence, ("The best model without such a flag is ", Name(clean.model), f" ({score}).")]
