/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolv.conf as one libc takes it, and what it leaves out. Sources: glibc resolv/res_init.c and resolv/resolv_conf.c (2.36), musl
 * src/network/resolvconf.c and lookup_ipliteral.c (1.2.3). Not here, as they are not of the file: LOCALDOMAIN and RES_OPTIONS, and that
 * glibc takes the host name's domain where there is no search list at all.
 */

#include <ctype.h>
#include <errno.h>

#include "resolv-private.h"

enum {
	SERVERS_MAX = 3,
	NDOTS_MAX = 15,
	GLIBC_TIMEOUT_MAX = 30, GLIBC_ATTEMPTS_MAX = 5,
	MUSL_TIMEOUT_MAX = 60, MUSL_ATTEMPTS_MAX = 10,
	MUSL_LINE_MAX = 254,
	OLD_SEARCHES = 6, OLD_SEARCH_CHARS = 256, /* of glibc before 2.26 */
	SHOWN = 64 /* characters of what was left out */
};

struct viewing {
	struct arena *arena;
	struct resolv_view *v;
	unsigned line;
	ARRAY_OF(const char *) searches;
	struct resolv_text search_text; /* the line that counts */
	unsigned search_line;		/* 0: none yet */
};

void resolv_view_release(struct resolv_view *v)
{
	array_free(&v->left_out);
	*v = (struct resolv_view){ 0 };
}

/* ---- what is left out ---- */

static int left_out(struct viewing *g, unsigned line, const struct resolv_text *what, const char *why)
{
	struct resolv_left_out l = { arena_strndup(g->arena, what->s, MIN(what->len, (size_t)SHOWN)), why, line };

	return l.what ? array_push(&g->v->left_out, l) : -ENOMEM;
}

/* The same for a number, when what is taken is another one. */
static int cut_to(struct viewing *g, const struct resolv_text *word, uint64_t n, unsigned max, unsigned *ret)
{
	const char *why;

	*ret = (unsigned)MIN(n, (uint64_t)max);
	if (n <= max)
		return 0;
	why = arena_printf(g->arena, "%s takes %u at most", libc_name(g->v->libc), max);
	return why ? left_out(g, g->line, word, why) : -ENOMEM;
}

/* ---- both ---- */

static int add_server(struct viewing *g, const struct resolv_text *word, const struct ip_addr *addr)
{
	if (!addr)
		return left_out(g, g->line, word, "it is no address");
	if (g->v->nservers == SERVERS_MAX)
		return left_out(g, g->line, word, "only the first 3 nameservers are asked");
	g->v->servers[g->v->nservers++] = *addr;
	return 0;
}

/* A `search` or `domain` line takes the place of the one before. */
static int new_search(struct viewing *g, const struct resolv_line *l)
{
	int r = 0;

	if (g->search_line)
		r = left_out(g, g->search_line, &g->search_text, "a later 'search' or 'domain' takes its place");
	g->search_line = l->number;
	g->search_text = l->text;
	g->searches.len = 0;
	return r;
}

static int add_search(struct viewing *g, struct resolv_text word)
{
	const char *copy;

	if (g->searches.len == RESOLV_ENTRIES_MAX)
		return left_out(g, g->line, &word, "svcdoctor reads no more");
	if (word.s[word.len - 1] == '.')
		word.len--;
	copy = arena_strndup(g->arena, word.s, word.len);
	return copy ? array_push(&g->searches, copy) : -ENOMEM;
}

/* The address of a word that may have a scope; false: none. */
static bool address6(const struct resolv_text *word, struct ip_addr *ret, struct resolv_text *ret_scope)
{
	const char *scope = memchr(word->s, '%', word->len);
	size_t len = scope ? (size_t)(scope - word->s) : word->len;

	*ret_scope = (struct resolv_text){ scope ? scope + 1 : NULL, scope ? word->len - len - 1 : 0 };
	return ip_addr_parsen(word->s, len, ret) == 0 && ret->family == AF_INET6;
}

/* ---- glibc ---- */

static int glibc_server(struct viewing *g, struct resolv_text rest)
{
	struct resolv_text word, scope;
	struct ip_addr a;

	resolv_next_word(&rest, RESOLV_BLANKS, &word);
	/* a scope that cannot be read counts as none */
	return add_server(g, &word, resolv_aton(&word, &a) || address6(&word, &a, &scope) ? &a : NULL);
}

static int glibc_search(struct viewing *g, const struct resolv_line *l, struct resolv_text rest, bool is_domain)
{
	struct resolv_text word;
	int r = 0;

	for (size_t n = 0; r == 0 && resolv_next_word(&rest, RESOLV_BLANKS, &word); n++) {
		if (n == 0 && (r = new_search(g, l)) < 0)
			break;
		if (n && is_domain)
			return left_out(g, g->line, &word, "'domain' has one word only");
		if (word.len > 1 && *word.s == '.') {
			word.s++;
			word.len--;
		}
		r = add_search(g, word);
	}
	return r;
}

/* atoi(), as far as somebody would write it */
static int64_t glibc_number(const struct resolv_text *word, size_t at)
{
	bool minus = at < word->len && word->s[at] == '-';
	int64_t n = 0;

	for (at += minus || (at < word->len && word->s[at] == '+'); at < word->len && isdigit((unsigned char)word->s[at]); at++)
		n = MIN(n * 10 + (word->s[at] - '0'), INT32_MAX);
	return minus ? -n : n;
}

static int glibc_numbers(struct viewing *g, const struct resolv_text *word)
{
	struct resolv_view *v = g->v;
	int64_t n;

	if (resolv_text_starts(word, "ndots:")) {
		n = glibc_number(word, strlen("ndots:"));
		return cut_to(g, word, n < 0 ? NDOTS_MAX + 1 : (uint64_t)n, NDOTS_MAX, &v->ndots); /* a field of four bits */
	}
	if (resolv_text_starts(word, "timeout:")) {
		n = glibc_number(word, strlen("timeout:"));
		return cut_to(g, word, n < 1 ? 1 : (uint64_t)n, GLIBC_TIMEOUT_MAX, &v->timeout_s);
	}
	n = glibc_number(word, strlen("attempts:"));
	return cut_to(g, word, n < 0 ? 0 : (uint64_t)n, GLIBC_ATTEMPTS_MAX, &v->attempts);
}

/* What begins with an option is that option; the first one that does. */
static int glibc_option(struct viewing *g, const struct resolv_text *word)
{
	struct resolv_view *v = g->v;
	const struct {
		const char *name;
		bool *flag; /* NULL: nothing that is seen here */
	} flags[] = {
		{ "rotate", &v->rotate },	      { "edns0", &v->edns0 },
		{ "single-request-reopen", &v->single_request_reopen },
		{ "single-request", &v->single_request }, { "no_tld_query", &v->no_tld_query },
		{ "no-tld-query", &v->no_tld_query }, { "no-reload", NULL },
		{ "use-vc", &v->use_vc },	      { "trust-ad", &v->trust_ad },
		{ "no-aaaa", &v->no_aaaa },
	};

	if (resolv_text_starts(word, "ndots:") || resolv_text_starts(word, "timeout:") || resolv_text_starts(word, "attempts:"))
		return glibc_numbers(g, word);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (!resolv_text_starts(word, flags[i].name))
			continue;
		if (flags[i].flag)
			*flags[i].flag = true;
		return 0;
	}
	return left_out(g, g->line, word, "glibc knows no such option");
}

static int glibc_options(struct viewing *g, struct resolv_text rest)
{
	struct resolv_text word;
	int r = 0;

	while (r == 0 && resolv_next_word(&rest, RESOLV_BLANKS, &word))
		r = glibc_option(g, &word);
	return r;
}

static int unknown_line(struct viewing *g, const struct resolv_line *l)
{
	struct resolv_text rest = l->text, word;

	if (!resolv_next_word(&rest, RESOLV_SPACES, &word) || *word.s == '#' || *word.s == ';')
		return 0;
	if (resolv_text_starts(&word, "sortlist") && word.len == strlen("sortlist") && g->v->libc == LIBC_GLIBC)
		return 0; /* it sorts addresses, which is not looked at here */
	return left_out(g, l->number, &l->text,
			word.s == l->text.s ? "it is no line that this libc knows" : "the keyword does not begin the line");
}

static int glibc_line(struct viewing *g, const struct resolv_line *l)
{
	struct resolv_text rest;

	if (resolv_keyword(l, "domain", RESOLV_BLANKS, &rest))
		return glibc_search(g, l, rest, true);
	if (resolv_keyword(l, "search", RESOLV_BLANKS, &rest))
		return glibc_search(g, l, rest, false);
	if (resolv_keyword(l, "nameserver", RESOLV_BLANKS, &rest))
		return glibc_server(g, rest);
	if (resolv_keyword(l, "options", RESOLV_BLANKS, &rest))
		return glibc_options(g, rest);
	return unknown_line(g, l);
}

/* MAXDNSRCH and the size of the buffer, before the list was unlimited. */
static int glibc_old_limits(struct viewing *g)
{
	size_t chars = 0;
	int r = 0;

	for (size_t i = 0; i < g->searches.len && r == 0; i++) {
		struct resolv_text word = { g->searches.v[i], strlen(g->searches.v[i]) };
		chars += word.len + 1;
		if (i >= OLD_SEARCHES)
			r = left_out(g, g->search_line, &word, "glibc before 2.26 takes only the first 6 search domains");
		else if (chars > OLD_SEARCH_CHARS)
			r = left_out(g, g->search_line, &word, "glibc before 2.26 takes only 256 characters of search domains");
	}
	return r;
}

/* ---- musl ---- */

static int musl_server(struct viewing *g, struct resolv_text rest)
{
	struct resolv_text word = { 0 }, scope = { 0 };
	struct ip_addr a;
	bool ok;

	resolv_next_word(&rest, RESOLV_SPACES, &word);
	ok = resolv_aton(&word, &a) || address6(&word, &a, &scope);
	/* a scope is a number, or the name of a link, and then the address must be link-local */
	for (size_t i = 0; ok && i < scope.len; i++) {
		if (!isdigit((unsigned char)scope.s[i]) && !ip_addr_is_linklocal(&a))
			return left_out(g, g->line, &word, "musl takes the name of a link for link-local addresses only");
	}
	return add_server(g, &word, ok ? &a : NULL);
}

/* `domain` is another word for `search`. */
static int musl_search(struct viewing *g, const struct resolv_line *l, struct resolv_text rest)
{
	struct resolv_text word;
	int r = new_search(g, l);

	while (r == 0 && resolv_next_word(&rest, RESOLV_SPACES, &word))
		r = add_search(g, word);
	return r;
}

/* The number behind the first @name of the line, wherever it is in a word; false: there is none. */
static bool musl_number(const struct resolv_text *line, const char *name, struct resolv_text *ret_word, uint64_t *ret)
{
	const char *p = memmem(line->s, line->len, name, strlen(name)), *end = line->s + line->len;
	uint64_t n = 0;

	if (!p || p + strlen(name) == end || !isdigit((unsigned char)p[strlen(name)]))
		return false;
	ret_word->s = p;
	for (p += strlen(name); p < end && isdigit((unsigned char)*p); p++)
		n = MIN(n * 10 + (uint64_t)(*p - '0'), (uint64_t)UINT32_MAX);
	ret_word->len = (size_t)(p - ret_word->s);
	*ret = n;
	return true;
}

static int musl_options(struct viewing *g, const struct resolv_line *l, struct resolv_text rest)
{
	struct resolv_view *v = g->v;
	struct resolv_text word;
	uint64_t n;
	int r = 0;

	if (musl_number(&l->text, "ndots:", &word, &n))
		r = cut_to(g, &word, n, NDOTS_MAX, &v->ndots);
	if (r == 0 && musl_number(&l->text, "attempts:", &word, &n)) {
		r = cut_to(g, &word, n, MUSL_ATTEMPTS_MAX, &v->attempts);
		if (r == 0 && n == 0)
			r = left_out(g, g->line, &word, "musl divides by it: the program ends with a signal");
	}
	if (r == 0 && musl_number(&l->text, "timeout:", &word, &n))
		r = cut_to(g, &word, n, MUSL_TIMEOUT_MAX, &v->timeout_s);
	while (r == 0 && resolv_next_word(&rest, RESOLV_SPACES, &word)) {
		if (!resolv_text_starts(&word, "ndots:") && !resolv_text_starts(&word, "attempts:") && !resolv_text_starts(&word, "timeout:"))
			r = left_out(g, g->line, &word, "musl knows no such option");
	}
	return r;
}

static int musl_line(struct viewing *g, const struct resolv_line *l, bool last)
{
	struct resolv_line line = *l;
	struct resolv_text rest;

	if (line.text.len > MUSL_LINE_MAX)
		return left_out(g, l->number, &l->text, "musl passes over lines of more than 254 characters");
	if (!last)
		line.text.len++; /* the newline is a blank behind the keyword, too */
	if (resolv_keyword(&line, "options", RESOLV_SPACES, &rest))
		return musl_options(g, &line, rest);
	if (resolv_keyword(&line, "nameserver", RESOLV_SPACES, &rest))
		return musl_server(g, rest);
	if (resolv_keyword(&line, "domain", RESOLV_SPACES, &rest) || resolv_keyword(&line, "search", RESOLV_SPACES, &rest))
		return musl_search(g, l, rest);
	return unknown_line(g, l);
}

/* ---- the view ---- */

static int each_line(struct viewing *g, const struct resolv_conf *c)
{
	struct resolv_line l = { 0 };
	const char *at = c->text;
	int r = 0;

	while (r == 0 && resolv_next_line(&at, &l)) {
		g->line = l.number;
		r = g->v->libc == LIBC_MUSL ? musl_line(g, &l, l.text.s + l.text.len == at) : glibc_line(g, &l);
	}
	return r;
}

int resolv_view_make(struct arena *arena, const struct resolv_conf *c, enum libc libc, struct resolv_view *ret)
{
	struct resolv_view v = { .libc = libc, .ndots = 1, .timeout_s = 5, .attempts = 2 };
	struct viewing g = { .arena = arena, .v = &v };
	int r = each_line(&g, c);

	if (r == 0 && libc == LIBC_GLIBC)
		r = glibc_old_limits(&g);
	if (r == 0 && g.searches.len) {
		v.nsearches = g.searches.len;
		if ((v.searches = arena_array(arena, const char *, v.nsearches)))
			memcpy(v.searches, g.searches.v, v.nsearches * sizeof(*v.searches));
		else
			r = -ENOMEM;
	}
	array_free(&g.searches);
	if (r < 0) {
		resolv_view_release(&v);
		return r;
	}
	v.default_server = v.nservers == 0;
	if (v.default_server)
		v.servers[v.nservers++] = (struct ip_addr){ .family = AF_INET, .b = { 127, 0, 0, 1 } };
	*ret = v;
	return 0;
}
