/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel did otherwise than the engine once said (tests/scenario/test_kernel_*.py), each with the rules that showed it. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/nat.h>
#include <svcdoctor/source.h>

static const char ADDRS[] =
	"[{\"ifindex\":1,\"ifname\":\"lo\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"127.0.0.1\",\"prefixlen\":8,\"scope\":\"host\"}]},"
	"{\"ifindex\":2,\"ifname\":\"eth0\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"172.30.99.1\",\"prefixlen\":24,\"scope\":\"global\"}]},"
	"{\"ifindex\":3,\"ifname\":\"cni0\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"10.244.1.1\",\"prefixlen\":24,\"scope\":\"global\"}]}]";
static const char ROUTES[] =
	"[{\"dst\":\"default\",\"gateway\":\"172.30.99.254\",\"dev\":\"eth0\",\"flags\":[]},"
	"{\"dst\":\"10.244.1.0/24\",\"dev\":\"cni0\",\"scope\":\"link\",\"prefsrc\":\"10.244.1.1\",\"flags\":[]},"
	"{\"dst\":\"172.30.99.0/24\",\"dev\":\"eth0\",\"scope\":\"link\",\"prefsrc\":\"172.30.99.1\",\"flags\":[]},"
	"{\"type\":\"local\",\"dst\":\"10.244.1.1\",\"dev\":\"cni0\",\"table\":\"local\",\"scope\":\"host\",\"prefsrc\":\"10.244.1.1\",\"flags\":[]},"
	"{\"type\":\"local\",\"dst\":\"172.30.99.1\",\"dev\":\"eth0\",\"table\":\"local\",\"scope\":\"host\",\"prefsrc\":\"172.30.99.1\",\"flags\":[]}]";
static const char LINKS[] =
	"[{\"ifindex\":2,\"ifname\":\"eth0\",\"flags\":[\"UP\"],\"linkinfo\":{\"info_kind\":\"veth\"}},"
	"{\"ifindex\":3,\"ifname\":\"cni0\",\"flags\":[\"UP\"],\"linkinfo\":{\"info_kind\":\"bridge\",\"info_data\":{\"nf_call_iptables\":0}}},"
	"{\"ifindex\":4,\"ifname\":\"pa\",\"flags\":[\"UP\"],\"master\":\"cni0\",\"linkinfo\":{\"info_kind\":\"veth\",\"info_slave_kind\":\"bridge\","
	"\"info_slave_data\":{\"hairpin\":true}}}]";
#define SYSCTL(forwarding) "net.ipv4.ip_forward = " forwarding "\nnet.ipv4.conf.all.forwarding = " forwarding "\nnet.ipv4.conf.eth0.forwarding = " \
	forwarding "\nnet.ipv4.conf.cni0.forwarding = " forwarding "\nnet.ipv4.conf.all.rp_filter = 0\nnet.bridge.bridge-nf-call-iptables = 1\n"

struct world {
	struct ruleset rules;
	struct node_facts facts;
	struct nat_node node;
	struct nat_result result;
	struct sd_notes notes;
};

static enum tri is_here(void *arg, const struct ip_addr *a, const char **ret_why)
{
	(void)arg;
	(void)ret_why;
	return a->b[0] == 10 && a->b[2] == 1 ? TRI_TRUE : TRI_FALSE;
}

/* @rules: iptables-save text, or with a '[' in front the rules of one chain of nftables. */
static void world_init(struct world *w, const char *rules, enum rs_backend backend, const char *sysctl)
{
	struct xtables_text t;
	struct nft_text nft;
	char *data = strdup(rules);

	assert_non_null(data);
	*w = (struct world){ 0 };
	ruleset_init(&w->rules);
	node_facts_init(&w->facts);
	nat_result_init(&w->result);
	assert_int_equal(ruleset_own_buffer(&w->rules, data), 0);
	if (rules[0] == '{')
		assert_int_equal(read_nft(&w->rules, data, strlen(data), "r", &w->notes, &nft), 0);
	else
		assert_int_equal(read_xtables(&w->rules, data, strlen(data), false, backend, "r", &w->notes, &t), 0);
	assert_int_equal(read_ip_addr(&w->facts, ADDRS, sizeof(ADDRS) - 1, "a", &w->notes), 0);
	assert_int_equal(read_ip_route(&w->facts, ROUTES, sizeof(ROUTES) - 1, "r", &w->notes), 0);
	assert_int_equal(read_ip_link(&w->facts, LINKS, sizeof(LINKS) - 1, "l", &w->notes), 0);
	assert_int_equal(read_sysctl(&w->facts, sysctl, strlen(sysctl), "s", &w->notes), 0);
	assert_int_equal(ruleset_finish(&w->rules), 0);
	assert_int_equal(node_facts_finish(&w->facts), 0);
	assert_int_equal(w->notes.len, 0);
	nat_node_init(&w->node, "n", &w->rules, &w->facts);
}

static void world_release(struct world *w)
{
	nat_result_release(&w->result);
	node_facts_release(&w->facts);
	ruleset_release(&w->rules);
	sd_notes_release(&w->notes);
}

struct found {
	const char *rules, *src, *dst, *iif; /* NULL: the node itself */
	uint8_t proto;
	const char *want; /* "drop", or "accept" and what becomes of the reply; "?": it is assumed */
	enum rs_backend backend;
	const char *sysctl;
};

static void check(const struct found *f)
{
	CLEANUP(strbuf_release) struct strbuf got = STRBUF_INIT;
	struct nat_packet p = { .proto = f->proto, .sport = 40000, .dport = 80, .iif = f->iif, .from_node = !f->iif };
	struct nat_options o = { .flags = NAT_REPLY, .here = is_here };
	struct world w;

	if (f->proto == IPPROTO_ICMP) {
		p.sport = p.dport = 0;
		p.icmp_type = 8;
	}
	world_init(&w, f->rules, f->backend, f->sysctl ? f->sysctl : SYSCTL("1"));
	assert_int_equal(ip_addr_parse(f->src, &p.src), 0);
	assert_int_equal(ip_addr_parse(f->dst, &p.dst), 0);
	assert_int_equal(nat_walk(&w.node, &p, &o, &w.result), 0);
	for (size_t i = 0; i < w.result.endings.len; i++) {
		const struct nat_ending *e = &w.result.endings.v[i];

		strbuf_addf(&got, "%s%s%s", i ? ", " : "", nat_verdict_name(e->verdict), e->assumes ? "?" : "");
		if (e->verdict == NAT_ACCEPT)
			strbuf_addf(&got, " %s", e->delivery == DELIVERY_LOST ? "lost" : e->reply == TRI_TRUE ? "home" : e->reply == TRI_FALSE ? "gone" : "open");
	}
	if (strcmp(strbuf_str(&got), f->want) != 0)
		print_message("%s", f->rules);
	assert_string_equal(strbuf_str(&got), f->want);
	world_release(&w);
}

#define RAW(rules) "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" rules "COMMIT\n"
#define NAT(rules) "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" rules "COMMIT\n"
#define FILTER(rules) "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" rules "COMMIT\n"
#define POD "10.244.1.5"
#define POD2 "10.244.1.6"
#define FAR "203.0.113.9"

static void check_all(const struct found *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(&v[i]);
}

/* An ICMP tuple has the id, which is not known, and type and code. */
static void test_icmp_tuples(void **state)
{
	static const struct found rows[] = {
		{ FILTER("-A FORWARD -m conntrack --ctorigdstport 2048 -j DROP\n"), POD, FAR, "cni0", IPPROTO_ICMP, "drop", BACKEND_NFT, NULL },
		{ FILTER("-A FORWARD -m conntrack --ctorigdstport 0 -j DROP\n"), POD, FAR, "cni0", IPPROTO_ICMP, "accept home", BACKEND_NFT, NULL },
		{ FILTER("-A FORWARD -m conntrack --ctrepldstport 0 -j DROP\n"), POD, FAR, "cni0", IPPROTO_ICMP, "drop", BACKEND_NFT, NULL },
		{ FILTER("-A FORWARD -m conntrack --ctstate NEW --ctorigsrcport 7 -j DROP\n"), POD, FAR, "cni0", IPPROTO_ICMP, "drop?, accept? home", BACKEND_NFT, NULL },
	};

	(void)state;
	check_all(rows, ARRAY_LEN(rows));
}

/* Without a connection each match of its own looks whether it has a state to ask for. */
static void test_state_of_its_own(void **state)
{
	static const struct found rows[] = {
		{ RAW("-A PREROUTING -m conntrack --ctstate INVALID --ctorigdstport 81 -j DROP\n"), POD, FAR, "cni0", IPPROTO_TCP, "drop", BACKEND_NFT, NULL },
		{ RAW("-A PREROUTING -m conntrack --ctstate INVALID -m conntrack --ctorigdstport 81 -j DROP\n"), POD, FAR, "cni0", IPPROTO_TCP, "accept home",
		  BACKEND_NFT, NULL },
	};

	(void)state;
	check_all(rows, ARRAY_LEN(rows));
}

/* xt_recent remembers when it is asked. */
static void test_remembered_in_passing(void **state)
{
#define ASKS "-A FORWARD -m recent --rcheck --name l --mask 255.255.255.255 --rsource -j DROP\n"
	static const struct found rows[] = {
		{ FILTER("-A FORWARD -m recent ! --set --name l --mask 255.255.255.255 --rsource -j ACCEPT\n" ASKS), POD, FAR, "cni0", IPPROTO_TCP, "drop",
		  BACKEND_NFT, NULL },
		{ FILTER("-A FORWARD -m recent --set --name l --mask 255.255.255.255 --rsource -m mark --mark 0x1 -j ACCEPT\n" ASKS), POD, FAR, "cni0", IPPROTO_TCP,
		  "drop", BACKEND_NFT, NULL },
		{ FILTER("-A FORWARD -m mark --mark 0x1 -m recent --set --name l --mask 255.255.255.255 --rsource -j ACCEPT\n" ASKS), POD, FAR, "cni0", IPPROTO_TCP,
		  "accept home", BACKEND_NFT, NULL },
		/* The reply finds what its request left. */
		{ FILTER("-A FORWARD -s " POD "/32 -m recent --set --name l --mask 255.255.255.255 --rdest\n" ASKS), POD, FAR, "cni0", IPPROTO_TCP, "accept gone",
		  BACKEND_NFT, NULL },
	};

	(void)state;
	check_all(rows, ARRAY_LEN(rows));
}

/* In which zone a reply is looked up is not followed: of what is translated in another zone nobody knows whether it is translated back. */
static void test_zones(void **state)
{
#define TO_POD2 NAT("-A PREROUTING -p tcp -j DNAT --to-destination " POD2 ":80\n-A POSTROUTING -j MASQUERADE\n")
	static const struct found rows[] = {
		{ TO_POD2, FAR, "172.30.99.1", "eth0", IPPROTO_TCP, "accept home", BACKEND_NFT, NULL },
		{ TO_POD2 RAW("-A PREROUTING -i eth0 -j CT --zone 3\n"), FAR, "172.30.99.1", "eth0", IPPROTO_TCP, "accept open", BACKEND_NFT, NULL },
		{ RAW("-A PREROUTING -i eth0 -j CT --zone 3\n"), FAR, POD2, "eth0", IPPROTO_TCP, "accept home", BACKEND_NFT, NULL },
	};

	(void)state;
	check_all(rows, ARRAY_LEN(rows));
}

static void test_replies(void **state)
{
	static const struct found rows[] = {
		/* The port that was translated is not translated back. */
		{ NAT("-A PREROUTING -p tcp -j DNAT --to-destination :8080\n") RAW("-A PREROUTING -i eth0 -j CT --notrack\n"), POD, FAR, "cni0", IPPROTO_TCP,
		  "accept gone", BACKEND_NFT, NULL },
		{ NAT("-A POSTROUTING -j MASQUERADE --random-fully\n") RAW("-A PREROUTING -j CT --notrack\n"), "172.30.99.1", FAR, NULL, IPPROTO_TCP, "accept gone",
		  BACKEND_NFT, NULL },
		/* An untracked datagram's answer is a connection of its own, and is redirected as such. */
		{ NAT("-A PREROUTING -p udp -j REDIRECT --to-ports 53\n") RAW("-A OUTPUT -j CT --notrack\n"), "172.30.99.1", FAR, NULL, IPPROTO_UDP, "accept gone",
		  BACKEND_NFT, NULL },
		/* How many packets there were is a question for each packet. */
		{ FILTER("-A FORWARD -m connbytes --connbytes 2:9 --connbytes-mode packets --connbytes-dir both -j DROP\n"), POD, FAR, "cni0", IPPROTO_TCP,
		  "accept open", BACKEND_NFT, NULL },
	};

	(void)state;
	check_all(rows, ARRAY_LEN(rows));
}

/* What bridge netfilter turns back to its bridge is bridged, and in IPv4 forwarding is needed for it all the same. */
static void test_bridged(void **state)
{
	static const struct found rows[] = {
		{ NAT("-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination " POD2 "\n"), POD, "10.96.0.1", "cni0", IPPROTO_TCP, "accept lost", BACKEND_NFT, SYSCTL("0") },
		{ NAT("-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination " POD2 "\n"), POD, "10.96.0.1", "cni0", IPPROTO_TCP, "accept home", BACKEND_NFT, SYSCTL("1") },
		{ NAT("-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination " FAR "\n"), POD, "10.96.0.1", "cni0", IPPROTO_TCP, "accept lost", BACKEND_NFT, SYSCTL("0") },
		{ "*mangle\n:POSTROUTING ACCEPT [0:0]\n:own - [0:0]\n-A POSTROUTING -j own\n-A own -i cni0 -j DROP\nCOMMIT\n"
		  NAT("-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination " POD2 "\n"), POD, "10.96.0.1", "cni0", IPPROTO_TCP, "accept home", BACKEND_NFT, NULL },
		{ "*mangle\n:POSTROUTING ACCEPT [0:0]\n:own - [0:0]\n-A POSTROUTING -j own\n-A own -i cni0 -j DROP\nCOMMIT\n"
		  NAT("-A PREROUTING -d 10.96.0.1/32 -j DNAT --to-destination " FAR "\n"), POD, "10.96.0.1", "cni0", IPPROTO_TCP, "drop", BACKEND_NFT, NULL },
	};

	(void)state;
	check_all(rows, ARRAY_LEN(rows));
}

/* iptables-nft registers its table security at 150, where the source of INPUT is translated already. */
static void test_security(void **state)
{
#define BOTH NAT("-A INPUT -s " POD "/32 -j SNAT --to-source 10.244.1.1\n") \
	"*security\n:INPUT ACCEPT [0:0]\n-A INPUT -s " POD "/32 -j DROP\nCOMMIT\n"
	static const struct found rows[] = {
		{ BOTH, POD, "172.30.99.1", "cni0", IPPROTO_TCP, "drop", BACKEND_LEGACY, NULL },
		{ BOTH, POD, "172.30.99.1", "cni0", IPPROTO_TCP, "accept home", BACKEND_NFT, NULL },
	};

	(void)state;
	check_all(rows, ARRAY_LEN(rows));
}

#define NFT(prio, rules) \
	"{\"nftables\": [{\"metainfo\": {\"json_schema_version\": 1}}, {\"table\": {\"family\": \"ip\", \"name\": \"t\", \"handle\": 1}}, " \
	"{\"chain\": {\"family\": \"ip\", \"table\": \"t\", \"name\": \"c\", \"handle\": 2, \"type\": \"filter\", \"hook\": \"prerouting\", \"prio\": " prio \
	", \"policy\": \"accept\"}}, {\"rule\": {\"family\": \"ip\", \"table\": \"t\", \"chain\": \"c\", \"handle\": 4, \"expr\": [" rules "]}}]}"
#define FROM_CT "{\"mangle\": {\"key\": {\"meta\": {\"key\": \"mark\"}}, \"value\": {\"ct\": {\"key\": \"mark\"}}}}, {\"drop\": null}"
#define ODD_PORT(port) "{\"match\": {\"op\": \"==\", \"left\": {\"ct\": {\"key\": \"proto-dst\", \"dir\": \"original\"}}, " \
	"\"right\": \"" port " [invalid type]\"}}, {\"drop\": null}"

static void test_nft(void **state)
{
	static const struct found rows[] = {
		/* Asking for a connection's mark without one ends the rule. */
		{ NFT("-250", FROM_CT), POD, FAR, "cni0", IPPROTO_TCP, "accept home", BACKEND_NFT, NULL },
		{ NFT("-150", FROM_CT), POD, FAR, "cni0", IPPROTO_TCP, "drop", BACKEND_NFT, NULL },
		/* A port as nft 1.0.6 lists it. */
		{ NFT("-150", ODD_PORT("0x50")), POD, FAR, "cni0", IPPROTO_TCP, "drop", BACKEND_NFT, NULL },
		{ NFT("-150", ODD_PORT("0x51")), POD, FAR, "cni0", IPPROTO_TCP, "accept home", BACKEND_NFT, NULL },
	};

	(void)state;
	check_all(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_icmp_tuples), cmocka_unit_test(test_state_of_its_own), cmocka_unit_test(test_remembered_in_passing),
		cmocka_unit_test(test_replies), cmocka_unit_test(test_zones), cmocka_unit_test(test_bridged), cmocka_unit_test(test_security), cmocka_unit_test(test_nft),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
