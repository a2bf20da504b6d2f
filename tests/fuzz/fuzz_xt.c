/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structs of xtables as the kernel might hand them out: "NAME REVISION\n" and bytes, both as a match and as a target of both families, at
 * the size that they have and at that of the row. What comes out is one line, in which the reader of iptables-save finds one rule.
 */
#include <svcdoctor/source.h>

#include "lib/kernel/xt-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(const struct strbuf *b, bool ip6)
{
	struct ruleset rs;
	struct sd_notes notes = { 0 };
	struct xtables_text ret;

	ruleset_init(&rs);
	if (read_xtables(&rs, b->s, b->len, ip6, BACKEND_LEGACY, "fuzz", &notes, &ret) == 0 && (ret.rules != 1 || ret.damaged))
		abort();
	ruleset_release(&rs);
	sd_notes_release(&notes);
}

static void print(const char *name, unsigned revision, const void *data, size_t size, bool target, bool ip6)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct xt_rule_context c = { .ip6 = ip6, .is_target = target };
	size_t before;
	bool ok;

	strbuf_adds(&b, "*mangle\n:X - [0:0]\n-A X");
	before = b.len;
	ok = target ? xt_print_target(&b, &c, name, revision, data, size) : xt_print_match(&b, &c, name, revision, data, size);
	if (!ok && b.len != before)
		abort();
	if (!ok)
		xt_print_unknown(&b, target, name, revision, data, size);
	if (b.failed || memchr(b.s + before, '\n', b.len - before) || memchr(b.s + before, '\0', b.len - before))
		abort();
	strbuf_adds(&b, target ? "\nCOMMIT\n" : " -j DROP\nCOMMIT\n");
	read_back(&b, ip6);
}

/* The size that the table expects, so that bytes alone decide. */
static size_t row_size(const char *name, unsigned revision, bool target, bool ip6)
{
	size_t len;
	const struct xt_row *rows = target ? xt_target_rows(&len) : xt_match_rows(&len);

	for (size_t i = 0; i < len; i++)
		if (strcmp(rows[i].name, name) == 0 && rows[i].revision == revision &&
		    (rows[i].family == NFPROTO_UNSPEC || (rows[i].family == NFPROTO_IPV6) == ip6))
			return rows[i].size;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', MIN(size, 40u)) : NULL;
	char name[29] = { 0 }, *padded;
	unsigned revision;
	size_t len = 0;

	if (!end)
		return 0;
	while (data + len < end && data[len] != ' ' && data[len] && len < sizeof(name) - 1) {
		name[len] = (char)data[len];
		len++;
	}
	revision = data + len + 1 < end ? (unsigned)data[len + 1] - '0' : 0;
	size -= (size_t)(end + 1 - data);
	data = end + 1;
	padded = calloc(1, size + 8192);
	if (!padded)
		return 0;
	if (size)
		memcpy(padded, data, size);
	for (unsigned i = 0; i < 4; i++) {
		print(name, revision & 255, padded, size, i & 1, i & 2);
		print(name, revision & 255, padded, row_size(name, revision & 255, i & 1, i & 2), i & 1, i & 2);
	}
	free(padded);
	return 0;
}
