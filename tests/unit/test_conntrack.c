/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of connections as conntrack 1.4.7 and /proc print them, and damaged. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/source/bundle-private.h"

struct world {
	struct snap_flows flows;
	struct sd_notes notes;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct world));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	array_free(&w->flows.v);
	sd_notes_release(&w->notes);
	free(w);
	return 0;
}

static void read_part(struct world *w, const char *text, size_t size, bool cut)
{
	assert_int_equal(read_conntrack_flows(&w->flows, text, size, cut, "conntrack.txt", &w->notes), 0);
}

static void read_text(struct world *w, const char *text)
{
	read_part(w, text, strlen(text), false);
}

static void assert_addr(const struct ip_addr *a, const char *text)
{
	char buf[IP_ADDR_STRLEN];

	assert_string_equal(ip_addr_format(a, buf), text);
}

#define DNS "src=10.244.1.9 dst=10.96.0.10 sport=4711 dport=53 src=10.244.2.3 dst=172.30.99.1 sport=5353 dport=61000 [ASSURED] mark=16384"

static void assert_dns(const struct snap_flow *f, uint32_t timeout)
{
	assert_int_equal(f->family, AF_INET);
	assert_int_equal(f->proto, IPPROTO_UDP);
	assert_int_equal(f->timeout, timeout);
	assert_true(f->assured && !f->unreplied && !f->offload);
	assert_addr(&f->src, "10.244.1.9");
	assert_addr(&f->dst, "10.96.0.10");
	assert_addr(&f->reply_src, "10.244.2.3");
	assert_addr(&f->reply_dst, "172.30.99.1");
	assert_int_equal(f->sport, 4711);
	assert_int_equal(f->dport, 53);
	assert_int_equal(f->reply_sport, 5353);
	assert_int_equal(f->reply_dport, 61000);
	assert_int_equal(f->mark, 16384);
}

/* The same entry in every form. */
static void test_forms(void **state)
{
	static const char *const forms[] = {
		"udp      17 119 " DNS " use=1\n",
		"ipv4     2 udp      17 119 " DNS " use=1\n",
		"ipv4     2 udp      17 119 " DNS " use=1 id=4238542745\r\n",
		"ipv4     2 udp      17 119 " DNS " zone=0 use=2",
		"conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n\nudp 17 119 " DNS " use=1\n",
		"udp 17 119 " DNS " secctx=system_u:object_r:unlabeled_t:s0 delta-time=12 use=1 [start=Sun Nov 22 02:00:00 2026]\n",
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		read_text(w, forms[i]);
		assert_true(w->flows.known && !w->flows.cut);
		assert_int_equal(w->flows.v.len, 1);
		assert_dns(&w->flows.v.v[0], 119);
		assert_int_equal(w->notes.len, 0);
	}
}

static void test_kinds(void **state)
{
	struct world *w = *state;
	const struct snap_flow *f;

	read_text(w, "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.96.0.10 sport=58098 dport=53 src=10.0.0.1 dst=10.0.0.1 sport=5353 dport=58098 [ASSURED] mark=0 use=1\n"
		     "tcp      6 59 CLOSE_WAIT src=10.0.0.1 dst=10.0.0.1 sport=58270 dport=5353 src=10.0.0.1 dst=10.0.0.1 sport=5353 dport=58270 [ASSURED] mark=0 use=1\n"
		     "udp      17 26 src=10.0.0.1 dst=10.0.0.1 sport=4008 dport=7778 zone-orig=6 [UNREPLIED] src=10.0.0.1 dst=10.0.0.1 sport=7778 dport=4008 mark=0 use=1\n"
		     "udp      17 26 src=10.0.0.1 dst=10.0.0.1 sport=4007 dport=7777 [UNREPLIED] src=10.0.0.1 dst=10.0.0.1 sport=7777 dport=4007 mark=0 zone=5 use=1\n"
		     "ipv6     10 udp      17 29 src=fd00:0000:0000:0000:0000:0000:0000:0001 dst=fd96::a sport=1 dport=53 packets=1 bytes=9 [UNREPLIED] src=fd44::9 "
		     "dst=fd00::1 sport=53 dport=1 packets=0 bytes=0 mark=0 zone=0 use=2\n"
		     "icmp     1 29 src=10.0.0.2 dst=10.0.0.1 type=8 code=0 id=7 src=10.0.0.1 dst=172.16.0.1 type=0 code=0 id=7 mark=0 use=1\n"
		     "ipv4     2 unknown  2 554 src=10.0.0.2 dst=224.0.0.22 [UNREPLIED] src=224.0.0.22 dst=10.0.0.2 mark=0 use=1\n"
		     "ipv4     2 tcp      6 src=10.0.0.1 dst=10.96.0.1 sport=1 dport=443 src=10.0.0.9 dst=10.0.0.1 sport=6443 dport=1 [OFFLOAD] mark=0 use=3\n"
		     "sctp     132 2 COOKIE_WAIT src=10.0.0.1 dst=10.0.0.2 sport=5 dport=99 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=99 dport=5 use=1\n");
	assert_int_equal(w->notes.len, 0);
	assert_int_equal(w->flows.total, 9);
	assert_int_equal(w->flows.by_proto[0], 3);
	assert_int_equal(w->flows.by_proto[1], 3);
	assert_int_equal(w->flows.by_proto[2], 3);
	assert_int_equal(w->flows.v.len, 7); /* neither the TCP nor the IGMP that nothing translates */
	f = w->flows.v.v;
	assert_int_equal(f[0].state, FLOW_TCP_ESTABLISHED);
	assert_int_equal(f[0].timeout, 431999);
	assert_int_equal(f[1].zone, 6);
	assert_true(f[1].unreplied);
	assert_int_equal(f[2].zone, 5);
	assert_int_equal(f[3].family, AF_INET6);
	assert_addr(&f[3].src, "fd00::1");
	assert_int_equal(f[4].proto, IPPROTO_ICMP);
	assert_int_equal(f[4].sport, 0);
	assert_true(f[5].offload);
	assert_int_equal(f[5].timeout, 0);
	assert_int_equal(f[6].proto, IPPROTO_SCTP);
	assert_int_equal(f[6].state, 0);
}

/* What is no entry is said, with its line, and the others are taken. */
static void test_damaged(void **state)
{
	static const char *const lines[] = {
		"conntrack v1.4.7 (conntrack-tools): Operation failed: sorry, you must be root or get CAP_NET_ADMIN capability to do this\n",
		"hello\n", "udp\n", "udp 17\n", "udp 17 30\n", "tcp 6 30 ESTABLISHED\n", "ipv4 2\n", "udp 300 1 " DNS "\n", "udp 17 30 src=10.0.0.1 dst=10.0.0.2\n",
		"udp 17 30 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.2\n", "udp 17 30 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.2 dst=fd00::1\n",
		"udp 17 30 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.2 dst=10.0.0.x\n", "udp 17 30 " DNS " src=10.0.0.1 dst=10.0.0.1\n",
		"udp 17 30 dst=10.0.0.1 src=10.0.0.1 dst=10.0.0.1 dst=10.0.0.1\n",
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

		sd_notes_release(&w->notes);
		read_text(w, lines[i]);
		assert_false(w->flows.known);
		assert_int_equal(w->notes.len, 1);
		strbuf_addf(&b, "udp 17 119 " DNS "\n%sudp 17 119 " DNS "\n", lines[i]);
		sd_notes_release(&w->notes);
		read_text(w, strbuf_str(&b));
		assert_true(w->flows.known);
		assert_int_equal(w->flows.v.len, 2);
		assert_int_equal(w->notes.len, 1);
		assert_int_equal(w->notes.v[0].line, 2);
		assert_string_equal(w->notes.v[0].code, "bad-line");
	}
}

static void test_ends(void **state)
{
	static const char two[] = "udp 17 119 " DNS "\nudp 17 119 " DNS "\n";
	struct world *w = *state;

	read_text(w, "");
	assert_true(w->flows.known);
	assert_int_equal(w->flows.total, 0);
	read_text(w, "conntrack v1.4.7 (conntrack-tools): 0 flow entries have been shown.\n");
	assert_true(w->flows.known);
	for (size_t size = 0; size < sizeof(two); size++) { /* half a line might read like a whole one */
		read_part(w, two, size, true);
		assert_true(w->flows.cut);
		assert_int_equal(w->flows.v.len, size < sizeof(two) / 2 ? 0 : size < sizeof(two) - 1 ? 1 : 2);
		for (size_t i = 0; i < w->flows.v.len; i++)
			assert_dns(&w->flows.v.v[i], 119);
	}
	assert_int_equal(w->notes.len, 0);
}

/* All are counted, and of each kind as many kept as fit. */
static void test_many(void **state)
{
	enum { N = 400002 };
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct world *w = *state;

	for (size_t i = 0; i < N; i++)
		strbuf_adds(&b, i % 3 ? "udp 17 119 " DNS "\n" : "tcp 6 119 ESTABLISHED " DNS "\n");
	assert_false(b.failed);
	read_part(w, b.s, b.len, false);
	assert_true(w->flows.known && w->flows.cut);
	assert_int_equal(w->flows.total, N);
	assert_int_equal(w->flows.by_proto[0], N / 3);
	assert_int_equal(w->flows.by_proto[1], N - N / 3);
	assert_int_equal(w->flows.v.len, (1 << 17) + (1 << 18));
	assert_int_equal(w->notes.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
