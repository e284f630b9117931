// The same rules and dashboards as a mixin, for those who put theirs together with jsonnet
// (https://monitoring.mixins.dev). Nothing is defined here: it reads what `python -m monitoring` writes.
//
//   jb install / vendor this repository, then:  (import 'netdusk/monitoring/mixin.libsonnet') { ... }
local groups(text) = std.parseYaml(text).groups;
local all =
  groups(importstr '../helm/netdusk/files/rules/netdusk-incidents.yaml')
  + groups(importstr '../helm/netdusk/files/rules/netdusk-self.yaml')
  + (if $._config.canary then groups(importstr '../helm/netdusk/files/rules/netdusk-canary.yaml') else []);
local with(field) = [
  group { rules: [rule for rule in group.rules if std.objectHas(rule, field)] }
  for group in all
  if std.length([rule for rule in group.rules if std.objectHas(rule, field)]) > 0
];

{
  _config:: {
    // Whether the canary runs: `netdusk probe` and `netdusk up` can.
    canary: true,
  },
  prometheusAlerts+:: { groups+: with('alert') },
  prometheusRules+:: { groups+: with('record') },
  grafanaDashboards+:: {
    'netdusk-overview.json': import '../helm/netdusk/files/dashboards/netdusk-overview.json',
    'netdusk-country.json': import '../helm/netdusk/files/dashboards/netdusk-country.json',
    'netdusk-incident.json': import '../helm/netdusk/files/dashboards/netdusk-incident.json',
    'netdusk-self.json': import '../helm/netdusk/files/dashboards/netdusk-self.json',
  },
}
