/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of the client's side: a pod with its spec and its resolv.conf, what its kubelet is told, servers that know some names, and a name that
 * is typed there; findings out. What comes near to a fault and is none, and what cannot be told, says nothing.
 */
#include <errno.h>

#include "lab.h"
#include "objects.h"

#define DNS_SVC \
	"{'kind':'Service','metadata':{'name':'kube-dns','namespace':'kube-system'},'spec':{'clusterIP':'10.0.0.10','clusterIPs':['10.0.0.10']," \
	"'selector':{'k8s-app':'kube-dns'},'ports':[{'name':'dns','port':53,'protocol':'UDP'},{'name':'dns-tcp','port':53,'protocol':'TCP'}]}}"
#define KUBERNETES \
	"{'kind':'Service','metadata':{'name':'kubernetes','namespace':'default'},'spec':{'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1']," \
	"'ports':[{'name':'https','port':443,'protocol':'TCP'}]}}"
#define IN(ns, name) \
	"{'kind':'Service','metadata':{'name':'" name "','namespace':'" ns "'},'spec':{'clusterIP':'10.0.0.7','clusterIPs':['10.0.0.7'],'selector':{'app':'x'}," \
	"'ports':[{'port':80,'protocol':'TCP'}]}}"
#define DNS_SLICE \
	"{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/v1','metadata':{'name':'kube-dns-1','namespace':'kube-system','labels':{" \
	"'kubernetes.io/service-name':'kube-dns'" OURS "}},'addressType':'IPv4','endpoints':[{'addresses':['10.1.0.53'],'conditions':{'ready':true}," \
	"'nodeName':'w1'}],'ports':[{'name':'dns','protocol':'UDP','port':53},{'name':'dns-tcp','protocol':'TCP','port':53}]}"
#define SPACES \
	"namespaces.json", "{'kind':'NamespaceList','items':[{'metadata':{'name':'n'}},{'metadata':{'name':'default'}},{'metadata':{'name':'kube-system'}}," \
			   "{'metadata':{'name':'com'}},{'metadata':{'name':'billing'}}]}"
#define KUBELET_NODE(version) \
	"nodes.json", "{'kind':'NodeList','items':[{'kind':'Node','metadata':{'name':'w1'},'status':{'nodeInfo':{'kubeletVersion':'" version "'}}}]}"
#define NOTE(reason, message) NOTE_OF("client", reason, message)
#define NOTE_OF(pod, reason, message) \
	"events.json", "{'kind':'EventList','items':[{'kind':'Event','metadata':{'name':'e','namespace':'n'},'type':'Warning','reason':'" reason "','message':'" message \
		       "','involvedObject':{'kind':'Pod','namespace':'n','name':'" pod "'}}]}"

#define GOOD_CONF "nameserver 10.0.0.10\nsearch n.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
#define CORP_CONF "nameserver 10.0.0.10\nsearch n.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions ndots:5\n"

/* A domain before the cluster's, where half.n is, and has no address. */
#define ODD_CONF "nameserver 10.0.0.10\nsearch corp.example n.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"

struct row {
	const char *spec;  /* more of the client's: "'dnsPolicy':'Default'"; NULL: the pod is not known */
	const char *conf;
	const char *typed; /* NULL: none but kubernetes.default */
	const char *check; /* "*": nothing is wrong at all */
	int severity;
	const char *text;
	const char *kubelet; /* its clusterDNS; "": it has none; NULL: it is not known */
	int libc;	     /* 1 glibc, 2 musl; 0: not known */
	const char *more[5]; /* documents */
	bool wildcard;	     /* *.corp.example resolves */
	bool node;	     /* it is asked from the pod's node instead */
};

static const struct row rows[] = {
	/* nothing is wrong */
	{ .spec = "", GOOD_CONF, "s", "*" },
	{ .spec = "", GOOD_CONF, "s.n", "*", .kubelet = "10.0.0.10", .libc = 2 },
	{ .spec = "", CORP_CONF, "s", "*" },
	{ .spec = NULL, GOOD_CONF, "s", "*" },
	{ .spec = "'dnsPolicy':'ClusterFirstWithHostNet','hostNetwork':true", GOOD_CONF, "s", "*" },
	{ .spec = "'dnsPolicy':'None','dnsConfig':{'nameservers':['10.0.0.10'],'searches':['n.svc.cluster.local','svc.cluster.local']}", GOOD_CONF, "s", "*" },
	{ .spec = "", "nameserver 10.0.0.10\nsearch n.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:2\n", "s.n", "*" },

	/* policies */
	{ .spec = "'dnsPolicy':'Default'", "nameserver 192.0.2.53\n", NULL, "dnspolicy-none-or-default", SEVERITY_WARNING, "pod n/client has dnsPolicy Default, and so not the cluster's DNS" },
	{ .spec = "'dnsPolicy':'Default'", "nameserver 192.0.2.53\n", "s.n", "dnspolicy-none-or-default", SEVERITY_WARNING, "not the cluster's DNS" },
	{ .spec = "'dnsPolicy':'None','dnsConfig':{'nameservers':['192.0.2.53']}", "nameserver 192.0.2.53\n", NULL, "dnspolicy-none-or-default", SEVERITY_WARNING, "with a dnsConfig" },
	{ .spec = "'dnsPolicy':'None','dnsConfig':{'nameservers':['10.0.0.10']}", "nameserver 10.0.0.10\n", NULL, "dnspolicy-none-or-default", SEVERITY_WARNING,
	  "no search list for names of the cluster" },
	{ .spec = "'hostNetwork':true", "nameserver 192.0.2.53\n", NULL, "hostnetwork-dnspolicy", SEVERITY_WARNING, "which means the node's resolver there" },
	{ .spec = "'hostNetwork':true", GOOD_CONF, "s", "hostnetwork-dnspolicy", SILENT },
	{ .spec = "'hostNetwork':true", "nameserver 192.0.2.53\n", NULL, "hostnetwork-dnspolicy", SEVERITY_WARNING, "1 pod of namespace n (client) on node w1 is", .node = true },
	{ .spec = "", "nameserver 192.0.2.53\n", NULL, "missing-cluster-dns", SEVERITY_ERROR, "the kubelet of node w1 has no clusterDNS", .kubelet = "" },
	{ .spec = "", "nameserver 192.0.2.53\n", NULL, "missing-cluster-dns", SEVERITY_ERROR, "event MissingClusterDNS", .more = { NOTE("MissingClusterDNS", "falling back") } },
	{ .spec = "", GOOD_CONF, NULL, "missing-cluster-dns", SILENT, .kubelet = "" }, /* a flag of the command line may say it */
	{ .spec = "'dnsPolicy':'Default'", "nameserver 192.0.2.53\n", NULL, "missing-cluster-dns", SILENT, .kubelet = "" },

	/* nameservers */
	{ .spec = "'dnsPolicy':'Default'", "nameserver 127.0.0.53\noptions edns0\n", NULL, "systemd-resolved-stub", SEVERITY_ERROR, "127.0.0.53, an address of its own loopback" },
	{ .spec = "", "nameserver 127.0.0.1\n", NULL, "systemd-resolved-stub", SEVERITY_WARNING, "line 1 of its resolv.conf: nameserver 127.0.0.1" },
	{ .spec = "'hostNetwork':true", "nameserver 127.0.0.53\n", NULL, "systemd-resolved-stub", SILENT },
	{ .spec = NULL, "nameserver 127.0.0.53\n", NULL, "systemd-resolved-stub", SILENT },
	{ .spec = "", "nameserver 10.0.0.99\nsearch n.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n", NULL, "wrong-cluster-dns-address", SEVERITY_ERROR,
	  "pod n/client asks 10.0.0.99" },
	{ .spec = "'dnsPolicy':'Default'", "nameserver 192.0.2.53\n", NULL, "wrong-cluster-dns-address", SILENT },

	/* search list */
	{ .spec = "", "nameserver 10.0.0.10\nsearch corp.example\noptions ndots:5\n", "s.n", "resolv-conf-search", SEVERITY_ERROR,
	  "lacks n.svc.cluster.local and svc.cluster.local: only full names" },
	{ .spec = "", "nameserver 10.0.0.10\nsearch corp.example\noptions ndots:5\n", "s.n", "resolv-conf-search", SEVERITY_ERROR,
	  "with dnsPolicy ClusterFirst: search n.svc.cluster.local svc.cluster.local cluster.local" },
	{ .spec = "", "nameserver 10.0.0.10\nsearch svc.cluster.local cluster.local\noptions ndots:5\n", NULL, "resolv-conf-search", SEVERITY_WARNING,
	  "lacks n.svc.cluster.local: bare names of its own namespace" },
	{ .spec = "", "nameserver 10.0.0.10\nsearch n.svc.other.local svc.other.local\noptions ndots:5\n", NULL, "resolv-conf-search", SILENT },
	{ .spec = "", "nameserver 10.0.0.10\nsearch corp.example\noptions ndots:5\n", "s.n", "dns-name-not-resolved", SILENT },
	{ .spec = "", "nameserver 10.0.0.10\nsearch n.svc.cluster.local svc.cluster.local\n", "s.n", "resolv-conf-ndots", SEVERITY_WARNING, "no option ndots is in its resolv.conf" },
	{ .spec = "'dnsConfig':{'options':[{'name':'ndots','value':'1'},{'name':'edns0'}]}", "nameserver 10.0.0.10\nsearch n.svc.cluster.local svc.cluster.local\noptions ndots:1\n", "s.n",
	  "resolv-conf-ndots", SEVERITY_ERROR, "dnsConfig of the pod has the option ndots:1", .libc = 2 },
	{ .spec = "", "nameserver 10.0.0.10\nsearch n.svc.cluster.local svc.cluster.local\noptions ndots:1\n", "s.n", "resolv-conf-ndots", SEVERITY_INFO, "line 3 of its resolv.conf",
	  .libc = 1 },
	{ .spec = "'dnsConfig':{'searches':['a.example','b.example','c.example','d.example']}",
	  "nameserver 10.0.0.10\nsearch n.svc.cluster.local svc.cluster.local cluster.local a.example b.example c.example\noptions ndots:5\n", NULL, "resolvconf-search-limit",
	  SEVERITY_WARNING, "leaves out the last 1", .more = { KUBELET_NODE("v1.24.3") } },
	{ .spec = "'dnsConfig':{'searches':['a.example','b.example','c.example','d.example']}",
	  "nameserver 10.0.0.10\nsearch n.svc.cluster.local svc.cluster.local cluster.local a.example b.example c.example d.example\noptions ndots:5\n", NULL,
	  "resolvconf-search-limit", SILENT, .more = { KUBELET_NODE("v1.31.0") } },
	{ .spec = "", "nameserver 10.0.0.10\nsearch a.example\n", NULL, "resolvconf-search-limit", SEVERITY_WARNING, "before the cluster's domains",
	  .more = { NOTE("DNSConfigForming", "Search Line limits were exceeded") } },
	{ .spec = "", GOOD_CONF, NULL, "resolvconf-search-limit", SILENT, .more = { NOTE("DNSConfigForming", "Nameserver limits were exceeded") } },
	{ .spec = "", GOOD_CONF "nameserver 10.0.0.10\nnameserver 10.0.0.10\nnameserver 10.0.0.10\n", NULL, "resolvconf-search-limit", SEVERITY_INFO, "4 nameservers" },

	/* what kubelets say of others */
	{ .spec = "", GOOD_CONF, NULL, "missing-cluster-dns", SEVERITY_ERROR, "1 event with reason MissingClusterDNS",
	  .more = { NOTE_OF("other", "MissingClusterDNS", "falling back") } },
	{ .spec = "", GOOD_CONF, NULL, "resolvconf-search-limit", SEVERITY_WARNING, "Pod n/other",
	  .more = { NOTE_OF("other", "DNSConfigForming", "Search Line limits were exceeded") } },
	{ .spec = "", GOOD_CONF, NULL, "resolvconf-search-limit", SILENT, .more = { NOTE_OF("other", "DNSConfigForming", "Nameserver limits were exceeded") } },

	/* names */
	{ .spec = "", GOOD_CONF, "pay", "service-wrong-namespace", SEVERITY_ERROR, "from pod n/client its name is pay.billing" },
	{ .spec = "", GOOD_CONF, "pay", "dns-name-not-resolved", SILENT },
	{ .spec = "", GOOD_CONF, "nothing", "service-wrong-namespace", SILENT },
	{ .spec = "", GOOD_CONF, "nothing", "dns-name-not-resolved", SEVERITY_WARNING, "nothing does not resolve from pod n/client" },
	{ .spec = "", GOOD_CONF, "lost", "dns-name-not-resolved", SEVERITY_ERROR, "no answer" },
	{ .spec = "", GOOD_CONF, "www.example.com", "ndots-search-amplification", SEVERITY_INFO, "costs 8 questions from pod n/client: ndots is 5, and 3 search domains" },
	{ .spec = "", GOOD_CONF, "www.example.com.", "ndots-search-amplification", SILENT },
	{ .spec = "", CORP_CONF, "www.example.com", "wildcard-search-domain", SEVERITY_ERROR, "every name below corp.example resolves, to 203.0.113.1", .wildcard = true },
	{ .spec = "", CORP_CONF, "www.example.com", "wildcard-search-domain", SEVERITY_ERROR, "www.example.com means www.example.com.corp.example there", .wildcard = true },
	{ .spec = "", CORP_CONF, "www.example.com", "wildcard-search-domain", SILENT },
	{ .spec = "", GOOD_CONF, "example.com", "namespace-shadows-tld", SEVERITY_WARNING, "namespace com is called like its last part" },
	{ .spec = "", GOOD_CONF, "s.n", "namespace-shadows-tld", SILENT },
	{ .spec = "", ODD_CONF, "half.n", "musl-resolver", SEVERITY_INFO, "half.n resolves with glibc and not with musl" },
	{ .spec = "", ODD_CONF, "half.n", "musl-resolver", SEVERITY_WARNING, "musl stops at an answer without data", .libc = 2 },
	{ .spec = "", ODD_CONF, "half.n", "dns-name-not-resolved", SILENT, .libc = 2 },
	{ .spec = "", ODD_CONF, "half.n", "musl-resolver", SILENT, .libc = 1 },
};

struct world {
	struct lab l;
	struct snap_dns *from;
	const struct row *row;
};

static struct ip_addr address(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(s, &a), 0);
	return a;
}

/* An address, an rcode, or NULL: there is no such name. */
static const char *known(const struct row *row, const struct dns_question *q)
{
	static const struct {
		const char *name, *a;
	} names[] = { { "kubernetes.default.svc.cluster.local", "10.0.0.1" }, { "s.n.svc.cluster.local", "10.0.0.9" },	{ "pay.billing.svc.cluster.local", "10.0.0.7" },
		      { "example.com.svc.cluster.local", "10.0.0.7" },	      { "half.n.svc.cluster.local", "10.0.0.7" }, { "www.example.com", "192.0.2.1" },
		      { "example.com", "192.0.2.2" },			      { "lost.n.svc.cluster.local", "lost" } };

	if (row->wildcard && dns_name_inside(q->name, "corp.example"))
		return "203.0.113.1";
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (dns_name_equal(q->name, names[i].name))
			return names[i].a;
	return NULL;
}

static struct dns_answer answer(struct world *w, const struct dns_question *q)
{
	struct dns_answer a = { .q = *q, .end = DNS_ANSWERED, .us = 1000, .ra = true };
	const struct ip_addr dns = address("10.0.0.10"), pod = address("10.1.0.53"), upstream = address("192.0.2.53");
	const char *data = known(w->row, q);
	bool cluster = ip_addr_equal(&q->server, &dns) || ip_addr_equal(&q->server, &pod);

	if ((!cluster && !ip_addr_equal(&q->server, &upstream)) || str_is(data, "lost")) {
		a.end = DNS_TIMED_OUT;
		return a;
	}
	if (str_starts(q->name, "half.n.corp"))
		return a;
	if (!data || (!cluster && dns_name_inside(q->name, "cluster.local"))) {
		a.rcode = DNS_NXDOMAIN;
	} else if (q->type == DNS_A) {
		a.answers = arena_new(&w->l.s.arena, struct dns_record);
		assert_non_null(a.answers);
		*a.answers = (struct dns_record){ .owner = q->name, .type = DNS_A, .ttl = 30, .addr = address(data) };
		a.nanswers = 1;
	}
	return a;
}

static void ask_all(struct world *w, const struct dns_plan_options *o)
{
	for (size_t first = SIZE_MAX, rounds = 0; first != w->from->answers.len; rounds++) {
		struct dns_plan p CLEANUP(dns_plan_release) = { 0 };

		assert_true(rounds < 10);
		first = w->from->answers.len;
		assert_int_equal(dns_plan_make(&w->l.s, w->from, o, &p), 0);
		for (size_t i = 0; i < p.questions.len; i++) {
			struct dns_question q = p.questions.v[i];
			struct dns_answer a;

			q.name = arena_strdup(&w->l.s.arena, q.name);
			assert_non_null(q.name);
			a = answer(w, &q);
			assert_int_equal(array_push(&w->from->answers, a), 0);
		}
	}
}

static void read_objects(struct world *w)
{
	const struct row *row = w->row;
	CLEANUP(strbuf_release) struct strbuf pods = STRBUF_INIT;
	const char *docs[16] = { SVCS(DNS_SVC "," KUBERNETES "," SVC("s", PLAIN) "," IN("billing", "pay") "," IN("com", "example") "," IN("n", "half") "," IN("n", "lost")),
				 SLICES(DNS_SLICE), SPACES };
	size_t n = 6;

	strbuf_adds(&pods, "{'kind':'PodList','items':[");
	if (row->spec)
		strbuf_addf(&pods, "{'kind':'Pod','metadata':{'name':'client','namespace':'n'},'spec':{'nodeName':'w1','containers':[{'name':'c'}]%s%s},'status':{" READY("10.1.0.9") "}}",
			    *row->spec ? "," : "", row->spec);
	strbuf_adds(&pods, "]}");
	docs[n++] = "pods.json";
	docs[n++] = strbuf_str(&pods);
	for (size_t i = 0; i < ARRAY_LEN(row->more) && row->more[i]; i++)
		docs[n++] = row->more[i];
	lab_read(&w->l, docs);
}

static void set_kubelet(struct world *w)
{
	struct snap_node *n = w->row->kubelet || w->row->node ? snapshot_node(&w->l.s, "w1", true) : NULL;
	const char **v = arena_array(&w->l.s.arena, const char *, 1);

	if (!w->row->kubelet)
		return;
	assert_non_null(n);
	assert_non_null(v);
	v[0] = w->row->kubelet;
	n->kubelet.known = true;
	n->kubelet.cluster_dns = v;
	n->kubelet.ncluster_dns = *w->row->kubelet != 0;
}

static void make_world(struct world *w, const struct row *row)
{
	memset(w, 0, sizeof(*w));
	w->row = row;
	read_objects(w);
	set_kubelet(w);
	w->from = row->node ? snapshot_dns(&w->l.s, DNS_FROM_NODE, "w1", NULL, NULL) : snapshot_dns(&w->l.s, DNS_FROM_POD, NULL, "n", "client");
	assert_non_null(w->from);
	w->from->live = w->from->has_conf = true;
	w->from->libc = row->libc - 1;
	assert_int_equal(resolv_conf_read(&w->l.s.arena, row->conf, strlen(row->conf), "cluster/pods/n/client/resolv.conf", &w->l.s.notes, &w->from->conf), 0);
}

static size_t bad; /* rows that are not as they must be: all of them are told */

static void nothing_found(size_t i, const struct lab *l)
{
	for (size_t k = 0; k < l->d.findings.len; k++)
		if (l->d.findings.v[k]->axis == AXIS_NAME)
			print_error("row %zu: found %s: %s\n", i, l->d.findings.v[k]->id, l->d.findings.v[k]->text), bad++;
}

static void judge_row(size_t i, const struct row *row)
{
	struct diagnose_options o = { .axes = { true, false, false }, .axes_given = true, .dns_name = row->typed, .dns_ns = "n" };
	struct dns_plan_options p = { .name = row->typed, .random = 0x0123456789abcdef };
	const struct finding *f;
	struct world w;

	make_world(&w, row);
	ask_all(&w, &p);
	diagnose(&w.l, &o);
	f = strcmp(row->check, "*") == 0 ? NULL : find_finding(&w.l, row->check);
	if (strcmp(row->check, "*") == 0)
		nothing_found(i, &w.l);
	else if (row->severity == SILENT && f)
		print_error("row %zu: found %s: %s\n", i, f->id, f->text), bad++;
	else if (row->severity != SILENT && (!f || (int)f->severity != row->severity || !has_text(f, row->text)))
		print_error("row %zu: %s is %s, %s\n", i, row->check, f ? severity_name(f->severity) : "not there", f ? f->text : ""), bad++;
	lab_release(&w.l);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		judge_row(i, &rows[i]);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests_name("dns_client", tests, NULL, NULL);
}
