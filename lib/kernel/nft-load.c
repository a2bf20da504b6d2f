/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is in nf_tables: tables, chains and sets, without rules and elements. */
#include <errno.h>

#include <netinet/in.h>

#include <linux/netfilter.h>

#include "nft-dump-private.h"

/* Bytes that stay. */
static struct nft_attr keep(struct nft_dump *d, struct nft_attr a, bool *failed)
{
	char *p = a.p ? arena_strndup(&d->arena, (const char *)a.p, a.size) : NULL;

	*failed |= a.p && !p;
	return (struct nft_attr){ (const uint8_t *)p, p ? a.size : 0 };
}

static const char *keep_name(struct nft_dump *d, struct nft_attr a, bool *failed)
{
	const char *s = nft_str(a);
	char *copy = arena_strdup(&d->arena, s);

	*failed |= s && !copy;
	return copy;
}

/*
 * While the kernel takes away what a transaction has removed, a dump can list other objects twice: its first part does not count what is no
 * longer valid, the next one does (nf_tables_dump_tables and its like, up to 6.18 at least). The generation does not change meanwhile.
 * Objects of a table come in the order of their handles; only one that does not is looked for.
 */
static bool chain_again(struct nft_dump *d, const struct nft_chain *c)
{
	bool newer = c->handle > c->table->last_chain;

	for (size_t i = 0; !newer && i < d->chains.len; i++)
		if (d->chains.v[i]->table == c->table && d->chains.v[i]->handle == c->handle)
			return true;
	c->table->last_chain = MAX(c->table->last_chain, c->handle);
	return false;
}

static bool set_again(struct nft_dump *d, const struct nft_set *s)
{
	bool newer = s->handle > s->table->last_set;

	for (size_t i = 0; !newer && i < d->sets.len; i++)
		if (d->sets.v[i]->table == s->table && d->sets.v[i]->handle == s->handle)
			return true;
	s->table->last_set = MAX(s->table->last_set, s->handle);
	return false;
}

static struct nft_table *table_of(struct nft_dump *d, uint8_t family, const char *name);

/* ---- tables ---- */

static int on_table(void *arg, const struct nlmsghdr *h)
{
	struct nft_dump *d = arg;
	struct nft_attr a[NFTA_TABLE_USERDATA + 1];
	struct nft_table *t = arena_new(&d->arena, struct nft_table), *same;
	bool failed = !t;

	if (!t)
		return -ENOMEM;
	if (!nft_message(h, &t->family, a, ARRAY_LEN(a)) || !nft_str(a[NFTA_TABLE_NAME])) {
		d->damaged = true;
		return 0;
	}
	t->name = keep_name(d, a[NFTA_TABLE_NAME], &failed);
	t->flags = nft_u32(a[NFTA_TABLE_FLAGS], 0);
	t->use = nft_u32(a[NFTA_TABLE_USE], 0);
	t->handle = nft_u64(a[NFTA_TABLE_HANDLE], 0);
	t->comment = keep(d, a[NFTA_TABLE_USERDATA], &failed);
	same = table_of(d, t->family, t->name);
	if (same)
		return same->handle == t->handle ? 0 : -EINTR;
	return failed ? -ENOMEM : array_push(&d->tables, t);
}

/* The last one found most often is the one. */
static struct nft_table *table_of(struct nft_dump *d, uint8_t family, const char *name)
{
	if (!name)
		return NULL;
	if (d->last && d->last->family == family && strcmp(d->last->name, name) == 0)
		return d->last;
	for (size_t i = 0; i < d->tables.len; i++) {
		d->last = d->tables.v[i];
		if (d->last->family == family && strcmp(d->last->name, name) == 0)
			return d->last;
	}
	return d->last = NULL;
}

/* ---- chains ---- */

static bool read_hook(struct nft_dump *d, struct nft_chain *c, struct nft_attr hook, bool *failed)
{
	struct nft_attr a[NFTA_HOOK_DEVS + 1];

	if (!nft_nested(hook, a, ARRAY_LEN(a)))
		return false;
	c->has_hook = hook.p;
	c->hooknum = nft_u32(a[NFTA_HOOK_HOOKNUM], 0);
	c->prio = (int32_t)nft_u32(a[NFTA_HOOK_PRIORITY], 0);
	c->devs = keep(d, a[NFTA_HOOK_DEVS].p ? a[NFTA_HOOK_DEVS] : a[NFTA_HOOK_DEV], failed);
	return true;
}

static int on_chain(void *arg, const struct nlmsghdr *h)
{
	struct nft_dump *d = arg;
	struct nft_attr a[NFTA_CHAIN_USERDATA + 1];
	struct nft_chain *c = arena_new(&d->arena, struct nft_chain);
	uint8_t family;
	bool failed = !c;

	if (!c)
		return -ENOMEM;
	if (!nft_message(h, &family, a, ARRAY_LEN(a)) || !nft_str(a[NFTA_CHAIN_NAME]) || !read_hook(d, c, a[NFTA_CHAIN_HOOK], &failed)) {
		d->damaged = true;
		return failed ? -ENOMEM : 0;
	}
	c->table = table_of(d, family, nft_str(a[NFTA_CHAIN_TABLE]));
	c->name = keep_name(d, a[NFTA_CHAIN_NAME], &failed);
	c->type = keep_name(d, a[NFTA_CHAIN_TYPE], &failed);
	c->has_policy = a[NFTA_CHAIN_POLICY].p;
	c->policy = nft_u32(a[NFTA_CHAIN_POLICY], NF_ACCEPT);
	c->flags = nft_u32(a[NFTA_CHAIN_FLAGS], 0);
	c->use = nft_u32(a[NFTA_CHAIN_USE], 0);
	c->handle = nft_u64(a[NFTA_CHAIN_HANDLE], 0);
	c->userdata = keep(d, a[NFTA_CHAIN_USERDATA], &failed);
	/* A table that came between the two dumps: the generation tells. */
	if (!c->table)
		return failed ? -ENOMEM : -EINTR;
	if (chain_again(d, c))
		return 0;
	c->table->users += c->use;
	return failed ? -ENOMEM : array_push(&d->chains, c);
}

/* ---- sets ---- */

/* How long the parts of a concatenation are; nothing where it has no ranges. */
static void read_fields(struct nft_set *s, struct nft_attr desc)
{
	struct nft_attr a[NFTA_SET_DESC_CONCAT + 1], field, len[NFTA_SET_FIELD_LEN + 1];
	const uint8_t *p, *end;
	uint16_t type;

	if (!nft_nested(desc, a, ARRAY_LEN(a)))
		return;
	s->size = nft_u32(a[NFTA_SET_DESC_SIZE], 0);
	p = a[NFTA_SET_DESC_CONCAT].p;
	end = p ? p + a[NFTA_SET_DESC_CONCAT].size : NULL;
	while (p && s->nfields < ARRAY_LEN(s->fields) && nft_attr_next(&p, end, &type, &field))
		if (nft_nested(field, len, ARRAY_LEN(len)))
			s->fields[s->nfields++] = (uint8_t)MIN(nft_u32(len[NFTA_SET_FIELD_LEN], 0), 255u);
}

static void read_set(struct nft_dump *d, struct nft_set *s, const struct nft_attr *a, bool *failed)
{
	s->name = keep_name(d, a[NFTA_SET_NAME], failed);
	s->flags = nft_u32(a[NFTA_SET_FLAGS], 0);
	s->key_type = nft_u32(a[NFTA_SET_KEY_TYPE], 0);
	s->key_len = nft_u32(a[NFTA_SET_KEY_LEN], 0);
	s->data_type = nft_u32(a[NFTA_SET_DATA_TYPE], 0);
	s->data_len = nft_u32(a[NFTA_SET_DATA_LEN], 0);
	s->obj_type = nft_u32(a[NFTA_SET_OBJ_TYPE], 0);
	s->policy = nft_u32(a[NFTA_SET_POLICY], 0);
	s->gc_interval = nft_u32(a[NFTA_SET_GC_INTERVAL], 0);
	s->timeout = nft_u64(a[NFTA_SET_TIMEOUT], 0);
	s->handle = nft_u64(a[NFTA_SET_HANDLE], 0);
	s->userdata = keep(d, a[NFTA_SET_USERDATA], failed);
	s->expr = keep(d, a[NFTA_SET_EXPR], failed);
	s->exprs = keep(d, a[NFTA_SET_EXPRESSIONS], failed);
	read_fields(s, a[NFTA_SET_DESC]);
}

static int on_set(void *arg, const struct nlmsghdr *h)
{
	struct nft_dump *d = arg;
	struct nft_attr a[NFTA_SET_EXPRESSIONS + 1];
	struct nft_set *s = arena_new(&d->arena, struct nft_set);
	uint8_t family;
	bool failed = !s;

	if (!s)
		return -ENOMEM;
	if (!nft_message(h, &family, a, ARRAY_LEN(a)) || !nft_str(a[NFTA_SET_NAME])) {
		d->damaged = true;
		return 0;
	}
	s->table = table_of(d, family, nft_str(a[NFTA_SET_TABLE]));
	if (!s->table)
		return -EINTR;
	read_set(d, s, a, &failed);
	if (set_again(d, s))
		return 0;
	return failed ? -ENOMEM : array_push(&d->sets, s);
}

/* ---- all together ---- */

int nft_dump_load(struct nft_dump *d, struct nft_sock *s)
{
	int r = nft_ask(s, &(struct nft_ask){ .type = NFT_MSG_GETTABLE }, on_table, d);

	if (r == 0)
		r = nft_ask(s, &(struct nft_ask){ .type = NFT_MSG_GETCHAIN }, on_chain, d);
	/* A kernel answers for one family or for all; the names of tables are not asked for. */
	return r == 0 ? nft_ask(s, &(struct nft_ask){ .type = NFT_MSG_GETSET }, on_set, d) : r;
}

void nft_dump_release(struct nft_dump *d)
{
	array_free(&d->tables);
	array_free(&d->chains);
	array_free(&d->sets);
	arena_release(&d->arena);
	*d = (struct nft_dump){ 0 };
}
