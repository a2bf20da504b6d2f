/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only IPVS mode brings about: every address that a Service has is an address of every node, on kube-ipvs0; and a
 * Service with externalTrafficPolicy Local is served, without masquerade, also where it has no endpoint.
 */
#include "checks-private.h"

#define LINK "kube-ipvs0"
#define SHOWN_MAX 4

/* ---- an address of a node ---- */

static const struct node_address *address_on(const struct snap_node *n, const struct ip_addr *a, bool ipvs)
{
	for (size_t i = 0; i < n->facts.addrs.len; i++)
		if (ip_addr_equal(&n->facts.addrs.v[i].addr, a) && str_is(n->facts.addrs.v[i].ifname, LINK) == ipvs)
			return &n->facts.addrs.v[i];
	return NULL;
}

static void common(struct run *r, struct finding *f, const struct svc *v, const struct k8s_node *owner, const char *address, const char *what)
{
	const struct k8s_meta *m = &v->o->meta;

	finding_changed(f, m);
	finding_cluster(f);
	finding_evidence(r, f, "Node %s has the address %s; Service %s/%s has it as %s", owner->meta.name, address, m->ns, m->name, what);
	finding_next(r, f, "kubectl -n %s get service %s -o wide", m->ns, m->name);
	finding_next(r, f, "kubectl get node %s -o wide", owner->meta.name);
}

static void fixes(struct run *r, struct finding *f, const struct svc *v, const struct ip_addr *a, const char *address)
{
	for (size_t i = 0; i < v->o->nexternal_ips; i++)
		if (ip_addr_equal(&v->o->external_ips[i], a))
			finding_fix(r, f, "kubectl -n %s patch service %s --type json -p '[{\"op\":\"remove\",\"path\":\"/spec/externalIPs/%u\"}]'",
				    v->o->meta.ns, v->o->meta.name, (unsigned)i);
	if (f->node)
		finding_fix(r, f, "sudo ip addr del %t dev kube-ipvs0", run_printf(r, "%s/%u", address, a->family == AF_INET6 ? 128 : 32));
}

/* Another node's: whatever this node sends there stays here. */
static void lost_node(struct run *r, struct svc *v, const struct snap_node *n, const struct ip_addr *a, const struct k8s_node *owner,
		      const char *what)
{
	const struct k8s_meta *m = &v->o->meta;
	char buf[IP_ADDR_STRLEN];
	struct finding *f = finding_of_service(r, "externalip-equals-node-ip-ipvs", n->name, ip_addr_format(a, buf), v);

	f->rank = 9;
	finding_text(r, f,
		     "on node %s the address %s of node %s lies on kube-ipvs0, because %s/%s has it as %s: every packet from %s to %s, on every port, "
		     "ends on %s itself",
		     n->name, buf, owner->meta.name, m->ns, m->name, what, n->name, buf, n->name);
	common(r, f, v, owner, buf, what);
	finding_evidence(r, f, "node %s: %s dev kube-ipvs0", n->name, buf);
	finding_next(r, f, "ip route get %a", buf);
	fixes(r, f, v, a, buf);
}

static const char *taken_ports(struct run *r, const struct svc *v)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < v->o->nports && i < SHOWN_MAX; i++)
		strbuf_addf(&b, "%s%u/%s", i ? ", " : "", v->o->ports[i].port, proto_upper(v->o->ports[i].proto));
	return run_printf(r, "%s%s", strbuf_str(&b), v->o->nports > SHOWN_MAX ? ", ..." : "");
}

/* Its own: kube-proxy leaves the address where it is, and the Service's ports of it are the Service's. */
static void taken_port(struct run *r, struct svc *v, const struct snap_node *n, const struct ip_addr *a, const struct k8s_node *owner,
		       const char *what)
{
	const struct k8s_meta *m = &v->o->meta;
	const bool one = v->o->nports == 1;
	char buf[IP_ADDR_STRLEN];
	struct finding *f = finding_of_service(r, "externalip-equals-node-ip-ipvs", n->name, ip_addr_format(a, buf), v);

	f->rank = 10;
	finding_text(r, f, "on node %s port%s %s of its own address %s %s to the Service %s/%s, which has the address as %s", n->name,
		     one ? "" : "s", taken_ports(r, v), buf, one ? "goes" : "go", m->ns, m->name, what);
	common(r, f, v, owner, buf, what);
	finding_next(r, f, "sudo ipvsadm -ln");
	f->node = NULL; /* nothing is to be taken off its interface */
	fixes(r, f, v, a, buf);
	f->node = n->name;
}

bool ipvs_node_address(struct run *r, struct svc *v, const struct snap_node *n, const struct ip_addr *a, const struct k8s_node *owner,
		       const char *what)
{
	if (address_on(n, a, false))
		taken_port(r, v, n, a, owner, what);
	else if (address_on(n, a, true))
		lost_node(r, v, n, a, owner, what);
	else
		return false;
	return true;
}

/* ---- replies that are lost by design ---- */

static void add_frontends(struct run *r, struct finding *f, const struct verify_report *v, size_t first, size_t end)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = first; i < end && i < first + SHOWN_MAX; i++)
		strbuf_addf(&b, "%s%s", i > first ? ", " : "", v->local_replies.v[i].frontend);
	finding_evidence(r, f, "node %s: no endpoint of its own for %s%s", v->local_replies.v[first].node, strbuf_str(&b),
			 end - first > SHOWN_MAX ? ", ..." : "");
}

static struct finding *reply_finding(struct run *r, struct svc *v, const char *node)
{
	struct finding *f = finding_of_service(r, "ipvs-local-reply-lost", NULL, NULL, v);

	f->rank = 25;
	finding_partial(f);
	finding_text(r, f,
		     "the external addresses of %s/%s do not answer through node %s: externalTrafficPolicy is Local, no endpoint is on that node, and in IPVS "
		     "mode it sends to those of other nodes without rewriting the source",
		     v->o->meta.ns, v->o->meta.name, node);
	finding_next(r, f, "kubectl -n %s get service %s -o wide", v->o->meta.ns, v->o->meta.name);
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o wide", v->o->meta.ns, v->o->meta.name);
	return f;
}

/* One for each Service, with its nodes. */
void ipvs_reply_findings(struct run *r)
{
	const struct verify_report *v = &r->d->verify;
	CLEANUP(map_release) struct map by_service = { 0 };

	for (size_t i = 0, end; i < v->local_replies.len && !r->err; i = end) {
		const struct verify_local_reply *l = &v->local_replies.v[i];
		struct svc *s = run_svc(r, l->service);
		struct finding *f;

		for (end = i + 1; end < v->local_replies.len && v->local_replies.v[end].service == l->service &&
				  str_is(v->local_replies.v[end].node, l->node);)
			end++;
		if (!s)
			continue;
		f = map_get(&by_service, &l->service, sizeof(l->service));
		if (!f) {
			f = reply_finding(r, s, l->node);
			if (map_put(&by_service, &l->service, sizeof(l->service), f) < 0)
				r->err = -ENOMEM;
		}
		add_frontends(r, f, v, i, end);
	}
}

/* ---- the node's own ports on virtual addresses ---- */

/* A jump of INPUT to it, in either backend; and kube-proxy's other chains of IPVS mode, without which nothing is known of this one. */
static bool lacks_filter(const struct snap_node *n)
{
	bool written = false;

	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];
		const struct rs_chain *c;

		if (!t->xtables || t->family != RS_IP4 || !str_is(t->name, "filter"))
			continue;
		c = table_find_chain(t, "KUBE-IPVS-FILTER");
		if (c && c->referenced)
			return false;
		written |= table_find_chain(t, "KUBE-FORWARD") != NULL;
	}
	return written;
}

static size_t virtual_addresses(const struct snap_node *n)
{
	size_t found = 0;

	for (size_t i = 0; i < n->facts.addrs.len; i++)
		found += str_is(n->facts.addrs.v[i].ifname, LINK) && n->facts.addrs.v[i].addr.family == AF_INET;
	return found;
}

void check_ipvs_filter(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const size_t addresses = virtual_addresses(n);
		struct finding *f;

		if ((r->o->node && !str_is(r->o->node, n->name)) || verify_mode(r->s, n) != MODE_IPVS || !addresses || !lacks_filter(n))
			continue;
		f = finding_new(r, "ipvs-vip-hostport-exposure", n->name, NULL, run_printf(r, "Node %s", n->name));
		f->rank = 30;
		finding_cluster(f);
		finding_partial(f);
		finding_text(r, f, "on node %s its own ports answer on %zu addresses of Services: nothing leads to KUBE-IPVS-FILTER", n->name, addresses);
		finding_next(r, f, "sudo iptables-save -t filter | grep -e KUBE-IPVS-FILTER");
		finding_next(r, f, "ip addr show kube-ipvs0");
	}
}
