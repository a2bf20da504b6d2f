/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the log of a kube-proxy says that counts now, as findings: each check that a line speaks for is one finding of the node. One table has the
 * sentence for each; a check that is not in it gets what the table of lines says that the line means.
 */
#include <ctype.h>
#include <math.h>

#include "proxy-sync-private.h"

/* ---- words from the texts of errors ---- */

/* How errors of Go's net, crypto/x509 and client-go are spelled, and in short. The first that is found counts. */
static const struct {
	const char *text, *words;
} api_words[] = {
	{ "certificate has expired", "x509: certificate has expired" },
	{ "is not yet valid", "x509: certificate is not yet valid" },
	{ "unknown authority", "x509: certificate signed by unknown authority" },
	{ "cannot validate certificate", "x509: its certificate is for other addresses" },
	{ "certificate is valid for", "x509: its certificate is for other names" },
	{ "certificate is not valid for", "x509: its certificate is for other names" },
	{ "bad certificate", "the server refuses the certificate" },
	{ "tls: expired certificate", "the server refuses the certificate, which has expired" },
	{ "Unauthorized", "Unauthorized" },
	{ "provide credentials", "Unauthorized" },
	{ "connection refused", "connection refused" },
	{ "no route to host", "no route to host" },
	{ "network is unreachable", "network is unreachable" },
	{ "no such host", "no such host" },
	{ "server misbehaving", "its name is not resolved" },
	{ "operation not permitted", "operation not permitted: this node's own rules forbid it" },
	{ "TLS handshake timeout", "time-out of the TLS handshake" },
	{ "i/o timeout", "time-out" },
	{ "Client.Timeout", "time-out" },
	{ "deadline exceeded", "time-out" },
	{ "connection timed out", "time-out" },
	{ "connection reset", "connection reset" },
	{ "server gave HTTP response", "the server answers without TLS" },
	{ "currently unable to handle", "the server cannot handle the request" },
	{ "Service Unavailable", "the server cannot handle the request" },
};

/* The first place of @what in what is known of the error. */
static const char *find_text(const struct log_hit *h, const char *what)
{
	const char *at = h->detail ? strcasestr(h->detail, what) : NULL;

	return at ? at : h->text ? strcasestr(h->text, what) : NULL;
}

static const char *reason_words(const struct log_hit *h)
{
	for (size_t i = 0; i < ARRAY_LEN(api_words); i++)
		if (find_text(h, api_words[i].text))
			return api_words[i].words;
	return h->reason ? h->reason->meaning : NULL;
}

static bool of_address(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("-._:[]", c));
}

/* "https://10.0.0.1:6443" of a request's URL, else "10.0.0.1:6443" of a "dial tcp"; NULL: the line names none. */
static const char *server_of(struct run *r, const struct log_hit *h)
{
	static const char *const before[] = { "https://", "http://", "dial tcp " };
	const size_t schemes = 2;

	for (size_t i = 0; i < ARRAY_LEN(before); i++) {
		const char *at = find_text(h, before[i]), *from;
		size_t n = 0;

		if (!at)
			continue;
		from = at + strlen(before[i]);
		while (n < 120 && of_address(from[n]))
			n++;
		while (n && (from[n - 1] == ':' || from[n - 1] == '.'))
			n--;
		if (n)
			return i < schemes ? run_printf(r, "%s%.*s", before[i], (int)n, from) : run_printf(r, "%.*s", (int)n, from);
	}
	return NULL;
}

/* What stands between quotes behind @before: resource "endpointslices", whatever the quotes are escaped by. */
static const char *quoted(struct run *r, const struct log_hit *h, const char *before)
{
	const char *at = find_text(h, before);
	size_t n = 0;

	if (!at)
		return NULL;
	at += strlen(before);
	while (*at == '\\' || *at == '"')
		at++;
	while (n < 100 && (isalnum((unsigned char)at[n]) || at[n] == '-' || at[n] == '.'))
		n++;
	return n ? run_printf(r, "%.*s", (int)n, at) : NULL;
}

/* ---- what each check says ---- */

static const char *api_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	const char *at = server_of(r, h), *words = reason_words(h);

	(void)p;
	if (!words && !at)
		return "has not heard from the API server of all that it needs";
	return run_printf(r, "cannot reach the API server%s%s%s%s%s", at ? " at " : "", at ? at : "", words ? " (" : "", words ? words : "", words ? ")" : "");
}

static const char *rbac_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	const char *resource = quoted(r, h, "resource "), *group = resource ? quoted(r, h, "API group ") : NULL;

	(void)p;
	if (!resource)
		resource = h->name && !strchr(h->name, ' ') ? run_printf(r, "%.100s", h->name) : "what it needs of the API";
	return run_printf(r, "may not read %s%s%s (forbidden)", resource, group ? "." : "", group ? group : "");
}

/* What the program that it ran had to say, without the lines that are only about it. */
static const char *stderr_words(struct run *r, const struct log_hit *h)
{
	const char *text = h->detail ? h->detail : h->text;
	const char *at = text ? strstr(text, "): ") : NULL;

	if (h->reason && h->reason->meaning)
		return h->reason->meaning;
	if (!text)
		return "its log does not tell why";
	if (at && str_starts(text, "exit status"))
		text = at + 3;
	return run_printf(r, "%.160s", text);
}

static const char *restore_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	(void)p;
	return run_printf(r, "cannot write its rules, iptables-restore fails: %s", stderr_words(r, h));
}

/* NULL: the line does not name it. */
static const char *missing_extension(struct run *r, const struct proxy_view *v, const struct log_hit *h)
{
	const char *missing = v->n ? v->n->proxy.missing_extension : NULL;

	return missing ? missing : quoted(r, h, "Extension ");
}

static const char *modules_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	const char *missing = missing_extension(r, p->v, h);

	if (missing)
		return run_printf(r, "cannot write its rules, the kernel does not have xt_%.60s", missing);
	if (h->reason && str_is(h->reason->id, "extension-missing") && h->name)
		return run_printf(r, "cannot write its rules, the kernel or its iptables lacks the extension %.60s", h->name);
	return restore_why(r, p, h);
}

static const char *lock_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	const char *holder = p->v->n ? p->v->n->proxy.lock_holder : NULL;

	(void)h;
	return holder ? run_printf(r, "does not get the lock of iptables, which %.120s holds", holder) : "does not get the lock of iptables, which another program holds";
}

static const char *nft_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	(void)p;
	return run_printf(r, "cannot write its rules, nft refuses them: %s", stderr_words(r, h));
}

static const char *sysctl_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	const char *at = find_text(h, "/proc/sys/");
	size_t n = at ? strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_/-.") : 0;

	(void)p;
	return n ? run_printf(r, "may not write %.*s", (int)MIN(n, (size_t)100), at) : "may not set the limits of conntrack";
}

static const char *meaning_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	const struct log_kind *k = h->reason && h->reason->meaning ? h->reason : h->kind;

	(void)p;
	return run_printf(r, "says: %s", k->meaning ? k->meaning : h->text ? h->text : "an error");
}

/* Where nobody knows the reason, the error is what there is to say. */
static const char *end_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	return h->reason || !h->detail || !*h->detail ? meaning_why(r, p, h) : run_printf(r, "ended with an error: %.160s", h->detail);
}

static const char *port_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	(void)p;
	return run_printf(r, "could not open a port of its own: %s", h->reason && h->reason->meaning ? h->reason->meaning : stderr_words(r, h));
}

static const char *conntrack_why(struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	(void)r;
	(void)p;
	(void)h;
	return "does not find the program conntrack: UDP clients may go on sending to endpoints that are gone";
}

enum row_state { OF_SYNC, OF_START, OF_LITTLE /* it syncs, and something beside that fails */ };
static const struct reason {
	const char *check;
	enum row_state state;
	const char *(*why)(struct run *r, const struct proxy_node *p, const struct log_hit *h);
} reasons[] = {
	{ "kube-proxy-apiserver-unreachable", OF_SYNC, api_why },
	{ "kube-proxy-rbac", OF_SYNC, rbac_why },
	{ "xt-modules-missing", OF_SYNC, modules_why },
	{ "kube-mark-drop-missing", OF_SYNC, restore_why },
	{ "xtables-lock-contention", OF_SYNC, lock_why },
	{ "iptables-restore-failing", OF_SYNC, restore_why },
	{ "nft-userdata-incompat", OF_SYNC, nft_why },
	{ "kube-proxy-not-syncing", OF_SYNC, meaning_why },
	{ "kube-proxy-crashloop-conntrack-sysctl", OF_START, sysctl_why },
	{ "kube-proxy-crashloop-ipvs-modules", OF_START, meaning_why },
	{ "kube-proxy-nft-binary-or-version", OF_START, meaning_why },
	{ "kube-proxy-crashloop", OF_START, end_why },
	{ "kube-proxy-healthz-bind-failure", OF_LITTLE, port_why },
	{ "conntrack-binary-missing", OF_LITTLE, conntrack_why },
};

static const struct reason *reason_of(const char *check)
{
	for (size_t i = 0; check && i < ARRAY_LEN(reasons); i++)
		if (strcmp(reasons[i].check, check) == 0)
			return &reasons[i];
	return NULL;
}

/* ---- commands and more evidence ---- */

static void counter_evidence(struct run *r, struct finding *f, const struct snap_metrics *m)
{
	if (!m->known || !(m->api_failed > 0 || m->api_refused > 0))
		return;
	finding_evidence(r, f, "of its requests to the API server %.0f were answered, %.0f refused, and %.0f failed", isnan(m->api_ok) ? 0 : m->api_ok,
			 isnan(m->api_refused) ? 0 : m->api_refused, isnan(m->api_failed) ? 0 : m->api_failed);
}

/* A health port that is green all the same: it only waits for what was heard of. */
static void green_evidence(struct run *r, struct finding *f, const struct proxy_view *v)
{
	if (v->n && v->n->proxy.healthz_known && v->n->proxy.healthy)
		finding_evidence(r, f, "its health port says that it is healthy: it knows of no change that waits, because none gets to it");
}

static void api_more(struct run *r, struct finding *f, const struct proxy_view *v)
{
	if (v->n)
		counter_evidence(r, f, &v->n->proxy.metrics);
	green_evidence(r, f, v);
	finding_next(r, f, "kubectl -n kube-system get configmap kube-proxy -o yaml");
}

static void rbac_more(struct run *r, struct finding *f, const struct proxy_view *v)
{
	green_evidence(r, f, v);
	finding_next(r, f, "kubectl auth can-i list endpointslices.discovery.k8s.io --as=system:serviceaccount:kube-system:kube-proxy");
	finding_next(r, f, "kubectl get clusterrolebindings -o wide");
	finding_fix(r, f, "kubectl create clusterrolebinding kube-proxy-reads --clusterrole=system:node-proxier --serviceaccount=kube-system:kube-proxy");
}

static const char *const restart_checks[] = { "iptables-restore-failing", "nft-userdata-incompat", "xt-modules-missing", NULL };

/* The setting that keeps it from starting is one of its ConfigMap, where it is configured by one. */
static void configmap_fix(struct run *r, struct finding *f, const struct proxy_view *v)
{
	if (v->pod)
		finding_fix(r, f, "kubectl -n kube-system edit configmap kube-proxy");
}

static void start_more(struct run *r, struct finding *f, const struct proxy_view *v)
{
	const char *id = f->check->id;

	if (str_is(id, "kube-proxy-crashloop-ipvs-modules"))
		finding_fix(r, f, "sudo modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_sh nf_conntrack");
	else if (str_is(id, "kube-proxy-crashloop-conntrack-sysctl") || str_is(id, "kube-proxy-nft-binary-or-version"))
		configmap_fix(r, f, v);
}

static void modules_fix(struct run *r, struct finding *f, const struct proxy_view *v, const struct log_hit *h)
{
	const char *missing = missing_extension(r, v, h);

	if (missing)
		finding_fix(r, f, "sudo modprobe xt_%t", missing);
}

static void more_of(struct run *r, struct finding *f, const struct proxy_view *v, const struct log_hit *h)
{
	const char *id = f->check->id;

	start_more(r, f, v);
	if (str_is(id, "xt-modules-missing"))
		modules_fix(r, f, v, h);

	if (str_is(id, "kube-proxy-apiserver-unreachable"))
		api_more(r, f, v);
	else if (str_is(id, "kube-proxy-rbac"))
		rbac_more(r, f, v);
	else if (str_is(id, "xtables-lock-contention"))
		finding_next(r, f, "sudo lslocks --output COMMAND,PID,PATH");
	else if (str_is(id, "nft-userdata-incompat"))
		finding_next(r, f, "nft --version");
	else if (str_is(id, "kube-proxy-healthz-bind-failure"))
		finding_next(r, f, "sudo ss -tlnp");
	else if (str_one_of(id, strlen(id), restart_checks) && v->n)
		finding_next(r, f, "svcdoctor verify -A --node %s", v->node);
}

/* ---- findings ---- */

/* Since when it is so: no sync since the last one; no change since the API server was out of reach, however often old rules were written anew. */
static int64_t since_when(const struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	const int64_t first = proxy_seconds(h->since, proxy_now(r, p->v)), synced = proxy_synced(r, p->v);

	if (h->kind->topic == TOPIC_SYNC && synced > 0)
		return synced;
	return h->kind->topic == TOPIC_API && first > 0 ? MAX(first, proxy_last_change(p->v, h)) : MAX(first, (int64_t)0);
}

/* Without Services or endpoints nothing is synced; without Nodes and ServiceCIDRs it goes on with less. */
static bool is_beside(const struct log_hit *h)
{
	if (!str_is(log_hit_check(h), "kube-proxy-rbac"))
		return false;
	return find_text(h, "servicecidrs") || find_text(h, "resource \"nodes") || find_text(h, "resource \\\"nodes");
}

/* Of what it may not read, that which it needs most. */
static const struct log_hit *most_needed(const struct run *r, const struct proxy_node *p, const struct snap_log *l, const struct log_hit *worst)
{
	for (size_t i = 0; is_beside(worst) && i < l->summary.hits.len; i++) {
		const struct log_hit *h = &l->summary.hits.v[i];

		if (str_is(log_hit_check(h), log_hit_check(worst)) && !is_beside(h) && proxy_hit_counts(r, p->v, l, h))
			return h;
	}
	return worst;
}

static const char *state_of(const struct proxy_node *p, const struct reason *row, const struct log_hit *h)
{
	const bool start = row ? row->state == OF_START : h->kind->topic == TOPIC_START;

	return start && !(p->v->pod && pod_counts_ready(p->v->pod)) ? "does not start" : NULL;
}

const char *proxy_why(struct run *r, const struct proxy_view *v, const struct log_hit *h)
{
	const struct proxy_node p = { .v = v };
	const struct reason *row = reason_of(log_hit_check(h));

	return row ? row->why(r, &p, h) : meaning_why(r, &p, h);
}

static void hit_finding(struct run *r, struct proxy_node *p, const struct snap_log *l, const struct log_hit *h, const char *check)
{
	const struct reason *row = reason_of(check);
	const char *why = row ? row->why(r, p, h) : meaning_why(r, p, h);
	const int64_t since = (row && row->state == OF_LITTLE) || is_beside(h) ? 0 : since_when(r, p, h);
	const char *state = state_of(p, row, h);
	struct finding *f = proxy_cause(r, p, check, state, why, since);

	if (log_hit_weight(h) == LOG_ERROR && state && p->v->pod)
		f->severity = MAX(f->severity, f->check->severity); /* its pod does not run, and says why */
	else if (log_hit_weight(h) == LOG_ERROR && row && row->state == OF_SYNC)
		proxy_lasts(r, p, f, since);
	proxy_hit_evidence(r, f, p->v, l, h);
	more_of(r, f, p->v, h);
	/* where it could not read the API, or write, a new one cannot either, and has forgotten what it knew */
	if (str_is(check, "kube-proxy-not-syncing") && p->v->pod)
		finding_fix(r, f, "kubectl -n %s delete pod %s", p->v->pod->meta.ns, p->v->pod->meta.name);
}

/* Another function has told of it already: the line makes it certain. */
static bool told_before(struct run *r, struct proxy_node *p, const struct snap_log *l, const struct log_hit *h, const char *check)
{
	struct finding *f = proxy_found(p, check);

	if (f && !((struct finding_full *)f)->own_rules) {
		proxy_adopt(r, p, f);
		proxy_hit_evidence(r, f, p->v, l, h);
	}
	return f != NULL;
}

static bool of_nodes(const char *check)
{
	const struct check *c = check ? check_find(check) : NULL;

	return c && c->scope == SCOPE_NODE && c->axis == AXIS_RULES && c->severity > SEVERITY_INFO;
}

/*
 * Which check a line makes: that of its reason, of its kind, or of syncs that fail for a reason that nobody knows. NULL: none. A warning only where
 * the table has it: others look at more than the log before they believe it.
 */
static const char *check_of(const struct log_hit *h)
{
	const char *check = log_hit_check(h);

	if (log_hit_weight(h) < LOG_ERROR && !reason_of(check))
		return NULL;
	if (of_nodes(check))
		return check;
	if (log_hit_weight(h) < LOG_ERROR)
		return NULL;
	if (of_nodes(h->kind->check))
		return h->kind->check;
	return h->kind->topic == TOPIC_SYNC && !check ? "kube-proxy-not-syncing" : NULL;
}

static bool is_reason(const char *check)
{
	return strcmp(check, "kube-proxy-not-syncing") != 0;
}

/* That it waits is what every start says: it counts when it waits for long, or when nothing was written. */
static bool waits_only(const struct run *r, const struct proxy_node *p, const struct log_hit *h)
{
	const int64_t now = proxy_now(r, p->v), first = proxy_seconds(h->since, now);

	if (log_hit_weight(h) > LOG_WARNING || h->kind->topic != TOPIC_API)
		return false;
	if (proxy_found(p, "kube-proxy-wrote-nothing") || proxy_found(p, "rules-torn"))
		return false;
	return first < 0 || now <= 0 || now - first < 60;
}

/* Those with a reason first: they explain the others. */
static void log_pass(struct run *r, struct proxy_node *p, const struct snap_log *l, bool reasons_only)
{
	for (size_t i = 0; l && i < l->summary.hits.len; i++) {
		const struct log_hit *h = &l->summary.hits.v[i], *worst;
		const struct snap_log *log;
		const char *check = proxy_hit_counts(r, p->v, l, h) ? check_of(h) : NULL;

		if (!check || is_reason(check) != reasons_only || waits_only(r, p, h))
			continue;
		worst = proxy_hit(r, p->v, check, &log);
		if (!worst) {
			worst = h;
			log = l;
		}
		worst = most_needed(r, p, log, worst);
		if (!told_before(r, p, log, worst, check) && !proxy_is_explained(p, check))
			hit_finding(r, p, log, worst, check);
	}
}

/* Errors that nobody knows are shown as they are. */
static void unknown_finding(struct run *r, struct proxy_node *p)
{
	const struct log_summary *s = p->v->log ? &p->v->log->summary : NULL;
	struct finding *f = NULL;

	for (size_t i = 0; s && i < s->unknown.len; i++) {
		const struct log_unknown *u = &s->unknown.v[i];

		if (u->last_line < s->started_line)
			continue;
		if (!f) {
			f = finding_new(r, "kube-proxy-log-errors", p->v->node, NULL, run_printf(r, "Node %s", p->v->node));
			finding_cluster(f);
			f->rank = 30;
			finding_text(r, f, "kube-proxy on %s logs errors that are not known here", p->v->node);
		}
		finding_evidence(r, f, "%s%s%s%.300s", u->count > 1 ? run_printf(r, "%zu times, ", u->count) : "", u->last ? u->last : "", u->last ? ": " : "",
				 u->text ? u->text : "");
	}
	if (f && p->v->pod)
		finding_next(r, f, "kubectl -n %s logs %s", p->v->pod->meta.ns, p->v->pod->meta.name);
	else if (f)
		finding_next(r, f, "journalctl -u kube-proxy");
}

void proxy_reason_findings(struct run *r, struct proxy_node *p)
{
	const struct snap_log *logs[] = { p->v->log, p->v->previous };

	for (size_t i = 0; i < ARRAY_LEN(logs); i++)
		log_pass(r, p, logs[i], true);
	for (size_t i = 0; i < ARRAY_LEN(logs); i++)
		log_pass(r, p, logs[i], false);
	unknown_finding(r, p);
}
