/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output of DNS tools of any kind. Whatever it is, an answer has a question with a name, and every record an owner and the value of its type. */
#include <errno.h>
#include <netinet/in.h>

#include <svcdoctor/source.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_value(const struct dns_record *r)
{
	switch (r->type) {
	case DNS_A:
	case DNS_AAAA:
		return r->addr.family == (r->type == DNS_A ? AF_INET : AF_INET6);
	case DNS_CNAME:
	case DNS_DNAME:
	case DNS_NS:
	case DNS_PTR:
	case DNS_SRV:
	case DNS_SOA:
		return r->target;
	default:
		return r->text;
	}
}

static void check(const struct dns_answer *a)
{
	size_t len;
	bool loop;

	if (!a->q.name || !a->q.type || !a->file || !a->line || (unsigned)a->end >= DNS_ENDS || strlen(a->q.name) > 1020)
		abort();
	for (size_t i = 0; i < a->nanswers; i++)
		if (!a->answers[i].owner || !has_value(&a->answers[i]))
			abort();
	for (size_t i = 0; i < a->nauthority; i++)
		if (!a->authority[i].owner || !has_value(&a->authority[i]))
			abort();
	if (!dns_chain_end(a, a->q.name, &len, &loop))
		abort();
	(void)dns_is_nodata(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct sd_notes notes = { 0 };
	struct snap_dns dns = { 0 };

	if (read_dns_text(&arena, (const char *)data, size, "fuzz", &notes, &dns) == 0)
		for (size_t i = 0; i < dns.answers.len; i++)
			check(&dns.answers.v[i]);
	array_free(&dns.answers);
	sd_notes_release(&notes);
	arena_release(&arena);
	return 0;
}
