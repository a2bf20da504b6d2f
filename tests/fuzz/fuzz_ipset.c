/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `ipset save` text of any kind, whole and cut; every set is asked in every direction, and the projection on the source
 * must agree with the lookup.
 */
#include <netinet/in.h>

#include <svcdoctor/source.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool in_ranges(const struct rs_ranges *l, const struct ip_addr *a)
{
	for (size_t i = 0; i < l->len; i++)
		if (ip_addr_cmp(&l->v[i].lo, a) <= 0 && ip_addr_cmp(a, &l->v[i].hi) <= 0)
			return true;
	return false;
}

static void ask(const struct rs_set *s, const struct ip_addr *src, const struct ip_addr *dst, unsigned dirs)
{
	struct rs_set_ref ref = { .name = s->name, .set = s, .nfields = 3, .return_nomatch = dirs & 8 };
	struct rs_set_packet p = { .src = *src, .dst = *dst, .src_known = true, .proto = dirs & 16 ? IPPROTO_TCP : IPPROTO_ICMP,
				   .icmp_type = 8, .sport = 80, .dport = 443, .mark = 1, .iif = "eth0", .oif = "" };
	struct rs_set_sources out;
	enum rs_answer a;
	bool state;

	for (unsigned i = 0; i < 3; i++)
		ref.dst[i] = dirs & 1u << i;
	a = rs_set_has(&ref, &p, &state);
	if (rs_set_project(&ref, &p, 10000, &out) < 0)
		return;
	if (in_ranges(&out.in, src) != (a == RS_YES) || in_ranges(&out.unknown, src) != (a == RS_UNKNOWN))
		abort();
	array_free(&out.in);
	array_free(&out.unknown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip_addr a4 = { .family = AF_INET, .b = { 10, 0, 0, 1 } }, b4 = { .family = AF_INET, .b = { 10, 96, 0, 1 } };
	struct ip_addr a6 = { .family = AF_INET6, .b = { 0xfd } }, b6 = { .family = AF_INET6, .b = { 0xfd, [15] = 1 } };
	struct ruleset rs;
	struct sd_notes notes = { 0 };
	struct ipset_text text;
	char *copy = malloc(size + 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	copy[size] = '\0';
	ruleset_init(&rs);
	if (read_ipset(&rs, copy, size, "fuzz", size % 2, &notes, &text) == 0 && ruleset_finish(&rs) == 0) {
		for (size_t i = 0; i < rs.sets.len && i < 32; i++) {
			for (unsigned dirs = 0; dirs < 32; dirs++) {
				ask(rs.sets.v[i], &a4, &b4, dirs);
				ask(rs.sets.v[i], &b6, &a6, dirs);
			}
		}
	}
	ruleset_release(&rs);
	sd_notes_release(&notes);
	free(copy);
	return 0;
}
