/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DNS_CLIENT_PRIVATE_H
#define DNS_CLIENT_PRIVATE_H

/*
 * The client's side of DNS: each place with a resolv.conf, whose file it is, what the kubelet should have written there, and what the libcs
 * make of it. dns-client.c looks at the files, dns-client-names.c at what comes of the names that are typed there.
 */

#include "checks-private.h"
#include "dns-plan-private.h"

struct dns_client {
	struct run *r;
	const struct snap_dns *d;
	const struct k8s_pod *pod;  /* whose place it is; NULL: of none that is known */
	const struct snap_node *node; /* on which it is, with its kubelet; NULL: not known */
	const char *node_name, *ns; /* NULL: not known */
	const char *subject;	    /* "Pod shop/client" */
	const char *domain;	    /* the cluster's */
	bool viewed;		    /* what a libc takes is known: of the file, on a node of what a pod would get there */
	struct resolv_view v[LIBC_COUNT];
	bool wanted;		    /* what the kubelet should have written is known, as far as the node's own file is */
	struct kubelet_resolv want;
	bool told;		    /* a finding says why the file is none for names of the cluster */
};

/* kubernetes.default as this libc resolves it: 1, 0, -1 not known. */
int dns_client_control(const struct dns_client *c, int libc);
/* A finding about the place, or about a name there: of the cluster, with the node where it is known. */
struct finding *dns_client_finding(struct dns_client *c, const char *id, const char *detail);
/* "line 2 of /etc/resolv.conf: search corp.example": what the file says. */
void dns_client_evidence(struct dns_client *c, struct finding *f);
bool dns_is_cluster_search(const char *domain); /* "svc.DOMAIN" or "NS.svc.DOMAIN", of whatever cluster */
void dns_client_names(struct dns_client *c);

#endif
