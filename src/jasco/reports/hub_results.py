"""A result for the model's page on the Hugging Face Hub: a file in ``.eval_results``.

The format is that of https://huggingface.co/docs/hub/eval-results: a list of entries, each with the
data set, the task and a value.
"""

import json

from jasco.errors import one_line
from jasco.reports.formats import with_interval
from jasco.reports.publication import Evaluation, Publication

_LONGEST_NOTES = 2_000


def to_hub_results(evaluation: Evaluation, publication: Publication) -> str:
    """Format the best-mean of a model as a file for ``.eval_results``.

    Raises
    ------
    InputError
        The figures are those of a proxy, incomplete, or not about the whole data set.
    """
    evaluation.check_publishable()
    report, model = evaluation.report, evaluation.model
    assert publication.hub_task
    data_set, _, task = publication.hub_task.rpartition("/")
    best_mean = model.score.best_mean
    notes = (
        f"JASCO best-mean (0 to 2): {with_interval(best_mean)} on {report.data.clips} clips, "
        f"judges: {', '.join(model.judges)}; {report.signature}"
    )
    lines = [
        "- dataset:",
        f"    id: {_scalar(data_set)}",
        f"    task_id: {_scalar(task)}",
        f"  value: {json.dumps(best_mean.value)}",
    ]
    if evaluation.evaluated:
        lines.append(f"  date: {_scalar(evaluation.evaluated[:10])}")
    if publication.source_url:
        lines += ["  source:", f"    url: {_scalar(publication.source_url)}"]
        if publication.evaluator:
            lines.append(f"    name: {_scalar(publication.evaluator)}")
    lines.append(f"  notes: {_scalar(one_line(notes, _LONGEST_NOTES))}")
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """Return a printable line as a quoted scalar, which is the same in JSON and in YAML."""
    return json.dumps(text, ensure_ascii=False)
