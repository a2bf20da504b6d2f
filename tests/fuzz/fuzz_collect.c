/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a page of a list that is collected: what is cut out of it lies within, and of good JSON is its items. */
#include <jansson.h>

#include "lib/source/collect-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool all_objects(const json_t *items)
{
	const json_t *o;
	size_t i;

	json_array_foreach(items, i, o) {
		if (!json_is_object(o))
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct page_parts p;
	json_t *o, *items;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	o = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	items = json_object_get(o, "items");
	if (page_split(text, size, &p) == 0) {
		must(p.items.size == 0 || (p.items.at >= text && p.items.at + p.items.size <= text + size));
		must((p.items.size == 0) == (p.count == 0));
		if (json_is_array(items) && !memchr(text, '\\', size))
			must(p.count == json_array_size(items));
	} else if (o && json_is_string(json_object_get(o, "kind")) && json_is_array(items) && !memchr(text, '\\', size)) {
		must(!all_objects(items));
	}
	json_decref(o);
	free(text);
	return 0;
}
