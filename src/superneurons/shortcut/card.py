"""The README that an artefact carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["card", "cascade_card"]

_PLACE = "path/to/this/directory"
_FORMS = {
    "direct": "once, by its own question",
    "lettered": "once, with its options by letter",
    "unrolled": "once per answer: is it this one, yes or no?",
}


def _asked(prompt: Mapping[str, Any]) -> str:
    """Rows on how the model is asked, in code that holds whatever stands in a prompt."""
    shown = {"prompt": prompt["frame"], "prompt template": prompt.get("template")}
    return "\n".join(
        f"| {name} | {_code(repr(text))} |" for name, text in shown.items() if text is not None
    )


def _code(text: str) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return fence + space + text.replace("|", r"\|") + space + fence


def card(config: Mapping[str, Any], n_neurons: int, place: str = _PLACE) -> str:
    """Return a short model card in Markdown, from an artefact's configuration.

    Parameters
    ----------
    config
        The configuration.
    n_neurons
        Neurons that are read.
    place
        Where it is loaded from.
    """
    base, probing = config["base_model"], config["probing_set"]
    labels = ", ".join(config["labels"]) or "each record's own options"
    site, stop = config["site"], "runs no decoder layer of it"
    if config["exit_layer"]:
        stop = f"stops it after decoder layer {config['exit_layer']} of {base['layers']}"
    form = _FORMS[config["form"]]
    return f"""---
library_name: superneurons
base_model: {base["name"]}
tags: [super-neurons, visual-question-answering]
---

# A Super Neuron classifier

Reads {n_neurons} neurons of `{base["name"]}` ({base["family"]}) and {stop}.

| | |
|---|---|
| answers | {labels} |
| asked | {form} |
| read-out | {config["read_out"]["name"]} |
| probing set | {probing.get("records")} records in {probing.get("groups")} groups |
| site | {site["kind"]}, {site["position"].replace("_", " ")} token |
| neurons searched | {probing.get("neurons_searched")} |
{_asked(config["prompt"])}

```python
from superneurons import SuperNeuronClassifier, read_records

classifier = SuperNeuronClassifier.from_pretrained("{place}")
classifier.predict(read_records("questions.jsonl", require_labels=False))
```

It answers the one question it was fitted on, on pictures like those it was fitted on. Measure it
on your own held-out pictures (`superneurons eval`) before you rely on it. The base model's licence
applies to the base model.
"""


def cascade_card(config: Mapping[str, Any], place: str = _PLACE) -> str:
    """Return a short model card of a cascade in Markdown, as :func:`card` does."""
    base, probing, verified = config["base_model"], config["probing_set"], config["verified"]
    labels = ", ".join(config["labels"]) or "each record's own options"
    stops = [
        "the base model's own answer" if stage["base_answer"] else f"layer {stage['layer']}"
        for stage in config["stages"]
    ]
    shares = ", ".join(
        f"{share:.0%} at {stop}" for stop, share in zip(stops, verified["shares"], strict=True)
    )
    met = "met" if config["target"]["met"] else "not met"
    return f"""---
library_name: superneurons
base_model: {base["name"]}
tags: [super-neurons, visual-question-answering]
---

# A Super Neuron cascade

Stops `{base["name"]}` ({base["family"]}, {base["layers"]} layers) as soon as it is sure enough:
{", ".join(stops)}.

| | |
|---|---|
| answers | {labels} |
| asked | {_FORMS[config["form"]]} |
| probing set | {probing.get("records")} records in {probing.get("groups")} groups |
| target | {config["target"]["accuracy"]:.1%} of answers right: {met} where thresholds were chosen |
| on {verified["records"]} other records | {verified["accuracy"]:.1%} right; {shares} |
{_asked(config["prompt"])}

```python
from superneurons import Cascade, read_records

cascade = Cascade.from_pretrained("{place}")
cascade.predict(read_records("questions.jsonl", require_labels=False))
```

It answers the one question it was fitted on, on pictures like those it was fitted on. Measure it
on your own held-out pictures before you rely on it. The base model's licence applies to the base
model.
"""
