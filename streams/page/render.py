"""Templates to HTML. Whatever comes from outside is escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from detectors.settings import IncidentSettings
from producers.names import visible
from streams.errors import SettingsError
from streams.page.languages import Language, language
from streams.page.site import address, iso
from streams.publish.pages import figure, link_words


@lru_cache(maxsize=1)
def asset_version() -> str:
    """A hash of everything static, so that a browser never mixes two releases."""
    digest = hashlib.blake2b(digest_size=6)
    for file in sorted((files("streams.page") / "static").iterdir(), key=lambda one: one.name):
        digest.update(file.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=4)
def _environment(country_names: tuple[tuple[str, str], ...]) -> Any:
    """The templates, compiled once. Raises SettingsError where the extra `page` is not installed."""
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415  an extra
        from markupsafe import Markup, escape  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(f"netdusk page needs {error.name}; pip install jinja2") from error
    folder = files("streams.page") / "templates"

    def source(text: str) -> Markup:
        """A source, as a link if it is one."""
        if (shown := link_words(text)) is not None:
            return Markup('<a href="{0}" rel="noopener noreferrer nofollow">{1}</a>').format(text, shown)
        return escape(text)

    own = IncidentSettings(country_names=dict(country_names))
    environment = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "iso": lambda time: time.astimezone(UTC).isoformat(),
        "stamp": iso,
        "input": lambda time: time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M"),
        "duration": lambda seconds, lang: Markup("<bdi>{0}</bdi>").format(lang.duration(seconds)),
        "unbroken": lambda text: text.replace(" (", "\u00a0("),
        "filled": lambda text, **values: text % values,
        "figure": figure,
        "source": source,
        "lang_url": address,
        "incident_url": lambda name, lang: address(f"/incident/{name}", lang),
        "country": lambda code, lang: lang.country(code, own),
        "page_url": _page_url,
    }
    return environment


class Renderer:
    """Pages by their names. Raises SettingsError where the extra `page` is not installed."""

    def __init__(self, settings: IncidentSettings) -> None:
        self._environment = _environment(tuple(sorted(settings.country_names.items())))

    def page(self, name: str, values: Mapping[str, Any]) -> bytes:
        """A page as HTML in UTF-8."""
        template = self._environment.get_template(f"{name}.html.j2")
        text: str = template.render(assets=asset_version(), **values)
        return text.encode()

    def problem(self, heading: str, why: str, lang: Language | None = None, **frame: Any) -> bytes:
        """What is shown where something can't be."""
        lang = lang or language("en")
        values = {
            "lang": lang,
            "_": lang.gettext,
            "counted": lang.counted,
            "languages": [],
            "newest": None,
            "stale": False,
            "path": "",
            "replay": False,
            "simulated": False,
            "labels": {},
            "title": "netdusk",
            "now": datetime.fromtimestamp(0, UTC),
        }
        return self.page("problem", values | frame | {"heading": heading, "why": why})


def _page_url(filters: Mapping[str, Any], page: int, lang: Language) -> str:
    query = {name: value for name, value in filters.items() if value not in (None, "")}
    if page:
        query["page"] = page
    if lang.code != "en":
        query["lang"] = lang.code
    return f"/incidents?{urlencode(query)}" if query else "/incidents"
