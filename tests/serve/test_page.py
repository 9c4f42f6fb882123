"""The page to try it on, in a real browser, at a service that runs."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image

from report.browser import Opened, chromium
from serve.asking import asking, picture
from serve.engines import ShadeEngine
from superneurons.errors import BusyError, DataError
from superneurons.serve.app import create_app
from superneurons.serve.doors import Doors
from superneurons.serve.jobs import Answer, Fitted, Job, Vote
from superneurons.serve.page import page, policy

_DESK, _TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
_LONG = "averylongnamewithoutanyspace" * 6


class ManyVotes(ShadeEngine):
    """Has names that are hard to show, and votes of many neurons."""

    @property
    def classifiers(self) -> dict[str, Fitted]:
        hostile = "<img src=x onerror=alert(1)>"
        labels = ("</script><b>bold</b>", _LONG)
        return {"bad": Fitted("bad", hostile + _LONG, labels, 2, 40)}

    def _answer(self, job: Job, options: tuple[str, ...]) -> Answer:
        votes = tuple(Vote(n % 3 + 1, n, n / 7, options[n % 2]) for n in range(50))
        return Answer(options[0], dict.fromkeys(options, 0.5), 0.5, "deeper", 2, votes=votes)


@contextmanager
def running(engine: Any = None, token: str | None = None) -> Iterator[str]:
    """A service on loopback, in a thread."""
    app = create_app(engine or ShadeEngine(), Doors(token=token))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running() as found:
        yield found


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Opens a page; what went wrong or was asked of the network is kept."""
    pages = []

    def opened(address: str, **options: Any) -> Opened:
        shown = browser.new_page(**{"viewport": _DESK, **options})
        shown.set_default_timeout(10_000)
        pages.append(shown)
        found = Opened(shown)
        shown.on("console", lambda message: found.complaints.append(message.text))
        shown.on("pageerror", lambda error: found.complaints.append(str(error)))
        shown.on("request", lambda request: found.requests.append(request.url))
        shown.goto(address)
        return found

    yield opened
    for shown in pages:
        shown.close()


@pytest.fixture
def bright_file(tmp_path: Path) -> Path:
    (tmp_path / "bright.png").write_bytes(picture(230, (40, 30)))
    return tmp_path / "bright.png"


def asked(found: Opened, file: Path, which: str = "bright") -> str:
    """Ask as a person with a mouse would; return the answer."""
    found.page.select_option("#which", label=which)
    found.page.set_input_files("#file", file)
    found.page.click("#go")
    found.page.wait_for_selector(".said")
    return str(found.page.inner_text(".said"))


def test_it_is_one_piece_and_may_do_only_what_it_does() -> None:
    with asking(doors=Doors(token="secret")) as client:
        answer = client.get("/")
    assert answer.status_code == 200, "the page itself needs no token"
    assert answer.text == page()
    rules = answer.headers["Content-Security-Policy"]
    assert rules == policy()
    assert "default-src 'none'" in rules
    assert "unsafe" not in rules
    assert "http" not in rules
    assert answer.headers["X-Frame-Options"] == "DENY"
    for kind in ("script", "style"):
        (text,) = re.findall(f"<{kind}>(.*?)</{kind}>", page(), re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in rules
    assert not re.findall(r"(?:src|href)\s*=\s*[\"'](?!data:,|openapi)", page())
    assert "style=" not in page()


def test_a_picture_is_answered(
    visit: Callable[..., Opened], address: str, bright_file: Path
) -> None:
    found = visit(address)
    assert asked(found, bright_file) == "yes"
    text = found.page.inner_text("main")
    for told in ("Is it bright?", "Confidence", "layer 2 of 6", "1 of 1 neurons for yes", "ms"):
        assert told in text
    bars = found.page.locator("#bars li")
    assert bars.count() == 2
    assert bars.first.inner_text().startswith("yes")
    widths = found.page.evaluate(
        "[...document.querySelectorAll('.track i')].map(e => e.getBoundingClientRect().width)"
    )
    assert widths[0] > 4 * widths[1]
    assert found.page.locator("#depth .ran").count() == 2
    assert found.page.inner_text("#votes tr").split() == ["2", "17", "0.902", "yes"]
    assert found.complaints == []
    fetched = [url for url in found.requests if not url.startswith("blob:")]
    assert fetched == [address, f"{address}v1/models", f"{address}v1/systemone?explain=true"]


def test_every_kind_of_question_can_be_asked(
    visit: Callable[..., Opened], address: str, bright_file: Path
) -> None:
    found = visit(address)
    assert asked(found, bright_file, "shade") == "pale"
    found.page.select_option("#which", label="choices")
    found.page.fill("#text", "Which is it?")
    found.page.fill("#options", "night\n\n dusk \nday")
    found.page.click("#go")
    found.page.wait_for_selector(".said:text-is('day')")
    found.page.select_option("#which", label="tiny/shades (the base model)")
    found.page.fill("#options", "")
    found.page.fill("#text", "Is it dark?")
    found.page.click("#go")
    found.page.wait_for_selector(".said:text-matches('^(yes|no)$')")
    assert "The whole model answered" in found.page.inner_text("#went")
    assert found.complaints == []


def test_the_keyboard_is_enough(
    visit: Callable[..., Opened], address: str, bright_file: Path
) -> None:
    found = visit(address)
    found.page.on("filechooser", lambda _: None)  # so that the browser's own isn't opened
    keys = found.page.keyboard
    found.page.wait_for_selector("#which option", state="attached")
    keys.press("Tab")
    assert found.page.evaluate("document.activeElement.id") == "file"
    outline = found.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    with found.page.expect_file_chooser() as chooser:
        keys.press("Enter")
    chooser.value.set_files(bright_file)
    keys.press("Tab")
    assert found.page.evaluate("document.activeElement.id") == "which"
    keys.press("ArrowDown")
    keys.press("Tab")
    assert found.page.evaluate("document.activeElement.id") == "go"
    keys.press("Enter")
    found.page.wait_for_selector(".said")
    assert found.page.inner_text(".said") == "pale"
    assert found.page.locator("#answer[aria-live=polite] .said").count() == 1
    assert found.complaints == []


_GIVE = """([kind, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], "x.png", { type: "image/png" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true });
  document.getElementById("drop").dispatchEvent(event);
  return event.defaultPrevented;
}"""


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_can_be_pasted_and_dropped(
    visit: Callable[..., Opened], address: str, kind: str
) -> None:
    found = visit(address)
    found.page.wait_for_selector("#which option", state="attached")
    data = base64.b64encode(picture(20)).decode()
    assert found.page.evaluate(_GIVE, [kind, data]) is True
    found.page.wait_for_selector("#shown", state="visible")
    found.page.click("#go")
    found.page.wait_for_selector(".said")
    assert found.page.inner_text(".said") == "no"
    assert found.complaints == []


def test_it_asks_for_the_token(visit: Callable[..., Opened], bright_file: Path) -> None:
    with running(token="secret") as address:
        found = visit(address)
        found.page.wait_for_selector("#door", state="visible")
        assert found.page.is_hidden("#columns")
        for token, told in (("wrong", "That is not the token."), ("secret", "")):
            found.page.fill("#token", token)
            found.page.keyboard.press("Enter")
            if told:
                found.page.wait_for_selector(f"text={told}")
        found.page.wait_for_selector("#columns", state="visible")
        assert asked(found, bright_file) == "yes"
        assert found.page.is_hidden("#door")
        found.page.reload()
        found.page.wait_for_selector("#columns", state="visible")
    unauthorised = [text for text in found.complaints if "401" not in text]
    assert unauthorised == []


def test_what_went_wrong_is_said_in_words(
    visit: Callable[..., Opened], tmp_path: Path, bright_file: Path
) -> None:
    errors: list[Exception | None] = [
        BusyError("The queue is full.", retry_after=7.0),
        DataError("It is too dark in here."),
        None,
    ]
    with running(ShadeEngine(failure=lambda _job: errors[0])) as address:
        found = visit(address)
        shown = found.page
        shown.wait_for_selector("#which option", state="attached")
        shown.click("#go")
        assert "There is no picture" in shown.inner_text("#wrong")
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"no picture at all")
        shown.set_input_files("#file", broken)
        shown.wait_for_selector("text=cannot show that file")
        shown.click("#go")
        shown.wait_for_selector("#wrong:has-text('not a picture of a kind that is read')")
        shown.set_input_files("#file", bright_file)
        for told in ("Try again in 7 s.", "It is too dark in here."):
            shown.click("#go")
            shown.wait_for_selector(f"#wrong:has-text('{told}')")
            assert shown.locator(".said").count() == 0
            errors.pop(0)
        shown.click("#go")
        shown.wait_for_selector(".said")
        assert shown.inner_text("#wrong") == ""
        shown.select_option("#which", label="choices")
        shown.click("#go")
        assert "There is no question" in shown.inner_text("#wrong")
        shown.fill("#text", "Which?")
        shown.fill("#options", "one\none")
        shown.click("#go")
        assert "two answers or more" in shown.inner_text("#wrong")
    shown.select_option("#which", label="bright")
    shown.click("#go")
    shown.wait_for_selector("#wrong:has-text('cannot be reached')")


@pytest.mark.parametrize("size", [_DESK, _TELEPHONE], ids=["desk", "telephone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_fits_into_the_window_and_stands_out(
    visit: Callable[..., Opened], address: str, bright_file: Path, size: Any, theme: str
) -> None:
    found = visit(address, viewport=size, color_scheme=theme)
    asked(found, bright_file)
    assert found.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for selector in ("body", ".quiet", ".said", "#go", "#which", "th", "a", "#bars .number"):
        contrast = found.page.evaluate(_CONTRAST, selector)
        assert contrast >= 4.5, f"{selector}: {contrast:.1f}"
    pixels = Image.open(BytesIO(found.page.screenshot())).convert("L")
    assert (np.asarray(pixels)[0, 0] > 128) == (theme == "light")


_CONTRAST = """(selector) => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const element = document.querySelector(selector);
  let below = element;
  const paper = (e) => getComputedStyle(e).backgroundColor;
  while (below.parentElement && /, 0\\)$|transparent/.test(paper(below))) {
    below = below.parentElement;
  }
  const [one, other] = [light(getComputedStyle(element).color), light(paper(below))];
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}"""


def test_names_are_shown_as_text_however_they_look(
    visit: Callable[..., Opened], bright_file: Path
) -> None:
    with running(ManyVotes()) as address:
        found = visit(address, viewport=_TELEPHONE)
        assert asked(found, bright_file, "bad") == "</script><b>bold</b>"
        assert "<img src=x onerror=alert(1)>" in found.page.inner_text("#own")
        assert found.page.locator("main b").count() == 0
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert "a deeper exit: layer 2 of 40" in found.page.inner_text("#went")
        assert "25 of 50 neurons for" in found.page.inner_text("#tally")
        assert found.page.locator("#votes tr").count() == 20
        rows = found.page.locator("#votes tr").evaluate_all("all => all.map(e => e.clientHeight)")
        assert max(rows) < 50
        found.page.click("#more")
        assert found.page.locator("#votes tr").count() == 50
    assert found.complaints == []
