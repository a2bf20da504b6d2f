/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list splitter and every decoder of lib/k8s: any bytes as a document of a bundle's cluster/ folder. Of one value: our tree against jansson's,
 * and that nothing sound is damaged by cutting what is not read.
 */

#include <jansson.h>

#include <svcdoctor/source.h>

#include "lib/base/json-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void compare_trees(const char *data, size_t size, const json_t *want)
{
	struct cursor scanned = { data, data + size }, c = scanned;
	json_t *tree;

	if (scan_value(&scanned) != SCAN_OK || scanned.p != scanned.end)
		return;
	tree = json_tree(&c);
	require(tree ? c.p == c.end && json_equal(tree, want) : !want);
	json_decref(tree);
}

static void cut_unread(const char *data, size_t size, const json_t *whole)
{
	char *copy = malloc(size + 1);
	json_t *o;
	size_t n;

	if (!copy)
		return;
	memcpy(copy, data, size);
	copy[size] = '\0';
	n = json_keep(copy, size, k8s_fields);
	require(n <= size && copy[n] == '\0');
	o = json_loadb(copy, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	require(o || !whole);
	require(!whole || json_keep(copy, n, k8s_fields) == n);
	json_decref(o);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *o = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct snapshot s;

	compare_trees((const char *)data, size, o);
	cut_unread((const char *)data, size, o);
	json_decref(o);
	snapshot_init(&s);
	(void)read_cluster_json(&s, "services.json", (const char *)data, size, "services.json");
	(void)read_cluster_json(&s, "version.json", (const char *)data, size, "version.json");
	(void)snapshot_finish(&s);
	snapshot_release(&s);
	return 0;
}
