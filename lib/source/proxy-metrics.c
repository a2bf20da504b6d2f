/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy's /metrics, as far as they tell whether it has ever been done with its rules: the time of the last finished
 * sync and the transactions that failed. Since 1.34 there is one of each for an address family, before one for both.
 */
#include <stdlib.h>

#include "proxy-metrics-private.h"

#define NUMBER_MAX 40

static bool starts(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	return len > n && memcmp(line, name, n) == 0 && (line[n] == ' ' || line[n] == '{');
}

/* The value behind name and labels; negative: there is none. */
static double value_of(const char *line, size_t len)
{
	const char *labels = memchr(line, '}', len), *at = labels ? labels + 1 : memchr(line, ' ', len);
	char text[NUMBER_MAX], *end;
	size_t n = at ? len - (size_t)(at - line) : 0;
	double v;

	while (n > 0 && *at == ' ') {
		at++;
		n--;
	}
	if (n == 0 || n >= sizeof(text))
		return -1;
	memcpy(text, at, n);
	text[n] = '\0';
	v = strtod(text, &end);
	return end == text || (*end && *end != ' ' && *end != '\r') ? -1 : v;
}

static bool is_of(const char *line, size_t len, const char *family)
{
	const char *labels = memchr(line, '{', len);

	return !labels || !memmem(labels, len - (size_t)(labels - line), "ip_family=", 10) ||
	       memmem(labels, len - (size_t)(labels - line), family, strlen(family));
}

static void read_line(const char *line, size_t len, struct snap_proxy *p)
{
	static const char *const families[2] = { "\"IPv4\"", "\"IPv6\"" };
	static const char *const failures[] = { "kubeproxy_sync_proxy_rules_iptables_restore_failures_total",
						"kubeproxy_sync_proxy_rules_nftables_sync_failures_total" };
	static const char last[] = "kubeproxy_sync_proxy_rules_last_timestamp_seconds";

	p->metrics_known |= len > 10 && memcmp(line, "kubeproxy_", 10) == 0;
	for (unsigned six = 0; six < 2; six++) {
		double v = is_of(line, len, families[six]) ? value_of(line, len) : -1;

		if (!(v > 0))
			continue;
		p->synced[six] |= starts(line, len, last);
		for (size_t i = 0; i < ARRAY_LEN(failures); i++)
			p->sync_failed[six] |= starts(line, len, failures[i]);
	}
}

void proxy_metrics_read(const char *data, size_t size, struct snap_proxy *p)
{
	for (size_t at = 0; at < size;) {
		const char *nl = memchr(data + at, '\n', size - at);
		size_t len = nl ? (size_t)(nl - (data + at)) : size - at;

		if (len > 10 && memcmp(data + at, "kubeproxy_", 10) == 0)
			read_line(data + at, len, p);
		at += len + 1;
	}
}
