/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_SETTINGS_PRIVATE_H
#define PROXY_SETTINGS_PRIVATE_H

/* What the command proxy and the checks of kube-proxy's configuration share. */

#include "proxy-private.h"

/* What the node's kube-proxy is set to; nothing where that is not known. @ret must be zeroed. */
void proxy_settings(struct run *r, const struct proxy_view *v, struct proxy_setting ret[static PROXY_KEYS]);
/* "Pod kube-system/kube-proxy-x2x4f, running, 3 restarts", "pid 4711 on the node"; NULL: not known. */
const char *proxy_runs(struct run *r, const struct proxy_view *v);
/* A log of kube-proxy that is of no node, so that no check over nodes looks at it. */
bool proxy_log_is_alone(struct run *r, const struct snap_log *l);
/* Findings about logs of no node: what each says now. */
void proxy_log_findings(struct run *r);

/* Is kube-proxy there, or does it leave something to be judged? And is the run about that node? */
bool proxy_is_there(const struct run *r, const struct proxy_view *v);
bool proxy_concerns(const struct run *r, const struct proxy_view *v);
/* The configuration is what this kube-proxy has, and not what a ConfigMap says that it should have. */
bool proxy_config_is_own(const struct proxy_view *v);
/* Its version is told by itself or its image, and not by the Node object, where the kubelet writes its own. */
bool proxy_version_is_sure(const struct proxy_view *v);

/* Nodes of which one thing is to be said. */
struct proxy_group {
	const char *key; /* what they have in common, in words */
	ARRAY_OF(const struct proxy_view *) v;
};
struct proxy_groups {
	ARRAY_OF(struct proxy_group) v;
};
void proxy_groups_release(struct proxy_groups *g);
void proxy_groups_add(struct run *r, struct proxy_groups *g, const char *key, const struct proxy_view *v);
/* "node-1", "node-1, node-2 and 14 more" */
const char *proxy_group_nodes(struct run *r, const struct proxy_group *g);
/* About all of them: of the node where it is one, else of the cluster. */
struct finding *proxy_group_finding(struct run *r, const char *id, const struct proxy_group *g, const char *detail);
/* How to look at what kube-proxy is configured to, and how to change it. */
void proxy_config_commands(struct run *r, struct finding *f, const struct proxy_view *v);

#endif
