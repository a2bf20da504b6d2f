/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is printed of virtual servers, read by who reads ipvsadm's texts: the two forms agree, and what ipvsadm has no word for is not sure.
 * Against ipvsadm itself: tests/scenario/test_kernel_read_ipvs.py.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

#include "lib/kernel/ipvs-private.h"

struct world {
	struct ipvs_reading r;
	struct strbuf save, list;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct world));
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	ipvs_reading_release(&w->r);
	strbuf_release(&w->save);
	strbuf_release(&w->list);
	free(w);
	return 0;
}

static struct ipvs_service *add_service(struct ipvs_reading *r, uint16_t proto, const char *addr, uint16_t port)
{
	struct ipvs_service s;

	memset(&s, 0, sizeof(s));
	s.family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	s.proto = proto;
	s.port = port;
	s.prefix = s.family == AF_INET6 ? 128 : 0;
	memset(s.netmask, s.family == AF_INET ? 255 : 0, sizeof(s.netmask));
	snprintf(s.scheduler, sizeof(s.scheduler), "rr");
	assert_int_equal(inet_pton((int)s.family, addr, s.addr), 1);
	s.first = (uint32_t)r->dests.len;
	assert_int_equal(array_push(&r->services, s), 0);
	return &r->services.v[r->services.len - 1];
}

static struct ipvs_dest *add_dest(struct ipvs_reading *r, const char *addr, uint16_t port, uint32_t method)
{
	struct ipvs_dest d;

	memset(&d, 0, sizeof(d));
	d.family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	d.port = port;
	d.method = method;
	d.weight = 1;
	assert_int_equal(inet_pton((int)d.family, addr, d.addr), 1);
	assert_int_equal(array_push(&r->dests, d), 0);
	r->services.v[r->services.len - 1].ndests++;
	return &r->dests.v[r->dests.len - 1];
}

static void print(struct world *w)
{
	strbuf_reset(&w->save);
	strbuf_reset(&w->list);
	ipvs_sort(&w->r);
	ipvs_print_save(&w->save, &w->r);
	ipvs_print_list(&w->list, &w->r);
}

/* Both texts into one ruleset, as a node's are. Was there anything to say of them? */
static bool read_both(struct world *w, size_t servers)
{
	struct ruleset rs;
	struct sd_notes notes = { 0 };
	struct ipvs_text save, list;
	bool damaged;

	ruleset_init(&rs);
	assert_int_equal(read_ipvsadm(&rs, strbuf_str(&w->save), w->save.len, "save", false, &notes, &save), 0);
	assert_int_equal(read_ipvsadm(&rs, strbuf_str(&w->list), w->list.len, "list", false, &notes, &list), 0);
	assert_int_equal(rs.servers.len, servers);
	damaged = save.damaged || list.damaged || notes.len;
	ruleset_release(&rs);
	sd_notes_release(&notes);
	return damaged;
}

static void everything_that_is_known(void **state)
{
	struct world *w = *state;
	struct ipvs_service *s = add_service(&w->r, IPPROTO_UDP, "10.0.0.2", 5060);
	struct ipvs_dest *d;

	s->flags = IP_VS_SVC_F_PERSISTENT | IP_VS_SVC_F_ONEPACKET | IP_VS_SVC_F_SCHED1 | IP_VS_SVC_F_SCHED3;
	s->timeout = 300;
	s->netmask[3] = 0;
	snprintf(s->engine, sizeof(s->engine), "sip");
	snprintf(s->scheduler, sizeof(s->scheduler), "sh");
	add_service(&w->r, IPPROTO_TCP, "10.0.0.1", 80);
	add_dest(&w->r, "10.1.0.2", 8080, IP_VS_CONN_F_MASQ | IP_VS_CONN_F_NFCT)->active = 7;
	add_dest(&w->r, "10.1.0.1", 80, IP_VS_CONN_F_DROUTE)->weight = 0;
	d = add_dest(&w->r, "10.1.0.3", 80, IP_VS_CONN_F_TUNNEL);
	d->tunnel = IP_VS_CONN_F_TUNNEL_TYPE_GUE;
	d->tunnel_port = 6080;
	d->tunnel_flags = IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM;
	d->upper = 9;
	s = add_service(&w->r, 0, "::", 0);
	s->fwmark = 4000000000;
	print(w);
	assert_string_equal(strbuf_str(&w->save),
			    "-A -t 10.0.0.1:80 -s rr\n"
			    "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 0\n"
			    "-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 1\n"
			    "-a -t 10.0.0.1:80 -r 10.1.0.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum -x 9 -y 0\n"
			    "-A -u 10.0.0.2:5060 -s sh -p 300 -M 255.255.255.0 --pe sip -o -b sh-fallback,flag-3\n"
			    "-A -f 4000000000 -6 -s rr\n");
	assert_non_null(strstr(strbuf_str(&w->list), "UDP  10.0.0.2:5060 sh (sh-fallback,flag-3) persistent 300 mask 255.255.255.0 pe sip ops\n"));
	assert_non_null(strstr(strbuf_str(&w->list), "  -> 10.1.0.2:8080                Masq    1      7          0         \n"));
	assert_int_equal(w->r.odd, 0);
	assert_false(read_both(w, 3));
}

static void what_ipvsadm_cannot_say(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 3; i++) {
		struct ipvs_dest *d;

		add_service(&w->r, IPPROTO_TCP, "10.0.0.1", 80);
		d = add_dest(&w->r, "10.1.0.1", 80, i == 0 ? IP_VS_CONN_F_BYPASS : i == 1 ? IP_VS_CONN_F_TUNNEL : IP_VS_CONN_F_MASQ);
		d->tunnel = i == 1 ? 77 : 0;
		d->weight = i == 2 ? -1 : 1;
		print(w);
		assert_int_equal(w->r.odd, 1);
		assert_true(read_both(w, 1));
		(void)teardown(state);
		(void)setup(state);
		w = *state;
	}
}

/* In any order that the kernel's tables have; connections do not count, everything else does. */
static void two_readings(void **state)
{
	struct world *w = *state;
	struct ipvs_reading other = { 0 };

	add_service(&w->r, IPPROTO_TCP, "10.0.0.1", 80);
	add_dest(&w->r, "10.1.0.1", 80, IP_VS_CONN_F_MASQ);
	add_dest(&w->r, "10.1.0.2", 80, IP_VS_CONN_F_MASQ);
	add_service(&w->r, IPPROTO_TCP, "203.0.113.1", 80);
	add_service(&other, IPPROTO_TCP, "203.0.113.1", 80);
	add_service(&other, IPPROTO_TCP, "10.0.0.1", 80);
	add_dest(&other, "10.1.0.2", 80, IP_VS_CONN_F_MASQ);
	add_dest(&other, "10.1.0.1", 80, IP_VS_CONN_F_MASQ)->inactive = 9;
	ipvs_sort(&w->r);
	ipvs_sort(&other);
	assert_true(ipvs_same(&w->r, &other));
	other.dests.v[0].weight++;
	assert_false(ipvs_same(&w->r, &other));
	other.dests.v[0].weight--;
	other.services.v[1].flags = IP_VS_SVC_F_ONEPACKET;
	assert_false(ipvs_same(&w->r, &other));
	other.services.len = 1;
	assert_false(ipvs_same(&w->r, &other));
	ipvs_reading_release(&other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = { TEST(everything_that_is_known), TEST(what_ipvsadm_cannot_say), TEST(two_readings) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
