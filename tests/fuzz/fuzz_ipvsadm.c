/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipvsadm text of any kind, whole and cut, alone and as the second of two; every virtual server that was read must be found by its key,
 * and a server must have a method and a weight that is no less than zero.
 */
#include <errno.h>

#include <svcdoctor/source.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char OTHER[] = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 3\n";

static void check(const struct ruleset *rs)
{
	for (size_t i = 0; i < rs->servers.len; i++) {
		const struct rs_virtual_server *s = rs->servers.v[i];
		const struct rs_virtual_server *found = s->fwmark ? ruleset_find_mark_server(rs, s->addr.family, s->fwmark) :
								    ruleset_find_server(rs, s->proto, &s->addr, s->port);

		if (found != s || !s->text || !s->scheduler)
			abort();
		for (size_t k = 0; k < s->nservers; k++)
			if (!s->servers[k].method || s->servers[k].weight < 0 || !s->servers[k].addr.family)
				abort();
	}
}

static void read_it(const char *text, size_t size, const char *before)
{
	struct ruleset rs;
	struct sd_notes notes = { 0 };
	struct ipvs_text t;

	ruleset_init(&rs);
	if (before && read_ipvsadm(&rs, before, strlen(before), "before", false, &notes, &t) < 0)
		abort();
	if (read_ipvsadm(&rs, text, size, "fuzz", size % 2, &notes, &t) != -ENOMEM && ruleset_finish(&rs) == 0)
		check(&rs);
	ruleset_release(&rs);
	sd_notes_release(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	copy[size] = '\0';
	read_it(copy, size, NULL);
	read_it(copy, size, OTHER);
	free(copy);
	return 0;
}
