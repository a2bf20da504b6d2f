/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What dig 9.10 and later and kdig 3 print: messages with their header and sections, records alone (+noall +answer), values alone (+short), and what they
 * say of servers that do not answer, which nslookup and host of BIND 9.18 say in the same words. Sources: bin/dig/dighost.c and dig.c of BIND 9.18,
 * src/utils/common of Knot DNS 3.2; tests/corpus/dns has what they printed.
 */

#include <errno.h>
#include <netinet/in.h>
#include <strings.h>

#include "dns-text-private.h"

#define JOINED_MAX (64u << 10)

/* ---- servers that do not answer ---- */

static const struct {
	const char *words;
	enum dns_end end;
} reasons[] = {
	{ "timed out", DNS_TIMED_OUT },	      { "timeout", DNS_TIMED_OUT },	      { "connection refused", DNS_PORT_CLOSED },
	{ "host unreachable", DNS_UNREACHABLE }, { "network unreachable", DNS_UNREACHABLE }, { "address not available", DNS_FAILED },
	{ "end of file", DNS_CUT_OFF },	      { "connection reset", DNS_CUT_OFF },    { "permission denied", DNS_PROHIBITED },
	{ "not permitted", DNS_PROHIBITED },
};

static enum dns_end end_of(const char *reason)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (strcasestr(reason, reasons[i].words))
			return reasons[i].end;
	return DNS_FAILED;
}

/* @server ends where a blank, ':' before a blank, or '(' does. */
static bool add_fault(struct dns_text *t, const char *server, const char *reason, bool tcp)
{
	struct dns_fault f = { .port = 53, .tcp = tcp };
	size_t len = strcspn(server, " (");

	if (len > 0 && server[len - 1] == ':')
		len--;
	if (!dns_text_server(server, len, &f.server, &f.port))
		return false;
	f.end = end_of(reason);
	if (f.end == DNS_FAILED)
		f.why = dns_text_copy(t, reason, strlen(reason));
	dns_text_end(t);
	dns_text_fault(t, &f);
	return true;
}

/* ";; communications error to 10.96.0.10#53: timed out" */
static bool communications_error(struct dns_text *t, const char *rest)
{
	const char *reason = strstr(rest, ": ");

	return reason && add_fault(t, rest, reason + 2, t->cmd.tcp || t->truncated);
}

/* ";; Connection to 10.96.0.11#53(10.96.0.11) for web failed: connection refused." */
static bool setup_failed(struct dns_text *t, const char *rest, bool tcp)
{
	const char *name = strstr(rest, " for "), *failed = name ? strstr(name, " failed: ") : NULL;

	if (!failed || !add_fault(t, rest, failed + 9, tcp))
		return false;
	t->faults[t->nfaults - 1].name = dns_text_name(t, name + 5, (size_t)(failed - name) - 5);
	return true;
}

static bool connection_failed(struct dns_text *t, const char *rest)
{
	return setup_failed(t, rest, true);
}

static bool udp_failed(struct dns_text *t, const char *rest)
{
	return setup_failed(t, rest, t->truncated);
}

static bool no_servers(struct dns_text *t, const char *rest)
{
	(void)rest;
	dns_text_end(t);
	dns_text_gave_up(t, DNS_TIMED_OUT, NULL);
	return true;
}

static bool stranger(struct dns_text *t, const char *rest)
{
	(void)rest;
	t->strangers++;
	return true;
}

static bool short_message(struct dns_text *t, const char *rest)
{
	(void)rest;
	t->garbage = "a message is shorter than a header of DNS";
	return true;
}

/* ";; Got bad packet: bad compression pointer", and the bytes of it */
static bool bad_packet(struct dns_text *t, const char *rest)
{
	dns_text_end(t);
	dns_text_gave_up(t, DNS_GARBAGE, dns_text_copy(t, rest, strlen(rest)));
	t->cmd.foreign = true;
	return true;
}

static bool malformed(struct dns_text *t, const char *rest)
{
	(void)rest;
	t->a.why = "the message cannot be read to its end";
	if (t->open)
		t->a.end = DNS_GARBAGE;
	return true;
}

/* "@53(UDP)" behind an address */
static bool kdig_fault(struct dns_text *t, const char *server, enum dns_end end, const char *why)
{
	struct dns_fault f = { .port = 53, .end = end, .why = why };
	size_t len = strcspn(server, "( ,");

	if (!dns_text_server(server, len, &f.server, &f.port))
		return false;
	f.tcp = strncmp(server + len, "(TCP", 4) == 0;
	dns_text_fault(t, &f);
	return true;
}

static bool kdig_timeout(struct dns_text *t, const char *rest)
{
	return kdig_fault(t, rest, DNS_TIMED_OUT, NULL);
}

/* It does not say why. */
static bool kdig_cannot(struct dns_text *t, const char *rest)
{
	return kdig_fault(t, rest, DNS_FAILED, "kdig could not reach the server");
}

static bool kdig_cut_off(struct dns_text *t, const char *rest)
{
	return kdig_fault(t, rest, strstr(rest, "(TCP") ? DNS_CUT_OFF : DNS_FAILED, "kdig could not receive the answer");
}

static bool kdig_malformed(struct dns_text *t, const char *rest)
{
	return kdig_fault(t, rest, DNS_GARBAGE, "the message cannot be read");
}

static bool kdig_failed(struct dns_text *t, const char *rest)
{
	(void)rest;
	dns_text_end(t);
	dns_text_gave_up(t, DNS_FAILED, "kdig could not ask");
	return true;
}

static bool truncated(struct dns_text *t, const char *rest)
{
	(void)rest;
	dns_text_end(t);
	t->truncated = true;
	return true;
}

/* ---- what svcdoctor writes beside dig's words: "end=prohibited tries=2 why=\"...\"" ---- */

static int end_by_name(const struct dns_word *w)
{
	for (int e = 0; e < DNS_ENDS; e++) {
		const char *name = dns_end_name((enum dns_end)e);

		if (strlen(name) == w->len && memcmp(name, w->s, w->len) == 0)
			return e;
	}
	return DNS_ENDS;
}

static void extra_number(struct dns_answer *x, const char *key, size_t len, const struct dns_word *value)
{
	static const char *const keys[] = { "tries", "strangers", "source-port", "us", "pair", "error", "size", NULL };
	uint64_t n;

	if (!str_one_of(key, len, keys) || parse_uint(value->s, value->len, UINT32_MAX, &n) < 0)
		return;
	if (*key == 't')
		x->tries = (unsigned)n;
	else if (key[1] == 't')
		x->strangers = (unsigned)n;
	else if (key[1] == 'o')
		x->source_port = (uint16_t)n;
	else if (*key == 'u')
		x->us = (uint32_t)n;
	else if (*key == 'p')
		x->q.pair = (unsigned)n;
	else if (*key == 'e')
		x->error = n > INT32_MAX ? 0 : (int)n;
	else
		x->size = n;
}

static bool extra(struct dns_text *t, const char *rest)
{
	struct dns_answer *x = &t->extra;
	struct dns_word w;

	if (!t->said)
		*x = (struct dns_answer){ .end = DNS_ENDS };
	t->said = true;
	while (dns_word_next(&rest, &w)) {
		const char *eq = memchr(w.s, '=', w.len);
		struct dns_word value = { eq ? eq + 1 : w.s, eq ? w.len - (size_t)(eq + 1 - w.s) : 0 };

		if (dns_word_is(&w, "searched"))
			x->searched = true;
		else if (dns_word_is(&w, "records-unknown"))
			x->records_unknown = true;
		else if (eq && strncmp(w.s, "end=", 4) == 0)
			x->end = (enum dns_end)end_by_name(&value);
		else if (eq && strncmp(w.s, "why=\"", 5) == 0 && value.len >= 2)
			x->why = dns_text_copy(t, value.s + 1, value.len - 2);
		else if (eq)
			extra_number(x, w.s, (size_t)(eq - w.s), &value);
	}
	return true;
}

/* ---- the message ---- */

static bool got_answer(struct dns_text *t, const char *rest)
{
	(void)rest;
	dns_text_begin(t, false);
	return true;
}

static bool sending(struct dns_text *t, const char *rest)
{
	(void)rest;
	dns_text_begin(t, false);
	t->query = true;
	return true;
}

/* "opcode: QUERY, status: NOERROR, id: 1" */
static bool header(struct dns_text *t, const char *rest)
{
	static const char before[] = "status: ";
	const char *status = strstr(rest, before);
	int rcode;

	if (!t->open || t->bare || t->section != SECTION_NONE || t->told_answers >= 0)
		dns_text_begin(t, false);
	status = status ? status + sizeof(before) - 1 : "";
	rcode = dns_text_rcode(status, strcspn(status, ",; "));
	if (rcode < 0) {
		dns_text_bad(t, "the status of an answer is not known");
		t->query = true; /* it is not used */
	}
	t->a.rcode = rcode < 0 ? 0 : (uint8_t)rcode;
	return true;
}

static long count_of(const char *line, const char *what)
{
	const char *p = strstr(line, what);
	uint64_t n;

	if (!p)
		return -1;
	p += strlen(what);
	return parse_uint(p, strspn(p, "0123456789"), 65535, &n) == 0 ? (long)n : -1;
}

/* "qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1" */
static bool flags(struct dns_text *t, const char *rest)
{
	const char *end = strchr(rest, ';'), *all = rest;
	bool qr = false, rd = false;
	struct dns_word w;

	if (!t->open || t->bare || !end)
		return t->open;
	while (rest < end && dns_word_next(&rest, &w)) {
		if (w.s[w.len - 1] == ';')
			w.len--;
		qr |= dns_word_is(&w, "qr");
		rd |= dns_word_is(&w, "rd");
		t->a.aa |= dns_word_is(&w, "aa");
		t->a.tc |= dns_word_is(&w, "tc");
		t->a.ra |= dns_word_is(&w, "ra");
		t->a.ad |= dns_word_is(&w, "ad");
	}
	t->query |= !qr;
	t->a.q.no_recursion = !rd;
	t->told_answers = count_of(all, " ANSWER: ");
	t->told_authority = count_of(all, " AUTHORITY: ");
	return true;
}

static bool section(struct dns_text *t, const char *line)
{
	if (!str_ends(line, "SECTION:"))
		return false;
	if (!t->open || t->bare)
		dns_text_begin(t, false);
	t->section = str_starts(line, ";; QUESTION ")	 ? SECTION_QUESTION :
		     str_starts(line, ";; ANSWER ")	 ? SECTION_ANSWER :
		     str_starts(line, ";; AUTHORITY ")	 ? SECTION_AUTHORITY :
							   SECTION_OTHER;
	if (t->section == SECTION_OTHER && t->cmd.tool == TOOL_NONE && strstr(line, "PSEUDOSECTION"))
		t->a.q.edns = 1232;
	return true;
}

/* ";name.	IN	A", ";; name. IN A" */
static void question(struct dns_text *t, const char *line)
{
	struct dns_word name, w;
	int type;

	line += strspn(line, "; ");
	if (!dns_word_next(&line, &name) || !dns_word_next(&line, &w))
		return;
	if (dns_word_is(&w, "CH") || dns_word_is(&w, "HS"))
		t->other_class = true;
	if (dns_word_is(&w, "IN") && !dns_word_next(&line, &w))
		return;
	type = dns_text_type(w.s, w.len);
	t->a.q.name = dns_text_name(t, name.s, name.len);
	t->a.q.type = (uint16_t)(type < 0 ? 0 : type);
	t->has_question = t->a.q.name && type > 0;
	t->section = SECTION_NONE;
}

/* "32 msec", "320 usec": 0 msec is less than one, and known; 0 usec is what svcdoctor writes when it is not */
static bool query_time(struct dns_text *t, const char *rest)
{
	size_t digits = strspn(rest, "0123456789");
	uint64_t n;

	if (!t->open || parse_uint(rest, digits, UINT32_MAX / 1000, &n) < 0)
		return t->open;
	if (strstr(rest + digits, "usec"))
		t->a.us = (uint32_t)n;
	else
		t->a.us = n ? (uint32_t)n * 1000 : 1;
	return true;
}

/* "10.96.0.10#53(10.96.0.10) (UDP)"; before 9.18 without the transport */
static bool server(struct dns_text *t, const char *rest)
{
	if (!t->open || !dns_text_server(rest, strcspn(rest, " ("), &t->a.q.server, &t->a.q.port))
		return t->open;
	if (str_ends(rest, "(UDP)") || str_ends(rest, "(TCP)"))
		t->a.q.tcp = str_ends(rest, "(TCP)");
	else
		t->a.q.tcp |= t->truncated;
	return true;
}

/* "rcvd: 81": the last line of a message */
static bool message_size(struct dns_text *t, const char *rest)
{
	uint64_t n;

	rest += strcspn(rest, "0123456789");
	if (t->open && parse_uint(rest, strspn(rest, "0123456789"), 65535, &n) == 0)
		t->a.size = n;
	dns_text_end(t);
	return true;
}

static bool kdig_received(struct dns_text *t, const char *rest)
{
	uint64_t n;

	if (t->open && parse_uint(rest, strspn(rest, "0123456789"), 65535, &n) == 0)
		t->a.size = n;
	return true;
}

/* "0.5 ms" */
static uint32_t microseconds(const char *s)
{
	uint64_t whole = 0, part = 0;
	size_t n = strspn(s, "0123456789"), m = s[n] == '.' ? strspn(s + n + 1, "0123456789") : 0;

	if (parse_uint(s, n, UINT32_MAX / 2000, &whole) < 0)
		return 0;
	for (size_t i = 0; i < 3; i++)
		part = part * 10 + (i < m ? (uint64_t)(s[n + 1 + i] - '0') : 0);
	whole = whole * 1000 + part;
	return whole ? (uint32_t)whole : 1;
}

/* "10.96.0.10@53(UDP) in 0.5 ms": the last line of a message */
static bool kdig_from(struct dns_text *t, const char *rest)
{
	const char *in = strstr(rest, " in ");
	size_t len = strcspn(rest, "( ");

	if (t->open && dns_text_server(rest, len, &t->a.q.server, &t->a.q.port)) {
		t->a.q.tcp = strncmp(rest + len, "(TCP", 4) == 0;
		t->a.us = in ? microseconds(in + 4) : 0;
	}
	dns_text_end(t);
	return true;
}

static bool kdig_to(struct dns_text *t, const char *rest)
{
	(void)rest;
	t->query = true;
	dns_text_end(t);
	return true;
}

static bool nothing(struct dns_text *t, const char *rest)
{
	(void)t;
	(void)rest;
	return true;
}

static const struct {
	const char *begin;
	bool (*take)(struct dns_text *t, const char *rest);
} lines[] = {
	{ ";; Got answer:", got_answer },
	{ ";; Sending:", sending },
	{ ";; Initial query:", sending },
	{ ";; ->>HEADER<<- ", header },
	{ ";; flags:", flags },
	{ ";; Flags:", flags },
	{ ";; Query time: ", query_time },
	{ ";; SERVER: ", server },
	{ ";; MSG SIZE ", message_size },
	{ ";; Received ", kdig_received },
	{ ";; From ", kdig_from },
	{ ";; To ", kdig_to },
	{ ";; svcdoctor: ", extra },
	{ ";; communications error to ", communications_error },
	{ ";; Connection to ", connection_failed },
	{ ";; UDP setup with ", udp_failed },
	{ ";; no servers could be reached", no_servers },
	{ ";; connection timed out", no_servers },
	{ ";; Truncated, retrying in TCP mode", truncated },
	{ ";; WARNING: truncated reply from ", truncated },
	{ ";; Warning: ID mismatch", stranger },
	{ ";; Question section mismatch", stranger },
	{ ";; ;; Question section mismatch", stranger },
	{ ";; reply from unexpected source", stranger },
	{ ";; WARNING: reply ID", stranger },
	{ ";; WARNING: query/response question sections", stranger },
	{ ";; Warning: short (< header size) message", short_message },
	{ ";; Warning: Message parser reports malformed", malformed },
	{ ";; Got bad packet: ", bad_packet },
	{ ";; WARNING: response timeout for ", kdig_timeout },
	{ ";; WARNING: connection timeout for ", kdig_timeout },
	{ ";; WARNING: can't connect to ", kdig_cannot },
	{ ";; WARNING: can't send query to ", kdig_cannot },
	{ ";; WARNING: can't receive reply from ", kdig_cut_off },
	{ ";; ERROR: malformed reply packet from ", kdig_malformed },
	{ ";; ERROR: failed to query server ", kdig_failed },
};

static bool join(struct dns_text *t, const char *line);

bool dns_text_dig(struct dns_text *t, const char *line)
{
	if (t->joined.len > 0)
		return join(t, line);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (str_starts(line, lines[i].begin) && lines[i].take(t, line + strlen(lines[i].begin)))
			return true;
	if (str_starts(line, "; Transfer failed"))
		return false;
	if (section(t, line))
		return true;
	if (t->open && !t->bare && t->section == SECTION_QUESTION)
		question(t, line);
	/* whatever else they say behind a semicolon is a remark */
	return nothing(t, line);
}

/* ---- records ---- */

/* Without the remark behind an open semicolon, and without parentheses that are not quoted. */
static void add_part(struct strbuf *b, const char *line, int *depth)
{
	bool quoted = false;

	for (; *line; line++) {
		if (*line == '\\' && line[1])
			strbuf_addc(b, *line++);
		else if (*line == '"')
			quoted = !quoted;
		else if (!quoted && *line == ';')
			break;
		else if (!quoted && (*line == '(' || *line == ')')) {
			*depth += *line == '(' ? 1 : -1;
			strbuf_addc(b, ' ');
			continue;
		}
		strbuf_addc(b, *line);
	}
	strbuf_addc(b, ' ');
}

static void section_record(struct dns_text *t, const char *line)
{
	struct dns_record r;
	const char *why;
	int found = dns_text_record(t, line, false, &r, &why);

	if (found > 0) {
		dns_text_take(t, &r, t->section == SECTION_AUTHORITY);
	} else if (found == 0) {
		dns_text_bad(t, why);
		t->a.records_unknown |= t->section == SECTION_ANSWER;
	}
}

/* A record over several lines, which +multiline prints in parentheses. */
static bool join(struct dns_text *t, const char *line)
{
	add_part(&t->joined, line, &t->depth);
	if (t->depth > 0 && t->joined.len < JOINED_MAX)
		return true;
	if (t->joined.failed)
		t->err = -ENOMEM;
	else
		section_record(t, strbuf_str(&t->joined));
	strbuf_reset(&t->joined);
	t->depth = 0;
	return true;
}

static bool is_split(const char *line)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	int depth = 0;

	if (!strchr(line, '('))
		return false;
	add_part(&b, line, &depth);
	return depth > 0;
}

/* A line of +short: an address, the name of an alias before it, or another value. */
static bool brief(struct dns_text *t, const char *line)
{
	struct dns_record r = { 0 };

	if (t->cmd.nq != 1)
		return false;
	if (!t->open || !t->bare) {
		dns_text_begin(t, true);
		t->a.records_unknown = true;
		t->chain = t->cmd.q[0].name;
	}
	r.owner = t->chain;
	r.type = (uint16_t)t->cmd.q[0].type;
	if (!dns_text_value(t, line, &r)) {
		r.type = DNS_CNAME;
		if (!str_ends(line, ".") || !dns_text_value(t, line, &r))
			return false;
		t->chain = r.target;
	}
	dns_text_take(t, &r, false);
	return true;
}

/* "Received 60 bytes from 10.96.0.10#53 in 0 ms": the last line of host -v */
static bool host_received(struct dns_text *t, const char *line)
{
	const char *from = strstr(line, " bytes from "), *in = from ? strstr(from, " in ") : NULL;
	uint64_t n;

	if (!str_starts(line, "Received ") || !in)
		return false;
	if (t->open && dns_text_server(from + 12, (size_t)(in - from) - 12, &t->a.q.server, &t->a.q.port)) {
		t->a.us = microseconds(in + 4);
		if (parse_uint(line + 9, (size_t)(from - line) - 9, 65535, &n) == 0)
			t->a.size = n;
	}
	dns_text_end(t);
	return true;
}

/* "dig: couldn't get address for 'x': failure" */
static bool dig_failed(struct dns_text *t, const char *line)
{
	if (!str_starts(line, "dig: ") && !str_starts(line, "kdig: "))
		return false;
	dns_text_end(t);
	if (strstr(line, "get address for"))
		dns_text_gave_up(t, DNS_FAILED, dns_text_copy(t, strchr(line, ' ') + 1, strlen(strchr(line, ' ') + 1)));
	else
		dns_text_bad(t, "dig could not do what it was told");
	return true;
}

bool dns_text_dig_body(struct dns_text *t, const char *line)
{
	struct dns_record r;
	const char *why;

	if (dig_failed(t, line) || host_received(t, line))
		return true;
	if (t->open && !t->bare && (t->section == SECTION_ANSWER || t->section == SECTION_AUTHORITY)) {
		if (is_split(line))
			join(t, line);
		else
			section_record(t, line);
		return true;
	}
	if (t->open && !t->bare && t->section == SECTION_OTHER)
		return true;
	if (t->cmd.brief && brief(t, line))
		return true;
	if (dns_text_record(t, line, true, &r, &why) <= 0)
		return false;
	dns_text_bare(t, &r);
	return true;
}
