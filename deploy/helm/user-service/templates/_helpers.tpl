{{/* Returns the name of the objects. The longest name is that of the Job: 17 characters more, of 63. */}}
{{- define "user-service.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "user-service" .Release.Name -}}
{{- .Release.Name | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-user-service" (.Release.Name | trunc 33 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Returns the labels by which pods are selected. The name never changes: rules and dashboard select by it. */}}
{{- define "user-service.selectorLabels" -}}
app.kubernetes.io/name: user-service
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "user-service.labels" -}}
{{ include "user-service.selectorLabels" . }}
app.kubernetes.io/part-of: user-service
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "user-service.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "user-service.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "user-service.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Returns the settings as the data of a config map, without those that are unset. */}}
{{- define "user-service.settings" -}}
{{- range $name, $value := .Values.settings }}
{{- if kindIs "bool" $value }}
{{ $name }}: {{ ternary "True" "False" $value | quote }}
{{- else if not (kindIs "invalid" $value) }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Returns a number that may be unset, of a list of it and its default. The function `default` would replace 0. */}}
{{- define "user-service.number" -}}
{{- ternary (last .) (first .) (kindIs "invalid" (first .)) | int -}}
{{- end -}}

{{- define "user-service.port" -}}
{{- include "user-service.number" (list .Values.settings.PORT 5000) -}}
{{- end -}}

{{/* Returns the sources of a container's environment, for the name of a secret. */}}
{{- define "user-service.envFrom" -}}
- configMapRef:
    name: {{ include "user-service.fullname" .context }}
{{- if .secret }}
- secretRef:
    name: {{ .secret }}
{{- end }}
{{- end -}}

{{/* Returns the variables whose values are in other secrets. */}}
{{- define "user-service.secretVariables" -}}
{{- range $name, $of := .Values.secret.variables }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $of.name }}
      key: {{ $of.key }}
{{- end }}
{{- end -}}

{{- define "user-service.volumeMounts" -}}
{{- range $index, $file := .Values.files }}
- name: files-{{ $index }}
  mountPath: {{ $file.mountPath }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "user-service.volumes" -}}
{{- range $index, $file := .Values.files }}
- name: files-{{ $index }}
  {{- if $file.secret }}
  secret:
    secretName: {{ $file.secret }}
    # The group of the process may read it.
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ $file.configMap }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "user-service.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAs.user }}
runAsUser: {{ int64 . }}
{{- end }}
{{- with .Values.runAs.group }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "user-service.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: ["ALL"]
{{- end -}}

{{/* Returns where pods are scheduled, and how their images are pulled. */}}
{{- define "user-service.scheduling" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Returns the content of a file that is a link in the repository. Tools that drop links would leave it empty. */}}
{{- define "user-service.file" -}}
{{- $text := .context.Files.Get .path -}}
{{- if not $text -}}
{{- fail (printf "the chart lacks %s: package it with helm, which follows symbolic links" .path) -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* Returns a quantity of memory in MiB. */}}
{{- define "user-service.mebibytes" -}}
{{- if hasSuffix "Gi" . -}}
{{- mul 1024 (trimSuffix "Gi" . | int64) -}}
{{- else -}}
{{- trimSuffix "Mi" . | int64 -}}
{{- end -}}
{{- end -}}

{{/* Refuses combinations of values that a schema cannot express. */}}
{{- define "user-service.validate" -}}
{{- $settings := .Values.settings -}}
{{- $autoscaling := .Values.autoscaling -}}
{{- if eq (include "user-service.port" .) (int $settings.MANAGEMENT_PORT | toString) -}}
{{- fail "settings.PORT and settings.MANAGEMENT_PORT are the same port" -}}
{{- end -}}
{{- if and $autoscaling.enabled (gt (int $autoscaling.minReplicas) (int $autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- $requested := include "user-service.mebibytes" .Values.resources.requests.memory | int -}}
{{- $needed := include "user-service.number" (list $settings.CACHE_MEMORY_MB 64) | add 64 | int -}}
{{- if lt $requested $needed -}}
{{- fail (printf "resources.requests.memory must be at least %dMi, 64Mi more than CACHE_MEMORY_MB" $needed) -}}
{{- end -}}
{{- if gt $requested (include "user-service.mebibytes" .Values.resources.limits.memory | int) -}}
{{- fail "resources.requests.memory is more than resources.limits.memory" -}}
{{- end -}}
{{- range $name, $_ := .Values.secret.variables -}}
{{- if index $settings (printf "%s_FILE" $name) -}}
{{- fail (printf "secret.variables.%s and settings.%s_FILE are both set: the service accepts only one of them" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.migrateJob.enabled .Values.migrateJob.secretName -}}
{{- range $name := list "DATABASE_URI_FILE" "MIGRATE_DATABASE_URI_FILE" -}}
{{- if index $settings $name -}}
{{- fail (printf "migrateJob.secretName and settings.%s are both set: the Job accepts only one of them" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "user-service.terminationGracePeriodSeconds" -}}
{{- $delay := include "user-service.number" (list .Values.settings.SHUTDOWN_DELAY_SECONDS 0) -}}
{{- $grace := include "user-service.number" (list .Values.settings.SHUTDOWN_GRACE_SECONDS 25) -}}
{{- add $delay $grace 10 -}}
{{- end -}}

{{/* Returns the spec of the Job that migrates. The name of the Job contains its checksum: a Job cannot be changed. */}}
{{- define "user-service.migrateSpec" -}}
{{- $secret := .Values.migrateJob.secretName | default .Values.secret.name -}}
backoffLimit: 10
activeDeadlineSeconds: 1800
template:
  metadata:
    labels:
      {{- with .Values.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- include "user-service.selectorLabels" . | nindent 6 }}
      app.kubernetes.io/component: migrate
    {{- with .Values.podAnnotations }}
    annotations: {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    serviceAccountName: {{ include "user-service.serviceAccountName" . }}
    automountServiceAccountToken: false
    enableServiceLinks: false
    restartPolicy: OnFailure
    securityContext: {{- include "user-service.podSecurityContext" . | nindent 6 }}
    {{- with include "user-service.scheduling" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    containers:
      - name: migrate
        image: {{ include "user-service.image" . }}
        {{- with .Values.image.pullPolicy }}
        imagePullPolicy: {{ . }}
        {{- end }}
        args: ["migrate", "up"]
        envFrom: {{- include "user-service.envFrom" (dict "context" . "secret" $secret) | nindent 10 }}
        # With this setting, the Job uses at most four connections, in addition to those of the replicas.
        env:
          - name: DATABASE_MAX_CONNECTIONS
            value: "2"
          {{- if not .Values.migrateJob.secretName }}
          {{- with include "user-service.secretVariables" . | trim }}
          {{- . | nindent 10 }}
          {{- end }}
          {{- end }}
        resources: {{- toYaml .Values.migrateJob.resources | nindent 10 }}
        securityContext: {{- include "user-service.containerSecurityContext" . | nindent 10 }}
        {{- with include "user-service.volumeMounts" . | trim }}
        volumeMounts: {{- . | nindent 10 }}
        {{- end }}
    {{- with include "user-service.volumes" . | trim }}
    volumes: {{- . | nindent 6 }}
    {{- end }}
{{- end -}}

{{/* Returns the path that a gateway routes to the API. */}}
{{- define "user-service.path" -}}
{{- .Values.settings.PUBLIC_BASE_PATH | default "/" -}}
{{- end -}}
