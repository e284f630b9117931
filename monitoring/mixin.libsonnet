// The same rules and dashboards as a mixin, for those who put theirs together with jsonnet
// (https://monitoring.mixins.dev). Nothing is defined here: it reads what `python -m monitoring` writes.
local groups = import 'mixin-groups.json';
local with(all, field) = [
  group { rules: [rule for rule in group.rules if std.objectHas(rule, field)] }
  for group in all
  if std.length([rule for rule in group.rules if std.objectHas(rule, field)]) > 0
];

{
  local all =
    (if $._config.profile == 'own' then groups['netdusk-own'] else groups['netdusk-incidents'])
    + groups['netdusk-self']
    + (if $._config.canary then groups['netdusk-canary'] else []),

  _config:: {
    // 'observatory', or 'own' for services of one's own.
    profile: 'observatory',
    // Whether a canary runs.
    canary: true,
  },
  prometheusAlerts+:: { groups+: with(all, 'alert') },
  prometheusRules+:: { groups+: with(all, 'record') },
  grafanaDashboards+:: {
    'netdusk-overview.json': import '../helm/netdusk/files/dashboards/netdusk-overview.json',
    'netdusk-country.json': import '../helm/netdusk/files/dashboards/netdusk-country.json',
    'netdusk-incident.json': import '../helm/netdusk/files/dashboards/netdusk-incident.json',
    'netdusk-self.json': import '../helm/netdusk/files/dashboards/netdusk-self.json',
  },
}
