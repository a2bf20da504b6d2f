/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signatures: two texts of one rule are equal when their options are, whatever their order, comments and the words
 * that have no effect (-m tcp, accounting names). This compares a rule of a dump with the rule that must be there.
 */
#include <errno.h>

#include "verify-private.h"

#define TOKENS_MAX 256

struct token {
	const char *s;
	size_t len;
};

/* Splits on blanks; a quoted string is one token without its quotes. */
static size_t tokenize(const char *text, size_t len, struct token v[static TOKENS_MAX])
{
	size_t n = 0, i = 0;

	while (i < len && n < TOKENS_MAX) {
		size_t start;

		while (i < len && (text[i] == ' ' || text[i] == '\t'))
			i++;
		if (i >= len)
			break;
		if (text[i] == '"') {
			start = ++i;
			while (i < len && text[i] != '"')
				i += text[i] == '\\' && i + 1 < len ? 2 : 1;
			i = MIN(i, len);
			v[n++] = (struct token){ text + start, i - start };
			i++;
			continue;
		}
		start = i;
		while (i < len && text[i] != ' ' && text[i] != '\t')
			i++;
		v[n++] = (struct token){ text + start, i - start };
	}
	return n;
}

static bool is(const struct token *t, const char *s)
{
	return strlen(s) == t->len && memcmp(t->s, s, t->len) == 0;
}

static bool starts_option(const struct token *v, size_t n, size_t i)
{
	const struct token *t = &v[i];

	if (is(t, "!"))
		return i + 1 < n && v[i + 1].len > 1 && v[i + 1].s[0] == '-';
	return t->len > 1 && t->s[0] == '-' && !(t->s[1] >= '0' && t->s[1] <= '9');
}

/* Options without effect on what becomes of a packet, or that depend on the kernel only. */
static bool is_noise(const struct token *t)
{
	return is(t, "-m") || is(t, "-A") || is(t, "--comment") || is(t, "--nfacct-name") || is(t, "--random-fully");
}

static int cmp_parts(const void *a, const void *b)
{
	const struct token *x = a, *y = b;
	int c = memcmp(x->s, y->s, MIN(x->len, y->len));

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* A rule of nftables has its words in order: what is left out is its comment and its counters. */
static const char *native_signature(struct arena *arena, const char *text, size_t len)
{
	struct token v[TOKENS_MAX];
	size_t n = tokenize(text, len, v);
	CLEANUP(strbuf_release) struct strbuf sig = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (is(&v[i], "comment")) {
			i++;
		} else if (is(&v[i], "counter")) {
			i += i + 4 < n && is(&v[i + 1], "packets") ? 4 : 0;
		} else {
			strbuf_add(&sig, v[i].s, v[i].len);
			strbuf_addc(&sig, ' ');
		}
	}
	/* a list longer than the tokens is told by its text as it is */
	return sig.failed ? NULL : n < TOKENS_MAX ? arena_strndup(arena, strbuf_str(&sig), sig.len) : arena_strndup(arena, text, len);
}

const char *rule_signature(struct arena *arena, const char *text, size_t len)
{
	struct token v[TOKENS_MAX], parts[TOKENS_MAX];
	size_t n = tokenize(text, len, v), nparts = 0;
	CLEANUP(strbuf_release) struct strbuf all = STRBUF_INIT, sig = STRBUF_INIT;

	if (len < 3 || memcmp(text, "-A ", 3) != 0)
		return native_signature(arena, text, len);
	/* Options, each with its values, one behind the other; parts point into `all` by offset until it is complete. */
	for (size_t i = 0; i < n;) {
		size_t head = i + (is(&v[i], "!") && i + 1 < n), start = all.len, end = head + 1;
		bool noise = is_noise(&v[head]);

		while (end < n && !starts_option(v, n, end))
			end++;
		for (size_t k = i; !noise && k < end; k++) {
			strbuf_add(&all, v[k].s, v[k].len);
			strbuf_addc(&all, ' ');
		}
		if (!noise)
			parts[nparts++] = (struct token){ NULL, all.len - start };
		i = end;
	}
	if (all.failed)
		return NULL;
	for (size_t i = 0, at = 0; i < nparts; at += parts[i++].len)
		parts[i].s = strbuf_str(&all) + at;
	qsort(parts, nparts, sizeof(parts[0]), cmp_parts);
	for (size_t i = 0; i < nparts; i++)
		strbuf_add(&sig, parts[i].s, parts[i].len);
	return sig.failed ? NULL : arena_strndup(arena, strbuf_str(&sig), sig.len);
}

static struct chain_signatures *signatures_of(struct vnode *v, const struct rs_chain *c)
{
	struct chain_signatures *s = map_get(&v->signatures, &c, sizeof(c));
	const struct rs_chain **key;

	if (s)
		return s;
	s = arena_new(&v->arena, struct chain_signatures);
	key = arena_new(&v->arena, const struct rs_chain *);
	if (!s || !key)
		return NULL;
	*key = c;
	for (uint32_t i = 0; i < c->nrules; i++) {
		const char *sig = rule_signature(&v->arena, c->rules[i]->text, c->rules[i]->text_len);

		if (!sig || (!map_gets(&s->by_signature, sig) && map_puts(&s->by_signature, sig, c->rules[i]) < 0))
			break;
	}
	if (map_put(&v->signatures, key, sizeof(*key), s) < 0) {
		map_release(&s->by_signature);
		return NULL;
	}
	return s;
}

const struct rs_rule *vnode_find_rule(struct vnode *v, struct arena *scratch, int family, const char *table, const char *chain, const char *text,
				      const struct rs_chain **ret_chain)
{
	unsigned f = family == AF_INET6;
	const struct rs_table *t = ruleset_find_table(&v->snap->rules, v->backend[f], f ? RS_IP6 : RS_IP4, table);
	const struct rs_chain *c = t ? table_find_chain(t, chain) : NULL;
	struct chain_signatures *s;
	const char *sig;

	if (ret_chain)
		*ret_chain = c;
	if (!c)
		return NULL;
	s = signatures_of(v, c);
	sig = rule_signature(scratch, text, strlen(text));
	return s && sig ? map_gets(&s->by_signature, sig) : NULL;
}

const char *expect_key(struct arena *arena, const char *table, const char *chain, const char *text, size_t len)
{
	const char *sig = rule_signature(arena, text, len);

	return sig ? arena_printf(arena, "%s %s %s", table, chain, sig) : NULL;
}

int expect_set(struct arena *arena, const struct expect_rules *rules, struct map *set)
{
	for (size_t i = 0; i < rules->v.len; i++) {
		struct expect_rule *e = &rules->v.v[i];
		const char *key;

		if (e->part != PART_RULE)
			continue;
		key = expect_key(arena, e->table, e->chain, e->text, strlen(e->text));
		if (!key || map_puts(set, key, e) < 0)
			return -ENOMEM;
	}
	return 0;
}
