/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths of requests, and the names of outcomes. */
#include <svcdoctor/api.h>

const char *api_outcome_code(enum api_outcome o)
{
	static const char *const codes[] = {
		[API_OK] = "ok", [API_UNAUTHORIZED] = "unauthorized", [API_FORBIDDEN] = "forbidden", [API_NOT_FOUND] = "not-found",
		[API_NO_KIND] = "no-such-kind", [API_BUSY] = "busy", [API_SERVER_ERROR] = "server-error", [API_REFUSED] = "refused",
		[API_UNREACHABLE] = "unreachable", [API_NOT_TRUSTED] = "not-trusted", [API_LATE] = "late", [API_BAD_ANSWER] = "bad-answer",
		[API_NO_CREDENTIAL] = "no-credential", [API_STOPPED] = "stopped", [API_NO_MEMORY] = "no-memory",
	};

	return codes[o];
}

/* RFC 3986: what is not unreserved is encoded. */
static void add_encoded(struct strbuf *b, const char *s)
{
	for (; *s; s++) {
		char c = *s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c))
			strbuf_addc(b, c);
		else
			strbuf_addf(b, "%%%02X", (unsigned char)c);
	}
}

void api_path_add(struct strbuf *b, const char *segment)
{
	strbuf_addc(b, '/');
	/* A segment of dots alone would be a step, not a name. */
	if (str_is(segment, ".") || str_is(segment, "..")) {
		strbuf_adds(b, segment[1] ? "%2E%2E" : "%2E");
		return;
	}
	add_encoded(b, segment);
}

void api_query_add(struct strbuf *b, const char *name, const char *value)
{
	strbuf_addc(b, strchr(strbuf_str(b), '?') ? '&' : '?');
	add_encoded(b, name);
	strbuf_addc(b, '=');
	add_encoded(b, value);
}
