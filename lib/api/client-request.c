/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an answer means for its request: its end, another try, the next page, or the end of everything. */
#include <errno.h>

#include "client-private.h"

#define RESTARTS_MAX 3u /* of a list whose token was too old; the last one asks for all at once */
#define PAGES_MAX 10000u

static struct words words_of(struct api *a, struct arena *arena)
{
	return (struct words){ arena, a->access, &a->o, wire_proxy(a->wire) };
}

/* ---- ends ---- */

/* A callback's code: after one that failed everything ends, as stopped. */
static void note_error(struct api *a, int r)
{
	if (r >= 0 || a->error < 0)
		return;
	a->error = r;
	if (!a->ending)
		a->ending = API_STOPPED;
}

/* @body: handed over, or NULL. */
static void finish(struct api *a, struct request *r, const struct api_result *result, char *body, size_t size)
{
	a->counts.open--;
	if (a->error == -ECANCELED)
		free(body);
	else if (r->is_list)
		note_error(a, r->list.end(r->list.arg, result));
	else
		note_error(a, r->get.done(r->get.arg, result, body, size));
	request_free(r);
}

static void fail(struct api *a, struct request *r, const struct wire_answer *answer, struct api_result *result)
{
	struct words w = words_of(a, &a->run_words);

	words_request(&w, r, answer, result);
	finish(a, r, result, NULL, 0);
}

static void fail_with_body(struct api *a, struct request *r, struct wire_answer *answer, struct api_result *result)
{
	struct words w = words_of(a, &a->run_words);

	words_request(&w, r, answer, result);
	finish(a, r, result, take_ptr(answer->body), answer->size);
}

void request_end(struct api *a, struct request *r)
{
	struct api_result result = { .outcome = a->ending };

	if (a->whole.outcome != API_OK && a->ending == a->whole.outcome)
		finish(a, r, &a->whole, NULL, 0);
	else
		fail(a, r, NULL, &result);
}

void client_fail(struct api *a, const struct api_credential *c, const struct wire_answer *answer, struct api_result r)
{
	struct words w = words_of(a, &a->whole_words);

	arena_reset(&a->whole_words);
	r.whole = true;
	r.status = answer ? answer->status : 0;
	r.message = arena_strdup(w.arena, r.message);
	if (r.text) {
		r.text = arena_strdup(w.arena, r.text);
		r.hint = arena_strdup(w.arena, r.hint);
	} else {
		words_server(&w, c, answer, &r);
	}
	a->whole = r;
	a->whole_at = clock_ms();
	a->ending = r.outcome;
}

/* ---- another try ---- */

static void trace(struct api *a, const struct request *r, const struct wire_answer *answer, int64_t pause)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	if (!a->o.trace)
		return;
	words_what(r, &b);
	if (r->is_list && r->pages)
		strbuf_addf(&b, ", page %u", r->pages + 1);
	if (answer->status)
		strbuf_addf(&b, ": %ld%s, %zu bytes", answer->status, answer->end == WIRE_ANSWER ? "" : " and then no whole body", answer->got);
	else
		strbuf_addf(&b, ": %s", answer->error[0] ? answer->error : "no answer");
	strbuf_addf(&b, ", %lld ms", (long long)answer->ms);
	if (answer->http)
		strbuf_addf(&b, answer->http == 20 ? ", HTTP/2" : ", HTTP/1.%d", answer->http % 10);
	if (pause >= 0)
		strbuf_addf(&b, ", again in %lld ms", (long long)pause);
	a->o.trace(a->o.arg, strbuf_str(&b));
}

static void again(struct api *a, struct request *r, int64_t pause)
{
	r->not_before = clock_ms() + pause;
	queue_push(&a->urgent, r);
}

/* The pause before another try, or -1. */
static int64_t pause_before(const struct api *a, struct request *r, const struct wire_answer *answer)
{
	int64_t ms;

	if (!r->is_list && r->get.once)
		return -1;
	if (!r->retry.random)
		r->retry.random = (uint64_t)clock_ms() ^ (uint64_t)(uintptr_t)r ^ hash_bytes(r->path, strlen(r->path));
	r->retry.refused += answer->end == WIRE_REFUSED;
	ms = retry_pause_ms(&r->retry, answer, r->behind);
	return a->deadline && clock_ms() + ms >= a->deadline ? -1 : ms;
}

/* ---- 401 ---- */

/* A fresh credential, once; what stands behind the API server may refuse the API server's own. */
static void unauthorized(struct api *a, struct request *r, const struct wire_answer *answer, struct api_result *result)
{
	struct api_credential c = { 0 };

	if (r->behind) {
		fail(a, r, answer, result);
		return;
	}
	if (client_credential(a, false, &c) < 0 || (c.generation == r->generation && !r->refreshed && client_credential(a, true, &c) < 0)) {
		request_end(a, r);
		return;
	}
	if (c.generation != r->generation && !r->refreshed) {
		r->refreshed = true;
		r->retry.tries--;
		again(a, r, 0);
		return;
	}
	client_fail(a, &c, answer, *result);
	request_end(a, r);
}

/* ---- what an answer comes to ---- */

static enum api_outcome outcome_of_status(long status, const struct status_text *s, bool behind)
{
	switch (status) {
	case 200:
		return API_OK;
	case 401:
		return API_UNAUTHORIZED;
	case 403:
		return API_FORBIDDEN;
	case 404:
		return status_not_found(s, behind);
	case 429:
		return API_BUSY;
	default:
		return status >= 500 ? API_SERVER_ERROR : API_REFUSED;
	}
}

static enum api_outcome outcome_of_end(const struct wire_answer *answer)
{
	switch (answer->end) {
	case WIRE_BROKEN:
		return answer->status ? API_BAD_ANSWER : API_UNREACHABLE;
	case WIRE_UNTRUSTED:
	case WIRE_WRONG_NAME:
	case WIRE_TLS:
	case WIRE_PLAIN_HTTP:
	case WIRE_BAD_CA:
		return API_NOT_TRUSTED;
	case WIRE_BAD_CERT:
		return API_NO_CREDENTIAL;
	case WIRE_LATE:
	case WIRE_STALLED:
		return API_LATE;
	case WIRE_TOO_LARGE:
	case WIRE_TOO_MUCH:
	case WIRE_GARBLED:
		return API_BAD_ANSWER;
	case WIRE_NO_MEMORY:
		return API_NO_MEMORY;
	default:
		return API_UNREACHABLE;
	}
}

/* It would be the same for every request. */
static bool concerns_all(const struct api *a, const struct wire_answer *answer)
{
	switch (answer->end) {
	case WIRE_ANSWER:
	case WIRE_LATE:
	case WIRE_STALLED:
	case WIRE_TOO_LARGE:
	case WIRE_TOO_MUCH:
	case WIRE_NO_MEMORY:
		return false;
	case WIRE_BROKEN:
	case WIRE_GARBLED:
	case WIRE_OTHER:
		return a->counts.answers == 0;
	default:
		return true;
	}
}

bool answer_is_part(const struct request *r, const struct wire_answer *answer)
{
	return !r->is_list && r->get.may_cut && answer->status == 200 && answer->size > 0 &&
	       (answer->end == WIRE_LATE || answer->end == WIRE_STALLED || answer->end == WIRE_BROKEN);
}

static void no_answer(struct api *a, struct request *r, const struct wire_answer *answer)
{
	struct api_result result = { .outcome = outcome_of_end(answer), .status = answer->status };
	struct api_credential c = { 0 };

	if (result.outcome == API_NO_MEMORY)
		note_error(a, -ENOMEM);
	if (concerns_all(a, answer)) {
		if (answer->end == WIRE_BAD_CERT && client_credential(a, false, &c) < 0) {
			request_end(a, r);
			return;
		}
		client_fail(a, &c, answer, result);
		request_end(a, r);
		return;
	}
	fail(a, r, answer, &result);
}

static const char *first_char(const struct wire_answer *answer)
{
	const char *p = answer->body ? answer->body : "";

	return p + strspn(p, " \t\r\n");
}

static void bad_answer(struct api *a, struct request *r, const struct wire_answer *answer, const char *why)
{
	struct api_result result = { .outcome = API_BAD_ANSWER, .status = answer->status, .message = why };

	fail(a, r, answer, &result);
}

/* ---- lists ---- */

/* 410: the token is older than what the server remembers. The list begins anew; at last it is asked for as one page. */
static void expired(struct api *a, struct request *r, const struct wire_answer *answer)
{
	if (r->restarts >= RESTARTS_MAX) {
		bad_answer(a, r, answer, "the list changes faster than it can be read: its pages expired again and again");
		return;
	}
	r->restarts++;
	r->restart = true;
	r->pages = 0;
	r->retry = (struct retry){ .random = r->retry.random };
	free(take_ptr(r->token));
	if (r->restarts == RESTARTS_MAX)
		r->list.limit = UINT32_MAX;
	again(a, r, 0);
}

static void end_list(struct api *a, struct request *r, bool cut)
{
	struct words w = words_of(a, &a->run_words);
	struct api_result result = { .outcome = API_OK, .status = 200 };
	char why[64];

	if (cut) {
		(void)snprintf(why, sizeof(why), "only the first %u pages were read", r->pages);
		words_cut(&w, r, why, &result);
	}
	finish(a, r, &result, NULL, 0);
}

enum next {
	NEXT_PAGE,
	NEXT_NONE,    /* that was the last one */
	NEXT_CUT,     /* the caller wants no more */
	NEXT_SAME,    /* the server does not get on */
	NEXT_ENDLESS,
};

/* Behind a page; takes over @token, of the next one. */
static enum next next_of(struct request *r, char *token)
{
	bool same = token && r->token && strcmp(token, r->token) == 0;

	free(r->token);
	r->token = token;
	r->restart = false;
	r->pages++;
	if (!token)
		return NEXT_NONE;
	if (same)
		return NEXT_SAME;
	if (r->pages >= PAGES_MAX)
		return NEXT_ENDLESS;
	if (r->list.pages_max && r->pages >= r->list.pages_max)
		return NEXT_CUT;
	r->retry = (struct retry){ .random = r->retry.random };
	return NEXT_PAGE;
}

static void after_page(struct api *a, struct request *r, const struct wire_answer *answer, enum next next)
{
	if (next == NEXT_SAME)
		bad_answer(a, r, answer, "the server gives the same page again and again");
	else if (next == NEXT_ENDLESS)
		bad_answer(a, r, answer, "the list has no end");
	else if (next != NEXT_PAGE)
		end_list(a, r, next == NEXT_CUT);
}

/* Hands over a page. The next one is on its way meanwhile. */
static void give_page(struct api *a, struct request *r, struct wire_answer *answer, char *token)
{
	bool restart = r->restart;
	enum next next = next_of(r, token);
	int e;

	if (next == NEXT_PAGE)
		request_ahead(a, r);
	e = r->list.page(r->list.arg, take_ptr(answer->body), answer->size, restart);
	if (e >= 0) {
		after_page(a, r, answer, next);
		return;
	}
	if (next == NEXT_PAGE)
		request_back(a, r);
	if (e == SD_EPARSE) {
		bad_answer(a, r, answer, "its JSON is damaged, or ends too early");
	} else {
		note_error(a, e);
		request_end(a, r);
	}
}

static void list_page(struct api *a, struct request *r, struct wire_answer *answer)
{
	CLEANUP(page_head_release) struct page_head h = { .items = false };
	int e = *first_char(answer) == '{' ? page_head_read(answer->body, answer->size, &h) : SD_EPARSE;

	if (e == -ENOMEM) {
		note_error(a, e);
		request_end(a, r);
	} else if (e < 0 || !h.items || !str_ends(h.kind, "List")) {
		bad_answer(a, r, answer, e < 0 ? NULL : "it is not a list");
	} else if (r->what->resource && !page_kind_fits(h.kind, r->what->resource)) {
		bad_answer(a, r, answer, "it is a list of something else");
	} else {
		give_page(a, r, answer, take_ptr(h.token));
	}
}

/* ---- gets ---- */

static bool wants_json(const struct request *r)
{
	return !r->behind && r->what->resource && (!r->get.accept || strstr(r->get.accept, "json"));
}

static void got(struct api *a, struct request *r, struct wire_answer *answer)
{
	struct words w = words_of(a, &a->run_words);
	struct api_result result = { .outcome = API_OK, .status = answer->status };
	char why[64];

	if (wants_json(r) && (*first_char(answer) != '{' || answer->cut)) {
		bad_answer(a, r, answer, NULL);
		return;
	}
	if (!answer->body)
		answer->body = calloc(1, 1);
	if (!answer->body) {
		note_error(a, -ENOMEM);
		request_end(a, r);
		return;
	}
	if (answer->cut) {
		(void)snprintf(why, sizeof(why), "only the first %zu bytes were read", answer->size);
		words_cut(&w, r, why, &result);
	}
	finish(a, r, &result, take_ptr(answer->body), answer->size);
}

/* ---- */

static void with_status(struct api *a, struct request *r, struct wire_answer *answer)
{
	struct status_text s;
	struct api_result result = { .status = answer->status };

	if (answer->status == 200) {
		if (r->is_list)
			list_page(a, r, answer);
		else
			got(a, r, answer);
		return;
	}
	status_read(answer->body, answer->size, &s);
	result.outcome = outcome_of_status(answer->status, &s, r->behind);
	result.message = s.message[0] ? s.message : NULL;
	if (answer->status == 410 && r->is_list && r->token)
		expired(a, r, answer);
	else if (result.outcome == API_UNAUTHORIZED)
		unauthorized(a, r, answer, &result);
	else if (!r->is_list && r->get.failed_body && answer->body)
		fail_with_body(a, r, answer, &result);
	else
		fail(a, r, answer, &result);
}

void request_answered(struct api *a, struct request *r, struct wire_answer *answer)
{
	int64_t pause = pause_before(a, r, answer);

	trace(a, r, answer, pause);
	if (pause < 0 && answer_is_part(r, answer)) {
		answer->end = WIRE_ANSWER;
		answer->cut = true;
	}
	if (pause >= 0)
		again(a, r, pause);
	else if (answer->end == WIRE_ANSWER)
		with_status(a, r, answer);
	else
		no_answer(a, r, answer);
}
