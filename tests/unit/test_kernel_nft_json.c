/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of nf_tables as messages, made by hand: what nft never sends, and what must never be taken for something else. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <svcdoctor/source.h>

#include "lib/kernel/nft-json-private.h"

/* ---- messages ---- */

struct message {
	uint8_t b[8192] __attribute__((aligned(8)));
	size_t size;
	size_t nests[8], depth;
};

static void bytes(struct message *m, const void *p, size_t size)
{
	assert_true(m->size + NLA_ALIGN(size) <= sizeof(m->b));
	memset(m->b + m->size, 0, NLA_ALIGN(size));
	memcpy(m->b + m->size, p, size);
	m->size += NLA_ALIGN(size);
}

static void attr(struct message *m, uint16_t type, const void *p, size_t size)
{
	struct nlattr a = { .nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + size) };

	bytes(m, &a, sizeof(a));
	bytes(m, p, size);
}

static void text(struct message *m, uint16_t type, const char *s)
{
	attr(m, type, s, strlen(s) + 1);
}

static void number(struct message *m, uint16_t type, uint32_t n)
{
	uint32_t be32 = htonl(n);

	attr(m, type, &be32, sizeof(be32));
}

static void nest(struct message *m, uint16_t type)
{
	struct nlattr a = { .nla_type = type };

	m->nests[m->depth++] = m->size;
	bytes(m, &a, sizeof(a));
}

static void unnest(struct message *m)
{
	struct nlattr *a = (struct nlattr *)(void *)(m->b + m->nests[--m->depth]);

	a->nla_len = (uint16_t)(m->size - m->nests[m->depth]);
}

static void begin(struct message *m)
{
	m->size = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	memset(m->b, 0, m->size);
	m->depth = 0;
	text(m, NFTA_RULE_CHAIN, "c");
	nest(m, NFTA_RULE_EXPRESSIONS);
}

static const struct nlmsghdr *end(struct message *m)
{
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)m->b;

	while (m->depth)
		unnest(m);
	h->nlmsg_len = (uint32_t)m->size;
	return h;
}

static void expr(struct message *m, const char *name)
{
	nest(m, NFTA_LIST_ELEM);
	text(m, NFTA_EXPR_NAME, name);
	nest(m, NFTA_EXPR_DATA);
}

static void expr_end(struct message *m)
{
	unnest(m);
	unnest(m);
}

static void meta(struct message *m, uint32_t key, uint32_t reg)
{
	expr(m, "meta");
	number(m, NFTA_META_DREG, reg);
	number(m, NFTA_META_KEY, key);
	expr_end(m);
}

static void payload(struct message *m, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	expr(m, "payload");
	number(m, NFTA_PAYLOAD_DREG, reg);
	number(m, NFTA_PAYLOAD_BASE, base);
	number(m, NFTA_PAYLOAD_OFFSET, offset);
	number(m, NFTA_PAYLOAD_LEN, len);
	expr_end(m);
}

static void cmp(struct message *m, uint32_t reg, uint32_t op, const void *p, size_t size)
{
	expr(m, "cmp");
	number(m, NFTA_CMP_SREG, reg);
	number(m, NFTA_CMP_OP, op);
	nest(m, NFTA_CMP_DATA);
	attr(m, NFTA_DATA_VALUE, p, size);
	unnest(m);
	expr_end(m);
}

static void verdict(struct message *m, int32_t code)
{
	expr(m, "immediate");
	number(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	nest(m, NFTA_IMMEDIATE_DATA);
	nest(m, NFTA_DATA_VERDICT);
	number(m, NFTA_VERDICT_CODE, (uint32_t)code);
	unnest(m);
	unnest(m);
	expr_end(m);
}

/* ---- what is made of them ---- */

struct printed {
	struct strbuf text;
	bool partial;
	int r;
};

static void release(struct printed *p)
{
	strbuf_release(&p->text);
}

static void print(const struct nlmsghdr *h, struct printed *ret)
{
	struct nft_table t = { .family = 1, .name = "t" };
	struct nft_json *j = calloc(1, sizeof(*j));
	struct nft_dump d = { 0 };

	*ret = (struct printed){ .r = -ENOMEM };
	if (!j)
		return;
	j->d = &d;
	j->out = &ret->text;
	j->table = &t;
	j->first = true;
	j->rule.j = j;
	ret->r = nft_json_rule(j, h);
	ret->partial = j->partial;
	strbuf_release(&j->rule.scratch);
	free(j);
}

#define HEAD "{\"rule\": {\"family\": \"inet\", \"table\": \"t\", \"chain\": \"c\", \"handle\": 0, \"expr\": ["
static void same(struct message *m, bool partial, const char *statements)
{
	CLEANUP(release) struct printed p;
	CLEANUP(strbuf_release) struct strbuf want = STRBUF_INIT;

	print(end(m), &p);
	if (p.r == -ENOMEM)
		return;
	strbuf_addf(&want, "%s%s]}}", HEAD, statements);
	assert_int_equal(p.r, 0);
	if (want.failed)
		return;
	assert_string_equal(strbuf_str(&p.text), strbuf_str(&want));
	assert_int_equal(p.partial, partial);
}

#define TCP_80 "{\"match\": {\"op\": \"==\", \"left\": {\"payload\": {\"protocol\": \"tcp\", \"field\": \"dport\"}}, \"right\": 80}}"
#define IS_TCP "{\"match\": {\"op\": \"==\", \"left\": {\"meta\": {\"key\": \"l4proto\"}}, \"right\": \"tcp\"}}"
static const uint8_t tcp = IPPROTO_TCP, port80[] = { 0, 80 };

/* A field tells of its protocol, unless something was done in between. */
static void test_protocols(void **state)
{
	struct message m;

	(void)state;
	begin(&m);
	meta(&m, NFT_META_L4PROTO, NFT_REG_1);
	cmp(&m, NFT_REG_1, NFT_CMP_EQ, &tcp, 1);
	payload(&m, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_REG_1);
	cmp(&m, NFT_REG_1, NFT_CMP_EQ, port80, 2);
	verdict(&m, NF_ACCEPT);
	same(&m, false, TCP_80 ", {\"accept\": null}");
	begin(&m);
	meta(&m, NFT_META_L4PROTO, NFT_REG_1);
	cmp(&m, NFT_REG_1, NFT_CMP_EQ, &tcp, 1);
	expr(&m, "notrack");
	expr_end(&m);
	payload(&m, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_REG_1);
	cmp(&m, NFT_REG_1, NFT_CMP_EQ, port80, 2);
	same(&m, false, IS_TCP ", {\"notrack\": null}, " TCP_80);
}

/* Whatever nobody knows is there, and so is what asks a register that it may have filled. */
static void test_unknown(void **state)
{
	struct message m;

	(void)state;
	begin(&m);
	meta(&m, NFT_META_L4PROTO, NFT_REG_1);
	expr(&m, "newer");
	number(&m, 1, 5);
	expr_end(&m);
	cmp(&m, NFT_REG_1, NFT_CMP_EQ, &tcp, 1);
	verdict(&m, NF_ACCEPT);
	same(&m, true,
	     "{\"svcdoctor-unknown\": {\"name\": \"newer\", \"data\": \"0800010000000005\"}}, "
	     "{\"match\": {\"op\": \"==\", \"left\": {\"svcdoctor-unknown\": \"register\"}, \"right\": 6}}, {\"accept\": null}");
	begin(&m);
	verdict(&m, -77);
	same(&m, true, "{\"svcdoctor-unknown\": {\"name\": \"verdict\", \"data\": \"08000100ffffffb3\"}}");
	/* no register, an empty one, one of another length */
	for (unsigned i = 0; i < 3; i++) {
		begin(&m);
		if (i == 2)
			meta(&m, NFT_META_MARK, NFT_REG_1);
		cmp(&m, i == 0 ? 99 : NFT_REG_1, NFT_CMP_EQ, &tcp, 1);
		same(&m, true, "{\"svcdoctor-unknown\": {\"name\": \"cmp\", \"data\": \"0500010006000000\"}}");
	}
}

static void test_damaged(void **state)
{
	struct message m;
	struct nlattr *a;

	(void)state;
	begin(&m);
	verdict(&m, NF_DROP);
	a = (struct nlattr *)(void *)(m.b + m.nests[0]);
	while (m.depth)
		unnest(&m);
	a->nla_len = (uint16_t)(a->nla_len + 64);
	same(&m, true, "{\"svcdoctor-unknown\": {\"name\": \"rule\", \"data\": \"\"}}");
}

/* More than a rule can hold. */
static void test_too_long(void **state)
{
	struct message m;

	(void)state;
	begin(&m);
	for (unsigned i = 0; i < STMTS_MAX + 1; i++) {
		expr(&m, "notrack");
		expr_end(&m);
	}
	same(&m, true, "{\"svcdoctor-unknown\": {\"name\": \"rule\", \"data\": \"\"}}");
}

/* The reader takes none of it for nothing. */
static void test_read_back(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	CLEANUP(release) struct printed p;
	struct sd_notes notes = { 0 };
	struct nft_text t;
	struct ruleset rs;
	struct message m;

	(void)state;
	begin(&m);
	expr(&m, "newer");
	expr_end(&m);
	verdict(&m, NF_ACCEPT);
	print(end(&m), &p);
	strbuf_adds(&b, "{\"nftables\": [");
	strbuf_adds(&b, strbuf_str(&p.text));
	strbuf_adds(&b, "]}");
	if (p.r == -ENOMEM || b.failed)
		return;
	ruleset_init(&rs);
	if (read_nft(&rs, b.s, b.len, "x", &notes, &t) == 0 && ruleset_finish(&rs) == 0) {
		const struct rs_chain *c = table_find_chain(ruleset_table(&rs, BACKEND_NFT, RS_INET, "t", false), "c");

		assert_non_null(c);
		assert_int_equal(c->nrules, 1);
		assert_true(c->rules[0]->unknown);
		assert_true(c->rules[0]->nconds > 0);
	}
	ruleset_release(&rs);
	sd_notes_release(&notes);
}

static void test_strings(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" }, { "\n\x7f", "\"\\u000a\\u007f\"" }, { "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" },
		{ "\xff\xc3", "\"??\"" }, { "\xc0\x80\xed\xa0\x80", "\"?????\"" }, { "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

		nft_put_string(&b, rows[i].in, strlen(rows[i].in));
		if (!b.failed)
			assert_string_equal(strbuf_str(&b), rows[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocols), cmocka_unit_test(test_unknown),   cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_too_long),  cmocka_unit_test(test_read_back), cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests_name("kernel_nft_json", tests, NULL, NULL);
}
