/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipsets: `ipset save` text as ipset 7.17 prints it, lookups against a walk over every element, and the projection on
 * the source against lookups.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

struct world {
	struct ruleset rs;
	struct sd_notes notes;
	struct ipset_text text;
};

static void add_rules(struct world *w, const char *rules, bool ip6)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct xtables_text t;
	char *data;

	strbuf_addf(&b, "*filter\n:FORWARD ACCEPT [0:0]\n%sCOMMIT\n", rules);
	data = strdup(strbuf_str(&b));
	assert_non_null(data);
	assert_int_equal(ruleset_own_buffer(&w->rs, data), 0);
	assert_int_equal(read_xtables(&w->rs, data, strlen(data), ip6, BACKEND_NFT, "rules", &w->notes, &t), 0);
}

/* @rules: one for each reference to a set. */
static void world_init(struct world *w, const char *sets, const char *rules, bool ip6)
{
	*w = (struct world){ 0 };
	ruleset_init(&w->rs);
	assert_int_equal(read_ipset(&w->rs, sets, strlen(sets), "sets", false, &w->notes, &w->text), 0);
	add_rules(w, rules, ip6);
	assert_int_equal(ruleset_finish(&w->rs), 0);
}

static void world_release(struct world *w)
{
	ruleset_release(&w->rs);
	sd_notes_release(&w->notes);
}

static const struct rs_set_ref *ref_of(const struct world *w, unsigned rule)
{
	const struct rs_table *t = w->rs.tables.v[0];
	const struct rs_rule *r = table_find_chain(t, "FORWARD")->rules[rule];

	assert_true(r->nconds > 0);
	assert_int_equal(r->conds[r->nconds - 1].op, OP_SET);
	return r->conds[r->nconds - 1].u.set;
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(s, &a), 0);
	return a;
}

static struct rs_set_packet packet(const char *src, const char *dst, uint8_t proto, uint16_t sport, uint16_t dport)
{
	return (struct rs_set_packet){ .src = addr(src), .dst = addr(dst), .src_known = true, .proto = proto,
				       .sport = sport, .dport = dport, .iif = "eth0", .oif = "cni0" };
}

static void check(const struct world *w, unsigned rule, const struct rs_set_packet *p, enum rs_answer want, bool want_state)
{
	bool state = true;
	enum rs_answer got = rs_set_has(ref_of(w, rule), p, &state);

	if (got != want || state != want_state)
		print_message("rule %u: %s\n", rule, ref_of(w, rule)->text);
	assert_int_equal(got, want);
	assert_int_equal(state, want_state);
}

static void has(const struct world *w, unsigned rule, const struct rs_set_packet *p, enum rs_answer want)
{
	check(w, rule, p, want, false);
}

/* ---- the text ---- */

/* As printed by ipset 7.17 on Linux 6.18, every kind of option and of port in it. */
static const char SAVED[] =
	"create a hash:ip family inet hashsize 64 maxelem 100 timeout 60 counters comment skbinfo bucketsize 12 initval 0xf1ac9f97\n"
	"add a 1.2.3.4 timeout 0 packets 0 bytes 0 comment \"foo bar \\ baz\" skbmark 0x1/0xff skbprio 1:10 skbqueue 2\n"
	"add a 1.2.3.5 timeout 59 packets 5 bytes 6\n"
	"create nm hash:ip family inet hashsize 1024 maxelem 65536 netmask 24 bucketsize 12 initval 0x4de69ba1\n"
	"add nm 10.1.2.0\n"
	"create b bitmap:port range 0-65535\nadd b 80\nadd b 81\n"
	"create bi bitmap:ip range 10.0.0.0-10.0.0.255 netmask 28\nadd bi 10.0.0.16\n"
	"create bm bitmap:ip,mac range 10.0.0.0-10.0.0.255\nadd bm 10.0.0.18,02:00:00:00:00:01\nadd bm 10.0.0.19\n"
	"create n hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xbd50909e\n"
	"add n 10.0.0.0/8\nadd n 10.1.0.0/16 nomatch\nadd n 10.1.2.3\nadd n 128.0.0.0/1\n"
	"create ipp hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x55105b54\n"
	"add ipp 1.1.1.1,icmp:host-unknown\nadd ipp 1.1.1.1,tcp:80\nadd ipp 1.1.1.1,200:0\nadd ipp 1.1.1.1,icmp:77/3\n"
	"add ipp 1.1.1.1,icmp:echo-request\nadd ipp 1.1.1.1,gre:0\nadd ipp 1.1.1.1,sctp:80\nadd ipp 1.1.1.1,udplite:80\n"
	"create ippi hash:ip,port,ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x3bee0bee\n"
	"add ippi 1.1.1.1,tcp:80,2.2.2.2\n"
	"create ippn hash:ip,port,net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x4d877d6d\n"
	"add ippn 1.1.1.1,tcp:80,2.2.2.0/24\n"
	"create np hash:net,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x34e9e303\n"
	"add np 1.1.1.0/24,tcp:80\n"
	"create ni hash:net,iface family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x23979bc7\n"
	"add ni 10.0.0.0/8,eth0\nadd ni 10.3.0.0/16,eth wildcard\nadd ni 10.0.0.0/8,physdev:eth1\nadd ni 10.2.0.0/16,cni0\n"
	"add ni 0.0.0.0/0,eth0\n"
	"create im hash:ip,mark family inet markmask 0xff hashsize 1024 maxelem 65536\nadd im 1.1.1.1,0x10\n"
	"create mac hash:mac hashsize 1024 maxelem 65536\nadd mac 02:00:00:00:00:01\n"
	"create nn hash:net,net family inet hashsize 1024 maxelem 65536\n"
	"add nn 10.0.0.0/8,20.0.0.0/8\nadd nn 10.1.0.0/16,20.0.0.0/7 nomatch\n"
	"create npn hash:net,port,net family inet hashsize 1024 maxelem 65536\nadd npn 10.0.0.0/8,udp:53,20.0.0.0/8\n"
	"create ls list:set size 8\nadd ls n\nadd ls nm\nadd ls gone\n"
	"create lst list:set size 8 timeout 100\nadd lst n timeout 9\n";

static void test_saved(void **state)
{
	struct world w;
	static const char rules[] =
		"-A FORWARD -m set --match-set a src\n-A FORWARD -m set --match-set nm src\n-A FORWARD -m set --match-set b dst\n"
		"-A FORWARD -m set --match-set bi src\n-A FORWARD -m set --match-set bm src,src\n-A FORWARD -m set --match-set n src\n"
		"-A FORWARD -m set --match-set ipp dst,dst\n-A FORWARD -m set --match-set ippi dst,dst,src\n"
		"-A FORWARD -m set --match-set ippn dst,dst,src\n-A FORWARD -m set --match-set np dst,dst\n"
		"-A FORWARD -m set --match-set ni src,src\n-A FORWARD -m set --match-set im src,src\n"
		"-A FORWARD -m set --match-set mac src\n-A FORWARD -m set --match-set nn src,dst\n"
		"-A FORWARD -m set --match-set npn src,dst,dst\n-A FORWARD -m set --match-set ls src\n"
		"-A FORWARD -m set --match-set lst src\n-A FORWARD -m set --match-set n src --return-nomatch\n"
		"-A FORWARD -m set --match-set ippi dst,dst\n-A FORWARD -m set --match-set ni src,dst\n"
		"-A FORWARD -m set --match-set gone src\n-A FORWARD -m set --match-set n src,src,src\n";
	struct rs_set_packet p;

	(void)state;
	world_init(&w, SAVED, rules, false);
	for (size_t i = 0; i < w.notes.len; i++)
		print_message("%s\n", w.notes.v[i].text);
	assert_int_equal(w.notes.len, 0);
	assert_int_equal(w.text.sets, 17);
	assert_false(w.text.empty || w.text.damaged);
	p = packet("1.2.3.4", "1.1.1.1", IPPROTO_TCP, 1000, 80);
	has(&w, 0, &p, RS_YES);	    /* a timeout of 0 is none */
	has(&w, 2, &p, RS_YES);
	has(&w, 6, &p, RS_YES);
	has(&w, 7, &p, RS_NO);
	has(&w, 9, &p, RS_YES);
	has(&w, 12, &p, RS_UNKNOWN); /* a MAC address */
	has(&w, 20, &p, RS_UNKNOWN); /* not in the text */
	p = packet("1.2.3.5", "1.1.1.2", IPPROTO_SCTP, 1000, 80);
	has(&w, 0, &p, RS_UNKNOWN); /* may be gone */
	has(&w, 2, &p, RS_NO);	    /* a bitmap of ports knows TCP and UDP only */
	has(&w, 6, &p, RS_NO);
	p.dst = addr("1.1.1.1");
	has(&w, 6, &p, RS_YES);
	p.proto = IPPROTO_ICMP;
	p.icmp_type = 8;
	has(&w, 6, &p, RS_YES);
	p.icmp_code = 1;
	has(&w, 6, &p, RS_NO);
	p.icmp_type = 3;
	p.icmp_code = 7;
	has(&w, 6, &p, RS_YES);
	p.proto = IPPROTO_GRE;
	has(&w, 6, &p, RS_YES);
	p.proto = IPPROTO_UDP;
	has(&w, 6, &p, RS_NO);
	p = packet("10.1.2.77", "1.1.1.1", IPPROTO_TCP, 1000, 80);
	has(&w, 1, &p, RS_YES);
	has(&w, 5, &p, RS_NO); /* nomatch */
	has(&w, 17, &p, RS_YES);
	has(&w, 15, &p, RS_YES); /* the list: not n, but nm */
	has(&w, 21, &p, RS_NO);
	p.src = addr("10.1.2.3");
	has(&w, 5, &p, RS_YES);
	has(&w, 17, &p, RS_NO);
	has(&w, 16, &p, RS_UNKNOWN); /* n may have left the list */
	p.src = addr("10.9.9.9");
	has(&w, 5, &p, RS_YES);
	has(&w, 10, &p, RS_YES);
	p.src = addr("11.9.9.9");
	has(&w, 5, &p, RS_NO);
	has(&w, 15, &p, RS_UNKNOWN); /* "gone" could hold it */
	has(&w, 16, &p, RS_NO);
	p.src = addr("200.0.0.1");
	has(&w, 5, &p, RS_YES);
	p.src = addr("10.0.0.31");
	has(&w, 3, &p, RS_YES);
	p.src = addr("10.0.0.32");
	has(&w, 3, &p, RS_NO);
	p.src = addr("10.0.0.18");
	has(&w, 4, &p, RS_UNKNOWN);
	p.src = addr("10.0.0.20");
	has(&w, 4, &p, RS_NO);
	p.src = addr("2.2.2.2");
	has(&w, 7, &p, RS_YES);
	has(&w, 8, &p, RS_YES);
	has(&w, 18, &p, RS_NO); /* fewer directions than the set has parts */
	/* the longest prefix of a hash:net,iface decides, also when it names another interface */
	p.src = addr("10.2.3.4");
	has(&w, 10, &p, RS_NO);
	has(&w, 19, &p, RS_YES);
	p.src = addr("10.3.3.4");
	has(&w, 10, &p, RS_YES);
	p.iif = "lo";
	has(&w, 10, &p, RS_NO);
	p.iif = NULL;
	has(&w, 10, &p, RS_UNKNOWN);
	p.iif = "";
	has(&w, 10, &p, RS_NO);
	p = packet("1.1.1.1", "20.1.1.1", IPPROTO_UDP, 1000, 53);
	p.mark = 0xa10;
	has(&w, 11, &p, RS_YES);
	p.mark = 0x11;
	has(&w, 11, &p, RS_NO);
	p.src = addr("10.2.1.1");
	has(&w, 13, &p, RS_YES);
	has(&w, 14, &p, RS_YES);
	p.src = addr("10.1.1.1"); /* the longer first prefix counts, though the second is shorter */
	has(&w, 13, &p, RS_NO);
	p.src_known = false;
	has(&w, 13, &p, RS_UNKNOWN);
	has(&w, 2, &p, RS_NO);
	assert_true(rs_set_asks_source(ref_of(&w, 15)) && rs_set_asks_source(ref_of(&w, 7)));
	assert_false(rs_set_asks_source(ref_of(&w, 2)) || rs_set_asks_source(ref_of(&w, 6)));
	world_release(&w);
}

static void test_family(void **state)
{
	struct world w;
	static const char sets[] = "create s6 hash:net family inet6 hashsize 1024 maxelem 65536\nadd s6 fd00::/8\nadd s6 fd00:1::/32 nomatch\n"
				   "create s4 hash:net family inet hashsize 1024 maxelem 65536\nadd s4 10.0.0.0/8\n"
				   "create p bitmap:port range 0-1023\nadd p 80\n"
				   "create ip6 hash:ip,port family inet6\nadd ip6 fd00::1,ipv6-icmp:echo-request\nadd ip6 fd00::1,tcp:22\n"
				   "create l list:set size 8\nadd l s4\nadd l s6\n";
	struct rs_set_packet p;

	(void)state;
	world_init(&w, sets, "-A FORWARD -m set --match-set s6 dst\n-A FORWARD -m set --match-set s4 dst\n"
		   "-A FORWARD -m set --match-set p dst\n-A FORWARD -m set --match-set ip6 dst,dst\n-A FORWARD -m set --match-set l dst\n", true);
	assert_int_equal(w.notes.len, 0);
	p = packet("2001:db8::1", "fd00::1", IPPROTO_TCP, 1000, 80);
	has(&w, 0, &p, RS_YES);
	has(&w, 1, &p, RS_NO);
	has(&w, 2, &p, RS_YES);
	has(&w, 3, &p, RS_NO);
	has(&w, 4, &p, RS_YES);
	p.dst = addr("fd00:1::1");
	has(&w, 0, &p, RS_NO);
	p.dst = addr("fd00::1");
	p.proto = IPPROTO_ICMPV6;
	p.icmp_type = 128;
	has(&w, 3, &p, RS_YES);
	world_release(&w);
}

/* Rules that put something in or take it out: what is not in may be in by now, and the other way round. */
static void test_changed_by_rules(void **state)
{
	struct world w;
	static const char sets[] = "create s hash:ip\nadd s 1.1.1.1\ncreate t hash:ip\nadd t 1.1.1.1\ncreate u hash:ip\n";
	const struct rs_chain *c;
	struct rs_set_packet p;

	(void)state;
	world_init(&w, sets, "-A FORWARD -m set --match-set s src\n-A FORWARD -m set --match-set t src\n"
		   "-A FORWARD -j SET --add-set s src\n-A FORWARD -j SET --del-set t src\n-A FORWARD -j SET --add-set u src\n", false);
	p = packet("1.1.1.1", "2.2.2.2", IPPROTO_TCP, 1, 2);
	check(&w, 0, &p, RS_YES, false);
	check(&w, 1, &p, RS_YES, true);
	p.src = addr("1.1.1.2");
	check(&w, 0, &p, RS_NO, true);
	check(&w, 1, &p, RS_NO, false);
	c = table_find_chain(w.rs.tables.v[0], "FORWARD");
	assert_int_equal(c->rules[2]->stmts[0].kind, ST_SET);
	assert_int_equal(c->rules[4]->stmts[0].kind, ST_NOP); /* no rule asks that set */
	assert_string_equal(c->rules[4]->stmts[0].u.text, "SET --add-set u src");
	world_release(&w);
}

static void test_bad_text(void **state)
{
	static const struct {
		const char *text;
		size_t notes;
		enum rs_answer want; /* of 1.1.1.1 in s */
	} rows[] = {
		{ "", 0, RS_UNKNOWN },
		{ "create s hash:ip\nadd s 1.1.1.1\n", 0, RS_YES },
		{ "create s hash:ip\r\nadd s 1.1.1.1\r\n", 0, RS_YES },
		{ "create s hash:ip\nadd s 1.1.1.1", 1, RS_UNKNOWN },	   /* cut off */
		{ "create s hash:ip\nadd s 1.1.1\n", 1, RS_UNKNOWN },
		{ "create s hash:ip\nadd s 1.1.1.0/24\n", 1, RS_UNKNOWN }, /* save prints the single addresses */
		{ "create s hash:ip\nadd s 1.1.1.1,tcp:80\n", 1, RS_UNKNOWN },
		{ "create s hash:ip,port\nadd s 1.1.1.1,80\n", 1, RS_UNKNOWN },
		{ "create s hash:ip,port\nadd s 1.1.1.1\n", 1, RS_UNKNOWN },
		{ "create s hash:ip fancy 1\nadd s 1.1.1.1\n", 1, RS_UNKNOWN },
		{ "create s hash:net,net netmask 24\n", 1, RS_UNKNOWN },
		{ "create s hash:fancy\nadd s x\n", 1, RS_UNKNOWN },
		{ "create s\n", 1, RS_UNKNOWN },
		{ "add s 1.1.1.1\n", 1, RS_UNKNOWN },
		{ "create s hash:ip\ncreate s hash:ip\nadd s 1.1.1.1\n", 1, RS_UNKNOWN },
		{ "create s hash:ip\nadd s 1.1.1.1 frob 7\n", 1, RS_UNKNOWN },
		{ "create s hash:ip\nadd s 1.1.1.1 comment \"x\n", 0, RS_YES },
		{ "create s hash:ip\nflush s\nadd s 1.1.1.1\n", 1, RS_YES },
		{ "create s list:set\nadd s s\n", 0, RS_UNKNOWN }, /* in itself */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rs_set_packet p = packet("1.1.1.1", "1.1.1.1", IPPROTO_TCP, 80, 80);
		struct world w;

		world_init(&w, rows[i].text, "-A FORWARD -m set --match-set s src,src,src\n", false);
		if (w.notes.len != rows[i].notes)
			print_message("%s", rows[i].text);
		assert_int_equal(w.notes.len, rows[i].notes);
		has(&w, 0, &p, rows[i].want);
		world_release(&w);
	}
}

/* ---- random sets against a walk over all elements ---- */

static uint64_t rng_state;
static uint32_t rnd(uint32_t n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 11) % n;
}

/* Few addresses, so that elements lie in each other. */
static void put_addr(struct strbuf *b, bool ip6, bool net)
{
	unsigned len = rnd(4) ? (ip6 ? 124 : 28) + rnd(5) : 1 + rnd(ip6 ? 128 : 32);

	if (ip6)
		strbuf_addf(b, "fd00::%x", rnd(32));
	else
		strbuf_addf(b, "10.0.%u.%u", rnd(2), rnd(32));
	if (net)
		strbuf_addf(b, "/%u", len);
}

static const char *const PORTS[] = { "tcp:80", "tcp:81", "udp:80", "icmp:8/0", "gre:0" };
static const char *const IFACES[] = { "eth0", "cni0", "eth", "physdev:eth0" };

static void put_elem(struct strbuf *b, const struct rs_ipset_type *t, bool ip6)
{
	bool net = false;

	strbuf_adds(b, "add s ");
	for (unsigned i = 0; i < RS_IPSET_PARTS && t->part[i]; i++) {
		strbuf_adds(b, i ? "," : "");
		net = net || t->part[i] == SETPART_NET;
		if (t->part[i] == SETPART_IP || t->part[i] == SETPART_NET)
			put_addr(b, ip6, t->part[i] == SETPART_NET);
		else if (t->part[i] == SETPART_PORT)
			strbuf_adds(b, t->range ? (rnd(2) ? "80" : "81") : PORTS[rnd(ARRAY_LEN(PORTS))]);
		else if (t->part[i] == SETPART_IFACE)
			strbuf_adds(b, IFACES[rnd(ARRAY_LEN(IFACES))]);
		else if (t->part[i] == SETPART_MARK)
			strbuf_addf(b, "0x%x", rnd(3));
	}
	strbuf_addf(b, "%s\n", net && rnd(4) == 0 ? " nomatch" : "");
}

/* What the sources of the kernel say, one element after the other. */
static enum rs_answer reference(const struct rs_set_ref *ref, const struct rs_set_packet *p)
{
	const struct rs_ipset *s = ref->set->ipset;
	const struct rs_ipset_elem *best = NULL;
	int best_len = -1;
	bool met = false, net = false;

	for (uint32_t n = s->nelems; n-- > 0;) {
		const struct rs_ipset_elem *e = &s->elems[n];
		unsigned side = 0;
		bool fits = true, iface_fits = true;
		int len;

		for (unsigned i = 0; i < RS_IPSET_PARTS; i++) {
			bool port = p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP, dst = ref->dst[i];
			uint16_t v = port ? (dst ? p->dport : p->sport) : p->proto == IPPROTO_ICMP ? (uint16_t)(p->icmp_type << 8 | p->icmp_code) : 0;
			const char *dev = dst ? p->oif : p->iif;

			switch (s->type->part[i]) {
			case SETPART_IP:
			case SETPART_NET:
				fits = fits && ip_prefix_contains(&(const struct ip_prefix){ e->addr[side], e->len[side] }, dst ? &p->dst : &p->src);
				net = net || s->type->part[i] == SETPART_NET;
				side++;
				break;
			case SETPART_PORT:
				fits = fits && v == e->port && (s->type->range ? port : e->proto == p->proto);
				break;
			case SETPART_IFACE:
				iface_fits = !e->physdev && strcmp(e->iface, dev) == 0;
				break;
			case SETPART_MARK:
				fits = fits && e->mark == p->mark;
				break;
			default:
				break;
			}
		}
		len = e->len[0] * 256 + e->len[1];
		if (!fits || len < best_len)
			continue;
		if (len > best_len || !met) {
			best = e;
			met = iface_fits;
		}
		best_len = len;
	}
	if (!best || !met)
		return RS_NO;
	return net && best->nomatch != ref->return_nomatch ? RS_NO : RS_YES;
}

static bool in_ranges(const struct rs_ranges *l, const struct ip_addr *a)
{
	for (size_t i = 0; i < l->len; i++)
		if (ip_addr_cmp(&l->v[i].lo, a) <= 0 && ip_addr_cmp(a, &l->v[i].hi) <= 0)
			return true;
	return false;
}

static void check_ranges(const struct rs_ranges *l)
{
	struct ip_addr next;

	for (size_t i = 0; i < l->len; i++) {
		assert_true(ip_addr_cmp(&l->v[i].lo, &l->v[i].hi) <= 0);
		if (i)
			assert_true(ip_addr_next(&l->v[i - 1].hi, &next) && ip_addr_cmp(&next, &l->v[i].lo) < 0);
	}
}

static void random_packet(struct rs_set_packet *p, bool ip6)
{
	static const char *const devs[] = { "eth0", "cni0", "lo" };
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE };
	char a[64];

	*p = (struct rs_set_packet){ .src_known = true, .proto = protos[rnd(5)], .icmp_type = 8, .sport = (uint16_t)(80 + rnd(2)),
				     .dport = (uint16_t)(80 + rnd(2)), .mark = rnd(3), .iif = devs[rnd(3)], .oif = devs[rnd(3)] };
	for (unsigned i = 0; i < 2; i++) {
		(void)snprintf(a, sizeof(a), ip6 ? "fd00::%.0u%x" : "10.0.%u.%u", ip6 ? 0 : rnd(2), rnd(32));
		*(i ? &p->dst : &p->src) = addr(a);
	}
}

static void one_random_set(unsigned type, uint64_t seed)
{
	static const char *const names[] = { "hash:ip", "hash:net", "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net", "hash:net,port",
					     "hash:net,net", "hash:net,port,net", "hash:net,iface", "hash:ip,mark", "bitmap:port" };
	const struct rs_ipset_type *t = rs_ipset_type_find(names[type], strlen(names[type]));
	CLEANUP(strbuf_release) struct strbuf sets = STRBUF_INIT;
	CLEANUP(strbuf_release) struct strbuf rule = STRBUF_INIT;
	struct rs_set_sources sources;
	struct rs_set_packet p;
	struct world w;
	bool ip6, state;

	rng_state = seed;
	ip6 = rnd(3) == 0 && !t->range;
	assert_non_null(t);
	strbuf_addf(&sets, "create s %s %s\n", t->name, t->range ? "range 0-65535" : ip6 ? "family inet6" : "family inet");
	for (unsigned n = rnd(40); n > 0; n--)
		put_elem(&sets, t, ip6);
	strbuf_adds(&rule, "-A FORWARD -m set --match-set s ");
	for (unsigned i = 0; i < 3; i++)
		strbuf_addf(&rule, "%s%s", i ? "," : "", rnd(2) ? "src" : "dst");
	strbuf_addf(&rule, "%s\n", rnd(4) ? "" : " --return-nomatch");
	world_init(&w, strbuf_str(&sets), strbuf_str(&rule), ip6);
	assert_int_equal(w.notes.len, 0);
	for (unsigned i = 0; i < 40; i++) {
		enum rs_answer want;

		random_packet(&p, ip6);
		want = reference(ref_of(&w, 0), &p);
		if (want != rs_set_has(ref_of(&w, 0), &p, &state))
			print_message("seed %llu\n%s%s", (unsigned long long)seed, strbuf_str(&sets), strbuf_str(&rule));
		assert_int_equal(rs_set_has(ref_of(&w, 0), &p, &state), want);
		assert_int_equal(rs_set_project(ref_of(&w, 0), &p, 1000, &sources), 0);
		check_ranges(&sources.in);
		check_ranges(&sources.unknown);
		assert_int_equal(sources.unknown.len, 0);
		if (in_ranges(&sources.in, &p.src) != (want == RS_YES))
			print_message("projection, seed %llu\n%s%s", (unsigned long long)seed, strbuf_str(&sets), strbuf_str(&rule));
		assert_int_equal(in_ranges(&sources.in, &p.src), want == RS_YES);
		array_free(&sources.in);
		array_free(&sources.unknown);
	}
	world_release(&w);
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2200; i++)
		one_random_set(i % 11, 88172645463325252ull + i * 7919);
}

/* ---- the projection ---- */

static void check_projection(const struct world *w, unsigned rule, const struct rs_set_packet *p, const char *in, const char *unknown)
{
	struct rs_set_sources s;
	const struct rs_ranges *lists[] = { &s.in, &s.unknown };
	const char *want[] = { in, unknown };

	assert_int_equal(rs_set_project(ref_of(w, rule), p, 100, &s), 0);
	for (unsigned k = 0; k < 2; k++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
		char lo[IP_ADDR_STRLEN], hi[IP_ADDR_STRLEN];

		for (size_t i = 0; i < lists[k]->len; i++)
			strbuf_addf(&b, "%s%s-%s", i ? " " : "", ip_addr_format(&lists[k]->v[i].lo, lo), ip_addr_format(&lists[k]->v[i].hi, hi));
		assert_string_equal(strbuf_str(&b), want[k]);
	}
	array_free(&s.in);
	array_free(&s.unknown);
}

static void test_projection(void **state)
{
	static const char sets[] =
		"create n hash:net\nadd n 10.0.0.0/8\nadd n 10.1.0.0/16 nomatch\nadd n 11.0.0.0/8\n"
		"create l hash:ip,port,ip\nadd l 1.1.1.1,tcp:80,1.1.1.1\nadd l 1.1.1.1,tcp:80,1.1.1.2\nadd l 2.1.1.1,tcp:80,9.9.9.9\n"
		"create t hash:ip timeout 100\nadd t 1.1.1.1 timeout 5\nadd t 1.1.1.2 timeout 0\nadd t 1.1.1.3 timeout 9\n"
		"create m hash:ip netmask 24\nadd m 10.1.2.0\n"
		"create h hash:ip bitmask 255.0.255.0\nadd h 10.0.2.0\n"
		"create a hash:net\nadd a 0.0.0.0/1\nadd a 128.0.0.0/1\n"
		"create v list:set\nadd v n\nadd v t\n";
	struct rs_set_packet p = packet("0.0.0.0", "1.1.1.1", IPPROTO_TCP, 1000, 80);
	struct rs_set_sources s;
	struct world w;

	(void)state;
	world_init(&w, sets, "-A FORWARD -m set --match-set n src\n-A FORWARD -m set --match-set l dst,dst,src\n"
		   "-A FORWARD -m set --match-set t src\n-A FORWARD -m set --match-set m src\n-A FORWARD -m set --match-set h src\n"
		   "-A FORWARD -m set --match-set a src\n-A FORWARD -m set --match-set v src\n-A FORWARD -m set --match-set n dst\n"
		   "-A FORWARD -m set --match-set gone src\n-A FORWARD -m set --match-set n src --return-nomatch\n", false);
	assert_int_equal(w.notes.len, 0);
	check_projection(&w, 0, &p, "10.0.0.0-10.0.255.255 10.2.0.0-11.255.255.255", "");
	check_projection(&w, 1, &p, "1.1.1.1-1.1.1.2", "");
	check_projection(&w, 2, &p, "1.1.1.2-1.1.1.2", "1.1.1.1-1.1.1.1 1.1.1.3-1.1.1.3");
	check_projection(&w, 3, &p, "10.1.2.0-10.1.2.255", "");
	check_projection(&w, 5, &p, "0.0.0.0-255.255.255.255", "");
	check_projection(&w, 6, &p, "1.1.1.2-1.1.1.2 10.0.0.0-10.0.255.255 10.2.0.0-11.255.255.255", "1.1.1.1-1.1.1.1 1.1.1.3-1.1.1.3");
	check_projection(&w, 7, &p, "", "");
	check_projection(&w, 8, &p, "", "0.0.0.0-255.255.255.255");
	check_projection(&w, 9, &p, "10.1.0.0-10.1.255.255", "");
	p.dst = addr("10.5.5.5");
	check_projection(&w, 7, &p, "0.0.0.0-255.255.255.255", "");
	assert_int_equal(rs_set_project(ref_of(&w, 4), &p, 100, &s), SD_EFORMAT);
	assert_int_equal(rs_set_project(ref_of(&w, 0), &p, 1, &s), SD_ELIMIT);
	world_release(&w);
}

/* A large set: a lookup must not look at all of it. The time is bounded loosely; a walk over all would take minutes. */
static void test_large(void **state)
{
	CLEANUP(strbuf_release) struct strbuf sets = STRBUF_INIT;
	struct rs_set_packet p = packet("10.0.0.1", "1.1.1.1", IPPROTO_TCP, 1000, 80);
	struct rs_set_sources s;
	struct world w;
	bool st;
	size_t hits = 0;

	(void)state;
	rng_state = 1;
	strbuf_adds(&sets, "create s hash:net maxelem 100000\n");
	for (unsigned i = 0; i < 50000; i++)
		strbuf_addf(&sets, "add s %u.%u.%u.0/%u%s\n", 10 + i / 25000, i / 100 % 250, i % 100 * 2, 22 + i % 3, i % 5 ? "" : " nomatch");
	world_init(&w, strbuf_str(&sets), "-A FORWARD -m set --match-set s src\n", false);
	assert_int_equal(ref_of(&w, 0)->set->ipset->nelems, 50000);
	for (unsigned i = 0; i < 2000000; i++) {
		p.src.b[1] = (uint8_t)rnd(256);
		p.src.b[2] = (uint8_t)rnd(256);
		hits += rs_set_has(ref_of(&w, 0), &p, &st) == RS_YES;
	}
	assert_true(hits > 500000 && hits < 2000000);
	assert_int_equal(rs_set_project(ref_of(&w, 0), &p, 1024, &s), SD_ELIMIT);
	assert_int_equal(rs_set_project(ref_of(&w, 0), &p, 100000, &s), 0);
	assert_true(s.in.len > 1024);
	array_free(&s.in);
	array_free(&s.unknown);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_saved), cmocka_unit_test(test_family), cmocka_unit_test(test_changed_by_rules),
		cmocka_unit_test(test_bad_text), cmocka_unit_test(test_random), cmocka_unit_test(test_projection),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
