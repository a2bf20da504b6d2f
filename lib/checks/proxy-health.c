/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kube-proxy's own ports, its pod and its process tell: that syncs are late, fail or are slow, that a port does not answer, that it ends again and
 * again. Each of them is what is left to say where the log gives no reason.
 */
#include <math.h>

#include "proxy-sync-private.h"

#define CRASH_STARTS 4	  /* starts in one log that are too many */
#define CRASH_YOUNG_S 300 /* and the process that is there is young */
#define SLOW_SYNC_S 5.0
#define SLOW_PROGRAMMING_S 30.0
#define FEW_SYNCS 10
#define LONG_MIN_SYNC_MS 10000

static int64_t time_of(double t)
{
	return isnan(t) || t < 1 || t > 1e11 ? 0 : (int64_t)t;
}

static const struct snap_port *port_of(const struct proxy_view *v, enum snap_proxy_port p)
{
	return v->n ? &v->n->proxy.ports[p] : NULL;
}

static bool answered(const struct proxy_view *v, enum snap_proxy_port p, int status)
{
	const struct snap_port *port = port_of(v, p);

	return port && port->end == PORT_ANSWERED && port->status == status;
}

static void restart_commands(struct run *r, struct finding *f, const struct proxy_view *v)
{
	if (v->pod) {
		finding_next(r, f, "kubectl -n %s logs %s", v->pod->meta.ns, v->pod->meta.name);
		finding_fix(r, f, "kubectl -n %s delete pod %s", v->pod->meta.ns, v->pod->meta.name);
	} else {
		finding_next(r, f, "journalctl -u kube-proxy");
		finding_fix(r, f, "sudo systemctl restart kube-proxy");
	}
}

/* ---- its health port ---- */

/*
 * A node that is being drained answers 503 on purpose (KEP-3836: being deleted, or tainted by the autoscaler), however well it syncs; /livez does
 * not ask for that.
 */
static bool is_leaving(const struct k8s_node *n)
{
	for (size_t i = 0; n && i < n->ntaints; i++)
		if (str_is(n->taints[i].key, "ToBeDeletedByClusterAutoscaler"))
			return true;
	return n && n->meta.deleted;
}

static bool is_drained(const struct proxy_view *v)
{
	const struct snap_proxy *p = &v->n->proxy;

	if (p->eligible != 0 && (p->eligible > 0 || !is_leaving(v->object)))
		return false;
	if (p->family_healthy[0] == 0 || p->family_healthy[1] == 0)
		return false;
	return !answered(v, PROXY_LIVEZ, 503);
}

static bool is_stale(const struct proxy_view *v)
{
	if (!v->n || is_drained(v) || answered(v, PROXY_LIVEZ, 200))
		return false;
	return (v->n->proxy.healthz_known && !v->n->proxy.healthy) || answered(v, PROXY_HEALTHZ, 503) || answered(v, PROXY_LIVEZ, 503);
}

static void family_evidence(struct run *r, struct finding *f, const struct snap_proxy *p)
{
	static const char *const names[] = { "IPv4", "IPv6" };

	for (size_t i = 0; i < 2; i++)
		if (p->family_updated[i])
			finding_evidence(r, f, "%s: last finished sync at %s%s", names[i], p->family_updated[i], p->family_healthy[i] == 0 ? ", not healthy" : "");
	if (!p->family_updated[0] && !p->family_updated[1] && p->healthz_last_updated)
		finding_evidence(r, f, "its last finished sync was at %s", p->healthz_last_updated);
}

static void stale_health(struct run *r, struct proxy_node *p)
{
	const struct snap_proxy *x = p->v->n ? &p->v->n->proxy : NULL;
	struct finding *f;

	if (!is_stale(p->v))
		return;
	f = proxy_cause(r, p, "kube-proxy-healthz-stale", NULL, NULL, proxy_synced(r, p->v));
	f->rank = 5;
	proxy_lasts(r, p, f, proxy_synced(r, p->v));
	if (x->healthz_known && x->healthz_last_updated && !str_starts(x->healthz_last_updated, "0001-"))
		f->since = x->healthz_last_updated;
	if (!f->services.len && !strstr(f->text, " for "))
		finding_text(r, f, "kube-proxy on %s says that it is not healthy: its rules are not up to date", p->v->node);
	else
		finding_evidence(r, f, "its health port says that it is not healthy");
	family_evidence(r, f, x);
	restart_commands(r, f, p->v);
}

/* ---- what its metrics count ---- */

static double worse_of(double a, double b)
{
	return isnan(a) || b > a ? b : a;
}

static void metrics_evidence(struct run *r, struct finding *f, const struct snap_metrics *m, int64_t now)
{
	for (size_t i = 0; i < (m->by_family ? 2u : 1u); i++) {
		const int64_t queued = time_of(m->family[i].queued), synced = time_of(m->family[i].synced);
		const char *name = !m->by_family ? "" : i ? "IPv6: " : "IPv4: ";

		if (queued > synced && now > queued)
			finding_evidence(r, f, "%sa change came in %s ago, and the last finished sync was %s%s", name, proxy_ago(r, now - queued),
					 synced ? proxy_ago(r, now - synced) : "never", synced ? " ago" : "");
	}
	if (worse_of(m->family[0].restore_failures, m->family[1].restore_failures) > 0)
		finding_evidence(r, f, "iptables-restore failed %.0f times", worse_of(m->family[0].restore_failures, m->family[1].restore_failures));
	if (worse_of(m->family[0].nft_failures, m->family[1].nft_failures) > 0)
		finding_evidence(r, f, "%.0f transactions of nft failed", worse_of(m->family[0].nft_failures, m->family[1].nft_failures));
}

/* pkg/proxy/healthcheck: what waits for more than two sync periods is late. */
static int64_t late_after(const struct proxy_view *v)
{
	int64_t min = 0;

	if (!v->config->known || !v->config->min_sync_period || parse_duration(v->config->min_sync_period, &min) < 0)
		min = 0;
	return MAX((int64_t)60, 2 * proxy_sync_period(v)) + min / 1000;
}

static bool waits_long(const struct proxy_view *v, int64_t now)
{
	const struct snap_metrics *m = v->n ? &v->n->proxy.metrics : NULL;

	for (size_t i = 0; m && m->known && now > 0 && i < 2; i++) {
		const int64_t queued = time_of(m->family[i].queued), synced = time_of(m->family[i].synced);

		if (queued > synced && now - queued > late_after(v))
			return true;
	}
	return false;
}

static void late_metrics(struct run *r, struct proxy_node *p)
{
	const int64_t now = proxy_now(r, p->v);
	const struct snap_metrics *m = p->v->n ? &p->v->n->proxy.metrics : NULL;
	const char *check = "kube-proxy-not-syncing", *why = NULL;
	struct finding *f;

	if (!waits_long(p->v, now))
		return;
	if (worse_of(m->family[0].restore_failures, m->family[1].restore_failures) > 0) {
		check = "iptables-restore-failing";
		why = "cannot write its rules, iptables-restore fails";
	}
	if (proxy_found(p, check) || proxy_is_explained(p, check) || (!why && proxy_found(p, "kube-proxy-healthz-stale")))
		return;
	f = proxy_cause(r, p, check, NULL, why, proxy_synced(r, p->v));
	f->rank = 4;
	proxy_lasts(r, p, f, proxy_synced(r, p->v));
	metrics_evidence(r, f, m, now);
	restart_commands(r, f, p->v);
}

/* No answer at all since it was started, and errors in their place: no log is needed to tell that. */
static void api_metrics(struct run *r, struct proxy_node *p)
{
	const struct snap_metrics *m = p->v->n ? &p->v->n->proxy.metrics : NULL;
	const double ok = m && m->known && !isnan(m->api_ok) ? m->api_ok : 0;
	struct finding *f;

	if (!m || !m->known || ok > 0 || proxy_is_explained(p, "kube-proxy-not-syncing"))
		return;
	if (!(m->api_failed > 0) && !(m->api_refused > 0))
		return;
	f = proxy_cause(r, p, "kube-proxy-apiserver-unreachable", NULL,
			m->api_failed > 0 ? "cannot reach the API server" : "cannot read the API server, which refuses it (401 or 403)", 0);
	finding_evidence(r, f, "since it was started no request to the API server was answered, %.0f were refused, and %.0f failed",
			 isnan(m->api_refused) ? 0 : m->api_refused, isnan(m->api_failed) ? 0 : m->api_failed);
	restart_commands(r, f, p->v);
}

/* ---- ports ---- */

static bool runs(const struct proxy_view *v)
{
	return v->pod ? pod_counts_ready(v->pod) : v->n && v->n->proxy.processes_known && v->n->proxy.processes.len;
}

static bool port_is_off(const struct proxy_view *v)
{
	const char *a = v->config->known ? v->config->healthz_bind_address : NULL;

	return a && (!*a || str_ends(a, ":0"));
}

static void silent_ports(struct run *r, struct proxy_node *p)
{
	static const enum snap_proxy_port ports[] = { PROXY_HEALTHZ, PROXY_METRICS };

	if (!runs(p->v) || proxy_is_explained(p, "kube-proxy-port-silent"))
		return;
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		const struct snap_port *port = port_of(p->v, ports[i]);
		const bool health = ports[i] == PROXY_HEALTHZ, refused = port && port->end == PORT_REFUSED;
		struct finding *f;

		/* the metrics are at 127.0.0.1 as a rule, and refuse whoever asks from elsewhere */
		if (!port || (port->end != PORT_SILENT && !(refused && health && !port_is_off(p->v))))
			continue;
		f = finding_new(r, "kube-proxy-port-silent", p->v->node, snap_proxy_port_name(ports[i]), run_printf(r, "Node %s", p->v->node));
		f->rank = 6;
		finding_cluster(f);
		finding_text(r, f, "kube-proxy runs on %s, and its %s port %s", p->v->node, health ? "health" : "metrics",
			     refused ? "refuses connections" : "does not answer");
		if (port->error)
			finding_evidence(r, f, "%s: %.200s", snap_proxy_port_name(ports[i]), port->error);
		finding_next(r, f, health ? "curl -sv http://127.0.0.1:10256/healthz" : "curl -sv http://127.0.0.1:10249/metrics");
		restart_commands(r, f, p->v);
		run_push(r, &p->findings, f);
	}
}

/* Events of the node, as kube-proxy writes them: cmd/kube-proxy/app/server.go */
static void bind_events(struct run *r, struct proxy_node *p)
{
	static const char *const reasons[] = { "FailedToStartProxierHealthcheck", "FailedToStartMetricServer" };

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		const struct k8s_event *e = run_event(r, "Node", "", p->v->node, reasons[i]);
		const struct snap_port *port = port_of(p->v, i ? PROXY_METRICS : PROXY_HEALTHZ);
		struct finding *f;

		if (!e || (port && port->end == PORT_ANSWERED) || proxy_found(p, "kube-proxy-healthz-bind-failure"))
			continue;
		f = proxy_cause(r, p, "kube-proxy-healthz-bind-failure", "runs",
				i ? "could not open its metrics port" : "could not open its health port", 0);
		finding_event(r, f, e);
		finding_next(r, f, "sudo ss -tlnp");
	}
}

/* ---- it ends again and again ---- */

static bool pod_crashes(const struct run *r, const struct proxy_view *v, struct pod_view *ret)
{
	if (!v->pod)
		return false;
	pod_view(r, v->pod, ret);
	return ret->trouble == POD_CRASHING;
}

static bool process_crashes(const struct proxy_view *v)
{
	const struct snap_proxy *p = v->n ? &v->n->proxy : NULL;

	if (v->pod || !p || !v->log || v->log->summary.starts < CRASH_STARTS)
		return false;
	for (size_t i = 0; i < p->processes.len; i++)
		if (p->processes.v[i].seconds < 0 || p->processes.v[i].seconds > CRASH_YOUNG_S)
			return false;
	return p->processes_known;
}

/* What it wrote last, whoever knows it. */
static void last_words(struct run *r, struct finding *f, const struct proxy_view *v)
{
	const struct snap_log *l = v->previous ? v->previous : v->log;
	const struct log_summary *s = l ? &l->summary : NULL;

	for (size_t i = 0; s && i < s->unknown.len; i++)
		if (s->unknown.v[i].text && s->unknown.v[i].last_line >= s->started_line)
			finding_evidence(r, f, "its log: %.300s", s->unknown.v[i].text);
}

static void crash_loop(struct run *r, struct proxy_node *p)
{
	struct pod_view w = { 0 };
	const bool pod = pod_crashes(r, p->v, &w);
	struct finding *f;

	if ((!pod && !process_crashes(p->v)) || proxy_is_explained(p, "kube-proxy-crashloop"))
		return;
	f = proxy_cause(r, p, "kube-proxy-crashloop", pod ? "ends again and again, and its log tells no reason that is known" : "is started again and again", NULL, 0);
	f->rank = 3;
	if (pod) {
		f->severity = MAX(f->severity, f->check->severity);
		finding_evidence(r, f, "Pod %s/%s: %s", p->v->pod->meta.ns, p->v->pod->meta.name, pod_line(r, &w));
		if (w.container && w.container->last_reason)
			finding_evidence(r, f, "container %s ended with %s, exit code %lld", w.container->name, w.container->last_reason,
					 (long long)w.container->last_exit_code);
		pod_commands(r, f, p->v->pod, &w);
	} else {
		finding_evidence(r, f, "its log has %zu starts", p->v->log->summary.starts);
		finding_next(r, f, "journalctl -u kube-proxy");
	}
	last_words(r, f, p->v);
}

/* Programs that have it inside are not found by its name: k3s. */
static bool is_inside_another(const struct proxy_view *v)
{
	return v->object && v->object->kubelet_version && strstr(v->object->kubelet_version, "+k3s");
}

/* On other nodes it is a pod, here there is none; and nothing tells of it but what it wrote. */
static bool lacks_pod(const struct run *r, const struct proxy_view *v)
{
	return v->object && run_complete(r, K8S_PODS) && r->proxy_pods.len > 0 && !v->n->proxy.has_log && !v->n->proxy.processes_known;
}

/* Where it is no pod: its rules are there, or its log, and no process. */
static void no_process(struct run *r, struct proxy_node *p)
{
	const struct snap_node *n = p->v->n;
	struct finding *f;
	bool pod;

	if (!n || p->v->pod || n->proxy.processes.len || proxy_found(p, "kube-proxy-not-running") || is_inside_another(p->v))
		return;
	pod = lacks_pod(r, p->v);
	if (!pod && !n->proxy.processes_known)
		return;
	if (!n->proxy.has_log && !verify_has_proxy_rules(n) && !verify_has_proxy_table(n, false) && !n->rules.servers.len)
		return;
	for (int i = 0; i < PROXY_PORTS; i++)
		if (n->proxy.ports[i].end == PORT_ANSWERED)
			return;
	f = proxy_cause(r, p, "kube-proxy-not-running", pod ? "does not run: it has no pod there, as it has on other nodes" : "does not run: there is no such process",
			NULL, 0);
	f->rank = 4;
	finding_evidence(r, f, "%s", n->proxy.has_log ? "its log is there" : "its rules are there");
	if (pod) {
		finding_next(r, f, "kubectl -n kube-system describe daemonset kube-proxy");
		return;
	}
	finding_next(r, f, "systemctl status kube-proxy");
	finding_fix(r, f, "sudo systemctl start kube-proxy");
}

void proxy_port_findings(struct run *r, struct proxy_node *p)
{
	api_metrics(r, p);
	crash_loop(r, p);
	no_process(r, p);
	stale_health(r, p);
	late_metrics(r, p);
	bind_events(r, p);
	silent_ports(r, p);
}

/* ---- all nodes: how long it takes ---- */

struct slow {
	const char *node;
	double seconds;
	size_t nodes, told; /* that are slow, and that tell it */
};

static void take_slow(struct slow *s, const char *node, double seconds, double limit)
{
	if (isnan(seconds))
		return;
	s->told++;
	if (!(seconds >= limit))
		return;
	s->nodes++;
	if (!s->node || seconds > s->seconds) {
		s->node = node;
		s->seconds = seconds;
	}
}

static double quantile_of(const struct snap_histogram *h)
{
	return h->count >= FEW_SYNCS ? snap_quantile(h, 0.9) : NAN;
}

static void latency_finding(struct run *r, const struct slow *sync, const struct slow *programming)
{
	struct finding *f;

	if (!sync->nodes && !programming->nodes)
		return;
	f = finding_new(r, "large-cluster-latency", NULL, NULL, "Cluster");
	f->rank = 12;
	finding_cluster(f);
	if (sync->nodes)
		finding_text(r, f, "writing rules takes kube-proxy more than %.0f seconds on %zu of %zu nodes: changes of endpoints get there late", SLOW_SYNC_S,
			     sync->nodes, sync->told);
	else
		finding_text(r, f, "on %zu of %zu nodes one change of endpoints in ten takes more than %.0f seconds to get into the rules", programming->nodes,
			     programming->told, SLOW_PROGRAMMING_S);
	if (sync->nodes)
		finding_evidence(r, f, "the slowest is node %s: nine of ten syncs take up to %.1f seconds", sync->node, sync->seconds);
	if (programming->nodes)
		finding_evidence(r, f, "on node %s nine of ten changes are in the rules after %.1f seconds at most", programming->node, programming->seconds);
	finding_evidence(r, f, "the cluster has %zu Services", r->c->services.len);
	finding_next(r, f, "kubectl -n kube-system get configmap kube-proxy -o yaml");
}

/* A long minimum between two syncs is what it is set to: told once for all nodes, as a warning where it shows. */
static void min_sync_finding(struct run *r, const struct proxy_view *v, size_t n, const struct slow *programming)
{
	const struct proxy_view *longest = NULL;
	int64_t ms = 0, one;
	size_t nodes = 0;
	struct finding *f;

	for (size_t i = 0; i < n; i++) {
		if (!v[i].config->known || !v[i].config->min_sync_period || parse_duration(v[i].config->min_sync_period, &one) < 0 || one < LONG_MIN_SYNC_MS)
			continue;
		nodes++;
		if (!longest || one > ms) {
			longest = &v[i];
			ms = one;
		}
	}
	if (!longest)
		return;
	f = finding_new(r, "min-sync-period-staleness", NULL, NULL, "Cluster");
	f->rank = 13;
	finding_cluster(f);
	finding_severity(f, programming->nodes ? SEVERITY_WARNING : SEVERITY_INFO);
	finding_text(r, f, "minSyncPeriod is %.20s: rules may lag behind the API by that long after each change", longest->config->min_sync_period);
	finding_evidence(r, f, "set for %zu of %zu nodes%s%s", nodes, n, longest->config->source ? ", by " : "", longest->config->source ? longest->config->source : "");
	if (programming->nodes)
		finding_evidence(r, f, "on node %s nine of ten changes are in the rules after %.1f seconds at most", programming->node, programming->seconds);
	finding_next(r, f, "kubectl -n kube-system get configmap kube-proxy -o yaml");
}

void proxy_latency_findings(struct run *r)
{
	struct slow sync = { 0 }, programming = { 0 };
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n; i++) {
		const struct snap_metrics *m = v[i].n ? &v[i].n->proxy.metrics : NULL;

		if (!m || !m->known || (r->o->node && strcmp(r->o->node, v[i].node) != 0))
			continue;
		take_slow(&sync, v[i].node, worse_of(quantile_of(&m->family[0].sync), quantile_of(&m->family[1].sync)), SLOW_SYNC_S);
		take_slow(&programming, v[i].node, quantile_of(&m->programming), SLOW_PROGRAMMING_S);
	}
	latency_finding(r, &sync, &programming);
	min_sync_finding(r, v, n, &programming);
}
