/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What NetworkPolicies say of one connection: their decoding, and the verdict over both directions. */

#include <netinet/in.h>

#include <svcdoctor/source.h>

#include "lab.h"

#define POLICY(name, spec) \
	"{'kind':'NetworkPolicy','apiVersion':'networking.k8s.io/v1','metadata':{'name':'" name "','namespace':'n'},'spec':{" spec "}}"
#define TO_A(more) POLICY("p", "'podSelector':{'matchLabels':{'app':'a'}}," more)
#define FROM(peer) TO_A("'ingress':[{'from':[" peer "]}]")
#define PORTS(ports) TO_A("'ingress':[{'ports':[" ports "]}]")
#define BLOCK(cidr, except) "{'ipBlock':{'cidr':'" cidr "','except':[" except "]}}"
#define OUT(to) POLICY("out", "'podSelector':{},'policyTypes':['Egress'],'egress':[{'to':[" to "]}]")

/* n/a on node1 is the server, 10.1.0.1, ports web 8080/TCP and dns 53/UDP; n/b and m/c are clients; n/h is of the host's network. */
static const char pods[] =
	"{'kind':'PodList','items':["
	"{'metadata':{'name':'a','namespace':'n','labels':{'app':'a','tier':'x'}},'spec':{'nodeName':'node1','containers':[{'name':'c','ports':["
	"{'name':'web','containerPort':8080},{'name':'dns','containerPort':53,'protocol':'UDP'}]}]},'status':{'phase':'Running','podIP':'10.1.0.1'}},"
	"{'metadata':{'name':'b','namespace':'n','labels':{'app':'b'}},'spec':{'nodeName':'node2','containers':[{'name':'c'}]},"
	"'status':{'phase':'Running','podIP':'10.1.0.2'}},"
	"{'metadata':{'name':'c','namespace':'m','labels':{'app':'b'}},'spec':{'nodeName':'node2','containers':[{'name':'c'}]},"
	"'status':{'phase':'Running','podIP':'10.1.0.3'}},"
	"{'metadata':{'name':'u','namespace':'unseen','labels':{'app':'b'}},'spec':{'containers':[{'name':'c'}]},'status':{'podIP':'10.1.0.4'}},"
	"{'metadata':{'name':'h','namespace':'n','labels':{'app':'a'}},'spec':{'hostNetwork':true,'nodeName':'node1','containers':[{'name':'c'}]},"
	"'status':{'podIP':'192.0.2.1'}}]}";
static const char namespaces[] =
	"{'kind':'NamespaceList','items':[{'metadata':{'name':'n','labels':{'kubernetes.io/metadata.name':'n'}}},"
	"{'metadata':{'name':'m','labels':{'kubernetes.io/metadata.name':'m','team':'red'}}}]}";

enum { FREE = 2 }; /* not isolated */

static const struct {
	const char *policies;
	const char *from;	/* "ns/pod", "@node" or an address */
	uint16_t port;
	uint8_t proto;		/* 0: TCP */
	bool egress;
	int allowed;		/* FREE, 1, 0, -1 */
} cases[] = {
	/* who is selected */
	{ "", "n/b", 8080, 0, false, FREE },
	{ TO_A("'ingress':[]"), "n/b", 8080, 0, false, 0 },
	{ TO_A("'policyTypes':['Egress']"), "n/b", 8080, 0, false, FREE },
	{ TO_A("'egress':[{}]"), "n/b", 8080, 0, false, 0 }, /* without policyTypes: Ingress always */
	{ POLICY("p", "'podSelector':{}"), "n/b", 8080, 0, false, 0 },
	{ POLICY("p", "'podSelector':{'matchLabels':{'app':'b'}}"), "n/b", 8080, 0, false, FREE },
	{ POLICY("p", "'podSelector':{'matchExpressions':[{'key':'app','operator':'In','values':['x','a']}]}"), "n/b", 8080, 0, false, 0 },
	{ POLICY("p", "'podSelector':{'matchExpressions':[{'key':'app','operator':'NotIn','values':['a']}]}"), "n/b", 8080, 0, false, FREE },
	{ POLICY("p", "'podSelector':{'matchExpressions':[{'key':'none','operator':'NotIn','values':['a']}]}"), "n/b", 8080, 0, false, 0 },
	{ POLICY("p", "'podSelector':{'matchExpressions':[{'key':'tier','operator':'Exists'}]}"), "n/b", 8080, 0, false, 0 },
	{ POLICY("p", "'podSelector':{'matchExpressions':[{'key':'tier','operator':'DoesNotExist'}]}"), "n/b", 8080, 0, false, FREE },
	{ POLICY("p", "'podSelector':{'matchLabels':{'app':'a'},'matchExpressions':[{'key':'tier','operator':'In','values':['y']}]}"), "n/b", 8080, 0,
	  false, FREE },
	/* peers */
	{ TO_A("'ingress':[{}]"), "203.0.113.9", 8080, 0, false, 1 },
	{ TO_A("'ingress':[{'from':[]}]"), "203.0.113.9", 8080, 0, false, 1 },
	{ FROM("{'podSelector':{}}"), "n/b", 8080, 0, false, 1 },
	{ FROM("{'podSelector':{}}"), "m/c", 8080, 0, false, 0 },
	{ FROM("{'podSelector':{'matchLabels':{'app':'b'}}}"), "n/b", 8080, 0, false, 1 },
	{ FROM("{'podSelector':{'matchLabels':{'app':'z'}}}"), "n/b", 8080, 0, false, 0 },
	{ FROM("{'namespaceSelector':{}}"), "m/c", 8080, 0, false, 1 },
	{ FROM("{'namespaceSelector':{'matchLabels':{'team':'red'}}}"), "m/c", 8080, 0, false, 1 },
	{ FROM("{'namespaceSelector':{'matchLabels':{'team':'red'}}}"), "n/b", 8080, 0, false, 0 },
	{ FROM("{'namespaceSelector':{'matchLabels':{'team':'red'}},'podSelector':{'matchLabels':{'app':'z'}}}"), "m/c", 8080, 0, false, 0 },
	{ FROM("{'namespaceSelector':{'matchLabels':{'team':'red'}},'podSelector':{'matchLabels':{'app':'b'}}}"), "m/c", 8080, 0, false, 1 },
	{ FROM("{'namespaceSelector':{'matchLabels':{'team':'red'}}},{'podSelector':{'matchLabels':{'app':'z'}}}"), "m/c", 8080, 0, false, 1 },
	/* a namespace whose labels are not known has its name's */
	{ FROM("{'namespaceSelector':{'matchLabels':{'team':'red'}}}"), "unseen/u", 8080, 0, false, -1 },
	{ FROM("{'namespaceSelector':{'matchLabels':{'kubernetes.io/metadata.name':'unseen'}}}"), "unseen/u", 8080, 0, false, 1 },
	{ FROM("{'namespaceSelector':{'matchLabels':{'kubernetes.io/metadata.name':'n'}}}"), "unseen/u", 8080, 0, false, 0 },
	{ FROM(BLOCK("203.0.113.0/24", "")), "203.0.113.9", 8080, 0, false, 1 },
	{ FROM(BLOCK("203.0.113.0/24", "'203.0.113.8/30'")), "203.0.113.9", 8080, 0, false, 0 },
	{ FROM(BLOCK("203.0.113.0/24", "'203.0.113.8/30'")), "203.0.113.12", 8080, 0, false, 1 },
	{ FROM(BLOCK("203.0.113.0/24", "")), "2001:db8::1", 8080, 0, false, 0 },
	{ FROM(BLOCK("203.0.113.0/24", "")), "n/b", 8080, 0, false, 0 },
	/* what an ipBlock does with addresses of pods is left to the plugin */
	{ FROM(BLOCK("10.0.0.0/8", "")), "n/b", 8080, 0, false, -1 },
	{ FROM(BLOCK("10.0.0.0/8", "'10.1.0.0/16'")), "n/b", 8080, 0, false, 0 },
	{ FROM(BLOCK("10.0.0.0/8", "") ",{'podSelector':{}}"), "n/b", 8080, 0, false, 1 },
	{ FROM("{'podSelector':{}},{'namespaceSelector':{}}"), "203.0.113.9", 8080, 0, false, 0 },
	/* nodes: the pod's own is never kept out, others are addresses */
	{ TO_A("'ingress':[]"), "@node1", 8080, 0, false, 1 },
	{ TO_A("'ingress':[]"), "@node2", 8080, 0, false, 0 },
	{ FROM("{'namespaceSelector':{}}"), "@node2", 8080, 0, false, 0 },
	{ TO_A("'ingress':[]"), "n/h", 8080, 0, false, 1 }, /* of the host's network on node1 */
	{ TO_A("'ingress':[]"), "n/a", 8080, 0, false, 1 }, /* itself */
	/* ports */
	{ PORTS("{'port':8080}"), "n/b", 8080, 0, false, 1 },
	{ PORTS("{'port':80}"), "n/b", 8080, 0, false, 0 },
	{ PORTS("{'port':8080,'protocol':'UDP'}"), "n/b", 8080, 0, false, 0 },
	{ PORTS("{'port':53,'protocol':'UDP'}"), "n/b", 53, IPPROTO_UDP, false, 1 },
	{ PORTS("{'port':53}"), "n/b", 53, IPPROTO_UDP, false, 0 },
	{ PORTS("{'port':8000,'endPort':9000}"), "n/b", 8080, 0, false, 1 },
	{ PORTS("{'port':8000,'endPort':8079}"), "n/b", 8080, 0, false, 0 },
	{ PORTS("{'port':'web'}"), "n/b", 8080, 0, false, 1 },
	{ PORTS("{'port':'web'}"), "n/b", 8081, 0, false, 0 },
	{ PORTS("{'port':'dns'}"), "n/b", 53, 0, false, 0 }, /* of that name with another protocol */
	{ PORTS("{'port':'none'}"), "n/b", 8080, 0, false, 0 },
	{ PORTS("{'protocol':'TCP'}"), "n/b", 8080, 0, false, 1 },
	{ PORTS("{}"), "n/b", 53, IPPROTO_UDP, false, 0 },
	/* policies add up */
	{ POLICY("deny", "'podSelector':{}") "," PORTS("{'port':8080}"), "n/b", 8080, 0, false, 1 },
	{ POLICY("deny", "'podSelector':{}") "," PORTS("{'port':80}"), "n/b", 8080, 0, false, 0 },
	{ TO_A("'ingress':[{'ports':[{'port':8080}],'from':[{'podSelector':{'matchLabels':{'app':'z'}}}]},{'ports':[{'port':1}]}]"), "n/b", 8080, 0,
	  false, 0 },
	/* the client's side */
	{ OUT("{'podSelector':{'matchLabels':{'app':'a'}}}"), "n/b", 8080, 0, true, 1 },
	{ OUT("{'podSelector':{'matchLabels':{'app':'z'}}}"), "n/b", 8080, 0, true, 0 },
	{ OUT("{'podSelector':{'matchLabels':{'app':'z'}}}"), "m/c", 8080, 0, true, FREE },
	{ OUT("{'podSelector':{'matchLabels':{'app':'z'}}}"), "203.0.113.9", 8080, 0, true, FREE },
	{ OUT(BLOCK("10.96.0.0/12", "")), "n/b", 8080, 0, true, 0 }, /* cluster IPs are translated before policies see them */
	{ POLICY("out", "'podSelector':{},'policyTypes':['Egress'],'egress':[{'ports':[{'port':'web'}]}]"), "n/b", 8080, 0, true, 1 },
	{ POLICY("out", "'podSelector':{},'egress':[]"), "n/b", 8080, 0, true, FREE },
	{ POLICY("out", "'podSelector':{},'policyTypes':['Egress']"), "n/h", 8080, 0, true, FREE },
};

static struct k8s_policy_end end_of(const struct k8s_cluster *c, const char *text)
{
	struct k8s_policy_end e = { 0 };
	const char *slash = strchr(text, '/');

	if (text[0] == '@') {
		e.node = text + 1;
		assert_int_equal(ip_addr_parse("192.0.2.77", &e.ip), 0);
	} else if (slash) {
		char ns[64] = "";
		const struct k8s_pod *p;

		memcpy(ns, text, (size_t)(slash - text));
		p = k8s_find_pod(c, ns, slash + 1);
		assert_non_null(p);
		e = (struct k8s_policy_end){ .pod = p->host_network ? NULL : p, .ip = p->ips[0], .node = p->node };
	} else {
		assert_int_equal(ip_addr_parse(text, &e.ip), 0);
	}
	return e;
}

static void test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char list[2048];
		const char *const docs[] = { "pods.json", pods, "namespaces.json", namespaces, "networkpolicies.json", list, NULL };
		struct k8s_policy_verdict v;
		struct k8s_policy_end from, to;
		struct lab l;

		assert_true(snprintf(list, sizeof(list), "{'kind':'NetworkPolicyList','apiVersion':'networking.k8s.io/v1','items':[%s]}",
				     cases[i].policies) < (int)sizeof(list));
		lab_read(&l, docs);
		from = end_of(&l.s.cluster, cases[i].from);
		to = end_of(&l.s.cluster, "n/a");
		k8s_policy_judge(&l.s.cluster, &from, &to, cases[i].proto ? cases[i].proto : IPPROTO_TCP, cases[i].port, cases[i].egress, &v);
		if (v.isolated != (cases[i].allowed != FREE) || v.allowed != (v.isolated ? cases[i].allowed : 1))
			fail_msg("case %zu: isolated %d, allowed %d", i, v.isolated, v.allowed);
		assert_true((v.by != NULL) == v.isolated);
		lab_release(&l);
	}
}

/* A policy that allows is the one that is named. */
static void test_named(void **state)
{
	static const char *const docs[] = { "pods.json", pods, "networkpolicies.json",
					    "{'kind':'NetworkPolicyList','apiVersion':'networking.k8s.io/v1','items':[" POLICY("a-deny", "'podSelector':{}") ","
					    PORTS("{'port':8080}") "]}",
					    NULL };
	struct k8s_policy_end from, to;
	struct k8s_policy_verdict v;
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	from = end_of(&l.s.cluster, "n/b");
	to = end_of(&l.s.cluster, "n/a");
	k8s_policy_judge(&l.s.cluster, &from, &to, IPPROTO_TCP, 8080, false, &v);
	assert_string_equal(v.by->meta.name, "p");
	k8s_policy_judge(&l.s.cluster, &from, &to, IPPROTO_TCP, 80, false, &v);
	assert_string_equal(v.by->meta.name, "a-deny");
	assert_int_equal(k8s_netpols_of(&l.s.cluster, "n")->len, 2);
	assert_null(k8s_netpols_of(&l.s.cluster, "m"));
	lab_release(&l);
}

/* What the API server would not take is recorded with its place, and the policy is not used: then nothing is known to be allowed. */
static void test_damaged(void **state)
{
	static const struct {
		const char *policy, *says;
	} bad[] = {
		{ POLICY("p", "'podSelector':{'matchExpressions':[{'key':'a','operator':'Is','values':['b']}]}"), "operator" },
		{ POLICY("p", "'podSelector':{'matchExpressions':[{'operator':'Exists'}]}"), "without key" },
		{ POLICY("p", "'podSelector':{'matchLabels':{'a':1}}"), "not a string" },
		{ POLICY("p", "'podSelector':{},'ingress':[{'from':[{'ipBlock':{'cidr':'10.0.0.0/40'}}]}]"), "no prefix" },
		{ POLICY("p", "'podSelector':{},'ingress':[{'from':[{'ipBlock':{}}]}]"), "no prefix" },
		{ POLICY("p", "'podSelector':{},'ingress':[{'ports':[{'port':70000}]}]"), "out of range" },
		{ POLICY("p", "'podSelector':{},'ingress':[{'ports':[{'port':80,'endPort':-1}]}]"), "out of range" },
		{ POLICY("p", "'podSelector':{},'ingress':[{'ports':[{'port':80,'protocol':'ICMP'}]}]"), "none of TCP" },
		{ POLICY("p", "'podSelector':{},'ingress':[7]"), "not an object" },
		{ POLICY("p", "'podSelector':{},'ingress':{}"), "not an array" },
		{ POLICY("p", "'podSelector':[]"), "not an object" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *json = strdup(bad[i].policy);
		struct snapshot s;

		assert_non_null(json);
		for (char *p = json; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		snapshot_init(&s);
		(void)read_cluster_json(&s, "networkpolicies.json", json, strlen(json), "networkpolicies.json");
		assert_int_equal(snapshot_finish(&s), 0);
		assert_int_equal(s.cluster.netpols.len, 0);
		assert_true(s.notes.len > 0);
		if (!strstr(s.notes.v[0].text, bad[i].says))
			fail_msg("case %zu: %s", i, s.notes.v[0].text);
		assert_int_equal(s.kinds[K8S_NETPOLS], PARTLY_KNOWN);
		snapshot_release(&s);
		free(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
