"""Pages from data: one HTML file each, with its style and its few lines of script inside.

The page may load nothing: its content security policy allows exactly the style and the script
that are in it, by hash. Every value is escaped by Jinja where it enters the page, after
`text.plain` has written out what can't be seen.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from zkdescent.pipeline.report import text
from zkdescent.pipeline.report.model import ReportData
from zkdescent.pipeline.report.view import report_view

_TEMPLATES = Path(__file__).with_name("templates")
_BAR = 120  # pixels of the bar in a table's cell


@dataclass(frozen=True, slots=True)
class Live:
    """A page that watches for news: its state, where to ask for the current one, and a way up."""

    state: str
    watch: str
    up: str = "../"


def render_report(data: ReportData, *, live: Live | None = None) -> str:
    """Return the report as one self-contained HTML page.

    Args:
        live: served by the explorer, which tells it of news; None for a file.
    """
    return render("report.html.j2", version=data.version, live=live, **report_view(data))


def render(template: str, *, version: str, live: Live | None = None, **values: Any) -> str:
    """Return a page from a template that extends ``base.html.j2``."""
    style = _source("style.css")
    script = _source("copy.js") + (_source("live.js") if live is not None else "")
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),
            script=Markup(script),
            policy=policy(style, script, live=live is not None),
            version=version,
            live=live,
            **values,
        )
    )


def policy(style: str, script: str, *, live: bool) -> str:
    """The content security policy of a page: nothing but what is in it."""
    rules = [
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules + (["connect-src 'self'"] if live else []))


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@cache
def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": text.count,
        "figure": text.figure,
        "seconds": text.seconds,
        "size": text.size,
        "short": text.short,
        "hexadecimal": text.hexadecimal,
        "measured": text.measured,
        "share": lambda part, whole: round(_BAR * part / whole, 1) if whole else 0,
    }
    return environment


def _shown(value: Any) -> Any:
    """What of a value enters a page: markup as it is, everything else made harmless to read."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return text.plain(value)
