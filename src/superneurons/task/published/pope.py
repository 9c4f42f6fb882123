"""POPE asks whether an object is in the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from superneurons.task.published.base import Needed, Published, Split
from superneurons.task.published.coco import Instances, group_of, instances_file, picture_folder
from superneurons.task.published.reader import Reader
from superneurons.task.record import Record

__all__ = ["QUESTION", "TASKS", "asked_for"]

QUESTION = "Is there a {object} in the image?"
"""POPE's question; "an" before vowels."""

_REPOSITORY = "https://github.com/RUCAIBox/POPE"
_VAL = picture_folder("val2014")
_TRAIN = picture_folder("train2014")
_INSTANCES = instances_file("train2014")
_PER_PICTURE = 3
_SEED = 0


def _questions(name: str) -> Needed:
    return Needed(
        f"coco_pope_{name}.json",
        f"POPE's {name} questions (output/coco there)",
        _REPOSITORY,
        also=(f"output/coco/coco_pope_{name}.json", f"coco/coco_pope_{name}.json"),
    )


def _official(file: Needed, folder: Needed) -> Callable[[Reader], list[Record]]:
    def load(reader: Reader) -> list[Record]:
        records = []
        base = reader.place(folder)
        for row in reader.lines(reader.place(file)):
            image, text = reader.text(row, "image"), reader.text(row, "text")
            label = reader.text(row, "label")
            if label not in ("yes", "no", None):
                reader.bad(row.where, f"'label' must be 'yes' or 'no', not {label!r}")
                label = None
            if image is None or text is None or label is None:
                continue
            path = reader.picture(base + image)
            if path is not None:
                group = group_of(image)
                records.append(Record((path,), text, label, group=group, id=row.where))
        return records

    return load


def _train(reader: Reader) -> list[Record]:
    """Ask for three objects that are there and three drawn from those that are not."""
    instances = Instances(reader, reader.place(_INSTANCES))
    base, records = reader.place(_TRAIN), []
    rng = np.random.default_rng(_SEED)
    for image, shown in instances.objects().items():
        others = [name for name in instances.categories if name not in shown]
        if len(shown) < _PER_PICTURE or len(others) < _PER_PICTURE:
            continue
        asked = [(str(n), "yes") for n in rng.choice(shown, _PER_PICTURE, replace=False)]
        asked += [(str(n), "no") for n in rng.choice(others, _PER_PICTURE, replace=False)]
        file_name = instances.images[image][0]
        path = reader.picture(base + file_name, len(asked))
        if path is not None:
            records += [
                Record(
                    (path,), asked_for(n), label, group=group_of(file_name), id=f"{file_name}:{n}"
                )
                for n, label in asked
            ]
    return records


def asked_for(name: str) -> str:
    """Ask for an object, with the article that POPE's own code would take.

    Examples
    --------
    >>> asked_for("oven"), asked_for("skis")
    ('Is there an oven in the image?', 'Is there a skis in the image?')
    """
    question = QUESTION.format(object=name)
    return question.replace("there a ", "there an ", 1) if name[0] in "aeiou" else question


TASKS: tuple[Published, ...] = (
    Published(
        name="pope",
        title="POPE",
        question=QUESTION,
        answers=("yes", "no"),
        splits={
            "train": Split((_INSTANCES, _TRAIN), _train, "probe"),
            **{
                name: Split(
                    (_questions(name), _VAL), _official(_questions(name), _VAL), "test", count
                )
                for name, count in (("random", 2910), ("popular", 3000), ("adversarial", 3000))
            },
        },
        paper="POPE: arXiv:2305.10355; reported on by arXiv:2603.10781, section 4",
        licence="MIT (questions); pictures: Flickr, terms at cocodataset.org",
        n_probe=3000,
        notes=(
            "Paper and files don't give questions to probe on. train makes them as POPE's own code "
            "makes its random ones: of each picture of train2014 with three kinds of objects or "
            "more, three that are there and three others, at random (seed 0). POPE draws among "
            "the objects of its 500 pictures, here among all 80 of COCO.",
            "arXiv:2603.10781 scores on 2.9K questions and does not say on which. The random ones "
            "at commit e3e3926 of the repository, which LLaVA scores on, are 2910; in other "
            "versions of it they are 3000, as popular and adversarial ones are.",
        ),
    ),
)
