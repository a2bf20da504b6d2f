/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `nft -j list ruleset`: one JSON object after the other, tables before chains, chains before rules; but maps name chains that
 * come later, and so they are looked for again at the end.
 */
#include <errno.h>
#include <limits.h>

#include "nft-private.h"

void nft_note(struct nft_reader *x, const char *code, const char *fmt, ...)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	va_list ap;

	x->ret->damaged = true;
	if (++x->nnotes > NFT_NOTES_MAX)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	sd_note_add(x->notes, true, code, x->file, x->line, 0, NULL, "%s%s", strbuf_str(&b),
		    x->nnotes == NFT_NOTES_MAX ? " (and more)" : "");
}

const char *nft_name_key(struct nft_reader *x, const struct rs_table *t, const char *kind, const char *name)
{
	return arena_printf(&x->names, "%s %s %zu %s %s", rs_family_name(t->family), kind, strlen(t->name), t->name, name);
}

/* ---- tables ---- */

static bool is_xtables_name(const char *name)
{
	static const char *const names[] = { "raw", "mangle", "nat", "filter", "security" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool family_of(const char *name, enum rs_family *ret)
{
	static const struct {
		const char *name;
		enum rs_family family;
	} rows[] = { { "ip", RS_IP4 }, { "ip6", RS_IP6 }, { "inet", RS_INET } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].name, name) == 0) {
			*ret = rows[i].family;
			return true;
		}
	}
	return false;
}

/* arp, bridge, netdev. A rule acts, and a chain that drops what no rule takes. */
static void not_modelled(struct nft_reader *x, const char *family, const char *table)
{
	x->ret->empty = false;
	if (!x->ret->not_modelled)
		x->ret->not_modelled = arena_printf(&x->rs->arena, "%s %s", family, table);
	x->out_of_memory |= !x->ret->not_modelled;
}

/*
 * The table that an object belongs to: x->table. False: not this reader's, because it is of another family, because the
 * text of iptables-nft-save holds it, or because the object does not say.
 */
static bool enter_table(struct nft_reader *x, const char *family, const char *name, bool acts, int *ret_error)
{
	enum rs_family f;
	struct rs_table *t = x->table;

	if (!family || !name) {
		nft_note(x, "bad-value", "an object names neither family nor table");
		return false;
	}
	if (!family_of(family, &f)) {
		if (acts)
			not_modelled(x, family, name);
		return false;
	}
	if (t && t->family == f && strcmp(t->name, name) == 0)
		return true;
	t = ruleset_table(x->rs, BACKEND_NFT, f, name, false);
	x->chain = NULL;
	x->table = t;
	if (!t)
		*ret_error = -ENOMEM;
	/* The text of that table was read, and says more. */
	if (t && t->xtables)
		x->table = NULL;
	x->ret->xtables_here |= x->table && f != RS_INET && is_xtables_name(name);
	return x->table != NULL;
}

/*
 * nft 1.0.6 writes "dormant" as "d", or as whatever lies in its memory: some table's name. "owner" fares no better, but owners are
 * rare, and hold their table open.
 */
static bool is_dormant(struct nft_reader *x, const json_t *flags)
{
	if (!flags || nft_has_word(flags, "dormant") || nft_has_word(flags, "d"))
		return flags != NULL;
	if (nft_has_word(flags, "owner") || nft_has_word(flags, "persist") || (json_is_array(flags) && json_array_size(flags) == 0))
		return false;
	nft_note(x, "bad-value", "the flags of table '%s' cannot be read; it is taken to be dormant", x->table->name);
	return true;
}

static int on_table(struct nft_reader *x, const json_t *o)
{
	int r = 0;

	if (enter_table(x, json_str(o, "family"), json_str(o, "name"), false, &r) && is_dormant(x, json_object_get(o, "flags")))
		x->table->dormant = true;
	return r;
}

/* ---- chains ---- */

static enum rs_hook hook_of(const char *name)
{
	for (int h = 0; name && h < HOOK_COUNT; h++)
		if (strcasecmp(rs_hook_name((enum rs_hook)h), name) == 0)
			return (enum rs_hook)h;
	return HOOK_NONE;
}

/* A number; later versions may write the words of nft(8): "filter", "mangle - 5". */
static bool priority_of(const json_t *v, int *ret)
{
	static const struct {
		const char *name;
		int value;
	} words[] = {
		{ "raw", PRIO_RAW }, { "mangle", PRIO_MANGLE }, { "dstnat", PRIO_NAT_DST }, { "filter", PRIO_FILTER },
		{ "security", PRIO_SECURITY }, { "srcnat", PRIO_NAT_SRC },
	};
	const char *s = json_string_value(v);
	json_int_t n = json_integer_value(v);
	uint64_t offset = 0;
	char sign = '+';

	if (json_is_integer(v) && n >= INT_MIN && n <= INT_MAX) {
		*ret = (int)n;
		return true;
	}
	for (size_t i = 0; s && i < ARRAY_LEN(words); i++) {
		size_t len = strlen(words[i].name);

		if (strncmp(s, words[i].name, len) != 0)
			continue;
		s += len;
		if (*s && (strlen(s) < 4 || s[0] != ' ' || (s[1] != '+' && s[1] != '-') || s[2] != ' ' ||
			   parse_uint(s + 3, strlen(s + 3), 1 << 20, &offset) < 0))
			return false;
		sign = *s ? s[1] : '+';
		*ret = words[i].value + (sign == '+' ? (int)offset : -(int)offset);
		return true;
	}
	return false;
}

static void read_base(struct nft_reader *x, const json_t *o, struct rs_chain *c)
{
	const char *type = json_str(o, "type"), *hook = json_str(o, "hook"), *policy = json_str(o, "policy");
	int priority;

	if (!hook && !type)
		return;
	if (str_is(hook, "ingress") || str_is(hook, "egress")) {
		not_modelled(x, rs_family_name(c->table->family), c->table->name);
		return;
	}
	if (hook_of(hook) == HOOK_NONE || !priority_of(json_object_get(o, "prio"), &priority)) {
		nft_note(x, "bad-value", "hook and priority of chain '%s' of table '%s' cannot be read", c->name, c->table->name);
		return;
	}
	c->hook = hook_of(hook);
	c->priority = priority;
	c->type = str_is(type, "nat") ? CHAIN_NAT : str_is(type, "route") ? CHAIN_ROUTE : CHAIN_FILTER;
	c->policy = str_is(policy, "drop") ? POLICY_DROP : POLICY_ACCEPT;
	x->ret->empty &= c->policy == POLICY_ACCEPT;
}

/* Rules that follow are those of the first one again, unless it has none. */
static int close_chain(struct nft_reader *x, struct rs_chain *c)
{
	const char *key = c->nrules ? nft_name_key(x, c->table, "chain", c->name) : NULL;

	if (!c->nrules)
		return 0;
	return key ? map_puts(&x->closed, key, c) : -ENOMEM;
}

static bool is_closed(struct nft_reader *x, const struct rs_chain *c)
{
	const char *key = x->closed.len ? nft_name_key(x, c->table, "chain", c->name) : NULL;

	return key && map_gets(&x->closed, key);
}

static int on_chain(struct nft_reader *x, const json_t *o)
{
	const char *name = json_str(o, "name"), *policy = json_str(o, "policy");
	struct rs_chain *c;
	int r = 0;

	if (!enter_table(x, json_str(o, "family"), json_str(o, "table"), str_is(policy, "drop"), &r))
		return r;
	if (!name || !*name || strlen(name) > UINT16_MAX) {
		nft_note(x, "bad-value", "a chain of table '%s' has no name", x->table->name);
		return 0;
	}
	c = table_chain(x->rs, x->table, name, strlen(name));
	if (!c)
		return -ENOMEM;
	if (c->line) {
		nft_note(x, "double", "chain '%s' of table '%s' is there twice; the first one is used", name, x->table->name);
		return close_chain(x, c);
	}
	c->line = MAX(x->line, 1);
	read_base(x, o, c);
	return 0;
}

int nft_jump_to(struct nft_reader *x, const struct rs_table *t, const char *name, const struct rs_chain **slot)
{
	struct nft_jump j = { .slot = slot, .table = t };

	*slot = table_find_chain(t, name);
	if (*slot)
		return 0;
	j.name = arena_strdup(&x->names, name);
	return j.name ? array_push(&x->jumps, j) : -ENOMEM;
}

/* ---- rules ---- */

int nft_add_cond(struct nft_reader *x, struct rs_cond c)
{
	x->too_long |= x->conds.len >= NFT_STEPS_MAX;
	x->unknown |= c.field == FIELD_OPAQUE;
	return x->too_long ? 0 : array_push(&x->conds, c);
}

int nft_add_stmt(struct nft_reader *x, struct rs_stmt s)
{
	x->too_long |= x->stmts.len >= NFT_STEPS_MAX;
	x->unknown |= s.kind == ST_UNKNOWN;
	s.after = (uint8_t)x->conds.len;
	return x->too_long ? 0 : array_push(&x->stmts, s);
}

const char *nft_stmt_text(struct nft_reader *x)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	nft_print_stmt(&b, x->stmt, NFT_PART_TEXT_MAX);
	return b.failed ? NULL : arena_strndup(&x->rs->arena, strbuf_str(&b), MIN(b.len, NFT_PART_TEXT_MAX));
}

int nft_add_text_cond(struct nft_reader *x, enum rs_field field, bool negate)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = OP_TEXT, .negate = negate };

	c.u.text = nft_stmt_text(x);
	return c.u.text ? nft_add_cond(x, c) : -ENOMEM;
}

int nft_add_text_stmt(struct nft_reader *x, enum rs_stmt_kind kind)
{
	struct rs_stmt s = { .kind = (uint8_t)kind };

	s.u.text = nft_stmt_text(x);
	return s.u.text ? nft_add_stmt(x, s) : -ENOMEM;
}

int nft_add_implied(struct nft_reader *x, enum rs_field field, uint32_t value)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = OP_EQ };

	c.u.range = (struct rs_u32_range){ value, value };
	for (size_t i = 0; i < x->conds.len; i++)
		if (x->conds.v[i].field == field && x->conds.v[i].op == OP_EQ && !x->conds.v[i].negate && x->conds.v[i].u.range.lo == value)
			return 0;
	return nft_add_cond(x, c);
}

/* Too long, or no list of statements: nothing is known of it but its text. */
static int all_unknown(struct nft_reader *x, const json_t *expr)
{
	struct rs_cond c = { .field = FIELD_OPAQUE, .op = OP_TEXT };
	struct rs_stmt s = { .kind = ST_UNKNOWN };
	int r;

	x->conds.len = x->stmts.len = 0;
	x->too_long = false;
	x->stmt = expr;
	c.u.text = s.u.text = arena_strndup(&x->rs->arena, strbuf_str(&x->text), MIN(x->text.len, NFT_PART_TEXT_MAX));
	if (!c.u.text)
		return -ENOMEM;
	r = nft_add_cond(x, c);
	return r < 0 ? r : nft_add_stmt(x, s);
}

static bool ends_with_verdict(const struct nft_reader *x)
{
	return x->stmts.len && x->stmts.v[x->stmts.len - 1].kind != ST_NOP;
}

static int read_statements(struct nft_reader *x, const json_t *expr)
{
	size_t jumps = x->jumps.len;
	int r = json_is_array(expr) ? 0 : SD_EPARSE;

	for (size_t i = 0; r == 0 && i < json_array_size(expr) && !x->too_long; i++)
		r = nft_statement(x, json_array_get(expr, i));
	if (r == 0 && x->wants_verdict && !ends_with_verdict(x)) {
		struct rs_stmt s = { .kind = ST_UNKNOWN };

		s.u.text = arena_strndup(&x->rs->arena, strbuf_str(&x->text), MIN(x->text.len, NFT_PART_TEXT_MAX));
		r = s.u.text ? nft_add_stmt(x, s) : -ENOMEM;
	}
	if (r != SD_EPARSE && !x->too_long)
		return r;
	x->jumps.len = jumps;
	return all_unknown(x, expr);
}

/* Conditions and statements move to where they stay, and with them the slots of chains that are not known yet. */
static int keep_rule(struct nft_reader *x, struct rs_rule *r, size_t first_jump)
{
	struct rs_cond *conds = arena_array(&x->rs->arena, struct rs_cond, x->conds.len);
	struct rs_stmt *stmts = arena_array(&x->rs->arena, struct rs_stmt, x->stmts.len);

	if (!conds || !stmts)
		return -ENOMEM;
	if (x->conds.len)
		memcpy(conds, x->conds.v, x->conds.len * sizeof(*conds));
	if (x->stmts.len)
		memcpy(stmts, x->stmts.v, x->stmts.len * sizeof(*stmts));
	for (size_t i = 0; i < x->stmts.len; i++)
		if (stmts[i].after == x->conds.len)
			stmts[i].after = 255;
	for (size_t i = first_jump; i < x->jumps.len; i++) {
		uintptr_t at = (uintptr_t)x->jumps.v[i].slot - (uintptr_t)x->stmts.v;

		if (at < x->stmts.len * sizeof(*stmts))
			x->jumps.v[i].slot = &stmts[at / sizeof(*stmts)].u.target;
	}
	r->conds = conds;
	r->nconds = (uint16_t)x->conds.len;
	r->stmts = stmts;
	r->nstmts = (uint8_t)x->stmts.len;
	return 0;
}

static void reset_rule(struct nft_reader *x)
{
	x->conds.len = x->stmts.len = 0;
	x->unknown = x->too_long = x->wants_verdict = x->has_counters = false;
	strbuf_reset(&x->text);
}

static int read_rule(struct nft_reader *x, const json_t *o)
{
	const json_t *expr = json_object_get(o, "expr");
	size_t first_jump = x->jumps.len;
	struct rs_rule *rule;
	int r;

	reset_rule(x);
	if (json_is_array(expr))
		nft_print_rule(&x->text, expr, json_str(o, "comment"));
	else
		nft_note(x, "bad-value", "a rule of chain '%s' of table '%s' cannot be read", x->chain->name, x->table->name);
	r = x->text.failed ? -ENOMEM : read_statements(x, expr);
	rule = r == 0 ? arena_alloc(&x->rs->arena, sizeof(*rule) + (x->has_counters ? sizeof(struct rs_counters) : 0)) : NULL;
	if (!rule)
		return r < 0 ? r : -ENOMEM;
	rule->text = arena_strndup(&x->rs->arena, strbuf_str(&x->text), x->text.len);
	rule->text_len = (uint32_t)x->text.len;
	rule->line = x->line;
	rule->unknown = x->unknown;
	rule->has_counters = x->has_counters;
	if (x->has_counters)
		*rule_counters(rule) = x->counters;
	if (!rule->text || keep_rule(x, rule, first_jump) < 0)
		return -ENOMEM;
	return chain_append(x->rs, x->chain, rule);
}

static int on_rule(struct nft_reader *x, const json_t *o)
{
	const char *chain = json_str(o, "chain"), *family = json_str(o, "family"), *table = json_str(o, "table");
	int r = 0;

	/* pkg/proxy/nftables/proxier.go: kubeProxyTable */
	if (str_is(table, "kube-proxy") && (str_is(family, "ip") || str_is(family, "ip6")))
		x->ret->proxy_rules[strcmp(family, "ip6") == 0]++;
	if (!enter_table(x, family, table, true, &r))
		return r;
	if (!chain || !*chain || strlen(chain) > UINT16_MAX) {
		nft_note(x, "bad-value", "a rule of table '%s' names no chain", x->table->name);
		return 0;
	}
	if (!x->chain || strcmp(x->chain->name, chain) != 0)
		x->chain = table_chain(x->rs, x->table, chain, strlen(chain));
	if (!x->chain)
		return -ENOMEM;
	if (is_closed(x, x->chain))
		return 0;
	x->ret->rules++;
	x->ret->empty = false;
	return read_rule(x, o);
}

/* ---- other objects ---- */

static int on_set(struct nft_reader *x, const json_t *o)
{
	int r = 0;

	return enter_table(x, json_str(o, "family"), json_str(o, "table"), false, &r) ? nft_set_object(x, o, false) : r;
}

static int on_map(struct nft_reader *x, const json_t *o)
{
	int r = 0;

	return enter_table(x, json_str(o, "family"), json_str(o, "table"), false, &r) ? nft_set_object(x, o, true) : r;
}

/* What a rule that names it must know: is it met below its limit, or above? */
static int on_limit(struct nft_reader *x, const char *kind, const json_t *o)
{
	static const char below[] = "", above[] = "inv";
	const char *name = json_str(o, "name"), *key;
	int r = 0;

	if (!name || !enter_table(x, json_str(o, "family"), json_str(o, "table"), false, &r))
		return r;
	key = nft_name_key(x, x->table, kind, name);
	return key ? map_puts(&x->objects, key, (void *)(uintptr_t)(json_tri(o, "inv") > 0 ? above : below)) : -ENOMEM;
}

static int on_object(void *arg, struct json_t *item, const char *list_kind, const char *api_version, uint32_t line)
{
	static const struct {
		const char *kind;
		int (*read)(struct nft_reader *x, const json_t *o);
	} rows[] = { { "rule", on_rule }, { "chain", on_chain }, { "map", on_map }, { "set", on_set }, { "table", on_table } };
	static const char *const others[] = {
		"metainfo", "counter", "flowtable", "ct helper", "ct timeout", "ct expectation", "secmark", "synproxy", "tunnel",
	};
	struct nft_reader *x = arg;
	const char *kind = NULL;
	const json_t *o = nft_member(item, &kind);
	int r;

	(void)list_kind;
	(void)api_version;
	x->line = line;
	if (!json_is_object(o)) {
		nft_note(x, "bad-value", "this is not an object of nftables");
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].kind, kind) == 0) {
			r = rows[i].read(x, o);
			return x->out_of_memory ? -ENOMEM : r;
		}
	}
	if (strcmp(kind, "quota") == 0 || strcmp(kind, "limit") == 0)
		return on_limit(x, kind, o);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(others[i], kind) == 0)
			return 0;
	nft_note(x, "bad-value", "'%.64s' is no kind of object that svcdoctor knows", kind);
	return 0;
}

/* ---- the end ---- */

static int settle(struct nft_reader *x)
{
	for (size_t i = 0; i < x->jumps.len; i++)
		*x->jumps.v[i].slot = table_find_chain(x->jumps.v[i].table, x->jumps.v[i].name);
	return nft_settle_sets(x);
}

static void reader_release(struct nft_reader *x)
{
	arena_release(&x->names);
	map_release(&x->sets);
	map_release(&x->objects);
	map_release(&x->closed);
	array_free(&x->jumps);
	array_free(&x->lookups);
	array_free(&x->conds);
	array_free(&x->stmts);
	strbuf_release(&x->text);
}

int read_nft(struct ruleset *rs, const char *data, size_t size, const char *file, struct sd_notes *notes, struct nft_text *ret)
{
	CLEANUP(reader_release) struct nft_reader x = { .rs = rs, .file = file, .notes = notes };
	struct nft_text t = { .empty = true };
	size_t before = notes->len + notes->dropped;
	ssize_t n;
	int r;

	/* Slots of chains point into it: it must not move. */
	if (array_grow_(&x.stmts.v, &x.stmts.cap, NFT_STEPS_MAX + 1, sizeof(*x.stmts.v)) < 0)
		return -ENOMEM;
	x.ret = &t;
	/* Some versions print nothing for an empty ruleset. */
	n = size ? json_each_of(data, size, file, notes, "nftables", on_object, &x) : 0;
	r = n < 0 && n != SD_EPARSE ? (int)n : settle(&x);
	if (r < 0)
		return r;
	t.damaged |= notes->len + notes->dropped != before;
	*ret = t;
	return n < 0 ? (int)n : 0;
}
