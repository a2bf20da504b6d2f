/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes, rules, address types and the choice of a source: by hand and against a slow reference.
 * test_node_kernel.c asks the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "facts.h"

static void assert_addr(const struct ip_addr *a, const char *want)
{
	char buf[IP_ADDR_STRLEN];

	if (!want[0])
		assert_int_equal(a->family, 0);
	else
		assert_string_equal(ip_addr_format(a, buf), want);
}

/* ---- facts by hand ---- */

static void add_addr(struct fixture *x, const char *prefix, const char *dev, uint32_t ifindex, uint8_t scope)
{
	struct node_address a = { .ifname = dev, .ifindex = ifindex, .scope = scope };
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(prefix, &p), 0);
	a.addr = p.addr;
	a.plen = p.len;
	assert_int_equal(array_push(&x->f.addrs, a), 0);
	x->f.addrs_known = true;
}

static struct node_route *add_route(struct fixture *x, const char *dst, enum node_route_type type, uint32_t table,
				    const char *via, const char *dev)
{
	struct node_route t = { .type = type, .table = table, .dev = dev };

	assert_int_equal(ip_prefix_parse(dst, &t.dst), 0);
	t.family = t.dst.addr.family;
	t.gateway = facts_addr(via);
	t.has_gateway = t.gateway.family != 0;
	assert_int_equal(array_push(&x->f.routes, t), 0);
	x->f.routes_known = true;
	return &x->f.routes.v[x->f.routes.len - 1];
}

static struct node_rule *add_rule(struct fixture *x, uint32_t priority, uint32_t table)
{
	struct node_rule u = { .family = AF_INET, .priority = priority, .table = table };

	assert_int_equal(array_push(&x->f.rules, u), 0);
	x->f.rules_known = true;
	return &x->f.rules.v[x->f.rules.len - 1];
}

static void add_default_rules(struct fixture *x)
{
	add_rule(x, 32767, 253);
	add_rule(x, 32766, 254);
	add_rule(x, 0, 255);
}

static struct node_route_result look(const struct fixture *x, const char *dst)
{
	struct node_route_query q = { .dst = facts_addr(dst) };
	struct node_route_result r;

	node_route_lookup(&x->f, &q, &r);
	return r;
}

static void finish(struct fixture *x)
{
	assert_int_equal(node_facts_finish(&x->f), 0);
}

static void small_node(struct fixture *x)
{
	add_addr(x, "127.0.0.1/8", "lo", 1, SCOPE_HOST);
	add_addr(x, "10.0.0.1/24", "e0", 2, SCOPE_GLOBAL);
	add_route(x, "127.0.0.0/8", RT_LOCAL, 255, "", "lo");
	add_route(x, "10.0.0.1", RT_LOCAL, 255, "", "e0");
	add_route(x, "10.0.0.255", RT_BROADCAST, 255, "", "e0");
	add_route(x, "10.0.0.0/24", RT_UNICAST, 254, "", "e0")->scope = SCOPE_LINK;
}

static void test_nothing_known(void **state)
{
	struct fixture *x = *state;
	struct ip_addr lo = facts_addr("127.0.0.9"), lo6 = facts_addr("::1"), a = facts_addr("10.0.0.1"), b = facts_addr("10.0.0.2");

	assert_int_equal(look(x, "10.0.0.1").kind, NR_UNKNOWN);
	finish(x);
	assert_int_equal(node_is_local(&x->f, &lo), TRI_TRUE);
	assert_int_equal(node_is_local(&x->f, &lo6), TRI_TRUE);
	assert_int_equal(node_is_local(&x->f, &a), TRI_UNKNOWN);
	assert_int_equal(node_addr_type(&x->f, &a, NULL), -1);
	assert_int_equal(look(x, "10.0.0.1").kind, NR_UNKNOWN);
	assert_int_equal(look(x, "127.0.0.1").kind, NR_LOCAL);
	assert_int_equal(node_select_source(&x->f, "e0", &a, &b), TRI_UNKNOWN);
	assert_int_equal(array_push(&x->f.claimed, a), 0);
	finish(x);
	assert_int_equal(node_is_local(&x->f, &a), TRI_TRUE);
	assert_int_equal(node_is_local(&x->f, &b), TRI_UNKNOWN);
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 2);
	assert_int_equal(look(x, "10.0.0.1").kind, NR_LOCAL);
}

static void test_only_addresses(void **state)
{
	struct fixture *x = *state;
	struct ip_addr a = facts_addr("10.0.0.1"), b = facts_addr("10.0.0.2"), c = facts_addr("10.0.0.255");

	add_addr(x, "10.0.0.1/24", "e0", 2, SCOPE_GLOBAL);
	finish(x);
	assert_int_equal(node_is_local(&x->f, &a), TRI_TRUE);
	assert_int_equal(node_is_local(&x->f, &b), TRI_FALSE);
	assert_int_equal(node_addr_type(&x->f, &c, NULL), 3);
	assert_int_equal(node_addr_type(&x->f, &a, "e1"), 1);
	assert_int_equal(look(x, "10.0.0.2").kind, NR_UNKNOWN);
	assert_int_equal(look(x, "10.0.0.255").kind, NR_BROADCAST);
}

/* `ip -j route` without "table all": the addresses stand for table local. */
static void test_no_local_table(void **state)
{
	struct fixture *x = *state;
	struct ip_addr a = facts_addr("10.0.0.1"), b = facts_addr("10.0.0.9");

	add_addr(x, "10.0.0.1/24", "e0", 2, SCOPE_GLOBAL);
	add_route(x, "0.0.0.0/0", RT_UNICAST, 254, "10.0.0.254", "e0");
	finish(x);
	assert_int_equal(look(x, "10.0.0.1").kind, NR_LOCAL);
	assert_int_equal(look(x, "127.0.0.1").kind, NR_LOCAL);
	assert_int_equal(look(x, "10.0.0.255").kind, NR_BROADCAST);
	assert_int_equal(look(x, "8.8.8.8").kind, NR_UNICAST);
	assert_int_equal(node_is_local(&x->f, &a), TRI_TRUE);
	assert_int_equal(node_is_local(&x->f, &b), TRI_FALSE);
	assert_int_equal(look(x, "fd00::1").kind, NR_NONE);
	add_addr(x, "fd00::1/64", "e0", 2, SCOPE_GLOBAL);
	finish(x);
	assert_int_equal(look(x, "fd00::1").kind, NR_LOCAL);
	assert_int_equal(look(x, "fd00::2").kind, NR_UNKNOWN);
}

static void test_basic_lookup(void **state)
{
	struct fixture *x = *state;
	struct node_route_result r;

	small_node(x);
	add_default_rules(x);
	finish(x);
	assert_int_equal(x->f.rules.v[0].priority, 0);
	r = look(x, "10.0.0.7");
	assert_int_equal(r.kind, NR_UNICAST);
	assert_string_equal(r.dev, "e0");
	assert_addr(&r.src, "10.0.0.1");
	assert_null(r.unknown);
	assert_int_equal(look(x, "8.8.8.8").kind, NR_NONE);
	assert_int_equal(look(x, "10.0.0.1").kind, NR_LOCAL);
	assert_int_equal(look(x, "10.0.0.255").kind, NR_BROADCAST);
	assert_int_equal(look(x, "255.255.255.255").kind, NR_NONE);
	add_route(x, "0.0.0.0/0", RT_UNICAST, 254, "10.0.0.254", "e0")->metric = 100;
	add_route(x, "0.0.0.0/0", RT_UNICAST, 254, "10.0.0.253", "e0")->metric = 50;
	add_route(x, "9.0.0.0/8", RT_BLACKHOLE, 254, "", NULL);
	add_route(x, "9.9.0.0/16", RT_THROW, 254, "", NULL);
	add_route(x, "9.9.9.0/24", RT_UNICAST, 253, "10.0.0.9", "e0");
	finish(x);
	r = look(x, "8.8.8.8");
	assert_addr(&r.gateway, "10.0.0.253");
	assert_int_equal(r.route->metric, 50);
	assert_int_equal(look(x, "9.1.1.1").kind, NR_REFUSED);
	assert_int_equal(look(x, "9.9.1.1").kind, NR_NONE);
	r = look(x, "9.9.9.1");
	assert_addr(&r.gateway, "10.0.0.9");
	assert_int_equal(look(x, "255.255.255.255").kind, NR_BROADCAST);
	assert_int_equal(look(x, "224.5.5.5").kind, NR_MULTICAST);
}

static void test_marks_and_unknown_rules(void **state)
{
	struct fixture *x = *state;
	struct node_route_query q = { .dst = facts_addr("8.8.8.8"), .mark = 0x4004 };
	struct node_route_result r;
	struct node_rule *u;

	small_node(x);
	add_default_rules(x);
	add_route(x, "0.0.0.0/0", RT_UNICAST, 254, "10.0.0.254", "e0");
	add_route(x, "0.0.0.0/0", RT_UNICAST, 77, "10.0.0.7", "e0");
	add_route(x, "0.0.0.0/0", RT_UNICAST, 78, "10.0.0.254", "e0");
	u = add_rule(x, 100, 77);
	u->fwmark = u->fwmask = 0x4000;
	u = add_rule(x, 90, 78); /* decides, but as main does */
	u->unknown = true;
	finish(x);
	node_route_lookup(&x->f, &q, &r);
	assert_int_equal(r.kind, NR_UNKNOWN);
	assert_non_null(r.unknown);
	q.mark = 4;
	node_route_lookup(&x->f, &q, &r);
	assert_int_equal(r.kind, NR_UNICAST);
	assert_addr(&r.gateway, "10.0.0.254");
	for (size_t i = 0; i < x->f.rules.len; i++) {
		if (x->f.rules.v[i].priority == 90)
			x->f.rules.v[i].table = 79; /* an empty table decides nothing */
	}
	q.mark = 0x4000;
	node_route_lookup(&x->f, &q, &r);
	assert_int_equal(r.kind, NR_UNICAST);
	assert_addr(&r.gateway, "10.0.0.7");
}

/* Tables local and main are one as long as there is no other rule. */
static void test_merged_tables(void **state)
{
	struct fixture *x = *state;
	struct ip_addr a = facts_addr("10.9.1.1");

	small_node(x);
	add_default_rules(x);
	add_route(x, "10.9.0.0/16", RT_LOCAL, 255, "", "lo");
	add_route(x, "10.9.1.0/24", RT_UNICAST, 254, "10.0.0.9", "e0");
	finish(x);
	assert_int_equal(look(x, "10.9.1.1").kind, NR_UNICAST);
	assert_int_equal(look(x, "10.9.2.1").kind, NR_LOCAL);
	assert_int_equal(node_is_local(&x->f, &a), TRI_FALSE);
	add_rule(x, 1000, 99);
	finish(x);
	assert_int_equal(look(x, "10.9.1.1").kind, NR_LOCAL);
	assert_int_equal(node_is_local(&x->f, &a), TRI_TRUE);
}

static void test_linkdown_and_hops(void **state)
{
	struct fixture *x = *state;
	static const char sysctls[] = "net.ipv4.conf.e0.ignore_routes_with_linkdown = 1\n";
	static const struct node_hop hops[2] = { { .dev = "e0", .dead = true }, { .dev = "e1" } };
	struct node_route_query q = { .dst = facts_addr("10.3.0.1"), .oif = "e0" };
	struct node_route_result r;
	struct node_route *t;

	small_node(x);
	add_default_rules(x);
	add_route(x, "10.2.0.0/16", RT_UNICAST, 254, "10.0.0.2", "e0")->linkdown = true;
	add_route(x, "10.0.0.0/8", RT_UNICAST, 254, "10.0.0.3", "e0");
	t = add_route(x, "10.3.0.0/16", RT_UNICAST, 254, "", "e1");
	t->multipath = true;
	t->hops = hops;
	t->nhops = 2;
	finish(x);
	r = look(x, "10.2.0.1");
	assert_addr(&r.gateway, "10.0.0.2");
	assert_int_equal(read_sysctl(&x->f, sysctls, strlen(sysctls), "s", &x->notes), 0);
	r = look(x, "10.2.0.1");
	assert_addr(&r.gateway, "10.0.0.3");
	r = look(x, "10.3.0.1");
	assert_string_equal(r.dev, "e1");
	assert_null(r.unknown);
	node_route_lookup(&x->f, &q, &r);
	assert_string_equal(r.dev, "e0");
	assert_addr(&r.gateway, "10.0.0.3");
	q.oif = "e7";
	node_route_lookup(&x->f, &q, &r);
	assert_int_equal(r.kind, NR_UNICAST);
	assert_null(r.route);
	assert_string_equal(r.dev, "e7");
}

static void test_select4(void **state)
{
	struct fixture *x = *state;
	struct ip_addr nh, a;

	add_addr(x, "127.0.0.1/8", "lo", 1, SCOPE_HOST);
	add_addr(x, "169.254.1.1/16", "e0", 2, SCOPE_LINK);
	add_addr(x, "10.0.0.1/24", "e0", 2, SCOPE_GLOBAL);
	add_addr(x, "10.0.1.1/24", "e0", 2, SCOPE_GLOBAL);
	add_addr(x, "10.0.1.2/24", "e0", 2, SCOPE_GLOBAL);
	x->f.addrs.v[4].secondary = true;
	add_addr(x, "10.5.0.1/32", "t0", 4, SCOPE_GLOBAL);
	x->f.addrs.v[5].peer = facts_addr("10.6.0.1");
	finish(x);
	nh = facts_addr("10.0.1.9");
	assert_int_equal(node_select_source(&x->f, "e0", &nh, &a), TRI_TRUE);
	assert_addr(&a, "10.0.1.1");
	nh = facts_addr("172.16.0.1");
	assert_int_equal(node_select_source(&x->f, "e0", &nh, &a), TRI_TRUE);
	assert_addr(&a, "10.0.0.1");
	assert_int_equal(node_select_source(&x->f, "e3", &nh, &a), TRI_TRUE); /* borrowed */
	assert_addr(&a, "10.0.0.1");
	assert_int_equal(node_select_source(&x->f, "lo", &nh, &a), TRI_TRUE);
	assert_addr(&a, "10.0.0.1");
	assert_int_equal(node_select_source(&x->f, NULL, &nh, &a), TRI_UNKNOWN);
	x->f.addrs.len = 2;
	finish(x);
	assert_int_equal(node_select_source(&x->f, "e0", &nh, &a), TRI_FALSE);
}

static void test_select6(void **state)
{
	struct fixture *x = *state;
	struct ip_addr dst, a;

	add_addr(x, "::1/128", "lo", 1, SCOPE_HOST);
	add_addr(x, "2001:db8:1::1/64", "e0", 2, SCOPE_GLOBAL);
	add_addr(x, "2001:db8:2::1/64", "e0", 2, SCOPE_GLOBAL);
	add_addr(x, "fd00::1/64", "e0", 2, SCOPE_GLOBAL);
	add_addr(x, "fe80::1/64", "e0", 2, SCOPE_LINK);
	add_addr(x, "2001:db8:9::1/128", "kube-ipvs0", 3, SCOPE_GLOBAL);
	finish(x);
	dst = facts_addr("2001:db8:2::77");
	assert_int_equal(node_select_source(&x->f, "e0", &dst, &a), TRI_TRUE);
	assert_addr(&a, "2001:db8:2::1");
	dst = facts_addr("fd00:5::1");
	assert_int_equal(node_select_source(&x->f, "e0", &dst, &a), TRI_TRUE);
	assert_addr(&a, "fd00::1");
	dst = facts_addr("fe80::9");
	assert_int_equal(node_select_source(&x->f, "e0", &dst, &a), TRI_TRUE);
	assert_addr(&a, "fe80::1");
	dst = facts_addr("2001:db8:9::1");
	assert_int_equal(node_select_source(&x->f, "e0", &dst, &a), TRI_TRUE);
	assert_addr(&a, "2001:db8:9::1");
	x->f.addrs.v[1].tentative = true;
	x->f.addrs.v[2].deprecated = true;
	finish(x);
	dst = facts_addr("2001:db8:2::77");
	assert_int_equal(node_select_source(&x->f, "e0", &dst, &a), TRI_TRUE);
	assert_addr(&a, "fd00::1");
	x->f.addrs.len = 0;
	finish(x);
	assert_int_equal(node_select_source(&x->f, "e0", &dst, &a), TRI_FALSE);
}

static void test_types6(void **state)
{
	struct fixture *x = *state;
	struct ip_addr a;

	add_addr(x, "fd00::1/64", "e0", 2, SCOPE_GLOBAL);
	add_route(x, "::1", RT_LOCAL, 255, "", "lo");
	add_route(x, "fd00::1", RT_LOCAL, 255, "", "e0");
	add_route(x, "fd00::", RT_ANYCAST, 255, "", "e0");
	add_route(x, "fd00::/64", RT_UNICAST, 254, "", "e0");
	add_route(x, "fd05::/64", RT_UNICAST, 254, "", "e0");
	finish(x);
	a = facts_addr("fd00::1");
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 2);
	assert_int_equal(node_addr_type(&x->f, &a, "e0"), 2);
	a = facts_addr("fd00::");
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 4);
	a = facts_addr("fd05::");
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 4);
	a = facts_addr("fd00::2");
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 1);
	a = facts_addr("fd09::2");
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 7);
	a = facts_addr("::");
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 0);
	a = facts_addr("ff02::1");
	assert_int_equal(node_addr_type(&x->f, &a, NULL), 5);
}

/* ---- a slow reference: all routes of the table, the best one kept ---- */

static struct ip_addr random_addr(uint32_t *seed, int family)
{
	struct ip_addr a = { .family = (uint8_t)family };

	a.b[0] = family == AF_INET ? 10 : 0xfd;
	for (size_t i = 1; i < ip_addr_size(&a); i++)
		a.b[i] = (uint8_t)(facts_pick(seed, 3) ? facts_pick(seed, 2) : facts_pick(seed, 256));
	return a;
}

static const struct node_route *slow_table(const struct node_facts *f, uint32_t table, const struct ip_addr *a)
{
	const struct node_route *best = NULL;

	for (size_t i = 0; i < f->routes.len; i++) {
		const struct node_route *t = &f->routes.v[i];

		if (t->table != table || t->dead || !ip_prefix_contains(&t->dst, a))
			continue;
		if (!best || t->dst.len > best->dst.len || (t->dst.len == best->dst.len && t->metric < best->metric))
			best = t;
	}
	return best;
}

static const struct node_route *slow_lookup(const struct node_facts *f, const struct ip_addr *a, uint32_t mark)
{
	static const uint32_t tables[4] = { 255, 77, 254, 253 };

	for (size_t i = 0; i < 4; i++) {
		const struct node_route *t = i == 1 && mark != 1 ? NULL : slow_table(f, tables[i], a);

		if (t && t->type != RT_THROW)
			return t;
	}
	return NULL;
}

static void random_routes(struct fixture *x, uint32_t *seed, int family)
{
	static const enum node_route_type types[8] = {
		RT_UNICAST, RT_UNICAST, RT_UNICAST, RT_UNICAST, RT_LOCAL, RT_THROW, RT_BLACKHOLE, RT_PROHIBIT,
	};
	static const uint32_t tables[4] = { 255, 77, 254, 253 };
	unsigned n = 1 + facts_pick(seed, 300);

	for (unsigned i = 0; i < n; i++) {
		struct node_route t = {
			.family = (uint8_t)family, .type = types[facts_pick(seed, 8)], .dev = "e0",
			.table = tables[facts_pick(seed, 4)],
		};

		t.dst.addr = random_addr(seed, family);
		t.dst.len = (uint8_t)facts_pick(seed, family == AF_INET ? 33 : 129);
		t.metric = facts_pick(seed, 4);
		t.dead = facts_pick(seed, 10) == 0;
		assert_int_equal(array_push(&x->f.routes, t), 0);
	}
	x->f.routes_known = true;
	add_route(x, family == AF_INET ? "127.0.0.0/8" : "::1", RT_LOCAL, 255, "", "lo");
}

static void test_reference(void **state)
{
	uint32_t seed = 20240607;

	for (int round = 0; round < 60; round++) {
		struct fixture *x = *state;
		int family = round % 2 ? AF_INET6 : AF_INET;
		struct node_rule *u;

		random_routes(x, &seed, family);
		add_default_rules(x);
		u = add_rule(x, 50, 77);
		u->fwmark = 1;
		u->fwmask = UINT32_MAX;
		for (size_t i = 0; i < x->f.rules.len; i++)
			x->f.rules.v[i].family = (uint8_t)family;
		x->f.rules_known = x->f.rules6_known = true;
		finish(x);
		for (int i = 0; i < 200; i++) {
			struct node_route_query q = { .dst = random_addr(&seed, family), .mark = facts_pick(&seed, 2) };
			const struct node_route *want;
			struct node_route_result r;

			if (facts_pick(&seed, 2))
				q.dst = x->f.routes.v[facts_pick(&seed, (unsigned)x->f.routes.len)].dst.addr;
			want = slow_lookup(&x->f, &q.dst, q.mark);
			if (family == AF_INET && ip_addr_is_zero(&q.dst))
				continue;
			node_route_lookup(&x->f, &q, &r);
			assert_ptr_equal(r.route, want);
		}
		assert_int_equal(facts_teardown(state), 0);
		assert_int_equal(facts_setup(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_known, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_only_addresses, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_no_local_table, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_basic_lookup, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_marks_and_unknown_rules, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_merged_tables, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_linkdown_and_hops, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_select4, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_select6, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_types6, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_reference, facts_setup, facts_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
