/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words about requests that failed: which resource, what came instead, and what to do next. Those about the server are in client-words-server.c. */
#include <errno.h>

#include "client-private.h"

/* Kinds that have no namespace, so that "in all namespaces" would be odd. */
static bool is_cluster_wide(const char *resource)
{
	static const char *const kinds[] = {
		"nodes", "nodes/proxy", "namespaces", "servicecidrs", "ipaddresses", "gatewayclasses", "ingressclasses", "persistentvolumes",
		"storageclasses", "customresourcedefinitions", "apiservices", "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i], resource) == 0)
			return true;
	return false;
}

/* "pods/web-0/log", "services/web", "nodes". */
static void add_resource(const struct api_what *w, struct strbuf *b)
{
	const char *sub = strchr(w->resource, '/');

	if (!w->name) {
		strbuf_adds(b, w->resource);
		return;
	}
	strbuf_add(b, w->resource, sub ? (size_t)(sub - w->resource) : strlen(w->resource));
	strbuf_addc(b, '/');
	strbuf_add_clean(b, w->name);
	strbuf_adds(b, sub ? sub : "");
}

void words_what(const struct request *q, struct strbuf *b)
{
	const struct api_what *w = q->what;
	const char *verb = w->verb ? w->verb : q->is_list ? "list" : "get";

	strbuf_addf(b, "%s ", verb);
	if (!w->resource) {
		strbuf_addc(b, '\'');
		strbuf_add_clean(b, q->path);
		strbuf_addc(b, '\'');
		return;
	}
	add_resource(w, b);
	if (w->namespace_) {
		strbuf_adds(b, " in namespace '");
		strbuf_add_clean(b, w->namespace_);
		strbuf_addc(b, '\'');
	} else if (str_is(verb, "list") && !is_cluster_wide(w->resource)) {
		strbuf_adds(b, " in all namespaces");
	}
}

/* ---- statuses ---- */

static void add_status(struct strbuf *b, long status)
{
	static const struct {
		long status;
		const char *name;
	} names[] = {
		{ 301, "moved" }, { 302, "found elsewhere" }, { 303, "see elsewhere" }, { 307, "moved for now" }, { 308, "moved" },
		{ 400, "bad request" }, { 401, "unauthorized" }, { 403, "forbidden" }, { 404, "not found" }, { 405, "method not allowed" },
		{ 406, "not acceptable" }, { 410, "gone" }, { 429, "too many requests" }, { 500, "internal server error" },
		{ 501, "not implemented" }, { 502, "bad gateway" }, { 503, "service unavailable" }, { 504, "gateway timeout" },
	};

	strbuf_addf(b, "%ld", status);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].status == status)
			strbuf_addf(b, " %s", names[i].name);
}

static void add_tries(struct strbuf *b, const struct request *q)
{
	if (q->retry.tries > 1)
		strbuf_addf(b, ", after %u tries", q->retry.tries);
}

/* The server's own words, without what is said already. */
static void add_message(struct strbuf *b, const char *message)
{
	static const char forbidden[] = " is forbidden: ";
	const char *p = message ? strstr(message, forbidden) : NULL;

	if (message)
		strbuf_addf(b, ": %s", p ? p + strlen(forbidden) : message);
}

/* ---- why there is no answer ---- */

static void add_seconds(struct strbuf *b, int64_t ms)
{
	if (ms % 1000 == 0 || ms >= 10000)
		strbuf_addf(b, "%lld s", (long long)(ms / 1000));
	else
		strbuf_addf(b, "%lld.%lld s", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
}

static int64_t limit_of(const struct words *w, const struct request *q)
{
	return !q->is_list && q->get.timeout_ms ? q->get.timeout_ms : w->options->request_ms;
}

static void add_late(const struct words *w, const struct request *q, const struct wire_answer *a, struct strbuf *b)
{
	if (!a) {
		strbuf_adds(b, "it came too late: the ");
		add_seconds(b, w->options->deadline_ms);
		strbuf_adds(b, " of this run were over");
	} else if (a->end == WIRE_STALLED) {
		strbuf_adds(b, "the answer stalled: nothing came for ");
		add_seconds(b, w->options->stall_ms);
		strbuf_addf(b, " after %zu bytes", a->got);
	} else if (a->status) {
		strbuf_addf(b, "the answer was not at its end after ");
		add_seconds(b, limit_of(w, q));
		strbuf_addf(b, " (%zu bytes)", a->got);
	} else {
		strbuf_adds(b, "no answer within ");
		add_seconds(b, limit_of(w, q));
	}
}

static void add_size(struct strbuf *b, size_t size)
{
	if (size >= (1u << 20))
		strbuf_addf(b, "%zu MiB", size >> 20);
	else
		strbuf_addf(b, "%zu bytes", size);
}

/* What came, when it is neither JSON nor nothing: its first characters. */
static void add_beginning(struct strbuf *b, const char *body)
{
	char first[48];

	body += strspn(body, " \t\r\n");
	if (!*body) {
		strbuf_adds(b, "but the answer is empty");
		return;
	}
	(void)snprintf(first, sizeof(first), "%.40s", body);
	first[strcspn(first, "\r\n")] = '\0';
	strbuf_adds(b, *body == '{' ? "but the JSON is damaged: it begins with '" : "but the answer is no JSON: it begins with '");
	strbuf_add_clean(b, first);
	strbuf_addc(b, '\'');
}

static void add_bad_answer(const struct request *q, const struct wire_answer *a, const char *message, struct strbuf *b)
{
	if (a->status) {
		add_status(b, a->status);
		strbuf_adds(b, a->status == 200 ? " OK, " : ", ");
	}
	if (message) {
		strbuf_addf(b, "but %s", message);
	} else if (a->end == WIRE_BROKEN) {
		strbuf_addf(b, "but the connection broke after %zu bytes", a->got);
		add_tries(b, q);
	} else if (a->end == WIRE_TOO_LARGE) {
		strbuf_adds(b, "but the answer is larger than ");
		add_size(b, q->is_list ? (size_t)LIST_PAGE_MAX : q->get.body_max);
	} else if (a->end == WIRE_TOO_MUCH) {
		strbuf_adds(b, "but all answers together are larger than 2 GiB");
	} else if (a->end == WIRE_GARBLED && !a->status) {
		strbuf_adds(b, "what answers there does not speak HTTP");
	} else if (a->end == WIRE_GARBLED) {
		strbuf_adds(b, "but the answer is garbled and cannot be unpacked");
	} else {
		add_beginning(b, a->body ? a->body : "");
	}
}

static void add_broken(const struct request *q, const struct wire_answer *a, struct strbuf *b)
{
	if (a && a->end == WIRE_OTHER)
		strbuf_adds(b, a->error);
	else
		strbuf_adds(b, "the connection broke before an answer came");
	add_tries(b, q);
}

static void add_no_kind(const struct api_what *w, struct strbuf *b)
{
	if (!w->resource)
		return;
	strbuf_addf(b, ": this server has no resource '%.*s'", (int)strcspn(w->resource, "/"), w->resource);
	if (w->group && *w->group)
		strbuf_addf(b, " in group '%s'", w->group);
}

static void add_reason(const struct words *w, const struct request *q, const struct wire_answer *a, const struct api_result *r,
		       struct strbuf *b)
{
	switch (r->outcome) {
	case API_LATE:
		add_late(w, q, a, b);
		return;
	case API_BAD_ANSWER:
		add_bad_answer(q, a, r->message, b);
		return;
	case API_UNREACHABLE:
		add_broken(q, a, b);
		return;
	case API_STOPPED:
		strbuf_adds(b, "interrupted");
		return;
	case API_NO_MEMORY:
		strbuf_adds(b, "memory is out");
		return;
	case API_NO_KIND:
		add_status(b, r->status);
		add_no_kind(q->what, b);
		return;
	default:
		break;
	}
	add_status(b, r->status);
	if (r->outcome == API_BUSY || r->outcome == API_SERVER_ERROR)
		add_tries(b, q);
	if (a && a->end == WIRE_ANSWER && a->retry_after_ms > 0)
		strbuf_addf(b, ", come back after %lld s", (long long)(a->retry_after_ms / 1000));
	if (r->outcome != API_NOT_FOUND || q->behind)
		add_message(b, r->message);
	if (a && a->location[0])
		strbuf_addf(b, ", which leads to '%s'", a->location);
}

/* ---- what to do next ---- */

/* " -n shop", " -A"; nothing where the name would not be safe in a command. */
static void add_scope(const struct request *q, struct strbuf *b)
{
	const struct api_what *w = q->what;

	if (w->namespace_ && is_k8s_name(w->namespace_))
		strbuf_addf(b, " -n %s", w->namespace_);
	else if (!w->namespace_ && !is_cluster_wide(w->resource))
		strbuf_adds(b, " -A");
}

static const char *kubectl_flags(const struct words *w)
{
	return w->options->kubectl_flags ? w->options->kubectl_flags : "";
}

/* "kubectl auth can-i list endpointslices.discovery.k8s.io -n shop". */
static void add_can_i(const struct words *w, const struct request *q, struct strbuf *b)
{
	const struct api_what *what = q->what;
	const char *sub;

	strbuf_addf(b, "kubectl%s auth can-i %s ", kubectl_flags(w), what->verb ? what->verb : q->is_list ? "list" : "get");
	if (!what->resource) {
		strbuf_add(b, q->path, strcspn(q->path, "?"));
		return;
	}
	sub = strchr(what->resource, '/');
	strbuf_add(b, what->resource, sub ? (size_t)(sub - what->resource) : strlen(what->resource));
	if (what->group && *what->group)
		strbuf_addf(b, ".%s", what->group);
	if (what->name && is_k8s_name(what->name))
		strbuf_addf(b, "/%s", what->name);
	if (sub)
		strbuf_addf(b, " --subresource=%s", sub + 1);
	add_scope(q, b);
}

static void hint_forbidden(const struct words *w, const struct request *q, const struct api_result *r, struct strbuf *b)
{
	if (r->message && strstr(r->message, "system:anonymous")) {
		strbuf_adds(b, "the server was shown no credential that it knows (system:anonymous): log in, or choose another context");
		return;
	}
	add_can_i(w, q, b);
	strbuf_addf(b, "; svcdoctor%s rbac prints the rights it needs", w->options->own_flags ? w->options->own_flags : "");
}

static void hint_no_kind(const struct words *w, const struct request *q, struct strbuf *b)
{
	const char *group = q->what->group;

	if (!q->what->resource || !group || !*group) {
		strbuf_adds(b, "is this the address of an API server? it stands in ");
		strbuf_add_clean(b, w->access->source ? w->access->source : "the flags");
		return;
	}
	strbuf_addf(b, "kubectl%s api-resources --api-group=%s", kubectl_flags(w), group);
}

static void hint_not_found(const struct words *w, const struct request *q, struct strbuf *b)
{
	if (!q->what->resource || q->behind)
		return;
	strbuf_addf(b, "kubectl%s get %s", kubectl_flags(w), q->what->resource);
	if (q->what->group && *q->what->group)
		strbuf_addf(b, ".%s", q->what->group);
	add_scope(q, b);
}

static void hint_bad_answer(const struct wire_answer *a, const struct api_result *r, struct strbuf *b)
{
	if (r->message)
		strbuf_adds(b, "try again; if it stays so, look at what stands in front of the API server, such as a proxy that caches");
	else if (a->end == WIRE_BROKEN)
		strbuf_adds(b, "something between here and the API server ends connections early: a proxy, a load balancer, or the server itself was restarted");
	else if (a->end == WIRE_TOO_LARGE || a->end == WIRE_TOO_MUCH)
		strbuf_adds(b, "ask for one namespace (-n) or one Service, which is less to read");
	else if (a->body && *(a->body + strspn(a->body, " \t\r\n")) == '<')
		strbuf_adds(b, "a web page came: is this the address of an API server, or does a proxy or a login page answer in its place?");
	else
		strbuf_adds(b, "is this the address of an API server, or does a proxy answer in its place?");
}

static void hint_late(const struct wire_answer *a, struct strbuf *b)
{
	if (!a)
		strbuf_adds(b, "a longer --timeout waits longer; one namespace (-n) or one Service is less to read");
	else if (a->end == WIRE_STALLED)
		strbuf_adds(b, "try again; a VPN, proxy or firewall on the way may hold back what is larger than a packet");
	else
		strbuf_adds(b, "the API server or the way to it is slow; a longer --request-timeout waits longer");
}

static void hint_refused(const struct words *w, const struct request *q, const struct wire_answer *a, const struct api_result *r, struct strbuf *b)
{
	if (r->message && strstr(r->message, "HTTP request to an HTTPS server"))
		strbuf_adds(b, "the server wants TLS: its URL must begin with https://");
	else if (r->status / 100 == 3)
		strbuf_addf(b, "svcdoctor does not follow redirects: %s", a && a->location[0] ? "if that is the API server, use its address as the server"
											     : "is this the address of an API server?");
	else if (!strchr(q->path, '\''))
		strbuf_addf(b, "kubectl%s get --raw '%s' asks the same", kubectl_flags(w), q->path);
}

static void add_hint(const struct words *w, const struct request *q, const struct wire_answer *a, const struct api_result *r,
		     struct strbuf *b)
{
	switch (r->outcome) {
	case API_FORBIDDEN:
		hint_forbidden(w, q, r, b);
		break;
	case API_NOT_FOUND:
		hint_not_found(w, q, b);
		break;
	case API_NO_KIND:
		hint_no_kind(w, q, b);
		break;
	case API_BUSY:
		strbuf_adds(b, "the API server is overloaded: try again later, or ask for one namespace (-n) or one Service");
		break;
	case API_SERVER_ERROR:
		if (!q->behind)
			strbuf_addf(b, "kubectl%s get --raw '/readyz?verbose' shows what is unwell there", kubectl_flags(w));
		break;
	case API_REFUSED:
		hint_refused(w, q, a, r, b);
		break;
	case API_UNREACHABLE:
		strbuf_adds(b, "try again; if it stays so, look at the API server and at the proxy or load balancer in front of it");
		break;
	case API_LATE:
		hint_late(a, b);
		break;
	case API_BAD_ANSWER:
		hint_bad_answer(a, r, b);
		break;
	default:
		break;
	}
}

/* ---- */

static const char *keep(struct arena *arena, const struct strbuf *b)
{
	return b->len ? arena_strndup(arena, b->s, b->len) : NULL;
}

void words_request(const struct words *w, const struct request *q, const struct wire_answer *answer, struct api_result *r)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
	CLEANUP(strbuf_release) struct strbuf hint = STRBUF_INIT;

	strbuf_adds(&text, "cannot ");
	words_what(q, &text);
	strbuf_adds(&text, ": ");
	add_reason(w, q, answer, r, &text);
	add_hint(w, q, answer, r, &hint);
	r->text = keep(w->arena, &text);
	r->hint = keep(w->arena, &hint);
	r->message = answer && answer->end == WIRE_ANSWER && r->outcome != API_BAD_ANSWER ? arena_strdup(w->arena, r->message) : NULL;
}

void words_cut(const struct words *w, const struct request *q, const char *why, struct api_result *r)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;

	words_what(q, &text);
	strbuf_addf(&text, ": %s", why);
	r->text = keep(w->arena, &text);
}
