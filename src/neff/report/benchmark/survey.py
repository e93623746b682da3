"""Results of the survey folder -> Document: letters, places, content, populations, whole rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.benchmark.survey.crossing import PlaceAndLabel
from neff.benchmark.survey.discriminator import CHANCE, DiscriminatorTest
from neff.benchmark.survey.letters import LetterBiases
from neff.benchmark.survey.order import OptionOrder
from neff.benchmark.survey.populations import PopulationComparison
from neff.report.document import Bullets, Document, Fact, Section, TableBlock, document, gate_notices
from neff.report.text import Name, count, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate, Text

__all__ = [
    "discriminator_document",
    "letter_bias_document",
    "option_order_document",
    "place_and_label_document",
    "populations_document",
]


@document.register(LetterBiases)
def letter_bias_document(result: LetterBiases, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of letter biases: whose letters lean furthest, and whether better models lean less."""
    known = [m for m in result.models if m.reason is None]
    title: Text = ("No model gave a letter",)
    lead: list[Text] = []
    if known:
        worst = max(known, key=lambda m: abs(m.a_bias))
        word = "often" if worst.a_bias > 0 else "rarely"
        title = (Name(worst.model), f" gives {result.letters[0]} {100 * abs(worst.a_bias):.1f} points too {word}")
        sure = [m for m in known if m.interval[0] > 0 or m.interval[1] < 0]
        lead.append(
            (f"The first letter's share differs surely from chance for {len(sure)} of {plural(len(known), 'model')}.",)
        )
    if not math.isnan(result.accuracy_and_bias):
        lean, distance = result.accuracy_and_bias, result.accuracy_and_divergence
        said = f"Over models, accuracy correlates with the size of the lean by {lean:+.2f}, "
        lead.append((said, f"with the distance of their letters from the right ones by {distance:+.2f}."))
    notes: tuple[Text, ...] = (
        ("Where the right letters are about uniform, an excess of a letter is a preference for its place.",),
        ("One order of options cannot tell place from content question by question: ask in several.",),
    )
    block = TableBlock(result.table(), "Letters of each model", ("model", "a_bias", "interval", "accuracy", "n"))
    return Document(
        title=title,
        kind="letter bias",
        lead=tuple(lead),
        facts=(Fact("Questions", count(result.n_questions)), Fact("Options", count(len(result.letters)))),
        notices=gate_notices(gates),
        sections=(Section((), (block,)), Section(("Notes",), (Bullets(notes),), "context")),
    )


@document.register(OptionOrder)
def option_order_document(result: OptionOrder, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of one question asked in several orders."""
    title = f"The first place gets {result.a_bias:+.1%} beyond its share"
    return Document(
        title=("No presentation has a label" if result.reason else title,),
        kind="option order",
        facts=(
            Fact("Presentations", count(result.n_presentations), ("balanced" if result.balanced else "not balanced",)),
            Fact("Label mass", f"{result.label_mass:.1%}"),
        ),
        notices=gate_notices(gates),
        sections=(Section((), (TableBlock(result.table(), "Options and places"),)),),
    )


@document.register(PlaceAndLabel)
def place_and_label_document(result: PlaceAndLabel, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of one question asked with places and labels crossed."""
    return Document(
        title=(result.sentence(),),
        kind="place and label",
        facts=(
            Fact("Presentations", count(result.n_presentations), ("balanced" if result.balanced else "not balanced",)),
        ),
        notices=gate_notices(gates),
        sections=(Section((), (TableBlock(result.table(), "Options, places and labels"),)),),
    )


@document.register(PopulationComparison)
def populations_document(result: PopulationComparison, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a comparison with populations: who is closest, and what uniform answers are."""
    best = min(result.groups, key=lambda g: g.divergence if not math.isnan(g.divergence) else math.inf)
    lead: list[Text] = [(f"Uniform answers are at {result.to_uniform:.3f} bits from the model's.",)]
    if not math.isnan(result.entropy_correlation):
        lead.append((f"Over groups, divergence and entropy correlate by {result.entropy_correlation:+.2f}.",))
    return Document(
        title=(
            ("No group can be compared",)
            if math.isnan(best.divergence)
            else ("Closest: ", Name(best.group), f", {best.divergence:.3f} bits")
        ),
        kind="answers and populations",
        lead=tuple(lead),
        notices=gate_notices(gates),
        sections=(Section((), (TableBlock(result.table(), "Divergence from each group"),)),),
    )


@document.register(DiscriminatorTest)
def discriminator_document(result: DiscriminatorTest, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a discriminator test: how well rows are told apart, and by which columns."""
    accuracy = result.accuracy
    if math.isnan(accuracy.value):
        title = f"The discriminator test is undefined: {result.reason}"
    elif result.told_apart:
        title = f"A classifier puts {100 * accuracy.value:.1f}% of the rows on the right side; chance is 50%"
    else:
        title = "Made rows are not told from real ones" if result.n_resamples else f"Accuracy {accuracy.value:.3f}"
    lead: list[Text] = [(result.sentence(),)]
    if result.columns:
        first = result.columns[0]
        said = f" is furthest from real rows: distance {first.distance:.3f}, p {first.p_adjusted:.4f} adjusted."
        lead.append(("By itself column ", Name(first.name), said))
    if not math.isnan(result.by_chance[0]):
        low, high = result.by_chance
        lead.append((f"With labels swapped {100 * accuracy.level:g}% of accuracies are in [{low:.3f}, {high:.3f}].",))
    notes: list[Text] = [(f"{note[:1].upper()}{note[1:]}.",) for note in result.notes]
    notes += [
        ("A classifier that finds nothing shows only that this one, with so many rows, finds nothing.",),
        ("Close columns and a high accuracy: the answers of a row hang together in another way.",),
    ]
    block = TableBlock(result.table(), "Each column by itself", ("name", "distance", "p_adjusted"))
    return Document(
        title=(title,),
        kind="discriminator test",
        lead=tuple(lead),
        facts=(
            Fact("Accuracy", f"{accuracy.value:.3f}", (f"chance {CHANCE}",)),
            Fact("Rows of each kind", count(result.n_rows)),
            Fact("Classifier", result.classifier),
            Fact("Splits", count(result.n_splits)),
        ),
        notices=gate_notices(gates),
        sections=(
            *((Section(("Columns",), (block,)),) if result.columns else ()),
            Section(("Notes",), (Bullets(tuple(notes)),), "context"),
        ),
    )
