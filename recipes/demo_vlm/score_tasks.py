"""Measure the demo model on all embedded tasks: what it answers, and what words alone would do."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from common import autocast, device, log
from numpy.typing import NDArray
from packing import Prompts
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from train_vision import normalise
from transformers import LlavaForConditionalGeneration

from superneurons.demo.language_model import find_language_model, read_language_model
from superneurons.demo.model import assemble
from superneurons.demo.tasks import TASKS, make_task
from superneurons.task.lettered import letter_record

__all__ = ["Questions", "evaluate", "main", "questions_of"]

Floats = NDArray[np.float64]
_BATCH = 512
_YES_NO: tuple[str, ...] = ("No", "Yes")


@dataclass(frozen=True)
class Questions:
    """A task's records, ready to ask: pictures ``(n, 128, 128, 3)`` uint8, words to choose."""

    pictures: NDArray[np.uint8]
    questions: list[str]
    answers: NDArray[np.int64]
    words: tuple[str, ...]


def questions_of(name: str, n: int, split: str, sprites: str) -> Questions:
    """Make a task's records; multiple choice is asked by letter."""
    records = make_task(name, n=n, split=split, sprites=sprites)  # type: ignore[arg-type]
    lettered = [letter_record(record) if record.options else record for record in records]
    labels = [record.label or "" for record in lettered]
    known = TASKS[name].labels or lettered[0].options or ()
    if {label.lower() for label in known} == {"yes", "no"}:
        words, labels = _YES_NO, [label.capitalize() for label in labels]
    else:
        words = tuple(known)
    pictures = np.stack([np.asarray(record.images[0]) for record in lettered])
    answers = np.array([words.index(label) for label in labels], dtype=np.int64)
    return Questions(pictures, [record.question for record in lettered], answers, words)


def word_logits(
    model: LlavaForConditionalGeneration, prompts: Prompts, asked: Questions, where: torch.device
) -> tuple[Floats, float]:
    """Return the first answer token's logits, ``(n, words)``, and how often one of them is top."""
    ids = [prompts.ask(question, asked.words[0]) for question in asked.questions]
    whole = [prompts.prefix.ids + piece.ids[: piece.answer] for piece in ids]
    firsts = [prompts.first(word) for word in asked.words]
    if len(set(firsts)) < len(firsts):
        raise ValueError(f"two of these begin with the same token: {asked.words}")
    logits = np.zeros((len(whole), len(firsts)))
    top = 0
    by_length = defaultdict(list)
    for place, tokens in enumerate(whole):
        by_length[len(tokens)].append(place)
    for places in by_length.values():
        for start in range(0, len(places), _BATCH):
            chosen = places[start : start + _BATCH]
            pixels = torch.from_numpy(asked.pictures[chosen]).permute(0, 3, 1, 2).to(where)
            with torch.inference_mode(), autocast(where):
                last = model(
                    input_ids=torch.tensor([whole[place] for place in chosen], device=where),
                    pixel_values=normalise(pixels),
                    logits_to_keep=1,
                ).logits[:, -1]
            logits[chosen] = last[:, firsts].double().cpu().numpy()
            top += int(torch.isin(last.argmax(-1), torch.tensor(firsts, device=where)).sum())
    return logits, top / len(whole)


def score(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> dict[str, float]:
    """Return accuracy and balanced accuracy, each with half the width of its 95 % interval."""
    accuracy = float((truth == guess).mean())
    truths = [truth == answer for answer in np.unique(truth)]
    recalls = [(float((guess == truth)[own].mean()), int(own.sum())) for own in truths]
    spread = sum(p * (1 - p) / n for p, n in recalls) ** 0.5 / len(recalls)
    return {
        "accuracy": accuracy,
        "accuracy_interval": 1.96 * (accuracy * (1 - accuracy) / len(truth)) ** 0.5,
        "balanced": float(balanced_accuracy_score(truth, guess)),
        "balanced_interval": 1.96 * spread,
    }


def calibrated(probe: Floats, answers: NDArray[np.int64], test: Floats) -> NDArray[np.int64]:
    """Answer yes above the difference of logits that parts the probing set best."""
    gap, wanted = probe[:, 1] - probe[:, 0], answers == 1
    edges = np.concatenate([[-np.inf], np.sort(gap)])
    best = max(edges.tolist(), key=lambda edge: float(((gap > edge) == wanted).mean()))
    return np.asarray(test[:, 1] - test[:, 0] > best, dtype=np.int64)


def words_alone(probe: Questions, test: Questions) -> NDArray[np.int64]:
    """Answer by a bag of the question's words, without the picture."""
    model = make_pipeline(
        CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+"), LogisticRegression(max_iter=500)
    )
    return np.asarray(model.fit(probe.questions, probe.answers).predict(test.questions))


def evaluate(
    model: LlavaForConditionalGeneration, prompts: Prompts, probe: Questions, test: Questions
) -> dict[str, object]:
    """Return one task's figures."""
    where = next(model.parameters()).device
    logits, top = word_logits(model, prompts, test, where)
    counts = np.bincount(test.answers, minlength=len(test.words))
    result: dict[str, object] = {
        "n": len(test.answers),
        "majority": float(counts.max() / counts.sum()),
        "base": score(test.answers, logits.argmax(1)),
        "first_token_is_an_answer": top,
        "text_only": score(test.answers, words_alone(probe, test)),
    }
    if test.words == _YES_NO:
        probed, _ = word_logits(model, prompts, probe, where)
        guess = calibrated(probed, probe.answers, logits)
        result["calibrated"] = score(test.answers, guess)
        result["says_yes"] = float(logits.argmax(1).mean())
    return result


def prepare(job: tuple[str, str, int, int]) -> tuple[str, str, Questions, Questions]:
    """Make one task's probing and test questions, in a process of their own."""
    torch.set_num_threads(1)
    name, sprites, n, probe = job
    return (
        name,
        sprites,
        questions_of(name, probe, "probe", sprites),
        questions_of(name, n, "test", sprites),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--probe", type=int, default=1000)
    parser.add_argument("--wait", action="store_true", help="for weights still being trained")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    options = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    jobs = [
        (name, sprites, options.n, options.probe)
        for name in options.tasks
        for sprites in ("seen", "unseen")
        if sprites == "seen" or TASKS[name].kind != "easyvqa"  # it has but one kind of drawing
    ]
    with multiprocessing.get_context("spawn").Pool(min(os.cpu_count() or 1, len(jobs))) as pool:
        prepared = pool.map(prepare, jobs, chunksize=1)
    log("evaluate", tasks=len(prepared))
    parts = read_language_model(find_language_model())
    prompts = Prompts(parts.tokenizer)
    report: dict[str, dict[str, object]] = {}
    for path in options.weights:
        while options.wait and not path.exists():
            time.sleep(1)
        model = assemble(parts, path).to(device())
        figures = report.setdefault(path.name, {})
        for name, sprites, probe, test in prepared:
            result = evaluate(model, prompts, probe, test)
            figures[f"{name}/{sprites}"] = result
            log(f"{path.stem} {name}/{sprites}", **{k: _short(v) for k, v in result.items()})
        options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")


def _short(value: object) -> str:
    if isinstance(value, dict):
        return f"{100 * value['balanced']:.1f}±{100 * value['balanced_interval']:.1f}"
    return f"{value:.3g}"


if __name__ == "__main__":
    main()
