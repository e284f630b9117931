#!/bin/sh
# JSON Schemas of Grafana's dashboards and of the panels that ours use, from the types that Grafana publishes.
# Usage: schemas.sh FOLDER, where FOLDER has node_modules.
set -eu
cd "$1"
raw=node_modules/@grafana/schema/dist/esm/raw
make() { # TYPES-FILE TYPE OUT
  node_modules/.bin/ts-json-schema-generator --path "$raw/$1" --type "$2" --no-type-check --out "$3"
}
make dashboard/x/dashboard_types.gen.d.ts Dashboard dashboard.json
for panel in timeseries:TimeSeries table:Table stat:Stat state-timeline:StateTimeline geomap:Geomap text:Text; do
  folder=$(printf %s "${panel%%:*}" | tr -d -)
  make "composable/$folder/panelcfg/x/${panel##*:}PanelCfg_types.gen.d.ts" Options "${panel%%:*}.json"
done
