"""The README of an exported checkpoint: how it is loaded, and what was and wasn't run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from superneurons.export.markdown import as_code, as_words

__all__ = ["hf_card", "loader"]

_TRUNK = """
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open
from transformers import AutoModel, AutoProcessor

PROMPT = {prompt}


def load(directory="."):
    model = AutoModel.from_pretrained(directory, dtype=torch.{dtype}).eval()
    for path in Path(directory).glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            if "score.weight" in file.keys():
                model.score = file.get_tensor("score.weight").float()
    return model, AutoProcessor.from_pretrained(directory, backend="pil")


@torch.inference_mode()
def classify(model, processor, picture, prompt=PROMPT):
    bos = processor.tokenizer.bos_token
    inputs = processor(
        images=[picture.convert("RGB")], text=[prompt], return_tensors="pt",
        add_special_tokens=not (bos and prompt.startswith(bos)),
    )
    inputs = inputs.to(model.device, model.dtype)
    state = model(**inputs, use_cache=False).last_hidden_state[0, -1].float()
    shares = (model.score @ state).softmax(dim=0).tolist()
    return dict(zip(model.config.id2label.values(), shares))
"""
_WHOLE = """
import torch
from PIL import Image
from transformers import AutoModelForSequenceClassification, AutoProcessor

PROMPT = {prompt}


def load(directory="."):
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.{dtype})
    return model.eval(), AutoProcessor.from_pretrained(directory, backend="pil")


@torch.inference_mode()
def classify(model, processor, picture, prompt=PROMPT):
    bos = processor.tokenizer.bos_token
    inputs = processor(
        images=[picture.convert("RGB")], text=[prompt], return_tensors="pt",
        add_special_tokens=not (bos and prompt.startswith(bos)),
    )
    inputs = inputs.to(model.device, model.dtype)
    shares = model(**inputs, use_cache=False).logits[0].float().softmax(dim=0).tolist()
    return dict(zip(model.config.id2label.values(), shares))
"""


def loader(told: Mapping[str, Any], prompt: str) -> str:
    """Return Python that answers pictures by an exported checkpoint, without this package.

    Parameters
    ----------
    told
        What the export says about itself.
    prompt
        The whole text that the model is asked with.
    """
    text = _WHOLE if told["loads_as"] == "sequence" else _TRUNK
    return text.format(prompt=repr(prompt), dtype=told["base_model"]["dtype"]).strip()


def hf_card(told: Mapping[str, Any], prompt: str) -> str:
    """Return the README in Markdown.

    Parameters
    ----------
    told, prompt
        As for :func:`loader`.
    """
    base, licence = told["base_model"], told["licence"]
    return f"""---
base_model: {json.dumps(base["name"], ensure_ascii=False)}
{f"license: {licence}" if licence else "license: other"}
pipeline_tag: image-text-to-text
tags: [super-neurons, visual-question-answering, image-classification]
---

# {as_words(base["name"])}, cut to {told["exit_layer"]} of {base["layers"]} layers, with a head

Answers {" or ".join(map(as_code, told["labels"]))} to one question about a picture: \
{_question(told)}

{_head(told)}

## With transformers alone

```python
{loader(told, prompt)}
```

```python
model, processor = load("path/to/this/directory")
classify(model, processor, Image.open("picture.jpg"))
```

{_loads(told)} The prompt is the whole text, the mark of the picture included; the pictures are \
prepared by the base model's own processor, on the CPU by Pillow (`backend="pil"`). Other resizers \
give slightly other pixels.

## With vLLM

```bash
vllm serve path/to/this/directory --runner pooling
```

`POST /classify` with chat messages (one picture, then the question, in one user turn) then gives \
the labels. The architecture `{told["architecture"]}` is mapped to the base model's class with a \
classification head; the final norm, which is always applied, scales nothing here.{_template(told)}

## What was run, and what wasn't

{_compared(told)}
- vLLM was **not** run. That it maps this architecture and loads these names was read from its \
source; compare its answers on your own records first. Kernels in bfloat16 move scores that are \
nearly equal.
- It was fitted on {told["probing_set"].get("records")} records of one task. Measure it on your own.

Licence of the base model: {licence or "not named by its files; look it up"}.
`superneurons.json` has labels, question, hash of the prompt, and the base model's fingerprint.
"""


def _question(told: Mapping[str, Any]) -> str:
    if told["question"] is None:
        return "questions of one kind; put yours in the place of `{question}`."
    return f"*{as_words(told['question'])}*"


def _head(told: Mapping[str, Any]) -> str:
    if told["refitted"] is not None:
        found = told["refitted"]
        return (
            f"The head is a **ridge regression fitted anew** on {found['fitted_on']} records "
            f"({found['learnt_from']}): the classifier it stands for ({told['read_out']['name']}, "
            f"{told['read_out']['neurons']} neurons) is not exported itself."
        )
    constant = (
        " Its intercept is a constant that the last layer adds (`mlp.down_proj.bias`; all other "
        "MLP biases are 0)."
        if told["constant"]
        else ""
    )
    return (
        f"The head is the classifier's own read-out ({told['read_out']['name']}, "
        f"{told['read_out']['neurons']} neurons), which is linear in the last layer's "
        f"state.{constant} The norm before the head divides by a positive number that differs from "
        "record to record: that moves probabilities, and no decision."
    )


def _loads(told: Mapping[str, Any]) -> str:
    if told["loads_as"] == "sequence":
        return f"`{told['architecture']}` is a class of transformers."
    return (
        f"transformers has no class `{told['architecture']}`: the trunk is loaded, and the head is "
        "one product (that `score.weight` has no place in the trunk is reported on loading)."
    )


def _template(told: Mapping[str, Any]) -> str:
    template = told["prompt"].get("template")
    if template is None and told["prompt"]["order"] == "picture-first":
        return ""
    if template is None:
        return " The question comes before the picture here."
    return (
        " It was fitted with a prompt of its own, not with the chat template: pass one that makes "
        f"{as_code(repr(told['prompt']['frame']))} (`--chat-template`)."
    )


def _compared(told: Mapping[str, Any]) -> str:
    lines = []
    compared, found = told["compared"], told["refitted"]
    if found is not None:
        accuracy = (
            f"; right {found['accuracy']:.1%}, the classifier {found['accuracy_of_classifier']:.1%}"
            if "accuracy" in found
            else ""
        )
        lines.append(
            f"- On {found['held_out']} records held out from the new head, it agrees with the "
            f"classifier on {found['agreement']:.1%}{accuracy}."
        )
    if compared is None:
        lines.append("- The written files were not loaded and compared: no records were given.")
    else:
        lines.append(
            f"- The written files were loaded by transformers {told['versions']['transformers']} "
            f"({compared['dtype']}) and asked {compared['records']} records: the same answer as "
            f"the classifier on {compared['agreement']:.2%} (on "
            f"{compared['agreement_unrounded']:.2%}, if the classifier didn't round activations "
            "to float16); probabilities differ by up to "
            f"{compared['largest_probability_difference']:.2g}."
        )
    return "\n".join(lines)
