/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's conntrack as a whole: a table that is full, entries that lost a race, packets that it does not know, and source ports that are
 * somebody's node port. Counters are sums since the node's start, and never say when: what they alone tell is no error.
 */
#include <netinet/in.h>

#include "checks-private.h"
#include "proxy-private.h"

#define RECENT_SECONDS 900
#define FAILED_MANY 100	  /* insert_failed: some happen on any busy node */
#define INVALID_MANY 1000 /* so do packets of connections that are over */
#define SHOWN_MAX 4
#define FIRST_NODE_PORT 30000
#define LAST_NODE_PORT 32767

static bool sysctl_number(const struct snap_node *n, const char *name, uint64_t *ret)
{
	const char *s = node_sysctl(&n->facts, name);

	return s && parse_uint(s, strlen(s), UINT32_MAX, ret) == 0;
}

static struct finding *of_node(struct run *r, const char *id, const struct snap_node *n, unsigned rank, enum severity severity)
{
	struct finding *f = finding_new(r, id, n->name, NULL, run_printf(r, "Node %s", n->name));

	f->rank = (int)rank;
	finding_cluster(f);
	finding_severity(f, severity);
	return f;
}

/* ---- a table that is full ---- */

struct fill {
	uint64_t count, max;
	const struct log_hit *hit; /* of the kernel's log; NULL */
	int64_t ago;		   /* since its last line; -1: not told */
};

static void kernel_log(struct run *r, const struct snap_node *n, struct fill *ret)
{
	const int64_t now = proxy_now(r, proxy_view_of(r, n->name));

	for (size_t i = 0; i < r->s->logs.len; i++) {
		const struct snap_log *l = &r->s->logs.v[i];

		if (l->program != LOG_KERNEL || !str_is(l->node, n->name))
			continue;
		for (size_t k = 0; k < l->summary.hits.len; k++) {
			const struct log_hit *h = &l->summary.hits.v[k];
			const int64_t last = h->last && now ? log_time(h->last, now) : -1;

			if (!str_is(log_hit_check(h), "conntrack-table-full"))
				continue;
			ret->hit = h;
			ret->ago = last > 0 && last <= now ? now - last : -1;
		}
	}
}

static const char *fill_text(struct run *r, const struct snap_node *n, const struct fill *l)
{
	if (l->max && l->count >= l->max - l->max / 20)
		return run_printf(r, "on node %s the table of connections is full: %llu of %llu", n->name, (unsigned long long)l->count,
				  (unsigned long long)l->max);
	if (l->hit && l->ago >= 0)
		return run_printf(r, "on node %s the table of connections was full %s ago: the kernel dropped packets", n->name, proxy_ago(r, l->ago));
	if (l->hit)
		return run_printf(r, "on node %s the table of connections has been full: the kernel dropped packets", n->name);
	return run_printf(r, "on node %s the table of connections has been full since its start: %llu entries were dropped early", n->name,
			  (unsigned long long)n->early_drop);
}

static void fill_evidence(struct run *r, struct finding *f, const struct snap_node *n, const struct fill *l)
{
	const struct snap_flows *t = &n->flows;

	if (l->max)
		finding_evidence(r, f, "net.netfilter.nf_conntrack_count %llu, nf_conntrack_max %llu", (unsigned long long)l->count, (unsigned long long)l->max);
	if (l->hit)
		finding_evidence(r, f, "the kernel's log, %zu time%s%s%s: %.200s", l->hit->count, PLURAL(l->hit->count), l->hit->last ? ", last " : "",
				 l->hit->last ? l->hit->last : "", l->hit->text ? l->hit->text : "");
	if (n->conntrack_known)
		finding_evidence(r, f, "conntrack -S: early_drop %llu, drop %llu", (unsigned long long)n->early_drop, (unsigned long long)n->conntrack_drop);
	if (t->known && t->total)
		finding_evidence(r, f, "of %zu entries %zu are of TCP and %zu of UDP", t->total, t->by_proto[0], t->by_proto[1]);
	finding_next(r, f, "sudo conntrack -S");
	finding_next(r, f, "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max");
	if (l->max && l->max <= UINT32_MAX / 4)
		finding_fix(r, f, "sudo sysctl -w net.netfilter.nf_conntrack_max=%u", (unsigned)(2 * l->max));
}

/* An early drop is made in a full table only (net/netfilter/nf_conntrack_core.c, __nf_conntrack_alloc()); a drop has other reasons too. */
static void look_full(struct run *r, const struct snap_node *n)
{
	struct fill l = { .ago = -1 };
	struct finding *f;
	bool full, known = sysctl_number(n, "net.netfilter.nf_conntrack_count", &l.count) && sysctl_number(n, "net.netfilter.nf_conntrack_max", &l.max);
	enum severity severity = SEVERITY_WARNING;

	if (!known)
		l.count = l.max = 0;
	kernel_log(r, n, &l);
	full = l.max && l.count >= l.max - l.max / 20;
	if (!full && !l.hit && !(n->conntrack_known && n->early_drop))
		return;
	if (full || (l.hit && l.ago >= 0 && l.ago <= RECENT_SECONDS))
		severity = SEVERITY_ERROR;
	else if (!l.hit && (!l.max || l.count < l.max - l.max / 5))
		severity = SEVERITY_INFO;
	f = of_node(r, "conntrack-table-full", n, 6, severity);
	finding_text(r, f, "%s", fill_text(r, n, &l));
	fill_evidence(r, f, n, &l);
}

/* ---- races for a source port ---- */

/* kube-proxy's own in IPVS mode, for pods that ask themselves: so few that it has no random ports. */
static bool is_hairpin(const struct rs_rule *rule)
{
	return memmem(rule->text, rule->text_len, "KUBE-LOOP-BACK", 14) != NULL;
}

static const struct rs_rule *masquerade_in(const struct rs_chain *c)
{
	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct rs_rule *rule = c->rules[i];

		for (unsigned k = 0; k < rule->nstmts; k++)
			if (rule->stmts[k].kind == ST_MASQUERADE && !(rule->stmts[k].u.nat && rule->stmts[k].u.nat->random_fully) && !is_hairpin(rule))
				return rule;
	}
	return NULL;
}

/* A rule that masquerades with ports in order: kube-proxy's own first. */
static const struct rs_rule *plain_masquerade(const struct snap_node *n)
{
	const struct rs_rule *found = NULL;

	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		for (size_t k = 0; k < t->chain_list.len; k++) {
			const struct rs_chain *c = t->chain_list.v[k];
			const struct rs_rule *rule = c->hook != HOOK_NONE || c->referenced ? masquerade_in(c) : NULL;

			if (rule && (!found || str_is(c->name, "KUBE-POSTROUTING")))
				found = rule;
		}
	}
	return found;
}

static void look_race(struct run *r, const struct snap_node *n)
{
	const struct rs_rule *rule = n->conntrack_known && n->insert_failed ? plain_masquerade(n) : NULL;
	struct finding *f;

	if (!rule)
		return;
	f = of_node(r, "conntrack-insert-failed-snat-race", n, 32, n->insert_failed >= FAILED_MANY ? SEVERITY_WARNING : SEVERITY_INFO);
	finding_text(r, f, "on node %s conntrack could not enter %llu connections, and a rule masquerades without random source ports", n->name,
		     (unsigned long long)n->insert_failed);
	finding_evidence(r, f, "chain %s: %.*s", rule->chain->name, (int)MIN(rule->text_len, 300u), rule->text);
	finding_evidence(r, f, "conntrack -S: insert_failed %llu, since the node's start", (unsigned long long)n->insert_failed);
	finding_next(r, f, "sudo conntrack -S");
}

/* ---- what conntrack does not know ---- */

/* Does the node drop what is invalid, before it reaches a client untranslated? kube-proxy does so in FORWARD. */
static bool drops_invalid(const struct snap_node *n)
{
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		for (size_t k = 0; k < t->chain_list.len; k++) {
			const struct rs_chain *c = t->chain_list.v[k];

			for (uint32_t j = 0; (t->xtables ? str_is(c->name, "KUBE-FORWARD") : str_is(t->name, "kube-proxy")) && j < c->nrules; j++)
				if (memmem(c->rules[j]->text, c->rules[j]->text_len, t->xtables ? "INVALID" : "invalid", 7))
					return true;
		}
	}
	return false;
}

static void look_invalid(struct run *r, const struct snap_node *n)
{
	const char *liberal = node_sysctl(&n->facts, "net.netfilter.nf_conntrack_tcp_be_liberal");
	struct finding *f;

	if (!n->conntrack_known || n->conntrack_invalid < INVALID_MANY || !str_is(liberal, "0") || !n->any_rules || drops_invalid(n))
		return;
	f = of_node(r, "conntrack-invalid-rst", n, 60, SEVERITY_INFO);
	finding_text(r, f, "on node %s conntrack called %llu packets invalid, and nothing keeps those of TCP from their client", n->name,
		     (unsigned long long)n->conntrack_invalid);
	finding_evidence(r, f, "net.netfilter.nf_conntrack_tcp_be_liberal 0; no rule of kube-proxy drops what is INVALID");
	finding_next(r, f, "sudo conntrack -S");
	finding_fix(r, f, "sudo sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1");
}

/* ---- source ports and node ports ---- */

struct ports {
	struct svc *of[2][UINT16_MAX + 1]; /* TCP, UDP: whose node port it is */
	bool any;
};

static struct ports *node_ports(struct run *r)
{
	struct ports *p = arena_new(&r->scratch, struct ports);

	for (size_t i = 0; p && i < r->nsvcs; i++) {
		const struct k8s_service *s = r->svcs[i].o;

		for (size_t k = 0; k < s->nports; k++) {
			if (!s->ports[k].node_port || (s->ports[k].proto != IPPROTO_TCP && s->ports[k].proto != IPPROTO_UDP))
				continue;
			p->of[s->ports[k].proto == IPPROTO_UDP][s->ports[k].node_port] = &r->svcs[i];
			p->any = true;
		}
	}
	if (!p)
		r->err = -ENOMEM;
	return p;
}

/* Outgoing connections whose source, after masquerading, is a node port: another connection to that port meets their entry. */
static void look_sources(struct run *r, const struct snap_node *n, const struct ports *ports)
{
	const struct snap_flow *example = NULL;
	char a[IP_ADDR_STRLEN], b[IP_ADDR_STRLEN], c[IP_ADDR_STRLEN];
	struct finding *f;
	size_t count = 0;

	for (size_t i = 0; i < n->flows.v.len; i++) {
		const struct snap_flow *w = &n->flows.v.v[i];
		const bool udp = w->proto == IPPROTO_UDP;

		if ((!udp && w->proto != IPPROTO_TCP) || w->unreplied || !ports->of[udp][w->reply_dport] || ip_addr_equal(&w->reply_dst, &w->src) ||
		    ports->of[udp][w->dport] || node_is_local(&n->facts, &w->reply_dst) != TRI_TRUE)
			continue;
		example = example ? example : w;
		count++;
	}
	if (!count)
		return;
	f = of_node(r, "snat-port-in-nodeport-range", n, 70, SEVERITY_INFO);
	finding_text(r, f, "on node %s %zu masqueraded connection%s %s a node port of a Service as source port", n->name, count, PLURAL(count),
		     count == 1 ? "has" : "have");
	finding_evidence(r, f, "%s from %s port %u to %s port %u leaves as %s port %u, the node port of %s/%s", proto_name(example->proto),
			 ip_addr_format(&example->src, a), example->sport, ip_addr_format(&example->dst, b), example->dport,
			 ip_addr_format(&example->reply_dst, c), example->reply_dport,
			 ports->of[example->proto == IPPROTO_UDP][example->reply_dport]->o->meta.ns,
			 ports->of[example->proto == IPPROTO_UDP][example->reply_dport]->o->meta.name);
}

/* "30000-32767,40000": is the port in it? */
static bool in_ranges(const char *s, unsigned port)
{
	while (s && *s) {
		const size_t len = strcspn(s, ",");
		const char *dash = memchr(s, '-', len);
		const size_t head = dash ? (size_t)(dash - s) : len;
		uint64_t low, high;

		if (parse_uint(s, head, UINT16_MAX, &low) == 0) {
			high = low;
			if (dash && parse_uint(dash + 1, len - head - 1, UINT16_MAX, &high) < 0)
				high = low;
			if (port >= low && port <= high)
				return true;
		}
		s += len;
		s += *s == ',';
	}
	return false;
}

/* "32768\t60999" */
static bool local_range(const struct snap_node *n, unsigned *ret_low, unsigned *ret_high)
{
	const char *s = node_sysctl(&n->facts, "net.ipv4.ip_local_port_range");
	const size_t head = s ? strcspn(s, " \t") : 0;
	const char *second = s ? s + head + strspn(s + head, " \t") : NULL;
	uint64_t low, high;

	if (!s || parse_uint(s, head, UINT16_MAX, &low) < 0 || parse_uint(second, strcspn(second, " \t"), UINT16_MAX, &high) < 0)
		return false;
	*ret_low = (unsigned)low;
	*ret_high = (unsigned)high;
	return true;
}

static void overlap_evidence(struct run *r, struct finding *f, const struct snap_node *n, const char *reserved, bool usual)
{
	finding_evidence(r, f, "net.ipv4.ip_local_port_range %s", node_sysctl(&n->facts, "net.ipv4.ip_local_port_range"));
	finding_evidence(r, f, "net.ipv4.ip_local_reserved_ports %s", reserved && *reserved ? reserved : "is empty");
	finding_next(r, f, "sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports");
	if (usual && (!reserved || !*reserved))
		finding_fix(r, f, "sudo sysctl -w net.ipv4.ip_local_reserved_ports=30000-32767");
}

static void look_range(struct run *r, const struct snap_node *n, const struct ports *ports)
{
	const char *reserved = node_sysctl(&n->facts, "net.ipv4.ip_local_reserved_ports");
	CLEANUP(strbuf_release) struct strbuf names = STRBUF_INIT;
	struct finding *f = NULL;
	unsigned low, high;
	size_t count = 0;
	bool usual = true;

	if (!ports->any || !local_range(n, &low, &high))
		return;
	for (unsigned port = low; port <= high; port++) {
		const struct svc *v = ports->of[0][port] ? ports->of[0][port] : ports->of[1][port];

		if (!v || in_ranges(reserved, port))
			continue;
		if (!f)
			f = of_node(r, "ephemeral-port-overlaps-nodeport", n, 34, SEVERITY_WARNING);
		usual &= port >= FIRST_NODE_PORT && port <= LAST_NODE_PORT;
		finding_concerns(r, f, v->o);
		if (count++ < SHOWN_MAX)
			strbuf_addf(&names, "%s%u of %s/%s", count > 1 ? ", " : "", port, v->o->meta.ns, v->o->meta.name);
	}
	if (!f)
		return;
	finding_partial(f);
	finding_text(r, f, "node %s itself takes source ports from %u to %u, and node ports lie in there: %s%s", n->name, low, high, strbuf_str(&names),
		     count > SHOWN_MAX ? ", ..." : "");
	overlap_evidence(r, f, n, reserved, usual);
}

/* ---- all nodes ---- */

void conntrack_node_findings(struct run *r)
{
	const struct ports *ports = node_ports(r);

	for (size_t i = 0; ports && i < r->s->nodes.len && !r->err; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		if (r->o->node && strcmp(r->o->node, n->name) != 0)
			continue;
		look_full(r, n);
		look_race(r, n);
		look_invalid(r, n);
		look_sources(r, n, ports);
		look_range(r, n, ports);
	}
}
