/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who listens on a node, beside the ports that Services have there. */
#include <netinet/in.h>

#include "checks-private.h"

/* kube-proxy itself listened on node ports until 1.23. A kubelet is at most three versions ahead of it. */
static bool proxy_opens_node_ports(const struct run *r, const char *node)
{
	const struct k8s_node *n = k8s_find_node(r->c, node);
	const int minor = n ? k8s_minor_version(n->kubelet_version) : -1;

	return minor < 27;
}

static struct svc *owner_of(const struct map *ports, const struct node_socket *s)
{
	const uint8_t key[3] = { s->proto, (uint8_t)(s->port >> 8), (uint8_t)s->port };

	return map_get(ports, key, sizeof(key));
}

static void add_ports(struct run *r, struct map *ports, struct svc *v)
{
	for (size_t i = 0; i < v->o->nports; i++) {
		const struct k8s_service_port *p = &v->o->ports[i];
		uint8_t *key = p->node_port ? arena_alloc(&r->scratch, 3) : NULL;

		if (!p->node_port)
			continue;
		if (!key) {
			r->err = -ENOMEM;
			return;
		}
		key[0] = p->proto;
		key[1] = (uint8_t)(p->node_port >> 8);
		key[2] = (uint8_t)p->node_port;
		if (map_put(ports, key, 3, v) < 0)
			r->err = -ENOMEM;
	}
}

static void conflict(struct run *r, const struct snap_node *n, const struct node_socket *s, struct svc *v)
{
	struct finding *f = finding_of_service(r, "nodeport-process-conflict", n->name, run_printf(r, "%u/%s", s->port, proto_upper(s->proto)), v);

	f->rank = 39;
	finding_partial(f);
	finding_text(r, f, "on node %s %s%s listens on port %u/%s, which is a node port of %s/%s: from outside nobody reaches it there", n->name,
		     s->process ? "process " : "a process", s->process ? s->process : "", s->port, proto_upper(s->proto), v->o->meta.ns,
		     v->o->meta.name);
	finding_next(r, f, "sudo ss -lntup");
	finding_next(r, f, "kubectl -n %s get service %s", v->o->meta.ns, v->o->meta.name);
}

void check_port_processes(struct run *r)
{
	CLEANUP(map_release) struct map ports = { 0 };

	for (size_t i = 0; i < r->nsvcs; i++)
		if (!k8s_service_skipped_by_proxy(r->svcs[i].o))
			add_ports(r, &ports, &r->svcs[i]);
	for (size_t i = 0; ports.len && i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		for (size_t j = 0; (!r->o->node || str_is(n->name, r->o->node)) && j < n->facts.sockets.len; j++) {
			const struct node_socket *s = &n->facts.sockets.v[j];
			struct svc *v = owner_of(&ports, s);

			if (!v || (s->addr.family && ip_addr_is_loopback(&s->addr)) || str_is(s->process, "kube-proxy") ||
			    (!s->process && proxy_opens_node_ports(r, n->name)))
				continue;
			/* one socket for each family is one process */
			if (j && n->facts.sockets.v[j - 1].port == s->port && n->facts.sockets.v[j - 1].proto == s->proto)
				continue;
			conflict(r, n, s, v);
		}
	}
}

/* The health port that load balancers ask: nobody listens where kube-proxy should. */
void check_health_listener(struct run *r, struct svc *v)
{
	const uint16_t port = v->o->health_check_node_port;

	if (!port || !v->o->external_local || !str_is(v->o->type, "LoadBalancer") || k8s_service_skipped_by_proxy(v->o))
		return;
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		bool listens = false;
		struct finding *f;

		for (size_t j = 0; j < n->facts.sockets.len; j++)
			listens |= n->facts.sockets.v[j].proto == IPPROTO_TCP && n->facts.sockets.v[j].port == port;
		if (!n->facts.sockets_known || listens || !verify_has_proxy_rules(n) || (r->o->node && !str_is(n->name, r->o->node)))
			continue;
		f = finding_of_service(r, "service-hc-nodeport-bind-failure", n->name, NULL, v);
		f->rank = 38;
		finding_partial(f);
		finding_text(r, f, "on node %s nobody listens on the health-check port %u of %s/%s: its load balancer takes the node for ill", n->name,
			     port, v->o->meta.ns, v->o->meta.name);
		proxy_commands(r, f, n->name);
	}
}
