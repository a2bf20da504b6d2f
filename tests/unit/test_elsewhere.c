/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dumps in the shape that other programs write (tests/corpus/elsewhere): all of each is read, without a record, and what
 * in it the engine cannot answer is counted by name. A change of these lists is a change of what is known.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

#define FOLDER "tests/corpus/elsewhere"

static const struct expected {
	const char *name;
	size_t rules, sets;
	const char *unknown; /* "COUNT x NAME", matches before targets */
} all[] = {
	{ "calico", 111, 7, "" },
	{ "cilium", 42, 0, "1 x cgroup, 1 x socket, 1 x u32, 1 x bpf, 2 x TPROXY" },
	{ "docker", 58, 0, "" },
	{ "docker-28", 43, 2, "" },
	{ "firewalld", 82, 3, "1 x source MAC, 1 x time of day" },
	{ "ipv6-firewall", 92, 0,
	  "1 x unknown match, 1 x packet length, 4 x TTL, 1 x TOS, 1 x DSCP, 1 x ECN, 1 x source MAC, 1 x packet type, 1 x IPsec policy, 1 x time of day, "
	  "1 x payload, 1 x u32, 1 x TCP MSS, 1 x CPU, 1 x device group, 1 x IPsec SPI, 2 x unknown target" },
	{ "k3s", 86, 2, "" },
	{ "kube-proxy-1.20", 103, 0, "" },
	{ "kube-proxy-1.24", 102, 0, "" },
	{ "kube-proxy-1.28", 104, 0, "" },
	{ "kube-router", 57, 8, "" },
	{ "ufw", 120, 0, "6 x TTL" },
};

/* Conditions that are text and answered all the same: lib/nat/match.c. */
static bool is_answered(const struct rs_cond *c)
{
	switch (c->field) {
	case FIELD_RPFILTER:
	case FIELD_IPVS:
	case FIELD_HELPER:
	case FIELD_EXTHDR:
	case FIELD_LIMIT:
	case FIELD_HASHLIMIT:
	case FIELD_CONNLIMIT:
	case FIELD_QUOTA:
	case FIELD_CONNBYTES:
		return true;
	default:
		return c->op == OP_SET ? c->u.set->set && !c->u.set->set->ipset->damaged : c->op != OP_TEXT;
	}
}

static bool is_done(const struct rs_stmt *s)
{
	return s->kind != ST_UNKNOWN && s->kind != ST_QUEUE && s->kind != ST_TPROXY && s->kind != ST_SYNPROXY;
}

struct count {
	size_t conds[FIELD_COUNT], stmts[64];
};

static void count_rule(struct count *c, const struct rs_rule *r)
{
	for (unsigned i = 0; i < r->nconds; i++)
		c->conds[r->conds[i].field] += !is_answered(&r->conds[i]);
	for (unsigned i = 0; i < r->nstmts; i++) {
		assert_true(r->stmts[i].kind < ARRAY_LEN(c->stmts));
		c->stmts[r->stmts[i].kind] += !is_done(&r->stmts[i]);
		if (r->stmts[i].kind == ST_JUMP || r->stmts[i].kind == ST_GOTO)
			assert_non_null(r->stmts[i].u.target);
	}
}

static void list(struct strbuf *b, const struct ruleset *rs)
{
	struct count c = { 0 };

	for (size_t t = 0; t < rs->tables.len; t++)
		for (size_t k = 0; k < rs->tables.v[t]->chain_list.len; k++)
			for (uint32_t i = 0; i < rs->tables.v[t]->chain_list.v[k]->nrules; i++)
				count_rule(&c, rs->tables.v[t]->chain_list.v[k]->rules[i]);
	for (int f = 0; f < FIELD_COUNT; f++)
		if (c.conds[f])
			strbuf_addf(b, "%s%zu x %s", b->len ? ", " : "", c.conds[f], rs_field_name((enum rs_field)f));
	for (unsigned s = 0; s < ARRAY_LEN(c.stmts); s++)
		if (c.stmts[s])
			strbuf_addf(b, "%s%zu x %s", b->len ? ", " : "", c.stmts[s], rs_stmt_name((enum rs_stmt_kind)s));
}

static void check(const struct expected *e)
{
	CLEANUP(strbuf_release) struct strbuf got = STRBUF_INIT;
	struct snapshot s;
	char path[256];

	snapshot_init(&s);
	(void)snprintf(path, sizeof(path), FOLDER "/%s", e->name);
	assert_int_equal(bundle_open(&s, path), 0);
	assert_int_equal(snapshot_finish(&s), 0);
	for (size_t i = 0; i < s.notes.len; i++)
		print_message("%s: %s:%u: %s\n", e->name, s.notes.v[i].file, s.notes.v[i].line, s.notes.v[i].text);
	assert_int_equal(s.notes.len, 0);
	assert_int_equal(s.nodes.len, 1);
	list(&got, &s.nodes.v[0]->rules);
	if (strcmp(strbuf_str(&got), e->unknown) != 0 || s.nodes.v[0]->rules.nrules != e->rules ||
	    s.nodes.v[0]->rules.sets.len != e->sets)
		print_message("\t{ \"%s\", %zu, %zu,\n\t  \"%s\" },\n", e->name, s.nodes.v[0]->rules.nrules,
			      s.nodes.v[0]->rules.sets.len, strbuf_str(&got));
	assert_string_equal(strbuf_str(&got), e->unknown);
	assert_int_equal(s.nodes.v[0]->rules.nrules, e->rules);
	assert_int_equal(s.nodes.v[0]->rules.sets.len, e->sets);
	snapshot_release(&s);
}

static void test_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		check(&all[i]);
}

/* No folder without an expectation. */
static void test_none_forgotten(void **state)
{
	DIR *d = opendir(FOLDER);
	const struct dirent *e;
	size_t n = 0;

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	assert_int_equal(n, ARRAY_LEN(all));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all), cmocka_unit_test(test_none_forgotten) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
