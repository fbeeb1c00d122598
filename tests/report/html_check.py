"""A strict look at a page with the standard library's parser."""

import base64
import hashlib
import json
from html.parser import HTMLParser
from itertools import pairwise

#: Tags that do not separate the words before and after them, when they are copied or read aloud.
INLINE = {"a", "b", "bdi", "code", "small", "span", "strong"}
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Parses a page, and raises AssertionError at the first tag that does not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.run_together: list[str] = []
        self._before = ""
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self._separate(tag)
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"<{tag}> has an attribute twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        self._separate(tag)
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append((self.tags[-1][1], data))
        elif not self.open or self.open[-1] != "style":
            self.texts.append(data)
            if self._before[-1:].isalnum() and data[:1].isalnum():
                self.run_together.append(f"{self._before[-30:]}|{data[:30]}")
            self._before = data

    def _separate(self, tag: str) -> None:
        """Forget the text before a tag that begins a line of its own or a cell."""
        if tag not in INLINE:
            self._before = ""

    @property
    def text(self) -> str:
        """All text that readers see, in one line."""
        return " ".join("".join(self.texts).split())

    def having(self, tag: str, css_class: str) -> list[dict[str, str | None]]:
        """Attributes of the tags that have a class."""
        return [a for t, a in self.tags if t == tag and css_class in (a.get("class") or "").split()]


def check_scripts(page: Page) -> None:
    """Assert that one script can run: the one whose hash the page's policy names."""
    assert sum(tag == "script" for tag, _ in page.tags) == len(page.scripts)
    running = []
    for attributes, text in page.scripts:
        if attributes.get("type") == "application/json":
            json.loads(text)
        else:
            assert attributes == {}
            running.append(text)
    assert len(running) == 1
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(running[0].encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"


def case_data(page: Page) -> dict:
    """Return what the table of cases is filled with."""
    (text,) = [text for attributes, text in page.scripts if attributes.get("id") == "case-data"]
    return json.loads(text)


def check_tables(page: Page) -> None:
    """Assert that every table can be scrolled with the keyboard and says what it is."""
    around = page.having("div", "scroll")
    assert len(around) == sum(tag == "table" for tag, _ in page.tags)
    for attributes in around:
        assert (attributes.get("tabindex"), attributes.get("role")) == ("0", "region")
        assert attributes.get("aria-label")


def check_page(text: str) -> Page:
    """Assert that a page is well formed, self-contained and consistent; return it parsed."""
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"iframe", "object", "embed", "base", "form"}
    check_scripts(page)
    check_tables(page)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)), "an id occurs twice"
    for _, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")], "an event handler"
        for key in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            link = attributes.get(key)
            if link is not None:
                assert link.startswith(("#", "data:")), f"{key} leaves the page: {link}"
                assert not link.startswith("#") or link[1:] in ids, f"{link} leads nowhere"
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert sum(tag == "h1" for tag, _ in page.tags) == 1
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert all(b - a <= 1 for a, b in pairwise(levels)), "a heading skips"
    return page
