/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The matches of iptables: a row for each with its options, and what it asks of a packet. Meanings are those of
 * extensions/libxt_*.c (iptables) and net/netfilter/xt_*.c (kernel). Matches that only a look at more than addresses,
 * ports, marks and connections can decide become OP_TEXT of their own field.
 */
#include <errno.h>

#include "xtables-private.h"

static bool seen(const struct xt_inst *m, unsigned id)
{
	return m->seen & 1u << id;
}

static bool negated(const struct xt_inst *m, unsigned id)
{
	return m->negated & 1u << id;
}

/* ---- no condition at all, and text ---- */

/* A comment; and accounting, which is true whatever it counts. */
static int emit_nothing(struct xt_reader *x, const struct xt_inst *m)
{
	(void)x;
	(void)m;
	return 0;
}

static int emit_text(struct xt_reader *x, const struct xt_inst *m)
{
	return xt_add_text(x, m->ext->field, false, m->start, m->end);
}

/* Always OP_TEXT that is false before a limit is reached when it asks for what lies above. */
static int emit_above(struct xt_reader *x, const struct xt_inst *m, bool above)
{
	return xt_add_text(x, m->ext->field, above, m->start, m->end);
}

enum { QUOTA };
static const struct xt_opt quota_opts[] = { XT_OPT(QUOTA, "quota") };
static int emit_quota(struct xt_reader *x, const struct xt_inst *m)
{
	uint64_t n;

	if (!seen(m, QUOTA) || xt_u64(m->v[QUOTA][0].s, m->v[QUOTA][0].len, &n) < 0)
		return SD_EPARSE;
	/* xt_quota takes the whole packet or nothing: no IP packet with a port fits in 28 bytes, any first one in 128. */
	if (n >= 28 && n < 128)
		return SD_EPARSE;
	return emit_above(x, m, negated(m, QUOTA) != (n < 28));
}

enum { HASH_UPTO, HASH_ABOVE, HASH_OTHER };
static const struct xt_opt hashlimit_opts[] = {
	XT_OPT(HASH_UPTO, "hashlimit-upto"), XT_OPT(HASH_ABOVE, "hashlimit-above"), XT_OPT(HASH_UPTO, "hashlimit"),
	XT_OPT(HASH_OTHER, "hashlimit-burst"), XT_OPT(HASH_OTHER, "hashlimit-mode"),
	XT_OPT(HASH_OTHER, "hashlimit-srcmask"), XT_OPT(HASH_OTHER, "hashlimit-dstmask"),
	XT_OPT(HASH_OTHER, "hashlimit-name"), XT_OPT(HASH_OTHER, "hashlimit-htable-size"),
	XT_OPT(HASH_OTHER, "hashlimit-htable-max"), XT_OPT(HASH_OTHER, "hashlimit-htable-gcinterval"),
	XT_OPT(HASH_OTHER, "hashlimit-htable-expire"), XT_FLAG(HASH_OTHER, "hashlimit-rate-match"),
	XT_OPT(HASH_OTHER, "hashlimit-rate-interval"),
};
static int emit_hashlimit(struct xt_reader *x, const struct xt_inst *m)
{
	if (seen(m, HASH_UPTO) == seen(m, HASH_ABOVE))
		return SD_EPARSE;
	return emit_above(x, m, seen(m, HASH_ABOVE) != (negated(m, HASH_UPTO) || negated(m, HASH_ABOVE)));
}

enum { CL_ABOVE, CL_UPTO, CL_OTHER };
static const struct xt_opt connlimit_opts[] = {
	XT_OPT(CL_ABOVE, "connlimit-above"), XT_OPT(CL_UPTO, "connlimit-upto"), XT_OPT(CL_OTHER, "connlimit-mask"),
	XT_FLAG(CL_OTHER, "connlimit-saddr"), XT_FLAG(CL_OTHER, "connlimit-daddr"),
};
/* The first connection is counted already: a limit of 0 is exceeded by it. */
static int emit_connlimit(struct xt_reader *x, const struct xt_inst *m)
{
	unsigned id = seen(m, CL_ABOVE) ? CL_ABOVE : CL_UPTO;
	uint32_t n;
	bool above;

	if (seen(m, CL_ABOVE) == seen(m, CL_UPTO) || xt_uint(m->v[id][0].s, m->v[id][0].len, UINT32_MAX, &n) < 0)
		return SD_EPARSE;
	above = (id == CL_ABOVE) != negated(m, id);
	return emit_above(x, m, n == 0 ? !above : above);
}

enum { RPF_INVERT, RPF_OTHER };
static const struct xt_opt rpfilter_opts[] = {
	XT_FLAG(RPF_INVERT, "invert"), XT_FLAG(RPF_OTHER, "loose"), XT_FLAG(RPF_OTHER, "validmark"),
	XT_FLAG(RPF_OTHER, "accept-local"),
};
static int emit_rpfilter(struct xt_reader *x, const struct xt_inst *m)
{
	return emit_above(x, m, seen(m, RPF_INVERT));
}

enum { OWNER_UID, OWNER_GID, OWNER_EXISTS, OWNER_GROUPS, OWNER_OTHER };
static const struct xt_opt owner_opts[] = {
	XT_OPT(OWNER_UID, "uid-owner"), XT_OPT(OWNER_GID, "gid-owner"), XT_FLAG(OWNER_EXISTS, "socket-exists"),
	XT_FLAG(OWNER_GROUPS, "suppl-groups"), XT_OPT(OWNER_OTHER, "pid-owner"), XT_OPT(OWNER_OTHER, "sid-owner"),
	XT_OPT(OWNER_OTHER, "cmd-owner"),
};
/* A condition for each option: they hold together, each negated by itself. */
static int emit_owner(struct xt_reader *x, const struct xt_inst *m)
{
	static const char *const names[] = { "uid-owner", "gid-owner", "socket-exists" };

	for (unsigned id = OWNER_UID; id <= OWNER_EXISTS; id++) {
		struct rs_cond c = { .field = FIELD_OWNER, .op = OP_TEXT, .negate = negated(m, id) };
		const struct xt_word *w = &m->v[id][0];

		if (!seen(m, id))
			continue;
		c.u.text = arena_printf(&x->rs->arena, "%s--%s%s%.*s", c.negate ? "! " : "", names[id],
					id == OWNER_EXISTS ? "" : " ", id == OWNER_EXISTS ? 0 : (int)MIN(w->len, 255u),
					id == OWNER_EXISTS ? "" : w->s);
		if (!c.u.text || xt_add_cond(x, c) < 0)
			return -ENOMEM;
	}
	return seen(m, OWNER_OTHER) || !m->seen || m->again ? SD_EPARSE : 0;
}

enum { HELPER };
static const struct xt_opt helper_opts[] = { XT_OPT(HELPER, "helper") };
static int emit_helper(struct xt_reader *x, const struct xt_inst *m)
{
	return m->again || !m->seen ? SD_EPARSE : emit_above(x, m, negated(m, HELPER));
}

enum { BYTES_RANGE, BYTES_DIR, BYTES_MODE };
static const struct xt_opt connbytes_opts[] = {
	XT_OPT(BYTES_RANGE, "connbytes"), XT_OPT(BYTES_DIR, "connbytes-dir"), XT_OPT(BYTES_MODE, "connbytes-mode"),
};
/* The first packet is counted already, and it is the only one: net/netfilter/xt_connbytes.c, nf_conntrack_in(). */
static int emit_connbytes(struct xt_reader *x, const struct xt_inst *m)
{
	const struct xt_word *w = &m->v[BYTES_RANGE][0];
	const char *colon = memchr(w->s, ':', w->len);
	uint64_t from, to = UINT64_MAX, least = 28, most = 65575;
	size_t len = colon ? (size_t)(colon - w->s) : w->len;

	if (m->seen != 7 || m->again || xt_u64(w->s, len, &from) < 0)
		return SD_EPARSE;
	if (!colon)
		to = from;
	else if (w->len - len > 1 && xt_u64(colon + 1, w->len - len - 1, &to) < 0)
		return SD_EPARSE;
	if (xt_word_is(&m->v[BYTES_DIR][0], "reply"))
		least = most = 0;
	else if (xt_word_is(&m->v[BYTES_MODE][0], "packets"))
		least = most = 1;
	if (from <= least && most <= to)
		return emit_above(x, m, negated(m, BYTES_RANGE));
	if (to < least || from > most)
		return emit_above(x, m, !negated(m, BYTES_RANGE));
	return SD_EPARSE;
}

/* ---- ports and the headers of transport protocols ---- */

static int emit_port(struct xt_reader *x, const struct xt_inst *m, unsigned id, enum rs_field field)
{
	struct rs_u32_range r;

	if (!seen(m, id))
		return 0;
	if (m->v[id][0].quoted || xt_range(m->v[id][0].s, m->v[id][0].len, 65535, &r) < 0)
		return SD_EPARSE;
	return xt_add_range(x, field, negated(m, id), r.lo, r.hi);
}

enum { SPORT, DPORT, TCP_FLAGS, TCP_SYN, TCP_OPTION, CHUNKS = TCP_FLAGS, DCCP_TYPES = TCP_FLAGS, DCCP_OPTION };
#define PORT_OPTS                                                                          \
	XT_OPT(DPORT, "dport"), XT_OPT(SPORT, "sport"), XT_OPT(DPORT, "destination-port"), \
		XT_OPT(SPORT, "source-port")
static const struct xt_opt tcp_opts[] = {
	PORT_OPTS, XT_OPT2(TCP_FLAGS, "tcp-flags"), XT_FLAG(TCP_SYN, "syn"), XT_OPT(TCP_OPTION, "tcp-option"),
};
static const struct xt_opt udp_opts[] = { PORT_OPTS };
static const struct xt_opt sctp_opts[] = { PORT_OPTS, XT_OPT2(CHUNKS, "chunk-types") };
static const struct xt_opt dccp_opts[] = {
	PORT_OPTS, XT_OPT(DCCP_TYPES, "dccp-types"), XT_OPT(DCCP_OPTION, "dccp-option"),
};

static int emit_ports(struct xt_reader *x, const struct xt_inst *m)
{
	int r;

	if (m->again)
		return SD_EPARSE;
	r = emit_port(x, m, SPORT, FIELD_SPORT);
	return r < 0 ? r : emit_port(x, m, DPORT, FIELD_DPORT);
}

struct bit_name {
	const char *name;
	uint32_t bit;
};

/* The bits of a list of names, 0 for "NONE"; SD_EPARSE for a name that is not in @names. */
static int name_bits(const struct xt_word *w, const struct bit_name *names, size_t nnames, uint32_t *ret)
{
	const char *s = w->s, *item;
	uint32_t bits = 0;
	size_t len;

	while (xt_list_item(&s, w->s + w->len, &item, &len)) {
		size_t i = 0;

		while (i < nnames && !(strlen(names[i].name) == len && strncasecmp(names[i].name, item, len) == 0))
			i++;
		if (i == nnames)
			return SD_EPARSE;
		bits |= names[i].bit;
	}
	*ret = bits;
	return 0;
}

static int emit_tcp(struct xt_reader *x, const struct xt_inst *m)
{
	static const struct bit_name flags[] = {
		{ "FIN", 1 }, { "SYN", 2 }, { "RST", 4 }, { "PSH", 8 }, { "ACK", 16 }, { "URG", 32 }, { "ECE", 64 },
		{ "CWR", 128 }, { "ALL", 63 }, { "NONE", 0 },
	};
	struct rs_cond c = { .field = FIELD_TCP_FLAGS, .op = OP_MASK };
	uint32_t v;
	int r = emit_ports(x, m);

	if (r == 0 && seen(m, TCP_SYN)) {
		c.negate = negated(m, TCP_SYN);
		c.u.bits.mask = 0x17;
		c.u.bits.value = 0x02;
		r = xt_add_cond(x, c);
	}
	if (r == 0 && seen(m, TCP_FLAGS)) {
		c.negate = negated(m, TCP_FLAGS);
		if (name_bits(&m->v[TCP_FLAGS][0], flags, ARRAY_LEN(flags), &c.u.bits.mask) < 0 ||
		    name_bits(&m->v[TCP_FLAGS][1], flags, ARRAY_LEN(flags), &c.u.bits.value) < 0)
			return SD_EPARSE;
		r = xt_add_cond(x, c);
	}
	if (r == 0 && seen(m, TCP_OPTION)) {
		if (xt_uint(m->v[TCP_OPTION][0].s, m->v[TCP_OPTION][0].len, 255, &v) < 0)
			return SD_EPARSE;
		r = xt_add_range(x, FIELD_TCP_OPTION, negated(m, TCP_OPTION), v, v);
	}
	return r;
}

/* SCTP chunks and DCCP types: decided by a header that is not modelled. */
static int emit_ports_text(struct xt_reader *x, const struct xt_inst *m)
{
	int r = emit_ports(x, m);

	return r < 0 || !(m->seen >> TCP_FLAGS) ? r : xt_add_text(x, FIELD_EXTHDR, false, m->start, m->end);
}

enum { MULTI_S, MULTI_D, MULTI_ANY };
static const struct xt_opt multiport_opts[] = {
	XT_OPT(MULTI_D, "dports"), XT_OPT(MULTI_S, "sports"), XT_OPT(MULTI_ANY, "ports"),
	XT_OPT(MULTI_D, "destination-ports"), XT_OPT(MULTI_S, "source-ports"), XT_OPT(MULTI_D, "dport"),
	XT_OPT(MULTI_S, "sport"), XT_OPT(MULTI_ANY, "port"),
};

static int port_list(struct xt_reader *x, enum rs_field field, bool negate, const struct xt_word *w)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = OP_LIST, .negate = negate };
	const char *s = w->s, *end = w->s + w->len, *item;
	struct rs_list *list;
	size_t len, n = 1;

	for (const char *p = s; p < end; p++)
		n += *p == ',';
	list = arena_alloc(&x->rs->arena, sizeof(*list) + n * sizeof(list->v[0]));
	if (!list)
		return -ENOMEM;
	while (list->len < n && xt_list_item(&s, end, &item, &len))
		if (len == 0 || xt_range(item, len, 65535, &list->v[list->len++]) < 0)
			return SD_EPARSE;
	if (list->len == 1)
		return xt_add_range(x, field, negate, list->v[0].lo, list->v[0].hi);
	c.u.list = list;
	return xt_add_cond(x, c);
}

static int emit_multiport(struct xt_reader *x, const struct xt_inst *m)
{
	static const enum rs_field fields[] = { FIELD_SPORT, FIELD_DPORT, FIELD_PORT };

	for (unsigned id = MULTI_S; id <= MULTI_ANY; id++)
		if (m->seen == 1u << id && !m->again)
			return port_list(x, fields[id], negated(m, id), &m->v[id][0]);
	return SD_EPARSE;
}

enum { ICMP_TYPE };
static const struct xt_opt icmp_opts[] = { XT_OPT(ICMP_TYPE, "icmp-type"), XT_OPT(ICMP_TYPE, "icmpv6-type") };
static int emit_icmp(struct xt_reader *x, const struct xt_inst *m)
{
	struct rs_u32_range r;

	if (m->again || (x->ip6 && !m->seen))
		return SD_EPARSE;
	if (!m->seen)
		return 0;
	if (xt_icmp_type(&m->v[ICMP_TYPE][0], x->ip6, &r) < 0)
		return SD_EPARSE;
	return xt_add_range(x, FIELD_ICMP, negated(m, ICMP_TYPE), r.lo, r.hi);
}

/* ---- addresses, interfaces ---- */

enum { RANGE_SRC, RANGE_DST };
static const struct xt_opt iprange_opts[] = { XT_OPT(RANGE_SRC, "src-range"), XT_OPT(RANGE_DST, "dst-range") };

static int addr_range(struct xt_reader *x, enum rs_field field, bool negate, const struct xt_word *w)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = OP_ADDR_RANGE, .negate = negate };
	struct rs_addr_range *r = arena_new(&x->rs->arena, struct rs_addr_range);
	const char *dash = memchr(w->s, '-', w->len);
	size_t n = dash ? (size_t)(dash - w->s) : w->len;

	if (!r)
		return -ENOMEM;
	if (xtables_addr(w->s, n, x->ip6, &r->lo) < 0)
		return SD_EPARSE;
	r->hi = r->lo;
	if (dash && xtables_addr(dash + 1, w->len - n - 1, x->ip6, &r->hi) < 0)
		return SD_EPARSE;
	c.u.addr_range = r;
	return xt_add_cond(x, c);
}

static int emit_iprange(struct xt_reader *x, const struct xt_inst *m)
{
	int r = m->again || !m->seen ? SD_EPARSE : 0;

	if (r == 0 && seen(m, RANGE_SRC))
		r = addr_range(x, FIELD_SADDR, negated(m, RANGE_SRC), &m->v[RANGE_SRC][0]);
	if (r == 0 && seen(m, RANGE_DST))
		r = addr_range(x, FIELD_DADDR, negated(m, RANGE_DST), &m->v[RANGE_DST][0]);
	return r;
}

enum { AT_SRC, AT_DST, AT_IN, AT_OUT };
static const struct xt_opt addrtype_opts[] = {
	XT_OPT(AT_DST, "dst-type"), XT_OPT(AT_SRC, "src-type"), XT_FLAG(AT_IN, "limit-iface-in"),
	XT_FLAG(AT_OUT, "limit-iface-out"),
};
static int emit_addrtype(struct xt_reader *x, const struct xt_inst *m)
{
	static const struct bit_name types[] = {
		{ "LOCAL", ADDRTYPE_LOCAL }, { "UNSPEC", ADDRTYPE_UNSPEC }, { "UNICAST", ADDRTYPE_UNICAST },
		{ "BROADCAST", ADDRTYPE_BROADCAST }, { "ANYCAST", ADDRTYPE_ANYCAST },
		{ "MULTICAST", ADDRTYPE_MULTICAST }, { "BLACKHOLE", ADDRTYPE_BLACKHOLE },
		{ "UNREACHABLE", ADDRTYPE_UNREACHABLE }, { "PROHIBIT", ADDRTYPE_PROHIBIT },
		{ "THROW", ADDRTYPE_THROW }, { "NAT", 1u << 10 }, { "XRESOLVE", 1u << 11 },
	};
	static const enum rs_field fields[] = { FIELD_SADDR_TYPE, FIELD_DADDR_TYPE };
	uint8_t flags = (uint8_t)((seen(m, AT_IN) ? RS_LIMIT_IIF : 0) | (seen(m, AT_OUT) ? RS_LIMIT_OIF : 0));

	if (m->again || !(m->seen & 3) || flags == (RS_LIMIT_IIF | RS_LIMIT_OIF))
		return SD_EPARSE;
	for (unsigned id = AT_SRC; id <= AT_DST; id++) {
		struct rs_cond c = { .field = (uint8_t)fields[id], .op = OP_ANY, .negate = negated(m, id),
			.flags = flags };
		int r;

		if (!seen(m, id))
			continue;
		r = name_bits(&m->v[id][0], types, ARRAY_LEN(types), &c.u.bits.value);
		if (r == 0)
			r = xt_add_cond(x, c);
		if (r < 0)
			return r;
	}
	return 0;
}

enum { PHYS_IN, PHYS_OUT, PHYS_IS_IN, PHYS_IS_OUT, PHYS_BRIDGED };
static const struct xt_opt physdev_opts[] = {
	XT_OPT(PHYS_IN, "physdev-in"), XT_OPT(PHYS_OUT, "physdev-out"), XT_FLAG(PHYS_IS_IN, "physdev-is-in"),
	XT_FLAG(PHYS_IS_OUT, "physdev-is-out"), XT_FLAG(PHYS_BRIDGED, "physdev-is-bridged"),
};
static int emit_physdev(struct xt_reader *x, const struct xt_inst *m)
{
	static const enum rs_field fields[] = { FIELD_PHYSIN, FIELD_PHYSOUT, FIELD_PHYS_IS_IN, FIELD_PHYS_IS_OUT,
						FIELD_PHYS_BRIDGED };
	int r = m->again || !m->seen ? SD_EPARSE : 0;

	for (unsigned id = PHYS_IN; r == 0 && id <= PHYS_BRIDGED; id++) {
		if (!seen(m, id))
			continue;
		r = id <= PHYS_OUT ? xt_add_ifname(x, fields[id], negated(m, id), &m->v[id][0]) :
				     xt_add_range(x, fields[id], negated(m, id), 1, 1);
	}
	return r;
}

enum { SET_MATCH, SET_NOMATCH, SET_COUNTERS, SET_NO_EFFECT };
static const struct xt_opt set_opts[] = {
	XT_OPT2(SET_MATCH, "match-set"), XT_OPT2(SET_MATCH, "set"), XT_FLAG(SET_NOMATCH, "return-nomatch"),
	XT_FLAG(SET_NO_EFFECT, "update-counters"), XT_FLAG(SET_NO_EFFECT, "update-subcounters"),
	XT_OPT(SET_COUNTERS, "packets-eq"), XT_OPT(SET_COUNTERS, "packets-lt"), XT_OPT(SET_COUNTERS, "packets-gt"),
	XT_OPT(SET_COUNTERS, "bytes-eq"), XT_OPT(SET_COUNTERS, "bytes-lt"), XT_OPT(SET_COUNTERS, "bytes-gt"),
};

static int set_dirs(const struct xt_word *w, struct rs_set_ref *ref)
{
	const char *s = w->s, *item;
	size_t len;

	while (xt_list_item(&s, w->s + w->len, &item, &len)) {
		if (ref->nfields == ARRAY_LEN(ref->dst) || len != 3)
			return SD_EPARSE;
		if (memcmp(item, "dst", 3) == 0)
			ref->dst[ref->nfields++] = true;
		else if (memcmp(item, "src", 3) == 0)
			ref->nfields++;
		else
			return SD_EPARSE;
	}
	return 0;
}

int xt_set_ref(struct xt_reader *x, const struct xt_inst *m, unsigned id, struct rs_set_ref **ret)
{
	struct rs_set_ref *ref = arena_new(&x->rs->arena, struct rs_set_ref);

	if (!ref)
		return -ENOMEM;
	ref->name = xt_word_dup(x, &m->v[id][0]);
	ref->text = arena_strndup(&x->rs->arena, m->start, (size_t)(m->end - m->start));
	if (!ref->name || !ref->text)
		return -ENOMEM;
	if (set_dirs(&m->v[id][1], ref) < 0)
		return SD_EPARSE;
	x->rs->names_sets = true;
	*ret = ref;
	return 0;
}

/* Counters of an element are the past, and no part of a set's dump that is modelled: all of it is text then. */
static int emit_set(struct xt_reader *x, const struct xt_inst *m)
{
	struct rs_cond c = { .field = FIELD_SET, .op = OP_SET, .negate = negated(m, SET_MATCH) };
	struct rs_set_ref *ref;
	int r;

	if (!seen(m, SET_MATCH) || m->again & ~(1u << SET_NO_EFFECT | 1u << SET_COUNTERS))
		return SD_EPARSE;
	if (seen(m, SET_COUNTERS))
		return xt_add_text(x, FIELD_SET, false, m->start, m->end);
	r = xt_set_ref(x, m, SET_MATCH, &ref);
	if (r < 0)
		return r;
	ref->return_nomatch = seen(m, SET_NOMATCH);
	c.u.set = ref;
	return xt_add_cond(x, c);
}

/* ---- marks, connections ---- */

enum { MARK };
static const struct xt_opt mark_opts[] = { XT_OPT(MARK, "mark") };
static int emit_mark(struct xt_reader *x, const struct xt_inst *m)
{
	struct rs_cond c = { .field = m->ext->field, .op = OP_MASK, .negate = negated(m, MARK) };

	if (m->seen != 1u << MARK || m->again || xt_mark(&m->v[MARK][0], &c.u.bits.value, &c.u.bits.mask) < 0)
		return SD_EPARSE;
	return xt_add_cond(x, c);
}

enum {
	CT_STATE, CT_STATUS, CT_PROTO, CT_DIR, CT_EXPIRE,
	CT_ORIGSRC, CT_ORIGDST, CT_REPLSRC, CT_REPLDST,
	CT_ORIGSPORT, CT_ORIGDPORT, CT_REPLSPORT, CT_REPLDPORT,
};
static const struct xt_opt conntrack_opts[] = {
	XT_OPT(CT_STATE, "ctstate"), XT_OPT(CT_STATUS, "ctstatus"), XT_OPT(CT_PROTO, "ctproto"),
	XT_OPT(CT_DIR, "ctdir"),
	XT_OPT(CT_EXPIRE, "ctexpire"), XT_OPT(CT_ORIGSRC, "ctorigsrc"), XT_OPT(CT_ORIGDST, "ctorigdst"),
	XT_OPT(CT_REPLSRC, "ctreplsrc"), XT_OPT(CT_REPLDST, "ctrepldst"), XT_OPT(CT_ORIGSPORT, "ctorigsrcport"),
	XT_OPT(CT_ORIGDPORT, "ctorigdstport"), XT_OPT(CT_REPLSPORT, "ctreplsrcport"),
	XT_OPT(CT_REPLDPORT, "ctrepldstport"),
};
static const struct xt_opt state_opts[] = { XT_OPT(CT_STATE, "state") };

static int emit_ct_state(struct xt_reader *x, const struct xt_inst *m)
{
	static const struct bit_name states[] = {
		{ "RELATED", CTSTATE_RELATED }, { "ESTABLISHED", CTSTATE_ESTABLISHED }, { "NEW", CTSTATE_NEW },
		{ "INVALID", CTSTATE_INVALID }, { "UNTRACKED", CTSTATE_UNTRACKED }, { "SNAT", CTSTATE_SNAT },
		{ "DNAT", CTSTATE_DNAT },
	};
	struct rs_cond c = { .field = FIELD_CT_STATE, .op = OP_ANY, .negate = negated(m, CT_STATE) };

	if (name_bits(&m->v[CT_STATE][0], states, ARRAY_LEN(states), &c.u.bits.value) < 0)
		return SD_EPARSE;
	return xt_add_cond(x, c);
}

/* NONE is the empty mask, and so never true by itself: net/netfilter/xt_conntrack.c tests mask & status. */
static int emit_ct_status(struct xt_reader *x, const struct xt_inst *m)
{
	static const struct bit_name names[] = {
		{ "NONE", 0 }, { "EXPECTED", CTSTATUS_EXPECTED }, { "SEEN_REPLY", CTSTATUS_SEEN_REPLY },
		{ "ASSURED", CTSTATUS_ASSURED }, { "CONFIRMED", CTSTATUS_CONFIRMED },
	};
	struct rs_cond c = { .field = FIELD_CT_STATUS, .op = OP_ANY, .negate = negated(m, CT_STATUS) };

	if (name_bits(&m->v[CT_STATUS][0], names, ARRAY_LEN(names), &c.u.bits.value) < 0)
		return SD_EPARSE;
	if (c.u.bits.value == 0 && !c.negate)
		c = (struct rs_cond){ .field = FIELD_FALSE };
	return xt_add_cond(x, c);
}

static int emit_ct_dir(struct xt_reader *x, const struct xt_inst *m)
{
	static const struct bit_name dirs[] = { { "ORIGINAL", 0 }, { "REPLY", 1 } };
	uint32_t dir;

	if (name_bits(&m->v[CT_DIR][0], dirs, ARRAY_LEN(dirs), &dir) < 0)
		return SD_EPARSE;
	return xt_add_range(x, FIELD_CT_DIR, negated(m, CT_DIR), dir, dir);
}

static int emit_ct_tuple(struct xt_reader *x, const struct xt_inst *m)
{
	static const enum rs_field addrs[] = { FIELD_CT_ORIG_SADDR, FIELD_CT_ORIG_DADDR, FIELD_CT_REPL_SADDR,
					       FIELD_CT_REPL_DADDR };
	static const enum rs_field ports[] = { FIELD_CT_ORIG_SPORT, FIELD_CT_ORIG_DPORT, FIELD_CT_REPL_SPORT,
					       FIELD_CT_REPL_DPORT };
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 4; i++) {
		unsigned id = CT_ORIGSRC + i;

		if (seen(m, id))
			r = xt_add_addr(x, addrs[i], negated(m, id), &m->v[id][0], true);
		if (r == 0)
			r = emit_port(x, m, CT_ORIGSPORT + i, ports[i]);
	}
	return r;
}

static int emit_ct_rest(struct xt_reader *x, const struct xt_inst *m)
{
	struct rs_u32_range range;
	uint8_t proto;
	int r = 0;

	if (seen(m, CT_STATUS))
		r = emit_ct_status(x, m);
	if (r == 0 && seen(m, CT_PROTO)) {
		r = xt_proto(&m->v[CT_PROTO][0], &proto);
		if (r == 0)
			r = xt_add_range(x, FIELD_CT_PROTO, negated(m, CT_PROTO), proto, proto);
	}
	if (r == 0 && seen(m, CT_DIR))
		r = emit_ct_dir(x, m);
	if (r == 0 && seen(m, CT_EXPIRE)) {
		r = xt_range(m->v[CT_EXPIRE][0].s, m->v[CT_EXPIRE][0].len, UINT32_MAX, &range);
		if (r == 0)
			r = xt_add_range(x, FIELD_CT_EXPIRE, negated(m, CT_EXPIRE), range.lo, range.hi);
	}
	return r == 0 ? emit_ct_tuple(x, m) : r;
}

static int emit_conntrack(struct xt_reader *x, const struct xt_inst *m)
{
	int r = m->again || !m->seen ? SD_EPARSE : 0;
	size_t first;

	if (r == 0 && seen(m, CT_STATE))
		r = emit_ct_state(x, m);
	if (r < 0 || m->seen == 1u << CT_STATE)
		return r;
	first = x->conds.len;
	r = emit_ct_rest(x, m);
	for (size_t i = first; seen(m, CT_STATE) && i < x->conds.len; i++)
		x->conds.v[i].flags |= RS_WITH_STATE;
	return r;
}

/* ---- headers of IPv6 ---- */

enum { HEADER, HEADER_SOFT };
static const struct xt_opt ipv6header_opts[] = { XT_OPT(HEADER, "header"), XT_FLAG(HEADER_SOFT, "soft") };
/*
 * Of a packet without extension headers, which has "prot" and nothing else. Hard: exactly these are there, or not exactly
 * these. Soft: these are there; negated, none of them is. net/ipv6/netfilter/ip6t_ipv6header.c
 */
static int emit_ipv6header(struct xt_reader *x, const struct xt_inst *m)
{
	static const struct bit_name names[] = {
		{ "prot", 1 }, { "protocol", 1 }, { "none", 2 }, { "frag", 4 }, { "ipv6-frag", 4 }, { "route", 8 }, { "ipv6-route", 8 },
		{ "auth", 16 }, { "ah", 16 }, { "esp", 32 }, { "dst", 64 }, { "ipv6-opts", 64 }, { "hop", 128 },
		{ "hop-by-hop", 128 }, { "ipv6-nonxt", 2 },
	};
	bool soft = seen(m, HEADER_SOFT), neg = negated(m, HEADER), v;
	uint32_t bits;

	if (!seen(m, HEADER) || m->again || name_bits(&m->v[HEADER][0], names, ARRAY_LEN(names), &bits) < 0)
		return SD_EPARSE;
	v = soft && neg ? !(bits & 1) : (bits == 1) != neg;
	return xt_add_text(x, FIELD_EXTHDR, v, m->start, m->end);
}

/* ---- chance, memory ---- */

enum { STAT_MODE, STAT_PROB, STAT_EVERY, STAT_PACKET };
static const struct xt_opt statistic_opts[] = {
	XT_OPT(STAT_MODE, "mode"), XT_OPT(STAT_PROB, "probability"), XT_OPT(STAT_EVERY, "every"),
	XT_OPT(STAT_PACKET, "packet"),
};

/* "0.33333333349" as a fraction of 2^31, rounded as iptables rounds it: the dump's 11 digits give the number back. */
static int probability(const struct xt_word *w, uint32_t *ret)
{
	double v = 0, scale = 1;
	bool fraction = false, digits = false;

	for (uint32_t i = 0; i < w->len; i++) {
		unsigned d = (unsigned)(w->s[i] - '0');

		if (w->s[i] == '.' && !fraction) {
			fraction = true;
		} else if (d <= 9) {
			digits = true;
			if (scale >= 1e15)
				continue;
			v = v * 10 + d;
			if (fraction)
				scale *= 10;
			if (v > 1e15)
				return SD_EPARSE;
		} else {
			return SD_EPARSE;
		}
	}
	if (!digits || v > scale)
		return SD_EPARSE;
	*ret = (uint32_t)(v / scale * 2147483648.0 + 0.5);
	return 0;
}

static int emit_statistic(struct xt_reader *x, const struct xt_inst *m)
{
	uint32_t v;

	if (m->again || !seen(m, STAT_MODE))
		return SD_EPARSE;
	if (xt_word_is(&m->v[STAT_MODE][0], "random") && seen(m, STAT_PROB) &&
	    probability(&m->v[STAT_PROB][0], &v) == 0)
		return xt_add_range(x, FIELD_RANDOM, negated(m, STAT_PROB), v, v);
	if (xt_word_is(&m->v[STAT_MODE][0], "nth") && seen(m, STAT_EVERY) &&
	    xt_uint(m->v[STAT_EVERY][0].s, m->v[STAT_EVERY][0].len, UINT32_MAX, &v) == 0 && v > 0)
		return xt_add_range(x, FIELD_NTH, negated(m, STAT_EVERY), v, v);
	return SD_EPARSE;
}

enum { REC_SET, REC_CHECK, REC_UPDATE, REC_REMOVE, REC_NAME, REC_SRC, REC_DST, REC_OTHER };
static const struct xt_opt recent_opts[] = {
	XT_FLAG(REC_SET, "set"), XT_FLAG(REC_CHECK, "rcheck"), XT_FLAG(REC_UPDATE, "update"),
	XT_FLAG(REC_REMOVE, "remove"),
	XT_OPT(REC_NAME, "name"), XT_FLAG(REC_SRC, "rsource"), XT_FLAG(REC_DST, "rdest"), XT_OPT(REC_OTHER, "mask"),
	XT_OPT(REC_OTHER, "seconds"), XT_OPT(REC_OTHER, "hitcount"), XT_FLAG(REC_OTHER, "rttl"),
	XT_FLAG(REC_OTHER, "reap"),
};
static int emit_recent(struct xt_reader *x, const struct xt_inst *m)
{
	uint32_t verbs = m->seen & (1u << REC_SET | 1u << REC_CHECK | 1u << REC_UPDATE | 1u << REC_REMOVE);
	struct rs_cond c = { .field = FIELD_RECENT, .op = OP_RECENT, .negate = (m->negated & verbs) != 0 };
	struct rs_recent *rec;

	if (m->again & ~(1u << REC_OTHER) || !verbs || (verbs & (verbs - 1)))
		return SD_EPARSE;
	rec = arena_new(&x->rs->arena, struct rs_recent);
	if (!rec)
		return -ENOMEM;
	rec->name = seen(m, REC_NAME) ? xt_word_dup(x, &m->v[REC_NAME][0]) : "DEFAULT";
	rec->text = arena_strndup(&x->rs->arena, m->start, (size_t)(m->end - m->start));
	if (!rec->name || !rec->text)
		return -ENOMEM;
	rec->update = seen(m, REC_UPDATE);
	rec->remove = seen(m, REC_REMOVE);
	rec->by_dest = seen(m, REC_DST);
	if (seen(m, REC_SET))
		c.field = FIELD_RECENT_SET;
	c.u.recent = rec;
	return xt_add_cond(x, c);
}

/* ---- options of the matches that stay text ---- */

static const struct xt_opt comment_opts[] = { XT_OPT(0, "comment") };
static const struct xt_opt nfacct_opts[] = { XT_OPT(0, "nfacct-name") };
static const struct xt_opt limit_opts[] = { XT_OPT(0, "limit"), XT_OPT(0, "limit-burst") };
static const struct xt_opt connlabel_opts[] = { XT_OPT(0, "label"), XT_FLAG(0, "set") };
static const struct xt_opt length_opts[] = { XT_OPT(0, "length") };
static const struct xt_opt ttl_opts[] = {
	XT_OPT(0, "ttl-eq"), XT_OPT(0, "ttl-lt"), XT_OPT(0, "ttl-gt"), XT_OPT(0, "ttl"),
};
static const struct xt_opt hl_opts[] = {
	XT_OPT(0, "hl-eq"), XT_OPT(0, "hl-lt"), XT_OPT(0, "hl-gt"), XT_OPT(0, "hl"),
};
static const struct xt_opt tos_opts[] = { XT_OPT(0, "tos") };
static const struct xt_opt dscp_opts[] = { XT_OPT(0, "dscp"), XT_OPT(0, "dscp-class") };
static const struct xt_opt ecn_opts[] = {
	XT_FLAG(0, "ecn-tcp-cwr"), XT_FLAG(0, "ecn-tcp-ece"), XT_OPT(0, "ecn-ip-ect"),
};
static const struct xt_opt mac_opts[] = { XT_OPT(0, "mac-source") };
static const struct xt_opt pkttype_opts[] = { XT_OPT(0, "pkt-type") };
static const struct xt_opt cgroup_opts[] = { XT_OPT(0, "path"), XT_OPT(0, "cgroup") };
static const struct xt_opt socket_opts[] = {
	XT_FLAG(0, "transparent"), XT_FLAG(0, "nowildcard"), XT_FLAG(0, "restore-skmark"),
};
static const struct xt_opt policy_opts[] = {
	XT_OPT(0, "dir"), XT_OPT(0, "pol"), XT_FLAG(0, "strict"), XT_OPT(0, "reqid"), XT_OPT(0, "spi"),
	XT_OPT(0, "proto"),
	XT_OPT(0, "mode"), XT_OPT(0, "tunnel-src"), XT_OPT(0, "tunnel-dst"), XT_FLAG(0, "next"),
};
static const struct xt_opt realm_opts[] = { XT_OPT(0, "realm") };
static const struct xt_opt time_opts[] = {
	XT_OPT(0, "timestart"), XT_OPT(0, "timestop"), XT_OPT(0, "datestart"), XT_OPT(0, "datestop"),
	XT_OPT(0, "weekdays"),
	XT_OPT(0, "days"), XT_OPT(0, "monthdays"), XT_FLAG(0, "kerneltz"), XT_FLAG(0, "contiguous"), XT_FLAG(0, "utc"),
	XT_FLAG(0, "localtz"),
};
static const struct xt_opt string_opts[] = {
	XT_OPT(0, "string"), XT_OPT(0, "hex-string"), XT_OPT(0, "algo"), XT_OPT(0, "from"), XT_OPT(0, "to"),
	XT_FLAG(0, "icase"),
};
static const struct xt_opt u32_opts[] = { XT_OPT(0, "u32") };
static const struct xt_opt bpf_opts[] = { XT_OPT(0, "bytecode"), XT_OPT(0, "object-pinned") };
static const struct xt_opt tcpmss_opts[] = { XT_OPT(0, "mss") };
static const struct xt_opt cpu_opts[] = { XT_OPT(0, "cpu") };
static const struct xt_opt devgroup_opts[] = { XT_OPT(0, "src-group"), XT_OPT(0, "dst-group") };
static const struct xt_opt esp_opts[] = { XT_OPT(0, "espspi") };
static const struct xt_opt ah_opts[] = { XT_OPT(0, "ahspi"), XT_OPT(0, "ahlen"), XT_FLAG(0, "ahres") };
static const struct xt_opt ipcomp_opts[] = { XT_OPT(0, "ipcompspi"), XT_FLAG(0, "compres") };
static const struct xt_opt frag_opts[] = {
	XT_OPT(0, "fragid"), XT_OPT(0, "fraglen"), XT_FLAG(0, "fragres"), XT_FLAG(0, "fragfirst"),
	XT_FLAG(0, "fragmore"),
	XT_FLAG(0, "fraglast"),
};
static const struct xt_opt rt_opts[] = {
	XT_OPT(0, "rt-type"), XT_OPT(0, "rt-segsleft"), XT_OPT(0, "rt-len"), XT_FLAG(0, "rt-0-res"),
	XT_OPT(0, "rt-0-addrs"),
	XT_FLAG(0, "rt-0-not-strict"),
};
static const struct xt_opt dst_opts[] = {
	XT_OPT(0, "dst-len"), XT_OPT(0, "dst-opts"), XT_FLAG(0, "dst-not-strict"),
};
static const struct xt_opt hbh_opts[] = {
	XT_OPT(0, "hbh-len"), XT_OPT(0, "hbh-opts"), XT_FLAG(0, "hbh-not-strict"),
};
static const struct xt_opt mh_opts[] = { XT_OPT(0, "mh-type") };
static const struct xt_opt srh_opts[] = {
	XT_OPT(0, "srh-next-hdr"), XT_OPT(0, "srh-hdr-len-eq"), XT_OPT(0, "srh-hdr-len-gt"),
	XT_OPT(0, "srh-hdr-len-lt"),
	XT_OPT(0, "srh-segs-left-eq"), XT_OPT(0, "srh-segs-left-gt"), XT_OPT(0, "srh-segs-left-lt"),
	XT_OPT(0, "srh-last-entry-eq"), XT_OPT(0, "srh-last-entry-gt"), XT_OPT(0, "srh-last-entry-lt"),
	XT_OPT(0, "srh-tag"), XT_OPT(0, "srh-psid"), XT_OPT(0, "srh-nsid"), XT_OPT(0, "srh-lsid"),
};
/* Known, so that their options are not taken for those of others; what they ask has no field. */
static const struct xt_opt cluster_opts[] = {
	XT_OPT(0, "cluster-total-nodes"), XT_OPT(0, "cluster-local-node"), XT_OPT(0, "cluster-local-nodemask"),
	XT_OPT(0, "cluster-hash-seed"),
};
static const struct xt_opt l2tp_opts[] = {
	XT_OPT(0, "tid"), XT_OPT(0, "sid"), XT_OPT(0, "pversion"), XT_OPT(0, "type"),
};
static const struct xt_opt osf_opts[] = { XT_OPT(0, "genre"), XT_OPT(0, "ttl"), XT_OPT(0, "log") };
static const struct xt_opt rateest_opts[] = {
	XT_OPT(0, "rateest"), XT_OPT(0, "rateest1"), XT_OPT(0, "rateest2"), XT_FLAG(0, "rateest-delta"),
	XT_FLAG(0, "rateest-lt"), XT_FLAG(0, "rateest-gt"), XT_FLAG(0, "rateest-eq"), XT_OPT(0, "rateest-bps"),
	XT_OPT(0, "rateest-pps"), XT_OPT(0, "rateest-bps1"), XT_OPT(0, "rateest-pps1"), XT_OPT(0, "rateest-bps2"),
	XT_OPT(0, "rateest-pps2"),
};

/* IPv6 looks for the header itself, and does not match without one. */
static int emit_ah(struct xt_reader *x, const struct xt_inst *m)
{
	return xt_add_text(x, x->ip6 ? FIELD_EXTHDR : FIELD_ESP, false, m->start, m->end);
}

/* ---- the table: by first letter, the frequent ones first ---- */

#define ROW(name, opts, field, emit) { name, sizeof(name) - 1, ARRAY_LEN(opts), field, 0, opts, emit }
#define ROW_RAW(name, opts, field, emit) \
	{ name, sizeof(name) - 1, ARRAY_LEN(opts), field, XT_VALUE_MAY_BE_BANG, opts, emit }
#define TEXT(name, opts, field) ROW(name, opts, field, emit_text)

static const struct xt_ext matches[] = {
	ROW("addrtype", addrtype_opts, 0, emit_addrtype),
	ROW("ah", ah_opts, FIELD_ESP, emit_ah),
	TEXT("bpf", bpf_opts, FIELD_BPF),
	ROW_RAW("comment", comment_opts, 0, emit_nothing),
	ROW("conntrack", conntrack_opts, 0, emit_conntrack),
	ROW("connmark", mark_opts, FIELD_CT_MARK, emit_mark),
	ROW("connlimit", connlimit_opts, FIELD_CONNLIMIT, emit_connlimit),
	ROW("connbytes", connbytes_opts, FIELD_CONNBYTES, emit_connbytes),
	TEXT("connlabel", connlabel_opts, FIELD_CT_LABEL),
	TEXT("cgroup", cgroup_opts, FIELD_CGROUP),
	TEXT("cluster", cluster_opts, FIELD_OPAQUE),
	TEXT("cpu", cpu_opts, FIELD_CPU),
	ROW("dccp", dccp_opts, 0, emit_ports_text),
	TEXT("devgroup", devgroup_opts, FIELD_DEVGROUP),
	TEXT("dscp", dscp_opts, FIELD_DSCP),
	TEXT("dst", dst_opts, FIELD_EXTHDR),
	TEXT("ecn", ecn_opts, FIELD_ECN),
	TEXT("esp", esp_opts, FIELD_ESP),
	{ "eui64", 5, 0, FIELD_MAC, 0, NULL, emit_text },
	TEXT("frag", frag_opts, FIELD_EXTHDR),
	ROW("hashlimit", hashlimit_opts, FIELD_HASHLIMIT, emit_hashlimit),
	ROW("helper", helper_opts, FIELD_HELPER, emit_helper),
	TEXT("hl", hl_opts, FIELD_TTL),
	TEXT("hbh", hbh_opts, FIELD_EXTHDR),
	ROW("icmp", icmp_opts, 0, emit_icmp),
	ROW("icmp6", icmp_opts, 0, emit_icmp),
	ROW("icmpv6", icmp_opts, 0, emit_icmp),
	ROW("ipv6-icmp", icmp_opts, 0, emit_icmp),
	ROW("iprange", iprange_opts, 0, emit_iprange),
	ROW("ipvs", xt_ipvs_opts, FIELD_IPVS, xt_emit_ipvs),
	ROW("ipv6header", ipv6header_opts, FIELD_EXTHDR, emit_ipv6header),
	TEXT("ipcomp", ipcomp_opts, FIELD_ESP),
	TEXT("l2tp", l2tp_opts, FIELD_OPAQUE),
	TEXT("limit", limit_opts, FIELD_LIMIT),
	TEXT("length", length_opts, FIELD_LENGTH),
	ROW("mark", mark_opts, FIELD_MARK, emit_mark),
	ROW("multiport", multiport_opts, 0, emit_multiport),
	TEXT("mac", mac_opts, FIELD_MAC),
	TEXT("mh", mh_opts, FIELD_EXTHDR),
	ROW_RAW("nfacct", nfacct_opts, 0, emit_nothing),
	ROW("owner", owner_opts, FIELD_OWNER, emit_owner),
	TEXT("osf", osf_opts, FIELD_OPAQUE),
	ROW("physdev", physdev_opts, 0, emit_physdev),
	TEXT("pkttype", pkttype_opts, FIELD_PKTTYPE),
	TEXT("policy", policy_opts, FIELD_POLICY),
	ROW("quota", quota_opts, FIELD_QUOTA, emit_quota),
	ROW("recent", recent_opts, 0, emit_recent),
	ROW("rpfilter", rpfilter_opts, FIELD_RPFILTER, emit_rpfilter),
	TEXT("realm", realm_opts, FIELD_REALM),
	TEXT("rateest", rateest_opts, FIELD_OPAQUE),
	TEXT("rt", rt_opts, FIELD_EXTHDR),
	ROW("set", set_opts, 0, emit_set),
	ROW("statistic", statistic_opts, 0, emit_statistic),
	ROW("state", state_opts, 0, emit_conntrack),
	ROW("sctp", sctp_opts, 0, emit_ports_text),
	TEXT("socket", socket_opts, FIELD_SOCKET),
	ROW_RAW("string", string_opts, FIELD_STRING, emit_text),
	TEXT("srh", srh_opts, FIELD_EXTHDR),
	ROW("tcp", tcp_opts, 0, emit_tcp),
	TEXT("ttl", ttl_opts, FIELD_TTL),
	TEXT("tos", tos_opts, FIELD_TOS),
	TEXT("tcpmss", tcpmss_opts, FIELD_TCPMSS),
	TEXT("time", time_opts, FIELD_TIME),
	ROW("udp", udp_opts, 0, emit_ports),
	ROW("udplite", udp_opts, 0, emit_ports),
	TEXT("u32", u32_opts, FIELD_U32),
};

const struct xt_ext xt_unknown_match = { "unknown", 7, 0, FIELD_OPAQUE, XT_ANY_OPTION, NULL, NULL };

void xt_index_exts(struct xt_first *f, const struct xt_ext *rows, size_t len)
{
	size_t i = 0;

	for (unsigned c = 0; c < 128; c++) {
		f->first[c] = (uint8_t)i;
		while (i < len && (unsigned char)rows[i].name[0] == c)
			i++;
	}
	f->first[128] = (uint8_t)i;
}

void xt_index_matches(struct xt_first *f)
{
	xt_index_exts(f, matches, ARRAY_LEN(matches));
}

const struct xt_ext *xt_find_match(const struct xt_reader *x, const char *name, size_t len)
{
	unsigned c = len ? (unsigned char)name[0] : 255;

	if (c > 127)
		return NULL;
	for (unsigned i = x->matches.first[c]; i < x->matches.first[c + 1]; i++)
		if (matches[i].len == len && memcmp(matches[i].name, name, len) == 0)
			return &matches[i];
	return NULL;
}
