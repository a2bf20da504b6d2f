/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets, maps and verdict maps of nftables, named or written into a rule. Elements, keys and data of one set lie in one array each:
 * kube-proxy writes a map for every Service, and maps with an element for every address of every Service.
 */
#include <errno.h>

#include "nft-private.h"

/* How the elements of a set are written. */
struct form {
	enum nft_type key[RS_KEY_PARTS];
	uint8_t nkey;
	struct nft_map_of map;
};

/* ---- types ---- */

static int add_type(enum nft_type t, enum nft_type types[RS_KEY_PARTS], uint8_t *n)
{
	if (*n >= RS_KEY_PARTS)
		return SD_EPARSE;
	types[(*n)++] = t;
	return 0;
}

/* "ipv4_addr . inet_service" */
static int types_of_text(const char *s, enum nft_type types[RS_KEY_PARTS], uint8_t *n)
{
	int r = 0;

	while (r == 0) {
		size_t len = strcspn(s, " ");

		r = add_type(nft_type_by_name(s, len), types, n);
		s += len;
		if (strncmp(s, " . ", 3) != 0)
			break;
		s += 3;
	}
	return r == 0 && *s ? SD_EPARSE : r;
}

/* A type, or several: text, a list, { "typeof": expression }. 0 or SD_EPARSE. */
static int read_types(const json_t *v, enum nft_type types[RS_KEY_PARTS], uint8_t *n)
{
	const json_t *e = json_object_get(v, "typeof"), *parts = json_arr(e, "concat");
	const json_t *list = json_is_array(v) ? v : parts;
	int r = 0;

	*n = 0;
	if (json_is_string(v))
		return types_of_text(json_string_value(v), types, n);
	if (!list)
		return e ? add_type(nft_typeof(e), types, n) : SD_EPARSE;
	for (size_t i = 0; i < json_array_size(list) && r == 0; i++) {
		const json_t *t = json_array_get(list, i);

		if (parts)
			r = add_type(nft_typeof(t), types, n);
		else
			r = json_is_string(t) ? add_type(nft_type_by_name(json_string_value(t), json_string_length(t)), types, n) : SD_EPARSE;
	}
	return r == 0 && *n == 0 ? SD_EPARSE : r;
}

/* "ipv4_addr . inet_service : verdict", in the arena. */
static const char *type_text(struct nft_reader *x, const struct form *f)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	if (f->nkey == 1)
		return nft_type_name(f->key[0]);
	for (uint8_t i = 0; i < f->nkey; i++) {
		strbuf_adds(&b, i ? " . " : "");
		strbuf_adds(&b, nft_type_name(f->key[i]));
	}
	return b.failed ? NULL : arena_strdup(&x->rs->arena, strbuf_str(&b));
}

/* ---- elements ---- */

/* One value, or as many as a concatenation has, at @ret. */
static int read_values(struct nft_reader *x, const json_t *v, const enum nft_type *types, uint8_t n, struct rs_value *ret)
{
	const json_t *parts = json_arr(v, "concat");
	int r = 0;

	if (!parts)
		return n == 1 ? nft_value(x, types[0], v, ret) : SD_EPARSE;
	if (json_array_size(parts) != n)
		return SD_EPARSE;
	for (uint8_t i = 0; i < n && r == 0; i++)
		r = nft_value(x, types[i], json_array_get(parts, i), &ret[i]);
	return r;
}

int nft_verdict(struct nft_reader *x, const struct rs_table *t, const json_t *v, uint8_t *ret_kind, const struct rs_chain **slot)
{
	static const struct {
		const char *name;
		enum rs_stmt_kind kind;
	} verdicts[] = {
		{ "goto", ST_GOTO }, { "jump", ST_JUMP }, { "accept", ST_ACCEPT }, { "drop", ST_DROP }, { "return", ST_RETURN },
		{ "continue", ST_NOP }, { "queue", ST_QUEUE },
	};
	const char *name = json_string_value(v), *target;
	const json_t *arg = name ? NULL : nft_member(v, &name);

	for (size_t i = 0; name && i < ARRAY_LEN(verdicts); i++) {
		if (strcmp(verdicts[i].name, name) != 0)
			continue;
		target = json_str(arg, "target");
		*ret_kind = (uint8_t)verdicts[i].kind;
		if (verdicts[i].kind != ST_JUMP && verdicts[i].kind != ST_GOTO)
			return 0;
		return target ? nft_jump_to(x, t, target, slot) : SD_EPARSE;
	}
	return SD_EPARSE;
}

/* The key may be wrapped with what else is known of the element. */
static const json_t *unwrap(struct nft_reader *x, const json_t *key, struct rs_elem *e, int *r)
{
	const json_t *elem = json_obj(key, "elem");

	if (!elem)
		return key;
	if (json_str(elem, "comment")) {
		e->comment = nft_strdup(x, json_str(elem, "comment"));
		*r = e->comment ? 0 : -ENOMEM;
	}
	e->has_timeout = json_object_get(elem, "timeout") || json_object_get(elem, "expires");
	return json_object_get(elem, "val");
}

/* @keys, @data: where its values go. 0, SD_EPARSE, -ENOMEM. */
static int read_elem(struct nft_reader *x, const struct rs_set *s, const struct form *f, const json_t *item, struct rs_value *keys,
		     struct rs_value *data, struct rs_elem *e)
{
	bool pair = f->map.is_map && json_is_array(item) && json_array_size(item) == 2;
	const json_t *key = pair ? json_array_get(item, 0) : item;
	int r = pair == f->map.is_map ? 0 : SD_EPARSE;

	*e = (struct rs_elem){ .verdict = ST_NOP };
	key = unwrap(x, key, e, &r);
	if (r == 0 && !str_is(json_string_value(key), "*")) {
		r = read_values(x, key, f->key, f->nkey, keys);
		e->keys = keys;
	}
	if (r < 0 || !pair)
		return r;
	if (f->map.is_vmap)
		return nft_verdict(x, s->table, json_array_get(item, 1), &e->verdict, &e->target);
	if (f->map.ndata) {
		e->data = data;
		return read_values(x, json_array_get(item, 1), f->map.data, f->map.ndata, data);
	}
	return 0;
}

static int read_elems(struct nft_reader *x, struct rs_set *s, const struct form *f, const json_t *list)
{
	size_t n = json_array_size(list);
	struct rs_elem *elems = arena_array(&x->rs->arena, struct rs_elem, n);
	struct rs_value *keys = arena_array(&x->rs->arena, struct rs_value, n * f->nkey);
	struct rs_value *data = f->map.ndata ? arena_array(&x->rs->arena, struct rs_value, n * f->map.ndata) : NULL;

	if (!elems || !keys || (f->map.ndata && !data))
		return -ENOMEM;
	s->elems = elems;
	for (size_t i = 0; i < n; i++) {
		size_t jumps = x->jumps.len;
		int r = read_elem(x, s, f, json_array_get(list, i), &keys[s->nelems * f->nkey], data ? data + s->nelems * f->map.ndata : NULL,
				  &elems[s->nelems]);

		if (r == -ENOMEM)
			return r;
		/* The next element takes the place of one that could not be read. */
		if (r < 0)
			x->jumps.len = jumps;
		s->partly |= r < 0;
		s->nelems += r == 0;
	}
	return 0;
}

static struct rs_set *new_set(struct nft_reader *x, const struct rs_table *t, const struct form *f)
{
	struct rs_set *s = arena_new(&x->rs->arena, struct rs_set);

	if (!s)
		return NULL;
	s->backend = BACKEND_NFT;
	s->family = t->family;
	s->table = t;
	s->type = type_text(x, f);
	s->line = x->line;
	s->nfields = f->nkey;
	s->ndata = f->map.ndata;
	s->is_map = f->map.is_vmap || f->map.ndata; /* which counter or quota it names is not asked */
	s->is_vmap = f->map.is_vmap;
	for (uint8_t i = 0; i < f->nkey; i++)
		s->part_kinds[i] = (uint8_t)nft_kind(f->key[i]);
	for (uint8_t i = 0; i < f->map.ndata; i++)
		s->data_kinds[i] = (uint8_t)nft_kind(f->map.data[i]);
	return s->type ? s : NULL;
}

/* ---- named sets ---- */

/* What a map gives: "verdict", types, or the name of a kind of object, such as "counter". */
static int read_map_type(const json_t *o, struct form *f)
{
	static const char *const objects[] = { "counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation", "secmark", "synproxy" };
	const json_t *map = json_object_get(o, "map");
	const char *word = json_string_value(map);

	f->map.is_map = true;
	f->map.is_vmap = str_is(word, "verdict");
	for (size_t i = 0; word && i < ARRAY_LEN(objects); i++)
		if (strcmp(objects[i], word) == 0)
			return 0;
	return f->map.is_vmap ? 0 : read_types(map, f->map.data, &f->map.ndata);
}

static int keep_set(struct nft_reader *x, struct rs_set *s, const char *name)
{
	const char *key = nft_name_key(x, s->table, "set", name);
	int r;

	s->name = nft_strdup(x, name);
	if (!key || !s->name)
		return -ENOMEM;
	if (map_gets(&x->sets, key)) {
		nft_note(x, "double", "set '%s' of table '%s' is there twice; the first one is used", name, s->table->name);
		return 0;
	}
	r = map_puts(&x->sets, key, s);
	return r < 0 ? r : array_push(&x->rs->sets, s);
}

int nft_set_object(struct nft_reader *x, const json_t *o, bool is_map)
{
	const char *name = json_str(o, "name");
	const json_t *flags = json_object_get(o, "flags"), *elems = json_object_get(o, "elem");
	struct form f = { 0 };
	struct rs_set *s;
	int r;

	if (!name || read_types(json_object_get(o, "type"), f.key, &f.nkey) < 0 || (is_map && read_map_type(o, &f) < 0)) {
		nft_note(x, "bad-value", "%s '%s' of table '%s' has no type that can be read", is_map ? "map" : "set", name ? name : "",
			 x->table->name);
		return 0;
	}
	s = new_set(x, x->table, &f);
	if (!s)
		return -ENOMEM;
	s->dynamic = nft_has_word(flags, "timeout") || nft_has_word(flags, "dynamic") || json_object_get(o, "timeout");
	s->partly = elems && !json_is_array(elems);
	r = json_is_array(elems) ? read_elems(x, s, &f, elems) : 0;
	if (r == 0 && s->partly)
		nft_note(x, "bad-value", "some elements of %s '%s' of table '%s' cannot be read", is_map ? "map" : "set", name, x->table->name);
	return r < 0 ? r : keep_set(x, s, name);
}

/* ---- lookups ---- */

static struct rs_lookup *new_lookup(struct nft_reader *x, const struct nft_key *k)
{
	struct rs_lookup *l = arena_new(&x->rs->arena, struct rs_lookup);
	struct rs_selector *parts = arena_array(&x->rs->arena, struct rs_selector, k->n);

	if (!l || !parts)
		return NULL;
	for (uint8_t i = 0; i < k->n; i++) {
		parts[i] = k->part[i].sel;
		/* All of a status: it has bits that svcdoctor does not follow. */
		if (k->part[i].type == NFT_CT_STATUS && parts[i].mask == UINT32_MAX)
			parts[i].field = FIELD_OPAQUE;
	}
	l->parts = parts;
	l->nparts = k->n;
	return l;
}

static void form_of_key(const struct nft_key *k, struct form *f)
{
	f->nkey = k->n;
	for (uint8_t i = 0; i < k->n; i++)
		f->key[i] = k->part[i].type;
}

static int anonymous(struct nft_reader *x, const struct nft_key *k, const json_t *list, const struct nft_map_of *map, struct rs_lookup *l)
{
	struct form f = { .map = *map };
	struct rs_set *s;
	int r;

	form_of_key(k, &f);
	s = new_set(x, x->table, &f);
	if (!s)
		return -ENOMEM;
	r = read_elems(x, s, &f, list);
	if (r == 0 && s->partly)
		nft_note(x, "bad-value", "some elements of a set in a rule of chain '%s' of table '%s' cannot be read", x->chain ? x->chain->name : "",
			 x->table->name);
	l->set = s;
	return r < 0 ? r : array_push(&x->rs->sets, s);
}

int nft_lookup(struct nft_reader *x, const struct nft_key *key, const json_t *set, const struct nft_map_of *map, bool changes,
	       struct rs_lookup **ret)
{
	const char *name = json_string_value(set);
	const json_t *list = json_arr(set, "set");
	struct rs_lookup *l;
	int r;

	if (!list && !(name && name[0] == '@'))
		return SD_EPARSE;
	l = new_lookup(x, key);
	if (!l)
		return -ENOMEM;
	if (list) {
		r = anonymous(x, key, list, map, l);
	} else {
		l->name = nft_strdup(x, name + 1);
		r = l->name ? array_push(&x->lookups, ((struct nft_named){ .lookup = l, .table = x->table, .changes = changes })) : -ENOMEM;
	}
	if (r == 0)
		*ret = l;
	return r;
}

int nft_range_lookup(struct nft_reader *x, const struct nft_key *key, struct rs_value v, struct rs_lookup **ret)
{
	struct form f = { 0 };
	struct rs_elem *e = arena_new(&x->rs->arena, struct rs_elem);
	struct rs_value *value = arena_new(&x->rs->arena, struct rs_value);
	struct rs_lookup *l = new_lookup(x, key);
	struct rs_set *s;

	form_of_key(key, &f);
	s = new_set(x, x->table, &f);
	if (!e || !value || !l || !s)
		return -ENOMEM;
	*value = v;
	*e = (struct rs_elem){ .keys = value, .verdict = ST_NOP };
	s->elems = e;
	s->nelems = 1;
	l->set = s;
	*ret = l;
	return array_push(&x->rs->sets, s);
}

int nft_number_map(struct nft_reader *x, const struct nft_key *key, struct rs_lookup **ret)
{
	const struct rs_selector *sel = &key->part[0].sel;
	struct form f = { .map = { .data = { NFT_MARK }, .ndata = 1, .is_map = true } };
	struct rs_elem *e = arena_array(&x->rs->arena, struct rs_elem, sel->mod);
	struct rs_value *values = arena_array(&x->rs->arena, struct rs_value, sel->mod);
	struct rs_lookup *l = new_lookup(x, key);
	struct rs_set *s;

	form_of_key(key, &f);
	s = new_set(x, x->table, &f);
	if (!e || !values || !l || !s)
		return -ENOMEM;
	for (uint32_t i = 0; i < sel->mod; i++) {
		values[i].u.num = (struct rs_u32_range){ sel->offset + i, sel->offset + i };
		e[i] = (struct rs_elem){ .keys = &values[i], .data = &values[i], .verdict = ST_NOP };
	}
	s->elems = e;
	s->nelems = sel->mod;
	l->set = s;
	*ret = l;
	return array_push(&x->rs->sets, s);
}

int nft_settle_sets(struct nft_reader *x)
{
	for (size_t i = 0; i < x->lookups.len; i++) {
		const struct nft_named *n = &x->lookups.v[i];
		const char *key = nft_name_key(x, n->table, "set", n->lookup->name);
		struct rs_set *s;

		if (!key)
			return -ENOMEM;
		s = map_gets(&x->sets, key);
		n->lookup->set = s;
		if (s && n->changes)
			s->dynamic = true;
		if (s && n->nat)
			n->nat->addr_map_has_port = s->ndata == 2;
	}
	return 0;
}
