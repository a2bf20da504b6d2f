/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What getaddrinfo(name, AF_UNSPEC) of each libc asks, in which order, and what it makes of the answers. Sources: glibc
 * resolv/res_query.c, res_send.c, nss_dns/dns-host.c and sysdeps/posix/getaddrinfo.c (2.36 with its fixes), musl
 * src/network/lookup_name.c, res_msend.c and res_mkquery.c (1.2.3).
 *
 * Assumed: nsswitch.conf has "files dns", /etc/hosts has localhost and nothing else, answers come in the order of the questions.
 * Not modelled: HOSTALIASES, names with backslashes, more than one server (whose answer a libc gets is decided by who gives them).
 *
 * An answer NXDOMAIN for A stands for AAAA as well where that one is not known (RFC 8020).
 */

#include <errno.h>
#include <netinet/in.h>

#include "resolv-private.h"

enum {
	LABEL_MAX = 63, WIRE_MAX = 255,
	MUSL_NAME_MAX = 254, MUSL_BUFFER = 256, MUSL_QUERY_MAX = 253,
	SHOWN_MAX = 3 /* addresses of an outcome */
};

/* What one answer is to a libc. */
enum reply {
	REPLY_UNKNOWN,
	REPLY_SILENT,	/* nothing that it takes for an answer */
	REPLY_CLOSED,	/* an ICMP error, or this machine forbids it */
	REPLY_ERROR,	/* an answer after which glibc tries the next server */
	REPLY_ADDRESSES,
	REPLY_RECORDS,	/* some, and no address: a CNAME that leads nowhere */
	REPLY_EMPTY,	/* NOERROR and nothing */
	REPLY_NXDOMAIN,
	REPLY_OTHER	/* another rcode that glibc takes for an answer */
};

/* What becomes of a name: netdb.h's h_errno, and what is behind it. */
enum found { FOUND, FOUND_NOTHING /* an answer, without address */, NOT_FOUND, NO_DATA_FOUND, RETRY, NO_RECOVERY_FOUND, UNKNOWN_FOUND };

struct walking {
	struct arena *arena;
	const struct resolv_view *v;
	libc_answer_fn *answer;
	void *arg;
	struct libc_walk *w;
	size_t winner;	/* index + 1 of the step; 0: none */
	bool over;	/* nothing more is sent */
	bool skipping;	/* glibc: nor is the rest of the search list */
	bool unknown;	/* an answer that it depends on was not there */
	bool single;	/* glibc: one question at a time, by option or after a time-out */
	int error;	/* -ENOMEM */
};

void libc_walk_release(struct libc_walk *w)
{
	array_free(&w->steps);
	*w = (struct libc_walk){ 0 };
}

/* ---- names ---- */

/* May it be sent: labels of 1 to 63 bytes, 255 of them in all with their lengths? A final dot is allowed; so is the root. */
static bool sendable(const char *name)
{
	size_t label = 0, wire = 1;

	if (strcmp(name, ".") == 0)
		return true;
	for (; *name; name++) {
		if (*name == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		wire += label == 0 ? 2 : 1;
		if (++label > LABEL_MAX)
			return false;
	}
	return wire <= WIRE_MAX;
}

/* res_hnok(): what glibc takes for the name of a host. */
static bool glibc_host_name(const char *name)
{
	if (*name == '-' || (*name && !sendable(name)))
		return false;
	for (; *name; name++) {
		bool letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');
		if (!letter && !(*name >= '0' && *name <= '9') && *name != '-' && *name != '_' && *name != '.')
			return false;
	}
	return true;
}

/* ---- one answer ---- */

static bool has_address(const struct dns_answer *a)
{
	const char *name = a->q.name;

	for (size_t i = 0; i < a->nanswers; i++) {
		const struct dns_record *r = &a->answers[i];
		if (r->type == DNS_CNAME && r->target)
			name = r->target; /* whoever owns it */
		else if (r->type == a->q.type && r->addr.family && dns_name_equal(r->owner, name))
			return true;
	}
	return false;
}

/* An answer of nobody who is in charge: the next server is asked (res_send.c). Only fresh answers have all these flags. */
static bool is_lame(const struct dns_answer *a)
{
	return a->nanswers == 0 && !a->aa && !a->ra && !a->file;
}

static enum reply reply_rcode(const struct dns_answer *a, bool glibc_udp)
{
	switch (a->rcode) {
	case DNS_NOERROR:
		if (glibc_udp && is_lame(a))
			return REPLY_ERROR;
		if (a->nanswers == 0)
			return REPLY_EMPTY;
		return has_address(a) ? REPLY_ADDRESSES : REPLY_RECORDS;
	case DNS_NXDOMAIN:
		return REPLY_NXDOMAIN;
	case DNS_SERVFAIL:
	case DNS_NOTIMP:
	case DNS_REFUSED:
		return glibc_udp ? REPLY_ERROR : REPLY_OTHER;
	default:
		return REPLY_OTHER;
	}
}

static enum reply reply_of(const struct resolv_view *v, const struct dns_answer *a)
{
	bool glibc = v->libc == LIBC_GLIBC;

	if (!a)
		return REPLY_UNKNOWN;
	switch (a->end) {
	case DNS_NOT_ASKED:
	case DNS_FAILED:
	case DNS_ENDS:
		return REPLY_UNKNOWN;
	case DNS_ANSWERED:
		break;
	case DNS_PORT_CLOSED:
	case DNS_UNREACHABLE:
	case DNS_PROHIBITED:
		return REPLY_CLOSED;
	default:
		return REPLY_SILENT;
	}
	if (a->records_unknown && a->rcode == DNS_NOERROR)
		return REPLY_UNKNOWN;
	if (glibc && a->tc && !a->q.tcp)
		return REPLY_UNKNOWN; /* it asks again over TCP */
	return reply_rcode(a, glibc && !v->use_vc && !a->q.tcp);
}

/* ---- outcomes in words ---- */

static const char *reply_words(const struct dns_answer *a, enum reply r)
{
	switch (r) {
	case REPLY_UNKNOWN:
		return "not known";
	case REPLY_SILENT:
		return a->end == DNS_TIMED_OUT ? "no answer" : "no answer that counts";
	case REPLY_CLOSED:
		return a->end == DNS_PORT_CLOSED ? "port closed" : dns_end_name(a->end);
	case REPLY_RECORDS:
	case REPLY_EMPTY:
		return "no address";
	default:
		return a->rcode == DNS_NOERROR ? "no data" : dns_rcode_name(a->rcode);
	}
}

static size_t add_addresses(struct strbuf *b, size_t n, const struct dns_answer *a)
{
	char buf[IP_ADDR_STRLEN];

	for (size_t i = 0; a && i < a->nanswers; i++) {
		const struct dns_record *r = &a->answers[i];
		if (r->type != a->q.type || !r->addr.family)
			continue;
		if (n++ < SHOWN_MAX)
			strbuf_addf(b, "%s%s", n > 1 ? ", " : "", ip_addr_format(&r->addr, buf));
	}
	return n;
}

static const char *outcome(struct walking *g, const struct dns_answer *a, enum reply ra, const struct dns_answer *b, enum reply rb)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *wa = reply_words(a, ra), *wb = reply_words(b, rb);
	size_t n = 0;

	if (ra != REPLY_ADDRESSES && (g->v->no_aaaa || (rb != REPLY_ADDRESSES && strcmp(wa, wb) == 0)))
		return wa;
	n = add_addresses(&text, n, ra == REPLY_ADDRESSES ? a : NULL);
	n = add_addresses(&text, n, rb == REPLY_ADDRESSES ? b : NULL);
	if (n > SHOWN_MAX)
		strbuf_addf(&text, " and %zu more", n - SHOWN_MAX);
	if (ra != REPLY_ADDRESSES)
		strbuf_addf(&text, "%sA: %s", n ? ", " : "", wa);
	/* that there is no IPv6 address is as usual */
	if (!g->v->no_aaaa && rb != REPLY_ADDRESSES && !(n && rb == REPLY_EMPTY))
		strbuf_addf(&text, "%sAAAA: %s", text.len ? ", " : "", wb);
	return text.failed ? NULL : arena_strdup(g->arena, strbuf_str(&text));
}

/* ---- steps ---- */

/* The next name, with its answers. NULL: memory is out. */
static struct libc_step *add_step(struct walking *g, const char *typed, const char *search, enum reply *ra, enum reply *rb)
{
	struct libc_step s = { .search = search, .needed = !g->over && !g->skipping };
	size_t len;
	char *name = search && *search ? arena_printf(g->arena, "%s.%s", typed, search) : arena_strdup(g->arena, typed);

	if (!name) {
		g->error = -ENOMEM;
		return NULL;
	}
	len = strlen(name);
	if (len && name[len - 1] == '.')
		name[len - 1] = 0;
	s.name = name;
	if (g->answer) {
		s.a = g->answer(g->arg, name, DNS_A);
		s.aaaa = g->v->no_aaaa ? NULL : g->answer(g->arg, name, DNS_AAAA);
	}
	*ra = reply_of(g->v, s.a);
	*rb = reply_of(g->v, s.aaaa);
	s.outcome = outcome(g, s.a, *ra, s.aaaa, *rb);
	if (!s.outcome || array_push(&g->w->steps, s) < 0) {
		g->error = -ENOMEM;
		return NULL;
	}
	return &g->w->steps.v[g->w->steps.len - 1];
}

static void count(struct walking *g, const struct libc_step *s, unsigned n)
{
	g->w->queries_at_most += g->v->no_aaaa ? 1 : 2;
	if (s->needed)
		g->w->queries += n;
}

static void stop(struct walking *g, enum libc_result result, bool decides, const char *why)
{
	if (g->over)
		return;
	g->over = true;
	g->w->result = result;
	g->w->stopped = why;
	if (decides)
		g->winner = g->w->steps.len;
}

/* ---- glibc ---- */

struct glibc_pair {
	enum found found;
	bool refused;	/* errno is ECONNREFUSED */
	bool servfail;	/* what lies in the buffer for the first answer is SERVFAIL */
	unsigned sent;
};

static bool glibc_takes(enum reply r)
{
	return r >= REPLY_ADDRESSES;
}

/* Neither has an address: by the first rcode that is not NOERROR (__res_context_query). */
static enum found glibc_without(const struct dns_answer *a, enum reply ra, const struct dns_answer *b, enum reply rb, bool *ret_servfail)
{
	const struct dns_answer *first = ra == REPLY_EMPTY ? b : a;
	enum reply r = ra == REPLY_EMPTY ? rb : ra;

	if (ra == REPLY_RECORDS || rb == REPLY_RECORDS)
		return FOUND_NOTHING;
	if (r == REPLY_NXDOMAIN)
		return NOT_FOUND;
	if (r == REPLY_EMPTY)
		return NO_DATA_FOUND;
	if (first->rcode != DNS_SERVFAIL)
		return NO_RECOVERY_FOUND;
	*ret_servfail = a->rcode == DNS_SERVFAIL;
	return RETRY;
}

/* Both questions to one server, which send_dg() sends together, or one behind the other. */
static struct glibc_pair glibc_pair(struct walking *g, const struct dns_answer *a, enum reply ra, const struct dns_answer *b, enum reply rb)
{
	struct glibc_pair p = { .found = RETRY, .sent = g->v->no_aaaa ? 1 : 2 };
	bool a_ok = glibc_takes(ra), b_ok = !g->v->no_aaaa && glibc_takes(rb);

	if (g->v->no_aaaa || (g->single && !a_ok && !g->v->use_vc)) {
		rb = ra; /* AAAA is not asked for */
		b = a;
		b_ok = a_ok;
		p.sent = 1;
	}
	if (ra == REPLY_UNKNOWN || (rb == REPLY_UNKNOWN && ra != REPLY_ADDRESSES && ra != REPLY_NXDOMAIN)) {
		p.found = UNKNOWN_FOUND;
		return p;
	}
	p.servfail = (ra == REPLY_ERROR && a->rcode == DNS_SERVFAIL) ||
		     (ra == REPLY_SILENT && rb == REPLY_ERROR && b->rcode == DNS_SERVFAIL);
	p.refused = ra == REPLY_CLOSED && rb == REPLY_CLOSED;
	if (a_ok != b_ok && (ra == REPLY_SILENT || rb == REPLY_SILENT))
		g->single = true; /* one answer is missing: from now on one at a time */
	if (!a_ok && (!b_ok || ra == REPLY_SILENT || ra == REPLY_CLOSED))
		return p;
	if (!a_ok)
		a = b, ra = rb;
	else if (!glibc_takes(rb))
		b = a, rb = ra;
	p.found = ra == REPLY_ADDRESSES || rb == REPLY_ADDRESSES ? FOUND : glibc_without(a, ra, b, rb, &p.servfail);
	return p;
}

static struct glibc_pair glibc_ask(struct walking *g, const char *typed, const char *search)
{
	struct glibc_pair p = { .found = NO_RECOVERY_FOUND };
	enum reply ra, rb;
	struct libc_step *s;

	if ((!*typed && !search) || !(s = add_step(g, typed, search, &ra, &rb)))
		return p;
	if (!sendable(s->name)) {
		g->w->steps.len--;
		return p;
	}
	if (g->v->attempts == 0) { /* the loop over the servers is not entered */
		s->needed = false;
		p = (struct glibc_pair){ .found = RETRY, .refused = true };
	} else if (s->needed) {
		p = glibc_pair(g, s->a, ra, s->aaaa, rb);
	}
	count(g, s, p.sent);
	g->unknown |= p.found == UNKNOWN_FOUND;
	if (p.found == FOUND)
		stop(g, LIBC_RESOLVED, true, NULL);
	else if (p.found == FOUND_NOTHING)
		stop(g, LIBC_NO_NAME, true, "glibc stops at an answer with a CNAME that leads to no address");
	return p;
}

static enum libc_result glibc_result(enum found f)
{
	return f == RETRY ? LIBC_TRY_AGAIN : f == NO_DATA_FOUND ? LIBC_NO_DATA : LIBC_NO_NAME;
}

/* What is left of the state of __res_context_search(). */
struct glibc_search {
	bool nodata, servfail, root, left;
	enum found last;
};

static void glibc_searched(struct walking *g, struct glibc_search *t, const struct glibc_pair *p)
{
	if (g->over || g->skipping)
		return;
	t->last = p->found;
	if (p->refused) {
		stop(g, LIBC_TRY_AGAIN, true, "glibc gives up when the port of every nameserver is closed");
	} else if (p->found == NO_DATA_FOUND) {
		t->nodata = true;
	} else if (p->found == RETRY && p->servfail) {
		t->servfail = true;
	} else if (p->found == RETRY || p->found == NO_RECOVERY_FOUND) {
		g->skipping = t->left = true;
	}
}

/* The search list. Domains behind the end of the search are listed, as not needed. */
static void glibc_domains(struct walking *g, const char *typed, struct glibc_search *t)
{
	for (size_t i = 0; i < g->v->nsearches && g->error == 0; i++) {
		struct glibc_pair p = glibc_ask(g, typed, g->v->searches[i]);

		t->root |= !g->skipping && !*g->v->searches[i];
		glibc_searched(g, t, &p);
	}
	g->skipping = false;
}

static void glibc_walk(struct walking *g, const char *typed)
{
	size_t dots = dns_name_dots(typed), len = strlen(typed);
	bool final_dot = len && typed[len - 1] == '.', first = dots >= g->v->ndots || final_dot;
	struct glibc_search t = { .last = NOT_FOUND };
	struct glibc_pair p = { .found = NOT_FOUND };

	g->single = g->v->single_request || g->v->single_request_reopen;
	if (first)
		p = glibc_ask(g, typed, NULL);
	if (!final_dot) {
		glibc_domains(g, typed, &t);
		if (!first && !t.root && (dots || !g->v->nsearches || !g->v->no_tld_query))
			t.last = glibc_ask(g, typed, NULL).found;
		if (t.left && !g->over)
			g->w->stopped = "glibc leaves the search list after an answer or silence that is neither 'no such name' nor SERVFAIL";
	}
	if (!g->over)
		g->w->result = glibc_result(first ? p.found : t.nodata ? NO_DATA_FOUND : t.servfail ? RETRY : t.last);
}

/* ---- musl ---- */

static void musl_judge(struct walking *g, enum reply ra, enum reply rb, bool searching)
{
	bool a_ok = ra == REPLY_NXDOMAIN || (ra >= REPLY_ADDRESSES && ra <= REPLY_EMPTY);
	bool b_ok = rb == REPLY_NXDOMAIN || (rb >= REPLY_ADDRESSES && rb <= REPLY_EMPTY);

	if (g->over || ra == REPLY_NXDOMAIN)
		return;
	if (ra == REPLY_UNKNOWN || (a_ok && rb == REPLY_UNKNOWN))
		g->unknown = true;
	else if (!a_ok || !b_ok)
		stop(g, LIBC_TRY_AGAIN, true, searching ? "musl stops where no server gives an answer that it takes" : NULL);
	else if (rb == REPLY_NXDOMAIN)
		return;
	else if (ra == REPLY_ADDRESSES || rb == REPLY_ADDRESSES)
		stop(g, LIBC_RESOLVED, true, NULL);
	else
		stop(g, LIBC_NO_NAME, true, searching ? "musl stops at an answer without data" : NULL);
}

/* What res_mkquery() refuses ends it all. */
static bool musl_sendable(const char *name)
{
	size_t len = strlen(name);

	if (len && name[len - 1] == '.')
		len--;
	return len <= MUSL_QUERY_MAX && *name && sendable(name);
}

static void musl_ask(struct walking *g, const char *typed, const char *search)
{
	bool root = search && !*search, silent = g->v->timeout_s == 0;
	enum reply ra, rb;
	struct libc_step *s = add_step(g, typed, search, &ra, &rb);

	if (!s)
		return;
	if (!root && !musl_sendable(s->name)) {
		g->w->steps.len--;
		stop(g, LIBC_NO_NAME, false, "musl stops at a name that is no name of DNS");
		return;
	}
	if (silent || g->v->attempts == 0)
		s->needed = false;
	count(g, s, 2);
	if (g->v->attempts == 0) {
		stop(g, LIBC_FAILED, false, "musl divides by the 0 of 'attempts:0': the program ends with a signal");
	} else if (root && !g->over && !silent) {
		s->a = s->aaaa = NULL;
		s->outcome = "a broken question";
		stop(g, LIBC_TRY_AGAIN, true, "musl before 1.2.4 sends a broken question for the search domain '.'");
	} else if (silent) {
		stop(g, LIBC_TRY_AGAIN, false, "musl does not ask at all with 'timeout:0'");
	} else {
		musl_judge(g, ra, rb, search || g->v->nsearches);
	}
}

static void musl_walk(struct walking *g, const char *typed)
{
	size_t dots = dns_name_dots(typed), len = strlen(typed);
	bool final_dot = typed[len - 1] == '.';

	len -= final_dot;
	if (!len || typed[len - 1] == '.')
		return;
	for (size_t i = 0; !final_dot && dots < g->v->ndots && i < g->v->nsearches && g->error == 0; i++) {
		if (strlen(g->v->searches[i]) < MUSL_BUFFER - len - 1)
			musl_ask(g, typed, g->v->searches[i]);
	}
	musl_ask(g, typed, NULL);
	if (!g->over && !final_dot && g->v->nsearches && dots >= g->v->ndots)
		g->w->stopped = "musl does not search for a name with that many dots";
	if (!g->over)
		g->w->result = LIBC_NO_NAME;
}

/* ---- both ---- */

/* Needs it no question? Then the result is set. */
static bool answered_here(struct walking *g, const char *typed)
{
	size_t len = strlen(typed);
	struct resolv_text text = { typed, len };
	struct libc_walk *w = g->w;
	const char *scope = strchr(typed, '%');
	struct ip_addr a;

	if (resolv_aton(&text, &a) || (ip_addr_parsen(typed, scope ? (size_t)(scope - typed) : len, &a) == 0 && a.family == AF_INET6)) {
		w->result = LIBC_NO_QUESTION;
		w->stopped = "it is an address";
	} else if (strcmp(typed, "localhost") == 0 || (g->v->libc == LIBC_GLIBC && strcasecmp(typed, "localhost") == 0)) {
		w->result = LIBC_NO_QUESTION;
		w->stopped = "/etc/hosts has it";
	} else if (g->v->libc == LIBC_GLIBC ? !glibc_host_name(typed) : len == 0 || len > MUSL_NAME_MAX) {
		w->result = LIBC_NO_NAME;
		w->stopped = "it is no name of a host";
	} else {
		return false;
	}
	return true;
}

int libc_walk(struct arena *arena, const struct resolv_view *v, const char *typed, libc_answer_fn *answer, void *arg, struct libc_walk *ret)
{
	struct libc_walk w = { .result = LIBC_NO_NAME };
	struct walking g = { .arena = arena, .v = v, .answer = answer, .arg = arg, .w = &w };

	if (!answered_here(&g, typed)) {
		if (v->libc == LIBC_MUSL)
			musl_walk(&g, typed);
		else
			glibc_walk(&g, typed);
	}
	if (g.error < 0) {
		libc_walk_release(&w);
		return g.error;
	}
	if (g.unknown) {
		w.result = LIBC_UNKNOWN;
		g.winner = 0;
	}
	w.winner = g.winner ? &w.steps.v[g.winner - 1] : NULL;
	*ret = w;
	return 0;
}
