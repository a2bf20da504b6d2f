/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NetworkPolicies around a Service: who is let in to its pods on the port that packets have after the translation, which
 * pods cannot ask the DNS, and policies that name addresses which are rewritten before a policy sees them. Objects do not
 * tell whether the cluster's network enforces policies, so that nothing here is an error.
 */
#include <netinet/in.h>

#include "checks-private.h"

#define PODS_MAX 2000 /* pods looked at for one Service or namespace */
#define WORDS_MAX 6
#define GROUPS_MAX 16

/* ---- in words ---- */

static void requirement_words(struct strbuf *b, const struct k8s_requirement *q)
{
	static const char *const names[] = { [OPERATOR_IN] = " in (", [OPERATOR_NOT_IN] = " notin (" };

	if (q->op == OPERATOR_EXISTS || q->op == OPERATOR_DOES_NOT_EXIST) {
		strbuf_addf(b, "%s%s", q->op == OPERATOR_EXISTS ? "" : "!", q->key);
		return;
	}
	strbuf_addf(b, "%s%s", q->key, names[q->op]);
	for (size_t i = 0; i < q->nvalues && i < WORDS_MAX; i++)
		strbuf_addf(b, "%s%s", i ? "," : "", q->values[i]);
	strbuf_adds(b, q->nvalues > WORDS_MAX ? ",...)" : ")");
}

/* As kubectl writes selectors: "app=a,tier in (x,y),!z". */
static void selector_words(struct strbuf *b, const struct k8s_label_selector *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->labels.len && n < WORDS_MAX; i++, n++)
		strbuf_addf(b, "%s%s=%s", n ? "," : "", s->labels.v[i].key, s->labels.v[i].value);
	for (size_t i = 0; i < s->nrequirements && n < WORDS_MAX; i++, n++) {
		strbuf_adds(b, n ? "," : "");
		requirement_words(b, &s->requirements[i]);
	}
	if (s->labels.len + s->nrequirements > n)
		strbuf_adds(b, ",...");
}

static bool selects_all(const struct k8s_label_selector *s)
{
	return !s->labels.len && !s->nrequirements;
}

static void peer_words(struct strbuf *b, const char *ns, const struct k8s_policy_peer *p)
{
	char buf[IP_PREFIX_STRLEN];

	if (p->is_block) {
		strbuf_adds(b, ip_prefix_format(&p->block, buf));
		for (size_t i = 0; i < p->nexcept && i < WORDS_MAX; i++)
			strbuf_addf(b, "%s%s", i ? ", " : " except ", ip_prefix_format(&p->except[i], buf));
		return;
	}
	strbuf_adds(b, p->pods.set && !selects_all(&p->pods) ? "pods with " : "all pods");
	if (p->pods.set)
		selector_words(b, &p->pods);
	if (!p->namespaces.set)
		strbuf_addf(b, " of namespace %s", ns);
	else if (selects_all(&p->namespaces))
		strbuf_adds(b, " of all namespaces");
	else
		strbuf_adds(b, " of namespaces with ");
	if (p->namespaces.set)
		selector_words(b, &p->namespaces);
}

/* ---- who is let in ---- */

/* Pods and ports of one Service for which the same policies say the same. */
struct isolation {
	const char *names;	/* of the policies that select: "n/a, n/b" */
	const char *who;	/* "" where nobody is let in */
	bool everybody, several;
	size_t pods;		/* at the port where it holds for most */
	size_t at_port;		/* at the last port */
	const struct k8s_pod *pod;		/* an example */
	const struct k8s_service_port *port;	/* of it */
	uint16_t target;
	const char *ports;	/* "80/TCP, 443/TCP" */
	const struct k8s_service_port *last_port;
};

struct isolations {
	struct isolation v[GROUPS_MAX];
	size_t n, pods;
};

static uint16_t target_of(const struct k8s_service_port *sp, const struct k8s_pod *p)
{
	if (sp->target.name)
		return k8s_pod_port_by_name(p, sp->target.name, sp->proto);
	return sp->target.number ? sp->target.number : sp->port;
}

/* Adds what is not there yet; the list is separated by "; ". */
static void add_word(struct strbuf *list, const char *word, size_t *n)
{
	const char *at = list->len ? strstr(strbuf_str(list), word) : NULL;
	const size_t len = strlen(word);

	if (at && (at == strbuf_str(list) || at[-1] == ' ') && (at[len] == '\0' || at[len] == ';'))
		return;
	if (++*n <= WORDS_MAX)
		strbuf_addf(list, "%s%s", list->len ? "; " : "", word);
}

static void add_rule_words(struct strbuf *who, const char *ns, const struct k8s_policy_rule *rule, size_t *n)
{
	for (size_t i = 0; i < rule->npeers; i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

		peer_words(&b, ns, &rule->peers[i]);
		add_word(who, strbuf_str(&b), n);
	}
}

/* False: no policy isolates the pod. */
static bool who_is_let_in(struct run *r, const struct k8s_netpol_group *g, const struct k8s_pod *p, uint8_t proto, uint16_t port,
			  struct isolation *ret)
{
	CLEANUP(strbuf_release) struct strbuf names = STRBUF_INIT, who = STRBUF_INIT;
	size_t policies = 0, words = 0;

	for (size_t i = 0; i < g->len; i++) {
		const struct k8s_netpol *np = g->v[i];

		if (!k8s_policy_selects(np, p, false))
			continue;
		if (++policies <= WORDS_MAX)
			strbuf_addf(&names, "%s%s/%s", policies > 1 ? ", " : "", np->meta.ns, np->meta.name);
		for (size_t j = 0; j < np->ningress; j++) {
			if (!k8s_policy_rule_has_port(&np->ingress_rules[j], p, proto, port))
				continue;
			ret->everybody |= np->ingress_rules[j].npeers == 0;
			add_rule_words(&who, np->meta.ns, &np->ingress_rules[j], &words);
		}
	}
	if (policies > WORDS_MAX)
		strbuf_addf(&names, " and %zu more", policies - WORDS_MAX);
	if (words > WORDS_MAX)
		strbuf_addf(&who, "; and %zu more", words - WORDS_MAX);
	ret->several = policies > 1;
	ret->names = run_printf(r, "%s", strbuf_str(&names));
	ret->who = ret->everybody ? "everybody" : run_printf(r, "%s", strbuf_str(&who));
	return policies > 0;
}

static void add_isolation(struct run *r, struct isolations *all, const struct isolation *one)
{
	const char *port = run_printf(r, "%u/%s", one->port->port, proto_upper(one->port->proto));

	for (size_t i = 0; i < all->n; i++) {
		struct isolation *g = &all->v[i];

		if (strcmp(g->names, one->names) != 0 || strcmp(g->who, one->who) != 0)
			continue;
		if (g->last_port != one->port) {
			g->ports = run_printf(r, "%s, %s", g->ports, port);
			g->at_port = 0;
		}
		g->last_port = one->port;
		g->at_port++;
		g->pods = MAX(g->pods, g->at_port);
		return;
	}
	if (all->n == GROUPS_MAX)
		return;
	all->v[all->n] = *one;
	all->v[all->n].pods = all->v[all->n].at_port = 1;
	all->v[all->n].ports = port;
	all->v[all->n++].last_port = one->port;
}

static void collect(struct run *r, const struct svc *v, const struct k8s_netpol_group *g, struct isolations *ret)
{
	for (size_t j = 0; j < v->o->nports; j++) {
		ret->pods = 0;
		for (size_t i = 0; i < v->pods->v.len && i < PODS_MAX; i++) {
			const struct k8s_pod *p = v->pods->v.v[i];
			struct isolation one = { .pod = p, .port = &v->o->ports[j], .target = target_of(&v->o->ports[j], p) };

			if (k8s_pod_terminal(p) || p->meta.deleted)
				continue;
			ret->pods++;
			if (one.target && who_is_let_in(r, g, p, one.port->proto, one.target, &one))
				add_isolation(r, ret, &one);
		}
	}
}

/* ---- the usual mistakes ---- */

static bool rule_names_number(const struct k8s_policy_rule *rule, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < rule->nports; i++)
		if (!rule->ports[i].name && rule->ports[i].proto == proto && rule->ports[i].from == port && rule->ports[i].to == port)
			return true;
	return false;
}

/* The first policy that opens the Service's port where the packet has the targetPort. */
static const struct k8s_netpol *opens_service_port(const struct k8s_netpol_group *g, const struct isolation *one)
{
	const struct k8s_service_port *sp = one->port;

	for (size_t i = 0; sp->port != one->target && i < g->len; i++)
		for (size_t j = 0; k8s_policy_selects(g->v[i], one->pod, false) && j < g->v[i]->ningress; j++) {
			const struct k8s_policy_rule *rule = &g->v[i]->ingress_rules[j];

			if (rule_names_number(rule, sp->proto, sp->port) &&
			    !k8s_policy_rule_has_port(rule, one->pod, sp->proto, one->target))
				return g->v[i];
		}
	return NULL;
}

static void named_ports(struct run *r, struct finding *f, const struct k8s_netpol *np, const struct k8s_policy_rule *rule,
			const struct k8s_pod *p)
{
	for (size_t i = 0; i < rule->nports; i++)
		if (rule->ports[i].name && !k8s_pod_port_by_name(p, rule->ports[i].name, rule->ports[i].proto))
			finding_evidence(r, f, "NetworkPolicy %s opens port '%s', and Pod %s/%s has no %s port of that name", np->meta.name,
					 rule->ports[i].name, p->meta.ns, p->meta.name, proto_upper(rule->ports[i].proto));
}

static bool any_namespace(const struct run *r, const struct k8s_label_selector *s)
{
	for (size_t i = 0; i < r->c->namespaces.len; i++)
		if (k8s_label_selector_matches(s, &r->c->namespaces.v[i]->meta.labels))
			return true;
	return false;
}

static bool any_pod(const struct run *r, const char *ns, const struct k8s_label_selector *s)
{
	const struct k8s_pod_group *g = map_gets(&r->c->pods_by_ns, ns);

	for (size_t i = 0; g && i < g->v.len; i++)
		if (!k8s_pod_terminal(g->v.v[i]) && k8s_label_selector_matches(s, &g->v.v[i]->meta.labels))
			return true;
	return false;
}

/* A peer that means nobody: most often a namespace without the label. */
static void empty_peers(struct run *r, struct finding *f, const struct k8s_netpol *np, const struct k8s_policy_rule *rule)
{
	for (size_t i = 0; i < rule->npeers; i++) {
		const struct k8s_policy_peer *p = &rule->peers[i];
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

		if (p->is_block)
			continue;
		if (p->namespaces.set && run_complete(r, K8S_NAMESPACES) && !any_namespace(r, &p->namespaces)) {
			selector_words(&b, &p->namespaces);
			finding_evidence(r, f, "no namespace has the labels %s that NetworkPolicy %s asks for", strbuf_str(&b), np->meta.name);
		} else if (!p->namespaces.set && p->pods.set && run_complete_in(r, K8S_PODS, np->meta.ns) && !any_pod(r, np->meta.ns, &p->pods)) {
			selector_words(&b, &p->pods);
			finding_evidence(r, f, "no pod of namespace %s has the labels %s that NetworkPolicy %s asks for", np->meta.ns,
					 strbuf_str(&b), np->meta.name);
		}
	}
}

static void mistakes(struct run *r, struct finding *f, const struct k8s_netpol_group *g, const struct isolation *one)
{
	for (size_t i = 0; i < g->len; i++) {
		const struct k8s_netpol *np = g->v[i];

		if (!k8s_policy_selects(np, one->pod, false))
			continue;
		finding_next(r, f, "kubectl -n %s describe networkpolicy %s", np->meta.ns, np->meta.name);
		for (size_t j = 0; j < np->ningress; j++) {
			named_ports(r, f, np, &np->ingress_rules[j], one->pod);
			if (k8s_policy_rule_has_port(&np->ingress_rules[j], one->pod, one->port->proto, one->target))
				empty_peers(r, f, np, &np->ingress_rules[j]);
		}
	}
}

static const char *some_pods(struct run *r, const struct svc *v, const struct isolations *all, const struct isolation *one)
{
	if (one->pods >= all->pods)
		return run_printf(r, "the pods behind %s/%s", v->o->meta.ns, v->o->meta.name);
	return run_printf(r, "%zu of %zu pods behind %s/%s", one->pods, all->pods, v->o->meta.ns, v->o->meta.name);
}

static void isolation_text(struct run *r, struct finding *f, const struct svc *v, const struct isolations *all,
			   const struct isolation *one, const struct k8s_netpol *confused)
{
	const char *pods = some_pods(r, v, all, one), *policies = one->several ? "NetworkPolicies" : "NetworkPolicy";
	const char *let = one->several ? "let" : "lets";
	const char *port = strchr(one->ports, ',') ? run_printf(r, "ports %s", one->ports)
						   : run_printf(r, "port %s (targetPort %u)", one->ports, one->target);

	if (one->everybody)
		finding_text(r, f, "%s %s %s %s on %s, and %s everybody in", policies, one->names, one->several ? "isolate" : "isolates",
			     pods, port, let);
	else if (*one->who)
		finding_text(r, f, "%s %s %s in to %s on %s only: %s", policies, one->names, let, pods, port, one->who);
	else if (confused)
		finding_text(r, f, "%s %s %s nobody in to %s on %s: %s opens port %u, and policies see the targetPort", policies, one->names,
			     let, pods, port, confused->meta.name, one->port->port);
	else
		finding_text(r, f, "%s %s %s nobody in to %s on %s", policies, one->names, let, pods, port);
}

static void isolation_finding(struct run *r, struct svc *v, const struct k8s_netpol_group *g, const struct isolations *all,
			      const struct isolation *one)
{
	const struct k8s_netpol *confused = one->everybody ? NULL : opens_service_port(g, one);
	struct finding *f;

	f = finding_of_service(r, "networkpolicy-blocks-service", NULL, run_printf(r, "%s %s", one->names, one->ports), v);
	f->rank = 42;
	finding_partial(f);
	if (one->everybody)
		finding_severity(f, SEVERITY_INFO);
	isolation_text(r, f, v, all, one, confused);
	if (confused)
		finding_evidence(r, f, "NetworkPolicy %s opens port %u, which is the Service's; a policy sees the port after the translation, %u",
				 confused->meta.name, one->port->port, one->target);
	mistakes(r, f, g, one);
	if (!one->everybody)
		finding_evidence(r, f, "the kubelet's probes come in all the same, and a ready pod is no proof; "
				       "a network plugin that does not know policies lets everybody in");
}

static bool has_pods_behind(const struct run *r, const struct svc *v)
{
	return !v->external_name && v->o->selector.len && run_reaches(r, K8S_PODS, v);
}

/* ---- an egress rule for a cluster IP ---- */

/* A block that is one address, and a cluster IP of the Service at that. */
static bool is_address_of(const struct k8s_service *s, const struct ip_prefix *block)
{
	for (size_t i = 0; i < s->ncluster_ips; i++)
		if (block->len == ip_addr_size(&s->cluster_ips[i]) * 8 && ip_addr_equal(&s->cluster_ips[i], &block->addr))
			return true;
	return false;
}

static bool opens_cluster_ip(const struct k8s_service *s, const struct k8s_netpol *np)
{
	for (size_t i = 0; np->egress && i < np->negress; i++)
		for (size_t j = 0; j < np->egress_rules[i].npeers; j++)
			if (np->egress_rules[i].peers[j].is_block && is_address_of(s, &np->egress_rules[i].peers[j].block))
				return true;
	return false;
}

static struct k8s_policy_end end_of_pod(const struct k8s_pod *p)
{
	return (struct k8s_policy_end){ .pod = p->host_network ? NULL : p, .ip = p->nips ? p->ips[0] : (struct ip_addr){ 0 }, .node = p->node };
}

/* Is the client kept from every pod behind the Service, on every port of it? */
static bool kept_from(const struct run *r, const struct k8s_pod *client, const struct svc *v)
{
	const struct k8s_policy_end from = end_of_pod(client);
	size_t judged = 0;

	for (size_t i = 0; i < v->pods->v.len && i < PODS_MAX; i++)
		for (size_t j = 0; j < v->o->nports; j++) {
			const struct k8s_pod *p = v->pods->v.v[i];
			const struct k8s_policy_end to = end_of_pod(p);
			const uint16_t port = target_of(&v->o->ports[j], p);
			struct k8s_policy_verdict verdict;

			if (!port || k8s_pod_terminal(p))
				continue;
			k8s_policy_judge(r->c, &from, &to, v->o->ports[j].proto, port, true, &verdict);
			if (verdict.allowed != 0)
				return false;
			judged++;
		}
	return judged > 0;
}

static void cluster_ip_opened(struct run *r, struct svc *v, const struct k8s_netpol *np, const struct ip_prefix *block)
{
	const struct k8s_pod_group *g = map_gets(&r->c->pods_by_ns, np->meta.ns);
	char buf[IP_PREFIX_STRLEN];
	struct finding *f;
	size_t n = 0;

	for (size_t i = 0; g && i < g->v.len && i < PODS_MAX; i++)
		n += !k8s_pod_terminal(g->v.v[i]) && k8s_policy_selects(np, g->v.v[i], true) && kept_from(r, g->v.v[i], v);
	if (!n)
		return;
	f = finding_of_service(r, "networkpolicy-blocks-service", NULL, run_printf(r, "egress of %s/%s", np->meta.ns, np->meta.name), v);
	f->rank = 41;
	finding_partial(f);
	finding_changed(f, &np->meta);
	finding_text(r, f,
		     "NetworkPolicy %s/%s lets pods out to %s, the cluster IP of %s/%s, and not to its pods: a policy sees the address after "
		     "the translation, so that %zu pod%s cannot reach the Service",
		     np->meta.ns, np->meta.name, ip_prefix_format(block, buf), v->o->meta.ns, v->o->meta.name, n, PLURAL(n));
	finding_next(r, f, "kubectl -n %s describe networkpolicy %s", np->meta.ns, np->meta.name);
}

static void blocks_of_policy(struct run *r, const struct map *addresses, const struct k8s_netpol *np)
{
	for (size_t i = 0; np->egress && i < np->negress; i++)
		for (size_t j = 0; j < np->egress_rules[i].npeers; j++) {
			const struct k8s_policy_peer *p = &np->egress_rules[i].peers[j];
			struct svc *v = p->is_block ? map_get(addresses, &p->block.addr, sizeof(p->block.addr)) : NULL;

			if (v && is_address_of(v->o, &p->block)) {
				cluster_ip_opened(r, v, np, &p->block);
				return;
			}
		}
}

/* Policies that open a cluster IP for outgoing traffic. */
void check_policy_addresses(struct run *r)
{
	CLEANUP(map_release) struct map addresses = { 0 };

	for (size_t i = 0; r->c->netpols.len && i < r->nsvcs; i++)
		for (size_t j = 0; has_pods_behind(r, &r->svcs[i]) && j < r->svcs[i].o->ncluster_ips; j++)
			if (map_put(&addresses, &r->svcs[i].o->cluster_ips[j], sizeof(struct ip_addr), &r->svcs[i]) < 0)
				r->err = -ENOMEM;
	for (size_t i = 0; addresses.len && i < r->c->netpols.len; i++)
		if (run_reaches_in(r, K8S_NETPOLS, r->c->netpols.v[i]->meta.ns) &&
		    run_reaches_in(r, K8S_PODS, r->c->netpols.v[i]->meta.ns))
			blocks_of_policy(r, &addresses, r->c->netpols.v[i]);
}

/* Who is let in to the Service's pods. */
void check_network_policy(struct run *r, struct svc *v)
{
	const struct k8s_netpol_group *g = k8s_netpols_of(r->c, v->o->meta.ns);
	struct isolations all = { 0 };

	if (!g || !has_pods_behind(r, v) || !run_reaches_in(r, K8S_NETPOLS, v->o->meta.ns))
		return;
	collect(r, v, g, &all);
	for (size_t i = 0; i < all.n; i++)
		isolation_finding(r, v, g, &all, &all.v[i]);
}

/* ---- clients that cannot ask the DNS ---- */

static struct svc *dns_service(struct run *r)
{
	const struct k8s_service *s = dns_service_object(r);

	return s ? run_svc(r, s) : NULL;
}

/* NodeLocal DNSCache listens here, and then the pods behind the Service are not asked. */
static bool asks_node_local(const struct run *r, const struct k8s_pod *client, uint8_t proto)
{
	struct k8s_policy_end to = { 0 };
	const struct k8s_policy_end from = end_of_pod(client);
	struct k8s_policy_verdict v;

	if (ip_addr_parse("169.254.20.10", &to.ip) < 0)
		return false;
	k8s_policy_judge(r->c, &from, &to, proto, 53, true, &v);
	return v.allowed != 0;
}

static bool dns_blocked(const struct run *r, const struct k8s_pod *client, const struct svc *dns, uint8_t proto)
{
	const struct k8s_policy_end from = end_of_pod(client);
	size_t judged = 0;

	for (size_t i = 0; i < dns->pods->v.len && i < PODS_MAX; i++)
		for (size_t j = 0; j < dns->o->nports; j++) {
			const struct k8s_service_port *sp = &dns->o->ports[j];
			const struct k8s_policy_end to = end_of_pod(dns->pods->v.v[i]);
			const uint16_t port = target_of(sp, dns->pods->v.v[i]);
			struct k8s_policy_verdict v;

			if (sp->port != 53 || sp->proto != proto || !port || k8s_pod_terminal(dns->pods->v.v[i]))
				continue;
			k8s_policy_judge(r->c, &from, &to, proto, port, true, &v);
			if (v.allowed != 0)
				return false;
			judged++;
		}
	return judged > 0 && !asks_node_local(r, client, proto);
}

static bool asks_cluster_dns(const struct k8s_pod *p)
{
	return !p->host_network && !k8s_pod_terminal(p) && (!p->dns_policy || str_starts(p->dns_policy, "ClusterFirst"));
}

static void dns_finding(struct run *r, struct svc *dns, const char *ns, const struct k8s_pod *example, size_t n, size_t of)
{
	const struct k8s_netpol_group *g = k8s_netpols_of(r->c, ns);
	struct finding *f = finding_new(r, "networkpolicy-blocks-dns", NULL, NULL, run_printf(r, "Namespace %s", ns));

	f->rank = 30;
	finding_cluster(f);
	finding_partial(f);
	finding_concerns(r, f, dns->o);
	finding_text(r, f, "NetworkPolicies keep %zu of %zu pods of namespace %s from asking %s/%s: their lookups of names time out", n, of, ns,
		     dns->o->meta.ns, dns->o->meta.name);
	for (size_t i = 0; i < g->len; i++) {
		if (!k8s_policy_selects(g->v[i], example, true))
			continue;
		finding_evidence(r, f, "NetworkPolicy %s isolates Pod %s for outgoing traffic, and no rule opens port 53/UDP of the DNS pods",
				 g->v[i]->meta.name, example->meta.name);
		if (opens_cluster_ip(dns->o, g->v[i]))
			finding_evidence(r, f, "NetworkPolicy %s opens the cluster IP of %s/%s; a policy sees the address of the DNS pod",
					 g->v[i]->meta.name, dns->o->meta.ns, dns->o->meta.name);
		finding_next(r, f, "kubectl -n %s describe networkpolicy %s", ns, g->v[i]->meta.name);
	}
	finding_evidence(r, f, "a network plugin that does not know policies lets everything out");
}

/* Short answers come, and those that are cut off cannot be asked for again. */
static void dns_udp_only(struct run *r, const struct svc *dns, const char *ns, const struct k8s_pod *example, size_t n)
{
	const struct k8s_netpol_group *g = k8s_netpols_of(r->c, ns);
	struct finding *f = finding_new(r, "dns-truncation-tcp53", NULL, NULL, run_printf(r, "Namespace %s", ns));

	f->rank = 31;
	finding_cluster(f);
	finding_partial(f);
	finding_text(r, f, "NetworkPolicies let %zu pod%s of namespace %s ask %s/%s over UDP and not over TCP: long answers are lost, or come in part", n, PLURAL(n), ns,
		     dns->o->meta.ns, dns->o->meta.name);
	for (size_t i = 0; i < g->len; i++) {
		if (!k8s_policy_selects(g->v[i], example, true))
			continue;
		finding_evidence(r, f, "NetworkPolicy %s isolates Pod %s for outgoing traffic, and no rule opens port 53/TCP of the DNS pods", g->v[i]->meta.name,
				 example->meta.name);
		finding_next(r, f, "kubectl -n %s describe networkpolicy %s", ns, g->v[i]->meta.name);
		finding_fix(r, f, "kubectl -n %s edit networkpolicy %s", ns, g->v[i]->meta.name);
	}
}

void check_dns_policy(struct run *r)
{
	struct svc *dns = dns_service(r);
	const char *last = NULL;

	for (size_t i = 0; dns && run_reaches(r, K8S_PODS, dns) && i < r->c->netpols.len; i++) {
		const char *ns = r->c->netpols.v[i]->meta.ns;
		const struct k8s_pod_group *g = map_gets(&r->c->pods_by_ns, ns);
		const struct k8s_pod *example = NULL, *cut = NULL;
		size_t blocked = 0, pods = 0, udp_only = 0;

		if (str_is(last, ns) || !run_reaches_in(r, K8S_NETPOLS, ns) || !run_reaches_in(r, K8S_PODS, ns))
			continue;
		last = ns;
		for (size_t j = 0; g && j < g->v.len && j < PODS_MAX; j++) {
			if (!asks_cluster_dns(g->v.v[j]))
				continue;
			pods++;
			if (!dns_blocked(r, g->v.v[j], dns, IPPROTO_UDP)) {
				const bool no_tcp = dns_blocked(r, g->v.v[j], dns, IPPROTO_TCP);

				udp_only += no_tcp;
				cut = no_tcp && !cut ? g->v.v[j] : cut;
				continue;
			}
			blocked++;
			example = example ? example : g->v.v[j];
		}
		if (blocked)
			dns_finding(r, dns, ns, example, blocked, pods);
		if (udp_only)
			dns_udp_only(r, dns, ns, cut, udp_only);
	}
}

/* ---- sources that are rewritten before a policy sees them ---- */

static bool overlaps_pods(const struct run *r, const struct ip_prefix *block)
{
	for (size_t i = 0; i < r->c->nodes.len; i++)
		for (size_t j = 0; j < r->c->nodes.v[i]->npod_cidrs; j++)
			if (ip_prefix_overlaps(block, &r->c->nodes.v[i]->pod_cidrs[j]))
				return true;
	return false;
}

/* The first peer that means outside addresses, among rules for this port; a block that may hold a node's other addresses tells nothing. */
static const struct k8s_policy_peer *outside_peer(const struct run *r, const struct k8s_netpol_group *g, const struct isolation *one,
						  const struct k8s_netpol **ret_by)
{
	const struct k8s_policy_peer *found = NULL;

	for (size_t i = 0; i < g->len; i++)
		for (size_t j = 0; k8s_policy_selects(g->v[i], one->pod, false) && j < g->v[i]->ningress; j++) {
			const struct k8s_policy_rule *rule = &g->v[i]->ingress_rules[j];

			if (!k8s_policy_rule_has_port(rule, one->pod, one->port->proto, one->target))
				continue;
			for (size_t k = 0; k < rule->npeers; k++) {
				if (!rule->peers[k].is_block)
					continue;
				if (overlaps_pods(r, &rule->peers[k].block))
					return NULL;
				if (!found)
					*ret_by = g->v[i];
				found = found ? found : &rule->peers[k];
			}
		}
	return found;
}

/* A node whose rewritten packets the policies let in, or no other node than the pod's own: then nothing is lost. */
static bool nodes_let_in(const struct run *r, const struct isolation *one)
{
	const struct k8s_policy_end to = end_of_pod(one->pod);
	size_t others = 0;

	for (size_t i = 0; i < r->c->nodes.len; i++) {
		const struct k8s_node *n = r->c->nodes.v[i];

		for (size_t j = 0; !str_is(one->pod->node, n->meta.name) && j < n->naddresses; j++) {
			const struct k8s_policy_end from = { .ip = n->addresses[j].ip, .node = n->meta.name };
			struct k8s_policy_verdict v;

			if (!from.ip.family)
				continue;
			k8s_policy_judge(r->c, &from, &to, one->port->proto, one->target, false, &v);
			if (v.allowed != 0)
				return true;
			others++;
		}
	}
	return others == 0;
}

static bool comes_from_outside(const struct k8s_service *s)
{
	return !s->external_local && (s->nexternal_ips || strcmp(s->type, "NodePort") == 0 || strcmp(s->type, "LoadBalancer") == 0);
}

static void rewritten(struct run *r, struct svc *v, const struct k8s_netpol_group *g, const struct isolation *one)
{
	const struct k8s_netpol *by = NULL;
	const struct k8s_policy_peer *peer = outside_peer(r, g, one, &by);
	char buf[IP_PREFIX_STRLEN];
	struct finding *f;

	if (!peer || !one->pod->node || nodes_let_in(r, one))
		return;
	f = finding_of_service(r, "snat-breaks-networkpolicy", NULL, run_printf(r, "%s/%s %u", by->meta.ns, by->meta.name, one->port->port), v);
	f->rank = 43;
	finding_partial(f);
	finding_text(r, f,
		     "NetworkPolicy %s/%s lets %s in to the pods behind %s/%s, which outside clients of port %u do not keep as their source: "
		     "by another node than the pod's they come with the address of a node",
		     by->meta.ns, by->meta.name, ip_prefix_format(&peer->block, buf), v->o->meta.ns, v->o->meta.name, one->port->port);
	finding_evidence(r, f, "externalTrafficPolicy is Cluster: the node that takes the packet rewrites its source; with Local it is kept");
	finding_evidence(r, f, "no rule of the policies lets in the nodes' addresses, such as that of another node than %s", one->pod->node);
	finding_next(r, f, "kubectl -n %s describe networkpolicy %s", by->meta.ns, by->meta.name);
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", v->o->meta.ns, v->o->meta.name);
}

void check_policy_sources(struct run *r, struct svc *v)
{
	const struct k8s_netpol_group *g = k8s_netpols_of(r->c, v->o->meta.ns);
	struct isolations all = { 0 };

	if (!g || !has_pods_behind(r, v) || k8s_service_skipped_by_proxy(v->o) || !comes_from_outside(v->o) ||
	    !run_reaches_in(r, K8S_NETPOLS, v->o->meta.ns) || !run_reaches_in(r, K8S_NODES, NULL))
		return;
	collect(r, v, g, &all);
	for (size_t i = 0; i < all.n; i++)
		if (!all.v[i].everybody)
			rewritten(r, v, g, &all.v[i]);
}
