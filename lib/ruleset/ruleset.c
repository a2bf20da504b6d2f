/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ruleset grows here: tables, chains, rules in order, the base chains of xtables, and the last step that joins what
 * readers of different files brought (ipsets named by rules, chains that are jumped to, indexes).
 */
#include <errno.h>

#include "ruleset-private.h"

void ruleset_init(struct ruleset *rs)
{
	*rs = (struct ruleset){ 0 };
}

void ruleset_release(struct ruleset *rs)
{
	if (!rs)
		return;
	for (size_t i = 0; i < rs->tables.len; i++) {
		free(rs->tables.v[i]->slots);
		array_free(&rs->tables.v[i]->chain_list);
	}
	for (size_t i = 0; i < rs->buffers.len; i++)
		free(rs->buffers.v[i]);
	map_release(&rs->table_map);
	map_release(&rs->server_index.by_key);
	array_free(&rs->buffers);
	array_free(&rs->tables);
	array_free(&rs->sets);
	array_free(&rs->servers);
	array_free(&rs->shorts);
	arena_release(&rs->arena);
	*rs = (struct ruleset){ 0 };
}

int ruleset_own_buffer(struct ruleset *rs, char *data)
{
	return array_push(&rs->buffers, data);
}

/* Backend, family and name as one string: the key of table_map. */
static void table_key(struct strbuf *key, enum rs_backend b, enum rs_family f, const char *name)
{
	strbuf_addf(key, "%d %d %s", (int)b, (int)f, name);
}

static struct rs_table *find_table(const struct ruleset *rs, enum rs_backend b, enum rs_family f, const char *name)
{
	/* A handful as a rule: no key needs to be made. */
	if (rs->tables.len <= 16) {
		for (size_t i = 0; i < rs->tables.len; i++) {
			struct rs_table *t = rs->tables.v[i];

			if (t->backend == b && t->family == f && strcmp(t->name, name) == 0)
				return t;
		}
		return NULL;
	}
	CLEANUP(strbuf_release) struct strbuf key = STRBUF_INIT;

	table_key(&key, b, f, name);
	return key.failed ? NULL : map_get(&rs->table_map, key.s, key.len);
}

struct rs_table *ruleset_table(struct ruleset *rs, enum rs_backend b, enum rs_family f, const char *name, bool xtables)
{
	CLEANUP(strbuf_release) struct strbuf key = STRBUF_INIT;
	struct rs_table *t = find_table(rs, b, f, name);
	char *copy;

	if (t)
		return t;
	table_key(&key, b, f, name);
	t = arena_new(&rs->arena, struct rs_table);
	copy = key.failed ? NULL : arena_strndup(&rs->arena, key.s, key.len);
	if (!t || !copy)
		return NULL;
	t->backend = b;
	t->family = f;
	t->name = copy + key.len - strlen(name);
	t->xtables = xtables;
	if (map_put(&rs->table_map, copy, key.len, t) < 0 || array_push(&rs->tables, t) < 0)
		return NULL;
	return t;
}

const struct rs_table *ruleset_find_table(const struct ruleset *rs, enum rs_backend b, enum rs_family f,
					  const char *name)
{
	return find_table(rs, b, f, name);
}

/* ---- chains by name ---- */

/* The slot that holds the name or is free for it. */
static struct rs_slot *chain_slot(const struct rs_table *t, const char *name, size_t name_len, uint32_t hash)
{
	for (uint32_t i = hash & (t->nslots - 1);; i = (i + 1) & (t->nslots - 1)) {
		struct rs_slot *slot = &t->slots[i];
		const struct rs_chain *c;

		if (!slot->position)
			return slot;
		if (slot->hash != hash)
			continue;
		c = t->chain_list.v[slot->position - 1];
		if (c->name_len == name_len && memcmp(c->name, name, name_len) == 0)
			return slot;
	}
}

static int grow_slots(struct rs_table *t)
{
	uint32_t n = t->nslots ? t->nslots * 2 : 16;
	struct rs_slot *slots = n > t->nslots ? calloc(n, sizeof(*slots)) : NULL;

	if (!slots)
		return -ENOMEM;
	for (uint32_t k = 0; k < t->nslots; k++) {
		uint32_t i = t->slots[k].hash & (n - 1);

		while (slots[i].position)
			i = (i + 1) & (n - 1);
		if (t->slots[k].position)
			slots[i] = t->slots[k];
	}
	free(t->slots);
	t->slots = slots;
	t->nslots = n;
	return 0;
}

/* The name lies behind the chain: whoever compares it has just looked at the hash. */
static struct rs_chain *new_chain(struct ruleset *rs, struct rs_table *t, const char *name, size_t name_len)
{
	struct rs_chain *c = name_len <= UINT16_MAX ? arena_alloc(&rs->arena, sizeof(*c) + name_len + 1) : NULL;

	if (!c)
		return NULL;
	c->name = memcpy(c + 1, name, name_len);
	c->name_len = (uint16_t)name_len;
	c->table = t;
	c->hook = HOOK_NONE;
	return c;
}

struct rs_chain *table_chain(struct ruleset *rs, struct rs_table *t, const char *name, size_t name_len)
{
	uint32_t hash = hash_bytes(name, name_len);
	struct rs_slot *slot;
	struct rs_chain *c;

	if ((t->chain_list.len + 1) * 4 > (size_t)t->nslots * 3 && grow_slots(t) < 0)
		return NULL;
	slot = chain_slot(t, name, name_len, hash);
	if (slot->position)
		return t->chain_list.v[slot->position - 1];
	c = new_chain(rs, t, name, name_len);
	if (!c || array_push(&t->chain_list, c) < 0)
		return NULL;
	*slot = (struct rs_slot){ hash, (uint32_t)t->chain_list.len };
	return c;
}

ssize_t table_chain_position(const struct rs_table *t, const char *name, size_t name_len)
{
	return t->nslots ? (ssize_t)chain_slot(t, name, name_len, hash_bytes(name, name_len))->position - 1 : -1;
}

const struct rs_chain *table_find_chain(const struct rs_table *t, const char *name)
{
	ssize_t i = table_chain_position(t, name, strlen(name));

	return i < 0 ? NULL : t->chain_list.v[i];
}

/* Where the name most likely is: the first slot of its hash. */
static const struct rs_slot *first_slot(const struct rs_table *t, const struct rs_chain_lookup *l)
{
	return &t->slots[l->hash & (t->nslots - 1)];
}

void table_find_chains(const struct rs_table *t, struct rs_chain_lookup *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		v[i].hash = hash_bytes(v[i].name, v[i].name_len);
		v[i].chain = NULL;
		if (t->nslots)
			__builtin_prefetch(first_slot(t, &v[i]));
	}
	for (size_t i = 0; t->nslots && i < n; i++)
		if (first_slot(t, &v[i])->position)
			__builtin_prefetch(&t->chain_list.v[first_slot(t, &v[i])->position - 1]);
	/* A chain and its name have a hundred bytes. */
	for (size_t i = 0; t->nslots && i < n; i++) {
		if (first_slot(t, &v[i])->position) {
			const char *c = (const char *)t->chain_list.v[first_slot(t, &v[i])->position - 1];

			__builtin_prefetch(c + 64);
			__builtin_prefetch(c + sizeof(struct rs_chain) + 24);
		}
	}
	for (size_t i = 0; t->nslots && i < n; i++) {
		const struct rs_slot *slot = chain_slot(t, v[i].name, v[i].name_len, v[i].hash);

		if (slot->position)
			v[i].chain = t->chain_list.v[slot->position - 1];
	}
}

/* ---- rules ---- */

/*
 * Exactly as much as the first rules need, which are all of them as a rule. Later the array grows within the arena: what
 * is left behind is at most as large as what is kept.
 */
static int chain_room(struct ruleset *rs, struct rs_chain *c, uint32_t n)
{
	uint32_t cap = c->nrules + n;
	struct rs_rule **rules;

	if (cap < n)
		return -ENOMEM;
	if (cap <= c->rules_cap)
		return 0;
	if (c->nrules)
		cap = MAX(cap, c->rules_cap > UINT32_MAX / 2 ? UINT32_MAX : c->rules_cap * 2);
	rules = arena_array(&rs->arena, struct rs_rule *, cap);
	if (!rules)
		return -ENOMEM;
	if (c->nrules)
		memcpy(rules, c->rules, c->nrules * sizeof(*rules));
	c->rules = rules;
	c->rules_cap = cap;
	return 0;
}

int chain_append_all(struct ruleset *rs, struct rs_chain *c, struct rs_rule *const *rules, uint32_t n)
{
	int res = chain_room(rs, c, n);

	if (res < 0)
		return res;
	for (uint32_t i = 0; i < n; i++) {
		c->rules[c->nrules++] = rules[i];
		rules[i]->chain = c;
		rules[i]->index = c->nrules;
		rs->nunknown += rules[i]->unknown;
	}
	rs->nrules += n;
	return 0;
}

int chain_append(struct ruleset *rs, struct rs_chain *c, struct rs_rule *r)
{
	return chain_append_all(rs, c, &r, 1);
}

/* The hooks of the tables: net/ipv4/netfilter/iptable_*.c and nf_nat_proto.c; the priorities: netfilter_ipv4.h. */
static const struct {
	const char *table;
	unsigned hooks;
	int priority;
} xtables_bases[] = {
#define H(h) (1u << HOOK_##h)
	{ "raw", H(PREROUTING) | H(OUTPUT), PRIO_RAW },
	{ "mangle", H(PREROUTING) | H(INPUT) | H(FORWARD) | H(OUTPUT) | H(POSTROUTING), PRIO_MANGLE },
	{ "nat", H(PREROUTING) | H(INPUT) | H(OUTPUT) | H(POSTROUTING), PRIO_NAT_DST },
	{ "filter", H(INPUT) | H(FORWARD) | H(OUTPUT), PRIO_FILTER },
	{ "security", H(INPUT) | H(FORWARD) | H(OUTPUT), PRIO_SECURITY },
#undef H
};

bool chain_set_xtables_base(struct rs_chain *c)
{
	const char *table = c->table->name;

	for (size_t i = 0; i < ARRAY_LEN(xtables_bases); i++) {
		if (strcmp(xtables_bases[i].table, table) != 0)
			continue;
		for (int h = 0; h < HOOK_COUNT; h++) {
			if (!(xtables_bases[i].hooks & 1u << h) || strcmp(rs_hook_name((enum rs_hook)h), c->name) != 0)
				continue;
			c->hook = (enum rs_hook)h;
			c->type = CHAIN_FILTER;
			c->priority = xtables_bases[i].priority;
			if (c->priority == PRIO_NAT_DST) {
				c->type = CHAIN_NAT;
				if (h == HOOK_INPUT || h == HOOK_POSTROUTING)
					c->priority = PRIO_NAT_SRC;
			} else if (c->priority == PRIO_MANGLE && h == HOOK_OUTPUT) {
				c->type = CHAIN_ROUTE;
			} else if (c->priority == PRIO_SECURITY && c->table->backend == BACKEND_NFT) {
				c->priority = PRIO_SECURITY_NFT;
			}
			return true;
		}
	}
	return false;
}

static void mark_targets(const struct rs_stmt *s)
{
	if (s->kind == ST_JUMP || s->kind == ST_GOTO) {
		if (!s->u.target)
			return;
		rs_writable(struct rs_chain, s->u.target)->referenced = true;
		/* Of a chain that comes later it is not known yet: then it is walked. */
		rs_writable(struct rs_stmt, s)->short_cut = s->u.target->short_cut;
	} else if (s->kind == ST_VMAP && s->u.lookup->set) {
		for (size_t i = 0; i < s->u.lookup->set->nelems; i++)
			if (s->u.lookup->set->elems[i].target)
				rs_writable(struct rs_chain, s->u.lookup->set->elems[i].target)->referenced = true;
	}
}

/* A statement that does something stands before a condition. */
static bool is_staged(const struct rs_rule *r)
{
	for (unsigned i = 0; i < r->nstmts; i++)
		if (r->stmts[i].after < r->nconds && r->stmts[i].kind != ST_NOP)
			return true;
	return false;
}

static int finish_chain(struct ruleset *rs, struct rs_chain *c)
{
	for (uint32_t i = 0; i < c->nrules; i++) {
		struct rs_rule *r = c->rules[i];

		if (!c->table->xtables) {
			rule_note_sets(r);
			r->staged = is_staged(r);
		}
		for (unsigned k = 0; k < r->nstmts; k++)
			mark_targets(&r->stmts[k]);
		r->remembers = rule_remembers(r);
		r->acts = r->remembers || rule_acts(r);
	}
	return chain_shorten(rs, c) < 0 ? -ENOMEM : chain_build_index(rs, c);
}

/* Where the table stands among all, whatever was read first. Native tables of nft stay behind, in their own order. */
static unsigned rank_of(const struct rs_table *t)
{
	if (t->backend != BACKEND_LEGACY && !t->xtables)
		return 4;
	return (t->backend == BACKEND_LEGACY ? 0 : 2) + (t->family == RS_IP4 ? 0 : 1);
}

static int order_tables(struct ruleset *rs)
{
	struct rs_table **sorted = rs->tables.len ? malloc(rs->tables.len * sizeof(struct rs_table *)) : NULL;
	size_t n = 0;

	if (rs->tables.len && !sorted)
		return -ENOMEM;
	for (unsigned rank = 0; rank <= 4; rank++)
		for (size_t i = 0; i < rs->tables.len; i++)
			if (rank_of(rs->tables.v[i]) == rank)
				sorted[n++] = rs->tables.v[i];
	if (n > 0)
		memcpy(rs->tables.v, sorted, n * sizeof(struct rs_table *));
	free(sorted);
	return 0;
}

int ruleset_finish(struct ruleset *rs)
{
	CLEANUP(map_release) struct map ipsets = { 0 };
	int r = 0;

	if (rs->finished)
		return 0;
	r = order_tables(rs);
	if (r == 0)
		r = ruleset_mark_inert(rs);
	for (size_t i = 0; i < rs->sets.len && r == 0; i++) {
		struct rs_set *s = rs->sets.v[i];

		if (s->backend == BACKEND_LEGACY && s->name && !map_gets(&ipsets, s->name))
			r = map_puts(&ipsets, s->name, s);
	}
	if (r == 0)
		r = ruleset_join_sets(rs, &ipsets);
	for (size_t i = 0; i < rs->tables.len; i++) {
		struct rs_table *t = rs->tables.v[i];

		for (size_t k = 0; k < t->chain_list.len && r == 0; k++)
			r = finish_chain(rs, t->chain_list.v[k]);
	}
	for (size_t i = 0; i < rs->sets.len && r == 0; i++)
		if (rs->sets.v[i]->table)
			r = ruleset_index_set(rs, rs->sets.v[i]);
	if (r == 0)
		r = ruleset_index_servers(rs);
	rs->finished = r == 0;
	return r;
}
