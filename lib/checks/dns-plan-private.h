/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DNS_PLAN_PRIVATE_H
#define DNS_PLAN_PRIVATE_H

/*
 * What the plan of questions and the tables of answers share: the cluster's domain, the servers of a place, the names that are typed there,
 * and which answer a libc gets. Pure functions over the snapshot.
 */

#include <svcdoctor/checks.h>

/* ---- dns-targets.c ---- */

enum dns_target_kind { DNS_TARGET_GIVEN, DNS_TARGET_NAMESERVER, DNS_TARGET_CLUSTER, DNS_TARGET_ENDPOINT, DNS_TARGET_NODE_LOCAL, DNS_TARGET_KUBELET };
struct dns_target {
	enum dns_target_kind kind;
	struct ip_addr addr;
	uint16_t port;	      /* over UDP */
	uint16_t tcp_port;
	const char *what;     /* "nameserver 1, cluster DNS kube-system/kube-dns" */
	const char *node;     /* of an endpoint; NULL */
	bool ready;	      /* of an endpoint */
};
struct dns_targets {
	ARRAY_OF(struct dns_target) v;
	size_t left; /* endpoints beyond the bound */
};
/* @o NULL: none are given. Each address and port once. 0 or -ENOMEM; texts in @a. */
int dns_targets_make(struct arena *a, const struct snapshot *s, const struct snap_dns *from, const struct dns_plan_options *o, struct dns_targets *ret);
/* The first that @fits of the Services that distributions call the cluster's DNS; NULL: not known. */
const struct k8s_service *dns_service_find(const struct k8s_cluster *c, bool (*fits)(const struct k8s_service *));
const struct k8s_service *dns_service_of(const struct snapshot *s); /* that has a cluster IP; NULL: not known */

#define DNS_DOMAINS_MAX 3
/*
 * The domains that cluster names may end in, the likeliest first: what CoreDNS serves, what resolv.conf searches, what kubelets are told.
 * Where nothing tells it, cluster.local, and *@ret_assumed. The number of them, or -ENOMEM.
 */
int dns_domains(struct arena *a, const struct snapshot *s, const struct snap_dns *from, const char *ret[static DNS_DOMAINS_MAX], bool *ret_assumed);

/* ---- dns-view.c ---- */

/*
 * Is the place a node, as its own programs see it? Its resolv.conf is not what pods get, and its nameservers need to know nothing of the
 * cluster: names are then typed as in a pod of @ns there.
 */
bool dns_place_is_host(const struct snap_dns *from);
/* Is there a resolv.conf, or on a node what pods would get? */
bool dns_place_has_view(const struct snapshot *s, const struct snap_dns *from);
/* ExpandedDNSConfig is on by default from 1.26. False where the kubelet's version is not known. */
bool dns_kubelet_is_old(const struct k8s_cluster *c, const char *node);
/* What a libc of this place takes from its resolv.conf; on a node what a pod of @ns (NULL: default) would. 0 or -ENOMEM. */
int dns_place_view(struct arena *a, const struct snapshot *s, const struct snap_dns *from, const char *ns, enum libc libc, struct resolv_view *ret);

/* ---- dns-typed.c ---- */

/* The namespace in which names are typed at this place; NULL: not known. */
const char *dns_place_ns(struct arena *a, const struct snap_dns *from);

struct dns_typed {
	const char *text;		   /* as somebody types it */
	const char *full;		   /* the whole name that is meant, without the final dot; NULL: not one of the cluster */
	const struct k8s_service *service; /* NULL: of none that is known */
	bool control;			   /* kubernetes.default */
};
struct dns_typed_list {
	ARRAY_OF(struct dns_typed) v;
	size_t left; /* Services beyond the bound */
};
/* kubernetes.default first. @domain: the cluster's. 0 or -ENOMEM. */
int dns_typed_make(struct arena *a, const struct snap_dns *from, const char *domain, const char *name, const char *ns,
		   const struct k8s_service *const *services, size_t nservices, struct dns_typed_list *ret);

/* ---- dns-lookup.c ---- */

/* The answers of one place by name and type. */
struct dns_lookup {
	const struct snap_dns *from;
	const struct resolv_view *view; /* whose servers count; NULL: any */
	struct map by_key;		/* "name type" in lower case -> struct dns_found */
	struct map by_server;		/* struct ip_addr -> struct dns_heard */
	struct arena arena;
};
struct dns_heard {
	bool answered;		       /* something, over UDP */
	const struct dns_answer *lost; /* the last over UDP that was not answered; NULL */
};
struct dns_found {
	ARRAY_OF(const struct dns_answer *) v; /* in the order of asking */
};
int dns_lookup_make(const struct snap_dns *from, struct dns_lookup *ret);
void dns_lookup_release(struct dns_lookup *l);
const struct dns_found *dns_lookup_find(struct dns_lookup *l, const char *name, uint16_t type); /* NULL: none */
/* For libc_walk: @arg is a struct dns_lookup. */
const struct dns_answer *dns_lookup_answer(void *arg, const char *name, uint16_t type);

#endif
