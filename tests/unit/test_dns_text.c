/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What DNS tools printed against real servers, and what is read of it: tests/corpus/dns/NAME.txt and NAME.read. `DNS_GOLDEN=1 build/tests/test_dns_text` writes
 * the latter anew. Forms of tools that are not here follow as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>

#include <cmocka.h>

#include <svcdoctor/redact.h>
#include <svcdoctor/source.h>

#define CORPUS "tests/corpus/dns/"

struct world {
	struct arena arena;
	struct sd_notes notes;
	struct snap_dns dns;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct world));
	return *state ? 0 : -1;
}

static void clear(struct world *w)
{
	array_free(&w->dns.answers);
	sd_notes_release(&w->notes);
	arena_release(&w->arena);
	*w = (struct world){ 0 };
}

static int teardown(void **state)
{
	clear(*state);
	free(*state);
	return 0;
}

static int read_text(struct world *w, const char *text)
{
	clear(w);
	return read_dns_text(&w->arena, text, strlen(text), "dns.txt", &w->notes, &w->dns);
}

/* ---- as text ---- */

static void print_record(struct strbuf *b, const char *section, const struct dns_record *r)
{
	char type[DNS_TYPE_STRLEN], addr[IP_ADDR_STRLEN];

	strbuf_addf(b, "  %s %s. %u %s", section, r->owner, r->ttl, dns_type_name(r->type, type));
	if (r->addr.family)
		strbuf_addf(b, " %s", ip_addr_format(&r->addr, addr));
	if (r->type == DNS_SRV)
		strbuf_addf(b, " %u %u %u", r->priority, r->weight, r->port);
	if (r->target)
		strbuf_addf(b, " %s.", r->target);
	if (r->minimum)
		strbuf_addf(b, " minimum %u", r->minimum);
	if (r->text)
		strbuf_addf(b, " %s", r->text);
	strbuf_addc(b, '\n');
}

static void print_flags(struct strbuf *b, const struct dns_answer *a)
{
	static const char *const names[] = { "tc", "aa", "ra", "ad", "incomplete", "searched", "no-recursion" };
	const bool set[] = { a->tc, a->aa, a->ra, a->ad, a->records_unknown, a->searched, a->q.no_recursion };

	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		if (set[i])
			strbuf_addf(b, " %s", names[i]);
}

static void print_answer(struct strbuf *b, const struct dns_answer *a)
{
	char type[DNS_TYPE_STRLEN], server[IP_ENDPOINT_STRLEN];

	strbuf_addf(b, "%u: %s. %s %s %s", a->line, a->q.name, dns_type_name(a->q.type, type),
		    a->q.server.family ? ip_endpoint_format(&a->q.server, a->q.port, server) : "?", a->q.tcp ? "tcp" : "udp");
	if (a->q.edns)
		strbuf_addf(b, " edns %u", a->q.edns);
	strbuf_addf(b, " -> %s", dns_end_name(a->end));
	if (a->end == DNS_ANSWERED)
		strbuf_addf(b, " %s", dns_rcode_name(a->rcode));
	print_flags(b, a);
	if (a->tries)
		strbuf_addf(b, " tries %u", a->tries);
	if (a->strangers)
		strbuf_addf(b, " strangers %u", a->strangers);
	if (a->size)
		strbuf_addf(b, " %zu bytes", a->size);
	if (a->us)
		strbuf_addf(b, " %u us", a->us);
	if (a->why)
		strbuf_addf(b, " (%s)", a->why);
	strbuf_addc(b, '\n');
	for (size_t i = 0; i < a->nanswers; i++)
		print_record(b, "=", &a->answers[i]);
	for (size_t i = 0; i < a->nauthority; i++)
		print_record(b, "@", &a->authority[i]);
}

static void print_all(struct strbuf *b, const struct world *w)
{
	for (size_t i = 0; i < w->dns.answers.len; i++)
		print_answer(b, &w->dns.answers.v[i]);
	for (size_t i = 0; i < w->notes.len; i++)
		strbuf_addf(b, "note %u: %s\n", w->notes.v[i].line, w->notes.v[i].text);
}

static void write_file(const char *path, const struct strbuf *b)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(strbuf_str(b), 1, b->len, f), b->len);
	assert_int_equal(fclose(f), 0);
}

static void compare(struct world *w, const char *name)
{
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT, b CLEANUP(strbuf_release) = STRBUF_INIT;
	char *want CLEANUP(text_free) = NULL;
	size_t size;

	print_all(&b, w);
	strbuf_addf(&path, CORPUS "%s.read", name);
	if (getenv("DNS_GOLDEN"))
		write_file(strbuf_str(&path), &b);
	assert_int_equal(file_read_at(AT_FDCWD, strbuf_str(&path), 1u << 20, &want, &size), 0);
	assert_string_equal(strbuf_str(&b), want);
}

static void test_recorded(void **state)
{
	static const char *const names[] = { "dig", "kdig", "nslookup", "busybox", "host", "getent", "errors" };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[64], *text CLEANUP(text_free) = NULL;
		size_t size;

		snprintf(path, sizeof(path), CORPUS "%s.txt", names[i]);
		assert_int_equal(file_read_at(AT_FDCWD, path, 1u << 20, &text, &size), 0);
		assert_int_equal(read_text(w, text), 0);
		compare(w, names[i]);
	}
}

/* ---- forms of other versions, and of shells ---- */

static void expect(struct world *w, const char *text, const char *want)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

	assert_int_equal(read_text(w, text), 0);
	print_all(&b, w);
	assert_string_equal(strbuf_str(&b), want);
}

static void test_old_dig(void **state)
{
	expect(*state,
	       "; <<>> DiG 9.11.5 <<>> @10.96.0.10 web.shop.svc.cluster.local AAAA\r\n; (1 server found)\r\n;; global options: +cmd\r\n"
	       ";; connection timed out; no servers could be reached\r\n",
	       "4: web.shop.svc.cluster.local. AAAA 10.96.0.10:53 udp edns 4096 -> timed-out\n");
	expect(*state,
	       "; <<>> DiG 9.11.5 <<>> web.shop.svc.cluster.local\n;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n"
	       ";; flags: qr aa rd ra; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 0\n\n;; QUESTION SECTION:\n;web.shop.svc.cluster.local.\tIN\tA\n\n"
	       ";; ANSWER SECTION:\nweb.shop.svc.cluster.local. 5 IN\tA\t10.96.7.7\n\n;; Query time: 5 msec\n;; SERVER: 10.96.0.10#53(10.96.0.10)\n"
	       ";; WHEN: Sat Nov 21 23:10:18 UTC 2026\n;; MSG SIZE  rcvd: 81\n",
	       "2: web.shop.svc.cluster.local. A 10.96.0.10:53 udp edns 4096 -> answered NOERROR aa ra 81 bytes 5000 us\n"
	       "  = web.shop.svc.cluster.local. 5 A 10.96.7.7\n");
}

static void test_old_busybox(void **state)
{
	expect(*state,
	       "/ # nslookup kubernetes.default\nServer:    10.96.0.10\nAddress 1: 10.96.0.10 kube-dns.kube-system.svc.cluster.local\n\n"
	       "Name:      kubernetes.default\nAddress 1: 10.96.0.1 kubernetes.default.svc.cluster.local\n/ # nslookup web\n"
	       "Server:    10.96.0.10\nAddress 1: 10.96.0.10 kube-dns.kube-system.svc.cluster.local\n\nnslookup: can't resolve 'web'\n"
	       "/ # nslookup api\nnslookup: can't resolve '(null)': Name does not resolve\n\nnslookup: can't resolve 'api': Name does not resolve\n",
	       "6: kubernetes.default. A 10.96.0.10:53 udp -> answered NOERROR incomplete searched\n"
	       "  = kubernetes.default.svc.cluster.local. 0 A 10.96.0.1\n"
	       "11: web. A 10.96.0.10:53 udp -> failed searched (nslookup does not say why)\n"
	       "15: api. A ? udp -> answered NXDOMAIN searched (Name does not resolve)\n");
}

static void test_old_nslookup(void **state)
{
	expect(*state,
	       "+ kubectl exec -it client -- nslookup web.shop\n;; reply from unexpected source: 10.244.0.5#53, expected 10.96.0.10#53\n"
	       ";; connection timed out; no servers could be reached\n\ncommand terminated with exit code 1\n",
	       "3: web.shop. A ? udp -> strangers searched strangers 1\n"
	       "note 5: 'dns.txt': the line is of no form that dig, kdig, nslookup, host or getent print\n");
}

static void test_two_servers(void **state)
{
	expect(*state,
	       "root@web-0:/# nslookup web\n;; communications error to 10.96.0.10#53: timed out\n;; communications error to 10.96.0.10#53: timed out\n"
	       "Server:\t\t10.0.0.2\nAddress:\t10.0.0.2#53\n\n** server can't find web: NXDOMAIN\n",
	       "2: web. A 10.96.0.10:53 udp -> timed-out searched tries 2\n7: web. A 10.0.0.2:53 udp -> answered NXDOMAIN searched\n");
	expect(*state,
	       "$ dig @10.96.0.10 web.shop.svc.cluster.local\n;; communications error to 10.96.0.10#53: timed out\n\n"
	       "; <<>> DiG 9.18.1 <<>> @10.96.0.10 web.shop.svc.cluster.local\n;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: SERVFAIL, id: 1\n"
	       ";; flags: qr rd; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 0\n\n;; QUESTION SECTION:\n;web.shop.svc.cluster.local.\tIN\tA\n\n"
	       ";; Query time: 5 msec\n;; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)\n;; MSG SIZE  rcvd: 81\n",
	       "5: web.shop.svc.cluster.local. A 10.96.0.10:53 udp edns 1232 -> answered SERVFAIL tries 2 81 bytes 5000 us\n");
}

/* Nothing else is lost beside what cannot be read. */
static void test_damage(void **state)
{
	expect(*state,
	       "*** from node1 ***\n$ cat /etc/resolv.conf\nnameserver 10.96.0.10\n$ dig +noall +answer web.shop.svc.cluster.local\n"
	       "web.shop.svc.cluster.local. 30 IN A 10.96.7.777\nweb.shop.svc.cluster.local. 30 IN A 10.96.7.7\n\n"
	       ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n;; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 0\n"
	       ";; QUESTION SECTION:\n;a.shop.svc.cluster.local. IN A\n\n;; ANSWER SECTION:\na.shop.svc.cluster.local. 30 IN A 10.96.7.8\n",
	       "6: web.shop.svc.cluster.local. A ? udp edns 1232 -> answered NOERROR\n  = web.shop.svc.cluster.local. 30 A 10.96.7.7\n"
	       "8: a.shop.svc.cluster.local. A ? udp edns 1232 -> answered NOERROR aa incomplete\n  = a.shop.svc.cluster.local. 30 A 10.96.7.8\n"
	       "note 1: 'dns.txt': the line is of no form that dig, kdig, nslookup, host or getent print\n"
	       "note 5: 'dns.txt': the line is of no form that dig, kdig, nslookup, host or getent print\n");
}

/* Where a file ends, what is there is an answer that is not whole, or none; never another one. */
static void test_cut(void **state)
{
	struct world *w = *state;
	char *text CLEANUP(text_free) = NULL;
	size_t size;

	assert_int_equal(file_read_at(AT_FDCWD, CORPUS "nslookup.txt", 1u << 20, &text, &size), 0);
	for (; size > 0; size -= MIN(size, 97)) {
		text[size] = '\0';
		assert_int_equal(read_text(w, text), 0);
	}
}

/* ---- what this program prints itself ---- */

static void same_answer(const struct dns_answer *a, const struct dns_answer *b, bool redacted)
{
	assert_int_equal(a->line, b->line);
	assert_int_equal(a->end, b->end);
	assert_int_equal(a->rcode, b->rcode);
	assert_int_equal(a->q.type, b->q.type);
	assert_int_equal(a->q.port, b->q.port);
	assert_true(a->q.tcp == b->q.tcp && a->searched == b->searched && a->records_unknown == b->records_unknown);
	assert_true(a->aa == b->aa && a->tc == b->tc && a->ra == b->ra && a->ad == b->ad && a->q.no_recursion == b->q.no_recursion);
	assert_int_equal(a->q.server.family, b->q.server.family);
	assert_int_equal(a->us, b->us);
	assert_int_equal(a->tries, b->tries);
	assert_int_equal(a->strangers, b->strangers);
	assert_int_equal(a->nanswers, b->nanswers);
	assert_int_equal(a->nauthority, b->nauthority);
	for (size_t i = 0; i < a->nanswers; i++) {
		assert_int_equal(a->answers[i].type, b->answers[i].type);
		assert_int_equal(a->answers[i].ttl, b->answers[i].ttl);
		assert_int_equal(dns_name_equal(a->answers[i].owner, a->q.name), dns_name_equal(b->answers[i].owner, b->q.name));
		assert_true(!redacted || !a->answers[i].addr.family || !ip_addr_equal(&a->answers[i].addr, &b->answers[i].addr));
	}
}

static struct ip_addr address(const char *text)
{
	struct ip_addr a = { 0 };

	assert_int_equal(ip_addr_parse(text, &a), 0);
	return a;
}

/* What dns_print_dig writes is read as the same answer, of every end, alone and one behind the other. */
static void test_round_trip(void **state)
{
	struct dns_record records[] = {
		{ .owner = "a.shop.svc.cluster.local", .type = DNS_CNAME, .ttl = 5, .target = "b.shop.svc.cluster.local" },
		{ .owner = "b.shop.svc.cluster.local", .type = DNS_A, .ttl = 30, .addr = address("10.96.7.7") },
		{ .owner = "b.shop.svc.cluster.local", .type = DNS_AAAA, .ttl = 30, .addr = address("fd00::7") },
		{ .owner = "_http._tcp.b", .type = DNS_SRV, .target = "c.b", .priority = 1, .weight = 2, .port = 80 },
		{ .owner = "odd\\032name\\.x", .type = DNS_TXT, .text = "\"a; b\" \"c\"" },
		{ .owner = "", .type = DNS_NS, .target = "" },
		{ .owner = "x", .type = 65, .text = "\\# 3 000100" },
	};
	struct dns_record soa = { .owner = "cluster.local", .type = DNS_SOA, .ttl = 30, .target = "ns.dns.cluster.local", .minimum = 30 };
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct dns_answer v[2 * DNS_ENDS + 1];
	struct world *w = *state;

	for (int i = 0; i < 2 * DNS_ENDS + 1; i++) {
		struct dns_answer *a = &v[i];

		*a = (struct dns_answer){ .q = { .name = "a.shop.svc.cluster.local", .type = i % 3 ? DNS_A : DNS_SRV, .server = address(i % 4 ? "10.96.0.10" : "fd00::a"),
						 .port = i % 5 ? 53 : 5353, .tcp = i >= DNS_ENDS, .edns = i % 2 ? 1232 : 0, .no_recursion = i % 7 == 0, .pair = (unsigned)i / 2 },
					  .end = (enum dns_end)(i % DNS_ENDS), .us = 1200 + (uint32_t)i, .tries = 1 + (unsigned)i % 3, .source_port = (uint16_t)(4000 + i) };
		if (a->end == DNS_STRANGERS)
			a->strangers = 3;
		if (a->end == DNS_GARBAGE || a->end == DNS_FAILED)
			a->why = "it is no message";
		if (a->end == DNS_ANSWERED || (a->end == DNS_GARBAGE && a->q.tcp)) {
			a->answers = records;
			a->nanswers = ARRAY_LEN(records);
			a->authority = &soa;
			a->nauthority = 1;
			a->rcode = i == 1 ? DNS_NOERROR : 11;
			a->aa = a->ra = true;
			a->size = 99;
		}
		dns_print_dig(&b, a);
	}
	assert_int_equal(read_text(w, strbuf_str(&b)), 0);
	assert_int_equal(w->notes.len, 0);
	assert_int_equal(w->dns.answers.len, ARRAY_LEN(v));
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		const struct dns_answer *got = &w->dns.answers.v[i];

		v[i].line = got->line;
		same_answer(&v[i], got, false);
		assert_string_equal(v[i].q.name, got->q.name);
		assert_true(ip_addr_equal(&v[i].q.server, &got->q.server));
		assert_int_equal(v[i].q.edns, got->q.edns);
		assert_int_equal(v[i].q.pair, got->q.pair);
		assert_int_equal(v[i].source_port, got->source_port);
		assert_int_equal(v[i].size, got->size);
		for (size_t k = 0; k < got->nanswers; k++) {
			assert_string_equal(records[k].owner, got->answers[k].owner);
			assert_true(str_same(records[k].target, got->answers[k].target) && str_same(records[k].text, got->answers[k].text));
			assert_true(ip_addr_equal(&records[k].addr, &got->answers[k].addr));
			assert_int_equal(records[k].port, got->answers[k].port);
		}
		for (size_t k = 0; k < got->nauthority; k++)
			assert_int_equal(soa.minimum, got->authority[k].minimum);
	}
}

/* A recorded file, redacted, has the same answers with other names and addresses, and none of the names. */
static void test_redacted(void **state)
{
	static const char *const names[] = { "kdig", "nslookup", "busybox", "host", "getent", "errors" };
	static const char *const secret[] = { "web", "shop", "api", "nope", "nosuchhost", "big" };
	struct world *w = *state, other = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT, out CLEANUP(strbuf_release) = STRBUF_INIT;
		static const uint8_t key[16] = { 7 };
		char file[64], *text CLEANUP(text_free) = NULL;
		struct redact *r;
		size_t size;

		snprintf(file, sizeof(file), CORPUS "%s.txt", names[i]);
		assert_int_equal(file_read_at(AT_FDCWD, file, 1u << 20, &text, &size), 0);
		assert_int_equal(redact_new(key, &r), 0);
		assert_int_equal(redact_learn(r, "nodes/n1/dns.txt", text, size), 0);
		assert_int_equal(redact_learned(r), 0);
		assert_int_equal(redact_file(r, "nodes/n1/dns.txt", text, size, &path, &out), 1);
		redact_free(r);
		for (size_t k = 0; k < ARRAY_LEN(secret); k++) {
			const char *at = strstr(out.s, secret[k]);

			assert_false(at && at > out.s && strchr(" ./@'\n", at[-1]) && strchr(" .\n'", at[strlen(secret[k])]));
		}
		assert_int_equal(read_text(w, text), 0);
		assert_int_equal(read_text(&other, out.s), 0);
		assert_int_equal(other.dns.answers.len, w->dns.answers.len);
		for (size_t k = 0; k < other.dns.answers.len; k++)
			same_answer(&w->dns.answers.v[k], &other.dns.answers.v[k], true);
	}
	clear(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_dig, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_busybox, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_nslookup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_servers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_redacted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
