/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a table of connections: `conntrack -L`, with or without `-o extended` or `-o id`, and /proc/net/nf_conntrack, which say the same in
 * nearly the same words (libnetfilter_conntrack, src/conntrack/snprintf_default.c; net/netfilter/nf_conntrack_standalone.c, ct_seq_show()):
 *
 *   ipv4     2 udp      17 29 src=10.244.1.9 dst=10.96.0.10 sport=4711 dport=53 [UNREPLIED] src=10.244.2.3 dst=10.244.1.9 sport=53 dport=4711 mark=0 use=1
 *
 * One pass, a line at a time. A node has up to millions of them: kept are those that somebody may ask for, as many as fit.
 */
#include <netinet/in.h>

#include "bundle-private.h"

#define BAD_LINES_MAX 20
enum { TCP_MAX = 1 << 17, OTHERS_MAX = 1 << 18 }; /* entries that are kept */

struct word {
	const char *s;
	size_t len;
};

static bool next_word(const char **at, const char *end, struct word *ret)
{
	const char *p = *at;

	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	ret->s = p;
	while (p < end && *p != ' ' && *p != '\t' && *p != '\r')
		p++;
	ret->len = (size_t)(p - ret->s);
	*at = p;
	return ret->len > 0;
}

static bool is(const struct word *w, const char *what)
{
	const size_t len = strlen(what);

	return w->len == len && memcmp(w->s, what, len) == 0;
}

static bool begins(const struct word *w, const char *with)
{
	const size_t len = strlen(with);

	return w->len > len && memcmp(w->s, with, len) == 0;
}

/* Behind the '='; 0 where it is no such number. */
static uint32_t number(const struct word *w, uint64_t max)
{
	const char *eq = memchr(w->s, '=', w->len);
	const char *from = eq ? eq + 1 : w->s;
	uint64_t v = 0;

	return parse_uint(from, w->len - (size_t)(from - w->s), max, &v) == 0 ? (uint32_t)v : 0;
}

/* ---- before the first address: families, protocol, seconds, state ---- */

static uint8_t tcp_state(const struct word *w)
{
	static const struct {
		const char *name;
		enum flow_tcp state;
	} states[] = {
		{ "NONE", FLOW_TCP_NONE },	     { "SYN_SENT", FLOW_TCP_SYN_SENT },	    { "SYN_RECV", FLOW_TCP_SYN_RECV },
		{ "ESTABLISHED", FLOW_TCP_ESTABLISHED }, { "FIN_WAIT", FLOW_TCP_FIN_WAIT },  { "CLOSE_WAIT", FLOW_TCP_CLOSE_WAIT },
		{ "LAST_ACK", FLOW_TCP_LAST_ACK },   { "TIME_WAIT", FLOW_TCP_TIME_WAIT },   { "CLOSE", FLOW_TCP_CLOSE },
	};

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (is(w, states[i].name))
			return (uint8_t)states[i].state;
	return FLOW_TCP_OTHER;
}

/* "udp 17 29", "ipv4 2 tcp 6 431999 ESTABLISHED", "unknown 2 554", "tcp 6" of one that is offloaded. The word behind is in @w. */
static bool take_head(struct snap_flow *f, const char **at, const char *end, struct word *w)
{
	struct word name;
	uint64_t v;

	if (!next_word(at, end, &name))
		return false;
	if ((is(&name, "ipv4") || is(&name, "ipv6")) && (!next_word(at, end, w) || !next_word(at, end, &name)))
		return false;
	if (!next_word(at, end, w) || parse_uint(w->s, w->len, UINT8_MAX, &v) < 0)
		return false;
	f->proto = (uint8_t)v;
	if (!next_word(at, end, w))
		return false;
	if (w->s[0] >= '0' && w->s[0] <= '9') {
		f->timeout = number(w, UINT32_MAX);
		if (!next_word(at, end, w))
			return false;
	}
	if (w->s[0] >= 'A' && w->s[0] <= 'Z') {
		f->state = f->proto == IPPROTO_TCP ? tcp_state(w) : 0;
		return next_word(at, end, w);
	}
	return true;
}

/* ---- the rest ---- */

static bool take_addr(const struct word *w, struct ip_addr *ret)
{
	return ret->family == 0 && ip_addr_parsen(w->s + 4, w->len - 4, ret) == 0;
}

static void take_flag(struct snap_flow *f, const struct word *w)
{
	f->unreplied |= is(w, "[UNREPLIED]");
	f->assured |= is(w, "[ASSURED]");
	f->offload |= is(w, "[OFFLOAD]") || is(w, "[HW_OFFLOAD]");
}

/* @reply: which of the two directions the word is of. */
static bool take_word(struct snap_flow *f, const struct word *w, bool *reply)
{
	switch (w->s[0]) {
	case '[':
		take_flag(f, w);
		return true;
	case 's':
		if (begins(w, "src=")) {
			*reply = f->src.family != 0;
			return take_addr(w, *reply ? &f->reply_src : &f->src);
		}
		if (begins(w, "sport="))
			*(*reply ? &f->reply_sport : &f->sport) = (uint16_t)number(w, UINT16_MAX);
		return true;
	case 'd':
		if (begins(w, "dst="))
			return take_addr(w, *reply ? &f->reply_dst : &f->dst);
		if (begins(w, "dport="))
			*(*reply ? &f->reply_dport : &f->dport) = (uint16_t)number(w, UINT16_MAX);
		return true;
	case 'm':
		if (begins(w, "mark="))
			f->mark = number(w, UINT32_MAX);
		return true;
	case 'z':
		if (begins(w, "zone=") || begins(w, "zone-orig="))
			f->zone = (uint16_t)number(w, UINT16_MAX);
		return true;
	default: /* counters, ids, names */
		return true;
	}
}

static bool take_line(struct snap_flow *f, const char *s, size_t len)
{
	const char *at = s, *end = s + len;
	struct word w;
	bool reply = false, more = take_head(f, &at, end, &w);

	if (!more)
		return false;
	for (; more; more = next_word(&at, end, &w))
		if (!take_word(f, &w, &reply))
			return false;
	f->family = f->src.family;
	return f->family && f->dst.family == f->family && f->reply_src.family == f->family && f->reply_dst.family == f->family;
}

static bool is_wanted(const struct snap_flow *f)
{
	return f->proto == IPPROTO_UDP || f->proto == IPPROTO_SCTP || !ip_addr_equal(&f->reply_src, &f->dst) || !ip_addr_equal(&f->reply_dst, &f->src);
}

struct reading {
	struct snap_flows *flows;
	size_t tcp; /* kept */
};

static int keep(struct reading *r, const struct snap_flow *f)
{
	const bool tcp = f->proto == IPPROTO_TCP;

	r->flows->total++;
	r->flows->by_proto[tcp ? 0 : f->proto == IPPROTO_UDP ? 1 : 2]++;
	if (!is_wanted(f))
		return 0;
	if (tcp ? r->tcp == TCP_MAX : r->flows->v.len - r->tcp == OTHERS_MAX) {
		r->flows->cut = true;
		return 0;
	}
	r->tcp += tcp;
	return array_push(&r->flows->v, *f);
}

/* "conntrack v1.4.7 (conntrack-tools): 12 flow entries have been shown." goes to stderr, and often ends up beside the entries. */
static bool is_silent(const char *s, size_t len)
{
	static const char tool[] = "conntrack v", told[] = " have been shown.";
	size_t i = 0;

	while (i < len && (s[i] == ' ' || s[i] == '\t' || s[i] == '\r'))
		i++;
	return i == len || (len >= sizeof(tool) && memcmp(s, tool, sizeof(tool) - 1) == 0 && memmem(s, len, told, sizeof(told) - 1));
}

int read_conntrack_flows(struct snap_flows *ret, const char *data, size_t size, bool cut, const char *file, struct sd_notes *notes)
{
	struct reading r = { .flows = ret };
	const char *end = data + size;
	uint32_t line = 0;
	size_t bad = 0;
	int e = 0;

	array_free(&ret->v);
	*ret = (struct snap_flows){ .cut = cut };
	while (data < end && e == 0) {
		const char *nl = memchr(data, '\n', (size_t)(end - data));
		const size_t len = (size_t)((nl ? nl : end) - data);
		struct snap_flow f = { 0 };

		if (!nl && cut) /* half a line */
			break;
		line++;
		if (take_line(&f, data, len))
			e = keep(&r, &f);
		else if (!is_silent(data, len) && bad++ < BAD_LINES_MAX)
			sd_note_add(notes, false, "bad-line", file, line, 1, "conntrack -L -o extended", "'%s': a line is not of a connection", file);
		data = nl ? nl + 1 : end;
	}
	ret->known = ret->total > 0 || bad == 0;
	return e;
}
