/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of cluster/: lists of the API's objects, one by one; the version; what the API server refused; kube-proxy's configuration. */

#include <ctype.h>
#include <errno.h>

#include "redact-private.h"

#define SMALL_MAX (1u << 20)
#define LINE_MAX_ 4096

struct list_writer {
	struct redact *r;
	struct strbuf *b;
	bool open; /* a list has begun, and is not closed */
	size_t count;
};

/* ---- kube-proxy's configuration ---- */

enum redact_field redact_proxy_field(const char *key)
{
	static const struct {
		const char *key;
		enum redact_field field;
	} rows[] = {
		{ "kubeproxy.config.k8s.io", FIELD_DEEP }, { "apiVersion", FIELD_API },	  { "kind", FIELD_CONDITION },
		{ "bindAddress", FIELD_TEXT },	   { "healthzBindAddress", FIELD_TEXT }, { "metricsBindAddress", FIELD_TEXT },
		{ "clusterCIDR", FIELD_TEXT },	   { "mode", FIELD_AS_IS },		 { "detectLocalMode", FIELD_AS_IS },
		{ "detectLocal", FIELD_DEEP },	   { "bridgeInterface", FIELD_LINK },	 { "interfaceNamePrefix", FIELD_LINK },
		{ "iptables", FIELD_DEEP },	   { "nftables", FIELD_DEEP },		 { "ipvs", FIELD_DEEP },
		{ "masqueradeAll", FIELD_AS_IS },  { "masqueradeBit", FIELD_AS_IS },	 { "localhostNodePorts", FIELD_AS_IS },
		{ "minSyncPeriod", FIELD_AS_IS },  { "syncPeriod", FIELD_AS_IS },	 { "scheduler", FIELD_AS_IS },
		{ "strictARP", FIELD_AS_IS },	   { "hostnameOverride", FIELD_NAME },	 { "nodePortAddresses", FIELD_TEXT },
		{ "featureGates", FIELD_GATES },   { "excludeCIDRs", FIELD_TEXT },	 { "configSyncPeriod", FIELD_AS_IS },
		{ "tcpTimeout", FIELD_AS_IS },	   { "conntrack", FIELD_DEEP },		 { "maxPerCore", FIELD_AS_IS },
		{ "min", FIELD_AS_IS },		   { "tcpBeLiberal", FIELD_AS_IS },	 { "clientConnection", FIELD_DEEP },
		{ "kubeconfig", FIELD_PATH },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].key, key) == 0)
			return rows[i].field;
	}
	return FIELD_DROP;
}

struct yaml_line {
	const char *key, *value;
	size_t indent, key_len, value_len;
	bool item; /* "- VALUE" */
};

static bool split_line(const char *s, size_t len, struct yaml_line *l)
{
	const char *colon;

	*l = (struct yaml_line){ 0 };
	while (l->indent < len && s[l->indent] == ' ')
		l->indent++;
	s += l->indent;
	len -= l->indent;
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\r'))
		len--;
	if (len == 0 || *s == '#')
		return false;
	if (s[0] == '-' && (len == 1 || s[1] == ' ')) {
		l->item = true;
		l->value = s + MIN(len, (size_t)2);
		l->value_len = len - MIN(len, (size_t)2);
		return true;
	}
	colon = memchr(s, ':', len);
	if (!colon)
		return false;
	l->key = s;
	l->key_len = (size_t)(colon - s);
	l->value = colon + 1;
	l->value_len = len - l->key_len - 1;
	while (l->value_len > 0 && *l->value == ' ') {
		l->value++;
		l->value_len--;
	}
	return true;
}

static bool is_gate(const struct yaml_line *l)
{
	for (size_t i = 0; i < l->key_len; i++) {
		if (!isalnum((unsigned char)l->key[i]))
			return false;
	}
	return (l->value_len == 4 && memcmp(l->value, "true", 4) == 0) || (l->value_len == 5 && memcmp(l->value, "false", 5) == 0);
}

/* A scalar with its quotes, or an empty collection. */
static void add_scalar(struct redact *r, struct strbuf *b, enum redact_field f, const char *s, size_t len)
{
	bool quoted = len >= 2 && (s[0] == '"' || s[0] == '\'') && s[len - 1] == s[0];
	char *copy = strndup(s + quoted, len - 2 * quoted);

	if (!copy) {
		r->failed = true;
		return;
	}
	if (quoted)
		strbuf_addc(b, *s);
	if (strcmp(copy, "null") == 0 || strcmp(copy, "[]") == 0 || strcmp(copy, "{}") == 0)
		strbuf_adds(b, copy);
	else if (!strpbrk(copy, "{}[]\"'|>&*"))
		redact_add_field(r, b, f, copy);
	if (quoted)
		strbuf_addc(b, s[len - 1]);
	free(copy);
}

/* Line by line, as kubeadm and others write it: what is below a key that does not go through is dropped with it. */
static void add_proxy_yaml(struct redact *r, struct strbuf *b, const char *s)
{
	size_t dropped = SIZE_MAX, gates = SIZE_MAX; /* the indentation of the key */
	enum redact_field last = FIELD_DROP;

	while (*s) {
		size_t len = strcspn(s, "\n");
		struct yaml_line l;
		bool ok = len < LINE_MAX_ && split_line(s, len, &l);

		s += len + (s[len] == '\n');
		if (!ok || l.indent > dropped || (l.item && dropped != SIZE_MAX && l.indent >= dropped))
			continue;
		dropped = SIZE_MAX;
		if (l.item) {
			strbuf_addf(b, "%*s- ", (int)l.indent, "");
			add_scalar(r, b, last, l.value, l.value_len);
			strbuf_addc(b, '\n');
			continue;
		}
		gates = l.indent > gates ? gates : SIZE_MAX;
		if (gates != SIZE_MAX && is_gate(&l)) {
			strbuf_addf(b, "%*s%.*s: %.*s\n", (int)l.indent, "", (int)l.key_len, l.key, (int)l.value_len, l.value);
			continue;
		}
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)l.key_len, l.key);
		last = redact_proxy_field(key);
		if (last == FIELD_DROP) {
			dropped = l.indent;
			continue;
		}
		gates = last == FIELD_GATES ? l.indent : gates;
		strbuf_addf(b, "%*s%s:%s", (int)l.indent, "", key, l.value_len ? " " : "");
		if (l.value_len)
			add_scalar(r, b, last, l.value, l.value_len);
		strbuf_addc(b, '\n');
	}
}

/* ---- ConfigMaps ---- */

/* Of other components: only the lines and keys that decide who serves Services. */
static void add_known_lines(struct strbuf *b, const char *s)
{
	static const char line[] = "proxyAll: true";

	for (const char *p = s; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t skip = strspn(p, " \t");

		if (strncmp(p + skip, line, sizeof(line) - 1) == 0 && strchr("\r\n", p[skip + sizeof(line) - 1]))
			strbuf_addf(b, "%s\n", line);
	}
}

static json_t *data_value(struct redact *r, const char *name, const char *key, const char *s)
{
	static const char *const plain[] = { "kube-proxy-replacement", "use-proxy-protocol" };
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

	if (strcmp(key, "config.conf") == 0 && strcmp(name, "kube-proxy") == 0)
		add_proxy_yaml(r, &b, s);
	else if (strcmp(key, "antrea-agent.conf") == 0)
		add_known_lines(&b, s);
	else if (strcmp(key, plain[0]) == 0 || strcmp(key, plain[1]) == 0)
		redact_adds_text(r, &b, s);
	else if (strcmp(key, "Corefile") == 0)
		redact_corefile(r, &b, s);
	else
		return NULL;
	r->failed |= b.failed;
	return json_string(strbuf_str(&b));
}

static void add_data(struct redact *r, json_t *out, const json_t *item)
{
	const char *name = json_str(json_obj(item, "metadata"), "name"), *key;
	json_t *data = json_object(), *value;

	json_object_foreach(json_obj(item, "data"), key, value) {
		json_t *v = json_is_string(value) ? data_value(r, name ? name : "", key, json_string_value(value)) : NULL;

		if (v && json_object_set_new(data, key, v) < 0)
			r->failed = true;
	}
	json_object_set_new(out, "data", data);
}

/* ---- lists ---- */

static int add_json(struct redact *r, struct strbuf *b, const json_t *v)
{
	char *text = v && !r->failed ? json_dumps(v, JSON_COMPACT) : NULL;

	if (!text)
		return -ENOMEM;
	strbuf_adds(b, text);
	free(text);
	return b->failed ? -ENOMEM : 0;
}

static void close_list(struct list_writer *w)
{
	if (w->open)
		strbuf_adds(w->b, "]}\n");
	w->open = false;
}

/* Its own kind where that is one that is read: a list may be empty, and tells all the same that there is none. */
static int on_list(void *arg, const char *kind, const char *api_version, bool partial)
{
	struct list_writer *w = arg;
	char singular[128];
	size_t len = strlen(kind);
	bool known = len > 4 && len < sizeof(singular) && str_ends(kind, "List");

	if (known) {
		memcpy(singular, kind, len - 4);
		singular[len - 4] = '\0';
		known = k8s_kind_find(singular, api_version) >= 0;
	}
	close_list(w);
	strbuf_addf(w->b, "{\"kind\":\"%s\",\"apiVersion\":\"", known ? kind : "List");
	if (known)
		redact_add_field(w->r, w->b, FIELD_API, api_version);
	strbuf_addf(w->b, "%s\",\"metadata\":{%s},\"items\":[", known ? "" : "v1", partial ? "\"continue\":\"more\"" : "");
	w->open = true;
	w->count = 0;
	return w->b->failed ? -ENOMEM : 0;
}

/* An error of the API in place of a list. */
static json_t *status_of(struct redact *r, const json_t *item)
{
	json_t *out = redact_value(r, FIELD_DEEP, item, redact_field_of);

	if (out && json_object_set_new(out, "kind", json_string("Status")) == 0 && json_object_set_new(out, "apiVersion", json_string("v1")) == 0)
		return out;
	json_decref(out);
	r->failed = true;
	return NULL;
}

static int on_item(void *arg, json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct list_writer *w = arg;
	const char *own = json_str(item, "kind"), *version = json_str(item, "apiVersion");
	bool status = own && strcmp(own, "Status") == 0;
	json_t *out;
	int k = k8s_kind_find(own ? own : kind, version ? version : api_version), r;

	(void)line;
	if (k < 0 && !status)
		return 0;
	out = status ? status_of(w->r, item) : redact_value(w->r, FIELD_DEEP, item, redact_field_of);
	if (!out)
		return -ENOMEM;
	if (k >= 0)
		json_object_set_new(out, "kind", json_string(k8s_resource((enum k8s_kind)k)->kind));
	if (k >= 0 && *(version ? version : api_version))
		json_object_set_new(out, "apiVersion", redact_string(w->r, FIELD_API, version ? version : api_version));
	if (k == K8S_CONFIGMAPS)
		add_data(w->r, out, item);
	if (w->open && w->count++ > 0)
		strbuf_addc(w->b, ',');
	r = add_json(w->r, w->b, out);
	json_decref(out);
	if (w->r->learning)
		redact_learn_object(w->r, item, k);
	return r;
}

static int small_json(struct redact *r, const char *data, size_t size, struct strbuf *b, json_t *(*make)(struct redact *r, const json_t *o))
{
	json_t *o = size <= SMALL_MAX ? json_loadb(data, size, 0, NULL) : NULL, *out = o ? make(r, o) : NULL;
	int err = !out ? 0 : add_json(r, b, out) < 0 ? -ENOMEM : 1;

	json_decref(o);
	json_decref(out);
	return err;
}

static json_t *version_of(struct redact *r, const json_t *o)
{
	const json_t *server = json_obj(o, "serverVersion");
	const char *version = json_str(server ? server : o, "gitVersion");

	return version ? json_pack("{s:o}", "gitVersion", redact_string(r, FIELD_VERSION, version)) : NULL;
}

/* The files of a node whose absence changes what is judged; others have names that people may choose. */
static bool is_fact(const char *file)
{
	static const char *const names[] = { "iptables-nft-save.txt", "ip6tables-nft-save.txt", "iptables-legacy-save.txt", "ip6tables-legacy-save.txt",
					     "nft-ruleset.json", "ipset-save.txt", "ipvsadm-save.txt", "ipvsadm-ln.txt", "ip-addr.json", "ip-link.json",
					     "ip-route.json", "ip-rule.json", "sysctl.txt", NULL };

	return str_one_of(file, strlen(file), names);
}

static bool is_capability(const char *s)
{
	return s && str_starts(s, "CAP_") && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == '\0';
}

/* What of a node could not be collected, with its code. What else is said of it is for whoever collected it. */
static json_t *missing_of(struct redact *r, const json_t *e)
{
	static const char *const codes[] = { "forbidden", "unreadable", "unsupported", "late", "changed", "partial", NULL };
	const char *what = json_str(e, "what"), *code = json_str(e, "code"), *needs = json_str(e, "needs");
	const char *node = what && str_starts(what, "nodes/") ? what + 6 : NULL, *file = node ? strchr(node, '/') : NULL;
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	json_t *o;

	if (!file || !is_fact(file + 1) || !code || !str_one_of(code, strlen(code), codes))
		return NULL;
	strbuf_adds(&path, "nodes/");
	redact_learn_whole(r, node, (size_t)(file - node));
	redact_add_name(r, &path, node, (size_t)(file - node));
	strbuf_adds(&path, file);
	o = json_pack("{s:s, s:s, s:s*, s:b}", "what", strbuf_str(&path), "code", code, "needs", is_capability(needs) ? needs : NULL, "needed",
		      json_is_true(json_object_get(e, "needed")));
	r->failed |= !o || path.failed;
	return o;
}

static json_t *all_missing_of(struct redact *r, const json_t *o)
{
	const json_t *all = json_object_get(json_obj(o, "origin"), "missing");
	json_t *list = json_array();

	for (size_t i = 0; list && i < json_array_size(all); i++) {
		json_t *e = missing_of(r, json_array_get(all, i));

		if (e)
			json_array_append_new(list, e);
	}
	r->failed |= !list;
	return list;
}

static json_t *about_of(struct redact *r, const json_t *o)
{
	const json_t *extents = json_obj(o, "extents");
	const char *created = json_str(o, "created"), *plural;
	json_t *out = json_pack("{s:s, s:s, s:b, s:{s:o*}, s:{}}", "schema", "svcdoctor.bundle/1", "created", created && strlen(created) < 40 ? created : "",
				"redacted", 1, "origin", "missing", all_missing_of(r, o), "extents"), *v;

	if (out)
		json_object_set_new(out, "created", redact_string(r, FIELD_TIME, json_string_value(json_object_get(out, "created"))));
	json_object_foreach((json_t *)(uintptr_t)extents, plural, v) {
		if (k8s_kind_by_plural(plural, strlen(plural)) >= 0)
			json_object_set_new(json_object_get(out, "extents"), plural, redact_value(r, FIELD_NAME, v, redact_field_of));
	}
	return out;
}

int redact_about(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	return small_json(r, data, size, b, about_of);
}

int redact_cluster_json(struct redact *r, const char *name, const char *data, size_t size, struct strbuf *b)
{
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	struct list_writer w = { .r = r, .b = b };
	ssize_t n;

	if (strcmp(name, "version.json") == 0)
		return small_json(r, data, size, b, version_of);
	n = json_each_list(data, size, name, &notes, on_list, on_item, &w);
	close_list(&w);
	if (n == -ENOMEM || r->failed)
		return -ENOMEM;
	/* What cannot be read is cut off as it was, so that nobody takes the rest for the whole. */
	if (n < 0 || notes.len > 0)
		strbuf_adds(b, "{\"kind\":\"damaged\n");
	return 1;
}
