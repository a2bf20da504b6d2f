/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all Services share in nftables mode: the way from the hooks to the maps, marking and
 * masquerading, the node-port addresses, and what becomes of packets that no map knew
 * (pkg/proxy/nftables/proxier.go setupNFTables). In the words of `nft list ruleset`.
 */

#include <errno.h>

#include "expect-private.h"

struct jump {
	const char *chain, *text, *target;
};

#define NEW "ct state new "
/* Since 1.34, in the order of the chains. */
static const struct jump jumps[] = {
	{ "filter-prerouting-pre-dnat", NEW, "firewall-check" },
	{ "filter-output-pre-dnat", NEW, "firewall-check" },
	{ "filter-input", NEW, "nodeport-endpoints-check" },
	{ "filter-input", NEW, "service-endpoints-check" },
	{ "filter-forward", NEW, "service-endpoints-check" },
	{ "filter-forward", NEW, "cluster-ips-check" },
	{ "filter-output", NEW, "service-endpoints-check" },
	{ "filter-output", NEW, "cluster-ips-check" },
	{ "nat-prerouting", "", "services" },
	{ "nat-output", "", "services" },
	{ "nat-postrouting", "", "masquerading" },
};
/* Before: the filter chains at -110, and one behind the translation in OUTPUT. Chains were split and named anew in between. */
static const struct jump old_jumps[] = {
	{ "filter-input", NEW, "nodeport-endpoints-check" },
	{ "filter-input", NEW, "service-endpoints-check" },
	{ "filter-forward", NEW, "service-endpoints-check" },
	{ "filter-output", NEW, "service-endpoints-check" },
	{ "filter-prerouting", NEW, "firewall-check" },
	{ "filter-output", NEW, "firewall-check" },
	{ "nat-output", "", "services" },
	{ "nat-prerouting", "", "services" },
	{ "nat-postrouting", "", "masquerading" },
	{ "filter-forward", NEW, "cluster-ips-check" },
	{ "filter-output-post-dnat", NEW, "cluster-ips-check" },
};

struct common {
	struct arena *arena;
	const struct expect_node *node;
	struct expect_rules *rules;
	int family;
	const char *ip; /* "ip" or "ip6" */
	bool optional;  /* of a version whose chains are not known that well */
	int r;          /* first error */
};

#define emit(c, ro, ch, tgt, ...) \
	do { \
		if ((c)->r == 0) { \
			const struct expect_rule rule_ = { \
				.role = (ro), .table = "kube-proxy", .chain = (ch), .target = (tgt), .optional = (c)->optional \
			}; \
			(c)->r = expect_put((c)->arena, (c)->rules, &rule_, __VA_ARGS__); \
		} \
	} while (0)

const char *expect_nft_detector(struct arena *arena, const struct local_detector *d, bool local, int family)
{
	char s[IP_PREFIX_STRLEN];
	const char *not = local ? "" : "!= ";
	switch (d->kind) {
	case DETECTOR_PREFIX:
		return arena_printf(arena, "%s saddr %s%s ", family == AF_INET ? "ip" : "ip6", not,
				    ip_prefix_format(&d->prefix, s));
	case DETECTOR_INTERFACE:
		return arena_printf(arena, "iifname %s\"%s\" ", not, d->interface);
	case DETECTOR_INTERFACE_PREFIX:
		return arena_printf(arena, "iifname %s\"%s*\" ", not, d->interface);
	case DETECTOR_UNKNOWN:
	case DETECTOR_NONE:
		break;
	}
	return "";
}

/* ---- anonymous sets of addresses ---- */

static int span_cmp(const void *a, const void *b)
{
	return ip_addr_cmp(&((const struct expect_span *)a)->first, &((const struct expect_span *)b)->first);
}

/* @b begins within @a or right behind it. */
static bool touches(const struct expect_span *a, const struct expect_span *b)
{
	struct ip_addr next;
	return ip_addr_cmp(&b->first, &a->last) <= 0 ||
	       (ip_addr_next(&a->last, &next) && ip_addr_equal(&next, &b->first));
}

static size_t join(struct expect_span *v, size_t len)
{
	size_t n = 0;
	qsort(v, len, sizeof(*v), span_cmp);
	for (size_t i = 0; i < len; i++) {
		if (n == 0 || !touches(&v[n - 1], &v[i])) {
			v[n++] = v[i];
		} else if (ip_addr_cmp(&v[i].last, &v[n - 1].last) > 0) {
			v[n - 1].last = v[i].last;
		}
	}
	return n;
}

static void add_span(struct strbuf *b, const struct expect_span *s)
{
	char first[IP_ADDR_STRLEN], last[IP_ADDR_STRLEN], text[IP_PREFIX_STRLEN];
	unsigned full = (unsigned)(8 * ip_addr_size(&s->first));
	for (unsigned len = 0; len < full; len++) {
		struct ip_prefix p = { .addr = s->first, .len = (uint8_t)len };
		struct ip_addr from = ip_prefix_first(&p), to = ip_prefix_last(&p);
		if (ip_addr_equal(&from, &s->first) && ip_addr_equal(&to, &s->last)) {
			strbuf_adds(b, ip_prefix_format(&p, text));
			return;
		}
	}
	strbuf_adds(b, ip_addr_format(&s->first, first));
	if (!ip_addr_equal(&s->first, &s->last)) {
		strbuf_addf(b, "-%s", ip_addr_format(&s->last, last));
	}
}

const char *expect_nft_spans(struct arena *arena, struct expect_span *v, size_t len)
{
	struct strbuf CLEANUP(strbuf_release) b = STRBUF_INIT;
	bool single = len == 1; /* as written; what is joined to one afterwards keeps its braces */
	size_t n = join(v, len);
	strbuf_adds(&b, single ? "" : "{ ");
	for (size_t i = 0; i < n; i++) {
		strbuf_adds(&b, i ? ", " : "");
		add_span(&b, &v[i]);
	}
	strbuf_adds(&b, single ? "" : " }");
	return b.failed ? NULL : arena_strdup(arena, strbuf_str(&b));
}

/* ---- the chains ---- */

/* Marked by "mark-for-masquerade" before 1.36, where cluster IPs were asked for in each Service's chain. */
static void cluster_ip_masquerade(struct common *c, unsigned mark)
{
	struct local_detector d;
	bool optional = c->optional;
	expect_detector(c->node, c->family, &d);
	const char *who = expect_nft_detector(c->arena, &d, false, c->family);
	if (!expect_after(c->node, CHANGE_NFT_SETS)) {
		emit(c, ROLE_MARK, "mark-for-masquerade", NULL, "meta mark set meta mark | 0x%08x", mark);
	} else if (!who) {
		c->r = -ENOMEM;
	} else if (c->node->config->masquerade_all == 1) {
		c->optional = true; /* no recorded one tells its comment */
		emit(c, ROLE_MASQ, "services", NULL, "%s daddr @cluster-ips meta mark set meta mark | 0x%08x", c->ip, mark);
		c->optional = optional;
	} else if (d.kind > DETECTOR_NONE) {
		emit(c, ROLE_MASQ, "services", NULL,
		     "%s daddr @cluster-ips %smeta mark set meta mark | 0x%08x comment \"masquerade clusterIP traffic "
		     "from outside cluster\"",
		     c->ip, who, mark);
	}
}

static void masquerading(struct common *c, unsigned mark)
{
	if (expect_after(c->node, CHANGE_NFT_SETS)) {
		emit(c, ROLE_POSTROUTING, "masquerading", NULL,
		     "meta mark & 0x%08x != 0x00000000 meta mark set meta mark ^ 0x%08x masquerade fully-random", mark,
		     mark);
		emit(c, ROLE_POSTROUTING, "masquerading", NULL,
		     "ct status dnat %s saddr . %s daddr . meta l4proto . th dport @hairpin-connections masquerade "
		     "fully-random",
		     c->ip, c->ip);
		return;
	}
	emit(c, ROLE_POSTROUTING, "masquerading", NULL, "meta mark & 0x%08x == 0x00000000 return", mark);
	emit(c, ROLE_POSTROUTING, "masquerading", NULL, "meta mark set meta mark ^ 0x%08x", mark);
	emit(c, ROLE_POSTROUTING, "masquerading", NULL, "masquerade fully-random");
}

static void address_maps(struct common *c)
{
	static const struct {
		const char *chain, *map;
	} maps[] = {
		{ "service-endpoints-check", "no-endpoint-services" },
		{ "firewall-check", "firewall-ips" },
		{ "services", "service-ips" },
	};
	for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
		emit(c, ROLE_JUMP, maps[i].chain, NULL, "%s daddr . meta l4proto . th dport vmap @%s", c->ip,
		     maps[i].map);
	}
}

static void node_port_addresses(struct common *c)
{
	struct ip_addr *v;
	size_t n;
	int r = expect_interface_addrs(c->arena, c->node, c->family, &v, &n);
	c->r = c->r ? c->r : r;
	for (size_t i = 0; c->r == 0 && i < n; i++) {
		char s[IP_ADDR_STRLEN];
		struct expect_rule e = { .role = ROLE_SET, .part = PART_ELEMENT, .set = "nodeport-ips" };
		e.key = arena_strdup(c->arena, ip_addr_format(&v[i], s));
		c->r = e.key ? expect_put(c->arena, c->rules, &e, "%s", e.key) : -ENOMEM;
	}
}

#define NODE_PORT_KEY "meta l4proto . th dport vmap "

static void node_port_maps(struct common *c)
{
	const char *but = c->family == AF_INET ? "ip daddr != 127.0.0.0/8" : "ip6 daddr != ::1";
	switch (expect_node_ports(c->node, c->family)) {
	case NODE_PORTS_UNKNOWN:
		return;
	case NODE_PORTS_ALL:
		emit(c, ROLE_JUMP, "nodeport-endpoints-check", NULL, "%s " NODE_PORT_KEY "@no-endpoint-nodeports", but);
		emit(c, ROLE_JUMP, "services", NULL, "fib daddr type local %s " NODE_PORT_KEY "@service-nodeports", but);
		return;
	case NODE_PORTS_LIST:
		break;
	}
	emit(c, ROLE_JUMP, "nodeport-endpoints-check", NULL,
	     "%s daddr @nodeport-ips " NODE_PORT_KEY "@no-endpoint-nodeports", c->ip);
	emit(c, ROLE_JUMP, "services", NULL, "%s daddr @nodeport-ips " NODE_PORT_KEY "@service-nodeports", c->ip);
	node_port_addresses(c);
}

static void unused_cluster_ips(struct common *c)
{
	const struct k8s_cluster *k = c->node->cluster;
	size_t n = 0, most = 0;
	for (size_t i = 0; k && i < k->service_cidrs.len; i++) {
		most += k->service_cidrs.v[i]->ncidrs;
	}
	struct expect_span *v = arena_array(c->arena, struct expect_span, most + 1);
	for (size_t i = 0; v && k && i < k->service_cidrs.len; i++) {
		const struct k8s_service_cidr *s = k->service_cidrs.v[i];
		for (size_t j = 0; j < s->ncidrs; j++) {
			if (s->cidrs[j].addr.family == c->family) {
				v[n++] = (struct expect_span){ ip_prefix_first(&s->cidrs[j]), ip_prefix_last(&s->cidrs[j]) };
			}
		}
	}
	const char *text = v ? expect_nft_spans(c->arena, v, n) : NULL;
	if (!text) {
		c->r = -ENOMEM;
	} else if (n > 0) {
		emit(c, ROLE_CATCH, "cluster-ips-check", NULL,
		     "%s daddr %s drop comment \"Drop traffic to unallocated ClusterIPs\"", c->ip, text);
	}
}

static void other_packets(struct common *c)
{
	emit(c, ROLE_REFUSE, "reject-chain", NULL, "reject");
	if (expect_after(c->node, CHANGE_NFT_CLUSTER_IPS)) {
		emit(c, ROLE_CATCH, "cluster-ips-check", NULL,
		     "%s daddr @cluster-ips reject comment \"Reject traffic to invalid ports of ClusterIPs\"", c->ip);
	}
	if (expect_after(c->node, CHANGE_NFT_SERVICE_CIDRS)) {
		unused_cluster_ips(c);
	}
}

static void hooks(struct common *c)
{
	bool late = expect_after(c->node, CHANGE_NFT_LATE_REFUSALS);
	const struct jump *v = late ? jumps : old_jumps;
	size_t n = late ? ARRAY_LEN(jumps) : ARRAY_LEN(old_jumps);
	bool checks = expect_after(c->node, CHANGE_NFT_CLUSTER_IPS);
	for (size_t i = 0; i < n; i++) {
		if (checks || strcmp(v[i].target, "cluster-ips-check") != 0) {
			emit(c, ROLE_JUMP, v[i].chain, v[i].target, "%sjump %s", v[i].text, v[i].target);
		}
	}
}

int expect_nft_common(struct arena *arena, const struct expect_node *node, int family, struct expect_rules *ret)
{
	unsigned mark = expect_mark(node);
	struct common c = { .arena = arena, .node = node, .rules = ret, .family = family };
	c.ip = family == AF_INET ? "ip" : "ip6";
	c.optional = !expect_after(node, CHANGE_NFT_LATE_REFUSALS);
	hooks(&c);
	cluster_ip_masquerade(&c, mark);
	address_maps(&c);
	node_port_maps(&c);
	masquerading(&c, mark);
	other_packets(&c);
	return c.r;
}
