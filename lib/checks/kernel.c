/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node's kernel: settings, counters and tables that Services hang on, whatever the rules say. A value that may do harm is a warning; an
 * error is what a counter, or the lack of every address, shows to do harm.
 */
#include <ctype.h>
#include <netinet/in.h>

#include "kernel-private.h"

#define NAMES_SHOWN 4
#define RT_TABLE_MAIN 254u

/* ---- what is known of a node ---- */

bool kernel_asked(const struct run *r, const struct snap_node *n)
{
	return !r->o->node || str_is(r->o->node, n->name);
}

bool kernel_release(const struct snap_node *n, struct kernel_release *ret)
{
	const char *at = n->kernel;
	uint64_t number;

	*ret = (struct kernel_release){ 0 };
	for (size_t i = 0; at && i < 3; i++) {
		const size_t len = strspn(at, "0123456789");

		if (!len || parse_uint(at, len, 100000, &number) < 0)
			return i == 2; /* "6.1-rc3" */
		ret->v[i] = (unsigned)number;
		at += len;
		if (i < 2 && *at++ != '.')
			return i == 1;
	}
	if (!at)
		return false;
	/* SUSE numbers a release for years by the version that it began with */
	ret->vendor = strstr(n->kernel, ".el") || strstr(n->kernel, "-default") || (ret->v[2] == 0 && *at == '-' && isdigit((unsigned char)at[1]));
	return true;
}

bool kernel_is_before(const struct kernel_release *k, unsigned a, unsigned b, unsigned c)
{
	if (k->v[0] != a)
		return k->v[0] < a;
	return k->v[1] != b ? k->v[1] < b : k->v[2] < c;
}

bool kernel_number(const struct snap_node *n, const char *sysctl, uint64_t *ret)
{
	const char *s = n->facts.sysctl_known ? node_sysctl(&n->facts, sysctl) : NULL;
	const size_t len = s ? strspn(s, "0123456789") : 0;

	return len && parse_uint(s, len, UINT64_MAX, ret) == 0;
}

uint64_t kernel_counter(const struct snap_node *n, const char *name)
{
	const char *s = n->k.counters_known ? map_gets(&n->k.counters, name) : NULL;
	uint64_t value = 0;

	return s && parse_uint(s, strlen(s), UINT64_MAX, &value) == 0 ? value : 0;
}

const struct log_hit *kernel_hit(const struct run *r, const struct snap_node *n, const char *check)
{
	const struct log_hit *worst = NULL;

	for (size_t i = 0; i < r->s->logs.len; i++) {
		const struct snap_log *l = &r->s->logs.v[i];

		for (size_t k = 0; l->program == LOG_KERNEL && str_is(l->node, n->name) && k < l->summary.hits.len; k++) {
			const struct log_hit *h = &l->summary.hits.v[k];

			if (!h->over && log_hit_weight(h) >= LOG_WARNING && str_is(log_hit_check(h), check) &&
			    (!worst || log_hit_weight(h) > log_hit_weight(worst)))
				worst = h;
		}
	}
	return worst;
}

void kernel_hit_evidence(struct run *r, struct finding *f, const struct log_hit *h)
{
	const char *times = h->count > 1 ? run_printf(r, ", %zu times", h->count) : "";

	finding_evidence(r, f, "the kernel says%s%s%s: %.300s", times, h->last ? ", last at " : "", h->last ? h->last : "", h->text ? h->text : "");
	finding_next(r, f, "sudo dmesg -T");
}

/* ---- findings of several nodes ---- */

const char *kernel_names(struct run *r, const struct kernel_nodes *g)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < g->v.len && i < NAMES_SHOWN; i++)
		strbuf_addf(&b, "%s%s", i ? ", " : "", g->v.v[i]->name);
	if (g->v.len > NAMES_SHOWN)
		strbuf_addf(&b, " and %zu more", g->v.len - NAMES_SHOWN);
	return run_printf(r, "node%s %s", PLURAL(g->v.len), strbuf_str(&b));
}

struct finding *kernel_finding(struct run *r, const char *id, const struct kernel_nodes *g, const char *detail)
{
	const char *one = g->v.len == 1 ? g->v.v[0]->name : NULL, *names = kernel_names(r, g);
	struct finding *f = finding_new(r, id, one, detail, run_printf(r, "N%s", *names ? names + 1 : ""));

	f->rank = 20;
	finding_cluster(f);
	finding_partial(f);
	return f;
}

struct finding *kernel_finding_of(struct run *r, const char *id, const struct snap_node *n, const char *detail)
{
	const struct kernel_nodes one = { .v = { .v = &n, .len = 1, .cap = 1 } };

	return kernel_finding(r, id, &one, detail);
}

/* ---- links ---- */

static const char *link_of_address(const struct run *r, const struct snap_node *n)
{
	const struct k8s_node *o = k8s_find_node(r->c, n->name);

	for (size_t i = 0; o && i < o->naddresses; i++)
		for (size_t k = 0; o->addresses[i].ip.family && str_is(o->addresses[i].type, "InternalIP") && k < n->facts.addrs.len; k++)
			if (ip_addr_equal(&n->facts.addrs.v[k].addr, &o->addresses[i].ip))
				return n->facts.addrs.v[k].ifname;
	return NULL;
}

static const char *link_of_default(const struct snap_node *n)
{
	const struct node_route *best = NULL;

	for (size_t i = 0; i < n->facts.routes.len; i++) {
		const struct node_route *t = &n->facts.routes.v[i];

		if (t->type == RT_UNICAST && (t->table == 0 || t->table == RT_TABLE_MAIN) && t->dst.len == 0 && t->dev &&
		    (!best || t->metric < best->metric))
			best = t;
	}
	return best ? best->dev : NULL;
}

const struct node_link *kernel_uplink(struct run *r, const struct snap_node *n)
{
	const char *name = link_of_address(r, n);

	if (!name)
		name = link_of_default(n);
	return name ? node_link_by_name(&n->facts, name) : NULL;
}

/* ---- tcp_tw_recycle ---- */

/* Without time stamps it does nothing (net/ipv4/tcp_ipv4.c tcp_conn_request of Linux 4.11). */
static bool recycles(const struct snap_node *n)
{
	uint64_t recycle, stamps;

	return kernel_number(n, "net.ipv4.tcp_tw_recycle", &recycle) && recycle &&
	       (!kernel_number(n, "net.ipv4.tcp_timestamps", &stamps) || stamps);
}

void check_tw_recycle(struct run *r)
{
	struct kernel_nodes g = { 0 };
	struct finding *f;
	bool drops = false;

	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (kernel_asked(r, r->s->nodes.v[i]) && recycles(r->s->nodes.v[i]))
			run_push(r, &g.v, r->s->nodes.v[i]);
	if (g.v.len) {
		f = kernel_finding(r, "tcp-tw-recycle", &g, NULL);
		for (size_t i = 0; i < g.v.len; i++) {
			const uint64_t n = kernel_counter(g.v.v[i], "TcpExtPAWSPassive");

			drops |= n > 0;
			finding_evidence(r, f, "node %s: net.ipv4.tcp_tw_recycle = 1%s", g.v.v[i]->name,
					 n ? run_printf(r, ", and %llu connections were dropped for their time stamps", (unsigned long long)n) : "");
		}
		finding_severity(f, drops ? SEVERITY_ERROR : SEVERITY_WARNING);
		finding_text(r, f, "net.ipv4.tcp_tw_recycle is on at %s: of clients that share an address some %s", kernel_names(r, &g),
			     drops ? "are dropped" : "may be dropped");
		finding_next(r, f, "nstat -az TcpExtPAWSPassive");
		finding_fix(r, f, "sudo sysctl -w net.ipv4.tcp_tw_recycle=0");
	}
	array_free(&g.v);
}

/* ---- neighbours ---- */

struct neighbours {
	uint64_t entries, limit, fulls;
	bool full; /* now */
};

static bool neighbours_of(const struct snap_node *n, unsigned six, struct neighbours *ret)
{
	*ret = (struct neighbours){ .entries = n->k.neigh_entries[six], .fulls = n->k.neigh_table_fulls[six] };
	if (!n->k.neigh_known)
		return false;
	if (!kernel_number(n, six ? "net.ipv6.neigh.default.gc_thresh3" : "net.ipv4.neigh.default.gc_thresh3", &ret->limit))
		return false;
	ret->full = ret->limit > 0 && ret->entries >= ret->limit - ret->limit / 20;
	return true;
}

/* Full now, and it has lost some: an error. What a counter alone tells may be of long ago. */
static void neighbour_finding(struct run *r, const struct snap_node *n, unsigned six, const struct neighbours *t, const struct log_hit *h)
{
	const char *family = six ? "ipv6" : "ipv4";
	struct finding *f = kernel_finding_of(r, "arp-cache-overflow", n, family);

	f->rank = 6;
	finding_severity(f, t->full && (t->fulls || h) ? SEVERITY_ERROR : t->full || h ? SEVERITY_WARNING : SEVERITY_INFO);
	if (t->full)
		finding_text(r, f, "the %s table of neighbours of node %s is %s: %llu of %llu entries", six ? "IPv6" : "IPv4", n->name,
			     f->severity == SEVERITY_ERROR ? "full" : "nearly full", (unsigned long long)t->entries, (unsigned long long)t->limit);
	else
		finding_text(r, f, "the %s table of neighbours of node %s has been full since the node was started", six ? "IPv6" : "IPv4", n->name);
	if (t->fulls)
		finding_evidence(r, f, "it was full %llu times since then (table_fulls)", (unsigned long long)t->fulls);
	if (t->limit)
		finding_evidence(r, f, "net.%s.neigh.default.gc_thresh3 = %llu, and it holds %llu entries now", family, (unsigned long long)t->limit,
				 (unsigned long long)t->entries);
	if (h)
		kernel_hit_evidence(r, f, h);
	finding_next(r, f, "sysctl net.%t.neigh.default.gc_thresh3", family);
	finding_next(r, f, six ? "cat /proc/net/stat/ndisc_cache" : "cat /proc/net/stat/arp_cache");
	finding_fix(r, f, "sudo sysctl -w net.%t.neigh.default.gc_thresh3=%u net.%t.neigh.default.gc_thresh2=%u", family, 100000u, family, 90000u);
}

void check_neighbours(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const struct log_hit *h = kernel_hit(r, n, "arp-cache-overflow");

		for (unsigned six = 0; kernel_asked(r, n) && six < 2; six++) {
			const bool of_this = h && h->text && !strstr(h->text, "ndisc") == !six;
			struct neighbours t;

			if (!neighbours_of(n, six, &t) && !of_this)
				continue;
			if (t.full || t.fulls || of_this)
				neighbour_finding(r, n, six, &t, of_this ? h : NULL);
		}
	}
}

/* ---- session affinity ---- */

/* Of an endpoint's chain: what stands in the comment of its rules, "default/sticky"; NULL: none. */
static const char *comment_of(struct run *r, const struct snap_node *n, const char *chain)
{
	static const char key[] = "--comment ";

	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];
		const struct rs_chain *c = t->xtables && str_is(t->name, "nat") ? table_find_chain(t, chain) : NULL;
		const struct rs_rule *rule = c && c->nrules ? c->rules[0] : NULL;
		const char *at = rule ? memmem(rule->text, rule->text_len, key, sizeof(key) - 1) : NULL;
		size_t len = 0;

		if (!at)
			continue;
		at += sizeof(key) - 1;
		at += *at == '"';
		while (at + len < rule->text + rule->text_len && at[len] != '"' && at[len] != ' ')
			len++;
		return run_printf(r, "%.*s", (int)MIN(len, (size_t)200), at);
	}
	return NULL;
}

static void concern_named(struct run *r, struct finding *f, const char *comment)
{
	for (size_t i = 0; comment && i < r->nsvcs; i++) {
		const struct k8s_meta *m = &r->svcs[i].o->meta;
		const size_t ns = strlen(m->ns), name = strlen(m->name);

		if (strncmp(comment, m->ns, ns) == 0 && comment[ns] == '/' && strncmp(comment + ns + 1, m->name, name) == 0 &&
		    (comment[ns + 1 + name] == ':' || !comment[ns + 1 + name]))
			finding_concerns(r, f, r->svcs[i].o);
	}
}

static void recent_finding(struct run *r, const struct snap_node *n, size_t full)
{
	struct finding *f = kernel_finding_of(r, "xt-recent-limit", n, NULL);

	f->rank = 28;
	finding_text(r, f, "on node %s the lists of clients of %zu endpoint%s are full: session affinity forgets clients", n->name, full, PLURAL(full));
	for (size_t i = 0; i < n->k.recent.len; i++) {
		const struct snap_recent *l = &n->k.recent.v[i];
		const char *comment;

		if (l->entries < n->k.recent_limit || !str_starts(l->name, "KUBE-SEP-"))
			continue;
		comment = comment_of(r, n, l->name);
		concern_named(r, f, comment);
		finding_evidence(r, f, "%s%s%s%s: %u clients of at most %u", l->name, comment ? " (" : "", comment ? comment : "", comment ? ")" : "", l->entries,
				 n->k.recent_limit);
	}
	finding_next(r, f, "cat /sys/module/xt_recent/parameters/ip_list_tot");
}

/* Only rules of iptables mode look into these lists; the other modes may have left them. */
void check_recent(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		size_t full = 0;

		for (size_t k = 0; n->k.recent_limit && kernel_asked(r, n) && k < n->k.recent.len; k++)
			full += n->k.recent.v[k].entries >= n->k.recent_limit && str_starts(n->k.recent.v[k].name, "KUBE-SEP-");
		if (full && verify_mode(r->s, n) == MODE_IPTABLES)
			recent_finding(r, n, full);
	}
}

/* ---- IPv6 ---- */

static bool wants_six(const struct svc *v)
{
	for (size_t i = 0; i < v->o->ncluster_ips; i++)
		if (v->o->cluster_ips[i].family == AF_INET6)
			return true;
	return false;
}

/* On any link but lo. */
static bool has_six(const struct snap_node *n)
{
	for (size_t i = 0; i < n->facts.addrs.len; i++)
		if (n->facts.addrs.v[i].addr.family == AF_INET6 && !str_is(n->facts.addrs.v[i].ifname, "lo"))
			return true;
	return false;
}

/* Why the node has no IPv6; NULL: it has, or that is not known. Where a link was given back its IPv6, "all" says nothing. */
static const char *why_no_six(const struct snap_node *n)
{
	uint64_t value;

	if (!n->facts.sysctl_known || !n->facts.addrs_known || has_six(n))
		return NULL;
	if (kernel_number(n, "net.ipv6.conf.all.disable_ipv6", &value))
		return value ? "net.ipv6.conf.all.disable_ipv6 = 1" : NULL;
	if (kernel_number(n, "net.ipv4.ip_forward", &value) && kernel_number(n, "net.ipv4.conf.all.forwarding", &value) && n->facts.rules_known &&
	    !n->facts.rules6_known)
		return "the kernel has no setting and no routing rule of IPv6";
	return NULL;
}

static void no_six(struct run *r, const struct snap_node *n, const char *why)
{
	struct finding *f = kernel_finding_of(r, "ipv6-disabled-or-ra", n, NULL);
	size_t services = 0;

	f->rank = 3;
	for (size_t i = 0; i < r->nsvcs; i++)
		if (wants_six(&r->svcs[i])) {
			finding_concerns(r, f, r->svcs[i].o);
			services++;
		}
	finding_text(r, f, "node %s has no IPv6, and %zu Service%s an IPv6 address, which nothing on the node reaches", n->name, services,
		     services == 1 ? " has" : "s have");
	finding_evidence(r, f, "%s", why);
	finding_evidence(r, f, "no link but lo has an IPv6 address");
	finding_next(r, f, "sysctl net.ipv6.conf.all.disable_ipv6");
	finding_fix(r, f, "sudo sysctl -w net.ipv6.conf.all.disable_ipv6=0");
}

static bool has_default_six(const struct snap_node *n)
{
	for (size_t i = 0; i < n->facts.routes.len; i++)
		if (n->facts.routes.v[i].family == AF_INET6 && n->facts.routes.v[i].dst.len == 0 && n->facts.routes.v[i].type == RT_UNICAST)
			return true;
	return false;
}

/* net/ipv6/ndisc.c ndisc_router_discovery: with forwarding on, 1 means no. An address of more than the link is there, so a router once was. */
static void lost_router(struct run *r, const struct snap_node *n)
{
	const struct node_link *l = kernel_uplink(r, n);
	bool global = false;
	struct finding *f;

	if (!l || !n->facts.routes_known || has_default_six(n) || node_conf(&n->facts, AF_INET6, l->name, "accept_ra") != 1 ||
	    node_conf(&n->facts, AF_INET6, l->name, "forwarding") != 1)
		return;
	for (size_t i = 0; i < n->facts.addrs.len && !global; i++)
		global = n->facts.addrs.v[i].addr.family == AF_INET6 && n->facts.addrs.v[i].scope == SCOPE_GLOBAL &&
			 str_is(n->facts.addrs.v[i].ifname, l->name);
	if (!global)
		return;
	f = kernel_finding_of(r, "ipv6-disabled-or-ra", n, "router");
	finding_severity(f, SEVERITY_WARNING);
	finding_text(r, f, "node %s has no IPv6 default route, and ignores routers on %s: accept_ra is 1 while it forwards", n->name, l->name);
	finding_evidence(r, f, "net.ipv6.conf.%s.accept_ra = 1, net.ipv6.conf.%s.forwarding = 1", l->name, l->name);
	finding_next(r, f, "ip -6 route show default");
	finding_fix(r, f, "sudo sysctl -w net.ipv6.conf.%t.accept_ra=2", l->name);
}

void check_six(struct run *r)
{
	bool wanted = false;

	for (size_t i = 0; i < r->nsvcs && !wanted; i++)
		wanted = wants_six(&r->svcs[i]);
	for (size_t i = 0; wanted && i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const char *why = kernel_asked(r, n) ? why_no_six(n) : NULL;

		if (why)
			no_six(r, n, why);
		else if (kernel_asked(r, n))
			lost_router(r, n);
	}
}
