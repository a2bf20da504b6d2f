/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attributes of a rule of nf_tables, as a message has them: whatever they are, what is printed is JSON, and one rule for the reader of
 * `nft -j list ruleset`.
 */
#include <linux/netfilter/nfnetlink.h>

#include <svcdoctor/source.h>

#include "lib/kernel/nft-json-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nft_set sets[] = {
	{ .name = "s", .key_type = DT_IPADDR, .key_len = 4 },
	{ .name = "m", .flags = NFT_SET_MAP, .key_type = DT_IPADDR << 6 | DT_INET_SERVICE, .key_len = 8, .data_type = DT_MARK, .data_len = 4 },
	{ .name = "__set0", .flags = NFT_SET_ANONYMOUS, .key_type = DT_INET_SERVICE, .key_len = 2 },
	{ .name = "__map0", .flags = NFT_SET_ANONYMOUS | NFT_SET_MAP, .key_type = DT_INTEGER, .key_len = 4, .data_type = NFT_DATA_VERDICT },
};

static void read_back(const struct strbuf *out, uint8_t family)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct sd_notes notes = { 0 };
	struct nft_text t;
	struct ruleset rs;

	strbuf_addf(&b, "{\"nftables\": [{\"table\": {\"family\": \"%s\", \"name\": \"t\"}}, ", nft_family_name(family));
	strbuf_add(&b, strbuf_str(out), out->len);
	strbuf_adds(&b, "]}");
	ruleset_init(&rs);
	if (read_nft(&rs, b.s, b.len, "fuzz", &notes, &t) != 0 || ruleset_finish(&rs) != 0 || rs.nrules > 1)
		abort();
	ruleset_release(&rs);
	sd_notes_release(&notes);
}

static void print(struct nft_json *j, uint8_t *message, uint8_t family)
{
	struct nft_table t = { .family = family, .name = "t" };
	struct jset described[ARRAY_LEN(sets)] = { 0 };
	struct jworker workers[CREW_SIZE] = { { .sock = NFT_SOCK_INIT }, { .sock = NFT_SOCK_INIT } };
	CLEANUP(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct nft_dump d = { 0 };

	*j = (struct nft_json){ .d = &d, .workers = workers, .sets = described, .out = &out, .table = &t, .first = true };
	j->rule.j = j;
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		sets[i].table = &t;
		described[i].set = &sets[i];
		nft_describe_set(&described[i]);
		if (nft_remember_set(j, &described[i]) < 0)
			abort();
	}
	(void)nft_scan_rule(j, (const struct nlmsghdr *)(const void *)message);
	if (nft_json_rule(j, (const struct nlmsghdr *)(const void *)message) == 0)
		read_back(&out, family);
	map_release(&j->by_name);
	strbuf_release(&j->rule.scratch);
	arena_release(&d.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t families[] = { 1, 2, 10, 7 };
	const size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	struct nlmsghdr h = { .nlmsg_len = (uint32_t)(head + size), .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE };
	struct nft_json *j = calloc(1, sizeof(*j));
	uint8_t *message = size <= UINT16_MAX ? calloc(1, head + size) : NULL;

	if (message && j) {
		memcpy(message, &h, sizeof(h));
		if (size)
			memcpy(message + head, data, size);
		for (size_t i = 0; i < ARRAY_LEN(families); i++)
			print(j, message, families[i]);
	}
	free(message);
	free(j);
	return 0;
}
