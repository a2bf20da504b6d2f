/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_PRIVATE_H
#define PROXY_PRIVATE_H

#include "report-private.h"

int proxy_json(const struct report *r, const struct proxy_report *p, const struct diagnosis *d);

#endif
