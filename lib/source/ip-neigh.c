/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads `ip -j neigh` and `bridge -j fdb show`: which interface or bridge port an address is behind. */
#include <errno.h>

#include "ip-json-private.h"

/* "state" is an array of names; one is the rule. */
static int copy_state(struct ip_reader *r, const json_t *item, const char **ret)
{
	const char *s = json_string_value(json_array_get(json_arr(item, "state"), 0));

	*ret = arena_strdup(&r->f->arena, s ? s : json_str(item, "state"));
	return !*ret && (s || json_str(item, "state")) ? -ENOMEM : 0;
}

static int take_neigh(struct ip_reader *r, const json_t *item)
{
	struct node_neigh n = { 0 };
	int found = ip_address(r, item, "dst", &n.addr), e;

	if (found <= 0) {
		if (found == 0)
			ip_bad(r, "a neighbour has no \"dst\"");
		return 0;
	}
	/* Not a neighbour, but one that this node answers for. */
	if (json_object_get(item, "proxy"))
		return 0;
	e = ip_copy(r, item, "dev", &n.dev);
	if (e == 0)
		e = ip_copy(r, item, "lladdr", &n.mac);
	if (e == 0)
		e = copy_state(r, item, &n.state);
	return e < 0 ? e : array_push(&r->f->neigh, n);
}

int read_ip_neigh(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	struct ip_reader r = { .f = f, .file = file, .notes = notes };
	int e = ip_each(&r, data, size, take_neigh);

	if (e == 0)
		f->neigh_known = true;
	return e;
}

static int take_fdb(struct ip_reader *r, const json_t *item)
{
	const char *state = json_str(item, "state");
	struct node_fdb b = { 0 };
	int e = ip_copy(r, item, "mac", &b.mac);

	if (e == 0)
		e = ip_copy(r, item, "ifname", &b.port);
	if (e == 0)
		e = ip_copy(r, item, "master", &b.master);
	if (e < 0)
		return e;
	if (!b.mac || !b.port) {
		ip_bad(r, "an entry has no \"mac\" or no \"ifname\"");
		return 0;
	}
	if (ip_address(r, item, "dst", &b.dst) < 0)
		b.dst = (struct ip_addr){ 0 };
	b.self = ip_has_word(item, "flags", "self");
	b.permanent = state && strcmp(state, "permanent") == 0;
	return array_push(&r->f->fdb, b);
}

int read_bridge_fdb(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	struct ip_reader r = { .f = f, .file = file, .notes = notes };
	int e = ip_each(&r, data, size, take_fdb);

	if (e == 0)
		f->fdb_known = true;
	return e;
}
