/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kube-proxy answers at /healthz and /livez (pkg/proxy/healthcheck/proxy_health.go, proxier_health.go before), and how its ports answered at all
 * (kube-proxy-http.txt).
 *
 * Before 1.32 the bodies are {"lastUpdated", "currentTime"} in Go's own form of a time, with "nodeEligible" at /healthz since 1.28. Until 1.16
 * lastUpdated is the last sync, and the status alone says whether that is too old; from then on it is the present as long as all is well. Since 1.32
 * times are RFC 3339, "healthy" is told, and "status" has each family's own last sync.
 */

#include <errno.h>
#include <jansson.h>
#include <time.h>

#include <svcdoctor/base.h>

#include "proxy-private.h"

#define BODY_MAX (1u << 20)
#define TIME_MAX 64
#define LINES_MAX 100
#define HEALTH_TIMEOUT 60 /* seconds: twice the sync period of 30s, at which no version is ill yet */

/* ---- times ---- */

/* "+0200", "-0330", "+02:00", "Z" in seconds; 0 where it is none. */
static long zone_of(const char *s)
{
	unsigned h, m;

	if ((*s != '+' && *s != '-') || (sscanf(s + 1, "%2u:%2u", &h, &m) != 2 && sscanf(s + 1, "%2u%2u", &h, &m) != 2))
		return 0;
	return (*s == '-' ? -1 : 1) * ((long)h * 3600 + (long)m * 60);
}

/* Go's String() of a time, "2023-05-01 10:00:00.123456789 +0000 UTC m=+100.5", or RFC 3339, as RFC 3339 in UTC. False: it is no time. */
static bool time_of(const char *s, char text[static TIME_MAX], int64_t *ret_seconds)
{
	struct tm tm = { 0 };
	char part[16] = ""; /* of a second */
	time_t t;
	int n = 0;

	if (sscanf(s, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &n) != 6 || n < 19)
		return false;
	s += n;
	if (*s == '.') {
		size_t len = 1 + strspn(s + 1, "0123456789");

		memcpy(part, s, MIN(len, sizeof(part) - 1));
		s += len;
	}
	tm.tm_year -= 1900;
	tm.tm_mon--;
	t = timegm(&tm) - zone_of(s + strspn(s, " "));
	if (!gmtime_r(&t, &tm))
		return false;
	(void)snprintf(text, TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		       tm.tm_sec, part);
	*ret_seconds = t;
	return true;
}

struct moment {
	char text[TIME_MAX];
	int64_t seconds;
	bool known;
};

static struct moment moment_of(const json_t *o, const char *key)
{
	const char *s = json_str(o, key);
	struct moment m = { .known = false };

	m.known = s && strlen(s) < 2 * TIME_MAX && time_of(s, m.text, &m.seconds);
	return m;
}

/* ---- what the body says ---- */

struct body {
	struct moment updated, now, family[2];
	int family_healthy[2];
	int healthy, eligible; /* -1: not told */
};

static const char *const families[] = { "IPv4", "IPv6" };

/*
 * Equal times are the present, put in where all is well; else lastUpdated is a sync, and where that is younger than a kube-proxy may be late, nothing
 * says that it is.
 */
static int healthy_of(const struct body *b)
{
	if (b->eligible == 0)
		return 0;
	if (!b->updated.known || !b->now.known)
		return -1;
	return b->now.seconds - b->updated.seconds < HEALTH_TIMEOUT;
}

static struct body body_of(const json_t *o)
{
	struct body b = { .updated = moment_of(o, "lastUpdated"), .now = moment_of(o, "currentTime"), .healthy = json_tri(o, "healthy"),
			  .eligible = json_tri(o, "nodeEligible") };

	for (unsigned six = 0; six < 2; six++) {
		const json_t *f = json_obj(json_obj(o, "status"), families[six]);

		b.family[six] = moment_of(f, "lastUpdated");
		b.family_healthy[six] = json_tri(f, "healthy");
	}
	if (b.healthy < 0)
		b.healthy = healthy_of(&b);
	return b;
}

/* The older family's: the newer does not show that the other is stuck. */
static const struct moment *last_sync(const struct body *b)
{
	const struct moment *oldest = NULL;

	for (unsigned six = 0; six < 2; six++)
		if (b->family[six].known && (!oldest || strcmp(b->family[six].text, oldest->text) < 0))
			oldest = &b->family[six];
	return oldest ? oldest : b->updated.known ? &b->updated : NULL;
}

static int set_text(struct snapshot *s, const char **to, const struct moment *m)
{
	if (!m || !m->known)
		return 0;
	*to = arena_strdup(&s->arena, m->text);
	return *to ? 0 : -ENOMEM;
}

/* The status of HTTP says what an old body does not. */
static void settle(struct snap_proxy *p)
{
	const struct snap_port *port = &p->ports[PROXY_HEALTHZ];

	if (p->healthz_known && port->end == PORT_ANSWERED && (port->status == 200 || port->status == 503))
		p->healthy = port->status == 200;
}

static int take_times(struct snapshot *s, struct snap_proxy *p, const struct body *b)
{
	int r = set_text(s, &p->healthz_now, &b->now);

	for (unsigned six = 0; r == 0 && six < 2; six++) {
		r = set_text(s, &p->family_updated[six], &b->family[six]);
		if (b->family_healthy[six] >= 0)
			p->family_healthy[six] = b->family_healthy[six];
	}
	return r;
}

static int take_healthz(struct snapshot *s, struct snap_proxy *p, const struct body *b)
{
	p->healthz_known = true;
	p->healthy = b->healthy;
	p->eligible = b->eligible;
	p->healthz_last_updated = p->healthz_now = NULL;
	for (unsigned six = 0; six < 2; six++) {
		p->family_updated[six] = NULL;
		p->family_healthy[six] = -1;
	}
	settle(p);
	return take_times(s, p, b) < 0 ? -ENOMEM : set_text(s, &p->healthz_last_updated, last_sync(b));
}

/* What /healthz said is the same and more. */
static int take_livez(struct snapshot *s, struct snap_proxy *p, const struct body *b)
{
	return p->healthz_known ? 0 : take_times(s, p, b);
}

void proxy_port_answered(struct snap_proxy *p, enum snap_proxy_port port, int status)
{
	if (p->ports[port].end == PORT_NOT_ASKED)
		p->ports[port] = (struct snap_port){ .end = PORT_ANSWERED, .status = status };
}

int proxy_health_read(struct snapshot *s, struct snap_proxy *p, enum snap_proxy_port port, const char *data, size_t size, const char *file)
{
	json_error_t error = { .text = "it is too large" };
	json_t *o = size <= BODY_MAX ? json_loadb(data, size, 0, &error) : NULL;
	struct body b;
	int r = 0;

	if (!o) {
		sd_note_add(&s->notes, true, "bad-json", file, error.line > 0 ? (uint32_t)error.line : 0, error.column > 0 ? (uint32_t)error.column : 0,
			    NULL, "%s", error.text);
		return 0;
	}
	b = body_of(o);
	if (b.healthy >= 0) {
		r = port == PROXY_HEALTHZ ? take_healthz(s, p, &b) : take_livez(s, p, &b);
		proxy_port_answered(p, port, b.healthy ? 200 : 503);
	}
	json_decref(o);
	return r;
}

/* ---- kube-proxy-http.txt ---- */

static const struct {
	enum snap_port_end end;
	const char *word, *error;
} ends[] = {
	{ PORT_REFUSED, "refused", "connection refused" },
	{ PORT_SILENT, "silent", "no answer in time" },
	{ PORT_UNREACHABLE, "unreachable", "it cannot be reached" },
	{ PORT_STRANGE, "strange", "what it answers is not of this port of kube-proxy" },
};

void proxy_http_line(struct strbuf *b, enum snap_proxy_port port, enum snap_port_end end, int status, const char *error)
{
	if (end == PORT_ANSWERED)
		strbuf_addf(b, "%s %d\n", snap_proxy_port_name(port), status);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		if (ends[i].end != end)
			continue;
		strbuf_addf(b, "%s %s", snap_proxy_port_name(port), ends[i].word);
		if (end == PORT_UNREACHABLE && error)
			strbuf_addf(b, " (%s)", error);
		strbuf_addc(b, '\n');
	}
}

/* The next word of a line, which ends at *@end. */
static size_t word_at(const char **at, const char *end)
{
	size_t n = 0;

	while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r'))
		++*at;
	while (*at + n < end && (*at)[n] != ' ' && (*at)[n] != '\t' && (*at)[n] != '\r')
		n++;
	return n;
}

/* "(no route to host)"; NULL: it is not told, or memory is out */
static const char *error_at(struct snapshot *s, const char *at, const char *end)
{
	const char *close = at < end && *at == '(' ? memrchr(at, ')', (size_t)(end - at)) : NULL;
	char *copy = close ? arena_strndup(&s->arena, at + 1, MIN((size_t)(close - at - 1), 200u)) : NULL;

	return copy ? arena_clean(&s->arena, copy) : NULL;
}

static bool read_end(struct snapshot *s, const char *at, const char *end, struct snap_port *ret)
{
	size_t len = word_at(&at, end);
	uint64_t status;

	if (parse_uint(at, len, 999, &status) == 0 && len == 3 && status >= 100) {
		*ret = (struct snap_port){ .end = PORT_ANSWERED, .status = (int)status };
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		if (strlen(ends[i].word) != len || memcmp(ends[i].word, at, len) != 0)
			continue;
		at += len;
		(void)word_at(&at, end);
		*ret = (struct snap_port){ .end = ends[i].end, .error = error_at(s, at, end) };
		ret->error = ret->error ? ret->error : ends[i].error;
		return true;
	}
	return false;
}

static bool read_port(struct snapshot *s, struct snap_proxy *p, const char *at, const char *end)
{
	size_t len = word_at(&at, end);

	if (len == 0)
		return true;
	for (unsigned i = 0; i < PROXY_PORTS; i++) {
		const char *name = snap_proxy_port_name((enum snap_proxy_port)i);

		if (strlen(name) == len && memcmp(name, at, len) == 0)
			return read_end(s, at + len, end, &p->ports[i]);
	}
	return false;
}

int proxy_http_read(struct snapshot *s, struct snap_proxy *p, const char *data, size_t size, const char *file)
{
	uint32_t line = 0;

	for (size_t at = 0; at < size && line < LINES_MAX;) {
		const char *nl = memchr(data + at, '\n', size - at);
		const size_t len = nl ? (size_t)(nl - (data + at)) : size - at;

		line++;
		if (!read_port(s, p, data + at, data + at + len))
			sd_note_add(&s->notes, false, "bad-line", file, line, 1, NULL, "this tells of no port of kube-proxy");
		at += len + 1;
	}
	/* what it said before, it does not say any more */
	if (p->ports[PROXY_HEALTHZ].end > PORT_ANSWERED)
		p->healthz_known = false;
	settle(p);
	return 0;
}
