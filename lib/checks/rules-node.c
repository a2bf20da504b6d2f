/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with a node as a whole: kube-proxy's rules that are not there, were emptied or are half written, and
 * packets that the kernel loses after the rules. What is wrong with single rules is in rules.c.
 */
#include "checks-private.h"

/* ---- kube-proxy's chains ---- */

/* Of one address family of a node, both backends together. */
struct chains {
	size_t all;		      /* chains that nobody but kube-proxy makes */
	size_t services;	      /* of Services and endpoints, in table nat */
	size_t bare;		      /* of those: without a rule */
	size_t bare_targets;	      /* of those: something leads to it */
	const struct rs_chain *entry; /* KUBE-SERVICES of nat, the one with rules if there is one; NULL */
	bool damaged;		      /* a dump is not whole */
};

static bool starts_any(const char *s, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (str_starts(s, *prefixes))
			return true;
	return false;
}

static bool of_service(const char *name)
{
	static const char *const prefixes[] = { "KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-XLB-",
						"KUBE-FW-",  "KUBE-SEP-", NULL };

	return starts_any(name, prefixes);
}

/* Older kubelets make KUBE-FIREWALL, KUBE-MARK-MASQ, KUBE-POSTROUTING and a canary of their own: those tell nothing. */
static bool of_proxy_alone(const char *name)
{
	static const char *const prefixes[] = { "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES",
						"KUBE-NODEPORTS", "KUBE-FORWARD", "KUBE-PROXY-", NULL };

	return of_service(name) || starts_any(name, prefixes);
}

static void count_table(const struct rs_table *t, struct chains *ret)
{
	const bool nat = str_is(t->name, "nat");

	for (size_t i = 0; i < t->chain_list.len; i++) {
		const struct rs_chain *c = t->chain_list.v[i];

		ret->all += of_proxy_alone(c->name);
		if (!nat)
			continue;
		if (str_is(c->name, "KUBE-SERVICES") && (!ret->entry || c->nrules))
			ret->entry = c;
		if (of_service(c->name)) {
			ret->services++;
			ret->bare += c->nrules == 0;
			ret->bare_targets += c->nrules == 0 && c->referenced;
		}
	}
}

static void count_chains(const struct snap_node *n, bool six, struct chains *ret)
{
	const enum known nft = n->dumps[six ? DUMP_NFT6 : DUMP_NFT4],
			 legacy = n->dumps[six ? DUMP_LEGACY6 : DUMP_LEGACY4];

	*ret = (struct chains){ 0 };
	ret->damaged = (nft != KNOWN && nft != NOT_COLLECTED) || (legacy != KNOWN && legacy != NOT_COLLECTED);
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		if (t->xtables && t->family == (six ? RS_IP6 : RS_IP4))
			count_table(t, ret);
	}
}

/* ---- what the differences of a node say ---- */

struct node_differences {
	size_t first, end;   /* positions in the report */
	size_t untranslated[2]; /* IPv4, IPv6: frontends that no rule serves */
	size_t services;     /* Services with one of those */
};

static void count_differences(const struct verify_report *v, const char *node, struct node_differences *ret)
{
	const struct k8s_service *last = NULL;

	*ret = (struct node_differences){ 0 };
	while (ret->first < v->differences.len && !str_is(v->differences.v[ret->first].node, node))
		ret->first++;
	for (ret->end = ret->first; ret->end < v->differences.len; ret->end++) {
		const struct verify_difference *d = &v->differences.v[ret->end];

		if (!str_is(d->node, node))
			break;
		if (d->kind != DIFF_NO_RULE)
			continue;
		ret->untranslated[d->family == AF_INET6]++;
		ret->services += d->service != last;
		last = d->service;
	}
}

/* ---- which state is it? ---- */

/* kube-proxy says so itself. */
static bool never_synced(const struct run *r, const struct snap_node *n)
{
	for (size_t i = 0; i < r->d->verify.torn.len; i++)
		if (r->d->verify.torn.v[i].unfinished && str_is(r->d->verify.torn.v[i].node, n->name))
			return true;
	/* without a time, or with the zero time of Go */
	return n->proxy.healthz_known && (!n->proxy.healthz_last_updated || str_starts(n->proxy.healthz_last_updated, "0001-"));
}

static const char *state_of_family(const struct chains *c)
{
	if (c->all == 0)
		return "kube-proxy-wrote-nothing";
	/* Not even an idle kube-proxy leaves KUBE-SERVICES empty: the jump to KUBE-NODEPORTS is its last rule. */
	if (!c->entry || c->entry->nrules == 0)
		return c->entry && c->services == 0 ? "rules-torn" : "rules-flushed-by-other";
	if (c->bare_targets >= 2 && c->bare * 2 > c->services)
		return "rules-flushed-by-other";
	return NULL;
}

/* The check that the node's state is, or NULL where single rules are at fault. */
static const char *state_of_node(const struct run *r, const struct snap_node *n, const struct chains c[static 2],
				 const struct node_differences *d)
{
	if (d->end == d->first || c[0].damaged || c[1].damaged)
		return NULL;
	for (unsigned six = 0; six < 2; six++) {
		const char *state = d->untranslated[six] ? state_of_family(&c[six]) : NULL;

		if (state)
			return str_is(state, "rules-flushed-by-other") && never_synced(r, n) ? "rules-torn" : state;
	}
	return never_synced(r, n) && d->services >= 2 ? "rules-torn" : NULL;
}

/* ---- the finding ---- */

static void dumps_evidence(struct run *r, struct finding *f, const struct snap_node *n,
			   const struct chains c[static 2])
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (int k = DUMP_NFT4; k <= DUMP_LEGACY6; k++)
		if (n->dumps[k] == KNOWN && c[k >= DUMP_NFT6].all == 0)
			strbuf_addf(&b, "%s%s", b.len ? ", " : "", snap_dump_name((enum snap_dump)k));
	finding_evidence(r, f, "no chain of kube-proxy in the dumps of %s", strbuf_str(&b));
}

/* " for IPv4" where kube-proxy has written for the other family. */
static const char *family_text(const struct chains c[static 2])
{
	if (c[0].all + c[1].all == 0)
		return "";
	return c[0].all == 0 ? " for IPv4" : " for IPv6";
}

static void chains_evidence(struct run *r, struct finding *f, const struct chains c[static 2])
{
	for (unsigned six = 0; six < 2; six++) {
		const char *family = six ? "IPv6" : "IPv4";

		if (!c[six].all || (c[six].entry && c[six].entry->nrules && !c[six].bare))
			continue;
		if (!c[six].entry)
			finding_evidence(r, f, "%s: nat has no KUBE-SERVICES, and other chains of kube-proxy are there",
					 family);
		else if (!c[six].entry->nrules)
			finding_evidence(r, f, "%s: nat KUBE-SERVICES holds no rule", family);
		if (c[six].services)
			finding_evidence(r, f, "%s: %zu of %zu chains of Services and endpoints hold no rule", family,
					 c[six].bare, c[six].services);
		else
			finding_evidence(r, f, "%s: there is no chain of a Service yet", family);
	}
}

static void proxy_evidence(struct run *r, struct finding *f, const struct snap_node *n)
{
	const struct k8s_pod *p = map_gets(&r->proxy_pods, n->name);
	const char *at = n->proxy.healthz_last_updated;
	struct pod_view w;

	if (never_synced(r, n))
		finding_evidence(r, f, "kube-proxy's health port knows of no finished sync");
	else if (n->proxy.healthz_known)
		finding_evidence(r, f,
				 "kube-proxy's health port says that it is %shealthy, with its last sync at %s",
				 n->proxy.healthy ? "" : "not ", at);
	if (p) {
		pod_view(r, p, &w);
		finding_evidence(r, f, "Pod %s/%s: %s", p->meta.ns, p->meta.name, pod_line(r, &w));
	}
	if (!str_is(f->check->id, "rules-flushed-by-other") && n->proxy.healthz_known && !n->proxy.healthy &&
	    !never_synced(r, n))
		f->since = at;
}

static void look_commands(struct run *r, struct finding *f, const struct snap_node *n)
{
	if (str_is(f->check->id, "rules-flushed-by-other"))
		finding_next(r, f, "systemctl status firewalld ufw nftables netfilter-persistent");
	else if (!map_gets(&r->proxy_pods, n->name))
		finding_next(r, f, "kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide");
	proxy_commands(r, f, n->name);
	finding_next(r, f, "svcdoctor verify -A --node %s", n->name);
}

/* Without a number: of a run over a few Services it would be theirs, and the node is worse off than that. */
static void state_text(struct run *r, struct finding *f, const char *node, const struct chains c[static 2])
{
	if (str_is(f->check->id, "kube-proxy-wrote-nothing"))
		finding_text(r, f, "kube-proxy has written nothing%s on node %s: no Service can be reached there",
			     family_text(c), node);
	else if (str_is(f->check->id, "rules-torn"))
		finding_text(
			r, f,
			"kube-proxy has not finished writing its rules on node %s: Services cannot be reached there as "
			"they must",
			node);
	else
		finding_text(
			r, f,
			"kube-proxy's chains on node %s were emptied by somebody else: Services are not reached there",
			node);
}

/* In the other modes: nothing at all of what it makes, though it runs. */
static bool wrote_nothing(const struct run *r, const struct snap_node *n)
{
	if (verify_has_proxy_table(n, false) || verify_has_proxy_table(n, true) || n->rules.servers.len)
		return false;
	return !verify_has_proxy_rules(n) || verify_mode(r->s, n) == MODE_NFTABLES;
}

static void nothing_finding(struct run *r, const struct snap_node *n)
{
	const struct verify_report *v = &r->d->verify;
	const bool nft = verify_mode(r->s, n) == MODE_NFTABLES;
	struct node_differences d;
	struct finding *f;

	count_differences(v, n->name, &d);
	if (d.services == 0 || !wrote_nothing(r, n))
		return;
	f = finding_new(r, "kube-proxy-wrote-nothing", n->name, NULL, run_printf(r, "Node %s", n->name));
	f->rank = 1;
	finding_cluster(f);
	finding_text(r, f, "kube-proxy has written nothing on node %s: no Service can be reached there", n->name);
	finding_evidence(r, f, nft ? "there is no table kube-proxy in nftables" : "there is no virtual server and no chain of kube-proxy");
	for (size_t i = d.first; i < d.end; i++)
		if (v->differences.v[i].service)
			finding_concerns(r, f, v->differences.v[i].service);
	proxy_evidence(r, f, n);
	look_commands(r, f, n);
}

/* In the other modes: what verify found torn, once for both families. Leaves those that kube-proxy was done with to the differences. */
static void torn_finding(struct run *r, const struct snap_node *n)
{
	const struct verify_report *v = &r->d->verify;
	struct finding *f = NULL;
	struct node_differences d;

	count_differences(v, n->name, &d);
	for (size_t i = 0; i < v->torn.len; i++) {
		const struct verify_torn *t = &v->torn.v[i];

		if (!str_is(t->node, n->name))
			continue;
		if (!f) {
			f = finding_new(r, t->unfinished ? "rules-torn" : "rules-flushed-by-other", n->name, NULL, run_printf(r, "Node %s", n->name));
			f->rank = 1;
			finding_cluster(f);
			finding_text(r, f, "%s", t->text);
		}
		for (size_t k = 0; k < t->nwhy; k++)
			finding_evidence(r, f, "%s", t->why[k]);
	}
	if (!f)
		return;
	for (size_t i = d.first; i < d.end; i++)
		if (v->differences.v[i].service)
			finding_concerns(r, f, v->differences.v[i].service);
	proxy_evidence(r, f, n);
	look_commands(r, f, n);
}

static void node_finding(struct run *r, const struct snap_node *n)
{
	const struct verify_report *v = &r->d->verify;
	struct node_differences d;
	struct chains c[2];
	struct finding *f;
	const char *id;

	count_chains(n, false, &c[0]);
	count_chains(n, true, &c[1]);
	count_differences(v, n->name, &d);
	id = state_of_node(r, n, c, &d);
	if (!id)
		return;
	f = finding_new(r, id, n->name, NULL, run_printf(r, "Node %s", n->name));
	f->rank = 1;
	finding_cluster(f);
	for (size_t i = d.first; i < d.end; i++)
		if (v->differences.v[i].service)
			finding_concerns(r, f, v->differences.v[i].service);
	state_text(r, f, n->name, c);
	if (str_is(id, "kube-proxy-wrote-nothing"))
		dumps_evidence(r, f, n, c);
	else
		chains_evidence(r, f, c);
	proxy_evidence(r, f, n);
	look_commands(r, f, n);
}

void node_rules_findings(struct run *r)
{
	const struct verify_report *v = &r->d->verify;

	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		bool judged = false;

		for (size_t j = 0; j < v->nodes.len && !judged; j++)
			judged = str_is(v->nodes.v[j], n->name);
		if (!judged || verify_mode(r->s, n) != MODE_IPTABLES)
			torn_finding(r, n);
		else
			node_finding(r, n);
		if (judged && verify_mode(r->s, n) != MODE_IPTABLES)
			nothing_finding(r, n);
	}
}

/* ---- delivery ---- */

static const struct {
	const char *cause, *check;
} broken_checks[] = {
	{ "ip-forward", "ip-forward-disabled" }, { "no-route", "node-no-route" },
	{ "martian", "martian-source" },	 { "rp-filter", "rp-filter-strict" },
	{ "link-down", "node-link-down" },	 { "route-localnet", "route-localnet-off" },
	{ "hairpin-mode", "hairpin-mode-off" },	 { "bridge-nf", "bridge-nf-call-iptables-off" },
};

/* "net.ipv4.conf.cni0.forwarding = 0": the key; @otherwise where the text is not of this form. */
static const char *sysctl_key(struct run *r, const struct verify_by *by, const char *otherwise)
{
	const char *end = by->text ? strstr(by->text, " = ") : NULL;

	if (!end || !str_starts(by->text, "net."))
		return otherwise;
	return run_printf(r, "%.*s", (int)MIN(end - by->text, 300), by->text);
}

static void sysctl_commands(struct run *r, struct finding *f, const char *key)
{
	finding_next(r, f, "sysctl %t", key);
	finding_fix(r, f, "sudo sysctl -w %t=1", key);
}

/* ---- bridges ---- */

static const struct snap_node *node_named(const struct run *r, const char *name)
{
	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (str_is(r->s->nodes.v[i]->name, name))
			return r->s->nodes.v[i];
	return NULL;
}

/* kubenet's bridge: a kubelet before 1.24 made it promiscuous in place of hairpin mode. */
static bool is_promiscuous_bridge(const struct run *r, const struct snap_node *n)
{
	const struct k8s_node *o = n ? k8s_find_node(r->c, n->name) : NULL;
	const struct node_link *l = n ? node_link_by_name(&n->facts, "cbr0") : NULL;
	int minor = o && o->kubelet_version ? k8s_minor_version(o->kubelet_version) : -1;

	return l && minor >= 0 && minor < 24 && !l->promisc && l->promiscuity <= 0;
}

/* The one that the text names: "port veth1 of bridge cni0 has hairpin mode off"; NULL: several do, or none. */
static const struct node_link *bridge_in_text(const struct snap_node *n, const char *text)
{
	const char *at = text ? strstr(text, " of bridge ") : NULL;

	for (size_t i = 0; n && at && i < n->facts.links.len; i++) {
		const struct node_link *l = &n->facts.links.v[i];
		size_t len = strlen(l->name);

		if (strncmp(at + 11, l->name, len) == 0 && at[11 + len] == ' ')
			return l;
	}
	return NULL;
}

static void bridge_netfilter_commands(struct run *r, struct finding *f, const struct verify_broken *b)
{
	const char *key = sysctl_key(r, &b->by, NULL);

	finding_next(r, f, "sysctl net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables");
	if (!key)
		finding_fix(r, f, "sudo modprobe br_netfilter");
	finding_fix(r, f, "sudo sysctl -w %t=1", key ? key : "net.bridge.bridge-nf-call-iptables");
}

/* Where only some pods are concerned, and which. */
static const char *bridge_text(struct run *r, const struct finding *f, const struct verify_broken *b, const char *many)
{
	if (str_is(f->check->id, "bridge-nf-call-iptables-off"))
		return run_printf(r, "on node %s pods lose the replies of endpoints on their own bridge: bridge netfilter is off%s", b->node,
				  many);
	if (str_is(f->check->id, "hairpin-mode-off") || str_is(f->check->id, "hairpin-promiscuous-bridge-off"))
		return run_printf(r, "on node %s a pod cannot reach itself through a Service: %s%s", b->node,
				  b->by.text ? b->by.text : "hairpin mode is off", many);
	return NULL;
}

static void delivery_commands(struct run *r, struct finding *f, const struct verify_broken *b)
{
	const char *id = f->check->id;

	if (str_is(id, "ip-forward-disabled")) {
		sysctl_commands(r, f, sysctl_key(r, &b->by, "net.ipv4.ip_forward"));
	} else if (str_is(id, "route-localnet-off")) {
		sysctl_commands(r, f, "net.ipv4.conf.all.route_localnet");
	} else if (str_is(id, "bridge-nf-call-iptables-off")) {
		bridge_netfilter_commands(r, f, b);
	} else if (str_is(b->cause, "hairpin-mode")) {
		const struct snap_node *n = node_named(r, b->node);

		hairpin_commands(r, f, n, bridge_in_text(n, b->by.text));
	} else if (str_is(b->cause, "port-isolation")) {
		const struct snap_node *n = node_named(r, b->node);

		isolation_commands(r, f, n, bridge_in_text(n, b->by.text));
	} else if (str_is(id, "rp-filter-strict")) {
		const char *at = b->by.text ? strstr(b->by.text, " on ") : NULL;

		finding_next(r, f, "sysctl -a -r 'net.ipv4.conf.*rp_filter'");
		if (at) /* "rp_filter = 1 on eth1: ...": loose there outweighs strict in "all" */
			finding_fix(r, f, "sudo sysctl -w net.ipv4.conf.%t.rp_filter=2", run_printf(r, "%.*s", (int)strcspn(at + 4, ":"), at + 4));
	} else {
		finding_next(r, f, "ip route show table all");
		finding_next(r, f, "ip addr");
	}
}

void delivery_finding(struct run *r, const struct verify_broken *b)
{
	const char *id = "node-delivery-broken", *many, *text;
	struct finding *f;

	for (size_t i = 0; i < ARRAY_LEN(broken_checks); i++)
		if (str_is(b->cause, broken_checks[i].cause))
			id = broken_checks[i].check;
	if (str_is(id, "hairpin-mode-off") && is_promiscuous_bridge(r, node_named(r, b->node)))
		id = "hairpin-promiscuous-bridge-off";
	many = b->services > 1 ? run_printf(r, " (%zu Services)", b->services) : "";
	f = finding_new(r, id, b->node, str_is(id, "ip-forward-disabled") ? NULL : b->by.text ? b->by.text : "",
			run_printf(r, "Node %s", b->node));
	f->rank = 5;
	finding_cluster(f);
	text = bridge_text(r, f, b, many);
	if (text) {
		finding_partial(f);
		finding_text(r, f, "%s", text);
	} else if (str_is(id, "route-localnet-off")) {
		finding_partial(f);
		finding_text(
			r, f,
			"node %s loses only its own connections to 127.0.0.1:nodePort: "
			"net.ipv4.conf.all.route_localnet is 0%s",
			b->node, many);
	} else {
		finding_text(r, f, "%s%s", b->text ? b->text : f->check->title, many);
	}
	if (b->by.text)
		finding_evidence(r, f, "%s", b->by.text);
	for (size_t i = 0; i < b->list.len; i++)
		finding_concerns(r, f, b->list.v[i]);
	delivery_commands(r, f, b);
}
