"""Tables 3 to 9 of arXiv 2603.10781, and 3 to 6 of its appendix: other methods and ablations."""

from __future__ import annotations

from typing import Any

from superneurons.evaluate.reproduction.printed import Method, Metric, Printed, PrintedTimes, Scored

__all__ = ["STUDY_ROWS", "TIMES"]

_POPE, _DEPTH, _OCCLUSION = "pope", "instaorder-depth", "instaorder-occlusion"
_7B, _13B, _32B = "llava-7b", "llava-13b", "qwen3-vl-32b"


def _row(
    table: str,
    task: str,
    model: str,
    method: Method,
    figures: str,
    *,
    metric: Metric | None = None,
    scored_on: Scored = "validation",
    **more: Any,
) -> Printed:
    """Accuracy, precision, recall and F1 as printed, "-" where they are not."""
    a, p, r, f = (None if cell == "-" else float(cell) for cell in figures.split())
    return Printed(
        table, task, model, method, scored_on, metric,
        accuracy=a, precision=p, recall=r, f1=f, **more,
    )  # fmt: skip


_OTHERS = (
    _row("3", "vizwiz", _7B, "savs", "51.8 50.6 95.7 66.1", n_probe=40),
    _row("3", "vizwiz", _7B, "either", "60.2 56.8 84.9 68.1", n_probe=40),
    _row("8", _POPE, _7B, "1-shot", "82.3 - - -"),
    _row("8", _POPE, _7B, "3-shot", "63.0 - - -"),
    _row("8", _POPE, _7B, "5-shot", "60.8 - - -"),
    _row("8", _DEPTH, _7B, "1-shot", "60.7 - - -"),
    _row("8", _DEPTH, _7B, "3-shot", "58.9 - - -"),
    _row("8", _DEPTH, _7B, "5-shot", "58.9 - - -"),
    _row("8", "clevr", _7B, "1-shot", "50.8 - - -"),
    _row("8", "clevr", _7B, "3-shot", "50.4 - - -"),
    _row("8", "clevr", _7B, "5-shot", "49.9 - - -"),
    _row("App. 3", _OCCLUSION, _7B, "sft", "14.8 14.8 100 25.8", n_probe=3_000),
    _row("App. 3", _OCCLUSION, _7B, "sft", "82.1 43.5 71.2 54.0", n_probe=10_000),
    _row("App. 3", _OCCLUSION, _7B, "sft", "83.7 47.1 81.8 59.8", n_probe=100_000),
    _row("App. 3", _OCCLUSION, _7B, "lora", "67.5 23.9 54.7 33.3", n_probe=3_000),
    _row("App. 3", _OCCLUSION, _7B, "lora", "83.0 45.2 69.8 54.8", n_probe=10_000),
    _row("App. 3", _OCCLUSION, _7B, "lora", "84.4 48.5 81.2 60.7", n_probe=100_000),
    _row("App. 3", _DEPTH, _7B, "sft", "57.9 57.9 100 73.4", n_probe=3_000),
    _row("App. 3", _DEPTH, _7B, "sft", "75.1 83.1 71.5 76.9", n_probe=10_000),
    _row("App. 3", _DEPTH, _7B, "sft", "79.8 83.8 80.8 82.3", n_probe=100_000),
    _row("App. 3", _DEPTH, _7B, "lora", "55.4 58.8 76.4 66.5", n_probe=3_000),
    _row("App. 3", _DEPTH, _7B, "lora", "75.1 84.8 69.5 76.4", n_probe=10_000),
    _row("App. 3", _DEPTH, _7B, "lora", "80.2 84.1 81.3 82.7", n_probe=100_000),
)  # fmt: skip

_LARGER = (
    _row("4", _POPE, _13B, "base", "88.7 85.6 94.0 89.6"),
    _row("4", _POPE, _13B, "mean", "88.8 85.7 94.1 89.7", metric="accuracy"),
    _row("4", _POPE, _13B, "majority", "87.6 83.4 94.9 88.8", metric="accuracy"),
    _row("4", _POPE, _13B, "mean", "88.9 85.5 94.4 89.7", metric="f1"),
    _row("4", _POPE, _13B, "majority", "85.9 85.7 87.2 86.4", metric="f1"),
    _row("4", "scienceqa", _32B, "base", "81.4 67.5 82.9 74.4"),
    _row("4", "scienceqa", _32B, "mean", "84.9 75.5 79.4 77.4", metric="accuracy"),
    _row("4", "scienceqa", _32B, "majority", "84.8 76.6 77.4 77.0", metric="accuracy"),
    _row("4", "scienceqa", _32B, "mean", "84.0 73.6 79.5 76.5", metric="f1"),
    _row("4", "scienceqa", _32B, "majority", "85.0 76.3 78.2 77.2", metric="f1"),
)

_ABLATIONS = (
    _row("9", _OCCLUSION, _7B, "mean", "25.6 16.4 98.4 28.1", metric="f1"),
    _row("9", _OCCLUSION, _7B, "majority", "67.0 24.6 59.7 34.9", metric="f1"),
    _row("5", _POPE, _7B, "base", "89.8 - - 90.2", last_layer=32, seconds=0.78, detail="timed"),
    _row("5", _POPE, _7B, "majority", "90.9 - - 91.2", metric="accuracy", threshold=92.0,
         last_layer=15, seconds=0.16, detail="timed"),
    _row("5", _POPE, _7B, "mean", "90.6 - - 90.8", metric="accuracy", threshold=91.0,
         last_layer=12, seconds=0.16, detail="timed"),
    _row("5", _POPE, _7B, "majority", "89.8 - - 90.2", metric="accuracy", threshold=90.0,
         last_layer=1, seconds=0.15, detail="timed; exit at layer 1"),
    _row("6", _POPE, _7B, "either", "90.9 92.6 89.5 91.0", metric="accuracy", last_layer=14,
         seconds=0.76, detail="last token; as the mean of Table 2"),
    _row("6", _POPE, _7B, "either", "90.9 91.0 91.4 91.2", metric="accuracy", last_layer=15,
         seconds=0.16, detail="first token; as the majority of Table 2"),
    _row("7", "pope-voc", _7B, "base", "91.8 88.1 96.7 92.2"),
    _row("7", "pope-voc", _7B, "either", "91.9 88.1 96.8 92.3", detail="probed on VOC"),
    _row("7", "pope-voc", _7B, "either", "91.6 87.2 97.6 92.1", detail="probed on COCO"),
    _row("App. 6", _POPE, _7B, "mean", "60.4 - - -", detail="images shuffled"),
    _row("App. 6", _POPE, _7B, "majority", "60.3 - - -", detail="images shuffled"),
    _row("App. 6", _POPE, _7B, "mean", "60.4 - - -", detail="prompts shuffled"),
    _row("App. 6", _POPE, _7B, "majority", "61.6 - - -", detail="prompts shuffled"),
)  # fmt: skip

# Appendix, Table 5: the word for the relation; each line the model's figures, then the neurons'.
_WORDS = {
    "obstructing": ("64.9 18.5 40.2 25.3", "78.2 30.4 36.5 33.2", "53.9 46.1", "62.7 69.0"),
    "hiding": ("16.2 13.9 89.8 24.1", "68.1 24.2 54.1 33.5", "45.6 61.6", "62.6 67.9"),
    "occluding": ("18.3 14.6 92.8 25.2", "66.8 23.8 56.5 33.5", "48.8 64.3", "64.2 67.6"),
    "random letters": ("17.9 14.7 94.3 25.4", "66.9 22.2 49.2 30.6", "49.5 65.0", "60.0 67.0"),
}


def _worded() -> list[Printed]:
    found = []
    for word, (base, ours, probed_base, probed_ours) in _WORDS.items():
        more: dict[str, Any] = {"detail": f"asked with the word: {word}"}
        place = ("App. 5", _OCCLUSION, _7B)
        found += [_row(*place, "base", base, **more), _row(*place, "either", ours, **more)]
        for method, figures in (("base", probed_base), ("neuron", probed_ours)):
            a, f1 = figures.split()
            probed = f"{a} - - {f1}"
            found.append(_row(*place, method, probed, scored_on="probing", **more))  # type: ignore[arg-type]
    return found


STUDY_ROWS: tuple[Printed, ...] = (*_OTHERS, *_LARGER, *_ABLATIONS, *_worded())
"""Every figure of these tables that isn't in Table 1 or 2 under the same name."""

TIMES: tuple[PrintedTimes, ...] = (
    PrintedTimes("App. 4", _7B, "base", 128, 0.032, 0.085, 0.025, 1.01),
    PrintedTimes("App. 4", _7B, "base", 1, 0.032, 0.086, 0.024, 0.223),
    PrintedTimes("App. 4", _7B, "either", 1, 0.032, 0.085, 0.002, 0.119),
)
"""Appendix, Table 4: one A100, neurons of layer 1. The prefill of the last two rows may be the
other way round: in the text at hand they stood interleaved."""
