/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kube-proxy's configuration from the ConfigMap that kubeadm makes: YAML, which lib/k8s decodes like configz. */

#include <errno.h>
#include <jansson.h>

#include "bundle-private.h"

static const struct yaml_limits limits = { .size = 1u << 20, .nodes = 10000, .depth = 32 };

static void note_bad(struct sd_notes *notes, const char *file, uint32_t line, uint32_t column, const char *why)
{
	sd_note_add(notes, true, "bad-yaml", file, line, column, NULL, "kube-proxy's configuration cannot be read: %s", why);
}

int proxy_config_from_yaml(struct arena *arena, const char *text, size_t size, const char *file,
			   struct sd_notes *notes, struct kube_proxy_config *ret)
{
	struct yaml_fault fault;
	json_t *tree;
	uint32_t line = 0, column = 0;
	int r = yaml_to_json(text, size, &limits, &tree, &fault);

	if (r < 0) {
		if (r != -ENOMEM)
			note_bad(notes, file, fault.line, fault.column, fault.why);
		return r == -ENOMEM ? r : SD_EPARSE;
	}
	r = kube_proxy_config_decode(arena, tree, ret);
	json_decref(tree);
	if (r == 0 || r == -ENOMEM)
		return r;
	(void)yaml_place(text, size, NULL, 0, &line, &column);
	note_bad(notes, file, line, 0, "it is no valid KubeProxyConfiguration");
	return SD_EPARSE;
}

int proxy_config_from_cluster(struct snapshot *s)
{
	static const char source[] = "ConfigMap kube-system/kube-proxy";
	const struct k8s_configmap *found = NULL;
	const char *text;
	int r;

	/* The list is not finished yet: of doubles the last one counts. */
	for (size_t i = s->cluster.configmaps.len; i-- > 0 && !found;) {
		const struct k8s_configmap *c = s->cluster.configmaps.v[i];

		if (strcmp(c->meta.ns, "kube-system") == 0 && strcmp(c->meta.name, "kube-proxy") == 0)
			found = c;
	}
	text = found ? k8s_configmap_get(found, "config.conf") : NULL;
	if (!text)
		return 0;
	r = proxy_config_from_yaml(&s->arena, text, strlen(text), source, &s->notes, &s->configmap_config);
	if (r == 0)
		s->configmap_config.source = source;
	return r == -ENOMEM ? r : 0;
}
