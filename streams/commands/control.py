"""`netdusk control`: a control outside of the country, that vantages inside of it ask."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path
from typing import Annotated

import typer

from streams.settings import SettingsError, load

app = typer.Typer(add_completion=False)


@app.command()
def control(
    targets: Annotated[Path | None, typer.Option(help="Targets file; nothing else is ever asked.")] = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes any free one.")] = 8470,
    keep: Annotated[float, typer.Option(min=0, help="Seconds that an answer is given again.")] = 30.0,
    per_minute: Annotated[
        int, typer.Option(min=1, help="Targets a minute that one address may ask for.")
    ] = 2000,
    behind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of a web server in front of it, whose X-Forwarded-For says who asks; may be repeated.",
        ),
    ] = None,
    resolver: Annotated[str | None, typer.Option(help="Name server, ADDRESS[:PORT].")] = None,
    authorities: Annotated[Path | None, typer.Option(help="Certificate authorities (PEM).")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that one attempt may take in all.")] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Ask targets with private = true.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Answer vantages: does this target work from here.

    Run it outside of the countries that are watched, with the vantages' targets file, behind a web server with TLS.
    Vantages name it: netdusk probe --control https://control.example.org/v1/check (docs/probing.md, "Controls").
    """
    given = {
        "targets": targets,
        "resolver": resolver,
        "authorities": authorities,
        "timeout_seconds": timeout,
        "allow_private": allow_private or None,
    }
    for address in behind or ():
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise SettingsError(f"--behind {address}: no address; write it like 127.0.0.1") from error
    settings = load(config, probe={key: value for key, value in given.items() if value is not None})
    from producers.probe.attempt import attempt  # noqa: PLC0415  not for --help
    from producers.probe.control_service import Allowance, ControlService  # noqa: PLC0415
    from streams.local.controlling import application, serve  # noqa: PLC0415
    from streams.local.probing import enough_files, targets_of, tools_of  # noqa: PLC0415

    chosen = targets_of(settings.probe)
    tools = tools_of(settings.probe, chosen)
    service = ControlService(
        chosen.target,
        lambda target: attempt(target, tools),
        keep_seconds=keep,
        concurrency_max=enough_files(settings.probe.concurrency),
    )

    async def run() -> None:
        try:
            await serve(application(service, Allowance(per_minute), behind or ()), host, port)
        except OSError as error:
            raise SettingsError(f"--host {host} --port {port}: {error.strerror}; name a free port") from error

    asyncio.run(run())
