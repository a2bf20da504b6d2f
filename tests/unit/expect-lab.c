/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorded clusters for the tests of lib/expect. */
#include "expect-lab.h"

#include <fcntl.h>

void expect_lab_open(struct expect_lab *l, const char *name, const char *node, enum expect_mode mode)
{
	char path[200];
	memset(l, 0, sizeof(*l));
	(void)snprintf(path, sizeof(path), "tests/corpus/%s", name);
	lab_open(&l->lab, path);
	l->snap = snapshot_node(&l->lab.s, node, false);
	assert_non_null(l->snap);
	l->node = (struct expect_node){
		.mode = mode,
		.name = node,
		.object = k8s_find_node(&l->lab.s.cluster, node),
		.facts = &l->snap->facts,
		.config = snapshot_proxy_config(&l->lab.s, l->snap),
		.minor = 36,
		.cluster = &l->lab.s.cluster,
	};
	assert_true(l->node.config->known);
	assert_non_null(l->node.object);
	for (size_t i = 0; i < l->node.object->naddresses; i++) {
		const struct k8s_node_address *a = &l->node.object->addresses[i];
		if (strcmp(a->type, "InternalIP") == 0) {
			*(a->ip.family == AF_INET ? &l->node.ip4 : &l->node.ip6) = a->ip;
		}
	}
}

void expect_lab_release(struct expect_lab *l)
{
	arena_release(&l->arena);
	lab_release(&l->lab);
}

void expect_lab_rules(struct expect_lab *l, int family, struct expect_rules *ret)
{
	const struct k8s_cluster *c = &l->lab.s.cluster;
	assert_int_equal(expect_common_rules(&l->arena, &l->node, family, ret), 0);
	for (size_t i = 0; i < c->services.len; i++) {
		struct expect_service s;
		assert_int_equal(expect_service(&l->arena, c, c->services.v[i], &l->node, &s), 0);
		for (size_t j = 0; j < s.nports; j++) {
			if (s.ports[j].family == family) {
				assert_int_equal(expect_port_rules(&l->arena, &l->node, &s, &s.ports[j], ret), 0);
			}
		}
	}
}

char *expect_lab_file(struct arena *arena, const char *path)
{
	char *data = NULL;
	size_t size;
	assert_int_equal(file_read_at(AT_FDCWD, path, 64u << 20, &data, &size), 0);
	char *copy = arena_strdup(arena, data);
	assert_non_null(copy);
	free(data);
	return copy;
}

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_unique(expect_lines *l)
{
	size_t n = 0;
	qsort(l->v, l->len, sizeof(*l->v), line_cmp);
	for (size_t i = 0; i < l->len; i++) {
		if (n == 0 || strcmp(l->v[n - 1], l->v[i]) != 0) {
			l->v[n++] = l->v[i];
		}
	}
	l->len = n;
}

void expect_lines_compare(const char *what, expect_lines *have, expect_lines *want, size_t least)
{
	size_t i = 0, j = 0, differences = 0;
	qsort(have->v, have->len, sizeof(*have->v), line_cmp);
	sort_unique(want);
	while (i < have->len || j < want->len) {
		int c = i == have->len ? 1 : j == want->len ? -1 : strcmp(have->v[i], want->v[j]);
		if (c != 0) {
			print_error("%s: %s: %s\n", what, c < 0 ? "only in the dump" : "only expected",
				    c < 0 ? have->v[i] : want->v[j]);
			differences++;
		}
		i += c <= 0;
		j += c >= 0;
	}
	assert_int_equal(differences, 0);
	assert_true(have->len >= least);
	array_free(have);
	array_free(want);
}
