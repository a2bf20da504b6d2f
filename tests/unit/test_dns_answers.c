/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks over answers of DNS: a small cluster, what a pod of it asked its DNS and was answered, and in each row what of that was otherwise. In the
 * cluster as it must be nothing is found; in each other row one fault is the only error.
 */

#include <svcdoctor/checks.h>

#include "lab.h"

#define META_IN(ns, name, more) "'metadata':{'name':'" name "','namespace':'" ns "'" more "}"
#define SERVICE(ns, name, spec) "{'kind':'Service'," META_IN(ns, name, ",'creationTimestamp':'2026-01-05T08:00:00Z'") ",'spec':{" spec "}}"
#define SLICE(ns, name, service, type, endpoints, ports) \
	"{'kind':'EndpointSlice','apiVersion':'discovery.k8s.io/v1'," META_IN(ns, name, ",'labels':{'kubernetes.io/service-name':'" service "'}") \
	",'addressType':'" type "','endpoints':[" endpoints "],'ports':[" ports "]}"
#define END(ip, pod, ns, node, more) \
	"{'addresses':['" ip "'],'conditions':{'ready':true},'nodeName':'" node "','targetRef':{'kind':'Pod','namespace':'" ns "','name':'" pod "'}" more "}"
#define UNREADY(ip, pod, host) \
	"{'addresses':['" ip "'],'conditions':{'ready':false},'hostname':'" host "','targetRef':{'kind':'Pod','namespace':'shop','name':'" pod "'}}"
#define POD(ns, name, ip, node, labels) \
	"{'kind':'Pod'," META_IN(ns, name, ",'labels':{" labels "}") ",'spec':{'nodeName':'" node "','containers':[{'name':'c'}]},'status':{'phase':'Running','podIPs':[{'ip':'" \
	ip "'}],'conditions':[{'type':'Ready','status':'True'}]}}"
#define NAMESPACE(name) "{'kind':'Namespace','metadata':{'name':'" name "'}}"
#define DNS_PORTS "{'name':'dns','protocol':'UDP','port':53},{'name':'dns-tcp','protocol':'TCP','port':53}"
#define HTTP "{'name':'http','protocol':'TCP','port':8080}"

#define SERVICES(more) \
	"services.json", \
		"{'kind':'ServiceList','items':[" \
		SERVICE("default", "kubernetes", "'clusterIP':'10.96.0.1','clusterIPs':['10.96.0.1'],'ports':[{'name':'https','port':443}]") "," \
		SERVICE("kube-system", "kube-dns", "'clusterIP':'10.96.0.10','clusterIPs':['10.96.0.10'],'selector':{'k8s-app':'kube-dns'},'ports':[" \
			"{'name':'dns','protocol':'UDP','port':53},{'name':'dns-tcp','protocol':'TCP','port':53}]") "," \
		SERVICE("shop", "web", "'clusterIP':'10.96.20.1','clusterIPs':['10.96.20.1','fd96::20:1'],'selector':{'app':'web'},'ports':[{'name':'http','port':80}]") "," \
		SERVICE("shop", "db", "'clusterIP':'None','selector':{'app':'db'},'ports':[{'name':'http','port':80}]") "," \
		SERVICE("shop", "ext", "'type':'ExternalName','externalName':'www.example.com'") more "]}"
#define SLICES_WITH(dns) \
	"endpointslices.json", \
		"{'kind':'EndpointSliceList','apiVersion':'discovery.k8s.io/v1','items':[" SLICE("kube-system", "kube-dns-1", "kube-dns", "IPv4", dns, DNS_PORTS) "," \
		SLICE("shop", "web-1", "web", "IPv4", END("10.244.1.31", "web-1", "shop", "node1", ""), HTTP) "," \
		SLICE("shop", "db-1", "db", "IPv4", END("10.244.1.41", "db-0", "shop", "node1", ",'hostname':'db-0'") "," \
		      END("10.244.2.42", "db-1", "shop", "node2", ",'hostname':'db-1'") "," UNREADY("10.244.1.43", "db-2", "db-2"), HTTP) "," \
		SLICE("shop", "cold-1", "cold", "IPv4", UNREADY("10.244.1.51", "cold-0", "cold-0"), HTTP) "]}"
#define DNS_ENDS \
	END("10.244.1.2", "coredns-a", "kube-system", "node1", "") "," END("10.244.2.2", "coredns-b", "kube-system", "node2", "") "," \
	END("10.244.2.3", "coredns-c", "kube-system", "node2", "")
#define REST REST_WITH("")
#define REST_WITH(pods) \
	"namespaces.json", "{'kind':'NamespaceList','items':[" NAMESPACE("default") "," NAMESPACE("kube-system") "," NAMESPACE("shop") "]}", "pods.json", \
		"{'kind':'PodList','items':[" POD("kube-system", "coredns-a", "10.244.1.2", "node1", "'k8s-app':'kube-dns'") "," \
		POD("kube-system", "coredns-b", "10.244.2.2", "node2", "'k8s-app':'kube-dns'") "," \
		POD("kube-system", "coredns-c", "10.244.2.3", "node2", "'k8s-app':'kube-dns'") "," POD("shop", "web-1", "10.244.1.31", "node1", "'app':'web'") "," \
		POD("shop", "db-0", "10.244.1.41", "node1", "'app':'db'") "," POD("shop", "db-1", "10.244.2.42", "node2", "'app':'db'") "," \
		POD("shop", "client", "10.244.1.99", "node1", "'app':'client'") pods "]}"

static const char *const sound[] = { SERVICES(""), SLICES_WITH(DNS_ENDS), REST, NULL };
static const char *const none_ready[] = {
	SERVICES(""), SLICES_WITH("{'addresses':['10.244.1.2'],'conditions':{'ready':false},'targetRef':{'kind':'Pod','namespace':'kube-system','name':'coredns-a'}}"), REST, NULL
};
static const char *const loops[] = { SERVICES("," SERVICE("shop", "loop", "'type':'ExternalName','externalName':'pool.shop.svc.cluster.local'") ","
					      SERVICE("shop", "pool", "'type':'ExternalName','externalName':'loop.shop.svc.cluster.local'")),
				     SLICES_WITH(DNS_ENDS), REST, NULL };
static const char *const cold[] = { SERVICES("," SERVICE("shop", "cold", "'clusterIP':'None','selector':{'app':'cold'},'ports':[{'name':'http','port':80}]")),
				    SLICES_WITH(DNS_ENDS), REST, NULL };
static const char *const cached[] = { SERVICES(""), SLICES_WITH(DNS_ENDS),
				      REST_WITH("," POD("kube-system", "node-local-dns-1", "10.90.7.1", "node1", "'k8s-app':'node-local-dns'")), NULL };
static const char *const waits[] = { SERVICES("," SERVICE("shop", "waits", "'type':'LoadBalancer','ports':[{'name':'http','port':80}]")), SLICES_WITH(DNS_ENDS), REST, NULL };
static const char *const nothing_known[] = { NULL };

/* ---- answers, as lines "SERVER TYPE NAME RESULT..." ---- */

#define D ".svc.cluster.local"
#define K "kubernetes.default" D
#define WEB "web.shop" D
#define DB "db.shop" D
/* V: the cluster IP; a, b, c: the endpoints; with a t behind it, over TCP. */
#define EACH(server) \
	server " A " K " 10.96.0.1", server " AAAA " K " NODATA", server "t A " K " 10.96.0.1", server " A " WEB " 10.96.20.1", server " AAAA " WEB " fd96::20:1", \
		server " A " DB " 10.244.2.42 10.244.1.41", server " AAAA " DB " NODATA"
static const char *const right[] = {
	EACH("V"), EACH("a"), EACH("b"), EACH("c"),
	"V A db-0." DB " 10.244.1.41", "V SRV _http._tcp." WEB " SRV:80:" WEB, "V SRV _http._tcp." DB " SRV:8080:db-0." DB " SRV:8080:db-1." DB,
	"V PTR 1.20.96.10.in-addr.arpa PTR:" WEB, "V PTR 41.1.244.10.in-addr.arpa PTR:db-0." DB,
	"V A ext.shop" D " CNAME:www.example.com 198.51.100.80", "V AAAA ext.shop" D " CNAME:www.example.com 2001:db8::80",
	"V A web.shop.svc.cluster.local.corp.example NX:a.root", "V A web.shop NX:a.root", "V A www.example.com 198.51.100.80", "V AAAA www.example.com 2001:db8::80",
	"V A nobody.shop" D " NX", "V A web.cluster.local NX", NULL
};

struct world {
	struct lab lab;
	struct snap_dns *d;
	size_t bad;
};

static const struct {
	const char *word;
	enum dns_end end;
	uint8_t rcode;
} results[] = { { "NODATA", DNS_ANSWERED, DNS_NOERROR },    { "SERVFAIL", DNS_ANSWERED, DNS_SERVFAIL }, { "REFUSED", DNS_ANSWERED, DNS_REFUSED },
		{ "TIMEOUT", DNS_TIMED_OUT, 0 },	    { "ONCE", DNS_TIMED_OUT, 0 },		{ "CLOSED", DNS_PORT_CLOSED, 0 },
		{ "GARBAGE", DNS_GARBAGE, 0 },		    { "STRANGERS", DNS_STRANGERS, 0 },		{ "CUT", DNS_CUT_OFF, 0 } };

static struct dns_record *add(struct world *w, struct dns_record **v, size_t *n)
{
	if (!*v)
		*v = arena_array(&w->lab.s.arena, struct dns_record, 8);
	assert_non_null(*v);
	assert_true(*n < 8);
	return &(*v)[(*n)++];
}

/* NX, NX:OWNER, NX-7: a denial that is kept for 7 seconds more */
static void deny(struct world *w, struct dns_answer *a, const char *word)
{
	struct dns_record *soa = add(w, &a->authority, &a->nauthority);

	*soa = (struct dns_record){ .owner = word[2] == ':' ? arena_strdup(&w->lab.s.arena, word + 3) : "cluster.local", .type = DNS_SOA, .ttl = 30, .minimum = 30 };
	if (word[2] == '-')
		soa->ttl = (uint32_t)strtoul(word + 3, NULL, 10);
	a->rcode = DNS_NXDOMAIN;
}

static void add_word(struct world *w, struct dns_answer *a, const char **owner, const char *word)
{
	struct dns_record r = { .owner = *owner, .type = a->q.type, .ttl = 30 };
	const char *colon = strchr(word, ':');

	for (size_t i = 0; i < ARRAY_LEN(results); i++) {
		if (strcmp(results[i].word, word) != 0)
			continue;
		a->end = results[i].end;
		a->rcode = results[i].rcode;
		a->tries = strcmp(word, "ONCE") == 0 ? 1 : a->end == DNS_TIMED_OUT ? 3 : 0;
		return;
	}
	if (str_starts(word, "NX")) {
		deny(w, a, word);
		return;
	}
	if (str_is(word, "TC")) {
		a->tc = true;
		return;
	}
	if (str_is(word, "cached")) {
		a->aa = false;
		return;
	}
	if (str_starts(word, "owner:")) {
		*owner = arena_strdup(&w->lab.s.arena, word + 6);
		return;
	}
	if (str_starts(word, "us:")) {
		a->us = (uint32_t)strtoul(word + 3, NULL, 10);
		return;
	}
	if (ip_addr_parse(word, &r.addr) < 0) {
		assert_non_null(colon);
		r.type = str_starts(word, "CNAME") ? DNS_CNAME : a->q.type;
		r.port = r.type == DNS_SRV ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
		r.target = arena_strdup(&w->lab.s.arena, r.type == DNS_SRV ? strchr(colon + 1, ':') + 1 : colon + 1);
	}
	*add(w, &a->answers, &a->nanswers) = r;
	*owner = r.type == DNS_CNAME ? r.target : *owner;
}

static struct ip_addr server(char c)
{
	static const char *const addrs[] = { "V", "10.96.0.10", "a", "10.244.1.2", "b", "10.244.2.2", "c", "10.244.2.3", "L", "169.254.20.10", "X", "10.96.0.99", "O", "192.0.2.53" };
	struct ip_addr a = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(addrs); i += 2)
		if (addrs[i][0] == c)
			assert_int_equal(ip_addr_parse(addrs[i + 1], &a), 0);
	return a;
}

static void answer(struct world *w, const char *line)
{
	struct dns_answer a = { .end = DNS_ANSWERED, .aa = true, .us = 900, .q.port = 53 };
	char *copy = strdup(line), *save = NULL, *word;
	const char *owner;

	assert_non_null(copy);
	word = strtok_r(copy, " ", &save);
	a.q.server = server(word[0]);
	a.q.tcp = strchr(word, 't') != NULL;
	a.q.pair = strchr(word, 'p') != NULL;
	a.searched = strchr(word, 's') != NULL;
	a.q.type = (uint16_t)dns_type_parse(strtok_r(NULL, " ", &save));
	a.q.name = arena_strdup(&w->lab.s.arena, strtok_r(NULL, " ", &save));
	assert_non_null(a.q.name);
	owner = a.q.name;
	while ((word = strtok_r(NULL, " ", &save)))
		add_word(w, &a, &owner, word);
	assert_int_equal(array_push(&w->d->answers, a), 0);
	free(copy);
}

/* Do server, type and name of the line fit? "*" fits any, "V*" that server over any transport. */
static bool fits(const char *pattern, const char *line)
{
	for (int field = 0; field < 3; field++) {
		size_t np = strcspn(pattern, " "), nl = strcspn(line, " ");
		bool any = np && pattern[np - 1] == '*' && strncmp(pattern, line, np - 1) == 0;

		if (!any && (np != nl || strncmp(pattern, line, np) != 0))
			return false;
		pattern += np + 1;
		line += nl + 1;
	}
	return true;
}

static const char *rest(const char *line, int fields)
{
	for (; fields > 0; fields--)
		line = strchr(line, ' ') + 1;
	return line;
}

static const char *override(const char *const changes[], const char *line)
{
	const char *found = NULL;

	for (size_t i = 0; changes[i]; i++)
		if (changes[i][0] != '+' && fits(changes[i], line))
			found = changes[i];
	return found;
}

static void conf(struct world *w, const char *nameserver, const char *domain)
{
	char text[400];

	if (strcmp(domain, "-") == 0)
		snprintf(text, sizeof(text), "nameserver %s\nsearch corp.example\n", nameserver);
	else
		snprintf(text, sizeof(text), "nameserver %s\nsearch shop.svc.%s svc.%s %s corp.example\noptions ndots:5\n", nameserver, domain, domain, domain);
	assert_int_equal(resolv_conf_read(&w->lab.s.arena, text, strlen(text), "/etc/resolv.conf", &w->lab.s.notes, &w->d->conf), 0);
	w->d->has_conf = true;
}

/* What stands in the row: '-' before a pattern leaves the lines out that fit, '+' adds one, else the answer to those that fit is another one. */
static void answers(struct world *w, const char *const changes[])
{
	for (size_t i = 0; right[i]; i++) {
		const char *other = override(changes, right[i]);
		char line[600];

		snprintf(line, sizeof(line), "%.*s%s", other ? (int)(rest(right[i], 3) - right[i]) : (int)strlen(right[i]), right[i], other ? rest(other, 3) : "");
		if (!other || strcmp(rest(other, 3), "-") != 0)
			answer(w, line);
	}
	for (size_t i = 0; changes[i]; i++)
		if (changes[i][0] == '+')
			answer(w, changes[i] + 1);
}

/* ---- rows ---- */

#define NONE (-1)
static const struct row {
	const char *what;
	const char *check; /* NULL: nothing is found */
	int severity;
	const char *text;
	const char *const *docs; /* NULL: sound */
	const char *nameserver, *domain; /* of the client */
	const char *changes[14];
} rows[] = {
	{ "healthy", NULL, NONE, NULL, NULL, NULL, NULL, { NULL } },
	{ "one message is lost", NULL, NONE, NULL, NULL, NULL, NULL, { "c A " WEB " ONCE", NULL } },
	{ "one server's every message is lost once", NULL, NONE, NULL, NULL, NULL, NULL, { "c* * * -", "+c A " K " ONCE", NULL } },
	{ "fails once, and then not", NULL, NONE, NULL, NULL, NULL, NULL, { "V A " WEB " SERVFAIL", "+V A " WEB " 10.96.20.1", NULL } },
	{ "nothing of the API is known", NULL, NONE, NULL, nothing_known, NULL, NULL, { NULL } },

	/* servers */
	{ "one of three refuses", "dns-endpoint-not-answering", SEVERITY_ERROR, "10.244.2.3 (Pod coredns-c on node2) does not answer", NULL, NULL, NULL, { "c* * * CLOSED", NULL } },
	{ "one of three is silent", "dns-endpoint-not-answering", SEVERITY_ERROR, "0 of 6 answered; nothing came back (time-out", NULL, NULL, NULL, { "c* * * TIMEOUT", NULL } },
	{ "those of the other node are silent", "dns-cross-node-blocked", SEVERITY_ERROR, "none of the 2 on other nodes", NULL, NULL, NULL,
	  { "b* * * TIMEOUT", "c* * * TIMEOUT", NULL } },
	{ "the cluster IP is silent", "dns-vip-not-answering", SEVERITY_ERROR, "svcdoctor verify kube-system/kube-dns", NULL, NULL, NULL, { "V* * * TIMEOUT", NULL } },
	{ "nobody answers", "dns-endpoint-not-answering", SEVERITY_ERROR, "none of the 3 DNS endpoints", NULL, NULL, NULL,
	  { "V* * * TIMEOUT", "a* * * TIMEOUT", "b* * * TIMEOUT", "c* * * TIMEOUT", NULL } },
	{ "nobody is ready", "coredns-not-running", SEVERITY_ERROR, "refused at once", none_ready, NULL, NULL,
	  { "V* * * CLOSED", "a* * * -", "b* * * -", "c* * * -", NULL } },
	{ "refused, and nothing known", "coredns-not-running", SEVERITY_ERROR, "refuses at once", nothing_known, NULL, NULL,
	  { "V* * * CLOSED", "a* * * -", "b* * * -", "c* * * -", NULL } },
	{ "UDP is blocked", "dns-udp-blocked", SEVERITY_ERROR, "answers pod shop/client over TCP, and not over UDP", NULL, NULL, NULL,
	  { "V * * TIMEOUT", "a * * TIMEOUT", "b * * TIMEOUT", "c * * TIMEOUT", NULL } },
	{ "TCP is blocked, and an answer is cut", "dns-truncation-tcp53", SEVERITY_ERROR, "flag TC", NULL, NULL, NULL,
	  { "Vt * * TIMEOUT", "at * * TIMEOUT", "bt * * TIMEOUT", "ct * * TIMEOUT", "V A " DB " TC", NULL } },
	{ "TCP is blocked", "dns-truncation-tcp53", SEVERITY_WARNING, "does not answer pod shop/client over TCP", NULL, NULL, NULL,
	  { "Vt * * CLOSED", "at * * CLOSED", "bt * * CLOSED", "ct * * CLOSED", NULL } },
	{ "garbage", "dns-bad-answers", SEVERITY_ERROR, "no DNS message", NULL, NULL, NULL, { "V* * * GARBAGE", "a* * * GARBAGE", "b* * * GARBAGE", "c* * * GARBAGE", NULL } },
	{ "other ids", "dns-bad-answers", SEVERITY_ERROR, "questions that were not asked", NULL, NULL, NULL,
	  { "V* * * STRANGERS", "a* * * STRANGERS", "b* * * STRANGERS", "c* * * STRANGERS", NULL } },
	{ "aliases in a circle", "dns-bad-answers", SEVERITY_ERROR, "lead back to themselves", NULL, NULL, NULL,
	  { "* A " K " CNAME:x.example CNAME:" K, "* AAAA " K " CNAME:x.example CNAME:" K, "V A " WEB " -", "V AAAA " WEB " -", "* A " WEB " -", "* AAAA " WEB " -", "* A " DB " -",
	    "* AAAA " DB " -", "* SRV * -", NULL } },
	{ "the nameserver is silent", "wrong-cluster-dns-address", SEVERITY_ERROR, "where nobody answers, while the cluster's DNS answers", NULL, "10.96.0.99", NULL,
	  { "+X A " K " TIMEOUT", "+X AAAA " K " TIMEOUT", NULL } },
	{ "the nameserver knows nothing of the cluster", "wrong-cluster-dns-address", SEVERITY_ERROR, "does not know the cluster's names", NULL, "10.96.0.99", NULL,
	  { "+X A " K " NX:a.root", "+X A " WEB " NX:a.root", NULL } },

	/* time */
	{ "AAAA is five seconds late", "dns-slow-answers", SEVERITY_WARNING, "no AAAA answer comes in time", NULL, NULL, NULL,
	  { "V AAAA * TIMEOUT", "a AAAA * TIMEOUT", "b AAAA * TIMEOUT", "c AAAA * TIMEOUT", NULL } },
	{ "AAAA comes after five seconds", "dns-slow-answers", SEVERITY_WARNING, "2 late (5.0 s)", NULL, NULL, NULL,
	  { "V AAAA " K " NODATA us:5001000", "V AAAA " WEB " fd96::20:1 us:5000900", "V AAAA " DB " -", NULL } },
	{ "pairs are lost now and then", "dns-slow-answers", SEVERITY_WARNING, "2 of 6 answers to pairs", NULL, NULL, NULL,
	  { "+Vp A " K " 10.96.0.1", "+Vp AAAA " K " ONCE", "+Vp A " K " 10.96.0.1", "+Vp AAAA " K " NODATA", "+Vp A " K " ONCE", "+Vp AAAA " K " NODATA", NULL } },

	/* the DNS as a whole */
	{ "SERVFAIL", "dns-servfail", SEVERITY_ERROR, "could not find out", NULL, NULL, NULL,
	  { "* A " K " SERVFAIL", "* AAAA " K " SERVFAIL", "* A " WEB " SERVFAIL", "* AAAA " WEB " SERVFAIL", "* A *db.shop* -", "V A db-0." DB " SERVFAIL", "* A " DB " SERVFAIL",
	    "* AAAA " DB " SERVFAIL", "V SRV * SERVFAIL", "V PTR * -", "V A ext.shop" D " SERVFAIL", "V AAAA ext.shop" D " SERVFAIL", "V A nobody.shop" D " SERVFAIL" } },
	{ "REFUSED", "coredns-servfail-no-zone", SEVERITY_ERROR, "no block of its Corefile is for cluster.local", NULL, NULL, NULL, { "* * * REFUSED", NULL } },
	{ "names outside are refused", "coredns-servfail-no-zone", SEVERITY_ERROR, "names outside the cluster", NULL, NULL, NULL,
	  { "V A www.example.com REFUSED", "V AAAA www.example.com REFUSED", "V A web.shop REFUSED", "V A web.shop.svc.cluster.local.corp.example REFUSED", NULL } },
	{ "names outside fail", "coredns-upstream-timeout", SEVERITY_ERROR, "does not get an answer for names outside", NULL, NULL, NULL,
	  { "V A www.example.com SERVFAIL", "V AAAA www.example.com SERVFAIL", "V A web.shop TIMEOUT", "V A web.shop.svc.cluster.local.corp.example SERVFAIL", NULL } },
	{ "names outside fail at one of the servers", "coredns-upstream-timeout", SEVERITY_WARNING, "at another it does", NULL, NULL, NULL,
	  { "+a A www.example.com SERVFAIL", "+a AAAA www.example.com SERVFAIL", NULL } },
	{ "another domain", "wrong-cluster-domain", SEVERITY_ERROR, "the search list of pod shop/client ends in svc.corp.local", NULL, NULL, "corp.local",
	  { "+V A kubernetes.default.svc.corp.local NX:a.root", "+V A web.shop.svc.corp.local NX:a.root", NULL } },
	{ "REFUSED for AAAA", "dns-aaaa-nodata-misread", SEVERITY_ERROR, "has an IPv4 address", NULL, NULL, NULL,
	  { "* AAAA * REFUSED", NULL } },
	{ "autopath: the server searches", NULL, NONE, NULL, NULL, NULL, NULL,
	  { "+V A " K ".shop" D " CNAME:" K " 10.96.0.1", "+V A web.shop.shop" D " CNAME:" WEB " 10.96.20.1", "+V A " DB ".shop" D " CNAME:" DB " 10.244.2.42 10.244.1.41",
	    "+V A www.example.com.shop" D " CNAME:www.example.com 198.51.100.80", NULL } },
	{ "NXDOMAIN for AAAA", "dns-aaaa-nodata-misread", SEVERITY_ERROR, "has an IPv4 address", NULL, NULL, NULL, { "* AAAA " K " NX", "* AAAA " DB " NX", NULL } },
	{ "all names are denied by others", "coredns-servfail-no-zone", SEVERITY_ERROR, "asks others for names of the cluster", NULL, NULL, NULL,
	  { "* * * NX:a.root", "V A www.example.com 198.51.100.80", "V AAAA www.example.com 2001:db8::80", NULL } },
	{ "one endpoint denies", "coredns-pod-disagree", SEVERITY_ERROR, "Pod coredns-c on node2) is wrong about web.shop", NULL, NULL, NULL,
	  { "c A " WEB " NX", "c AAAA " WEB " NX", NULL } },
	{ "the cluster IP leads to the one that denies now and then", "coredns-pod-disagree", SEVERITY_ERROR, "wrong about web.shop", NULL, NULL, NULL,
	  { "c A " WEB " NX", "c AAAA " WEB " NX", "V AAAA " WEB " NX", "V PTR 1.20.96.10.in-addr.arpa NX:a.root", "V SRV _http._tcp." WEB " NX", NULL } },
	{ "one endpoint has an old address", "coredns-pod-disagree", SEVERITY_ERROR, "10.96.20.99", NULL, NULL, NULL,
	  { "c A " WEB " 10.96.20.99", "V A " WEB " 10.96.20.99", NULL } },
	{ "one endpoint fails", "coredns-pod-disagree", SEVERITY_ERROR, "SERVFAIL (the server could not find out)", NULL, NULL, NULL,
	  { "c A * SERVFAIL", "c AAAA * SERVFAIL", NULL } },
	{ "endpoints differ, and nobody knows", "coredns-pod-disagree", SEVERITY_WARNING, "which of them is right", waits, NULL, NULL,
	  { "+a A waits.shop" D " 10.96.20.7", "+b A waits.shop" D " 10.96.20.8", "+c A waits.shop" D " 10.96.20.8", NULL } },
	{ "a denial is kept", "dns-negative-cache", SEVERITY_ERROR, "for 7 seconds more", NULL, NULL, NULL, { "V A " WEB " NX-7", "V AAAA " WEB " NX-7", NULL } },
	{ "a denial is kept by the cache of the node", "dns-negative-cache", SEVERITY_ERROR, "NodeLocal DNSCache", cached, "169.254.20.10", NULL,
	  { "+L A " K " 10.96.0.1", "+Lt A " K " 10.96.0.1", "+L A " WEB " NX cached", "+L AAAA " WEB " NX cached", NULL } },

	/* records */
	{ "the Service was made anew", "dns-stale-record", SEVERITY_ERROR, "10.96.20.99 for web.shop.svc.cluster.local, an address that Service shop/web has no more", NULL, NULL, NULL,
	  { "* A " WEB " 10.96.20.99", "V PTR 1.20.96.10.in-addr.arpa NX:a.root", NULL } },
	{ "a program that searched, and does not say whom it asked", "dns-stale-record", SEVERITY_ERROR, "A web.shop, from pod shop/client: 10.96.20.99", NULL, NULL, NULL,
	  { "+Us A web.shop owner:" WEB " 10.96.20.99", NULL } },
	{ "the same, as it must be", NULL, NONE, NULL, NULL, NULL, NULL, { "+Us A web.shop 10.96.20.1", "+Us A nobody.shop NX", NULL } },
	{ "a nameserver outside knows no name of the cluster, for a place that has no search list of one", NULL, NONE, NULL, NULL, "192.0.2.53", "-",
	  { "+O A " K " NX:a.root", "+O A " WEB " NX:a.root", "+O A www.example.com 198.51.100.80", "+Ot A " K " CLOSED", NULL } },
	{ "an endpoint is gone", "dns-stale-record", SEVERITY_WARNING, "10.244.2.77", NULL, NULL, NULL, { "* A " DB " 10.244.1.41 10.244.2.42 10.244.2.77", NULL } },
	{ "an endpoint is not ready", "dns-stale-record", SEVERITY_WARNING, "an endpoint of Service shop/db that is not ready", NULL, NULL, NULL,
	  { "* A " DB " 10.244.1.41 10.244.1.43 10.244.2.42", NULL } },
	{ "no endpoint is ready", "headless-no-dns-until-ready", SEVERITY_ERROR, "no endpoint of the headless Service shop/cold is ready", cold, NULL, NULL,
	  { "+V A cold.shop" D " NX", NULL } },
	{ "the Service is gone", "dns-stale-record", SEVERITY_WARNING, "there is no such Service", NULL, NULL, NULL, { "V A nobody.shop" D " 10.96.20.50", NULL } },
	{ "the address of a pod of somebody else", "dns-wrong-record", SEVERITY_WARNING, "the address of Pod shop/web-1", NULL, NULL, NULL,
	  { "* A " DB " 10.244.1.41 10.244.1.31", NULL } },
	{ "an address of elsewhere", "dns-wrong-record", SEVERITY_ERROR, "203.0.113.5 for web.shop", NULL, NULL, NULL, { "* A " WEB " 203.0.113.5", NULL } },
	{ "all deny what exists", "dns-wrong-record", SEVERITY_ERROR, "NXDOMAIN (there is no such name) to A of web.shop", NULL, NULL, NULL,
	  { "* A " WEB " NX", "* AAAA " WEB " NX", "V SRV _http._tcp." WEB " NX", NULL } },
	{ "a family is missing", "dns-wrong-record", SEVERITY_WARNING, "no AAAA record of web.shop", NULL, NULL, NULL, { "* AAAA " WEB " NODATA", NULL } },
	{ "an endpoint is missing", "dns-wrong-record", SEVERITY_WARNING, "A records of db.shop.svc.cluster.local are missing", NULL, NULL, NULL, { "* A " DB " 10.244.1.41", NULL } },
	{ "another port in SRV", "dns-wrong-record", SEVERITY_WARNING, "web.shop", NULL, NULL, NULL, { "V SRV _http._tcp." WEB " SRV:81:" WEB, NULL } },
	{ "another name of an address", "dns-wrong-record", SEVERITY_WARNING, "PTR pay.shop", NULL, NULL, NULL, { "V PTR 1.20.96.10.in-addr.arpa PTR:pay.shop" D, NULL } },
	{ "the target of an ExternalName is denied", "externalname-unresolved", SEVERITY_ERROR, "www.example.com, which has no address", NULL, NULL, NULL,
	  { "V A ext.shop" D " CNAME:www.example.com", "V AAAA ext.shop" D " CNAME:www.example.com", "V A www.example.com NX:example.com", "V AAAA www.example.com NX:example.com",
	    NULL } },
	{ "no answer for the target of an ExternalName", "dns-name-not-resolved", SEVERITY_WARNING, "ext.shop", NULL, NULL, NULL,
	  { "V A ext.shop" D " NODATA", "V AAAA ext.shop" D " NODATA", NULL } },
	{ "an ExternalName in a circle", "externalname-cname-loop", SEVERITY_ERROR, "leads back to itself", loops, NULL, NULL,
	  { "+V A loop.shop" D " CNAME:pool.shop" D " CNAME:loop.shop" D, NULL } },
};

static void open_row(struct world *w, const struct row *row)
{
	lab_read(&w->lab, row->docs ? row->docs : sound);
	w->d = str_is(row->domain, "-") ? snapshot_dns(&w->lab.s, DNS_FROM_NODE, "node1", NULL, NULL) : snapshot_dns(&w->lab.s, DNS_FROM_POD, "node1", "shop", "client");
	assert_non_null(w->d);
	w->d->live = true;
	conf(w, row->nameserver ? row->nameserver : "10.96.0.10", row->domain ? row->domain : "cluster.local");
	answers(w, row->changes);
}

static void judge(struct world *w)
{
	static const struct diagnose_options names = { .axes = { [AXIS_NAME] = true }, .axes_given = true };

	diagnose(&w->lab, &names);
}

#define bad_row(w, ...) ((w)->bad++, print_error(__VA_ARGS__), print_error("\n"))

static void check_row(struct world *w, const struct row *row)
{
	const struct finding *f = row->check ? find_finding(&w->lab, row->check) : NULL;

	for (size_t i = 0; i < w->lab.d.findings.len; i++) {
		const struct finding *g = w->lab.d.findings.v[i];

		if (!str_is(row->check, g->check->id) && !g->explained_by && g->severity > SEVERITY_INFO)
			bad_row(w, "%s: %s: %s (%s)", row->what, g->id, g->text, g->evidence.len ? g->evidence.v[0] : "-");
	}
	if (!row->check)
		return;
	if (!f) {
		bad_row(w, "%s: no %s", row->what, row->check);
		return;
	}
	if (f->explained_by)
		bad_row(w, "%s: explained by %s", row->what, f->explained_by->id);
	if ((int)f->severity != row->severity || !has_text(f, row->text))
		bad_row(w, "%s: %s %s (%s; %s)", row->what, severity_name(f->severity), f->text, f->evidence.len ? f->evidence.v[0] : "-",
			 f->evidence.len > 1 ? f->evidence.v[1] : "-");
}

static void test_rows(void **state)
{
	size_t bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w = { 0 };

		open_row(&w, &rows[i]);
		judge(&w);
		check_row(&w, &rows[i]);
		bad += w.bad;
		lab_release(&w.lab);
	}
	assert_int_equal(bad, 0);
}

static struct finding *judged(struct world *w, const char *id)
{
	for (size_t i = 0; i < w->lab.d.findings.len; i++)
		if (strcmp(w->lab.d.findings.v[i]->check->id, id) == 0)
			return w->lab.d.findings.v[i];
	fail_msg("no %s", id);
	return NULL;
}

/* What the node's conntrack counts stands beside losses. */
static void test_conntrack(void **state)
{
	static const struct row row = { .changes = { "+Vp A " K " ONCE", "+Vp AAAA " K " NODATA", "+Vp A " K " ONCE", "+Vp AAAA " K " NODATA", NULL } };
	struct world w = { 0 };
	struct snap_node *n;

	(void)state;
	open_row(&w, &row);
	n = snapshot_node(&w.lab.s, "node1", true);
	assert_non_null(n);
	n->conntrack_known = true;
	n->insert_failed = 41;
	judge(&w);
	assert_true(has_text(judged(&w, "dns-slow-answers"), "conntrack of node node1 counts insert_failed 41"));
	lab_release(&w.lab);
}

/* Between two looks of different times the endpoints of a headless Service may have changed: no error. */
static void test_recorded(void **state)
{
	static const struct row row = { .changes = { "* A " DB " NX", "* A db-0." DB " NX", "V SRV _http._tcp." DB " NX", NULL } };

	(void)state;
	for (int live = 0; live < 2; live++) {
		struct world w = { 0 };

		open_row(&w, &row);
		w.d->live = live;
		judge(&w);
		assert_int_equal(judged(&w, "dns-wrong-record")->severity, live ? SEVERITY_ERROR : SEVERITY_WARNING);
		lab_release(&w.lab);
	}
}

/* A policy that keeps the pod from port 53 is the reason why nobody answers it. */
static void test_policy(void **state)
{
	static const char *const docs[] = {
		SERVICES(""), SLICES_WITH(DNS_ENDS), REST, "networkpolicies.json",
		"{'kind':'NetworkPolicyList','apiVersion':'networking.k8s.io/v1','items':[{'metadata':{'name':'only-web','namespace':'shop'},'spec':{'podSelector':{},"
		"'policyTypes':['Egress'],'egress':[{'ports':[{'port':8080,'protocol':'TCP'}]}]}}]}", NULL
	};
	static const struct row row = { .docs = docs, .changes = { "* * * TIMEOUT", NULL } };
	struct world w = { 0 };

	(void)state;
	open_row(&w, &row);
	judge(&w);
	assert_true(has_text(judged(&w, "networkpolicy-blocks-dns"), "NetworkPolicy only-web isolates it"));
	assert_null(find_finding(&w.lab, "dns-endpoint-not-answering"));
	lab_release(&w.lab);
}

/* What is asked at another place counts there: the node next to the endpoints reaches all of them. */
static void test_places(void **state)
{
	static const struct row row = { .changes = { "b* * * TIMEOUT", "c* * * TIMEOUT", NULL } };
	const struct finding *f;
	struct world w = { 0 };

	(void)state;
	open_row(&w, &row);
	w.d = snapshot_dns(&w.lab.s, DNS_FROM_NODE, "node2", NULL, NULL);
	assert_non_null(w.d);
	for (size_t i = 0; right[i]; i++)
		answer(&w, right[i]);
	judge(&w);
	f = judged(&w, "dns-cross-node-blocked");
	assert_string_equal(f->node, "node1");
	assert_int_equal(w.lab.d.findings.len, 1);
	lab_release(&w.lab);
}

/* What many places were answered is judged to the last answer. */
static void test_many(void **state)
{
	static const struct row row = { .changes = { NULL } };
	struct world w = { 0 };
	char line[100];

	(void)state;
	open_row(&w, &row);
	for (int i = 0; i < 5000; i++) {
		snprintf(line, sizeof(line), "V A nobody-%d.shop" D " NX", i);
		answer(&w, line);
	}
	answer(&w, "V A web.nowhere" D " 10.96.20.1");
	judge(&w);
	assert_non_null(judged(&w, "dns-wrong-record"));
	lab_release(&w.lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),   cmocka_unit_test(test_conntrack), cmocka_unit_test(test_recorded),
					    cmocka_unit_test(test_policy), cmocka_unit_test(test_places),
					    cmocka_unit_test(test_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
