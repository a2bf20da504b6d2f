/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The targets of iptables that are extensions: a row for each with its options, and the statement that it is. Meanings
 * are those of extensions/libxt_*.c (iptables) and net/netfilter/xt_*.c (kernel). Verdicts and jumps: xtables-rule.c.
 */
#include <errno.h>

#include "xtables-private.h"

static bool seen(const struct xt_inst *m, unsigned id)
{
	return m->seen & 1u << id;
}

static int set_text(struct xt_reader *x, const struct xt_inst *m)
{
	x->stmt.u.text = arena_strndup(&x->rs->arena, m->start, (size_t)(m->end - m->start));
	return x->stmt.u.text ? 0 : -ENOMEM;
}

static void set_kind(struct xt_reader *x, enum rs_stmt_kind kind)
{
	x->stmt = (struct rs_stmt){ .kind = (uint8_t)kind, .after = 255 };
}

static int emit_text(struct xt_reader *x, const struct xt_inst *m)
{
	set_kind(x, (enum rs_stmt_kind)m->ext->field);
	return set_text(x, m);
}

/* ---- REJECT ---- */

enum { REJECT_WITH };
static const struct xt_opt reject_opts[] = { XT_OPT(REJECT_WITH, "reject-with") };

/* extensions/libipt_REJECT.c and libip6t_REJECT.c: names, aliases; the first row of a family is its default */
static const struct reject_name {
	const char *name, *alias;
} rejects4[] = {
	{ "icmp-port-unreachable", "port-unreach" }, { "tcp-reset", "tcp-rst" },
	{ "icmp-net-unreachable", "net-unreach" }, { "icmp-host-unreachable", "host-unreach" },
	{ "icmp-proto-unreachable", "proto-unreach" }, { "icmp-net-prohibited", "net-prohib" },
	{ "icmp-host-prohibited", "host-prohib" }, { "icmp-admin-prohibited", "admin-prohib" },
}, rejects6[] = {
	{ "icmp6-port-unreachable", "port-unreach" }, { "tcp-reset", "tcp-reset" },
	{ "icmp6-no-route", "no-route" }, { "icmp6-adm-prohibited", "adm-prohibited" },
	{ "icmp6-addr-unreachable", "addr-unreach" }, { "icmp6-policy-fail", "policy-fail" },
	{ "icmp6-reject-route", "reject-route" },
};

static int emit_reject(struct xt_reader *x, const struct xt_inst *m)
{
	const struct reject_name *names = x->ip6 ? rejects6 : rejects4;
	size_t n = x->ip6 ? ARRAY_LEN(rejects6) : ARRAY_LEN(rejects4);
	const struct xt_word *w = &m->v[REJECT_WITH][0];

	set_kind(x, ST_REJECT);
	x->stmt.u.text = names[0].name;
	if (!seen(m, REJECT_WITH))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (xt_word_is(w, names[i].name) || xt_word_is(w, names[i].alias)) {
			x->stmt.u.text = names[i].name;
			return 0;
		}
	}
	x->stmt.u.text = xt_word_dup(x, w);
	return x->stmt.u.text ? 0 : -ENOMEM;
}

/* ---- translation ---- */

enum { NAT_TO, NAT_RANDOM, NAT_FULLY, NAT_PERSISTENT };
static const struct xt_opt dnat_opts[] = {
	XT_OPT(NAT_TO, "to-destination"), XT_FLAG(NAT_RANDOM, "random"), XT_FLAG(NAT_PERSISTENT, "persistent"),
	XT_FLAG(NAT_FULLY, "random-fully"),
};
static const struct xt_opt snat_opts[] = {
	XT_OPT(NAT_TO, "to-source"), XT_FLAG(NAT_RANDOM, "random"), XT_FLAG(NAT_FULLY, "random-fully"),
	XT_FLAG(NAT_PERSISTENT, "persistent"),
};
static const struct xt_opt ports_opts[] = {
	XT_OPT(NAT_TO, "to-ports"), XT_FLAG(NAT_FULLY, "random-fully"), XT_FLAG(NAT_RANDOM, "random"),
};
static const struct xt_opt netmap_opts[] = { XT_OPT(NAT_TO, "to") };

static int nat_addrs(const char *s, size_t len, bool ip6, struct rs_nat *n)
{
	const char *dash = memchr(s, '-', len);
	size_t first = dash ? (size_t)(dash - s) : len;

	if (xtables_addr(s, first, ip6, &n->lo) < 0)
		return SD_EPARSE;
	n->hi = n->lo;
	if (dash && xtables_addr(dash + 1, len - first - 1, ip6, &n->hi) < 0)
		return SD_EPARSE;
	n->has_addr = true;
	return ip_addr_cmp(&n->lo, &n->hi) <= 0 ? 0 : SD_EPARSE;
}

/* "80", "80-90", "80-90/100" */
static int nat_ports(const char *s, size_t len, struct rs_nat *n)
{
	const char *slash = memchr(s, '/', len), *dash;
	size_t range = slash ? (size_t)(slash - s) : len, first;
	uint32_t lo, hi, base = 0;

	dash = memchr(s, '-', range);
	first = dash ? (size_t)(dash - s) : range;
	if (xt_uint(s, first, 65535, &lo) < 0)
		return SD_EPARSE;
	hi = lo;
	if (dash && xt_uint(dash + 1, range - first - 1, 65535, &hi) < 0)
		return SD_EPARSE;
	if (slash && xt_uint(slash + 1, len - range - 1, 65535, &base) < 0)
		return SD_EPARSE;
	if (lo == 0 || lo > hi)
		return SD_EPARSE;
	n->has_port = true;
	n->port_lo = (uint16_t)lo;
	n->port_hi = (uint16_t)hi;
	n->port_base = (uint16_t)base;
	return 0;
}

/* "a", "a-b", "a:ports", ":ports"; IPv6 with ports: "[a]:ports", "[a-b]:ports", "[a]-[b]:ports" is accepted too. */
static int nat_to6(const char *s, size_t len, struct rs_nat *n)
{
	const char *close, *end = s + len;
	struct rs_nat second = { 0 };

	if (len && s[0] == ':' && !(len > 1 && s[1] == ':'))
		return nat_ports(s + 1, len - 1, n);
	if (len == 0 || s[0] != '[')
		return nat_addrs(s, len, true, n);
	close = memchr(s, ']', len);
	if (!close || nat_addrs(s + 1, (size_t)(close - s - 1), true, n) < 0)
		return SD_EPARSE;
	s = close + 1;
	if (end - s > 2 && s[0] == '-' && s[1] == '[') {
		close = memchr(s, ']', (size_t)(end - s));
		if (!close || nat_addrs(s + 2, (size_t)(close - s - 2), true, &second) < 0)
			return SD_EPARSE;
		n->hi = second.lo;
		s = close + 1;
		if (ip_addr_cmp(&n->lo, &n->hi) > 0)
			return SD_EPARSE;
	}
	if (s == end)
		return 0;
	return *s == ':' ? nat_ports(s + 1, (size_t)(end - s - 1), n) : SD_EPARSE;
}

static int nat_to(const struct xt_word *w, bool ip6, struct rs_nat *n)
{
	const char *colon = memchr(w->s, ':', w->len);
	size_t first = colon ? (size_t)(colon - w->s) : w->len;

	if (w->quoted)
		return SD_EPARSE;
	if (ip6)
		return nat_to6(w->s, w->len, n);
	if (!colon || first > 0) {
		int r = nat_addrs(w->s, first, false, n);

		if (r < 0)
			return r;
	}
	return colon ? nat_ports(colon + 1, w->len - first - 1, n) : 0;
}

static struct rs_nat *new_nat(struct xt_reader *x, const struct xt_inst *m)
{
	struct rs_nat *n = arena_new(&x->rs->arena, struct rs_nat);

	set_kind(x, (enum rs_stmt_kind)m->ext->field);
	x->stmt.u.nat = n;
	if (n) {
		n->random = seen(m, NAT_RANDOM);
		n->random_fully = seen(m, NAT_FULLY);
		n->persistent = seen(m, NAT_PERSISTENT);
	}
	return n;
}

/* The statement stays what it is, its argument is text: what it translates to is not known. */
static int nat_text(struct xt_reader *x, const struct xt_inst *m, struct rs_nat *n)
{
	n->text = arena_strndup(&x->rs->arena, m->start, (size_t)(m->end - m->start));
	n->has_addr = n->has_port = false;
	return n->text ? 0 : -ENOMEM;
}

/* Several --to-destination: kernels before 2.6.11, or a tool that prints a revision which it does not know. */
static int emit_nat(struct xt_reader *x, const struct xt_inst *m)
{
	struct rs_nat *n = new_nat(x, m);

	if (!n)
		return -ENOMEM;
	if (!seen(m, NAT_TO) || m->again & 1u << NAT_TO || nat_to(&m->v[NAT_TO][0], x->ip6, n) < 0)
		return nat_text(x, m, n);
	return 0;
}

/* MASQUERADE and REDIRECT: ports at most. */
static int emit_nat_ports(struct xt_reader *x, const struct xt_inst *m)
{
	const struct xt_word *w = &m->v[NAT_TO][0];
	struct rs_nat *n = new_nat(x, m);

	if (!n)
		return -ENOMEM;
	if (seen(m, NAT_TO) && (m->again || memchr(w->s, '/', w->len) || nat_ports(w->s, w->len, n) < 0))
		return nat_text(x, m, n);
	return 0;
}

static int emit_netmap(struct xt_reader *x, const struct xt_inst *m)
{
	struct rs_nat *n = new_nat(x, m);

	if (!n)
		return -ENOMEM;
	if (!seen(m, NAT_TO) || m->again ||
	    xt_addr_mask(m->v[NAT_TO][0].s, m->v[NAT_TO][0].len, x->ip6, &n->lo, &n->hi) < 0)
		return nat_text(x, m, n);
	n->has_addr = true;
	return 0;
}

/* ---- marks ---- */

enum { SET_XMARK, SET_MARK, AND_MARK, OR_MARK, XOR_MARK, SAVE_MARK, RESTORE_MARK, CTMASK, NFMASK, MASK };
#define MARK_OPTS                                                                                        \
	XT_OPT(SET_XMARK, "set-xmark"), XT_OPT(SET_MARK, "set-mark"), XT_OPT(AND_MARK, "and-mark"),      \
		XT_OPT(OR_MARK, "or-mark"), XT_OPT(XOR_MARK, "xor-mark")
static const struct xt_opt mark_opts[] = { MARK_OPTS };
static const struct xt_opt connmark_opts[] = {
	MARK_OPTS, XT_FLAG(SAVE_MARK, "save-mark"), XT_FLAG(RESTORE_MARK, "restore-mark"), XT_OPT(CTMASK, "ctmask"),
	XT_OPT(NFMASK, "nfmask"), XT_OPT(MASK, "mask"),
};

/* All five forms are mark = (mark & ~mask) ^ value: extensions/libxt_MARK.c, mark_tg_parse. */
static int emit_mark(struct xt_reader *x, const struct xt_inst *m)
{
	uint32_t verbs = m->seen & 0x1f, value, mask;
	unsigned id = 0;

	if (!verbs || verbs & (verbs - 1) || m->seen != verbs || m->again)
		return SD_EPARSE;
	while (!(verbs & 1u << id))
		id++;
	if (xt_mark(&m->v[id][0], &value, &mask) < 0)
		return SD_EPARSE;
	if (id == SET_MARK) {
		mask |= value;
	} else if (id != SET_XMARK) {
		if (mask != UINT32_MAX || memchr(m->v[id][0].s, '/', m->v[id][0].len))
			return SD_EPARSE;
		mask = id == AND_MARK ? ~value : id == OR_MARK ? value : 0;
		value = id == AND_MARK ? 0 : value;
	}
	set_kind(x, (enum rs_stmt_kind)m->ext->field);
	x->stmt.u.bits.value = value;
	x->stmt.u.bits.mask = mask;
	return 0;
}

static int plain_mask(const struct xt_inst *m, unsigned id, uint32_t *ret)
{
	if (!seen(m, id))
		return 0;
	return xt_uint(m->v[id][0].s, m->v[id][0].len, UINT32_MAX, ret);
}

static int emit_connmark(struct xt_reader *x, const struct xt_inst *m)
{
	uint32_t ctmask = UINT32_MAX, nfmask = UINT32_MAX;
	bool save = seen(m, SAVE_MARK), restore = seen(m, RESTORE_MARK);

	if (!save && !restore)
		return emit_mark(x, m);
	if (save == restore || m->again || m->seen & 0x1f)
		return SD_EPARSE;
	if (plain_mask(m, MASK, &ctmask) < 0)
		return SD_EPARSE;
	if (seen(m, MASK))
		nfmask = ctmask;
	if (plain_mask(m, CTMASK, &ctmask) < 0 || plain_mask(m, NFMASK, &nfmask) < 0)
		return SD_EPARSE;
	set_kind(x, save ? ST_CONNMARK_SAVE : ST_CONNMARK_RESTORE);
	x->stmt.u.bits.value = ctmask;
	x->stmt.u.bits.mask = nfmask;
	return 0;
}

/* ---- others ---- */

enum { CT_NOTRACK, CT_OTHER, CT_ZONE };
static const struct xt_opt ct_opts[] = {
	XT_FLAG(CT_NOTRACK, "notrack"), XT_OPT(CT_OTHER, "helper"), XT_OPT(CT_OTHER, "timeout"),
	XT_OPT(CT_OTHER, "ctevents"),
	XT_OPT(CT_OTHER, "expevents"), XT_OPT(CT_ZONE, "zone"), XT_OPT(CT_ZONE, "zone-orig"),
	XT_OPT(CT_ZONE, "zone-reply"),
};
static int emit_ct(struct xt_reader *x, const struct xt_inst *m)
{
	set_kind(x, seen(m, CT_NOTRACK) ? ST_NOTRACK : seen(m, CT_ZONE) ? ST_ZONE : ST_NOP);
	return set_text(x, m);
}

enum { TTL_SET, TTL_OTHER };
static const struct xt_opt ttl_opts[] = {
	XT_OPT(TTL_SET, "ttl-set"), XT_OPT(TTL_SET, "hl-set"), XT_OPT(TTL_OTHER, "ttl-inc"), XT_OPT(TTL_OTHER, "hl-inc"),
	XT_OPT(TTL_OTHER, "ttl-dec"), XT_OPT(TTL_OTHER, "hl-dec"),
};
/* A packet whose time to live is set to 0 or 1 does not get through this node; else nothing here depends on it. */
static int emit_ttl(struct xt_reader *x, const struct xt_inst *m)
{
	uint64_t n;

	if (seen(m, TTL_SET) && (xt_u64(m->v[TTL_SET][0].s, m->v[TTL_SET][0].len, &n) < 0 || n < 2))
		return SD_EPARSE;
	set_kind(x, ST_NOP);
	return set_text(x, m);
}

enum { SET_ADD, SET_DEL, SET_MAP, SET_FLAG, SET_MAP_MARK };
static const struct xt_opt set_opts[] = {
	XT_OPT2(SET_ADD, "add-set"), XT_OPT2(SET_DEL, "del-set"), XT_OPT2(SET_MAP, "map-set"),
	XT_FLAG(SET_FLAG, "exist"),
	XT_OPT(SET_FLAG, "timeout"), XT_FLAG(SET_MAP_MARK, "map-mark"), XT_FLAG(SET_FLAG, "map-prio"),
	XT_FLAG(SET_FLAG, "map-queue"),
};
/* What a set maps to the mark is not in the rule. Adding and deleting matters where some rule asks that set. */
static int emit_set(struct xt_reader *x, const struct xt_inst *m)
{
	bool add = seen(m, SET_ADD), del = seen(m, SET_DEL);
	struct rs_set_ref *ref;
	int r;

	if (seen(m, SET_MAP_MARK) || m->again & ~(1u << SET_FLAG) || (add && del))
		return SD_EPARSE;
	if (!add && !del) {
		set_kind(x, ST_NOP);
		return set_text(x, m);
	}
	r = xt_set_ref(x, m, add ? SET_ADD : SET_DEL, &ref);
	if (r < 0)
		return r;
	set_kind(x, ST_SET);
	x->stmt.flags = del ? RS_SET_DEL : 0;
	x->stmt.u.set = ref;
	return 0;
}

/* Options whose values can look like options themselves. */
static const struct xt_opt log_opts[] = {
	XT_OPT(0, "log-prefix"), XT_OPT(0, "log-level"), XT_FLAG(0, "log-tcp-sequence"), XT_FLAG(0, "log-tcp-options"),
	XT_FLAG(0, "log-ip-options"), XT_FLAG(0, "log-uid"), XT_FLAG(0, "log-macdecode"),
};
static const struct xt_opt nflog_opts[] = {
	XT_OPT(0, "nflog-prefix"), XT_OPT(0, "nflog-group"), XT_OPT(0, "nflog-range"), XT_OPT(0, "nflog-size"),
	XT_OPT(0, "nflog-threshold"),
};

#define ROW(name, opts, kind, emit) { name, sizeof(name) - 1, ARRAY_LEN(opts), kind, 0, opts, emit }
#define RAW_FLAGS (XT_VALUE_MAY_BE_BANG | XT_ANY_OPTION)
#define RAW(name, opts, kind) { name, sizeof(name) - 1, ARRAY_LEN(opts), kind, RAW_FLAGS, opts, emit_text }
/* Its options do not matter: they are kept as text. */
#define TEXT(name, kind) { name, sizeof(name) - 1, 0, kind, XT_ANY_OPTION, NULL, emit_text }

/* By first letter, the frequent ones first. */
static const struct xt_ext targets[] = {
	TEXT("AUDIT", ST_NOP),
	ROW("CONNMARK", connmark_opts, ST_CONNMARK, emit_connmark),
	ROW("CT", ct_opts, ST_NOP, emit_ct),
	TEXT("CHECKSUM", ST_NOP),
	TEXT("CLASSIFY", ST_NOP),
	TEXT("CONNSECMARK", ST_NOP),
	TEXT("CLUSTERIP", ST_UNKNOWN),
	TEXT("CHAOS", ST_UNKNOWN),
	ROW("DNAT", dnat_opts, ST_DNAT, emit_nat),
	TEXT("DSCP", ST_NOP),
	TEXT("DNPT", ST_UNKNOWN),
	TEXT("DELUDE", ST_UNKNOWN),
	TEXT("ECN", ST_NOP),
	TEXT("ECHO", ST_UNKNOWN),
	TEXT("FLOWOFFLOAD", ST_NOP),
	ROW("HL", ttl_opts, ST_NOP, emit_ttl),
	TEXT("HMARK", ST_UNKNOWN),
	TEXT("IDLETIMER", ST_NOP),
	TEXT("IPMARK", ST_UNKNOWN),
	RAW("LOG", log_opts, ST_NOP),
	TEXT("LED", ST_NOP),
	ROW("MARK", mark_opts, ST_MARK, emit_mark),
	ROW("MASQUERADE", ports_opts, ST_MASQUERADE, emit_nat_ports),
	TEXT("MIRROR", ST_UNKNOWN),
	RAW("NFLOG", nflog_opts, ST_NOP),
	TEXT("NFQUEUE", ST_QUEUE),
	TEXT("NOTRACK", ST_NOTRACK),
	ROW("NETMAP", netmap_opts, ST_NETMAP, emit_netmap),
	ROW("REJECT", reject_opts, ST_REJECT, emit_reject),
	ROW("REDIRECT", ports_opts, ST_REDIRECT, emit_nat_ports),
	TEXT("RATEEST", ST_NOP),
	ROW("SNAT", snat_opts, ST_SNAT, emit_nat),
	ROW("SET", set_opts, ST_SET, emit_set),
	TEXT("SYNPROXY", ST_SYNPROXY),
	TEXT("SECMARK", ST_NOP),
	TEXT("SNPT", ST_UNKNOWN),
	TEXT("STEAL", ST_UNKNOWN),
	TEXT("TCPMSS", ST_NOP),
	TEXT("TPROXY", ST_TPROXY),
	TEXT("TRACE", ST_NOP),
	TEXT("TOS", ST_NOP),
	ROW("TTL", ttl_opts, ST_NOP, emit_ttl),
	TEXT("TEE", ST_NOP),
	TEXT("TCPOPTSTRIP", ST_NOP),
	TEXT("TARPIT", ST_UNKNOWN),
	RAW("ULOG", nflog_opts, ST_NOP),
};

const struct xt_ext xt_unknown_target = { "unknown", 7, 0, ST_UNKNOWN, XT_ANY_OPTION, NULL, NULL };

void xt_index_targets(struct xt_first *f)
{
	xt_index_exts(f, targets, ARRAY_LEN(targets));
}

const struct xt_ext *xt_find_target(const struct xt_reader *x, const char *name, size_t len)
{
	unsigned c = len ? (unsigned char)name[0] : 255;

	if (c > 127)
		return NULL;
	for (unsigned i = x->targets.first[c]; i < x->targets.first[c + 1]; i++)
		if (targets[i].len == len && memcmp(targets[i].name, name, len) == 0)
			return &targets[i];
	return NULL;
}
