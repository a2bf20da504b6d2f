/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dns asks of a small cluster from where, round by round: a pure function, so the servers are a table here; and what their answers come to. */

#include <errno.h>

#include "lab.h"
#include "objects.h"

#include <svcdoctor/report.h>

#define DNS_SVC \
	"{'kind':'Service','metadata':{'name':'kube-dns','namespace':'kube-system'},'spec':{'clusterIP':'10.0.0.10','clusterIPs':['10.0.0.10']," \
	"'selector':{'k8s-app':'kube-dns'},'ports':[{'name':'dns','port':53,'protocol':'UDP'},{'name':'dns-tcp','port':53,'protocol':'TCP'}]}}"
#define KUBERNETES \
	"{'kind':'Service','metadata':{'name':'kubernetes','namespace':'default'},'spec':{'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1']," \
	"'ports':[{'name':'https','port':443,'protocol':'TCP'}]}}"
#define DNS_SLICE \
	"{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/v1','metadata':{'name':'kube-dns-1','namespace':'kube-system','labels':{" \
	"'kubernetes.io/service-name':'kube-dns'" OURS "}},'addressType':'IPv4','endpoints':[{'addresses':['10.1.0.53'],'conditions':{'ready':true}," \
	"'nodeName':'w1'},{'addresses':['10.1.1.53'],'conditions':{'ready':false},'nodeName':'w2'}],'ports':[{'name':'dns','protocol':'UDP'," \
	"'port':5353},{'name':'dns-tcp','protocol':'TCP','port':5354}]}"
#define WEB_SLICE SLICE_OF("s-1", "s", OURS, "IPv4", EP("10.1.0.1", "true"), PORT80)
#define NAMED "'selector':{'app':'a'},'ports':[{'name':'http','port':80,'protocol':'TCP'}]"
#define SPACES "namespaces.json", "{'kind':'NamespaceList','items':[{'metadata':{'name':'n'}},{'metadata':{'name':'default'}},{'metadata':{'name':'kube-system'}}]}"

#define CONF "nameserver 10.0.0.10\nsearch n.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions ndots:5\n"

struct world {
	struct lab l;
	struct snap_dns *from;
	struct dns_plan_options o;
	const char *dead;	 /* a server that is silent; NULL */
	const char *cut, *alias; /* names whose answers are cut over UDP, or stand for another one; NULL */
	const char *lost;	 /* a name that is lost when it is asked for the first time; NULL */
	size_t rounds, questions;
	struct dns_plan last;	 /* the last round that was not empty */
	char first[4096];	 /* the names of the first round */
};

static void make_world(struct world *w, const char *conf)
{
	static const char *const docs[] = { SVCS(DNS_SVC "," KUBERNETES "," SVC("s", NAMED)), SLICES(DNS_SLICE "," WEB_SLICE), SPACES, NULL };

	memset(w, 0, sizeof(*w));
	lab_read(&w->l, docs);
	w->from = snapshot_dns(&w->l.s, DNS_FROM_POD, NULL, "n", "client");
	assert_non_null(w->from);
	w->from->live = true;
	w->from->has_conf = conf != NULL;
	if (conf)
		assert_int_equal(resolv_conf_read(&w->l.s.arena, conf, strlen(conf), "resolv.conf", &w->l.s.notes, &w->from->conf), 0);
}

static void release_world(struct world *w)
{
	dns_plan_release(&w->last);
	lab_release(&w->l);
}

static struct ip_addr address(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(s, &a), 0);
	return a;
}

static bool asked_before(const struct world *w, const struct dns_question *q)
{
	for (size_t i = 0; i < w->from->answers.len; i++)
		if (w->from->answers.v[i].q.type == q->type && ip_addr_equal(&w->from->answers.v[i].q.server, &q->server) &&
		    strcmp(w->from->answers.v[i].q.name, q->name) == 0)
			return true;
	return false;
}

static const char *address_of(const char *name)
{
	return dns_name_equal(name, "s.n.svc.cluster.local") ? "10.0.0.9" :
	       dns_name_equal(name, "kubernetes.default.svc.cluster.local") ? "10.0.0.1" : dns_name_equal(name, "www.other.example") ? "192.0.2.1" : NULL;
}

static void give(struct world *w, struct dns_answer *a, const char *owner, uint16_t type, const char *data)
{
	a->answers = arena_new(&w->l.s.arena, struct dns_record);
	assert_non_null(a->answers);
	a->nanswers = 1;
	*a->answers = (struct dns_record){ .owner = owner, .type = type, .ttl = 30, .weight = 100, .port = type == DNS_SRV ? 80 : 0 };
	if (type != DNS_A)
		a->answers->target = data;
	else
		a->answers->addr = address(data);
}

static struct dns_answer answer(struct world *w, const struct dns_question *q)
{
	struct dns_answer a = { .q = *q, .end = DNS_ANSWERED, .us = 1000 };
	struct ip_addr dead = w->dead ? address(w->dead) : (struct ip_addr){ 0 };
	const char *data = address_of(q->name);

	if (ip_addr_equal(&q->server, &dead) || (w->lost && dns_name_equal(q->name, w->lost) && !asked_before(w, q))) {
		a.end = DNS_TIMED_OUT;
		return a;
	}
	a.tc = w->cut && !q->tcp && dns_name_equal(q->name, w->cut);
	if (w->alias && dns_name_equal(q->name, w->alias))
		give(w, &a, q->name, DNS_CNAME, "www.other.example");
	else if (data && q->type == DNS_A && !a.tc)
		give(w, &a, q->name, DNS_A, data);
	else if (q->type == DNS_SRV || dns_name_equal(q->name, "9.0.0.10.in-addr.arpa"))
		give(w, &a, q->name, q->type, "s.n.svc.cluster.local");
	else if (!data)
		a.rcode = DNS_NXDOMAIN;
	return a;
}

/* All rounds, to their end. */
static void ask_all(struct world *w)
{
	for (;; w->rounds++) {
		struct dns_plan p = { 0 };
		size_t first = w->from->answers.len;

		assert_true(w->rounds < 10);
		assert_int_equal(dns_plan_make(&w->l.s, w->from, &w->o, &p), 0);
		for (size_t i = 0; i < p.questions.len; i++) {
			struct dns_question q = p.questions.v[i];
			struct dns_answer a;

			q.name = arena_strdup(&w->l.s.arena, q.name);
			assert_non_null(q.name);
			a = answer(w, &q);
			assert_int_equal(array_push(&w->from->answers, a), 0);
			if (w->rounds == 0 && strlen(w->first) + strlen(q.name) + 2 < sizeof(w->first)) {
				size_t n = strlen(w->first);

				snprintf(w->first + n, sizeof(w->first) - n, "%s ", q.name);
			}
		}
		w->questions += p.questions.len;
		dns_plan_release(&w->last);
		w->last = p;
		if (w->from->answers.len == first)
			return;
	}
}

/* How often this was asked; @server NULL: of anybody; @type 0: any. */
static size_t times(const struct world *w, const char *name, uint16_t type, const char *server, int tcp)
{
	struct ip_addr s = server ? address(server) : (struct ip_addr){ 0 };
	size_t n = 0;

	for (size_t i = 0; i < w->from->answers.len; i++) {
		const struct dns_question *q = &w->from->answers.v[i].q;

		n += dns_name_equal(q->name, name) && (!type || q->type == type) && (!server || ip_addr_equal(&q->server, &s)) && (tcp < 0 || q->tcp == tcp);
	}
	return n;
}

static bool left(const struct world *w, const char *words)
{
	for (size_t i = 0; i < w->last.left.len; i++)
		if (strstr(w->last.left.v[i].what, words) || strstr(w->last.left.v[i].reason, words))
			return true;
	return false;
}

static const struct k8s_service *service(const struct world *w)
{
	const struct k8s_service *s = k8s_find_service(&w->l.s.cluster, "n", "s");

	assert_non_null(s);
	return s;
}

static void test_service(void **state)
{
	struct world w;
	const struct k8s_service *one[1];

	(void)state;
	make_world(&w, CONF);
	one[0] = service(&w);
	w.o = (struct dns_plan_options){ .name = "s", .services = one, .nservices = 1, .random = 0xabc };
	ask_all(&w);
	/* the first round tells a broken DNS from a broken Service */
	assert_null(strstr(w.first, "s.n.svc"));
	assert_int_equal(times(&w, "kubernetes.default.svc.cluster.local", DNS_A, "10.0.0.10", 1), 1);
	assert_int_equal(times(&w, "kubernetes.default.svc.cluster.local", DNS_A, "10.1.0.53", 0), 1);
	assert_int_equal(times(&w, "kubernetes.default.svc.cluster.local", DNS_A, "10.1.1.53", 1), 1);
	/* what libcs try for "s", "s.n", "s.n.svc" */
	assert_int_equal(times(&w, "s.n.svc.cluster.local", DNS_A, "10.0.0.10", 0), 1);
	assert_int_equal(times(&w, "s.svc.cluster.local", DNS_AAAA, "10.0.0.10", 0), 1);
	assert_int_equal(times(&w, "s.n.n.svc.cluster.local", DNS_A, "10.0.0.10", 0), 1);
	assert_int_equal(times(&w, "s.n.corp.example", DNS_A, "10.0.0.10", 0), 1);
	assert_int_equal(times(&w, "s.n.svc", DNS_A, "10.0.0.10", 0), 1);
	/* and the whole name of each endpoint, at its own port */
	assert_int_equal(times(&w, "s.n.svc.cluster.local", DNS_AAAA, "10.1.1.53", 0), 1);
	assert_int_equal(times(&w, "s.corp.example", DNS_A, "10.1.1.53", -1), 0);
	for (size_t i = 0; i < w.from->answers.len; i++) {
		const struct dns_question *q = &w.from->answers.v[i].q;
		struct ip_addr e = address("10.1.0.53");

		if (ip_addr_equal(&q->server, &e))
			assert_int_equal(q->port, q->tcp ? 5354 : 5353);
	}
	/* other records, and a label that nobody has under the domain that is not the cluster's */
	assert_int_equal(times(&w, "_http._tcp.s.n.svc.cluster.local", DNS_SRV, NULL, -1), 1);
	assert_int_equal(times(&w, "9.0.0.10.in-addr.arpa", DNS_PTR, NULL, -1), 1);
	assert_int_equal(times(&w, "svcdoctor-0000000000000abc.corp.example", DNS_A, NULL, -1), 1);
	assert_int_equal(times(&w, "svcdoctor-0000000000000abc.cluster.local", 0, NULL, -1), 0);
	assert_true(w.questions < 120);
	release_world(&w);
}

static void test_outside(void **state)
{
	struct world w;
	struct ip_addr given = address("127.0.0.1");
	uint16_t port = 5353;

	(void)state;
	make_world(&w, CONF);
	w.o = (struct dns_plan_options){ .name = "s", .outside = true };
	ask_all(&w);
	assert_int_equal(w.questions, 0);
	assert_true(left(&w, "in the cluster"));
	release_world(&w);
	/* a server that was named is asked for whole names, and nobody else is */
	make_world(&w, NULL);
	w.o = (struct dns_plan_options){ .name = "s", .ns = "n", .outside = true, .servers = &given, .ports = &port, .nservers = 1, .tcp_only = true };
	ask_all(&w);
	assert_int_equal(times(&w, "s.n.svc.cluster.local", DNS_A, "127.0.0.1", 1), 1);
	assert_int_equal(times(&w, "s.n.svc.cluster.local", DNS_A, NULL, 0), 0);
	assert_int_equal(times(&w, "s.n.svc.cluster.local", 0, "10.0.0.10", -1), 0);
	release_world(&w);
}

/* On a node names are asked for as pods there get them: the kubelet appends the node's search list, and does not read `domain`. */
static void test_node(void **state)
{
	static const char *const confs[] = { "nameserver 192.0.2.53\nsearch corp.example.\n", "nameserver 192.0.2.53\ndomain old.example\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(confs); i++) {
		struct world w;

		make_world(&w, confs[i]);
		w.from->where = DNS_FROM_NODE;
		w.from->node = "w1";
		w.o.name = "s";
		w.o.ns = "n";
		ask_all(&w);
		assert_int_equal(times(&w, "s.n.svc.cluster.local", DNS_A, "10.0.0.10", 0), 1);
		assert_int_equal(times(&w, "s.cluster.local", DNS_A, "10.0.0.10", 0), 1);
		assert_int_equal(times(&w, "s.corp.example", DNS_A, NULL, 0) > 0, i == 0);
		assert_int_equal(times(&w, "s.old.example", DNS_A, NULL, 0), 0);
		release_world(&w);
	}
}

static void test_dead_server(void **state)
{
	struct world w;

	(void)state;
	make_world(&w, CONF);
	w.o.name = "s";
	w.dead = "10.1.1.53";
	ask_all(&w);
	assert_int_equal(times(&w, "s.n.svc.cluster.local", 0, "10.1.1.53", -1), 0);
	assert_int_equal(times(&w, "s.n.svc.cluster.local", DNS_A, "10.1.0.53", -1), 1);
	assert_true(left(&w, "does not answer"));
	release_world(&w);
	/* a libc asks its nameserver all the same */
	make_world(&w, CONF);
	w.o.name = "s";
	w.dead = "10.0.0.10";
	ask_all(&w);
	assert_int_equal(times(&w, "s.n.svc.cluster.local", DNS_A, "10.0.0.10", 0), 1);
	release_world(&w);
}

static void test_led_to(void **state)
{
	struct world w;

	(void)state;
	make_world(&w, CONF);
	w.o.name = "s";
	w.cut = w.lost = "s.n.svc.cluster.local";
	ask_all(&w);
	/* twice, and then what was cut over TCP */
	assert_int_equal(times(&w, "s.n.svc.cluster.local", DNS_A, "10.0.0.10", 0), 2);
	assert_int_equal(times(&w, "s.n.svc.cluster.local", DNS_A, "10.0.0.10", 1), 1);
	release_world(&w);
	make_world(&w, CONF);
	w.o.name = "s";
	w.alias = "s.n.svc.cluster.local";
	ask_all(&w);
	assert_int_equal(times(&w, "www.other.example", DNS_A, "10.0.0.10", 0), 1);
	release_world(&w);
}

static void test_external_name(void **state)
{
	struct world w;

	(void)state;
	make_world(&w, CONF);
	w.o.name = "www.other.example";
	ask_all(&w);
	assert_int_equal(times(&w, "www.other.example", DNS_A, "10.0.0.10", 0), 1);
	assert_int_equal(times(&w, "www.other.example.n.svc.cluster.local", DNS_A, "10.0.0.10", 0), 1);
	assert_int_equal(times(&w, "www.other.example", 0, "10.1.0.53", -1), 0);
	release_world(&w);
}

static void test_pairs(void **state)
{
	struct world w;
	unsigned pairs = 0, most = 0;

	(void)state;
	make_world(&w, CONF);
	w.o.name = "s";
	w.o.repeat = 5;
	ask_all(&w);
	for (size_t i = 0; i < w.from->answers.len; i++) {
		pairs += w.from->answers.v[i].q.pair != 0;
		most = MAX(most, w.from->answers.v[i].q.pair);
	}
	/* three servers that answer, five pairs each */
	assert_int_equal(pairs, 30);
	assert_int_equal(most, 15);
	release_world(&w);
}

/* Many search domains and servers: there is a bound, and what is beyond it is told. */
static void test_bound(void **state)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct world w;
	const struct k8s_service *one[1];

	(void)state;
	strbuf_adds(&b, "nameserver 10.0.0.10\nnameserver 10.0.0.11\nnameserver 10.0.0.12\noptions ndots:5\nsearch n.svc.cluster.local svc.cluster.local cluster.local");
	for (int i = 0; i < 28; i++)
		strbuf_addf(&b, " d%d.example", i);
	strbuf_addc(&b, '\n');
	make_world(&w, strbuf_str(&b));
	one[0] = service(&w);
	w.o = (struct dns_plan_options){ .services = one, .nservices = 1 };
	ask_all(&w);
	assert_true(w.questions <= 400);
	assert_true(left(&w, "are asked at most"));
	release_world(&w);
}

/* ---- the tables ---- */

static const struct dns_name_row *row_of(const struct dns_report *r, const char *typed, enum libc libc)
{
	for (size_t i = 0; i < r->names.len; i++)
		if (strcmp(r->names.v[i].typed, typed) == 0 && r->names.v[i].libc == libc)
			return &r->names.v[i];
	fail_msg("no row for %s", typed);
	return NULL;
}

static void test_tables(void **state)
{
	struct world w;
	struct dns_report r = { 0 };
	const struct k8s_service *one[1];
	struct diagnose_options o = { .axes = { true, false, false }, .axes_given = true, .services = one, .nservices = 1 };

	(void)state;
	make_world(&w, CONF);
	one[0] = service(&w);
	w.o = (struct dns_plan_options){ .services = one, .nservices = 1 };
	w.dead = "10.1.1.53";
	ask_all(&w);
	assert_int_equal(dns_run(&w.l.s, &o, &r), 0);
	assert_string_equal(r.domain, "cluster.local");
	assert_false(r.domain_assumed);
	assert_int_equal(row_of(&r, "s", LIBC_GLIBC)->ok, 1);
	assert_true(row_of(&r, "s", LIBC_MUSL)->as_expected);
	assert_string_equal(row_of(&r, "s.n", LIBC_GLIBC)->result, "10.0.0.9");
	assert_int_equal(row_of(&r, "s.n", LIBC_GLIBC)->walk.queries, 4);
	for (size_t i = 0; i < r.servers.len; i++) {
		struct ip_addr dead = address(w.dead);

		assert_int_equal(r.servers.v[i].ok, !ip_addr_equal(&r.servers.v[i].addr, &dead));
	}
	for (size_t i = 0; i < r.records.len; i++)
		assert_int_not_equal(r.records.v[i].answer->q.type == DNS_A && r.records.v[i].answer->end == DNS_ANSWERED ? r.records.v[i].ok : 1, 0);
	diagnose(&w.l, &o);
	assert_int_equal(result_of(&w.l, "n", "s")->axes[AXIS_NAME].state, AXIS_OK);
	assert_string_equal(result_of(&w.l, "n", "s")->axes[AXIS_NAME].line, "s, s.n, s.n.svc and the full name resolve to 10.0.0.9 from pod n/client");
	dns_report_release(&r);
	release_world(&w);
}

/* The whole report, as a stream takes it. */
static char *report_as(struct world *w, const struct diagnose_options *o, enum report_format format)
{
	struct dns_report n = { 0 };
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	const struct report r = { .out = f, .format = format, .command = "dns", .program = "svcdoctor", .source_flags = " --bundle x", .kubectl_flags = "",
				  .dns_flags = " --netns y", .snapshot = &w->l.s, .namespace_ = "n" };

	assert_non_null(f);
	assert_int_equal(dns_run(&w->l.s, o, &n), 0);
	assert_int_equal(dns_from_inside(&w->l.s, o, &n), 0);
	assert_int_equal(report_dns(&r, &n, &w->l.d), 0);
	dns_report_release(&n);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void test_report(void **state)
{
	struct world w;
	const struct k8s_service *one[1];
	struct diagnose_options o = { .axes = { true, false, false }, .axes_given = true, .services = one, .nservices = 1, .dns_name = "s.n", .dns_ns = "n" };
	char *text;

	(void)state;
	make_world(&w, CONF);
	one[0] = service(&w);
	w.o = (struct dns_plan_options){ .name = "s.n", .services = one, .nservices = 1 };
	ask_all(&w);
	diagnose(&w.l, &o);
	text = report_as(&w, &o, REPORT_TEXT);
	assert_non_null(strstr(text, "from pod n/client, asked just now"));
	assert_non_null(strstr(text, "nameserver 10.0.0.10; ndots:5 timeout:5 attempts:2"));
	assert_non_null(strstr(text, "ok  s.n   10.0.0.9   4 queries\n       1  s.n.n.svc.cluster.local "));
	assert_non_null(strstr(text, "10.0.0.9, AAAA: no data  <- decides"));
	assert_non_null(strstr(text, "10.1.1.53:5354  TCP"));
	assert_non_null(strstr(text, "-- nslookup s.n\n"));
	free(text);
	text = report_as(&w, &o, REPORT_JSON);
	assert_non_null(strstr(text, "\"command\": \"dns\""));
	assert_non_null(strstr(text, "\"full_name\": \"s.n.svc.cluster.local\""));
	free(text);
	text = report_as(&w, &o, REPORT_LINES);
	assert_null(strstr(text, "error"));
	free(text);
	release_world(&w);
}

/* Without any answer the axis of names has no source. */
static void test_no_answers(void **state)
{
	struct world w;
	static const struct diagnose_options o = { .axes = { true, false, false }, .axes_given = true };

	(void)state;
	make_world(&w, CONF);
	diagnose(&w.l, &o);
	assert_false(w.l.d.axis_has_source[AXIS_NAME]);
	assert_true(w.l.d.inconclusive);
	release_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service),	 cmocka_unit_test(test_outside), cmocka_unit_test(test_dead_server),
		cmocka_unit_test(test_led_to),	 cmocka_unit_test(test_external_name), cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_bound),	 cmocka_unit_test(test_tables),	 cmocka_unit_test(test_report),	 cmocka_unit_test(test_no_answers),
		cmocka_unit_test(test_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
