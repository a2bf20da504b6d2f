/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoders of Pod and of the workloads that make pods: Deployment, ReplicaSet, StatefulSet, DaemonSet, Job.
 */

#include "k8s-private.h"

static struct k8s_port_array decode_ports(struct k8s_dec *d, const json_t *container)
{
	const json_t *a = dec_arr(d, container, "ports");
	size_t len = json_array_size(a);
	struct k8s_container_port *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		const json_t *p = json_array_get(a, i);

		v[i] = (struct k8s_container_port){
			.name = dec_name(d, p, "name"),
			.proto = dec_proto(d, p),
			.port = (uint16_t)dec_int(d, p, "containerPort", 1, UINT16_MAX, 0),
			.host_port = (uint16_t)dec_int(d, p, "hostPort", 0, UINT16_MAX, 0),
		};
		if (v[i].name && !*v[i].name)
			v[i].name = NULL;
	}
	return (struct k8s_port_array){ v, v ? len : 0 };
}

struct k8s_port_array dec_template_ports(struct k8s_dec *d, const json_t *spec)
{
	const json_t *containers = dec_arr(d, spec, "containers"), *c;
	struct k8s_container_port *v;
	size_t len = 0, max = 0, i;

	json_array_foreach(containers, i, c)
		max += json_array_size(json_arr(c, "ports"));
	v = dec_array(d, max, sizeof(*v));
	json_array_foreach(containers, i, c) {
		struct k8s_port_array one = decode_ports(d, c);

		if (v && one.len > 0)
			memcpy(v + len, one.v, one.len * sizeof(*v));
		len += one.len;
	}
	return (struct k8s_port_array){ v, v ? len : 0 };
}

static int decode_seconds(struct k8s_dec *d, const json_t *probe, const char *key)
{
	return (int)dec_int(d, probe, key, 0, INT32_MAX, -1);
}

static struct k8s_probe decode_probe(struct k8s_dec *d, const json_t *container, const char *key)
{
	static const char *const kinds[] = { "httpGet", "tcpSocket", "grpc", "exec" };
	const json_t *o = dec_obj(d, container, key);
	struct k8s_probe p = { .set = o != NULL };

	if (!o)
		return p;
	p.timeout = decode_seconds(d, o, "timeoutSeconds");
	p.period = decode_seconds(d, o, "periodSeconds");
	p.initial_delay = decode_seconds(d, o, "initialDelaySeconds");
	p.failure_threshold = decode_seconds(d, o, "failureThreshold");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const json_t *action = dec_obj(d, o, kinds[i]);

		if (!action)
			continue;
		p.kind = kinds[i];
		p.port = dec_target(d, action, "port");
		p.path = dec_str(d, action, "path");
		p.scheme = dec_name(d, action, "scheme");
	}
	return p;
}

static const char *const *decode_env_names(struct k8s_dec *d, const json_t *container, size_t *ret_len)
{
	const json_t *a = dec_arr(d, container, "env");
	const char **v = dec_array(d, json_array_size(a), sizeof(*v));
	size_t len = 0;

	for (size_t i = 0; v && i < json_array_size(a); i++) {
		v[len] = dec_name(d, json_array_get(a, i), "name");
		len += v[len] != NULL;
	}
	*ret_len = len;
	return v;
}

static void decode_container(struct k8s_dec *d, const json_t *o, bool init, struct k8s_container *c)
{
	struct k8s_port_array ports = decode_ports(d, o);

	c->name = dec_name(d, o, "name");
	if (!c->name)
		c->name = "";
	c->image = dec_text(d, o, "image");
	c->init = init;
	c->sidecar = init && str_is(dec_name(d, o, "restartPolicy"), "Always");
	c->ports = ports.v;
	c->nports = ports.len;
	c->readiness = decode_probe(d, o, "readinessProbe");
	c->startup = decode_probe(d, o, "startupProbe");
	c->liveness = decode_probe(d, o, "livenessProbe");
	c->env_names = decode_env_names(d, o, &c->nenv_names);
}

static void decode_state(struct k8s_dec *d, const json_t *status, struct k8s_container *c)
{
	static const char *const states[] = { "running", "waiting", "terminated" };
	const json_t *state = json_obj(status, "state");

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		const json_t *s = json_obj(state, states[i]);

		if (!s)
			continue;
		c->state = states[i];
		c->state_reason = dec_text(d, s, "reason");
		c->state_message = dec_text(d, s, "message");
		c->state_since = dec_text(d, s, i == 2 ? "finishedAt" : "startedAt");
	}
}

static void decode_container_status(struct k8s_dec *d, const json_t *o, struct k8s_container *c)
{
	const json_t *last = json_obj(json_obj(o, "lastState"), "terminated");

	c->has_status = true;
	c->ready = dec_bool(d, o, "ready");
	c->restarts = dec_int(d, o, "restartCount", 0, INT64_MAX, 0);
	decode_state(d, o, c);
	c->last_reason = dec_text(d, last, "reason");
	c->last_message = dec_text(d, last, "message");
	c->last_finished = dec_text(d, last, "finishedAt");
	(void)json_int(last, "exitCode", &c->last_exit_code);
}

static const json_t *status_of(const json_t *statuses, const char *name)
{
	const json_t *s;
	size_t i;

	json_array_foreach(statuses, i, s) {
		if (str_is(json_str(s, "name"), name))
			return s;
	}
	return NULL;
}

/* The containers of one list and their states, to @v. */
static void decode_container_list(struct k8s_dec *d, const json_t *containers, const json_t *statuses,
				  bool init, struct k8s_container *v)
{
	const json_t *o, *status;
	size_t i;

	json_array_foreach(containers, i, o) {
		d->where = init ? "spec.initContainers[]" : "spec.containers[]";
		decode_container(d, o, init, &v[i]);
		d->where = init ? "status.initContainerStatuses[]" : "status.containerStatuses[]";
		status = status_of(statuses, v[i].name);
		if (status)
			decode_container_status(d, status, &v[i]);
	}
}

static void decode_containers(struct k8s_dec *d, const json_t *spec, const json_t *status, struct k8s_pod *p)
{
	const json_t *init = dec_arr(d, spec, "initContainers"), *main = dec_arr(d, spec, "containers");
	size_t ninit = json_array_size(init), nmain = json_array_size(main);
	struct k8s_container *v = dec_array(d, ninit + nmain, sizeof(*v));

	if (!v)
		return;
	decode_container_list(d, init, dec_arr(d, status, "initContainerStatuses"), true, v);
	decode_container_list(d, main, dec_arr(d, status, "containerStatuses"), false, v + ninit);
	p->containers = v;
	p->ncontainers = ninit + nmain;
}

static void decode_pod_ips(struct k8s_dec *d, const json_t *status, struct k8s_pod *p)
{
	const json_t *a = dec_arr(d, status, "podIPs");
	const char *one = dec_name(d, status, "podIP");
	struct ip_addr *v = dec_array(d, json_array_size(a) + 1, sizeof(*v));

	if (!v)
		return;
	p->ips = v;
	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *ip = dec_name(d, json_array_get(a, i), "ip");

		if (ip && dec_ip(ip, &v[p->nips]))
			p->nips++;
		else if (ip && *ip)
			dec_note_address(d, "podIPs[].ip", ip);
	}
	if (json_array_size(a) > 0 || !one || !*one)
		return;
	if (dec_ip(one, &v[0]))
		p->nips = 1;
	else
		dec_note_address(d, "podIP", one);
}

static void decode_gates(struct k8s_dec *d, const json_t *spec, struct k8s_pod *p)
{
	const json_t *a = dec_arr(d, spec, "readinessGates");
	const char **v = dec_array(d, json_array_size(a), sizeof(*v));

	for (size_t i = 0; v && i < json_array_size(a); i++) {
		v[p->nreadiness_gates] = dec_name(d, json_array_get(a, i), "conditionType");
		p->nreadiness_gates += v[p->nreadiness_gates] != NULL;
	}
	p->readiness_gates = v;
}

/* "ndots:2", as the kubelet writes them; "edns0" for one without a value. */
static void decode_dns_options(struct k8s_dec *d, const json_t *config, struct k8s_pod *p)
{
	const json_t *a = dec_arr(d, config, "options");
	const char **v = dec_array(d, json_array_size(a), sizeof(*v));

	for (size_t i = 0; v && i < json_array_size(a); i++) {
		const char *name = dec_str(d, json_array_get(a, i), "name"), *value = dec_str(d, json_array_get(a, i), "value");

		if (!name)
			continue;
		v[p->ndns_options] = value && *value ? arena_printf(&d->c->arena, "%s:%s", name, value) : name;
		p->ndns_options += v[p->ndns_options] != NULL;
	}
	p->dns_options = v;
}

static void decode_dns_config(struct k8s_dec *d, const json_t *spec, struct k8s_pod *p)
{
	const json_t *config = dec_obj(d, spec, "dnsConfig");

	p->has_dns_config = config != NULL;
	if (!config)
		return;
	p->dns_nameservers = dec_strs(d, config, "nameservers", &p->ndns_nameservers);
	p->dns_searches = dec_strs(d, config, "searches", &p->ndns_searches);
	decode_dns_options(d, config, p);
}

void decode_pod(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_pod *p = dec_new(d, struct k8s_pod, m);
	const json_t *spec = dec_obj(d, o, "spec"), *status = dec_obj(d, o, "status");

	if (!p)
		return;
	d->where = "spec";
	p->node = dec_name(d, spec, "nodeName");
	p->host_network = dec_bool(d, spec, "hostNetwork");
	p->hostname = dec_name(d, spec, "hostname");
	p->subdomain = dec_name(d, spec, "subdomain");
	p->dns_policy = dec_name(d, spec, "dnsPolicy");
	decode_dns_config(d, spec, p);
	p->restart_policy = dec_name(d, spec, "restartPolicy");
	p->enable_service_links = json_tri(spec, "enableServiceLinks");
	decode_gates(d, spec, p);
	d->where = "status";
	p->phase = dec_name(d, status, "phase");
	if (!p->phase)
		p->phase = "";
	p->reason = dec_text(d, status, "reason");
	p->message = dec_text(d, status, "message");
	p->host_ip = dec_text(d, status, "hostIP");
	decode_pod_ips(d, status, p);
	p->conditions = dec_conditions(d, status, &p->nconditions);
	decode_containers(d, spec, status, p);
	dec_keep(d, &d->c->pods, p);
}

/* Wanted and ready pods; a DaemonSet has one for each node, a Job spec.parallelism. */
static void decode_replicas(struct k8s_dec *d, const json_t *spec, const json_t *status,
			    struct k8s_workload *w)
{
	bool daemon_set = strcmp(w->kind, "DaemonSet") == 0, job = strcmp(w->kind, "Job") == 0;

	d->where = "spec";
	if (!daemon_set)
		w->replicas = dec_int(d, spec, job ? "parallelism" : "replicas", 0, INT32_MAX, 1);
	d->where = "status";
	if (daemon_set)
		w->replicas = dec_int(d, status, "desiredNumberScheduled", 0, INT32_MAX, 0);
	w->ready = dec_int(d, status,
			   daemon_set ? "numberReady"
			   : job      ? "ready"
				      : "readyReplicas",
			   0, INT32_MAX, 0);
	w->conditions = dec_conditions(d, status, &w->nconditions);
}

/* How far a roll-out is: what `kubectl rollout status` looks at. */
static void decode_rollout(struct k8s_dec *d, const json_t *o, struct k8s_workload *w)
{
	bool daemon_set = strcmp(w->kind, "DaemonSet") == 0;
	const json_t *spec = json_obj(o, "spec"), *status = json_obj(o, "status");
	const json_t *strategy = json_obj(spec, "updateStrategy");
	const char *type = json_str(strategy, "type"), *old = json_str(status, "currentRevision"), *new = json_str(status, "updateRevision");

	d->where = "metadata";
	w->generation = dec_int(d, json_obj(o, "metadata"), "generation", 0, INT64_MAX, 0);
	d->where = "status";
	w->observed = dec_int(d, status, "observedGeneration", 0, INT64_MAX, 0);
	w->updated = dec_int(d, status, daemon_set ? "updatedNumberScheduled" : "updatedReplicas", 0, INT32_MAX, 0);
	w->current = dec_int(d, status, daemon_set ? "currentNumberScheduled" : "replicas", 0, INT32_MAX, 0);
	w->available = dec_int(d, status, daemon_set ? "numberAvailable" : "availableReplicas", 0, INT32_MAX, 0);
	w->two_revisions = old && new && strcmp(old, new) != 0;
	d->where = "spec.updateStrategy";
	w->partition = dec_int(d, json_obj(strategy, "rollingUpdate"), "partition", 0, INT32_MAX, 0);
	w->on_delete = type && strcmp(type, "OnDelete") == 0;
	w->paused = json_tri(spec, "paused") == 1;
}

void decode_workload(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_workload *w = dec_new(d, struct k8s_workload, m);
	const json_t *spec = dec_obj(d, o, "spec"), *template;
	struct k8s_port_array ports;

	if (!w)
		return;
	w->kind = dec_intern(d, d->kind);
	if (!w->kind)
		return;
	decode_replicas(d, spec, json_obj(o, "status"), w);
	decode_rollout(d, o, w);
	d->where = "spec";
	w->service_name = dec_name(d, spec, "serviceName");
	template = dec_obj(d, spec, "template");
	d->where = "spec.template";
	w->template_labels = dec_labels(d, dec_obj(d, template, "metadata"), "labels");
	ports = dec_template_ports(d, dec_obj(d, template, "spec"));
	w->ports = ports.v;
	w->nports = ports.len;
	dec_keep(d, &d->c->workloads, w);
}
