"""Reads a page back: is it well formed, what does it load, what does it run."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "hr", "input"}
_SVG_EMPTY = {"rect", "circle", "line", "polyline", "path"}


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        tags: names of all elements in order.
        attributes: all (element, attribute, value).
        text: what is between tags, scripts and styles left out.
        errors: closing tags that close nothing, elements that stay open, ids used twice.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.code: dict[str, list[str]] = {"script": [], "style": []}
        self.errors: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.errors += [f"<{tag}> stays open" for tag in self._open]
        ids = [value for _, name, value in self.attributes if name == "id"]
        self.errors += [f"id {i} twice" for i in set(ids) if ids.count(i) > 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _SVG_EMPTY:
            self.errors.append(f"<{tag}/> is no element without content")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.errors.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.code:
            self.code[self._open[-1]].append(data)
        else:
            self.text += data

    @property
    def words(self) -> str:
        """The text with single blanks."""
        return re.sub(r"\s+", " ", self.text)

    @property
    def policy(self) -> str:
        """The content security policy."""
        return next(
            value for _, name, value in self.attributes
            if name == "content" and value.startswith("default-src")
        )  # fmt: skip

    def check_harmless(self) -> None:
        """Nothing is loaded, nothing runs but what the policy allows by hash, nothing is open."""
        assert not self.errors
        assert self.tags.count("script") == 1
        assert self.tags.count("style") == 1
        for kind, rule in (("script", "script-src"), ("style", "style-src")):
            (code,) = self.code[kind]
            digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
            assert f"{rule} 'sha256-{digest}'" in self.policy
        assert "default-src 'none'" in self.policy
        assert not {"iframe", "object", "embed", "form", "base", "img"} & set(self.tags)
        for _, name, value in self.attributes:
            assert not name.startswith("on"), name
            assert name not in ("style", "src", "action", "srcdoc", "xlink:href"), name
            if name == "href":
                assert re.match(r"(#|/|\.\./|data:image/svg)", value), value
