/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a rule asks, in words. Every condition is named: those that have no words of their own by the name of their
 * field and their text. Nothing here knows who wrote the rule.
 */
#include "report-private.h"

struct bit_name {
	uint32_t bit;
	const char *name;
};
static const struct bit_name state_names[] = {
	{ CTSTATE_INVALID, "invalid" },
	{ CTSTATE_NEW, "new" },
	{ CTSTATE_ESTABLISHED, "established" },
	{ CTSTATE_RELATED, "related" },
	{ CTSTATE_UNTRACKED, "untracked" },
	{ CTSTATE_SNAT, "source rewritten" },
	{ CTSTATE_DNAT, "destination rewritten" },
};
static const struct bit_name status_names[] = {
	{ CTSTATUS_EXPECTED, "expected" },
	{ CTSTATUS_SEEN_REPLY, "seen reply" },
	{ CTSTATUS_ASSURED, "assured" },
	{ CTSTATUS_CONFIRMED, "confirmed" },
	{ CTSTATUS_SNAT, "source rewritten" },
	{ CTSTATUS_DNAT, "destination rewritten" },
	{ CTSTATUS_NONE, "none" },
};
static const struct bit_name type_names[] = {
	{ ADDRTYPE_UNSPEC, "of no type" },
	{ ADDRTYPE_UNICAST, "unicast" },
	{ ADDRTYPE_LOCAL, "an address of this node" },
	{ ADDRTYPE_BROADCAST, "broadcast" },
	{ ADDRTYPE_ANYCAST, "anycast" },
	{ ADDRTYPE_MULTICAST, "multicast" },
	{ ADDRTYPE_BLACKHOLE, "a blackhole" },
	{ ADDRTYPE_UNREACHABLE, "unreachable" },
	{ ADDRTYPE_PROHIBIT, "prohibited" },
	{ ADDRTYPE_THROW, "a throw route" },
};

static void bits(struct strbuf *b, uint32_t value, const struct bit_name *names, size_t n)
{
	bool first = true;
	for (size_t i = 0; i < n; i++) {
		if (value & names[i].bit) {
			strbuf_addf(b, "%s%s", first ? "" : " or ", names[i].name);
			first = false;
		}
	}
}

static const char *not_word(const struct rs_cond *c)
{
	return c->negate ? "not " : "";
}

/* A mask of network order as prefix length, or -1 when it is none. */
static int mask_len4(uint32_t mask_be)
{
	uint32_t m = ntohl(mask_be), rest = ~m;
	return (rest & (rest + 1)) ? -1 : m ? 32 - __builtin_ctz(m) : 0;
}

static void add_addr4(struct strbuf *b, uint32_t value_be, uint32_t mask_be)
{
	struct ip_addr a = { .family = AF_INET }, m = { .family = AF_INET };
	char buf[IP_ADDR_STRLEN];
	int len = mask_len4(mask_be);
	memcpy(a.b, &value_be, sizeof(value_be));
	memcpy(m.b, &mask_be, sizeof(mask_be));
	strbuf_adds(b, ip_addr_format(&a, buf));
	if (len < 0) {
		strbuf_addf(b, "/%s", ip_addr_format(&m, buf));
	} else if (len < 32) {
		strbuf_addf(b, "/%d", len);
	}
}

static void add_addr6(struct strbuf *b, const struct rs_addr6 *x)
{
	char buf[IP_ADDR_STRLEN];
	unsigned len = 0;
	while (len < 128 && (x->mask.b[len / 8] & (0x80 >> len % 8))) {
		len++;
	}
	struct ip_addr whole = ip_prefix_mask(AF_INET6, len);
	strbuf_adds(b, ip_addr_format(&x->value, buf));
	if (!ip_addr_equal(&whole, &x->mask)) {
		strbuf_addf(b, "/%s", ip_addr_format(&x->mask, buf));
	} else if (len < 128) {
		strbuf_addf(b, "/%u", len);
	}
}

static void add_number(struct strbuf *b, const struct rs_cond *c, uint32_t v)
{
	if (c->field == FIELD_PROTO) {
		strbuf_adds(b, proto_name((uint8_t)v));
	} else {
		strbuf_addf(b, "%u", (unsigned)v);
	}
}

static void add_list(struct strbuf *b, const struct rs_cond *c)
{
	const struct rs_list *l = c->u.list;
	for (uint32_t i = 0; i < l->len && i < 8; i++) {
		strbuf_adds(b, i ? ", " : "");
		add_number(b, c, l->v[i].lo);
		if (l->v[i].hi != l->v[i].lo) {
			strbuf_addc(b, '-');
			add_number(b, c, l->v[i].hi);
		}
	}
	strbuf_adds(b, l->len > 8 ? ", ..." : "");
}

/* The value that a condition compares with, in the form of its operator. */
static void add_value(struct strbuf *b, const struct rs_cond *c)
{
	char lo[IP_ADDR_STRLEN], hi[IP_ADDR_STRLEN];
	switch (c->op) {
	case OP_EQ:
		add_number(b, c, c->u.range.lo);
		break;
	case OP_RANGE:
		add_number(b, c, c->u.range.lo);
		if (c->u.range.hi != c->u.range.lo) {
			strbuf_addc(b, '-');
			add_number(b, c, c->u.range.hi);
		}
		break;
	case OP_MASK:
		strbuf_addf(b, "0x%x/0x%x", (unsigned)c->u.bits.value, (unsigned)c->u.bits.mask);
		break;
	case OP_ANY:
		strbuf_addf(b, "any of 0x%x", (unsigned)c->u.bits.value);
		break;
	case OP_LIST:
		add_list(b, c);
		break;
	case OP_ADDR4:
		add_addr4(b, c->u.addr4.value, c->u.addr4.mask);
		break;
	case OP_ADDR6:
		add_addr6(b, c->u.addr6);
		break;
	case OP_ADDR_RANGE:
		strbuf_addf(b, "%s-%s", ip_addr_format(&c->u.addr_range->lo, lo),
			    ip_addr_format(&c->u.addr_range->hi, hi));
		break;
	case OP_IFNAME:
		strbuf_add_clean(b, c->u.ifname);
		strbuf_adds(b, c->flags & RS_WILDCARD ? "+" : "");
		break;
	case OP_SET:
		strbuf_add_clean(b, c->u.set->name);
		break;
	case OP_RECENT:
		strbuf_add_clean(b, c->u.recent->name ? c->u.recent->name : "");
		break;
	case OP_IPVS:
		strbuf_add_clean(b, c->u.ipvs->text);
		break;
	case OP_TEXT:
		strbuf_add_clean(b, c->u.text ? c->u.text : "");
		break;
	default:
		break;
	}
}

static void add_mark(struct strbuf *b, const struct rs_cond *c)
{
	bool all = c->op == OP_MASK && c->u.bits.value == c->u.bits.mask,
	     none = c->op == OP_MASK && c->u.bits.value == 0;
	if (all || none) {
		strbuf_addf(b, "mark %s 0x%x", all == c->negate ? "lacks" : "has", (unsigned)c->u.bits.mask);
	} else {
		strbuf_addf(b, "mark is %s", not_word(c));
		add_value(b, c);
	}
}

static void add_bits_field(struct strbuf *b, const struct rs_cond *c, const struct bit_name *names, size_t n)
{
	strbuf_addf(b, "%s is %s", rs_field_name((enum rs_field)c->field), not_word(c));
	if (c->op == OP_ANY) {
		bits(b, c->u.bits.value, names, n);
	} else {
		add_value(b, c);
	}
}

static void add_set(struct strbuf *b, const struct rs_cond *c)
{
	strbuf_addf(b, "%sin set ", not_word(c));
	add_value(b, c);
	for (unsigned i = 0; i < c->u.set->nfields && i < ARRAY_LEN(c->u.set->dst); i++) {
		strbuf_addf(b, "%s%s", i ? "," : " by ", c->u.set->dst[i] ? "destination" : "source");
	}
	strbuf_adds(b, c->u.set->set ? "" : " (not loaded)");
}

/* "source . dport in @name": what the key of a lookup is made of. */
static void add_lookup(struct strbuf *b, const struct rs_lookup *l)
{
	for (unsigned i = 0; i < l->nparts; i++) {
		strbuf_addf(b, "%s%s", i ? " . " : "", rs_field_name((enum rs_field)l->parts[i].field));
	}
	strbuf_adds(b, l->nparts ? " in " : "in ");
	if (l->name) {
		strbuf_addc(b, '@');
		strbuf_add_clean(b, l->name);
	} else {
		strbuf_addf(b, "a set of %zu", l->set ? l->set->nelems : 0);
	}
	strbuf_adds(b, l->set ? "" : " (not in the dump)");
}

static void add_chance(struct strbuf *b, const struct rs_cond *c)
{
	char weight[WEIGHT_STRLEN];
	double p = c->field == FIELD_NTH ? 1.0 / MAX(c->u.range.lo, 1u) : c->u.range.lo / 2147483648.0;
	strbuf_addf(b, "chance %s", text_weight(c->negate ? 1 - p : p, weight));
}

static void add_cond(struct strbuf *b, const struct rs_cond *c)
{
	switch (c->field) {
	case FIELD_SADDR:
	case FIELD_DADDR:
		strbuf_addf(b, "%s is %s", c->field == FIELD_SADDR ? "source" : "destination", not_word(c));
		add_value(b, c);
		break;
	case FIELD_SPORT:
	case FIELD_DPORT:
		strbuf_addf(b, "%s%s ", not_word(c), c->field == FIELD_SPORT ? "sport" : "dport");
		add_value(b, c);
		break;
	case FIELD_PROTO:
		strbuf_adds(b, not_word(c));
		add_value(b, c);
		break;
	case FIELD_IIF:
	case FIELD_OIF:
		strbuf_addf(b, "%s%s ", not_word(c), c->field == FIELD_IIF ? "in by" : "out by");
		add_value(b, c);
		break;
	case FIELD_MARK:
		add_mark(b, c);
		break;
	case FIELD_CT_STATE:
		add_bits_field(b, c, state_names, ARRAY_LEN(state_names));
		break;
	case FIELD_CT_STATUS:
		add_bits_field(b, c, status_names, ARRAY_LEN(status_names));
		break;
	case FIELD_SADDR_TYPE:
	case FIELD_DADDR_TYPE:
		strbuf_addf(b, "%s is %s", c->field == FIELD_SADDR_TYPE ? "source" : "destination",
			    not_word(c));
		if (c->op == OP_ANY) {
			bits(b, c->u.bits.value, type_names, ARRAY_LEN(type_names));
		} else {
			add_value(b, c);
		}
		break;
	case FIELD_RANDOM:
	case FIELD_NTH:
		add_chance(b, c);
		break;
	case FIELD_LOOKUP:
		if (c->op == OP_LOOKUP) {
			strbuf_adds(b, not_word(c));
			add_lookup(b, c->u.lookup);
			break;
		} /* fall through */
	case FIELD_SET:
		if (c->op == OP_SET) {
			add_set(b, c);
			break;
		} /* fall through */
	default:
		strbuf_addf(b, "%s%s", not_word(c), rs_field_name((enum rs_field)c->field));
		if (c->op != OP_EQ || c->u.range.lo != 0) {
			strbuf_addc(b, ' ');
			add_value(b, c);
		}
	}
}

/* One protocol, and a condition on the destination port: they are said together, "dport 53/udp". */
static bool is_one_value(const struct rs_cond *c)
{
	return !c->negate && (c->op == OP_EQ || (c->op == OP_RANGE && c->u.range.lo == c->u.range.hi));
}

static const struct rs_cond *proto_of_port(const struct rs_rule *rule)
{
	const struct rs_cond *proto = NULL;
	bool port = false;
	for (unsigned i = 0; i < rule->nconds; i++) {
		const struct rs_cond *c = &rule->conds[i];
		if (c->field == FIELD_PROTO && is_one_value(c)) {
			proto = c;
		}
		port |= c->field == FIELD_DPORT && !c->negate;
	}
	return port ? proto : NULL;
}

void words_of_rule(struct strbuf *b, const struct rs_rule *rule)
{
	const struct rs_cond *proto = proto_of_port(rule);
	bool first = true;
	for (unsigned i = 0; i < rule->nconds; i++) {
		const struct rs_cond *c = &rule->conds[i];
		if (c == proto || c->field == FIELD_RECENT_SET) {
			continue;
		}
		strbuf_adds(b, first ? "" : ", ");
		add_cond(b, c);
		if (proto && c->field == FIELD_DPORT && !c->negate) {
			strbuf_addf(b, "/%s", proto_name((uint8_t)proto->u.range.lo));
		}
		first = false;
	}
}

void words_of_element(struct strbuf *b, const struct rs_set *set, const struct rs_elem *e)
{
	struct rs_set keys = *set; /* what it maps to is what happens */
	char buf[512];
	keys.is_map = keys.is_vmap = false;
	(void)rs_elem_print(&keys, e, buf, sizeof(buf));
	if (set->name) {
		strbuf_addc(b, '@');
		strbuf_add_clean(b, set->name);
		strbuf_adds(b, ": ");
	}
	strbuf_add_clean(b, buf);
}
