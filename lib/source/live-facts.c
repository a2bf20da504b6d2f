/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands beside the objects, asked of kubelets and pods through the API server: is kube-proxy well on the nodes concerned, what does
 * its log say of its mode, which nameserver does the kubelet give, are the DNS pods ready, and what do their logs say. Each is tried once and not waited for; where it
 * is refused or fails, that is recorded once, and nobody depends on it. Answers go to the readers of a bundle's files.
 */

#include <errno.h>

#include "bundle-private.h"
#include "live-private.h"
#include "log-private.h"
#include "proxy-private.h"

enum {
	DNS_PODS = 4, FIRST_NODES = 4, FACT_MS = 3000, SMALL_ANSWER = 256 << 10, DNS_LOG_LINES = 200, DNS_LOG_PREVIOUS = 50,
	/* of kube-proxy's log: the beginning, where its mode and flags stand, and the end */
	LOG_BYTES = 64 << 10, LOG_BYTES_NAMED = 16 << 10, LOG_LINES = 1000, LOG_LINES_NAMED = 100, LOG_LINES_PREVIOUS = 100, LOG_ANSWER = 1 << 20,
	METRICS_ANSWER = 4 << 20, METRICS_KB = 120, /* at most, and as a rule */
};

struct facts {
	struct snapshot *s;
	struct api *api;
	const struct live_plan *plan;
	size_t asked;
	struct {
		bool refused; /* it is not asked any more: by right, or since nobody delivers */
		bool told;    /* why it failed */
		bool failed, delivered;
	} of[3]; /* by enum source */
	struct server {
		bool away; /* turned off, or not to be reached from elsewhere */
		bool all;  /* it listens at every address, and that is known */
		bool failed, delivered;
		uint16_t port;
	} health, metrics; /* of kube-proxy, as the cluster configures it */
};

enum source { OF_PROXY, OF_LOG, OF_KUBELET };

struct fact {
	struct facts *facts;
	enum source source;
	const char *node, *file; /* a node's file of a bundle; NULL: */
	const struct k8s_pod *pod; /* a DNS pod's readiness, or (container) a pod's log */
	const char *container;
	enum log_program program;
	bool previous;
	bool is_page; /* of kube-proxy, @pod: */
	enum snap_proxy_port port;
	size_t head;  /* bytes that are asked for of the log's beginning; 0: its end is */
	size_t lines; /* of its end */
};

static int ask_tail(const struct fact *head);
static int ask_page(struct facts *x, const char *node, const struct k8s_pod *p, enum snap_proxy_port port);

/* ---- answers ---- */

static int use_file(struct fact *f, char *data, size_t size)
{
	struct bundle b = { .s = f->facts->s };
	struct member m = { .role = MEMBER_NODE, .path = strdup(f->file), .node = strdup(f->node), .file = node_file_find(f->file) };
	int r = -ENOMEM;

	if (m.path && m.node && m.file)
		r = bundle_use(&b, &m, data, size);
	else
		free(data);
	member_release(&m);
	return r;
}

static int take_failure(struct fact *f, const struct api_result *r)
{
	static const char *const rights[] = { [OF_PROXY] = "get pods/proxy in namespace kube-system",
					      [OF_LOG] = "get pods/log in namespace kube-system", [OF_KUBELET] = "get nodes/proxy" };
	const bool forbidden = r->outcome == API_FORBIDDEN;
	struct snap_missing m = { .kind = -1, .why = forbidden ? FORBIDDEN : UNREADABLE, .right = forbidden ? rights[f->source] : NULL };

	f->facts->of[f->source].refused |= forbidden;
	f->facts->of[f->source].failed = true;
	if (f->facts->of[f->source].told)
		return 0;
	f->facts->of[f->source].told = true;
	m.text = arena_strdup(&f->facts->s->arena, r->text);
	m.hint = arena_strdup(&f->facts->s->arena, r->hint);
	return array_push(&f->facts->s->missing, m);
}

/* How the port ended, as a node's own look writes it down. */
static int say_end(struct fact *f, enum snap_port_end end, int status)
{
	struct fact http = *f;
	struct strbuf line = STRBUF_INIT;

	http.file = "kube-proxy-http.txt";
	proxy_http_line(&line, f->port, end, status, NULL);
	return line.failed ? -ENOMEM : use_file(&http, line.s, line.len);
}

/*
 * kube-proxy answers 503 with JSON of its own when its rules are too old, or its node is going; the API server's own 503 is a Status. That nobody listens
 * is a fact where the port is open to all, and else may be as it was configured.
 */
static int take_page(struct fact *f, const struct api_result *r, char **data, size_t size)
{
	struct server *server = f->port == PROXY_HEALTHZ || f->port == PROXY_LIVEZ ? &f->facts->health : &f->facts->metrics;
	struct strbuf b = { .s = take_ptr(*data), .len = size, .cap = size + 1 };
	const bool ok = r->outcome == API_OK, is = (ok || r->status == 503) && b.s && proxy_is_answer(f->port, &b);
	int err;

	server->delivered |= is || ok;
	f->facts->of[OF_PROXY].delivered |= is || ok;
	if (is) {
		err = say_end(f, PORT_ANSWERED, ok ? 200 : 503);
		if (err == 0)
			err = use_file(f, take_ptr(b.s), b.len);
		if (err == 0 && !ok && f->port == PROXY_HEALTHZ)
			err = ask_page(f->facts, f->node, f->pod, PROXY_LIVEZ);
	} else if (ok) {
		err = say_end(f, PORT_STRANGE, 0);
	} else if (server->all && r->message && strstr(r->message, "connect: connection refused")) {
		err = say_end(f, PORT_REFUSED, 0);
	} else if (f->port == PROXY_HEALTHZ || r->outcome == API_FORBIDDEN) {
		err = take_failure(f, r);
	} else { /* nobody misses the other pages */
		server->failed |= f->port != PROXY_LIVEZ && r->outcome != API_NOT_FOUND;
		err = 0;
	}
	strbuf_release(&b);
	return err;
}

/* CoreDNS answers 503 with the names of the plugins that are not ready. */
static bool is_dns_answer(const struct api_result *r)
{
	return r->status == 503 && r->message && !strchr(r->message, ' ');
}

/* Nobody misses the log of a container that is gone. */
static int take_log(struct fact *f, const struct api_result *r, const char *data, size_t size)
{
	struct snapshot *s = f->facts->s;
	struct snap_log l = { .program = f->program, .ns = f->pod->meta.ns, .pod = f->pod->meta.name, .container = f->container,
			      .node = f->node, .previous = f->previous };

	f->facts->of[OF_LOG].delivered |= r->outcome == API_OK;
	if (r->outcome != API_OK)
		return f->previous && r->outcome != API_FORBIDDEN ? 0 : take_failure(f, r);
	if (f->node && !snapshot_node(s, f->node, true))
		return -ENOMEM;
	if (!data)
		return 0;
	if (f->program == LOG_COREDNS || f->previous)
		return log_use(s, &l, f->lines, data, size);
	if (!f->head)
		return log_use_tail(s, &l, f->lines, data, size);
	/* all of it, or its beginning */
	return size < f->head ? log_use(s, &l, 0, data, size) : log_use_head(s, &l, data, size) < 0 ? -ENOMEM : ask_tail(f);
}

static int on_fact(void *arg, const struct api_result *r, char *data, size_t size)
{
	struct fact *f = arg;
	int result;

	if (f->is_page) {
		result = take_page(f, r, &data, size);
	} else if (f->container) {
		result = take_log(f, r, data, size);
	} else if (f->pod) {
		const char *body = data ? data : r->message ? r->message : "";

		result = r->outcome == API_OK || is_dns_answer(r) ?
				 probe_add(f->facts->s, "ready", f->pod->meta.ns, f->pod->meta.name, (int)r->status, body, strlen(body)) :
				 take_failure(f, r);
	} else if (r->outcome == API_OK && data) {
		f->facts->of[f->source].delivered = true;
		return use_file(f, data, size);
	} else {
		result = take_failure(f, r);
	}
	free(data);
	return result;
}

/* ---- questions ---- */

static int ask(struct facts *x, struct fact f, const struct api_what *what, const char *path, size_t max)
{
	struct fact *own = arena_new(&x->s->arena, struct fact);

	if (!own)
		return -ENOMEM;
	*own = f;
	own->facts = x;
	x->asked++;
	return api_get(x->api, &(struct api_get){ .what = *what, .path = path, .body_max = f.program == LOG_KUBE_PROXY ? LOG_ANSWER : max,
						  .may_cut = f.source == OF_LOG, .once = true, .failed_body = f.is_page,
						  .timeout_ms = FACT_MS, .done = on_fact, .arg = own, .accept = "*/*" });
}

/* Of the cluster's DNS little is asked, and in a small cluster always. */
static bool has_room(const struct facts *x, enum source source, bool dns, unsigned kilobytes)
{
	return !x->of[source].refused && ((dns && x->plan->widened) || live_room(x->plan, (unsigned)x->asked + 1, kilobytes));
}

static int ask_pod(struct facts *x, struct fact f, const struct k8s_pod *p, const char *port, const char *below)
{
	const struct api_what what = { "get", "", f.source == OF_LOG ? "pods/log" : "pods/proxy", p->meta.ns, p->meta.name };
	CLEANUP(strbuf_release) struct strbuf name = STRBUF_INIT, path = STRBUF_INIT;

	if (!has_room(x, f.source, f.pod && !f.is_page && f.program == LOG_COREDNS, f.is_page && f.port == PROXY_METRICS ? METRICS_KB : 24))
		return 0;
	strbuf_addf(&name, "%s%s", p->meta.name, port);
	strbuf_adds(&path, "/api/v1/namespaces");
	api_path_add(&path, p->meta.ns);
	strbuf_adds(&path, "/pods");
	api_path_add(&path, strbuf_str(&name));
	strbuf_adds(&path, below);
	return path.failed || name.failed ? -ENOMEM : ask(x, f, &what, strbuf_str(&path), f.is_page && f.port == PROXY_METRICS ? METRICS_ANSWER : SMALL_ANSWER);
}

static int ask_kubelet(struct facts *x, const char *node)
{
	const struct api_what what = { "get", "", "nodes/proxy", NULL, node };
	CLEANUP(strbuf_release) struct strbuf path = STRBUF_INIT;

	if (!has_room(x, OF_KUBELET, false, 24))
		return 0;
	strbuf_adds(&path, "/api/v1/nodes");
	api_path_add(&path, node);
	strbuf_adds(&path, "/proxy/configz");
	return path.failed ? -ENOMEM : ask(x, (struct fact){ .source = OF_KUBELET, .node = node, .file = "kubelet-config.json" }, &what,
					   strbuf_str(&path), SMALL_ANSWER);
}

static const struct k8s_pod *proxy_of(const struct facts *x, const char *node)
{
	for (size_t i = 0; i < x->s->cluster.pods.len; i++) {
		const struct k8s_pod *p = x->s->cluster.pods.v[i];

		if (str_is(p->node, node) && strcmp(p->meta.ns, "kube-system") == 0 &&
		    str_is(k8s_label_get(&p->meta.labels, "k8s-app"), "kube-proxy") && strcmp(p->phase, "Running") == 0)
			return p;
	}
	return NULL;
}

/* A part of a log: its beginning (@f.head bytes), or its end (@f.lines). */
static int ask_log_part(struct facts *x, struct fact f)
{
	CLEANUP(strbuf_release) struct strbuf below = STRBUF_INIT;
	char number[24];

	(void)snprintf(number, sizeof(number), "%zu", f.head ? f.head : f.lines);
	strbuf_adds(&below, "/log");
	api_query_add(&below, "container", f.container);
	if (f.previous)
		api_query_add(&below, "previous", "true");
	api_query_add(&below, f.head ? "limitBytes" : "tailLines", number); /* limitBytes keeps the beginning */
	f.source = OF_LOG;
	return below.failed ? -ENOMEM : ask_pod(x, f, f.pod, "", strbuf_str(&below));
}

static int ask_tail(const struct fact *head)
{
	struct fact f = *head;

	f.head = 0;
	f.lines = live_scope(f.facts->plan) == LIVE_NAMED ? LOG_LINES_NAMED : LOG_LINES;
	return ask_log_part(f.facts, f);
}

static const struct k8s_container *proxy_container(const struct k8s_pod *p)
{
	const struct k8s_container *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->ncontainers; i++) {
		if (p->containers[i].init)
			continue;
		if (strcmp(p->containers[i].name, "kube-proxy") == 0)
			return &p->containers[i];
		found = &p->containers[i];
		n++;
	}
	return n == 1 ? found : NULL;
}

/* Its mode and flags stand at its beginning, what it does now at its end; and, where it was started again, why it ended. */
static int ask_proxy_log(struct facts *x, const char *node, const struct k8s_pod *p)
{
	const bool named = live_scope(x->plan) == LIVE_NAMED;
	const struct k8s_container *c = proxy_container(p);
	struct fact f = { .node = node, .pod = p, .program = LOG_KUBE_PROXY, .head = named ? LOG_BYTES_NAMED : LOG_BYTES };
	int r;

	if (!c)
		return 0;
	f.container = c->name;
	r = ask_log_part(x, f);
	if (r < 0 || c->restarts == 0)
		return r;
	f.head = 0;
	f.previous = true;
	f.lines = LOG_LINES_PREVIOUS;
	return ask_log_part(x, f);
}

static int ask_page(struct facts *x, const char *node, const struct k8s_pod *p, enum snap_proxy_port port)
{
	static const struct {
		const char *file, *path;
	} pages[] = {
		[PROXY_HEALTHZ] = { "kube-proxy-healthz.json", "/proxy/healthz" }, [PROXY_LIVEZ] = { "kube-proxy-livez.json", "/proxy/livez" },
		[PROXY_MODE] = { "kube-proxy-mode.txt", "/proxy/proxyMode" }, [PROXY_CONFIGZ] = { "kube-proxy-configz.json", "/proxy/configz" },
		[PROXY_METRICS] = { "kube-proxy-metrics.txt", "/proxy/metrics" },
	};
	const struct server *server = port == PROXY_HEALTHZ || port == PROXY_LIVEZ ? &x->health : &x->metrics;
	char at[16];

	if (server->away)
		return 0;
	(void)snprintf(at, sizeof(at), ":%u", server->port);
	return ask_pod(x, (struct fact){ .source = OF_PROXY, .node = node, .file = pages[port].file, .pod = p, .is_page = true, .port = port }, p, at,
		       pages[port].path);
}

/* A server that listens on loopback alone is not to be reached through the API server. */
static struct server server_of(const struct kube_proxy_config *c, const char *bind, uint16_t def, bool open)
{
	struct server s = { .away = !open, .all = c->known && open, .port = def };
	struct ip_addr addr;

	if (!c->known || !bind || !*bind || !proxy_parse_bind(bind, def, &addr, &s.port))
		return s;
	s.away = s.port == 0 || (addr.family && ip_addr_is_loopback(&addr));
	s.all = !s.away && !addr.family;
	return s;
}

static int ask_node(struct facts *x, const char *node)
{
	const struct k8s_pod *proxy = x->plan->want->axes[2] ? proxy_of(x, node) : NULL;
	int r = 0;

	if (proxy)
		r = ask_page(x, node, proxy, PROXY_HEALTHZ);
	for (unsigned i = PROXY_MODE; r == 0 && proxy && i < PROXY_PORTS; i++)
		r = ask_page(x, node, proxy, (enum snap_proxy_port)i);
	/* the address that it gives is held against all Services */
	if (r == 0 && x->plan->want->axes[0] && live_has_all(x->plan, K8S_SERVICES, NULL))
		r = ask_kubelet(x, node);
	return r == 0 && proxy ? ask_proxy_log(x, node, proxy) : r;
}

static int ask_log(struct facts *x, const struct k8s_pod *p, const struct k8s_container *c, bool previous)
{
	return ask_log_part(x, (struct fact){ .pod = p, .container = c->name, .program = LOG_COREDNS, .previous = previous,
					      .lines = previous ? DNS_LOG_PREVIOUS : DNS_LOG_LINES });
}

static int ask_logs(struct facts *x, const struct k8s_pod *p)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < p->ncontainers; i++)
		n += !p->containers[i].init;
	for (size_t i = 0; r == 0 && i < p->ncontainers; i++) {
		const struct k8s_container *c = &p->containers[i];

		if (c->init || (n > 1 && !dns_log_is("", c->name)))
			continue;
		r = ask_log(x, p, c, false);
		if (r == 0 && c->restarts > 0)
			r = ask_log(x, p, c, true);
	}
	return r;
}

/* A pod that does not come up has said why; it is not asked whether it is ready. */
static bool is_dns_pod(const struct k8s_pod *p)
{
	return strcmp(p->meta.ns, "kube-system") == 0 && str_is(k8s_label_get(&p->meta.labels, "k8s-app"), "kube-dns") &&
	       strcmp(p->phase, "Pending") != 0;
}

/* Lists overlap, and what they have is not put together yet. */
static bool is_seen(const struct k8s_pod *const *seen, size_t n, const struct k8s_pod *p)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(seen[i]->meta.name, p->meta.name) == 0)
			return true;
	return false;
}

static int ask_dns(struct facts *x)
{
	const struct k8s_pod *seen[DNS_PODS];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && x->plan->want->axes[0] && n < DNS_PODS && i < x->s->cluster.pods.len; i++) {
		const struct k8s_pod *p = x->s->cluster.pods.v[i];

		if (!is_dns_pod(p) || is_seen(seen, n, p))
			continue;
		seen[n++] = p;
		if (strcmp(p->phase, "Running") == 0)
			r = ask_pod(x, (struct fact){ .source = OF_PROXY, .pod = p }, p, ":8181", "/proxy/ready");
		if (r == 0)
			r = ask_logs(x, p);
		/* what the first one does not give, by right, is not asked of the others */
		if (r == 0 && n == 1)
			r = api_run(x->api);
	}
	return r;
}

/* What failed so far, and was not delivered by anybody. */
static bool is_in_doubt(const struct facts *x)
{
	for (size_t i = 0; i < ARRAY_LEN(x->of); i++)
		if (x->of[i].failed && !x->of[i].delivered && !x->of[i].refused)
			return true;
	return x->metrics.failed && !x->metrics.delivered && !x->metrics.away;
}

static void give_up(struct facts *x)
{
	for (size_t i = 0; i < ARRAY_LEN(x->of); i++)
		x->of[i].refused |= x->of[i].failed && !x->of[i].delivered;
	x->metrics.away |= x->metrics.failed && !x->metrics.delivered;
}

/*
 * What the first node does not give by right is not asked of the others. What it does not deliver may be this node's own trouble: a few more are
 * asked, and if none of them delivers either, nobody can be reached from here.
 */
static int ask_nodes(struct facts *x, const struct name_list *nodes)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < nodes->v.len; i++) {
		r = ask_node(x, nodes->v.v[i]);
		if (r < 0 || !(i == 0 || ((i + 1 == FIRST_NODES || i + 1 == nodes->v.len) && is_in_doubt(x))))
			continue;
		r = api_run(x->api);
		if (i + 1 >= FIRST_NODES || i + 1 == nodes->v.len)
			give_up(x);
	}
	return r;
}

int live_facts(struct snapshot *s, struct api *a, struct live_plan *p)
{
	const struct kube_proxy_config *c = &s->configmap_config;
	struct facts x = { .s = s, .api = a, .plan = p, .health = server_of(c, c->healthz_bind_address, PROXY_HEALTHZ_PORT, true),
			   .metrics = server_of(c, c->metrics_bind_address, PROXY_METRICS_PORT, false) };
	struct name_list nodes = { 0 };
	int r;

	live_nodes(p, &nodes);
	r = ask_nodes(&x, &nodes);
	if (r == 0)
		r = ask_dns(&x);
	array_free(&nodes.v);
	return r == 0 && x.asked > 0 ? api_run(a) : r;
}
