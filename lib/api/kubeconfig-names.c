/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names that a kubeconfig has, for completion. */
#include <errno.h>

#include "kubeconfig-private.h"

static int list_names(struct arena *arena, const struct kubeconfig *k, enum kc_list list, const char *const **ret)
{
	size_t n = k->entries[list].len;
	const char **names = arena_array(arena, const char *, n + 1);

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		names[i] = ((const struct kc_origin *)k->entries[list].v[i])->name; /* each begins with it */
	*ret = names;
	return 0;
}

int api_kubeconfig_names(struct arena *arena, const char *path, enum api_names what, const char *const **ret)
{
	static const enum kc_list lists[] = { [API_CONTEXTS] = KC_CONTEXTS, [API_CLUSTERS] = KC_CLUSTERS, [API_USERS] = KC_USERS };
	struct kubeconfig k CLEANUP(kubeconfig_release) = { 0 };
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	int r = kubeconfig_load(arena, path, &notes, &k);

	return r < 0 ? r : list_names(arena, &k, lists[what], ret);
}
