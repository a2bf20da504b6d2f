/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One list of the API as one file: the items' bytes as they came, page behind page, under the kind and version of the first one. Pages
 * go to the file at once; a list that begins anew (410) empties it.
 */

#include <errno.h>
#include <jansson.h>

#include "collect-private.h"

struct list_job {
	struct collect *c;
	enum k8s_kind kind;
	const char *ns, *path;
	bool needed;
	unsigned version; /* index into k8s_resource's */
	struct bundle_member *member;
	size_t count;
	int err;
	bool begun;
};

static int queue(struct list_job *j);

static int put(struct list_job *j, const char *s, size_t size)
{
	int r = bundle_member_write(j->member, s, size);

	if (r < 0)
		j->err = r;
	return r;
}

static int puts_(struct list_job *j, const char *s)
{
	return put(j, s, strlen(s));
}

static int put_head(struct list_job *j, const struct page_parts *p)
{
	(void)puts_(j, "{\"kind\":");
	(void)put(j, p->kind.at, p->kind.size);
	if (p->api_version.size) {
		(void)puts_(j, ",\"apiVersion\":");
		(void)put(j, p->api_version.at, p->api_version.size);
	}
	(void)puts_(j, ",\"metadata\":{");
	if (p->resource_version.size) {
		(void)puts_(j, "\"resourceVersion\":");
		(void)put(j, p->resource_version.at, p->resource_version.size);
	}
	return puts_(j, "},\"items\":[");
}

/* Which nodes there are decides what is asked of them. */
static int on_node(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct collect *c = arg;
	const char *name = json_str(json_obj(item, "metadata"), "name");

	(void)kind;
	(void)api_version;
	(void)line;
	return name && is_k8s_name(name) ? collect_node(c, name) : 0;
}

static int ask_nodes(struct list_job *j, const char *data, size_t size)
{
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	ssize_t r = j->kind == K8S_NODES ? json_each_item(data, size, "nodes", &notes, on_node, j->c) : 0;

	return r == -ENOMEM ? -ENOMEM : 0;
}

static int use_page(struct list_job *j, const char *data, size_t size)
{
	struct page_parts p;
	int r = page_split(data, size, &p);

	if (r < 0)
		return r;
	if (!j->begun) {
		j->begun = true;
		r = put_head(j, &p);
	} else if (j->count > 0 && p.count > 0) {
		r = puts_(j, ",");
	}
	if (r == 0)
		r = put(j, p.items.at, p.items.size);
	j->count += p.count;
	return r < 0 ? r : ask_nodes(j, data, size);
}

static int on_page(void *arg, char *data, size_t size, bool restart)
{
	struct list_job *j = arg;
	int r = 0;

	if (!j->member)
		r = bundle_out_begin(j->c->out, j->path, &j->member);
	else if (restart)
		r = bundle_member_restart(j->member);
	if (restart) {
		j->begun = false;
		j->count = 0;
	}
	if (r == 0)
		r = use_page(j, data, size);
	free(data);
	return r;
}

/* A server that knows no such kind has none of it. */
static int put_empty(struct list_job *j)
{
	const struct k8s_resource *r = k8s_resource(j->kind);
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

	strbuf_addf(&b, "{\"kind\":\"%sList\",\"apiVersion\":\"%s%s%s\",\"metadata\":{},\"items\":[]}\n", r->kind, r->group, *r->group ? "/" : "",
		    r->versions[0]);
	return b.failed ? -ENOMEM : bundle_out_add(j->c->out, j->path, b.s, b.len);
}

int collect_refusal(struct collect *c, const char *path, const struct api_result *r)
{
	json_t *o = json_pack("{s:s, s:s, s:{}, s:s, s:s, s:s, s:I}", "kind", "Status", "apiVersion", "v1", "metadata", "status", "Failure", "message",
			      r->message ? r->message : r->text, "reason", r->outcome == API_FORBIDDEN ? "Forbidden" : "Unauthorized", "code",
			      (json_int_t)r->status);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	int err = text ? bundle_out_add(c->out, path, text, strlen(text)) : -ENOMEM;

	json_decref(o);
	free(text);
	return err;
}

static int finish(struct list_job *j, const struct api_result *r)
{
	struct bundle_member *m = take_ptr(j->member);
	struct collect *c = j->c;
	int err;

	if (r->outcome == API_OK && m && j->begun) {
		err = bundle_member_write(m, "]}\n", 3);
		if (err < 0) {
			bundle_member_drop(m);
			return err;
		}
		c->report->objects += j->count;
		return bundle_member_end(m);
	}
	bundle_member_drop(m);
	if (r->outcome == API_NO_KIND)
		return put_empty(j);
	return r->outcome == API_FORBIDDEN ? collect_refusal(c, j->path, r) : 0;
}

static int on_end(void *arg, const struct api_result *r)
{
	struct list_job *j = arg;
	const struct k8s_resource *kind = k8s_resource(j->kind);
	bool none = r->outcome == API_NO_KIND;
	int err;

	if (none && kind->versions[j->version + 1]) {
		bundle_member_drop(take_ptr(j->member));
		j->version++;
		return queue(j);
	}
	err = none ? 0 : collect_note(j->c, r, kind->plural, j->needed);
	return err < 0 ? err : finish(j, r);
}

static int queue(struct list_job *j)
{
	const struct k8s_resource *r = k8s_resource(j->kind);
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;

	strbuf_adds(&path, *r->group ? "/apis" : "/api");
	if (*r->group)
		api_path_add(&path, r->group);
	api_path_add(&path, r->versions[j->version]);
	if (j->ns) {
		strbuf_adds(&path, "/namespaces");
		api_path_add(&path, j->ns);
	}
	api_path_add(&path, r->plural);
	if (path.failed)
		return -ENOMEM;
	return api_list(j->c->api, &(struct api_list){
					   .what = { .verb = "list", .group = r->group, .resource = r->plural, .namespace_ = j->ns },
					   .path = path.s,
					   .page = on_page,
					   .end = on_end,
					   .arg = j,
				   });
}

int collect_list(struct collect *c, enum k8s_kind k, const char *ns, const char *path, bool needed)
{
	struct list_job *j = arena_new(c->arena, struct list_job);

	if (!j)
		return -ENOMEM;
	*j = (struct list_job){ .c = c, .kind = k, .ns = ns, .path = arena_strdup(c->arena, path), .needed = needed };
	return j->path ? queue(j) : -ENOMEM;
}
