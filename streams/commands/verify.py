"""`netdusk verify`: whether an incident's export is as it was published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from producers.bundles import has_signed
from streams.commands.exporting import checked
from streams.counting import amount
from streams.errors import install
from streams.publish.exports import Export, ExportError, signed_text
from streams.settings import SettingsError

app = typer.Typer(add_completion=False)


@app.command()
def verify(
    files: Annotated[
        list[Path],
        typer.Argument(help="Exports, in the order in which they were published.", metavar="FILE..."),
    ],
    key: Annotated[
        str | None, typer.Option(help="The publisher's public key, as they give it: base64, 44 characters.")
    ] = None,
) -> None:
    """Check what `netdusk report ID --bundle` wrote: nothing changed, left out, added or moved since.

    Of several files each has to follow the one before. Without --key anybody may have written them: compare the hash
    that is printed with the one that was published. Ends with 1 and the first line that is wrong.
    """
    before: Export | None = None
    for path in files:
        try:
            export = checked(path)
            if before is not None and export.header.previous != before.end.hash:
                raise ExportError("does not follow the file before it")
            signed = _signed_by(export, key)
        except ExportError as error:
            typer.echo(f"{path}: {error}", err=True)
            raise typer.Exit(1) from error
        made_up = "simulated, " if export.header.simulated else ""
        typer.echo(
            f"{path}: {export.header.incident} ({made_up}{amount(export.snapshots, 'snapshot')}, "
            f"{amount(export.windows, 'window')}) "
            f"is whole, {signed}\n  hash {export.end.hash}"
        )
        before = export


def _signed_by(export: Export, key: str | None) -> str:
    if key is None and export.end.signature is None:
        return "not signed"
    text, signature = signed_text(export)
    signer = key or str(export.end.public_key)
    try:
        good = has_signed(signer, text, signature)
    except ModuleNotFoundError as error:
        raise SettingsError(f"signatures need {error.name}; {install('trust')}") from error
    except ValueError as error:
        if key is None:
            raise ExportError("the public key in it is none of Ed25519") from error
        raise SettingsError(f"{signer}: no public key of Ed25519 in base64") from error
    if not good:
        raise ExportError(f"was not signed by {signer}")
    return f"signed by {signer}" + ("" if key else ": compare it with the publisher's key")
