/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two texts of one node's IPVS: `ipvsadm -Sn` says what there is, `ipvsadm -ln` how many connections each server has. Where
 * they say different things the node was changed between the two, and a note tells it.
 */
#include <errno.h>

#include "ipvsadm-private.h"

void ipvs_list_release(struct ipvs_list *l)
{
	for (size_t i = 0; i < l->v.len; i++)
		array_free(&l->v.v[i].real);
	array_free(&l->v);
	free(l->buckets);
}

static uint32_t bucket_of(const struct ipvs_list *l, const struct rs_virtual_server *s)
{
	uint32_t h = s->fwmark ? s->fwmark ^ s->addr.family : hash_bytes(s->addr.b, sizeof(s->addr.b)) ^ (uint32_t)(s->proto << 16 | s->port);

	return (h * 0x9e3779b1u >> 8) & (l->nbuckets - 1);
}

uint32_t ipvs_list_find(const struct ipvs_list *l, const struct rs_virtual_server *s)
{
	for (uint32_t i = l->nbuckets ? l->buckets[bucket_of(l, s)] : 0; i; i = l->v.v[i - 1].next)
		if (rs_same_server(l->v.v[i - 1].s, s))
			return i - 1;
	return IPVS_NONE;
}

static int grow(struct ipvs_list *l)
{
	uint32_t n = l->nbuckets ? l->nbuckets * 4 : 64;
	uint32_t *buckets = calloc(n, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	free(l->buckets);
	l->buckets = buckets;
	l->nbuckets = n;
	for (uint32_t i = 0; i < l->v.len; i++) {
		uint32_t b = bucket_of(l, l->v.v[i].s);

		l->v.v[i].next = l->buckets[b];
		l->buckets[b] = i + 1;
	}
	return 0;
}

int ipvs_list_add(struct ipvs_list *l, struct rs_virtual_server *s)
{
	struct ipvs_entry e = { .s = s };
	uint32_t b;

	if (l->v.len >= l->nbuckets && grow(l) < 0)
		return -ENOMEM;
	b = bucket_of(l, s);
	e.next = l->buckets[b];
	if (array_push(&l->v, e) < 0)
		return -ENOMEM;
	l->buckets[b] = (uint32_t)l->v.len;
	return 0;
}

/* ---- two files ---- */

struct difference {
	size_t n;
	const char *first; /* the first virtual server that differs */
};

static void differ(struct difference *d, const struct rs_virtual_server *s)
{
	if (d->n++ == 0)
		d->first = s->text;
}

static bool same_server(const struct rs_real_server *a, const struct rs_real_server *b)
{
	return ip_addr_equal(&a->addr, &b->addr) && a->port == b->port;
}

#define SEARCH_MAX 4096u /* servers of one virtual server that are looked through */

/* Both texts have them in one order as a rule: @hint. */
static const struct rs_real_server *find_real(const struct rs_virtual_server *s, const struct rs_real_server *r, size_t hint)
{
	if (hint < s->nservers && same_server(&s->servers[hint], r))
		return &s->servers[hint];
	for (size_t i = 0; i < MIN(s->nservers, SEARCH_MAX); i++)
		if (same_server(&s->servers[i], r))
			return &s->servers[i];
	return NULL;
}

/* Connections of @list's servers are noted in @save's. False: the two are not alike. */
static bool join_one(struct ruleset *rs, struct rs_virtual_server *save, const struct rs_virtual_server *list, int *ret_error)
{
	struct rs_real_server *v = arena_array(&rs->arena, struct rs_real_server, save->nservers);
	bool same = str_same(save->scheduler, list->scheduler) && save->persistent == list->persistent && save->nservers == list->nservers;

	if (!v) {
		*ret_error = -ENOMEM;
		return true;
	}
	for (size_t i = 0; i < save->nservers; i++) {
		const struct rs_real_server *l = find_real(list, &save->servers[i], i);

		v[i] = save->servers[i];
		same = same && l && l->weight == v[i].weight && (l->method == v[i].method || l->method == 'l');
		if (!l)
			continue;
		v[i].active = l->active;
		v[i].inactive = l->inactive;
		v[i].has_conns = true;
	}
	save->servers = v;
	return same;
}

static void note_difference(const struct difference *d, const char *what, const char *file, struct sd_notes *notes)
{
	char more[48] = "";

	if (d->n == 0)
		return;
	if (d->n > 1)
		snprintf(more, sizeof(more), " and %zu more", d->n - 1);
	sd_note_add(notes, false, "changed-between", file, 0, 0, "dump both again, one right after the other",
		    "%s '%s'%s: `ipvsadm -Sn` and `ipvsadm -ln` of this node do not agree, and the former is used", what, d->first, more);
}

static int compare(struct ruleset *rs, struct ipvs_list *save, struct ipvs_list *list, const char *file, struct sd_notes *notes)
{
	struct difference only_save = { 0 }, only_list = { 0 }, unlike = { 0 };
	int error = 0;

	for (size_t i = 0; i < save->v.len; i++) {
		uint32_t at = ipvs_list_find(list, save->v.v[i].s);

		if (at == IPVS_NONE)
			differ(&only_save, save->v.v[i].s);
		else if (!join_one(rs, save->v.v[i].s, list->v.v[at].s, &error))
			differ(&unlike, save->v.v[i].s);
	}
	for (size_t i = 0; i < list->v.len; i++)
		if (ipvs_list_find(save, list->v.v[i].s) == IPVS_NONE)
			differ(&only_list, list->v.v[i].s);
	note_difference(&only_save, "only `ipvsadm -Sn` has", file, notes);
	note_difference(&only_list, "only `ipvsadm -ln` has", file, notes);
	note_difference(&unlike, "they describe differently", file, notes);
	return error;
}

static int take_over(struct ruleset *rs, const struct ipvs_list *l)
{
	rs->servers.len = 0;
	for (size_t i = 0; i < l->v.len; i++)
		if (array_push(&rs->servers, l->v.v[i].s) < 0)
			return -ENOMEM;
	return 0;
}

int ipvs_join(struct ruleset *rs, struct ipvs_list *l, const char *file, struct sd_notes *notes, bool *ret_twice)
{
	CLEANUP(ipvs_list_release) struct ipvs_list before = { 0 };
	struct ipvs_list *save, *list;
	int r;

	*ret_twice = rs->server_forms & l->form;
	if (*ret_twice)
		return 0;
	for (size_t i = 0; i < rs->servers.len; i++)
		if (ipvs_list_add(&before, rs->servers.v[i]) < 0)
			return -ENOMEM;
	save = l->form == IPVS_FORM_SAVE ? l : &before;
	list = save == l ? &before : l;
	/* One of the two may have failed, and says nothing then. */
	if (save->v.len == 0 || list->v.len == 0)
		r = take_over(rs, save->v.len ? save : list);
	else
		r = compare(rs, save, list, file, notes) < 0 || take_over(rs, save) < 0 ? -ENOMEM : 0;
	rs->server_forms |= l->form;
	return r;
}
