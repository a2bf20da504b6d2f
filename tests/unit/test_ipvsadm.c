/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `ipvsadm -Sn` and `ipvsadm -ln` text as ipvsadm 1.31 prints it on Linux 6.1, alone and together, and damaged. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

#define SEEDS "tests/fuzz/seeds/ipvsadm/"

struct world {
	struct ruleset rs;
	struct sd_notes notes;
	struct ipvs_text text;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	ruleset_init(&w->rs);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	ruleset_release(&w->rs);
	sd_notes_release(&w->notes);
	free(w);
	return 0;
}

static void read_text(struct world *w, const char *text, const char *file)
{
	assert_int_equal(read_ipvsadm(&w->rs, text, strlen(text), file, false, &w->notes, &w->text), 0);
}

static void read_seed(struct world *w, const char *name)
{
	static char text[65536];
	FILE *f = fopen(name, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	assert_int_equal(fclose(f), 0);
	read_text(w, text, name);
}

static const struct rs_virtual_server *find(struct world *w, uint8_t proto, const char *addr, uint16_t port)
{
	const struct rs_virtual_server *s;
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(addr, &a), 0);
	s = ruleset_find_server(&w->rs, proto, &a, port);
	assert_non_null(s);
	return s;
}

static void has_server(const struct rs_virtual_server *s, size_t i, const char *addr, uint16_t port, int weight, char method)
{
	char buf[IP_ADDR_STRLEN];

	assert_true(i < s->nservers);
	assert_string_equal(ip_addr_format(&s->servers[i].addr, buf), addr);
	assert_int_equal(s->servers[i].port, port);
	assert_int_equal(s->servers[i].weight, weight);
	assert_int_equal(s->servers[i].method, method);
}

/* What both forms say alike. */
static void check_all(struct world *w)
{
	const struct rs_virtual_server *s;
	char buf[IP_ADDR_STRLEN];

	assert_int_equal(w->notes.len, 0);
	assert_int_equal(w->rs.servers.len, 12);
	assert_int_equal(ruleset_finish(&w->rs), 0);
	s = find(w, IPPROTO_TCP, "10.0.0.1", 80);
	assert_string_equal(s->scheduler, "wrr");
	assert_string_equal(s->text, "IPVS TCP 10.0.0.1:80 wrr");
	assert_int_equal(s->persistent, 300);
	assert_string_equal(ip_addr_format(&s->netmask, buf), "255.255.255.0");
	assert_int_equal(s->nservers, 6);
	has_server(s, 0, "10.1.0.1", 8080, 3, 'm');
	has_server(s, 1, "10.1.0.2", 80, 0, 'r');
	has_server(s, 2, "10.1.0.3", 80, 65535, 't');
	has_server(s, 5, "10.1.0.6", 80, 1, 't');
	s = find(w, IPPROTO_UDP, "10.0.0.1", 53);
	assert_true(s->one_packet);
	assert_string_equal(s->flags, "sh-fallback,sh-port");
	s = find(w, IPPROTO_UDP, "10.0.0.8", 5060);
	assert_string_equal(s->engine, "sip");
	assert_int_equal(s->nservers, 0);
	s = find(w, IPPROTO_SCTP, "10.0.0.1", 38412);
	assert_string_equal(s->flags, "mh-fallback");
	assert_false(s->one_packet);
	s = find(w, IPPROTO_TCP, "fd00:10::1", 443);
	assert_string_equal(s->text, "IPVS TCP [fd00:10::1]:443 sed");
	assert_string_equal(ip_addr_format(&s->netmask, buf), "ffff:ffff:ffff:ffff::");
	has_server(s, 0, "fd00::2", 6443, 1, 'm');
	s = find(w, IPPROTO_TCP, "10.0.0.9", 0);
	has_server(s, 0, "10.1.0.1", 0, 1, 'm');
	s = ruleset_find_mark_server(&w->rs, AF_INET, 7);
	assert_string_equal(s->text, "IPVS FWM 7 lc");
	assert_int_equal(s->persistent, 360);
	has_server(s, 1, "127.0.0.1", 8, 1, 'r');
	s = ruleset_find_mark_server(&w->rs, AF_INET6, 8);
	assert_string_equal(s->text, "IPVS FWM 8 IPv6 wlc");
	assert_null(ruleset_find_mark_server(&w->rs, AF_INET, 8));
	assert_null(ruleset_find_mark_server(&w->rs, AF_INET, 0));
}

static void test_save(void **state)
{
	struct world *w = *state;

	read_seed(w, SEEDS "save.txt");
	assert_false(w->text.damaged);
	check_all(w);
	assert_false(find(w, IPPROTO_TCP, "10.0.0.1", 80)->servers[0].has_conns);
}

static void test_list(void **state)
{
	struct world *w = *state;

	read_seed(w, SEEDS "list.txt");
	assert_false(w->text.damaged);
	check_all(w);
	assert_true(find(w, IPPROTO_TCP, "10.0.0.1", 80)->servers[0].has_conns);
}

static void test_both(void **state)
{
	struct world *w = *state;

	read_seed(w, SEEDS "list.txt");
	read_seed(w, SEEDS "save.txt");
	assert_false(w->text.twice);
	read_seed(w, SEEDS "list.txt");
	assert_true(w->text.twice);
	check_all(w);
	assert_true(find(w, IPPROTO_TCP, "10.0.0.1", 80)->servers[0].has_conns);
}

static const char LIST[] = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n"
			   "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
			   "TCP  10.0.0.1:80 rr\n  -> 10.1.0.2:8080                Masq    0      5          7         \n"
			   "  -> 10.1.0.1:8080                Masq    1      3          4         \nUDP  10.0.0.3:53 rr\n";

/* The node was changed between the two. */
static void test_differences(void **state)
{
	struct world *w = *state;
	const struct rs_virtual_server *s;

	read_text(w, "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 1\n-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 1\n"
		     "-A -t 10.0.0.2:80 -s rr\n", "save");
	read_text(w, LIST, "list");
	assert_int_equal(w->notes.len, 3);
	assert_non_null(strstr(w->notes.v[0].text, "only `ipvsadm -Sn` has 'IPVS TCP 10.0.0.2:80 rr'"));
	assert_non_null(strstr(w->notes.v[1].text, "only `ipvsadm -ln` has 'IPVS UDP 10.0.0.3:53 rr'"));
	assert_non_null(strstr(w->notes.v[2].text, "they describe differently 'IPVS TCP 10.0.0.1:80 rr'"));
	assert_int_equal(ruleset_finish(&w->rs), 0);
	s = find(w, IPPROTO_TCP, "10.0.0.1", 80);
	has_server(s, 0, "10.1.0.1", 8080, 1, 'm');
	assert_int_equal(s->servers[0].active, 3);
	assert_int_equal(s->servers[0].inactive, 4);
	has_server(s, 1, "10.1.0.2", 8080, 1, 'm');
	assert_int_equal(s->servers[1].active, 5);
	assert_int_equal(w->rs.servers.len, 2);
}

/* `ipvsadm -Sn` that failed leaves an empty file: the other form is what is known. */
static void test_one_is_empty(void **state)
{
	struct world *w = *state;

	read_text(w, "", "save");
	assert_true(w->text.empty);
	read_text(w, LIST, "list");
	assert_int_equal(w->rs.servers.len, 2);
	assert_int_equal(w->notes.len, 0);
}

static void note_at(const struct world *w, size_t i, uint32_t line, uint32_t column, const char *text)
{
	assert_true(i < w->notes.len);
	if (!strstr(w->notes.v[i].text, text))
		print_message("%s\n", w->notes.v[i].text);
	assert_non_null(strstr(w->notes.v[i].text, text));
	assert_int_equal(w->notes.v[i].line, line);
	assert_int_equal(w->notes.v[i].column, column);
}

static void test_damaged(void **state)
{
	struct world *w = *state;

	read_text(w, "-A -t 10.0.0.1:http -s rr\n-a -t 10.0.0.1:http -r 10.1.0.1:80 -m -w 1\n-A -t 10.0.0.2:80 -s rr -z 7\n"
		     "-A -t 10.0.0.3:80 -s rr\r\n-a -t 10.0.0.3:80 -r 10.1.0.1:99999 -m\n-a -t 10.0.0.4:80 -r 10.1.0.1:80 -m\n"
		     "-a -t 10.0.0.3:80 -r 10.1.0.2 -m -w 2\n-A -t 10.0.0.3:80 -s wrr\nsomething else\n-A -s rr\n-A -f 0 -s rr\n-A -f 3 -s rr", "f");
	assert_true(w->text.damaged);
	assert_int_equal(w->rs.servers.len, 2);
	assert_int_equal(w->rs.servers.v[0]->nservers, 1);
	has_server(w->rs.servers.v[0], 0, "10.1.0.2", 80, 2, 'm');
	note_at(w, 0, 1, 4, "no virtual server as `ipvsadm -Sn` prints one");
	note_at(w, 1, 2, 4, "no server as `ipvsadm -Sn` prints one");
	note_at(w, 2, 3, 25, "no virtual server");
	note_at(w, 3, 5, 22, "no server");
	note_at(w, 4, 6, 1, "no such virtual server before");
	note_at(w, 5, 8, 1, "there already");
	note_at(w, 6, 9, 1, "no line of");
	note_at(w, 7, 10, 1, "without an address");
	note_at(w, 8, 11, 4, "no virtual server");
	note_at(w, 9, 12, 1, "ends within a line");
}

static void test_damaged_table(void **state)
{
	struct world *w = *state;

	read_text(w, "  -> 10.1.0.9:80 Masq 1 0 0\nTCP  kubernetes:https rr\n  -> 10.1.0.1:80 Masq 1 0 0\nTCP  10.0.0.1:80 rr foo bar\n"
		     "UDP  10.0.0.1:53 rr persistent 9\n  -> 10.1.0.1:53 Masq x 0 0\n  -> 10.1.0.2:53 Masq 1 0 0\n  -> 10.1.0.3:53 Magic 1 0 0\n", "f");
	assert_true(w->text.damaged);
	assert_int_equal(w->rs.servers.len, 1);
	assert_int_equal(w->rs.servers.v[0]->nservers, 1);
	note_at(w, 0, 1, 3, "a server without a virtual server");
	note_at(w, 1, 2, 6, "no virtual server as `ipvsadm -ln` prints one");
	note_at(w, 2, 4, 21, "no virtual server");
	note_at(w, 3, 6, 6, "no server");
	note_at(w, 4, 8, 6, "no server");
	assert_int_equal(w->notes.len, 5);
}

/* Other tables of ipvsadm say nothing of schedulers and weights. */
static void test_other_table(void **state)
{
	struct world *w = *state;
	static const char stats[] = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Conns InPkts\n  -> RemoteAddress:Port\n"
				    "TCP  10.0.0.1:80 0 0\n";

	assert_int_equal(read_ipvsadm(&w->rs, stats, strlen(stats), "f", false, &w->notes, &w->text), SD_EFORMAT);
	assert_int_equal(w->notes.len, 1);
	assert_string_equal(w->notes.v[0].hint, "ipvsadm -Sn");
	assert_int_equal(w->rs.servers.len, 0);
}

static void test_lab(void **state)
{
	struct world *w = *state;
	const struct rs_virtual_server *s;

	read_seed(w, "tests/corpus/lab-ipvs/nodes/node1/ipvsadm-save.txt");
	read_seed(w, "tests/corpus/lab-ipvs/nodes/node1/ipvsadm-ln.txt");
	assert_int_equal(w->notes.len, 0);
	assert_int_equal(ruleset_finish(&w->rs), 0);
	assert_int_equal(w->rs.servers.len, 36);
	s = find(w, IPPROTO_TCP, "10.96.80.34", 8080);
	assert_int_equal(s->persistent, 10800);
	assert_int_equal(s->nservers, 3);
	assert_int_equal(find(w, IPPROTO_TCP, "10.96.52.160", 80)->nservers, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_save, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_both, setup, teardown),
		cmocka_unit_test_setup_teardown(test_differences, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_is_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lab, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
