/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kube-proxy writes for one Service port in nftables mode (pkg/proxy/nftables/proxier.go
 * syncProxyRules): elements of the maps that send a packet to a chain, and the rules of the chains,
 * in the words of `nft list ruleset`. What all Services share is in nft-common.c.
 *
 * Two shapes. Since 1.36 a chain of a Service chooses and translates in one rule, by a map of
 * endpoints (since 1.37 without a map where there is but one); an endpoint has a chain only where
 * affinity must be noted, and who must be masqueraded is told by sets. Before, every endpoint had
 * its chain, with the hairpin rule in it, and a rule of the Service's chain asked for sources that
 * are no pods.
 */

#include <errno.h>

#include "expect-private.h"

/* An endpoint with its texts; kube-proxy sorts by the text "address:port". */
struct target {
	const struct expect_endpoint *e;
	const char *text, *addr, *chain, *affinity;
};

struct nft {
	struct arena *arena;
	const struct expect_node *node;
	const struct expect_service *service;
	const struct expect_port *p;
	const struct k8s_service *s;
	struct expect_rules *rules;
	struct expect_plan plan;
	const char *svc, *local, *ext, *fw;          /* chain names */
	const char *internal_chain, *external_chain; /* by traffic policy */
	const char *ip;                              /* "ip" or "ip6" */
	const char *mark;                            /* what marks for masquerade */
	bool sets;                                   /* the shape of 1.36 */
	int r;                                       /* first error */
};

#define emit(w, rule, ...) \
	do { \
		if ((w)->r == 0) { \
			(w)->r = expect_put((w)->arena, (w)->rules, (rule), __VA_ARGS__); \
		} \
	} while (0)

#define IN_CHAIN(name) .table = "kube-proxy", .chain = (name)

/* Never NULL; without memory the error is kept and no rule follows. */
static const char *text_or_fail(struct nft *w, const char *s)
{
	if (!s && w->r == 0) {
		w->r = -ENOMEM;
	}
	return s ? s : "";
}

static const struct expect_frontend *find_frontend(const struct nft *w, enum expect_kind kind,
						   const struct ip_addr *a)
{
	return expect_find_frontend(w->service, w->p, kind, a);
}

/* ---- elements ---- */

static const char *address_key(struct nft *w, const struct ip_addr *a)
{
	char s[IP_ADDR_STRLEN];
	return text_or_fail(w, arena_printf(w->arena, "%s . %s . %u", ip_addr_format(a, s), w->plan.proto,
					    w->p->port->port));
}

static const char *node_port_key(struct nft *w)
{
	return text_or_fail(w, arena_printf(w->arena, "%s . %u", w->plan.proto, w->p->port->node_port));
}

static void into_chain(struct nft *w, enum expect_role role, const char *map, const char *key, const char *chain,
		       const struct expect_frontend *f)
{
	struct expect_rule r = { .role = role, .part = PART_ELEMENT, .set = map, .key = key, .target = chain, .frontend = f };
	r.value = text_or_fail(w, arena_printf(w->arena, "goto %s", chain));
	emit(w, &r, "%s : %s", key, r.value);
}

static void refuse(struct nft *w, const char *map, const char *key, const struct expect_frontend *f)
{
	struct expect_rule r = { .role = ROLE_REFUSE, .part = PART_ELEMENT, .set = map, .key = key, .frontend = f };
	r.value = w->plan.any ? "drop" : "goto reject-chain";
	r.target = w->plan.any ? NULL : "reject-chain";
	emit(w, &r, "%s comment \"%s\" : %s", key, w->plan.name, r.value);
}

static void cluster_ip(struct nft *w)
{
	const struct expect_frontend *f = find_frontend(w, EXPECT_CLUSTER_IP, NULL);
	const char *key = address_key(w, &w->p->cluster_ip);
	if (expect_after(w->node, CHANGE_NFT_CLUSTER_IPS)) {
		char s[IP_ADDR_STRLEN];
		struct expect_rule r = { .role = ROLE_SET, .part = PART_ELEMENT, .set = "cluster-ips" };
		r.key = text_or_fail(w, arena_strdup(w->arena, ip_addr_format(&w->p->cluster_ip, s)));
		emit(w, &r, "%s", r.key);
	}
	if (w->plan.internal) {
		into_chain(w, ROLE_ENTRY, "service-ips", key, w->internal_chain, f);
	} else {
		refuse(w, "no-endpoint-services", key, f);
	}
}

static void external_address(struct nft *w, enum expect_kind kind, const struct ip_addr *a)
{
	const struct expect_frontend *f = find_frontend(w, kind, a);
	const char *key = address_key(w, a);
	if (w->plan.any) {
		into_chain(w, ROLE_ENTRY, "service-ips", key, w->ext, f);
	}
	if (kind == EXPECT_LOAD_BALANCER && w->plan.has_ranges) {
		into_chain(w, ROLE_FIREWALL, "firewall-ips", key, w->fw, f);
	}
	if (!w->plan.external) {
		refuse(w, "no-endpoint-services", key, f);
	}
}

static void node_port(struct nft *w)
{
	const struct expect_frontend *f = find_frontend(w, EXPECT_NODE_PORT, NULL);
	const char *key = node_port_key(w);
	if (w->plan.any) {
		into_chain(w, ROLE_NODEPORT, "service-nodeports", key, w->ext, f);
	}
	if (!w->plan.external) {
		refuse(w, "no-endpoint-nodeports", key, f);
	}
}

static void elements(struct nft *w)
{
	const struct k8s_service *s = w->s;
	cluster_ip(w);
	for (size_t i = 0; i < s->nexternal_ips && expect_external_ips_on(w->node); i++) {
		if (s->external_ips[i].family == w->p->family) {
			external_address(w, EXPECT_EXTERNAL_IP, &s->external_ips[i]);
		}
	}
	for (size_t i = 0; i < s->ningress; i++) {
		if (expect_is_vip(w->node, &s->ingress[i], w->p->family)) {
			external_address(w, EXPECT_LOAD_BALANCER, &s->ingress[i].ip);
		}
	}
	if (w->p->port->node_port) {
		node_port(w);
	}
}

/* ---- the Service port's own chains ---- */

static void internal_masq(struct nft *w)
{
	bool all = w->node->config->masquerade_all == 1;
	if (!w->plan.internal || w->sets || (!all && !w->plan.has_detector)) {
		return;
	}
	char s[IP_ADDR_STRLEN];
	struct expect_rule r = {
		.role = ROLE_MASQ,
		IN_CHAIN(w->internal_chain),
		.frontend = find_frontend(w, EXPECT_CLUSTER_IP, NULL),
	};
	const char *who = expect_nft_detector(w->arena, &w->plan.detector, false, w->p->family);
	emit(w, &r, "%s daddr %s %s dport %u %s%s", w->ip, ip_addr_format(&w->p->cluster_ip, s), w->plan.proto,
	     w->p->port->port, all ? "" : text_or_fail(w, who), w->mark);
}

/* Policy Local: the short ways of pods and of the node itself, before the policy is asked. */
static void short_ways(struct nft *w)
{
	struct expect_rule to_svc = { .role = ROLE_EXTERNAL, IN_CHAIN(w->ext), .target = w->svc };
	struct expect_rule masq = { .role = ROLE_MASQ, IN_CHAIN(w->ext) };
	const char *who = expect_nft_detector(w->arena, &w->plan.detector, true, w->p->family);
	if (w->plan.has_detector) {
		emit(w, &to_svc, "%sgoto %s comment \"short-circuit pod traffic\"", text_or_fail(w, who), w->svc);
	}
	emit(w, &masq, "fib saddr type local %s comment \"masquerade local traffic\"", w->mark);
	emit(w, &to_svc, "fib saddr type local goto %s comment \"short-circuit local traffic\"", w->svc);
}

static void external_chain(struct nft *w)
{
	if (w->plan.external_local) {
		short_ways(w);
	} else {
		struct expect_rule r = { .role = ROLE_MASQ, IN_CHAIN(w->ext) };
		emit(w, &r, "%s%s", w->mark, w->sets ? " comment \"masquerade\"" : "");
	}
	if (w->plan.external) {
		struct expect_rule r = { .role = ROLE_EXTERNAL, IN_CHAIN(w->ext), .target = w->external_chain };
		emit(w, &r, "goto %s", w->external_chain);
	}
}

static void firewall_chain(struct nft *w)
{
	const struct k8s_service *s = w->s;
	const struct ip_addr *own = expect_node_ip(w->node, w->p->family);
	struct expect_span *v = arena_array(w->arena, struct expect_span, s->nsource_ranges + s->ningress);
	size_t n = 0;
	for (size_t i = 0; v && i < s->nsource_ranges; i++) {
		struct ip_prefix p;
		if (expect_source_range(s, i, w->p->family, &p)) {
			v[n++] = (struct expect_span){ ip_prefix_first(&p), ip_prefix_last(&p) };
		}
	}
	for (size_t i = 0; v && own->family && expect_in_ranges(s, own) && i < s->ningress; i++) {
		if (expect_is_vip(w->node, &s->ingress[i], w->p->family)) {
			v[n++] = (struct expect_span){ s->ingress[i].ip, s->ingress[i].ip };
		}
	}
	struct expect_rule r = { .role = ROLE_FW_DROP, IN_CHAIN(w->fw) };
	emit(w, &r, "%s saddr != %s drop", w->ip,
	     text_or_fail(w, v ? expect_nft_spans(w->arena, v, n) : NULL));
}

/* ---- endpoints ---- */

static int target_cmp(const void *a, const void *b)
{
	return strcmp(((const struct target *)a)->text, ((const struct target *)b)->text);
}

static const char *endpoint_name(struct nft *w, const char *prefix, const struct expect_endpoint *e)
{
	char name[EXPECT_NFT_NAME_MAX];
	const struct k8s_meta *m = &w->s->meta;
	expect_nft_endpoint_name(prefix, m->ns, m->name, w->p->port->name, w->p->port->proto, &e->addr, e->port, name);
	return text_or_fail(w, arena_strdup(w->arena, name));
}

/* The texts of @n endpoints in kube-proxy's order, or NULL with w->r set. */
static struct target *make_targets(struct nft *w, const struct expect_endpoint *const *v, size_t n)
{
	bool chains = !w->sets || w->s->affinity_client_ip;
	struct target *t = arena_array(w->arena, struct target, n);
	text_or_fail(w, t ? "" : NULL);
	for (size_t i = 0; t && i < n; i++) {
		char endpoint[IP_ENDPOINT_STRLEN], addr[IP_ADDR_STRLEN];
		t[i].e = v[i];
		t[i].text = text_or_fail(
			w, arena_strdup(w->arena, ip_endpoint_format(&v[i]->addr, v[i]->port, endpoint)));
		t[i].addr = text_or_fail(w, arena_strdup(w->arena, ip_addr_format(&v[i]->addr, addr)));
		t[i].chain = chains ? endpoint_name(w, "endpoint-", v[i]) : NULL;
		t[i].affinity = w->s->affinity_client_ip ? endpoint_name(w, "affinity-", v[i]) : NULL;
	}
	if (w->r < 0) {
		return NULL;
	}
	qsort(t, n, sizeof(*t), target_cmp);
	return t;
}

/* "{ 0 : a, 1 : b }": chains, or endpoints of the one map. */
static const char *numbered(struct nft *w, const struct target *t, size_t n)
{
	struct strbuf CLEANUP(strbuf_release) b = STRBUF_INIT;
	for (size_t i = 0; i < n; i++) {
		strbuf_addf(&b, "%s %zu : ", i ? "," : "{", i);
		if (t[i].chain) {
			strbuf_addf(&b, "goto %s", t[i].chain);
		} else {
			strbuf_addf(&b, "%s . %u", t[i].addr, t[i].e->port);
		}
	}
	strbuf_adds(&b, " }");
	return text_or_fail(w, b.failed ? NULL : arena_strdup(w->arena, strbuf_str(&b)));
}

/* The chain of one policy: affinity first, then the choice by chance. */
static void balance_chain(struct nft *w, const char *chain, const struct expect_endpoint *const *v, size_t n)
{
	struct target *t = make_targets(w, v, n);
	for (size_t i = 0; t && i < n && w->s->affinity_client_ip; i++) {
		struct expect_rule r = {
			.role = ROLE_AFFINITY, IN_CHAIN(chain), .target = t[i].chain, .endpoint = t[i].e
		};
		emit(w, &r, "%s saddr @%s goto %s", w->ip, t[i].affinity, t[i].chain);
	}
	struct expect_rule r = { .role = ROLE_BALANCE, IN_CHAIN(chain), .endpoint = n == 1 ? v[0] : NULL };
	if (t && t[0].chain) {
		r.target = n == 1 ? t[0].chain : NULL;
		emit(w, &r, "numgen random mod %zu vmap %s", n, numbered(w, t, n));
	} else if (t && n == 1 && expect_after(w->node, CHANGE_NFT_SINGLE)) {
		emit(w, &r, "meta l4proto %s dnat to %s", w->plan.proto, t[0].text);
	} else if (t) {
		emit(w, &r, "meta l4proto %s dnat %s to numgen random mod %zu map %s", w->plan.proto, w->ip, n,
		     numbered(w, t, n));
	}
}

static void affinity_set(struct nft *w, const struct target *t)
{
	struct expect_rule r = { .role = ROLE_AFFINITY, .part = PART_SET, .set = t->affinity, .endpoint = t->e };
	emit(w, &r, "type %s; flags dynamic,timeout; timeout %us",
	     w->p->family == AF_INET ? "ipv4_addr" : "ipv6_addr", w->s->affinity_timeout);
}

static void endpoint_chain(struct nft *w, const struct target *t)
{
	struct expect_rule r = { .role = ROLE_ENDPOINT_MASQ, IN_CHAIN(t->chain), .endpoint = t->e };
	if (!w->sets) {
		emit(w, &r, "%s saddr %s %s", w->ip, t->addr, w->mark);
	}
	if (t->affinity) {
		affinity_set(w, t);
		r.role = ROLE_AFFINITY;
		emit(w, &r, "update @%s { %s saddr }", t->affinity, w->ip);
	}
	r.role = ROLE_ENDPOINT;
	emit(w, &r, "meta l4proto %s dnat to %s", w->plan.proto, t->text);
}

static void hairpin(struct nft *w, const struct target *t)
{
	struct expect_rule r = {
		.role = ROLE_ENDPOINT_MASQ,
		.part = PART_ELEMENT,
		.set = "hairpin-connections",
		.endpoint = t->e,
	};
	r.key = text_or_fail(w, arena_printf(w->arena, "%s . %s . %s . %u", t->addr, t->addr, w->plan.proto,
					     t->e->port));
	emit(w, &r, "%s", r.key);
}

static void endpoints(struct nft *w)
{
	const struct expect_endpoint **v;
	size_t n;
	w->r = expect_reached(w->arena, w->p, &w->plan, &v, &n);
	struct target *t = w->r == 0 && n ? make_targets(w, v, n) : NULL;
	for (size_t i = 0; t && i < n; i++) {
		if (w->sets && t[i].e->local) {
			hairpin(w, &t[i]);
		}
		if (t[i].chain) {
			endpoint_chain(w, &t[i]);
		}
	}
}

static const char *chain_name(struct nft *w, const char *prefix)
{
	char name[EXPECT_NFT_NAME_MAX];
	const struct k8s_meta *m = &w->s->meta;
	expect_nft_name(prefix, m->ns, m->name, w->p->port->name, w->p->port->proto, name);
	return text_or_fail(w, arena_strdup(w->arena, name));
}

static void decide(struct nft *w)
{
	w->r = expect_plan(w->arena, w->node, w->p, &w->plan);
	w->svc = chain_name(w, "service-");
	w->local = chain_name(w, "local-");
	w->ext = chain_name(w, "external-");
	w->fw = chain_name(w, "firewall-");
	w->internal_chain = w->plan.internal_local ? w->local : w->svc;
	w->external_chain = w->plan.external_local ? w->local : w->svc;
	w->ip = w->p->family == AF_INET ? "ip" : "ip6";
	w->sets = expect_after(w->node, CHANGE_NFT_SETS);
	w->mark = "jump mark-for-masquerade";
	if (w->sets) {
		w->mark = text_or_fail(
			w, arena_printf(w->arena, "meta mark set meta mark | 0x%08x", expect_mark(w->node)));
	}
}

int expect_nft_port(struct arena *arena, const struct expect_node *node, const struct expect_service *s,
		    const struct expect_port *p, struct expect_rules *ret)
{
	struct nft w = { .arena = arena, .node = node, .service = s, .p = p, .s = p->service, .rules = ret };
	decide(&w);
	if (w.r < 0) {
		return w.r;
	}
	elements(&w);
	internal_masq(&w);
	if (w.plan.any && w.plan.accessible) {
		external_chain(&w);
	}
	if (w.plan.has_ranges) {
		firewall_chain(&w);
	}
	if (w.plan.uses_cluster) {
		balance_chain(&w, w.svc, p->cluster, p->ncluster);
	}
	if (w.plan.uses_local) {
		balance_chain(&w, w.local, p->local, p->nlocal);
	}
	if (w.r == 0 && p->nall > 0) {
		endpoints(&w);
	}
	return w.r;
}
