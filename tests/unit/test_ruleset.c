/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib/ruleset: tables and chains, the base chains of xtables, single conditions, and the index of long chains against a
 * walk over every rule. A rule that the index passes over must be one that cannot match.
 */
#include <setjmp.h>

#include <svcdoctor/ruleset.h>

#include <cmocka.h>

/* ---- rules made by hand ---- */

static struct rs_cond addr4(enum rs_field field, const char *prefix, bool negate)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = OP_ADDR4, .negate = negate };
	struct ip_prefix p;
	struct ip_addr mask, first;

	assert_int_equal(ip_prefix_parse(prefix, &p), 0);
	mask = ip_prefix_mask(AF_INET, p.len);
	first = ip_prefix_first(&p);
	memcpy(&c.u.addr4.value, first.b, 4);
	memcpy(&c.u.addr4.mask, mask.b, 4);
	return c;
}

static struct rs_cond addr6(struct ruleset *rs, enum rs_field field, const char *prefix, bool negate)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = OP_ADDR6, .negate = negate };
	struct rs_addr6 *a = arena_new(&rs->arena, struct rs_addr6);
	struct ip_prefix p;

	assert_non_null(a);
	assert_int_equal(ip_prefix_parse(prefix, &p), 0);
	a->mask = ip_prefix_mask(AF_INET6, p.len);
	a->value = ip_prefix_first(&p);
	c.u.addr6 = a;
	return c;
}

static struct rs_cond range(enum rs_field field, uint32_t lo, uint32_t hi, bool negate)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = lo == hi ? OP_EQ : OP_RANGE, .negate = negate };

	c.u.range = (struct rs_u32_range){ lo, hi };
	return c;
}

static struct rs_rule *append(struct ruleset *rs, struct rs_chain *c, const struct rs_cond *conds, unsigned n,
		int after)
{
	struct rs_rule *r = arena_new(&rs->arena, struct rs_rule);
	struct rs_cond *copy = arena_array(&rs->arena, struct rs_cond, n + 1);
	struct rs_stmt *stmt = arena_new(&rs->arena, struct rs_stmt);

	assert_true(r && copy && stmt);
	if (n)
		memcpy(copy, conds, n * sizeof(*conds));
	*stmt = (struct rs_stmt){ .kind = after < 0 ? ST_ACCEPT : ST_MARK, .after = after < 0 ? 255 : (uint8_t)after };
	r->conds = copy;
	r->nconds = (uint16_t)n;
	r->stmts = stmt;
	r->nstmts = 1;
	assert_int_equal(chain_append(rs, c, r), 0);
	return r;
}

static struct rs_chain *new_chain(struct ruleset *rs, enum rs_family f)
{
	struct rs_table *t = ruleset_table(rs, BACKEND_NFT, f, "filter", true);
	struct rs_chain *c;

	assert_non_null(t);
	c = table_chain(rs, t, "X", 1);
	assert_non_null(c);
	return c;
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(s, &a), 0);
	return a;
}

/* ---- tables, chains, base chains ---- */

static void test_tables(void **state)
{
	struct ruleset rs;
	struct rs_table *t;
	struct rs_chain *c;
	char name[16];

	(void)state;
	ruleset_init(&rs);
	t = ruleset_table(&rs, BACKEND_NFT, RS_IP4, "nat", true);
	assert_non_null(t);
	assert_ptr_equal(ruleset_table(&rs, BACKEND_NFT, RS_IP4, "nat", true), t);
	assert_ptr_not_equal(ruleset_table(&rs, BACKEND_LEGACY, RS_IP4, "nat", true), t);
	assert_ptr_not_equal(ruleset_table(&rs, BACKEND_NFT, RS_IP6, "nat", true), t);
	assert_ptr_equal(ruleset_find_table(&rs, BACKEND_NFT, RS_IP4, "nat"), t);
	assert_null(ruleset_find_table(&rs, BACKEND_NFT, RS_INET, "nat"));
	c = table_chain(&rs, t, "KUBE-SVC-ABC", 8);
	assert_string_equal(c->name, "KUBE-SVC");
	assert_int_equal(c->hook, HOOK_NONE);
	assert_ptr_equal(table_chain(&rs, t, "KUBE-SVC", 8), c);
	assert_ptr_equal(table_find_chain(t, "KUBE-SVC"), c);
	assert_null(table_find_chain(t, "KUBE-SVC-ABC"));
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		assert_non_null(ruleset_table(&rs, BACKEND_NFT, RS_INET, name, false));
	}
	assert_int_equal(rs.tables.len, 1003);
	assert_ptr_equal(ruleset_find_table(&rs, BACKEND_NFT, RS_IP4, "nat"), t);
	assert_string_equal(ruleset_find_table(&rs, BACKEND_NFT, RS_INET, "t777")->name, "t777");
	assert_string_equal(table_tool(t), "iptables -t nat");
	t = ruleset_table(&rs, BACKEND_LEGACY, RS_IP6, "filter", true);
	assert_non_null(t);
	assert_string_equal(table_tool(t), "ip6tables-legacy -t filter");
	ruleset_release(&rs);
}

static void test_buffers(void **state)
{
	struct ruleset rs;

	(void)state;
	ruleset_init(&rs);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(ruleset_own_buffer(&rs, calloc(1, 10)), 0);
	ruleset_release(&rs);
	ruleset_release(NULL);
}

static void test_bases(void **state)
{
	static const struct {
		const char *table, *chain;
		bool base;
		enum rs_hook hook;
		enum rs_chain_type type;
		int priority;
	} rows[] = {
		{ "nat", "PREROUTING", true, HOOK_PREROUTING, CHAIN_NAT, -100 },
		{ "nat", "INPUT", true, HOOK_INPUT, CHAIN_NAT, 100 },
		{ "nat", "OUTPUT", true, HOOK_OUTPUT, CHAIN_NAT, -100 },
		{ "nat", "POSTROUTING", true, HOOK_POSTROUTING, CHAIN_NAT, 100 },
		{ "nat", "FORWARD", false, HOOK_NONE, CHAIN_FILTER, 0 },
		{ "mangle", "OUTPUT", true, HOOK_OUTPUT, CHAIN_ROUTE, -150 },
		{ "mangle", "FORWARD", true, HOOK_FORWARD, CHAIN_FILTER, -150 },
		{ "mangle", "POSTROUTING", true, HOOK_POSTROUTING, CHAIN_FILTER, -150 },
		{ "raw", "PREROUTING", true, HOOK_PREROUTING, CHAIN_FILTER, -300 },
		{ "raw", "INPUT", false, HOOK_NONE, CHAIN_FILTER, 0 },
		{ "filter", "INPUT", true, HOOK_INPUT, CHAIN_FILTER, 0 },
		{ "filter", "PREROUTING", false, HOOK_NONE, CHAIN_FILTER, 0 },
		{ "security", "FORWARD", true, HOOK_FORWARD, CHAIN_FILTER, 50 },
		{ "broute", "INPUT", false, HOOK_NONE, CHAIN_FILTER, 0 },
	};
	struct ruleset rs;

	(void)state;
	ruleset_init(&rs);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rs_table *t = ruleset_table(&rs, BACKEND_LEGACY, RS_IP4, rows[i].table, true);
		struct rs_chain *c;

		assert_non_null(t);
		c = table_chain(&rs, t, rows[i].chain, strlen(rows[i].chain));
		assert_non_null(c);
		assert_int_equal(chain_set_xtables_base(c), rows[i].base);
		assert_int_equal(c->hook, rows[i].hook);
		assert_int_equal(c->type, rows[i].type);
		assert_int_equal(c->priority, rows[i].priority);
	}
	ruleset_release(&rs);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(rs_hook_name(HOOK_FORWARD), "FORWARD");
	assert_string_equal(rs_hook_name(HOOK_NONE), "-");
	assert_string_equal(rs_field_name(FIELD_DADDR), "destination address");
	assert_string_equal(rs_stmt_name(ST_DNAT), "DNAT");
	assert_string_equal(rs_backend_name(BACKEND_NFT), "nft");
	assert_string_equal(rs_family_name(RS_INET), "inet");
	for (unsigned f = 0; f < FIELD_COUNT; f++)
		assert_non_null(rs_field_name((enum rs_field)f));
}

/* ---- conditions ---- */

static void test_conditions(void **state)
{
	struct ruleset rs;
	struct ip_addr a4 = addr("10.1.2.3"), a6 = addr("fd00::3");
	struct rs_addr_range ar = { addr("10.1.2.0"), addr("10.1.2.3") };
	struct rs_cond c = { .field = FIELD_SADDR, .op = OP_ADDR_RANGE };

	(void)state;
	ruleset_init(&rs);
	c.u.addr_range = &ar;
	assert_true(cond_match_addr(&c, &a4));
	ar.hi = addr("10.1.2.2");
	assert_false(cond_match_addr(&c, &a4));
	c.negate = true;
	assert_true(cond_match_addr(&c, &a4));
	assert_false(cond_match_addr(&c, &a6)); /* the other family: never, negated or not */

	c = addr4(FIELD_DADDR, "10.1.0.0/16", false);
	assert_true(cond_match_addr(&c, &a4));
	c = addr4(FIELD_DADDR, "10.2.0.0/16", true);
	assert_true(cond_match_addr(&c, &a4));
	c = addr6(&rs, FIELD_DADDR, "fd00::/64", false);
	assert_true(cond_match_addr(&c, &a6));
	assert_false(cond_match_addr(&c, &a4));

	c = range(FIELD_DPORT, 80, 90, false);
	assert_true(cond_match_u32(&c, 80) && cond_match_u32(&c, 90) && !cond_match_u32(&c, 91));
	c.negate = true;
	assert_true(!cond_match_u32(&c, 80) && cond_match_u32(&c, 91));
	c = (struct rs_cond){ .field = FIELD_MARK, .op = OP_MASK };
	c.u.bits.mask = c.u.bits.value = 0x4000;
	assert_true(cond_match_u32(&c, 0x4001) && !cond_match_u32(&c, 1));
	c.op = OP_ANY;
	assert_true(cond_match_u32(&c, 0x4001) && !cond_match_u32(&c, 1));
	c.op = OP_TEXT;
	assert_false(cond_match_u32(&c, 0x4000));

	c = (struct rs_cond){ .field = FIELD_IIF, .op = OP_IFNAME };
	c.u.ifname = "eth";
	assert_true(cond_match_ifname(&c, "eth") && !cond_match_ifname(&c, "eth0") && !cond_match_ifname(&c, ""));
	c.flags = RS_WILDCARD;
	assert_true(cond_match_ifname(&c, "eth") && cond_match_ifname(&c, "eth0") && !cond_match_ifname(&c, "lo"));
	c.u.ifname = "";
	assert_true(cond_match_ifname(&c, ""));
	ruleset_release(&rs);
}

/* ---- the last step ---- */

static void test_finish(void **state)
{
	struct rs_set_ref ref = { .name = "KUBE-CLUSTER-IP", .nfields = 1 };
	struct rs_set other = { .backend = BACKEND_NFT, .name = "KUBE-CLUSTER-IP" };
	struct rs_set ipset = { .backend = BACKEND_LEGACY, .name = "KUBE-CLUSTER-IP" };
	struct rs_cond c = { .field = FIELD_SET, .op = OP_SET };
	struct ruleset rs;
	struct rs_chain *x, *target;
	struct rs_stmt jump = { .kind = ST_JUMP, .after = 255 };
	struct rs_rule *r;

	(void)state;
	ruleset_init(&rs);
	x = new_chain(&rs, RS_IP4);
	target = table_chain(&rs, x->table, "T", 1);
	c.u.set = &ref;
	r = append(&rs, x, &c, 1, -1);
	jump.u.target = target;
	r->stmts = &jump;
	assert_int_equal(array_push(&rs.sets, &other), 0);
	assert_int_equal(array_push(&rs.sets, &ipset), 0);
	assert_int_equal(ruleset_finish(&rs), 0);
	assert_true(rs.finished);
	assert_ptr_equal(ref.set, &ipset);
	assert_true(target->referenced);
	assert_false(x->referenced);
	assert_null(x->index);
	assert_int_equal(ruleset_finish(&rs), 0);
	ruleset_release(&rs);
}

/* ---- the index ---- */

static uint64_t rng_state;
static uint32_t rnd(uint32_t n)
{
	rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(rng_state >> 33) % n;
}

static const char *random_addr(bool six, char buf[static 64], bool prefix)
{
	static const unsigned lens4[] = { 32, 32, 32, 30, 24, 8, 0 }, lens6[] = { 128, 128, 128, 126, 64, 16, 0 };
	unsigned len = six ? lens6[prefix ? rnd(7) : 0] : lens4[prefix ? rnd(7) : 0];

	if (six)
		(void)snprintf(buf, 64, "fd00::%x/%u", rnd(12), len);
	else
		(void)snprintf(buf, 64, "10.0.0.%u/%u", rnd(12), len);
	return buf;
}

static struct rs_cond random_cond(struct ruleset *rs, bool six)
{
	char buf[64];
	struct rs_cond c = { .field = FIELD_OPAQUE, .op = OP_TEXT };
	bool negate = rnd(5) == 0;
	struct rs_addr_range *ar;
	struct rs_list *l;

	switch (rnd(9)) {
	case 0:
	case 1:
	case 2:
		random_addr(six, buf, true);
		return six ? addr6(rs, FIELD_DADDR, buf, negate) : addr4(FIELD_DADDR, buf, negate);
	case 3:
	case 4:
		return range(FIELD_DPORT, 1 + rnd(6), rnd(3) ? 1 + rnd(6) : 9, negate);
	case 5:
		ar = arena_new(&rs->arena, struct rs_addr_range);
		assert_non_null(ar);
		(void)snprintf(buf, sizeof(buf), six ? "fd00::%x" : "10.0.0.%u", rnd(12));
		ar->lo = ar->hi = addr(buf);
		if (rnd(2))
			(void)ip_addr_next(&ar->hi, &ar->hi);
		c = (struct rs_cond){ .field = FIELD_DADDR, .op = OP_ADDR_RANGE, .negate = negate };
		c.u.addr_range = ar;
		return c;
	case 6:
		l = arena_alloc(&rs->arena, sizeof(*l) + 2 * sizeof(l->v[0]));
		assert_non_null(l);
		l->len = 1 + rnd(2);
		for (unsigned i = 0; i < l->len; i++)
			l->v[i].lo = l->v[i].hi = 1 + rnd(6);
		c = (struct rs_cond){ .field = FIELD_DPORT, .op = OP_LIST, .negate = negate };
		c.u.list = l;
		return c;
	case 7:
		c.field = FIELD_RECENT_SET;
		return c;
	default:
		return c;
	}
}

static bool cond_possible(const struct rs_cond *c, const struct ip_addr *a, bool ports, uint16_t port)
{
	if (c->field == FIELD_DADDR)
		return cond_match_addr(c, a);
	if (c->field == FIELD_DPORT)
		return ports && cond_match_u32(c, port);
	return true;
}

/* Slow and plain: may this rule do anything at all to the packet? */
static bool rule_possible(const struct rs_rule *r, const struct ip_addr *a, bool ports, uint16_t port)
{
	unsigned needed = r->stmts[0].after == 255 ? r->nconds : r->stmts[0].after;

	for (unsigned i = 0; i < needed; i++) {
		if (!cond_possible(&r->conds[i], a, ports, port))
			return false;
		if (r->conds[i].field == FIELD_RECENT_SET)
			return true; /* it has left its trace */
	}
	return true;
}

static void check_chain(const struct rs_chain *c, const struct ip_addr *a, uint8_t proto, uint16_t port)
{
	bool ports = proto == IPPROTO_TCP;
	uint32_t from = 0;

	while (from <= c->nrules) {
		uint32_t next = chain_next_candidate(c, a, proto, port, from);

		assert_in_range(next, from, c->nrules);
		for (uint32_t i = from; i < next; i++)
			assert_false(rule_possible(c->rules[i], a, ports, port));
		from = next + 1;
	}
	/* Any start gives what the walk above gives. */
	from = rnd(c->nrules + 1);
	for (uint32_t i = from; i < chain_next_candidate(c, a, proto, port, from); i++)
		assert_false(rule_possible(c->rules[i], a, ports, port));
}

static void test_index_random(void **state)
{
	(void)state;
	rng_state = 42;
	for (unsigned round = 0; round < 400; round++) {
		bool six = round % 2;
		struct ruleset rs;
		struct rs_chain *c;
		unsigned nrules = rnd(60);

		ruleset_init(&rs);
		c = new_chain(&rs, six ? RS_IP6 : RS_IP4);
		for (unsigned i = 0; i < nrules; i++) {
			struct rs_cond conds[4];
			unsigned n = rnd(5);

			for (unsigned k = 0; k < n; k++)
				conds[k] = random_cond(&rs, six);
			append(&rs, c, conds, n, rnd(8) ? -1 : (int)rnd(n + 1));
		}
		assert_int_equal(ruleset_finish(&rs), 0);
		for (unsigned k = 0; k < 40; k++) {
			char buf[64];
			struct ip_addr a;

			(void)snprintf(buf, sizeof(buf), six ? "fd00::%x" : "10.0.0.%u", rnd(14));
			a = addr(buf);
			check_chain(c, &a, rnd(4) ? IPPROTO_TCP : IPPROTO_ICMP, (uint16_t)rnd(9));
		}
		ruleset_release(&rs);
	}
}

/* Ten thousand rules that name an address and a port: a lookup looks at a few. */
static void test_index_skips(void **state)
{
	struct ruleset rs;
	struct rs_chain *c;
	size_t candidates = 0;

	(void)state;
	ruleset_init(&rs);
	c = new_chain(&rs, RS_IP4);
	for (unsigned i = 0; i < 10000; i++) {
		struct rs_cond conds[2] = { { .field = FIELD_DADDR, .op = OP_ADDR4 }, range(FIELD_DPORT, 80, 80,
				false) };

		conds[0].u.addr4.value = htonl(0x0a600000 + i);
		conds[0].u.addr4.mask = UINT32_MAX;
		append(&rs, c, conds, i % 2 ? 2 : 1, -1);
	}
	append(&rs, c, NULL, 0, -1);
	assert_int_equal(ruleset_finish(&rs), 0);
	assert_non_null(c->index);
	for (unsigned i = 0; i < 10000; i++) {
		struct ip_addr a = { .family = AF_INET };
		uint32_t be = htonl(0x0a600000 + i), at = 0;
		bool found = false;

		memcpy(a.b, &be, 4);
		while ((at = chain_next_candidate(c, &a, IPPROTO_TCP, 80, at)) < c->nrules) {
			found |= at == i;
			candidates++;
			at++;
		}
		assert_true(found);
	}
	assert_true(candidates < 2 * 10000 + 100); /* its own rule and the last one, and hardly any other */
	assert_int_equal(chain_next_candidate(c, &(struct ip_addr){ .family = AF_INET }, IPPROTO_TCP, 80, 10001),
			10001);
	ruleset_release(&rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),	     cmocka_unit_test(test_buffers),	  cmocka_unit_test(test_bases),
		cmocka_unit_test(test_names),	     cmocka_unit_test(test_conditions),	  cmocka_unit_test(test_finish),
		cmocka_unit_test(test_index_random), cmocka_unit_test(test_index_skips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
