/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_PRIVATE_H
#define PROXY_PRIVATE_H

/*
 * kube-proxy of one node, from everything that tells of it: objects of the API, its own ports, its log, its process, the node's rules. What the
 * checks of proxy*.c share, so that none of them looks for a log or a mode by itself.
 */

#include "checks-private.h"

struct proxy_view {
	const char *node;
	const struct snap_node *n;	  /* NULL: nothing was collected of the node itself */
	const struct k8s_node *object;	  /* NULL: not known */
	const struct k8s_pod *pod;	  /* of kube-proxy; NULL: not known, or it runs as a process of the node */
	const struct kube_proxy_config *config; /* never NULL; known false: not known */
	const char *mode;		  /* that it runs in; NULL: not known */
	const char *asked;		  /* that it is configured for: "iptables" where it is left empty; NULL: not known */
	const char *version;		  /* "v1.36.2": by its log, its metrics, its image, and last by the Node object; NULL */
	int minor;			  /* 36 of 1.36; -1: not known */
	const struct snap_log *log, *previous; /* its log, and that of the container before; NULL: not read */
	bool judged;			  /* verify looked at the node's rules */
};

/* All nodes, sorted by name; made once in a run. */
const struct proxy_view *proxy_views(struct run *r, size_t *ret_n);
const struct proxy_view *proxy_view_of(struct run *r, const char *node); /* NULL: no such node */

/*
 * The worst hit of the log that speaks for this check and counts now: not before the last start, not over, and not followed by a finished sync that
 * its ports tell of. NULL: none. @check NULL: any. Of the log before (a container that failed) when that is why it does not run.
 */
const struct log_hit *proxy_hit(struct run *r, const struct proxy_view *v, const char *check, const struct snap_log **ret_log);
/* Does this one count now, by the same rules? */
bool proxy_hit_counts(const struct run *r, const struct proxy_view *v, const struct snap_log *l, const struct log_hit *h);
/* When a change came from the API server last, seconds since 1970, as its metrics tell; 0: not known, or of a part that may not be read nothing comes. */
int64_t proxy_last_change(const struct proxy_view *v, const struct log_hit *h);
/* What it says, as the rest of a sentence about kube-proxy: "cannot reach the API server at https://10.0.0.1:6443 (connection refused)". */
const char *proxy_why(struct run *r, const struct proxy_view *v, const struct log_hit *h);
/* The hit as evidence: what the line says, how often and from when to when; and the command that shows the log. */
void proxy_hit_evidence(struct run *r, struct finding *f, const struct proxy_view *v, const struct snap_log *l, const struct log_hit *h);

/* Seconds since 1970 of a time as objects, ports and logs tell it; -1: it cannot be told. */
int64_t proxy_seconds(const char *time, int64_t near);
/* Of the mode that is configured, in seconds; kube-proxy's own where it is not set. */
int64_t proxy_sync_period(const struct proxy_view *v);
/* Seconds since 1970 at which the node was looked at: by its own clock where that is told, else by that of the snapshot. 0: not known. */
int64_t proxy_now(const struct run *r, const struct proxy_view *v);
/* "41 minutes", "3 hours": in words, as a person would say it. */
const char *proxy_ago(struct run *r, int64_t seconds);

#endif
