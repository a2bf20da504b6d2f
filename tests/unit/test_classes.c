/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Classes of sources against a plain list of sources: whatever address the list holds (both sides of every prefix that a
 * rule names as a source, every pod, every address of a node, some outside) must fare as the class that it lies in says.
 * The classes are walked with remembered tails, the list without.
 */
#include "lab.h"

#include <math.h>
#include <netinet/in.h>

#include "lib/verify/verify-private.h"

struct world {
	struct lab lab;
	struct vnode v;
	struct nat_tails *tails;
	ARRAY_OF(struct ip_addr) list;
	size_t compared, classes;
};

static void add(struct world *w, const struct ip_addr *a)
{
	for (size_t i = 0; i < w->list.len; i++)
		if (ip_addr_equal(&w->list.v[i], a))
			return;
	assert_int_equal(array_push(&w->list, *a), 0);
}

static void add_sides(struct world *w, const struct ip_prefix *p)
{
	struct ip_addr first = ip_prefix_first(p), last = ip_prefix_last(p), a;

	add(w, &first);
	add(w, &last);
	if (ip_addr_next(&first, &a))
		add(w, &a);
	if (ip_addr_prev(&first, &a))
		add(w, &a);
	if (ip_addr_prev(&last, &a))
		add(w, &a);
	if (ip_addr_next(&last, &a))
		add(w, &a);
}

static void add_rules(struct world *w, const struct ruleset *rs)
{
	for (size_t t = 0; t < rs->tables.len; t++) {
		for (size_t c = 0; c < rs->tables.v[t]->chain_list.len; c++) {
			const struct rs_chain *chain = rs->tables.v[t]->chain_list.v[c];

			for (uint32_t i = 0; i < chain->nrules; i++) {
				for (unsigned k = 0; k < chain->rules[i]->nconds; k++) {
					const struct rs_cond *cond = &chain->rules[i]->conds[k];
					struct ip_prefix p;

					if ((cond->field == FIELD_SADDR || cond->field == FIELD_CT_ORIG_SADDR) && vcond_prefix(cond, &p))
						add_sides(w, &p);
				}
			}
		}
	}
}

static void make_list(struct world *w)
{
	static const char *const fixed[] = { "203.0.113.9", "198.51.100.77", "8.8.8.8", "172.30.99.77", "127.0.0.1", "10.0.0.1",
					     "2001:db8:ffff::9", "fd00::1" };
	const struct k8s_cluster *c = &w->lab.s.cluster;
	struct ip_addr a;

	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		assert_int_equal(ip_addr_parse(fixed[i], &a), 0);
		add(w, &a);
	}
	for (size_t i = 0; i < c->pods.len; i++)
		for (size_t k = 0; k < c->pods.v[i]->nips; k++)
			add(w, &c->pods.v[i]->ips[k]);
	for (size_t i = 0; i < c->nodes.len; i++) {
		for (size_t k = 0; k < c->nodes.v[i]->npod_cidrs; k++)
			add_sides(w, &c->nodes.v[i]->pod_cidrs[k]);
		for (size_t k = 0; k < c->nodes.v[i]->naddresses; k++)
			add(w, &c->nodes.v[i]->addresses[k].ip);
	}
	for (size_t i = 0; i < w->v.snap->facts.addrs.len; i++)
		add(w, &w->v.snap->facts.addrs.v[i].addr);
	add_rules(w, &w->v.snap->rules);
}

static struct nat_packet packet_of(const struct vsource *s, const struct expect_frontend *f, const struct ip_addr *dst)
{
	return (struct nat_packet){ .src = s->addr, .dst = *dst, .proto = f->proto, .sport = 40000, .dport = f->number, .iif = s->iif,
				    .from_node = s->kind == SOURCE_NODE || s->kind == SOURCE_LOOPBACK };
}

static void assert_same(const struct nat_result *class, const struct nat_result *one, const struct nat_packet *p)
{
	char a[IP_ADDR_STRLEN], b[IP_ADDR_STRLEN];

	for (size_t i = 0; i < MAX(class->endings.len, one->endings.len); i++) {
		const struct nat_ending *x = &class->endings.v[i], *y = &one->endings.v[i];

		if (class->endings.len != one->endings.len || !nat_same_fate(x, y) || fabs(x->weight - y->weight) > 1e-12 ||
		    isnan(x->weight) != isnan(y->weight) || x->server != y->server ||
		    x->delivery != y->delivery ||
		    x->by.kind != y->by.kind || x->by.rule != y->by.rule || (x->interface && strcmp(x->interface, y->interface) != 0))
			fail_msg("%s -> %s:%u fares otherwise than its class", ip_addr_format(&p->src, a), ip_addr_format(&p->dst, b), p->dport);
	}
}

static const char *iif_in(const struct nat_region *r, const struct ip_addr *a)
{
	struct nat_key k = nat_key_of(a);

	for (size_t i = 0; i < r->len; i++)
		if (nat_key_cmp(r->v[i].range.first, k) <= 0 && nat_key_cmp(k, r->v[i].range.last) <= 0)
			return r->v[i].iif;
	return NULL;
}

/* One class: everybody of the list who lies in it is walked alone, without classes. */
static void compare(struct world *w, struct vsource s, const struct nat_region *region, const struct nat_result *class,
		    const struct expect_frontend *f, const struct ip_addr *dst, bool *seen)
{
	struct nat_result one;

	nat_result_init(&one);
	for (size_t i = 0; i < w->list.len; i++) {
		struct nat_options o = { .flags = NAT_NO_PATH };
		struct nat_packet p;

		if (!nat_region_has(region, &w->list.v[i], NULL))
			continue;
		assert_false(seen[i]); /* classes are disjoint */
		seen[i] = true;
		s.addr = w->list.v[i];
		s.iif = iif_in(region, &s.addr);
		p = packet_of(&s, f, dst);
		nat_result_reset(&one);
		assert_int_equal(nat_walk(&w->v.nat, &p, &o, &one), 0);
		assert_same(class, &one, &p);
		w->compared++;
	}
	nat_result_release(&one);
}

static void walk_seed(struct world *w, const struct vseed *seed, const struct expect_frontend *f, const struct ip_addr *dst)
{
	CLEANUP(nat_classes_release) struct nat_classes c = { 0 };
	struct nat_options o = { .flags = NAT_NO_PATH, .classes = &c, .tails = w->tails };
	bool *seen = calloc(w->list.len, sizeof(*seen));
	struct nat_result r;

	assert_non_null(seen);
	nat_result_init(&r);
	assert_int_equal(array_push(&c.rest, seed->region), 0);
	c.seed = (uint32_t)(seed - w->v.seeds[dst->family == AF_INET6].v);
	while (c.rest.len) {
		struct vsource s;
		struct nat_packet p;

		c.now = c.rest.v[--c.rest.len];
		s = vsource_of(seed, &c.now);
		p = packet_of(&s, f, dst);
		nat_result_reset(&r);
		assert_int_equal(nat_walk(&w->v.nat, &p, &o, &r), 0);
		assert_int_equal(c.error, 0);
		assert_true(nat_region_has(&c.now, &s.addr, NULL));
		compare(w, s, &c.now, &r, f, dst, seen);
		assert_true(++w->classes < 100000);
	}
	/* nobody of the seed is left out */
	for (size_t i = 0; i < w->list.len; i++)
		assert_int_equal(seen[i], nat_region_has(&seed->region, &w->list.v[i], NULL));
	nat_result_release(&r);
	free(seen);
}

static void run_frontend(struct world *w, const struct expect_frontend *f)
{
	size_t n = f->addr.family ? 1 : f->naddrs;

	for (size_t i = 0; i < n; i++) {
		const struct ip_addr *dst = f->addr.family ? &f->addr : &f->addrs[i];
		struct vseeds *seeds = &w->v.seeds[dst->family == AF_INET6];

		if (!seeds->built)
			assert_int_equal(vseeds_build(&w->v, dst->family, seeds), 0);
		for (size_t k = 0; k < seeds->len; k++)
			if (vseed_can_reach(&seeds->v[k], f, dst))
				walk_seed(w, &seeds->v[k], f, dst);
	}
}

static void run_lab(const char *path, size_t least)
{
	struct world w = { 0 };

	lab_open(&w.lab, path);
	for (size_t n = 0; n < w.lab.s.nodes.len; n++) {
		struct arena arena = { 0 };

		assert_int_equal(vnode_init(&w.v, &w.lab.s, w.lab.s.nodes.v[n]), 0);
		assert_int_equal(nat_tails_new(&w.v.nat, &w.tails), 0);
		make_list(&w);
		for (size_t i = 0; i < w.lab.s.cluster.services.len; i++) {
			struct expect_service es;

			assert_int_equal(expect_service(&arena, &w.lab.s.cluster, w.lab.s.cluster.services.v[i], &w.v.expect, &es), 0);
			for (size_t k = 0; k < es.nfrontends; k++)
				run_frontend(&w, &es.frontends[k]);
		}
		arena_release(&arena);
		nat_tails_free(w.tails);
		vnode_release(&w.v);
		w.list.len = 0;
	}
	print_message("%s: %zu sources, %zu classes\n", path, w.compared, w.classes);
	assert_true(w.compared > least);
	array_free(&w.list);
	lab_release(&w.lab);
}

static void test_labs(void **state)
{
	(void)state;
	run_lab("tests/corpus/lab-iptables-nft", 2500);
	run_lab("tests/corpus/lab-iptables-legacy", 2500);
	run_lab("tests/corpus/lab-ipvs", 1500);
}

/* ---- seeds and words ---- */

static const char *words(struct world *w, const char *const *prefixes, enum expect_source kind, bool here, struct arena *arena)
{
	CLEANUP(nat_classes_release) struct nat_classes c = { 0 };
	const struct vseeds *seeds = &w->v.seeds[0];
	struct vregions r = { 0 };
	const char *text;

	for (size_t i = 0; i < seeds->len; i++) {
		struct nat_region in, out;

		if (seeds->v[i].kind != kind || seeds->v[i].here != here)
			continue;
		for (size_t k = 0; prefixes[k]; k++) {
			bool negate = prefixes[k][0] == '!';
			struct ip_prefix p;
			struct nat_range range;

			assert_int_equal(ip_prefix_parse(prefixes[k] + negate, &p), 0);
			range = nat_range_of(&p);
			assert_int_equal(nat_region_cut(&c.arena, &seeds->v[i].region, &range, 1, &in, &out), 0);
			assert_int_equal(array_push(&r.v, ((struct vregion_part){ &seeds->v[i], negate ? out : in })), 0);
		}
	}
	text = vregions_words(arena, &w->lab.s, seeds, &r);
	assert_non_null(text);
	array_free(&r.v);
	return text;
}

static void test_words(void **state)
{
	struct arena arena = { 0 };
	struct world w = { 0 };

	(void)state;
	lab_open(&w.lab, LAB);
	assert_int_equal(vnode_init(&w.v, &w.lab.s, w.lab.s.nodes.v[0]), 0);
	assert_int_equal(vseeds_build(&w.v, AF_INET, &w.v.seeds[0]), 0);
#define WORDS(kind, here, ...) words(&w, (const char *const[]){ __VA_ARGS__, NULL }, kind, here, &arena)
	assert_string_equal(WORDS(SOURCE_POD, true, "0.0.0.0/0"), "pods of this node");
	assert_string_equal(WORDS(SOURCE_POD, false, "0.0.0.0/0"), "pods of other nodes");
	assert_string_equal(WORDS(SOURCE_OUTSIDE, false, "0.0.0.0/0"), "outside the cluster");
	assert_string_equal(WORDS(SOURCE_OUTSIDE, false, "!198.51.100.0/24"), "outside 198.51.100.0/24");
	assert_string_equal(WORDS(SOURCE_OUTSIDE, false, "198.51.100.0/24"), "outside the cluster in 198.51.100.0/24");
	assert_string_equal(WORDS(SOURCE_OUTSIDE, false, "198.51.100.0/25", "198.51.100.128/25"), "outside the cluster in 198.51.100.0/24");
	assert_string_equal(WORDS(SOURCE_POD, true, "10.244.1.64/26"), "pods of this node in 10.244.1.64/26");
	assert_string_equal(WORDS(SOURCE_POD, true, "!10.244.1.64/26"), "pods of this node but 10.244.1.64/26");
	assert_string_equal(WORDS(SOURCE_POD, true, "10.244.1.1/32", "10.244.1.77/32"), "pods of this node: 10.244.1.77");
	assert_string_equal(WORDS(SOURCE_NODE, false, "10.244.1.1/32"), "the node itself as 10.244.1.1");
	arena_release(&arena);
	vnode_release(&w.v);
	lab_release(&w.lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_labs), cmocka_unit_test(test_words) };

	return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
