/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib/node and the readers of `ip -j` against the kernel of this machine: random addresses, routes and rules in a
 * network namespace, `ip route get` for random packets, and the source that a masquerade rule takes. test_node.c has
 * the rest.
 */
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "facts.h"

static struct ip_addr random_addr(uint32_t *seed, int family)
{
	struct ip_addr a = { .family = (uint8_t)family };

	a.b[0] = family == AF_INET ? 10 : 0xfd;
	for (size_t i = 1; i < ip_addr_size(&a); i++)
		a.b[i] = (uint8_t)(facts_pick(seed, 3) ? facts_pick(seed, 2) : facts_pick(seed, 256));
	return a;
}

/* Output of a command; "" when it fails. The caller frees. */
static char *run(const char *command, int *ret_status)
{
	char *text = calloc(1, 1 << 20);
	FILE *p = popen(command, "r");
	size_t n;

	assert_non_null(text);
	assert_non_null(p);
	n = fread(text, 1, (1 << 20) - 1, p);
	text[n] = '\0';
	*ret_status = pclose(p);
	return text;
}

static bool run_quietly(const char *fmt, ...)
{
	char command[512];
	size_t n;
	va_list ap;

	va_start(ap, fmt);
	n = (size_t)vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_true(n < sizeof(command) - 20);
	snprintf(command + n, sizeof(command) - n, " >/dev/null 2>&1");
	return system(command) == 0;
}

typedef int (*reader)(struct node_facts *, const char *, size_t, const char *, struct sd_notes *);

static void read_output(struct fixture *x, reader fn, const char *command)
{
	int status;
	char *text = run(command, &status);

	assert_int_equal(status, 0);
	assert_int_equal(fn(&x->f, text, strlen(text), command, &x->notes), 0);
	free(text);
}

static void read_namespace(struct fixture *x)
{
	read_output(x, read_ip_addr, "ip -j addr");
	read_output(x, read_ip_link, "ip -j -d link");
	read_output(x, read_ip_route, "ip -j route show table all");
	read_output(x, read_ip_rule, "ip -j rule");
	read_output(x, read_ip_rule, "ip -6 -j rule");
	read_output(x, read_sysctl,
		    "grep -H . /proc/sys/net/ipv4/conf/*/* /proc/sys/net/ipv6/conf/*/* 2>/dev/null |"
		    " sed 's,^/proc/sys/,,; s,:, = ,; s,/,.,g'");
	assert_int_equal(node_facts_finish(&x->f), 0);
	for (size_t i = 0; i < x->notes.len; i++)
		print_error("%s:%u %s\n", x->notes.v[i].file, x->notes.v[i].line, x->notes.v[i].text);
	assert_int_equal(x->notes.len, 0);
}

#define NLINKS 6
static bool make_namespace(void)
{
	bool ok;

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	ok = run_quietly("ip link set lo up");
	for (int i = 0; ok && i < NLINKS; i++) {
		ok = run_quietly("ip link add v%d type veth peer name w%d", i, i) &&
		     run_quietly("ip link set v%d up", i) &&
		     (i == 5 || run_quietly("ip link set w%d up", i)); /* v5 has no carrier */
	}
	/* Sources are not to be judged, and an interface may answer for any of its addresses. */
	ok = ok &&
	     run_quietly(
		     "for i in /proc/sys/net/ipv4/conf/*; do echo 0 > $i/rp_filter; echo 1 > $i/accept_local;"
		     " echo 0 > $i/send_redirects; echo 1 > $i/forwarding; done;"
		     " for i in /proc/sys/net/ipv6/conf/*; do echo 0 > $i/accept_dad; echo 1 > $i/forwarding; done");
	return ok;
}

static void add_addresses(uint32_t *seed)
{
	for (int i = 0; i < NLINKS - 1; i++) {
		run_quietly("ip addr add 10.%d.0.%d/%u dev v%d", i, 1 + i, 16 + facts_pick(seed, 9), i);
		run_quietly("ip addr add 10.%d.0.%d/24 dev v%d", i, 77, i);
		run_quietly("ip addr add 10.%d.8.1/24 dev v%d scope %s", i, i, facts_pick(seed, 2) ? "link" : "global");
		run_quietly("ip addr add fd00:%d::%d/64 dev v%d nodad", i, 1 + i, i);
		run_quietly("ip addr add 2001:db8:%d::1/%u dev v%d nodad", i, 48 + facts_pick(seed, 30), i);
	}
	run_quietly("ip addr add 10.5.0.1/24 dev v5");
	run_quietly("ip addr add 10.40.0.1 peer 10.41.0.1/32 dev v1");
	run_quietly("ip addr add 2001:db8:99::1/64 dev v2 nodad preferred_lft 0");
}

static void add_random_route(uint32_t *seed, bool v6)
{
	static const char *const refusals[4] = { "blackhole", "unreachable", "prohibit", "throw" };
	static const unsigned lens4[6] = { 8, 14, 16, 20, 24, 32 }, lens6[5] = { 16, 32, 48, 64, 128 };
	static const char *const tables[5] = { "main", "main", "main", "100", "101" };
	char dst[IP_PREFIX_STRLEN], rest[200];
	struct ip_prefix p = { random_addr(seed, v6 ? AF_INET6 : AF_INET), 0 };
	unsigned dev = facts_pick(seed, NLINKS);

	p.len = (uint8_t)(v6 ? lens6[facts_pick(seed, 5)] : lens4[facts_pick(seed, 6)]);
	if (!v6)
		p.addr.b[1] = (uint8_t)facts_pick(seed, 8);
	p.addr = ip_prefix_first(&p);
	ip_prefix_format(&p, dst);
	if (facts_pick(seed, 20) == 0)
		snprintf(dst, sizeof(dst), "default");
	switch (facts_pick(seed, 8)) {
	case 0:
		snprintf(rest, sizeof(rest), "%s %s", refusals[facts_pick(seed, 4)], dst);
		break;
	case 1:
		snprintf(rest, sizeof(rest), "%s dev v%u", dst, dev);
		break;
	case 2:
		snprintf(rest, sizeof(rest),
			 v6 ? "%s via fd00:%u::77 dev v%u src 2001:db8:1::1"
			    : "%s via 10.%u.0.9 dev v%u onlink src 10.1.0.2",
			 dst, dev, dev);
		break;
	case 3:
		snprintf(rest, sizeof(rest),
			 v6 ? "%s nexthop via fd00:%u::77 dev v%u nexthop via fd00:0::78 dev v0"
			    : "%s nexthop via 10.%u.0.9 dev v%u onlink nexthop via 10.0.0.8 dev v0 onlink",
			 dst, dev, dev);
		break;
	case 4:
		snprintf(rest, sizeof(rest), "local %s dev lo", dst);
		run_quietly("ip %s route add %s table local", v6 ? "-6" : "-4", rest);
		return;
	default:
		snprintf(rest, sizeof(rest), v6 ? "%s via fd00:%u::77 dev v%u" : "%s via 10.%u.0.9 dev v%u onlink",
			 dst, dev, dev);
	}
	run_quietly("ip %s route add %s table %s metric %u", v6 ? "-6" : "-4", rest, tables[facts_pick(seed, 5)],
		    1 + facts_pick(seed, 4) * 10);
}

static void add_random_rule(uint32_t *seed, bool v6)
{
	static const char *const actions[9] = {
		"lookup 100",
		"lookup 101",
		"lookup 100",
		"lookup main suppress_prefixlength 0",
		"lookup main suppress_prefixlength 20",
		"blackhole",
		"prohibit",
		"goto 32766",
		"nop",
	};
	static const char *const selectors4[8] = {
		"from 10.0.0.0/12", "to 10.1.0.0/16", "fwmark 1",	    "fwmark 0x2/0x2",
		"iif v1",	    "oif v2",	      "not to 10.0.0.0/13", "iif lo to 10.2.0.0/15",
	};
	static const char *const selectors6[8] = {
		"from fd00::/16", "to fd01::/16", "fwmark 1",	      "fwmark 0x2/0x2",
		"iif v1",	  "oif v2",	  "not to fd00::/15", "iif lo to fd00::/20",
	};

	run_quietly("ip %s rule add %s %s pref %u", v6 ? "-6" : "-4", (v6 ? selectors6 : selectors4)[facts_pick(seed, 8)],
		    actions[facts_pick(seed, 9)], 1 + facts_pick(seed, 200));
}

struct question {
	struct node_route_query q;
	char oif[8], iif[8];
};

static struct question random_question(uint32_t *seed, const struct node_facts *f, bool v6)
{
	struct question k = { 0 };
	const struct node_route *t = &f->routes.v[facts_pick(seed, (unsigned)f->routes.len)];

	k.q.dst = random_addr(seed, v6 ? AF_INET6 : AF_INET);
	if (!v6)
		k.q.dst.b[1] = (uint8_t)facts_pick(seed, 8);
	if (facts_pick(seed, 3) == 0 && t->family == k.q.dst.family && !ip_addr_is_zero(&t->dst.addr)) {
		k.q.dst = t->dst.addr;
		if (facts_pick(seed, 2))
			(void)ip_addr_next(&t->dst.addr, &k.q.dst);
	}
	/* No Service sends to a group, and the kernel picks one of several equal group routes as it likes. */
	if (ip_addr_is_multicast(&k.q.dst))
		k.q.dst = facts_addr(v6 ? "fd01::7" : "10.3.0.7");
	if (facts_pick(seed, 3) == 0)
		k.q.mark = facts_pick(seed, 4);
	switch (facts_pick(seed, 4)) {
	case 0:
		/* 127/8 from the wire is a martian, which is no matter of routes. */
		if (ip_addr_is_loopback(&k.q.dst))
			break;
		snprintf(k.iif, sizeof(k.iif), "v%u", facts_pick(seed, NLINKS - 1));
		k.q.src = facts_addr(v6 ? "2001:4444::1" : "198.51.100.7");
		break;
	case 1:
		snprintf(k.oif, sizeof(k.oif), "v%u", facts_pick(seed, NLINKS));
		break;
	case 2:
		k.q.src = facts_addr(v6 ? "fd00:2::3" : "10.2.0.3");
		break;
	default:
		break;
	}
	return k;
}

static char *ask_kernel(const struct question *k, int *ret_status)
{
	char command[256], dst[IP_ADDR_STRLEN], src[IP_ADDR_STRLEN], mark[24] = "";

	if (k->q.mark)
		snprintf(mark, sizeof(mark), "mark %u", k->q.mark);
	snprintf(command, sizeof(command), "ip -j route get %s %s %s %s %s %s %s %s 2>/dev/null",
		 ip_addr_format(&k->q.dst, dst), k->q.src.family ? "from" : "",
		 k->q.src.family ? ip_addr_format(&k->q.src, src) : "", k->iif[0] ? "iif" : "", k->iif,
		 k->oif[0] ? "oif" : "", k->oif, mark);
	return run(command, ret_status);
}

static bool text_is(const char *s, const char *want)
{
	return strcmp(s ? s : "", want ? want : "") == 0;
}

static enum node_route_type kind_of(const char *type)
{
	if (strcmp(type, "local") == 0 || strcmp(type, "anycast") == 0)
		return RT_LOCAL;
	return strcmp(type, "broadcast") == 0 ? RT_BROADCAST : RT_UNICAST;
}

/* Does the kernel's answer @o say what @r says? */
static bool agrees(const struct question *k, const struct node_route_result *r, const json_t *o)
{
	const char *type = json_str(o, "type"), *gateway = json_str(o, "gateway"), *src = json_str(o, "prefsrc");
	char buf[IP_ADDR_STRLEN];
	enum node_route_type want = RT_UNICAST, got;

	if (type)
		want = kind_of(type);
	if (json_int(o, "error", &(int64_t){ 0 }) || text_is(type, "unreachable") || text_is(type, "blackhole") ||
	    text_is(type, "prohibit"))
		return r->kind == NR_NONE || r->kind == NR_REFUSED;
	if (r->kind == NR_NONE || r->kind == NR_REFUSED || r->kind == NR_UNKNOWN)
		return false;
	got = r->kind == NR_LOCAL ? RT_LOCAL : r->kind == NR_BROADCAST ? RT_BROADCAST : RT_UNICAST;
	if (got != want)
		return false;
	if (k->iif[0] && got != RT_UNICAST)
		return true;
	if (r->route && r->route->multipath && !k->oif[0])
		return true;
	if (!text_is(r->dev, json_str(o, "dev")) && !(got == RT_LOCAL && k->q.dst.family == AF_INET6))
		return false;
	if (!text_is(r->gateway.family ? ip_addr_format(&r->gateway, buf) : "", gateway))
		return false;
	return k->q.src.family || text_is(r->src.family ? ip_addr_format(&r->src, buf) : "", src);
}

static bool check_one(const struct fixture *x, struct question *k)
{
	struct node_route_result r;
	int status;
	char *text = ask_kernel(k, &status), dst[IP_ADDR_STRLEN], src[IP_ADDR_STRLEN];
	char own[IP_ADDR_STRLEN], gw[IP_ADDR_STRLEN];
	json_t *a = json_loads(text, 0, NULL), *o = json_array_get(a, 0);
	bool ok;

	k->q.iif = k->iif[0] ? k->iif : NULL;
	k->q.oif = k->oif[0] ? k->oif : NULL;
	node_route_lookup(&x->f, &k->q, &r);
	ok = o ? agrees(k, &r, o) : r.kind == NR_NONE || r.kind == NR_REFUSED;
	if (!ok)
		print_error("to %s from %s iif '%s' oif '%s' mark %u: kind %d dev %s gateway %s source %s; the "
			    "kernel: %s\n",
			    ip_addr_format(&k->q.dst, dst), k->q.src.family ? ip_addr_format(&k->q.src, src) : "-",
			    k->iif, k->oif, k->q.mark, (int)r.kind, r.dev ? r.dev : "-",
			    r.gateway.family ? ip_addr_format(&r.gateway, gw) : "-",
			    r.src.family ? ip_addr_format(&r.src, own) : "-", text);
	json_decref(a);
	free(text);
	return ok;
}

/* One namespace with random routes, with other rules than the kernel's own or without. */
static unsigned compare_namespace(void **state, uint32_t seed, unsigned nrules, unsigned questions)
{
	struct fixture *x = *state;
	unsigned wrong = 0;

	if (!make_namespace()) {
		print_message("SKIP: no network namespace with veth pairs can be made here\n");
		skip();
	}
	add_addresses(&seed);
	for (int i = 0; i < 40; i++)
		add_random_route(&seed, i % 3 == 0);
	for (unsigned i = 0; i < nrules; i++)
		add_random_rule(&seed, i % 3 == 0);
	if (facts_pick(&seed, 2))
		run_quietly("echo 1 > /proc/sys/net/ipv4/conf/v5/ignore_routes_with_linkdown");
	usleep(50000);
	read_namespace(x);
	for (unsigned i = 0; i < questions; i++) {
		struct question k = random_question(&seed, &x->f, i % 3 == 0);

		wrong += !check_one(x, &k);
	}
	if (wrong)
		print_error("seed left at %u: %u of %u answers differ\n", seed, wrong, questions);
	return wrong;
}

static void test_kernel_plain(void **state)
{
	assert_int_equal(compare_namespace(state, 4711, 0, 100), 0);
}

static void test_kernel_rules(void **state)
{
	assert_int_equal(compare_namespace(state, 815, 10, 100), 0);
}

/* ---- MASQUERADE: the source of a packet that left, seen at the other end of the veth pair ---- */

static int open_capture(const char *dev, int family)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(dev) };
	struct timeval wait = { .tv_usec = 150000 };

	a.sll_protocol = htons(family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	return fd;
}

static socklen_t make_sockaddr(const struct ip_addr *a, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memcpy(&v4.sin_addr, a->b, 4);
	memcpy(&v6.sin6_addr, a->b, 16);
	memset(ret, 0, sizeof(*ret));
	if (a->family == AF_INET)
		memcpy(ret, &v4, sizeof(v4));
	else
		memcpy(ret, &v6, sizeof(v6));
	return a->family == AF_INET ? sizeof(v4) : sizeof(v6);
}

static void send_from(const struct ip_addr *src, const struct ip_addr *dst)
{
	struct sockaddr_storage sa;
	socklen_t len = make_sockaddr(src, 0, &sa);
	int fd = socket(src->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	len = make_sockaddr(dst, 9, &sa);
	(void)sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len);
	close(fd);
}

/* Family 0: no packet to @dst came in time. */
static struct ip_addr captured_source(int fd, const struct ip_addr *dst)
{
	size_t size = ip_addr_size(dst), at = dst->family == AF_INET ? 12 : 8;
	struct ip_addr src = { 0 };
	unsigned char p[2048];
	ssize_t n;

	while ((n = recv(fd, p, sizeof(p), 0)) > 0) {
		if ((size_t)n < at + 2 * size || memcmp(p + at + size, dst->b, size) != 0)
			continue;
		src.family = dst->family;
		memcpy(src.b, p + at, size);
		break;
	}
	return src;
}

static void check_masquerade(const struct fixture *x, int dev, const char *gateway, const char *to, const char *from)
{
	struct ip_addr gw = facts_addr(gateway), dst = facts_addr(to), src = facts_addr(from), want = { 0 }, got;
	char name[8], other[8], a[IP_ADDR_STRLEN], b[IP_ADDR_STRLEN];
	int v = gw.family == AF_INET ? 4 : 6, fd;

	snprintf(name, sizeof(name), "v%d", dev);
	snprintf(other, sizeof(other), "w%d", dev);
	assert_true(run_quietly("ip -%d route replace %s via %s dev %s onlink", v, to, gateway, name));
	assert_true(run_quietly("ip -%d neigh replace %s lladdr 02:00:00:00:00:09 dev %s nud permanent", v, gateway,
				name));
	fd = open_capture(other, gw.family);
	send_from(&src, &dst);
	got = captured_source(fd, &dst);
	close(fd);
	assert_int_not_equal(got.family, 0);
	assert_int_equal(node_select_source(&x->f, name, v == 4 ? &gw : &dst, &want), TRI_TRUE);
	if (!ip_addr_equal(&want, &got))
		print_error("%s via %s dev %s: %s; the kernel: %s\n", to, gateway, name, ip_addr_format(&want, a),
			    ip_addr_format(&got, b));
	assert_true(ip_addr_equal(&want, &got));
}

static bool make_masquerade_namespace(void)
{
	return make_namespace() &&
	       run_quietly(
		       "nft add table ip t && nft add chain ip t c '{ type nat hook postrouting priority 100; }' &&"
		       " nft add rule ip t c masquerade && nft add table ip6 t &&"
		       " nft add chain ip6 t c '{ type nat hook postrouting priority 100; }' && nft add rule ip6 t c "
		       "masquerade") &&
	       run_quietly("ip link set w5 up && ip addr add 10.5.0.1/24 dev v5 && ip addr add 2001:db8:5::1/64 dev "
			   "v5 nodad");
}

static void test_kernel_masquerade(void **state)
{
	static const char *const gateways[5] = { "10.0.1.254", "10.3.0.77", "10.3.1.77", "10.41.0.1", "172.16.0.1" };
	static const char *const to6[4] = { "2001:db8:ffff::1", "fd00:7::1", "2001:db8:3::7", "fd00::7" };
	struct fixture *x = *state;
	char to[IP_ADDR_STRLEN];

	if (!make_masquerade_namespace()) {
		print_message("SKIP: no network namespace with nft masquerade can be made here\n");
		skip();
	}
	usleep(50000);
	/* Nothing but v5's own addresses, from which the others borrow. */
	read_namespace(x);
	check_masquerade(x, 1, "172.16.0.1", "198.18.0.1", "10.5.0.1");
	assert_int_equal(facts_teardown(state), 0);
	assert_int_equal(facts_setup(state), 0);
	x = *state;
	assert_true(run_quietly(
		"ip addr add 10.0.0.1/24 dev v0 && ip addr add 10.0.0.9/24 dev v0 && ip addr add 10.0.1.1/24 dev v0 "
		"&&"
		" ip addr add 169.254.9.1/16 dev v2 scope link && ip addr add 10.3.0.1/24 dev v3 scope link &&"
		" ip addr add 10.3.1.1/24 dev v3 && ip addr add 10.40.0.1 peer 10.41.0.1/32 dev v4"));
	assert_true(run_quietly("ip addr add fd00::1/64 dev v0 nodad && ip addr add 2001:db8::1/64 dev v0 nodad &&"
				" ip addr add 2001:db8:2::1/64 dev v2 nodad preferred_lft 0 && ip addr add "
				"2001:db8:3::1/64 dev v3 nodad"));
	usleep(50000);
	read_namespace(x);
	for (int i = 0; i < 25; i++) {
		snprintf(to, sizeof(to), "198.18.1.%d", i);
		check_masquerade(x, i / 5, gateways[i % 5], to, "10.5.0.1");
	}
	for (int i = 0; i < 20; i++)
		check_masquerade(x, i / 4, "fe80::99", to6[i % 4], "2001:db8:5::1");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kernel_plain, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_kernel_rules, facts_setup, facts_teardown),
		cmocka_unit_test_setup_teardown(test_kernel_masquerade, facts_setup, facts_teardown),
	};

	/* For a longer run by hand: SEED RULES QUESTIONS */
	if (argc == 4) {
		void *state = NULL;
		unsigned wrong;

		if (facts_setup(&state) < 0)
			return 2;
		wrong = compare_namespace(&state, (uint32_t)strtoul(argv[1], NULL, 10),
					  (unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
		facts_teardown(&state);
		return wrong != 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
