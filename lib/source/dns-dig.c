/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers as dig 9.18 prints them, so that there is one form to read, whoever asked (bin/dig/dig.c, lib/dns/message.c and masterdump.c of BIND
 * hold the words and columns).
 */
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

/* What it was asked with, as dig's options. */
static void print_command(struct strbuf *b, const struct dns_answer *a)
{
	char addr[IP_ADDR_STRLEN], type[DNS_TYPE_STRLEN];
	size_t column = 0;

	strbuf_adds(b, "\n; <<>> svcdoctor <<>>");
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

static void print_header(struct strbuf *b, const struct dns_answer *a)
{
	char number[16] = "";

	if (a->rcode > 10)
		snprintf(number, sizeof(number), "RESERVED%u", a->rcode);
	strbuf_addf(b, ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: %s, id: 0\n", a->rcode > 10 ? number : dns_rcode_name(a->rcode));
	strbuf_addf(b, ";; flags: qr%s%s%s%s%s; QUERY: %u, ANSWER: %zu, AUTHORITY: %zu, ADDITIONAL: 0\n", a->aa ? " aa" : "", a->tc ? " tc" : "",
		    a->q.no_recursion ? "" : " rd", a->ra ? " ra" : "", a->ad ? " ad" : "", 1u, a->nanswers, a->nauthority);
	if (!a->ra && !a->q.no_recursion)
		strbuf_adds(b, ";; WARNING: recursion requested but not available\n");
	strbuf_addc(b, '\n');
}

static void print_answer(struct strbuf *b, const struct dns_answer *a)
{
	print_header(b, a);
	print_question(b, &a->q);
	print_section(b, "ANSWER", a->answers, a->nanswers);
	print_section(b, "AUTHORITY", a->authority, a->nauthority);
	strbuf_addf(b, "\n;; Query time: %u usec\n", a->us);
}

static void print_server(struct strbuf *b, const struct dns_answer *a)
{
	char addr[IP_ADDR_STRLEN];

	if (a->q.server.family) {
		ip_addr_format(&a->q.server, addr);
		strbuf_addf(b, ";; SERVER: %s#%u(%s) (%s)\n", addr, a->q.port, addr, a->q.tcp ? "TCP" : "UDP");
	}
	if (a->size)
		strbuf_addf(b, ";; MSG SIZE  rcvd: %zu\n", a->size);
	strbuf_addc(b, '\n');
}

void dns_print_dig(struct strbuf *b, const struct dns_answer *a)
{
	print_command(b, a);
	if (a->end == DNS_ANSWERED) {
		print_answer(b, a);
		print_server(b, a);
	}
}
