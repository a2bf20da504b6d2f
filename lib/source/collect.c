/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Collects the cluster's part of a bundle: what is asked for, what came of it, and bundle.json, which says so. collect-list.c writes
 * lists, collect-more.c the rest.
 */

#include <errno.h>
#include <jansson.h>
#include <time.h>

#include "collect-private.h"

#define BUNDLE_SCHEMA "svcdoctor.bundle/1"
#define PATH_SIZE 128

void collect_report_release(struct collect_report *r)
{
	array_free(&r->missing);
}

/* ---- what came of it ---- */

static bool said_before(const struct collect *c, const char *what, const char *code, const char *text)
{
	for (size_t i = 0; i < c->report->missing.len; i++) {
		const struct collect_missing *m = &c->report->missing.v[i];

		if (strcmp(m->text, text) == 0 || (strcmp(m->what, what) == 0 && strcmp(m->code, code) == 0 && strcmp(code, "forbidden") != 0))
			return true;
	}
	return false;
}

int collect_note(struct collect *c, const struct api_result *r, const char *what, bool needed)
{
	struct collect_missing m = { .code = api_outcome_code(r->outcome) };

	if (r->outcome == API_OK) {
		c->answered++;
		return 0;
	}
	c->stopped |= r->outcome == API_STOPPED;
	if (c->report->worst == API_OK)
		c->report->worst = r->outcome;
	if (needed)
		c->report->lacks_needed = true;
	if (!what || said_before(c, what, m.code, r->text))
		return 0;
	m.what = arena_strdup(c->arena, r->whole ? "the API server" : what);
	m.text = arena_strdup(c->arena, r->text);
	m.hint = arena_strdup(c->arena, r->hint);
	return m.what && m.text ? array_push(&c->report->missing, m) : -ENOMEM;
}

/* ---- bundle.json ---- */

static bool is_needed(enum k8s_kind k)
{
	return k == K8S_SERVICES || k == K8S_SLICES || k == K8S_PODS;
}

/* Of kube-system, where only another namespace is collected. */
static bool is_system(enum k8s_kind k)
{
	return is_needed(k) || k == K8S_DEPLOYMENTS || k == K8S_DAEMONSETS;
}

static json_t *missing_json(const struct collect_report *r)
{
	json_t *all = json_array();

	for (size_t i = 0; i < r->missing.len; i++) {
		const struct collect_missing *m = &r->missing.v[i];

		json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s*, s:o*}", "what", m->what, "code", m->code, "text", m->text, "needs", m->needs,
						     "needed", m->needed ? json_true() : NULL));
	}
	return all;
}

/* Without what a URL may hold of credentials. */
static const char *bare_server(const char *server)
{
	const char *host = strstr(server, "://"), *at;

	host = host ? host + 3 : server;
	at = strrchr(host, '@');
	return at ? at + 1 : host;
}

/* Of a kind that is not there as a whole: the namespaces that are. */
static json_t *extents_json(const struct collect *c)
{
	json_t *all = json_object();

	for (int k = 0; c->ns && k < K8S_KINDS; k++) {
		const struct k8s_resource *r = k8s_resource((enum k8s_kind)k);
		const char *ns = k == K8S_CONFIGMAPS ? COLLECT_SYSTEM : c->ns;
		json_t *a = r->namespaced ? json_pack("[s]", ns) : NULL;

		if (a && is_system((enum k8s_kind)k) && strcmp(ns, COLLECT_SYSTEM) != 0)
			json_array_append_new(a, json_string(COLLECT_SYSTEM));
		if (a)
			json_object_set_new(all, r->plural, a);
	}
	return all;
}

/* Both are taken. */
static int write_about(struct bundle_out *out, json_t *origin, json_t *extents)
{
	char created[32] = "";
	struct tm tm;
	time_t now = time(NULL);
	json_t *o;
	char *text;
	int r;

	if (gmtime_r(&now, &tm))
		(void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	o = json_pack("{s:s, s:s, s:o, s:o*}", "schema", BUNDLE_SCHEMA, "created", created, "origin", origin, "extents", extents);
	text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	r = text ? bundle_out_add(out, "bundle.json", text, strlen(text)) : -ENOMEM;
	json_decref(o);
	free(text);
	return r;
}

static int about_cluster(struct collect *c, const struct api_access *access)
{
	json_t *origin = json_pack("{s:s, s:s?, s:s?, s:o}", "server", bare_server(access->server), "version", c->report->version, "namespace", c->ns,
				   "missing", missing_json(c->report));

	if (origin && c->report->node)
		json_object_set_new(origin, "node", json_string(c->report->node));
	return write_about(c->out, origin, extents_json(c));
}

int collect_about(struct bundle_out *out, const struct collect_report *r)
{
	return write_about(out, json_pack("{s:s?, s:o}", "node", r->node, "missing", missing_json(r)), NULL);
}

/* ---- what is asked for ---- */

static int queue_kind(struct collect *c, enum k8s_kind k)
{
	const struct k8s_resource *res = k8s_resource(k);
	const char *ns = res->namespaced ? c->ns : NULL;
	char path[PATH_SIZE];
	int r;

	snprintf(path, sizeof(path), "cluster/%s.json", res->plural);
	r = collect_list(c, k, ns, path, is_needed(k));
	if (r < 0 || !ns || !is_system(k) || strcmp(ns, COLLECT_SYSTEM) == 0)
		return r;
	snprintf(path, sizeof(path), "cluster/%s." COLLECT_SYSTEM ".json", res->plural);
	return collect_list(c, k, COLLECT_SYSTEM, path, false);
}

static int queue_all(struct collect *c)
{
	int r = collect_version(c);

	for (int k = 0; r == 0 && k < K8S_KINDS; k++) {
		if (k != K8S_CONFIGMAPS)
			r = queue_kind(c, (enum k8s_kind)k);
	}
	if (r == 0)
		r = collect_configmaps(c);
	return r < 0 ? r : collect_system_pods(c);
}

static void collect_release(struct collect *c)
{
	strbuf_release(&c->configmaps);
	array_free(&c->nodes);
}

int collect_cluster(struct bundle_out *out, struct api *a, const struct api_access *access, const char *ns, struct arena *arena,
		    struct collect_report *ret)
{
	struct collect c CLEANUP(collect_release) = { .arena = arena, .out = out, .api = a, .ns = ns, .report = ret };
	int r = queue_all(&c);

	if (r == 0)
		r = api_run(a);
	if (r < 0)
		return r;
	if (c.stopped)
		return -EINTR;
	if (c.answered > 0)
		ret->worst = API_OK;
	return about_cluster(&c, access);
}
