{{- /* Environment of every container of ours. Takes (dict "root" $ "own" .Values.worker). */ -}}
{{- define "netdusk.env" -}}
{{- $kafka := .root.Values.kafka -}}
- name: NETDUSK_CONFIG
  value: /etc/netdusk/netdusk.toml
- name: NETDUSK_LOG
  value: json
- name: NETDUSK_KAFKA__BOOTSTRAP
  value: {{ include "netdusk.bootstrap" .root | quote }}
- name: NETDUSK_KAFKA__SECURITY_PROTOCOL
  value: {{ $kafka.securityProtocol }}
{{- if include "netdusk.sasl" .root }}
- name: NETDUSK_KAFKA__SASL_MECHANISM
  value: {{ $kafka.sasl.mechanism }}
- name: NETDUSK_KAFKA__SASL_USERNAME
  {{- if $kafka.sasl.username }}
  value: {{ $kafka.sasl.username | quote }}
  {{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ $kafka.sasl.existingSecret }}
      key: {{ $kafka.sasl.usernameKey }}
  {{- end }}
- name: NETDUSK_KAFKA__SASL_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $kafka.sasl.existingSecret }}
      key: {{ $kafka.sasl.passwordKey }}
{{- end }}
{{- if $kafka.tls.caSecret }}
- name: NETDUSK_KAFKA__SSL_CA
  value: /etc/netdusk/ca/{{ $kafka.tls.caKey }}
{{- end }}
{{- if $kafka.tls.clientSecret }}
- name: NETDUSK_KAFKA__SSL_CERTIFICATE
  value: /etc/netdusk/client/{{ $kafka.tls.certificateKey }}
- name: NETDUSK_KAFKA__SSL_KEY
  value: /etc/netdusk/client/{{ $kafka.tls.keyKey }}
{{- end }}
- name: NETDUSK_HTTP__HOST
  value: {{ .root.Values.http.host | quote }}
- name: NETDUSK_HTTP__PORT
  value: {{ .root.Values.http.port | quote }}
{{- with .own.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "netdusk.volumeMounts" -}}
{{- $tls := .root.Values.kafka.tls -}}
- name: config
  mountPath: /etc/netdusk/netdusk.toml
  subPath: netdusk.toml
  readOnly: true
- name: work
  mountPath: /var/lib/netdusk
- name: tmp
  mountPath: /tmp
{{- if $tls.caSecret }}
- name: kafka-ca
  mountPath: /etc/netdusk/ca
  readOnly: true
{{- end }}
{{- if $tls.clientSecret }}
- name: kafka-client
  mountPath: /etc/netdusk/client
  readOnly: true
{{- end }}
{{- with .own.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Takes "configMap" (its name) beside the others. */ -}}
{{- define "netdusk.volumes" -}}
{{- $tls := .root.Values.kafka.tls -}}
- name: config
  configMap:
    name: {{ .configMap }}
- name: work
  emptyDir: {}
- name: tmp
  emptyDir: {}
{{- if $tls.caSecret }}
- name: kafka-ca
  secret:
    secretName: {{ $tls.caSecret }}
    defaultMode: 0440
{{- end }}
{{- if $tls.clientSecret }}
- name: kafka-client
  secret:
    secretName: {{ $tls.clientSecret }}
    defaultMode: 0440
{{- end }}
{{- with .own.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What every container of ours has beside its arguments. Takes (dict "root" $ "own" .Values.worker). */ -}}
{{- define "netdusk.container" -}}
image: {{ include "netdusk.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
workingDir: /var/lib/netdusk
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
{{- with .own.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* What every Pod of ours has beside its containers and volumes. */ -}}
{{- define "netdusk.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "netdusk.podMetadata" -}}
labels:
  {{- include "netdusk.labels" (dict "root" .root "component" .component "more" .own.podLabels) | nindent 2 }}
annotations:
  checksum/config: {{ include "netdusk.config" .root | sha256sum }}
  {{- with merge (dict) (default (dict) .own.podAnnotations) (default (dict) .root.Values.commonAnnotations) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* netdusk.toml. Helm holds every number as a float: whole ones are written as such again. */ -}}
{{- define "netdusk.config" -}}
{{- $config := mergeOverwrite (dict "trust" (dict "policy" "registered")) (deepCopy .Values.config) -}}
{{- regexReplaceAll "(?m)([0-9])\\.0(,|]|$)" (toToml $config) "${1}${2}" | trim -}}
{{- end -}}
