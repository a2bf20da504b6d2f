/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lib/names says that a libc asks, for the tests that hold it against the libcs themselves. From stdin, line by line:
 *   conf HEX           resolv.conf from now on, as hexadecimal bytes
 *   answer NAME TYPE X what the server says: an address, "cname" (which leads nowhere), "nodata", "lame", an rcode, "silent", "closed";
 *                      NAME "*" for all that have none of their own; "clear" forgets all
 *   ask LIBC NAME      one line of JSON: the names that are asked, in their order, with "needed", and what comes of it
 * A NAME is written in hexadecimal, too, so that it may be any text.
 */
#include <errno.h>
#include <netinet/in.h>

#include <svcdoctor/names.h>

#define LINE_SIZE 70000

struct script {
	struct arena arena;
	ARRAY_OF(struct dns_answer) answers;
};

static void die(const char *what)
{
	fprintf(stderr, "names: %s\n", what);
	exit(2);
}

static char *unhex(struct arena *a, const char *hex, size_t *ret_len)
{
	size_t len = strlen(hex) / 2;
	char *out = arena_alloc(a, len + 1);
	unsigned byte;

	for (size_t i = 0; i < len; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			die("bad hex");
		out[i] = (char)byte;
	}
	*ret_len = len;
	return out;
}

static const struct dns_answer *find(const struct script *s, const char *name, uint16_t type)
{
	for (size_t i = 0; i < s->answers.len; i++) {
		const struct dns_answer *a = &s->answers.v[i];
		if (a->q.type == type && strcasecmp(a->q.name, name) == 0)
			return a;
	}
	return NULL;
}

static void add_record(struct script *s, struct dns_answer *a, const char *what)
{
	struct dns_record *r = arena_new(&s->arena, struct dns_record);

	*r = (struct dns_record){ .owner = a->q.name, .type = a->q.type, .ttl = 5 };
	if (strcmp(what, "cname") == 0) {
		r->type = DNS_CNAME;
		r->target = "nowhere.example";
	} else if (ip_addr_parse(what, &r->addr) < 0) {
		die("bad answer");
	}
	a->answers = r;
	a->nanswers = 1;
}

static void add_answer(struct script *s, const char *name, int type, const char *what)
{
	static const struct {
		const char *what;
		uint8_t rcode;
	} rcodes[] = { { "nxdomain", DNS_NXDOMAIN }, { "servfail", DNS_SERVFAIL }, { "refused", DNS_REFUSED }, { "notimp", DNS_NOTIMP },
		       { "formerr", DNS_FORMERR },   { "nodata", DNS_NOERROR },	   { "lame", DNS_NOERROR },    { "notauth", 9 } };
	struct dns_answer a = { .q = { .name = arena_strdup(&s->arena, name), .type = (uint16_t)type }, .end = DNS_ANSWERED, .ra = true };

	a.ra = strcmp(what, "lame") != 0;
	if (strcmp(what, "silent") == 0) {
		a.end = DNS_TIMED_OUT;
	} else if (strcmp(what, "closed") == 0) {
		a.end = DNS_PORT_CLOSED;
	} else {
		size_t i = 0;
		while (i < ARRAY_LEN(rcodes) && strcmp(rcodes[i].what, what) != 0)
			i++;
		if (i < ARRAY_LEN(rcodes))
			a.rcode = rcodes[i].rcode;
		else
			add_record(s, &a, what);
	}
	(void)array_push(&s->answers, a);
}

static const struct dns_answer *answer(void *arg, const char *name, uint16_t type)
{
	struct script *s = arg;
	const struct dns_answer *found = find(s, name, type);
	struct dns_answer *copy;

	if (found || !(found = find(s, "*", type)))
		return found;
	copy = arena_new(&s->arena, struct dns_answer);
	*copy = *found;
	copy->q.name = arena_strdup(&s->arena, name);
	if (copy->nanswers) {
		copy->answers = arena_new(&s->arena, struct dns_record);
		*copy->answers = *found->answers;
		copy->answers->owner = copy->q.name;
	}
	return copy;
}

static void print_hex(const char *key, const char *text)
{
	printf("\"%s\": \"", key);
	for (; *text; text++)
		printf("%02x", (unsigned char)*text);
	printf("\"");
}

static void ask(struct script *s, const struct resolv_conf *conf, enum libc libc, const char *typed)
{
	struct resolv_view v;
	struct libc_walk w;

	if (resolv_view_make(&s->arena, conf, libc, &v) < 0 || libc_walk(&s->arena, &v, typed, answer, s, &w) < 0)
		die("no memory");
	printf("{\"result\": \"%s\", \"queries\": %zu, \"at_most\": %zu, \"winner\": %td, \"ndots\": %u, \"timeout\": %u, \"attempts\": %u, "
	       "\"servers\": %zu, \"no_aaaa\": %s, \"stopped\": \"%s\", \"steps\": [",
	       libc_result_name(w.result), w.queries, w.queries_at_most, w.winner ? w.winner - w.steps.v : -1, v.ndots, v.timeout_s, v.attempts,
	       v.nservers, v.no_aaaa ? "true" : "false", w.stopped ? w.stopped : "");
	for (size_t i = 0; i < w.steps.len; i++) {
		printf("%s{", i ? ", " : "");
		print_hex("name", w.steps.v[i].name);
		printf(", \"needed\": %s, \"outcome\": \"%s\"}", w.steps.v[i].needed ? "true" : "false", w.steps.v[i].outcome);
	}
	printf("]}\n");
	libc_walk_release(&w);
	resolv_view_release(&v);
}

int main(void)
{
	struct script s = { 0 };
	struct resolv_conf conf = { .text = "" };
	struct sd_notes notes = { 0 };
	static char line[LINE_SIZE], word[3][LINE_SIZE];
	size_t len;

	while (fgets(line, sizeof(line), stdin)) {
		word[0][0] = word[1][0] = word[2][0] = 0;
		if (sscanf(line, "conf %s", word[0]) == 1) {
			char *text = unhex(&s.arena, word[0], &len);
			resolv_conf_release(&conf);
			if (resolv_conf_read(&s.arena, text, len, NULL, &notes, &conf) < 0)
				die("no memory");
		} else if (sscanf(line, "answer %s %s %s", word[0], word[1], word[2]) == 3) {
			add_answer(&s, word[0][0] == '*' ? "*" : unhex(&s.arena, word[0], &len), dns_type_parse(word[1]), word[2]);
		} else if (strcmp(line, "clear\n") == 0) {
			s.answers.len = 0;
		} else if (sscanf(line, "ask %s %s", word[0], word[1]) >= 1) {
			ask(&s, &conf, strcmp(word[0], "musl") == 0 ? LIBC_MUSL : LIBC_GLIBC, unhex(&s.arena, word[1], &len));
		} else {
			die("bad line");
		}
	}
	resolv_conf_release(&conf);
	array_free(&s.answers);
	sd_notes_release(&notes);
	arena_release(&s.arena);
	return 0;
}
