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

#endif
