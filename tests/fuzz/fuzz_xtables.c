/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iptables-save text of any kind: as IPv4 and as IPv6, once and as two dumps into one ruleset, which is then
 * finished and
 * searched through its indexes.
 */
#include <svcdoctor/source.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void search(const struct rs_chain *c)
{
	struct ip_addr a4 = { .family = AF_INET, .b = { 10, 96, 0, 1 } }, a6 = { .family = AF_INET6, .b = { 0xfd } };

	for (uint32_t i = 0; i < c->nrules; i++) {
		uint32_t next = chain_next_candidate(c, c->table->family == RS_IP6 ? &a6 : &a4,
				i % 3 ? IPPROTO_TCP : IPPROTO_ICMP, 80, i);

		if (next < i || next > c->nrules || c->rules[i]->index != i + 1 || c->rules[i]->chain != c)
			abort();
	}
}

static size_t count_unknown(const struct ruleset *rs)
{
	size_t n = 0, total = 0;

	for (size_t t = 0; t < rs->tables.len; t++) {
		const struct rs_table *table = rs->tables.v[t];

		for (size_t i = 0; i < table->chain_list.len; i++) {
			const struct rs_chain *c = table->chain_list.v[i];

			search(c);
			total += c->nrules;
			for (uint32_t k = 0; k < c->nrules; k++)
				n += c->rules[k]->unknown;
		}
	}
	if (total != rs->nrules)
		abort();
	return n;
}

static void read_as(const char *text, size_t size, bool ip6, unsigned times)
{
	struct ruleset rs;
	struct sd_notes notes = { 0 };
	struct xtables_text ret;

	ruleset_init(&rs);
	for (unsigned i = 0; i < times; i++)
		(void)read_xtables(&rs, text, size, ip6, BACKEND_LEGACY, "fuzz", &notes, &ret);
	if (ruleset_finish(&rs) == 0 && count_unknown(&rs) != rs.nunknown)
		abort();
	ruleset_release(&rs);
	sd_notes_release(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	read_as(text, size, false, 1);
	read_as(text, size, true, 1);
	read_as(text, size, false, 2);
	free(text);
	return 0;
}
