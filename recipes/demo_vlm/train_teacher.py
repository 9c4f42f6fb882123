"""Stage 1: tune the ImageNet teacher on our scenes."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from common import Clock, autocast, device, log
from patches import front_loss, move_atlas, naming_quality, practice_split, scene_batches
from teacher import Teacher, load_teacher

from superneurons.demo.atlas import Atlas, load_atlas, read_atlas
from superneurons.demo.render import patch_targets, render

__all__ = ["main"]


def train(teacher: Teacher, atlas: Atlas, options: argparse.Namespace) -> None:
    """Tune backbone and head for a given time on the labelled sprites."""
    where = device()
    drawn = move_atlas(atlas, where)
    groups = [
        {"params": list(teacher.backbone.parameters()), "lr": options.lr},
        {"params": list(teacher.head.parameters()), "lr": 3 * options.lr},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.02)
    clock = Clock(optimizer, options.seconds, warm_up=50)
    stream = scene_batches(
        atlas, atlas.pool(seen=True), options.batch, seed=options.seed, workers=options.workers
    )
    teacher.train()
    while clock.tick():
        scenes = next(stream)
        pictures = render(scenes, drawn, where)
        with autocast(where):
            _, logits = teacher(pictures)
        loss = front_loss(logits, patch_targets(scenes, drawn, where)[0])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(teacher.parameters(), 2.0)
        optimizer.step()
        if clock.step % 50 == 1:
            log("teacher", step=clock.step, share=clock.share, loss=loss.item())
    teacher.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--practice", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=12)
    parser.add_argument("--check", type=int, default=4096, help="scenes to measure on")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    where = device()
    whole = read_atlas(options.atlas)
    atlas, practice = practice_split(whole, options.practice, options.seed)
    teacher = load_teacher(len(atlas.classes), options.weights).to(where)
    train(teacher, atlas, options)

    def name(pictures: torch.Tensor) -> torch.Tensor:
        with autocast(where):
            logits: torch.Tensor = teacher(pictures)[1]
            return logits

    shipped = load_atlas()
    for title, source, sprites in (
        ("seen", atlas, atlas.pool(seen=True)),
        ("practice", whole, practice),
        ("unseen", shipped, shipped.pool(seen=False)),
    ):
        log(
            f"teacher {title}",
            **naming_quality(name, move_atlas(source, where), sprites, seed=1, n=options.check),
        )
    torch.save(teacher.half().state_dict(), options.out)


if __name__ == "__main__":
    main()
