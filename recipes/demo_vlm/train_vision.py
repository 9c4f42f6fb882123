"""Stage 2: train vision tower and projector to name what lies in each patch.

The classifier is the projector itself: a patch's class logits are its cosines with the language
model's mean token embedding of each class name. So the projector speaks the language model's tongue
before the two ever meet. Beside the names of the labelled things the tower learns the teacher's
opinion on every picture, the many unlabelled ones among them, and what a patch looks like (its
colour, contrast and sharpness), which names alone would have it forget.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from common import Clock, autocast, compiled, device, layers, load, log
from patches import front_loss, move_atlas, naming_quality, practice_split, scene_batches
from teacher import Teacher, fold_norms, load_teacher
from torch import nn
from transformers import LlavaForConditionalGeneration

from superneurons.demo.atlas import UNLABELLED, Atlas, load_atlas, read_atlas
from superneurons.demo.language_model import (
    LanguageModel,
    find_language_model,
    read_language_model,
)
from superneurons.demo.model import new_model
from superneurons.demo.render import patch_targets, render

__all__ = ["Seer", "looks", "main", "name_embeddings", "normalise"]

_TEMPERATURE = 2.0


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Return uint8 pictures as the processor gives them to the model: -1…1."""
    return pictures.float() / 127.5 - 1


def name_embeddings(parts: LanguageModel, names: tuple[str, ...]) -> torch.Tensor:
    """Return each name's mean token embedding less the vocabulary's mean, ``(C, D)`` float32."""
    table = parts.state_dict["embed_tokens.weight"]
    ids = [parts.tokenizer(f" {name}", add_special_tokens=False)["input_ids"] for name in names]
    return torch.stack([table[i].mean(0) for i in ids]) - table.mean(0)


def looks(pictures: torch.Tensor) -> torch.Tensor:
    """Return five plain facts of each patch, ``(B, 64, 5)``: mean RGB, contrast, sharpness."""
    pixels = pictures.float() / 255
    grey = pixels.mean(1, keepdim=True)
    smooth = F.avg_pool2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), 3, stride=1)

    def spread(values: torch.Tensor) -> torch.Tensor:
        return torch.log(F.avg_pool2d(values**2, 16).sqrt() + 0.01) / 2 + 1

    mean = F.interpolate(F.avg_pool2d(grey, 16), scale_factor=16)
    facts = [2 * F.avg_pool2d(pixels, 16) - 1, spread(grey - mean), spread(grey - smooth)]
    return torch.cat(facts, 1).flatten(2).transpose(1, 2)


class Seer(nn.Module):
    """Vision tower and projector, with the heads that only training needs.

    Parameters
    ----------
    model
        Whose tower and projector to train.
    names
        ``(C, D)`` embeddings of the class names.
    """

    def __init__(self, model: LlavaForConditionalGeneration, names: torch.Tensor) -> None:
        super().__init__()
        self.tower = model.model.vision_tower
        self.projector = model.model.multi_modal_projector
        hidden, words = self.projector.linear_1.in_features, names.shape[1]
        self.names: torch.Tensor
        self.length: torch.Tensor
        self.register_buffer("names", F.normalize(names, dim=1))
        self.register_buffer("length", names.norm(dim=1).mean())
        self.background = nn.Parameter(torch.randn(words) / words**0.5)
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        self.behind = nn.Linear(hidden, len(names) + 1)
        self.mimic = nn.Linear(hidden, Teacher.width)
        self.looks = nn.Linear(words, 5)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return class logits, hidden-class logits, features, looks and lengths of each patch."""
        tokens = self.tower(normalise(pictures)).last_hidden_state[:, 1:]
        words = self.projector(tokens).float()
        targets = torch.cat([self.names, F.normalize(self.background, dim=0)[None]])
        logits = self.sharpness.exp() * F.normalize(words, dim=-1) @ targets.T
        lengths = words.norm(dim=-1) / self.length
        return logits, self.behind(tokens), self.mimic(tokens), self.looks(words), lengths


def distil(
    logits: torch.Tensor, features: torch.Tensor, taught: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """Return how far the tower is from the teacher: in opinion (KL) and features (cosine).

    Patches that the teacher calls background weigh less, as they do for the names.
    """
    target_features, target_logits = (part.float() for part in taught)
    weight = 1.15 - target_logits.softmax(-1)[..., -1]
    weight = weight / weight.mean()
    wanted = (target_logits / _TEMPERATURE).log_softmax(-1)
    given = (logits.float() / _TEMPERATURE).log_softmax(-1)
    opinion = F.kl_div(given, wanted, log_target=True, reduction="none").sum(-1)
    likeness = F.cosine_similarity(features.float(), target_features, dim=-1)
    return (weight * (_TEMPERATURE**2 * opinion + 2 * (1 - likeness))).mean()


def train(seer: Seer, teacher: Teacher, atlas: Atlas, options: argparse.Namespace) -> None:
    """Train for a given time on all sprites, labelled and not."""
    where = device()
    drawn = move_atlas(atlas, where)
    optimizer = torch.optim.AdamW(
        seer.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=0.05, fused=True
    )
    clock = Clock(optimizer, options.seconds, warm_up=200)
    sprites = atlas.seen.nonzero()[0]
    stream = scene_batches(
        atlas, sprites, options.batch, seed=options.seed + 1, workers=options.workers
    )
    while clock.tick():
        scenes = next(stream)
        pictures = render(scenes, drawn, where)
        front, hidden = patch_targets(scenes, drawn, where)
        with autocast(where):
            with torch.no_grad():
                taught = teacher(pictures)
            logits, behind, features, seen_looks, lengths = seer(pictures)
        names = front_loss(logits, front)
        behind_weight = torch.ones(behind.shape[-1], device=where)
        behind_weight[-1] = 0.02
        target = torch.where(hidden == UNLABELLED, behind.shape[-1] - 1, hidden).flatten()
        hiding = F.cross_entropy(behind.float().flatten(0, 1), target, behind_weight)
        teaching = distil(logits, features, taught)
        plain = F.mse_loss(seen_looks.float(), looks(pictures))
        loss = names + 0.3 * hiding + options.distil * teaching + plain
        loss = loss + 0.1 * ((lengths - 1) ** 2).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(seer.parameters(), 1.0)
        optimizer.step()
        if clock.step % 100 == 1:
            log(
                "vision",
                step=clock.step,
                share=clock.share,
                names=names.item(),
                hiding=hiding.item(),
                teaching=teaching.item(),
                looks=plain.item(),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="the teacher's ImageNet checkpoint")
    parser.add_argument("--seconds", type=float, default=280)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--distil", type=float, default=1.0)
    parser.add_argument("--practice", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--check", type=int, default=4096, help="scenes to measure on")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    where = device()
    whole = read_atlas(options.atlas)
    atlas, practice = practice_split(whole, options.practice, options.seed)
    parts = read_language_model(find_language_model())
    seer = Seer(new_model(parts), name_embeddings(parts, atlas.classes)).to(where)
    teacher = load_teacher(len(atlas.classes), options.weights).to(where).eval()
    teacher.load_state_dict(load(options.teacher))
    teacher.requires_grad_(False)
    fold_norms(teacher)
    compiled(layers(seer.tower), where)
    train(seer, teacher, atlas, options)

    def name(pictures: torch.Tensor) -> torch.Tensor:
        with autocast(where):
            logits: torch.Tensor = seer(pictures)[0]
            return logits

    shipped = load_atlas()
    for title, source, sprites in (
        ("seen", atlas, atlas.pool(seen=True)),
        ("practice", whole, practice),
        ("unseen", shipped, shipped.pool(seen=False)),
    ):
        log(
            f"vision {title}",
            **naming_quality(name, move_atlas(source, where), sprites, seed=1, n=options.check),
        )
    with torch.no_grad():  # the classifier worked on embeddings less the vocabulary's mean
        seer.projector.linear_2.bias += parts.state_dict["embed_tokens.weight"].mean(0).to(where)
    trained = {"tower": seer.tower, "projector": seer.projector}
    torch.save({name: part.half().state_dict() for name, part in trained.items()}, options.out)


if __name__ == "__main__":
    main()
