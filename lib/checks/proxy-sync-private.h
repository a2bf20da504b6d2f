/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_SYNC_PRIVATE_H
#define PROXY_SYNC_PRIVATE_H

/*
 * The judgement of kube-proxy node by node, once the rules are judged: what its log says (proxy-reasons.c), what its ports and its pod say
 * (proxy-health.c), and what its rules prove (proxy-stale.c). proxy-sync.c puts them together, so that one finding of a node stands for all that
 * differs there.
 */

#include "proxy-private.h"

/* One node while it is judged. */
struct proxy_node {
	const struct proxy_view *v;
	ARRAY_OF(struct finding *) findings; /* of the node, whoever made them */
	const struct verify_frontend *fronts;
	size_t nfronts;
	/* by proxy_count_frontends: those as the API wants them, and others; when their Services changed last, seconds since 1970 */
	size_t right, wrong;
	int64_t first_wrong, last_right; /* 0: none */
	bool untimed;			 /* of some it is not known */
};

/* The finding of this check on the node; NULL: there is none. */
struct finding *proxy_found(const struct proxy_node *p, const char *check);
/* Is there a finding on the node that would explain one of @check? */
bool proxy_is_explained(const struct proxy_node *p, const char *check);
/*
 * A finding of the node that stands for everything there that its check explains: its severity and its Services are those of what it explains. No
 * worse than @worst. The text is "kube-proxy on NODE @state: it @why"; @state NULL: as the rules show it; 0 @since: not told for how long.
 */
struct finding *proxy_cause(struct run *r, struct proxy_node *p, const char *check, const char *state, const char *why, int64_t since);
/* What has been so for minutes is a fault, though all that is there may be right still: nothing new gets to the node. */
void proxy_lasts(struct run *r, const struct proxy_node *p, struct finding *f, int64_t since);
/* The same for a finding that others made of it, once the log bears it out. */
void proxy_adopt(struct run *r, struct proxy_node *p, struct finding *f);
/* When the last sync was finished, as its ports tell it, seconds since 1970; 0: not known, or never. */
int64_t proxy_synced(const struct run *r, const struct proxy_view *v);
/* When the Service or one of its EndpointSlices was changed last; 0: not known. */
int64_t proxy_changed(struct run *r, const struct k8s_service *s);

void proxy_count_frontends(struct run *r, struct proxy_node *p);

/* ---- proxy-reasons.c ---- */

void proxy_reason_findings(struct run *r, struct proxy_node *p);

/* ---- proxy-health.c ---- */

void proxy_port_findings(struct run *r, struct proxy_node *p);
void proxy_latency_findings(struct run *r);

/* ---- proxy-stale.c ---- */

/* What the rules prove beside: which Services changed since the last sync, the node's peers. */
void proxy_stale_evidence(struct run *r, struct proxy_node *p, struct finding *f);
void proxy_stale_findings(struct run *r, struct proxy_node *p);
/* What changed seconds before the node was looked at is being written. */
void proxy_fresh_findings(struct run *r, struct proxy_node *p);

#endif
