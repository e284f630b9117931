"""How an incident is cited: who measured it, what it was, which snapshot of it, and where it stands."""

from __future__ import annotations

from typing import Final

from detectors.settings import IncidentSettings
from streams.records import Incident
from streams.words import as_title, headline

_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "{}%&#_$"},
}


def _title(incident: Incident, settings: IncidentSettings) -> str:
    return f"{'[SIMULATED] ' if incident.simulated else ''}{as_title(headline(incident, settings))}"


def citation(publisher: str, incident: Incident, settings: IncidentSettings, url: str | None) -> str:
    """Return how it is cited in a text; without an address where `url` is None."""
    which = f"Incident {incident.id}, {_snapshot(incident)}."
    where = f" {url}" if url else ""
    return f"{publisher}. {_title(incident, settings)}. {which}{where}"


def bibtex(publisher: str, incident: Incident, settings: IncidentSettings, url: str | None) -> str:
    """Return the same for LaTeX."""
    fields = {
        "author": f"{{{latex(publisher)}}}",
        "title": f"{{{latex(_title(incident, settings))}}}",
        "year": f"{incident.updated:%Y}",
        "note": latex(f"Incident {incident.id}, {_snapshot(incident)}"),
        **({"url": url} if url else {}),
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{netdusk-{incident.id},\n{lines}\n}}"


def latex(text: str) -> str:
    r"""Return a text on one line, with none of LaTeX's signs at work.

    >>> print(latex("100% of A_B {x} \\end"))
    100\% of A\_B \{x\} \textbackslash{}end
    """
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))


def _snapshot(incident: Incident) -> str:
    return f"snapshot {incident.seq} of {incident.updated:%Y-%m-%d %H:%M} UTC"
