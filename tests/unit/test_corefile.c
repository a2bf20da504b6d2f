/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CoreDNS's configuration: taken apart as CoreDNS does, with its errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/names.h>

static struct corefile read_text(struct arena *a, const char *text)
{
	struct corefile c = { 0 };
	size_t size = strlen(text);
	char *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, text, size);
	assert_int_equal(corefile_read(a, copy, size, &c), 0);
	free(copy);
	return c;
}

static void add_words(struct strbuf *b, const struct corefile_directive *d)
{
	strbuf_adds(b, d->name);
	for (size_t i = 0; i < d->nargs; i++)
		strbuf_addf(b, " %s", d->args[i]);
	if (d->ninner) {
		strbuf_adds(b, " {");
		for (size_t i = 0; i < d->ninner; i++) {
			strbuf_adds(b, i ? "; " : " ");
			add_words(b, &d->inner[i]);
		}
		strbuf_adds(b, " }");
	}
}

/* ".:53 cluster.local:53 [1] errors; forward . 8.8.8.8 | ..." */
static void shape(const struct corefile *c, struct strbuf *b)
{
	for (size_t i = 0; i < c->blocks.len; i++) {
		const struct corefile_block *k = &c->blocks.v[i];

		strbuf_adds(b, i ? " | " : "");
		for (size_t j = 0; j < k->nzones; j++)
			strbuf_addf(b, "%s:%u ", *k->zones[j] ? k->zones[j] : ".", k->ports[j]);
		strbuf_addf(b, "[%u]", k->line);
		for (size_t j = 0; j < k->ndirectives; j++) {
			strbuf_adds(b, j ? "; " : " ");
			add_words(b, &k->directives[j]);
		}
	}
	if (c->error)
		strbuf_addf(b, " !%u %s", c->error_line, c->error);
	if (c->has_imports)
		strbuf_adds(b, " +imports");
}

#define KUBEADM \
	".:53 {\n" \
	"    errors\n" \
	"    health {\n" \
	"       lameduck 5s\n" \
	"    }\n" \
	"    ready\n" \
	"    kubernetes cluster.local in-addr.arpa ip6.arpa {\n" \
	"       pods insecure\n" \
	"       fallthrough in-addr.arpa ip6.arpa\n" \
	"       ttl 30\n" \
	"    }\n" \
	"    prometheus :9153\n" \
	"    forward . /etc/resolv.conf {\n" \
	"       max_concurrent 1000\n" \
	"    }\n" \
	"    cache 30\n" \
	"    loop\n" \
	"    reload\n" \
	"    loadbalance\n" \
	"}\n"

static const struct {
	const char *text, *shape;
} rows[] = {
	{ "", "" },
	{ "# nothing\n\n", "" },
	{ KUBEADM,
	  ".:53 [1] errors; health { lameduck 5s }; ready; kubernetes cluster.local in-addr.arpa ip6.arpa { pods insecure; fallthrough in-addr.arpa ip6.arpa; ttl 30 }; "
	  "prometheus :9153; forward . /etc/resolv.conf { max_concurrent 1000 }; cache 30; loop; reload; loadbalance" },
	/* words, quotes, comments, carriage returns, a byte order mark */
	{ "\xef\xbb\xbf. {\r\n\terrors # all of them\r\n\tlog\r\n}\r\n", ".:53 [1] errors; log" },
	{ ". {\n  hosts \"my file\" {\n    1.2.3.4 a\\\"b \"c\\\"d\" \"\\x\"\n  }\n}", ".:53 [1] hosts my file { 1.2.3.4 a\\\"b c\"d \\x }" },
	{ ". {\n template IN A {\n  answer \"x\n  y\" z\n  rcode REFUSED\n }\n}", ".:53 [1] template IN A { answer x\n  y z; rcode REFUSED }" },
	{ ". {\n errors#not a word\n log\n}", ".:53 [1] errors; log" },
	{ ". {\n a \"\\\\\" b\n}", ".:53 [1] a \\\\ b" },
	/* zones */
	{ "example.org. example.net:1053 {\n whoami\n}\n", "example.org:53 example.net:1053 [1] whoami" },
	{ "a.b,\nc.d {\n log\n}\n", "a.b:53 c.d:53 [1] log" },
	{ "dns://.:5353 tls://x grpc://y https://z:8443 quic://q {\n}\n", ".:5353 x:853 y:443 z:8443 q:853 [1]" },
	{ "10.0.0.0/8 {\n}\n", "10.in-addr.arpa:53 [1]" },
	{ "10.1.2.0/24:1053 172.16.0.0/14 {\n}\n", "2.1.10.in-addr.arpa:1053 16.172.in-addr.arpa:53 17.172.in-addr.arpa:53 18.172.in-addr.arpa:53 19.172.in-addr.arpa:53 [1]" },
	{ "10.9.8.7/32 {\n}\n", "7.8.9.10.in-addr.arpa:53 [1]" },
	{ "2001:db8::/33 {\n}\n",
	  "0.8.b.d.0.1.0.0.2.ip6.arpa:53 1.8.b.d.0.1.0.0.2.ip6.arpa:53 2.8.b.d.0.1.0.0.2.ip6.arpa:53 3.8.b.d.0.1.0.0.2.ip6.arpa:53 "
	  "4.8.b.d.0.1.0.0.2.ip6.arpa:53 5.8.b.d.0.1.0.0.2.ip6.arpa:53 6.8.b.d.0.1.0.0.2.ip6.arpa:53 7.8.b.d.0.1.0.0.2.ip6.arpa:53 [1]" },
	{ "255.255.255.254/31 {\n}\n", "254.255.255.255.in-addr.arpa:53 255.255.255.255.in-addr.arpa:53 [1]" },
	{ "0.0.0.0/0 {\n}\n", "in-addr.arpa:53 [1]" },
	/* without braces, and zones alone */
	{ ".\nerrors\nforward . 8.8.8.8\n", ".:53 [1] errors; forward . 8.8.8.8" },
	{ "example.org", "example.org:53 [1]" },
	/* snippets and imports */
	{ "(snip) {\n errors\n cache 30 {\n  success 1\n }\n}\n. {\n import snip\n forward . 1.1.1.1\n}\nb {\n import snip\n}\n",
	  ".:53 [7] errors; cache 30 { success 1 }; forward . 1.1.1.1 | b:53 [11] errors; cache 30 { success 1 }" },
	{ "(p) {\n policy random\n}\n. {\n forward . 1.1.1.1 {\n  import p\n  max_fails 1\n }\n}\n", ".:53 [4] forward . 1.1.1.1 { policy random; max_fails 1 }" },
	{ ". {\n import custom/*.override\n log\n}\nimport custom/*.server\n", ".:53 [1] log +imports" },
	{ "import custom/*.server\n. {\n log\n}\n", ".:53 [2] log +imports" },
	{ "{$ZONE} {\n forward . {$UPSTREAM}\n}\n", "{$ZONE}:53 [1] forward . {$UPSTREAM} +imports" },
	/* errors */
	{ ". {\n errors\n", ".:53 [1] errors !2 Syntax error: Unexpected token 'errors', expecting '}'" },
	{ ". {\n forward . 8.8.8.8 {\n  max_fails 1\n", ".:53 [1] !3 Error during parsing: Unexpected EOF" },
	/* a last brace that is missing is not noticed, where another one ends the file */
	{ ". {\n forward . 8.8.8.8 {\n  max_fails 1\n}\n", ".:53 [1] forward . 8.8.8.8 { max_fails 1 }" },
	{ ". {\n errors }\n}\n", ".:53 [1] !2 Error during parsing: Unexpected '}' because no matching opening brace" },
	{ ". {\n errors\n}\n}\nb {\n log\n}\n", ".:53 [1] errors | }:53 [4] b { log }" },
	{ "a, {\n}\n", " !1 Error during parsing: Expected another address but had '{' - check for extra comma" },
	{ "a,", " !1 Error during parsing: Unexpected EOF" },
	{ ". {\n import\n log\n}\n", ".:53 [1] !2 Error during parsing: Wrong argument count or unexpected line ending after 'import'" },
	{ ". {\n import a b\n}\n", ".:53 [1] !2 Error during parsing: Import takes only one argument (glob pattern or file)" },
	{ "(a) {\n log\n}\n(a) {\n}\n", " !4 Error during parsing: redeclaration of previously declared snippet a" },
	{ "(a) {\n log\n", " !2 Syntax error: Unexpected token 'log', expecting '}'" },
	{ "x: {\n}\n", " !1 expecting data after last colon: \"x:\"" },
};

static void shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(corefile_release) struct corefile c = read_text(&a, rows[i].text);
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

		shape(&c, &b);
		if (strcmp(strbuf_str(&b), rows[i].shape) != 0)
			fail_msg("%s\n  gives  %s\n  not    %s", rows[i].text, strbuf_str(&b), rows[i].shape);
	}
}

static void lines(void **state)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(corefile_release) struct corefile c = read_text(&a, KUBEADM);
	const struct corefile_directive *f;

	(void)state;
	assert_int_equal(c.blocks.len, 1);
	f = corefile_find(&c.blocks.v[0], "forward");
	assert_non_null(f);
	assert_int_equal(f->line, 13);
	assert_int_equal(f->inner[0].line, 14);
	assert_null(corefile_find(&c.blocks.v[0], "hosts"));
}

static void blocks(void **state)
{
	static const struct {
		const char *name;
		unsigned line;
	} asked[] = {
		{ "web.shop.svc.cluster.local", 2 }, { "CLUSTER.local.", 2 }, { "notcluster.local", 3 }, { "1.0.0.10.in-addr.arpa", 4 }, { "", 3 },
		{ "x.corp.example", 5 },	     { "example", 3 },
	};
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(corefile_release) struct corefile c = read_text(&a, "tls://cluster.local {\n}\ncluster.local {\n}\n. {\n}\n10.0.0.0/8 {\n}\ncorp.example {\n}\n");
	static const unsigned line_of[] = { 0, 1, 3, 5, 7, 9 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		const struct corefile_block *b = corefile_block_of(&c, asked[i].name);

		if (!b || b->line != line_of[asked[i].line])
			fail_msg("'%s' is answered by the block of line %u", asked[i].name, b ? b->line : 0);
	}
}

static void no_block(void **state)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(corefile_release) struct corefile c = read_text(&a, "cluster.local:5353 {\n}\nexample.org:9999 {\n}\n");

	(void)state;
	assert_non_null(corefile_block_of(&c, "a.cluster.local"));
	assert_null(corefile_block_of(&c, "example.org"));
	assert_null(corefile_block_of(&c, "example.com"));
}

static void limits(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	(void)state;
	strbuf_adds(&b, "(a) {\n log\n log\n}\n(b) {\n");
	for (int i = 0; i < 2000; i++)
		strbuf_adds(&b, " import a\n");
	strbuf_adds(&b, "}\n. {\n import b\n}\n");
	assert_false(b.failed);
	{
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(corefile_release) struct corefile c = read_text(&a, strbuf_str(&b));

		assert_non_null(c.error);
		assert_non_null(strstr(c.error, "maximum snippet import depth"));
	}
	strbuf_reset(&b);
	for (int i = 0; i < 30000; i++)
		strbuf_adds(&b, "x ");
	assert_false(b.failed);
	{
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(corefile_release) struct corefile c = read_text(&a, strbuf_str(&b));

		assert_non_null(c.error);
		assert_int_equal(c.blocks.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes), cmocka_unit_test(lines), cmocka_unit_test(blocks), cmocka_unit_test(no_block), cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
