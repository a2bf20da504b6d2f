/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers as dig 9.18 prints them, so that there is one form to read, whoever asked (bin/dig/dig.c, lib/dns/message.c and masterdump.c of BIND
 * hold the words and columns).
 */
#include <errno.h>

#include "dns-private.h"

enum { TTL_COLUMN = 24, CLASS_COLUMN = 32, TYPE_COLUMN = 40, DATA_COLUMN = 48, TAB = 8 };

/* As masterdump.c's indent(): at least one step, in tabs as far as they go. */
static void pad(struct strbuf *b, size_t *column, size_t to)
{
	size_t from = *column;

	to = MAX(to, from + 1);
	for (; from / TAB < to / TAB; from = from / TAB * TAB + TAB)
		strbuf_addc(b, '\t');
	for (; from < to; from++)
		strbuf_addc(b, ' ');
	*column = to;
}

static void add(struct strbuf *b, size_t *column, const char *text)
{
	size_t before = b->len;

	strbuf_add_clean(b, text);
	*column += b->len - before;
}

static void add_name(struct strbuf *b, size_t *column, const char *name)
{
	add(b, column, name ? name : "");
	add(b, column, ".");
}

static void print_data(struct strbuf *b, const struct dns_record *r)
{
	char addr[IP_ADDR_STRLEN];
	size_t column = 0;

	if (r->text) {
		add(b, &column, r->text);
		return;
	}
	if (r->type == DNS_A || r->type == DNS_AAAA) {
		strbuf_adds(b, ip_addr_format(&r->addr, addr));
		return;
	}
	if (r->type == DNS_SRV)
		strbuf_addf(b, "%u %u %u ", r->priority, r->weight, r->port);
	add_name(b, &column, r->target);
	if (r->type == DNS_SOA) /* who answered did not say the rest */
		strbuf_addf(b, " . 0 0 0 0 %u", r->minimum);
}

static void print_record(struct strbuf *b, const struct dns_record *r)
{
	char type[DNS_TYPE_STRLEN];
	size_t column = 0;

	add_name(b, &column, r->owner);
	pad(b, &column, TTL_COLUMN);
	size_t before = b->len;
	strbuf_addf(b, "%u", r->ttl);
	column += b->len - before;
	pad(b, &column, CLASS_COLUMN);
	add(b, &column, "IN");
	pad(b, &column, TYPE_COLUMN);
	add(b, &column, dns_type_name(r->type, type));
	pad(b, &column, DATA_COLUMN);
	print_data(b, r);
	strbuf_addc(b, '\n');
}

static void print_section(struct strbuf *b, const char *name, const struct dns_record *v, size_t n)
{
	if (!n)
		return;
	strbuf_addf(b, "\n;; %s SECTION:\n", name);
	for (size_t i = 0; i < n; i++)
		print_record(b, &v[i]);
}

static void print_question(struct strbuf *b, const struct dns_question *q)
{
	char type[DNS_TYPE_STRLEN];
	size_t column = 0;

	strbuf_adds(b, ";; QUESTION SECTION:\n;");
	add_name(b, &column, q->name);
	pad(b, &column, CLASS_COLUMN);
	add(b, &column, "IN");
	pad(b, &column, TYPE_COLUMN);
	add(b, &column, dns_type_name(q->type, type));
	strbuf_addc(b, '\n');
}

/* What it was asked with, as dig's options: dig's own line, with this program's name in the place of the version. */
static void print_command(struct strbuf *b, const struct dns_answer *a)
{
	char addr[IP_ADDR_STRLEN], type[DNS_TYPE_STRLEN];
	size_t column = 0;

	strbuf_adds(b, "\n; <<>> DiG svcdoctor <<>>");
	if (a->q.server.family)
		strbuf_addf(b, " @%s", ip_addr_format(&a->q.server, addr));
	if (a->q.port && a->q.port != 53)
		strbuf_addf(b, " -p %u", a->q.port);
	strbuf_addc(b, ' ');
	add_name(b, &column, a->q.name);
	strbuf_addf(b, " %s%s", dns_type_name(a->q.type, type), a->q.tcp ? " +tcp" : " +ignore");
	if (a->q.edns)
		strbuf_addf(b, " +bufsize=%u", a->q.edns);
	else
		strbuf_adds(b, " +noedns");
	strbuf_adds(b, a->q.no_recursion ? " +norecurse\n" : "\n");
	strbuf_adds(b, ";; global options: +cmd\n");
}

static void print_number(struct strbuf *b, const char *key, unsigned long n)
{
	if (n)
		strbuf_addf(b, " %s=%lu", key, n);
}

/* What dig has no words for: a line of our own, which dig's readers take for a comment. */
static void print_more(struct strbuf *b, const struct dns_answer *a)
{
	const char *why = a->why;

	strbuf_addf(b, ";; svcdoctor: end=%s", dns_end_name(a->end));
	print_number(b, "tries", a->tries);
	print_number(b, "strangers", a->strangers);
	print_number(b, "source-port", a->source_port);
	print_number(b, "pair", a->q.pair);
	print_number(b, "error", (unsigned long)MAX(a->error, 0));
	if (a->end != DNS_ANSWERED)
		print_number(b, "us", a->us);
	if (a->end == DNS_GARBAGE)
		print_number(b, "size", a->size);
	strbuf_adds(b, a->searched ? " searched" : "");
	strbuf_adds(b, a->records_unknown ? " records-unknown" : "");
	if (why) {
		CLEANUP(strbuf_release) struct strbuf clean = STRBUF_INIT;

		strbuf_add_clean(&clean, why);
		for (size_t i = 0; i < clean.len; i++)
			clean.s[i] = clean.s[i] == '"' || clean.s[i] == '\\' ? '\'' : clean.s[i];
		strbuf_addf(b, " why=\"%s\"", strbuf_str(&clean));
	}
	strbuf_addc(b, '\n');
}

static void print_header(struct strbuf *b, const struct dns_answer *a)
{
	char number[16];

	snprintf(number, sizeof(number), "RESERVED%u", a->rcode);
	strbuf_addf(b, ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: %s, id: 0\n", a->rcode > 10 ? number : dns_rcode_name(a->rcode));
	strbuf_addf(b, ";; flags: qr%s%s%s%s%s; QUERY: 1, ANSWER: %zu, AUTHORITY: %zu, ADDITIONAL: 0\n", a->aa ? " aa" : "", a->tc ? " tc" : "",
		    a->q.no_recursion ? "" : " rd", a->ra ? " ra" : "", a->ad ? " ad" : "", a->nanswers, a->nauthority);
	if (!a->ra && !a->q.no_recursion)
		strbuf_adds(b, ";; WARNING: recursion requested but not available\n");
	strbuf_addc(b, '\n');
}

static void print_server(struct strbuf *b, const struct dns_answer *a)
{
	char addr[IP_ADDR_STRLEN];

	if (!a->q.server.family)
		return;
	ip_addr_format(&a->q.server, addr);
	strbuf_addf(b, ";; SERVER: %s#%u(%s) (%s)\n", addr, a->q.port, addr, a->q.tcp ? "TCP" : "UDP");
}

static void print_answer(struct strbuf *b, const struct dns_answer *a)
{
	print_header(b, a);
	print_question(b, &a->q);
	print_section(b, "ANSWER", a->answers, a->nanswers);
	print_section(b, "AUTHORITY", a->authority, a->nauthority);
	strbuf_adds(b, "\n");
	if (a->end == DNS_ANSWERED)
		strbuf_addf(b, ";; Query time: %u usec\n", a->us);
	print_server(b, a);
	if (a->size)
		strbuf_addf(b, ";; MSG SIZE  rcvd: %zu\n", a->size);
}

/* dig's words for an end without an answer; NULL: it has none. */
static const char *end_words(const struct dns_answer *a)
{
	switch (a->end) {
	case DNS_TIMED_OUT:
	case DNS_STRANGERS:
		return "timed out";
	case DNS_PORT_CLOSED:
		return "connection refused";
	case DNS_UNREACHABLE:
		return a->error == ENETUNREACH ? "network unreachable" : "host unreachable";
	case DNS_PROHIBITED:
		return "permission denied";
	case DNS_CUT_OFF:
		return a->error ? "connection reset" : "end of file";
	default:
		return NULL;
	}
}

static void print_no_answer(struct strbuf *b, const struct dns_answer *a)
{
	const char *words = end_words(a);
	char addr[IP_ADDR_STRLEN];

	if (a->strangers)
		strbuf_adds(b, ";; Warning: ID mismatch\n");
	ip_addr_format(&a->q.server, addr);
	if (!words || !a->q.server.family) {
		/* our own line says it */
	} else if (a->q.tcp && (a->end == DNS_PORT_CLOSED || a->end == DNS_UNREACHABLE || a->end == DNS_PROHIBITED)) {
		size_t column = 0;

		strbuf_addf(b, ";; Connection to %s#%u(%s) for ", addr, a->q.port, addr);
		add(b, &column, a->q.name);
		strbuf_addf(b, " failed: %s.\n", words);
	} else {
		strbuf_addf(b, ";; communications error to %s#%u: %s\n", addr, a->q.port, words);
	}
	strbuf_adds(b, ";; no servers could be reached\n");
}

void dns_print_dig(struct strbuf *b, const struct dns_answer *a)
{
	print_command(b, a);
	print_more(b, a);
	if (a->end == DNS_GARBAGE && a->nanswers + a->nauthority > 0) {
		strbuf_adds(b, ";; Warning: Message parser reports malformed message packet.\n");
		print_answer(b, a);
	} else if (a->end == DNS_GARBAGE) {
		size_t column = 0;

		strbuf_adds(b, ";; Got bad packet: ");
		add(b, &column, a->why ? a->why : "FORMERR");
		strbuf_addc(b, '\n');
	} else if (a->end == DNS_ANSWERED) {
		print_answer(b, a);
	} else {
		print_no_answer(b, a);
	}
}
