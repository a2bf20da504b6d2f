/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A message of DNS: read, its chains followed, printed as dig does, and read again. */
#include <stdint.h>
#include <stdlib.h>

#include <svcdoctor/source.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_records(const struct dns_answer *a, const struct dns_record *v, size_t n)
{
	size_t len;
	bool loop;

	for (size_t i = 0; i < n; i++) {
		if (!v[i].owner || strlen(v[i].owner) > 1024 || (v[i].type == DNS_SRV && !v[i].target) || (v[i].type == DNS_A && !v[i].addr.family))
			abort();
		if (i < 8)
			(void)dns_chain_end(a, v[i].owner, &len, &loop);
	}
}

/* It is one answer again, with as many records, unless a name or text is so odd that the reader says so. */
static void read_again(const struct dns_answer *a, const struct strbuf *text)
{
	struct sd_notes notes = { 0 };
	struct snapshot s;
	struct snap_dns *d;

	snapshot_init(&s);
	d = snapshot_dns(&s, DNS_FROM_HERE, NULL, NULL, NULL);
	if (!d || read_dns_text(&s.arena, strbuf_str(text), text->len, "dns.txt", &notes, d) < 0)
		abort();
	if (!notes.len && (d->answers.len != 1 || d->answers.v[0].end != a->end || d->answers.v[0].nanswers != a->nanswers ||
			   d->answers.v[0].nauthority != a->nauthority))
		abort();
	sd_notes_release(&notes);
	snapshot_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct arena arena = { 0 };
	struct dns_answer a = { .q.port = 53 };
	int r = dns_message_read(&arena, data, size, &a);

	if ((r == 0) != (a.end == DNS_ANSWERED) || (r == SD_EPARSE) != (a.end == DNS_GARBAGE && a.why) || !a.q.name || a.nanswers > size || a.nauthority > size)
		abort();
	check_records(&a, a.answers, a.nanswers);
	check_records(&a, a.authority, a.nauthority);
	(void)dns_is_nodata(&a);
	dns_print_dig(&b, &a);
	for (size_t i = 0; i < b.len; i++) {
		if ((unsigned char)b.s[i] < ' ' && b.s[i] != '\n' && b.s[i] != '\t')
			abort();
	}
	read_again(&a, &b);
	arena_release(&arena);
	return 0;
}
