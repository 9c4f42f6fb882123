"""A report as a browser shows it: in both themes, on a desk, on a telephone and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from report import runs
from report.browser import Opened, chromium, opened
from superneurons.report.html import write_report
from superneurons.report.run import Run

_DESK, _TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
_FIGURES = (
    "beside", "map", "chance", "curves", "front", "reliability", "confusion", "agreement",
)  # fmt: skip
_RUNS = {
    "full": runs.full_run, "sparse": runs.sparse_run, "fitted": runs.fitted_run,
    "searched": runs.searched_run, "many": runs.many_answers_run, "hostile": runs.hostile_run,
    "few": runs.few_run,
}  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("reports")
    found = {}
    for name, make in _RUNS.items():
        found[name] = directory / f"{name}.html"
        write_report(make(), found[name])
    return found


@pytest.fixture
def desk(browser: Any, written: dict[str, Path]) -> Iterator[Opened]:
    with opened(browser, written["full"], viewport=_DESK, color_scheme="light") as found:
        yield found


@pytest.mark.parametrize("name", _RUNS)
def test_nothing_is_fetched_and_nothing_goes_wrong(
    browser: Any, written: dict[str, Path], name: str
) -> None:
    for size in (_DESK, _TELEPHONE):
        with opened(browser, written[name], viewport=size) as found:
            for theme in ("light", "dark"):
                found.page.emulate_media(color_scheme=theme)
                width = found.page.evaluate("document.documentElement.scrollWidth")
                assert width <= size["width"], "the page scrolls sideways"
            assert found.complaints == []
            fetched = [url for url in found.requests if not url.startswith("data:")]
            assert fetched == [written[name].as_uri()]


@pytest.mark.parametrize("size", [_DESK, _TELEPHONE], ids=["desk", "telephone"])
def test_every_figure_is_drawn_within_the_window(
    browser: Any, written: dict[str, Path], size: dict[str, int]
) -> None:
    with opened(browser, written["full"], viewport=size) as found:
        for name in _FIGURES:
            shown = found.page.locator(f"#figure-{name} > div > svg:visible")
            assert shown.count() == 1, name
            box = shown.bounding_box()
            assert box["width"] > 200, name
            assert box["height"] > 60, name
            assert box["x"] >= 0, name
            assert box["x"] + box["width"] <= size["width"], name


@pytest.mark.parametrize("size", [_DESK, _TELEPHONE], ids=["desk", "telephone"])
@pytest.mark.parametrize("name", ["full", "searched", "many", "fitted", "few"])
def test_words_in_figures_are_large_enough_within_and_apart(
    browser: Any, written: dict[str, Path], name: str, size: dict[str, int]
) -> None:
    with opened(browser, written[name], viewport=size) as found:
        words = found.page.evaluate(_WORDS)
        assert found.page.evaluate(_COVERED) == []
    assert len(words) > 20
    for text, height, left, right in words:
        assert height >= 11, f"{text!r} is {height} pixels high"
        assert left >= 0, text
        assert right <= size["width"], text


_WORDS = """() => [...document.querySelectorAll("figure > div > svg text")]
  .filter((e) => e.getClientRects().length)
  .map((e) => {
    const box = e.getBoundingClientRect();
    const upright = box.height > box.width && e.textContent.length > 2;
    return [e.textContent, upright ? box.width : box.height, box.left, box.right];
  })"""


_COVERED = """() => [...document.querySelectorAll("figure > div > svg")].flatMap((svg) => {
  const words = [...svg.querySelectorAll("text")]
    .filter((e) => e.getClientRects().length)
    .map((e) => [e.textContent, e.getBoundingClientRect()]);
  return words.flatMap(([one, a], i) => words.slice(i + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 5)
    .map(([other]) => `${svg.querySelector("title").textContent}: ${one} / ${other}`));
})"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_the_paper(browser: Any, written: dict[str, Path], theme: str) -> None:
    with opened(browser, written["full"], viewport=_DESK, color_scheme=theme) as found:
        for selector in ("body", "figcaption", ".told", ".tick", ".note.ours", "thead button"):
            contrast = found.page.evaluate(_CONTRAST, selector)
            assert contrast >= 4.5, f"{selector}: {contrast:.1f}"


_CONTRAST = """(selector) => {
  const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => channels(colour)
    .map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const style = getComputedStyle(document.querySelector(selector));
  const ink = document.querySelector(selector) instanceof SVGElement ? style.fill : style.color;
  const paper = getComputedStyle(document.body).backgroundColor;
  const [low, high] = [light(ink), light(paper)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""


def _column(page: Any, table: str, place: int) -> list[str]:
    cells = page.locator(f"#{table} tbody tr > :nth-child({place})")
    return [text.strip() for text in cells.all_inner_texts()]


def _numbers(cells: list[str]) -> list[float]:
    return [float(cell.split()[0].replace(",", "")) for cell in cells if cell != "–"]


def test_a_table_is_sorted_by_click(desk: Opened) -> None:
    page = desk.page
    head = page.locator("#read-outs thead th").filter(has_text="ms").first
    place = 1 + page.locator("#read-outs thead th").all_inner_texts().index("ms")
    before = _column(page, "read-outs", place)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    down = _column(page, "read-outs", place)
    assert _numbers(down) == sorted(_numbers(before), reverse=True)
    assert down[-2:] == ["–", "–"], "what has no value comes last"
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    up = _column(page, "read-outs", place)
    assert _numbers(up) == sorted(_numbers(before))
    assert up[-2:] == ["–", "–"], "in both directions"
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert _column(page, "read-outs", place) == before


def test_a_table_is_sorted_by_keyboard(desk: Opened) -> None:
    page = desk.page
    page.locator("#read-outs").evaluate("table => table.parentElement.focus()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "read-out"
    page.keyboard.press("Enter")
    names = _column(page, "read-outs", 1)
    assert names == sorted(names, key=str.casefold)
    assert page.locator("#read-outs thead th").first.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    sorted_by = page.locator("#read-outs thead th[aria-sort=descending]")
    assert sorted_by.count() == 1
    assert page.locator("#read-outs thead th[aria-sort=ascending]").count() == 0


def test_neurons_are_sorted_as_numbers(desk: Opened) -> None:
    page = desk.page
    page.locator("#neurons thead button").nth(2).click()
    columns = [int(cell) for cell in _column(page, "neurons", 3)]
    assert columns == sorted(columns, reverse=True)
    assert len({len(str(column)) for column in columns}) > 1


def test_the_head_of_a_table_stays_in_sight(desk: Opened) -> None:
    page = desk.page
    top = "() => document.querySelector('#neurons thead th').getBoundingClientRect().top"
    before = page.evaluate(top)
    page.locator("#neurons").evaluate("table => table.parentElement.scrollTop = 300")
    assert page.evaluate(top) == pytest.approx(before, abs=1)


def test_the_theme_can_be_switched(desk: Opened) -> None:
    page = desk.page
    paper = "getComputedStyle(document.body).backgroundColor"
    button, seen = page.locator("button.theme"), [page.evaluate(paper)]
    for name in ("light", "dark", "auto"):
        button.click()
        assert name in button.inner_text()
        seen.append(page.evaluate(paper))
    assert seen[0] == seen[1] == seen[3] == "rgb(255, 255, 255)"
    assert seen[2] == "rgb(21, 23, 26)"


def test_the_theme_is_the_systems(browser: Any, written: dict[str, Path]) -> None:
    with opened(browser, written["full"], color_scheme="dark") as found:
        dark = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == "rgb(21, 23, 26)"


def test_the_map_says_what_is_under_the_pointer(desk: Opened) -> None:
    page, known = desk.page, runs.full_run().selection
    assert known is not None
    layers, width = known.scores.shape
    layer, column = 20, 300
    cells = page.locator("#figure-map .for-wide image.cells")
    cells.scroll_into_view_if_needed()
    box = cells.bounding_box()
    page.mouse.move(
        box["x"] + (column + 0.5) / width * box["width"],
        box["y"] + (layer + 0.5) / layers * box["height"],
    )
    told = page.locator(".tip").inner_text()
    score = 100 * float(known.scores[layer, column])
    assert told == f"layer {layer + 1}, neuron {column}: {score:.1f} %"
    page.mouse.move(5, 5)
    assert page.locator(".tip").is_hidden()


def test_the_command_can_be_copied(browser: Any, written: dict[str, Path]) -> None:
    with opened(browser, written["full"]) as found:
        button = found.page.locator("button.copy")
        button.click()
        found.page.wait_for_function("document.querySelector('.copy').textContent !== 'Copy'")
        assert button.inner_text() in ("Copied", "Selected")
        if button.inner_text() == "Selected":
            chosen = found.page.evaluate("getSelection().toString()")
            assert chosen == runs.full_run().command


def test_each_link_goes_to_its_section(desk: Opened) -> None:
    page = desk.page
    links = page.locator("nav a").all()
    assert len(links) >= 5
    for link in links:
        target = link.get_attribute("href")
        assert page.locator(target).count() == 1


def test_it_prints_in_light_and_whole(browser: Any, written: dict[str, Path]) -> None:
    with opened(browser, written["full"], viewport=_DESK, color_scheme="dark") as found:
        found.page.locator("button.theme").click()
        found.page.locator("button.theme").click()
        found.page.emulate_media(media="print")
        paper = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"
        clipped = found.page.evaluate(_CLIPPED)
        assert clipped == []
        pdf = found.page.pdf(prefer_css_page_size=True, print_background=True)
    assert pdf.startswith(b"%PDF")
    pages = pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ")
    assert 3 <= pages <= 9


_CLIPPED = """() => [...document.querySelectorAll(".scroll")]
  .filter((e) => getComputedStyle(e).overflowY !== "visible"
    || getComputedStyle(e).maxHeight !== "none")
  .map((e) => e.getAttribute("aria-label"))"""


def test_tables_fit_on_paper(browser: Any, written: dict[str, Path]) -> None:
    # A4 without its margins, at 96 dots per inch.
    paper = {"width": 688, "height": 1000}
    with opened(browser, written["full"], viewport=paper) as found:
        found.page.emulate_media(media="print")
        for table in ("read-outs", "neurons"):
            box = found.page.locator(f"#{table}").bounding_box()
            assert box["x"] + box["width"] <= paper["width"] + 1, table


def test_hostile_text_does_nothing(browser: Any, written: dict[str, Path]) -> None:
    with opened(browser, written["hostile"], viewport=_DESK) as found:
        page = found.page
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        page.wait_for_timeout(100)
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 1
        assert page.title().startswith("</script>")
        assert found.complaints == []


def test_the_policy_forbids_what_is_not_here(browser: Any, written: dict[str, Path]) -> None:
    with opened(browser, written["sparse"]) as found:
        failed = found.page.evaluate(
            "fetch('https://example.invalid/').then(() => false, () => true)"
        )
        found.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'x.png'}))")
        found.page.wait_for_timeout(100)
        assert failed
        assert any("Content Security Policy" in text for text in found.complaints)


def test_a_report_without_scripts_still_shows_all(browser: Any, written: dict[str, Path]) -> None:
    with opened(browser, written["full"], java_script_enabled=False) as found:
        assert found.page.locator("figure > div > svg:visible").count() == len(_FIGURES)
        assert found.page.locator("#read-outs tbody tr").count() == 14


def test_all_pictures_of_a_large_run_are_shown(browser: Any, tmp_path: Path) -> None:
    run: Run = runs.large_run()
    write_report(run, tmp_path / "large.html")
    with opened(browser, tmp_path / "large.html", viewport=_DESK) as found:
        assert found.page.locator(".pictures img").count() == 36
        loaded = found.page.evaluate("[...document.images].every((i) => i.naturalWidth > 0)")
        assert loaded
