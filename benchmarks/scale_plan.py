"""What so many pictures a day take: tables made from measured figures, for docs/scale.md.

    python benchmarks/scale_plan.py                              # writes the tables into the page
    python benchmarks/scale_plan.py --pictures 5e7 --busy 0.5 --price 3   # prints a plan

Nothing is measured here. Each figure names the page it is on and the words it stands in there; a
test looks them up.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "scale.md"
DAY = 86_400
VOLUMES = (10**6, 10**7, 10**8, 10**9)
BUSY = 0.6
"""Assumed: share of the time that a GPU works."""
PICTURE_BYTES = 100_000
"""Assumed: bytes of a JPEG as it comes over the network."""


@dataclass(frozen=True)
class Figure:
    """A measured time: milliseconds of a batch of pictures.

    ``page`` and ``quoted`` say where it stands, ``setting`` under what it was taken.
    """

    ms: float
    batch: int
    page: str
    quoted: str
    setting: str

    @property
    def each(self) -> float:
        """Milliseconds of one picture."""
        return self.ms / self.batch


_LLAVA = "LLaVA-1.5-7B's shape, exit at layer 1, pixels to label"
_QWEN = "Qwen3-VL-4B's shape, picture of 640 × 480, prepared inputs to label"
_WHOLE_LLAVA = "LLaVA-1.5-7B's shape, all layers, HF prefill"
_COMPILED = "| compiled | 1.98 (31.6×) | 7.65 (21.5×) | 27.4 (23.7×) |"
_QWEN_16 = "| batch 16, compiled | 31.5 ms (7.3×) | 46.7 (4.8×) | 62.4 (3.6×) |"

RUNS: Mapping[str, Figure] = {
    "LLaVA-1.5-7B, whole (HF prefill)": Figure(
        649, 32, "speed.md", "batch 32, HF prefill 649", _WHOLE_LLAVA
    ),
    "LLaVA-1.5-7B, layer 1, graphs": Figure(
        37.0, 32, "speed.md", "| graphs | 2.39 (26.2×) | 10.1 (16.3×) | 37.0 (17.5×) |", _LLAVA
    ),
    "LLaVA-1.5-7B, layer 1, compiled": Figure(27.4, 32, "speed.md", _COMPILED, _LLAVA),
    "the same, 50 questions at once, graphs": Figure(
        11.7, 8, "many-questions.md", "| | 50 | 11.7 | 480 | 41.2× | 0.004 | 0.003 |",
        "LLaVA-1.5-7B's shape, exits at layer 1, 50 questions per picture",
    ),
    "Qwen3-VL-4B, whole (HF generate)": Figure(
        232, 16, "speed.md", "| batch 16, HF `generate(1)`, ms | 232 | 222 | 222 |", _QWEN
    ),
    "Qwen3-VL-4B, layer 1, compiled": Figure(31.5, 16, "speed.md", _QWEN_16, _QWEN),
    "Qwen3-VL-4B, layer 8, compiled": Figure(46.7, 16, "speed.md", _QWEN_16, _QWEN),
    "Qwen3-VL-4B, layer 16, compiled": Figure(62.4, 16, "speed.md", _QWEN_16, _QWEN),
}  # fmt: skip
"""What a GPU does with a batch."""

ALONE = Figure(1.98, 1, "speed.md", _COMPILED, _LLAVA)
"""One picture, its pixels there already."""

_JPEG = "640 × 480, LLaVA-1.5-7B's shape, batch 1, from the bytes of a JPEG to the label"
FROM_FILE: Mapping[str, Figure] = {
    "Pillow, prepared by Pillow": Figure(
        21.1, 1, "speed.md", "| Pillow | HF processor, Pillow | compiled | 21.1 | 3.7 | |", _JPEG
    ),
    "Pillow, prepared on the GPU": Figure(
        6.10, 1, "speed.md", "| compiled | 6.10 | 12.7 | 200 |", _JPEG
    ),
    "nvJPEG, prepared on the GPU": Figure(
        3.52, 1, "speed.md", "| compiled | 3.52 | 22.0 | 198 |", _JPEG
    ),
}
"""The same, from a file."""


def decoding(name: str) -> float:
    """Return what a picture costs before its pixels are there, in milliseconds: by difference."""
    return FROM_FILE[name].each - ALONE.each


def gpus(figure: Figure, pictures: float, busy: float = BUSY) -> float:
    """Return how many GPUs answer so many pictures a day.

    >>> gpus(Figure(10, 1, "", "", ""), 8_640_000, busy=0.5)
    2.0
    """
    return pictures * figure.each / 1000 / (DAY * busy)


def cores(decode_ms: float, figure: Figure) -> float:
    """Return how many cores decode as fast as one GPU answers.

    >>> cores(4.0, Figure(32, 32, "", "", ""))
    4.0
    """
    return decode_ms / figure.each


def waiting(figure: Figure, busy: float) -> float:
    """Return the mean wait for a free GPU, in milliseconds.

    Batches that arrive at random and take one time each (M/D/1): ρ / (2 (1 - ρ)) of that time.

    >>> waiting(Figure(10, 1, "", "", ""), 0.5)
    5.0
    """
    return figure.ms * busy / (2 * (1 - busy))


def costs() -> str:
    """GPU-seconds of a million pictures, and what a GPU does in a second and a day."""
    return _table(
        ("what runs", "batch", "ms per picture", "GPU-seconds per million",
         "pictures per GPU-second", "million per GPU-day", "from"),
        (
            (name, one.batch, _num(one.each), _num(one.each * 1000), _num(1000 / one.each),
             _num(DAY / one.each / 1000), f"[{one.page}]({one.page})")
            for name, one in RUNS.items()
        ),
    )  # fmt: skip


def volumes(busy: float = BUSY) -> str:
    """GPUs for each volume, whole ones."""
    return _table(
        ("what runs", *(f"10{_raised(v)} a day" for v in VOLUMES)),
        (
            (name, *(f"{max(1, math.ceil(gpus(one, v, busy))):,}" for v in VOLUMES))
            for name, one in RUNS.items()
        ),
    )


def decoders() -> str:
    """Cores that keep one GPU busy, decoding in two ways."""
    ways = [name for name in FROM_FILE if name.startswith("Pillow")]
    return _table(
        ("what runs", *(f"{w}: {decoding(w):.1f} ms" for w in ways), "network, Gbit/s per GPU"),
        (
            (name, *(_num(cores(decoding(way), one)) for way in ways),
             _num(PICTURE_BYTES * 8 / one.each / 1e6))
            for name, one in RUNS.items()
        ),
    )  # fmt: skip


def totals(busy: float = BUSY) -> str:
    """What a day's pictures take besides GPUs, whatever runs on those."""
    each = decoding("Pillow, prepared on the GPU") / 1000
    rows = []
    for volume in VOLUMES:
        second = volume / DAY
        decode = math.ceil(second * each / busy)
        gigabits = second * PICTURE_BYTES * 8 / 1e9
        rows.append((f"10{_raised(volume)}", _num(second), f"{decode:,}", _num(gigabits)))
    return _table(("pictures a day", "a second, in the mean", "decode cores", "Gbit/s"), rows)


def queues() -> str:
    """How long batches wait, by how busy the GPUs are."""
    shown = {"one picture, compiled": ALONE, "batch of 32, compiled": RUNS[_BATCHED]}
    shares = (0.3, 0.6, 0.8, 0.9, 0.95)
    return _table(
        ("ms of waiting, at", *(f"{share:.0%} busy" for share in shares)),
        (
            (f"{name} ({_num(one.ms)} ms)", *(_num(waiting(one, share)) for share in shares))
            for name, one in shown.items()
        ),
    )


_BATCHED = "LLaVA-1.5-7B, layer 1, compiled"
TABLES = {
    "costs": costs,
    "volumes": volumes,
    "decoders": decoders,
    "totals": totals,
    "queues": queues,
}


def written(text: str) -> str:
    """Return the page with its tables made anew."""
    for mark, table in TABLES.items():
        begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"there is not one pair of marks {begin} … {end}")
        made = f"{begin}\n{table()}\n{end}"
        text = re.sub(f"{begin}.*{end}", lambda _, made=made: made, text, flags=re.DOTALL)
    return text


def plan(pictures: float, busy: float, price: float | None) -> str:
    """Return what a volume takes, with the reader's own price of a GPU-hour."""
    columns = ["what runs", "GPUs", "GPU-hours a day", "decode cores"]
    rows = []
    for name, one in RUNS.items():
        wanted = gpus(one, pictures, busy)
        hours = max(1, math.ceil(wanted)) * 24
        seconds = pictures * decoding("Pillow, prepared on the GPU") / 1000
        row = [name, math.ceil(wanted), hours, math.ceil(seconds / DAY / busy)]
        rows.append(row if price is None else [*row, f"{hours * price:,.2f}"])
    return _table([*columns, *([] if price is None else ["a day, at your price"])], rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _num(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _raised(power_of_ten: int) -> str:
    digits = str(len(str(power_of_ten)) - 1)
    return digits.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def main(words: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--pictures", type=float, help="a day; prints a plan instead")
    options.add_argument("--busy", type=float, default=BUSY, help="share of the time GPUs work")
    options.add_argument("--price", type=float, help="of a GPU-hour, in any currency")
    given = options.parse_args(words)
    if not 0 < given.busy < 1:
        options.error("--busy lies between 0 and 1")
    if given.pictures is None:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{PAGE}\n")
    else:
        sys.stdout.write(plan(given.pictures, given.busy, given.price) + "\n")


if __name__ == "__main__":
    main()
