"""What a person sees while it runs: platforms by networks, the incidents as they come; plain lines without a terminal.

Shows what the worker's own /metrics and the alerts topic say, and works nothing out itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prometheus_client.samples import Sample
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from producers.countries import CANARY
from streams.counting import amount
from streams.pseudonyms import network_name
from streams.records import Incident, Status

_STYLES: Final = {Status.OPEN: "bold red", Status.UPDATED: "yellow", Status.RESOLVED: "green"}
_LINES_MAX: Final = 12


@dataclass
class Board:
    """The state of the picture.

    Attributes
    ----------
    title
        What is shown.
    networks
        Names of networks by AS number, for the columns.
    warming
        Series that have no usual of their own yet.
    simulated
        Whether what is shown is made up: said in the title, always.
    """

    title: str
    networks: Mapping[str, str]
    simulated: bool
    now: datetime | None = None
    note: str = ""
    ratios: dict[tuple[str, str], float] = field(default_factory=dict)
    scores: dict[tuple[str, str], float] = field(default_factory=dict)
    active: set[str] = field(default_factory=set)
    warming: int = 0
    incidents: list[Incident] = field(default_factory=list)
    scraped: bool = False

    def says(self) -> str:
        """What goes on, in one line: waiting, warming up, or watching so many cells, all well or not."""
        cells = len(self.ratios)
        if not cells:
            return "waiting for the first result" if self.scraped else "starting"
        learning = f"{self.warming} of {cells} still learning what is usual" if self.warming else ""
        if self.warming >= cells:
            return f"results arrive; warming up: {learning}"
        failing = sorted(self.active)
        state = f"{', '.join(failing)} failing" if failing else "all healthy"
        return "; ".join(part for part in (f"watching {amount(cells, 'cell')}", learning, state) if part)

    def take(self, samples: Iterable[Sample]) -> None:
        """Read a scrape. An empty one (the worker is restoring) changes nothing."""
        ratios: dict[tuple[str, str], float] = {}
        scores: dict[tuple[str, str], float] = {}
        active: set[str] = set()
        warming = 0
        for sample in samples:
            labels = sample.labels
            if labels.get("country") == CANARY:
                continue  # it proves the path, and is no news
            if sample.name == "netdusk_cells_warming":
                warming += int(sample.value)
            elif sample.name == "netdusk_reachability_smoothed_ratio":
                ratios[labels["platform"], labels["asn"]] = sample.value
            elif sample.name == "netdusk_anomaly_score":
                scores[labels["platform"], labels["asn"]] = sample.value
            elif sample.name == "netdusk_incident_active":
                active.add(labels["platform"])
        self.scraped = True
        if ratios:
            self.ratios, self.scores, self.active, self.warming = ratios, scores, active, warming

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        head = Text()
        if self.simulated:
            head.append(" SIMULATED ", "black on yellow")
            head.append(" ")
        head.append(self.title, "bold")
        if self.now is not None:
            head.append(f"   {self.now:%a %d %b %Y %H:%M} UTC", "bold cyan")
        head.append(f"   {self.note}", "dim")
        head.append(f"   {self.says()}", "bold red" if self.active else "yellow" if self.warming else "green")
        lines = [line(incident) for incident in self.incidents[-_LINES_MAX:]]
        parts: list[Text | Table] = [head, Text(), self._table(), Text(), *lines]
        yield Panel(Group(*parts), border_style="yellow" if self.simulated else "blue", padding=(0, 1))

    def _table(self) -> Table:
        asns = sorted({asn for _, asn in self.ratios}, key=lambda asn: (asn not in self.networks, asn))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("reachability")
        for asn in asns:
            table.add_column(
                self.networks.get(asn, network_name(int(asn)) if asn.isdigit() else asn), justify="right"
            )
        for platform in sorted({platform for platform, _ in self.ratios}):
            name = Text(f"{'! ' if platform in self.active else '  '}{platform}")
            if platform in self.active:
                name.stylize("bold red")
            table.add_row(name, *(self._cell(platform, asn) for asn in asns))
        return table

    def _cell(self, platform: str, asn: str) -> Text:
        ratio = self.ratios.get((platform, asn))
        if ratio is None:
            return Text("?", "dim")
        score = self.scores.get((platform, asn), 0.0)
        style = "bold red" if score >= 1 else "yellow" if score >= 0.5 else "green"
        return Text(f"{ratio:.0%}", style)


def line(incident: Incident) -> Text:
    """One snapshot as a line."""
    text = Text()
    text.append(f"{incident.updated:%d %b %H:%M}  ", "cyan")
    text.append(f"{incident.status.value:<9}", _STYLES[incident.status])
    text.append(f"#{incident.seq} ", "dim")
    text.append(incident.summary)
    if incident.reason and incident.status is Status.UPDATED:
        text.append(f" ({incident.reason})", "dim")
    return text


class Show:
    """Shows a board: a live picture on a terminal, lines elsewhere."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board = board
        self._console = console
        self._live = Live(board, console=console, refresh_per_second=8, transient=False)
        self._said: list[str] = []
        self._shape = ""

    def __enter__(self) -> Show:
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(_plain(self.board), soft_wrap=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def incident(self, incident: Incident) -> None:
        """A snapshot has come."""
        self.board.incidents.append(incident)
        if not self._console.is_terminal:
            self._console.print(line(incident), soft_wrap=True)

    def state(self) -> None:
        """Without a terminal: one line each time that what goes on has another shape (figures alone are no news)."""
        words = self.board.says()
        shape = "".join(character for character in words if not character.isdigit())
        if not self._console.is_terminal and shape != self._shape:
            self._shape = shape
            self._console.print(Text(words), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Say something that has to be read, above the picture."""
        self._console.print(Text(text, "bold red"), soft_wrap=True)

    def moment(self, now: datetime) -> None:
        """Event time has moved on; without a terminal, one line an event day is enough."""
        self.board.now = now
        day = f"{now:%d %B %Y}"
        if not self._console.is_terminal and day not in self._said:
            self._said.append(day)
            self._console.print(Text(f"-- {day}, {now:%H:%M} UTC", "dim"), soft_wrap=True)


def _plain(board: Board) -> str:
    return f"{'SIMULATED  ' if board.simulated else ''}{board.title}"


def timeline(rows: Sequence[tuple[datetime | None, str, str]]) -> Table:
    """A table of moments: when, who, what."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("UTC")
    table.add_column("who")
    table.add_column("what", overflow="fold")
    for moment, who, what in rows:
        table.add_row("  -  " if moment is None else f"{moment:%H:%M}", who, what)
    return table
