/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy's configuration from the ConfigMap that kubeadm makes: YAML is turned into a JSON tree, which
 * lib/k8s decodes like configz. The only user of libyaml. Scalars follow sigs.k8s.io/yaml, which kube-proxy
 * reads its file with.
 */

#include <errno.h>
#include <jansson.h>
#include <yaml.h>

#include "bundle-private.h"

/* Limits of the tree: aliases let a short text stand for an endless one. */
#define YAML_SIZE_MAX (1u << 20)
#define YAML_DEPTH_MAX 32
#define YAML_NODES_MAX 10000

struct yaml_reader {
	yaml_document_t *doc;
	size_t nodes;
	int err;
};

static bool is_one_of(const char *s, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(s, *words) == 0)
			return true;
	}
	return false;
}

/* A plain scalar has the type that it looks like; a quoted one is a string. */
static json_t *convert_scalar(const yaml_node_t *n)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = {
		"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL
	};
	static const char *const no[] = { "false", "False", "FALSE", "no",  "No",
					  "NO",	   "off",   "Off",   "OFF", NULL };
	const char *s = (const char *)n->data.scalar.value;
	size_t len = n->data.scalar.length, sign = len > 0 && s[0] == '-';
	uint64_t number;

	if (n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		if (is_one_of(s, nulls))
			return json_null();
		if (is_one_of(s, yes))
			return json_true();
		if (is_one_of(s, no))
			return json_false();
		if (parse_uint(s + sign, len - sign, INT64_MAX, &number) == 0)
			return json_integer(sign ? -(json_int_t)number : (json_int_t)number);
	}
	return json_stringn(s, len);
}

static json_t *convert(struct yaml_reader *r, int index, unsigned depth);

static json_t *convert_sequence(struct yaml_reader *r, const yaml_node_t *n, unsigned depth)
{
	json_t *a = json_array();

	for (const yaml_node_item_t *i = n->data.sequence.items.start; a && i < n->data.sequence.items.top;
	     i++) {
		if (json_array_append_new(a, convert(r, *i, depth)) < 0 && r->err == 0)
			r->err = -ENOMEM;
	}
	return a;
}

static json_t *convert_mapping(struct yaml_reader *r, const yaml_node_t *n, unsigned depth)
{
	json_t *o = json_object();

	for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; o && p < n->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *key = yaml_document_get_node(r->doc, p->key);

		if (!key || key->type != YAML_SCALAR_NODE) {
			r->err = r->err ? r->err : SD_EPARSE;
			continue;
		}
		if (json_object_set_new(o, (const char *)key->data.scalar.value,
					convert(r, p->value, depth)) < 0 &&
		    r->err == 0)
			r->err = SD_EPARSE;
	}
	return o;
}

/* NULL with err set when the tree is too large or memory is out. */
static json_t *convert(struct yaml_reader *r, int index, unsigned depth)
{
	const yaml_node_t *n = yaml_document_get_node(r->doc, index);
	json_t *v = NULL;

	if (!n || depth > YAML_DEPTH_MAX || ++r->nodes > YAML_NODES_MAX) {
		r->err = r->err ? r->err : SD_ELIMIT;
		return NULL;
	}
	if (n->type == YAML_SCALAR_NODE)
		v = convert_scalar(n);
	else if (n->type == YAML_SEQUENCE_NODE)
		v = convert_sequence(r, n, depth + 1);
	else if (n->type == YAML_MAPPING_NODE)
		v = convert_mapping(r, n, depth + 1);
	if (!v && r->err == 0)
		r->err = SD_EPARSE; /* such as invalid UTF-8 */
	return v;
}

static void note_bad(struct sd_notes *notes, const char *file, size_t line, size_t column, const char *why)
{
	sd_note_add(notes, true, "bad-yaml", file, (uint32_t)line, (uint32_t)column, NULL,
		    "kube-proxy's configuration cannot be read: %s", why);
}

static int decode_document(struct arena *arena, yaml_document_t *doc, const char *file,
			   struct sd_notes *notes, struct kube_proxy_config *ret)
{
	struct yaml_reader r = { .doc = doc };
	const yaml_node_t *root = yaml_document_get_root_node(doc);
	json_t *tree = root ? convert(&r, 1, 0) : NULL;
	int result = r.err;

	if (result == 0)
		result = kube_proxy_config_decode(arena, tree, ret);
	json_decref(tree);
	if (result == 0 || result == -ENOMEM)
		return result;
	note_bad(notes, file, root ? root->start_mark.line + 1 : 0, 0,
		 result == SD_ELIMIT ? "it is too large" : "it is no valid KubeProxyConfiguration");
	return SD_EPARSE;
}

int proxy_config_from_yaml(struct arena *arena, const char *text, size_t size, const char *file,
			   struct sd_notes *notes, struct kube_proxy_config *ret)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	int r;

	if (size > YAML_SIZE_MAX) {
		note_bad(notes, file, 0, 0, "it is too large");
		return SD_EPARSE;
	}
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	if (yaml_parser_load(&parser, &doc)) {
		r = decode_document(arena, &doc, file, notes, ret);
		yaml_document_delete(&doc);
	} else if (parser.error == YAML_MEMORY_ERROR) {
		r = -ENOMEM;
	} else {
		note_bad(notes, file, parser.problem_mark.line + 1, parser.problem_mark.column + 1,
			 parser.problem ? parser.problem : "it is no YAML");
		r = SD_EPARSE;
	}
	yaml_parser_delete(&parser);
	return r;
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
	text = found ? k8s_label_get(&(struct k8s_labels){ found->data, found->ndata }, "config.conf") : NULL;
	if (!text)
		return 0;
	r = proxy_config_from_yaml(&s->arena, text, strlen(text), source, &s->notes, &s->configmap_config);
	if (r == 0)
		s->configmap_config.source = source;
	return r == -ENOMEM ? r : 0;
}
