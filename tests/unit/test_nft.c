/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader of `nft -j list ruleset`. tests/corpus/nft holds a ruleset with every construct that nft 1.0.6 and Linux 6.18 take,
 * listed as JSON and as text: the texts of the rules must be nft's own, and what is made of each stands in constructs.rules.
 * What other versions write is written by hand here.
 */
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

#include "rule-text.h"

#define CORPUS "tests/corpus/nft/constructs"

struct dump {
	struct ruleset rs;
	struct sd_notes notes;
	struct nft_text t;
	int r;
};

static void dump_text(struct dump *d, const char *data, size_t size)
{
	memset(d, 0, sizeof(*d));
	ruleset_init(&d->rs);
	d->r = read_nft(&d->rs, data, size, "f", &d->notes, &d->t);
	if (d->r == 0)
		assert_int_equal(ruleset_finish(&d->rs), 0);
}

static void dump_file(struct dump *d, const char *path)
{
	char *data;
	size_t size;

	assert_int_equal(file_read_at(AT_FDCWD, path, SOURCE_FILE_MAX, &data, &size), 0);
	dump_text(d, data, size);
	free(data);
	assert_int_equal(d->r, 0);
}

static void dump_release(struct dump *d)
{
	ruleset_release(&d->rs);
	sd_notes_release(&d->notes);
}

static void print_notes(const struct dump *d)
{
	for (size_t i = 0; i < d->notes.len; i++)
		print_error("%s %u: %s\n", d->notes.v[i].code, d->notes.v[i].line, d->notes.v[i].text);
}

static bool is_text(const struct rs_rule *r, const char *text)
{
	return r->text_len == strlen(text) && memcmp(r->text, text, r->text_len) == 0;
}

static const struct rs_chain *chain_of(const struct dump *d, enum rs_family f, const char *table, const char *chain)
{
	const struct rs_table *t = ruleset_find_table(&d->rs, BACKEND_NFT, f, table);
	const struct rs_chain *c = t ? table_find_chain(t, chain) : NULL;

	if (!c)
		fail_msg("no chain %s of table %s", chain, table);
	return c;
}

/* ---- the recording ---- */

static char *file_text(const char *path)
{
	char *data;
	size_t size;

	assert_int_equal(file_read_at(AT_FDCWD, path, SOURCE_FILE_MAX, &data, &size), 0);
	return data;
}

/* "TEXT\n\tconditions : statements\n" for every rule. */
static void all_rules(const struct dump *d, struct strbuf *b)
{
	for (size_t i = 0; i < d->rs.tables.len; i++) {
		const struct rs_table *t = d->rs.tables.v[i];

		strbuf_addf(b, "table %s %s%s\n", rs_family_name(t->family), t->name, t->dormant ? " dormant" : "");
		for (size_t k = 0; k < t->chain_list.len; k++) {
			const struct rs_chain *c = t->chain_list.v[k];

			strbuf_addf(b, "chain %s %s %d %s %s\n", c->name, rs_hook_name(c->hook), c->priority,
				    c->type == CHAIN_NAT ? "nat" : c->type == CHAIN_ROUTE ? "route" : "filter", c->policy == POLICY_DROP ? "drop" : "accept");
			for (uint32_t n = 0; n < c->nrules; n++) {
				strbuf_add(b, c->rules[n]->text, c->rules[n]->text_len);
				strbuf_adds(b, "\n\t");
				rule_text(b, c->rules[n]);
				strbuf_addc(b, '\n');
			}
		}
	}
}

static void same_lines(const char *found, const char *wanted)
{
	for (unsigned line = 1; *found || *wanted; line++) {
		size_t a = strcspn(found, "\n"), b = strcspn(wanted, "\n");

		if (a != b || memcmp(found, wanted, a) != 0)
			fail_msg("line %u\nfound:  %.*s\nwanted: %.*s", line, (int)a, found, (int)b, wanted);
		found += a + (found[a] != '\0');
		wanted += b + (wanted[b] != '\0');
	}
}

/* NFT_GOLDEN=1 writes the file anew, to be looked at. */
static void test_constructs(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct dump d;
	char *golden;

	(void)state;
	dump_file(&d, CORPUS ".json");
	all_rules(&d, &b);
	if (getenv("NFT_GOLDEN")) {
		FILE *f = fopen(CORPUS ".rules", "w");

		assert_non_null(f);
		fputs(strbuf_str(&b), f);
		assert_int_equal(fclose(f), 0);
	}
	golden = file_text(CORPUS ".rules");
	same_lines(strbuf_str(&b), golden);
	free(golden);
	dump_release(&d);
}

/* A line of `nft list ruleset` that is a rule: in a chain, and not its head. Counters lose their numbers. */
static bool nft_rule(const char *line, size_t len, struct strbuf *ret)
{
	static const char counter[] = "counter packets ";
	const char *at;

	if (len < 3 || line[0] != '\t' || line[1] != '\t' || line[2] == '\t' || strncmp(line + 2, "type ", 5) == 0)
		return false;
	strbuf_reset(ret);
	strbuf_add(ret, line + 2, len - 2);
	at = strstr(strbuf_str(ret), counter);
	if (at) {
		size_t head = (size_t)(at - ret->s) + strlen("counter");
		const char *end = strstr(at, "bytes ");

		end += strlen("bytes ");
		end += strspn(end, "0123456789");
		memmove(ret->s + head, end, strlen(end) + 1);
		ret->len = strlen(ret->s);
	}
	return true;
}

/* nft prints these otherwise as text than in JSON, from which it cannot be told. */
static bool is_known_difference(const char *theirs)
{
	return strcmp(theirs, "icmp type vmap { 3-5 : drop, echo-request : accept }") == 0 ||
	       strcmp(theirs, "ct original ip saddr 1.2.3.4 accept") == 0;
}

static void test_texts(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const struct rs_table *t = NULL;
	const struct rs_chain *c = NULL;
	size_t tables = 0, rules = 0;
	uint32_t n = 0;
	struct dump d;
	char *text = file_text(CORPUS ".txt");

	(void)state;
	dump_file(&d, CORPUS ".json");
	for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");
		char word[64], name[64];

		if (sscanf(line, "table %63s %63s {", word, name) == 2) {
			bool known = strcmp(word, "arp") != 0 && strcmp(word, "bridge") != 0;

			t = known ? d.rs.tables.v[tables++] : NULL;
		} else if (sscanf(line, "\tchain %63s {", name) == 1) {
			c = t ? table_find_chain(t, name) : NULL;
			n = 0;
		} else if (line[0] == '\t' && line[1] == '}') {
			c = NULL;
		} else if (c && nft_rule(line, len, &b)) {
			const struct rs_rule *r = n < c->nrules ? c->rules[n++] : NULL;

			if (!r)
				fail_msg("no rule for '%s'", b.s);
			rules++;
			if (!is_text(r, b.s) && !is_known_difference(b.s))
				fail_msg("found:  %.*s\nwanted: %s", (int)r->text_len, r->text, b.s);
		}
	}
	assert_int_equal(rules, d.rs.nrules);
	assert_true(rules > 290);
	assert_string_equal(d.t.not_modelled, "arp at");
	free(text);
	dump_release(&d);
}

static const struct rs_set *set_of(const struct dump *d, const char *name)
{
	const struct rs_set *s = ruleset_find_set(&d->rs, ruleset_find_table(&d->rs, BACKEND_NFT, RS_INET, "t"), name);

	if (!s)
		fail_msg("no set %s", name);
	return s;
}

static void test_sets(void **state)
{
	static const struct {
		const char *name, *type, *elems;
		bool dynamic;
	} rows[] = {
		{ "s4", "ipv4_addr", "10.0.0.0/8, 172.16.0.1-172.16.0.9, 192.168.1.5", false },
		{ "dyn", "ipv4_addr", "", true },
		{ "dync", "ipv4_addr", "", true }, /* the flag is not in the JSON of nft 1.0.6, but a rule adds to it */
		{ "tmo", "ipv4_addr . inet_service", "1.2.3.4 . 80", true },
		{ "conc", "ipv4_addr . inet_proto . inet_service", "10.0.0.0/24 . tcp . 80-90, 1.2.3.4 . udp . 53", false },
		{ "ifs", "ifname", "lo, eth0", false },
		{ "marks", "mark", "0x00000001, 0x00000010", false },
		{ "cts", "inet_service", "80, 443", false },
		{ "m", "ipv4_addr", "1.2.3.4 : jump c1, * : drop", false },
		{ "mm", "ipv4_addr", "1.2.3.4 : 5.6.7.8", false },
		{ "mi", "ipv4_addr", "1.2.3.4 : 10.0.0.1-10.0.0.9", false },
		{ "map2", "ipv4_addr . inet_service", "1.2.3.4 . 80 : 5.6.7.8 . 8080", false },
		{ "mk", "ipv4_addr", "10.0.0.0/8 : 5", false },
		{ "mdyn", "ipv4_addr", "", true },
		{ "pref", "ipv4_addr . ipv4_addr . inet_service", "10.0.0.0/8 . 1.2.3.0/24 . 80-90, 1.2.3.4 . 0.0.0.0/0 . 5", false },
		{ "v6", "ipv6_addr . inet_service", "fd00::/8 . 80, ::1 . 1-5", false },
		{ "every", "ipv6_addr", "::/0", false },
		{ "named", "ifname . mark", "eth0 . 0x00000005, lo . 0x00000006", false },
		{ "objs", "inet_service", "80", false },
	};
	struct dump d;

	(void)state;
	dump_file(&d, CORPUS ".json");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
		const struct rs_set *s = set_of(&d, rows[i].name);
		char buf[256];

		for (size_t k = 0; k < s->nelems; k++) {
			rs_elem_print(s, &s->elems[k], buf, sizeof(buf));
			strbuf_addf(&b, "%s%s", k ? ", " : "", buf);
		}
		assert_string_equal(s->type, rows[i].type);
		assert_string_equal(strbuf_str(&b), rows[i].elems);
		assert_int_equal(s->dynamic, rows[i].dynamic);
		assert_false(s->partly);
	}
	assert_string_equal(set_of(&d, "tmo")->elems[0].comment, "x");
	assert_true(set_of(&d, "tmo")->elems[0].has_timeout);
	assert_int_equal(set_of(&d, "ic")->elems[0].keys[0].u.num.lo, 3 << 8);
	assert_int_equal(set_of(&d, "stt")->elems[0].keys[0].u.num.lo, CTSTATE_ESTABLISHED);
	assert_int_equal(set_of(&d, "mac")->part_kinds[0], VALUE_OPAQUE);
	dump_release(&d);
}

/* ---- what this kernel or this nft does not write ---- */

/* JSON with ' for ". The caller frees it. */
static char *quoted(const char *s)
{
	char *copy = strdup(s);

	assert_non_null(copy);
	for (char *p = copy; (p = strchr(p, '\'')); p++)
		*p = '"';
	return copy;
}

/* A document of these objects, and of one rule of chain c if @expr is not NULL. */
static void dump_rule(struct dump *d, const char *family, const char *objects, const char *expr)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	char *text;

	strbuf_addf(&b, "{'nftables': [{'metainfo': {'version': '1.1.1', 'json_schema_version': 1}}, {'table': {'family': '%s', 'name': 't'}}, "
		    "{'chain': {'family': '%s', 'table': 't', 'name': 'c', 'type': 'filter', 'hook': 'input', 'prio': 0, 'policy': 'accept'}}, "
		    "{'chain': {'family': '%s', 'table': 't', 'name': 'other'}}", family, family, family);
	strbuf_addf(&b, "%s%s", objects[0] ? ", " : "", objects);
	if (expr)
		strbuf_addf(&b, ", {'rule': {'family': '%s', 'table': 't', 'chain': 'c', 'handle': 5, 'expr': [%s]}}", family, expr);
	strbuf_adds(&b, "]}");
	text = quoted(b.s);
	dump_text(d, text, strlen(text));
	free(text);
}

static enum rs_family family_of(const char *name)
{
	return strcmp(name, "ip") == 0 ? RS_IP4 : strcmp(name, "ip6") == 0 ? RS_IP6 : RS_INET;
}

#define MATCH(op, left, right) "{'match': {" op "'left': " left ", 'right': " right "}}"
#define EQ "'op': '==', "
#define NE "'op': '!=', "
#define PAYLOAD(p, f) "{'payload': {'protocol': '" p "', 'field': '" f "'}}"
#define META(k) "{'meta': {'key': '" k "'}}"
#define CT(k) "{'ct': {'key': '" k "'}}"
#define ACCEPT ", {'accept': null}"

static const struct {
	const char *family, *expr, *rule, *text;
} rules[] = {
	/* no operator, as in rules that are written by hand; a bare word */
	{ "ip", MATCH("", CT("state"), "'new'") ", 'drop'", "CT_STATE&0x2 : DROP", "ct state new drop" },
	{ "ip", MATCH("", PAYLOAD("tcp", "dport"), "'http'") ACCEPT, "PROTO=6 DPORT=80 : ACCEPT", "tcp dport http accept" },
	{ "ip", MATCH(EQ, PAYLOAD("tcp", "dport"), "{'set': ['ssh', 'https', 81]}") ACCEPT, "PROTO=6 DPORT=22,443,81 : ACCEPT", NULL },
	{ "ip", MATCH(EQ, PAYLOAD("tcp", "dport"), "'no-such-service'") ACCEPT, "PROTO=6 OPAQUE<tcp dport no-such-service> : ACCEPT ?", NULL },
	{ "ip", MATCH(EQ, META("l4proto"), "132") ACCEPT, "PROTO=132 : ACCEPT", NULL },
	{ "ip", MATCH(EQ, META("l4proto"), "{'set': ['udplite', 'ah', 'esp', 'dccp', 'gre']}") ACCEPT, "PROTO=136,51,50,33,47 : ACCEPT", NULL },
	{ "ip", MATCH(EQ, META("l4proto"), "256") ACCEPT, "OPAQUE<meta l4proto 256> : ACCEPT ?", NULL },
	/* the kernel's numbers of states, and lists in the form of 1.0.7 and later */
	{ "ip", MATCH("'op': 'in', ", CT("state"), "10") ACCEPT, "CT_STATE&0x6 : ACCEPT", NULL },
	{ "ip", MATCH(EQ, "{'&': [" PAYLOAD("tcp", "flags") ", {'|': ['syn', 'ack', 'fin', 'rst']}]}", "'syn'") ACCEPT,
	  "PROTO=6 TCP_FLAGS=0x2/0x17 : ACCEPT", "tcp flags syn / syn,ack,fin,rst accept" },
	{ "ip", MATCH(NE, "{'&': [" CT("status") ", ['dnat', 'snat']]}", "0") ACCEPT, "CT_STATUS&0x30 : ACCEPT", NULL },
	/* several states at once: `nft --debug=netlink` shows one comparison with both bits */
	{ "ip", MATCH(NE, CT("state"), "{'|': ['established', 'new']}") ACCEPT, ": ACCEPT", "ct state != established | new accept" },
	{ "ip", MATCH(EQ, CT("state"), "{'|': ['established', 'new']}") ACCEPT, "FALSE : ACCEPT", NULL },
	{ "ip", MATCH(NE, CT("state"), "{'set': ['established', 'new']}") ACCEPT, "!CT_STATE&0x6 : ACCEPT", NULL },
	{ "ip", MATCH("'op': '!', ", CT("state"), "['established', 'new']") ACCEPT, "!CT_STATE&0x6 : ACCEPT", "ct state ! established,new accept" },
	{ "ip", MATCH(NE, PAYLOAD("tcp", "flags"), "18") ACCEPT, "PROTO=6 !TCP_FLAGS=0x12/0xff : ACCEPT", NULL },
	{ "ip", MATCH(EQ, "{'&': [" CT("state") ", ['established', 'new']]}", "'new'") ACCEPT, "CT_STATE=0x2/0x6 : ACCEPT", NULL },
	/* ports in raw bytes */
	{ "ip", MATCH(EQ, "{'payload': {'base': 'th', 'offset': 16, 'len': 16}}", "53") ACCEPT, "DPORT=53 : ACCEPT", "@th,16,16 0x35 accept" },
	{ "ip", MATCH(EQ, "{'payload': {'base': 'th', 'offset': 8, 'len': 16}}", "53") ACCEPT, "OPAQUE<@th,8,16 0x35> : ACCEPT ?", NULL },
	/* ranges that hold nothing or all, and other comparisons */
	{ "ip", MATCH("'op': '<', ", PAYLOAD("tcp", "dport"), "0") ACCEPT, "PROTO=6 FALSE : ACCEPT", NULL },
	{ "ip", MATCH("'op': '>', ", PAYLOAD("tcp", "dport"), "65535") ACCEPT, "PROTO=6 FALSE : ACCEPT", NULL },
	{ "ip", MATCH("'op': '<=', ", META("mark"), "4294967295") ACCEPT, "MARK=0-4294967295 : ACCEPT", NULL },
	{ "ip", MATCH("'op': '>', ", PAYLOAD("ip", "saddr"), "'255.255.255.255'") ACCEPT, "FALSE : ACCEPT", NULL },
	{ "ip", MATCH(NE, PAYLOAD("ip", "saddr"), "{'range': ['10.0.0.0', '10.0.0.255']}") ACCEPT, "!SADDR=10.0.0.0/255.255.255.0 : ACCEPT", NULL },
	{ "ip", MATCH("'op': '~', ", PAYLOAD("ip", "saddr"), "'10.0.0.1'") ACCEPT, "OPAQUE<ip saddr ~ 10.0.0.1> : ACCEPT ?", NULL },
	{ "ip6", MATCH(NE, PAYLOAD("ip6", "daddr"), "{'prefix': {'addr': 'fd00::', 'len': 8}}") ACCEPT, "!DADDR=fd00::/ff00:: : ACCEPT", NULL },
	{ "ip", MATCH(EQ, "{'&': [" META("mark") ", 65280]}", "{'set': [256, 512]}") ACCEPT,
	  "LOOKUP(MARK&0xff00):num{0x00000100, 0x00000200} : ACCEPT", NULL },
	{ "ip", MATCH(EQ, "{'^': [{'&': [" META("mark") ", 255]}, 1]}", "5") ACCEPT, "LOOKUP(MARK&0xff^0x1):num{0x00000005} : ACCEPT", NULL },
	{ "ip", MATCH(EQ, "{'>>': [" META("mark") ", 8]}", "5") ACCEPT, "OPAQUE<meta mark >> 8 == 0x00000005> : ACCEPT ?", NULL },
	/* names of interfaces */
	{ "ip", MATCH(EQ, META("iifname"), "'*'") ACCEPT, "IIF=* : ACCEPT", NULL },
	{ "ip", MATCH(NE, META("oifname"), "'cali*'") ACCEPT, "!OIF=cali* : ACCEPT", NULL },
	{ "ip", MATCH(EQ, META("iifname"), "'a\\\\*'") ACCEPT, "OPAQUE<iifname \"a\\*\"> : ACCEPT ?", NULL },
	{ "ip", MATCH(EQ, META("iif"), "5") ACCEPT, "OPAQUE<iif 5> : ACCEPT ?", NULL },
	/* what is looked up */
	{ "ip", MATCH(EQ, "{'fib': {'result': 'type', 'flags': 'daddr'}}", "'local'") ACCEPT, "DADDR_TYPE&0x4 : ACCEPT", NULL },
	{ "ip", MATCH(EQ, "{'fib': {'result': 'type', 'flags': ['daddr', 'oif']}}", "2") ACCEPT, "DADDR_TYPE&0x4@oif : ACCEPT", NULL },
	{ "ip", MATCH(EQ, "{'fib': {'result': 'check', 'flags': ['saddr', 'iif']}}", "true") ACCEPT, "RPFILTER<fib saddr . iif check exists> : ACCEPT", NULL },
	{ "ip", MATCH(EQ, "{'fib': {'result': 'oifname', 'flags': ['saddr', 'iif']}}", "true") ACCEPT, "FIB<fib saddr . iif oifname exists> : ACCEPT", NULL },
	{ "ip", MATCH(NE, "{'fib': {'result': 'oif', 'flags': ['saddr', 'iif']}}", "0") ACCEPT, "RPFILTER<fib saddr . iif oif != 0> : ACCEPT", NULL },
	{ "ip", MATCH(EQ, PAYLOAD("ip", "saddr"), "'@nowhere'") ACCEPT, "LOOKUP(SADDR)@nowhere- : ACCEPT", NULL },
	{ "ip", "{'vmap': {'key': " PAYLOAD("ip", "saddr") ", 'data': '@nowhere'}}", ": VMAP (SADDR)@nowhere-", "ip saddr vmap @nowhere" },
	{ "ip", "{'vmap': {'key': {'symhash': {'mod': 2, 'offset': 1}}, 'data': {'set': [[1, {'jump': {'target': 'other'}}], [2, {'goto': "
	  "{'target': 'missing'}}], ['*', {'continue': null}]]}}}", ": VMAP (HASH%2+1):num{1 : jump other, 2 : goto ?, * : continue}", NULL },
	/* verdicts */
	{ "ip", "{'jump': {'target': 'missing'}}", ": JUMP -", "jump missing" },
	{ "ip", "{'goto': {'target': 'other'}}", ": GOTO other", NULL },
	{ "ip", "{'goto': null}", ": UNKNOWN<goto> ?", NULL },
	{ "ip", "{'queue': {'num': {'range': [1, 5]}, 'flags': ['bypass', 'fanout']}}", ": QUEUE<queue flags bypass,fanout to 1-5>", NULL },
	{ "ip", "{'queue': null}", ": QUEUE<queue>", "queue" },
	/* statements in the middle */
	{ "ip", "{'log': null}, " MATCH(EQ, META("mark"), "1") ", {'mangle': {'key': " META("mark") ", 'value': 2}}, " MATCH(EQ, CT("direction"), "'reply'") ACCEPT,
	  "MARK=0x1/0xffffffff CT_DIR=1 : after 0: NOP<log> after 1: MARK 0x2/0xffffffff ACCEPT", NULL },
	/* marks */
	{ "ip", "{'mangle': {'key': " META("mark") ", 'value': {'|': [{'&': [" CT("mark") ", 255]}, " META("mark") "]}}}",
	  ": UNKNOWN<meta mark set ct mark & 0x000000ff | meta mark> ?", NULL },
	{ "ip", "{'mangle': {'key': " META("mark") ", 'value': {'numgen': {'mode': 'inc', 'mod': 2, 'offset': 100}}}}",
	  ": MARK_MAP (NUMGEN_INC%2+100):num{100 : 100, 101 : 101}", "meta mark set numgen inc mod 2 offset 100" },
	{ "ip", "{'mangle': {'key': " META("mark") ", 'value': {'jhash': {'mod': 100000, 'expr': " PAYLOAD("ip", "saddr") "}}}}",
	  ": UNKNOWN<meta mark set jhash ip saddr mod 100000> ?", NULL },
	{ "ip", "{'mangle': {'key': " CT("mark") ", 'value': {'map': {'key': " PAYLOAD("ip", "saddr") ", 'data': '@m'}}}}",
	  ": UNKNOWN<ct mark set ip saddr map @m> ?", NULL },
	{ "ip", "{'mangle': {'key': " PAYLOAD("ip", "ttl") ", 'value': 1}}", ": UNKNOWN<ip ttl set 1> ?", NULL },
	{ "ip", "{'mangle': {'key': " PAYLOAD("ip", "protocol") ", 'value': 6}}", ": UNKNOWN<ip protocol set 6> ?", NULL },
	{ "ip", "{'mangle': {'key': {'tcp option': {'name': 'maxseg', 'field': 'size'}}, 'value': {'rt': {'key': 'mtu'}}}}",
	  ": NOP<tcp option maxseg size set rt mtu>", NULL },
	/* translation */
	{ "ip", "{'dnat': {'addr': '10.0.0.1'}}", ": DNAT 10.0.0.1", NULL },
	{ "ip", "{'dnat': {'addr': {'prefix': {'addr': '10.0.0.0', 'len': 24}}}}", ": DNAT 10.0.0.0-10.0.0.255", NULL },
	{ "ip", "{'dnat': {'addr': {'prefix': {'addr': '10.0.0.0', 'len': 24}}, 'flags': ['netmap']}}",
	  ": DNAT<dnat prefix to 10.0.0.0/24>", NULL },
	{ "ip", "{'dnat': {'addr': " PAYLOAD("ip", "saddr") "}}", ": DNAT<dnat to ip saddr>", NULL },
	{ "ip", "{'dnat': {'addr': 'fd00::1'}}", ": DNAT<dnat to fd00::1>", NULL },
	{ "ip", "{'dnat': {'addr': '10.0.0.9', 'port': 0}}", ": DNAT<dnat to 10.0.0.9:0>", NULL },
	{ "ip", "{'dnat': {'port': 8080}}", ": DNAT port 8080", NULL },
	{ "inet", "{'dnat': {'family': 'ip6', 'addr': {'map': {'key': {'numgen': {'mode': 'random', 'mod': 2, 'offset': 0}}, 'data': {'set': "
	  "[[0, {'concat': ['fd00::1', 80]}], [1, {'concat': ['fd00::2', 81]}]]}}}}}",
	  "NFPROTO=10 : DNAT map with port (NUMGEN%2+0):num{0 : fd00::1 . 80, 1 : fd00::2 . 81}", NULL },
	{ "ip", "{'snat': {'addr': {'range': ['10.0.0.1', '10.0.0.9']}, 'port': {'range': [5, 9]}, 'flags': 'persistent'}}",
	  ": SNAT 10.0.0.1-10.0.0.9 port 5-9 persistent", NULL },
	{ "ip", "{'masquerade': {'flags': ['random', 'whatever']}}", ": MASQUERADE<masquerade random,whatever>", NULL },
	/* refusals */
	{ "ip", "{'reject': null}", ": REJECT<icmp-port-unreachable>", "reject" },
	{ "ip6", "{'reject': null}", ": REJECT<icmp6-port-unreachable>", "reject" },
	{ "inet", "{'reject': null}", ": REJECT<icmpx-port-unreachable>", "reject" },
	{ "inet", "{'reject': {'type': 'icmpv6', 'expr': 'admin-prohibited'}}", "NFPROTO=10 : REJECT<icmp6-adm-prohibited>",
	  "reject with icmpv6 admin-prohibited" },
	{ "ip", "{'reject': {'type': 'icmp', 'expr': 'frag-needed'}}", ": REJECT<reject with icmp frag-needed>", NULL },
	/* nft -n */
	{ "ip", "{'reject': {'type': 'icmp', 'expr': 1}}", ": REJECT<icmp-host-unreachable>", "reject with icmp 1" },
	{ "ip6", "{'reject': {'type': 'icmpv6', 'expr': 0}}", ": REJECT<icmp6-no-route>", NULL },
	{ "ip", "{'reject': {'type': 'icmpx', 'expr': 3}}", ": REJECT<icmpx-admin-prohibited>", NULL },
	{ "ip", "{'reject': {'type': 'icmp', 'expr': 99}}", ": REJECT<reject with icmp 99>", NULL },
	{ "inet", MATCH(EQ, META("protocol"), "8") ACCEPT, "ETHERTYPE=2048 : ACCEPT", NULL },
	{ "inet", MATCH(EQ, META("protocol"), "{'set': [2048, 56710, 34525]}") ACCEPT, "ETHERTYPE=2048,34525,34525 : ACCEPT", NULL },
	/* the packet within a tunnel */
	{ "ip", MATCH(EQ, "{'payload': {'tunnel': 'vxlan', 'protocol': 'ip', 'field': 'saddr'}}", "'10.0.0.1'") ACCEPT, "OPAQUE<vxlan ip saddr 10.0.0.1> : ACCEPT ?",
	  NULL },
	/* sets that rules change */
	{ "ip", "{'set': {'op': 'add', 'elem': " PAYLOAD("ip", "saddr") ", 'set': '@nowhere'}}", ": UPDATE (SADDR)@nowhere-", NULL },
	{ "ip", "{'map': {'op': 'add', 'elem': " PAYLOAD("ip", "saddr") ", 'data': 5, 'map': '@nowhere'}}", ": UPDATE (SADDR)@nowhere-", NULL },
	{ "ip", "'add @nowhere { ip saddr : 5 }'", ": NOP<add @nowhere { ip saddr : 5 }>", "add @nowhere { ip saddr : 5 }" },
	{ "ip", "'add @nowhere { ip saddr limit rate 1/second }' ", "OPAQUE<add @nowhere { ip saddr limit rate 1/second }> : UNKNOWN<add @nowhere { ip saddr limit rate 1/second }> ?",
	  NULL },
	/* limits by name that nobody defined */
	{ "ip", "{'quota': 'nowhere'}" ACCEPT, "OPAQUE<quota name \"nowhere\"> : ACCEPT ?", NULL },
	/* iptables' extensions: nft knows at most their names */
	{ "ip", "{'xt': null}" ACCEPT, "OPAQUE<xt match \"unknown\"> : ACCEPT ?", NULL },
	{ "ip", "{'xt': null}, {'xt': null}", "OPAQUE<xt match \"unknown\"> OPAQUE<xt match \"unknown\"> : UNKNOWN<xt match \"unknown\" xt match \"unknown\"> ?", NULL },
	{ "ip", "{'xt': {'type': 'match', 'name': 'comment'}}, {'xt': {'type': 'target', 'name': 'MASQUERADE'}}",
	  ": UNKNOWN<xt target \"MASQUERADE\"> ?", NULL },
	{ "ip", "{'xt': {'type': 'match', 'name': 'recent'}}, {'xt': {'type': 'target', 'name': 'LOG'}}",
	  "OPAQUE<xt match \"recent\"> : NOP<xt target \"LOG\"> ?", NULL },
	/* nothing that is known */
	{ "ip", "{'flow': {'op': 'add', 'flowtable': '@f'}}", ": NOP<flow add @f>", "flow add @f" },
	{ "ip", "{'last': null}" ACCEPT, ": NOP<last> ACCEPT", NULL },
	{ "ip", "{'fwd': {'dev': 'lo'}}", "OPAQUE<fwd to \"lo\"> : UNKNOWN<fwd to \"lo\"> ?", NULL },
	{ "ip", "{'frobnicate': {'x': 5}}" ACCEPT, "OPAQUE<{\"frobnicate\":{\"x\":5}}> : ACCEPT ?", NULL },
	{ "ip", "{'frobnicate': 5, 'and': 6}", "OPAQUE<{\"frobnicate\":5,\"and\":6}> : UNKNOWN<{\"frobnicate\":5,\"and\":6}> ?", NULL },
	{ "ip", "7", "OPAQUE<7> : UNKNOWN<7> ?", NULL },
	{ "ip", "null" ACCEPT, "OPAQUE<null> : ACCEPT ?", NULL },
	{ "ip", "{'match': 5}" ACCEPT, "OPAQUE< > : ACCEPT ?", NULL },
	{ "ip", "{'vmap': 5}", ": UNKNOWN< vmap > ?", NULL },
	{ "ip", MATCH(EQ, "{'concat': []}", "'@s'") ACCEPT, "OPAQUE< @s> : ACCEPT ?", NULL },
	{ "ip", MATCH(EQ, "{'socket': {'key': 'cgroupv2'}}", "1") ACCEPT, "SOCKET<socket cgroupv2 1> : ACCEPT", NULL },
};

static void test_rules(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
		const struct rs_chain *c;
		struct dump d;

		dump_rule(&d, rules[i].family, "", rules[i].expr);
		assert_int_equal(d.r, 0);
		c = chain_of(&d, family_of(rules[i].family), "t", "c");
		assert_int_equal(c->nrules, 1);
		rule_text(&b, c->rules[0]);
		if (strcmp(strbuf_str(&b), rules[i].rule) != 0) {
			print_error("%s\nfound:  %s\nwanted: %s\n", rules[i].expr, strbuf_str(&b), rules[i].rule);
			wrong++;
		}
		if (rules[i].text && !is_text(c->rules[0], rules[i].text)) {
			print_error("found:  %.*s\nwanted: %s\n", (int)c->rules[0]->text_len, c->rules[0]->text, rules[i].text);
			wrong++;
		}
		print_notes(&d);
		assert_int_equal(d.notes.len, 0);
		dump_release(&d);
	}
	assert_int_equal(wrong, 0);
}

/* ---- objects ---- */

static void test_chains(void **state)
{
	static const struct {
		const char *more;
		enum rs_hook hook;
		int priority;
		enum rs_chain_type type;
		enum rs_policy policy;
		bool noted;
	} rows[] = {
		{ "'type': 'filter', 'hook': 'forward', 'prio': 5, 'policy': 'drop'", HOOK_FORWARD, 5, CHAIN_FILTER, POLICY_DROP, false },
		{ "'type': 'nat', 'hook': 'postrouting', 'prio': 'srcnat', 'policy': 'accept'", HOOK_POSTROUTING, 100, CHAIN_NAT, POLICY_ACCEPT, false },
		{ "'type': 'route', 'hook': 'output', 'prio': 'mangle - 5'", HOOK_OUTPUT, -155, CHAIN_ROUTE, POLICY_ACCEPT, false },
		{ "'type': 'filter', 'hook': 'input', 'prio': 'filter + 10'", HOOK_INPUT, 10, CHAIN_FILTER, POLICY_ACCEPT, false },
		{ "'type': 'filter', 'hook': 'input', 'prio': 'filter +10'", HOOK_NONE, 0, CHAIN_FILTER, POLICY_ACCEPT, true },
		{ "'type': 'filter', 'hook': 'input', 'prio': 99999999999", HOOK_NONE, 0, CHAIN_FILTER, POLICY_ACCEPT, true },
		{ "'type': 'filter', 'hook': 'input'", HOOK_NONE, 0, CHAIN_FILTER, POLICY_ACCEPT, true },
		{ "'type': 'filter', 'hook': 'sideways', 'prio': 0", HOOK_NONE, 0, CHAIN_FILTER, POLICY_ACCEPT, true },
		{ "'type': 'filter', 'prio': 0", HOOK_NONE, 0, CHAIN_FILTER, POLICY_ACCEPT, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct rs_chain *c;
		char objects[256];
		struct dump d;

		snprintf(objects, sizeof(objects), "{'chain': {'family': 'inet', 'table': 't', 'name': 'b', %s}}", rows[i].more);
		dump_rule(&d, "inet", objects, NULL);
		c = chain_of(&d, RS_INET, "t", "b");
		assert_int_equal(c->hook, rows[i].hook);
		assert_int_equal(c->priority, rows[i].priority);
		assert_int_equal(c->type, rows[i].type);
		assert_int_equal(c->policy, rows[i].policy);
		assert_int_equal(d.notes.len, rows[i].noted);
		assert_int_equal(d.t.damaged, rows[i].noted);
		assert_int_equal(d.t.empty, rows[i].policy == POLICY_ACCEPT);
		dump_release(&d);
	}
}

static void test_tables(void **state)
{
	static const struct {
		const char *flags;
		bool dormant, noted;
	} rows[] = {
		{ "'dormant'", true, false }, { "'d'", true, false }, { "['dormant', 'owner']", true, false }, { "'owner'", false, false }, { "['persist']", false, false },
		{ "[]", false, false }, { "'mangle'", true, true }, /* nft 1.0.6: some name */
	};
	struct dump d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char objects[256];

		snprintf(objects, sizeof(objects), "{'table': {'family': 'ip', 'name': 'd', 'flags': %s}}", rows[i].flags);
		dump_rule(&d, "inet", objects, NULL);
		assert_int_equal(ruleset_find_table(&d.rs, BACKEND_NFT, RS_IP4, "d")->dormant, rows[i].dormant);
		assert_int_equal(d.notes.len, rows[i].noted);
		dump_release(&d);
	}
	/* other families are not modelled, which matters where they do something */
	dump_rule(&d, "inet", "{'table': {'family': 'bridge', 'name': 'b'}}, {'chain': {'family': 'bridge', 'table': 'b', 'name': 'c'}}", NULL);
	assert_null(d.t.not_modelled);
	assert_true(d.t.empty);
	dump_release(&d);
	dump_rule(&d, "inet", "{'rule': {'family': 'netdev', 'table': 'n', 'chain': 'c', 'expr': []}}", NULL);
	assert_string_equal(d.t.not_modelled, "netdev n");
	assert_int_equal(d.notes.len, 0);
	dump_release(&d);
	dump_rule(&d, "inet", "{'chain': {'family': 'inet', 'table': 't', 'name': 'i', 'type': 'filter', 'hook': 'ingress', 'prio': 0}}", NULL);
	assert_string_equal(d.t.not_modelled, "inet t");
	dump_release(&d);
}

/* Maps name chains that come later; limits are told apart by their objects; sets are found wherever they stand. */
static void test_order(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const struct rs_chain *c;
	struct dump d;

	(void)state;
	dump_rule(&d, "ip",
		  "{'quota': {'family': 'ip', 'table': 't', 'name': 'q', 'bytes': 5, 'inv': true}}, {'limit': {'family': 'ip', 'table': 't', 'name': 'l', 'rate': 5}}, "
		  "{'map': {'family': 'ip', 'table': 't', 'name': 'm', 'type': 'mark', 'map': 'verdict', 'elem': [[1, {'goto': {'target': 'late'}}], "
		  "[2, {'jump': {'target': 'never'}}]]}}, "
		  "{'rule': {'family': 'ip', 'table': 't', 'chain': 'c', 'expr': [{'quota': 'q'}, {'limit': 'l'}, {'jump': {'target': 'late'}}]}}, "
		  "{'rule': {'family': 'ip', 'table': 't', 'chain': 'c', 'expr': [" MATCH(EQ, META("mark"), "'@s'") "]}}, "
		  "{'chain': {'family': 'ip', 'table': 't', 'name': 'late'}}, "
		  "{'set': {'family': 'ip', 'table': 't', 'name': 's', 'type': 'mark', 'elem': [5]}}",
		  "{'vmap': {'key': " META("mark") ", 'data': '@m'}}");
	c = chain_of(&d, RS_IP4, "t", "c");
	for (uint32_t i = 0; i < c->nrules; i++) {
		rule_text(&b, c->rules[i]);
		strbuf_addc(&b, '\n');
	}
	assert_string_equal(strbuf_str(&b), "!QUOTA<quota name \"q\"> LIMIT<limit name \"l\"> : JUMP late\nLOOKUP(MARK)@s:num :\n: VMAP (MARK)@m:num\n");
	assert_ptr_equal(c->rules[2]->stmts[0].u.lookup->set->elems[0].target, chain_of(&d, RS_IP4, "t", "late"));
	assert_null(c->rules[2]->stmts[0].u.lookup->set->elems[1].target);
	assert_int_equal(c->rules[2]->stmts[0].u.lookup->set->elems[1].verdict, ST_JUMP);
	assert_true(chain_of(&d, RS_IP4, "t", "late")->referenced);
	assert_int_equal(d.notes.len, 0);
	dump_release(&d);
}

static void test_types_of_sets(void **state)
{
	static const struct {
		const char *type, *text;
		bool noted;
	} rows[] = {
		{ "'ipv4_addr'", "ipv4_addr", false },
		{ "'ipv4_addr . inet_service'", "ipv4_addr . inet_service", false },
		{ "['ipv4_addr', 'inet_proto']", "ipv4_addr . inet_proto", false },
		{ "{'typeof': {'payload': {'protocol': 'ip', 'field': 'saddr'}}}", "ipv4_addr", false },
		{ "{'typeof': {'concat': [{'meta': {'key': 'iifname'}}, {'payload': {'protocol': 'th', 'field': 'dport'}}]}}", "ifname . inet_service", false },
		{ "{'typeof': {'payload': {'protocol': 'ip', 'field': 'dscp'}}}", "unknown", false },
		{ "'dscp'", "unknown", false },
		{ "5", NULL, true }, { "[]", NULL, true }, { "[5]", NULL, true }, { "{'typeof': 5}", "unknown", false }, { "'ipv4_addr .'", NULL, true },
		{ "['mark', 'mark', 'mark', 'mark', 'mark', 'mark', 'mark']", NULL, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct rs_set *s;
		char objects[256];
		struct dump d;

		snprintf(objects, sizeof(objects), "{'set': {'family': 'inet', 'table': 't', 'name': 's', 'type': %s}}", rows[i].type);
		dump_rule(&d, "inet", objects, NULL);
		s = ruleset_find_set(&d.rs, ruleset_find_table(&d.rs, BACKEND_NFT, RS_INET, "t"), "s");
		assert_int_equal(d.notes.len, rows[i].noted);
		assert_int_equal(s != NULL, rows[i].text != NULL);
		if (s)
			assert_string_equal(s->type, rows[i].text);
		dump_release(&d);
	}
}

/* ---- damage ---- */

static void test_damage(void **state)
{
	static const struct {
		const char *objects;
		size_t rules; /* that remain */
		const char *note;
	} rows[] = {
		{ "{'rule': {'family': 'ip', 'table': 't', 'chain': 'c'}}", 2, "a rule of chain 'c' of table 't' cannot be read" },
		{ "{'rule': {'family': 'ip', 'table': 't', 'chain': 'c', 'expr': 5}}", 2, "cannot be read" },
		{ "{'rule': {'family': 'ip', 'table': 't', 'expr': []}}", 1, "names no chain" },
		{ "{'rule': {'family': 'ip', 'table': 't', 'chain': '', 'expr': []}}", 1, "names no chain" },
		{ "{'rule': {'family': 'ip', 'chain': 'c', 'expr': []}}", 1, "neither family nor table" },
		{ "{'rule': {'family': 5, 'table': 't', 'chain': 'c', 'expr': []}}", 1, "neither family nor table" },
		{ "{'rule': 5}", 1, "not an object of nftables" },
		{ "{'chain': {'family': 'ip', 'table': 't', 'name': 5}}", 1, "has no name" },
		{ "{'chain': {'family': 'ip', 'table': 't', 'name': 'c', 'type': 'nat', 'hook': 'output', 'prio': 0}}", 1, "is there twice" },
		{ "{'rule': {'family': 'ip', 'table': 't', 'chain': 'c', 'expr': []}}, {'chain': {'family': 'ip', 'table': 't', 'name': 'c'}}", 1, "is there twice" },
		{ "{'set': {'family': 'ip', 'table': 't', 'name': 's', 'type': 'mark', 'elem': [1, 'x', 99999999999, -1, 2]}}", 1, "some elements of set 's'" },
		{ "{'set': {'family': 'ip', 'table': 't', 'name': 's', 'type': 'mark', 'elem': 5}}", 1, "some elements of set 's'" },
		{ "{'map': {'family': 'ip', 'table': 't', 'name': 's', 'type': 'mark', 'map': 'verdict', 'elem': [[1, {'jump': 5}], 2]}}", 1, "some elements of map 's'" },
		{ "{'map': {'family': 'ip', 'table': 't', 'name': 's', 'type': 'mark'}}", 1, "no type that can be read" },
		{ "{'set': {'family': 'ip', 'table': 't', 'name': 's', 'type': 'mark'}}, {'set': {'family': 'ip', 'table': 't', 'name': 's', 'type': 'mark'}}", 1, "is there twice" },
		{ "{'wonder': {'family': 'ip', 'table': 't', 'name': 's'}}", 1, "no kind of object" },
		{ "{'rule': {'family': 'ip', 'table': 't', 'chain': 'c', 'expr': [" MATCH(EQ, PAYLOAD("ip", "saddr"), "{'set': ['10.0.0.1', 'x', 'fd00::1']}") "]}}", 2,
		  "some elements of a set in a rule of chain 'c'" },
		{ "5", 1, "not an object" },
		{ "{}", 1, "not an object of nftables" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dump d;

		dump_rule(&d, "ip", rows[i].objects, "{'accept': null}");
		assert_int_equal(d.r, 0);
		assert_true(d.t.damaged);
		if (d.notes.len != 1 || !strstr(d.notes.v[0].text, rows[i].note) || d.notes.v[0].line != 1)
			fail_msg("%s: %s", rows[i].objects, d.notes.len ? d.notes.v[0].text : "no note");
		if (chain_of(&d, RS_IP4, "t", "c")->nrules != rows[i].rules)
			fail_msg("%s: %u rules", rows[i].objects, chain_of(&d, RS_IP4, "t", "c")->nrules);
		dump_release(&d);
	}
}

/* A rule that cannot be read stays in its place, and nothing is known of it. */
static void test_rule_without_statements(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct dump d;

	(void)state;
	dump_rule(&d, "ip", "{'rule': {'family': 'ip', 'table': 't', 'chain': 'c', 'expr': {'accept': null}}}", NULL);
	rule_text(&b, chain_of(&d, RS_IP4, "t", "c")->rules[0]);
	assert_string_equal(strbuf_str(&b), "OPAQUE<> : UNKNOWN<> ?");
	dump_release(&d);
}

static void test_limits(void **state)
{
	CLEANUP(strbuf_release) struct strbuf many = STRBUF_INIT, deep = STRBUF_INIT, notes = STRBUF_INIT;
	const struct rs_rule *r;
	struct dump d;

	(void)state;
	/* more conditions than the kernel takes */
	for (int i = 0; i < 300; i++)
		strbuf_addf(&many, "%s" MATCH(EQ, META("mark"), "%d"), i ? ", " : "", i);
	dump_rule(&d, "ip", "", many.s);
	r = chain_of(&d, RS_IP4, "t", "c")->rules[0];
	assert_int_equal(r->nconds, 1);
	assert_int_equal(r->nstmts, 1);
	assert_true(r->unknown);
	assert_int_equal(r->stmts[0].kind, ST_UNKNOWN);
	dump_release(&d);
	/* expressions within expressions */
	strbuf_adds(&deep, "{'match': {'op': '==', 'left': ");
	for (int i = 0; i < 100; i++)
		strbuf_adds(&deep, "{'&': [");
	strbuf_adds(&deep, META("mark"));
	for (int i = 0; i < 100; i++)
		strbuf_adds(&deep, ", 255]}");
	strbuf_adds(&deep, ", 'right': 5}}");
	dump_rule(&d, "ip", "", deep.s);
	r = chain_of(&d, RS_IP4, "t", "c")->rules[0];
	assert_int_equal(r->conds[0].field, FIELD_OPAQUE);
	assert_true(strlen(r->conds[0].u.text) <= 2048);
	dump_release(&d);
	/* notes are bounded */
	for (int i = 0; i < 100; i++)
		strbuf_addf(&notes, "%s{'rule': 5}", i ? ", " : "");
	dump_rule(&d, "ip", notes.s, NULL);
	assert_int_equal(d.notes.len, 20);
	assert_non_null(strstr(d.notes.v[19].text, "(and more)"));
	dump_release(&d);
}

/* What comes before the end of a cut file is used. */
static void test_cut(void **state)
{
	char *data;
	size_t size, last = 0;

	(void)state;
	assert_int_equal(file_read_at(AT_FDCWD, CORPUS ".json", SOURCE_FILE_MAX, &data, &size), 0);
	for (size_t cut = 1; cut < size; cut += 997) {
		struct dump d;

		dump_text(&d, data, cut);
		assert_true(d.r == 0 || d.r == SD_EPARSE);
		assert_true(d.notes.len > 0);
		if (d.r == 0) {
			assert_true(d.t.damaged);
			assert_true(d.rs.nrules >= last);
			last = d.rs.nrules;
		}
		dump_release(&d);
	}
	assert_true(last > 280);
	free(data);
}

static void test_nothing(void **state)
{
	struct dump d;

	(void)state;
	dump_text(&d, "", 0);
	assert_int_equal(d.r, 0);
	assert_true(d.t.empty);
	assert_int_equal(d.notes.len, 0);
	dump_release(&d);
	dump_text(&d, "garbage", 7);
	assert_int_equal(d.r, SD_EPARSE);
	assert_int_equal(d.notes.len, 1);
	dump_release(&d);
	dump_text(&d, "{\"nftables\": []}", 16);
	assert_int_equal(d.r, 0);
	assert_true(d.t.empty);
	dump_release(&d);
}

/* ---- all recordings ---- */

/* What is not known of them, as a beginning of its text. */
static bool is_allowed(const char *text)
{
	static const char *const allowed[] = { "xt match ", "xt target " };

	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		if (str_starts(text, allowed[i]))
			return true;
	return false;
}

static void check_known(const char *path, const struct rs_rule *r)
{
	for (unsigned i = 0; i < r->nconds; i++)
		if (r->conds[i].op == OP_TEXT && !is_allowed(r->conds[i].u.text))
			fail_msg("%s: '%s' is not known", path, r->conds[i].u.text);
	for (unsigned i = 0; i < r->nstmts; i++)
		if (r->stmts[i].kind == ST_UNKNOWN && !is_allowed(r->stmts[i].u.text))
			fail_msg("%s: '%s' is not known", path, r->stmts[i].u.text);
}

static void check_recording(const char *path)
{
	struct dump d;

	dump_file(&d, path);
	print_notes(&d);
	assert_int_equal(d.notes.len, 0);
	assert_null(d.t.not_modelled);
	assert_int_equal(d.t.proxy_rules[0] + d.t.proxy_rules[1] > 0, strstr(path, "nftables") != NULL);
	for (size_t t = 0; t < d.rs.tables.len; t++) {
		for (size_t k = 0; k < d.rs.tables.v[t]->chain_list.len; k++) {
			const struct rs_chain *c = d.rs.tables.v[t]->chain_list.v[k];

			for (uint32_t n = 0; n < c->nrules; n++)
				check_known(path, c->rules[n]);
		}
	}
	for (size_t k = 0; k < d.rs.sets.len; k++)
		assert_false(d.rs.sets.v[k]->partly);
	dump_release(&d);
}

static void test_recordings(void **state)
{
	static const char *const patterns[] = {
		"tests/corpus/lab-nftables/nodes/*/nft-ruleset.json", "tests/corpus/lab-iptables-nft/nodes/*/nft-ruleset.json",
		"tests/corpus/lab-iptables-legacy/nodes/*/nft-ruleset.json", "tests/corpus/flows-nftables/*/nft-ruleset.json",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		glob_t g;

		assert_int_equal(glob(patterns[i], 0, NULL, &g), 0);
		for (size_t k = 0; k < g.gl_pathc; k++)
			check_recording(g.gl_pathv[k]);
		globfree(&g);
	}
}

/* ---- beside the text of iptables-nft-save ---- */

static void test_beside_text(void **state)
{
	static const char text[] = "# Generated by iptables-nft-save v1.8.9 (nf_tables)\n# Table `filter' is incompatible, use 'nft' tool.\n"
				   "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 81\nCOMMIT\n";
	static const char json[] =
		"{'nftables': [{'table': {'family': 'ip', 'name': 'nat'}}, {'chain': {'family': 'ip', 'table': 'nat', 'name': 'PREROUTING', 'type': 'nat', "
		"'hook': 'prerouting', 'prio': -100, 'policy': 'drop'}}, {'set': {'family': 'ip', 'table': 'nat', 'name': 's', 'type': 'mark'}}, "
		"{'rule': {'family': 'ip', 'table': 'nat', 'chain': 'PREROUTING', 'expr': [{'xt': null}]}}, {'table': {'family': 'ip', 'name': 'filter'}}, "
		"{'chain': {'family': 'ip', 'table': 'filter', 'name': 'INPUT', 'type': 'filter', 'hook': 'input', 'prio': 0, 'policy': 'accept'}}, "
		"{'rule': {'family': 'ip', 'table': 'filter', 'chain': 'INPUT', 'expr': [{'xt': null}, {'drop': null}]}}, "
		"{'rule': {'family': 'ip6', 'table': 'nat', 'chain': 'PREROUTING', 'expr': [{'accept': null}]}}]}";
	struct sd_notes notes = { 0 };
	struct xtables_text xt;
	char *copy = strdup(text), *data = quoted(json);
	struct ruleset rs;
	struct nft_text t;

	(void)state;
	assert_non_null(copy);
	ruleset_init(&rs);
	assert_int_equal(ruleset_own_buffer(&rs, copy), 0);
	assert_int_equal(read_xtables(&rs, copy, strlen(copy), false, BACKEND_NFT, "f", &notes, &xt), 0);
	assert_int_equal(read_nft(&rs, data, strlen(data), "g", &notes, &t), 0);
	assert_int_equal(t.rules, 2);
	assert_true(t.xtables_here);
	assert_int_equal(rs.sets.len, 0);
	assert_int_equal(rs.nrules, 3);
	assert_true(ruleset_find_table(&rs, BACKEND_NFT, RS_IP4, "nat")->xtables);
	assert_int_equal(table_find_chain(ruleset_find_table(&rs, BACKEND_NFT, RS_IP4, "nat"), "PREROUTING")->policy, POLICY_ACCEPT);
	assert_false(ruleset_find_table(&rs, BACKEND_NFT, RS_IP4, "filter")->xtables);
	assert_false(ruleset_find_table(&rs, BACKEND_NFT, RS_IP6, "nat")->xtables);
	free(data);
	ruleset_release(&rs);
	sd_notes_release(&notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constructs), cmocka_unit_test(test_texts), cmocka_unit_test(test_sets), cmocka_unit_test(test_rules),
		cmocka_unit_test(test_chains), cmocka_unit_test(test_tables), cmocka_unit_test(test_order), cmocka_unit_test(test_types_of_sets),
		cmocka_unit_test(test_damage), cmocka_unit_test(test_rule_without_statements), cmocka_unit_test(test_limits), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_recordings), cmocka_unit_test(test_beside_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
