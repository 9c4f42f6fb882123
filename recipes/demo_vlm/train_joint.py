"""Stage 3: tower, projector and language model learn to answer questions together.

The language model learns low-rank updates only. The tower learns slowly, if at all: what it would
gain on the sprites of training it would lose on others.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from common import Clock, autocast, batches, compiled, device, layers, load, log
from easy_vqa_mix import EasyVQA
from lora import add_lora, lora_parameters
from numpy.typing import NDArray
from packing import IGNORED, Packed, Prompts, Row, attention_mask, stack
from patches import move_atlas
from train_vision import normalise
from transformers import LlavaForConditionalGeneration

from export import export
from superneurons.demo.atlas import Atlas, load_atlas, read_atlas
from superneurons.demo.language_model import find_language_model, read_language_model
from superneurons.demo.mix import training_questions
from superneurons.demo.model import new_model
from superneurons.demo.questions import Ledger
from superneurons.demo.render import render
from superneurons.demo.scenes import Scenes, sample_scenes

__all__ = ["Step", "answer_logits", "main"]

_ROW = 224
_RANK, _SCALE = 16, 2.0
_END_WEIGHT = 0.25


@dataclass(frozen=True)
class Step:
    """One step's pictures (scenes first, then easy-VQA's by number) and their packed questions."""

    scenes: Scenes
    easy: NDArray[np.int64]
    rows: Packed


def make_steps(
    atlas: Atlas,
    sprites: NDArray[np.int64],
    prompts: Prompts,
    easy: EasyVQA,
    options: argparse.Namespace,
    rng: np.random.Generator,
) -> Iterator[Step]:
    """Yield steps without end; every question string keeps its answers in balance."""
    ledger = Ledger()
    n_easy = round(options.pictures * options.easy)
    while True:
        scenes = sample_scenes(options.pictures - n_easy, atlas, rng, sprites=sprites)
        asked = training_questions(scenes, atlas, rng, ledger, per_scene=options.questions)
        chosen = rng.integers(0, len(easy), n_easy)
        asked += [easy.questions(int(number), rng, options.questions) for number in chosen]
        yield Step(scenes, chosen, pack(asked, prompts, rng, options))


def pack(
    asked: list[list[tuple[str, str]]],
    prompts: Prompts,
    rng: np.random.Generator,
    options: argparse.Namespace,
) -> Packed:
    """One row a picture, its questions behind it; then rows of prompts that end in the picture."""
    rows, turned = [], [Row(_ROW) for _ in range(options.turned_rows)]
    room = 0
    for picture, pairs in enumerate(asked):
        row = Row(_ROW)
        parent = row.add(prompts.prefix, picture=picture)
        for place in rng.permutation(len(pairs)):
            question, answer = pairs[place]
            if rng.random() < options.turned:
                whole = prompts.ask(question, answer, picture_first=False)
                while room < len(turned) and turned[room].add(whole, picture=picture) is None:
                    room += 1
            else:
                piece = prompts.ask(question, answer)
                row.add(piece, parent=parent, start=len(prompts.prefix.ids))
        rows.append(row)
    return stack(rows + turned, prompts.image_id)


def answer_logits(
    model: LlavaForConditionalGeneration, pictures: torch.Tensor, rows: Packed
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits ``(n, V)`` where something is learned, and what, ``(n,)``."""
    inner = model.model
    tokens = inner.vision_tower(normalise(pictures)).last_hidden_state[:, 1:]
    words = inner.multi_modal_projector(tokens).flatten(0, 1)
    embedded = inner.language_model.embed_tokens(rows.ids)
    seen = words[rows.patch.clamp(min=0)].to(embedded.dtype)
    embedded = torch.where((rows.patch >= 0)[..., None], seen, embedded)
    hidden = inner.language_model(
        inputs_embeds=embedded,
        attention_mask=attention_mask(rows),
        position_ids=rows.position,
        use_cache=False,
    ).last_hidden_state
    learned = rows.target != IGNORED
    return F.linear(hidden[learned], model.lm_head.weight), rows.target[learned]


class Trainer:
    """The model, its optimiser, and where pictures come from."""

    def __init__(
        self,
        model: LlavaForConditionalGeneration,
        atlas: Atlas,
        easy: EasyVQA,
        end_id: int,
        options: argparse.Namespace,
    ) -> None:
        self.model, self.atlas, self.easy, self.end_id = model, atlas, easy, end_id
        self.where = atlas.pixels.device
        self.tower = list(model.model.vision_tower.parameters())
        for parameter in self.tower:
            parameter.requires_grad_(options.vision_lr > 0)
        groups = [
            {"params": lora_parameters(model.model.language_model), "lr": options.lr},
            {
                "params": list(model.model.multi_modal_projector.parameters()),
                "lr": 0.75 * options.lr,
            },
        ]
        if options.vision_lr > 0:
            groups.append({"params": self.tower, "lr": options.vision_lr})
        self.optimizer = torch.optim.AdamW(groups, weight_decay=0.0, fused=True)

    def pictures(self, step: Step) -> torch.Tensor:
        """Return the step's pictures, ``(B, 3, 128, 128)`` uint8."""
        return torch.cat(
            [render(step.scenes, self.atlas, self.where), self.easy.pictures(step.easy)]
        )

    def learn(self, step: Step) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one step; return its loss and its accuracy on the answers' tokens."""
        pictures = self.pictures(step)
        with autocast(self.where):
            logits, target = answer_logits(self.model, pictures, step.rows.to(self.where))
        logits = logits.float()
        ends = target == self.end_id
        weight = torch.where(ends, _END_WEIGHT, 1.0)
        loss = (weight * F.cross_entropy(logits, target, reduction="none")).sum() / weight.sum()
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        for group in self.optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
        self.optimizer.step()
        right = (logits.argmax(-1) == target)[~ends].float().mean()
        return loss.detach(), right


@torch.no_grad()
def check(trainer: Trainer, steps: Iterator[Step], n: int) -> float:
    """Return the accuracy on the answers' tokens over ``n`` steps."""
    right = []
    for _, step in zip(range(n), steps, strict=False):
        pictures = trainer.pictures(step)
        with autocast(trainer.where):
            logits, target = answer_logits(trainer.model, pictures, step.rows.to(trainer.where))
        right.append((logits.argmax(-1) == target)[target != trainer.end_id].float())
    return float(torch.cat(right).mean())


def train(trainer: Trainer, steps: Iterator[Step], options: argparse.Namespace) -> None:
    """Train for a given time, exporting at the wanted shares of it."""
    clock = Clock(trainer.optimizer, options.seconds, warm_up=60)
    wanted = sorted(options.checkpoints)
    while clock.tick():
        loss, right = trainer.learn(next(steps))
        if clock.step % 25 == 1:
            log("joint", step=clock.step, share=clock.share, loss=loss.item(), right=right.item())
        if wanted and clock.share >= wanted[0]:
            share = wanted.pop(0)
            path = options.out.with_stem(f"{options.out.stem}-{round(100 * share)}")
            export(trainer.model, path, lora_scale=_SCALE)
    export(trainer.model, options.out, lora_scale=_SCALE)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, required=True)
    parser.add_argument("--vision", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=290)
    parser.add_argument("--checkpoints", type=float, nargs="*", default=[0.4, 0.7])
    parser.add_argument("--pictures", type=int, default=176)
    parser.add_argument("--questions", type=int, default=6, help="per picture")
    parser.add_argument("--easy", type=float, default=0.1, help="share of easy-VQA's pictures")
    parser.add_argument("--turned", type=float, default=0.15, help="share of questions asked first")
    parser.add_argument("--turned-rows", type=int, default=72)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--vision-lr", type=float, default=5e-5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--check", type=int, default=8, help="steps to measure on")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    where = device()
    parts = read_language_model(find_language_model())
    model = new_model(parts)
    trained = load(options.vision)
    model.model.vision_tower.load_state_dict(trained["tower"])
    model.model.multi_modal_projector.load_state_dict(trained["projector"])
    model.to(where)
    add_lora(model.model.language_model, rank=_RANK, scale=_SCALE)
    compiled(layers(model.model.language_model), where)
    prompts, easy = Prompts(parts.tokenizer), EasyVQA(where, options.seed)
    atlas = read_atlas(options.atlas)

    def stream(source: Atlas, sprites: NDArray[np.int64], seed: int) -> Iterator[Step]:
        make = partial(make_steps, source, sprites, prompts, easy, options)
        return batches(make, seed=seed, workers=options.workers)

    trainer = Trainer(model, move_atlas(atlas, where), easy, parts.tokenizer.eos_token_id, options)
    train(trainer, stream(atlas, atlas.pool(seen=True), options.seed + 2), options)
    log(
        "joint seen",
        right=check(trainer, stream(atlas, atlas.pool(seen=True), 10_000), options.check),
    )
    shipped = load_atlas()
    trainer.atlas = move_atlas(shipped, where)
    unseen = stream(shipped, shipped.pool(seen=False), 10_001)
    log("joint unseen", right=check(trainer, unseen, options.check))


if __name__ == "__main__":
    main()
