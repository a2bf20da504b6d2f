/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of ip_set's dump of any kind. What becomes of them is lines of `ipset save` and nothing else, twice the same; what could not be
 * shown is not whole for the reader of that. A file: for each message its size in four bytes, as the processor has them, and what stands
 * behind its struct nfgenmsg, filled up to four bytes.
 */
#include <errno.h>

#include <svcdoctor/source.h>

#include "lib/kernel/ipset-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int one_message(struct ipset_reading *r, const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1); /* aligned, and of that size */
	int res;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	res = ipset_message(r, copy, size);
	free(copy);
	return res;
}

static int all_messages(struct ipset_reading *r, const uint8_t *data, size_t size)
{
	int res = 0;

	while (res == 0 && size >= 4) {
		uint32_t n;

		memcpy(&n, data, 4);
		data += 4;
		size -= 4;
		n = (uint32_t)MIN(n, size);
		res = one_message(r, data, n);
		n = (uint32_t)MIN((n + 3u) & ~3u, size);
		data += n;
		size -= n;
	}
	return res;
}

static void lines_only(const struct strbuf *text)
{
	const char *p = strbuf_str(text);

	while (*p) {
		const char *end = strchr(p, '\n');

		if (!end || (!str_starts(p, "create ") && !str_starts(p, "add ")))
			abort();
		for (; p < end; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				abort();
		p = end + 1;
	}
	if (strlen(strbuf_str(text)) != text->len)
		abort();
}

static void read_back(const struct ipset_reading *r)
{
	struct ruleset rs;
	struct sd_notes notes = { 0 };
	struct ipset_text text;
	bool unsure;

	ruleset_init(&rs);
	if (read_ipset(&rs, strbuf_str(r->text), r->text->len, "fuzz", false, &notes, &text) == 0) {
		unsure = text.damaged;
		for (size_t i = 0; i < rs.sets.len; i++)
			unsure = unsure || !rs.sets.v[i]->ipset || rs.sets.v[i]->ipset->damaged;
		if ((r->not_shown && !unsure) || text.sets > r->sets.len)
			abort();
	}
	ruleset_release(&rs);
	sd_notes_release(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf texts[2] = { STRBUF_INIT, STRBUF_INIT };
	struct ipset_reading once = { .text = &texts[0] }, again = { .text = &texts[1] };
	int r = all_messages(&once, data, size);

	lines_only(once.text);
	read_back(&once);
	if (all_messages(&again, data, size) != r || strcmp(strbuf_str(once.text), strbuf_str(again.text)) != 0 || !ipset_same(&once, &again) ||
	    !ipset_same_but_passing(&once, &again))
		abort();
	ipset_reading_release(&once);
	ipset_reading_release(&again);
	strbuf_release(&texts[0]);
	strbuf_release(&texts[1]);
	return 0;
}
