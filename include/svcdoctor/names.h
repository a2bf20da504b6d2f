/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_NAMES_H
#define SVCDOCTOR_NAMES_H

/* The name axis: a DNS name, split as the cluster's DNS would read it. */

#include <svcdoctor/base.h>

/*
 * Splits "name", "name.ns", "name.ns.svc", "name.ns.svc.DOMAIN[.]" into name and namespace. @domain: the cluster domain, or NULL for any.
 * 0 with @ret_ns "" for a bare name; SD_EPARSE for what is no Service name. Buffers hold at least 64 bytes.
 */
int service_name_split(const char *dns_name, const char *domain, char ret_name[static 64], char ret_ns[static 64]);

#endif
