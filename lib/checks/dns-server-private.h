/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DNS_SERVER_PRIVATE_H
#define DNS_SERVER_PRIVATE_H

/*
 * The cluster's DNS as it shows without asking it: its Service and pods (dns.c), its Corefile, its logs. What the checks of dns-server*.c and
 * dns-corefile.c share.
 */

#include "checks-private.h"

/* ---- dns.c ---- */

bool dns_is_node_local(const struct k8s_pod *p); /* of NodeLocal DNSCache */
/* How many endpoints of the Service are ready, or where they are not known, how many of its pods; -1: neither is known. */
int dns_ready(const struct run *r, const struct k8s_service *s);

/* ---- dns-server.c ---- */

/* The Corefile of the cluster's DNS, or of NodeLocal DNSCache. NULL: not known. Freed with corefile_release. */
const struct k8s_configmap *dns_corefile(struct run *r, bool node_local, struct corefile *ret);
/* "ConfigMap kube-system/coredns" */
const char *dns_map_words(struct run *r, const struct k8s_configmap *m);
/* Pods behind the Service that are not finished, one by one; NULL: no more. */
const struct k8s_pod *dns_next_pod(const struct run *r, const struct k8s_service *s, size_t *at);
/* 1.11.3 as 11103 of all its pods by their images, else of what the logs say; -1: not known, or not the same. */
int dns_version(const struct run *r, const struct k8s_service *s);
const char *dns_version_text(struct run *r, int version);
/* The domain that the kubelets write into search lists, else that of the Corefile; *@ret_assumed: nobody tells it for certain. */
const char *dns_domain(const struct run *r, bool *ret_assumed);
/* Was a name asked for that does not belong to the cluster? */
bool dns_external_asked(const struct run *r);
/* A finding about the cluster's DNS; @s NULL: it is not known. @node NULL: not of one node. @detail as of finding_new. */
struct finding *dns_server_finding(struct run *r, const char *id, const char *node, const char *detail, const struct k8s_service *s, int rank);

/* What the logs of DNS pods say that is so now: not what was before a restart, or was over long before the log ends. */
struct dns_told {
	const struct snap_log *log;
	const struct log_hit *hit;
};
struct dns_told_list {
	ARRAY_OF(struct dns_told) v;
	size_t count, pods, logs; /* lines; pods that wrote them; logs of pods that were read at all */
	bool over;		  /* of some the pod got ready since: it may be over */
};
enum { DNS_LOGS_SERVER = 1, DNS_LOGS_CACHE = 2 };
/* @kinds: of enum log_kind ids, ends with NULL. */
void dns_told(struct run *r, unsigned which, const char *const *kinds, struct dns_told_list *ret);
void dns_told_release(struct dns_told_list *l);
/* At most @max lines of the logs as evidence, and the commands that show them. */
void dns_told_evidence(struct run *r, struct finding *f, const struct dns_told_list *l, size_t max);

/* ---- dns-corefile.c ---- */

/* Does plugin kubernetes, wherever it stands here, serve this domain? 1; 0: others only; -1: it serves none, or the file is not whole. @ret_zone: one of the others. */
int dns_kubernetes_serves(const struct corefile *c, const char *domain, const char **ret_zone, unsigned *ret_line);

#endif
