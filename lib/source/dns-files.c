/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of DNS beside the API's objects: resolv.conf and recorded answers of nodes and pods, logs of the cluster's DNS, and what the kernel counts of
 * connections that it could not track (two packets from one socket at the same time, as libcs send A and AAAA: one of them may be dropped).
 */

#include <errno.h>

#include "bundle-private.h"

#define CONF_MAX (1u << 20)
#define BAD_LINES_MAX 20

int dns_conf_use(struct snapshot *s, struct snap_dns *d, const char *data, size_t size, const char *file)
{
	int r;

	if (!d)
		return -ENOMEM;
	if (size > CONF_MAX) {
		sd_note_add(&s->notes, true, "too-large", file, 0, 0, NULL, "a resolv.conf is not as large as this; it is not read");
		return 0;
	}
	resolv_conf_release(&d->conf);
	d->has_conf = false;
	r = resolv_conf_read(&s->arena, data, size, file, &s->notes, &d->conf);
	d->has_conf = r == 0;
	return r;
}

int dns_text_use(struct snapshot *s, struct snap_dns *d, const char *data, size_t size, const char *file)
{
	return d ? read_dns_text(&s->arena, data, size, file, &s->notes, d) : -ENOMEM;
}

bool dns_log_is(const char *pod, const char *container)
{
	static const char *const containers[] = { "coredns", "node-cache", NULL };
	static const char *const pods[] = { "coredns", "kube-dns", "node-local-dns", "nodelocaldns", "dns-default" };

	if (str_one_of(container, strlen(container), containers))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(pods); i++)
		if (strstr(pod, pods[i]))
			return strcmp(container, "kube-rbac-proxy") != 0;
	return false;
}

/* ---- conntrack -S ---- */

struct counter {
	const char *name;
	uint64_t *sum;
};

/* "insert_failed=3" */
static void count_word(const struct counter *counters, size_t n, const char *word, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		const size_t name = strlen(counters[i].name);
		uint64_t value;

		if (len > name && memcmp(word, counters[i].name, name) == 0 && word[name] == '=' &&
		    parse_uint(word + name + 1, len - name - 1, UINT32_MAX, &value) == 0)
			*counters[i].sum += value;
	}
}

static void count_line(const struct counter *counters, size_t n, const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t end = i;

		while (end < len && s[end] != ' ' && s[end] != '\t' && s[end] != '\r')
			end++;
		if (end > i)
			count_word(counters, n, s + i, end - i);
		i = end + 1;
	}
}

int read_conntrack_stats(struct snap_node *n, const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	uint64_t failed = 0, drop = 0, early = 0, invalid = 0;
	const struct counter counters[] = { { "insert_failed", &failed }, { "drop", &drop }, { "early_drop", &early },
					    { "invalid", &invalid } };
	const char *end = data + size;
	uint32_t line = 0;
	size_t taken = 0, bad = 0;

	while (data < end) {
		const char *nl = memchr(data, '\n', (size_t)(end - data));
		size_t len = (size_t)((nl ? nl : end) - data);

		line++;
		if (len > 4 && strncmp(data, "cpu=", 4) == 0) {
			count_line(counters, ARRAY_LEN(counters), data, len);
			taken++;
		} else if (len > strspn(data, " \t\r\n") && bad++ < BAD_LINES_MAX) {
			sd_note_add(notes, false, "bad-line", file, line, 1, "conntrack -S", "'%s': a line is not of a processor", file);
		}
		data = nl ? nl + 1 : end;
	}
	if (!taken)
		return 0;
	n->conntrack_known = true;
	n->insert_failed = failed;
	n->conntrack_drop = drop;
	n->early_drop = early;
	n->conntrack_invalid = invalid;
	return 0;
}
