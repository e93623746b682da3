"""Write results in the schema of Every-Eval-Ever 0.3.0, with the block of uncertainty that few tools fill.

The schema holds one model per file. A result of several models is rendered as a list of such logs; `write_datastore`
writes them as files of their own, with one line per draw beside each where the records are given.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentTypeError, OutputError
from neff.evaluate.result import Evaluation
from neff.report.writing import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neff.records.table import Records
    from neff.results import Estimate

__all__ = ["logs", "render_eee", "sample_lines", "write_datastore"]

_VERSION = "0.3.0"
_LIBRARIES = {"inspect": "inspect_ai", "lm-eval": "lm_eval"}
_UNKNOWN = {"deployment_type": "unknown", "model_availability": "unknown"}
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def logs(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Return the log of each model, as JSON values.

    Parameters
    ----------
    evaluation
        What `neff.evaluate` or `neff.compare` returned.

    Returns
    -------
    dict
        Model -> log. An estimate that is undefined has no place in the schema: its reason stands in the details of
        the library.

    Examples
    --------
    >>> import neff
    >>> result = neff.evaluate({"item": [1, 2, 3], "model": ["a"] * 3, "score": [1, 1, 0]})
    >>> details = logs(result)["a"]["evaluation_results"][0]["score_details"]
    >>> round(details["score"], 4), round(details["uncertainty"]["standard_error"]["value"], 4)
    (0.6667, 0.3333)
    """
    if not isinstance(evaluation, Evaluation):
        raise ArgumentTypeError(
            "result", "an evaluation", evaluation, "Give what neff.evaluate or neff.compare returned.", call="write"
        )
    time = _unix_time(evaluation)
    models = dict.fromkeys(estimate.model for estimate in evaluation.estimates)
    return {model: _log(model, evaluation, time) for model in models}


def render_eee(evaluation: Evaluation) -> str:
    """Return the log of one model as strict JSON, or a list of the logs of several."""
    made = list(logs(evaluation).values())
    return _dump(made[0] if len(made) == 1 else made, indent=1) + "\n"


def write_datastore(
    evaluation: Evaluation, folder: str | Path, *, records: Records | None = None, collection: str = "neff"
) -> list[Path]:
    """Write one log per model where Every-Eval-Ever keeps them: `data/<collection>/<developer>/<model>/<uuid>.json`.

    Parameters
    ----------
    evaluation
        What `neff.evaluate` returned.
    folder
        Where the folder "data" is, or is made.
    records
        The draws; with them, `<uuid>_samples.jsonl` is written beside each log.
    collection
        Name of the collection.

    Returns
    -------
    list of Path
        The logs. Names are made from the content: writing again replaces, and adds nothing.

    Raises
    ------
    OutputError
        If a file cannot be written; each is written whole or not at all.
    """
    written = []
    for model, log in logs(evaluation).items():
        name = uuid.UUID(bytes=hashlib.sha256(_dump(log).encode()).digest()[:16], version=4)
        developer, _, short = model.rpartition("/")
        place = Path("data", _file_name(collection), _file_name(developer or "unknown"), _file_name(short))
        target = Path(folder) / place
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make {target}: {error.strerror or error}. Give another folder.") from error
        if records is not None:
            lines = [_dump(line) + "\n" for line in sample_lines(records, model, log["evaluation_id"])]
            content = "".join(lines).encode()
            write_bytes(target / f"{name}_samples.jsonl", content)
            log["detailed_evaluation_results"] = {
                "format": "jsonl",
                "file_path": (place / f"{name}_samples.jsonl").as_posix(),
                "hash_algorithm": "sha256",
                "checksum": hashlib.sha256(content).hexdigest(),
                "total_rows": len(lines),
            }
        write_bytes(target / f"{name}.json", (_dump(log, indent=1) + "\n").encode())
        written.append(target / f"{name}.json")
    return written


def sample_lines(records: Records, model: str, evaluation_id: str) -> Iterator[dict[str, Any]]:
    """Yield one line per draw of a model, in the order of task, metric, item and draw.

    Texts of questions and answers are not in the records: the item stands for the question. An unscored draw has the
    error "unscored" and score 0, because the schema asks for a number; readers must not count it.
    """
    import numpy as np

    rows = records.take(np.array([name == model for name in records.model.names()], bool))
    for row in np.lexsort((rows.draw, rows.item.codes, rows.metric.codes, rows.task.codes)):
        task, metric, item = (factor.levels[factor.codes[row]] for factor in (rows.task, rows.metric, rows.item))
        score = float(rows.score[row])
        about = {f"cluster{j or ''}": group.levels[group.codes[row]] for j, group in enumerate(rows.clusters)}
        yield {
            "schema_version": _VERSION,
            "evaluation_id": evaluation_id,
            "model_id": model,
            "evaluation_name": task,
            "evaluation_result_id": f"{task}/{metric}",
            "sample_id": item,
            "interaction_type": "single_turn",
            "input": {"raw": item, "reference": []},
            "output": {"raw": []},
            "answer_attribution": [],
            "evaluation": {"score": 0.0 if math.isnan(score) else score, "is_correct": score == 1},
            "error": "unscored" if math.isnan(score) else None,
            "metadata": {"draw": str(rows.draw[row]), **about},
        }


def _log(model: str, evaluation: Evaluation, time: str) -> dict[str, Any]:
    provenance = evaluation.provenance
    estimates = [estimate for estimate in evaluation.estimates if estimate.model == model]
    undefined = {f"undefined {e.task}/{e.metric}": str(e.reason) for e in estimates if not math.isfinite(e.value)}
    formats = sorted({str(source.get("format")) for source in (provenance.sources if provenance else ())})
    library = _LIBRARIES.get(formats[0], formats[0]) if len(formats) == 1 else "unknown"
    details = {"estimates by": f"neff {provenance.neff_version if provenance else ''}".strip(), **undefined}
    return {
        "schema_version": _VERSION,
        "evaluation_id": f"{_collected(estimates)}/{model}/{time}",
        "retrieved_timestamp": time,
        "source_metadata": {
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": library, "version": "unknown", "additional_details": details},
        "model_info": {"name": model, "id": model, "additional_details": _UNKNOWN},
        "evaluation_results": [
            _result(estimate, lower=estimate.metric in evaluation.lower_is_better)
            for estimate in estimates
            if math.isfinite(estimate.value)
        ],
    }


def _collected(estimates: list[Estimate]) -> str:
    tasks = list(dict.fromkeys(estimate.task for estimate in estimates))
    return tasks[0] if len(tasks) == 1 else f"{len(tasks)} tasks"


def _result(estimate: Estimate, *, lower: bool) -> dict[str, Any]:
    counts = {"n": estimate.n, "n_unscored": estimate.n_unscored, "n_clusters": estimate.n_clusters}
    details = {name: str(count) for name, count in counts.items() if count is not None}
    if math.isfinite(estimate.n_eff):
        details |= {"n_eff": f"{estimate.n_eff:.6g}", "n_eff_of": estimate.n_eff_of}
    details |= {"refused": estimate.refused} if estimate.refused else {}
    low, high = estimate.interval
    uncertainty: dict[str, Any] = {"num_samples": estimate.n_items}
    if math.isfinite(estimate.standard_error):
        uncertainty["standard_error"] = {"value": estimate.standard_error, "method": estimate.method or "analytic"}
    if math.isfinite(low) and math.isfinite(high):
        method = estimate.method or "analytic"
        interval = {"lower": low, "upper": high, "confidence_level": estimate.level, "method": method}
        uncertainty["confidence_interval"] = interval
    return {
        "evaluation_result_id": f"{estimate.task}/{estimate.metric}",
        "evaluation_name": estimate.task,
        "source_data": {"dataset_name": estimate.task, "source_type": "other"},
        "metric_config": {"metric_id": estimate.metric, "metric_name": estimate.metric, "lower_is_better": lower},
        "score_details": {"score": estimate.value, "details": details, "uncertainty": uncertainty},
    }


def _unix_time(evaluation: Evaluation) -> str:
    """Return the time of the result, "0" where it is not known."""
    try:
        created = evaluation.provenance.created if evaluation.provenance else ""
        return str(int(datetime.fromisoformat(created).timestamp()))
    except ValueError:
        return "0"


def _file_name(name: str) -> str:
    return _NOT_A_NAME.sub("_", name).strip("._")[:120] or "unknown"


def _dump(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, allow_nan=False, indent=indent)
