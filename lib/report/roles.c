/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Roles and their bindings as objects of rbac.authorization.k8s.io/v1: YAML for people, where comments say what each right is for, and
 * a List in JSON. Both are made from one tree: strings in the YAML are JSON's, which YAML reads alike.
 */
#include <errno.h>

#include "report-private.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

static const char *role_kind(const struct k8s_role *role)
{
	return role->ns ? "Role" : "ClusterRole";
}

/* ---- JSON ---- */

static json_t *metadata_json(struct doc *doc, const struct k8s_role *role)
{
	json_t *o = json_object();
	doc_set(doc, o, "name", doc_string(doc, role->name));
	if (role->ns) {
		doc_set(doc, o, "namespace", doc_string(doc, role->ns));
	}
	return o;
}

static json_t *object_json(struct doc *doc, const struct k8s_role *role, const char *suffix)
{
	struct strbuf kind CLEANUP(strbuf_release) = STRBUF_INIT;
	json_t *o = json_object();
	strbuf_addf(&kind, "%s%s", role_kind(role), suffix);
	doc_set(doc, o, "apiVersion", doc_string(doc, RBAC_GROUP "/v1"));
	doc_set(doc, o, "kind", doc_string(doc, strbuf_str(&kind)));
	doc_set(doc, o, "metadata", metadata_json(doc, role));
	return o;
}

static json_t *one_string(struct doc *doc, const char *s)
{
	json_t *a = json_array();
	doc_add(doc, a, doc_string(doc, s));
	return a;
}

static json_t *right_json(struct doc *doc, const struct k8s_right *right)
{
	json_t *o = json_object(), *verbs = json_array(), *names = json_array();
	for (size_t i = 0; right->names && right->names[i]; i++) {
		doc_add(doc, names, doc_string(doc, right->names[i]));
	}
	if (right->get) {
		doc_add(doc, verbs, doc_string(doc, "get"));
	}
	if (right->list) {
		doc_add(doc, verbs, doc_string(doc, "list"));
	}
	doc_set(doc, o, "apiGroups", one_string(doc, right->group));
	doc_set(doc, o, "resources", one_string(doc, right->resource));
	if (right->names) {
		doc_set(doc, o, "resourceNames", names);
	} else {
		json_decref(names);
	}
	doc_set(doc, o, "verbs", verbs);
	return o;
}

static json_t *subject_json(struct doc *doc, const struct k8s_subject *s)
{
	static const char *const kinds[] = { "User", "Group", "ServiceAccount" };
	json_t *o = json_object();
	doc_set(doc, o, "kind", doc_string(doc, kinds[s->kind]));
	if (s->kind == SUBJECT_SERVICE_ACCOUNT) {
		doc_set(doc, o, "namespace", doc_string(doc, s->ns));
	} else {
		doc_set(doc, o, "apiGroup", doc_string(doc, RBAC_GROUP));
	}
	doc_set(doc, o, "name", doc_string(doc, s->name));
	return o;
}

static json_t *role_json(struct doc *doc, const struct k8s_role *role)
{
	json_t *o = object_json(doc, role, ""), *rules = json_array();
	for (size_t i = 0; i < role->nrights; i++) {
		doc_add(doc, rules, right_json(doc, &role->rights[i]));
	}
	doc_set(doc, o, "rules", rules);
	return o;
}

static json_t *binding_json(struct doc *doc, const struct k8s_role *role, const struct k8s_subject *subjects,
			    size_t nsubjects)
{
	json_t *o = object_json(doc, role, "Binding"), *ref = json_object(), *all = json_array();
	doc_set(doc, ref, "apiGroup", doc_string(doc, RBAC_GROUP));
	doc_set(doc, ref, "kind", doc_string(doc, role_kind(role)));
	doc_set(doc, ref, "name", doc_string(doc, role->name));
	for (size_t i = 0; i < nsubjects; i++) {
		doc_add(doc, all, subject_json(doc, &subjects[i]));
	}
	doc_set(doc, o, "roleRef", ref);
	doc_set(doc, o, "subjects", all);
	return o;
}

/* ---- YAML ---- */

/* Text or an array on one line: JSON is YAML's flow style. */
static int yaml_flow(struct strbuf *b, const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY);
	if (!text) {
		return -ENOMEM;
	}
	strbuf_adds(b, text);
	free(text);
	return 0;
}

/* A plain word where every YAML reads it as text, else in quotes. */
static int yaml_scalar(struct strbuf *b, const json_t *value)
{
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true", "false", "null" };
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-./";
	const char *s = json_string_value(value);
	bool plain = s && strchr(letters, s[0]) && s[0] > '9' && s[strspn(s, letters)] == 0;
	for (size_t i = 0; plain && i < ARRAY_LEN(words); i++) {
		plain = strcasecmp(s, words[i]) != 0;
	}
	if (plain) {
		strbuf_adds(b, s);
		return 0;
	}
	return yaml_flow(b, value);
}

/* The members of @o behind @indent spaces; the first one goes on in the line that has begun. */
static int yaml_members(struct strbuf *b, json_t *o, int indent, bool first)
{
	const char *key;
	json_t *value;
	int r = 0;
	json_object_foreach(o, key, value)
	{
		if (!first) {
			strbuf_addf(b, "%*s", indent, "");
		}
		first = false;
		strbuf_addf(b, "%s:", key);
		if (json_is_object(value)) {
			strbuf_addc(b, '\n');
			r = yaml_members(b, value, indent + 2, false);
		} else {
			strbuf_addc(b, ' ');
			r = json_is_array(value) ? yaml_flow(b, value) : yaml_scalar(b, value);
			strbuf_addc(b, '\n');
		}
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static void yaml_why(struct strbuf *b, int indent, const char *why, bool optional)
{
	strbuf_addf(b, "%*s# %s%s\n", indent, "", optional ? "optional: " : "", why);
}

/* An object whose list @key is written item by item, with a comment for each right of @role (NULL: none). */
static int yaml_object(struct strbuf *b, json_t *o, const char *key, const struct k8s_role *role)
{
	json_t *list = json_incref(json_object_get(o, key)), *item;
	size_t i;
	json_object_del(o, key);
	int r = yaml_members(b, o, 0, false);
	strbuf_addf(b, "%s:\n", key);
	json_array_foreach(list, i, item)
	{
		if (role) {
			yaml_why(b, 2, role->rights[i].why, role->rights[i].need != NEED_ALWAYS && !role->optional);
		}
		strbuf_adds(b, "  - ");
		r = r < 0 ? r : yaml_members(b, item, 4, true);
	}
	json_decref(list);
	return r;
}

static int yaml_role(struct strbuf *b, const struct k8s_role *role, json_t *object, json_t *binding)
{
	strbuf_adds(b, b->len ? "---\n" : "");
	yaml_why(b, 0, role->why, role->optional);
	int r = yaml_object(b, object, "rules", role);
	if (r == 0 && binding) {
		strbuf_adds(b, "---\n");
		r = yaml_object(b, binding, "subjects", NULL);
	}
	return r;
}

int report_roles(const struct report *r, const struct k8s_role *roles, size_t n,
		 const struct k8s_subject *subjects, size_t nsubjects)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct doc doc = { .root = json_object() };
	json_t *items = json_array();
	int result = 0;
	doc_set(&doc, doc.root, "apiVersion", doc_string(&doc, "v1"));
	doc_set(&doc, doc.root, "kind", doc_string(&doc, "List"));
	for (size_t i = 0; i < n && result == 0; i++) {
		json_t *role = role_json(&doc, &roles[i]);
		json_t *binding = nsubjects ? binding_json(&doc, &roles[i], subjects, nsubjects) : NULL;
		result = r->format == REPORT_JSON ? 0 : yaml_role(&b, &roles[i], role, binding);
		doc_add(&doc, items, role);
		if (binding) {
			doc_add(&doc, items, binding);
		}
	}
	doc_set(&doc, doc.root, "items", items);
	if (r->format == REPORT_JSON) {
		return doc_end(&doc, r);
	}
	json_decref(doc.root);
	return result < 0 || doc.failed ? -ENOMEM : text_write(r, &b);
}
