/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services from their text (plain.c): those without what is rare. */

#include "plain-private.h"

#define ADDRESS_MAX 64u /* bytes of an address, more than any has */

static struct k8s_target_port get_target_port(struct text *t)
{
	struct k8s_target_port p = { 0 };
	struct word w;
	bool has;

	if (*t->p != '"') {
		p.number = plain_get_port(t, &has);
		return p;
	}
	w = plain_step_string(t);
	p.name = w.len > 0 ? plain_intern_word(t, &w, NULL) : NULL;
	return p;
}

static void get_service_port(struct text *t, struct k8s_service_port *p)
{
	static const char *const names[] = { "name", "protocol", "port", "targetPort", "nodePort", "appProtocol", NULL };
	struct members o = { .names = names };
	bool has;

	*p = (struct k8s_service_port){ .proto = IPPROTO_TCP };
	t->plain &= *t->p == '{';
	for (bool any = t->plain && plain_enter(t, '{'); any && plain_next_member(t, &o);) {
		switch (o.at) {
		case 0:
			p->name = plain_get_name(t, NULL);
			break;
		case 1:
			p->proto = plain_get_proto(t);
			break;
		case 2:
			p->port = plain_get_port(t, &has);
			break;
		case 3:
			p->target = get_target_port(t);
			break;
		case 4:
			p->node_port = plain_get_port(t, &has);
			break;
		default:
			p->app_protocol = plain_get_name(t, NULL);
		}
	}
	if (!p->name)
		p->name = "";
	t->plain &= p->port > 0;
}

static void get_service_ports(struct text *t, struct k8s_service *s)
{
	struct k8s_service_port v[LIST_MAX];
	size_t len = 0;

	for (bool any = plain_enter(t, '['); any && plain_has_more(t) && t->plain; len++) {
		t->plain &= len < LIST_MAX;
		if (t->plain)
			get_service_port(t, &v[len]);
	}
	if (!t->plain)
		return;
	s->ports = plain_keep_array(t, v, len, sizeof(*v));
	s->nports = s->ports ? len : 0;
}

/* How many there are, "None" and "" among them. */
static size_t get_cluster_ips(struct text *t, struct k8s_service *s)
{
	struct ip_addr v[LIST_MAX];
	size_t len = 0, n = 0;

	for (bool any = plain_enter(t, '['); any && plain_has_more(t) && t->plain; n++) {
		char address[ADDRESS_MAX] = "";
		struct word w;

		t->plain &= n < LIST_MAX && *t->p == '"';
		if (!t->plain)
			break;
		w = plain_step_string(t);
		t->plain &= w.len < sizeof(address);
		if (!t->plain || w.len == 0 || plain_is_word(&w, "None"))
			continue;
		memcpy(address, w.s, w.len);
		t->plain &= dec_ip(address, &v[len]);
		len++;
	}
	if (!t->plain)
		return 0;
	s->cluster_ips = plain_keep_array(t, v, len, sizeof(*v));
	s->ncluster_ips = s->cluster_ips ? len : 0;
	return n;
}

static void get_families(struct text *t, struct k8s_service *s)
{
	const char *v[LIST_MAX];
	size_t len = 0;

	for (bool any = plain_enter(t, '['); any && plain_has_more(t) && t->plain; len++) {
		t->plain &= len < LIST_MAX && *t->p == '"';
		v[len % LIST_MAX] = t->plain ? plain_get_name(t, NULL) : NULL;
	}
	if (!t->plain)
		return;
	s->ip_families = plain_keep_array(t, v, len, sizeof(*v));
	s->nip_families = s->ip_families ? len : 0;
}

static bool get_is(struct text *t, const char *what)
{
	const struct word w = plain_get_word(t);

	return plain_is_word(&w, what);
}

static void get_spec(struct text *t, struct k8s_service *s)
{
	static const char *const names[] = {
		"type", "selector", "ports", "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "externalTrafficPolicy",
		"internalTrafficPolicy", "publishNotReadyAddresses", "sessionAffinity", "healthCheckNodePort", "allocateLoadBalancerNodePorts",
		"loadBalancerClass", "trafficDistribution",
		/* rare */
		"externalIPs", "externalName", "sessionAffinityConfig", "loadBalancerIP", "loadBalancerSourceRanges", NULL,
	};
	struct members o = { .names = names };
	struct word one = { "", 0 };
	size_t nips = 0;
	bool has;

	for (bool any = plain_enter(t, '{'); any && plain_next_member(t, &o);) {
		switch (o.at) {
		case 0:
			s->type = plain_get_name(t, NULL);
			break;
		case 1:
			s->selector = plain_get_labels(t, false);
			break;
		case 2:
			get_service_ports(t, s);
			break;
		case 3:
			one = plain_get_word(t);
			break;
		case 4:
			nips = get_cluster_ips(t, s);
			break;
		case 5:
			get_families(t, s);
			break;
		case 6:
			s->ip_family_policy = plain_get_name(t, NULL);
			break;
		case 7:
			s->external_local = get_is(t, "Local");
			break;
		case 8:
			s->internal_local = get_is(t, "Local");
			break;
		case 9:
			s->publish_not_ready = plain_get_bool(t) == 1;
			break;
		case 10:
			s->affinity_client_ip = get_is(t, "ClientIP");
			break;
		case 11:
			s->health_check_node_port = plain_get_port(t, &has);
			break;
		case 12:
			s->allocate_node_ports = plain_get_bool(t);
			break;
		case 13:
			s->lb_class = plain_get_name(t, NULL);
			break;
		case 14:
			s->traffic_distribution = plain_get_name(t, NULL);
			break;
		default:
			t->plain = false;
		}
	}
	s->headless = plain_is_word(&one, "None");
	t->plain &= nips > 0 || one.len == 0 || s->headless;
}

/* Of most it says nothing. */
static void get_status(struct text *t)
{
	static const char *const names[] = { "loadBalancer", "conditions", NULL }, *const points[] = { "ingress", NULL };
	struct members o = { .names = names }, lb = { .names = points };

	for (bool any = plain_enter(t, '{'); any && plain_next_member(t, &o);) {
		if (o.at == 0 && plain_enter(t, '{'))
			t->plain &= !plain_next_member(t, &lb);
		else if (o.at != 0)
			t->plain = false;
	}
}

bool plain_is_service(const struct kind *k)
{
	return plain_is_word(&k->kind, "Service") && plain_is_word(&k->version, "v1");
}

void plain_get_service(struct text *t, struct kind *k, struct k8s_service *s)
{
	static const char *const names[] = { "metadata", "spec", "status", "kind", "apiVersion", NULL };
	struct members o = { .names = names };

	s->affinity_timeout = AFFINITY_TIMEOUT_DEFAULT;
	s->allocate_node_ports = -1;
	for (bool any = plain_enter(t, '{'); any && plain_next_member(t, &o);) {
		if (o.at == 0)
			plain_get_meta(t, &s->meta);
		else if (o.at == 1)
			get_spec(t, s);
		else if (o.at == 2)
			get_status(t);
		else
			plain_get_kind(t, o.at == 3 ? &k->kind : &k->version);
	}
	if (!s->type)
		s->type = "ClusterIP";
	t->plain &= s->meta.name && plain_is_service(k);
}
