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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
