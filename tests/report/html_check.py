"""A strict look at a page with the standard library's parser."""

from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Parses a page, and raises AssertionError at the first tag that does not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"<{tag}> has an attribute twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All text that readers see, in one line."""
        return " ".join("".join(self.texts).split())

    def having(self, tag: str, css_class: str) -> list[dict[str, str | None]]:
        """Attributes of the tags that have a class."""
        return [a for t, a in self.tags if t == tag and css_class in (a.get("class") or "").split()]


def check_page(text: str) -> Page:
    """Assert that a page is well formed, self-contained and consistent; return it parsed."""
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "object", "embed", "base", "form"}
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
