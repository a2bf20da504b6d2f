/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who else serves Services on a node, or did: another data plane in kube-proxy's place or beside it, rules of a mode that
 * kube-proxy no longer runs in, rules in the backend that it no longer writes; and nodes that differ from their peers.
 */
#include "checks-private.h"

static bool asked(const struct run *r, const struct snap_node *n)
{
	return !r->o->node || str_is(r->o->node, n->name);
}

/* ---- node against node ---- */

static const char *node_names(struct run *r, const struct verify_peer *x)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < x->nothers && i < 5; i++)
		strbuf_addf(&b, "%s%s", i ? ", " : "", x->others[i]);
	return run_printf(r, "Node%s %s", PLURAL(x->nothers), strbuf_str(&b));
}

/* Where the objects are known, the fault of a single Service has a finding of its own, with its rule. */
static bool says_more(const struct run *r, const struct verify_peer *x)
{
	return !x->node || x->services > 1 || !run_has(r, K8S_SERVICES);
}

static void peer_finding(struct run *r, const struct verify_peer *x)
{
	const char *last = "";
	struct finding *f;

	if (!says_more(r, x))
		return;
	f = finding_new(r, "node-differs-from-peers", x->node, NULL, x->node ? run_printf(r, "Node %s", x->node) : node_names(r, x));
	f->rank = 8;
	finding_severity(f, difference_severity(x->severity));
	finding_cluster(f);
	finding_text(r, f, "%s", x->text);
	for (size_t i = 0; i < x->differences.len; i++) {
		const struct verify_peer_difference *d = &x->differences.v[i];

		if (strcmp(d->name, last) != 0)
			finding_evidence(r, f, "%s%s%s: %s", str_is(d->name, d->frontend) ? "" : d->name, str_is(d->name, d->frontend) ? "" : " ",
					 d->frontend, d->text);
		last = d->name;
		if (d->service)
			finding_concerns(r, f, d->service);
	}
	if (!x->node)
		return;
	finding_next(r, f, "svcdoctor trace %s %a --node %s", x->node, x->differences.v[0].frontend, x->node);
	proxy_commands(r, f, x->node);
}

/* ---- what kube-proxy has left where ---- */

/* Of one backend and address family. */
struct traces {
	size_t entries;		/* rules of KUBE-SERVICES in table nat */
	size_t services;	/* chains of Services and endpoints that hold rules */
	bool reached;		/* something leads to KUBE-SERVICES */
	bool canary;		/* KUBE-PROXY-CANARY: kube-proxy makes it, and looks after it, where it writes */
	bool hint;		/* KUBE-IPTABLES-HINT or KUBE-KUBELET-CANARY: where the kubelet writes */
	size_t known, unknown;	/* ClusterIPs of KUBE-SERVICES that a Service has, or has not */
	size_t alive, dead;	/* translations to addresses that are endpoints, or are not */
	uint64_t packets;	/* of these translations */
};

/* What the objects have. */
struct objects {
	bool built;
	bool services, endpoints; /* known as a whole */
	struct map cluster_ips, addresses;
};

static void objects_release(struct objects *o)
{
	map_release(&o->cluster_ips);
	map_release(&o->addresses);
}

/* On a sound node nothing asks for it. */
static void index_objects(struct run *r, struct objects *o)
{
	if (o->built)
		return;
	o->built = true;
	o->services = run_complete(r, K8S_SERVICES);
	o->endpoints = run_complete(r, K8S_SLICES);
	for (size_t i = 0; i < r->c->services.len; i++) {
		struct k8s_service *s = r->c->services.v[i];

		for (size_t k = 0; k < s->ncluster_ips; k++)
			if (map_put(&o->cluster_ips, &s->cluster_ips[k], sizeof(s->cluster_ips[k]), s) < 0)
				r->err = -ENOMEM;
	}
	for (size_t i = 0; i < r->c->slices.len; i++) {
		struct k8s_slice *s = r->c->slices.v[i];

		for (size_t k = 0; k < s->nendpoints; k++)
			if (s->endpoints[k].ip.family && map_put(&o->addresses, &s->endpoints[k].ip, sizeof(s->endpoints[k].ip), s) < 0)
				r->err = -ENOMEM;
	}
}

static bool of_service(const char *name)
{
	return str_starts(name, "KUBE-SVC-") || str_starts(name, "KUBE-SVL-") || str_starts(name, "KUBE-EXT-") ||
	       str_starts(name, "KUBE-XLB-") || str_starts(name, "KUBE-FW-") || str_starts(name, "KUBE-SEP-");
}

static void look_at_entry(const struct rs_rule *rule, const struct objects *o, struct traces *t)
{
	const struct rs_chain *to = rule_chain(rule);
	struct ip_addr a;

	if (!to || (!str_starts(to->name, "KUBE-SVC-") && !str_starts(to->name, "KUBE-SVL-")) || !rule_host(rule, FIELD_DADDR, &a))
		return;
	if (map_get(&o->cluster_ips, &a, sizeof(a)))
		t->known++;
	else
		t->unknown++;
}

static void look_at_translation(const struct rs_rule *rule, const struct objects *o, struct traces *t)
{
	const struct rs_stmt *s = rule_target(rule);

	if (!s || s->kind != ST_DNAT || !s->u.nat || !s->u.nat->has_addr)
		return;
	t->packets += rule->has_counters ? rule_counters(rule)->packets : 0;
	if (map_get(&o->addresses, &s->u.nat->lo, sizeof(s->u.nat->lo)))
		t->alive++;
	else
		t->dead++;
}

static void look_at_chain(const struct rs_chain *c, const struct objects *o, struct traces *t)
{
	t->canary |= str_is(c->name, "KUBE-PROXY-CANARY");
	t->hint |= str_is(c->name, "KUBE-IPTABLES-HINT") || str_is(c->name, "KUBE-KUBELET-CANARY");
	if (!str_is(c->table->name, "nat"))
		return;
	if (str_is(c->name, "KUBE-SERVICES")) {
		t->entries += c->nrules;
		t->reached |= c->referenced;
		for (uint32_t i = 0; i < c->nrules; i++)
			look_at_entry(c->rules[i], o, t);
	}
	if (!of_service(c->name) || c->nrules == 0)
		return;
	t->services++;
	for (uint32_t i = 0; i < c->nrules; i++)
		look_at_translation(c->rules[i], o, t);
}

static void look_at(const struct snap_node *n, enum rs_backend b, bool six, const struct objects *o, struct traces *ret)
{
	*ret = (struct traces){ 0 };
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		if (!t->xtables || t->backend != b || t->family != (six ? RS_IP6 : RS_IP4))
			continue;
		for (size_t k = 0; k < t->chain_list.len; k++)
			look_at_chain(t->chain_list.v[k], o, ret);
	}
}

/* At a glance: kube-proxy's chains are many. */
static bool has_entries(const struct snap_node *n, enum rs_backend b, bool six)
{
	const struct rs_table *t = ruleset_find_table(&n->rules, b, six ? RS_IP6 : RS_IP4, "nat");
	const struct rs_chain *c = t ? table_find_chain(t, "KUBE-SERVICES") : NULL;

	return c && c->nrules;
}

static bool holds_services(const struct traces *t)
{
	return t->entries > 0 && t->services > 0;
}

static const char *tool(enum rs_backend b, bool six)
{
	return six ? b == BACKEND_NFT ? "ip6tables-nft" : "ip6tables-legacy" : b == BACKEND_NFT ? "iptables-nft" : "iptables-legacy";
}

/* ---- both backends ---- */

/*
 * Which of the two kube-proxy writes: 0 or 1, or -1 where nothing tells. Its canary is worth most, then what the objects
 * say, then the kubelet's hint, which the scripts that choose a backend for kube-proxy's image go by; packets only tell
 * which one is asked first.
 */
static int written(const struct traces t[static 2], const struct objects *o, const char **ret_why)
{
	const size_t wrong[2] = { (o->services ? t[0].unknown : 0) + (o->endpoints ? t[0].dead : 0),
				  (o->services ? t[1].unknown : 0) + (o->endpoints ? t[1].dead : 0) };

	for (int i = 0; i < 2; i++) {
		const struct traces *a = &t[i], *b = &t[!i];

		*ret_why = "KUBE-PROXY-CANARY is in this one only";
		if (a->canary && !b->canary)
			return i;
	}
	for (int i = 0; i < 2; i++) {
		*ret_why = "its addresses are those of the Services and endpoints";
		if (o->services && o->endpoints && wrong[i] <= wrong[!i] && t[i].known >= t[!i].known &&
		    (wrong[i] < wrong[!i] || t[i].known > t[!i].known))
			return i;
	}
	for (int i = 0; i < 2; i++) {
		*ret_why = "the kubelet's own chains are in this one only";
		if (t[i].hint && !t[!i].hint)
			return i;
	}
	*ret_why = NULL;
	return -1;
}

static void backend_evidence(struct run *r, struct finding *f, const struct traces *t, const char *name, const struct objects *o)
{
	finding_evidence(r, f, "%s: %zu rules in KUBE-SERVICES, %zu chains of Services and endpoints%s", name, t->entries, t->services,
			 t->reached ? "" : ", and nothing leads to them");
	if (o->services && t->unknown)
		finding_evidence(r, f, "%s: %zu of %zu entries are for addresses that no Service has", name, t->unknown, t->known + t->unknown);
	if (o->endpoints && t->dead)
		finding_evidence(r, f, "%s: %zu of %zu translations lead to addresses that are no endpoints", name, t->dead, t->alive + t->dead);
}

/*
 * Differences whose rule stands in the leftovers are what harms now; what hangs on the order of two chains of one priority,
 * which no dump shows, may.
 */
static void concern_by(struct run *r, struct finding *f, const struct snap_node *n, int dead, bool six)
{
	const struct verify_report *v = &r->d->verify;

	for (size_t i = 0; i < v->differences.len; i++) {
		const struct verify_difference *d = &v->differences.v[i];

		if (!str_is(d->node, n->name) || !d->by.rule || (int)d->by.rule->chain->table->backend != dead || (d->family == AF_INET6) != six)
			continue;
		if (d->service)
			finding_concerns(r, f, d->service);
		finding_severity(f, MAX(f->severity, difference_severity(d->severity)));
	}
	for (size_t i = 0; i < v->undecided.len; i++) {
		const struct verify_undecided *u = &v->undecided.v[i];

		if (str_is(u->node, n->name) && u->service && (u->example.family == AF_INET6) == six && u->by.kind == BY_KERNEL && u->by.text &&
		    strstr(u->by.text, " runs first at "))
			finding_concerns(r, f, u->service);
	}
}

static void backends_of_family(struct run *r, const struct snap_node *n, bool six, struct objects *o)
{
	static const enum rs_backend backends[2] = { BACKEND_NFT, BACKEND_LEGACY };
	struct traces t[2];
	struct finding *f;
	const char *why;
	int live;

	if (!has_entries(n, BACKEND_NFT, six) || !has_entries(n, BACKEND_LEGACY, six))
		return;
	index_objects(r, o);
	for (unsigned i = 0; i < 2; i++)
		look_at(n, backends[i], six, o, &t[i]);
	if (!holds_services(&t[0]) || !holds_services(&t[1]))
		return;
	live = written(t, o, &why);
	f = finding_new(r, "iptables-legacy-nft-mix", n->name, six ? "IPv6" : "IPv4", run_printf(r, "Node %s", n->name));
	f->rank = 4;
	finding_cluster(f);
	finding_severity(f, live >= 0 && !t[!live].reached ? SEVERITY_INFO : SEVERITY_WARNING);
	if (live >= 0) {
		finding_text(r, f, "on node %s kube-proxy's rules are in %s and in %s: those of %s are leftovers", n->name,
			     tool(backends[live], six), tool(backends[!live], six), tool(backends[!live], six));
		finding_evidence(r, f, "kube-proxy writes %s: %s", tool(backends[live], six), why);
	} else {
		finding_text(r, f, "on node %s kube-proxy's rules are in iptables-nft and in iptables-legacy, and nothing tells which of them it writes",
			     n->name);
	}
	concern_by(r, f, n, live < 0 ? -1 : (int)backends[!live], six);
	for (unsigned i = 0; i < 2; i++)
		backend_evidence(r, f, &t[i], tool(backends[i], six), o);
	if (!t[0].packets != !t[1].packets)
		finding_evidence(r, f, "connections were translated in %s only", tool(backends[t[1].packets > 0], six));
	if (n->legacy_warned[six])
		finding_evidence(r, f, "the dump of %s says itself that legacy tables are there", tool(BACKEND_NFT, six));
	for (unsigned i = 0; i < 2; i++)
		finding_next(r, f, "sudo %t -t nat | grep -e KUBE-SERVICES", run_printf(r, "%s-save", tool(backends[i], six)));
	finding_next(r, f, "iptables --version");
}

/* ---- another mode ---- */

static const struct node_link *find_link(const struct snap_node *n, const char *name)
{
	for (size_t i = 0; i < n->facts.links.len; i++)
		if (str_is(n->facts.links.v[i].name, name))
			return &n->facts.links.v[i];
	return NULL;
}

static size_t addresses_on(const struct snap_node *n, const char *link)
{
	size_t count = 0;

	for (size_t i = 0; i < n->facts.addrs.len; i++)
		/* a link that is up has a link-local address of its own */
		count += str_is(n->facts.addrs.v[i].ifname, link) && !ip_addr_is_linklocal(&n->facts.addrs.v[i].addr);
	return count;
}

/* Both backends and families together. */
static void look_at_all(const struct snap_node *n, const struct objects *o, struct traces *ret)
{
	*ret = (struct traces){ 0 };
	for (unsigned i = 0; i < 4; i++) {
		struct traces t;

		look_at(n, i & 1 ? BACKEND_NFT : BACKEND_LEGACY, i & 2, o, &t);
		ret->entries += t.entries;
		ret->services += t.services;
		ret->reached |= t.reached;
		ret->alive += t.alive;
		ret->dead += t.dead;
	}
}

/* As kube-proxy itself tells it on the node; else it is what the ConfigMap wants of the next one that is started. */
static bool tells_its_mode(const struct snap_node *n)
{
	return n->proxy.mode || n->proxy.log_mode || n->proxy.config.known;
}

static struct finding *leftover(struct run *r, const struct snap_node *n, const char *of, const char *mode, enum severity s)
{
	const bool told = tells_its_mode(n);
	struct finding *f = finding_new(r, "stale-rules-after-mode-switch", n->name, of, run_printf(r, "Node %s", n->name));

	f->rank = 6;
	finding_cluster(f);
	finding_severity(f, told ? s : MIN(s, SEVERITY_WARNING));
	finding_text(r, f, "kube-proxy on node %s is %s %s mode, and what it made in %s mode is still there", n->name,
		     told ? "in" : "configured for", mode, of);
	if (!told)
		finding_evidence(r, f, "the mode is that of the ConfigMap: a kube-proxy that was not restarted since runs in the former one");
	return f;
}

static void iptables_leftovers(struct run *r, const struct snap_node *n, const char *mode, struct objects *o)
{
	struct finding *f;
	struct traces t;

	index_objects(r, o);
	look_at_all(n, o, &t);
	if (!t.services)
		return;
	f = leftover(r, n, "iptables", mode, !t.reached ? SEVERITY_INFO : o->endpoints && t.dead ? SEVERITY_ERROR : SEVERITY_WARNING);
	backend_evidence(r, f, &t, "iptables", o);
	if (t.reached)
		finding_evidence(r, f, "the jumps to them are there too: they translate before or beside what %s mode does", mode);
	finding_next(r, f, "sudo iptables-save -t nat | grep -e KUBE-SVC");
}

/* pkg/proxy/ipvs/proxier.go iptablesChains */
static bool has_ipvs_chains(const struct snap_node *n)
{
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		if (table_find_chain(t, "KUBE-NODE-PORT") || table_find_chain(t, "KUBE-LOAD-BALANCER") || table_find_chain(t, "KUBE-IPVS-FILTER"))
			return true;
	}
	return false;
}

static void ipvs_leftovers(struct run *r, const struct snap_node *n, const char *mode)
{
	const bool chains = has_ipvs_chains(n);
	const size_t addresses = addresses_on(n, "kube-ipvs0");
	const bool link = find_link(n, "kube-ipvs0") || addresses, servers = n->rules.servers.len > 0 || n->dumps[DUMP_IPVS] == UNSUPPORTED;
	struct finding *f;

	/* keepalived and kube-router have virtual servers of their own, and their own links. */
	if (!link && !chains && (!servers || find_link(n, "kube-dummy-if")))
		return;
	f = leftover(r, n, "ipvs", mode, addresses ? SEVERITY_WARNING : SEVERITY_INFO);
	if (!link && !chains)
		finding_text(r, f, "kube-proxy on node %s is in %s mode, and there are IPVS virtual servers: its own of ipvs mode, or another "
			     "program's", n->name, mode);
	if (link)
		finding_evidence(r, f, "the link kube-ipvs0 is there, with %zu address%s: to the node these are its own", addresses,
				 addresses == 1 ? "" : "es");
	if (chains)
		finding_evidence(r, f, "chains that only ipvs mode has are there (KUBE-NODE-PORT, KUBE-LOAD-BALANCER, KUBE-IPVS-FILTER)");
	if (servers)
		finding_evidence(r, f, "the dump of ipvsadm holds virtual servers");
	finding_next(r, f, "ip addr show kube-ipvs0");
	finding_next(r, f, "sudo ipvsadm -ln");
	if (link)
		finding_fix(r, f, "sudo ip link del kube-ipvs0");
}

static void nftables_leftovers(struct run *r, const struct snap_node *n, const char *mode)
{
	const size_t rules[2] = { verify_proxy_table_rules(n, false), verify_proxy_table_rules(n, true) };
	struct finding *f;

	if (!rules[0] && !rules[1])
		return;
	f = leftover(r, n, "nftables", mode, SEVERITY_WARNING);
	for (unsigned six = 0; six < 2; six++)
		if (rules[six])
			finding_evidence(r, f, "table %s kube-proxy holds %zu rules", six ? "ip6" : "ip", rules[six]);
	finding_next(r, f, "sudo nft list table %s kube-proxy", rules[0] ? "ip" : "ip6");
	for (unsigned six = 0; six < 2; six++)
		if (rules[six])
			finding_fix(r, f, "sudo nft delete table %s kube-proxy", six ? "ip6" : "ip");
}

static void mode_leftovers(struct run *r, const struct snap_node *n, struct objects *o)
{
	const char *mode = run_proxy_mode(r, n->name);
	struct verify_plane other;

	/* Where another program serves, all that kube-proxy left is said of that. */
	if (!mode || verify_plane_serves(r->s, n, &other))
		return;
	if (!str_is(mode, "iptables"))
		iptables_leftovers(r, n, mode, o);
	if (!str_is(mode, "ipvs"))
		ipvs_leftovers(r, n, mode);
	if (!str_is(mode, "nftables"))
		nftables_leftovers(r, n, mode);
}

/* ---- two at once ---- */

/* Its command, by the pod of the node where that is known. */
static void plane_command(struct run *r, struct finding *f, const struct verify_plane *p)
{
	const char *rest = strstr(p->command, " ds/");

	rest = rest ? strchr(rest + 1, ' ') : NULL;
	if (!p->agent || !rest) {
		finding_next(r, f, p->command);
		return;
	}
	/* OpenShift has another name for that container. */
	for (size_t i = 0; i < p->agent->ncontainers; i++)
		if (str_is(p->agent->containers[i].name, "nbdb") && str_starts(rest, " -c nb-ovsdb "))
			rest = run_printf(r, " -c nbdb %s", rest + strlen(" -c nb-ovsdb "));
	finding_next(r, f, run_printf(r, "kubectl -n %%s exec %%s%s", rest), p->agent->meta.ns, p->agent->meta.name);
}

static void two_planes(struct run *r, const struct snap_node *n, struct objects *o)
{
	const char *sign = verify_proxy_sign(r->s, n);
	const size_t table = verify_proxy_table_rules(n, false) + verify_proxy_table_rules(n, true);
	struct verify_plane p;
	struct finding *f;
	struct traces t;

	if (!verify_plane_serves(r->s, n, &p))
		return;
	index_objects(r, o);
	look_at_all(n, o, &t);
	if (!sign && !t.services && !table)
		return;
	f = finding_new(r, "duplicate-service-proxies", n->name, p.name, run_printf(r, "Node %s", n->name));
	f->rank = 6;
	finding_cluster(f);
	if (sign)
		finding_text(r, f, "kube-proxy and %s both serve Services on node %s", p.name, n->name);
	else
		finding_text(r, f, "%s serves Services on node %s, and rules of kube-proxy are left there", p.name, n->name);
	finding_evidence(r, f, "%s: %s", p.name, p.sign);
	if (sign)
		finding_evidence(r, f, "kube-proxy: %s", sign);
	if (t.services)
		backend_evidence(r, f, &t, "kube-proxy's iptables rules", o);
	if (table)
		finding_evidence(r, f, "the nftables table kube-proxy holds %zu rules", table);
	finding_next(r, f, "kubectl -n kube-system get daemonsets");
	plane_command(r, f, &p);
}

/* Two pods of kube-proxy that stay: a DaemonSet's and a static one, or of two DaemonSets. */
static void two_proxies(struct run *r)
{
	CLEANUP(map_release) struct map first = { 0 };

	for (size_t i = 0; i < r->c->pods.len; i++) {
		struct k8s_pod *p = r->c->pods.v[i];
		const char *app = k8s_label_get(&p->meta.labels, "k8s-app"), *component = k8s_label_get(&p->meta.labels, "component");
		const struct k8s_pod *other;
		struct finding *f;

		if ((!str_is(app, "kube-proxy") && !str_is(component, "kube-proxy")) || !p->node || p->meta.deleted || !str_is(p->phase, "Running"))
			continue;
		other = map_gets(&first, p->node);
		if (!other) {
			if (map_puts(&first, p->node, p) < 0)
				r->err = -ENOMEM;
			continue;
		}
		f = finding_new(r, "duplicate-service-proxies", p->node, p->meta.name, run_printf(r, "Node %s", p->node));
		f->rank = 6;
		finding_cluster(f);
		finding_text(r, f, "two pods of kube-proxy run on node %s", p->node);
		finding_evidence(r, f, "Pod %s/%s", other->meta.ns, other->meta.name);
		finding_evidence(r, f, "Pod %s/%s", p->meta.ns, p->meta.name);
		finding_next(r, f, "kubectl -n %s get pods -o wide", p->meta.ns);
	}
}

/* ---- another one ---- */

/* One finding for each program, with the nodes as evidence. */
static void other_planes(struct run *r)
{
	CLEANUP(map_release) struct map by_name = { 0 };

	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		struct verify_plane p;
		struct finding *f;

		if (!asked(r, n) || !verify_plane_is_other(r->s, n, &p))
			continue;
		f = map_gets(&by_name, p.name);
		if (!f) {
			f = finding_new(r, "alternative-dataplane-present", NULL, p.name, "Cluster");
			f->rank = 30;
			finding_cluster(f);
			finding_text(r, f, "%s serves Services in place of kube-proxy: the rules axis does not look at its nodes", p.name);
			plane_command(r, f, &p);
			if (map_puts(&by_name, p.name, f) < 0)
				r->err = -ENOMEM;
		}
		finding_evidence(r, f, "node %s: %s", n->name, p.sign);
	}
}

void plane_findings(struct run *r)
{
	CLEANUP(objects_release) struct objects o = { 0 };
	const struct verify_report *v = &r->d->verify;

	for (size_t i = 0; i < r->s->nodes.len && !r->err; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		if (!asked(r, n))
			continue;
		backends_of_family(r, n, false, &o);
		backends_of_family(r, n, true, &o);
		mode_leftovers(r, n, &o);
		two_planes(r, n, &o);
	}
	two_proxies(r);
	other_planes(r);
	for (size_t i = 0; i < v->peers.len && !r->err; i++)
		peer_finding(r, &v->peers.v[i]);
}
