"""The panels that the dashboards are put together from, each with a description, a unit and the chosen datasource.

Builders are those of Grafana's own Foundation SDK; nothing here knows a metric.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import (
    dashboard,
    geomap,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from monitoring.config import Config

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
#: Which dashboards exist; links between them go by these.
UIDS: Final = ("netdusk-overview", "netdusk-country", "netdusk-incident", "netdusk-self")
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
#: A share that succeeds, and a score, as colours; None is the base.
RATIO_STEPS: Final = ((None, RED), (0.5, YELLOW), (0.9, GREEN))
SCORE_STEPS: Final = ((None, GREEN), (0.5, YELLOW), (1.0, RED))
PLAIN: Final = ((None, BLUE),)
_OF_INTERVALS: Final = ("auto", "auto_count", "auto_min")
Steps = Sequence[tuple[float | None, str]]
# A builder of any of the SDK's panels: they share no type.
Panel = Any


@dataclass(frozen=True)
class Query:
    """What a panel asks. `instant` gives how it is now, for tables and single figures."""

    expr: str
    legend: str = ""
    instant: bool = False


def curve(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    minimum: float | None = 0,
    maximum: float | None = None,
    steps: Steps | None = None,
    stacked: bool = False,
    band: tuple[str, str] | None = None,
    dashed: Sequence[str] = (),
) -> Panel:
    """Lines over time. `band` names the series between which it is filled, `dashed` those drawn as expectations."""
    panel = (
        timeseries.Panel()
        .fill_opacity(20 if stacked else 0)
        .line_width(1)
        .show_points(common.VisibilityMode.NEVER)
    )
    panel.legend(
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel.tooltip(
        common_builders.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    )
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if minimum is not None:
        panel.min(minimum)
    if maximum is not None:
        panel.max(maximum)
    if steps:
        panel.thresholds(_thresholds(steps))
        panel.thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        )
    if band:
        low, high = band
        hidden = [DynamicConfigValue("custom.lineWidth", 0), DynamicConfigValue("color", _fixed("gray"))]
        panel.override_by_name(low, hidden)
        panel.override_by_name(
            high,
            [
                *hidden,
                DynamicConfigValue("custom.fillBelowTo", low),
                DynamicConfigValue("custom.fillOpacity", 20),
            ],
        )
    for name in dashed:
        panel.override_by_name(
            name, [DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]})]
        )
    return _common(panel, title, description, unit, queries, width, height)


def figure(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    width: int = 4,
    height: int = 4,
    steps: Steps = PLAIN,
) -> Panel:
    """One number."""
    panel = (
        stat.Panel()
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .thresholds(_thresholds(steps))
    )
    return _common(panel, title, description, unit, [Query(query.expr, query.legend, True)], width, height)


def strip(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    steps: Steps = SCORE_STEPS,
    width: int = 24,
    height: int = 8,
) -> Panel:
    """Rows of states over time."""
    panel = (
        statetimeline.Panel()
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .per_page(20)
        .thresholds(_thresholds(steps))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )
    return _common(panel, title, description, unit, queries, width, height)


@dataclass(frozen=True)
class Column:
    """A column of a table: what fills it, and how it is shown. A column without an expression is a label."""

    name: str
    expr: str = ""
    unit: str = ""
    steps: Steps = ()
    link: str = ""
    mapped: Mapping[str, str] = field(default_factory=dict)


def listing(
    title: str, description: str, labels: Sequence[Column], *values: Column, width: int = 24, height: int = 8
) -> Panel:
    """A table: one row for each set of labels, one column for each expression."""
    queries = [Query(column.expr, instant=True) for column in values]
    names = [f"Value #{_ref(i)}" for i in range(len(values))]
    order = [*(column.name for column in labels), *names]
    panel = (
        table.Panel()
        .show_header(True)
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": {name: i for i, name in enumerate(order)},
                    "renameByName": {name: column.name for name, column in zip(names, values, strict=True)},
                },
            )
        )
    )
    for column in (*labels, *values):
        properties = _properties(column)
        if properties:
            panel.override_by_name(column.name, properties)
    return _common(panel, title, description, "", queries, width, height, fmt="table")


def matrix(
    title: str, description: str, unit: str, query: Query, *, rows: str, columns: str, steps: Steps
) -> Panel:
    """A table of one figure by two labels."""
    panel = (
        table.Panel()
        .show_header(True)
        .cell_options(
            common.TableColoredBackgroundCellOptions(mode=common.TableCellBackgroundDisplayMode.BASIC)
        )
        .thresholds(_thresholds(steps))
        .with_transformation(
            DataTransformerConfig(
                id_val="groupingToMatrix",
                options={
                    "rowField": rows,
                    "columnField": columns,
                    "valueField": "Value",
                    "emptyValue": "null",
                },
            )
        )
    )
    return _common(panel, title, description, unit, [Query(query.expr, instant=True)], 12, 8, fmt="table")


def world_map(
    title: str, description: str, unit: str, query: Query, *, steps: Steps, width: int = 14, height: int = 12
) -> Panel:
    """Countries by colour, placed by their two-letter codes."""
    layer = (
        common_builders.MapLayerOptions()
        .type("markers")
        .name("countries")
        .config(
            {
                "style": {
                    "color": {"field": "Value", "fixed": "dark-green"},
                    "size": {"fixed": 8, "min": 4, "max": 18, "field": "Value"},
                    "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
                    "opacity": 0.7,
                },
                "showLegend": True,
            }
        )
        .location(
            common_builders.FrameGeometrySource()
            .mode(common.FrameGeometrySourceMode.LOOKUP)
            .lookup("country")
            .gazetteer("public/gazetteer/countries.json")
        )
        .tooltip(True)
    )
    panel = (
        geomap.Panel()
        .view(geomap.MapViewConfig().id("zero").lat(20).lon(10).zoom(1))
        .basemap(common_builders.MapLayerOptions().type("default").name("Base").config({}))
        .layers([layer])
        .thresholds(_thresholds(steps))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )
    return _common(
        panel, title, description, unit, [Query(query.expr, instant=True)], width, height, fmt="table"
    )


def words(title: str, description: str, content: str, *, width: int = 24, height: int = 4) -> Panel:
    """Text."""
    return (
        text.Panel()
        .mode(TextMode.MARKDOWN)
        .content(content)
        .title(title)
        .description(description)
        .span(width)
        .height(height)
    )


@dataclass
class Board:
    """A dashboard in the making: `row` adds a titled row of panels."""

    uid: str
    title: str
    description: str
    config: Config
    variables: Sequence[Any]
    since: str = "now-6h"
    annotation: str = ""
    rows: list[tuple[str, list[Panel]]] = field(default_factory=list)

    def row(self, title: str, *panels: Panel) -> None:
        """Add a row."""
        self.rows.append((title, list(panels)))

    def written(self) -> str:
        """The JSON that Grafana reads."""
        board = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags(["netdusk"])
            .timezone("utc")
            .refresh("30s")
            .time(self.since, "now")
            .link(
                dashboard.DashboardLink("netdusk")
                .type(DashboardLinkType.DASHBOARDS)
                .tags(["netdusk"])
                .include_vars(True)
                .keep_time(True)
                .as_dropdown(False)
            )
            .link(
                dashboard.DashboardLink("Runbooks")
                .type(DashboardLinkType.LINK)
                .url(self.config.runbooks)
                .target_blank(True)
            )
            .with_variable(
                dashboard.DatasourceVariable("datasource")
                .type("prometheus")
                .label("Prometheus")
                .description("Which Prometheus to ask.")
            )
        )
        for variable in self.variables:
            board.with_variable(variable)
        if self.annotation:
            board.annotation(
                dashboard.AnnotationQuery()
                .name("Incidents")
                .datasource(DATASOURCE)
                .enable(True)
                .icon_color(RED)
                .expr(self.annotation)
            )
        for title, panels in self.rows:
            board.with_row(dashboard.Row(title))
            for panel in panels:
                board.with_panel(panel)
        raw = json.loads(JSONEncoder(sort_keys=True).encode(board.build()))
        for number, panel in enumerate(raw["panels"], start=1):
            panel["id"] = number
        for annotation in raw["annotations"].get(
            "list", []
        ):  # Prometheus' own field, which the SDK does not know
            annotation["titleFormat"] = "{{platform}} {{country}}: {{kind}}, {{scope}}"
        for variable in raw["templating"]["list"]:
            for (
                key
            ) in _OF_INTERVALS:  # the SDK writes them on every variable; Grafana's types have them on none
                variable.pop(key, None)
        return json.dumps(raw, indent=2, sort_keys=True) + "\n"


def simulated_variable() -> Any:
    """Real results, or simulated ones: never both in one picture."""
    return (
        dashboard.CustomVariable("simulated")
        .label("Simulated")
        .description("Real results (false), or those of drills, demonstrations and the canary (true).")
        .values("false,true")
        .current(VariableOption(selected=True, text="false", value="false"))
    )


def label_variable(
    name: str, label: str, metric: str, *, multi: bool = False, all_value: str | None = None
) -> Any:
    """A choice among the values that a label has on a metric.

    With `multi`, several can be chosen, and all of them together: `all_value` where that is more than those listed.
    """
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .description(f"From the label `{name}` of what is shown.")
        .datasource(DATASOURCE)
        .query({"query": f"label_values({metric}, {name})", "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi)
        .include_all(multi)
    )
    return variable.all_value(all_value) if all_value is not None else variable


def _common(
    panel: Panel,
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    width: int,
    height: int,
    *,
    fmt: str = "time_series",
) -> Panel:
    panel.title(title).description(description).datasource(DATASOURCE).span(width).height(height)
    if unit:
        panel.unit(unit)
    for i, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id(_ref(i)).datasource(DATASOURCE)
        target.format(PromQueryFormat(fmt))
        target.instant() if query.instant else target.range()
        if query.legend:
            target.legend_format(query.legend)
        panel.with_target(target)
    return panel


def _properties(column: Column) -> list[DynamicConfigValue]:
    properties = []
    if column.unit:
        properties.append(DynamicConfigValue("unit", column.unit))
    if column.mapped:
        options = {value: {"text": text, "index": i} for i, (value, text) in enumerate(column.mapped.items())}
        properties.append(DynamicConfigValue("mappings", [{"type": "value", "options": options}]))
    if column.steps:
        steps = [{"value": value, "color": color} for value, color in column.steps]
        properties.append(DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps}))
        properties.append(DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    if column.link:
        link = {"title": f"Open ${{__data.fields.{column.name}}}", "url": column.link}
        properties.append(DynamicConfigValue("links", [link]))
    return properties


def _thresholds(steps: Steps) -> Any:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in steps])
    )


def _fixed(color: str) -> Mapping[str, str]:
    return {"mode": "fixed", "fixedColor": color}


def _ref(number: int) -> str:
    return chr(ord("A") + number)
