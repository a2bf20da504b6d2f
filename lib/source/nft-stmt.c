/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statements of nftables: verdicts, marks, limits, sets that a rule changes, and what has no effect on where a packet ends.
 * What is not known becomes an unknown statement with its text.
 */
#include <errno.h>

#include "nft-private.h"

/* ---- verdicts ---- */

static int verdict(struct nft_reader *x, const json_t *s)
{
	struct rs_stmt *slot;
	uint8_t kind;
	int r;

	/* The target may be found at the end only: the slot must be where it stays, so the rule is told when it is there. */
	r = nft_add_stmt(x, (struct rs_stmt){ .kind = ST_NOP });
	if (r < 0 || x->too_long)
		return r;
	slot = &x->stmts.v[x->stmts.len - 1];
	r = nft_verdict(x, x->table, s, &kind, &slot->u.target);
	if (r == SD_EPARSE) {
		x->stmts.len--;
		return nft_add_text_stmt(x, ST_UNKNOWN);
	}
	slot->kind = kind;
	if (kind == ST_NOP || kind == ST_QUEUE)
		slot->u.text = kind == ST_NOP ? "continue" : "queue";
	return r;
}

static int vmap(struct nft_reader *x, const json_t *arg)
{
	static const struct nft_map_of of = { .is_map = true, .is_vmap = true };
	struct rs_stmt s = { .kind = ST_VMAP };
	struct rs_lookup *l;
	struct nft_key k;
	int r = nft_key(x, json_object_get(arg, "key"), &k);

	if (r == 0)
		r = nft_lookup(x, &k, json_object_get(arg, "data"), &of, false, &l);
	if (r < 0)
		return r == SD_EPARSE ? nft_add_text_stmt(x, ST_UNKNOWN) : r;
	s.u.lookup = l;
	return nft_add_stmt(x, s);
}

/* ---- marks ---- */

enum source { FROM_NOTHING, FROM_MARK, FROM_CT_MARK };

/* (mark & mask) ^ flip of one of the two marks, or a constant. */
struct bits {
	enum source from;
	uint32_t mask, flip;
};

static bool is_key(const json_t *e, const char *kind, const char *key)
{
	return str_is(json_str(json_obj(e, kind), "key"), key);
}

static int constant(struct nft_reader *x, const json_t *v, uint32_t *ret)
{
	struct rs_value value;
	int r = nft_value(x, NFT_MARK, v, &value);

	if (r == 0 && value.u.num.lo != value.u.num.hi)
		r = SD_EPARSE;
	if (r == 0)
		*ret = value.u.num.lo;
	return r;
}

static int combine(struct bits *b, const char *op, uint32_t v)
{
	if (strcmp(op, "&") == 0) {
		b->mask &= v;
		b->flip &= v;
	} else if (strcmp(op, "|") == 0) {
		b->mask &= ~v;
		b->flip |= v;
	} else if (strcmp(op, "^") == 0) {
		b->flip ^= v;
	} else {
		return SD_EPARSE;
	}
	return 0;
}

static int read_bits(struct nft_reader *x, const json_t *v, unsigned depth, struct bits *ret)
{
	const char *op;
	const json_t *args;
	int r;

	*ret = (struct bits){ FROM_NOTHING, 0, 0 };
	if (is_key(v, "meta", "mark") || is_key(v, "ct", "mark")) {
		*ret = (struct bits){ is_key(v, "meta", "mark") ? FROM_MARK : FROM_CT_MARK, UINT32_MAX, 0 };
		return 0;
	}
	if (!json_is_object(v))
		return constant(x, v, &ret->flip);
	args = nft_member(v, &op);
	if (!json_is_array(args) || json_array_size(args) < 2 || depth > NFT_DEPTH_MAX)
		return SD_EPARSE;
	r = read_bits(x, json_array_get(args, 0), depth + 1, ret);
	for (size_t i = 1; i < json_array_size(args) && r == 0; i++) {
		uint32_t n;

		r = constant(x, json_array_get(args, i), &n);
		if (r == 0)
			r = combine(ret, op, n);
	}
	return r;
}

static int add_bits(struct nft_reader *x, enum rs_stmt_kind kind, uint32_t value, uint32_t mask)
{
	struct rs_stmt s = { .kind = (uint8_t)kind };

	s.u.bits.value = value;
	s.u.bits.mask = mask;
	return nft_add_stmt(x, s);
}

/* From the other mark: it is copied under the mask, and then flipped. */
static int copy_mark(struct nft_reader *x, bool to_ct, const struct bits *b)
{
	int r = to_ct ? add_bits(x, ST_CONNMARK_SAVE, UINT32_MAX, b->mask) : add_bits(x, ST_CONNMARK_RESTORE, b->mask, UINT32_MAX);

	return r == 0 && b->flip ? add_bits(x, to_ct ? ST_CONNMARK : ST_MARK, b->flip, 0) : r;
}

static int mark_map(struct nft_reader *x, const json_t *map)
{
	static const struct nft_map_of of = { .data = { NFT_MARK }, .ndata = 1, .is_map = true };
	struct rs_stmt s = { .kind = ST_MARK_MAP };
	struct rs_lookup *l;
	struct nft_key k;
	int r = nft_key(x, json_object_get(map, "key"), &k);

	if (r == 0)
		r = nft_lookup(x, &k, json_object_get(map, "data"), &of, false, &l);
	if (r < 0)
		return r;
	s.u.lookup = l;
	return nft_add_stmt(x, s);
}

/* A number made up for the packet becomes its mark. */
static int mark_number(struct nft_reader *x, const json_t *value)
{
	struct rs_stmt s = { .kind = ST_MARK_MAP };
	struct rs_lookup *l;
	struct nft_key k;
	int r = nft_key(x, value, &k);

	if (r == 0 && (k.n != 1 || k.part[0].sel.mod == 0 || k.part[0].sel.mod > NFT_NUMBERS_MAX || k.part[0].sel.flip ||
		       k.part[0].sel.mask != UINT32_MAX))
		r = SD_EPARSE;
	if (r == 0)
		r = nft_number_map(x, &k, &l);
	if (r < 0)
		return r;
	s.u.lookup = l;
	return nft_add_stmt(x, s);
}

static int set_mark(struct nft_reader *x, bool ct, const json_t *value)
{
	struct bits b;
	int r;

	if (json_obj(value, "map"))
		return ct ? SD_EPARSE : mark_map(x, json_obj(value, "map"));
	if (!ct && (json_obj(value, "numgen") || json_obj(value, "jhash") || json_obj(value, "symhash")))
		return mark_number(x, value);
	r = read_bits(x, value, 0, &b);
	if (r < 0)
		return r;
	if (b.from != FROM_NOTHING && (b.from == FROM_CT_MARK) != ct)
		return copy_mark(x, ct, &b);
	return add_bits(x, ct ? ST_CONNMARK : ST_MARK, b.flip, ~b.mask);
}

/* A packet whose time to live is set to 0 or 1 does not get through this node. */
static bool kills(const json_t *key, const json_t *value)
{
	const char *field = json_str(json_obj(key, "payload"), "field");

	return (str_is(field, "ttl") || str_is(field, "hoplimit")) && (!json_is_integer(value) || json_integer_value(value) < 2);
}

/* What is written, and matters to nobody who asks where the packet ends. */
static bool is_harmless(const json_t *key)
{
	static const struct {
		const char *kind, *name; /* NULL: any */
	} rows[] = {
		{ "meta", "nftrace" }, { "meta", "priority" }, { "meta", "pkttype" }, { "meta", "secmark" },
		{ "ct", "label" }, { "ct", "event" }, { "ct", "helper" }, { "ct", "secmark" }, { "payload", "dscp" }, { "payload", "ecn" },
		{ "payload", "ttl" }, { "payload", "hoplimit" }, { "payload", "id" }, { "payload", "flowlabel" }, { "payload", "checksum" },
		{ "payload", "pcp" }, { "payload", "window" }, { "tcp option", NULL }, { "ip option", NULL },
	};
	const char *kind;
	const json_t *arg = nft_member(key, &kind);
	const char *name = json_str(arg, "key") ? json_str(arg, "key") : json_str(arg, "field");

	for (size_t i = 0; arg && i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].kind, kind) == 0 && (!rows[i].name || str_is(name, rows[i].name)))
			return true;
	return arg && (str_is(json_str(arg, "protocol"), "ether") || str_is(json_str(arg, "protocol"), "vlan"));
}

static int mangle(struct nft_reader *x, const json_t *arg)
{
	const json_t *key = json_object_get(arg, "key"), *value = json_object_get(arg, "value");
	int r = SD_EPARSE;

	if (key && value && (is_key(key, "meta", "mark") || is_key(key, "ct", "mark")))
		r = set_mark(x, is_key(key, "ct", "mark"), value);
	else if (is_key(key, "ct", "zone"))
		return nft_add_text_stmt(x, ST_ZONE);
	else if (is_harmless(key) && !kills(key, value))
		return nft_add_text_stmt(x, ST_NOP);
	return r == SD_EPARSE ? nft_add_text_stmt(x, ST_UNKNOWN) : r;
}

/* ---- limits and counters ---- */

/* Below every limit the first packet goes on, or with "over" does not: lib/nat/match.c */
static int limit(struct nft_reader *x, const char *kind, const json_t *arg)
{
	enum rs_field field = strcmp(kind, "limit") == 0 ? FIELD_LIMIT : strcmp(kind, "quota") == 0 ? FIELD_QUOTA : FIELD_CT_COUNT;
	const char *key, *object;

	if (!json_is_string(arg))
		return nft_add_text_cond(x, json_object_get(arg, "map") ? FIELD_OPAQUE : field, json_tri(arg, "inv") > 0);
	key = nft_name_key(x, x->table, kind, json_string_value(arg));
	if (!key)
		return -ENOMEM;
	object = map_gets(&x->objects, key);
	return nft_add_text_cond(x, object ? field : FIELD_OPAQUE, str_is(object, "inv"));
}

/* A counter for each key: what is not in the map ends the rule (net/netfilter/nft_objref.c). */
static int counter_map(struct nft_reader *x, const json_t *map)
{
	static const struct nft_map_of of = { .is_map = true };
	struct rs_cond c = { .field = FIELD_LOOKUP, .op = OP_LOOKUP };
	struct rs_lookup *l;
	struct nft_key k;
	int r = nft_key(x, json_object_get(map, "key"), &k);

	if (r == 0)
		r = nft_lookup(x, &k, json_object_get(map, "data"), &of, false, &l);
	if (r < 0)
		return r == SD_EPARSE ? nft_add_text_cond(x, FIELD_OPAQUE, false) : r;
	c.u.lookup = l;
	return nft_add_cond(x, c);
}

static int counter(struct nft_reader *x, const json_t *arg)
{
	int64_t packets, bytes;

	if (json_obj(arg, "map"))
		return counter_map(x, json_obj(arg, "map"));
	if (!x->has_counters && json_int(arg, "packets", &packets) && json_int(arg, "bytes", &bytes)) {
		x->has_counters = true;
		x->counters = (struct rs_counters){ (uint64_t)packets, (uint64_t)bytes };
	}
	return 0;
}

static bool is_limit(const char *kind)
{
	return strcmp(kind, "limit") == 0 || strcmp(kind, "quota") == 0 || strcmp(kind, "ct count") == 0;
}

/* Statements that run for an element which a rule has just put in: a limit among them can end the rule. */
static int inner(struct nft_reader *x, const json_t *stmts)
{
	size_t n = json_is_array(stmts) ? json_array_size(stmts) : stmts ? 1 : 0;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const char *kind;
		const json_t *arg = nft_member(json_is_array(stmts) ? json_array_get(stmts, i) : stmts, &kind);

		if (arg && is_limit(kind))
			r = limit(x, kind, arg);
		else if (!arg || (strcmp(kind, "counter") != 0 && strcmp(kind, "last") != 0))
			r = nft_add_text_cond(x, FIELD_OPAQUE, false);
	}
	return r;
}

/* ---- sets ---- */

static int update(struct nft_reader *x, const json_t *arg, bool is_map)
{
	struct nft_map_of of = { .is_map = is_map };
	const json_t *elem = json_object_get(arg, "elem"), *wrapped = json_obj(elem, "elem");
	struct rs_update *u = arena_new(&x->rs->arena, struct rs_update);
	struct rs_stmt s = { .kind = ST_UPDATE };
	const json_t *set = json_object_get(arg, is_map && !json_object_get(arg, "set") ? "map" : "set");
	struct rs_lookup *l;
	struct nft_key k;
	int r = u ? nft_key(x, wrapped ? json_object_get(wrapped, "val") : elem, &k) : -ENOMEM;

	if (r == 0)
		r = json_is_string(set) ? nft_lookup(x, &k, set, &of, true, &l) : SD_EPARSE;
	if (r < 0)
		return r == SD_EPARSE ? nft_add_text_stmt(x, ST_UNKNOWN) : r;
	u->key = *l;
	u->is_delete = str_is(json_str(arg, "op"), "delete");
	/* The set that was meant is known at the end. */
	x->lookups.v[x->lookups.len - 1].lookup = &u->key;
	s.u.update = u;
	r = nft_add_stmt(x, s);
	return r < 0 ? r : inner(x, json_object_get(arg, "stmt"));
}

static int set_update(struct nft_reader *x, const json_t *arg)
{
	return update(x, arg, false);
}

static int map_update(struct nft_reader *x, const json_t *arg)
{
	return update(x, arg, true);
}

/* Nobody else can ask the set of a meter. */
static int meter(struct nft_reader *x, const json_t *arg)
{
	struct nft_key k;
	int r = nft_key(x, json_object_get(arg, "key"), &k);

	if (r == SD_EPARSE)
		return nft_add_text_cond(x, FIELD_OPAQUE, false);
	return r < 0 ? r : inner(x, json_object_get(arg, "stmt"));
}

/* ---- iptables' extensions ---- */

static bool is_harmless_target(const char *name)
{
	static const char *const names[] = { "LOG", "NFLOG", "TRACE", "CHECKSUM", "CLASSIFY", "TCPMSS", "AUDIT", "TOS", "DSCP", "TEE", "IDLETIMER" };

	for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* nft knows at most the name of a match or target of iptables. */
static int xt(struct nft_reader *x, const json_t *arg)
{
	const char *type = json_str(arg, "type"), *name = json_str(arg, "name");

	if (str_is(name, "comment"))
		return 0;
	if (str_is(type, "target") || str_is(type, "watcher"))
		return nft_add_text_stmt(x, is_harmless_target(name) ? ST_NOP : ST_UNKNOWN);
	x->wants_verdict |= !str_is(type, "match");
	return nft_add_text_cond(x, FIELD_OPAQUE, false);
}

/* ---- all together ---- */

static int nat(struct nft_reader *x, const char *kind, const json_t *arg)
{
	static const struct {
		const char *name;
		enum rs_stmt_kind kind;
	} rows[] = { { "dnat", ST_DNAT }, { "snat", ST_SNAT }, { "masquerade", ST_MASQUERADE }, { "redirect", ST_REDIRECT } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, kind) == 0)
			return nft_nat_statement(x, rows[i].kind, arg);
	return SD_EPARSE;
}

/* Statements of which the text is enough. */
static int by_text(struct nft_reader *x, const char *kind)
{
	static const struct {
		const char *name;
		enum rs_stmt_kind kind;
	} rows[] = {
		{ "log", ST_NOP }, { "dup", ST_NOP }, { "flow", ST_NOP }, { "secmark", ST_NOP }, { "ct helper", ST_NOP }, { "ct timeout", ST_NOP },
		{ "ct expectation", ST_NOP }, { "last", ST_NOP }, { "notrack", ST_NOTRACK }, { "tproxy", ST_TPROXY }, { "synproxy", ST_SYNPROXY },
		{ "queue", ST_QUEUE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, kind) == 0)
			return nft_add_text_stmt(x, rows[i].kind);
	x->wants_verdict = true;
	return nft_add_text_cond(x, FIELD_OPAQUE, false);
}

/*
 * nft gives as text what it has no JSON for, such as what a rule puts into a map (until 1.0.7): "add @m { ip saddr : 5 }".
 * Which key that is does not matter: from now on it is not known what the map holds.
 */
static int as_text(struct nft_reader *x, const char *s)
{
	static const struct nft_key none = { .n = 0 };
	const char *at = strchr(s, '@');
	size_t len = at ? strcspn(at, " ") : 0;
	bool change = str_starts(s, "add @") || str_starts(s, "update @") || str_starts(s, "delete @");
	struct rs_lookup *l;
	json_t *name;
	int r;

	if (!change || strstr(s, "limit ") || strstr(s, "ct count") || strstr(s, "quota ") || len < 2)
		return SD_EPARSE;
	name = json_stringn(at, len);
	r = name ? nft_lookup(x, &none, name, &(struct nft_map_of){ .is_map = true }, true, &l) : -ENOMEM;
	json_decref(name);
	return r < 0 ? r : nft_add_text_stmt(x, ST_NOP);
}

static bool is_verdict(const char *kind)
{
	static const char *const names[] = { "jump", "goto", "accept", "drop", "return", "continue" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], kind) == 0)
			return true;
	return false;
}

int nft_statement(struct nft_reader *x, const json_t *s)
{
	static const struct {
		const char *kind;
		int (*read)(struct nft_reader *x, const json_t *arg);
	} rows[] = {
		{ "match", nft_match }, { "vmap", vmap },  { "mangle", mangle }, { "set", set_update }, { "map", map_update },
		{ "counter", counter }, { "meter", meter }, { "reject", nft_reject_statement }, { "xt", xt },
	};
	const char *kind = json_string_value(s); /* a bare word, as in nft's own examples */
	const json_t *arg = kind ? NULL : nft_member(s, &kind);
	int r;

	x->stmt = s;
	if (!kind) {
		x->wants_verdict = true;
		return nft_add_text_cond(x, FIELD_OPAQUE, false);
	}
	if (is_verdict(kind))
		return verdict(x, s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].kind, kind) == 0)
			return rows[i].read(x, arg);
	if (is_limit(kind))
		return limit(x, kind, arg);
	r = arg ? nat(x, kind, arg) : as_text(x, kind);
	return r == SD_EPARSE ? by_text(x, kind) : r;
}
