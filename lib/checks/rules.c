/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What verify found, as findings: differences that one rule, one missing rule or one policy of a node makes are one
 * finding, however many Services they concern. A difference that only concerns one Service is joined with the others
 * of its kind of that Service on that node.
 */
#include "checks-private.h"

#define TEXTS_MAX 5

static bool built_in(const char *chain)
{
	return str_is(chain, "PREROUTING") || str_is(chain, "INPUT") || str_is(chain, "FORWARD") || str_is(chain, "OUTPUT") ||
	       str_is(chain, "POSTROUTING");
}

/* One cause: all differences with the same check, node and deciding rule. */
struct cause {
	const char *check, *key;
	const struct verify_by *by;
	const struct verify_difference *first;
	ARRAY_OF(const struct verify_difference *) v;
	const struct k8s_service *service; /* of the first difference */
	bool several;			   /* Services */
};

/* ---- which check is it? ---- */

static const char *foreign_check(const struct verify_difference *d)
{
	const char *t = d->by.text ? d->by.text : "";

	if (strstr(t, "-prohibited") && (strstr(t, "REJECT") || strstr(t, "reject")))
		return "firewalld-reject";
	return "foreign-rule-drops";
}

/* Calico's chains and rules: cali-INPUT, and a comment "cali:..." where a rule stands in a chain of the kernel. */
static const char *accepting_check(const struct verify_by *by)
{
	const char *t = by->text ? by->text : "";

	if ((by->chain && str_starts(by->chain, "cali-")) || strstr(t, "-j cali-") || strstr(t, "-g cali-") ||
	    strstr(t, "\"cali:"))
		return "calico-accept-before-reject";
	return "accept-before-reject";
}

static const char *stopped_check(const struct verify_difference *d)
{
	if (d->by.kind == BY_POLICY)
		return str_is(d->by.chain, "FORWARD") && !d->by.nft_kind ? "forward-policy-drop" : "foreign-rule-drops";
	if (d->by.missing && d->by.kind == BY_IPVS)
		return "rules-endpoints-diff";
	if (d->by.missing)
		return built_in(d->by.chain) ? "kube-chain-not-jumped" : "rules-missing-for-service";
	return d->foreign ? foreign_check(d) : "rules-endpoints-diff";
}

static const char *difference_check(const struct verify_difference *d)
{
	/* in IPVS mode: an address that is not there, or one of nobody */
	if (d->by.kind == BY_LINK && d->by.text && strstr(d->by.text, " dev kube-ipvs0"))
		return "kube-ipvs0-up-or-foreign-addr";
	/* a jump that is not there is the same fault whatever comes of it */
	if (d->by.missing && built_in(d->by.chain))
		return "kube-chain-not-jumped";
	switch (d->kind) {
	case DIFF_NO_RULE:
		return d->foreign ? "foreign-rule-shadows" : "rules-missing-for-service";
	case DIFF_STALE_FRONTEND:
		return "rules-stale-frontend";
	case DIFF_REJECTED:
	case DIFF_DROPPED:
		return stopped_check(d);
	case DIFF_NOT_REFUSED:
		/* a source that must be kept out and gets in is worse than a refusal that comes late */
		return d->foreign && (!d->service || !d->service->nsource_ranges) ? accepting_check(&d->by)
										  : "rules-not-refused";
	case DIFF_WRONG_REFUSAL:
		return "rules-wrong-refusal";
	case DIFF_MISSING_ENDPOINT:
	case DIFF_WRONG_PORT:
	case DIFF_WRONG_ENDPOINT:
		return d->foreign ? "foreign-rule-shadows" : "rules-endpoints-diff";
	case DIFF_STALE_ENDPOINT:
		return d->foreign ? "foreign-rule-shadows" : "rules-stale-endpoint";
	case DIFF_UNEVEN_SHARE:
		return "rules-wrong-statistic-probability";
	case DIFF_WRONG_AFFINITY:
		return "rules-wrong-affinity";
	case DIFF_NOT_MASQUERADED:
		return "masquerade-missing";
	case DIFF_NEEDLESS_MASQUERADE:
		return "rules-needless-masquerade";
	case DIFF_REPLY_LOST:
		/* the rule that stops a reply is the fault that stops others' packets */
		return d->foreign && !str_is(d->by.table, "nat") ? stopped_check(d) : "reply-lost";
	case DIFF_HAIRPIN:
		return "hairpin-masquerade-missing";
	}
	return "rules-endpoints-diff";
}

/* ---- grouping ---- */

static const char *text_or(const char *s)
{
	return s ? s : "";
}

static const char *by_key(struct run *r, const struct verify_difference *d, const char *check)
{
	const struct verify_by *by = &d->by;

	if (by->kind == BY_NONE && !by->missing)
		return NULL;
	/* addresses come back with their link, or with kube-proxy: one cause, however many are gone */
	if (by->kind == BY_LINK && by->missing)
		return run_printf(r, "%s\x1f%s\x1fmissing", check, text_or(d->node));
	return run_printf(r, "%s\x1f%s\x1f%d\x1f%s\x1f%s\x1f%s\x1f%s\x1f%u\x1f%s", check, text_or(d->node), by->kind,
			  text_or(by->backend), text_or(by->family), text_or(by->table), text_or(by->chain),
			  by->missing ? 0 : by->index, text_or(by->text));
}

static const char *service_key(struct run *r, const struct verify_difference *d, const char *check)
{
	return run_printf(r, "%s\x1f%s\x1f%s\x1f%s", check, text_or(d->node), d->service ? d->service->meta.ns : "",
			  d->service ? d->service->meta.name : text_or(d->frontend));
}

struct cause_list {
	ARRAY_OF(struct cause *) v;
};

static struct cause *cause_get(struct run *r, struct map *m, struct cause_list *list, const char *key)
{
	struct cause *c = map_gets(m, key);

	if (c)
		return c;
	c = arena_new(&r->scratch, struct cause);
	if (!c || map_puts(m, key, c) < 0) {
		r->err = -ENOMEM;
		return NULL;
	}
	c->key = key;
	run_push(r, &list->v, c);
	return c;
}

static void cause_add(struct run *r, struct cause *c, const struct verify_difference *d, const char *check)
{
	if (!c->first) {
		c->first = d;
		c->by = &d->by;
		c->check = check;
		c->service = d->service;
	}
	c->several |= d->service != c->service;
	run_push(r, &c->v, d);
}

/* First by deciding rule; what then is of one Service only is joined by Service. */
static void group(struct run *r, struct cause_list *ret)
{
	CLEANUP(map_release) struct map by_rule = { 0 }, by_service = { 0 };
	struct cause_list rules = { 0 };
	const struct verify_report *v = &r->d->verify;

	for (size_t i = 0; i < v->differences.len && !r->err; i++) {
		const struct verify_difference *d = &v->differences.v[i];
		const char *check = difference_check(d), *key = by_key(r, d, check);
		struct cause *c = cause_get(r, &by_rule, &rules, key ? key : service_key(r, d, check));

		if (c)
			cause_add(r, c, d, check);
	}
	for (size_t i = 0; i < rules.v.len && !r->err; i++) {
		struct cause *c = rules.v.v[i], *joined;

		if (c->several || (c->by->missing && built_in(c->by->chain)) || c->by->kind == BY_POLICY ||
		    c->first->foreign) {
			run_push(r, &ret->v, c);
			continue;
		}
		joined = cause_get(r, &by_service, ret, service_key(r, c->first, c->check));
		for (size_t j = 0; joined && j < c->v.len; j++)
			cause_add(r, joined, c->v.v[j], c->check);
		array_free(&c->v);
	}
	if (r->err)
		for (size_t i = 0; i < rules.v.len; i++)
			array_free(&rules.v.v[i]->v);
	array_free(&rules.v);
}

/* ---- texts ---- */

static const char *rule_place(struct run *r, const struct verify_by *by)
{
	if (!by->chain)
		return by->text ? by->text : "";
	return run_printf(r, "%s%s%s%s", by->table ? by->table : by->kind == BY_SET ? "ipset" : "", by->table || by->kind == BY_SET ? " " : "", by->chain,
			  by->index ? run_printf(r, " rule %u", by->index) : "");
}

/* "iptables-nft-save", "ip6tables-legacy-save", as the dump's tool is called. */
static const char *save_tool(const struct verify_by *by)
{
	const bool six = str_is(by->family, "ip6"), legacy = str_is(by->backend, "legacy");

	return six	? legacy ? "ip6tables-legacy-save" : "ip6tables-nft-save"
	       : legacy ? "iptables-legacy-save"
			: "iptables-nft-save";
}

static const char *rules_tool(const struct verify_by *by)
{
	const bool six = str_is(by->family, "ip6"), legacy = str_is(by->backend, "legacy");

	return six ? legacy ? "ip6tables-legacy" : "ip6tables-nft" : legacy ? "iptables-legacy" : "iptables-nft";
}

static void difference_texts(struct run *r, struct finding *f, const struct cause *c)
{
	const char *last = "";
	size_t shown = 0;

	for (size_t i = 0; i < c->v.len && shown < TEXTS_MAX; i++) {
		const struct verify_difference *d = c->v.v[i];
		const char *text = d->text ? d->text : verify_kind_name(d->kind);

		if (strcmp(text, last) == 0)
			continue;
		if (c->several && d->service)
			finding_evidence(r, f, "%s/%s: %s", d->service->meta.ns, d->service->meta.name, text);
		else
			finding_evidence(r, f, "%s", text);
		last = text;
		shown++;
	}
	if (c->v.len > shown && shown == TEXTS_MAX)
		finding_evidence(r, f, "and %zu more differences", c->v.len - shown);
}

static void missing_things(struct run *r, struct finding *f, const struct cause *c)
{
	CLEANUP(map_release) struct map seen = { 0 };
	size_t more = 0;

	for (size_t i = 0; i < c->v.len; i++) {
		const char *text = c->v.v[i]->by.text;

		if (!text || str_is(c->by->text, text) || map_gets(&seen, text))
			continue;
		if (map_puts(&seen, text, (void *)(uintptr_t)text) < 0)
			r->err = -ENOMEM;
		more++;
	}
	finding_evidence(r, f, more ? "missing: %s and %zu more" : "missing: %s", c->by->text ? c->by->text : "?", more);
}

static void evidence_of(struct run *r, struct finding *f, const struct cause *c)
{
	const struct verify_by *by = c->by;

	if (by->missing && !by->chain)
		missing_things(r, f, c);
	else if (by->missing)
		finding_evidence(r, f, "missing in %s: %s", rule_place(r, by), by->text ? by->text : "the rule");
	else if (by->kind == BY_RULE || by->kind == BY_SET)
		finding_evidence(r, f, "%s: %s", rule_place(r, by), by->text ? by->text : "");
	else if (by->kind != BY_NONE && by->text)
		finding_evidence(r, f, "%s", by->text);
	difference_texts(r, f, c);
}

static void trace_command(struct run *r, struct finding *f, const struct verify_difference *d)
{
	char src[IP_ADDR_STRLEN], dst[IP_ENDPOINT_STRLEN];
	const char *port = d->frontend && d->frontend[0] == '*' ? d->frontend + 1 : NULL;
	struct ip_addr any;

	if (!d->example.family || !d->frontend || !d->node)
		return;
	if (!port) {
		finding_next(r, f, "svcdoctor trace %a %a --node %s", ip_addr_format(&d->example, src), d->frontend,
			     d->node);
		return;
	}
	if (!d->naddresses)
		return;
	any = d->addresses[0];
	(void)ip_endpoint_format(&any, 0, dst);
	if (strrchr(dst, ':'))
		*strrchr(dst, ':') = '\0';
	finding_next(r, f, "svcdoctor trace %a %a --node %s", ip_addr_format(&d->example, src),
		     run_printf(r, "%s%s", dst, port), d->node);
}

static void look_commands(struct run *r, struct finding *f, const struct cause *c)
{
	const struct verify_by *by = c->by;

	trace_command(r, f, c->first);
	if (by->nft_kind && by->family && by->table && by->chain) {
		bool whole = str_is(by->nft_kind, "table");

		finding_next(r, f, whole ? "sudo nft list %t %t %t" : "sudo nft list %t %t %t %t", by->nft_kind, by->family, by->table, by->chain);
		return;
	}
	if (by->kind == BY_IPVS)
		finding_next(r, f, "sudo ipvsadm -Sn");
	if (by->kind == BY_SET && !by->table && by->chain)
		finding_next(r, f, "sudo ipset list %t", by->chain);
	if (by->kind == BY_LINK)
		finding_next(r, f, "ip addr show kube-ipvs0");
	if (by->table && by->chain && (by->kind == BY_RULE || by->kind == BY_POLICY || by->missing))
		finding_next(r, f, "sudo %t -t %t | grep -e %t", save_tool(by), by->table, by->chain);
}

void proxy_commands(struct run *r, struct finding *f, const char *node)
{
	const struct k8s_pod *p = node ? map_gets(&r->proxy_pods, node) : NULL;

	if (!p)
		return;
	finding_next(r, f, "kubectl -n %s logs %s --tail=50", p->meta.ns, p->meta.name);
	finding_fix(r, f, "kubectl -n %s delete pod %s", p->meta.ns, p->meta.name);
}

static const char *services_text(struct run *r, const struct cause *c, size_t n)
{
	if (!c->several && c->service)
		return run_printf(r, "%s/%s", c->service->meta.ns, c->service->meta.name);
	return run_printf(r, "%zu Service%s", n, PLURAL(n));
}

/* One sentence for each check, with the node and the Services. */
static const char *cause_text(struct run *r, const struct cause *c, size_t services)
{
	const char *id = c->check, *node = c->first->node, *who = services_text(r, c, services),
		   *place = rule_place(r, c->by);

	if (str_is(id, "kube-chain-not-jumped"))
		return run_printf(
			r, "on node %s the chain %s of table %s does not lead to kube-proxy's chains: %s concerned",
			node, c->by->chain, text_or(c->by->table),
			c->several ? run_printf(r, "%s are", who) : run_printf(r, "%s is", who));
	if (str_is(id, "forward-policy-drop"))
		return run_printf(r, "on node %s the policy of FORWARD drops packets of %s that no rule accepts", node,
				  who);
	if (str_is(id, "foreign-rule-drops") && c->by->kind == BY_POLICY)
		return run_printf(r, "on node %s the policy of chain %s of table %s drops packets of %s that no rule accepts", node, text_or(c->by->chain),
				  text_or(c->by->table), who);
	if (str_is(id, "foreign-rule-drops"))
		return run_printf(r, "on node %s %s, which is not kube-proxy's, stops packets of %s", node, place, who);
	if (str_is(id, "hc-nodeport-blocked"))
		return run_printf(r, "on node %s %s, which is not kube-proxy's, keeps load balancers from the health-check port of %s", node,
				  place, who);
	if (str_is(id, "nodeport-firewall-sg"))
		return run_printf(r, "on node %s %s, which is not kube-proxy's, stops packets for node ports of %s", node, place, who);
	if (str_is(id, "firewalld-reject"))
		return run_printf(r, "on node %s the firewall rule %s rejects packets of %s", node, place, who);
	if (str_is(id, "foreign-rule-shadows"))
		return run_printf(
			r,
			"on node %s %s, which is not kube-proxy's, takes packets of %s before or instead of its rules",
			node, place, who);
	if (str_is(id, "masquerade-missing"))
		return run_printf(
			r, "on node %s packets of %s keep their source where it must be rewritten: replies get lost",
			node, who);
	if (str_is(id, "hairpin-masquerade-missing"))
		return run_printf(r, "on node %s a pod that reaches itself through %s gets packets from its own address", node, who);
	if (str_is(id, "kube-ipvs0-up-or-foreign-addr"))
		return run_printf(r, c->by->missing ? "on node %s an address of %s is not on kube-ipvs0: pods and outside clients do not reach it" :
				  "on node %s kube-ipvs0 has an address of no Service", node, who);
	if (str_is(id, "rules-missing-for-service") && c->by->kind == BY_IPVS)
		return run_printf(r, "node %s has no virtual server for an address of %s", node, who);
	if (str_is(id, "rules-missing-for-service"))
		return run_printf(r, "node %s has no rule for an address of %s", node, who);
	if (str_is(id, "rules-endpoints-diff") && (c->first->kind == DIFF_DROPPED || c->first->kind == DIFF_REJECTED))
		return run_printf(r, "node %s %s packets of %s that must be let through", node,
				  c->first->kind == DIFF_DROPPED ? "drops" : "rejects", who);
	if (str_is(id, "rules-endpoints-diff"))
		return run_printf(r, "node %s sends packets of %s to other endpoints than %s", node, who,
				  r->s->services_from_rules ? "the comments of its rules name" : "the API lists");
	if (str_is(id, "rules-stale-endpoint"))
		return run_printf(r, "node %s still sends packets of %s to an endpoint that is gone", node, who);
	if (str_is(id, "rules-wrong-statistic-probability"))
		return run_printf(r, "node %s does not spread connections to %s evenly", node, who);
	if (str_is(id, "calico-accept-before-reject") || str_is(id, "accept-before-reject"))
		return run_printf(r, "on node %s %s lets packets of %s through that kube-proxy would refuse", node,
				  place, who);
	return c->first->text ? run_printf(r, "on node %s %s", node, c->first->text) : check_find(id)->title;
}

static enum severity worst_severity(const struct cause *c)
{
	enum verify_severity worst = VERIFY_INFO;

	for (size_t i = 0; i < c->v.len; i++)
		worst = MAX(worst, c->v.v[i]->severity);
	return difference_severity(worst);
}

/* A stranger's rule that stops nothing but node ports, or nothing but health checks, is a check of its own. */
static const char *refined_check(const struct cause *c)
{
	bool health = true;

	if (!str_is(c->check, "foreign-rule-drops"))
		return c->check;
	for (size_t i = 0; i < c->v.len; i++) {
		const enum expect_kind k = c->v.v[i]->frontend_kind;

		if (k != EXPECT_NODE_PORT && k != EXPECT_HEALTH_CHECK)
			return c->check;
		health &= k == EXPECT_HEALTH_CHECK;
	}
	return health ? "hc-nodeport-blocked" : "nodeport-firewall-sg";
}

/* The packets of pods that go from one interface back to it are let through before the rule or policy that stops them. */
static void let_pods_through(struct run *r, struct finding *f, const struct cause *c)
{
	const struct verify_by *by = c->by;
	const char *dev = c->first->interface;

	if (!c->first->foreign || !dev || (!by->nft_kind && !by->index))
		return;
	if (!by->nft_kind)
		finding_fix(r, f, "sudo %t -t %t -I %t %u -i %t -o %t -j ACCEPT", rules_tool(by), by->table, by->chain, by->index, dev, dev);
	else
		finding_fix(r, f, "sudo nft insert rule %t %t %t iifname %t oifname %t accept", by->family, by->table, by->chain, dev, dev);
}

/* Where it is a KUBE-SEP chain that lacks its rule: until kube-proxy writes it, which it does when it is started anew. */
static void masquerade_fix(struct run *r, struct finding *f, const struct cause *c)
{
	const struct verify_by *by = c->by;
	char addr[IP_ADDR_STRLEN];

	if (!by->missing || by->nft_kind || !by->chain || !str_starts(by->chain, "KUBE-SEP-"))
		return;
	finding_fix(r, f, "sudo %t -t nat -I %t 1 -s %a -j KUBE-MARK-MASQ", rules_tool(by), by->chain, ip_addr_format(&c->first->endpoint, addr));
}

static void hairpin_fix(struct run *r, struct finding *f, const struct cause *c)
{
	if (c->first->kind == DIFF_HAIRPIN)
		masquerade_fix(r, f, c);
	else if (c->by->kind == BY_RULE || c->by->kind == BY_POLICY)
		let_pods_through(r, f, c);
}

static void cause_finding(struct run *r, struct cause *c)
{
	const struct k8s_service *s = c->several ? NULL : c->service;
	const bool shared = !s || (c->by->missing && built_in(c->by->chain)) || c->by->kind == BY_POLICY;
	const char *node = c->first->node, *detail = NULL;
	struct finding *f;

	c->check = refined_check(c);
	if (shared || c->first->foreign)
		detail = run_printf(r, "%s%s%s%s", text_or(c->by->backend), c->by->backend ? " " : "",
				    rule_place(r, c->by), c->by->missing ? " missing" : "");
	f = finding_new(r, c->check, node, detail,
			shared ? run_printf(r, "Node %s", node)
			       : run_printf(r, "Service %s/%s", s->meta.ns, s->meta.name));
	f->rank = shared ? 10 : 20;
	((struct finding_full *)f)->foreign = c->first->foreign;
	finding_severity(f, worst_severity(c));
	if (shared)
		finding_cluster(f);
	if (str_is(c->check, "hc-nodeport-blocked") || str_is(c->check, "nodeport-firewall-sg"))
		finding_partial(f); /* from within, the Service works */
	for (size_t i = 0; i < c->v.len; i++)
		if (c->v.v[i]->service)
			finding_concerns(r, f, c->v.v[i]->service);
	f->text = cause_text(r, c, f->services.len);
	evidence_of(r, f, c);
	look_commands(r, f, c);
	if (str_is(c->first->class_from, "hairpin"))
		hairpin_fix(r, f, c);
	if (str_is(c->check, "forward-policy-drop"))
		finding_fix(r, f, "sudo %t -t %t -P FORWARD ACCEPT", rules_tool(c->by),
			    c->by->table ? c->by->table : "filter");
	else if (!c->first->foreign && c->by->kind != BY_LINK && c->by->kind != BY_BRIDGE && c->by->kind != BY_POLICY)
		proxy_commands(r, f, node);
	else if (c->first->foreign && c->by->chain)
		finding_evidence(r, f,
				 "find out which program writes this rule before you delete it: it may come back");
}

/* ---- undecided ---- */

static void undecided_findings(struct run *r)
{
	const struct verify_report *v = &r->d->verify;
	CLEANUP(map_release) struct map m = { 0 };

	for (size_t i = 0; i < v->undecided.len && !r->err; i++) {
		const struct verify_undecided *u = &v->undecided.v[i];
		const char *place = rule_place(r, &u->by);
		const char *key = run_printf(r, "%s\x1f%s\x1f%s", text_or(u->node), place, text_or(u->by.text));
		struct finding *f = map_gets(&m, key);

		if (!f) {
			f = finding_new(r, "rules-undecided", u->node, place,
					run_printf(r, "Node %s", text_or(u->node)));
			finding_cluster(f);
			if (u->by.chain) {
				finding_text(r, f,
					     "on node %s it cannot be decided what becomes of some packets: a dump "
					     "does not tell what %s asks",
					     text_or(u->node), place);
				if (u->by.text)
					finding_evidence(r, f, "%s: %s", place, u->by.text);
			} else {
				finding_text(r, f, "on node %s it cannot be decided what becomes of some packets%s%s",
					     text_or(u->node), *place ? ": " : "", place);
			}
			if (map_puts(&m, key, f) < 0)
				r->err = -ENOMEM;
		}
		if (u->service)
			finding_concerns(r, f, u->service);
	}
}

/* What is a warning by itself, and the cause of an error where that is indeed there. */
#define FAULTS 2
static const struct {
	const char *cause, *faults[FAULTS];
} blamed[] = {
	{ "mark-bit-conflict", { "masquerade-missing", "rules-needless-masquerade" } },
};

static void blame(struct run *r, struct finding *f, const char *const faults[FAULTS])
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		const struct finding *g = r->d->findings.v[i];

		for (size_t k = 0; k < FAULTS && faults[k]; k++)
			if (str_is(g->check->id, faults[k]) && str_is(g->node, f->node))
				f->severity = MAX(f->severity, g->severity);
	}
}

static void blame_node_faults(struct run *r)
{
	for (size_t i = 0; i < r->d->findings.len; i++)
		for (size_t j = 0; j < ARRAY_LEN(blamed); j++)
			if (str_is(r->d->findings.v[i]->check->id, blamed[j].cause))
				blame(r, r->d->findings.v[i], blamed[j].faults);
}

void difference_findings(struct run *r)
{
	const struct verify_report *v = &r->d->verify;
	struct cause_list causes = { 0 };

	group(r, &causes);
	for (size_t i = 0; i < causes.v.len; i++) {
		if (!r->err)
			cause_finding(r, causes.v.v[i]);
		array_free(&causes.v.v[i]->v);
	}
	array_free(&causes.v);
	for (size_t i = 0; i < v->broken.len; i++)
		delivery_finding(r, &v->broken.v[i]);
}

void rules_findings(struct run *r)
{
	const struct verify_report *v = &r->d->verify;

	/* first, so that it is the first that explains what follows */
	node_rules_findings(r);
	plane_findings(r);
	ipvs_reply_findings(r);
	difference_findings(r);
	undecided_findings(r);
	blame_node_faults(r);
	for (size_t i = 0; i < v->skipped.len; i++) {
		const struct verify_skipped *k = &v->skipped.v[i];

		run_push(r, &r->d->skipped,
			 ((struct skipped_check){ .check = k->what,
						  .node = k->node,
						  .code = k->code,
						  .reason = k->reason,
						  .needs = k->needs }));
	}
}
