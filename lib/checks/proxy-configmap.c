/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the ConfigMap kube-system/kube-proxy says, against what a kube-proxy has: settings that it does not know, because they are written in a way that
 * only strict decoding refuses (cmd/kube-proxy/app/options.go decodes leniently where strict decoding fails, since 1.17), and settings that were
 * changed since it was started.
 */
#include <ctype.h>

#include "proxy-settings-private.h"

#define FOUND_MAX 8

static const struct k8s_configmap *config_map(const struct run *r)
{
	for (size_t i = 0; i < r->c->configmaps.len; i++) {
		const struct k8s_configmap *c = r->c->configmaps.v[i];

		if (strcmp(c->meta.ns, "kube-system") == 0 && strcmp(c->meta.name, "kube-proxy") == 0)
			return c;
	}
	return NULL;
}

/* ---- keys of the text ---- */

/* Those of which a wrong place or spelling changes what becomes of Services; `where` is the section, NULL: the top. */
static const struct key {
	const char *name, *where;
} keys[] = {
	{ "mode", NULL }, { "clusterCIDR", NULL }, { "detectLocalMode", NULL }, { "nodePortAddresses", NULL }, { "hostnameOverride", NULL },
	{ "healthzBindAddress", NULL }, { "metricsBindAddress", NULL }, { "bindAddress", NULL }, { "strictARP", "ipvs" }, { "scheduler", "ipvs" },
	{ "excludeCIDRs", "ipvs" }, { "localhostNodePorts", "iptables" }, { "maxPerCore", "conntrack" }, { "tcpBeLiberal", "conntrack" },
	{ "bridgeInterface", "detectLocal" }, { "interfaceNamePrefix", "detectLocal" },
};

struct line {
	const char *key, *value;
	size_t indent, key_len, value_len;
};

static bool split(const char *s, size_t len, struct line *ret)
{
	const char *colon;

	*ret = (struct line){ 0 };
	while (ret->indent < len && s[ret->indent] == ' ')
		ret->indent++;
	s += ret->indent;
	len -= ret->indent;
	colon = len && *s != '#' && *s != '-' ? memchr(s, ':', len) : NULL;
	if (!colon)
		return false;
	ret->key = s;
	ret->key_len = (size_t)(colon - s);
	ret->value = colon + 1;
	ret->value_len = len - ret->key_len - 1;
	while (ret->value_len && strchr(" \"'\t", *ret->value)) {
		ret->value++;
		ret->value_len--;
	}
	while (ret->value_len && strchr(" \"'\r\t", ret->value[ret->value_len - 1]))
		ret->value_len--;
	return ret->key_len > 0 && ret->key_len < 64;
}

static bool is_empty(const struct line *l)
{
	return l->value_len == 0 || (l->value_len == 4 && memcmp(l->value, "null", 4) == 0);
}

static bool is_key(const struct line *l, const char *name, bool exactly)
{
	const size_t n = strlen(name);

	return l->key_len == n && (exactly ? memcmp(l->key, name, n) == 0 : strncasecmp(l->key, name, n) == 0);
}

struct misplaced {
	ARRAY_OF(const char *) v; /* in words */
	bool mode;		  /* the mode is one of them */
};

static void misplaced_release(struct misplaced *m)
{
	array_free(&m->v);
}

/* A key in a place where it is none, or in letters that are none. @section: "" at the top. */
static void look_at(struct run *r, const struct line *l, const char *section, struct misplaced *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(keys) && ret->v.len < FOUND_MAX; i++) {
		const char *where = keys[i].where ? keys[i].where : "";
		const bool exactly = is_key(l, keys[i].name, true);

		if (is_empty(l) || !is_key(l, keys[i].name, false) || (exactly && strcmp(where, section) == 0))
			continue;
		/* of a section that has such a key as well, or of no section of this kind */
		if (exactly && !*section && !*where)
			continue;
		run_push(r, &ret->v, exactly ? run_printf(r, "%s: %.*s stands %s%s%s, and belongs %s%s", keys[i].name, (int)MIN(l->value_len, (size_t)60), l->value,
							  *section ? "in the section '" : "at the top", section, *section ? "'" : "",
							  *where ? "into the section " : "to the top, without spaces before it", where)
					     : run_printf(r, "%.*s is no setting: %s is", (int)l->key_len, l->key, keys[i].name));
		ret->mode |= strcmp(keys[i].name, "mode") == 0;
	}
}

/* Line by line, as people write it. Keys below a section's own keys are looked at as if they were of the section: none of them is one of ours. */
static void look_through(struct run *r, const char *s, struct misplaced *ret)
{
	char section[64] = "";

	while (*s) {
		const size_t len = strcspn(s, "\n");
		struct line l;

		if (split(s, len, &l)) {
			if (l.indent == 0)
				snprintf(section, sizeof(section), "%.*s", is_empty(&l) ? (int)l.key_len : 0, l.key);
			look_at(r, &l, l.indent ? section : "", ret);
		}
		s += len + (s[len] == '\n');
	}
}

/* ---- what a node has against what is written ---- */

struct pair {
	const char *key, *wanted, *has;
};

static bool same_period(const char *a, const char *b)
{
	int64_t x, y;

	if (!a || !b || parse_duration(a, &x) < 0 || parse_duration(b, &y) < 0)
		return true;
	return x == 0 || x == y; /* 0s is what kube-proxy makes of it */
}

static void add_text(struct pair *v, size_t *n, const char *key, const char *wanted, const char *has)
{
	if (wanted && *wanted && has && strcmp(wanted, has) != 0)
		v[(*n)++] = (struct pair){ key, wanted, has };
}

static void add_truth(struct pair *v, size_t *n, const char *key, int wanted, int has)
{
	if (wanted >= 0 && has >= 0 && wanted != has)
		v[(*n)++] = (struct pair){ key, wanted ? "true" : "false", has ? "true" : "false" };
}

static const char *cidrs(struct run *r, const struct kube_proxy_config *c)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < c->ncluster_cidrs; i++) {
		char buf[IP_PREFIX_STRLEN];

		strbuf_addf(&b, "%s%s", i ? "," : "", ip_prefix_format(&c->cluster_cidrs[i], buf));
	}
	return run_printf(r, "%s", strbuf_str(&b));
}

static const char *addresses(struct run *r, const struct kube_proxy_config *c)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < c->nnode_port_addresses; i++)
		strbuf_addf(&b, "%s%.60s", i ? "," : "", c->node_port_addresses[i]);
	return run_printf(r, "%s", strbuf_str(&b));
}

#define PAIRS_MAX 12

/* What is not set in the ConfigMap is what kube-proxy takes for it, whatever that is. */
static size_t compare(struct run *r, const struct kube_proxy_config *w, const struct kube_proxy_config *h, struct pair v[static PAIRS_MAX])
{
	size_t n = 0;

	add_text(v, &n, "mode", w->mode, h->mode && *h->mode ? h->mode : "iptables");
	add_text(v, &n, "clusterCIDR", cidrs(r, w), cidrs(r, h));
	add_text(v, &n, "detectLocalMode", w->detect_local_mode, h->detect_local_mode && *h->detect_local_mode ? h->detect_local_mode : "ClusterCIDR");
	add_text(v, &n, "nodePortAddresses", addresses(r, w), addresses(r, h));
	add_truth(v, &n, "masqueradeAll", w->masquerade_all, h->masquerade_all);
	add_truth(v, &n, "strictARP", w->strict_arp, h->strict_arp);
	if (!w->mode || !*w->mode || !h->mode || strcmp(w->mode, h->mode) == 0) {
		if (!same_period(w->sync_period, h->sync_period))
			v[n++] = (struct pair){ "syncPeriod", w->sync_period, h->sync_period };
		if (!same_period(w->min_sync_period, h->min_sync_period))
			v[n++] = (struct pair){ "minSyncPeriod", w->min_sync_period, h->min_sync_period };
	}
	return n;
}

/* When the container of kube-proxy was started; NULL: not known. */
static const char *started(const struct k8s_pod *p)
{
	for (size_t i = 0; p && i < p->ncontainers; i++)
		if (!p->containers[i].init && str_is(p->containers[i].state, "running"))
			return p->containers[i].state_since;
	return NULL;
}

static bool changed_since(const struct k8s_configmap *c, const struct proxy_view *v)
{
	const char *start = started(v->pod), *change = c->meta.last_change;

	return start && change && strcmp(time_later(start, change), change) == 0 && strcmp(start, change) != 0;
}

static const char *pairs_text(struct run *r, const struct pair *p, size_t n)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&b, "%s%s", i ? ", " : "", p[i].key);
	return run_printf(r, "%s", strbuf_str(&b));
}

static void differs(struct run *r, const struct k8s_configmap *c, const struct proxy_group *g)
{
	const struct proxy_view *v = g->v.v[0];
	struct pair p[PAIRS_MAX];
	const size_t n = compare(r, &r->s->configmap_config, &v->n->proxy.config, p);
	const bool since = changed_since(c, v);
	struct finding *f = proxy_group_finding(r, "kube-proxy-config-lenient-decoding", g, g->key);

	finding_text(r, f, "kube-proxy on %s does not have what its ConfigMap says: %s%s", proxy_group_nodes(r, g), g->key,
		     since ? "; it was not started again since the ConfigMap changed" : "");
	for (size_t i = 0; i < n; i++)
		finding_evidence(r, f, "%s: the ConfigMap says %.100s, %s has %.100s", p[i].key, p[i].wanted, v->node, *p[i].has ? p[i].has : "none");
	if (since)
		finding_changed(f, &c->meta);
	finding_next(r, f, "kubectl -n kube-system get configmap kube-proxy -o yaml");
	finding_fix(r, f, "kubectl -n kube-system rollout restart daemonset kube-proxy");
}

static void check_nodes_of(struct run *r, const struct k8s_configmap *c)
{
	CLEANUP(proxy_groups_release) struct proxy_groups groups = { 0 };
	struct pair p[PAIRS_MAX];
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err && r->s->configmap_config.known; i++) {
		/* only pods of the DaemonSet in kube-system have that ConfigMap */
		if (!v[i].pod || strcmp(v[i].pod->meta.ns, "kube-system") != 0 || !v[i].n || !v[i].n->proxy.config.known || !proxy_concerns(r, &v[i]))
			continue;
		const size_t found = compare(r, &r->s->configmap_config, &v[i].n->proxy.config, p);

		if (found)
			proxy_groups_add(r, &groups, pairs_text(r, p, found), &v[i]);
	}
	for (size_t i = 0; i < groups.v.len && !r->err; i++)
		differs(r, c, &groups.v.v[i]);
}

/* ---- kube-proxy-config-lenient-decoding ---- */

static void misplaced(struct run *r, const struct k8s_configmap *c)
{
	CLEANUP(misplaced_release) struct misplaced m = { 0 };
	const char *text = k8s_configmap_get(c, "config.conf");
	struct finding *f;

	if (text)
		look_through(r, text, &m);
	if (!m.v.len || r->err)
		return;
	f = finding_new(r, "kube-proxy-config-lenient-decoding", NULL, "ConfigMap", "ConfigMap kube-system/kube-proxy");
	f->rank = 5;
	finding_cluster(f);
	finding_partial(f);
	finding_text(r, f, "kube-proxy does not see %s its ConfigMap: %s", m.mode ? "the mode that is written in" : m.v.len == 1 ? "a setting of" : "settings of", m.v.v[0]);
	for (size_t i = 0; i < m.v.len; i++)
		finding_evidence(r, f, "%s", m.v.v[i]);
	finding_evidence(r, f, "kube-proxy only says in its log that strict decoding failed, and goes on without them");
	finding_changed(f, &c->meta);
	finding_next(r, f, "kubectl -n kube-system get configmap kube-proxy -o yaml");
	finding_fix(r, f, "kubectl -n kube-system edit configmap kube-proxy");
	finding_fix(r, f, "kubectl -n kube-system rollout restart daemonset kube-proxy");
}

static bool is_told(const struct run *r)
{
	for (size_t i = 0; i < r->d->findings.len; i++)
		if (strcmp(r->d->findings.v[i]->check->id, "kube-proxy-config-lenient-decoding") == 0)
			return true;
	return false;
}

/* What a log says of it, where nothing else tells which setting it is. */
static void by_log(struct run *r)
{
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++) {
		const struct snap_log *l;
		const struct log_hit *h = proxy_concerns(r, &v[i]) ? proxy_hit(r, &v[i], "kube-proxy-config-lenient-decoding", &l) : NULL;
		struct finding *f;

		if (!h)
			continue;
		f = finding_new(r, "kube-proxy-config-lenient-decoding", v[i].node, NULL, run_printf(r, "Node %s", v[i].node));
		f->rank = 6;
		finding_cluster(f);
		finding_partial(f);
		finding_text(r, f, "kube-proxy on %s goes on without a part of its configuration that it does not know", v[i].node);
		proxy_hit_evidence(r, f, &v[i], l, h);
		proxy_config_commands(r, f, &v[i]);
	}
}

void check_proxy_config_map(struct run *r)
{
	const struct k8s_configmap *c = config_map(r);

	if (c) {
		misplaced(r, c);
		check_nodes_of(r, c);
	}
	if (!is_told(r))
		by_log(r);
}
