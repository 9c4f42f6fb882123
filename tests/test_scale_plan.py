"""The plan's arithmetic, its page, and that its figures are those that were measured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import scale_plan
from scale_plan import ALONE, DOCS, FROM_FILE, PAGE, RUNS, Figure

HALF_SECOND = Figure(1000, 2, "", "", "")


@pytest.mark.parametrize("figure", [*RUNS.values(), *FROM_FILE.values(), ALONE])
def test_each_figure_stands_in_the_page_it_names(figure: Figure) -> None:
    assert figure.quoted in (DOCS / figure.page).read_text(encoding="utf-8")
    assert f"{figure.ms:g}" in figure.quoted.replace("6.10", "6.1")
    assert figure.setting


def test_the_page_says_what_is_computed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert scale_plan.written(page) == page


def test_words_of_the_page_follow_from_the_figures() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    batched, asked = RUNS["LLaVA-1.5-7B, layer 1, compiled"], ALONE.each
    fifty = RUNS["the same, 50 questions at once, graphs"].each
    decode = scale_plan.decoding("Pillow, prepared on the GPU")
    for words, value in (
        ("2.3 times as long", f"{asked / batched.each:.1f} times as long"),
        ("50 of them together cost 1.7 times one", f"cost {fifty / batched.each:.1f} times one"),
        ("4.1 ms for the rest", f"{decode:.1f} ms for the rest"),
        ("it is 14, and decoding", f"it is {decode / 0.29:.0f}, and decoding"),
        ("nvJPEG takes 1.5 ms", f"{scale_plan.decoding('nvJPEG, prepared on the GPU'):.1f} ms"),
        ("86 to 91 %", f"{100 / 1.16:.0f} to {100 / 1.10:.0f} %"),
        ("is 19 GPUs", f"is {scale_plan.gpus(Figure(1, 1, '', '', ''), 1e9):.0f} GPUs"),
    ):
        assert words in page
        assert value in words or words in value, value
    assert "waits three quarters as long" in page
    assert scale_plan.waiting(HALF_SECOND, 0.6) == pytest.approx(0.75 * HALF_SECOND.ms)
    assert scale_plan.waiting(HALF_SECOND, 0.95) == pytest.approx(9.5 * HALF_SECOND.ms)
    assert "0.29 ms (225×)" in (DOCS / "speed.md").read_text(encoding="utf-8")


def test_gpus_are_pictures_times_seconds_over_the_time_there_is() -> None:
    assert scale_plan.gpus(HALF_SECOND, 86_400, busy=0.5) == pytest.approx(1.0)
    assert scale_plan.gpus(HALF_SECOND, 86_400, busy=0.25) == pytest.approx(2.0)


def test_cores_keep_up_with_a_gpu() -> None:
    assert scale_plan.cores(2000, HALF_SECOND) == 4
    assert scale_plan.decoding("Pillow, prepared by Pillow") == pytest.approx(21.1 - 1.98)


def test_waiting_grows_without_bound() -> None:
    assert scale_plan.waiting(HALF_SECOND, 0.5) == 500
    waits = [scale_plan.waiting(HALF_SECOND, busy) for busy in (0.1, 0.5, 0.9, 0.99)]
    assert waits == sorted(waits)
    assert waits[-1] > 40 * HALF_SECOND.ms


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="one pair of marks <!-- costs -->"):
        scale_plan.written("no marks")


def test_a_plan_has_the_readers_price_or_none(capsys: pytest.CaptureFixture[str]) -> None:
    scale_plan.main(["--pictures", "1e8", "--busy", "0.5", "--price", "2"])
    priced = capsys.readouterr().out
    assert "| LLaVA-1.5-7B, layer 1, compiled | 2 | 48 | 10 | 96.00 |" in priced
    scale_plan.main(["--pictures", "1e8"])
    assert "price" not in capsys.readouterr().out


def test_the_page_is_written_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "scale.md"
    page.write_text("".join(f"<!-- {m} -->old<!-- /{m} -->\n" for m in scale_plan.TABLES))
    monkeypatch.setattr(scale_plan, "PAGE", page)
    scale_plan.main([])
    assert capsys.readouterr().out == f"{page}\n"
    assert "old" not in page.read_text()
    assert page.read_text().count("\n| --- ") == len(scale_plan.TABLES)


@pytest.mark.parametrize("busy", ["0", "1", "1.5"])
def test_a_share_lies_between_nothing_and_all(
    busy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        scale_plan.main(["--busy", busy])
    assert "between 0 and 1" in capsys.readouterr().err
