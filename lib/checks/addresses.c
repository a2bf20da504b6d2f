/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and ports that are claimed twice, lie in no range or in two, or belong to a node. */
#include <netinet/in.h>

#include "checks-private.h"

/* ---- an outside address that is a node's own ---- */

/* Ports that something on the node itself usually answers: to lose one of them is never meant. */
static bool node_needs_port(uint16_t port)
{
	static const uint16_t ports[] = { 22, 53, 111, 179, 2379, 2380, 6443, 10250, 10256, 10257, 10259 };

	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		if (ports[i] == port)
			return true;
	return false;
}

/* Of a node's address that a Service has taken, in IPVS mode: one for each node whose state is known. How many. */
static size_t on_ipvs_nodes(struct run *r, struct svc *v, const struct ip_addr *a, const struct k8s_node *owner, const char *what)
{
	size_t found = 0;

	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		if (verify_mode(r->s, n) == MODE_IPVS && n->facts.addrs_known && (!r->o->node || str_is(r->o->node, n->name)))
			found += ipvs_node_address(r, v, n, a, owner, what);
	}
	return found;
}

static bool takes_node_port(const struct k8s_service *s)
{
	for (size_t i = 0; i < s->nports; i++)
		if (node_needs_port(s->ports[i].port))
			return true;
	return false;
}

static const char *ports_text(struct run *r, const struct k8s_service *s)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < s->nports && i < 8; i++)
		strbuf_addf(&b, "%s%u/%s", i ? ", " : "", s->ports[i].port, proto_upper(s->ports[i].proto));
	return run_printf(r, "%s", strbuf_str(&b));
}

static void node_address(struct run *r, struct svc *v, const struct ip_addr *a, const struct k8s_node *n, bool lb,
			 size_t index)
{
	const char *mode = run_proxy_mode(r, NULL), *ports = ports_text(r, v->o),
		   *what = lb ? "load-balancer IP" : "external IP";
	const bool ipvs = mode && strcmp(mode, "ipvs") == 0;
	const struct k8s_meta *m = &v->o->meta;
	char buf[IP_ADDR_STRLEN];
	struct finding *f;

	if (on_ipvs_nodes(r, v, a, n, what))
		return;
	f = finding_of_service(r, ipvs ? "externalip-equals-node-ip-ipvs" : "externalip-equals-node-ip", NULL,
			       ip_addr_format(a, buf), v);
	f->rank = 10;
	finding_changed(f, m);
	/* controllers that publish node addresses as load-balancer addresses (k3s ServiceLB) mean it */
	if (lb && !ipvs && !takes_node_port(v->o)) {
		finding_severity(f, SEVERITY_INFO);
		finding_partial(f);
	}
	if (ipvs)
		finding_text(
			r, f,
			"%s %s of %s/%s is the address of node %s: in IPVS mode every other node answers "
			"for it itself and loses that node",
			what, buf, m->ns, m->name, n->meta.name);
	else
		finding_text(r, f, "%s %s of %s/%s is the address of node %s: port %s of that node ends in the Service",
			     what, buf, m->ns, m->name, n->meta.name, ports);
	finding_evidence(r, f, "Node %s has the address %s; Service %s/%s has it as %s, ports %s", n->meta.name, buf,
			 m->ns, m->name, what, ports);
	if (!mode)
		finding_evidence(
			r, f,
			"kube-proxy's mode is not known; in IPVS mode every other node would lose node %s on all ports",
			n->meta.name);
	finding_next(r, f, "kubectl -n %s get service %s -o wide", m->ns, m->name);
	finding_next(r, f, "kubectl get node %s -o wide", n->meta.name);
	if (!lb)
		finding_fix(
			r, f,
			"kubectl -n %s patch service %s --type json -p "
			"'[{\"op\":\"remove\",\"path\":\"/spec/externalIPs/%u\"}]'",
			m->ns, m->name, (unsigned)index);
}

void check_node_address(struct run *r, struct svc *v)
{
	if (v->external_name || v->o->headless)
		return;
	for (size_t i = 0; i < v->o->nexternal_ips; i++) {
		const struct k8s_node *n = run_node_of_addr(r, &v->o->external_ips[i]);

		if (n)
			node_address(r, v, &v->o->external_ips[i], n, false, i);
	}
	for (size_t i = 0; i < v->o->ningress; i++) {
		const struct k8s_ingress_point *p = &v->o->ingress[i];
		const struct k8s_node *n = p->ip.family ? run_node_of_addr(r, &p->ip) : NULL;

		if (n && (!p->ip_mode || strcmp(p->ip_mode, "Proxy") != 0))
			node_address(r, v, &p->ip, n, true, i);
	}
}

/* ---- two claims to one frontend ---- */

struct claim {
	uint8_t key[20]; /* family, address, protocol, port */
	const struct k8s_service *s;
	const char *what;
};

struct claims {
	struct map m;
	struct run *r;
};

static void duplicate(struct run *r, const struct claim *a, const struct k8s_service *s, const char *what,
		      const char *where, bool node_port)
{
	struct svc *va = run_svc(r, a->s), *vs = run_svc(r, s), *v = vs ? vs : va;
	const char *detail = run_printf(r, "%s %s/%s", where, a->s->meta.ns, a->s->meta.name);
	struct finding *f;

	if (!v)
		return;
	f = finding_of_service(r, node_port ? "nodeport-already-allocated" : "duplicate-vip-rules", NULL, detail, v);
	f->rank = 11;
	finding_changed(f, &s->meta);
	finding_partial(f);
	finding_text(r, f, "%s/%s (%s) and %s/%s (%s) both claim %s: only one of them gets its traffic", a->s->meta.ns,
		     a->s->meta.name, a->what, s->meta.ns, s->meta.name, what, where);
	finding_next(r, f, "kubectl -n %s get service %s -o wide", a->s->meta.ns, a->s->meta.name);
	finding_next(r, f, "kubectl -n %s get service %s -o wide", s->meta.ns, s->meta.name);
	if (va && va != v)
		finding_concerns(r, f, va->o);
}

static void claim(struct claims *c, const struct k8s_service *s, const struct ip_addr *a, uint8_t proto, uint16_t port,
		  const char *what)
{
	struct claim *mine = arena_new(&c->r->scratch, struct claim), *other;
	char buf[IP_ENDPOINT_STRLEN];
	const char *where;

	if (!mine) {
		c->r->err = -ENOMEM;
		return;
	}
	mine->s = s;
	mine->what = what;
	if (a) {
		mine->key[0] = a->family;
		memcpy(mine->key + 1, a->b, sizeof(a->b));
	}
	mine->key[17] = proto;
	mine->key[18] = (uint8_t)(port >> 8);
	mine->key[19] = (uint8_t)port;
	other = map_get(&c->m, mine->key, sizeof(mine->key));
	if (!other) {
		if (map_put(&c->m, mine->key, sizeof(mine->key), mine) < 0)
			c->r->err = -ENOMEM;
		return;
	}
	if (other->s == s)
		return;
	where = a ? run_printf(c->r, "%s/%s", ip_endpoint_format(a, port, buf), proto_upper(proto))
		  : run_printf(c->r, "node port %u/%s", port, proto_upper(proto));
	duplicate(c->r, other, s, what, where, !a);
}

static void claim_port(struct claims *c, const struct k8s_service *s, const struct k8s_service_port *p)
{
	for (size_t i = 0; i < s->ncluster_ips; i++)
		claim(c, s, &s->cluster_ips[i], p->proto, p->port, "cluster IP");
	for (size_t i = 0; i < s->nexternal_ips; i++)
		claim(c, s, &s->external_ips[i], p->proto, p->port, "external IP");
	for (size_t i = 0; i < s->ningress; i++)
		if (s->ingress[i].ip.family && (!s->ingress[i].ip_mode || strcmp(s->ingress[i].ip_mode, "Proxy") != 0))
			claim(c, s, &s->ingress[i].ip, p->proto, p->port, "load-balancer IP");
	if (p->node_port)
		claim(c, s, NULL, p->proto, p->node_port, "node port");
}

void check_duplicate_addresses(struct run *r)
{
	struct claims c = { .r = r };

	for (size_t i = 0; i < r->c->services.len; i++) {
		const struct k8s_service *s = r->c->services.v[i];

		if (k8s_service_skipped_by_proxy(s))
			continue;
		for (size_t j = 0; j < s->nports; j++)
			claim_port(&c, s, &s->ports[j]);
		if (s->health_check_node_port)
			claim(&c, s, NULL, IPPROTO_TCP, s->health_check_node_port, "health-check node port");
	}
	map_release(&c.m);
}

/* ---- ranges ---- */

void check_cluster_ip_range(struct run *r, struct svc *v)
{
	size_t ranges = 0;

	if (v->external_name || !run_complete(r, K8S_SERVICECIDRS))
		return;
	for (size_t i = 0; i < v->o->ncluster_ips; i++) {
		const struct ip_addr *a = &v->o->cluster_ips[i];
		char buf[IP_ADDR_STRLEN];
		bool inside = false;
		struct finding *f;

		for (size_t j = 0; j < r->c->service_cidrs.len; j++)
			for (size_t k = 0; k < r->c->service_cidrs.v[j]->ncidrs; k++, ranges++)
				inside |= ip_prefix_contains(&r->c->service_cidrs.v[j]->cidrs[k], a);
		if (inside || !ranges)
			continue;
		f = finding_of_service(r, "clusterip-outside-service-cidr", NULL, ip_addr_format(a, buf), v);
		f->rank = 38;
		finding_partial(f);
		f->since = v->o->meta.created;
		finding_text(r, f, "cluster IP %s of %s/%s lies in no ServiceCIDR of the cluster", buf, v->o->meta.ns,
			     v->o->meta.name);
		finding_next(r, f, "kubectl get servicecidrs");
		finding_next(r, f, "kubectl -n %s get service %s -o wide", v->o->meta.ns, v->o->meta.name);
	}
}

static void overlap(struct run *r, const struct ip_prefix *cidr, const struct k8s_node *n, const char *what)
{
	char buf[IP_PREFIX_STRLEN];
	struct finding *f;

	f = finding_new(r, "service-cidr-overlap", n->meta.name, what,
			run_printf(r, "ServiceCIDR %s", ip_prefix_format(cidr, buf)));
	finding_cluster(f);
	finding_text(r, f, "the range of cluster IPs %s overlaps %s of node %s: one of the two cannot be reached", buf,
		     what, n->meta.name);
	finding_next(r, f, "kubectl get servicecidrs");
	finding_next(r, f, "kubectl get node %s -o yaml", n->meta.name);
}

void check_range_overlap(struct run *r)
{
	for (size_t i = 0; i < r->c->service_cidrs.len; i++)
		for (size_t k = 0; k < r->c->service_cidrs.v[i]->ncidrs; k++) {
			const struct ip_prefix *cidr = &r->c->service_cidrs.v[i]->cidrs[k];

			for (size_t j = 0; j < r->c->nodes.len; j++) {
				const struct k8s_node *n = r->c->nodes.v[j];
				char buf[IP_PREFIX_STRLEN];

				for (size_t m = 0; m < n->npod_cidrs; m++)
					if (ip_prefix_overlaps(cidr, &n->pod_cidrs[m]))
						overlap(r, cidr, n,
							run_printf(r, "the pod range %s",
								   ip_prefix_format(&n->pod_cidrs[m], buf)));
				for (size_t m = 0; m < n->naddresses; m++)
					if (n->addresses[m].ip.family && ip_prefix_contains(cidr, &n->addresses[m].ip))
						overlap(r, cidr, n,
							run_printf(r, "the address %s",
								   ip_addr_format(&n->addresses[m].ip, buf)));
			}
		}
}

/* ---- host ports beside node ports ---- */

struct host_key {
	uint8_t b[3];
};

static struct host_key host_key(uint8_t proto, uint16_t port)
{
	return (struct host_key){ { proto, (uint8_t)(port >> 8), (uint8_t)port } };
}

static void host_port(struct run *r, struct svc *v, const struct k8s_pod *p, uint16_t port)
{
	struct finding *f;

	if (k8s_selector_matches(&v->o->selector, &p->meta.labels) && strcmp(p->meta.ns, v->o->meta.ns) == 0)
		return; /* it ends in the same place */
	f = finding_of_service(r, "cni-portmap-conflict", NULL, run_printf(r, "%s/%s", p->meta.ns, p->meta.name), v);
	f->rank = 39;
	finding_partial(f);
	finding_text(
		r, f,
		"node port %u of %s/%s is a host port of Pod %s/%s too: on node %s one of them never gets its traffic",
		port, v->o->meta.ns, v->o->meta.name, p->meta.ns, p->meta.name, p->node ? p->node : "(none yet)");
	finding_next(r, f, "kubectl -n %s get pod %s -o wide", p->meta.ns, p->meta.name);
}

void check_host_ports(struct run *r)
{
	CLEANUP(map_release) struct map m = { 0 };

	for (size_t i = 0; i < r->nsvcs; i++)
		for (size_t j = 0; j < r->svcs[i].o->nports; j++) {
			const struct k8s_service_port *sp = &r->svcs[i].o->ports[j];
			struct host_key *k = sp->node_port ? arena_new(&r->scratch, struct host_key) : NULL;

			if (!k)
				continue;
			*k = host_key(sp->proto, sp->node_port);
			if (map_put(&m, k, sizeof(*k), &r->svcs[i]) < 0)
				r->err = -ENOMEM;
		}
	for (size_t i = 0; m.len && i < r->c->pods.len; i++) {
		const struct k8s_pod *p = r->c->pods.v[i];

		for (size_t j = 0; !k8s_pod_terminal(p) && !p->host_network && j < p->ncontainers; j++)
			for (size_t k = 0; k < p->containers[j].nports; k++) {
				const struct k8s_container_port *cp = &p->containers[j].ports[k];
				struct host_key key = host_key(cp->proto, cp->host_port);
				struct svc *v = cp->host_port ? map_get(&m, &key, sizeof(key)) : NULL;

				if (v)
					host_port(r, v, p, cp->host_port);
			}
	}
}

/* ---- nodes ---- */

void check_nodes(struct run *r)
{
	for (size_t i = 0; i < r->c->nodes.len; i++) {
		const struct k8s_node *n = r->c->nodes.v[i];
		const struct k8s_condition *c = k8s_condition(n->conditions, n->nconditions, "Ready");
		struct finding *f;

		if (!c || !c->status || strcmp(c->status, "True") == 0 ||
		    (r->o->node && strcmp(r->o->node, n->meta.name) != 0))
			continue;
		f = finding_new(r, "node-not-ready", n->meta.name, NULL, run_printf(r, "Node %s", n->meta.name));
		f->rank = 5;
		finding_cluster(f);
		f->since = c->since;
		finding_text(r, f, "node %s is not ready (%s)", n->meta.name, c->reason ? c->reason : c->status);
		if (c->message)
			finding_evidence(r, f, "%.300s", c->message);
		finding_next(r, f, "kubectl describe node %s", n->meta.name);
	}
}
