/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of DNS as bytes (RFC 1035, 4; EDNS: RFC 6891). Names are packed and unpacked by the C library, which follows no loop of compression;
 * the records are walked here, because ns_initparse refuses a message as a whole where one record is bad, and what stands before it is wanted.
 * Nothing that a message says of lengths and numbers is believed beyond its end.
 */
#include <errno.h>

#include "dns-private.h"

enum { FLAG_QR = 0x8000, FLAG_AA = 0x400, FLAG_TC = 0x200, FLAG_RD = 0x100, FLAG_RA = 0x80, FLAG_AD = 0x20, RCODE_MASK = 0xf };
enum { RECORD_MIN = 11 }; /* an owner that is the root, type, class, ttl, length */

/* ---- a question ---- */

static uint8_t *put16(uint8_t *p, unsigned value)
{
	*p++ = (uint8_t)(value >> 8);
	*p++ = (uint8_t)value;
	return p;
}

int dns_query_make(const struct dns_question *q, uint16_t id, uint8_t buf[static DNS_QUERY_MAX])
{
	uint8_t *p = buf;
	int n = ns_name_compress(*q->name ? q->name : ".", buf + NS_HFIXEDSZ, NS_MAXCDNAME, NULL, NULL);

	if (n < 0)
		return -EINVAL;
	p = put16(p, id);
	p = put16(p, q->no_recursion ? 0 : FLAG_RD);
	p = put16(p, 1);
	p = put16(p, 0);
	p = put16(p, 0);
	p = put16(p, q->edns ? 1 : 0);
	p = put16(p + n, q->type);
	p = put16(p, ns_c_in);
	if (q->edns) {
		*p++ = 0; /* the root owns it */
		p = put16(p, DNS_OPT);
		p = put16(p, q->edns);
		p = put16(p, 0);
		p = put16(p, 0);
		p = put16(p, 0);
	}
	return (int)(p - buf);
}

/* ---- reading ---- */

struct wire {
	const uint8_t *data, *end, *at;
	struct arena *arena;
	const char *what; /* what is read: "answer", "authority", ... */
	size_t number;	  /* of the record, from 1 */
	const char *why;  /* the first thing that was wrong */
	bool ran_out;	  /* and it was that the message ends there */
	char name[NS_MAXDNAME];
};

static int damaged(struct wire *w, const char *why)
{
	size_t at = (size_t)(w->at - w->data);

	if (w->number)
		w->why = arena_printf(w->arena, "%s record %zu, byte %zu: %s", w->what, w->number, at, why);
	else
		w->why = arena_printf(w->arena, "%s, byte %zu: %s", w->what, at, why);
	return w->why ? SD_EPARSE : -ENOMEM;
}

static int ran_out(struct wire *w)
{
	w->ran_out = true;
	return damaged(w, "the message ends within it");
}

static size_t left(const struct wire *w)
{
	return (size_t)(w->end - w->at);
}

static uint16_t get16(struct wire *w)
{
	uint16_t v = (uint16_t)(w->at[0] << 8 | w->at[1]);

	w->at += 2;
	return v;
}

static uint32_t get32(struct wire *w)
{
	uint32_t high = get16(w);

	return high << 16 | get16(w);
}

/* Was it only cut off? Then its labels, or a pointer, lead to the end of the message. */
static bool name_ran_out(const struct wire *w)
{
	const uint8_t *p = w->at;

	while (p < w->end && *p > 0 && *p < 64)
		p += 1 + *p;
	return p >= w->end || (*p >= NS_CMPRSFLGS && p + 1 == w->end);
}

/* Its text is in w->name. */
static int get_name(struct wire *w)
{
	int n = left(w) ? ns_name_uncompress(w->data, w->end, w->at, w->name, sizeof(w->name)) : -1;

	if (n < 0 || (size_t)n > left(w)) {
		w->ran_out = name_ran_out(w);
		return damaged(w, w->ran_out ? "the message ends within it" : "a name that points in a circle, or out of the message");
	}
	w->at += n;
	if (w->name[0] == '.') /* the root; a dot within a label has a slash before it */
		w->name[0] = '\0';
	return 0;
}

static int keep_name(struct wire *w, const char **ret)
{
	int r = get_name(w);

	if (r < 0)
		return r;
	*ret = arena_strdup(w->arena, w->name);
	return *ret ? 0 : -ENOMEM;
}

/* ---- what a record says ---- */

static int read_address(struct wire *w, struct dns_record *rec, size_t size)
{
	size_t want = rec->type == DNS_A ? 4 : 16;

	if (size != want)
		return damaged(w, rec->type == DNS_A ? "an IPv4 address that has not 4 bytes" : "an IPv6 address that has not 16 bytes");
	rec->addr.family = rec->type == DNS_A ? AF_INET : AF_INET6;
	memcpy(rec->addr.b, w->at, want);
	w->at += want;
	return 0;
}

static int read_srv(struct wire *w, struct dns_record *rec, size_t size)
{
	if (size < 7)
		return damaged(w, "an SRV record that is too short");
	rec->priority = get16(w);
	rec->weight = get16(w);
	rec->port = get16(w);
	return keep_name(w, &rec->target);
}

/* Text as in a zone file: what is set already is the beginning of it. */
static int keep_text(struct wire *w, struct strbuf *b, const char **ret)
{
	if (!b->failed)
		*ret = arena_strdup(w->arena, strbuf_str(b));
	return b->failed || !*ret ? -ENOMEM : 0;
}

static void add_dotted(struct strbuf *b, const char *name)
{
	strbuf_addf(b, "%s.", name);
}

static int read_soa(struct wire *w, struct dns_record *rec)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	int r = keep_name(w, &rec->target);

	if (r < 0 || (r = get_name(w)) < 0)
		return r;
	if (left(w) < 20)
		return ran_out(w);
	add_dotted(&b, rec->target);
	strbuf_addc(&b, ' ');
	add_dotted(&b, w->name);
	for (unsigned i = 0; i < 5; i++) {
		rec->minimum = get32(w);
		strbuf_addf(&b, " %u", rec->minimum);
	}
	return keep_text(w, &b, &rec->text);
}

static int read_mx(struct wire *w, struct dns_record *rec, size_t size)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	int r;

	if (size < 3)
		return damaged(w, "an MX record that is too short");
	strbuf_addf(&b, "%u ", get16(w));
	r = get_name(w);
	if (r < 0)
		return r;
	add_dotted(&b, w->name);
	return keep_text(w, &b, &rec->text);
}

/* TXT, HINFO: strings, each behind its length. */
static int read_strings(struct wire *w, struct dns_record *rec, size_t size)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const uint8_t *end = w->at + size;

	while (w->at < end) {
		size_t len = *w->at++;

		if (len > (size_t)(end - w->at))
			return damaged(w, "a string that is longer than its record");
		strbuf_adds(&b, b.len ? " \"" : "\"");
		for (; len > 0; len--, w->at++) {
			if (*w->at < ' ' || *w->at > '~')
				strbuf_addf(&b, "\\%03u", *w->at);
			else
				strbuf_addf(&b, *w->at == '"' || *w->at == '\\' ? "\\%c" : "%c", *w->at);
		}
		strbuf_addc(&b, '"');
	}
	return keep_text(w, &b, &rec->text);
}

/* RFC 3597, 5; in groups as BIND prints them. */
static int read_other(struct wire *w, struct dns_record *rec, size_t size)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "\\# %zu", size);
	for (size_t i = 0; i < size; i++)
		strbuf_addf(&b, i % 28 == 0 ? " %02X" : "%02X", w->at[i]);
	w->at += size;
	return keep_text(w, &b, &rec->text);
}

static int read_data(struct wire *w, struct dns_record *rec, size_t size)
{
	switch (rec->type) {
	case DNS_A:
	case DNS_AAAA:
		return read_address(w, rec, size);
	case DNS_CNAME:
	case DNS_DNAME:
	case DNS_NS:
	case DNS_PTR:
		return keep_name(w, &rec->target);
	case DNS_SRV:
		return read_srv(w, rec, size);
	case DNS_SOA:
		return read_soa(w, rec);
	case DNS_MX:
		return read_mx(w, rec, size);
	case DNS_TXT:
	case DNS_HINFO:
		return read_strings(w, rec, size);
	default:
		return read_other(w, rec, size);
	}
}

/* ---- records ---- */

/* @ret NULL: only walks over it. *@ret_class: of the record. */
static int read_record(struct wire *w, struct dns_record *ret, unsigned *ret_class)
{
	const uint8_t *next;
	size_t size;
	int r = ret ? keep_name(w, &ret->owner) : get_name(w);

	if (r < 0)
		return r;
	if (left(w) < RECORD_MIN - 1)
		return ran_out(w);
	struct dns_record rec = { .owner = ret ? ret->owner : NULL, .type = get16(w) };
	*ret_class = get16(w);
	rec.ttl = get32(w);
	size = get16(w);
	if (size > left(w))
		return ran_out(w);
	next = w->at + size;
	r = ret && *ret_class == ns_c_in ? read_data(w, &rec, size) : 0;
	if (r < 0)
		return r;
	if (ret && *ret_class == ns_c_in && w->at != next)
		return damaged(w, "its length is not that of what it holds");
	w->at = next;
	if (ret)
		*ret = rec;
	return 0;
}

/* A section that is kept. Those of other classes than that of the internet are left out. */
static int read_section(struct wire *w, const char *what, size_t count, struct dns_answer *a, struct dns_record **ret, size_t *ret_len)
{
	size_t room = MIN(count, left(w) / RECORD_MIN + 1);
	unsigned class = 0;
	int r = 0;

	w->what = what;
	*ret = count ? arena_array(w->arena, struct dns_record, room) : NULL;
	if (count && !*ret)
		return -ENOMEM;
	for (w->number = 1; r == 0 && w->number <= count; w->number++) {
		struct dns_record rec = { 0 };

		r = read_record(w, &rec, &class);
		if (r == 0 && class == ns_c_in && *ret_len < room)
			(*ret)[(*ret_len)++] = rec;
		else
			a->records_unknown = true;
	}
	return r;
}

static int skip_section(struct wire *w, const char *what, size_t count)
{
	unsigned class = 0;
	int r = 0;

	w->what = what;
	for (w->number = 1; r == 0 && w->number <= count; w->number++)
		r = read_record(w, NULL, &class);
	return r;
}

static int read_question(struct wire *w, uint16_t *ret_type, unsigned *ret_class)
{
	int r;

	w->what = "question";
	r = get_name(w);
	if (r < 0)
		return r;
	if (left(w) < NS_QFIXEDSZ)
		return ran_out(w);
	*ret_type = get16(w);
	*ret_class = get16(w);
	return 0;
}

/* The first question stands for the message; there are no others in practice. */
static int read_questions(struct wire *w, size_t count, struct dns_answer *a)
{
	uint16_t type;
	unsigned class = 0;
	int r = 0;

	w->number = 0;
	a->q.name = "";
	a->q.type = 0;
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = read_question(w, &type, &class);
		if (r < 0 || i > 0)
			continue;
		a->q.type = type;
		a->q.name = arena_strdup(w->arena, w->name);
		r = a->q.name ? 0 : -ENOMEM;
	}
	return r;
}

static int read_sections(struct wire *w, struct dns_answer *a)
{
	size_t questions = get16(w), answers = get16(w), authority = get16(w), additional = get16(w);
	int r = read_questions(w, questions, a);

	if (r == 0)
		r = read_section(w, "answer", answers, a, &a->answers, &a->nanswers);
	if (r == 0)
		r = read_section(w, "authority", authority, a, &a->authority, &a->nauthority);
	if (r == 0)
		r = skip_section(w, "additional", additional);
	return r;
}

static int give_up(struct dns_answer *a, const char *why)
{
	a->end = DNS_GARBAGE;
	a->why = why;
	a->rcode = 0;
	a->aa = a->tc = a->ra = a->ad = false;
	a->records_unknown = true;
	return SD_EPARSE;
}

int dns_message_read(struct arena *arena, const uint8_t *data, size_t size, struct dns_answer *ret)
{
	struct wire w = { .data = data, .end = data + size, .at = data, .arena = arena };
	struct dns_answer a = *ret;
	unsigned flags;
	int r;

	a.end = DNS_ANSWERED;
	a.why = NULL;
	a.records_unknown = false;
	a.answers = a.authority = NULL;
	a.nanswers = a.nauthority = 0;
	a.size = size;
	if (size < NS_HFIXEDSZ || size > NS_MAXMSG) {
		a.q.name = a.q.name ? a.q.name : "";
		*ret = a;
		return give_up(ret, size < NS_HFIXEDSZ ? "it is shorter than the 12 bytes of a header" : "it is longer than a message can be");
	}
	w.at += 2;
	flags = get16(&w);
	a.rcode = flags & RCODE_MASK;
	a.tc = flags & FLAG_TC;
	a.aa = flags & FLAG_AA;
	a.ra = flags & FLAG_RA;
	a.ad = flags & FLAG_AD;
	r = read_sections(&w, &a);
	if (r == -ENOMEM)
		return r;
	*ret = a;
	if (!(flags & FLAG_QR))
		return give_up(ret, "it is a question, not an answer");
	if (r < 0 && a.tc && w.ran_out) { /* cut off in the middle of a record, and it says so */
		ret->records_unknown = true;
		return 0;
	}
	return r < 0 ? give_up(ret, w.why) : 0;
}

int dns_head_read(const uint8_t *data, size_t size, struct dns_head *ret)
{
	struct arena arena = { 0 };
	struct wire w = { .data = data, .end = data + size, .at = data, .arena = &arena };
	unsigned flags, class = 0;
	size_t questions;
	int r = 0;

	ret->name[0] = '\0';
	ret->id = ret->type = 0;
	ret->is_answer = ret->has_question = false;
	if (size < NS_HFIXEDSZ)
		return SD_EPARSE;
	ret->id = get16(&w);
	flags = get16(&w);
	ret->is_answer = flags & FLAG_QR;
	questions = get16(&w);
	w.at = data + NS_HFIXEDSZ;
	if (questions) {
		r = read_question(&w, &ret->type, &class);
		ret->has_question = r == 0;
		memcpy(ret->name, w.name, sizeof(ret->name));
	}
	arena_release(&arena);
	return r < 0 ? SD_EPARSE : 0;
}
