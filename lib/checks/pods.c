/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is the matter with a pod, in the words of kubectl, and the findings that follow: one for each pod that is
 * not ready, and one for a Service none of whose pods is.
 */
#include "checks-private.h"

static const char *const image_reasons[] = { "ImagePullBackOff",	 "ErrImagePull",	"InvalidImageName",
					     "ErrImageNeverPull",	 "RegistryUnavailable", "ImageInspectError",
					     "SignatureValidationFailed" };
static const char *const config_reasons[] = {
	"CreateContainerConfigError", "CreateContainerError", "RunContainerError",
	"PreCreateHookError",	      "PreStartHookError",    "PostStartHookError"
};

static bool one_of(const char *s, const char *const *v, size_t n)
{
	for (size_t i = 0; s && i < n; i++)
		if (strcmp(s, v[i]) == 0)
			return true;
	return false;
}

static const char *condition_since(const struct k8s_pod *p, const char *type)
{
	const struct k8s_condition *c = k8s_condition(p->conditions, p->nconditions, type);

	return c ? c->since : NULL;
}

/* The container whose state stops the pod, worst first. */
static bool view_container(const struct k8s_container *k, struct pod_view *w)
{
	enum pod_trouble t;

	if (str_is(k->state, "waiting") && one_of(k->state_reason, image_reasons, ARRAY_LEN(image_reasons)))
		t = POD_IMAGE;
	else if (str_is(k->state, "waiting") && one_of(k->state_reason, config_reasons, ARRAY_LEN(config_reasons)))
		t = POD_CONFIG;
	else if (str_is(k->state, "waiting") && str_is(k->state_reason, "CrashLoopBackOff"))
		t = k->init && !k->sidecar ? POD_INIT : POD_CRASHING;
	else if (str_is(k->state, "terminated") && !str_is(k->state_reason, "Completed"))
		t = k->init && !k->sidecar ? POD_INIT : POD_CRASHING;
	else
		return false;
	w->trouble = t;
	w->container = k;
	w->state = k->state_reason ? k->state_reason : "Error";
	w->message = k->state_message;
	/* what keeps crashing holds since its last end, where that is told */
	w->since = k->last_finished ? k->last_finished : k->state_since;
	return true;
}

static bool view_containers(const struct k8s_pod *p, struct pod_view *w)
{
	for (size_t i = 0; i < p->ncontainers; i++)
		if (view_container(&p->containers[i], w))
			return true;
	return false;
}

static bool view_gates(const struct k8s_pod *p, struct pod_view *w)
{
	const struct k8s_condition *cr = k8s_condition(p->conditions, p->nconditions, "ContainersReady");

	if (!cr || !str_is(cr->status, "True"))
		return false;
	for (size_t i = 0; i < p->nreadiness_gates; i++) {
		const struct k8s_condition *c = k8s_condition(p->conditions, p->nconditions, p->readiness_gates[i]);

		if (c && str_is(c->status, "True"))
			continue;
		w->trouble = POD_GATE;
		w->state = "running";
		w->message = p->readiness_gates[i];
		w->since = condition_since(p, "Ready");
		return true;
	}
	return false;
}

static void view_running(const struct run *r, const struct k8s_pod *p, struct pod_view *w)
{
	w->trouble = POD_NOT_READY;
	w->state = "running";
	w->since = condition_since(p, "Ready");
	w->event = run_event(r, "Pod", p->meta.ns, p->meta.name, "Unhealthy");
	for (size_t i = 0; i < p->ncontainers; i++) {
		const struct k8s_container *k = &p->containers[i];

		if (k->ready || (k->init && !k->sidecar))
			continue;
		w->container = k;
		if (k->readiness.set || k->startup.set || w->event) {
			w->trouble = POD_PROBE;
			return;
		}
	}
}

static void view_pending(const struct k8s_pod *p, struct pod_view *w)
{
	const struct k8s_condition *c = k8s_condition(p->conditions, p->nconditions, "PodScheduled");

	w->trouble = POD_STARTING;
	w->state = p->reason ? p->reason : "Pending";
	w->message = p->message;
	w->since = p->meta.created;
	if (!c || !str_is(c->status, "False"))
		return;
	w->trouble = POD_UNSCHEDULABLE;
	w->message = c->message;
	w->since = c->since;
}

void pod_view(const struct run *r, const struct k8s_pod *p, struct pod_view *w)
{
	*w = (struct pod_view){ .trouble = POD_FINE, .state = "running", .since = condition_since(p, "Ready") };
	for (size_t i = 0; i < p->ncontainers; i++)
		w->restarts += p->containers[i].restarts;
	if (k8s_pod_terminal(p)) {
		w->trouble = POD_FINISHED;
		w->state = p->reason ? p->reason : p->phase;
		w->message = p->message;
	} else if (p->meta.deleted) {
		w->trouble = POD_TERMINATING;
		w->state = "Terminating";
		w->since = p->meta.deleted;
	} else if (k8s_pod_ready(p)) {
		if (!p->nips) {
			w->trouble = POD_NO_ADDRESS;
		}
	} else if (view_containers(p, w)) {
		return;
	} else if (str_is(p->phase, "Pending") || !p->node) {
		view_pending(p, w);
	} else if (!view_gates(p, w)) {
		view_running(r, p, w);
	}
}

const char *pod_line(struct run *r, const struct pod_view *w)
{
	const char *since = time_text(r, w->since);
	const char *restarts = w->restarts
				       ? run_printf(r, ", %lld restart%s", (long long)w->restarts, PLURAL(w->restarts))
				       : "";

	switch (w->trouble) {
	case POD_FINE:
		return run_printf(r, "running, ready%s", restarts);
	case POD_NO_ADDRESS:
		return run_printf(r, "running, has no address");
	case POD_GATE:
		return run_printf(r, "running, readiness gate %s is not true%s%s", w->message, since ? " since " : "",
				  since ? since : "");
	case POD_PROBE:
	case POD_NOT_READY:
		return run_printf(r, "running, not ready%s%s%s", since ? " since " : "", since ? since : "", restarts);
	case POD_INIT:
		return run_printf(r, "Init:%s%s", w->state, restarts);
	case POD_UNSCHEDULABLE:
		return run_printf(r, "%s, not scheduled: %.200s", w->state,
				  w->message ? w->message : "no reason given");
	case POD_TERMINATING:
	case POD_FINISHED:
	case POD_STARTING:
	case POD_IMAGE:
	case POD_CONFIG:
	case POD_CRASHING:
		break;
	}
	return run_printf(r, "%s%s", w->state, restarts);
}

void pod_commands(struct run *r, struct finding *f, const struct k8s_pod *p, const struct pod_view *w)
{
	const struct k8s_meta *m = &p->meta;
	const bool many = p->ncontainers > 1 && w->container;

	if (w->trouble == POD_CRASHING || w->trouble == POD_INIT) {
		const char *flag = w->restarts ? " --previous" : "";

		if (many && w->restarts)
			finding_next(r, f, "kubectl -n %s logs %s -c %s --previous", m->ns, m->name,
				     w->container->name);
		else if (many)
			finding_next(r, f, "kubectl -n %s logs %s -c %s", m->ns, m->name, w->container->name);
		else if (*flag)
			finding_next(r, f, "kubectl -n %s logs %s --previous", m->ns, m->name);
		else
			finding_next(r, f, "kubectl -n %s logs %s", m->ns, m->name);
		return;
	}
	finding_next(r, f, "kubectl -n %s describe pod %s", m->ns, m->name);
}

/* ---- one finding for each pod ---- */

static const char *const pod_checks[] = {
	[POD_UNSCHEDULABLE] = "pod-unschedulable",
	[POD_STARTING] = "pod-pending",
	[POD_IMAGE] = "pod-image-pull-failing",
	[POD_CONFIG] = "pod-container-config-error",
	[POD_CRASHING] = "pod-crashlooping",
	[POD_INIT] = "pod-init-failing",
	[POD_GATE] = "readiness-gate-false",
	[POD_PROBE] = "readiness-probe-failing",
	[POD_NOT_READY] = "containers-not-ready",
	[POD_TERMINATING] = NULL,
	[POD_FINISHED] = NULL,
	[POD_NO_ADDRESS] = NULL,
	[POD_FINE] = NULL,
};

static const char *restarts_text(struct run *r, const struct pod_view *w)
{
	return w->restarts ? run_printf(r, ", %lld restart%s", (long long)w->restarts, PLURAL(w->restarts)) : "";
}

static const char *pod_sentence(struct run *r, const struct k8s_pod *p, const struct pod_view *w)
{
	const char *who = run_printf(r, "Pod %s/%s", p->meta.ns, p->meta.name);

	switch (w->trouble) {
	case POD_UNSCHEDULABLE:
		return run_printf(r, "%s has no node: %.200s", who,
				  w->message ? w->message : "the scheduler gives no reason");
	case POD_STARTING:
		return run_printf(r, "%s has not started yet (%s)", who, w->state);
	case POD_IMAGE:
		return run_printf(r, "%s cannot get its image %s (%s)", who,
				  w->container->image ? w->container->image : "", w->state);
	case POD_CONFIG:
		return run_printf(r, "%s: container %s cannot be created (%s)", who, w->container->name, w->state);
	case POD_CRASHING:
		return run_printf(r, "%s keeps crashing (%s%s)", who, w->state, restarts_text(r, w));
	case POD_INIT:
		return run_printf(r, "%s: init container %s fails (%s%s)", who, w->container->name, w->state,
				  restarts_text(r, w));
	case POD_GATE:
		return run_printf(r, "%s runs, but its readiness gate %s is not true", who, w->message);
	case POD_PROBE:
		return run_printf(r, "%s runs but does not pass its readiness probe", who);
	case POD_TERMINATING:
		return run_printf(r, "%s is terminating", who);
	case POD_FINISHED:
		return run_printf(r, "%s has finished (%s)", who, w->state);
	case POD_NOT_READY:
	case POD_NO_ADDRESS:
	case POD_FINE:
		break;
	}
	return run_printf(r, "%s runs but its containers are not ready", who);
}

static void probe_evidence(struct run *r, struct finding *f, const struct pod_view *w)
{
	const struct k8s_container *k = w->container;
	const struct k8s_probe *p = k ? &k->readiness : NULL;
	const char *port;

	if (!p || !p->set)
		return;
	port = p->port.name ? p->port.name : p->port.number ? run_printf(r, "%u", p->port.number) : "";
	finding_evidence(r, f, "container %s: readiness probe %s %s%s%s, timeout %d s", k->name, p->kind ? p->kind : "",
			 port, p->path ? " " : "", p->path ? p->path : "", p->timeout > 0 ? p->timeout : 1);
	if (!p->port.name)
		return;
	for (size_t i = 0; i < k->nports; i++)
		if (k->ports[i].name && strcmp(k->ports[i].name, p->port.name) == 0)
			return;
	finding_evidence(r, f, "the probe names port %s, which container %s does not have", p->port.name, k->name);
}

static struct finding *pod_finding(struct run *r, const struct k8s_pod *p, const struct pod_view *w)
{
	struct finding *f = finding_of_pod(r, pod_checks[w->trouble], p);
	const struct k8s_container *k = w->container;
	const char *text = pod_sentence(r, p, w);

	finding_text(r, f, "%s", text);
	f->because = f->text;
	f->since = w->since;
	f->rank = w->trouble == POD_CRASHING || w->trouble == POD_INIT ? 30 : 31; /* logs say most */
	finding_partial(f);
	if (w->message && w->trouble != POD_GATE && w->trouble != POD_UNSCHEDULABLE)
		finding_evidence(r, f, "%s: %.300s", w->state, w->message);
	if (k && k->last_reason)
		finding_evidence(r, f, "container %s ended with %s, exit code %lld", k->name, k->last_reason,
				 (long long)k->last_exit_code);
	probe_evidence(r, f, w);
	finding_event(r, f, w->event ? w->event : run_event(r, "Pod", p->meta.ns, p->meta.name, NULL));
	pod_commands(r, f, p, w);
	return f;
}

static void add_pod_finding(struct run *r, struct svc *v, const struct k8s_pod *p)
{
	struct finding *f = map_get(&r->pod_findings, &p, sizeof(p));
	const void **key;
	struct pod_view w;

	if (f) {
		if (!v->nothing_ready && f->severity == SEVERITY_ERROR)
			f->severity = SEVERITY_WARNING;
		finding_concerns(r, f, v->o);
		return;
	}
	pod_view(r, p, &w);
	if (!pod_checks[w.trouble])
		return;
	f = pod_finding(r, p, &w);
	f->severity = v->nothing_ready ? SEVERITY_ERROR : w.trouble == POD_STARTING ? SEVERITY_INFO : SEVERITY_WARNING;
	finding_concerns(r, f, v->o);
	key = arena_alloc(&r->scratch, sizeof(*key));
	if (!key) {
		r->err = -ENOMEM;
		return;
	}
	*key = p;
	if (f != &r->dummy.f && map_put(&r->pod_findings, key, sizeof(*key), f) < 0)
		r->err = -ENOMEM;
}

void check_pods(struct run *r, struct svc *v)
{
	if (v->pods->live == v->pods->ready)
		return;
	for (size_t i = 0; i < v->pods->v.len; i++)
		if (!pod_counts_ready(v->pods->v.v[i]))
			add_pod_finding(r, v, v->pods->v.v[i]);
}

/* ---- one finding for a Service none of whose pods is ready ---- */

static const char *so_what(const struct svc *v)
{
	return v->o->headless ? "so its DNS name has no address" : "so every node refuses the connection";
}

/* Enough pods of each trouble to look at; the rest is a number. */
static void summarize_pods(struct run *r, struct svc *v, struct finding *f)
{
	size_t shown = 0;

	/* crashes first: their logs say most */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < v->pods->v.len && shown < 4; i++) {
			const struct k8s_pod *p = v->pods->v.v[i];
			struct pod_view w;

			pod_view(r, p, &w);
			if (w.trouble == POD_FINISHED ||
			    (w.trouble == POD_CRASHING || w.trouble == POD_INIT) != (pass == 0))
				continue;
			pod_commands(r, f, p, &w);
			w.since = NULL; /* times stand in `since` only */
			finding_evidence(r, f, "Pod %s/%s: %s", p->meta.ns, p->meta.name, pod_line(r, &w));
			f->since = time_later(f->since, condition_since(p, "Ready"));
			shown++;
		}
	if (v->pods->v.len > shown)
		finding_evidence(r, f, "and %zu more", v->pods->v.len - shown);
}

static bool all_crash(struct run *r, const struct svc *v)
{
	size_t crashing = 0;

	for (size_t i = 0; i < v->pods->v.len; i++) {
		struct pod_view w;

		pod_view(r, v->pods->v.v[i], &w);
		if (w.trouble == POD_FINISHED)
			continue;
		if (w.trouble != POD_CRASHING)
			return false;
		crashing++;
	}
	return crashing > 0;
}

static void no_ready_by_pods(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const bool crash = all_crash(r, v);
	struct finding *f;

	f = finding_of_service(r, crash ? "all-pods-crashlooping" : "no-ready-endpoints", NULL, NULL, v);
	f->rank = 20;
	if (crash)
		finding_text(r, f, "%s behind %s/%s crashes again and again, %s",
			     v->pods->live == 1 ? "the one pod" : run_printf(r, "each of the %zu pods", v->pods->live),
			     m->ns, m->name, so_what(v));
	else if (v->pods->live == 0)
		finding_text(r, f, "all pods that %s/%s selects have finished, %s", m->ns, m->name, so_what(v));
	else
		finding_text(r, f, "no pod behind %s/%s is ready, %s", m->ns, m->name, so_what(v));
	summarize_pods(r, v, f);
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o wide", m->ns, m->name);
}

static void no_ready_by_slices(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	struct finding *f = finding_of_service(r, "no-ready-endpoints", NULL, NULL, v);

	f->rank = 20;
	finding_text(r, f, "none of the %zu endpoint%s of %s/%s is ready, %s", v->listed, PLURAL(v->listed), m->ns,
		     m->name, so_what(v));
	if (!run_reaches(r, K8S_PODS, v))
		finding_evidence(r, f, "the pods are not known, so why they are not ready is not known either");
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o yaml", m->ns, m->name);
	finding_next(r, f, "kubectl -n %s get pods -o wide", m->ns);
}

void check_no_ready(struct run *r, struct svc *v)
{
	if (!v->endpoints_known || !v->nothing_ready || v->external_name)
		return;
	if (v->o->selector.len && v->pods->v.len) {
		if (!v->pods->ready)
			no_ready_by_pods(r, v);
		return; /* ready pods and no endpoint: the ports, or the controller */
	}
	if (v->listed && !v->ready)
		no_ready_by_slices(r, v);
}

/* ---- pods beside the point ---- */

void check_pod_excluded(struct run *r, struct svc *v)
{
	size_t finished = 0, homeless = 0;
	struct finding *f;

	for (size_t i = 0; i < v->pods->v.len; i++) {
		const struct k8s_pod *p = v->pods->v.v[i];

		finished += k8s_pod_terminal(p);
		homeless += !k8s_pod_terminal(p) && k8s_pod_ready(p) && !p->nips;
	}
	if (!finished && !homeless)
		return;
	f = finding_of_service(r, "pod-excluded-no-ip-or-phase", NULL, NULL, v);
	finding_partial(f);
	finding_text(r, f,
		     "%zu of %zu pods that %s/%s selects can never be endpoints: %zu finished, %zu without an address",
		     finished + homeless, v->pods->v.len, v->o->meta.ns, v->o->meta.name, finished, homeless);
	finding_next(r, f, "kubectl -n %s get pods -o wide", v->o->meta.ns);
}

void check_host_network(struct run *r, struct svc *v)
{
	struct finding *f;
	size_t n = 0;

	for (size_t i = 0; i < v->pods->v.len; i++)
		n += v->pods->v.v[i]->host_network && !k8s_pod_terminal(v->pods->v.v[i]);
	if (!n)
		return;
	f = finding_of_service(r, "host-network-pod-service", NULL, NULL, v);
	finding_partial(f);
	finding_text(r, f, "%zu pod%s behind %s/%s use%s the node's own network: their endpoints are node addresses", n,
		     PLURAL(n), v->o->meta.ns, v->o->meta.name, n == 1 ? "s" : "");
}

/* ---- a service mesh ---- */

/*
 * The mesh's proxy in a pod, or NULL. One that is the pod's only container is a gateway: nothing is led to it by rules
 * in the pod.
 */
static const struct k8s_container *mesh_proxy(const struct k8s_pod *p)
{
	static const char *const names[] = { "istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane" };
	const struct k8s_container *proxy = NULL;
	bool program = false;

	for (size_t i = 0; i < p->ncontainers; i++) {
		const struct k8s_container *k = &p->containers[i];

		if (one_of(k->name, names, ARRAY_LEN(names)) && (!k->init || k->sidecar))
			proxy = k;
		else
			program |= !k->init;
	}
	return program ? proxy : NULL;
}

/* Istio goes by appProtocol, or by the port's name up to a dash; without both it guesses. */
static bool tells_protocol(const struct k8s_service_port *p)
{
	static const char *const known[] = { "http", "http2", "https", "grpc",	"grpc-web", "tcp",
					     "tls",  "mongo", "mysql", "redis", "udp" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const size_t n = strlen(known[i]);

		if (strncmp(p->name, known[i], n) == 0 && (p->name[n] == '\0' || p->name[n] == '-'))
			return true;
	}
	return p->app_protocol != NULL;
}

struct mesh_pods {
	size_t n;
	const struct k8s_pod *with, *without, *unready;
	const struct k8s_container *proxy;
};

static void count_mesh_pods(const struct svc *v, struct mesh_pods *m)
{
	for (size_t i = 0; i < v->pods->v.len; i++) {
		const struct k8s_pod *p = v->pods->v.v[i];
		const struct k8s_container *k;

		if (k8s_pod_terminal(p))
			continue;
		k = mesh_proxy(p);
		if (!k) {
			m->without = p;
			continue;
		}
		m->n++;
		if (k->has_status && !k->ready)
			m->unready = p;
		m->with = m->with ? m->with : p;
		m->proxy = m->proxy ? m->proxy : k;
	}
}

void check_sidecar(struct run *r, struct svc *v)
{
	struct mesh_pods m = { 0 };
	struct finding *f;

	count_mesh_pods(v, &m);
	if (!m.n)
		return;
	f = finding_of_service(r, "sidecar-proxy-intercept", NULL, NULL, v);
	f->rank = 41;
	finding_partial(f);
	finding_text(r, f, "the traffic of %zu of %zu pod%s behind %s/%s goes through the service mesh's proxy %s", m.n,
		     v->pods->live, PLURAL(v->pods->live), v->o->meta.ns, v->o->meta.name, m.proxy->name);
	if (m.unready)
		finding_evidence(r, f, "the proxy of Pod %s/%s is not ready", m.unready->meta.ns, m.unready->meta.name);
	if (m.without)
		finding_evidence(r, f, "Pod %s/%s has no proxy: it takes no part in the mesh's mutual TLS",
				 m.without->meta.ns, m.without->meta.name);
	for (size_t i = 0; str_is(m.proxy->name, "istio-proxy") && i < v->o->nports; i++)
		if (!tells_protocol(&v->o->ports[i]))
			finding_evidence(r, f, "port %u: neither its name nor appProtocol tells Istio the protocol",
					 v->o->ports[i].port);
	finding_next(r, f, "kubectl -n %s logs %s -c %s --tail=50", m.with->meta.ns, m.with->meta.name, m.proxy->name);
}

/* ---- variables ---- */

/* Docker-style links: NAME_PORT=tcp://... for every Service of the namespace (pkg/kubelet/envvars). */
void check_env_clash(struct run *r, struct svc *v)
{
	for (size_t i = 0; i < v->pods->v.len; i++) {
		const struct k8s_pod *p = v->pods->v.v[i];
		struct pod_view w;
		struct finding *f;

		if (p->enable_service_links == 0)
			continue;
		pod_view(r, p, &w);
		if (w.trouble != POD_CRASHING || !w.container->last_message ||
		    !strstr(w.container->last_message, "tcp://"))
			continue;
		f = finding_of_service(r, "service-links-env-clash", NULL, NULL, v);
		f->rank = 10;
		finding_text(
			r, f,
			"Pod %s/%s ends with a message about 'tcp://': a variable such as REDIS_PORT that "
			"Kubernetes sets for each Service is taken for a setting",
			p->meta.ns, p->meta.name);
		finding_evidence(r, f, "container %s: %.300s", w.container->name, w.container->last_message);
		finding_next(r, f, "kubectl -n %s logs %s --previous", p->meta.ns, p->meta.name);
		return;
	}
}

/* ---- probes that time out on one node only: the way from the node to its pods ---- */

static bool timed_out(const struct k8s_event *e)
{
	return e && e->message &&
	       (strstr(e->message, "i/o timeout") || strstr(e->message, "context deadline exceeded"));
}

struct probe_count {
	const char *node, *first_owner;
	size_t failing, ready;
	bool several_owners;
};

static struct probe_count *probe_node(struct run *r, struct map *m, const char *node)
{
	struct probe_count *n = map_gets(m, node);

	if (n)
		return n;
	n = arena_new(&r->scratch, struct probe_count);
	if (!n || map_puts(m, node, n) < 0) {
		r->err = -ENOMEM;
		return NULL;
	}
	n->node = node;
	return n;
}

static void count_probe(struct run *r, struct map *m, const struct k8s_pod *p)
{
	const char *owner = p->meta.nowners && p->meta.owners[0].name ? p->meta.owners[0].name : p->meta.name;
	struct probe_count *n;

	if (!p->node || p->host_network || k8s_pod_terminal(p))
		return;
	n = probe_node(r, m, p->node);
	if (!n)
		return;
	if (k8s_pod_ready(p)) {
		n->ready++;
	} else if (timed_out(run_event(r, "Pod", p->meta.ns, p->meta.name, "Unhealthy"))) {
		n->failing++;
		n->several_owners |= n->first_owner && strcmp(n->first_owner, owner) != 0;
		n->first_owner = owner;
	}
}

void check_probe_path(struct run *r)
{
	CLEANUP(map_release) struct map m = { 0 };
	size_t ready = 0;

	/* a pod that is ready may be one that was not read */
	if (!run_reaches_in(r, K8S_PODS, NULL))
		return;
	for (size_t i = 0; i < r->c->pods.len; i++)
		count_probe(r, &m, r->c->pods.v[i]);
	for (size_t i = 0; i < r->c->nodes.len; i++) {
		const struct probe_count *n = map_gets(&m, r->c->nodes.v[i]->meta.name);

		ready += n ? n->ready : 0;
	}
	for (size_t i = 0; i < r->c->nodes.len; i++) {
		const struct probe_count *n = map_gets(&m, r->c->nodes.v[i]->meta.name);
		struct finding *f;

		if (!n || n->failing < 3 || !n->several_owners || n->ready || !ready)
			continue;
		f = finding_new(r, "kubelet-probe-path-blocked", n->node, NULL, run_printf(r, "Node %s", n->node));
		finding_cluster(f);
		finding_text(
			r, f,
			"readiness probes of %zu pods of several applications time out on node %s, and "
			"none passes: the node may not reach its own pods",
			n->failing, n->node);
		finding_next(r, f, "kubectl get pods -A -o wide --field-selector spec.nodeName=%s", n->node);
	}
}
