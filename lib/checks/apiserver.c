/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The endpoints of default/kubernetes, which the API servers write themselves, against what is known of the control
 * plane: pods of kube-apiserver and the Nodes that run them. Where the control plane is not part of the cluster
 * (managed ones) nothing of it is known, and nothing is said but about loopback addresses.
 */
#include <sys/socket.h>

#include "checks-private.h"

#define TOLD_MAX 8 /* findings, and API servers named in one */

/* kubeadm notes here what it gave as --advertise-address (cmd/kubeadm/app/constants). */
#define ADVERTISED "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"

struct control_plane {
	struct map addrs; /* struct ip_addr -> anything */
	bool known;	  /* some are known, from a list that is whole */
	bool v4, v6;	  /* has addresses of that family */
	size_t shown;
	const char *names[TOLD_MAX];
};

static void add_address(struct run *r, struct control_plane *c, const struct ip_addr *a, const char *whose)
{
	if (!a->family || ip_addr_is_loopback(a))
		return;
	if (map_put(&c->addrs, a, sizeof(*a), c) < 0)
		r->err = -ENOMEM;
	c->v4 |= a->family == AF_INET;
	c->v6 |= a->family == AF_INET6;
	if (c->shown < TOLD_MAX && (!c->shown || c->names[c->shown - 1] != whose))
		c->names[c->shown++] = whose;
}

/* "192.0.2.1:6443", "[2001:db8::1]:6443". The address is put into an arena: the map keeps pointers to its keys. */
static void add_text(struct run *r, struct control_plane *c, const char *text, const char *whose)
{
	struct ip_addr *a = text ? arena_new(&r->scratch, struct ip_addr) : NULL;
	const char *colon = text ? strrchr(text, ':') : NULL;

	if (!text)
		return;
	if (!a) {
		r->err = -ENOMEM;
		return;
	}
	if (ip_addr_parse(text, a) == 0 ||
	    (colon && text[0] != '[' && ip_addr_parsen(text, (size_t)(colon - text), a) == 0) ||
	    (colon && text[0] == '[' && colon > text + 2 &&
	     ip_addr_parsen(text + 1, (size_t)(colon - text - 2), a) == 0))
		add_address(r, c, a, whose);
}

static bool is_api_server(const struct k8s_pod *p)
{
	const char *component = k8s_label_get(&p->meta.labels, "component");

	return component && strcmp(component, "kube-apiserver") == 0 && strcmp(p->meta.ns, "kube-system") == 0 &&
	       !k8s_pod_terminal(p);
}

/* The labels of kubeadm, of kubeadm before 1.20, and of RKE. */
static bool is_control_plane(const struct k8s_node *n)
{
	return k8s_label_get(&n->meta.labels, "node-role.kubernetes.io/control-plane") ||
	       k8s_label_get(&n->meta.labels, "node-role.kubernetes.io/master") ||
	       k8s_label_get(&n->meta.labels, "node-role.kubernetes.io/controlplane");
}

static void collect_control_plane(struct run *r, struct control_plane *c)
{
	for (size_t i = 0; i < r->c->pods.len; i++) {
		const struct k8s_pod *p = r->c->pods.v[i];
		const char *whose;

		if (!is_api_server(p))
			continue;
		whose = run_printf(r, "Pod %s/%s", p->meta.ns, p->meta.name);
		for (size_t j = 0; j < p->nips; j++)
			add_address(r, c, &p->ips[j], whose);
		add_text(r, c, p->host_ip, whose);
		add_text(r, c, k8s_label_get(&p->meta.annotations, ADVERTISED), whose);
		c->known |= run_complete_in(r, K8S_PODS, p->meta.ns);
	}
	for (size_t i = 0; i < r->c->nodes.len; i++) {
		const struct k8s_node *n = r->c->nodes.v[i];
		const char *whose;

		if (!is_control_plane(n))
			continue;
		whose = run_printf(r, "Node %s", n->meta.name);
		for (size_t j = 0; j < n->naddresses; j++)
			add_address(r, c, &n->addresses[j].ip, whose);
		c->known |= run_complete(r, K8S_NODES);
	}
}

/* A recorded node of the control plane has addresses that its Node object does not tell. */
static bool local_to_control_plane(struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct k8s_node *n = k8s_find_node(r->c, r->s->nodes.v[i]->name);

		if (n && is_control_plane(n) && node_is_local(&r->s->nodes.v[i]->facts, a) == TRI_TRUE)
			return true;
	}
	return false;
}

static bool is_foreign(struct run *r, const struct control_plane *c, const struct ip_addr *a)
{
	return c->known && (a->family == AF_INET ? c->v4 : c->v6) && !map_get(&c->addrs, a, sizeof(*a)) &&
	       !local_to_control_plane(r, a);
}

static void stale_commands(struct run *r, struct svc *v, struct finding *f, const struct k8s_slice *sl,
			   const struct ip_addr *a)
{
	char buf[IP_ENDPOINT_STRLEN];

	if (!ip_addr_is_loopback(a) && sl->nports && sl->ports[0].port)
		finding_next(r, f, "curl -k https://%a/readyz", ip_endpoint_format(a, sl->ports[0].port, buf));
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o yaml", v->o->meta.ns,
		     v->o->meta.name);
	finding_next(r, f, "kubectl get nodes -o wide");
	finding_next(r, f, "kubectl -n kube-system get pods -l component=kube-apiserver -o wide");
}

static void stale_address(struct run *r, struct svc *v, const struct control_plane *c, const struct k8s_slice *sl,
			  const struct ip_addr *a)
{
	const struct k8s_node *n = run_node_of_addr(r, a);
	const struct k8s_meta *m = &v->o->meta;
	char buf[IP_ADDR_STRLEN];
	const char *addr = run_printf(r, "%s", ip_addr_format(a, buf));
	struct finding *f;

	f = finding_of_service(r, "kubernetes-endpoint-stale", NULL, addr, v);
	f->rank = 11;
	if (v->usable > 1)
		finding_partial(f);
	if (ip_addr_is_loopback(a)) {
		finding_text(
			r, f, "endpoint %s of %s/%s is a loopback address: no pod reaches an API server by it",
			addr, m->ns, m->name);
		finding_evidence(r, f, "an API server writes what it was given as --advertise-address");
	} else {
		finding_severity(f, SEVERITY_WARNING);
		finding_text(
			r, f,
			"endpoint %s of %s/%s is the address of no API server that is known: if none answers "
			"there, 1 in %zu connections to the API fails",
			addr, m->ns, m->name, v->usable ? v->usable : 1);
		if (n)
			finding_evidence(r, f, "%s is an address of node %s, which is none of the control plane", addr,
					 n->meta.name);
		for (size_t i = 0; i < c->shown; i++)
			finding_evidence(r, f, "known of the control plane: %s", c->names[i]);
		finding_evidence(r, f, "an API server may also advertise an address that no object tells");
	}
	stale_commands(r, v, f, sl, a);
}

void check_api_servers(struct run *r, struct svc *v)
{
	CLEANUP(map_release) struct map seen = { 0 };
	struct control_plane c = { 0 };

	if (strcmp(v->o->meta.ns, "default") != 0 || strcmp(v->o->meta.name, "kubernetes") != 0)
		return;
	collect_control_plane(r, &c);
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];

		for (size_t j = 0; slice_used(v->o, sl) && j < sl->nendpoints && seen.len < TOLD_MAX; j++) {
			const struct ip_addr *a = &sl->endpoints[j].ip;

			if (!a->family || sl->endpoints[j].ready == 0 || map_get(&seen, a, sizeof(*a)))
				continue;
			if (!ip_addr_is_loopback(a) && !is_foreign(r, &c, a))
				continue;
			if (map_put(&seen, a, sizeof(*a), v) < 0)
				r->err = -ENOMEM;
			stale_address(r, v, &c, sl, a);
		}
	}
	map_release(&c.addrs);
}
