/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of ip_set's dump as lines of `ipset save`, where a kernel of our day would not send them: types, options, flags and parts of
 * elements that are not known, damage, and sets that differ between two readings.
 */
#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

#include "lib/kernel/ipset-private.h"

#define NET NLA_F_NET_BYTEORDER
#define NEST NLA_F_NESTED

/* A message that is built attribute by attribute. */
struct message {
	uint8_t b[2048] __attribute__((aligned(8)));
	size_t n;
};

static size_t begin(struct message *m, unsigned type)
{
	struct nlattr a = { .nla_type = (uint16_t)type };
	size_t at = m->n;

	assert_true(m->n + 64 < sizeof(m->b));
	memcpy(m->b + at, &a, sizeof(a));
	m->n += sizeof(a);
	return at;
}

static void end(struct message *m, size_t at)
{
	uint16_t len = (uint16_t)(m->n - at);

	memcpy(m->b + at, &len, sizeof(len));
	while (m->n % 4)
		m->b[m->n++] = 0;
}

static void put(struct message *m, unsigned type, const void *value, size_t size)
{
	size_t at = begin(m, type);

	memcpy(m->b + m->n, value, size);
	m->n += size;
	end(m, at);
}

static void put_text(struct message *m, unsigned type, const char *s)
{
	put(m, type, s, strlen(s) + 1);
}

static void put_u8(struct message *m, unsigned type, uint8_t v)
{
	put(m, type, &v, 1);
}

static void put_u16(struct message *m, unsigned type, uint16_t v)
{
	v = htons(v);
	put(m, type | NET, &v, 2);
}

static void put_u32(struct message *m, unsigned type, uint32_t v)
{
	v = htonl(v);
	put(m, type | NET, &v, 4);
}

static void put_ip(struct message *m, unsigned type, const char *text)
{
	uint8_t a[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	size_t at = begin(m, type | NEST);

	assert_int_equal(inet_pton(family, text, a), 1);
	put(m, (family == AF_INET ? IPSET_ATTR_IPADDR_IPV4 : IPSET_ATTR_IPADDR_IPV6) | NET, a, family == AF_INET ? 4 : 16);
	end(m, at);
}

/* The head of a set, open for options: to be ended by end(). */
static size_t begin_set(struct message *m, const char *name, const char *type, uint8_t family)
{
	put_u8(m, IPSET_ATTR_PROTOCOL, 7);
	put_text(m, IPSET_ATTR_SETNAME, name);
	put_text(m, IPSET_ATTR_TYPENAME, type);
	put_u8(m, IPSET_ATTR_FAMILY, family);
	put_u8(m, IPSET_ATTR_REVISION, 200);
	return begin(m, IPSET_ATTR_DATA | NEST);
}

struct world {
	struct strbuf text;
	struct ipset_reading r;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->r.text = &w->text;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	ipset_reading_release(&w->r);
	strbuf_release(&w->text);
	free(w);
	return 0;
}

static int take(struct world *w, const struct message *m)
{
	return ipset_message(&w->r, m->b, m->n);
}

/* What the reader of `ipset save` makes of the text: is the set there, and may its contents be believed? */
static void assert_unsure(struct world *w, const char *name)
{
	struct ruleset rs;
	struct sd_notes notes = { 0 };
	struct ipset_text text;
	bool found = false;

	ruleset_init(&rs);
	assert_int_equal(read_ipset(&rs, strbuf_str(&w->text), w->text.len, "test", false, &notes, &text), 0);
	for (size_t i = 0; i < rs.sets.len; i++) {
		if (strcmp(rs.sets.v[i]->name, name) != 0)
			continue;
		found = true;
		assert_true(!rs.sets.v[i]->ipset || rs.sets.v[i]->ipset->damaged);
	}
	assert_true(found);
	assert_true(w->r.not_shown > 0);
	assert_non_null(strstr(w->r.why, name));
	ruleset_release(&rs);
	sd_notes_release(&notes);
}

/* A set of one element, to which @more adds something. */
static void one_element(struct world *w, const char *type, void (*more)(struct message *))
{
	struct message m = { .n = 0 };
	size_t head = begin_set(&m, "s", type, AF_INET), adt, elem;

	put_u32(&m, IPSET_ATTR_HASHSIZE, 64);
	end(&m, head);
	adt = begin(&m, IPSET_ATTR_ADT | NEST);
	elem = begin(&m, IPSET_ATTR_DATA | NEST);
	put_ip(&m, IPSET_ATTR_IP, "10.0.0.1");
	more(&m);
	end(&m, elem);
	end(&m, adt);
	assert_int_equal(take(w, &m), 0);
}

static void nothing_more(struct message *m)
{
	(void)m;
}

static void newer_attribute(struct message *m)
{
	put_u32(m, 55, 1);
}

static void newer_flag(struct message *m)
{
	put_u32(m, IPSET_ATTR_CADT_FLAGS, 1u << 14);
}

static void short_number(struct message *m)
{
	put_u16(m, IPSET_ATTR_TIMEOUT, 1);
}

static void second_address(struct message *m)
{
	put_ip(m, IPSET_ATTR_IP2, "10.0.0.2");
}

static void other_family(struct message *m)
{
	put_ip(m, IPSET_ATTR_IP, "fd00::1");
}

static void long_prefix(struct message *m)
{
	put_u8(m, IPSET_ATTR_CIDR, 33);
}

static void bad_name(struct message *m)
{
	put_text(m, IPSET_ATTR_IFACE, "eth0 nomatch");
}

static void known_is_known(void **state)
{
	struct world *w = *state;

	one_element(w, "hash:ip", nothing_more);
	assert_string_equal(strbuf_str(&w->text), "create s hash:ip family inet hashsize 64\nadd s 10.0.0.1\n");
	assert_int_equal(w->r.not_shown, 0);
}

static void unknown_elements(void **state)
{
	static void (*const more[])(struct message *) = { newer_attribute, newer_flag, short_number, second_address, other_family, long_prefix };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		one_element(w, "hash:ip", more[i]);
		assert_unsure(w, "s");
		(void)teardown(state);
		(void)setup(state);
		w = *state;
	}
}

static void name_that_is_two_words(void **state)
{
	struct world *w = *state;

	one_element(w, "hash:net,iface", bad_name);
	assert_unsure(w, "s");
	assert_null(strstr(strbuf_str(&w->text), "nomatch"));
}

static void part_that_is_missing(void **state)
{
	struct world *w = *state;

	one_element(w, "hash:ip,port", nothing_more);
	assert_unsure(w, "s");
}

static void unknown_type(void **state)
{
	struct world *w = *state;

	one_element(w, "hash:ip,vlan", nothing_more);
	assert_unsure(w, "s");
	assert_string_equal(strbuf_str(&w->text), "create s hash:ip,vlan svcdoctor-unknown svcdoctor-unknown\n");
}

static void unknown_options(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 4; i++) {
		struct message m = { .n = 0 };
		size_t head = begin_set(&m, "s", "hash:ip", i == 3 ? 77 : AF_INET);

		if (i == 0)
			put_u32(&m, 60, 1);
		if (i == 1)
			put_u32(&m, IPSET_ATTR_CADT_FLAGS, IPSET_FLAG_WITH_COUNTERS | 1u << 13);
		if (i == 2)
			put_u8(&m, IPSET_ATTR_MAXELEM, 1);
		end(&m, head);
		assert_int_equal(take(w, &m), 0);
		assert_unsure(w, "s");
		(void)teardown(state);
		(void)setup(state);
		w = *state;
	}
}

static void damaged_messages(void **state)
{
	struct world *w = *state;
	struct message m = { .n = 0 }, other = { .n = 0 };
	size_t at;

	assert_int_equal(take(w, &m), -EBADMSG);
	put_text(&m, IPSET_ATTR_SETNAME, "s");
	at = begin(&m, IPSET_ATTR_ADT | NEST);
	end(&m, at);
	assert_int_equal(take(w, &m), -EBADMSG); /* elements of a set that did not begin */
	one_element(w, "hash:ip", nothing_more);
	assert_int_equal(take(w, &m), 0);
	put_text(&other, IPSET_ATTR_SETNAME, "t");
	at = begin(&other, IPSET_ATTR_ADT | NEST);
	end(&other, at);
	assert_int_equal(take(w, &other), -EBADMSG);
	put_text(&other, IPSET_ATTR_SETNAME, "a name of more than thirty-one bytes");
	assert_int_equal(take(w, &other), -EBADMSG);
}

/* Every cut of a message is refused, but for the one between the set and its elements. No byte behind it is read. */
static void cut_messages(void **state)
{
	struct message m = { .n = 0 };
	size_t head = begin_set(&m, "s", "hash:ip", AF_INET), adt, elem;

	put_u32(&m, IPSET_ATTR_MAXELEM, 9);
	end(&m, head);
	adt = begin(&m, IPSET_ATTR_ADT | NEST);
	elem = begin(&m, IPSET_ATTR_DATA | NEST);
	put_ip(&m, IPSET_ATTR_IP, "10.0.0.1");
	end(&m, elem);
	end(&m, adt);
	for (size_t n = 0; n < m.n; n++) {
		struct world *w = *state;
		uint8_t *copy = malloc(n + 1);
		int r;

		memcpy(copy, m.b, n);
		r = ipset_message(&w->r, copy, n);
		assert_int_equal(r, n == adt ? 0 : -EBADMSG);
		free(copy);
		(void)teardown(state);
		(void)setup(state);
	}
}

/* ---- two readings ---- */

static void read_timed(struct world *w, bool timeout, const char *element, uint32_t left)
{
	struct message m = { .n = 0 };
	size_t head = begin_set(&m, "timed", "hash:ip", AF_INET), adt, elem;

	if (timeout)
		put_u32(&m, IPSET_ATTR_TIMEOUT, 600);
	put_u32(&m, IPSET_ATTR_MEMSIZE, left);
	end(&m, head);
	adt = begin(&m, IPSET_ATTR_ADT | NEST);
	elem = begin(&m, IPSET_ATTR_DATA | NEST);
	put_ip(&m, IPSET_ATTR_IP, element);
	if (timeout)
		put_u32(&m, IPSET_ATTR_TIMEOUT, left);
	end(&m, elem);
	end(&m, adt);
	one_element(w, "hash:ip", nothing_more);
	assert_int_equal(take(w, &m), 0);
}

static void times_run_off(void **state)
{
	struct world *w = *state;
	void *more;

	(void)setup(&more);
	read_timed(w, true, "10.0.0.1", 9);
	read_timed(more, true, "10.0.0.1", 8);
	assert_true(ipset_same(&w->r, &((struct world *)more)->r));
	(void)teardown(&more);
	(void)setup(&more);
	read_timed(more, true, "10.0.0.2", 9);
	assert_false(ipset_same(&w->r, &((struct world *)more)->r));
	(void)teardown(&more);
}

/* What others add to a set with a timeout, all the time, makes this set one that nobody knows, and no other. */
static void passing_elements(void **state)
{
	struct world *w = *state, *v;
	void *more;

	(void)setup(&more);
	v = more;
	read_timed(w, true, "10.0.0.1", 9);
	read_timed(v, true, "10.0.0.2", 9);
	assert_true(ipset_same_but_passing(&w->r, &v->r));
	assert_unsure(v, "timed");
	assert_int_equal(v->r.not_shown, 1);
	(void)teardown(&more);
	(void)teardown(state);
	(void)setup(state);
	(void)setup(&more);
	w = *state;
	v = more;
	read_timed(w, false, "10.0.0.1", 9);
	read_timed(v, false, "10.0.0.2", 9);
	assert_false(ipset_same_but_passing(&w->r, &v->r));
	assert_int_equal(v->r.not_shown, 0);
	(void)teardown(&more);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(known_is_known),	TEST(unknown_elements), TEST(name_that_is_two_words), TEST(part_that_is_missing), TEST(unknown_type),
		TEST(unknown_options),	TEST(damaged_messages), TEST(cut_messages),	      TEST(times_run_off),	  TEST(passing_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
