/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_PROXY_METRICS_PRIVATE_H
#define SVCDOCTOR_PROXY_METRICS_PRIVATE_H

#include <svcdoctor/snapshot.h>

/* Sets what @p knows of finished syncs. @data need not be NUL-terminated. */
void proxy_metrics_read(const char *data, size_t size, struct snap_proxy *p);

#endif
