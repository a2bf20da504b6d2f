/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_EXPECT_DNS_PRIVATE_H
#define SVCDOCTOR_EXPECT_DNS_PRIVATE_H

/*
 * One question to the cluster's DNS on its way to what must come back. Out of memory is sticky (err).
 * Where a rule is not the specification's, it is that of CoreDNS's plugin kubernetes (kubernetes.go, parse.go, reverse.go,
 * handler.go, object/endpoint.go) and of plugin/backend_lookup.go.
 */

#include <errno.h>

#include <svcdoctor/expect.h>

/* _port._proto.service.namespace.svc, and one more: what has more labels than that has no name in the cluster. */
#define DNS_LABELS_MAX 6
/* ExternalNames that lead to one another: plugin/backend_lookup.go maxCnameChainLength. */
#define DNS_CHAIN_MAX 10

/* What the Corefile says of the plugin kubernetes; not known: as kubeadm writes it. */
enum dns_pods { DNS_PODS_INSECURE, DNS_PODS_VERIFIED, DNS_PODS_DISABLED };
struct dns_habits {
	bool known;
	bool not_served;      /* no plugin answers for the zone */
	enum dns_pods pods;
	bool pod_names;	      /* endpoints have the names of their pods (endpoint_pod_names) */
	bool no_endpoints, by_labels, ignores_empty;
	bool hides_namespace; /* of the name that is asked for */
	bool falls_through;   /* what it does not have, others may */
	bool rewritten;	      /* the name that is asked for may be made another one */
};

struct dns_ask {
	struct arena *arena;
	const struct k8s_cluster *c;
	const char *domain, *qname; /* without a final dot */
	uint16_t qtype;
	dns_known_fn *known;
	void *arg;
	const char *label[DNS_LABELS_MAX]; /* in front of the domain, from the right: "svc", namespace, Service, ...; lower case */
	size_t nlabels;			   /* may be more than are kept */
	struct dns_habits habits;
	unsigned depth;			   /* of ExternalNames that were followed */
	struct dns_expected e;
	int err;
};

/* Ends the question: the kind and a line that says why. */
void dns_say(struct dns_ask *q, enum dns_expect_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
void dns_add_record(struct dns_ask *q, const struct dns_record *r);
/* 1 it exists, 0 it does not, -1 not known. */
int dns_namespace_exists(const struct dns_ask *q, const char *ns);
/* Fills habits; of PTR the zone is in-addr.arpa or ip6.arpa. After the labels are known. */
void dns_habits_read(struct dns_ask *q, const char *zone);
/* A whole name of the domain. */
void dns_ask_inside(struct dns_ask *q);
/* What is asked about a name below svc.DOMAIN with a namespace at least. */
void dns_ask_service(struct dns_ask *q);
void dns_ask_reverse(struct dns_ask *q);
/* The name of an endpoint in its Service: its hostname, else its address with dashes; NULL when memory is out. */
const char *dns_endpoint_name(struct dns_ask *q, const struct k8s_endpoint *e, const char *address);
/* DNS shows the endpoint: without the condition it counts as ready (object/endpoint.go endpointsliceReady). */
static inline bool dns_endpoint_shown(const struct k8s_endpoint *e)
{
	return e->ready != 0;
}
static inline bool dns_slice_has_addresses(const struct k8s_slice *s)
{
	return str_is(s->address_type, "IPv4") || str_is(s->address_type, "IPv6");
}

#endif
