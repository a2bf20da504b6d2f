/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of DNS by hand: what is read of sound ones, and of each kind of damage. */

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "lib/source/dns-private.h"

struct message {
	uint8_t data[2000];
	size_t size;
};

static void put(struct message *m, const char *bytes, size_t n)
{
	memcpy(m->data + m->size, bytes, n);
	m->size += n;
}
#define PUT(m, literal) put(m, literal, sizeof(literal) - 1)

static void put16(struct message *m, unsigned v)
{
	m->data[m->size++] = (uint8_t)(v >> 8);
	m->data[m->size++] = (uint8_t)v;
}

/* A header, and the question "web.shop A", whose name lies at byte 12 and whose end at 26. */
static void begin(struct message *m, unsigned flags, unsigned answers, unsigned authority)
{
	m->size = 0;
	put16(m, 0x1234);
	put16(m, flags);
	put16(m, 1);
	put16(m, answers);
	put16(m, authority);
	put16(m, 0);
	PUT(m, "\3web\4shop\0");
	put16(m, DNS_A);
	put16(m, 1);
}

/* Owner: the question's name. */
static void record(struct message *m, unsigned type, const char *data, size_t size)
{
	PUT(m, "\xc0\x0c");
	put16(m, type);
	put16(m, 1);
	PUT(m, "\0\0\0\x1e");
	put16(m, (unsigned)size);
	put(m, data, size);
}
#define RECORD(m, type, literal) record(m, type, literal, sizeof(literal) - 1)

static int reads(struct arena *arena, const struct message *m, struct dns_answer *ret)
{
	uint8_t *copy = malloc(m->size + 1); /* of its exact size, for the sanitizer */
	int r;

	assert_non_null(copy);
	memcpy(copy, m->data, m->size);
	*ret = (struct dns_answer){ .q.port = 53 };
	r = dns_message_read(arena, copy, m->size, ret);
	free(copy);
	return r;
}

static void test_types(void **state)
{
	struct arena arena = { 0 };
	struct message m;
	struct dns_answer a;

	(void)state;
	begin(&m, 0x8580, 11, 1);
	RECORD(&m, DNS_A, "\x0a\x60\0\x0a");
	RECORD(&m, DNS_AAAA, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
	RECORD(&m, DNS_CNAME, "\3api\xc0\x10");
	RECORD(&m, DNS_PTR, "\1.\2\x80 \0");
	RECORD(&m, DNS_SRV, "\0\1\0\2\x1f\x90\xc0\x0c");
	RECORD(&m, DNS_MX, "\0\x0a\xc0\x0c");
	RECORD(&m, DNS_TXT, "\3a\"b\0\2\\\x01");
	RECORD(&m, DNS_HINFO, "\3cpu\2os");
	RECORD(&m, 65280, "\1\2\xff");
	RECORD(&m, DNS_NS, "\0");
	RECORD(&m, DNS_DNAME, "\xc0\x0c");
	RECORD(&m, DNS_SOA, "\2ns\xc0\x10\xc0\x0c\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5");
	assert_int_equal(reads(&arena, &m, &a), 0);
	assert_int_equal(a.end, DNS_ANSWERED);
	assert_true(a.aa && a.ra && !a.tc && !a.ad && !a.records_unknown);
	assert_string_equal(a.q.name, "web.shop");
	assert_int_equal(a.q.type, DNS_A);
	assert_int_equal(a.nanswers, 11);
	assert_int_equal(a.nauthority, 1);
	assert_string_equal(a.answers[0].owner, "web.shop");
	assert_int_equal(a.answers[0].ttl, 30);
	assert_int_equal(a.answers[0].addr.b[3], 10);
	assert_int_equal(a.answers[1].addr.family, AF_INET6);
	assert_int_equal(a.answers[1].addr.b[0], 0xfd);
	assert_string_equal(a.answers[2].target, "api.shop");
	assert_string_equal(a.answers[3].target, "\\..\\128\\032");
	assert_int_equal(a.answers[4].priority, 1);
	assert_int_equal(a.answers[4].weight, 2);
	assert_int_equal(a.answers[4].port, 8080);
	assert_string_equal(a.answers[4].target, "web.shop");
	assert_string_equal(a.answers[5].text, "10 web.shop.");
	assert_string_equal(a.answers[6].text, "\"a\\\"b\" \"\" \"\\\\\\001\"");
	assert_string_equal(a.answers[7].text, "\"cpu\" \"os\"");
	assert_string_equal(a.answers[8].text, "\\# 3 0102FF");
	assert_string_equal(a.answers[9].target, "");
	assert_string_equal(a.answers[10].target, "web.shop");
	assert_string_equal(a.authority[0].target, "ns.shop");
	assert_int_equal(a.authority[0].minimum, 5);
	assert_string_equal(a.authority[0].text, "ns.shop. web.shop. 1 2 3 4 5");
	arena_release(&arena);
}

/* Each of them cut off at every byte: garbage, unless it says that it is cut off; never more records than there are. */
static void test_cut(void **state)
{
	struct message m;
	struct dns_answer a;

	(void)state;
	for (unsigned tc = 0; tc < 2; tc++) {
		begin(&m, tc ? 0x8200 : 0x8000, 2, 0);
		RECORD(&m, DNS_A, "\x0a\x60\0\x0a");
		size_t one = m.size;
		RECORD(&m, DNS_CNAME, "\3api\xc0\x10");
		size_t whole = m.size;

		for (m.size = 0; m.size <= whole; m.size++) {
			struct arena arena = { 0 };
			int r = reads(&arena, &m, &a);
			bool fine = m.size == whole || (tc && m.size >= NS_HFIXEDSZ);

			assert_int_equal(r, fine ? 0 : SD_EPARSE);
			assert_int_equal(a.end, fine ? DNS_ANSWERED : DNS_GARBAGE);
			assert_int_equal(a.nanswers, m.size == whole ? 2 : m.size >= one ? 1 : 0);
			assert_int_equal(a.records_unknown, m.size != whole);
			assert_true(r == 0 || a.why);
			arena_release(&arena);
		}
	}
}

struct damage {
	unsigned type;
	const char *data;
	size_t size;
	const char *why;
};
#define DAMAGE(type, literal, why) { type, literal, sizeof(literal) - 1, why }

static void test_damage(void **state)
{
	static const struct damage table[] = {
		DAMAGE(DNS_CNAME, "\xc0\x36", "answer record 2, byte 54: a name that points in a circle, or out of the message"),
		DAMAGE(DNS_CNAME, "\1a\xc0\x36", "answer record 2, byte 54: a name that points in a circle, or out of the message"),
		DAMAGE(DNS_CNAME, "\xff\xff", "answer record 2, byte 54: a name that points in a circle, or out of the message"),
		DAMAGE(DNS_CNAME, "\x40", "answer record 2, byte 54: a name that points in a circle, or out of the message"),
		DAMAGE(DNS_CNAME, "\3web\0x", "answer record 2, byte 59: its length is not that of what it holds"),
		DAMAGE(DNS_CNAME, "\x3fwe", "answer record 2, byte 54: the message ends within it"),
		DAMAGE(DNS_A, "\x0a\0\0", "answer record 2, byte 54: an IPv4 address that has not 4 bytes"),
		DAMAGE(DNS_AAAA, "\x0a\0\0\1", "answer record 2, byte 54: an IPv6 address that has not 16 bytes"),
		DAMAGE(DNS_SRV, "\0\0\0\0\0\0", "answer record 2, byte 54: an SRV record that is too short"),
		DAMAGE(DNS_MX, "\0\1", "answer record 2, byte 54: an MX record that is too short"),
		DAMAGE(DNS_TXT, "\5abc", "answer record 2, byte 55: a string that is longer than its record"),
		DAMAGE(DNS_SOA, "\0\0\0\0\0\1", "answer record 2, byte 56: the message ends within it"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct arena arena = { 0 };
		struct message m;
		struct dns_answer a;

		begin(&m, 0x8000, 2, 0);
		RECORD(&m, DNS_A, "\x0a\x60\0\x0a");
		record(&m, table[i].type, table[i].data, table[i].size);
		assert_int_equal(reads(&arena, &m, &a), SD_EPARSE);
		assert_int_equal(a.end, DNS_GARBAGE);
		assert_non_null(a.why);
		assert_string_equal(a.why, table[i].why);
		assert_int_equal(a.nanswers, 1); /* what stands before it is kept */
		assert_true(a.records_unknown);
		arena_release(&arena);
	}
}

/* Numbers of records that are not there, a question instead of an answer, records of another class. */
static void test_lies(void **state)
{
	struct arena arena = { 0 };
	struct message m;
	struct dns_answer a;

	(void)state;
	begin(&m, 0x8000, 65535, 65535);
	RECORD(&m, DNS_A, "\x0a\x60\0\x0a");
	assert_int_equal(reads(&arena, &m, &a), SD_EPARSE);
	assert_int_equal(a.nanswers, 1);
	begin(&m, 0x0100, 0, 0);
	assert_int_equal(reads(&arena, &m, &a), SD_EPARSE);
	assert_string_equal(a.why, "it is a question, not an answer");
	begin(&m, 0x8003, 1, 0);
	RECORD(&m, DNS_A, "\x0a\x60\0\x0a");
	m.data[m.size - 11] = 3;
	assert_int_equal(reads(&arena, &m, &a), 0);
	assert_int_equal(a.rcode, DNS_NXDOMAIN);
	assert_int_equal(a.nanswers, 0);
	assert_true(a.records_unknown);
	arena_release(&arena);
}

static void test_question(void **state)
{
	static const struct dns_question q = { .name = "a\\.b\\032c.Shop", .type = DNS_AAAA, .edns = 1232 };
	const struct dns_question bad = { .name = "a..b" }, root = { .name = "", .type = DNS_NS, .no_recursion = true };
	uint8_t buf[DNS_QUERY_MAX];
	struct dns_head h;
	char name[300];

	(void)state;
	int n = dns_query_make(&q, 77, buf);
	assert_int_equal(n, 12 + 7 + 5 + 4 + 11 - 1 + 1);
	assert_int_equal(buf[2], 1);
	assert_int_equal(dns_head_read(buf, (size_t)n, &h), 0);
	assert_int_equal(h.id, 77);
	assert_false(h.is_answer);
	assert_string_equal(h.name, q.name);
	assert_int_equal(h.type, DNS_AAAA);
	assert_int_equal(dns_query_make(&bad, 0, buf), -EINVAL);
	assert_int_equal(dns_query_make(&root, 0, buf), 17);
	assert_int_equal(buf[2], 0);
	for (size_t i = 0; i < 300; i++)
		name[i] = i % 50 ? 'a' : '.';
	name[0] = 'a';
	name[299] = '\0';
	const struct dns_question is_long = { .name = name };
	assert_int_equal(dns_query_make(&is_long, 0, buf), -EINVAL);
	assert_int_equal(dns_head_read(buf, 11, &h), SD_EPARSE);
	assert_int_equal(h.id, 0);
}

/* Messages of random bytes behind a sound header: each is read or refused. */
static void test_random(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct arena arena = { 0 };
		struct message m;
		struct dns_answer a;

		begin(&m, 0x8000, 3, 2);
		for (unsigned n = 0; n < i % 120; n++) {
			seed = seed * 1664525 + 1013904223;
			m.data[m.size++] = (seed >> 28) < 9 ? (uint8_t)(seed >> 24 & 3) : (seed >> 28) < 12 ? 0xc0 : (uint8_t)(seed >> 20);
		}
		int r = reads(&arena, &m, &a);
		assert_true(r == 0 ? a.end == DNS_ANSWERED : a.end == DNS_GARBAGE && a.why);
		arena_release(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),	 cmocka_unit_test(test_cut),	cmocka_unit_test(test_damage),
		cmocka_unit_test(test_lies), cmocka_unit_test(test_question), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("dns_message", tests, NULL, NULL);
}
