/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live cluster: asks the API server what the plan wants, round by round, and adds the answers to the snapshot. Within a round all
 * requests run side by side, and lists are decoded beside them.
 */

#include <errno.h>
#include <time.h>
#include <jansson.h>

#include "bundle-private.h"
#include "live-private.h"

enum { ROUNDS_MAX = 20 };

struct live {
	struct snapshot *s;
	struct api *api;
	struct live_plan plan;
	struct live_decoder *decoder;
};

/* One question on its way. */
struct flight {
	struct live *live;
	struct live_ask *ask;
	struct live_list *list; /* NULL: no list of objects */
};

static int send_ask(struct flight *f);

static const char metadata_accept[] = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/* True when the resource is asked for again, in the next version that this server may have. */
static bool is_older_server(struct flight *f, enum api_outcome o, int *ret)
{
	struct live_ask *a = f->ask;

	if (o != API_NO_KIND || !k8s_resource(a->kind)->versions[a->version + 1])
		return false;
	a->version++;
	*ret = send_ask(f);
	return true;
}

static int take_result(struct flight *f, const struct api_result *r)
{
	struct live_ask *a = f->ask;
	struct arena *arena = &f->live->s->arena;

	a->done = true;
	a->outcome = r->outcome;
	if (r->outcome == API_OK)
		return 0;
	a->failed_whole = r->whole;
	a->text = arena_strdup(arena, r->text);
	a->hint = arena_strdup(arena, r->hint);
	return (r->text && !a->text) || (r->hint && !a->hint) ? -ENOMEM : 0;
}

/* ---- lists ---- */

static int on_page(void *arg, char *data, size_t size, bool restart)
{
	struct flight *f = arg;

	return live_list_page(f->list, data, size, restart);
}

static int on_end(void *arg, const struct api_result *r)
{
	struct flight *f = arg;
	int again;

	if (is_older_server(f, r->outcome, &again))
		return again;
	f->ask->cut = r->outcome == API_OK && r->text;
	return take_result(f, r);
}

/* ---- single answers ---- */

static void take_count(struct live_ask *a, const json_t *o)
{
	const json_t *meta = json_obj(o, "metadata");
	const char *next = json_str(meta, "continue");
	int64_t more = 0;

	a->total = -1;
	if (json_int(meta, "remainingItemCount", &more) || !next || !*next)
		a->total = (int64_t)json_array_size(json_arr(o, "items")) + more;
}

static int take_object(struct flight *f, json_t *o)
{
	struct live_ask *a = f->ask;
	const struct k8s_resource *res = k8s_resource(a->kind);
	int k;

	if (a->count) {
		take_count(a, o);
		return 0;
	}
	f->live->s->cluster.order = MAX(f->live->s->cluster.order, (uint64_t)1 << 41);
	k = k8s_decode(&f->live->s->cluster, o, res->kind, res->plural, 0, &f->live->s->notes);
	a->objects = k >= 0;
	a->damaged = k < 0;
	return k == -ENOMEM ? k : 0;
}

static int on_answer(void *arg, const struct api_result *r, char *data, size_t size)
{
	CLEANUP(text_free) char *own = data;
	struct flight *f = arg;
	json_error_t error;
	json_t *o;
	int again, err;

	if (is_older_server(f, r->outcome, &again))
		return again;
	err = take_result(f, r);
	if (err < 0 || r->outcome != API_OK)
		return err;
	o = own ? json_loadb(own, size, 0, &error) : NULL;
	if (!json_is_object(o)) {
		const struct api_what w = live_what(f->ask);

		f->ask->outcome = API_BAD_ANSWER;
		f->ask->text = arena_printf(&f->live->s->arena, "cannot %s %s '%s': the answer is no JSON object", w.verb, w.resource,
					    w.name ? w.name : "");
		err = f->ask->text ? 0 : -ENOMEM;
	} else {
		err = take_object(f, o);
	}
	json_decref(o);
	return err;
}

static int on_version(void *arg, const struct api_result *r, char *data, size_t size)
{
	CLEANUP(text_free) char *own = data;
	struct live *live = arg;

	/* a web page that answers everything is told of once, where it matters */
	return r->outcome == API_OK && own && own[0] == '{' ? read_cluster_json(live->s, "version.json", own, size, "/version") : 0;
}

/* ---- rounds ---- */

static int send_ask(struct flight *f)
{
	const struct live_ask *a = f->ask;
	const char *path = live_path(&f->live->s->arena, a, a->version);

	if (!path)
		return -ENOMEM;
	if (a->name || a->count) {
		const struct api_get g = { .what = live_what(a), .path = path, .done = on_answer, .arg = f,
					   .accept = a->count ? metadata_accept : NULL };

		return api_get(f->live->api, &g);
	}
	if (!f->list && !(f->list = live_list_new(f->live->decoder, a->kind, a->metadata)))
		return -ENOMEM;
	return api_list(f->live->api, &(struct api_list){ .what = live_what(a), .path = path, .page = on_page, .end = on_end, .arg = f,
							  .accept = a->metadata ? metadata_accept : NULL,
							  .limit = a->limit ? a->limit : LIVE_PAGE, .pages_max = a->pages_max });
}

static int ask_version(struct live *live)
{
	return api_get(live->api, &(struct api_get){ .what = { .verb = "get" }, .path = "/version", .done = on_version, .arg = live });
}

static int join_lists(struct live *live, struct flight *flights, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct live_ask *a = flights[i].ask;

		if (flights[i].list)
			r = live_list_join(flights[i].list, &live->s->cluster, &live->s->notes, &a->objects, &a->damaged);
	}
	return r;
}

static void free_flights(struct flight **p)
{
	free(*p);
}

static void free_decoder(struct live_decoder **p)
{
	live_decoder_free(*p);
}

/* The questions from number @from on. */
static int round_of(struct live *live, size_t from)
{
	const size_t n = live->plan.asks.len - from;
	CLEANUP(free_decoder) struct live_decoder *decoder = live_decoder_new();
	CLEANUP(free_flights) struct flight *flights = calloc(n + 1, sizeof(*flights));
	int r = decoder && flights ? 0 : -ENOMEM;

	live->decoder = decoder;
	for (size_t i = 0; r == 0 && i < n; i++) {
		flights[i] = (struct flight){ live, live->plan.asks.v[from + i], NULL };
		r = send_ask(&flights[i]);
	}
	if (r == 0 && from == 0)
		r = ask_version(live);
	if (r == 0)
		r = api_run(live->api);
	if (decoder)
		live_decoder_wait(decoder);
	return r < 0 ? r : join_lists(live, flights, n);
}

static void count_used(struct live *live, struct api_counts start)
{
	const struct api_counts now = api_count(live->api);

	live->plan.used_requests = now.requests - start.requests;
	live->plan.used_bytes = now.bytes - start.bytes;
}

static int read_rounds(struct live *live, struct api_counts start)
{
	for (int i = 0; i < ROUNDS_MAX; i++) {
		const size_t from = live->plan.asks.len;
		int r;

		count_used(live, start);
		r = live_plan_next(&live->plan);
		if (r > 0)
			r = round_of(live, from);
		else
			return r;
		if (r < 0)
			return r;
	}
	return 0;
}

/* "cluster 'prod' at https://10.0.0.1:6443", and what of it was asked for. */
static int name_origin(struct snapshot *s, const struct api_access *access, const struct live_plan *p)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	if (access->cluster)
		strbuf_addf(&b, "cluster '%s' at %s", access->cluster, access->server);
	else
		strbuf_addf(&b, "the cluster at %s", access->server);
	s->live = true;
	s->origin = b.failed ? NULL : arena_clean(&s->arena, strbuf_str(&b));
	s->scope = live_scope(p) == LIVE_ALL ? "all namespaces" : arena_printf(&s->arena, "namespace %s", p->want->namespace_);
	return s->origin && s->scope ? 0 : -ENOMEM;
}

static void release_plan(struct live *live)
{
	live_plan_release(&live->plan);
}

int live_read(struct snapshot *s, struct api *a, const struct api_access *access, const struct live_want *w,
	      enum api_outcome *ret_worst)
{
	CLEANUP(release_plan) struct live live = { .s = s, .api = a };
	const struct api_counts start = api_count(a);
	int r = live_plan_init(&live.plan, &s->arena, w, &s->cluster);

	if (r == 0)
		r = name_origin(s, access, &live.plan);
	if (r == 0)
		r = read_rounds(&live, start);
	if (r == 0)
		r = proxy_config_from_cluster(s);
	if (r == 0)
		r = live_results(s, &live.plan, ret_worst);
	s->now = (int64_t)time(NULL);
	/* what shows rules only has no use for the rest */
	if (r == 0 && *ret_worst == API_OK && (w->axes[0] || w->axes[1] || w->proxies)) {
		count_used(&live, start);
		r = live_facts(s, a, &live.plan);
	}
	return r;
}
