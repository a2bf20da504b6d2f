/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cluster's DNS must answer: a cluster with every kind of Service, and a question and its answer in each row. The examples of the
 * specification (kubernetes/dns, docs/specification.md) and those of CoreDNS's handler are among them.
 */

#include <svcdoctor/expect.h>

#include "lab.h"

#define SERVICE(ns, name, spec) "{'kind':'Service','metadata':{'name':'" name "','namespace':'" ns "'},'spec':{" spec "}}"
#define SLICE(ns, name, service, type, endpoints, ports) \
	"{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/v1','metadata':{'name':'" name "','namespace':'" ns \
	"','labels':{'kubernetes.io/service-name':'" service "'}},'addressType':'" type "','endpoints':[" endpoints "],'ports':[" ports "]}"
#define E(ip, more) "{'addresses':['" ip "']" more "}"
#define READY ",'conditions':{'ready':true}"
#define UNREADY ",'conditions':{'ready':false}"
#define LEAVING ",'conditions':{'ready':false,'serving':true,'terminating':true}"
#define HTTP "{'name':'http','protocol':'TCP','port':8080}"
#define NAMELESS "{'name':'','protocol':'TCP','port':8080}"
#define NS(name) "{'kind':'Namespace','metadata':{'name':'" name "'}}"

static const char *const docs[] = {
	"namespaces.json", "{'kind':'NamespaceList','items':[" NS("default") "," NS("shop") "," NS("empty") "]}",
	"services.json",
	"{'kind':'ServiceList','items':["
	SERVICE("default", "kubernetes", "'clusterIP':'10.3.0.1','ports':[{'name':'https','port':443}]") ","
	SERVICE("shop", "web", "'clusterIP':'10.96.0.10','clusterIPs':['10.96.0.10'],'ports':[{'name':'http','port':80},"
		"{'name':'dns','port':53,'protocol':'UDP'}]") ","
	SERVICE("shop", "plain", "'clusterIP':'10.96.0.11','ports':[{'port':80}]") ","
	SERVICE("shop", "dual", "'clusterIP':'10.96.0.12','clusterIPs':['10.96.0.12','fd00:10:96::c'],'ports':[{'name':'http','port':80}]") ","
	SERVICE("shop", "six", "'clusterIP':'2001:db8::1','clusterIPs':['2001:db8::1'],'ports':[{'name':'http','port':80}]") ","
	SERVICE("shop", "waits", "'type':'LoadBalancer','ports':[{'port':80}]") ","
	SERVICE("shop", "bare", "'clusterIP':'10.96.0.13'") ","
	SERVICE("shop", "db", "'clusterIP':'None','clusterIPs':['None'],'ports':[{'name':'http','port':80}]") ","
	SERVICE("shop", "both", "'clusterIP':'None','ports':[{'port':80}]") ","
	SERVICE("shop", "cold", "'clusterIP':'None','ports':[{'port':80}]") ","
	SERVICE("shop", "none", "'clusterIP':'None','ports':[{'port':80}]") ","
	SERVICE("shop", "early", "'clusterIP':'None','publishNotReadyAddresses':true,'ports':[{'port':80}]") ","
	SERVICE("shop", "fqdn", "'clusterIP':'None','ports':[{'port':80}]") ","
	SERVICE("shop", "portless", "'clusterIP':'None'") ","
	SERVICE("shop", "named", "'clusterIP':'None','ports':[{'port':80}]") ","
	SERVICE("shop", "unread", "'clusterIP':'None','ports':[{'port':80}]") ","
	SERVICE("shop", "ext", "'type':'ExternalName','externalName':'www.example.com'") ","
	SERVICE("shop", "dot", "'type':'ExternalName','externalName':'www.example.com.'") ","
	SERVICE("shop", "inner", "'type':'ExternalName','externalName':'web.shop.svc.cluster.local'") ","
	SERVICE("shop", "lost", "'type':'ExternalName','externalName':'gone.shop.svc.cluster.local'") ","
	SERVICE("shop", "loop", "'type':'ExternalName','externalName':'pool.shop.svc.cluster.local'") ","
	SERVICE("shop", "pool", "'type':'ExternalName','externalName':'loop.shop.svc.cluster.local'") ","
	SERVICE("shop", "self", "'type':'ExternalName','externalName':'self.shop.svc.cluster.local'") ","
	SERVICE("shop", "number", "'type':'ExternalName','externalName':'192.0.2.7'") ","
	SERVICE("half", "web", "'clusterIP':'10.96.0.20','ports':[{'port':80}]")
	"]}",
	"endpointslices.json",
	"{'kind':'EndpointSliceList','apiVersion':'discovery.k8s.io/v1','items':["
	SLICE("shop", "web-1", "web", "IPv4", E("10.244.1.5", READY) "," E("10.244.1.6", UNREADY), HTTP) ","
	SLICE("shop", "db-1", "db", "IPv4",
	      E("10.244.1.7", READY ",'hostname':'db-0'") "," E("10.244.1.8", READY ",'hostname':'db-1'") "," E("10.244.1.9", "") ","
	      E("10.244.2.1", UNREADY ",'hostname':'db-2'") "," E("10.244.2.2", LEAVING ",'hostname':'db-3'"), HTTP) ","
	SLICE("shop", "db-2", "db", "IPv4", E("10.244.1.7", READY ",'hostname':'db-0'") "," E("10.244.3.1", READY), HTTP) ","
	SLICE("shop", "both-4", "both", "IPv4", E("10.244.1.20", READY ",'hostname':'b'"), NAMELESS) ","
	SLICE("shop", "both-6", "both", "IPv6", E("fd00:244::20", READY ",'hostname':'b'") "," E("fd00:245::", READY), NAMELESS) ","
	SLICE("shop", "cold-1", "cold", "IPv4", E("10.244.1.30", UNREADY ",'hostname':'cold-0'"), NAMELESS) ","
	SLICE("shop", "early-1", "early", "IPv4", E("10.244.1.31", READY) "," E("10.244.1.32", UNREADY), NAMELESS) ","
	SLICE("shop", "fqdn-1", "fqdn", "FQDN", E("db.example.com", READY), NAMELESS) ","
	SLICE("shop", "named-1", "named", "IPv4", E("10.244.1.60", READY ",'targetRef':{'kind':'Pod','namespace':'shop','name':'one'}"), NAMELESS) ","
	SLICE("shop", "portless-1", "portless", "IPv4", E("10.244.1.40", READY), "")
	"]}",
	NULL
};

/* Everything is known but namespace half, and the slices of shop/unread. */
static bool known(void *arg, enum k8s_kind k, const char *ns, const char *name)
{
	(void)arg;
	if (k == K8S_SLICES)
		return !str_is(ns, "half") && !(str_is(ns, "shop") && str_is(name, "unread"));
	return !str_is(k == K8S_NAMESPACES ? name : ns, "half") && !str_is(k == K8S_NAMESPACES ? name : ns, "dark");
}

static void add_text(struct strbuf *b, const struct dns_record *r)
{
	char buf[IP_ADDR_STRLEN], type[DNS_TYPE_STRLEN];

	if (r->addr.family)
		strbuf_addf(b, " %s", ip_addr_format(&r->addr, buf));
	else if (r->type == DNS_SRV)
		strbuf_addf(b, " %u %u %u %s", r->priority, r->weight, r->port, r->target);
	else
		strbuf_addf(b, " %s %s", dns_type_name(r->type, type), r->target ? r->target : r->text ? r->text : "-");
}

static const char *text_of(const struct dns_expected *e, struct strbuf *b)
{
	static const char *const kinds[] = { "?", "=", "NODATA", "NXDOMAIN" };

	strbuf_adds(b, kinds[e->kind]);
	for (size_t i = 0; i < e->records.len; i++)
		add_text(b, &e->records.v[i]);
	strbuf_adds(b, e->may_have_more ? " +" : "");
	return strbuf_str(b);
}

#define D ".svc.cluster.local"
static const struct {
	const char *name;
	uint16_t type;
	const char *want, *why; /* why: part of the line; NULL */
} rows[] = {
	/* the specification's own examples */
	{ "dns-version.cluster.local", DNS_TXT, "= TXT \"1.1.0\"", NULL },
	{ "kubernetes.default" D, DNS_A, "= 10.3.0.1", "Service default/kubernetes has the cluster IP 10.3.0.1" },
	{ "six.shop" D, DNS_AAAA, "= 2001:db8::1", NULL },
	{ "_https._tcp.kubernetes.default" D, DNS_SRV, "= 0 100 443 kubernetes.default" D, NULL },
	{ "1.0.3.10.in-addr.arpa", DNS_PTR, "= PTR kubernetes.default" D, "cluster IP of Service default/kubernetes" },
	{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", DNS_PTR, "= PTR six.shop" D, NULL },
	/* the name as it may be written */
	{ "kubernetes.default" D ".", DNS_A, "= 10.3.0.1", NULL },
	{ "Kubernetes.DEFAULT.Svc.Cluster.LOCAL", DNS_A, "= 10.3.0.1", NULL },
	/* families */
	{ "web.shop" D, DNS_A, "= 10.96.0.10", NULL },
	{ "web.shop" D, DNS_AAAA, "NODATA", "Service shop/web has no IPv6 address" },
	{ "six.shop" D, DNS_A, "NODATA", "has no IPv4 address" },
	{ "dual.shop" D, DNS_A, "= 10.96.0.12", NULL },
	{ "dual.shop" D, DNS_AAAA, "= fd00:10:96::c", NULL },
	{ "bare.shop" D, DNS_A, "= 10.96.0.13", NULL },
	{ "waits.shop" D, DNS_A, "?", "has no cluster IP" },
	/* other types */
	{ "web.shop" D, DNS_CNAME, "NODATA", NULL },
	{ "web.shop" D, DNS_MX, "NODATA", NULL },
	{ "web.shop" D, DNS_TXT, "NODATA", NULL },
	{ "web.shop" D, DNS_PTR, "NODATA", NULL },
	{ "web.shop" D, DNS_ANY, "?", NULL },
	{ "web.shop" D, DNS_SOA, "?", NULL },
	{ "nobody.shop" D, DNS_MX, "NXDOMAIN", NULL },
	/* SRV */
	{ "_http._tcp.web.shop" D, DNS_SRV, "= 0 100 80 web.shop" D, NULL },
	{ "_dns._udp.web.shop" D, DNS_SRV, "= 0 100 53 web.shop" D, NULL },
	{ "_HTTP._TCP.web.shop" D, DNS_SRV, "= 0 100 80 web.shop" D, NULL },
	{ "_dns._tcp.web.shop" D, DNS_SRV, "NXDOMAIN", "has no port 'dns' of protocol tcp" },
	{ "_http._tcp.web.shop" D, DNS_A, "= 10.96.0.10", NULL },
	{ "_http._tcp.plain.shop" D, DNS_SRV, "NXDOMAIN", NULL },
	{ "web.shop" D, DNS_SRV, "= 0 50 80 web.shop" D " 0 50 53 web.shop" D, NULL },
	{ "bare.shop" D, DNS_SRV, "NODATA", "no port for a SRV record" },
	{ "_http._tcp.dual.shop" D, DNS_SRV, "= 0 50 80 dual.shop" D, NULL },
	/* headless */
	{ "db.shop" D, DNS_A, "= 10.244.1.7 10.244.1.8 10.244.1.9 10.244.3.1", NULL },
	{ "db.shop" D, DNS_AAAA, "NODATA", "Service shop/db has no IPv6 address" },
	{ "db-0.db.shop" D, DNS_A, "= 10.244.1.7", NULL },
	{ "DB-0.db.shop" D, DNS_A, "= 10.244.1.7", NULL },
	{ "db-0.db.shop" D, DNS_AAAA, "NODATA", NULL },
	{ "10-244-1-9.db.shop" D, DNS_A, "= 10.244.1.9", NULL },
	{ "10-244-1-7.db.shop" D, DNS_A, "NXDOMAIN", "has no endpoint of the name 10-244-1-7" },
	{ "db-2.db.shop" D, DNS_A, "NXDOMAIN", "endpoint db-2 of Service shop/db is not ready" },
	{ "db-3.db.shop" D, DNS_A, "NXDOMAIN", "not ready" },
	{ "db-9.db.shop" D, DNS_A, "NXDOMAIN", "no endpoint of the name db-9" },
	{ "_http._tcp.db.shop" D, DNS_SRV,
	  "= 0 20 8080 db-0.db.shop" D " 0 20 8080 db-1.db.shop" D " 0 20 8080 10-244-1-9.db.shop" D " 0 20 8080 10-244-3-1.db.shop" D, NULL },
	{ "_grpc._tcp.db.shop" D, DNS_SRV, "NXDOMAIN", "has no port 'grpc'" },
	{ "both.shop" D, DNS_A, "= 10.244.1.20", NULL },
	{ "both.shop" D, DNS_AAAA, "= fd00:244::20 fd00:245::", NULL },
	{ "b.both.shop" D, DNS_AAAA, "= fd00:244::20", NULL },
	{ "fd00-245--0.both.shop" D, DNS_AAAA, "= fd00:245::", NULL },
	{ "cold.shop" D, DNS_A, "NXDOMAIN", "no endpoint of the headless Service shop/cold is ready" },
	{ "cold-0.cold.shop" D, DNS_A, "NXDOMAIN", NULL },
	{ "none.shop" D, DNS_A, "NXDOMAIN", "the headless Service shop/none has no endpoint" },
	{ "early.shop" D, DNS_A, "= 10.244.1.31 +", NULL },
	{ "10-244-1-32.early.shop" D, DNS_A, "? +", "publishes those that are not" },
	{ "fqdn.shop" D, DNS_A, "NXDOMAIN", NULL },
	{ "portless.shop" D, DNS_A, "= 10.244.1.40", NULL },
	{ "portless.shop" D, DNS_SRV, "NODATA", NULL },
	{ "unread.shop" D, DNS_A, "? +", "EndpointSlices of Service shop/unread are not known" },
	/* endpoints of a Service with a cluster IP have names too, with CoreDNS */
	{ "10-244-1-5.web.shop" D, DNS_A, "= 10.244.1.5", NULL },
	{ "10-244-1-6.web.shop" D, DNS_A, "NXDOMAIN", "not ready" },
	/* ExternalName */
	{ "ext.shop" D, DNS_A, "= CNAME www.example.com +", "is an ExternalName for www.example.com" },
	{ "ext.shop" D, DNS_AAAA, "= CNAME www.example.com +", NULL },
	{ "ext.shop" D, DNS_CNAME, "= CNAME www.example.com", NULL },
	{ "ext.shop" D, DNS_SRV, "NODATA", NULL },
	{ "_http._tcp.ext.shop" D, DNS_SRV, "NXDOMAIN", NULL },
	{ "x.ext.shop" D, DNS_A, "NXDOMAIN", NULL },
	{ "dot.shop" D, DNS_CNAME, "= CNAME www.example.com", NULL },
	{ "inner.shop" D, DNS_A, "= CNAME web.shop" D " 10.96.0.10", NULL },
	{ "inner.shop" D, DNS_AAAA, "NODATA", "leads to nothing: Service shop/web has no IPv6 address" },
	{ "lost.shop" D, DNS_A, "NODATA", "there is no Service shop/gone" },
	{ "lost.shop" D, DNS_CNAME, "= CNAME gone.shop" D, NULL },
	{ "loop.shop" D, DNS_A, "NODATA", "leads back to itself" },
	{ "self.shop" D, DNS_A, "NODATA", "an ExternalName for itself" },
	{ "number.shop" D, DNS_A, "NXDOMAIN", "the address 192.0.2.7" },
	/* no such thing */
	{ "nobody.shop" D, DNS_A, "NXDOMAIN", "there is no Service shop/nobody" },
	{ "x.nobody.shop" D, DNS_A, "NXDOMAIN", NULL },
	{ "web.nowhere" D, DNS_A, "NXDOMAIN", "there is no namespace nowhere" },
	{ "web.dark" D, DNS_A, "?", "whether there is a Service dark/web is not known" },
	{ "web.half" D, DNS_A, "= 10.96.0.20", NULL },
	{ "other.half" D, DNS_A, "?", "whether there is a Service half/other is not known" },
	{ "a.b.c.web.shop" D, DNS_A, "NXDOMAIN", "as many labels" },
	{ "a.b.c.d.e.f.web.shop" D, DNS_A, "NXDOMAIN", NULL },
	{ "a.pin._zone.db.shop" D, DNS_A, "?", NULL },
	/* what was a wildcard before CoreDNS 1.9 */
	{ "*.shop" D, DNS_A, "NXDOMAIN", NULL },
	{ "any.any" D, DNS_A, "NXDOMAIN", NULL },
	/* above the Services */
	{ "shop" D, DNS_A, "NODATA", "that of namespace shop" },
	{ "empty" D, DNS_A, "NODATA", NULL },
	{ "nowhere" D, DNS_A, "NXDOMAIN", NULL },
	{ "half" D, DNS_A, "NODATA", NULL },
	{ "dark" D, DNS_A, "?", "whether there is a namespace dark is not known" },
	{ "svc.cluster.local", DNS_A, "NODATA", NULL },
	{ "cluster.local", DNS_A, "NODATA", NULL },
	{ "cluster.local", DNS_SOA, "= SOA -", NULL },
	{ "cluster.local", DNS_NS, "?", NULL },
	{ "ns.dns.cluster.local", DNS_A, "?", NULL },
	{ "kubernetes.default.cluster.local", DNS_A, "NXDOMAIN", "names of Services end with svc.cluster.local" },
	{ "kubernetes.default.svc.cluster.local.cluster.local", DNS_A, "NXDOMAIN", NULL },
	/* pods */
	{ "pod.cluster.local", DNS_A, "NODATA", NULL },
	{ "shop.pod.cluster.local", DNS_A, "NODATA", NULL },
	{ "10-244-1-5.shop.pod.cluster.local", DNS_A, "= 10.244.1.5", NULL },
	{ "10-244-1-5.shop.pod.cluster.local", DNS_AAAA, "NODATA", NULL },
	{ "192-0-2-9.shop.pod.cluster.local", DNS_A, "= 192.0.2.9", NULL },
	{ "fd00-244--5.shop.pod.cluster.local", DNS_AAAA, "= fd00:244::5", NULL },
	{ "fd00-244--5.shop.pod.cluster.local", DNS_A, "NODATA", NULL },
	{ "web-0.shop.pod.cluster.local", DNS_A, "NXDOMAIN", NULL },
	{ "10-244-1-5.nowhere.pod.cluster.local", DNS_A, "NXDOMAIN", NULL },
	{ "10-244-1-5.dark.pod.cluster.local", DNS_A, "?", NULL },
	/* addresses */
	{ "7.1.244.10.in-addr.arpa", DNS_PTR, "= PTR db-0.db.shop" D, NULL },
	{ "9.1.244.10.IN-ADDR.ARPA", DNS_PTR, "= PTR 10-244-1-9.db.shop" D, NULL },
	{ "1.2.244.10.in-addr.arpa", DNS_PTR, "?", NULL },
	{ "5.1.244.10.in-addr.arpa", DNS_PTR, "?", NULL },
	{ "8.8.8.8.in-addr.arpa", DNS_PTR, "?", NULL },
	{ "1.300.3.10.in-addr.arpa", DNS_PTR, "?", NULL },
	{ "3.10.in-addr.arpa", DNS_PTR, "?", NULL },
	{ "1.0.3.10.in-addr.arpa", DNS_A, "?", NULL },
	{ "0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.2.0.0.0.d.f.ip6.arpa", DNS_PTR, "= PTR b.both.shop" D, NULL },
	/* elsewhere */
	{ "www.example.com", DNS_A, "?", "the name is not the cluster's" },
	{ "xcluster.local", DNS_A, "?", NULL },
	{ "", DNS_A, "?", NULL },
	{ ".", DNS_NS, "?", NULL },
	{ "..svc.cluster.local", DNS_A, "NXDOMAIN", NULL },
};

static void test_rows(void **state)
{
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
		CLEANUP(dns_expected_release) struct dns_expected e = { 0 };
		struct arena a = { 0 };

		assert_int_equal(expect_dns(&a, &l.s.cluster, "cluster.local", rows[i].name, rows[i].type, known, NULL, &e), 0);
		if (strcmp(text_of(&e, &b), rows[i].want) != 0 || !e.why || (rows[i].why && !strstr(e.why, rows[i].why)))
			fail_msg("%s, type %u: '%s' (%s) instead of '%s' (%s)", rows[i].name, rows[i].type, strbuf_str(&b), e.why ? e.why : "-",
				 rows[i].want, rows[i].why ? rows[i].why : "-");
		arena_release(&a);
	}
	lab_release(&l);
}

/* Whose name it is, for those who ask further. */
static void test_service(void **state)
{
	struct dns_expected e = { 0 };
	struct arena a = { 0 };
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	assert_int_equal(expect_dns(&a, &l.s.cluster, "cluster.local.", "db-2.db.shop.svc.cluster.local", DNS_A, known, NULL, &e), 0);
	assert_non_null(e.service);
	assert_string_equal(e.service->meta.name, "db");
	assert_string_equal(e.hostname, "db-2");
	dns_expected_release(&e);
	assert_int_equal(expect_dns(&a, &l.s.cluster, "corp.example", "web.shop.svc.corp.example", DNS_A, known, NULL, &e), 0);
	assert_int_equal(e.kind, DNS_EXPECT_RECORDS);
	dns_expected_release(&e);
	arena_release(&a);
	lab_release(&l);
}

/* ---- what a Corefile changes ---- */

#define KUBERNETES(options) ".:53 {\\n errors\\n kubernetes cluster.local in-addr.arpa {\\n" options " }\\n forward . /etc/resolv.conf\\n}\\n"
#define REWRITE(what) ".:53 {\\n rewrite " what "\\n kubernetes cluster.local\\n}\\n"
static const struct {
	const char *corefile, *name;
	uint16_t type;
	const char *want;
} habits[] = {
	{ KUBERNETES("pods insecure\\n"), "10-244-1-5.shop.pod.cluster.local", DNS_A, "= 10.244.1.5" },
	{ KUBERNETES("ttl 30\\n"), "10-244-1-5.shop.pod.cluster.local", DNS_A, "NXDOMAIN" },
	{ KUBERNETES("pods verified\\n"), "10-244-1-5.shop.pod.cluster.local", DNS_A, "?" },
	{ KUBERNETES("ttl 30\\n"), "web.shop" D, DNS_A, "= 10.96.0.10" },
	{ KUBERNETES("namespaces shop\\n"), "web.shop" D, DNS_A, "= 10.96.0.10" },
	{ KUBERNETES("namespaces default\\n"), "web.shop" D, DNS_A, "NXDOMAIN" },
	{ KUBERNETES("labels app=web\\n"), "web.shop" D, DNS_A, "?" },
	{ KUBERNETES("noendpoints\\n"), "db.shop" D, DNS_A, "?" },
	{ KUBERNETES("noendpoints\\n"), "web.shop" D, DNS_A, "= 10.96.0.10" },
	{ KUBERNETES("ignore empty_service\\n"), "web.shop" D, DNS_A, "?" },
	{ KUBERNETES("endpoint_pod_names\\n"), "one.named.shop" D, DNS_A, "= 10.244.1.60" },
	{ KUBERNETES("endpoint_pod_names\\n"), "10-244-1-60.named.shop" D, DNS_A, "NXDOMAIN" },
	{ KUBERNETES("ttl 30\\n"), "10-244-1-60.named.shop" D, DNS_A, "= 10.244.1.60" },
	{ REWRITE("name nobody.shop.svc.cluster.local web.shop.svc.cluster.local"), "nobody.shop" D, DNS_A, "?" },
	{ REWRITE("stop name exact Nobody.shop.svc.cluster.local. web.shop.svc.cluster.local"), "nobody.shop" D, DNS_A, "?" },
	{ REWRITE("name prefix no some"), "nobody.shop" D, DNS_A, "?" },
	{ REWRITE("name suffix .shop.svc.cluster.local .half.svc.cluster.local"), "nobody.shop" D, DNS_A, "?" },
	{ REWRITE("name substring body some"), "nobody.shop" D, DNS_A, "?" },
	{ REWRITE("stop {\\n name regex (.*)\\\\.shop\\\\.svc {1}\\n answer auto\\n }"), "nobody.shop" D, DNS_A, "?" },
	{ REWRITE("name other.shop.svc.cluster.local web.shop.svc.cluster.local"), "nobody.shop" D, DNS_A, "NXDOMAIN" },
	{ REWRITE("type ANY HINFO"), "nobody.shop" D, DNS_A, "NXDOMAIN" },
	{ REWRITE("name nobody.shop.svc.cluster.local x.example"), "web.shop" D, DNS_A, "= 10.96.0.10" },
	{ KUBERNETES("fallthrough\\n"), "nobody.shop" D, DNS_A, "?" },
	{ KUBERNETES("fallthrough in-addr.arpa\\n"), "nobody.shop" D, DNS_A, "NXDOMAIN" },
	{ KUBERNETES("ttl 30\\n"), "1.0.3.10.in-addr.arpa", DNS_PTR, "= PTR kubernetes.default" D },
	{ ".:53 {\\n kubernetes cluster.local\\n}\\n", "1.0.3.10.in-addr.arpa", DNS_PTR, "?" },
	{ "cluster.local:53 {\\n kubernetes\\n}\\n", "web.shop" D, DNS_A, "= 10.96.0.10" },
	{ "not a corefile {{{", "10-244-1-5.shop.pod.cluster.local", DNS_A, "= 10.244.1.5" },
};

static void test_habits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(habits); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
		CLEANUP(dns_expected_release) struct dns_expected e = { 0 };
		const char *with[ARRAY_LEN(docs) + 2];
		struct arena a = { 0 };
		struct lab l;

		memcpy(with, docs, sizeof(docs));
		with[ARRAY_LEN(docs) - 1] = "configmaps.json";
		with[ARRAY_LEN(docs)] = arena_printf(&a, "{'kind':'ConfigMapList','items':[{'kind':'ConfigMap','metadata':{'name':'coredns','namespace':'kube-system'},"
							 "'data':{'Corefile':'%s'}}]}", habits[i].corefile);
		with[ARRAY_LEN(docs) + 1] = NULL;
		assert_non_null(with[ARRAY_LEN(docs)]);
		lab_read(&l, with);
		assert_int_equal(expect_dns(&a, &l.s.cluster, "cluster.local", habits[i].name, habits[i].type, known, NULL, &e), 0);
		if (strcmp(text_of(&e, &b), habits[i].want) != 0)
			fail_msg("%s with %s: '%s' (%s) instead of '%s'", habits[i].name, habits[i].corefile, strbuf_str(&b), e.why, habits[i].want);
		lab_release(&l);
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_service), cmocka_unit_test(test_habits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
