/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_KLOG_KUBE_PROXY_PRIVATE_H
#define SVCDOCTOR_KLOG_KUBE_PROXY_PRIVATE_H

/*
 * How the tables of kube-proxy and of the kernel are written down, and which there are. Texts are those of kube-proxy 1.12 to 1.36, of the
 * packages of client-go that it is made with, and of the programs that it runs. A weight is what the line is worth for Services, whatever
 * letter klog puts before it. The first row that fits counts: the tables stand in tables.c in the order in which they are asked.
 */

#include "klog-private.h"

/* @versions are of kube-proxy: that of a line's spelling, not of what it tells. */
#define F(versions_, pattern_) { LEVEL_ANY, NULL, pattern_, versions_ }
#define FORMS(...) .forms = (const struct log_form[]){ __VA_ARGS__, { .pattern = NULL } }

#define ROW(program_, id_, weight_, check_, topic_, meaning_, todo_, ...) \
	{ .program = program_, \
	  .kind = { .id = id_, .weight = weight_, .check = check_, .meaning = meaning_, .todo = todo_, .topic = topic_ }, __VA_ARGS__ }
/* Of kube-proxy: what goes wrong, what may, what is good to know, and what means nothing. */
#define ERR(id_, check_, topic_, meaning_, todo_, ...) ROW(LOG_KUBE_PROXY, id_, LOG_ERROR, check_, topic_, meaning_, todo_, __VA_ARGS__)
#define WARN(id_, check_, topic_, meaning_, todo_, ...) ROW(LOG_KUBE_PROXY, id_, LOG_WARNING, check_, topic_, meaning_, todo_, __VA_ARGS__)
#define GOOD(id_, topic_, meaning_, ...) ROW(LOG_KUBE_PROXY, id_, LOG_GOOD, NULL, topic_, meaning_, NULL, __VA_ARGS__)
#define FINE(id_, check_, topic_, meaning_, ...) ROW(LOG_KUBE_PROXY, id_, LOG_HARMLESS, check_, topic_, meaning_, NULL, __VA_ARGS__)

extern const struct log_table log_proxy_start, log_proxy_config, log_proxy_sync, log_proxy_rules, log_proxy_ipvs, log_proxy_ipset,
	log_proxy_objects, log_proxy_conntrack, log_proxy_client, log_proxy_rest, log_kernel;
extern const struct log_table log_reasons_start, log_reasons_rules, log_reasons_api;

#define TABLE(name_) const struct log_table name_ = { .rows = rows, .n = ARRAY_LEN(rows) }

#endif
