from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superneurons.report.svg.markup import Markup, joined, tag, visible

_any_text = st.text(st.characters())


class _Read(HTMLParser):
    """What a parser makes of markup: elements, attributes and text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(_any_text)
def test_text_stays_text_wherever_it_is_put(words: str) -> None:
    read = _Read(tag("p", words, tag("b", "x"), title=words))
    shown = visible(words)
    assert [name for name, _ in read.seen] == ["p", "b"]
    assert read.text == shown + "x"
    assert read.seen[0][1] == {"title": shown}


@given(_any_text)
def test_what_is_shown_can_be_written_to_a_file(words: str) -> None:
    assert visible(words).encode().decode() == visible(words)


@pytest.mark.parametrize("code", [0x00, 0x1B, 0x7F, 0x85, 0x202E, 0x2066, 0xD800])
def test_unseen_controls_are_written_out(code: int) -> None:
    assert visible(f"a{chr(code)}b") == f"a⟨U+{code:04X}⟩b"


@pytest.mark.parametrize("words", ["a\tb\nc", "שלום", "نعم\u200c", "👩\u200d🔬", "é", "\u200f"])
def test_what_texts_need_is_left(words: str) -> None:
    assert visible(words) == words


def test_lines_end_the_same_on_all_systems() -> None:
    assert visible("a\r\nb") == "a\nb"


def test_markup_is_put_in_as_it_is() -> None:
    inner = tag("b", "a & b")
    assert tag("p", inner) == "<p><b>a &amp; b</b></p>"
    assert joined(inner, "<i>") == "<b>a &amp; b</b>&lt;i&gt;"
    assert isinstance(joined(inner, "x"), Markup)


def test_joining_markup_with_text_by_hand_is_no_longer_trusted() -> None:
    assert not isinstance(tag("b") + "<script>", Markup)
    assert "<script>" not in tag("p", tag("b") + "<script>")


def test_attributes() -> None:
    made = tag(
        "rect", class_="bar", data_value="1", width=2.50001, x=3, hidden=True, open=False, id=None
    )
    assert made == '<rect class="bar" data-value="1" width="2.5" x="3" hidden></rect>'


def test_some_elements_have_no_end() -> None:
    assert tag("img", alt='a "b"') == '<img alt="a &quot;b&quot;">'
    assert tag("meta", name="viewport") == '<meta name="viewport">'
