"""The finding in plain words: who is best, by how much, and from whom it cannot be told."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from neff.report.groups import decided
from neff.report.text import Name, join_names, number, plural, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Text
    from neff.report.groups import Group
    from neff.results import Comparison, Estimate

__all__ = ["correction_words", "flagged", "group_lead", "group_title", "headline"]

_CORRECTIONS = {
    "holm": "Holm's correction",
    "benjamini-hochberg": "Benjamini and Hochberg's correction",
    "bonferroni": "Bonferroni's correction",
}


def headline(groups: Sequence[Group]) -> tuple[Text, tuple[Text, ...]]:
    """Return the title of the report and its leading sentences."""
    if not groups:
        return ("There are no scores",), ()
    if len(groups) == 1:
        return group_title(groups[0]), group_lead(groups[0])
    return _title_of_many(groups), _lead_of_many(groups)


# --------------------------------------------------------------------------------------------------------
# One task and metric.


def group_title(group: Group) -> Text:
    """Return the finding of one group in a few words."""
    best = group.best
    if best is None:
        return ("No score could be computed",)
    name = Name(best.model)
    if len(group.estimates) == 1:
        return name, f" scores {number(best.value, group.digits)}"
    if not group.comparisons:
        return name, f" has the {'lowest' if group.lower_is_better else 'highest'} score"
    if len(group.comparisons) == 1 and len(group.estimates) == 2:
        return _pair_title(group.comparisons[0], lower_is_better=group.lower_is_better)
    others = group.tied[1:]
    if not others:
        untested = [c for c in group.to_best.values() if decided(c) is None]
        return (name, " is best") if not untested else (name, " is best of those that could be compared")
    if len(others) == len(group.estimates) - 1 and len(others) > 2:
        return name, " scores best, but cannot be told from any other model"
    if len(others) > 3:
        return name, f" is best, but cannot be told from {len(others):,} others"
    return name, " is best, but cannot be told from ", *_or(join_names(others))


def _or(parts: Text) -> Text:
    return tuple(" or " if part == " and " and not isinstance(part, Name) else part for part in parts)


def _pair_title(comparison: Comparison, *, lower_is_better: bool) -> Text:
    a, b = Name(comparison.a), Name(comparison.b)
    told = decided(comparison)
    if told is None:
        return a, " and ", b, " could not be compared"
    if comparison.margin:
        margin = f"{abs(comparison.margin):g}"
        words = {True: " is better than ", False: " is not shown to be better than "}[told]
        if told and str(comparison.verdict) == "fails":
            words = " is not better than "
        return a, words, b, f" by more than {margin}"
    if not told:
        return a, " and ", b, " cannot be told apart"
    a_wins = (comparison.difference > 0) != lower_is_better
    return (a, " is better than ", b) if a_wins else (b, " is better than ", a)


def group_lead(group: Group) -> tuple[Text, ...]:
    """Return the finding of one group with its numbers, one sentence each."""
    best = group.best
    if best is None:
        reasons = sorted({str(e.reason) for e in group.estimates if e.reason is not None})
        return ((f"Reason: {', '.join(reasons)}.",),) if reasons else ()
    if len(group.comparisons) == 1 and len(group.estimates) == 2:
        return _pair_lead(group, group.comparisons[0])
    sentences: list[Text] = [_score_sentence(group, best)]
    if len(group.estimates) > 1:
        sentences.append(_standing_sentence(group))
    sentences += _flag_sentences(group, best)
    return tuple(sentence for sentence in sentences if sentence)


def _score_sentence(group: Group, best: Estimate) -> Text:
    verb = " scores " if len(group.estimates) == 1 else " is best: "
    return (
        Name(best.model),
        f"{verb}{number(best.value, group.digits)}, {_interval_words(best.interval, group, signs=False)}"
        f"{', from ' + plural(best.n_items, 'item') if best.n_items else ''}.",
    )


def _interval_words(interval: tuple[float, float], group: Group, *, signs: bool) -> str:
    low, high = interval
    if math.isnan(low) or math.isnan(high):
        return "without an interval"
    write = signed if signs else number
    return f"{100 * group.level:g}% interval {write(low, group.digits)} to {write(high, group.digits)}"


def _standing_sentence(group: Group) -> Text:
    if not group.comparisons:
        return ("No differences were tested, so the order may be due to chance.",)
    others, told = group.tied[1:], sum(decided(c) is True for c in group.to_best.values())
    after = correction_words(group.correction, len(group.comparisons))
    if others and not told:
        return ("It cannot be told from any other model", after, ".")
    if not others:
        return (f"It is better than {'all ' if told > 1 else ''}{plural(told, 'other model')}", after, ".")
    behind = f"; {plural(told, 'model is', 'models are')} behind it"
    return ("It cannot be told from ", *_or(join_names(others)), behind, after, ".")


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
    if estimate.reason is not None:
        return str(estimate.reason)
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


# --------------------------------------------------------------------------------------------------------
# Several tasks or metrics.


def group_word(groups: Sequence[Group]) -> str:
    """Return what the groups are: tasks, metrics, or both."""
    if len({g.metric for g in groups}) == 1:
        return "task"
    return "metric" if len({g.task for g in groups}) == 1 else "task and metric"


def _title_of_many(groups: Sequence[Group]) -> Text:
    best = Counter(g.best.model for g in groups if g.best is not None)
    if not best:
        return ("No score could be computed",)
    word, total = group_word(groups), len(groups)
    models = {e.model for g in groups for e in g.estimates}
    (model, wins), *rest = best.most_common(2)
    if len(models) == 1:
        return Name(model), f" on {plural(total, word, 'task and metric pairs' if ' ' in word else '')}"
    where = "combinations of task and metric" if " " in word else f"{word}s"
    if wins == total:
        return Name(model), f" scores best in all {total:,} {where}"
    if rest and rest[0][1] == wins:
        return (f"No model leads: {len(best):,} models score best in at least one of {total:,} {where}",)
    return Name(model), f" scores best in {wins:,} of {total:,} {where}"


def _lead_of_many(groups: Sequence[Group]) -> tuple[Text, ...]:
    if len(groups) <= 3:
        lines = []
        for group in groups:
            parts = [part for sentence in group_lead(group) for part in (*sentence, " ")]
            lines.append((*group.title, ": ", *parts[:-1]) if group.title else tuple(parts[:-1]))
        return tuple(lines)
    tied = Counter(model for g in groups for model in g.tied)
    alone = sum(len(g.tied) == 1 and len(g.estimates) > 1 for g in groups)
    sentences: list[Text] = []
    if tied and any(len(g.estimates) > 1 for g in groups):
        model, times = tied.most_common(1)[0]
        sentences.append(
            (Name(model), f" is best or cannot be told from the best in {times:,} of {len(groups):,}.")
        )
        if any(g.comparisons for g in groups):
            sentences.append((f"The best model stands alone in {alone:,} of {len(groups):,}.",))
    return tuple(sentences)
