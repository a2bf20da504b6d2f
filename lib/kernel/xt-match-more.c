/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoders of the matches that are rare: what they ask is the connection's, the socket's, the clock's. The structs are the kernel's
 * (include/uapi/linux/netfilter), the words those of extensions/libxt_*.c of iptables 1.8.9. Names that iptables looks up in files
 * (realms, groups of links, labels of connections) are left as numbers.
 */
#include "xt-private.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_cluster.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_ipvs.h>
#include <linux/netfilter/xt_osf.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_rateest.h>
#include <linux/netfilter/xt_realm.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_state.h>

#define UNUSED_ARGS ((void)c, (void)revision)

/* ---- programs ---- */

static bool bytecode(struct strbuf *b, const struct sock_filter *p, unsigned len)
{
	if (len == 0 || len > XT_BPF_MAX_NUM_INSTR)
		return false;
	strbuf_addf(b, " --bytecode \"%u", len);
	for (unsigned i = 0; i < len; i++)
		strbuf_addf(b, ",%u %u %u %u", p[i].code, p[i].jt, p[i].jf, p[i].k);
	strbuf_addc(b, '"');
	return true;
}

bool xt_m_bpf0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_bpf_info *m = data;

	UNUSED_ARGS;
	return bytecode(b, m->bpf_program, m->bpf_program_num_elem);
}

bool xt_m_bpf1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_bpf_info_v1 *m = data;

	UNUSED_ARGS;
	if (m->mode == XT_BPF_MODE_BYTECODE)
		return bytecode(b, m->bpf_program, m->bpf_program_num_elem);
	if (m->mode != XT_BPF_MODE_FD_PINNED)
		return false;
	XT_WORDS(b, " --object-pinned");
	xt_name(b, m->path, sizeof(m->path));
	return true;
}

/* ---- sockets and who owns them ---- */

static void cgroup_id(struct strbuf *b, uint32_t id, bool negated)
{
	xt_not(b, negated);
	xt_opt_dec(b, " --cgroup", id);
}

static void cgroup_path(struct strbuf *b, const char *path, size_t max, bool negated)
{
	xt_not(b, negated);
	XT_WORDS(b, " --path");
	xt_string(b, path, max);
}

bool xt_m_cgroup0(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_cgroup_info_v0 *m = data;

	UNUSED_ARGS;
	cgroup_id(b, m->id, m->invert);
	return true;
}

bool xt_m_cgroup1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_cgroup_info_v1 *m = data;

	UNUSED_ARGS;
	if (m->has_path)
		cgroup_path(b, m->path, sizeof(m->path), m->invert_path);
	if (m->has_classid)
		cgroup_id(b, m->classid, m->invert_classid);
	return m->has_path || m->has_classid;
}

bool xt_m_cgroup2(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_cgroup_info_v2 *m = data;

	UNUSED_ARGS;
	if (m->has_path)
		cgroup_path(b, m->path, sizeof(m->path), m->invert_path);
	else if (m->has_classid)
		cgroup_id(b, m->classid, m->invert_classid);
	return !m->has_path != !m->has_classid;
}

static void owner_range(struct strbuf *b, const char *option, uint32_t lo, uint32_t hi)
{
	xt_opt_dec(b, option, lo);
	if (lo == hi)
		return;
	strbuf_addc(b, '-');
	xt_dec(b, hi);
}

bool xt_m_owner(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_owner_match_info *m = data;

	UNUSED_ARGS;
	if (m->match & XT_OWNER_SOCKET) {
		xt_not(b, m->invert & XT_OWNER_SOCKET);
		XT_WORDS(b, " --socket-exists");
	}
	if (m->match & XT_OWNER_UID) {
		xt_not(b, m->invert & XT_OWNER_UID);
		owner_range(b, " --uid-owner", m->uid_min, m->uid_max);
	}
	if (m->match & XT_OWNER_GID) {
		xt_not(b, m->invert & XT_OWNER_GID);
		owner_range(b, " --gid-owner", m->gid_min, m->gid_max);
	}
	if (m->match & XT_OWNER_SUPPL_GROUPS)
		XT_WORDS(b, " --suppl-groups");
	return m->match != 0 && m->match < XT_OWNER_SUPPL_GROUPS * 2;
}

bool xt_m_socket(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	uint8_t flags = revision > 0 ? ((const struct xt_socket_mtinfo1 *)data)->flags : 0;

	(void)c;
	if (flags & XT_SOCKET_TRANSPARENT)
		XT_WORDS(b, " --transparent");
	if (flags & XT_SOCKET_NOWILDCARD)
		XT_WORDS(b, " --nowildcard");
	if (flags & XT_SOCKET_RESTORESKMARK)
		XT_WORDS(b, " --restore-skmark");
	return flags < XT_SOCKET_RESTORESKMARK * 2;
}

/* ---- connections ---- */

bool xt_m_state(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const struct {
		unsigned bit;
		const char *name;
	} states[] = {
		{ XT_STATE_INVALID, "INVALID" },
		{ XT_STATE_BIT(IP_CT_NEW), "NEW" },
		{ XT_STATE_BIT(IP_CT_RELATED), "RELATED" },
		{ XT_STATE_BIT(IP_CT_ESTABLISHED), "ESTABLISHED" },
		{ XT_STATE_UNTRACKED, "UNTRACKED" },
	};
	const struct xt_state_info *m = data;
	char sep = ' ';

	UNUSED_ARGS;
	XT_WORDS(b, " --state");
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (!(m->statemask & states[i].bit))
			continue;
		strbuf_addc(b, sep);
		strbuf_adds(b, states[i].name);
		sep = ',';
	}
	return sep == ',';
}

bool xt_m_helper(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_helper_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invert);
	XT_WORDS(b, " --helper");
	xt_string(b, m->name, sizeof(m->name));
	return true;
}

bool xt_m_connbytes(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const modes[] = { "packets", "bytes", "avgpkt" }, *const dirs[] = { "original", "reply", "both" };
	const struct xt_connbytes_info *m = data;
	uint64_t from = m->count.from, to = m->count.to;
	bool negated = from > to;

	UNUSED_ARGS;
	if (m->what >= ARRAY_LEN(modes) || m->direction >= ARRAY_LEN(dirs))
		return false;
	xt_not(b, negated);
	xt_opt_dec(b, " --connbytes", negated ? to : from);
	to = negated ? from : to;
	if (to && to < UINT64_MAX) {
		strbuf_addc(b, ':');
		xt_dec(b, to);
	}
	strbuf_addf(b, " --connbytes-mode %s --connbytes-dir %s", modes[m->what], dirs[m->direction]);
	return true;
}

bool xt_m_connlabel(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_connlabel_mtinfo *m = data;

	UNUSED_ARGS;
	xt_not(b, m->options & XT_CONNLABEL_OP_INVERT);
	strbuf_addf(b, " --label \"%u\"%s", m->bit, m->options & XT_CONNLABEL_OP_SET ? " --set" : "");
	return true;
}

bool xt_m_connlimit(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_connlimit_info *m = data;
	int len = xt_mask_length(c->ip6, &m->mask);

	if (len < 0)
		return false;
	xt_opt_dec(b, m->flags & XT_CONNLIMIT_INVERT ? " --connlimit-upto" : " --connlimit-above", m->limit);
	xt_opt_dec(b, " --connlimit-mask", (unsigned)len);
	if (revision > 0)
		strbuf_adds(b, m->flags & XT_CONNLIMIT_DADDR ? " --connlimit-daddr" : " --connlimit-saddr");
	return true;
}

static void ipvs_words(struct strbuf *b, bool ip6, const struct xt_ipvs_mtinfo *m)
{
	if (m->bitmask & XT_IPVS_PROTO) {
		xt_not(b, m->invert & XT_IPVS_PROTO);
		xt_opt_dec(b, " --vproto", m->l4proto);
	}
	if (m->bitmask & XT_IPVS_VADDR) {
		xt_not(b, m->invert & XT_IPVS_VADDR);
		XT_WORDS(b, " --vaddr ");
		xt_addr(b, ip6, &m->vaddr);
		xt_mask(b, ip6, &m->vmask, false);
	}
	if (m->bitmask & XT_IPVS_VPORT) {
		xt_not(b, m->invert & XT_IPVS_VPORT);
		xt_opt_dec(b, " --vport", ntohs(m->vport));
	}
	if (m->bitmask & XT_IPVS_DIR)
		strbuf_adds(b, m->invert & XT_IPVS_DIR ? " --vdir REPLY" : " --vdir ORIGINAL");
}

/* The method by number: linux/ip_vs.h, IP_VS_CONN_F_MASQ, TUNNEL, DROUTE. */
bool xt_m_ipvs(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const methods[] = { " --vmethod MASQ", NULL, " --vmethod IPIP", " --vmethod GATE" };
	const struct xt_ipvs_mtinfo *m = data;

	(void)revision;
	if (m->bitmask == XT_IPVS_IPVS_PROPERTY) {
		xt_not(b, m->invert & XT_IPVS_IPVS_PROPERTY);
		XT_WORDS(b, " --ipvs");
	}
	ipvs_words(b, c->ip6, m);
	if (m->bitmask & XT_IPVS_METHOD) {
		xt_not(b, m->invert & XT_IPVS_METHOD);
		if (m->fwd_method >= ARRAY_LEN(methods) || !methods[m->fwd_method])
			return false;
		strbuf_adds(b, methods[m->fwd_method]);
	}
	if (m->bitmask & XT_IPVS_VPORTCTL) {
		xt_not(b, m->invert & XT_IPVS_VPORTCTL);
		xt_opt_dec(b, " --vportctl", ntohs(m->vportctl));
	}
	return m->bitmask != 0 && m->bitmask <= XT_IPVS_MASK;
}

/* ---- limits ---- */

struct limit_words {
	uint64_t avg, burst;
	uint32_t mode, size, max, gc_interval, expire, interval;
	uint8_t srcmask, dstmask;
	const char *name;
	size_t name_max;
	uint64_t scale;
};

/* extensions/libxt_hashlimit.c, print_rate: the unit that loses least. How long an entry lives by default, in ms, follows from it. */
static uint32_t rate(struct strbuf *b, uint64_t avg, uint64_t scale)
{
	static const struct {
		const char *name;
		unsigned seconds;
	} units[] = { { "/day", 86400 }, { "/hour", 3600 }, { "/min", 60 }, { "/sec", 1 } };
	size_t i;

	for (i = 1; i < ARRAY_LEN(units); i++) {
		uint64_t mult = scale * units[i].seconds;

		if (avg > mult || mult / avg < mult % avg)
			break;
	}
	strbuf_addc(b, ' ');
	xt_dec(b, scale * units[i - 1].seconds / avg);
	strbuf_adds(b, units[i - 1].name);
	return units[i - 1].seconds * 1000;
}

/* The same of bytes: a cost is 2^32 / (bytes / 16), xt_hashlimit.c. */
static uint32_t byte_rate(struct strbuf *b, const struct limit_words *m)
{
	static const struct {
		const char *name;
		uint64_t size;
	} units[] = { { "mb", 1024 * 1024 }, { "kb", 1024 }, { "b", 1 } };
	uint64_t r = ((uint64_t)UINT32_MAX / m->avg - 1) << XT_HASHLIMIT_BYTE_SHIFT;
	size_t i;

	for (i = 0; i < ARRAY_LEN(units) - 1; i++)
		if (r >= units[i].size &&
		    UINT32_MAX / (uint32_t)(((r & ~(units[i].size - 1)) >> XT_HASHLIMIT_BYTE_SHIFT) + 1) == m->avg)
			break;
	strbuf_addc(b, ' ');
	xt_dec(b, r / units[i].size);
	strbuf_adds(b, units[i].name);
	XT_WORDS(b, "/s");
	if (m->burst == 0)
		return 15000;
	r *= m->burst;
	for (i = 0; i < ARRAY_LEN(units) - 1 && r < units[i].size; i++)
		;
	xt_opt_dec(b, " --hashlimit-burst", r / units[i].size);
	strbuf_adds(b, units[i].name);
	return 60000;
}

static void limit_table(struct strbuf *b, const struct limit_words *m, uint32_t expire, unsigned full)
{
	XT_WORDS(b, " --hashlimit-name");
	xt_name(b, m->name, m->name_max);
	if (m->size)
		xt_opt_dec(b, " --hashlimit-htable-size", m->size);
	if (m->max)
		xt_opt_dec(b, " --hashlimit-htable-max", m->max);
	if (m->gc_interval != 1000)
		xt_opt_dec(b, " --hashlimit-htable-gcinterval", m->gc_interval);
	if (m->expire != expire)
		xt_opt_dec(b, " --hashlimit-htable-expire", m->expire);
	if (m->srcmask != full)
		xt_opt_dec(b, " --hashlimit-srcmask", m->srcmask);
	if (m->dstmask != full)
		xt_opt_dec(b, " --hashlimit-dstmask", m->dstmask);
}

static bool hashlimit(struct strbuf *b, const struct xt_rule_context *c, const struct limit_words *m)
{
	/* In the order in which iptables names them: srcip, srcport, dstip, dstport. */
	static const char *const names[] = { "srcip", "srcport", "dstip", "dstport" };
	uint32_t order = (m->mode & XT_HASHLIMIT_HASH_SIP ? 1u : 0) | (m->mode & XT_HASHLIMIT_HASH_SPT ? 2u : 0) |
			 (m->mode & XT_HASHLIMIT_HASH_DIP ? 4u : 0) | (m->mode & XT_HASHLIMIT_HASH_DPT ? 8u : 0);
	uint32_t expire;

	if (m->avg == 0 || (m->mode & XT_HASHLIMIT_BYTES && m->avg > UINT32_MAX))
		return false;
	strbuf_adds(b, m->mode & XT_HASHLIMIT_INVERT ? " --hashlimit-above" : " --hashlimit-upto");
	if (m->mode & XT_HASHLIMIT_BYTES) {
		expire = byte_rate(b, m);
	} else {
		expire = rate(b, m->avg, m->scale);
		xt_opt_dec(b, " --hashlimit-burst", m->burst);
	}
	if (order) {
		XT_WORDS(b, " --hashlimit-mode");
		(void)xt_bits(b, order, names, ARRAY_LEN(names));
	}
	limit_table(b, m, expire, c->ip6 ? 128 : 32);
	if (m->mode & XT_HASHLIMIT_RATE_MATCH) {
		XT_WORDS(b, " --hashlimit-rate-match");
		if (m->interval != 1)
			xt_opt_dec(b, " --hashlimit-rate-interval", m->interval);
	}
	return m->mode < XT_HASHLIMIT_RATE_MATCH * 2;
}

#define LIMIT_WORDS(m, scale_, interval_) \
	{ .avg = (m)->cfg.avg, .burst = (m)->cfg.burst, .mode = (m)->cfg.mode, .size = (m)->cfg.size, .max = (m)->cfg.max, \
	  .gc_interval = (m)->cfg.gc_interval, .expire = (m)->cfg.expire, .srcmask = (m)->cfg.srcmask, .dstmask = (m)->cfg.dstmask, \
	  .name = (m)->name, .name_max = sizeof((m)->name), .scale = scale_, .interval = interval_ }

bool xt_m_hashlimit1(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_hashlimit_mtinfo1 *m = data;
	struct limit_words w = LIMIT_WORDS(m, XT_HASHLIMIT_SCALE, 0);

	(void)revision;
	return hashlimit(b, c, &w);
}

bool xt_m_hashlimit2(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_hashlimit_mtinfo2 *m = data;
	struct limit_words w = LIMIT_WORDS(m, XT_HASHLIMIT_SCALE_v2, 0);

	(void)revision;
	return hashlimit(b, c, &w);
}

bool xt_m_hashlimit3(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_hashlimit_mtinfo3 *m = data;
	struct limit_words w = LIMIT_WORDS(m, XT_HASHLIMIT_SCALE_v2, m->cfg.interval);

	(void)revision;
	return hashlimit(b, c, &w);
}

bool xt_m_quota(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_quota_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->flags & XT_QUOTA_INVERT);
	xt_opt_dec(b, " --quota", m->quota);
	return true;
}

static bool rate_mode(struct strbuf *b, const struct xt_rateest_match_info *m)
{
	static const char *const modes[] = { NULL, " --rateest-eq", " --rateest-lt", " --rateest-gt" };

	xt_not(b, m->flags & XT_RATEEST_MATCH_INVERT);
	if (m->mode == XT_RATEEST_MATCH_NONE || m->mode >= ARRAY_LEN(modes))
		return false;
	strbuf_adds(b, modes[m->mode]);
	return true;
}

static void bit_rate(struct strbuf *b, uint32_t bytes, bool packets)
{
	double v = (double)bytes * 8;

	if (packets)
		strbuf_addf(b, " %u", bytes);
	else if (v >= 1e9)
		strbuf_addf(b, " %.0fMbit", v / 1e6);
	else if (v >= 1e6)
		strbuf_addf(b, " %.0fKbit", v / 1e3);
	else
		strbuf_addf(b, " %.0fbit", v);
}

static bool rateest_side(struct strbuf *b, const struct xt_rateest_match_info *m, const char *name, uint32_t r1, uint32_t r2, bool packets)
{
	bool delta = m->flags & XT_RATEEST_MATCH_DELTA;

	if (delta) {
		strbuf_addf(b, " --rateest-%s1", name);
		bit_rate(b, r1, packets);
	}
	if (!rate_mode(b, m))
		return false;
	strbuf_addf(b, " --rateest-%s%s", name, delta ? "2" : "");
	if (m->flags & (XT_RATEEST_MATCH_ABS | XT_RATEEST_MATCH_DELTA))
		bit_rate(b, r2, packets);
	return true;
}

bool xt_m_rateest(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_rateest_match_info *m = data;
	bool relative = m->flags & XT_RATEEST_MATCH_REL;

	UNUSED_ARGS;
	if (m->flags & XT_RATEEST_MATCH_DELTA)
		XT_WORDS(b, " --rateest-delta");
	strbuf_adds(b, relative ? " --rateest1" : " --rateest");
	xt_name(b, m->name1, sizeof(m->name1));
	if (m->flags & XT_RATEEST_MATCH_BPS && !rateest_side(b, m, "bps", m->bps1, m->bps2, false))
		return false;
	if (m->flags & XT_RATEEST_MATCH_PPS && !rateest_side(b, m, "pps", m->pps1, m->pps2, true))
		return false;
	if (relative) {
		XT_WORDS(b, " --rateest2");
		xt_name(b, m->name2, sizeof(m->name2));
	}
	return true;
}

/* ---- addresses, interfaces, where ---- */

static void addr_span(struct strbuf *b, bool ip6, const char *option, const void *lo, const void *hi, bool negated)
{
	xt_not(b, negated);
	strbuf_adds(b, option);
	xt_addr(b, ip6, lo);
	strbuf_addc(b, '-');
	xt_addr(b, ip6, hi);
}

bool xt_m_iprange(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_iprange_mtinfo *m = data;

	(void)revision;
	if (m->flags & IPRANGE_SRC)
		addr_span(b, c->ip6, " --src-range ", &m->src_min, &m->src_max, m->flags & IPRANGE_SRC_INV);
	if (m->flags & IPRANGE_DST)
		addr_span(b, c->ip6, " --dst-range ", &m->dst_min, &m->dst_max, m->flags & IPRANGE_DST_INV);
	return m->flags & (IPRANGE_SRC | IPRANGE_DST);
}

/* The mask behind the value wherever it is not full, here with the value in hexadecimal. */
static void group(struct strbuf *b, const char *option, uint32_t v, uint32_t mask, bool negated)
{
	xt_not(b, negated);
	strbuf_adds(b, option);
	xt_value_mask(b, v, mask);
}

bool xt_m_devgroup(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_devgroup_info *m = data;

	UNUSED_ARGS;
	if (m->flags & XT_DEVGROUP_MATCH_SRC)
		group(b, " --src-group ", m->src_group, m->src_mask, m->flags & XT_DEVGROUP_INVERT_SRC);
	if (m->flags & XT_DEVGROUP_MATCH_DST)
		group(b, " --dst-group ", m->dst_group, m->dst_mask, m->flags & XT_DEVGROUP_INVERT_DST);
	return m->flags & (XT_DEVGROUP_MATCH_SRC | XT_DEVGROUP_MATCH_DST);
}

bool xt_m_realm(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_realm_info *m = data;

	UNUSED_ARGS;
	group(b, " --realm ", m->id, m->mask, m->invert);
	return true;
}

bool xt_m_rpfilter(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	static const char *const options[] = { " --loose", " --validmark", " --accept-local", " --invert" };
	const struct xt_rpfilter_info *m = data;

	UNUSED_ARGS;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (m->flags & 1u << i)
			strbuf_adds(b, options[i]);
	return m->flags < XT_RPFILTER_INVERT * 2;
}

bool xt_m_cpu(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_cpu_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->invert);
	xt_opt_dec(b, " --cpu", m->cpu);
	return true;
}

bool xt_m_cluster(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_cluster_match_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->flags & XT_CLUSTER_F_INV);
	strbuf_addf(b, " --cluster-local-nodemask 0x%08x --cluster-total-nodes %u --cluster-hash-seed 0x%08x", m->node_mask, m->total_nodes,
		    m->hash_seed);
	return true;
}

bool xt_m_osf(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_osf_info *m = data;

	UNUSED_ARGS;
	xt_not(b, m->flags & XT_OSF_INVERT);
	XT_WORDS(b, " --genre");
	xt_name(b, m->genre, sizeof(m->genre));
	if (m->flags & XT_OSF_TTL)
		xt_opt_dec(b, " --ttl", m->ttl);
	if (m->flags & XT_OSF_LOG)
		xt_opt_dec(b, " --log", m->loglevel);
	return true;
}

/* ---- IPsec ---- */

static void policy_addr(struct strbuf *b, bool ip6, const char *option, const void *addr, const void *mask, bool negated)
{
	xt_not(b, negated);
	strbuf_adds(b, option);
	xt_addr(b, ip6, addr);
	xt_mask(b, ip6, mask, false);
}

static bool policy_element(struct strbuf *b, bool ip6, const struct xt_policy_elem *e)
{
	static const char *const modes[] = { " --mode transport", " --mode tunnel" };

	if (e->match.reqid) {
		xt_not(b, e->invert.reqid);
		xt_opt_dec(b, " --reqid", e->reqid);
	}
	if (e->match.spi) {
		xt_not(b, e->invert.spi);
		XT_WORDS(b, " --spi ");
		xt_hex(b, e->spi);
	}
	if (e->match.proto) {
		xt_not(b, e->invert.proto);
		XT_WORDS(b, " --proto ");
		xt_put_proto(b, e->proto);
	}
	if (e->match.mode) {
		xt_not(b, e->invert.mode);
		if (e->mode >= ARRAY_LEN(modes))
			return false;
		strbuf_adds(b, modes[e->mode]);
	}
	if (e->match.daddr)
		policy_addr(b, ip6, " --tunnel-dst ", &e->daddr, &e->dmask, e->invert.daddr);
	if (e->match.saddr)
		policy_addr(b, ip6, " --tunnel-src ", &e->saddr, &e->smask, e->invert.saddr);
	return true;
}

bool xt_m_policy(struct strbuf *b, const struct xt_rule_context *c, const void *data, unsigned revision)
{
	const struct xt_policy_info *m = data;

	(void)revision;
	strbuf_adds(b, m->flags & XT_POLICY_MATCH_IN ? " --dir in" : " --dir out");
	strbuf_adds(b, m->flags & XT_POLICY_MATCH_NONE ? " --pol none" : " --pol ipsec");
	if (m->flags & XT_POLICY_MATCH_STRICT)
		XT_WORDS(b, " --strict");
	if (m->len > XT_POLICY_MAX_ELEM)
		return false;
	for (unsigned i = 0; i < m->len; i++) {
		if (i)
			XT_WORDS(b, " --next");
		if (!policy_element(b, c->ip6, &m->pol[i]))
			return false;
	}
	return true;
}
