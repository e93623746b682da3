"""Statistics of HELM, one entry per instance, trial and metric class, as samples."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from neff.errors import RecordsError
from neff.records.logrows import Sample, plural
from neff.records.logvalues import Scores, score_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from neff.records.logrows import Attributes

__all__ = ["Counted", "Instance", "Stat", "average", "samples_of"]

_BOOKKEEPING = re.compile(
    r"num_\w+|prompt_\w+|\w*runtime|training_\w+|batch_size|finish_reason_\w+|logprob|max_prob|predicted_index|"
    r"ref\d+_rank|estimated_num_tokens_cost|inference_\w+"
)
"""Statistics that say what was run, not how good the answer was."""


class Counted(NamedTuple):
    """What HELM averages apart: the same statistic in another split or under another perturbation."""

    metric: str
    split: str
    sub_split: str
    perturbation: str


class _Perturbation(msgspec.Struct, gc=False):
    name: str = ""
    computed_on: str = "perturbed"


class _Name(msgspec.Struct, gc=False):
    name: str
    split: str | None = None
    sub_split: str | None = None
    perturbation: _Perturbation | None = None

    def counted(self) -> Counted:
        perturbation = self.perturbation.name if self.perturbation else ""
        return Counted(self.name, self.split or "", self.sub_split or "", perturbation)

    def computed_on(self) -> str:
        return self.perturbation.computed_on if self.perturbation else "perturbed"


class Stat(msgspec.Struct, gc=False):
    """One statistic, of an instance or of a run."""

    name: _Name
    count: Any = None
    sum: Any = None
    mean: Any = None


class Instance(msgspec.Struct, gc=False):
    """An entry of `per_instance_stats.json` (a list of statistics) or of `display_predictions.json` (a dict)."""

    instance_id: str
    train_trial_index: int = 0
    perturbation: _Perturbation | None = None
    stats: list[Stat] | dict[str, Any] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """The samples of a run.

    Attributes
    ----------
    samples
        One per instance, perturbation and trial.
    notes
        What a person should know.
    means
        Of each statistic the mean of each trial, as HELM averages.
    """

    samples: list[Sample]
    notes: tuple[str, ...]
    means: dict[Counted, list[float]]


def average(stat: Stat) -> float:
    """Return the value of a statistic, NaN where it has none."""
    mean = score_of(stat.mean)
    if mean is not None and not math.isnan(mean):
        return mean
    total, count = score_of(stat.sum), score_of(stat.count)
    return total / count if total is not None and count else math.nan


def samples_of(instances: Sequence[Instance], attributes: Attributes) -> Found:
    """Merge the entries of each (instance, perturbation, trial) and return them as samples.

    Raises
    ------
    RecordsError
        If no instance has a statistic that is a score.
    """
    scores = Scores()
    merged: dict[tuple[str, str, int], dict[Counted, float]] = {}
    twice = 0
    for instance in instances:
        perturbation = instance.perturbation.name if instance.perturbation else ""
        table = merged.setdefault((instance.instance_id, perturbation, instance.train_trial_index), {})
        for counted, value in _values(instance, perturbation, scores):
            if counted in table:  # two metric classes of one run computed it: the same, or HELM has warned
                twice += table[counted] != value
            else:
                table[counted] = value
    known = list(dict.fromkeys(counted for table in merged.values() for counted in table))
    judged = [counted for counted in known if not _BOOKKEEPING.fullmatch(counted.metric)] or known
    several = len({counted.split for counted in judged}) > 1
    samples, lost = [], 0
    for (name, perturbation, trial), table in merged.items():
        missing = _missing(table, judged, perturbation)
        lost += len(missing)
        values = {_metric(c, several=several): table.get(c, math.nan) for c in judged if c in table or c in missing}
        item = f"{name}+{perturbation}" if perturbation else name
        samples.append(Sample(item, trial, attributes.pick(_about(table, judged)), values))
    if not known:
        raise RecordsError(
            "no instance has a statistic.",
            "Give per_instance_stats.json of the run; where it has none either, the metrics computed nothing.",
        )
    aside = dict.fromkeys(counted.metric for counted in known if counted not in judged)
    return Found(samples, (*scores.notes(), *_notes(lost, twice, list(aside))), _means(merged, judged))


def _missing(table: dict[Counted, float], judged: list[Counted], perturbation: str) -> list[Counted]:
    """Return the scores that an instance lacks: of those that HELM averages with it; of all, where it has none."""
    groups = {counted[1:] for counted in table}
    lacked = [counted for counted in judged if counted not in table and counted[1:] in groups]
    if lacked or any(counted in table for counted in judged):
        return lacked
    return [counted for counted in judged if counted.perturbation == perturbation] or judged


def _values(instance: Instance, perturbation: str, scores: Scores) -> Iterator[tuple[Counted, float]]:
    if isinstance(instance.stats, dict):
        for name, value in instance.stats.items():
            yield Counted(name, "", "", perturbation), scores.number(name, value)
    else:
        for stat in instance.stats:
            yield stat.name.counted(), scores.number(stat.name.name, average(stat))


def _metric(counted: Counted, *, several: bool) -> str:
    """Return the name of a metric: HELM averages splits and perturbations apart, and so do we."""
    apart = [counted.split if several else "", counted.sub_split, counted.perturbation]
    which = ", ".join(part for part in apart if part)
    return f"{counted.metric} ({which})" if which else counted.metric


def _about(table: dict[Counted, float], judged: list[Counted]) -> dict[str, Any]:
    """Return what else is known of an instance: its split, and the statistics that are no scores."""
    about: dict[str, Any] = {c.metric: value for c, value in table.items() if c not in judged}
    splits = [counted.split for counted in table if counted.split]
    return {"split": splits[0], **about} if splits else about


def _notes(lost: int, twice: int, aside: list[str]) -> Iterator[str]:
    if aside:
        shown = ", ".join(aside[:6]) + (", ..." if len(aside) > 6 else "")
        yield f"{plural(len(aside), 'statistic')} that say what was run are kept as columns, not as metrics: {shown}"
    if lost:
        yield (
            f"{plural(lost, 'statistic')} missing for an instance (HELM leaves out what is no number): unscored; HELM "
            "averages what is left of each trial, and then the trials"
        )
    if twice:
        yield f"{plural(twice, 'statistic')} came twice for an instance with different values: the first one counts"


def _means(
    merged: dict[tuple[str, str, int], dict[Counted, float]], judged: list[Counted]
) -> dict[Counted, list[float]]:
    values: dict[Counted, dict[int, list[float]]] = {}
    for (_, _, trial), table in merged.items():
        for counted in judged:
            if not math.isnan(value := table.get(counted, math.nan)):
                values.setdefault(counted, {}).setdefault(trial, []).append(value)
    return {
        counted: [math.fsum(trial) / len(trial) for trial in by_trial.values()] for counted, by_trial in values.items()
    }
