/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of DNS, resolv.conf as each libc takes it, what they ask for a name, and what a kubelet writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>

#include <svcdoctor/names.h>

/* ---- names ---- */

static void names_compare(void **state)
{
	(void)state;
	assert_true(dns_name_equal("Web.Shop.", "web.shop"));
	assert_true(dns_name_equal("", "."));
	assert_false(dns_name_equal("web", "web2"));
	assert_false(dns_name_equal("a\\.", "a"));
	assert_true(dns_name_equal("a\\\\.", "a\\\\"));
	assert_true(dns_name_inside("a.Cluster.local", "cluster.local."));
	assert_true(dns_name_inside("cluster.local", "cluster.local"));
	assert_false(dns_name_inside("xcluster.local", "cluster.local"));
	assert_false(dns_name_inside("local", "cluster.local"));
	assert_true(dns_name_inside("anything", ""));
	assert_int_equal(dns_name_dots("a.b."), 2);
	assert_int_equal(dns_name_dots(""), 0);
}

static void types_and_codes(void **state)
{
	char buf[DNS_TYPE_STRLEN], reverse[DNS_REVERSE_STRLEN];
	struct ip_addr a;

	(void)state;
	assert_string_equal(dns_type_name(DNS_AAAA, buf), "AAAA");
	assert_string_equal(dns_type_name(65, buf), "TYPE65");
	assert_int_equal(dns_type_parse("aaaa"), DNS_AAAA);
	assert_int_equal(dns_type_parse("TYPE65535"), 65535);
	assert_int_equal(dns_type_parse("TYPE65536"), -EINVAL);
	assert_int_equal(dns_type_parse("TYPE"), -EINVAL);
	assert_int_equal(dns_type_parse("WHAT"), -EINVAL);
	assert_string_equal(dns_rcode_name(DNS_REFUSED), "REFUSED");
	assert_string_equal(dns_rcode_name(11), "?");
	assert_string_equal(dns_end_name(DNS_PORT_CLOSED), "port-closed");
	assert_string_equal(dns_end_name(DNS_ENDS), "");
	assert_int_equal(ip_addr_parse("10.96.0.1", &a), 0);
	assert_string_equal(dns_reverse_name(&a, reverse), "1.0.96.10.in-addr.arpa");
	assert_int_equal(ip_addr_parse("fd00::1", &a), 0);
	assert_string_equal(dns_reverse_name(&a, reverse),
			    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa");
}

static void chains(void **state)
{
	struct dns_record rr[] = { { .owner = "b.example", .type = DNS_CNAME, .target = "c.example" },
				   { .owner = "A.example", .type = DNS_CNAME, .target = "b.example" },
				   { .owner = "c.example", .type = DNS_A, .addr = { .family = AF_INET } } };
	struct dns_answer a = { .q = { .name = "a.example", .type = DNS_A }, .end = DNS_ANSWERED, .answers = rr, .nanswers = 3 };
	size_t len;
	bool loop;

	(void)state;
	assert_string_equal(dns_chain_end(&a, "a.example", &len, &loop), "c.example");
	assert_int_equal(len, 2);
	assert_false(loop);
	assert_false(dns_is_nodata(&a));
	a.q.type = DNS_AAAA;
	assert_true(dns_is_nodata(&a));
	rr[2] = (struct dns_record){ .owner = "c.example", .type = DNS_CNAME, .target = "a.example" };
	dns_chain_end(&a, "a.example", &len, &loop);
	assert_true(loop);
	assert_false(dns_is_nodata(&a));
	a.q.type = DNS_CNAME;
	assert_string_equal(dns_chain_end(&a, "a.example", &len, &loop), "a.example");
}

/* ---- resolv.conf ---- */

struct conf {
	struct arena arena;
	struct sd_notes notes;
	struct resolv_conf c;
	struct resolv_view v[LIBC_COUNT];
};

static void conf_open(struct conf *f, const char *text)
{
	*f = (struct conf){ 0 };
	assert_int_equal(resolv_conf_read(&f->arena, text, strlen(text), "resolv.conf", &f->notes, &f->c), 0);
	for (int i = 0; i < LIBC_COUNT; i++)
		assert_int_equal(resolv_view_make(&f->arena, &f->c, (enum libc)i, &f->v[i]), 0);
}

static void conf_close(struct conf *f)
{
	for (int i = 0; i < LIBC_COUNT; i++)
		resolv_view_release(&f->v[i]);
	resolv_conf_release(&f->c);
	sd_notes_release(&f->notes);
	arena_release(&f->arena);
}

static const char *why(const struct resolv_view *v, const char *what)
{
	for (size_t i = 0; i < v->left_out.len; i++) {
		if (strcmp(v->left_out.v[i].what, what) == 0)
			return v->left_out.v[i].why;
	}
	return NULL;
}

static void file_is_read(void **state)
{
	struct conf f;

	(void)state;
	conf_open(&f, "# written by somebody\n; and another\nsearch old.example\nnameserver\t10.96.0.10  # the cluster's\n"
		      "nameserver fe80::1%eth0\nnameserver what\nsearch shop.svc.cluster.local svc.cluster.local. cluster.local\n"
		      "options ndots:5 timeout:2\noptions edns0\n nameserver 10.0.0.1\n");
	assert_int_equal(f.c.servers.len, 3);
	assert_string_equal(f.c.servers.v[1].text, "fe80::1%eth0");
	assert_int_equal(f.c.servers.v[1].addr.family, AF_INET6);
	assert_int_equal(f.c.servers.v[2].addr.family, 0);
	assert_int_equal(f.c.searches.len, 3);
	assert_string_equal(f.c.searches.v[1].domain, "svc.cluster.local");
	assert_int_equal(f.c.search_line, 7);
	assert_int_equal(f.c.options.len, 3);
	assert_int_equal(f.c.options.v[2].line, 9);
	assert_false(f.c.truncated);
	assert_int_equal(f.notes.len, 1);
	assert_int_equal(f.notes.v[0].line, 6);
	for (int i = 0; i < LIBC_COUNT; i++) {
		assert_int_equal(f.v[i].nservers, 2);
		assert_int_equal(f.v[i].ndots, 5);
		assert_int_equal(f.v[i].timeout_s, 2);
		assert_non_null(why(&f.v[i], " nameserver 10.0.0.1"));
		assert_non_null(why(&f.v[i], "search old.example"));
		assert_non_null(why(&f.v[i], "what"));
	}
	assert_true(f.v[LIBC_GLIBC].edns0);
	assert_non_null(why(&f.v[LIBC_MUSL], "edns0"));
	conf_close(&f);
}

static void limits(void **state)
{
	struct conf f;

	(void)state;
	conf_open(&f, "nameserver 1\nnameserver 10.2\nnameserver 0x7f.1\nnameserver 10.0.0.4\noptions ndots:99 timeout:99 attempts:99 rotate\n"
		      "search a b c d e f g");
	assert_true(f.c.truncated);
	assert_int_equal(f.v[0].nservers, 3);
	assert_int_equal(f.v[0].servers[1].b[3], 2);
	assert_int_equal(f.v[0].servers[2].b[0], 127);
	assert_int_equal(f.v[0].ndots, 15);
	assert_int_equal(f.v[0].timeout_s, 30);
	assert_int_equal(f.v[0].attempts, 5);
	assert_int_equal(f.v[1].timeout_s, 60);
	assert_int_equal(f.v[1].attempts, 10);
	assert_int_equal(f.v[0].nsearches, 7);
	assert_int_equal(f.v[1].nsearches, 7);
	assert_non_null(strstr(why(&f.v[0], "g"), "2.26"));
	assert_null(why(&f.v[0], "f"));
	assert_non_null(why(&f.v[0], "10.0.0.4"));
	conf_close(&f);

	conf_open(&f, "");
	assert_true(f.v[0].default_server && f.v[1].default_server);
	assert_int_equal(f.v[0].servers[0].b[0], 127);
	assert_int_equal(f.v[0].ndots, 1);
	conf_close(&f);
}

static void libcs_differ(void **state)
{
	char text[400] = "search ";
	struct conf f;

	(void)state;
	conf_open(&f, "nameserver 10.0.0.1\r\nsearch a b\nsearch\ndomain x y\noptions ndots:2 ndots:3\n");
	assert_true(f.v[LIBC_GLIBC].default_server);
	assert_false(f.v[LIBC_MUSL].default_server);
	assert_int_equal(f.v[LIBC_GLIBC].nsearches, 1);
	assert_int_equal(f.v[LIBC_MUSL].nsearches, 2);
	assert_int_equal(f.v[LIBC_GLIBC].ndots, 3);
	assert_int_equal(f.v[LIBC_MUSL].ndots, 2);
	conf_close(&f);

	memset(text + 7, 'a', 300);
	memcpy(text + 307, "\nnameserver 10.0.0.1\n", 22);
	conf_open(&f, text);
	assert_int_equal(f.v[LIBC_GLIBC].nsearches, 1);
	assert_int_equal(f.v[LIBC_MUSL].nsearches, 0);
	assert_int_equal(f.v[LIBC_MUSL].nservers, 1);
	conf_close(&f);

	conf_open(&f, "search x\nsearch\n");
	assert_int_equal(f.v[LIBC_GLIBC].nsearches, 1);
	assert_int_equal(f.v[LIBC_MUSL].nsearches, 0);
	conf_close(&f);
}

static void damage(void **state)
{
	struct arena arena = { 0 };
	struct sd_notes notes = { 0 };
	struct resolv_conf c;
	size_t size = 200000;
	char *big = malloc(size);

	(void)state;
	assert_non_null(big);
	memset(big, '\n', size);
	assert_int_equal(resolv_conf_read(&arena, big, size, "f", &notes, &c), 0);
	assert_int_equal(notes.len, 1);
	assert_true(c.truncated);
	resolv_conf_release(&c);
	assert_int_equal(resolv_conf_read(&arena, "search a\0b\n", 11, "f", &notes, &c), 0);
	assert_int_equal(notes.len, 2);
	assert_string_equal(c.text, "search a");
	resolv_conf_release(&c);
	for (size_t i = 0; i + 14 <= 60000; i += 14)
		memcpy(big + i, "nameserver 1 \n", 14);
	assert_int_equal(resolv_conf_read(&arena, big, 60000, NULL, &notes, &c), 0);
	assert_int_equal(c.servers.len, 1024);
	assert_int_equal(notes.len, 3);
	resolv_conf_release(&c);
	free(big);
	sd_notes_release(&notes);
	arena_release(&arena);
}

/* ---- what is asked ---- */

/* Answers by name: the n-th word for A, AAAA. */
struct script {
	const char *name, *a, *aaaa;
};
struct asked {
	struct arena *arena;
	const struct script *v;
};

static const struct dns_answer *script_answer(void *arg, const char *name, uint16_t type)
{
	struct asked *s = arg;
	const char *what = "nxdomain";
	struct dns_answer *a = arena_new(s->arena, struct dns_answer);

	if (!a)
		return NULL;
	for (const struct script *row = s->v; row->name; row++) {
		if (strcmp(row->name, name) == 0)
			what = type == DNS_A ? row->a : row->aaaa;
	}
	if (!what)
		return NULL;
	*a = (struct dns_answer){ .q = { .name = name, .type = type }, .end = DNS_ANSWERED, .ra = true };
	if (strcmp(what, "nxdomain") == 0) {
		a->rcode = DNS_NXDOMAIN;
	} else if (strcmp(what, "servfail") == 0) {
		a->rcode = DNS_SERVFAIL;
	} else if (strcmp(what, "refused") == 0) {
		a->rcode = DNS_REFUSED;
	} else if (strcmp(what, "silent") == 0) {
		a->end = DNS_TIMED_OUT;
	} else if (strcmp(what, "nodata") != 0) {
		if (!(a->answers = arena_new(s->arena, struct dns_record)))
			return NULL;
		*a->answers = (struct dns_record){ .owner = name, .type = type };
		a->nanswers = 1;
		assert_int_equal(ip_addr_parse(what, &a->answers->addr), 0);
	}
	return a;
}

#define POD "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"

/* The names that are sent, in their order, and the result. */
static void check(const char *text, enum libc libc, const char *typed, const struct script *script, const char *names, enum libc_result result)
{
	CLEANUP(strbuf_release) struct strbuf got = STRBUF_INIT;
	struct conf f;
	struct libc_walk w;
	struct asked s = { .v = script };

	conf_open(&f, text);
	s.arena = &f.arena;
	assert_int_equal(libc_walk(&f.arena, &f.v[libc], typed, script ? script_answer : NULL, &s, &w), 0);
	for (size_t i = 0; i < w.steps.len; i++) {
		if (w.steps.v[i].needed)
			strbuf_addf(&got, "%s%s", got.len ? " " : "", w.steps.v[i].name);
	}
	assert_string_equal(strbuf_str(&got), names);
	assert_string_equal(libc_result_name(w.result), libc_result_name(result));
	assert_true(w.queries <= w.queries_at_most);
	if (result == LIBC_RESOLVED)
		assert_non_null(w.winner);
	libc_walk_release(&w);
	conf_close(&f);
}

static void search_list(void **state)
{
	static const struct script web[] = { { "web.shop.svc.cluster.local", "10.96.0.20", "nodata" }, { "example.com", "192.0.2.1", "nodata" }, { 0 } };
	static const struct script none[] = { { 0 } };

	(void)state;
	for (int l = 0; l < LIBC_COUNT; l++) {
		enum libc libc = (enum libc)l;
		check(POD, libc, "web", web, "web.shop.svc.cluster.local", LIBC_RESOLVED);
		check(POD, libc, "web.shop", web, "web.shop.shop.svc.cluster.local web.shop.svc.cluster.local", LIBC_RESOLVED);
		check(POD, libc, "web.shop.", web, "web.shop", LIBC_NO_NAME);
		check(POD, libc, "example.com", web,
		      "example.com.shop.svc.cluster.local example.com.svc.cluster.local example.com.cluster.local example.com", LIBC_RESOLVED);
		check(POD, libc, "10.0.0.1", none, "", LIBC_NO_QUESTION);
		check(POD, libc, "fe80::1%eth0", none, "", LIBC_NO_QUESTION);
		check(POD, libc, "localhost", none, "", LIBC_NO_QUESTION);
		check(POD, libc, "", none, "", LIBC_NO_NAME);
		check(POD, libc, "web", NULL, "web.shop.svc.cluster.local web.svc.cluster.local web.cluster.local web", LIBC_UNKNOWN);
	}
	check("search shop.svc.cluster.local svc.cluster.local\noptions ndots:1\n", LIBC_GLIBC, "web.shop", web,
	      "web.shop web.shop.shop.svc.cluster.local web.shop.svc.cluster.local", LIBC_RESOLVED);
	check("search shop.svc.cluster.local svc.cluster.local\noptions ndots:1\n", LIBC_MUSL, "web.shop", web, "web.shop", LIBC_NO_NAME);
}

static void failures(void **state)
{
	static const struct script nodata[] = { { "web.a", "nodata", "nodata" }, { "web.b", "10.0.0.1", "nodata" }, { 0 } };
	static const struct script servfail[] = { { "web.a", "servfail", "servfail" }, { "web.b", "10.0.0.1", "nodata" }, { 0 } };
	static const struct script refused[] = { { "web.a", "refused", "refused" }, { "web.b", "10.0.0.1", "nodata" }, { 0 } };
	static const struct script aaaa[] = { { "web.a", "10.0.0.1", "servfail" }, { "web.b", "nxdomain", "nxdomain" }, { 0 } };
	static const struct script mixed[] = { { "web.a", "10.0.0.1", "nxdomain" }, { 0 } };
	static const struct script unknown[] = { { "web.a", NULL, NULL }, { "web.b", "10.0.0.1", "nodata" }, { 0 } };

	(void)state;
	check("search a b\n", LIBC_GLIBC, "web", nodata, "web.a web.b", LIBC_RESOLVED);
	check("search a b\n", LIBC_MUSL, "web", nodata, "web.a", LIBC_NO_NAME);
	check("search a b\n", LIBC_GLIBC, "web", servfail, "web.a web.b", LIBC_RESOLVED);
	check("search a b\n", LIBC_MUSL, "web", servfail, "web.a", LIBC_TRY_AGAIN);
	check("search a b\n", LIBC_GLIBC, "web", refused, "web.a web", LIBC_NO_NAME);
	check("search a b\n", LIBC_MUSL, "web", refused, "web.a", LIBC_TRY_AGAIN);
	check("search a b\n", LIBC_GLIBC, "web", aaaa, "web.a", LIBC_RESOLVED);
	check("search a b\n", LIBC_MUSL, "web", aaaa, "web.a", LIBC_TRY_AGAIN);
	check("search a b\n", LIBC_GLIBC, "web", mixed, "web.a", LIBC_RESOLVED);
	check("search a b\n", LIBC_MUSL, "web", mixed, "web.a web.b web", LIBC_NO_NAME);
	check("search a b\n", LIBC_GLIBC, "web", unknown, "web.a web.b", LIBC_UNKNOWN);
	check("search a .\n", LIBC_GLIBC, "web", mixed + 1, "web.a web", LIBC_NO_NAME);
	check("search a .\n", LIBC_MUSL, "web", mixed + 1, "web.a web", LIBC_TRY_AGAIN);
	check("search a\noptions attempts:0\n", LIBC_GLIBC, "web", nodata, "", LIBC_TRY_AGAIN);
	check("search a\noptions attempts:0\n", LIBC_MUSL, "web", nodata, "", LIBC_FAILED);
	check("search a\noptions timeout:0\n", LIBC_MUSL, "web", nodata, "", LIBC_TRY_AGAIN);
	check("search a\noptions no-tld-query\n", LIBC_GLIBC, "web", mixed + 1, "web.a", LIBC_NO_NAME);
	check("search a\n", LIBC_GLIBC, "-web", nodata, "", LIBC_NO_NAME);
	check("search a\n", LIBC_GLIBC, "w_b", mixed + 1, "w_b.a w_b", LIBC_NO_NAME);
	check("search a\n", LIBC_GLIBC, "w b", nodata, "", LIBC_NO_NAME);
	check("search a\n", LIBC_MUSL, "w b", mixed + 1, "w b.a w b", LIBC_NO_NAME);
	check("search a\n", LIBC_GLIBC, "a..b", nodata, "", LIBC_NO_NAME);
}

/* ---- what a kubelet writes ---- */

static void join(const char *const *v, size_t len, struct strbuf *b)
{
	strbuf_adds(b, "|");
	for (size_t i = 0; i < len; i++)
		strbuf_addf(b, "%s%s", i ? " " : "", v[i]);
}

static void kubelet_writes(const struct kubelet_dns *k, const struct pod_dns *p, const char *expected)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct arena arena = { 0 };
	struct kubelet_resolv out;

	assert_int_equal(kubelet_resolv_make(&arena, k, p, &out), 0);
	join(out.nameservers.v, out.nameservers.len, &b);
	join(out.searches.v, out.searches.len, &b);
	join(out.options.v, out.options.len, &b);
	strbuf_addf(&b, "|%s%s", out.node_unknown ? "?" : "", out.fell_back ? "!" : "");
	if (out.servers_cut || out.searches_cut)
		strbuf_addf(&b, "%zu,%zu", out.servers_cut, out.searches_cut);
	assert_string_equal(strbuf_str(&b), expected);
	kubelet_resolv_release(&out);
	arena_release(&arena);
}

static void kubelet_policies(void **state)
{
	static const char *const dns[] = { "10.96.0.10" }, *const own[] = { "1.1.1.1", "10.96.0.10" }, *const options[] = { "ndots:2", "edns0" },
				 *const many[] = { "a", "b", "c", "d" };
	struct conf f;
	struct kubelet_dns k = { .cluster_dns = dns, .ncluster_dns = 1, .cluster_domain = "cluster.local" };

	(void)state;
	conf_open(&f, "domain unseen\n  nameserver 192.0.2.1\nsearch corp.example. cluster.local\noptions rotate\noptions edns0 trust-ad\n");
	kubelet_writes(&k, &(struct pod_dns){ .ns = "shop" },
		       "|10.96.0.10|shop.svc.cluster.local svc.cluster.local cluster.local|ndots:5|?");
	k.node = &f.c;
	kubelet_writes(&k, &(struct pod_dns){ .ns = "shop" },
		       "|10.96.0.10|shop.svc.cluster.local svc.cluster.local cluster.local corp.example|ndots:5|");
	kubelet_writes(&k, &(struct pod_dns){ .ns = "shop", .host_network = true }, "|192.0.2.1|corp.example cluster.local|edns0 trust-ad|");
	kubelet_writes(&k, &(struct pod_dns){ .ns = "shop", .host_network = true, .policy = "ClusterFirstWithHostNet" },
		       "|10.96.0.10|shop.svc.cluster.local svc.cluster.local cluster.local corp.example|ndots:5|");
	kubelet_writes(&k, &(struct pod_dns){ .ns = "shop", .policy = "Default" }, "|192.0.2.1|corp.example cluster.local|edns0 trust-ad|");
	kubelet_writes(&k,
		       &(struct pod_dns){ .ns = "shop", .policy = "None", .nameservers = own, .nnameservers = 2, .options = options, .noptions = 2 },
		       "|1.1.1.1 10.96.0.10||ndots:2 edns0|");
	kubelet_writes(&k,
		       &(struct pod_dns){ .ns = "shop", .nameservers = own, .nnameservers = 2, .options = options, .noptions = 2, .searches = many,
					  .nsearches = 4 },
		       "|10.96.0.10 1.1.1.1|shop.svc.cluster.local svc.cluster.local cluster.local corp.example a b c d|ndots:2 edns0|");
	k.old_limits = true;
	kubelet_writes(&k, &(struct pod_dns){ .ns = "shop", .nameservers = many, .nnameservers = 4, .searches = many, .nsearches = 4 },
		       "|10.96.0.10 a b|shop.svc.cluster.local svc.cluster.local cluster.local corp.example a b|ndots:5|2,2");
	k.ncluster_dns = 0;
	kubelet_writes(&k, &(struct pod_dns){ .ns = "shop" }, "|192.0.2.1|corp.example cluster.local|edns0 trust-ad|!");
	conf_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_compare), cmocka_unit_test(types_and_codes), cmocka_unit_test(chains),
		cmocka_unit_test(file_is_read),	 cmocka_unit_test(limits),	    cmocka_unit_test(libcs_differ),
		cmocka_unit_test(damage),	 cmocka_unit_test(search_list),	    cmocka_unit_test(failures),
		cmocka_unit_test(kubelet_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
