/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration of the pod network, as files of /etc/cni/net.d (the specification of CNI, section 1): a list of plugins, or one
 * plugin alone. Of each file those plugins are kept that make a bridge or have its settings, or else the first one, so that it is known
 * which network comes first. flannel hands the settings of its "delegate" to the plugin bridge (containernetworking/plugins, flannel).
 */

#include <errno.h>
#include <jansson.h>

#include <svcdoctor/source.h>

#define CONFIG_MAX (1u << 20)
#define PLUGINS_MAX 64

static const char *copy(struct arena *a, const char *s, int *r)
{
	char *c = s ? arena_clean(a, s) : NULL;

	if (s && !c)
		*r = -ENOMEM;
	return c;
}

static int setting(const json_t *plugin, const json_t *delegate, const char *key)
{
	int own = json_tri(plugin, key);

	return own >= 0 ? own : json_tri(delegate, key);
}

static bool makes_bridge(const struct snap_cni *c)
{
	return str_is(c->type, "bridge") || c->bridge || c->hairpin >= 0 || c->promisc >= 0;
}

static int take_plugin(struct arena *a, const json_t *plugin, struct snap_cni *c)
{
	const json_t *delegate = json_obj(plugin, "delegate");
	const char *bridge = json_str(plugin, "bridge");
	int r = 0;

	c->type = copy(a, json_str(plugin, "type"), &r);
	c->bridge = copy(a, bridge ? bridge : json_str(delegate, "bridge"), &r);
	c->hairpin = setting(plugin, delegate, "hairpinMode");
	c->promisc = setting(plugin, delegate, "promiscMode");
	c->masq = setting(plugin, delegate, "ipMasq");
	/* plugins/main/bridge: the name where none is given */
	if (!c->bridge && (str_is(c->type, "bridge") || str_is(c->type, "flannel")))
		c->bridge = "cni0";
	return r;
}

static int take_network(struct snapshot *s, struct snap_node *n, const json_t *o, const char *name)
{
	const json_t *plugins = json_arr(o, "plugins");
	size_t count = plugins ? MIN(json_array_size(plugins), (size_t)PLUGINS_MAX) : 1;
	struct snap_cni first = { .hairpin = -1, .promisc = -1, .masq = -1 }, c;
	bool any = false;
	int r = 0;

	first.file = copy(&s->arena, name, &r);
	first.network = copy(&s->arena, json_str(o, "name"), &r);
	c = first;
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = take_plugin(&s->arena, plugins ? json_array_get(plugins, i) : o, &c);
		if (i == 0)
			first.type = c.type;
		if (r == 0 && makes_bridge(&c)) {
			any = true;
			r = array_push(&n->cni, c);
		}
	}
	return r < 0 || any ? r : array_push(&n->cni, first);
}

int read_cni(struct snapshot *s, const char *node, const char *name, const char *data, size_t size, const char *file)
{
	json_error_t error = { .text = "it is too large" };
	json_t *o = size <= CONFIG_MAX ? json_loadb(data, size, 0, &error) : NULL;
	struct snap_node *n = snapshot_node(s, node, true);
	int r = n ? 0 : -ENOMEM;

	if (!o) {
		sd_note_add(&s->notes, true, "bad-json", file, error.line > 0 ? (uint32_t)error.line : 0,
			    error.column > 0 ? (uint32_t)error.column : 0, NULL, "%s", error.text);
	} else if (!json_arr(o, "plugins") && !json_str(o, "type")) {
		sd_note_add(&s->notes, true, "bad-json", file, 1, 0, NULL, "this is no configuration of a CNI network");
	} else if (r == 0) {
		n->cni_known = true;
		r = take_network(s, n, o, name);
	}
	json_decref(o);
	return r;
}
