{{- define "partstream.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "partstream.selector" -}}
app.kubernetes.io/name: partstream
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "partstream.labels" -}}
{{ include "partstream.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "partstream.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* "true" if results are published off loopback: with CURVE, or with config.publish.allow_plaintext. */}}
{{- define "partstream.published" -}}
{{- if or .Values.curve.existingSecret (dig "publish" "allow_plaintext" false .Values.config) }}true{{ end }}
{{- end }}

{{- define "partstream.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}
