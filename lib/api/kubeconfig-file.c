/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One kubeconfig file: YAML or JSON of client-go's tools/clientcmd/api/v1, decoded by tables of fields. As there, unknown fields do not
 * count, null is nothing, and a field of a wrong type anywhere makes the whole file unusable: the record says where it stands.
 */
#include <errno.h>
#include <jansson.h>

#include "kubeconfig-private.h"

static const struct yaml_limits limits = { .size = 32u << 20, .nodes = 1000000, .depth = 64 };

enum { STEPS_MAX = 12, CODE_MAX = 160 };

struct reader {
	struct arena *arena;
	struct sd_notes *notes;
	const char *text, *file, *folder;
	size_t size;
	struct yaml_step steps[STEPS_MAX]; /* the way to the value at hand */
	size_t nsteps;
	int err;
};

/* A field of an object: how it is read, and where it goes. */
struct field;
typedef void read_fn(struct reader *r, const struct json_t *v, void *into, const struct field *f);
struct field {
	const char *key;
	read_fn *read;
	size_t offset;
	const struct field *fields; /* of read_object */
};

static void read_fields(struct reader *r, const struct json_t *o, const struct field *fields, void *into);

/* ---- what is wrong ---- */

/* "users[2].user.token" */
static void add_path(const struct reader *r, struct strbuf *b)
{
	for (size_t i = 0; i < r->nsteps; i++) {
		if (r->steps[i].key) {
			strbuf_adds(b, i > 0 ? "." : "");
			strbuf_add_clean(b, r->steps[i].key);
		} else {
			strbuf_addf(b, "[%zu]", r->steps[i].index);
		}
	}
}

static void bad(struct reader *r, const char *hint, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void bad(struct reader *r, const char *hint, const char *fmt, ...)
{
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	char why[CODE_MAX];
	uint32_t line = 0, column = 0;
	va_list ap;

	if (r->err < 0)
		return; /* the first one counts, as in kubectl */
	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	add_path(r, &path);
	(void)yaml_place(r->text, r->size, r->steps, r->nsteps, &line, &column);
	sd_note_add(r->notes, true, "bad-kubeconfig", r->file, line, column, hint, "%s%s%s %s", path.len ? "'" : "",
		    path.len ? strbuf_str(&path) : "the document", path.len ? "'" : "", why);
	r->err = SD_EPARSE;
}

static const char *type_name(const struct json_t *v)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "a mapping", [JSON_ARRAY] = "a list", [JSON_STRING] = "text", [JSON_INTEGER] = "a number",
		[JSON_REAL] = "a number",    [JSON_TRUE] = "a yes or no", [JSON_FALSE] = "a yes or no", [JSON_NULL] = "nothing",
	};

	return names[json_typeof(v)];
}

static void bad_type(struct reader *r, const struct json_t *v, const char *want)
{
	bool scalar = json_is_number(v) || json_is_boolean(v);

	bad(r, scalar && strcmp(want, "text") == 0 ? "put the value in double quotes" : NULL, "must be %s, not %s", want, type_name(v));
}

static void out_of_memory(struct reader *r)
{
	r->err = -ENOMEM;
}

static bool enter(struct reader *r, const char *key, size_t index)
{
	if (r->err < 0 || r->nsteps >= STEPS_MAX)
		return false;
	r->steps[r->nsteps++] = (struct yaml_step){ key, index };
	return true;
}

static void leave(struct reader *r)
{
	r->nsteps--;
}

/* ---- values; null was sorted out before ---- */

static const char *copy_text(struct reader *r, const struct json_t *v)
{
	const char *s = "";

	if (json_is_null(v))
		return s;
	if (!json_is_string(v))
		bad_type(r, v, "text");
	else if (strlen(json_string_value(v)) != json_string_length(v))
		bad(r, NULL, "must not hold a zero byte");
	else if (!(s = arena_strndup(r->arena, json_string_value(v), json_string_length(v))))
		out_of_memory(r);
	return s;
}

static void read_text(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	(void)f;
	*(const char **)into = copy_text(r, v);
}

/* A path of a file, relative to that of the kubeconfig. */
static void read_path(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	const char *s = copy_text(r, v);

	(void)f;
	if (s && *s)
		s = path_join(r->arena, r->folder, s);
	if (!s)
		out_of_memory(r);
	*(const char **)into = s;
}

/* A command is a path only with a slash in it: others are looked for in PATH. */
static void read_command(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	const char *s = json_string_value(v);

	if (s && strchr(s, '/'))
		read_path(r, v, into, f);
	else
		read_text(r, v, into, f);
}

static void read_bool(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	(void)f;
	if (!json_is_boolean(v))
		bad_type(r, v, "true or false");
	*(bool *)into = json_is_true(v);
}

static void read_data(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	struct kc_data *data = into;
	int err;

	(void)f;
	if (!json_is_string(v)) {
		bad_type(r, v, "base64 text");
		return;
	}
	err = base64_decode(r->arena, json_string_value(v), json_string_length(v), data);
	if (err == -ENOMEM)
		out_of_memory(r);
	else if (err < 0)
		bad(r, NULL, "is no valid base64");
}

static void read_texts(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	struct kc_texts *texts = into;
	size_t n = json_array_size(v);
	const char **all = arena_array(r->arena, const char *, n + 1);

	(void)f;
	if (!json_is_array(v))
		bad_type(r, v, "a list of texts");
	else if (!all)
		out_of_memory(r);
	for (size_t i = 0; i < n && all && enter(r, NULL, i); i++, leave(r))
		all[i] = copy_text(r, json_array_get(v, i));
	if (r->err == 0)
		*texts = (struct kc_texts){ all, n };
}

/* as-user-extra: a list of texts for each key. */
static void read_extra(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	struct kc_pairs *pairs = into;
	ARRAY_OF(struct api_exec_env) all = { 0 };
	const char *key;
	json_t *value, *o = json_is_object(v) ? (json_t *)(uintptr_t)v : NULL;

	if (!o)
		bad_type(r, v, "a mapping");
	json_object_foreach(o, key, value) {
		struct kc_texts values = { 0 };
		const char *name = arena_strdup(r->arena, key);

		if (!name)
			out_of_memory(r);
		if (enter(r, name, 0)) {
			if (!json_is_null(value))
				read_texts(r, value, &values, f);
			leave(r);
		}
		for (size_t i = 0; r->err == 0 && i < values.len; i++) {
			if (array_push(&all, ((struct api_exec_env){ name, values.v[i] })) < 0)
				out_of_memory(r);
		}
	}
	struct api_exec_env *kept = arena_array(r->arena, struct api_exec_env, all.len + 1);
	if (kept && all.len > 0)
		memcpy(kept, all.v, all.len * sizeof(*kept));
	if (!kept)
		out_of_memory(r);
	*pairs = (struct kc_pairs){ kept, all.len };
	array_free(&all);
}

static void read_object(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	read_fields(r, v, f->fields, into);
}

static const struct field env_fields[] = {
	{ "name", read_text, offsetof(struct api_exec_env, name), NULL },
	{ "value", read_text, offsetof(struct api_exec_env, value), NULL },
	{ 0 },
};

static void read_env(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	struct kc_pairs *pairs = into;
	size_t n = json_array_size(v);
	struct api_exec_env *all = arena_array(r->arena, struct api_exec_env, n + 1);

	(void)f;
	if (!json_is_array(v))
		bad_type(r, v, "a list");
	else if (!all)
		out_of_memory(r);
	for (size_t i = 0; i < n && all && enter(r, NULL, i); i++, leave(r)) {
		all[i] = (struct api_exec_env){ "", "" };
		read_fields(r, json_array_get(v, i), env_fields, &all[i]);
	}
	if (r->err == 0)
		*pairs = (struct kc_pairs){ all, n };
}

/* The names of a list: none may stand twice. */
static bool is_new(struct reader *r, struct map *seen, const char *name)
{
	struct strbuf clean CLEANUP(strbuf_release) = STRBUF_INIT;

	if (map_gets(seen, name)) {
		strbuf_add_clean(&clean, name);
		bad(r, NULL, "has the name '%s', as another entry of the list", strbuf_str(&clean));
	} else if (map_puts(seen, name, (void *)(uintptr_t)name) < 0) {
		out_of_memory(r);
	}
	return r->err == 0;
}

struct extension {
	const char *name;
	const struct json_t *value;
};

static void read_any(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	(void)r;
	(void)f;
	*(const struct json_t **)into = v;
}

static const struct field extension_fields[] = {
	{ "name", read_text, offsetof(struct extension, name), NULL },
	{ "extension", read_any, offsetof(struct extension, value), NULL },
	{ 0 },
};

/* Extensions say nothing here, but for the one that an exec plugin gets to see. @into: its JSON text, or NULL. */
static void read_extensions(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	struct map seen CLEANUP(map_release) = { 0 };

	(void)f;
	if (!json_is_array(v))
		bad_type(r, v, "a list");
	for (size_t i = 0; i < json_array_size(v) && enter(r, NULL, i); i++, leave(r)) {
		struct extension e = { "", NULL };

		read_fields(r, json_array_get(v, i), extension_fields, &e);
		if (r->err < 0 || !e.value || !is_new(r, &seen, e.name) || !into || strcmp(e.name, "client.authentication.k8s.io/exec") != 0)
			continue;
		char *text = json_dumps(e.value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
		*(const char **)into = text ? arena_strdup(r->arena, text) : NULL;
		if (!*(const char **)into)
			out_of_memory(r);
		free(text);
	}
}

static void check_extensions(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	(void)into;
	read_extensions(r, v, NULL, f);
}

static void check_text(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	(void)into;
	(void)f;
	(void)copy_text(r, v);
}

static void check_bool(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	bool b;

	(void)into;
	read_bool(r, v, &b, f);
}

/* The settings of an auth-provider: nothing but texts. */
static void check_texts_by_key(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	json_t *value, *o = json_is_object(v) ? (json_t *)(uintptr_t)v : NULL;
	const char *key;

	if (!o)
		bad_type(r, v, "a mapping");
	json_object_foreach(o, key, value) {
		if (enter(r, key, 0)) {
			check_text(r, value, into, f);
			leave(r);
		}
	}
}

static const struct field provider_fields[] = {
	{ "name", read_text, offsetof(struct kc_user, provider), NULL },
	{ "config", check_texts_by_key, 0, NULL },
	{ 0 },
};

static void read_provider(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	struct kc_user *u = into;

	(void)f;
	u->has_provider = true;
	read_fields(r, v, provider_fields, u);
}

static const struct field exec_fields[] = {
	{ "command", read_command, offsetof(struct kc_exec, command), NULL },
	{ "args", read_texts, offsetof(struct kc_exec, args), NULL },
	{ "env", read_env, offsetof(struct kc_exec, env), NULL },
	{ "apiVersion", read_text, offsetof(struct kc_exec, api_version), NULL },
	{ "installHint", read_text, offsetof(struct kc_exec, install_hint), NULL },
	{ "provideClusterInfo", read_bool, offsetof(struct kc_exec, provide_cluster_info), NULL },
	{ "interactiveMode", read_text, offsetof(struct kc_exec, interactive), NULL },
	{ 0 },
};

static void read_exec(struct reader *r, const struct json_t *v, void *into, const struct field *f)
{
	struct kc_exec *e = into;

	(void)f;
	e->given = true;
	read_fields(r, v, exec_fields, e);
}

static const struct field cluster_fields[] = {
	{ "server", read_text, offsetof(struct kc_cluster, server), NULL },
	{ "tls-server-name", read_text, offsetof(struct kc_cluster, tls_server_name), NULL },
	{ "insecure-skip-tls-verify", read_bool, offsetof(struct kc_cluster, insecure), NULL },
	{ "certificate-authority", read_path, offsetof(struct kc_cluster, ca_file), NULL },
	{ "certificate-authority-data", read_data, offsetof(struct kc_cluster, ca_data), NULL },
	{ "proxy-url", read_text, offsetof(struct kc_cluster, proxy_url), NULL },
	{ "disable-compression", read_bool, offsetof(struct kc_cluster, disable_compression), NULL },
	{ "extensions", read_extensions, offsetof(struct kc_cluster, exec_config), NULL },
	{ 0 },
};

static const struct field user_fields[] = {
	{ "client-certificate", read_path, offsetof(struct kc_user, cert_file), NULL },
	{ "client-certificate-data", read_data, offsetof(struct kc_user, cert_data), NULL },
	{ "client-key", read_path, offsetof(struct kc_user, key_file), NULL },
	{ "client-key-data", read_data, offsetof(struct kc_user, key_data), NULL },
	{ "token", read_text, offsetof(struct kc_user, token), NULL },
	{ "tokenFile", read_path, offsetof(struct kc_user, token_file), NULL },
	{ "as", read_text, offsetof(struct kc_user, as), NULL },
	{ "as-uid", read_text, offsetof(struct kc_user, as_uid), NULL },
	{ "as-groups", read_texts, offsetof(struct kc_user, as_groups), NULL },
	{ "as-user-extra", read_extra, offsetof(struct kc_user, as_extra), NULL },
	{ "username", read_text, offsetof(struct kc_user, username), NULL },
	{ "password", read_text, offsetof(struct kc_user, password), NULL },
	{ "auth-provider", read_provider, 0, NULL },
	{ "exec", read_exec, offsetof(struct kc_user, exec), NULL },
	{ "extensions", check_extensions, 0, NULL },
	{ 0 },
};

static const struct field context_fields[] = {
	{ "cluster", read_text, offsetof(struct kc_context, cluster), NULL },
	{ "user", read_text, offsetof(struct kc_context, user), NULL },
	{ "namespace", read_text, offsetof(struct kc_context, namespace_), NULL },
	{ "extensions", check_extensions, 0, NULL },
	{ 0 },
};

static void read_fields(struct reader *r, const struct json_t *o, const struct field *fields, void *into)
{
	if (json_is_null(o))
		return;
	if (!json_is_object(o)) {
		bad_type(r, o, "a mapping");
		return;
	}
	for (const struct field *f = fields; f->key; f++) {
		const json_t *v = json_object_get(o, f->key);

		if (v && !json_is_null(v) && enter(r, f->key, 0)) {
			f->read(r, v, (char *)into + f->offset, f);
			leave(r);
		}
	}
}

/* ---- the lists of named entries ---- */

static const struct kc_cluster no_cluster = {
	.server = "", .tls_server_name = "", .ca_file = "", .proxy_url = "", .exec_config = ""
};
static const struct kc_user no_user = {
	.cert_file = "", .key_file = "", .token_file = "", .token = "", .username = "", .password = "", .as = "", .as_uid = "",
	.provider = "", .exec = { .command = "", .api_version = "", .install_hint = "", .interactive = "" },
};
static const struct kc_context no_context = { .cluster = "", .user = "", .namespace_ = "" };

/* A list of the document: what an entry is called, what it holds, and what it starts from. Each struct begins with its origin. */
struct list {
	const char *key, *member;
	const struct field *fields;
	const void *empty;
	size_t size;
};
static const struct list lists[KC_LISTS] = {
	[KC_CLUSTERS] = { "clusters", "cluster", cluster_fields, &no_cluster, sizeof(no_cluster) },
	[KC_USERS] = { "users", "user", user_fields, &no_user, sizeof(no_user) },
	[KC_CONTEXTS] = { "contexts", "context", context_fields, &no_context, sizeof(no_context) },
};

/* The first file that has a name keeps it. */
static void keep(struct reader *r, struct kubeconfig *k, enum kc_list which, void *entry)
{
	struct kc_origin *from = entry;

	from->file = r->file;
	from->folder = r->folder;
	if (map_gets(&k->by_name[which], from->name))
		return;
	if (array_push(&k->entries[which], entry) < 0 || map_puts(&k->by_name[which], from->name, entry) < 0)
		out_of_memory(r);
}

static void read_entry(struct reader *r, const struct json_t *v, enum kc_list which, struct map *seen, struct kubeconfig *k)
{
	const struct list *l = &lists[which];
	const struct field fields[] = { { "name", read_text, 0, NULL }, { l->member, read_object, 0, l->fields }, { 0 } };
	void *entry = arena_alloc(r->arena, l->size);
	struct kc_origin *from = entry;

	if (!entry) {
		out_of_memory(r);
		return;
	}
	memcpy(entry, l->empty, l->size);
	from->name = "";
	read_fields(r, v, fields, entry);
	if (r->err == 0 && is_new(r, seen, from->name))
		keep(r, k, which, entry);
}

static void read_list(struct reader *r, const struct json_t *v, enum kc_list which, struct kubeconfig *k)
{
	struct map seen CLEANUP(map_release) = { 0 };

	if (!json_is_array(v))
		bad_type(r, v, "a list");
	for (size_t i = 0; i < json_array_size(v) && enter(r, NULL, i); i++, leave(r))
		read_entry(r, json_array_get(v, i), which, &seen, k);
}

/* ---- the document ---- */

struct head {
	const char *kind, *api_version, *current;
};
static const struct field preferences_fields[] = {
	{ "colors", check_bool, 0, NULL },
	{ "extensions", check_extensions, 0, NULL },
	{ 0 },
};
static const struct field head_fields[] = {
	{ "kind", read_text, offsetof(struct head, kind), NULL },
	{ "apiVersion", read_text, offsetof(struct head, api_version), NULL },
	{ "current-context", read_text, offsetof(struct head, current), NULL },
	{ "preferences", read_object, 0, preferences_fields },
	{ "extensions", check_extensions, 0, NULL },
	{ 0 },
};

static void read_document(struct reader *r, const struct json_t *v, struct kubeconfig *k)
{
	struct head h = { "", "", "" };

	read_fields(r, v, head_fields, &h);
	if (r->err == 0 && ((*h.kind && strcmp(h.kind, "Config") != 0) || (*h.api_version && strcmp(h.api_version, "v1") != 0)))
		bad(r, NULL, "is no kubeconfig: it must have kind Config and apiVersion v1");
	for (enum kc_list i = 0; i < KC_LISTS && r->err == 0; i++) {
		const json_t *list = json_object_get(v, lists[i].key);

		if (list && !json_is_null(list) && enter(r, lists[i].key, 0)) {
			read_list(r, list, i, k);
			leave(r);
		}
	}
	if (r->err == 0 && !*k->current && *h.current) {
		k->current = h.current;
		k->current_file = r->file;
	}
}

int kubeconfig_decode(struct arena *arena, const char *text, size_t size, const char *file, const char *folder, struct sd_notes *notes,
		      struct kubeconfig *k)
{
	struct reader r = { .arena = arena, .notes = notes, .text = text, .file = file, .folder = folder, .size = size };
	struct yaml_fault fault;
	json_t *v;
	int err;

	if (!k->current)
		k->current = "";
	err = yaml_to_json(text, size, &limits, &v, &fault);
	if (err < 0) {
		if (err != -ENOMEM)
			sd_note_add(notes, true, "bad-kubeconfig", file, fault.line, fault.column, NULL, "the kubeconfig cannot be read: %s",
				    fault.why);
		return err == -ENOMEM ? err : SD_EPARSE;
	}
	read_document(&r, v, k);
	json_decref(v);
	return r.err;
}

void kubeconfig_release(struct kubeconfig *k)
{
	for (enum kc_list i = 0; i < KC_LISTS; i++) {
		array_free(&k->entries[i]);
		map_release(&k->by_name[i]);
	}
	array_free(&k->files);
	array_free(&k->missing);
}
