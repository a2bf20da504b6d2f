/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of a node's rules that no single packet shows: marks that two programs use or that lost their mask, chains of
 * kube-proxy that somebody else writes to, a chain that nobody makes any more, a Service's address on an interface. What
 * they do to packets is verify's to find; here is said where it comes from.
 */
#include "checks-private.h"

#define SHOWN_MAX 6
#define ALL_BITS 0xffffffffu

/* A node whose kube-proxy writes xtables rules for Services, in iptables mode. */
static bool in_iptables_mode(const struct run *r, const struct snap_node *n)
{
	return (!r->o->node || str_is(n->name, r->o->node)) && verify_has_proxy_rules(n) && verify_mode(r->s, n) == MODE_IPTABLES;
}

/* The chains that mark packets, and the mark itself, are the same in IPVS mode. */
static bool marks_by_iptables(const struct run *r, const struct snap_node *n)
{
	return in_iptables_mode(r, n) ||
	       ((!r->o->node || str_is(n->name, r->o->node)) && verify_has_proxy_rules(n) && verify_mode(r->s, n) == MODE_IPVS);
}

static bool in_nftables_mode(const struct run *r, const struct snap_node *n)
{
	return (!r->o->node || str_is(n->name, r->o->node)) && verify_mode(r->s, n) == MODE_NFTABLES &&
	       (verify_has_proxy_table(n, false) || verify_has_proxy_table(n, true));
}

static const char *rule_text(struct run *r, const struct rs_rule *rule)
{
	return run_printf(r, "%s %s rule %u: %.*s", rule->chain->table->name, rule->chain->name, rule->index, (int)MIN(rule->text_len, 300u),
			  rule->text);
}

static bool says(const struct rs_rule *rule, const char *what)
{
	return memmem(rule->text, rule->text_len, what, strlen(what)) != NULL;
}

struct rule_list {
	const struct rs_rule *v[SHOWN_MAX];
	size_t len;
};

static void rule_list_add(struct rule_list *l, const struct rs_rule *rule)
{
	if (l->len < SHOWN_MAX)
		l->v[l->len] = rule;
	l->len++;
}

static struct finding *finding_of_node(struct run *r, const char *id, const char *node)
{
	struct finding *f = finding_new(r, id, node, NULL, run_printf(r, "Node %s", node));

	f->rank = 8;
	finding_cluster(f);
	finding_partial(f);
	return f;
}

static void rules_evidence(struct run *r, struct finding *f, const struct rule_list *l)
{
	for (size_t i = 0; i < MIN(l->len, (size_t)SHOWN_MAX); i++)
		finding_evidence(r, f, "%s", rule_text(r, l->v[i]));
	if (l->len > SHOWN_MAX)
		finding_evidence(r, f, "and %zu more rules", l->len - SHOWN_MAX);
}

/* ---- each rule of the xtables tables ---- */

static void each_rule(struct run *r, const struct snap_node *n, void (*visit)(struct run *r, const struct rs_rule *rule, void *arg), void *arg)
{
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		for (size_t j = 0; t->xtables && j < t->chain_list.len; j++)
			for (uint32_t k = 0; k < t->chain_list.v[j]->nrules; k++)
				visit(r, t->chain_list.v[j]->rules[k], arg);
	}
}

/* ---- a mask that was lost ---- */

struct lost_masks {
	struct rule_list marks, drops;
};

static void visit_mask(struct run *r, const struct rs_rule *rule, void *arg)
{
	const char *chain = rule->chain->name;
	const struct rs_stmt *st = rule_target(rule);
	struct lost_masks *l = arg;
	bool asks_mark = false;

	(void)r;
	if (!st || !str_starts(chain, "KUBE-"))
		return;
	if (st->kind == ST_MARK && st->u.bits.mask == ALL_BITS &&
	    (str_starts(chain, "KUBE-MARK-") || str_is(chain, "KUBE-POSTROUTING")))
		rule_list_add(&l->marks, rule);
	if (st->kind != ST_DROP || !str_is(chain, "KUBE-FIREWALL") || !says(rule, "dropping marked packets"))
		return;
	for (unsigned i = 0; i < rule->nconds; i++)
		asks_mark |= rule->conds[i].field == FIELD_MARK || rule->conds[i].field == FIELD_OPAQUE;
	if (!asks_mark)
		rule_list_add(&l->drops, rule);
}

static void lost_masks(struct run *r, const struct snap_node *n)
{
	struct lost_masks l = { 0 };
	struct finding *f;

	each_rule(r, n, visit_mask, &l);
	if (!l.marks.len && !l.drops.len)
		return;
	f = finding_of_node(r, "iptables-1.8.8-mark-mask-loss", n->name);
	if (l.drops.len) {
		finding_text(r, f, "on node %s KUBE-FIREWALL drops every packet: the rule for marked packets has lost its mark", n->name);
	} else {
		finding_severity(f, SEVERITY_WARNING);
		finding_text(r, f, "on node %s %s has lost the mask of its mark: it overwrites the marks of all other programs", n->name,
			     l.marks.v[0]->chain->name);
	}
	rules_evidence(r, f, &l.drops);
	rules_evidence(r, f, &l.marks);
	finding_next(r, f, "iptables --version");
	proxy_commands(r, f, n->name);
}

void check_mark_masks(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (marks_by_iptables(r, r->s->nodes.v[i]))
			lost_masks(r, r->s->nodes.v[i]);
}

/* ---- two programs, one bit ---- */

/* Which hooks lead to each chain; kube-proxy's own chains are not entered. */
struct reached {
	const struct rs_chain *chain;
	uint8_t hooks;
};
struct reach {
	struct run *r;
	struct map chains; /* struct rs_chain * by pointer -> struct reached */
	ARRAY_OF(const struct rs_chain *) todo;
	uint32_t bit;
	struct rule_list sets, clears;
};

static void reach_add(struct reach *w, const struct rs_chain *c, uint8_t hook)
{
	struct reached *at = c ? map_get(&w->chains, &c, sizeof(c)) : NULL;

	if (!c || (at && at->hooks & hook) || str_starts(c->name, "KUBE-"))
		return;
	if (!at) {
		at = arena_new(&w->r->scratch, struct reached);
		if (!at) {
			w->r->err = -ENOMEM;
			return;
		}
		at->chain = c;
		if (map_put(&w->chains, &at->chain, sizeof(at->chain), at) < 0)
			w->r->err = -ENOMEM;
	}
	at->hooks |= hook;
	run_push(w->r, &w->todo, c);
}

static uint8_t reached_by(const struct reach *w, const struct rs_chain *c)
{
	const struct reached *at = map_get(&w->chains, &c, sizeof(c));

	return at ? at->hooks : 0;
}

static void reach_from(struct reach *w, const struct rs_chain *base)
{
	const uint8_t hook = (uint8_t)(1u << base->hook);

	reach_add(w, base, hook);
	while (w->todo.len && !w->r->err) {
		const struct rs_chain *c = w->todo.v[--w->todo.len];

		for (uint32_t i = 0; i < c->nrules; i++)
			for (unsigned j = 0; j < c->rules[i]->nstmts; j++) {
				const struct rs_stmt *st = &c->rules[i]->stmts[j];

				if (st->kind == ST_JUMP || st->kind == ST_GOTO)
					reach_add(w, st->u.target, hook);
			}
	}
	w->todo.len = 0;
}

/*
 * Between the place where kube-proxy marks (nat of PREROUTING and OUTPUT) and that where it reads the mark (nat of
 * POSTROUTING); earlier, a mark that is cleared was nobody's.
 */
static bool after_marking(const struct rs_rule *rule, uint8_t hooks)
{
	const char *table = rule->chain->table->name;

	return (hooks & 1u << HOOK_FORWARD) || (hooks & 1u << HOOK_POSTROUTING && !str_is(table, "nat")) ||
	       (hooks & 1u << HOOK_OUTPUT && (str_is(table, "filter") || str_is(table, "security")));
}

static void visit_bit(struct run *r, const struct rs_rule *rule, void *arg)
{
	struct reach *w = arg;
	const struct rs_stmt *st = rule_target(rule);
	const uint8_t hooks = reached_by(w, rule->chain);

	(void)r;
	if (!hooks || !st || st->kind != ST_MARK)
		return;
	if (st->u.bits.value & w->bit)
		rule_list_add(&w->sets, rule);
	else if (st->u.bits.mask & w->bit && after_marking(rule, hooks))
		rule_list_add(&w->clears, rule);
}

/* A routing rule that holds for a packet with kube-proxy's mark and not for one without, or the reverse. */
static const struct node_rule *routes_by_mark(const struct snap_node *n, uint32_t bit)
{
	for (size_t i = 0; i < n->facts.rules.len; i++) {
		const struct node_rule *rule = &n->facts.rules.v[i];

		if (rule->fwmask && ((bit & rule->fwmask) == rule->fwmark) != (rule->fwmark == 0))
			return rule;
	}
	return NULL;
}

static void mark_finding(struct run *r, const struct snap_node *n, const struct reach *w, const struct node_rule *route)
{
	struct finding *f = finding_of_node(r, "mark-bit-conflict", n->name);

	if (w->sets.len)
		finding_text(r, f, "on node %s a rule of another program sets bit 0x%x of the mark, by which kube-proxy knows what to masquerade",
			     n->name, w->bit);
	else if (w->clears.len)
		finding_text(r, f, "on node %s a rule of another program clears bit 0x%x of the mark before kube-proxy masquerades by it", n->name,
			     w->bit);
	else
		finding_text(r, f, "on node %s a routing rule asks for bit 0x%x of the mark: packets that kube-proxy marks take another way", n->name,
			     w->bit);
	rules_evidence(r, f, &w->sets);
	rules_evidence(r, f, &w->clears);
	if (route)
		finding_evidence(r, f, "ip rule: %.300s", route->text ? route->text : "fwmark");
	finding_next(r, f, "ip rule show");
	finding_next(r, f, "sudo iptables-save | grep -e MARK");
}

static void mark_conflict(struct run *r, const struct snap_node *n)
{
	const struct kube_proxy_config *c = snapshot_proxy_config(r->s, n);
	const int bit = c && c->known && c->masquerade_bit >= 0 && c->masquerade_bit < 32 ? c->masquerade_bit : 14;
	struct reach w = { .r = r, .bit = 1u << bit };
	const struct node_rule *route = routes_by_mark(n, w.bit);

	for (size_t i = 0; i < n->rules.tables.len; i++)
		for (size_t j = 0; j < n->rules.tables.v[i]->chain_list.len; j++)
			if (n->rules.tables.v[i]->chain_list.v[j]->hook != HOOK_NONE)
				reach_from(&w, n->rules.tables.v[i]->chain_list.v[j]);
	array_free(&w.todo);
	each_rule(r, n, visit_bit, &w);
	if (w.sets.len || w.clears.len || route)
		mark_finding(r, n, &w, route);
	map_release(&w.chains);
}

void check_mark_bits(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (marks_by_iptables(r, r->s->nodes.v[i]) || in_nftables_mode(r, r->s->nodes.v[i]))
			mark_conflict(r, r->s->nodes.v[i]);
}

/* ---- nftables mode beside somebody's FORWARD ---- */

/* A rule that accepts a packet of a new connection, as far as conntrack goes. */
static bool accepts_new(const struct rs_rule *rule)
{
	const struct rs_stmt *st = rule_target(rule);

	if (!st || (st->kind != ST_ACCEPT && st->kind != ST_UNKNOWN && st->kind != ST_QUEUE))
		return false;
	for (unsigned i = 0; i < rule->nconds; i++)
		if (rule->conds[i].field == FIELD_CT_STATE && rule->conds[i].op == OP_ANY && !rule->conds[i].negate &&
		    !(rule->conds[i].u.bits.value & CTSTATE_NEW))
			return false;
	return true;
}

static void visit_accept(struct run *r, const struct rs_rule *rule, void *arg)
{
	struct reach *w = arg;

	(void)r;
	if (reached_by(w, rule->chain) && accepts_new(rule))
		rule_list_add(&w->sets, rule);
}

/* The policy of FORWARD is DROP, and nothing that FORWARD leads to accepts a new connection. */
static bool forwards_nothing(struct run *r, const struct snap_node *n, const struct rs_chain *forward)
{
	struct reach w = { .r = r };

	reach_from(&w, forward);
	array_free(&w.todo);
	each_rule(r, n, visit_accept, &w);
	map_release(&w.chains);
	return w.sets.len == 0;
}

static void forward_finding(struct run *r, const struct snap_node *n, const struct rs_chain *forward)
{
	struct finding *f = finding_of_node(r, "nftables-forward-drop-no-accept", n->name);

	finding_text(r, f, "on node %s the policy of %s FORWARD is DROP and no rule accepts, and kube-proxy in nftables mode adds none: forwarded "
			   "packets of Services are lost", n->name, table_tool(forward->table));
	if (forward->has_policy_counters)
		finding_evidence(r, f, "the policy has dropped %llu packets", (unsigned long long)forward->policy_packets);
	finding_next(r, f, "sudo iptables-save -c -t filter | grep -e FORWARD");
}

/* kube-proxy's own ACCEPT in FORWARD is of iptables and IPVS mode only (KEP-3866). */
void check_nft_forward(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		if (verify_mode(r->s, n) != MODE_NFTABLES || (r->o->node && !str_is(n->name, r->o->node)))
			continue;
		for (size_t j = 0; j < n->rules.tables.len; j++) {
			const struct rs_table *t = n->rules.tables.v[j];
			const struct rs_chain *c =
				t->xtables && t->family == RS_IP4 && str_is(t->name, "filter") ? table_find_chain(t, "FORWARD") : NULL;

			if (c && c->policy == POLICY_DROP && forwards_nothing(r, n, c)) {
				forward_finding(r, n, c);
				break;
			}
		}
	}
}

/* ---- a chain that nobody makes ---- */

/* "registry.k8s.io/kube-proxy:v1.24.3-build1" -> 24; -1 where the tag is no version. */
static int image_minor(const struct k8s_pod *p)
{
	for (size_t i = 0; i < p->ncontainers; i++) {
		const char *image = p->containers[i].image, *tag = image ? strrchr(image, ':') : NULL;

		if (tag && strstr(image, "kube-proxy") && !strchr(tag, '/') && str_starts(tag, ":v1."))
			return k8s_minor_version(tag + 1);
	}
	return -1;
}

/* Table nat holds kube-proxy's Services, and the chain that older ones jump to in order to drop is not there. */
static bool lacks_mark_drop(const struct snap_node *n)
{
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];
		const enum snap_dump d = t->family == RS_IP6 ? (t->backend == BACKEND_NFT ? DUMP_NFT6 : DUMP_LEGACY6)
							     : (t->backend == BACKEND_NFT ? DUMP_NFT4 : DUMP_LEGACY4);

		if (t->xtables && str_is(t->name, "nat") && n->dumps[d] == KNOWN && table_find_chain(t, "KUBE-SERVICES") &&
		    !table_find_chain(t, "KUBE-MARK-DROP"))
			return true;
	}
	return false;
}

/* The kubelet made it until 1.26 (KEP-3178); kube-proxy makes do without it since 1.25. */
void check_mark_drop(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const struct k8s_pod *p = map_gets(&r->proxy_pods, n->name);
		const struct k8s_node *o = k8s_find_node(r->c, n->name);
		const int proxy = p ? image_minor(p) : -1, kubelet = o ? k8s_minor_version(o->kubelet_version) : -1;
		struct finding *f;

		if (proxy < 0 || proxy > 24 || kubelet < 27 || !in_iptables_mode(r, n) || !lacks_mark_drop(n))
			continue;
		f = finding_of_node(r, "kube-mark-drop-missing", n->name);
		finding_text(r, f,
			     "on node %s kube-proxy 1.%d needs the chain KUBE-MARK-DROP, which kubelet 1.%d no longer makes: as soon as a Service asks "
			     "for it, kube-proxy writes nothing more",
			     n->name, proxy, kubelet);
		finding_evidence(r, f, "table nat has KUBE-SERVICES and no KUBE-MARK-DROP");
		finding_next(r, f, "kubectl -n %s logs %s --tail=50", p->meta.ns, p->meta.name);
		finding_next(r, f, "kubectl get node %s -o wide", n->name);
	}
}

/* ---- rules of strangers in kube-proxy's chains ---- */

enum { TO_KUBE = 1, TO_ACCEPT = 2, TO_REFUSE = 4, TO_RETURN = 8, TO_MARK = 16, TO_MASQUERADE = 32, TO_DNAT = 64, TO_NOWHERE = 128 };

/* What kube-proxy (1.20 to 1.36) and the kubelet write into these chains. The first row whose prefix fits counts. */
static const struct {
	const char *table, *prefix;
	unsigned targets;
} grammar[] = {
	{ "nat", "KUBE-SERVICES", TO_KUBE },
	{ "nat", "KUBE-NODEPORTS", TO_KUBE },
	{ "nat", "KUBE-SVC-", TO_KUBE },
	{ "nat", "KUBE-SVL-", TO_KUBE },
	{ "nat", "KUBE-EXT-", TO_KUBE },
	{ "nat", "KUBE-XLB-", TO_KUBE },
	{ "nat", "KUBE-FW-", TO_KUBE | TO_NOWHERE },
	{ "nat", "KUBE-SEP-", TO_KUBE | TO_DNAT },
	{ "nat", "KUBE-MARK-", TO_MARK },
	{ "nat", "KUBE-POSTROUTING", TO_RETURN | TO_MARK | TO_MASQUERADE },
	{ "filter", "KUBE-SERVICES", TO_REFUSE },
	{ "filter", "KUBE-EXTERNAL-SERVICES", TO_REFUSE },
	{ "filter", "KUBE-PROXY-FIREWALL", TO_REFUSE },
	{ "filter", "KUBE-NODEPORTS", TO_ACCEPT },
	{ "filter", "KUBE-FORWARD", TO_ACCEPT | TO_REFUSE },
};

static unsigned target_kind(const struct rs_stmt *st)
{
	if (!st)
		return TO_NOWHERE;
	switch ((enum rs_stmt_kind)st->kind) {
	case ST_JUMP:
	case ST_GOTO:
		/* a chain that is not in the dump tells nothing */
		return !st->u.target || str_starts(st->u.target->name, "KUBE-") ? TO_KUBE : 0;
	case ST_ACCEPT:
		return TO_ACCEPT;
	case ST_DROP:
	case ST_REJECT:
		return TO_REFUSE;
	case ST_RETURN:
		return TO_RETURN;
	case ST_MARK:
		return TO_MARK;
	case ST_MASQUERADE:
		return TO_MASQUERADE;
	case ST_DNAT:
		return TO_DNAT;
	default:
		return 0;
	}
}

/*
 * KUBE-FORWARD is the same on every node, and kube-proxy says of each rule there what it is for, but of that for invalid
 * packets. Elsewhere a comment may be missing: large clusters go without.
 */
static bool is_explained(const struct rs_rule *rule, unsigned kind)
{
	return !str_is(rule->chain->name, "KUBE-FORWARD") || says(rule, "--comment") || (kind == TO_REFUSE && says(rule, "INVALID"));
}

/* What may stand in the chain; 0: nobody knows. */
static unsigned targets_of(const struct rs_chain *c)
{
	if (!str_starts(c->name, "KUBE-"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(grammar); i++)
		if (str_is(c->table->name, grammar[i].table) && str_starts(c->name, grammar[i].prefix))
			return grammar[i].targets;
	return 0;
}

struct foreign {
	struct rule_list l;
	const struct rs_chain *chain; /* of the last rule; rules come chain by chain */
	unsigned targets;	      /* of it */
};

static void visit_foreign(struct run *r, const struct rs_rule *rule, void *arg)
{
	struct foreign *w = arg;
	unsigned kind;

	(void)r;
	if (w->chain != rule->chain) {
		w->chain = rule->chain;
		w->targets = targets_of(rule->chain);
	}
	if (!w->targets)
		return;
	kind = target_kind(rule_target(rule));
	if (!(w->targets & kind) || !is_explained(rule, kind))
		rule_list_add(&w->l, rule);
}

static void edited_chains(struct run *r, const struct snap_node *n)
{
	struct foreign w = { 0 };
	struct finding *f;

	each_rule(r, n, visit_foreign, &w);
	if (!w.l.len)
		return;
	f = finding_of_node(r, "externally-edited-kube-chains", n->name);
	finding_text(r, f, "on node %s somebody else has written %zu rule%s into kube-proxy's chains: at its next full sync they are gone", n->name,
		     w.l.len, PLURAL(w.l.len));
	rules_evidence(r, f, &w.l);
	finding_next(r, f, "svcdoctor rules -A --node %s", n->name);
}

void check_edited_chains(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (in_iptables_mode(r, r->s->nodes.v[i]))
			edited_chains(r, r->s->nodes.v[i]);
}

/* ---- a Service's address on an interface ---- */

static void local_vips(struct run *r, const struct snap_node *n, const struct map *owners)
{
	struct finding *f = NULL;
	size_t ipvs = 0, all = 0;

	for (size_t i = 0; i < n->facts.addrs.len; i++) {
		const struct node_address *a = &n->facts.addrs.v[i];
		struct svc *v = map_get(owners, &a->addr, sizeof(a->addr));
		char buf[IP_ADDR_STRLEN];

		/* NodeLocal DNSCache takes the address of the DNS Service on purpose */
		if (!v || str_is(a->ifname, "nodelocaldns"))
			continue;
		f = f ? f : finding_of_node(r, "vip-local-on-node-non-ipvs", n->name);
		finding_concerns(r, f, v->o);
		finding_evidence(r, f, "%s, the cluster IP of %s/%s, is an address of %s", ip_addr_format(&a->addr, buf), v->o->meta.ns,
				 v->o->meta.name, a->ifname ? a->ifname : "an interface");
		ipvs += str_is(a->ifname, "kube-ipvs0");
		all++;
	}
	if (!f)
		return;
	finding_text(r, f, "node %s has %zu cluster IP%s as its own: ports for which there is no rule are answered by the node itself", n->name, all,
		     PLURAL(all));
	finding_next(r, f, "ip addr");
	if (ipvs) {
		finding_evidence(r, f, "kube-ipvs0 is kube-proxy's in IPVS mode; here it is left over");
		finding_fix(r, f, "sudo ip link del kube-ipvs0");
	}
}

void check_local_vips(struct run *r)
{
	CLEANUP(map_release) struct map owners = { 0 };

	for (size_t i = 0; i < r->nsvcs; i++)
		for (size_t j = 0; j < r->svcs[i].o->ncluster_ips; j++)
			if (map_put(&owners, &r->svcs[i].o->cluster_ips[j], sizeof(struct ip_addr), &r->svcs[i]) < 0)
				r->err = -ENOMEM;
	for (size_t i = 0; owners.len && i < r->s->nodes.len; i++) {
		const char *mode = run_proxy_mode(r, r->s->nodes.v[i]->name);

		if (mode && !str_is(mode, "ipvs") && (!r->o->node || str_is(r->s->nodes.v[i]->name, r->o->node)))
			local_vips(r, r->s->nodes.v[i], &owners);
	}
}
