/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often a request is tried, and how long it waits in between: exponential back-off with jitter, the server's Retry-After where it says
 * one. Everything svcdoctor sends is a GET, so any of it may be sent again.
 */
#include <time.h>

#include "client-private.h"

#define TRIES_MAX 4u
#define REFUSED_MAX 3u
#define PAUSE_FIRST_MS 200
#define PAUSE_MAX_MS 5000
#define RETRY_AFTER_MAX_MS 30000

/* xorshift64* */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state ? *state : 0x9e3779b97f4a7c15ull;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

/* Half of it stands, half is drawn: many clients of one server must not come back together. */
static int64_t jittered(struct retry *r, int64_t ms)
{
	return ms / 2 + (int64_t)(next_random(&r->random) % (uint64_t)(ms / 2 + 1));
}

/* 5xx but 501, which says that it will never be answered. What a kubelet or a pod answers through the API server is believed at once. */
static bool may_pass(const struct wire_answer *a, bool behind)
{
	if (a->status == 429)
		return true;
	return a->status >= 500 && a->status != 501 && (!behind || a->retry_after_ms >= 0);
}

int64_t retry_pause_ms(struct retry *r, const struct wire_answer *a, bool behind)
{
	int64_t ms = PAUSE_FIRST_MS;

	if (r->tries >= TRIES_MAX)
		return -1;
	if (a->end == WIRE_REFUSED)
		return r->refused < REFUSED_MAX && !a->proxy ? jittered(r, PAUSE_FIRST_MS) : -1;
	if (a->end != WIRE_BROKEN && (a->end != WIRE_ANSWER || !may_pass(a, behind)))
		return -1;
	for (unsigned i = 1; i < r->tries && ms < PAUSE_MAX_MS; i++)
		ms *= 2;
	ms = jittered(r, MIN(ms, PAUSE_MAX_MS));
	if (a->end == WIRE_ANSWER && a->retry_after_ms >= 0)
		ms = MAX(ms, MIN(a->retry_after_ms, RETRY_AFTER_MAX_MS));
	return ms;
}

/* RFC 9110, section 10.2.3. */
int64_t retry_after_parse(const char *value, int64_t now)
{
	struct tm tm = { 0 };
	const char *end;
	uint64_t seconds;
	int64_t then;

	if (parse_uint(value, strlen(value), 1u << 30, &seconds) == 0 && value[0] >= '0' && value[0] <= '9')
		return (int64_t)seconds * 1000;
	end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end || *end)
		return -1;
	then = (int64_t)timegm(&tm);
	return then > now ? (then - now) * 1000 : 0;
}
