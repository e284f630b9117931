"""The API as tools of the Model Context Protocol: read only, by way of the page's own addresses. Knows no topic.

What a tool answers is what the API answers; bounded, and marked where it is simulated or unconfirmed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp

from streams.errors import SettingsError, install
from streams.release import release

_SECONDS: Final = 20.0
_BYTES_MAX: Final = 2_000_000
_ABOUT: Final = (
    "Reachability of platforms by country, measured by netdusk. Every answer is measured fact: never say who did it. "
    "Say so where `simulated` is true or `confirmed` is false. A country whose state is `unknown` is not well: nobody "
    "measures it; nor is one whose state is `learning`: its usual is not known yet. Times are UTC."
)


#: What makes a tool of a function; the function stays as it is.
_AsTool = Callable[[Callable[..., Any]], Callable[..., Any]]


class PageClient:
    """Asks a page's API; what can't be answered is raised as a `refusal`."""

    def __init__(self, url: str, refusal: type[Exception] = ValueError) -> None:
        self._url = url.rstrip("/")
        self._refusal = refusal

    async def get(self, path: str, **query: str | int | bool | None) -> dict[str, Any]:
        """One answer. Raises a refusal with the API's own words."""
        given = {
            name.rstrip("_"): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in query.items()
            if value is not None
        }
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        address = f"{self._url}/api/v1/{path}{f'?{urlencode(given)}' if given else ''}"
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(address) as answer:
                body = await answer.content.read(_BYTES_MAX + 1)
                if len(body) > _BYTES_MAX:
                    raise self._refusal("the answer is too large: ask for a shorter span, or a lower limit")
                data = _json(body)
                if answer.status != 200:
                    raise self._refusal(str(data.get("error", f"status {answer.status}")))
                return data
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._refusal(f"{self._url} does not answer: {error or type(error).__name__}") from error


def _json(body: bytes) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415

    data: dict[str, Any] = msgspec.json.decode(body)
    return data


def server_for(url: str) -> Any:
    """The MCP server. Raises SettingsError where the extra `mcp` is not installed."""
    try:
        from mcp.server.mcpserver import MCPServer  # noqa: PLC0415  an extra
        from mcp.server.mcpserver.exceptions import ToolError  # noqa: PLC0415
        from mcp.types import ToolAnnotations  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(f"netdusk mcp needs {error.name}; {install('mcp')}") from error
    page = PageClient(url, ToolError)
    server = MCPServer("netdusk", instructions=_ABOUT, version=release())
    reading = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)
    tool = server.tool(annotations=reading)
    _add_incidents(tool, page)
    _add_reachability(tool, page)
    return server


def _add_incidents(tool: _AsTool, page: PageClient) -> None:
    """Let a model ask for what was disrupted."""

    @tool
    async def incidents(
        country: str | None = None,
        platform: str | None = None,
        status: str | None = None,
        severity: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = 20,
    ) -> dict[str, Any]:
        """Disruptions, the newest first. `country` is ISO 3166-1 alpha-2 (PK); `status` is open or resolved; `severity`
        is minor, major or critical; `since` and `until` are UTC, like 2024-01-20T13:40Z.
        """
        return await page.get(
            "incidents",
            country=country,
            platform=platform,
            status=status,
            severity=severity,
            since=since,
            until=until,
            limit=limit,
        )

    @tool
    async def incident(id: str) -> dict[str, Any]:
        """One disruption, with all its snapshots, its evidence and what people say of it."""
        return await page.get(f"incidents/{quote(id, safe='')}")


def _add_reachability(tool: _AsTool, page: PageClient) -> None:
    """Let a model ask for what is reached, where and when."""

    @tool
    async def countries(code: str | None = None) -> dict[str, Any]:
        """How every country that is watched stands, or one of them; `learning` and `unknown` are no good news."""
        return await page.get("coverage" if code is None else f"countries/{quote(code, safe='')}")

    @tool
    async def series(
        country: str,
        start: str | None = None,
        end: str | None = None,
        by: str = "platform",
        platform: str | None = None,
        step_seconds: int = 3600,
    ) -> dict[str, Any]:
        """Reachability of a country over time, by platform, network or region; the last day where no span is named."""
        return await page.get(
            "series", country=country, from_=start, to=end, by=by, platform=platform, step=step_seconds
        )

    @tool
    async def platform(name: str, step_seconds: int = 3600) -> dict[str, Any]:
        """Reachability of one platform over its last day, in every country where it is measured."""
        return await page.get(f"platforms/{quote(name, safe='')}", step=step_seconds)

    @tool
    async def platforms() -> dict[str, Any]:
        """Platforms that were measured lately, and in which countries."""
        return await page.get("platforms")
