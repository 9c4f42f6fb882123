"""The README of an exported graph: how it is run, and what was measured."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from superneurons.export.markdown import as_code, as_words
from superneurons.export.pictures import prepare

__all__ = ["onnx_card", "runner"]

_TOP = """
import json

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

"""
_LOAD = """

def load(directory="."):
    with open(f"{directory}/superneurons.json") as file:
        told = json.load(file)
    path = f"{directory}/{told['graph']['file']}"
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]), told


"""
_CLASSIFY = """def classify(session, told, picture):
    pixels = prepare(picture, told["graph"]["prepare"])
    shares = session.run(["probabilities"], {"pixel_values": pixels})[0][0]
    return dict(zip(told["labels"], shares.tolist()))
"""
_PIXELS = """def classify(session, told, pixels):
    shares = session.run(["probabilities"], {"pixel_values": pixels})[0][0]
    return dict(zip(told["labels"], shares.tolist()))
"""


def runner(told: Mapping[str, Any]) -> str:
    """Return Python that answers pictures by an exported graph, without PyTorch or this package.

    Parameters
    ----------
    told
        What the export says about itself.
    """
    if told["graph"]["prepare"] is None:
        return (_TOP + _LOAD + _PIXELS).strip().replace("from PIL import Image, ImageOps\n", "")
    source = inspect.getsource(prepare)
    head = source.index("picture: Image.Image, how: dict[str, Any]) -> np.ndarray")
    plain = source[:head] + source[head:].replace(
        "picture: Image.Image, how: dict[str, Any]) -> np.ndarray", "picture, how)", 1
    )
    return (_TOP + "\n" + plain + _LOAD + _CLASSIFY).strip()


def onnx_card(told: Mapping[str, Any]) -> str:
    """Return the README in Markdown.

    Parameters
    ----------
    told
        What the export says about itself.
    """
    base, graph, licence = told["base_model"], told["graph"], told["licence"]
    batch = "any number of pictures at once" if graph["any_batch"] else "one picture at a time"
    takes = "Image.open('picture.jpg')" if graph["prepare"] else "pixel_values"
    return f"""---
base_model: {json.dumps(base["name"], ensure_ascii=False)}
{f"license: {licence}" if licence else "license: other"}
tags: [super-neurons, visual-question-answering, image-classification, onnx]
---

# {as_words(base["name"])}, {told["exit_layer"]} of {base["layers"]} layers, as one graph

Answers {" or ".join(map(as_code, told["labels"]))} to one question about a picture: \
*{as_words(told["question"])}* Vision tower, projector, layers and votes of \
{told["read_out"]["neurons"]} neurons ({told["read_out"]["name"]}) are in `{graph["file"]}` \
(ONNX, opset {graph["opset"]}); the prompt is part of it, so that pixels are the only input.

| | |
|---|---|
| input | `pixel_values`, float32, {_shape(graph)}: {batch} |
| outputs | `scores` and `probabilities`, float32, (batch, {len(told["labels"])}), in the order \
{", ".join(map(as_code, told["labels"]))} |
| size | {graph["bytes"] / 1e6:.1f} MB |

```python
{runner(told)}
```

```python
session, told = load("path/to/this/directory")
classify(session, told, {takes})
```

{_prepared(graph)}

## What was run, and what wasn't

{_measured(told)}

Licence of the base model: {licence or "not named by its files; look it up"}.
`superneurons.json` has labels, question, hash of the prompt, and the base model's fingerprint.
"""


def _shape(graph: Mapping[str, Any]) -> str:
    first = "batch" if graph["any_batch"] else "1"
    return f"({', '.join([first, *map(str, graph['input_shape'][1:])])})"


def _prepared(graph: Mapping[str, Any]) -> str:
    if graph["prepare"] is None:
        return (
            "How the base model's processor prepares pictures is more than can be said in a few "
            "lines: make `pixel_values` with that processor (its settings are in "
            "`superneurons.json`), of pictures that give the shape above."
        )
    return (
        "`prepare` gives the pixels of the base model's own processor, which was checked on the "
        f"pictures of the comparison (largest difference {graph['prepare_difference']:.1g}). "
        "Pictures with transparency, of 16 bits or with several frames are better opened by "
        "`superneurons.task.images.open_image`."
    )


def _measured(told: Mapping[str, Any]) -> str:
    graph, compared, ms = told["graph"], told["compared"], told["latency_ms"]
    lines = [
        f"- ONNX Runtime {told['versions']['onnxruntime']} on a CPU, {ms['threads']} threads, "
        f"pixels in, probabilities out, one picture, medians in turn of one run: "
        f"{ms['onnx']:.1f} ms; PyTorch {told['versions']['torch']}, early exit: "
        f"{ms['torch']:.1f} ms."
    ]
    if compared is None:
        lines.append("- Not compared with the classifier on records: none were given.")
    else:
        lines.append(
            f"- {compared['records']} records: the same answer as the classifier on "
            f"{compared['agreement']:.2%}; probabilities differ by up to "
            f"{compared['largest_probability_difference']:.2g}."
        )
    eight = told["int8"]
    if eight is not None:
        kept = f"kept as `{eight['file']}`" if eight["kept"] else "not kept"
        lines.append(
            f"- Weights in 8 bits (dynamic quantisation): {eight['bytes'] / 1e6:.1f} MB, "
            f"{eight['ms']:.1f} ms, the same answer on {eight['agreement']:.2%}, where "
            f"{eight['wanted']:.1%} is wanted: {kept}."
        )
    lines.append(
        "- No GPU, no other engine (TensorRT, OpenVINO, Core ML) was tried."
        + ("" if graph["any_batch"] else " Batches are not part of this graph.")
    )
    return "\n".join(lines)
