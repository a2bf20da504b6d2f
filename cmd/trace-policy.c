/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NetworkPolicies on the way of a traced packet: which would keep this client from the pods that it reaches. The rules of the node
 * may or may not enforce them, by the network plugin; so they are told beside the endings.
 */
#include <errno.h>

#include "cmd.h"

enum { WARNINGS_MAX = 8 };

/* The client as the policy of the endpoint sees it: its own address, or that of the node that rewrote it. */
static struct k8s_policy_end client_of(const struct context *c, const struct trace_place *src, const struct nat_ending *e)
{
	const struct k8s_node *n = NULL;
	if (!e->masquerade) {
		return (struct k8s_policy_end){
			.pod = src->pod && !src->pod->host_network ? src->pod : NULL,
			.ip = src->addr,
			.node = src->pod ? src->pod->node : trace_node_of_address(c, &src->addr),
		};
	}
	n = e->source.family ? k8s_node_of_ip(&c->snapshot.cluster, &e->source) : NULL;
	return (struct k8s_policy_end){
		.ip = e->source,
		.node = n ? n->meta.name : e->source.family ? trace_node_of_address(c, &e->source) : NULL,
	};
}

static const char *warning(struct context *c, const struct k8s_policy_verdict *v, const struct k8s_pod *pod, const struct nat_ending *e,
			   bool egress, bool rewritten)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addf(&b, "NetworkPolicy %s/%s %s %s/%s on port %u%s: ", v->by->meta.ns, v->by->meta.name,
		    egress ? "keeps this client from" : "does not let this client in to", pod->meta.ns, pod->meta.name, e->port,
		    rewritten ? ", which sees the node as the source" : "");
	strbuf_adds(&b, v->allowed < 0 ? "whether it matches is not known" : "a network plugin that enforces policies drops the packet");
	return b.failed ? NULL : arena_clean(&c->arena, strbuf_str(&b));
}

static bool said_before(const char *const *v, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(v[i], text) == 0) {
			return true;
		}
	}
	return false;
}

/* One direction of one ending. 0 or -ENOMEM. */
static int judge(struct context *c, const struct trace_place *src, const struct nat_ending *e, const struct k8s_pod *pod, uint8_t proto,
		 bool egress, const char **v, size_t *n)
{
	struct k8s_policy_end to = { pod->host_network ? NULL : pod, e->addr, pod->node };
	struct k8s_policy_end from = client_of(c, src, e);
	struct k8s_policy_verdict verdict;
	/* What leaves a pod is judged before anybody rewrites its source. */
	if (egress) {
		from = (struct k8s_policy_end){ src->pod && !src->pod->host_network ? src->pod : NULL, src->addr,
						src->pod ? src->pod->node : NULL };
	}
	k8s_policy_judge(&c->snapshot.cluster, &from, &to, proto, e->port, egress, &verdict);
	if (!verdict.isolated || verdict.allowed == 1 || !verdict.by || *n == WARNINGS_MAX) {
		return 0;
	}
	const char *text = warning(c, &verdict, pod, e, egress, !egress && e->masquerade);
	if (!text) {
		return -ENOMEM;
	}
	if (!said_before(v, *n, text)) {
		v[(*n)++] = text;
	}
	return 0;
}

int trace_policies(struct context *c, const struct trace_place *src, const struct follow *f, uint8_t proto, const char *const **ret,
		   size_t *ret_len)
{
	const char **v = arena_array(&c->arena, const char *, WARNINGS_MAX + 1);
	size_t n = 0;
	int r = v ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < f->endings.len && n < WARNINGS_MAX; i++) {
		const struct nat_ending *e = &f->endings.v[i].e;
		const struct k8s_pod *pod = map_get(&c->snapshot.cluster.pod_by_ip, &e->addr, sizeof(e->addr));
		if (e->verdict != NAT_ACCEPT || !pod || ip_addr_equal(&e->addr, &src->addr)) {
			continue;
		}
		r = judge(c, src, e, pod, proto, true, v, &n);
		if (r == 0) {
			r = judge(c, src, e, pod, proto, false, v, &n);
		}
	}
	*ret = v;
	*ret_len = n;
	return r;
}
