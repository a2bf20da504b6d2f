/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mode that kube-proxy is configured for against the one that it runs in, and against that of other nodes. Until 1.25 it fell back to iptables
 * where it could not be IPVS (cmd/kube-proxy/app/server_others.go getProxyMode); since 1.26 it ends instead.
 */
#include "proxy-settings-private.h"

static struct finding *mode_finding(struct run *r, const char *id, const struct proxy_view *v)
{
	struct finding *f = finding_new(r, id, v->node, NULL, run_printf(r, "Node %s", v->node));

	f->rank = 5;
	finding_cluster(f);
	finding_partial(f);
	return f;
}

static const char *source_of(const struct proxy_view *v)
{
	return v->config->source ? v->config->source : "its configuration";
}

/* What tells the mode that it runs in. */
static const char *mode_told_by(const struct proxy_view *v)
{
	if (v->n && v->n->proxy.mode && *v->n->proxy.mode)
		return "its port /proxyMode";
	if ((v->log && v->log->summary.mode) || (v->n && v->n->proxy.log_mode))
		return "its log";
	return "the rules of the node";
}

/* ---- kube-proxy-unknown-mode ---- */

/* Which modes a release takes: cmd/kube-proxy/app and pkg/proxy/apis/config/validation of each. NULL: this one. */
static const char *why_not_taken(const char *mode, int minor)
{
	static const struct {
		const char *mode;
		int from, until; /* minors; 0: not bounded */
		const char *why;
	} modes[] = {
		{ "", 0, 0, NULL },
		{ "iptables", 0, 0, NULL },
		{ "ipvs", 0, 0, NULL },
		{ "kernelspace", 0, 0, NULL }, /* of Windows */
		{ "nftables", 29, 0, "1.29 is the first release that has it" },
		{ "userspace", 0, 25, "1.26 and later do not have it any more" },
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (strcmp(mode, modes[i].mode) != 0)
			continue;
		return minor >= 0 && ((modes[i].from && minor < modes[i].from) || (modes[i].until && minor > modes[i].until)) ? modes[i].why : NULL;
	}
	return "there is no such mode: iptables, ipvs and nftables are known, and nothing at all, which is iptables";
}

/* The value that the line names: Invalid value: "xyz", with or without escapes before the quotes. */
static const char *logged_mode(struct run *r, const struct log_hit *h)
{
	static const char before[] = "Invalid value: ";
	const char *at = h->text ? strstr(h->text, before) : NULL;
	size_t n = 0;

	if (!at)
		return NULL;
	at += sizeof(before) - 1;
	while (*at == '\\' || *at == '"')
		at++;
	while (n < 40 && at[n] && !strchr("\\\"", at[n]))
		n++;
	return n ? run_printf(r, " '%.*s'", (int)n, at) : NULL;
}

static void unknown_mode(struct run *r, const struct proxy_view *v)
{
	const struct snap_log *l;
	const struct log_hit *h = proxy_hit(r, v, "kube-proxy-unknown-mode", &l);
	const char *mode = v->config->known && v->config->mode ? v->config->mode : "";
	const char *logged = h ? logged_mode(r, h) : NULL;
	const char *why = why_not_taken(mode, proxy_version_is_sure(v) ? v->minor : -1);
	const bool ended = (h && log_hit_weight(h) == LOG_ERROR) || (v->pod && !pod_counts_ready(v->pod));
	struct finding *f;

	if (!why && !h)
		return;
	f = mode_finding(r, "kube-proxy-unknown-mode", v);
	finding_severity(f, ended ? SEVERITY_ERROR : SEVERITY_WARNING);
	if (why)
		finding_text(r, f, "kube-proxy on %s is set to the mode '%.40s', which it does not know: it %s", v->node, mode,
			     ended ? "does not start" : "will not start again");
	else
		finding_text(r, f, "kube-proxy on %s does not know the mode%s that it is set to: it does not start", v->node, logged ? logged : "");
	if (why)
		finding_evidence(r, f, "%s%s%s%s", v->version ? "it is of version " : "", v->version ? v->version : "", v->version ? "; " : "", why);
	if (why)
		finding_evidence(r, f, "the mode is told by %s", source_of(v));
	if (h)
		proxy_hit_evidence(r, f, v, l, h);
	proxy_config_commands(r, f, v);
}

void check_unknown_mode(struct run *r)
{
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++)
		if (proxy_concerns(r, &v[i]))
			unknown_mode(r, &v[i]);
}

/* ---- ipvs-silent-fallback, kube-proxy-mode-differs ---- */

static bool is_known_mode(const char *mode)
{
	return strcmp(mode, "iptables") == 0 || strcmp(mode, "ipvs") == 0 || strcmp(mode, "nftables") == 0 || strcmp(mode, "userspace") == 0;
}

static bool is_fallback(const struct proxy_view *v)
{
	return strcmp(v->asked, "ipvs") == 0 && strcmp(v->mode, "iptables") == 0 && (v->minor < 0 || v->minor < 26);
}

static void module_evidence(struct run *r, struct finding *f, const struct proxy_view *v)
{
	static const char *const modules[] = { "ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh" };
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; v->n && v->n->k.modules_known && i < ARRAY_LEN(modules); i++)
		if (!map_gets(&v->n->k.modules, modules[i]))
			strbuf_addf(&b, "%s%s", b.len ? ", " : "", modules[i]);
	if (b.len)
		finding_evidence(r, f, "not among the node's modules: %s (what is built into the kernel does not stand there)", strbuf_str(&b));
}

static void fallback(struct run *r, const struct proxy_view *v)
{
	const struct snap_log *l;
	const struct log_hit *h = proxy_hit(r, v, "ipvs-silent-fallback", &l);
	struct finding *f = mode_finding(r, "ipvs-silent-fallback", v);

	finding_text(r, f, "kube-proxy on %s was to run in IPVS mode, could not, and runs in iptables mode without a word", v->node);
	finding_evidence(r, f, "ipvs is configured (%s), and %s says iptables", source_of(v), mode_told_by(v));
	module_evidence(r, f, v);
	if (h)
		proxy_hit_evidence(r, f, v, l, h);
	finding_next(r, f, "lsmod");
	finding_fix(r, f, "sudo modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_sh nf_conntrack");
	proxy_commands(r, f, v->node);
}

static void differs(struct run *r, const struct proxy_view *v)
{
	const bool own = proxy_config_is_own(v);
	struct finding *f = mode_finding(r, "kube-proxy-mode-differs", v);

	finding_text(r, f, "kube-proxy on %s runs in %s mode, and %s is configured%s", v->node, v->mode, v->asked,
		     own ? "" : ": it was not started again since, or has another configuration");
	finding_evidence(r, f, "%s says %s; %s says %s%s", mode_told_by(v), v->mode, source_of(v), v->asked,
			 v->config->mode && *v->config->mode ? "" : ", because no mode is set");
	proxy_commands(r, f, v->node);
}

void check_proxy_mode(struct run *r)
{
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++) {
		if (!v[i].mode || !v[i].asked || strcmp(v[i].mode, v[i].asked) == 0 || !is_known_mode(v[i].asked) || !is_known_mode(v[i].mode) ||
		    !proxy_concerns(r, &v[i]))
			continue;
		if (is_fallback(&v[i]))
			fallback(r, &v[i]);
		else
			differs(r, &v[i]);
	}
}

/* ---- kube-proxy-modes-mixed ---- */

static bool is_told(const struct run *r, const char *node)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		const struct finding *f = r->d->findings.v[i];

		if (str_is(f->node, node) && (strcmp(f->check->id, "ipvs-silent-fallback") == 0 || strcmp(f->check->id, "kube-proxy-mode-differs") == 0))
			return true;
	}
	return false;
}

/* The group of which most are; NULL: none is. */
static const struct proxy_group *majority(const struct proxy_groups *g)
{
	const struct proxy_group *most = NULL;
	bool tie = false;

	for (size_t i = 0; i < g->v.len; i++) {
		tie = most && g->v.v[i].v.len == most->v.len ? true : !most || g->v.v[i].v.len > most->v.len ? false : tie;
		if (!most || g->v.v[i].v.len > most->v.len)
			most = &g->v.v[i];
	}
	return tie ? NULL : most;
}

static bool is_asked(const struct run *r, const struct proxy_group *g)
{
	for (size_t i = 0; i < g->v.len; i++)
		if (!r->o->node || strcmp(r->o->node, g->v.v[i]->node) == 0)
			return true;
	return false;
}

static void mixed(struct run *r, const struct proxy_groups *all, const struct proxy_group *most, const struct proxy_group *g)
{
	struct finding *f = proxy_group_finding(r, "kube-proxy-modes-mixed", g, g->key);

	if (most)
		finding_text(r, f, "kube-proxy runs in %s mode on %s, and in %s mode on %zu other node%s", g->key, proxy_group_nodes(r, g), most->key, most->v.len,
			     PLURAL(most->v.len));
	else
		finding_text(r, f, "kube-proxy runs in %s mode on %s, and in another one elsewhere", g->key, proxy_group_nodes(r, g));
	for (size_t i = 0; i < all->v.len; i++)
		if (&all->v.v[i] != g)
			finding_evidence(r, f, "%s: %s", all->v.v[i].key, proxy_group_nodes(r, &all->v.v[i]));
	finding_evidence(r, f, "the mode of %s is told by %s", g->v.v[0]->node, mode_told_by(g->v.v[0]));
	for (size_t i = 0; i < g->v.len && i < 3; i++)
		proxy_commands(r, f, g->v.v[i]->node);
}

void check_modes_mixed(struct run *r)
{
	CLEANUP(proxy_groups_release) struct proxy_groups groups = { 0 };
	const struct proxy_group *most;
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++)
		if (v[i].mode && is_known_mode(v[i].mode) && proxy_is_there(r, &v[i]) /* one node is compared with all the others */)
			proxy_groups_add(r, &groups, v[i].mode, &v[i]);
	if (groups.v.len < 2)
		return;
	most = majority(&groups);
	for (size_t i = most ? 0 : 1; i < groups.v.len && !r->err; i++) {
		const struct proxy_group *g = &groups.v.v[i];
		bool told = true;

		for (size_t k = 0; k < g->v.len; k++)
			told &= is_told(r, g->v.v[k]->node);
		if (g != most && !told && is_asked(r, g))
			mixed(r, &groups, most, g);
	}
}
