"""`neff sampling abstain`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (the parser reads the annotations)
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import COLUMNS, NO_OUTPUT, STATISTICS, Input, Number, Output, Whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from neff.sampling.abstention.reading import AbstentionData

__all__ = ["abstain"]

ABSTENTION = Group("Abstention", sort_key=1)

Name = Annotated[str | None, Parameter(group=COLUMNS)]


def abstain(
    table: Input,
    /,
    *,
    target: Annotated[Number, Parameter(group=ABSTENTION)] = 0.95,
    method: Annotated[
        tuple[
            Literal[
                "all", "softmax", "temperature", "threshold", "lac", "class-conditional", "aps", "weighted-lac",
                "distance", "sdm",
            ],
            ...,
        ],
        Parameter(group=ABSTENTION, show_default=False),
    ] = (),
    sdm: Annotated[Literal["auto", "adaptor", "universal", "given", "none"], Parameter(group=ABSTENTION)] = "auto",
    restarts: Annotated[Whole, Parameter(group=ABSTENTION)] = 3,
    epochs: Annotated[Whole | None, Parameter(group=ABSTENTION)] = None,
    learning_rate: Annotated[Number | None, Parameter(group=ABSTENTION)] = None,
    width: Annotated[Whole | None, Parameter(group=ABSTENTION)] = None,
    gate_quantile: Annotated[Number, Parameter(group=ABSTENTION)] = 0.95,
    label: Name = None,
    split: Name = None,
    logit: Name = None,
    probability: Name = None,
    embedding: Name = None,
    embeddings: Annotated[Path | None, Parameter(group=COLUMNS)] = None,
    log_weight: Name = None,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:  # fmt: skip
    """Answer only where it is right? Ways to abstain, also under a shift.

    For example:
      neff sampling abstain outputs.csv
      neff sampling abstain outputs.csv --embeddings vectors.npy -o abstain.html
      neff sampling abstain outputs.npz --sdm given --seed 1 --json

    One row per item: its right class, its split (train, calibration; every other name is a set to answer), and a logit
    or probability per class. With embeddings of training items also the distance gate and SDM.

    Parameters
    ----------
    table
        CSV, Parquet or npz; - is no input here.
    target
        Accuracy wanted among the answered items.
    method
        A way to abstain. Repeatable; by default all that the data carry.
    sdm
        adaptor trains one on the embeddings (estimator A, needs torch); universal the same with estimator U; given
        takes embeddings and logits as they are; auto: adaptor where there are embeddings of training items and torch.
    restarts
        Of the training of the adaptor.
    epochs
        By default 200 (universal: 50).
    learning_rate
        By default by the size of the data.
    width
        Columns of the adaptor's features, by default those of the embeddings, at most 1000.
    gate_quantile
        Share of the calibration items within the distance gate.
    label
        Column of the right class; empty where no class is right.
    split
        Column of the split.
    logit
        Pattern of the columns of logits, 'logit_*': the star is the class.
    probability
        Pattern of the columns of probabilities instead, 'p_*'.
    embedding
        Pattern of the columns of the embedding, 'emb_*', or one column of lists.
    embeddings
        A .npy file with the embeddings, in the order of the rows.
    log_weight
        Column of the log likelihood ratio, for weighted-lac.
    level
        Coverage of the intervals.
    seed
        Seed of the random numbers.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.sampling import abstention_table, read_abstention

    inputs = [path for path in (table, embeddings) if path is not None]
    delivery = prepare(output, inputs=inputs)
    with progress("reading", quiet=output.quiet):
        data = read_abstention(
            table, label=label, split=split, logits=logit, probabilities=probability, embedding=embedding,
            embeddings=embeddings, log_weight=log_weight,
        )  # fmt: skip
    with progress("fitting", quiet=output.quiet) as say:
        settings = {
            "target": target, "n_restarts": restarts, "n_epochs": epochs, "learning_rate": learning_rate,
            "width": width, "rng": seed,
        }  # fmt: skip
        chosen, notes = _sdm(sdm, data, settings, say, wanted=not method or "sdm" in method)
        result = abstention_table(
            data.logits, data.labels, data.split, **data.arguments(), methods=method or None, sdm=chosen, target=target,
            gate_quantile=gate_quantile, level=level, rng=seed,
        )  # fmt: skip
    delivery.put_out(result, [f"note: {note}" for note in (*notes, *result.notes)])
    return 0


def _sdm(
    choice: str, data: AbstentionData, settings: dict[str, Any], say: Callable[[str], None], *, wanted: bool
) -> tuple[Any, list[str]]:
    """Return the SDM classifier that is asked for, and what to say about one that is not."""
    from neff.errors import MissingExtraError

    if choice == "none" or not wanted:
        return None, []
    if choice == "given":
        return "given", []
    can = data.features is not None and any(
        str(s).strip().lower() in ("train", "training", "support") for s in data.split
    )
    if choice == "auto" and not can:
        return None, []
    epochs = settings["n_epochs"]
    try:
        from neff.sampling import SDMClassifier
    except MissingExtraError:
        if choice == "auto":
            return None, ["SDM is left out: training its adaptor needs torch (pip install 'neff[train]')."]
        raise
    estimator = "U" if choice == "universal" else "A"
    total = epochs or (50 if estimator == "U" else 200)
    return SDMClassifier(
        estimator=estimator,
        tell=lambda restart, epoch: say(
            f"SDM, restart {restart + 1} of {settings['n_restarts']}, epoch {epoch} of {total}"
        ),
        **settings,
    ), []
