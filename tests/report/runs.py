"""Made-up runs to draw: one that measured everything, and ones that measured next to nothing."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from superneurons.report.run import (
    Agreement,
    Bin,
    Chosen,
    Confusion,
    Curve,
    Example,
    Run,
    Selection,
    Tradeoff,
)  # fmt: skip

BASE = "base model, first token"
OURS = "Super Neurons, improved"
QUESTION = "Is the picture too dark? Answer yes or no."

# name, balanced accuracy, exit layer, neurons, ms, share of answers as the base model's
_ROWS = (
    ("majority class", 0.5, None, None, None, 0.49),
    ("text only", 0.5, None, None, None, 0.49),
    ("base model, generate", 0.51, 30, None, 272.0, 0.98),
    (BASE, 0.51, 30, None, 208.0, None),
    ("calibrated logits", 0.607, 30, None, 208.0, 0.62),
    ("logit lens, calibrated", 0.643, 21, None, 151.0, 0.6),
    (OURS, 0.943, 4, 64, 41.0, 0.52),
    ("Super Neurons, improved, all layers", 0.953, 30, 1000, 208.0, 0.53),
    ("Super Neurons, paper's rule", 0.703, 11, 4, 83.0, 0.61),
    ("Super Neurons of the MLPs", 0.927, 2, 850, 29.0, 0.52),
    ("SAVs, as published", 0.747, 19, 20, 139.0, 0.55),
    ("logistic probe, best layer", 0.937, 4, 576, 40.0, 0.53),
    ("nearest neighbours, best layer", 0.877, 3, 576, 35.0, 0.5),
    ("vision-only logistic probe", 0.95, 0, 768, 19.0, 0.51),
)


def thumbnail(brightness: int, seed: int = 0, size: int = 96) -> str:
    """A small landscape, light or dark, as a JPEG in a data URI."""
    rng = np.random.default_rng(seed)
    height = int(size * 0.75)
    picture = Image.new("RGB", (size, height), (brightness, brightness, min(255, brightness + 40)))
    draw = ImageDraw.Draw(picture)
    shade = brightness // 2
    horizon = int(rng.integers(height // 3, height * 2 // 3))
    draw.rectangle((0, horizon, size, height), fill=(shade, shade + brightness // 8, shade // 2))
    x, y, r = (int(v) for v in rng.integers((10, 8, 6), (size - 20, horizon - 4, 14)))
    draw.ellipse((x, y, x + r, y + r), fill=(brightness, brightness * 3 // 4, shade))
    noisy = np.asarray(picture, dtype=float) + rng.normal(0, 12, size=(height, size, 3))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def selection(
    layers: int = 30, width: int = 576, chosen: int = 64, deepest: int = 4, seed: int = 0
) -> Selection:
    """Scores that are chance in most neurons and high in some columns of the early layers."""
    rng = np.random.default_rng(seed)
    depth = np.arange(1, layers + 1)[:, None] / layers
    able = rng.random(width) < 0.08
    signal = able[None, :] * rng.gamma(2.0, 0.05, (layers, width)) * np.exp(-2 * depth)
    scores = 0.5 + np.abs(rng.normal(0.02, 0.018, (layers, width))) + signal
    scores = np.clip(scores, 0.5, 0.99).astype(np.float32)
    best = np.argsort(-scores[:deepest], axis=None, kind="stable")[:chosen]
    places = [divmod(int(place), width) for place in best]
    neurons = tuple(
        Chosen(layer + 1, column, float(scores[layer, column]), (-1) ** column * (2 - rank / 40))
        for rank, (layer, column) in enumerate(places)
    )
    maxima = tuple(float(value) for value in 0.57 + rng.gumbel(0.006, 0.006, 100))
    return Selection("residual", "last_prompt", scores, neurons, maxima, 500, OURS)


def interval(value: float, half: float = 0.025) -> tuple[float, float]:
    return max(0.0, value - half), min(1.0, value + half)


def comparison(sentence: str | None = None, choice: str | None = OURS) -> dict[str, Any]:
    """What ``Comparison.as_dict`` gives after ``compare``, with made-up figures."""
    default = (
        "Use Super Neurons, improved: with a balanced accuracy of 94.3 % (95 %: 91.8 to 96.8) "
        "nothing is clearly better, and it is 5.1 times as fast as base model, first token."
    )
    return {
        "setting": {"layers": 30, "test_records": 300, "shuffles": 100},
        "null": {"balanced accuracy with shuffled labels": 0.427, "chance_maximum": 0.588},
        "rows": [_row(*row) for row in _ROWS],
        "recommendation": {"sentence": sentence or default, "choice": choice, "behind_best": {}},
    }


def _row(
    name: str, balanced: float, layer: int | None, neurons: int | None, ms: float | None,
    agreement: float | None,
) -> dict[str, Any]:  # fmt: skip
    low, high = interval(balanced)
    given = neurons is not None and name != "Super Neurons, paper's rule"
    timing = (
        None if ms is None else {"median": ms, "low": ms * 0.96, "high": ms * 1.07, "repeats": 7}
    )
    scores = {
        "n": 300, "accuracy": balanced, "accuracy_interval": [low, high],
        "balanced_accuracy": balanced, "balanced_accuracy_interval": [low, high],
        "f1": balanced - 0.01, "f1_interval": [low - 0.01, high - 0.01], "majority": 0.5,
        "recall": {"no": balanced, "yes": balanced}, "ece": 0.041 if given else None,
        "brier": 0.09 if given else None,
    }  # fmt: skip
    return {
        "name": name, "exit_layer": layer, "neurons": neurons, "scores": scores, "ms": timing,
        "speed_up_over_generate": None if ms is None else 272.0 / ms,
        "speed_up_over_prefill": None if ms is None else 208.0 / ms,
        "best_neuron": 0.754 if neurons else None, "null_maximum": 0.588 if neurons else None,
        "lead": None, "agreement": agreement, "note": "",
    }  # fmt: skip


def curves(read_outs: int = 4, layers: int = 30, held_out: bool = True) -> tuple[Curve, ...]:
    depths = tuple(k for k in (1, 2, 4, 8, 16, 30) if k <= layers)
    known = (
        (OURS, (0.883, 0.92, 0.943, 0.946, 0.95, 0.953)),
        ("Super Neurons, paper's rule", (0.61, 0.603, 0.63, 0.693, 0.7, 0.703)),
        ("logistic probe, best layer", (0.93, 0.94, 0.937, 0.937, 0.933, 0.937)),
        ("SAVs, as published", (0.56, 0.58, 0.61, 0.66, 0.72, 0.747)),
        ("nearest neighbours, best layer", (0.85, 0.86, 0.877, 0.87, 0.865, 0.87)),
    )
    return tuple(
        Curve(name, depths, values[: len(depths)],
              tuple(interval(value) for value in values[: len(depths)]), 300, held_out)
        for name, values in known[:read_outs]
    )  # fmt: skip


def tradeoffs() -> tuple[Tradeoff, ...]:
    return tuple(
        Tradeoff(name, score, interval(score), ms, (ms * 0.96, ms * 1.07), layer, name == OURS)
        for name, score, layer, _, ms, _ in _ROWS
        if ms is not None
    )


def bins() -> tuple[Bin, ...]:
    counts = (11, 18, 26, 44, 201)
    edges = np.linspace(0.5, 1, 6)
    found = []
    for low, high, n, off in zip(edges, edges[1:], counts, (-8, 2, 5, 3, -1), strict=False):
        middle = (low + high) / 2
        right = min(n, max(0, round(n * (middle + off / 100))))
        found.append(Bin(float(low), float(high), n, float(middle), right / n))
    return tuple(found)


def example(number: int, label: str, answer: str, confidence: float) -> Example:
    """One record with a picture, dark where its label is yes."""
    brightness = 45 if label == "yes" else 175
    return Example(
        f"dark.jsonl:{number}", QUESTION, label, answer, confidence,
        thumbnail(brightness, number), f"/data/pictures/dark/scene-{number:05d}.png",
    )  # fmt: skip


def confusion(each: int = 12) -> Confusion:
    flip = {"yes": "no", "no": "yes"}
    labels = [("yes", "no")[i % 2] for i in range(each)]
    right = tuple(example(i, y, y, 0.999 - i / 500) for i, y in enumerate(labels))
    wrong = tuple(example(100 + i, y, flip[y], 0.97 - i / 40) for i, y in enumerate(labels))
    unsure = tuple(
        example(200 + i, y, y if i % 3 else flip[y], 0.501 + i / 300) for i, y in enumerate(labels)
    )
    return Confusion(("no", "yes"), ((144, 6), (11, 139)), right, wrong, unsure)


def many_labels(n: int = 11) -> Confusion:
    """A confusion of many answers."""
    names = (
        "animal", "building", "clothing", "device", "food", "household", "instrument", "plant",
        "tool", "toy", "vehicle",
    )[:n]  # fmt: skip
    counts = np.random.default_rng(0).poisson(0.6, (n, n)) + np.eye(n, dtype=int) * 80
    return Confusion(names, tuple(tuple(int(c) for c in row) for row in counts), (), (), ())


def full_run(**changes: Any) -> Run:
    """A run of ``compare`` that measured everything, as its fields unless they are given."""
    setting = {
        "model": "demo", "layers": 30, "fingerprint": "8c1f0f5e6a2b", "device": "cpu",
        "dtype": "float32", "threads": 2, "test_records": 300, "probing_records": 500,
        "prompt": "<|im_start|>User:<image>{question}<end_of_utterance>\nAssistant:",
        "prompt_tokens": 85, "seed": 0, "shuffles": 100,
        "timing": {"batch_size": 1, "rounds": 7, "counted": "from the picture to the answer"},
        "versions": {"superneurons": "0.1.0", "torch": "2.13.0", "transformers": "5.17.0"},
    }  # fmt: skip
    run = Run(
        kind="compare",
        title="dark",
        questions=(QUESTION, "Would you call this picture too dark? Answer yes or no."),
        labels=("no", "yes"),
        command="superneurons compare --task dark --model demo --n-probe 500 --seed 0",
        setting=setting,
        comparison=comparison(),
        selection=selection(),
        curves=curves(),
        tradeoffs=tradeoffs(),
        bins=bins(),
        ece=0.041,
        confusion=confusion(),
        agreement=Agreement(150, 133, 3, 14),
        notes=("41 pictures occur more than once in the probing set.",),
        subject=OURS,
    )
    return replace(run, **changes)


def sparse_run(**changes: Any) -> Run:
    """A run that measured nothing but its own setting."""
    run = Run("fit", "seal", ("Is the seal broken?",), ("no", "yes"), "superneurons fit", {})
    return replace(run, **changes)


def fitted_run() -> Run:
    """What ``fit`` knows: neurons, chance, and a cross-validated curve."""
    curve = Curve(OURS, (1, 2, 4, 8), (0.92, 0.931, 0.934, 0.935), (), 500, False)
    return sparse_run(selection=selection(), curves=(curve,), setting={"layers": 30})


def large_run() -> Run:
    """A model of 32 layers of 4,096 neurons, and 36 pictures."""
    return full_run(selection=selection(32, 4096, chosen=400, deepest=11), confusion=confusion(12))


def searched_run(n: int = 90) -> Run:
    """What ``search`` knows: many points, one chosen, and the choice verified on other records."""
    rng = np.random.default_rng(1)
    points = []
    for k in range(n):
        layer = int(rng.integers(0, 30))
        ms = 12 + 6.5 * layer + float(rng.uniform(0, 20))
        value = min(0.96, 0.58 + 0.36 * (1 - 0.75 ** (layer + 1)) + float(rng.normal(0, 0.02)))
        name = f"residual, layer {layer}, picture-first, {(64, 96, 128)[k % 3]} pixels"
        points.append(Tradeoff(name, value, interval(value), ms, (ms, ms), layer, held_out=False))
    best = max(points, key=lambda point: point.balanced_accuracy - point.ms / 2000)
    chosen = tuple(replace(point, chosen=point is best) for point in points)
    rows = [_row(*row) for row in _ROWS if row[0] in ("majority class", "text only", BASE)]
    rows.insert(0, _row("chosen shortcut", 0.93, best.exit_layer, 220, best.ms, None))
    told = comparison() | {"rows": rows, "recommendation": None, "null": {}}
    return sparse_run(kind="search", tradeoffs=chosen, comparison=told, setting={"layers": 30})


def many_answers_run() -> Run:
    """Eleven answers, every neuron of one layer chosen, and nothing of the pictures kept."""
    names = many_labels().labels
    scores = selection(chosen=576, deepest=1)
    return full_run(
        title="category", labels=names, questions=("What is this?",), confusion=many_labels(),
        selection=scores, curves=curves(5), agreement=Agreement(820, 101, 44, 35),
    )  # fmt: skip


def few_run() -> Run:
    """Few records: wide intervals, bins of two answers, three curves, and all answers right."""
    known, wide = selection(30, 576, 1000, deepest=2), 0.09
    shown = tuple(
        replace(c, n=80, intervals=tuple(interval(v, wide) for v in c.balanced_accuracy))
        for c in curves(3)
    )
    points = tuple(
        replace(p, interval=interval(p.balanced_accuracy, wide), ms_range=(p.ms * 0.6, p.ms * 1.5))
        for p in tradeoffs()
    )
    sure = tuple(
        Bin(0.66 + k / 15, 0.73 + k / 15, n, 0.7 + k / 15, 1.0)
        for k, n in enumerate((2, 5, 29, 42))
    )
    told = comparison(choice="vision-only logistic probe")
    told["rows"][-1] = _row("vision-only logistic probe", 1.0, 0, 768, 19.0, 0.51)
    return full_run(
        comparison=told, curves=shown, tradeoffs=points, bins=sure, ece=0.136,
        selection=replace(known, n=160), agreement=Agreement(42, 38, 0, 0),
        confusion=Confusion(("no", "yes"), ((40, 0), (0, 40)), (), (), ()),
    )  # fmt: skip


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202egnp.\x00\ud800"
"""Markup, quotes, a control that turns the direction of what follows, and half a character."""


def hostile_run() -> Run:
    """A run of which every string tries to be more than text."""
    picture = "data:image/svg+xml;base64,PHN2Zy8+"
    bad = Example(HOSTILE, HOSTILE, HOSTILE, "no", 0.9, "javascript:alert(3)", HOSTILE)
    examples = (bad, replace(bad, thumbnail=picture), replace(bad, thumbnail="https://x.y/z.jpg"))
    told = comparison(sentence=HOSTILE, choice=HOSTILE)
    told["rows"].append(_row(HOSTILE, 0.8, 3, 10, 50.0, 0.5) | {"note": HOSTILE})
    told["null"] = {HOSTILE: 0.5}
    labels = (HOSTILE, "no")
    return full_run(
        title=HOSTILE, questions=(HOSTILE, HOSTILE), labels=labels, command=HOSTILE,
        setting={HOSTILE: HOSTILE, "model": HOSTILE, "nested": {HOSTILE: [HOSTILE, 1]}},
        comparison=told, selection=replace(
            selection(4, 16, 8), kind=HOSTILE, position=HOSTILE, read_out=HOSTILE
        ),
        curves=(replace(curves()[0], read_out=HOSTILE),),
        tradeoffs=(replace(tradeoffs()[0], name=HOSTILE), *tradeoffs()[1:]),
        confusion=Confusion(labels, ((3, 1), (0, 4)), examples, examples, examples),
        notes=(HOSTILE,), subject=HOSTILE,
    )  # fmt: skip
