/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets in a walk: what is certain, what rules of the node may have changed, what this very walk has changed; and hit counts. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/nat.h>
#include <svcdoctor/source.h>

struct world {
	struct ruleset rules;
	struct node_facts facts;
	struct nat_node node;
	struct nat_result result;
	struct sd_notes notes;
};

static const char SETS[] = "create s hash:ip\nadd s 203.0.113.9\ncreate t hash:ip,port\nadd t 10.244.1.5,tcp:80\n"
			   "create u hash:net timeout 60\nadd u 203.0.113.0/24 timeout 5\ncreate l list:set\nadd l s\n";

static void world_init(struct world *w, const char *rules, const char *sets)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct xtables_text t;
	struct ipset_text st;
	char *data;

	*w = (struct world){ 0 };
	ruleset_init(&w->rules);
	node_facts_init(&w->facts);
	nat_result_init(&w->result);
	strbuf_addf(&b, "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n%sCOMMIT\n", rules);
	data = strdup(strbuf_str(&b));
	assert_non_null(data);
	assert_int_equal(ruleset_own_buffer(&w->rules, data), 0);
	assert_int_equal(read_xtables(&w->rules, data, strlen(data), false, BACKEND_NFT, "r", &w->notes, &t), 0);
	if (sets)
		assert_int_equal(read_ipset(&w->rules, sets, strlen(sets), "s", false, &w->notes, &st), 0);
	assert_int_equal(ruleset_finish(&w->rules), 0);
	assert_int_equal(node_facts_finish(&w->facts), 0);
	assert_int_equal(w->notes.len, 0);
	nat_node_init(&w->node, "n", &w->rules, &w->facts);
}

static void world_release(struct world *w)
{
	nat_result_release(&w->result);
	node_facts_release(&w->facts);
	ruleset_release(&w->rules);
	sd_notes_release(&w->notes);
}

/* "accept" or "drop", with "?" for an assumption and "*" for one about the past, of each ending in order. */
static void ends(const char *rules, const char *sets, const char *src, unsigned flags, const char *want)
{
	CLEANUP(strbuf_release) struct strbuf got = STRBUF_INIT;
	struct nat_packet p = { .proto = IPPROTO_TCP, .sport = 40000, .dport = 80, .iif = "eth0" };
	struct world w;
	struct nat_options o = { .flags = flags };

	world_init(&w, rules, sets);
	assert_int_equal(ip_addr_parse(src, &p.src), 0);
	assert_int_equal(ip_addr_parse("10.244.1.5", &p.dst), 0);
	assert_int_equal(nat_walk(&w.node, &p, &o, &w.result), 0);
	for (size_t i = 0; i < w.result.endings.len; i++) {
		const struct nat_ending *e = &w.result.endings.v[i];

		strbuf_addf(&got, "%s%s%s", i ? " " : "", nat_verdict_name(e->verdict),
			    !e->assumes ? "" : e->assumes->state ? "*" : "?");
	}
	if (strcmp(strbuf_str(&got), want) != 0)
		print_message("%s", rules);
	assert_string_equal(strbuf_str(&got), want);
	world_release(&w);
}

static void test_certain(void **state)
{
	(void)state;
	ends("-A FORWARD -m set --match-set s src -j DROP\n", SETS, "203.0.113.9", 0, "drop");
	ends("-A FORWARD -m set --match-set s src -j DROP\n", SETS, "203.0.113.8", 0, "accept");
	ends("-A FORWARD -m set ! --match-set s src -j DROP\n", SETS, "203.0.113.8", 0, "drop");
	ends("-A FORWARD -m set --match-set t dst,dst -j DROP\n", SETS, "203.0.113.8", 0, "drop");
	ends("-A FORWARD -m set --match-set t dst,src -j DROP\n", SETS, "203.0.113.8", 0, "accept");
	ends("-A FORWARD -m set --match-set l src -j DROP\n", SETS, "203.0.113.9", 0, "drop");
	/* an element that expires, a set that is not there, no sets at all */
	ends("-A FORWARD -m set --match-set u src -j DROP\n", SETS, "203.0.113.8", 0, "drop? accept?");
	ends("-A FORWARD -m set --match-set u src -j DROP\n", SETS, "8.8.8.8", 0, "accept");
	ends("-A FORWARD -m set --match-set gone src -j DROP\n", SETS, "203.0.113.8", 0, "drop? accept?");
	ends("-A FORWARD -m set --match-set s src -j DROP\n", NULL, "203.0.113.8", 0, "drop? accept?");
	ends("-A FORWARD -m set --match-set s src --packets-gt 5 -j DROP\n", SETS, "203.0.113.9", 0, "drop? accept?");
}

/* Rules that put addresses in: the dump's answer, and the other one where the past is followed. */
static void test_changed_by_rules(void **state)
{
	static const char add_after[] = "-A FORWARD -m set --match-set s src -j DROP\n-A FORWARD -p tcp -j SET --add-set s src\n";
	static const char add_before[] = "-A FORWARD -p tcp -j SET --add-set s src\n-A FORWARD -m set --match-set s src -j DROP\n";

	(void)state;
	ends(add_after, SETS, "203.0.113.8", 0, "accept");
	ends(add_after, SETS, "203.0.113.8", NAT_FOLLOW_STATE, "drop* accept*");
	ends(add_after, SETS, "203.0.113.9", NAT_FOLLOW_STATE, "drop");
	ends(add_before, SETS, "203.0.113.8", 0, "drop? accept?");
	ends("-A FORWARD -p tcp -j SET --add-set s src\n-A FORWARD -m set --match-set l src -j DROP\n", SETS, "203.0.113.8", 0, "drop? accept?");
	ends("-A FORWARD -m set --match-set s src -j DROP\n-A FORWARD -p udp -j SET --del-set s src\n", SETS, "203.0.113.9",
	     NAT_FOLLOW_STATE, "drop* accept*");
	/* a set that no rule asks changes nothing */
	ends("-A FORWARD -m time --timestart 10:00:00 -j SET --add-set other src\n", SETS, "203.0.113.8", 0, "accept");
}

/* A set cuts the sources in two, seen from the packet's destination; an element that expires is a class of its own. */
static void test_classes(void **state)
{
	struct nat_span all = { { { 0, 0 }, { 0, UINT32_MAX } }, "eth0" };
	CLEANUP(nat_classes_release) struct nat_classes c = { .now = { AF_INET, 1, &all } };
	struct nat_options o = { .flags = NAT_NO_PATH, .classes = &c };
	struct nat_packet p = { .proto = IPPROTO_TCP, .sport = 40000, .dport = 80, .iif = "eth0" };
	struct ip_addr in;
	struct world w;

	(void)state;
	world_init(&w, "-A FORWARD -p udp -m set --match-set s src -j DROP\n-A FORWARD -m set --match-set t dst,dst -j LOG\n"
		   "-A FORWARD -m set --match-set t dst,dst -m set --match-set s src -j DROP\n"
		   "-A FORWARD -m set --match-set u src -j DROP\n", SETS);
	assert_int_equal(ip_addr_parse("203.0.113.8", &p.src), 0);
	assert_int_equal(ip_addr_parse("203.0.113.9", &in), 0);
	assert_int_equal(ip_addr_parse("10.244.1.5", &p.dst), 0);
	assert_int_equal(nat_walk(&w.node, &p, &o, &w.result), 0);
	assert_int_equal(w.result.endings.len, 2);
	assert_int_equal(c.rest.len, 2);
	assert_int_equal(c.rest.v[0].len, 1); /* s */
	assert_true(nat_region_has(&c.rest.v[0], &in, "eth0"));
	assert_int_equal(c.rest.v[1].len, 2); /* what is in neither */
	assert_int_equal(c.now.len, 2);	      /* 203.0.113.0/24 without .9 */
	assert_true(nat_region_has(&c.now, &p.src, "eth0"));
	assert_false(nat_region_has(&c.now, &in, NULL));
	world_release(&w);
}

#define RECENT(verb, more) "-A FORWARD -p tcp -m recent " verb more " --name x --mask 255.255.255.255 --rsource"

/* What this walk itself has put on a list counts; a limit above that is for later packets. */
static void test_hit_count(void **state)
{
	(void)state;
	ends(RECENT("--set", "") "\n" RECENT("--update", " --seconds 30 --hitcount 6") " -j DROP\n", NULL, "8.8.8.8", 0, "accept");
	ends(RECENT("--set", "") "\n" RECENT("--update", " --seconds 30 --hitcount 6") " -j DROP\n", NULL, "8.8.8.8",
	     NAT_FOLLOW_STATE, "drop* accept*");
	ends(RECENT("--set", "") "\n" RECENT("--update", " --seconds 30 --hitcount 1") " -j DROP\n", NULL, "8.8.8.8",
	     NAT_FOLLOW_STATE, "drop");
	ends(RECENT("--set", "") "\n" RECENT("--set", "") "\n" RECENT("--rcheck", " --hitcount 2") " -j DROP\n", NULL, "8.8.8.8", 0, "drop");
	ends(RECENT("--set", "") "\n-A FORWARD -p tcp -m recent ! --update --hitcount 1 --name x --rsource -j DROP\n", NULL, "8.8.8.8", 0,
	     "accept");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certain), cmocka_unit_test(test_changed_by_rules), cmocka_unit_test(test_classes),
		cmocka_unit_test(test_hit_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
