/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kube-proxy's ports and ps print: the first byte says which file it is. Whatever it is, histograms are cumulative and sorted, texts clean, and
 * memory bounded.
 */
#include <math.h>

#include "lib/source/bundle-private.h"
#include "lib/source/proxy-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is)
{
	if (!is)
		abort();
}

static void check_text(const char *s)
{
	for (; s && *s; s++)
		must((unsigned char)*s >= 0x20 && *s != 0x7f);
}

static void check_histogram(const struct snap_histogram *h)
{
	must(h->buckets.len <= 256);
	for (size_t i = 0; i < h->buckets.len; i++) {
		must(h->buckets.v[i].count <= h->count && isfinite(h->buckets.v[i].le));
		must(i == 0 || (h->buckets.v[i].le > h->buckets.v[i - 1].le && h->buckets.v[i].count >= h->buckets.v[i - 1].count));
	}
	must(h->count == 0 || h->buckets.len == 0 || isfinite(snap_quantile(h, 0.99)));
}

static void check(const struct snap_proxy *p)
{
	for (unsigned i = 0; i < 2; i++) {
		check_histogram(&p->metrics.family[i].sync);
		check_histogram(&p->metrics.family[i].full);
		check_histogram(&p->metrics.family[i].partial);
		check_text(p->family_updated[i]);
	}
	check_histogram(&p->metrics.programming);
	check_text(p->metrics.version);
	check_text(p->healthz_last_updated);
	check_text(p->healthz_now);
	for (unsigned i = 0; i < PROXY_PORTS; i++) {
		check_text(p->ports[i].error);
		must(p->ports[i].status == 0 || (p->ports[i].status >= 100 && p->ports[i].status <= 999));
	}
	must(p->processes.len <= 32);
	for (size_t i = 0; i < p->processes.len; i++) {
		check_text(p->processes.v[i].command);
		must(p->processes.v[i].pid > 0 && p->processes.v[i].seconds >= -1);
	}
}

static void use(struct snapshot *s, const char *name, const char *data, size_t size)
{
	struct bundle b = { .s = s };
	struct member m = { .role = MEMBER_NODE, .path = strdup(name), .node = strdup("n"), .file = node_file_find(name) };
	char *copy = malloc(size + 1);

	must(m.path && m.node && m.file && copy);
	memcpy(copy, data, size);
	copy[size] = '\0';
	must(node_file_use(&b, &m, copy, size) == 0);
	member_release(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const files[] = { "kube-proxy-metrics.txt", "kube-proxy-healthz.json", "kube-proxy-livez.json", "kube-proxy-http.txt", "ps.txt",
					     "kube-proxy-mode.txt" };
	struct snapshot s;
	const struct snap_node *n;
	const char *name;

	if (size == 0)
		return 0;
	name = files[(data[0] < '0' ? data[0] : data[0] - '0') % ARRAY_LEN(files)];
	snapshot_init(&s);
	use(&s, name, (const char *)data + 1, size - 1);
	n = snapshot_node(&s, "n", false);
	must(n);
	check(&n->proxy);
	snapshot_release(&s);
	return 0;
}
