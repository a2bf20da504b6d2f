/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's queue: which request goes next, how many are under way, and when all of it ends. Single tries are made by client-curl.c; what an
 * answer means for its request is decided in client-request.c.
 */
#include <errno.h>
#include <sys/random.h>

#include "client-private.h"

#define PARALLEL 6u
#define REQUEST_MS 30000
#define STALL_MS 10000
#define CONNECT_MS 10000
#define STEP_MS 50	  /* the flag that stops is looked at so often */
#define PROGRESS_MS 100
#define WHOLE_FOR_MS 5000 /* so long a server that cannot be reached is not tried again */

/* ---- requests ---- */

void queue_push(struct queue *q, struct request *r)
{
	r->next = NULL;
	if (q->last)
		q->last->next = r;
	else
		q->first = r;
	q->last = r;
}

/* Takes out what comes behind @before; NULL: the first. */
static struct request *queue_take(struct queue *q, struct request *before)
{
	struct request *r = before ? before->next : q->first;

	if (before)
		before->next = r->next;
	else
		q->first = r->next;
	if (q->last == r)
		q->last = before;
	r->next = NULL;
	return r;
}

void request_free(struct request *r)
{
	if (!r)
		return;
	arena_release(&r->strings);
	free(r->token);
	free(r);
}

static void free_queue(struct queue *q)
{
	while (q->first)
		request_free(queue_take(q, NULL));
}

static bool copy_string(struct arena *a, const char **s)
{
	if (!*s)
		return true;
	*s = arena_strdup(a, *s);
	return *s != NULL;
}

static bool copy_what(struct arena *a, struct api_what *w)
{
	return copy_string(a, &w->verb) && copy_string(a, &w->group) && copy_string(a, &w->resource) && copy_string(a, &w->namespace_) &&
	       copy_string(a, &w->name);
}

/* Copies the strings of @r, and queues it. */
static int request_add(struct api *a, struct request *r, struct api_what *what, const char **path, const char **accept)
{
	if (!copy_what(&r->strings, what) || !copy_string(&r->strings, path) || !copy_string(&r->strings, accept)) {
		request_free(r);
		return -ENOMEM;
	}
	r->what = what;
	r->path = *path;
	r->behind = what->resource && strchr(what->resource, '/');
	a->counts.open++;
	queue_push(&a->queued, r);
	return 0;
}

int api_get(struct api *a, const struct api_get *g)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->get = *g;
	if (!r->get.body_max)
		r->get.body_max = GET_BODY_MAX;
	return request_add(a, r, &r->get.what, &r->get.path, &r->get.accept);
}

int api_list(struct api *a, const struct api_list *l)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->is_list = true;
	r->list = *l;
	if (!r->list.limit)
		r->list.limit = 500;
	return request_add(a, r, &r->list.what, &r->list.path, &r->list.accept);
}

struct api_counts api_count(const struct api *a)
{
	struct api_counts c = a->counts;

	c.last = a->last[0] ? a->last : NULL;
	return c;
}

/* ---- open, close ---- */

static void on_done(void *arg, void *request, struct wire_answer *answer)
{
	struct api *a = arg;
	struct request *r = request;

	a->counts.bytes += answer->wire_bytes;
	a->bodies += answer->got;
	if (a->bodies > RUN_BODIES_MAX && answer->end == WIRE_ANSWER)
		answer->end = WIRE_TOO_MUCH;
	if (answer->status) {
		a->counts.answers++;
		(void)snprintf(a->last, sizeof(a->last), "%s", r->what->resource ? r->what->resource : "");
	}
	/* A log that came in part by the end of the run is better than none. */
	if (a->ending && !(a->ending == API_LATE && answer_is_part(r, answer)))
		request_end(a, r);
	else
		request_answered(a, r, answer);
}

static void set_defaults(struct api_options *o, const struct api_access *access)
{
	if (o->request_ms <= 0)
		o->request_ms = access->request_timeout_ms > 0 ? access->request_timeout_ms : REQUEST_MS;
	if (o->stall_ms <= 0)
		o->stall_ms = STALL_MS;
	if (o->parallel == 0)
		o->parallel = PARALLEL;
}

int api_open(const struct api_access *access, const struct api_options *o, struct api **ret)
{
	struct api *a = calloc(1, sizeof(*a));
	struct wire_options w = { .access = access, .done = on_done, .arg = a };
	int r;

	if (!a)
		return -ENOMEM;
	a->access = access;
	a->o = *o;
	set_defaults(&a->o, access);
	if (o->deadline_ms > 0)
		a->deadline = clock_ms() + o->deadline_ms;
	w.connect_ms = MIN(CONNECT_MS, a->o.request_ms);
	if (o->deadline_ms > 0)
		w.connect_ms = MIN(w.connect_ms, o->deadline_ms * 9 / 10); /* so that its end is told apart from that of the run */
	w.stall_ms = a->o.stall_ms;
	w.parallel = a->o.parallel;
	r = api_login_new(access, o->may_ask, o->stop, &a->login);
	if (r == 0)
		r = wire_open(&w, &a->wire);
	if (r < 0) {
		api_close(a);
		return r;
	}
	*ret = a;
	return 0;
}

void api_close(struct api *a)
{
	if (!a)
		return;
	if (a->wire) {
		a->ending = API_STOPPED;
		a->error = -ECANCELED; /* no more callbacks */
		wire_end_all(a->wire, WIRE_LATE);
	}
	wire_close(a->wire);
	free_queue(&a->urgent);
	free_queue(&a->queued);
	api_login_free(a->login);
	arena_release(&a->run_words);
	arena_release(&a->whole_words);
	free(a);
}

/* ---- the next try ---- */

static bool fits_header(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

int client_credential(struct api *a, bool fresh, struct api_credential *ret)
{
	const char *text = NULL, *hint = NULL;
	int r = api_login_get(a->login, fresh, ret, &text, &hint);

	if (r == 0 && (!fits_header(ret->token) || !fits_header(ret->username))) {
		text = "the token or user name holds a line break or another control character";
		r = SD_EUSAGE;
	}
	if (r == -EINTR) {
		a->ending = API_STOPPED;
	} else if (r == -ENOMEM) {
		a->ending = API_NO_MEMORY;
		a->error = -ENOMEM;
	} else if (r < 0) {
		client_fail(a, NULL, NULL, (struct api_result){ .outcome = API_NO_CREDENTIAL, .text = text, .hint = hint });
	}
	return r;
}

/* The path of the next page, or of the get. */
static void full_path(const struct request *r, struct strbuf *ret)
{
	char limit[16];

	strbuf_adds(ret, r->path);
	if (!r->is_list)
		return;
	(void)snprintf(limit, sizeof(limit), "%u", r->list.limit);
	if (r->list.limit != UINT32_MAX)
		api_query_add(ret, "limit", limit);
	if (r->token)
		api_query_add(ret, "continue", r->token);
}

static int64_t try_limit(const struct api *a, const struct request *r)
{
	return !r->is_list && r->get.timeout_ms ? r->get.timeout_ms : a->o.request_ms;
}

/* 0; negative: it did not start, and everything ends. */
static int start(struct api *a, struct request *r)
{
	CLEANUP(strbuf_release) struct strbuf path = STRBUF_INIT;
	struct api_credential c = { 0 };
	struct wire_ask ask = {
		.accept = r->is_list ? r->list.accept : r->get.accept, .credential = &c, .may_cut = !r->is_list && r->get.may_cut,
		.body_max = r->is_list ? LIST_PAGE_MAX : r->get.body_max, .limit_ms = try_limit(a, r), .request = r,
	};
	int e = client_credential(a, false, &c);

	if (e < 0)
		return e;
	full_path(r, &path);
	ask.path = strbuf_str(&path);
	e = path.failed ? -ENOMEM : wire_start(a->wire, &ask);
	if (e < 0) {
		a->ending = API_NO_MEMORY;
		a->error = e;
		return e;
	}
	r->generation = c.generation;
	r->retry.tries++;
	a->counts.requests++;
	a->counts.retries += r->retry.tries > 1;
	return 0;
}

void request_ahead(struct api *a, struct request *r)
{
	r->not_before = 0;
	if (a->ending || wire_open_count(a->wire) >= a->o.parallel || start(a, r) < 0)
		queue_push(&a->urgent, r);
	else
		wire_push(a->wire);
}

void request_back(struct api *a, struct request *r)
{
	struct request *before = NULL, *q = a->urgent.first;

	while (q && q != r) {
		before = q;
		q = q->next;
	}
	if (q)
		(void)queue_take(&a->urgent, before);
	else
		wire_cancel(a->wire, r);
}

static struct request *next_urgent(struct api *a, int64_t now)
{
	struct request *before = NULL;

	for (struct request *r = a->urgent.first; r; before = r, r = r->next)
		if (r->not_before <= now)
			return queue_take(&a->urgent, before);
	return NULL;
}

/* Until the server has been reached, one request goes alone: what does not work is found out once. */
static struct request *next_request(struct api *a, int64_t now, unsigned open)
{
	struct request *r;

	if (open >= (wire_reached(a->wire) ? a->o.parallel : 1u))
		return NULL;
	r = next_urgent(a, now);
	if (r || !a->queued.first || (a->urgent.first && !wire_reached(a->wire)))
		return r;
	return queue_take(&a->queued, NULL);
}

static void start_due(struct api *a)
{
	struct request *r;

	while (!a->ending && (r = next_request(a, clock_ms(), wire_open_count(a->wire))))
		if (start(a, r) < 0)
			request_end(a, r);
}

/* ---- the run ---- */

static void end_all(struct api *a)
{
	wire_end_all(a->wire, WIRE_LATE);
	while (a->urgent.first || a->queued.first)
		request_end(a, queue_take(a->urgent.first ? &a->urgent : &a->queued, NULL));
}

static void show_progress(struct api *a)
{
	int64_t now;
	struct api_counts c;

	if (!a->o.progress)
		return;
	now = clock_ms();
	if (now - a->progress_at < PROGRESS_MS)
		return;
	a->progress_at = now;
	c = api_count(a);
	a->o.progress(a->o.arg, &c);
}

static void look_at_clock(struct api *a)
{
	struct wire_answer none = { .end = WIRE_CONNECT_LATE, .proxy = *wire_proxy(a->wire) };

	if (a->ending)
		return;
	if (a->o.stop && *a->o.stop)
		a->ending = API_STOPPED;
	else if (a->deadline && clock_ms() >= a->deadline && !wire_reached(a->wire))
		client_fail(a, NULL, &none, (struct api_result){ .outcome = API_UNREACHABLE });
	else if (a->deadline && clock_ms() >= a->deadline)
		a->ending = API_LATE;
}

/* How long nothing can happen that the network does not tell. */
static int pause_ms(const struct api *a)
{
	int64_t now = clock_ms(), until = now + STEP_MS;

	for (const struct request *r = a->urgent.first; r; r = r->next)
		if (r->not_before > now) /* else it waits for room, which the network makes */
			until = MIN(until, r->not_before);
	if (a->deadline)
		until = MIN(until, a->deadline);
	return (int)MAX(until - now, 1);
}

/* A failure as a whole is believed for some seconds, so that the parts of one run need not find it out each. */
static void begin_run(struct api *a)
{
	arena_reset(&a->run_words);
	a->error = 0;
	if (a->whole.outcome == API_OK || clock_ms() - a->whole_at > WHOLE_FOR_MS) {
		a->whole = (struct api_result){ 0 };
		a->ending = API_OK;
	} else {
		a->ending = a->whole.outcome;
	}
}

void api_again(struct api *a, int64_t deadline_ms)
{
	a->o.deadline_ms = deadline_ms;
	a->deadline = deadline_ms > 0 ? clock_ms() + deadline_ms : 0;
	a->whole = (struct api_result){ 0 };
}

int api_run(struct api *a)
{
	begin_run(a);
	while (a->counts.open > 0) {
		look_at_clock(a);
		start_due(a);
		if (a->ending) {
			end_all(a);
			continue;
		}
		if (wire_step(a->wire, pause_ms(a)) < 0) {
			a->ending = API_NO_MEMORY;
			a->error = -ENOMEM;
		}
		show_progress(a);
	}
	return a->error;
}
