/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One rule of iptables-save text. A match or target opens an instance, which collects the options that it owns; the
 * next one closes it, and its row (xtables-match.c, xtables-target.c) makes conditions or a statement of it. What is
 * not understood becomes a condition or statement that is text only: the rule stays in its place and is unknown.
 */
#include <errno.h>

#include "xtables-private.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_spaces(struct xt_reader *x)
{
	while (x->p < x->line_end && is_space(*x->p))
		x->p++;
}

/* xtables_save_string() of libxtables quotes whole words, with a backslash before ", ' and \. */
bool xt_next_word(struct xt_reader *x, struct xt_word *ret)
{
	const char *p, *end = x->line_end, *start;

	skip_spaces(x);
	p = x->p;
	if (p >= end)
		return false;
	if (*p == '"') {
		start = ++p;
		while (p < end && *p != '"')
			p += *p == '\\' && p + 1 < end ? 2 : 1;
		*ret = (struct xt_word){ start, (uint32_t)(p - start), true };
		if (p >= end)
			x->unterminated = true;
		x->p = p < end ? p + 1 : end;
		return true;
	}
	start = p;
	while (p < end && !is_space(*p))
		p++;
	*ret = (struct xt_word){ start, (uint32_t)(p - start), false };
	x->p = p;
	return true;
}

bool xt_word_is(const struct xt_word *w, const char *s)
{
	return !w->quoted && w->len && w->s[0] == s[0] && strlen(s) == w->len && memcmp(w->s, s, w->len) == 0;
}

/* ---- instances ---- */

/* As text: what was collected. The conditions that the row had already made are taken back. */
static int keep_match_text(struct xt_reader *x, size_t nconds)
{
	x->conds.len = nconds;
	return xt_add_text(x, FIELD_OPAQUE, false, x->inst.start, x->inst.end);
}

static int keep_target_text(struct xt_reader *x)
{
	x->stmt = (struct rs_stmt){ .kind = ST_UNKNOWN, .after = 255 };
	x->stmt.u.text = arena_strndup(&x->rs->arena, x->inst.start, (size_t)(x->inst.end - x->inst.start));
	x->has_stmt = true;
	return x->stmt.u.text ? 0 : -ENOMEM;
}

static int close_target(struct xt_reader *x)
{
	const struct xt_inst *m = &x->inst;
	int r = SD_EPARSE;

	/* A bare name that is no extension is a chain which this dump does not have. */
	if (m->ext == &xt_unknown_target && m->nfree == 0 && !m->bad) {
		x->stmt = (struct rs_stmt){ .kind = ST_JUMP, .after = 255 };
		x->has_stmt = true;
		return 0;
	}
	x->jump.s = NULL;
	if (!m->bad && m->ext->emit)
		r = m->ext->emit(x, m);
	if (r == 0)
		x->has_stmt = true;
	return r == SD_EPARSE ? keep_target_text(x) : r;
}

static int close_match(struct xt_reader *x)
{
	size_t nconds = x->conds.len;
	const struct xt_inst *m = &x->inst;
	int r = SD_EPARSE;

	if (!m->bad && m->ext->emit)
		r = m->ext->emit(x, m);
	if (r == SD_EPARSE)
		r = keep_match_text(x, nconds);
	return r < 0 ? r : array_push(&x->used, m->ext);
}

static int close_inst(struct xt_reader *x)
{
	int r = 0;

	if (x->inst.ext)
		r = x->inst.is_target ? close_target(x) : close_match(x);
	x->inst.ext = NULL;
	return r;
}

static int open_inst(struct xt_reader *x, const struct xt_ext *ext, bool is_target, const char *start)
{
	struct xt_inst *m = &x->inst;
	int r = close_inst(x);

	if (r < 0)
		return r;
	m->ext = ext;
	m->is_target = is_target;
	m->free = ext->flags & XT_ANY_OPTION;
	m->bad = false;
	m->seen = m->negated = m->again = m->nfree = 0;
	m->start = start;
	m->end = x->p;
	return 0;
}

/* ---- options ---- */

static const struct xt_opt *find_opt(const struct xt_ext *ext, const struct xt_word *w)
{
	uint32_t len = w->len - 2;

	for (unsigned i = 0; i < ext->nopts; i++)
		if (ext->opts[i].len == len && memcmp(ext->opts[i].name, w->s + 2, len) == 0)
			return &ext->opts[i];
	return NULL;
}

static bool take_neg(struct xt_reader *x)
{
	bool neg = x->neg;

	x->neg = false;
	return neg;
}

/* A value; an unquoted "!" before it negates, as before iptables 1.4.3. */
static bool next_value(struct xt_reader *x, bool *neg, struct xt_word *ret)
{
	if (!xt_next_word(x, ret))
		return false;
	if (!neg || !xt_word_is(ret, "!"))
		return true;
	*neg = !*neg;
	return xt_next_word(x, ret);
}

static void collect(struct xt_reader *x, const struct xt_opt *o)
{
	struct xt_inst *m = &x->inst;
	bool neg = take_neg(x), bang = !(m->ext->flags & XT_VALUE_MAY_BE_BANG);
	uint32_t bit = 1u << o->id;

	for (unsigned i = 0; i < o->nargs; i++) {
		if (!next_value(x, bang && i == 0 ? &neg : NULL, &m->v[o->id][i])) {
			m->bad = true;
			break;
		}
	}
	m->again |= m->seen & bit;
	m->seen |= bit;
	if (neg)
		m->negated |= bit;
	m->end = x->p;
}

static void collect_free(struct xt_reader *x)
{
	(void)take_neg(x);
	x->inst.nfree++;
	x->inst.end = x->p;
}

/* The protocol's own match takes its options even when no -m names it. */
static const char *proto_match(int proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_UDPLITE:
		return "udplite";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_DCCP:
		return "dccp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmp6";
	case IPPROTO_ESP:
		return "esp";
	case IPPROTO_AH:
		return "ah";
	case 135:
		return "mh";
	default:
		return NULL;
	}
}

/* Who else in this rule could own the option: the protocol, or a match that was named earlier. */
static const struct xt_ext *other_owner(struct xt_reader *x, const struct xt_word *w, const struct xt_opt **ret)
{
	const char *name = proto_match(x->proto);
	const struct xt_ext *ext = name ? xt_find_match(x, name, strlen(name)) : NULL;

	if (ext && (*ret = find_opt(ext, w)))
		return ext;
	for (size_t i = x->used.len; i-- > 0 && x->used.len - i < 16;) {
		ext = x->used.v[i];
		if ((*ret = find_opt(ext, w)))
			return ext;
	}
	return NULL;
}

/* A long option, or a word that is no option at all. */
static int own_option(struct xt_reader *x, const struct xt_word *w, const char *at)
{
	bool is_opt = !w->quoted && w->len > 2 && w->s[0] == '-' && w->s[1] == '-';
	struct xt_inst *m = &x->inst;
	const struct xt_opt *o = NULL;
	const struct xt_ext *ext;
	int r;

	if (m->ext && is_opt && (o = find_opt(m->ext, w))) {
		collect(x, o);
		return 0;
	}
	if (m->ext && m->free) {
		/* lib/kernel writes it where it has no words for what the kernel holds. */
		m->bad |= is_opt && xt_word_is(w, "--svcdoctor-unknown");
		collect_free(x);
		return 0;
	}
	ext = is_opt ? other_owner(x, w, &o) : NULL;
	if (ext) {
		r = open_inst(x, ext, false, x->neg ? x->neg_at : at);
		if (r == 0)
			collect(x, o);
		return r;
	}
	if (!m->ext) {
		r = open_inst(x, &xt_unknown_match, false, x->neg ? x->neg_at : at);
		if (r < 0)
			return r;
	}
	m->free = m->bad = true;
	collect_free(x);
	return 0;
}

/* "[unsupported revision]": the tool that wrote the dump did not know this form of the match or target. */
static int unsupported(struct xt_reader *x, const struct xt_word *w)
{
	struct xt_word rest;
	const char *before = x->p;

	if (!xt_next_word(x, &rest) || !xt_word_is(&rest, "revision]"))
		x->p = before;
	xt_note(x, false, "unsupported-revision", w->s,
		"run the iptables-save that belongs to the program which wrote the rules",
		"'%.*s' has a revision that the dump could not show", x->inst.ext ? (int)x->inst.ext->len : 4,
		x->inst.ext ? x->inst.ext->name : "rule");
	if (!x->inst.ext)
		return xt_add_text(x, FIELD_OPAQUE, false, w->s, x->p);
	x->inst.bad = true;
	x->inst.end = x->p;
	return 0;
}

/* ---- what every rule can have ---- */

static int addr_option(struct xt_reader *x, enum rs_field field, const char *at)
{
	bool neg = take_neg(x);
	struct xt_word w;
	int r = close_inst(x);

	if (r < 0)
		return r;
	r = next_value(x, &neg, &w) ? xt_add_addr(x, field, neg, &w, false) : SD_EPARSE;
	return r == SD_EPARSE ? xt_add_text(x, FIELD_OPAQUE, false, at, x->p) : r;
}

static int iface_option(struct xt_reader *x, enum rs_field field, const char *at)
{
	bool neg = take_neg(x);
	struct xt_word w;
	int r = close_inst(x);

	if (r < 0)
		return r;
	r = next_value(x, &neg, &w) ? xt_add_ifname(x, field, neg, &w) : SD_EPARSE;
	return r == SD_EPARSE ? xt_add_text(x, FIELD_OPAQUE, false, at, x->p) : r;
}

static int proto_option(struct xt_reader *x, const char *at)
{
	bool neg = take_neg(x);
	struct xt_word w;
	uint8_t proto;
	int r = close_inst(x);

	if (r < 0)
		return r;
	if (!next_value(x, &neg, &w) || xt_proto(&w, &proto) < 0)
		return xt_add_text(x, FIELD_OPAQUE, false, at, x->p);
	if (proto == 0) /* any */
		return neg ? xt_add_cond(x, (struct rs_cond){ .field = FIELD_FALSE }) : 0;
	if (!neg)
		x->proto = proto;
	return xt_add_range(x, FIELD_PROTO, neg, proto, proto);
}

static int fragment_option(struct xt_reader *x)
{
	bool neg = take_neg(x);
	int r = close_inst(x);

	return r < 0 ? r : xt_add_range(x, FIELD_FRAGMENT, neg, 1, 1);
}

static int match_option(struct xt_reader *x, const char *at)
{
	const struct xt_ext *ext;
	struct xt_word w;
	int r;

	if (!xt_next_word(x, &w)) {
		x->broken = true;
		return 0;
	}
	ext = xt_find_match(x, w.s, w.len);
	r = open_inst(x, ext ? ext : &xt_unknown_match, false, at);
	if (take_neg(x))
		x->inst.bad = true;
	return r;
}

static int set_jump(struct xt_reader *x, enum rs_stmt_kind kind, const struct rs_chain *target, const struct xt_word *w)
{
	x->stmt = (struct rs_stmt){ .kind = (uint8_t)kind, .after = 255 };
	x->stmt.u.target = target;
	x->has_stmt = true;
	x->jump = target ? (struct xt_word){ 0 } : *w;
	return 0;
}

static bool verdict(struct xt_reader *x, const struct xt_word *w)
{
	enum rs_stmt_kind kind;

	if (xt_word_is(w, "ACCEPT"))
		kind = ST_ACCEPT;
	else if (xt_word_is(w, "DROP"))
		kind = ST_DROP;
	else if (xt_word_is(w, "RETURN"))
		kind = ST_RETURN;
	else if (xt_word_is(w, "QUEUE"))
		kind = ST_QUEUE;
	else
		return false;
	x->stmt = (struct rs_stmt){ .kind = (uint8_t)kind, .after = 255 };
	if (kind == ST_QUEUE)
		x->stmt.u.text = "QUEUE";
	x->has_stmt = true;
	return true;
}

static int target_option(struct xt_reader *x, bool is_goto, const char *at)
{
	const struct rs_chain *chain;
	const struct xt_ext *ext;
	struct xt_word w;
	int r = close_inst(x);

	if (r < 0)
		return r;
	if (x->has_stmt || take_neg(x))
		x->broken = true;
	if (!xt_next_word(x, &w)) {
		x->broken = true;
		return 0;
	}
	if (!is_goto && verdict(x, &w))
		return 0;
	ext = is_goto ? NULL : xt_find_target(x, w.s, w.len);
	/* Alone at the end of a rule it is the name of a chain, whether there is such a chain or not. */
	if (!ext && x->p == x->line_end)
		return set_jump(x, is_goto ? ST_GOTO : ST_JUMP, NULL, &w);
	if (!ext || x->shadowed) {
		chain = xt_find_chain(x->table, w.s, w.len);
		if (chain || is_goto)
			return set_jump(x, is_goto ? ST_GOTO : ST_JUMP, chain, &w);
	}
	x->jump = w;
	r = open_inst(x, ext ? ext : &xt_unknown_target, true, w.s);
	x->inst.start = w.quoted ? at : w.s;
	return r;
}

/* "-c PACKETS BYTES", which `iptables -S -v` puts before the target. */
static int counter_option(struct xt_reader *x, const char *at)
{
	struct xt_word a, b;
	uint64_t packets, bytes;
	int r = close_inst(x);

	if (r < 0)
		return r;
	if (!xt_next_word(x, &a) || !xt_next_word(x, &b) || xt_u64(a.s, a.len, &packets) < 0 ||
	    xt_u64(b.s, b.len, &bytes) < 0) {
		x->broken = true;
		return 0;
	}
	x->packets = packets;
	x->bytes = bytes;
	x->has_counters = true;
	x->counters_at = at;
	x->counters_end = x->p;
	return 0;
}

/* The one-letter name of a long generic option, or 0. */
static char generic_option(const struct xt_word *w)
{
	static const struct {
		const char *name;
		char letter;
	} names[] = {
		{ "match", 'm' }, { "jump", 'j' }, { "goto", 'g' }, { "protocol", 'p' }, { "proto", 'p' },
		{ "source", 's' }, { "src", 's' }, { "destination", 'd' }, { "dst", 'd' }, { "in-interface", 'i' },
		{ "out-interface", 'o' }, { "fragment", 'f' }, { "fragments", 'f' }, { "set-counters", 'c' },
	};

	if (w->quoted || w->len < 2 || w->s[0] != '-')
		return 0;
	if (w->len == 2) {
		switch (w->s[1]) {
		case 'm':
		case 'j':
		case 'g':
		case 'p':
		case 's':
		case 'd':
		case 'i':
		case 'o':
		case 'f':
		case 'c':
			return w->s[1];
		default:
			return 0;
		}
	}
	if (w->s[1] != '-')
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i].name) == w->len - 2 && memcmp(names[i].name, w->s + 2, w->len - 2) == 0)
			return names[i].letter;
	return 0;
}

static int read_word(struct xt_reader *x, const struct xt_word *w)
{
	const char *at = w->quoted ? w->s - 1 : w->s;
	char first = w->quoted ? 0 : *w->s, letter;

	if (first == '!' && w->len == 1) {
		x->broken |= x->neg;
		x->neg = true;
		x->neg_at = at;
		return 0;
	}
	if (first == '-' && w->len > 2 && w->s[1] == '-' && x->inst.ext && find_opt(x->inst.ext, w))
		return own_option(x, w, at);
	if (first == '[' && xt_word_is(w, "[unsupported"))
		return unsupported(x, w);
	letter = generic_option(w);
	if (letter && x->neg)
		at = x->neg_at;
	switch (letter) {
	case 'm':
		return match_option(x, at);
	case 'j':
	case 'g':
		return target_option(x, letter == 'g', at);
	case 'p':
		return proto_option(x, at);
	case 's':
		return addr_option(x, FIELD_SADDR, at);
	case 'd':
		return addr_option(x, FIELD_DADDR, at);
	case 'i':
		return iface_option(x, FIELD_IIF, at);
	case 'o':
		return iface_option(x, FIELD_OIF, at);
	case 'f':
		return fragment_option(x);
	case 'c':
		return counter_option(x, at);
	default:
		return own_option(x, w, at);
	}
}

/* ---- the rule as a whole ---- */

static void reset_rule(struct xt_reader *x)
{
	x->unterminated = x->neg = x->broken = x->has_stmt = false;
	x->proto = -1;
	x->conds.len = x->used.len = 0;
	x->inst.ext = NULL;
	x->jump = (struct xt_word){ 0 };
	x->counters_at = NULL;
}

/* What is not whole may say something else than it seems to: its target may be half a name. */
static int mark_broken(struct xt_reader *x, const char *start)
{
	if (x->has_stmt || x->unterminated || x->cut_line) {
		x->jump.s = NULL;
		x->stmt = (struct rs_stmt){ .kind = ST_UNKNOWN, .after = 255 };
		x->stmt.u.text = arena_strndup(&x->rs->arena, start, (size_t)(x->line_end - start));
		x->has_stmt = true;
		return x->stmt.u.text ? 0 : -ENOMEM;
	}
	/* The conditions may be too many: then the last one gives way. */
	if (x->conds.len > XT_CONDS_MAX - 1)
		x->conds.len = XT_CONDS_MAX - 1;
	return xt_add_text(x, FIELD_OPAQUE, false, start, x->line_end);
}

static bool is_unknown(const struct xt_reader *x)
{
	for (size_t i = 0; i < x->conds.len; i++)
		if (x->conds.v[i].field == FIELD_OPAQUE)
			return true;
	if (!x->has_stmt)
		return false;
	switch (x->stmt.kind) {
	case ST_UNKNOWN:
		return true;
	case ST_DNAT:
	case ST_SNAT:
	case ST_MASQUERADE:
	case ST_REDIRECT:
	case ST_NETMAP:
		return x->stmt.u.nat && x->stmt.u.nat->text;
	default:
		return false;
	}
}

/* The rule's text without its counters; only the form of `iptables -S -v` needs a copy. */
static int set_text(struct xt_reader *x, struct rs_rule *r, const char *start)
{
	size_t head, tail;
	char *copy;

	r->text = start;
	r->text_len = (uint32_t)(x->line_end - start);
	if (!x->counters_at)
		return 0;
	head = (size_t)(x->counters_at - start);
	while (head > 0 && is_space(start[head - 1]))
		head--;
	tail = (size_t)(x->line_end - x->counters_end);
	copy = arena_alloc(&x->rs->arena, head + tail + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, start, head);
	if (tail)
		memcpy(copy + head, x->counters_end, tail);
	r->text = copy;
	r->text_len = (uint32_t)(head + tail);
	return 0;
}

/* Rule, counters, conditions and statement in one piece of the arena; NULL when memory is out. */
static struct rs_rule *new_rule(struct xt_reader *x)
{
	size_t counters = x->has_counters ? sizeof(struct rs_counters) : 0, conds = x->conds.len * sizeof(struct rs_cond);
	char *mem = arena_alloc(&x->rs->arena, sizeof(struct rs_rule) + counters + conds +
						       (x->has_stmt ? sizeof(struct rs_stmt) : 0));
	struct rs_rule *r = (void *)mem;

	if (!r)
		return NULL;
	mem += sizeof(*r) + counters;
	if (counters)
		*rule_counters(r) = (struct rs_counters){ x->packets, x->bytes };
	if (conds)
		r->conds = memcpy(mem, x->conds.v, conds);
	if (x->has_stmt)
		r->stmts = memcpy(mem + conds, &x->stmt, sizeof(x->stmt));
	r->nconds = (uint16_t)x->conds.len;
	r->nstmts = x->has_stmt;
	r->has_counters = x->has_counters;
	return r;
}

/* A target that is the name of a chain, known or not. Of one table at a time. */
static int find_later(struct xt_reader *x, struct rs_rule *r)
{
	struct xt_pending p = { r, x->table, x->jump.s, x->jump.len, x->line_no, (uint32_t)(x->jump.s - x->line) + 1 };
	int res = 0;

	if (x->nsoon == XT_SOON || (x->nsoon && x->soon[0].table != x->table))
		res = xt_find_soon(x);
	if (res == 0)
		x->soon[x->nsoon++] = p;
	return res;
}

static int store_rule(struct xt_reader *x, struct rs_chain *chain, const char *start)
{
	struct rs_rule *r = new_rule(x);

	if (!r || set_text(x, r, start) < 0)
		return -ENOMEM;
	r->line = x->line_no;
	r->chain = chain;
	r->unknown = is_unknown(x);
	if (x->has_stmt && x->jump.s && (x->stmt.kind == ST_JUMP || x->stmt.kind == ST_GOTO) && find_later(x, r) < 0)
		return -ENOMEM;
	x->ret->rules++;
	return array_push(&x->fresh, r);
}

static void note_broken(struct xt_reader *x, const char *start)
{
	x->ret->damaged = true;
	if (x->cut_line)
		xt_note(x, true, "rule-cut-off", start, NULL, "the rule is cut off or holds a NUL byte");
	else if (x->unterminated)
		xt_note(x, true, "bad-rule", start, NULL, "the rule ends within a quoted text");
	else
		xt_note(x, true, "bad-rule", start, NULL, "the rule cannot be read");
}

int xt_read_rule(struct xt_reader *x, const char *start, const char *s)
{
	struct rs_chain *chain;
	struct xt_word w;
	int r = 0;

	reset_rule(x);
	x->p = s;
	if (!xt_next_word(x, &w) || w.len == 0 || w.len > 255) {
		x->ret->damaged = true;
		xt_note(x, true, "bad-rule", start, NULL, "the rule names no chain");
		return 0;
	}
	chain = xt_rule_chain(x, w.s, w.len);
	if (!chain)
		return -ENOMEM;
	while (r == 0 && xt_next_word(x, &w))
		r = read_word(x, &w);
	if (r == 0)
		r = close_inst(x);
	if (x->neg)
		x->broken = true;
	if (r == 0 && (x->broken || x->unterminated || x->cut_line)) {
		note_broken(x, start);
		r = mark_broken(x, start);
	}
	return r < 0 ? r : store_rule(x, chain, start);
}
