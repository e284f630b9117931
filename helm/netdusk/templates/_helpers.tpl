{{- define "netdusk.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- /* 40 characters: room for the longest component, and for a Pod's own suffix, within 63. */ -}}
{{- define "netdusk.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "netdusk.selectorLabels" -}}
app.kubernetes.io/name: {{ include "netdusk.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- /* Takes (dict "root" $ "component" "worker"), and "more" labels. What selects can't be overridden. */ -}}
{{- define "netdusk.labels" -}}
{{- $chart := dict
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/part-of" "netdusk"
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- $selecting := include "netdusk.selectorLabels" . | fromYaml -}}
{{- merge $selecting (default (dict) .more) (default (dict) .root.Values.commonLabels) $chart | toYaml -}}
{{- end -}}

{{- /* An `annotations:` block of what is common and of `own`, or nothing. */ -}}
{{- define "netdusk.annotations" -}}
{{- with merge (dict) (default (dict) .own) (default (dict) .root.Values.commonAnnotations) -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "netdusk.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "netdusk.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "netdusk.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "netdusk.bootstrap" -}}
{{- if .Values.embeddedBroker.enabled -}}
{{- printf "%s-broker:%d" (include "netdusk.fullname" .) (int .Values.embeddedBroker.port) -}}
{{- else -}}
{{- .Values.kafka.bootstrap -}}
{{- end -}}
{{- end -}}

{{- define "netdusk.sasl" -}}
{{- if hasPrefix "SASL" .Values.kafka.securityProtocol }}true{{ end -}}
{{- end -}}

{{- define "netdusk.tls" -}}
{{- if hasSuffix "SSL" .Values.kafka.securityProtocol }}true{{ end -}}
{{- end -}}

{{- /* Topic names and shapes, as streams.settings.TopicSettings has them; what `config.topics` says goes over it. */ -}}
{{- define "netdusk.topics" -}}
{{- $defaults := dict
  "probes" "netdusk.probes.v1"
  "alerts" "netdusk.alerts.v1"
  "health" "netdusk.health.v1"
  "calendar" "netdusk.calendar.v1"
  "annotations" "netdusk.annotations.v1"
  "checkpoints" "netdusk.checkpoints.v1"
  "world_checkpoints" "netdusk.world-checkpoints.v1"
  "rejected" "netdusk.rejected.v1"
  "windows" "netdusk.windows.v1"
  "signals" "netdusk.signals.v1"
  "vantages" "netdusk.vantages.v1"
  "partitions" 8
  "replication" 1
  "retention_days" 7 -}}
{{- merge (dict) (default (dict) .Values.config.topics) $defaults | toYaml -}}
{{- end -}}

{{- define "netdusk.group" -}}
{{- dig "kafka" "group" "netdusk-worker" .Values.config -}}
{{- end -}}

{{- /* Everything that keeps this from working, at once. */ -}}
{{- define "netdusk.validate" -}}
{{- $wrong := list -}}
{{- $kafka := .Values.kafka -}}
{{- if not .Values.image.repository -}}
{{- $wrong = append $wrong "image.repository is empty: no image of netdusk is published; build it (make image), push it to a registry of yours, and name it here" -}}
{{- end -}}
{{- if and (not .Values.embeddedBroker.enabled) (not $kafka.bootstrap) -}}
{{- $wrong = append $wrong "kafka.bootstrap is empty: name a broker (host:port), or set embeddedBroker.enabled=true to try netdusk out" -}}
{{- end -}}
{{- if and .Values.embeddedBroker.enabled $kafka.bootstrap -}}
{{- $wrong = append $wrong (printf "kafka.bootstrap is %q and embeddedBroker.enabled is true: leave one of them out" $kafka.bootstrap) -}}
{{- end -}}
{{- if and .Values.embeddedBroker.enabled (ne $kafka.securityProtocol "PLAINTEXT") -}}
{{- $wrong = append $wrong (printf "kafka.securityProtocol is %q: the embedded broker speaks PLAINTEXT alone" $kafka.securityProtocol) -}}
{{- end -}}
{{- if and (include "netdusk.sasl" .) (not $kafka.sasl.existingSecret) -}}
{{- $wrong = append $wrong (printf "kafka.sasl.existingSecret is empty: %s needs a Secret with the password" $kafka.securityProtocol) -}}
{{- end -}}
{{- if and (not (include "netdusk.tls" .)) (or $kafka.tls.caSecret $kafka.tls.clientSecret) -}}
{{- $wrong = append $wrong (printf "kafka.tls is set, but kafka.securityProtocol is %q: use SSL or SASL_SSL" $kafka.securityProtocol) -}}
{{- end -}}
{{- if and .Values.probe.enabled (not (dig "probe" "country" "" .Values.config)) -}}
{{- $wrong = append $wrong "config.probe.country is empty: a probe has to say in which country it stands, like PK" -}}
{{- end -}}
{{- if and .Values.archive.enabled (not .Values.archive.existingClaim) (not (dig "archive" "url" "" .Values.config)) -}}
{{- $wrong = append $wrong "config.archive.url is empty: an archive in a Pod goes with it; name an object store, like s3://bucket/netdusk, or a volume by archive.existingClaim" -}}
{{- end -}}
{{- if and .Values.archive.existingClaim (dig "archive" "url" "" .Values.config) -}}
{{- $wrong = append $wrong "archive.existingClaim and config.archive.url are both set: leave one of them out" -}}
{{- end -}}
{{- if and .Values.notify.enabled (not .Values.notify.existingSecret) -}}
{{- $wrong = append $wrong "notify.existingSecret is empty: name a Secret whose key NETDUSK_NOTIFY__RULES has the rules as JSON" -}}
{{- end -}}
{{- if and .Values.page.ingress.enabled (not .Values.page.ingress.host) -}}
{{- $wrong = append $wrong "page.ingress.host is empty: name the host that readers type" -}}
{{- end -}}
{{- if and (or .Values.strimzi.kafkaTopics.enabled .Values.strimzi.kafkaUser.enabled) (not .Values.strimzi.cluster) -}}
{{- $wrong = append $wrong "strimzi.cluster is empty: name the Kafka that Strimzi runs" -}}
{{- end -}}
{{- if and .Values.monitoring.podMonitor.enabled .Values.monitoring.serviceMonitor.enabled -}}
{{- $wrong = append $wrong "monitoring.podMonitor and monitoring.serviceMonitor are both on: each worker would be scraped twice; leave one out" -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n- %s\n" (join "\n- " $wrong)) -}}
{{- end -}}
{{- end -}}
