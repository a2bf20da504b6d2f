/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of one Service port as kube-proxy v1.36 writes them in iptables mode
 * (pkg/proxy/iptables/proxier.go), in the words and the order of options in which iptables-save
 * 1.8.9 prints them. The rules that all Services share are in rules-common.c.
 */

#include <errno.h>

#include "expect-private.h"

int expect_add_rule(struct arena *arena, struct expect_rules *ret, const struct expect_rule *r,
		    const char *fmt, ...)
{
	struct strbuf CLEANUP(strbuf_release) b = STRBUF_INIT;
	va_list ap;
	strbuf_addf(&b, "-A %s ", r->chain);
	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	struct expect_rule copy = *r;
	copy.text = b.failed ? NULL : arena_strdup(arena, strbuf_str(&b));
	return copy.text ? array_push(&ret->v, copy) : -ENOMEM;
}

/* An endpoint with its texts; kube-proxy sorts by the text "address:port". */
struct target {
	const struct expect_endpoint *e;
	const char *text, *addr, *sep;
};

struct writer {
	struct arena *arena;
	const struct expect_node *node;
	const struct expect_service *service;
	const struct expect_port *p;
	const struct k8s_service *s;
	struct expect_rules *rules;
	struct expect_plan plan;
	unsigned full;                    /* bits of a whole address */
	const char *svc, *svl, *ext, *fw; /* chain names */
	const char *internal_chain, *external_chain; /* by traffic policy */
	bool uses_ext, uses_fw;
	int r; /* first error */
};

#define emit(w, rule, ...) \
	do { \
		if ((w)->r == 0) { \
			(w)->r = expect_add_rule((w)->arena, (w)->rules, (rule), __VA_ARGS__); \
		} \
	} while (0)

/* Never NULL; without memory the error is kept and no rule follows. */
static const char *text_or_fail(struct writer *w, const char *s)
{
	if (!s && w->r == 0) {
		w->r = -ENOMEM;
	}
	return s ? s : "";
}

static const char *addr_text(struct writer *w, const struct ip_addr *a)
{
	char s[IP_ADDR_STRLEN];
	return text_or_fail(w, arena_printf(w->arena, "%s/%u", ip_addr_format(a, s), w->full));
}

/* "-s PREFIX " and "-i NAME ", either empty: iptables-save prints the destination between them. */
static const char *detector_source(struct writer *w, bool local)
{
	char s[IP_PREFIX_STRLEN];
	if (w->plan.detector.kind != DETECTOR_PREFIX) {
		return "";
	}
	return text_or_fail(w, arena_printf(w->arena, "%s-s %s ", local ? "" : "! ",
					    ip_prefix_format(&w->plan.detector.prefix, s)));
}

static const char *detector_interface(struct writer *w, bool local)
{
	if (w->plan.detector.kind != DETECTOR_INTERFACE && w->plan.detector.kind != DETECTOR_INTERFACE_PREFIX) {
		return "";
	}
	return text_or_fail(w,
			    arena_printf(w->arena, "%s-i %s%s ", local ? "" : "! ", w->plan.detector.interface,
					 w->plan.detector.kind == DETECTOR_INTERFACE_PREFIX ? "+" : ""));
}

static const struct expect_frontend *find_frontend(const struct writer *w, enum expect_kind kind,
						   const struct ip_addr *a)
{
	return expect_find_frontend(w->service, w->p, kind, a);
}

/* ---- entries: KUBE-SERVICES and KUBE-NODEPORTS, and the refusals of the filter table ---- */

static void refuse(struct writer *w, const char *chain, const char *to, const struct expect_frontend *f,
		   const char *match, unsigned port)
{
	bool drop = w->plan.any;
	const char *why = drop ? "has no local endpoints" : "has no endpoints";
	const char *with = w->p->family == AF_INET ? "icmp-port-unreachable" : "icmp6-port-unreachable";
	struct expect_rule r = { .role = ROLE_REFUSE, .table = "filter", .chain = chain, .frontend = f };
	emit(w, &r, "%s-p %s -m comment --comment \"%s %s\" %s-m %s --dport %u -j %s%s", to, w->plan.proto,
	     w->plan.name, why, match, w->plan.proto, port, drop ? "DROP" : "REJECT --reject-with ",
	     drop ? "" : with);
}

/* The entry of one address. */
static void address_entry(struct writer *w, const struct ip_addr *a, const char *what, const char *target,
			  const struct expect_frontend *f)
{
	struct expect_rule r = {
		.role = ROLE_ENTRY,
		.table = "nat",
		.chain = "KUBE-SERVICES",
		.target = target,
		.frontend = f,
	};
	emit(w, &r, "-d %s -p %s -m comment --comment \"%s %s\" -m %s --dport %u -j %s", addr_text(w, a),
	     w->plan.proto, w->plan.name, what, w->plan.proto, w->p->port->port, target);
}

static void refuse_address(struct writer *w, const char *chain, const struct ip_addr *a,
			   const struct expect_frontend *f)
{
	const char *to = text_or_fail(w, arena_printf(w->arena, "-d %s ", addr_text(w, a)));
	refuse(w, chain, to, f, "", w->p->port->port);
}

static void cluster_ip_entry(struct writer *w)
{
	const struct ip_addr *a = &w->p->cluster_ip;
	const struct expect_frontend *f = find_frontend(w, EXPECT_CLUSTER_IP, NULL);
	if (w->plan.internal) {
		address_entry(w, a, "cluster IP", w->internal_chain, f);
	} else {
		refuse_address(w, "KUBE-SERVICES", a, f);
	}
}

static void external_entry(struct writer *w, enum expect_kind kind, const struct ip_addr *a)
{
	const struct expect_frontend *f = find_frontend(w, kind, a);
	bool lb = kind == EXPECT_LOAD_BALANCER;
	if (w->plan.any) {
		address_entry(w, a, lb ? "loadbalancer IP" : "external IP",
			      lb && w->uses_fw ? w->fw : w->ext, f);
	}
	if (lb && w->uses_fw) {
		struct expect_rule r = {
			.role = ROLE_FW_DROP,
			.table = "filter",
			.chain = "KUBE-PROXY-FIREWALL",
			.frontend = f,
		};
		emit(w, &r,
		     "-d %s -p %s -m comment --comment \"%s traffic not accepted by %s\" -m %s --dport %u "
		     "-j DROP",
		     addr_text(w, a), w->plan.proto, w->plan.name, w->fw, w->plan.proto, w->p->port->port);
	}
	if (!w->plan.external) {
		refuse_address(w, "KUBE-EXTERNAL-SERVICES", a, f);
	}
}

static void node_port_entry(struct writer *w)
{
	unsigned number = w->p->port->node_port;
	const struct expect_frontend *f = find_frontend(w, EXPECT_NODE_PORT, NULL);
	struct expect_rule r = {
		.role = ROLE_NODEPORT,
		.table = "nat",
		.chain = "KUBE-NODEPORTS",
		.target = w->ext,
		.frontend = f,
	};
	if (w->plan.any && w->p->family == AF_INET && expect_localhost_node_ports(w->node)) {
		r.optional = true;
		emit(w, &r,
		     "-d 127.0.0.0/8 -p %s -m comment --comment \"%s\" -m %s --dport %u -m nfacct "
		     "--nfacct-name  "
		     "localhost_nps_accepted_pkts -j %s",
		     w->plan.proto, w->plan.name, w->plan.proto, number, w->ext);
		r.optional = false;
	}
	if (w->plan.any) {
		emit(w, &r, "-p %s -m comment --comment \"%s\" -m %s --dport %u -j %s", w->plan.proto, w->plan.name,
		     w->plan.proto, number, w->ext);
	}
	if (!w->plan.external) {
		refuse(w, "KUBE-EXTERNAL-SERVICES", "", f, "-m addrtype --dst-type LOCAL ", number);
	}
}

static void health_entry(struct writer *w)
{
	uint16_t number = expect_health_port(w->s);
	if (number) {
		struct expect_rule r = {
			.role = ROLE_ACCEPT,
			.table = "filter",
			.chain = "KUBE-NODEPORTS",
			.frontend = find_frontend(w, EXPECT_HEALTH_CHECK, NULL),
		};
		emit(w, &r,
		     "-p tcp -m comment --comment \"%s health check node port\" -m tcp --dport %u -j "
		     "ACCEPT",
		     w->plan.name, number);
	}
}

static void entries(struct writer *w)
{
	const struct k8s_service *s = w->s;
	cluster_ip_entry(w);
	for (size_t i = 0; i < s->nexternal_ips && expect_external_ips_on(w->node); i++) {
		if (s->external_ips[i].family == w->p->family) {
			external_entry(w, EXPECT_EXTERNAL_IP, &s->external_ips[i]);
		}
	}
	for (size_t i = 0; i < s->ningress; i++) {
		if (expect_is_vip(w->node, &s->ingress[i], w->p->family)) {
			external_entry(w, EXPECT_LOAD_BALANCER, &s->ingress[i].ip);
		}
	}
	if (w->p->port->node_port) {
		node_port_entry(w);
	}
	health_entry(w);
}

/* ---- the Service port's own chains ---- */

static void internal_masq(struct writer *w)
{
	bool all = w->node->config->masquerade_all == 1;
	if (!w->plan.internal || (!all && !w->plan.has_detector)) {
		return;
	}
	struct expect_rule r = {
		.role = ROLE_MASQ,
		.table = "nat",
		.chain = w->internal_chain,
		.target = "KUBE-MARK-MASQ",
		.frontend = find_frontend(w, EXPECT_CLUSTER_IP, NULL),
	};
	emit(w, &r,
	     "%s-d %s %s-p %s -m comment --comment \"%s cluster IP\" -m %s --dport %u -j KUBE-MARK-MASQ",
	     all ? "" : detector_source(w, false), addr_text(w, &w->p->cluster_ip),
	     all ? "" : detector_interface(w, false), w->plan.proto, w->plan.name, w->plan.proto, w->p->port->port);
}

/* Policy Local: the short ways of pods and of the node itself, before the policy is asked. */
static void external_short_ways(struct writer *w)
{
	struct expect_rule to_svc = {
		.role = ROLE_EXTERNAL, .table = "nat", .chain = w->ext, .target = w->svc
	};
	struct expect_rule masq = {
		.role = ROLE_MASQ, .table = "nat", .chain = w->ext, .target = "KUBE-MARK-MASQ"
	};
	if (w->plan.has_detector) {
		emit(w, &to_svc,
		     "%s%s-m comment --comment \"pod traffic for %s external destinations\" -j %s",
		     detector_source(w, true), detector_interface(w, true), w->plan.name, w->svc);
	}
	emit(w, &masq,
	     "-m comment --comment \"masquerade LOCAL traffic for %s external destinations\" "
	     "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ",
	     w->plan.name);
	emit(w, &to_svc,
	     "-m comment --comment \"route LOCAL traffic for %s external destinations\" "
	     "-m addrtype --src-type LOCAL -j %s",
	     w->plan.name, w->svc);
}

static void external_chain(struct writer *w)
{
	if (expect_external_local(w->s)) {
		external_short_ways(w);
	} else {
		struct expect_rule r = {
			.role = ROLE_MASQ, .table = "nat", .chain = w->ext, .target = "KUBE-MARK-MASQ"
		};
		emit(w, &r,
		     "-m comment --comment \"masquerade traffic for %s external destinations\" -j "
		     "KUBE-MARK-MASQ",
		     w->plan.name);
	}
	if (w->plan.external) {
		struct expect_rule r = {
			.role = ROLE_EXTERNAL,
			.table = "nat",
			.chain = w->ext,
			.target = w->external_chain,
		};
		emit(w, &r, "-j %s", w->external_chain);
	}
}

static void firewall_source(struct writer *w, const char *source)
{
	struct expect_rule r = { .role = ROLE_FIREWALL, .table = "nat", .chain = w->fw, .target = w->ext };
	emit(w, &r, "-s %s -m comment --comment \"%s loadbalancer IP\" -j %s", source, w->plan.name, w->ext);
}

static void firewall_chain(struct writer *w)
{
	const struct ip_addr *own = expect_node_ip(w->node, w->p->family);
	for (size_t i = 0; i < w->s->nsource_ranges; i++) {
		struct ip_prefix p;
		char s[IP_PREFIX_STRLEN];
		if (expect_source_range(w->s, i, w->p->family, &p)) {
			firewall_source(w, ip_prefix_format(&p, s));
		}
	}
	for (size_t i = 0; own->family && expect_in_ranges(w->s, own) && i < w->s->ningress; i++) {
		if (expect_is_vip(w->node, &w->s->ingress[i], w->p->family)) {
			firewall_source(w, addr_text(w, &w->s->ingress[i].ip));
		}
	}
	struct expect_rule last = { .role = ROLE_FIREWALL, .table = "nat", .chain = w->fw };
	emit(w, &last,
	     "-m comment --comment \"other traffic to %s will be dropped by KUBE-PROXY-FIREWALL\"",
	     w->plan.name);
}

/* ---- endpoints ---- */

static int target_cmp(const void *a, const void *b)
{
	return strcmp(((const struct target *)a)->text, ((const struct target *)b)->text);
}

/* The texts of @n endpoints in kube-proxy's order, or NULL with w->r set. */
static struct target *make_targets(struct writer *w, const struct expect_endpoint *const *v, size_t n)
{
	struct target *t = arena_array(w->arena, struct target, n);
	for (size_t i = 0; t && i < n; i++) {
		char endpoint[IP_ENDPOINT_STRLEN], sep[EXPECT_CHAIN_MAX];
		const struct k8s_meta *m = &w->s->meta;
		expect_sep_name(m->ns, m->name, w->p->port->name, w->p->port->proto, &v[i]->addr,
				v[i]->port, sep);
		t[i].e = v[i];
		t[i].text = arena_strdup(w->arena, ip_endpoint_format(&v[i]->addr, v[i]->port, endpoint));
		t[i].addr = addr_text(w, &v[i]->addr);
		t[i].sep = arena_strdup(w->arena, sep);
		text_or_fail(w, t[i].text);
		text_or_fail(w, t[i].sep);
	}
	text_or_fail(w, t ? "" : NULL);
	if (w->r < 0) {
		return NULL;
	}
	qsort(t, n, sizeof(*t), target_cmp);
	return t;
}

/* @num / @den rounded to a whole number, ties to even. */
static uint64_t round_div(uint64_t num, uint64_t den)
{
	uint64_t q = num / den, rest = num % den;
	return q + (2 * rest > den || (2 * rest == den && q % 2));
}

/* @num * 2^31 / @den rounded, for num below den, both below 2^34: bit by bit, for the product has 65 bits. */
static uint64_t scale_31(uint64_t num, uint64_t den)
{
	uint64_t q = 0;
	for (int i = 0; i < 31; i++) {
		num *= 2;
		q = 2 * q + (num >= den);
		num -= num >= den ? den : 0;
	}
	return q + (2 * num >= den);
}

/*
 * The probability 1/@n (n above 1) as it comes back from the kernel: kube-proxy writes ten
 * decimals, xt_statistic keeps k/2^31, iptables-save prints eleven decimals of that. In whole
 * numbers, for no locale may change the point.
 */
static void format_probability(uint64_t n, char ret[static 16])
{
	const uint64_t one = UINT64_C(10000000000), unit = UINT64_C(1) << 31;
	uint64_t rest = scale_31(round_div(one, n), one), digits = 0;
	for (int i = 0; i < 11; i++) {
		rest *= 10;
		digits = 10 * digits + rest / unit;
		rest %= unit;
	}
	digits += 2 * rest > unit || (2 * rest == unit && digits % 2);
	(void)snprintf(ret, 16, "0.%011llu", (unsigned long long)digits);
}

static const char *recent_mask(const struct writer *w)
{
	return w->p->family == AF_INET ? "255.255.255.255" : "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
}

/* The chain of one policy: affinity first, then the choice by chance. */
static void balance_chain(struct writer *w, const char *chain, const struct expect_endpoint *const *v,
			  size_t n)
{
	struct target *t = make_targets(w, v, n);
	for (size_t i = 0; t && i < n && w->s->affinity_client_ip; i++) {
		struct expect_rule r = {
			.role = ROLE_AFFINITY,
			.table = "nat",
			.chain = chain,
			.target = t[i].sep,
			.endpoint = t[i].e,
		};
		emit(w, &r,
		     "-m comment --comment \"%s -> %s\" -m recent --rcheck --seconds %u --reap --name %s "
		     "--mask %s "
		     "--rsource -j %s",
		     w->plan.name, t[i].text, w->s->affinity_timeout, t[i].sep, recent_mask(w), t[i].sep);
	}
	for (size_t i = 0; t && i < n; i++) {
		struct expect_rule r = {
			.role = ROLE_BALANCE,
			.table = "nat",
			.chain = chain,
			.target = t[i].sep,
			.endpoint = t[i].e,
		};
		char probability[16];
		if (i + 1 == n) {
			emit(w, &r, "-m comment --comment \"%s -> %s\" -j %s", w->plan.name, t[i].text,
			     t[i].sep);
			continue;
		}
		format_probability(n - i, probability);
		emit(w, &r,
		     "-m comment --comment \"%s -> %s\" -m statistic --mode random --probability %s -j %s",
		     w->plan.name, t[i].text, probability, t[i].sep);
	}
}

static void endpoint_chain(struct writer *w, const struct target *t)
{
	struct expect_rule masq = {
		.role = ROLE_ENDPOINT_MASQ,
		.table = "nat",
		.chain = t->sep,
		.target = "KUBE-MARK-MASQ",
		.endpoint = t->e,
	};
	struct expect_rule dnat = {
		.role = ROLE_ENDPOINT, .table = "nat", .chain = t->sep, .endpoint = t->e
	};
	emit(w, &masq, "-s %s -m comment --comment \"%s\" -j KUBE-MARK-MASQ", t->addr, w->plan.name);
	if (w->s->affinity_client_ip) {
		emit(w, &dnat,
		     "-p %s -m comment --comment \"%s\" -m recent --set --name %s --mask %s --rsource -m "
		     "%s -j DNAT "
		     "--to-destination %s",
		     w->plan.proto, w->plan.name, t->sep, recent_mask(w), w->plan.proto, t->text);
	} else {
		emit(w, &dnat, "-p %s -m comment --comment \"%s\" -m %s -j DNAT --to-destination %s",
		     w->plan.proto, w->plan.name, w->plan.proto, t->text);
	}
}

static void endpoint_chains(struct writer *w)
{
	const struct expect_endpoint **v;
	size_t n;
	w->r = expect_reached(w->arena, w->p, &w->plan, &v, &n);
	struct target *t = w->r == 0 && n ? make_targets(w, v, n) : NULL;
	for (size_t i = 0; t && i < n; i++) {
		endpoint_chain(w, &t[i]);
	}
}

/* ---- which of all this is there ---- */

static const char *chain_name(struct writer *w, const char *prefix)
{
	char name[EXPECT_CHAIN_MAX];
	const struct k8s_meta *m = &w->s->meta;
	expect_chain_name(prefix, m->ns, m->name, w->p->port->name, w->p->port->proto, name);
	return text_or_fail(w, arena_strdup(w->arena, name));
}

static void decide(struct writer *w)
{
	const struct expect_plan *plan = &w->plan;
	w->r = expect_plan(w->arena, w->node, w->p, &w->plan);
	w->svc = chain_name(w, "KUBE-SVC-");
	w->svl = chain_name(w, "KUBE-SVL-");
	w->ext = chain_name(w, "KUBE-EXT-");
	w->fw = chain_name(w, "KUBE-FW-");
	w->internal_chain = plan->internal_local ? w->svl : w->svc;
	w->external_chain = plan->external_local ? w->svl : w->svc;
	w->uses_ext = plan->any && plan->accessible;
	w->uses_fw = plan->any && plan->has_ranges;
}

int expect_iptables_port(struct arena *arena, const struct expect_node *node, const struct expect_service *s,
			 const struct expect_port *p, struct expect_rules *ret)
{
	struct writer w = {
		.arena = arena, .node = node, .service = s, .p = p, .s = p->service, .rules = ret
	};
	w.full = p->family == AF_INET ? 32 : 128;
	decide(&w);
	if (w.r < 0) {
		return w.r;
	}
	entries(&w);
	internal_masq(&w);
	if (w.uses_ext) {
		external_chain(&w);
	}
	if (w.uses_fw) {
		firewall_chain(&w);
	}
	if (w.plan.uses_cluster) {
		balance_chain(&w, w.svc, p->cluster, p->ncluster);
	}
	if (w.plan.uses_local) {
		balance_chain(&w, w.svl, p->local, p->nlocal);
	}
	if (w.r == 0 && p->nall > 0) {
		endpoint_chains(&w);
	}
	return w.r;
}
