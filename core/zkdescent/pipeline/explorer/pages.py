"""From a path to a page. Paths are looked up, never joined to a directory."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from zkdescent.core.errors import ZkDescentError
from zkdescent.pipeline.explorer.chain_models import ChainModels
from zkdescent.pipeline.explorer.projects import Listed, Projects
from zkdescent.pipeline.models import ancestor_facts, hexadecimal, parse_model_id
from zkdescent.pipeline.report.gathering import package_version
from zkdescent.pipeline.report.reading import brief
from zkdescent.pipeline.report.rendering import Live, render, render_report
from zkdescent.pipeline.report.view import shown_time

_HTML = "text/html; charset=utf-8"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: HTTP status, content type, body; ``location`` of a redirection."""

    status: int
    kind: str
    body: bytes
    location: str = ""


class Pages:
    """The explorer's pages.

    ``/`` lists the projects, ``/project/KEY/`` is a report (``report.json`` its data, ``state``
    what changes with it), ``/models/`` lists a chain's models and ``/models/ID/`` shows one.
    """

    def __init__(self, projects: Projects, models: ChainModels | None = None) -> None:
        self._projects = projects
        self._models = models

    def answer(self, path: str) -> Answer:
        """Return the page of a request path (with or without a query, which is ignored)."""
        parts = path.partition("?")[0].partition("#")[0].split("/")[1:]
        try:
            match parts:
                case [""] | ["state"]:
                    return self._index(state_only=parts == ["state"])
                case ["project", key, *rest]:
                    return self._project(key, rest)
                case ["models", *rest] if self._models is not None:
                    return self._model_pages(self._models, rest)
        except ZkDescentError as error:
            return self._message(502, "The chain could not be read", brief(error))
        return self._message(404, "There is no such page", "")

    def _index(self, *, state_only: bool) -> Answer:
        listed = self._projects.everything()
        state = " ".join(f"{project.key}={project.state}" for project in listed)
        if state_only:
            return _json({"state": state})
        return _page(
            200,
            render(
                "index.html.j2",
                version=package_version(),
                live=Live(state, "/state"),
                folder=self._projects.folder.name,
                projects=[(project, _link(project.key)) for project in listed],
                chain=self._models is not None,
            ),
        )

    def _project(self, segment: str, rest: list[str]) -> Answer:
        key = os.fsdecode(unquote_to_bytes(segment))
        if rest == ["state"]:
            state = self._projects.state(key)
            return _json({"state": state}) if state else self._message(404, "No such project", "")
        if rest not in ([], [""], ["report.json"]):
            return self._message(404, "There is no such page", "")
        listed = self._projects.read(key)
        if listed is None:
            return self._message(404, "There is no such project", "")
        if not rest:
            return Answer(301, _HTML, b"", location=f"/project/{_link(key)}/")
        if rest == ["report.json"]:
            known = listed.data
            return _json(known.to_json() if known else {"error": listed.error})
        return self._report(listed)

    def _report(self, listed: Listed) -> Answer:
        if listed.data is None:
            return self._message(200, f"{listed.key} can't be read", listed.error)
        live = Live(listed.state, "state", up="/")
        return _page(200, render_report(listed.data, live=live))

    def _model_pages(self, models: ChainModels, rest: list[str]) -> Answer:
        if not rest or (len(rest) == 1 and rest[0]):
            segment = f"{quote(rest[0])}/" if rest else ""
            return Answer(301, _HTML, b"", location=f"/models/{segment}")
        if rest == [""]:
            found, since = models.newest()
            made = [(hexadecimal(model.model_id), model) for model in found]
            values: dict[str, Any] = {"models": made, "since": since}
            template = "models.html.j2"
        elif len(rest) == 2 and not rest[1]:
            ancestors = models.lineage(parse_model_id(rest[0]))
            values = {"ancestors": [(a, ancestor_facts(a)) for a in ancestors]}
            template = "model.html.j2"
        else:
            return self._message(404, "There is no such page", "")
        now = shown_time(datetime.now(UTC).isoformat())
        return _page(
            200, render(template, version=package_version(), chain=models.name, now=now, **values)
        )

    @staticmethod
    def _message(status: int, title: str, detail: str) -> Answer:
        page = render("message.html.j2", version=package_version(), heading=title, detail=detail)
        return _page(status, page)


def _link(key: str) -> str:
    """A key as one segment of a path."""
    return quote(os.fsencode(key), safe="")


def _page(status: int, text: str) -> Answer:
    return Answer(status, _HTML, text.encode("utf-8", "replace"))


def _json(value: object) -> Answer:
    return Answer(200, _JSON, json.dumps(value, allow_nan=False).encode())
