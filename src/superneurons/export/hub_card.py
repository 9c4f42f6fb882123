"""The card of a classifier on the hub: what it is for, what it was measured to be worth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from superneurons.export.markdown import as_words
from superneurons.report.run import Run
from superneurons.shortcut.card import card, cascade_card

__all__ = ["hub_card"]

_TASK = "visual-question-answering"
_SCORES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "f1": "F1"}


def hub_card(
    config: Mapping[str, Any],
    n_neurons: int,
    name: str,
    *,
    licence: str | None = None,
    run: Run | None = None,
) -> str:
    """Return the card in Markdown, with the metadata that the hub reads.

    Parameters
    ----------
    config
        Of a classifier or a cascade, already checked.
    n_neurons
        Neurons that are read.
    name
        Of the repository.
    licence
        Of the base model, where it is known.
    run
        What ``superneurons eval --out`` kept of it, if it did.
    """
    is_cascade = config.get("kind") == "cascade"
    text = cascade_card(config, name) if is_cascade else card(config, n_neurons, name)
    body = text.split("---\n", 2)[2].strip()
    sections = [body, _use(config), _answers(config, run), *_measured(run), _limits(config)]
    return _metadata(config, name, licence, run) + "\n" + "\n\n".join(sections) + "\n"


def _metadata(
    config: Mapping[str, Any], name: str, licence: str | None, run: Run | None
) -> str:  # fmt: skip
    base = config["base_model"]["name"]
    found: dict[str, Any] = {"library_name": "superneurons", "pipeline_tag": _TASK}
    if licence is not None:
        found["license"] = licence
    if "/" in base:  # the embedded model is not on the hub
        found |= {"base_model": base, "base_model_relation": "adapter"}
    found["tags"] = ["super-neurons", _TASK, "early-exit"]
    results = [
        {
            "task": {"type": _TASK, "name": config["question"] or "Visual question answering"},
            "dataset": {"type": "custom", "name": data},
            "metrics": metrics,
        }
        for data, metrics in _results(config, run)
    ]
    if results:
        found["model-index"] = [{"name": name.rpartition("/")[2], "results": results}]
    # JSON is YAML, and quotes whatever stands in a question.
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in found.items())
    return "\n".join(["---", *lines, "---", ""])


def _results(
    config: Mapping[str, Any], run: Run | None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    if (row := _own_row(run)) is not None and run is not None:
        scores = row["scores"]
        yield (
            run.title,
            [
                {"type": kind, "name": f"{words}, of {scores['n']} records", "value": scores[kind]}
                for kind, words in _SCORES.items()
            ],
        )
    elif config.get("kind") == "cascade":
        found = config["verified"]
        words = f"accuracy, of {found['records']} records"
        yield (
            "held-out part of the probing set",
            [{"type": "accuracy", "name": words, "value": found["accuracy"]}],
        )


def _own_row(run: Run | None) -> Mapping[str, Any] | None:
    rows = [] if run is None or run.comparison is None else run.comparison["rows"]
    own = (row for row in rows if run is not None and row["name"] == run.subject and row["scores"])
    return next(own, None)


def _use(config: Mapping[str, Any]) -> str:
    asked = "one kind of question, whose words change with the record"
    if config["question"] is not None:
        asked = f"one question: *{as_words(config['question'])}*"
    return (
        f"## Intended use\n\nAnswers {asked}, about pictures like those of its probing set, where "
        "a wrong answer can be borne or is looked at again. It answers nothing else, and takes any "
        "picture for one that the question can be asked of."
    )


def _answers(config: Mapping[str, Any], run: Run | None) -> str:
    probing, labels = config["probing_set"], config["labels"]
    fitted = f"{probing.get('records')} records"
    if config["settings"].get("balanced") and labels and config.get("kind") != "cascade":
        fitted += ", as many of each label"
    lines = ["## Labels", "", f"Fitted on {fitted}."]
    if run is not None and run.confusion is not None:
        lines += ["", "| label | scored on | answered right |", "|---|---|---|"]
        for number, (label, row) in enumerate(
            zip(run.confusion.labels, run.confusion.counts, strict=True)
        ):
            share = f"{100 * row[number] / sum(row):.1f} %" if sum(row) else "–"
            lines.append(f"| {as_words(label)} | {sum(row)} | {share} |")
    return "\n".join(lines)


def _measured(run: Run | None) -> Iterator[str]:
    if run is None or run.comparison is None:
        yield (
            "## Measured\n\nNo scores on records apart from the probing set were given with this "
            "classifier. Measure it on your own (`superneurons eval`)."
        )
        return
    setting = run.comparison["setting"]
    yield (
        f"## Measured\n\nOn {setting['test_records']} records of {as_words(run.title)} that it was "
        "not fitted on; in brackets intervals at 95 %.\n\n"
        + "\n".join(_table(run.comparison["rows"]))
    )
    yield "## Calibration\n\n" + "\n".join(_calibration(run))
    timing = setting.get("timing") or {}
    if timing.get("counted"):
        yield (
            f"## Speed\n\nMilliseconds are medians of {timing['rounds']} rounds, one record at a "
            f"time, on {setting['device']} ({setting['processor']}, {setting['threads']} threads), "
            f"{setting['dtype']}. Counted: {timing['counted']}. They are of that machine; ratios "
            "carry further than milliseconds do."
        )


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| | accuracy | balanced accuracy | F1 | layers run | ms |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        if (scores := row["scores"]) is None:
            continue
        ms = "–" if row["ms"] is None else f"{row['ms']['median']:.3g}"
        depth = "–" if row["exit_layer"] is None else str(row["exit_layer"])
        yield (
            f"| {as_words(row['name'])} | {_share(scores, 'accuracy')} | "
            f"{_share(scores, 'balanced_accuracy')} | {100 * scores['f1']:.1f} | {depth} | {ms} |"
        )


def _share(scores: Mapping[str, Any], name: str) -> str:
    low, high = scores[f"{name}_interval"]
    return f"{100 * scores[name]:.1f} ({100 * low:.0f}–{100 * high:.0f})"


def _calibration(run: Run) -> Iterator[str]:
    if run.ece is None or not run.bins:
        yield "Its confidence was not compared with how often it is right."
        return
    yield f"Confidence and share of right answers differ by {100 * run.ece:.1f} points in the mean."
    yield from ("", "| confidence | answers | right |", "|---|---|---|")
    for one in run.bins:
        if one.n:
            yield (
                f"| {100 * one.low:.0f}–{100 * one.high:.0f} % | {one.n} | "
                f"{100 * one.accuracy:.1f} % |"
            )


def _limits(config: Mapping[str, Any]) -> str:
    base = config["base_model"]
    return (
        "## Limits\n\n"
        f"- It is for one base model, {base['dtype']}, one prompt and one way to prepare pictures: "
        "on loading, what differs is named and refused.\n"
        "- Other pictures than those it was fitted on can break it without its confidence saying "
        "so.\n"
        "- Neurons that hold an answer are read; nothing says why they do, or that the base model "
        "uses them.\n"
        "- The base model's licence, and what it learnt of people and places, come with it."
    )
