/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A resolv.conf of any kind, and behind a line "%%" a name that somebody types: both libcs, with every answer unknown, NXDOMAIN and no data,
 * and what a kubelet makes of the file. What is asked must be names that fit into a question.
 */
#include <svcdoctor/names.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
	struct arena *arena;
	uint8_t rcode;
};

static const struct dns_answer *told(void *arg, const char *name, uint16_t type)
{
	const struct told *t = arg;
	struct dns_answer *a = arena_new(t->arena, struct dns_answer);

	if (a)
		*a = (struct dns_answer){ .q = { .name = name, .type = type }, .end = DNS_ANSWERED, .rcode = t->rcode, .ra = true };
	return a;
}

static void walk(struct arena *arena, const struct resolv_view *v, const char *typed, libc_answer_fn *fn, uint8_t rcode)
{
	struct told t = { arena, rcode };
	struct libc_walk w;
	size_t needed = 0;

	if (libc_walk(arena, v, typed, fn, &t, &w) < 0)
		return;
	for (size_t i = 0; i < w.steps.len; i++) {
		if (strlen(w.steps.v[i].name) > 254 || !w.steps.v[i].outcome)
			abort();
		needed += w.steps.v[i].needed;
	}
	if (w.queries > w.queries_at_most || w.queries > 2 * needed)
		abort();
	libc_walk_release(&w);
}

static void view(struct arena *arena, const struct resolv_conf *c, enum libc libc, const char *typed)
{
	struct resolv_view v;

	if (resolv_view_make(arena, c, libc, &v) < 0)
		return;
	if (!v.nservers || v.nservers > 3 || v.ndots > 15)
		abort();
	walk(arena, &v, typed, NULL, 0);
	walk(arena, &v, typed, told, DNS_NXDOMAIN);
	walk(arena, &v, typed, told, DNS_NOERROR);
	walk(arena, &v, typed, told, DNS_SERVFAIL);
	resolv_view_release(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const dns[] = { "10.96.0.10" };
	const char *end = size ? memmem(data, size, "%%\n", 3) : NULL;
	size_t len = end ? (size_t)(end - (const char *)data) : size;
	struct arena arena = { 0 };
	struct sd_notes notes = { 0 };
	struct resolv_conf c;
	struct kubelet_resolv k;
	char *typed = arena_strndup(&arena, end ? end + 3 : "web", end ? size - len - 3 : 3);

	if (typed && resolv_conf_read(&arena, (const char *)data, len, "fuzz", &notes, &c) == 0) {
		struct kubelet_dns from = { .cluster_dns = dns, .ncluster_dns = size % 2, .cluster_domain = "cluster.local", .node = &c,
					    .old_limits = size % 3 == 0 };
		view(&arena, &c, LIBC_GLIBC, typed);
		view(&arena, &c, LIBC_MUSL, typed);
		if (kubelet_resolv_make(&arena, &from, &(struct pod_dns){ .ns = "shop" }, &k) == 0)
			kubelet_resolv_release(&k);
		resolv_conf_release(&c);
	}
	sd_notes_release(&notes);
	arena_release(&arena);
	return 0;
}
