/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CoreDNS's configuration, as CoreDNS takes it apart (coredns/caddy caddyfile: lexer, parse, dispenser): words between white space, "quoted"
 * ones, '#' up to the end of the line, blocks in braces behind their zones, "(name) { }" put in where `import name` stands. What each
 * plugin makes of its words is not looked at here. `import` of files and environment variables are parts that are not here.
 */
#include <ctype.h>
#include <errno.h>

#include <svcdoctor/names.h>

#define SIZE_LIMIT (1u << 20)  /* a ConfigMap is no larger */
#define TOKENS_MAX 20000u
#define IMPORTS_MAX 1000u      /* of snippets, as in caddyfile */
#define DEPTH_MAX 32
#define ZONES_MAX 512u	       /* of one block */

struct token {
	const char *text;
	unsigned line, breaks; /* line breaks in it */
};
struct snippet {
	const char *name;
	const struct token *tokens;
	size_t len;
};
struct parser {
	struct arena *arena;
	ARRAY_OF(struct token) tokens;
	ARRAY_OF(struct snippet) snippets;
	size_t at;
	unsigned imports;
	struct corefile *c;
	int err; /* -ENOMEM */
};

void corefile_release(struct corefile *c)
{
	array_free(&c->blocks);
	*c = (struct corefile){ 0 };
}

/* ---- tokens ---- */

struct lexer {
	const char *s, *end;
	unsigned line;
};

static bool quoted_token(struct lexer *l, struct strbuf *b)
{
	for (l->s++; l->s < l->end && *l->s != '"'; l->s++) {
		/* before anything but a quote it stands for itself, and what follows it as well */
		if (*l->s == '\\' && l->s + 1 < l->end && *++l->s != '"')
			strbuf_addc(b, '\\');
		l->line += *l->s == '\n';
		strbuf_addc(b, *l->s);
	}
	if (l->s < l->end) {
		l->s++;
		return true;
	}
	return b->len > 0;
}

static void plain_token(struct lexer *l, struct strbuf *b)
{
	for (; l->s < l->end && (*l->s == '\r' || !isspace((unsigned char)*l->s)) && *l->s != '#'; l->s++)
		if (*l->s != '\r')
			strbuf_addc(b, *l->s);
}

static void skip_space(struct lexer *l)
{
	bool comment = false;

	for (; l->s < l->end; l->s++) {
		if (*l->s == '\n') {
			l->line++;
			comment = false;
		} else if (*l->s == '#') {
			comment = true;
		} else if (!comment && !isspace((unsigned char)*l->s)) {
			return;
		}
	}
}

static int add_token(struct parser *p, unsigned line, const struct strbuf *b)
{
	struct token t = { .line = line };

	if (b->failed || !(t.text = arena_strndup(p->arena, strbuf_str(b), b->len)))
		return -ENOMEM;
	for (const char *s = t.text; *s; s++)
		t.breaks += *s == '\n';
	return array_push(&p->tokens, t);
}

static int read_tokens(struct parser *p, const char *data, size_t size)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct lexer l = { data, data + size, 1 };
	int e = 0;

	if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		l.s += 3;
	for (skip_space(&l); l.s < l.end && e == 0 && p->tokens.len <= TOKENS_MAX; skip_space(&l)) {
		unsigned line = l.line;
		bool whole = true;

		strbuf_reset(&b);
		if (*l.s == '"')
			whole = quoted_token(&l, &b);
		else
			plain_token(&l, &b);
		if (whole)
			e = add_token(p, line, &b);
	}
	return e;
}

/* ---- where the parser stands ---- */

static const struct token *now(const struct parser *p)
{
	static const struct token none = { .text = "" };

	return p->at < p->tokens.len ? &p->tokens.v[p->at] : &none;
}

static bool now_is(const struct parser *p, const char *text)
{
	return strcmp(now(p)->text, text) == 0;
}

static bool next(struct parser *p)
{
	if (p->at + 1 >= p->tokens.len)
		return false;
	p->at++;
	return true;
}

static bool breaks_line(const struct token *before, const struct token *t)
{
	return before->line + before->breaks < t->line;
}

static bool at_new_line(const struct parser *p)
{
	return p->at == 0 || (p->at < p->tokens.len && breaks_line(&p->tokens.v[p->at - 1], &p->tokens.v[p->at]));
}

static bool failed(const struct parser *p)
{
	return p->err || p->c->error;
}

static void fail(struct parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void fail(struct parser *p, const char *fmt, ...)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	va_list ap;

	if (failed(p))
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	p->c->error = b.failed ? NULL : arena_clean(p->arena, strbuf_str(&b));
	p->c->error_line = p->at < p->tokens.len ? now(p)->line : p->tokens.len ? p->tokens.v[p->tokens.len - 1].line : 0;
	if (!p->c->error)
		p->err = -ENOMEM;
}

/* As CoreDNS writes them behind "FILE:LINE - ". */
static void fail_parsing(struct parser *p, const char *what)
{
	fail(p, "Error during parsing: %.200s", what);
}

static void fail_syntax(struct parser *p, const char *expected)
{
	fail(p, "Syntax error: Unexpected token '%.100s', expecting '%s'", now(p)->text, expected);
}

static bool has_variable(const char *s)
{
	return strstr(s, "{$") || strstr(s, "{%");
}

/* ---- import ---- */

static const struct snippet *find_snippet(const struct parser *p, const char *name)
{
	for (size_t i = 0; i < p->snippets.len; i++)
		if (strcmp(p->snippets.v[i].name, name) == 0)
			return &p->snippets.v[i];
	return NULL;
}

/* Puts @n tokens in the place of the @gone ones at @at. */
static int splice(struct parser *p, size_t at, size_t gone, const struct token *v, size_t n)
{
	size_t behind = p->tokens.len - at - gone;

	if (array_grow_(&p->tokens.v, &p->tokens.cap, p->tokens.len + n, sizeof(*p->tokens.v)) < 0)
		return -ENOMEM;
	memmove(p->tokens.v + at + n, p->tokens.v + at + gone, behind * sizeof(*v));
	if (n)
		memcpy(p->tokens.v + at, v, n * sizeof(*v));
	p->tokens.len = at + n + behind;
	return 0;
}

/* At `import`; goes to the first token of what was imported. */
static void do_import(struct parser *p)
{
	const struct snippet *s;
	size_t i = p->at;

	if (i + 1 >= p->tokens.len || breaks_line(&p->tokens.v[i], &p->tokens.v[i + 1])) {
		fail_parsing(p, "Wrong argument count or unexpected line ending after 'import'");
		return;
	}
	p->at = i + 1;
	if (i + 2 < p->tokens.len && !breaks_line(&p->tokens.v[i + 1], &p->tokens.v[i + 2])) {
		fail_parsing(p, "Import takes only one argument (glob pattern or file)");
		return;
	}
	s = find_snippet(p, p->tokens.v[i + 1].text);
	if (!s)
		p->c->has_imports = true;
	else if (p->imports++ >= IMPORTS_MAX || p->tokens.len + s->len > TOKENS_MAX)
		fail_parsing(p, "maximum snippet import depth (1000) exceeded");
	if (!failed(p) && splice(p, i, 2, s ? s->tokens : NULL, s ? s->len : 0) < 0)
		p->err = -ENOMEM;
	p->at = i;
}

/* ---- zones ---- */

static const struct {
	const char *prefix;
	uint16_t port;
} transports[] = { { "dns://", 53 },	{ "tls://", 853 },   { "quic://", 853 }, { "grpc://", 443 },
		   { "https://", 443 }, { "https3://", 443 } };

struct zone_list {
	ARRAY_OF(const char *) zones;
	ARRAY_OF(uint16_t) ports;
};

static int add_zone(struct zone_list *l, const char *zone, uint16_t port)
{
	if (l->zones.len >= ZONES_MAX)
		return 0;
	return array_push(&l->zones, zone) < 0 || array_push(&l->ports, port) < 0 ? -ENOMEM : 0;
}

/*
 * 10.0.0.0/12 stands for the sixteen zones of its octets, as plugin/pkg/cidr splits it; older versions took the one that holds them
 * all, which none of these names tells apart.
 */
static int add_reverse(struct parser *p, struct zone_list *l, const struct ip_prefix *net, uint16_t port)
{
	const unsigned step = net->addr.family == AF_INET ? 8 : 4, whole = (net->len + step - 1) / step * step;
	const size_t labels = (net->addr.family == AF_INET ? 32 : 128) / step;
	struct ip_prefix one = { ip_prefix_first(net), (uint8_t)whole };
	const unsigned count = 1u << (whole - net->len);
	int e = 0;

	for (unsigned i = 0; i < count && e == 0; i++) {
		char buf[DNS_REVERSE_STRLEN];
		const char *name = dns_reverse_name(&one.addr, buf), *copy;
		struct ip_addr last = ip_prefix_last(&one), above;

		for (size_t drop = labels - whole / step; drop > 0; drop--)
			name = strchr(name, '.') + 1;
		copy = arena_strdup(p->arena, name);
		e = copy ? add_zone(l, copy, port) : -ENOMEM;
		if (i + 1 < count && ip_addr_next(&last, &above))
			one.addr = above;
	}
	return e;
}

static int add_key(struct parser *p, struct zone_list *l, const char *key)
{
	const char *colon;
	uint16_t port = 53;
	struct ip_prefix net;
	size_t len;
	uint64_t n;
	char *zone;

	for (size_t i = 0; i < ARRAY_LEN(transports); i++)
		if (str_starts(key, transports[i].prefix)) {
			key += strlen(transports[i].prefix);
			port = transports[i].port;
			break;
		}
	len = strlen(key);
	colon = strrchr(key, ':');
	if (colon && !colon[1]) {
		fail(p, "expecting data after last colon: \"%.200s\"", key);
		return 0;
	}
	if (colon && parse_uint(colon + 1, strlen(colon + 1), UINT16_MAX, &n) == 0) {
		port = (uint16_t)n;
		len = (size_t)(colon - key);
	}
	zone = arena_strndup(p->arena, key, len);
	if (!zone)
		return -ENOMEM;
	if (strchr(zone, '/') && ip_prefix_parse(zone, &net) == 0)
		return add_reverse(p, l, &net, port);
	if (len && zone[len - 1] == '.')
		zone[len - 1] = '\0';
	p->c->has_imports |= has_variable(zone);
	return add_zone(l, zone, port);
}

/* ---- directives ---- */

static int push_copy(struct arena *a, const void *v, size_t len, size_t size, const void **ret)
{
	void *copy = arena_alloc(a, len * size + 1);

	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, v, len * size);
	*ret = copy;
	return 0;
}

struct directives {
	ARRAY_OF(struct corefile_directive) v;
};

/* The words from @i on make one directive with what stands in its braces; *@i goes behind it. */
static int make_directive(struct parser *p, const struct token *t, size_t n, size_t *i, unsigned depth, struct corefile_directive *ret);

static int make_inner(struct parser *p, const struct token *t, size_t n, size_t *i, unsigned depth, struct corefile_directive *ret)
{
	struct directives inner = { 0 };
	const void *copy = NULL;
	int e = 0;

	while (e == 0 && *i < n && strcmp(t[*i].text, "}") != 0) {
		struct corefile_directive d;

		e = make_directive(p, t, n, i, depth + 1, &d);
		if (e == 0)
			e = array_push(&inner.v, d);
	}
	++*i;
	if (e == 0)
		e = push_copy(p->arena, inner.v.v, inner.v.len, sizeof(*inner.v.v), &copy);
	if (e == 0) {
		ret->inner = copy;
		ret->ninner = inner.v.len;
	}
	array_free(&inner.v);
	return e;
}

static int make_directive(struct parser *p, const struct token *t, size_t n, size_t *i, unsigned depth, struct corefile_directive *ret)
{
	struct corefile_directive d = { .name = t[*i].text, .line = t[*i].line };
	ARRAY_OF(const char *) args = { 0 };
	const void *copy = NULL;
	int e = 0;

	/* a brace without a name before it: what is in it belongs to nothing */
	if (strcmp(d.name, "{") != 0)
		++*i;
	while (e == 0 && *i < n && strcmp(t[*i].text, "{") != 0 && strcmp(t[*i].text, "}") != 0 && !breaks_line(&t[*i - 1], &t[*i]))
		e = array_push(&args, t[(*i)++].text);
	if (e == 0)
		e = push_copy(p->arena, args.v, args.len, sizeof(*args.v), &copy);
	d.args = copy;
	d.nargs = args.len;
	array_free(&args);
	if (e == 0 && *i < n && strcmp(t[*i].text, "{") == 0) {
		++*i;
		if (depth < DEPTH_MAX)
			e = make_inner(p, t, n, i, depth, &d);
		else
			*i = n;
	}
	if (e == 0)
		*ret = d;
	return e;
}

/* Where the directive that begins here ends; imports in it are done. */
static size_t directive_end(struct parser *p)
{
	size_t nesting = 0;

	while (next(p)) {
		if (now_is(p, "{")) {
			nesting++;
		} else if (at_new_line(p) && nesting == 0) {
			return p->at--;
		} else if (now_is(p, "}") && nesting > 0) {
			nesting--;
		} else if (now_is(p, "}")) {
			fail_parsing(p, "Unexpected '}' because no matching opening brace");
			return p->at;
		} else if (now_is(p, "import") && at_new_line(p)) {
			do_import(p);
			if (failed(p))
				return p->at;
			p->at--;
		}
	}
	if (nesting > 0)
		fail_parsing(p, "Unexpected EOF");
	return p->tokens.len;
}

static int read_directives(struct parser *p, struct directives *ret)
{
	while (!failed(p) && next(p) && !now_is(p, "}")) {
		struct corefile_directive d;
		size_t begin = p->at, end, i = 0;

		if (now_is(p, "import")) {
			do_import(p);
			p->at--;
			continue;
		}
		end = directive_end(p);
		if (failed(p))
			break;
		if (make_directive(p, p->tokens.v + begin, end - begin, &i, 0, &d) < 0 || array_push(&ret->v, d) < 0)
			return -ENOMEM;
	}
	return p->err;
}

/* ---- blocks ---- */

struct keys {
	ARRAY_OF(const char *) v;
	unsigned line;
};

static int add_key_text(struct parser *p, struct keys *k, const char *text, bool *expecting)
{
	size_t len = strlen(text);
	const char *copy;

	if (!len)
		return 0;
	*expecting = text[len - 1] == ',';
	copy = arena_strndup(p->arena, text, len - *expecting);
	return copy ? array_push(&k->v, copy) : -ENOMEM;
}

/* The zones before a block. False: the file ends with them. */
static bool read_keys(struct parser *p, struct keys *k)
{
	bool expecting = false;

	for (k->line = now(p)->line; !failed(p);) {
		if (now_is(p, "import") && at_new_line(p)) {
			do_import(p);
			if (!k->v.len)
				k->line = now(p)->line;
			if (p->at >= p->tokens.len)
				return false;
			continue;
		}
		if (now_is(p, "{")) {
			if (expecting)
				fail_parsing(p, "Expected another address but had '{' - check for extra comma");
			return true;
		}
		if (add_key_text(p, k, now(p)->text, &expecting) < 0) {
			p->err = -ENOMEM;
			return false;
		}
		if (!next(p)) {
			if (expecting)
				fail_parsing(p, "Unexpected EOF");
			return false;
		}
		if (!expecting && at_new_line(p))
			return true;
	}
	return false;
}

static bool is_snippet(const struct keys *k)
{
	return k->v.len == 1 && k->v.v[0][0] == '(' && str_ends(k->v.v[0], ")");
}

static void read_snippet(struct parser *p, const char *key)
{
	struct snippet s = { .name = arena_strndup(p->arena, key + 1, strlen(key) - 2) };
	size_t begin = p->at + 1, depth = 1;
	const void *copy = NULL;

	if (s.name && find_snippet(p, s.name)) {
		fail(p, "Error during parsing: redeclaration of previously declared snippet %.100s", s.name);
		return;
	}
	if (!now_is(p, "{")) {
		fail_syntax(p, "{");
		return;
	}
	while (depth && next(p)) {
		depth += now_is(p, "{");
		depth -= now_is(p, "}");
	}
	if (depth) {
		fail_syntax(p, "}");
		return;
	}
	s.len = p->at - begin;
	if (!s.name || push_copy(p->arena, p->tokens.v + begin, s.len, sizeof(*p->tokens.v), &copy) < 0)
		p->err = -ENOMEM;
	s.tokens = copy;
	if (!p->err && array_push(&p->snippets, s) < 0)
		p->err = -ENOMEM;
}

static int push_block(struct parser *p, const struct keys *k, const struct zone_list *l, const struct directives *d)
{
	struct corefile_block b = { .line = k->line, .nzones = l->zones.len, .ndirectives = d->v.len };
	const void *zones = NULL, *ports = NULL, *directives = NULL;

	if (push_copy(p->arena, l->zones.v, l->zones.len, sizeof(*l->zones.v), &zones) < 0 ||
	    push_copy(p->arena, l->ports.v, l->ports.len, sizeof(*l->ports.v), &ports) < 0 ||
	    push_copy(p->arena, d->v.v, d->v.len, sizeof(*d->v.v), &directives) < 0)
		return -ENOMEM;
	b.zones = zones;
	b.ports = ports;
	b.directives = directives;
	return array_push(&p->c->blocks, b);
}

/* At the brace, or at the first directive of a file without braces. @contents false: the file ends behind its zones. */
static void read_block(struct parser *p, const struct keys *k, bool contents)
{
	const bool brace = contents && now_is(p, "{");
	struct directives d = { 0 };
	struct zone_list l = { 0 };

	if (contents && !brace && p->at > 0)
		p->at--;
	for (size_t i = 0; i < k->v.len && !failed(p); i++)
		if (add_key(p, &l, k->v.v[i]) < 0)
			p->err = -ENOMEM;
	if (!failed(p) && contents && read_directives(p, &d) < 0)
		p->err = -ENOMEM;
	if (!failed(p) && brace && !now_is(p, "}"))
		fail_syntax(p, "}");
	/* what was read before an error is kept */
	if (!p->err && l.zones.len && push_block(p, k, &l, &d) < 0)
		p->err = -ENOMEM;
	array_free(&d.v);
	array_free(&l.zones);
	array_free(&l.ports);
}

static void read_blocks(struct parser *p)
{
	bool more = p->tokens.len > 0;

	while (more && !failed(p)) {
		struct keys k = { 0 };
		bool contents = read_keys(p, &k);

		if (!failed(p) && is_snippet(&k) && contents)
			read_snippet(p, k.v.v[0]);
		else if (!failed(p) && (contents || k.v.len))
			read_block(p, &k, contents);
		more = contents && !failed(p) && next(p);
		array_free(&k.v);
	}
}

int corefile_read(struct arena *arena, const char *data, size_t size, struct corefile *ret)
{
	struct corefile c = { 0 };
	struct parser p = { .arena = arena, .c = &c };

	p.err = read_tokens(&p, data, MIN(size, (size_t)SIZE_LIMIT));
	if (!p.err && (p.tokens.len > TOKENS_MAX || size > SIZE_LIMIT)) {
		p.tokens.len = 0;
		fail(&p, "%s", sd_strerror(SD_ELIMIT));
	}
	if (!p.err)
		read_blocks(&p);
	array_free(&p.tokens);
	array_free(&p.snippets);
	if (p.err)
		corefile_release(&c);
	else
		*ret = c;
	return p.err;
}

/* ---- questions ---- */

/* Blocks of other ports than that of DNS answer other clients; where none has it, the cluster's Service leads to that of the first. */
static uint16_t port_asked(const struct corefile *c)
{
	for (size_t i = 0; i < c->blocks.len; i++)
		for (size_t j = 0; j < c->blocks.v[i].nzones; j++)
			if (c->blocks.v[i].ports[j] == 53)
				return 53;
	return c->blocks.len ? c->blocks.v[0].ports[0] : 53;
}

const struct corefile_block *corefile_block_of(const struct corefile *c, const char *name)
{
	const uint16_t port = port_asked(c);
	const struct corefile_block *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < c->blocks.len; i++) {
		const struct corefile_block *b = &c->blocks.v[i];

		for (size_t j = 0; j < b->nzones; j++) {
			size_t len = strlen(b->zones[j]);

			if (b->ports[j] != port || !dns_name_inside(name, b->zones[j]) || (best && len <= best_len))
				continue;
			best = b;
			best_len = len;
		}
	}
	return best;
}

const struct corefile_directive *corefile_find(const struct corefile_block *b, const char *directive)
{
	for (size_t i = 0; i < b->ndirectives; i++)
		if (strcmp(b->directives[i].name, directive) == 0)
			return &b->directives[i];
	return NULL;
}
