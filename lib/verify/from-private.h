/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_FROM_PRIVATE_H
#define SVCDOCTOR_FROM_PRIVATE_H

/* What from-rules.c and from-nft.c share: Services in the making. */

#include "verify-private.h"

struct made_port {
	struct k8s_service_port port;
	const char *chain_svc; /* where it balances: the suffix of its chains */
	ARRAY_OF(struct k8s_endpoint) endpoints;
};
struct made_service {
	struct k8s_service *object;
	ARRAY_OF(struct made_port) ports;
	ARRAY_OF(struct ip_addr) cluster_ips, external_ips;
	ARRAY_OF(struct k8s_ingress_point) ingress;
	ARRAY_OF(const char *) ranges;
};
struct maker {
	struct snapshot *s;
	const struct snap_node *node;
	const char *own_name;
	struct arena *arena; /* the cluster's */
	ARRAY_OF(struct made_service *) services;
	struct map by_name;
	struct map here; /* nftables: struct ip_addr of endpoints of this node */
};

/* Splits "ns/name[:port] rest": cuts @text into its parts. False when it is not of this form. */
bool maker_split_name(char *text, const char **ns, const char **name, const char **port, const char **rest);
/* Found or made; NULL: out of memory. */
struct made_service *maker_service(struct maker *m, const char *ns, const char *name);
struct made_port *maker_port(struct maker *m, struct made_service *s, const char *name, uint8_t proto);
/* Each once. 0 or -ENOMEM. */
int maker_endpoint(struct maker *m, struct made_port *p, const struct ip_addr *a, uint16_t port, bool local);
int maker_cluster_ip(struct made_service *s, const struct ip_addr *a);
int maker_external_ip(struct made_service *s, const struct ip_addr *a);
int maker_ingress(struct made_service *s, const struct ip_addr *a);

/* from-nft.c */
int maker_learn_nftables(struct maker *m);

#endif
