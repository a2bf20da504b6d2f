/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of addresses: cluster IPs, and ready endpoints of headless Services. CoreDNS (reverse.go) names the endpoints of every
 * Service: they may be in the answer, and need not. What has no name in the cluster is asked of the servers outside.
 */

#include "dns-private.h"

static bool address4(const char *head, struct ip_addr *ret)
{
	unsigned b[4];
	int end = 0;

	/* "5.0.244.10" */
	if (sscanf(head, "%3u.%3u.%3u.%3u.%n", &b[0], &b[1], &b[2], &b[3], &end) != 4 || !end || strcasecmp(head + end, "in-addr.arpa") != 0) {
		return false;
	}
	*ret = (struct ip_addr){ .family = AF_INET };
	for (size_t i = 0; i < 4; i++) {
		ret->b[3 - i] = (uint8_t)b[i];
		if (b[i] > 255) {
			return false;
		}
	}
	return true;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool address6(const char *name, struct ip_addr *ret)
{
	*ret = (struct ip_addr){ .family = AF_INET6 };
	if (strlen(name) != 64 + strlen("ip6.arpa") || strcasecmp(name + 64, "ip6.arpa") != 0) {
		return false;
	}
	for (size_t i = 0; i < 32; i++) {
		int n = nibble(name[2 * i]);

		if (n < 0 || name[2 * i + 1] != '.') {
			return false;
		}
		ret->b[15 - i / 2] |= (uint8_t)(i % 2 ? n << 4 : n);
	}
	return true;
}

static const struct k8s_service *service_of(const struct k8s_cluster *c, const struct ip_addr *a)
{
	for (size_t i = 0; i < c->services.len; i++) {
		const struct k8s_service *s = c->services.v[i];

		for (size_t j = 0; j < s->ncluster_ips; j++) {
			if (ip_addr_equal(&s->cluster_ips[j], a)) {
				return s;
			}
		}
	}
	return NULL;
}

static void add_name(struct dns_ask *q, const char *name)
{
	if (!name) {
		q->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < q->e.records.len; i++) {
		if (dns_name_equal(q->e.records.v[i].target, name)) {
			return;
		}
	}
	dns_add_record(q, &(struct dns_record){ .owner = q->qname, .type = DNS_PTR, .target = name });
}

static void ask_slice(struct dns_ask *q, const struct k8s_slice *sl, const struct ip_addr *a, size_t *ret_others)
{
	const struct k8s_service *s = sl->service ? k8s_find_service(q->c, sl->meta.ns, sl->service) : NULL;

	for (size_t i = 0; i < sl->nendpoints && dns_slice_has_addresses(sl); i++) {
		const struct k8s_endpoint *e = &sl->endpoints[i];

		if (!ip_addr_equal(&e->ip, a) || !dns_endpoint_shown(e)) {
			continue;
		}
		if (!s || !s->headless) {
			++*ret_others;
			continue;
		}
		const char *host = dns_endpoint_name(q, e, e->addresses[0]);
		q->e.service = s;
		add_name(q, host ? arena_printf(q->arena, "%s.%s.%s.svc.%s", host, s->meta.name, s->meta.ns, q->domain) : NULL);
	}
}

static void ask_endpoint_names(struct dns_ask *q, const struct ip_addr *a)
{
	size_t others = 0;

	for (size_t i = 0; i < q->c->slices.len && !q->err; i++) {
		ask_slice(q, q->c->slices.v[i], a, &others);
	}
	if (q->e.records.len) {
		q->e.may_have_more = others || !q->known(q->arg, K8S_SLICES, NULL, NULL);
		dns_say(q, DNS_EXPECT_RECORDS, "the address is an endpoint of the headless Service %s/%s", q->e.service->meta.ns,
			q->e.service->meta.name);
	} else {
		dns_say(q, DNS_EXPECT_NOTHING, "the address is no cluster IP and no endpoint of a headless Service");
	}
}

void dns_ask_reverse(struct dns_ask *q)
{
	struct ip_addr a;

	if (q->qtype != DNS_PTR || (!address4(q->qname, &a) && !address6(q->qname, &a))) {
		dns_say(q, DNS_EXPECT_NOTHING, "the name is not that of an address");
		return;
	}
	dns_habits_read(q, a.family == AF_INET ? "in-addr.arpa" : "ip6.arpa");
	if (q->habits.not_served || q->habits.by_labels) {
		dns_say(q, DNS_EXPECT_NOTHING, "the Corefile does not let Kubernetes answer for addresses");
		return;
	}
	q->e.service = service_of(q->c, &a);
	if (!q->e.service) {
		ask_endpoint_names(q, &a);
		return;
	}
	const struct k8s_meta *m = &q->e.service->meta;
	dns_say(q, DNS_EXPECT_RECORDS, "the address is the cluster IP of Service %s/%s", m->ns, m->name);
	add_name(q, arena_printf(q->arena, "%s.%s.svc.%s", m->name, m->ns, q->domain));
}
