/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_ask for the tests: `dns [--WORD=N ...] [--dig] QUESTION...` asks and prints a line of JSON for each answer, or with --dig as dig would.
 * WORDS: parallel, tries, try-ms, all-ms; --repeat=N asks all of it N times, in pairs with numbers of their own.
 * QUESTION: "SERVER PORT udp|tcp NAME TYPE [edns=N] [pair=N] [nord]" in one argument.
 * With --again they are printed as dig does and read again: status 9, and both, where these are not the same.
 * With --each it asks once with each allocation of the library failing: status 9, and which one, where that is neither answered as
 * before nor out of memory. `dns --message [--dig|--again]` reads one message as hexadecimal digits from stdin.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <svcdoctor/source.h>

#include "../alloc/one.h"

/* ---- questions and answers ---- */

struct run {
	struct dns_ask_options o;
	unsigned repeat;
	bool dig, message, each, again;
	ARRAY_OF(struct dns_question) q;
};

static json_t *text_or_null(const char *s)
{
	return s ? json_string(s) : json_null();
}

static json_t *records(const struct dns_record *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		char type[DNS_TYPE_STRLEN], addr[IP_ADDR_STRLEN] = "";

		if (v[i].addr.family)
			ip_addr_format(&v[i].addr, addr);
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:o, s:[iii], s:i, s:o}", "owner", v[i].owner, "type",
						      dns_type_name(v[i].type, type), "ttl", (int)v[i].ttl, "addr", addr, "target",
						      text_or_null(v[i].target), "srv", v[i].priority, v[i].weight, v[i].port, "minimum",
						      (int)v[i].minimum, "text", text_or_null(v[i].text)));
	}
	return list;
}

static int show(const struct dns_answer *a, bool dig)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	char type[DNS_TYPE_STRLEN];
	int r;

	if (dig) {
		dns_print_dig(&b, a);
		return fputs(strbuf_str(&b), stdout) < 0;
	}
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:i, s:o, s:s, s:[bbbb], s:b, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:i}", "name", a->q.name, "type",
		dns_type_name(a->q.type, type), "end", dns_end_name(a->end), "error", a->error, "why", text_or_null(a->why), "rcode",
		dns_rcode_name(a->rcode), "tc aa ra ad", a->tc, a->aa, a->ra, a->ad, "unknown", a->records_unknown, "answers",
		records(a->answers, a->nanswers), "authority", records(a->authority, a->nauthority), "us", (int)a->us, "size", (int)a->size,
		"strangers", (int)a->strangers, "tries", (int)a->tries, "source_port", a->source_port, "pair", (int)a->q.pair);
	r = json_dumpf(o, stdout, JSON_SORT_KEYS | JSON_COMPACT) < 0 || putchar('\n') < 0;
	json_decref(o);
	return r;
}

static int parse_question(struct run *run, const char *arg)
{
	char server[64], transport[8], type[16], words[3][24] = { "", "", "" };
	char *name = malloc(strlen(arg) + 1);
	struct dns_question q = { 0 };
	unsigned port;

	if (!name || strlen(arg) > 2000 ||
	    sscanf(arg, "%63s %u %7s %s %15s %23s %23s %23s", server, &port, transport, name, type, words[0], words[1], words[2]) < 5)
		return -EINVAL;
	if (strcmp(name, ".") == 0)
		name[0] = '\0';
	q.name = name;
	q.port = (uint16_t)port;
	q.tcp = strcmp(transport, "tcp") == 0;
	q.type = (uint16_t)dns_type_parse(type);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (sscanf(words[i], "pair=%u", &q.pair) == 1 || sscanf(words[i], "edns=%hu", &q.edns) == 1)
			continue;
		q.no_recursion |= strcmp(words[i], "nord") == 0;
	}
	if (ip_addr_parse(server, &q.server) < 0 && strcmp(server, "none") != 0)
		return -EINVAL;
	return array_push(&run->q, q);
}

static int parse(struct run *run, int argc, char **argv)
{
	unsigned n;
	int r = 0;

	for (int i = 1; r == 0 && i < argc; i++) {
		const char *a = argv[i];

		if (strcmp(a, "--dig") == 0)
			run->dig = true;
		else if (strcmp(a, "--message") == 0)
			run->message = true;
		else if (strcmp(a, "--each") == 0)
			run->each = true;
		else if (strcmp(a, "--again") == 0)
			run->again = true;
		else if (sscanf(a, "--parallel=%u", &run->o.parallel) == 1 || sscanf(a, "--tries=%u", &run->o.tries) == 1 ||
			 sscanf(a, "--repeat=%u", &run->repeat) == 1)
			continue;
		else if (sscanf(a, "--try-ms=%u", &n) == 1)
			run->o.try_ms = (int)n;
		else if (sscanf(a, "--all-ms=%u", &n) == 1)
			run->o.all_ms = (int)n;
		else
			r = parse_question(run, a);
	}
	return r;
}

static bool same_record(const struct dns_record *a, const struct dns_record *b)
{
	return dns_name_equal(a->owner, b->owner) && a->type == b->type && a->ttl == b->ttl && ip_addr_equal(&a->addr, &b->addr) && str_same(a->target, b->target) &&
	       a->priority == b->priority && a->weight == b->weight && a->port == b->port && a->minimum == b->minimum &&
	       (a->type == DNS_SOA || str_same(a->text, b->text));
}

static bool same_records(const struct dns_record *a, size_t na, const struct dns_record *b, size_t nb)
{
	for (size_t i = 0; na == nb && i < na; i++) {
		if (!same_record(&a[i], &b[i]))
			return false;
	}
	return na == nb;
}

static bool same_answer(const struct dns_answer *a, const struct dns_answer *b)
{
	return dns_name_equal(a->q.name, b->q.name) && a->q.type == b->q.type && ip_addr_equal(&a->q.server, &b->q.server) && a->q.port == b->q.port &&
	       a->q.tcp == b->q.tcp && a->q.edns == b->q.edns && a->q.no_recursion == b->q.no_recursion && a->q.pair == b->q.pair && a->end == b->end &&
	       a->error == b->error && str_same(a->why, b->why) && a->rcode == b->rcode && a->tc == b->tc && a->aa == b->aa && a->ra == b->ra &&
	       a->ad == b->ad && a->records_unknown == b->records_unknown && a->us == b->us && a->size == b->size && a->strangers == b->strangers &&
	       a->tries == b->tries && a->source_port == b->source_port && same_records(a->answers, a->nanswers, b->answers, b->nanswers) &&
	       same_records(a->authority, a->nauthority, b->authority, b->nauthority);
}

/* All of them in one text, and read again. */
static int compare(const struct dns_answer *v, size_t n)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct sd_notes notes = { 0 };
	struct snapshot s;
	struct snap_dns *d;
	int r = 0;

	snapshot_init(&s);
	d = snapshot_dns(&s, DNS_FROM_HERE, NULL, NULL, NULL);
	for (size_t i = 0; i < n; i++)
		dns_print_dig(&b, &v[i]);
	if (!d || read_dns_text(&s.arena, strbuf_str(&b), b.len, "dns.txt", &notes, d) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < notes.len; i++)
		printf("line %u: %s\n", notes.v[i].line, notes.v[i].text);
	for (size_t i = 0; i < n || i < d->answers.len; i++) {
		if (i < n && i < d->answers.len && same_answer(&v[i], &d->answers.v[i]))
			continue;
		r = -EIO;
		if ((i < n && show(&v[i], false)) || (i < d->answers.len && show(&d->answers.v[i], false)))
			break;
	}
	printf("%zu answers, %zu read again\n", n, d->answers.len);
	r = notes.len ? -EIO : r;
	sd_notes_release(&notes);
	snapshot_release(&s);
	return r;
}

static int ask(struct arena *arena, struct run *run)
{
	size_t once = run->q.len, n = once * run->repeat;
	struct dns_question *q = arena_array(arena, struct dns_question, n);
	struct dns_answer *ret = arena_array(arena, struct dns_answer, n);
	int r;

	if (!q || !ret)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		q[i] = run->q.v[i % once];
		q[i].pair += q[i].pair ? (unsigned)(i / once) * 1000 : 0;
	}
	r = dns_ask(arena, q, n, &run->o, ret);
	if (r == 0 && run->again)
		return compare(ret, n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = show(&ret[i], run->dig) ? -EIO : 0;
	return r;
}

static bool same_ends(const struct dns_answer *a, const struct dns_answer *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i].end != b[i].end || a[i].nanswers != b[i].nanswers)
			return false;
	}
	return true;
}

static int ask_each(struct arena *arena, const struct run *run)
{
	size_t n = run->q.len, i;
	struct dns_answer *whole = arena_array(arena, struct dns_answer, n), *ret = arena_array(arena, struct dns_answer, n);
	int r = whole && ret ? dns_ask(arena, run->q.v, n, &run->o, whole) : -ENOMEM;

	for (i = 1; r == 0 && i < 1000; i++) {
		struct arena other = { 0 };

		allocations = 0;
		failing = i;
		r = dns_ask(&other, run->q.v, n, &run->o, ret);
		failing = 0;
		if (r != -ENOMEM && (r < 0 || !same_ends(ret, whole, n))) {
			(void)fprintf(stderr, "allocation %zu: %d\n", i, r);
			r = -EIO;
		} else {
			r = 0;
		}
		arena_release(&other);
		if (allocations < i)
			break;
	}
	if (r == 0)
		printf("%zu allocations\n", i - 1);
	return r;
}

static int read_message(struct arena *arena, const struct run *run)
{
	static uint8_t data[70000];
	struct dns_answer a = { 0 };
	unsigned byte;
	size_t n = 0;
	int r;

	while (n < sizeof(data) && scanf("%2x", &byte) == 1)
		data[n++] = (uint8_t)byte;
	r = dns_message_read(arena, data, n, &a);
	return r == -ENOMEM ? r : run->again ? compare(&a, 1) : show(&a, run->dig);
}

int main(int argc, char **argv)
{
	struct run run = { .o = { .parallel = 32, .tries = 2, .try_ms = 400, .all_ms = 8000 }, .repeat = 1 };
	struct arena arena = { 0 };
	int r = parse(&run, argc, argv);

	if (r < 0 || (!run.q.len && !run.message)) {
		(void)fprintf(stderr, "usage: dns [--WORD=N] [--dig] 'SERVER PORT udp|tcp NAME TYPE [edns=N] [pair=N] [nord]'...\n");
		return 2;
	}
	r = run.message ? read_message(&arena, &run) : run.each ? ask_each(&arena, &run) : ask(&arena, &run);
	for (size_t i = 0; i < run.q.len; i++) {
		char *name;

		memcpy(&name, &run.q.v[i].name, sizeof(name));
		free(name);
	}
	array_free(&run.q);
	arena_release(&arena);
	if (r < 0)
		(void)fprintf(stderr, "%s\n", sd_strerror(r));
	return r < 0;
}
