"""What the 2nd … 50th question about a picture costs, as Markdown.

    python benchmarks/many_questions.py --out runs/many_questions.json
    python benchmarks/many_questions.py --model demo --device cpu --out runs/many_demo.json

A model of LLaVA-1.5-7B's shape with random weights; each question is 20 tokens after the picture
and reads 1,000 neurons up to its exit layer; a linear read-out each, labels on the host. Three
sides, for 1 … 50 questions: all in one pass that looks at the picture once (``together``); one
after another, each with an early exit of its own; and as many read-outs on one and the same
question, their neurons side by side. CUDA graphs on a GPU, plain operations elsewhere. All sides of
an exit and a batch are timed in turn in one run; medians between device events (quartiles). A
further question costs (time of n - time of 1) / (n - 1). ``held`` is what a side's graphs keep.
Agreement: labels of the first questions together and each alone.

``--model demo``: classifiers fitted on the embedded model's tasks with a fixed question answer the
same pictures together and one by one; times are from the picture to the labels. ``--shape tiny``
tries the first out anywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from _exits import DIFFERENT, LinearReadOut, Report, model_of, neurons
from _gpu import Times, device_of, freed, in_turns, table
from _shapes import FIRST_WORD, Shape, random_inputs

from superneurons.errors import SuperNeuronsError
from superneurons.vlm.early_exit import EarlyExit
from superneurons.vlm.graphs import Graphs
from superneurons.vlm.lean.forest import Branch, Forest
from superneurons.vlm.lean.opening import lean_of
from superneurons.vlm.model import VLM, Inputs

TOGETHER, APART, SAME = "together", "one after another", "the same question"
COLUMNS = (
    "exit", "batch", "questions", "side", "ms (quartiles)", "ms / picture",
    "ms / picture, further question", "× one question", "one after another / it", "held, GB",
)  # fmt: skip
DEMO_TASKS = ("dark", "focus", "animal", "counting")
DEMO_COLUMNS = ("questions", "side", "ms (quartiles)", "further question, ms", "alone / together")

Values = Callable[[Inputs], torch.Tensor]


@dataclass(frozen=True)
class Question:
    """Words after the picture, and the neurons that are read."""

    words: torch.Tensor
    layers: list[int]
    columns: list[int]


def questions_of(
    vlm: VLM, shape: Shape, n: int, words: int, depth: int, n_neurons: int
) -> list[Question]:
    """Draw questions; the last token of all is the same, as in a prompt."""
    top = min(int(shape.config.get_text_config().vocab_size), 30_000)
    drawn = torch.randint(
        FIRST_WORD, top, (n, words), generator=torch.Generator().manual_seed(0)
    )  # fmt: skip
    drawn[:, -1] = FIRST_WORD
    return [
        Question(row, *neurons(vlm, depth, n_neurons, seed=seed))
        for seed, row in enumerate(drawn.to(vlm.device))
    ]


def with_words_after(shape: Shape, words: int) -> Shape:
    """The shape with so many tokens after the picture; a third as many stand before it."""
    return replace(shape, text=next(n for n in range(4 * words) if n - n // 4 == words))


def stem_of(shape: Shape) -> int:
    """Tokens up to the picture's last."""
    return shape.text // 4 + shape.picture_tokens


def asking(inputs: Inputs, words: torch.Tensor) -> Inputs:
    """The same pictures, asked something else."""
    ids = inputs.tensors["input_ids"].clone()
    ids[:, -len(words) :] = words
    return replace(inputs, tensors={**inputs.tensors, "input_ids": ids})


def together(vlm: VLM, stem: int, questions: Sequence[Question]) -> Values:
    """All questions in one pass, (B, sum of K)."""
    lean = lean_of(vlm)
    assert lean is not None
    branches = [Branch(q.words, torch.tensor(q.layers), torch.tensor(q.columns)) for q in questions]
    forest = Forest(lean, stem, branches, vlm.device)
    tower = lean.tower
    if vlm.device.type != "cuda":
        return lambda inputs: forest(inputs.tensors, tower.grids(inputs.tensors))
    graphs = Graphs(lambda tensors, _, grids: forest(tensors, grids), vlm.device)

    def run(inputs: Inputs) -> torch.Tensor:
        found = graphs(inputs.tensors, inputs.pictures, tower.grids(inputs.tensors))
        if found is None:
            raise RuntimeError(graphs.reason)
        return found

    return run


def apart(exits: Sequence[EarlyExit], questions: Sequence[Question]) -> Values:
    """One early exit after another, (B, sum of K).

    Where there are fewer exits than questions, these take turns: graphs take memory, and neurons
    elsewhere in the same layers take the same time.
    """

    def run(inputs: Inputs) -> torch.Tensor:
        found = [exits[n % len(exits)](asking(inputs, q.words)) for n, q in enumerate(questions)]
        return torch.cat(found, dim=1)

    return run


def same(vlm: VLM, questions: Sequence[Question]) -> Values:
    """The first question, with the neurons of all, (B, sum of K)."""
    layers = [layer for q in questions for layer in q.layers]
    columns = [column for q in questions for column in q.columns]
    exit_ = EarlyExit(vlm, layers, columns)
    words = questions[0].words
    return lambda inputs: exit_(asking(inputs, words))


def labels(values: Values, n: int, device: torch.device) -> Callable[[Inputs], Any]:
    """Read-outs on top, with the labels on the host: it waits for the device once."""
    read_out: LinearReadOut | None = None

    @torch.inference_mode()
    def answer(inputs: Inputs) -> Any:
        nonlocal read_out
        found = values(inputs).unflatten(1, (n, -1))
        read_out = read_out or LinearReadOut(found.shape[-1], device)
        return (read_out.decisions(found) > read_out.threshold).tolist()

    return answer


def kept(device: torch.device) -> int:
    """Bytes that graphs and tensors keep on a GPU; 0 elsewhere."""
    freed(device)
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0


def open_sides(
    vlm: VLM, shape: Shape, questions: Sequence[Question], first: Inputs, own: int, report: Report
) -> tuple[dict[tuple[str, int], Callable[[Inputs], Any]], dict[tuple[str, int], int]]:
    """Make every side for every number of questions, and say what each of them keeps."""
    ready, held = {}, {}
    exits = [EarlyExit(vlm, q.layers, q.columns) for q in questions[:own]]
    of_exits = 0
    for n in report.found["options"]["questions"]:
        some = questions[:n]
        makers: dict[str, Callable[[], Values]] = {
            TOGETHER: lambda some=some: together(vlm, stem_of(shape), some),  # type: ignore[misc]
            APART: lambda some=some: apart(exits, some),  # type: ignore[misc]
            SAME: lambda some=some: same(vlm, some),  # type: ignore[misc]
        }
        for name, make in makers.items():
            before = kept(vlm.device)
            try:
                side = labels(make(), n, vlm.device)
                side(first)
            except (SuperNeuronsError, RuntimeError) as error:
                way = f"{name}, {n} questions, batch {len(first)}"
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                report.add("not run", [{"way": way, "kind": "residual", "reason": reason}])
                continue
            ready[name, n], held[name, n] = side, kept(vlm.device) - before
            if name == APART:  # graphs of fewer questions serve more
                held[name, n] = of_exits = of_exits + held[name, n]
    return ready, held


def rows_of(
    times: Mapping[tuple[str, int], Times], held: Mapping[Any, int], batch: int, depth: int
) -> list[dict[str, Any]]:
    """One row for each side and number of questions, beside one question and one after another."""
    rows = []
    for (side, n), own in sorted(times.items(), key=lambda item: item[0][1]):
        row = {
            "exit": depth, "batch": batch, "questions": n, "side": side, **own.as_dict(),
            "ms per picture": own.ms / batch, "bytes held": held.get((side, n), 0),
        }  # fmt: skip
        one = times.get((side, 1))
        if one is not None and n > 1:
            row["ms per further question"] = (own.ms - one.ms) / (n - 1) / batch
        alone = times.get((APART, 1))
        if alone is not None:
            row["x one question"] = own.ms / alone.ms
        if (APART, n) in times:
            row["one after another / it"] = times[APART, n].ms / own.ms
        rows.append(row)
    return rows


def cells(row: Mapping[str, Any]) -> list[str]:
    def number(name: str, digits: int) -> str:
        return f"{row[name]:.{digits}f}" if name in row else "–"

    return [
        str(row["exit"]), str(row["batch"]), str(row["questions"]), row["side"],
        f"{row['ms']:.2f} ({row['low']:.2f}–{row['high']:.2f})", number("ms per picture", 3),
        number("ms per further question", 4), number("x one question", 2),
        number("one after another / it", 1), f"{row['bytes held'] / 1e9:.2f}",
    ]  # fmt: skip


@torch.inference_mode()
def agreement(
    vlm: VLM, shape: Shape, questions: Sequence[Question], options: argparse.Namespace
) -> dict[str, Any]:
    """Say how many labels are the same together as alone, at the middle of each question's."""
    n = len(questions)
    sides = {
        TOGETHER: together(vlm, stem_of(shape), questions),
        APART: apart([EarlyExit(vlm, q.layers, q.columns) for q in questions], questions),
    }
    read_out = LinearReadOut(len(questions[0].layers), vlm.device)
    decisions: dict[str, list[torch.Tensor]] = {name: [] for name in sides}
    for seed in range(-(-options.agree // options.agree_batch)):
        inputs = random_inputs(vlm, shape, options.agree_batch, seed=1000 + seed)
        for name, side in sides.items():
            found = side(inputs).unflatten(1, (n, -1))
            decisions[name].append(read_out.decisions(found).cpu())
    ours, alone = (torch.cat(decisions[name]) for name in (TOGETHER, APART))
    middle = alone.quantile(0.5, dim=0)
    equal = (ours > middle) == (alone > middle)
    gap = ((ours - alone).abs() / alone.std(dim=0)).median()
    return {
        "questions": n, "pictures": len(ours), "dtype": options.dtype,
        "agree": float(equal.float().mean()), "noise": float(gap),
    }  # fmt: skip


def run(options: argparse.Namespace, report: Report) -> None:
    """Time the sides at each exit and batch."""
    vlm, shape = model_of(f"llava-{options.shape}", options, layers=max(options.exits))
    shape = with_words_after(shape, options.words)
    print(f"{shape.name}, {stem_of(shape)} tokens in common, {options.words} of each question, "
          f"{options.dtype}, {options.neurons} neurons\n")  # fmt: skip
    for depth in options.exits:
        questions = questions_of(
            vlm, shape, max(options.questions), options.words, depth, options.neurons
        )
        for batch in options.batches:
            ring = [random_inputs(vlm, shape, batch, seed=seed) for seed in range(DIFFERENT)]
            sides, held = open_sides(vlm, shape, questions, ring[0], options.own, report)
            times = in_turns(
                {key: in_ring(side, ring) for key, side in sides.items()}, device=vlm.device,
                warm=options.warm, repeats=options.repeats, seconds=options.seconds,
            )  # fmt: skip
            rows = rows_of(times, held, batch, depth)
            report.add("times", rows)
            print(table(COLUMNS, [cells(row) for row in rows]), "\n", flush=True)
            del sides
            freed(vlm.device)
        found = {"exit": depth, **agreement(vlm, shape, questions[: options.own], options)}
        report.add("agreement", [found])
        print(f"Exit {depth}: {found['agree']:.2%} of {found['pictures']} × {found['questions']} "
              f"labels are those of each question alone\n", flush=True)  # fmt: skip


def in_ring(side: Callable[[Inputs], Any], ring: Sequence[Inputs]) -> Callable[[int], object]:
    return lambda number: side(ring[number % len(ring)])


def run_demo(options: argparse.Namespace, report: Report) -> None:
    """Fit classifiers, and let them answer the same pictures together and one by one."""
    from superneurons.demo.tasks import make_task
    from superneurons.shortcut.classifier import SuperNeuronClassifier
    from superneurons.shortcut.together import Together
    from superneurons.vlm.opening import open_vlm

    vlm = open_vlm(options.model, device=options.device, dtype="float32")
    fitted = {
        task: SuperNeuronClassifier(
            vlm, max_layer=options.max_layer, batch_size=1, acceleration="lean"
        ).fit(make_task(task, n=options.probe, seed=0))
        for task in options.tasks
    }
    per_task = -(-options.test // len(fitted))
    records = [r for t in fitted for r in make_task(t, n=per_task, split="test", seed=1)]
    all_of_them = Together(fitted, acceleration="lean")
    found = list(all_of_them.answers(records, batch_size=1))
    for name, classifier in fitted.items():
        own = [record.with_question(str(classifier.question_), None) for record in records]
        alone = list(classifier.answers(own))
        equal = [t[name].label == a.label for t, a in zip(found, alone, strict=True)]
        row = {
            "task": name, "question": classifier.question_, "exit": classifier.exit_layer_,
            "pictures": len(records), "agree": sum(equal) / len(equal),
        }  # fmt: skip
        report.add("agreement", [row])
        print(f"- {name}, layer {row['exit']}: {row['agree']:.1%} of {row['pictures']} labels "
              "are those given alone", flush=True)  # fmt: skip
    rows = demo_times(fitted, records, options)
    report.add("times", rows)
    print("\n" + table(DEMO_COLUMNS, [demo_cells(row) for row in rows]), flush=True)


def demo_times(
    fitted: Mapping[str, Any], records: Sequence[Any], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Time the first n classifiers together and one by one, from a picture to its labels."""
    from superneurons.shortcut.together import Together

    sides: dict[tuple[str, int], Callable[[int], object]] = {}
    for n in range(1, len(fitted) + 1):
        some = dict(list(fitted.items())[:n])
        pass_ = Together(some, acceleration="lean")

        def one_pass(number: int, pass_: Together = pass_) -> object:
            return list(pass_.answers([records[number % len(records)]]))

        def each(number: int, some: Mapping[str, Any] = some) -> object:
            record = records[number % len(records)]
            return [
                list(c.answers([record.with_question(str(c.question_), None)]))
                for c in some.values()
            ]

        sides[TOGETHER, n], sides[APART, n] = one_pass, each
    times = in_turns(
        sides, device="cpu", warm=options.warm, repeats=options.repeats, seconds=options.seconds
    )
    return rows_of(times, {}, 1, max(c.exit_layer_ for c in fitted.values()))


def demo_cells(row: Mapping[str, Any]) -> list[str]:
    every = cells(row)
    return [every[2], every[3], every[4], every[6], every[8]]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", help="fit on its tasks instead: demo")
    parser.add_argument("--shape", choices=("7b", "tiny"), default="7b")
    parser.add_argument("--device", type=device_of, default="auto")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="bfloat16")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--exits", type=int, nargs="+", default=[1, 8], help="layers")
    parser.add_argument("--questions", type=int, nargs="+", default=[1, 2, 5, 10, 20, 50])
    parser.add_argument("--words", type=int, default=20, help="tokens after the picture")
    parser.add_argument("--neurons", type=int, default=1000, help="read by each question")
    parser.add_argument("--own", type=int, default=5, help="early exits with graphs of their own")
    parser.add_argument("--agree", type=int, default=64, help="pictures for the agreement")
    parser.add_argument("--agree-batch", type=int, default=8)
    parser.add_argument("--tasks", nargs="+", default=list(DEMO_TASKS), help="with --model")
    parser.add_argument("--probe", type=int, default=100, help="records, with --model")
    parser.add_argument("--test", type=int, default=60, help="records, with --model")
    parser.add_argument("--max-layer", type=int, help="with --model")
    parser.add_argument("--warm", type=int, default=3, help="rounds that aren't counted")
    parser.add_argument("--repeats", type=int, default=30, help="rounds that are counted")
    parser.add_argument("--seconds", type=float, default=12, help="then no further round begins")
    parser.add_argument("--out", type=Path, help="JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    report = Report("many_questions", options, options.device)
    (run_demo if options.model else run)(options, report)
    report.failures()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
