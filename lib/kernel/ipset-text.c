/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of ip_set's dump as lines of `ipset save` of ipset 7.17: the order of the words is that of its types (lib/ipset_*.c), which all
 * revisions of a type share. Attributes are of linux/netfilter/ipset/ip_set.h; a number whose attribute says so is in network
 * byte order (of them all, the mask of hash:ip,mark is not).
 */
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include "ipset-private.h"

#define SETS_MAX 65536u
#define CADT_BITMASK 12 /* IPSET_ATTR_BITMASK, since Linux 6.2 */
#define COMMAND_ATTRS (IPSET_ATTR_INDEX + 1)
#define CREATE_ATTRS (IPSET_ATTR_MEMSIZE + 1)
#define ADT_ATTRS (IPSET_ATTR_PAD + 1)

/* No reader of `ipset save` knows this word: it makes the set one that is not whole. */
static const char unknown_word[] = "svcdoctor-unknown";

enum part { PART_NONE, PART_IP, PART_IP2, PART_PORT, PART_ONLY_PORT, PART_ETHER, PART_MARK, PART_IFACE, PART_SET };
struct ipset_kind {
	const char *name;
	uint8_t part[3];
	bool last_optional;
	bool bitmap; /* or a list: without family */
};
static const struct ipset_kind kinds[] = {
	{ "hash:ip", { PART_IP }, false, false },
	{ "hash:ip,port", { PART_IP, PART_PORT }, false, false },
	{ "hash:ip,port,ip", { PART_IP, PART_PORT, PART_IP2 }, false, false },
	{ "hash:ip,port,net", { PART_IP, PART_PORT, PART_IP2 }, false, false },
	{ "hash:net", { PART_IP }, false, false },
	{ "hash:net,port", { PART_IP, PART_PORT }, false, false },
	{ "hash:net,net", { PART_IP, PART_IP2 }, false, false },
	{ "hash:net,port,net", { PART_IP, PART_PORT, PART_IP2 }, false, false },
	{ "hash:net,iface", { PART_IP, PART_IFACE }, false, false },
	{ "hash:ip,mark", { PART_IP, PART_MARK }, false, false },
	{ "hash:ip,mac", { PART_IP, PART_ETHER }, false, false },
	{ "hash:mac", { PART_ETHER }, false, true },
	{ "bitmap:ip", { PART_IP }, false, true },
	{ "bitmap:ip,mac", { PART_IP, PART_ETHER }, true, true },
	{ "bitmap:port", { PART_ONLY_PORT }, false, true },
	{ "list:set", { PART_SET }, false, true },
};

void ipset_reading_release(struct ipset_reading *r)
{
	array_free(&r->sets);
}

static void not_shown(struct ipset_reading *r, const char *what)
{
	if (r->not_shown++ == 0)
		(void)snprintf(r->why, sizeof(r->why), "set '%s' is not readable: %s", r->name, what);
}

bool ipset_same(const struct ipset_reading *a, const struct ipset_reading *b)
{
	if (a->sets.len != b->sets.len)
		return false;
	for (size_t i = 0; i < a->sets.len; i++)
		if (a->sets.v[i].hash != b->sets.v[i].hash)
			return false;
	return true;
}

bool ipset_same_but_passing(const struct ipset_reading *a, struct ipset_reading *b)
{
	if (a->sets.len != b->sets.len)
		return false;
	for (size_t i = 0; i < a->sets.len; i++) {
		const struct ipset_digest *x = &a->sets.v[i], *y = &b->sets.v[i];

		if (x->hash != y->hash && (strcmp(x->name, y->name) != 0 || !x->has_timeout || !y->has_timeout))
			return false;
	}
	for (size_t i = 0; i < a->sets.len; i++) {
		if (a->sets.v[i].hash == b->sets.v[i].hash)
			continue;
		memcpy(b->name, b->sets.v[i].name, sizeof(b->name));
		not_shown(b, "it changed during every reading");
		strbuf_addf(b->text, "add %s %s %s\n", b->name, unknown_word, unknown_word);
	}
	return true;
}

/* ---- attributes ---- */

/* What fits into @size and is well formed, one after the other. */
struct walk {
	const uint8_t *p;
	size_t left;
};

static struct walk walk_into(const struct nlattr *a)
{
	return (struct walk){ (const uint8_t *)(a + 1), a->nla_len - sizeof(*a) };
}

/* NULL at the end; what is left then is no attribute. */
static const struct nlattr *walk_next(struct walk *w)
{
	const struct nlattr *a = (const void *)w->p;
	size_t step;

	if (w->left < sizeof(*a) || a->nla_len < sizeof(*a) || a->nla_len > w->left)
		return NULL;
	step = MIN(NLA_ALIGN((size_t)a->nla_len), w->left);
	w->p += step;
	w->left -= step;
	return a;
}

static unsigned type_of(const struct nlattr *a)
{
	return a->nla_type & NLA_TYPE_MASK;
}

static const void *value_of(const struct nlattr *a, size_t size)
{
	return a && a->nla_len - sizeof(*a) >= size ? (const void *)(a + 1) : NULL;
}

/* By type into @ret, of @n; of a type that stands twice the last one counts. 0; 1: there are others, too; -EBADMSG: what follows is none. */
static int take_attributes(struct walk w, const struct nlattr **ret, size_t n)
{
	const struct nlattr *a;
	int others = 0;

	memset(ret, 0, n * sizeof(*ret));
	while ((a = walk_next(&w))) {
		if (type_of(a) < n)
			ret[type_of(a)] = a;
		else
			others = 1;
	}
	return w.left ? -EBADMSG : others;
}

static bool get_u8(const struct nlattr *a, uint8_t *ret)
{
	const uint8_t *v = value_of(a, 1);

	if (v)
		*ret = *v;
	return v;
}

static bool get_u16(const struct nlattr *a, uint16_t *ret)
{
	const void *v = value_of(a, 2);

	if (v) {
		memcpy(ret, v, 2);
		if (a->nla_type & NLA_F_NET_BYTEORDER)
			*ret = be16toh(*ret);
	}
	return v;
}

static bool get_u32(const struct nlattr *a, uint32_t *ret)
{
	const void *v = value_of(a, 4);

	if (v) {
		memcpy(ret, v, 4);
		if (a->nla_type & NLA_F_NET_BYTEORDER)
			*ret = be32toh(*ret);
	}
	return v;
}

static bool get_u64(const struct nlattr *a, uint64_t *ret)
{
	const void *v = value_of(a, 8);

	if (v) {
		memcpy(ret, v, 8);
		if (a->nla_type & NLA_F_NET_BYTEORDER)
			*ret = be64toh(*ret);
	}
	return v;
}

/* A text of at most @max bytes, its NUL not counted. */
static bool get_text(const struct nlattr *a, size_t max, const char **ret, size_t *ret_len)
{
	const char *v = value_of(a, 1);
	size_t size = v ? a->nla_len - sizeof(*a) : 0, len = v ? strnlen(v, size) : 0;

	if (!v || len > max)
		return false;
	*ret = v;
	*ret_len = len;
	return true;
}

/* The address in a nest, of family AF_INET or AF_INET6. */
static const uint8_t *get_addr(const struct nlattr *a, int *ret_family)
{
	const struct nlattr *inner;
	struct walk w;

	if (!a)
		return NULL;
	w = walk_into(a);
	inner = walk_next(&w);
	if (!inner || (type_of(inner) != IPSET_ATTR_IPADDR_IPV4 && type_of(inner) != IPSET_ATTR_IPADDR_IPV6))
		return NULL;
	*ret_family = type_of(inner) == IPSET_ATTR_IPADDR_IPV4 ? AF_INET : AF_INET6;
	return value_of(inner, *ret_family == AF_INET ? 4 : 16);
}

/* ---- a line ---- */

/* Longer than any: of an element the comment has 255 bytes, two addresses with lengths 100, names 32 each. */
struct line {
	char s[1024];
	size_t n;
	bool full;
};

static void put(struct line *l, const char *s, size_t len)
{
	if (len > sizeof(l->s) - l->n) {
		l->full = true;
		return;
	}
	memcpy(l->s + l->n, s, len);
	l->n += len;
}

#define put_word(l, literal) put((l), "" literal, sizeof(literal) - 1)

static void put_uint(struct line *l, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do
		digits[--n] = (char)('0' + v % 10);
	while ((v /= 10));
	put(l, digits + n, sizeof(digits) - n);
}

static void put_hex(struct line *l, uint32_t v, int width)
{
	char text[16];

	put(l, text, (size_t)snprintf(text, sizeof(text), "0x%0*x", width, v));
}

/* Nothing from outside ends a line or a word: such bytes become '?'. False where there are some. */
static bool put_clean(struct line *l, const char *s, size_t len, bool blanks)
{
	bool clean = len > 0 || blanks;

	if (!clean)
		put_word(l, "?");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		bool ok = c > ' ' && c != 0x7f && c != '"';

		ok = ok || (blanks && c == ' ');
		put(l, ok ? s + i : "?", 1);
		clean = clean && ok;
	}
	return clean;
}

static void put_ip4(struct line *l, const uint8_t *a)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			put_word(l, ".");
		put_uint(l, a[i]);
	}
}

static void put_addr(struct line *l, const uint8_t *a, int family)
{
	char text[INET6_ADDRSTRLEN];

	if (family == AF_INET)
		put_ip4(l, a);
	else if (inet_ntop(AF_INET6, a, text, sizeof(text)))
		put(l, text, strlen(text));
}

/* ---- parts of an element ---- */

/* Debian's /etc/protocols, which ipset asks, of what ip_set takes with a port and what is common without; the rest is a number. */
static const char *protocol_name(uint8_t proto)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {
		{ 6, "tcp" }, { 17, "udp" }, { 132, "sctp" }, { 1, "icmp" }, { 58, "ipv6-icmp" }, { 136, "udplite" }, { 33, "dccp" },
		{ 47, "gre" }, { 50, "esp" }, { 51, "ah" }, { 2, "igmp" }, { 4, "ipencap" }, { 41, "ipv6" }, { 89, "ospf" }, { 94, "ipip" },
		{ 97, "etherip" }, { 98, "encap" }, { 103, "pim" }, { 108, "ipcomp" }, { 112, "vrrp" }, { 115, "l2tp" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].number == proto)
			return names[i].name;
	return NULL;
}

struct icmp_word {
	uint8_t type, code;
	const char *name;
};

/* lib/icmp.c, lib/icmpv6.c of ipset: the first name of each. */
static const struct icmp_word icmp4_words[] = {
	{ 0, 0, "echo-reply" }, { 3, 0, "network-unreachable" }, { 3, 1, "host-unreachable" }, { 3, 2, "protocol-unreachable" },
	{ 3, 3, "port-unreachable" }, { 3, 4, "fragmentation-needed" }, { 3, 5, "source-route-failed" }, { 3, 6, "network-unknown" },
	{ 3, 7, "host-unknown" }, { 3, 9, "network-prohibited" }, { 3, 10, "host-prohibited" }, { 3, 11, "TOS-network-unreachable" },
	{ 3, 12, "TOS-host-unreachable" }, { 3, 13, "communication-prohibited" }, { 3, 14, "host-precedence-violation" },
	{ 3, 15, "precedence-cutoff" }, { 4, 0, "source-quench" }, { 5, 0, "network-redirect" }, { 5, 1, "host-redirect" },
	{ 5, 2, "TOS-network-redirect" }, { 5, 3, "TOS-host-redirect" }, { 8, 0, "echo-request" }, { 9, 0, "router-advertisement" },
	{ 10, 0, "router-solicitation" }, { 11, 0, "ttl-zero-during-transit" }, { 11, 1, "ttl-zero-during-reassembly" },
	{ 12, 0, "ip-header-bad" }, { 12, 1, "required-option-missing" }, { 13, 0, "timestamp-request" }, { 14, 0, "timestamp-reply" },
	{ 17, 0, "address-mask-request" }, { 18, 0, "address-mask-reply" },
};
static const struct icmp_word icmp6_words[] = {
	{ 1, 0, "no-route" }, { 1, 1, "communication-prohibited" }, { 1, 3, "address-unreachable" }, { 1, 4, "port-unreachable" },
	{ 2, 0, "packet-too-big" }, { 3, 0, "ttl-zero-during-transit" }, { 3, 1, "ttl-zero-during-reassembly" }, { 4, 0, "bad-header" },
	{ 4, 1, "unknown-header-type" }, { 4, 2, "unknown-option" }, { 128, 0, "echo-request" }, { 129, 0, "echo-reply" },
	{ 133, 0, "router-solicitation" }, { 134, 0, "router-advertisement" }, { 135, 0, "neighbour-solicitation" },
	{ 136, 0, "neighbour-advertisement" }, { 137, 0, "redirect" },
};

static void put_icmp(struct line *l, uint16_t port, const struct icmp_word *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (words[i].type == port >> 8 && words[i].code == (port & 0xff)) {
			put(l, words[i].name, strlen(words[i].name));
			return;
		}
	}
	put_uint(l, port >> 8);
	put_word(l, "/");
	put_uint(l, port & 0xff);
}

static bool put_port(struct line *l, const struct nlattr *const *a)
{
	const char *name;
	uint16_t port;
	uint8_t proto;

	if (!get_u16(a[IPSET_ATTR_PORT], &port) || !get_u8(a[IPSET_ATTR_PROTO], &proto))
		return false;
	name = protocol_name(proto);
	if (name)
		put(l, name, strlen(name));
	else
		put_uint(l, proto);
	put_word(l, ":");
	if (proto == IPPROTO_ICMP)
		put_icmp(l, port, icmp4_words, ARRAY_LEN(icmp4_words));
	else if (proto == IPPROTO_ICMPV6)
		put_icmp(l, port, icmp6_words, ARRAY_LEN(icmp6_words));
	else
		put_uint(l, port);
	return true;
}

static bool put_net(struct line *l, const struct nlattr *addr, const struct nlattr *cidr, uint8_t of_family)
{
	int family = 0;
	const uint8_t *a = get_addr(addr, &family);
	uint8_t bits = family == AF_INET ? 32 : 128, len = bits;

	if (!a || family != of_family || (cidr && (!get_u8(cidr, &len) || len > bits)))
		return false;
	put_addr(l, a, family);
	if (len != bits) {
		put_word(l, "/");
		put_uint(l, len);
	}
	return true;
}

static bool put_ether(struct line *l, const struct nlattr *at)
{
	const uint8_t *a = value_of(at, 6);
	char text[18];

	if (!a)
		return false;
	put(l, text, (size_t)snprintf(text, sizeof(text), "%02X:%02X:%02X:%02X:%02X:%02X", a[0], a[1], a[2], a[3], a[4], a[5]));
	return true;
}

static bool put_text(struct line *l, const struct nlattr *a, size_t max)
{
	const char *s;
	size_t len;

	return get_text(a, max, &s, &len) && put_clean(l, s, len, false);
}

static bool put_part(struct line *l, enum part part, const struct nlattr *const *a, uint8_t family, uint32_t flags)
{
	uint16_t port;
	uint32_t mark;

	switch (part) {
	case PART_IP:
		return put_net(l, a[IPSET_ATTR_IP], a[IPSET_ATTR_CIDR], family);
	case PART_IP2:
		return put_net(l, a[IPSET_ATTR_IP2], a[IPSET_ATTR_CIDR2], family);
	case PART_PORT:
		return put_port(l, a);
	case PART_ONLY_PORT:
		if (!get_u16(a[IPSET_ATTR_PORT], &port))
			return false;
		put_uint(l, port);
		return true;
	case PART_ETHER:
		return put_ether(l, a[IPSET_ATTR_ETHER]);
	case PART_MARK:
		if (!get_u32(a[IPSET_ATTR_MARK], &mark))
			return false;
		put_hex(l, mark, 8);
		return true;
	case PART_IFACE:
		if (flags & IPSET_FLAG_PHYSDEV)
			put_word(l, "physdev:");
		return put_text(l, a[IPSET_ATTR_IFACE], 15);
	case PART_SET:
		return put_text(l, a[IPSET_ATTR_NAME], IPSET_MAXNAMELEN - 1);
	case PART_NONE:
		break;
	}
	return false;
}

/* ---- elements ---- */

static bool put_number32(struct line *l, const char *word, const struct nlattr *a)
{
	uint32_t v;

	if (!a)
		return true;
	put(l, word, strlen(word));
	if (!get_u32(a, &v))
		return false;
	put_uint(l, v);
	return true;
}

static bool put_number64(struct line *l, const char *word, const struct nlattr *a)
{
	uint64_t v;

	if (!a)
		return true;
	put(l, word, strlen(word));
	if (!get_u64(a, &v))
		return false;
	put_uint(l, v);
	return true;
}

static bool put_comment(struct line *l, const struct nlattr *a)
{
	const char *s;
	size_t len;

	if (!a)
		return true;
	if (!get_text(a, IPSET_MAX_COMMENT_SIZE, &s, &len))
		return false;
	put_word(l, " comment \"");
	(void)put_clean(l, s, len, true);
	put_word(l, "\"");
	return true;
}

static bool put_skb(struct line *l, const struct nlattr *const *a)
{
	uint64_t mark;
	uint32_t prio;
	uint16_t queue;
	char text[24];

	if (a[IPSET_ATTR_SKBMARK]) {
		if (!get_u64(a[IPSET_ATTR_SKBMARK], &mark))
			return false;
		put_word(l, " skbmark ");
		put_hex(l, (uint32_t)(mark >> 32), 0);
		if ((uint32_t)mark != UINT32_MAX) {
			put_word(l, "/");
			put_hex(l, (uint32_t)mark, 0);
		}
	}
	if (a[IPSET_ATTR_SKBPRIO]) {
		if (!get_u32(a[IPSET_ATTR_SKBPRIO], &prio))
			return false;
		put(l, text, (size_t)snprintf(text, sizeof(text), " skbprio %x:%x", prio >> 16, prio & 0xffff));
	}
	if (!a[IPSET_ATTR_SKBQUEUE])
		return true;
	put_word(l, " skbqueue ");
	if (!get_u16(a[IPSET_ATTR_SKBQUEUE], &queue))
		return false;
	put_uint(l, queue);
	return true;
}

#define KNOWN_ELEM_FLAGS (IPSET_FLAG_PHYSDEV | IPSET_FLAG_NOMATCH | IPSET_FLAG_IFACE_WILDCARD)

static bool put_elem_options(struct line *l, const struct nlattr *const *a, uint32_t flags)
{
	if (!put_number32(l, " timeout ", a[IPSET_ATTR_TIMEOUT]))
		return false;
	if (flags & IPSET_FLAG_NOMATCH)
		put_word(l, " nomatch");
	if (flags & IPSET_FLAG_IFACE_WILDCARD)
		put_word(l, " wildcard");
	return put_number64(l, " packets ", a[IPSET_ATTR_PACKETS]) && put_number64(l, " bytes ", a[IPSET_ATTR_BYTES]) &&
	       put_comment(l, a[IPSET_ATTR_COMMENT]) && put_skb(l, a);
}

/* Attributes that lie between the known ones and that no element has, or no part of this kind of elements. */
static bool has_foreign(const struct ipset_kind *k, const struct nlattr *const *a)
{
	bool parts[PART_SET + 1] = { false };

	for (size_t i = 0; i < ARRAY_LEN(k->part); i++)
		parts[k->part[i]] = true;
	return a[IPSET_ATTR_IP_TO] || a[IPSET_ATTR_PORT_TO] || a[IPSET_ATTR_MARKMASK] || a[CADT_BITMASK] || a[IPSET_ATTR_NAMEREF] ||
	       a[IPSET_ATTR_IP2_TO] || (a[IPSET_ATTR_IP] && !parts[PART_IP]) || (a[IPSET_ATTR_IP2] && !parts[PART_IP2]) ||
	       (a[IPSET_ATTR_PORT] && !parts[PART_PORT] && !parts[PART_ONLY_PORT]) || (a[IPSET_ATTR_MARK] && !parts[PART_MARK]) ||
	       (a[IPSET_ATTR_ETHER] && !parts[PART_ETHER]) || (a[IPSET_ATTR_IFACE] && !parts[PART_IFACE]);
}

static bool put_elem(struct line *l, const struct ipset_reading *r, const struct nlattr *nest)
{
	const struct ipset_kind *k = r->kind;
	const struct nlattr *a[ADT_ATTRS];
	uint32_t flags = 0;

	if (take_attributes(walk_into(nest), a, ADT_ATTRS) != 0 || has_foreign(k, a))
		return false;
	if (a[IPSET_ATTR_CADT_FLAGS] && (!get_u32(a[IPSET_ATTR_CADT_FLAGS], &flags) || flags & ~(uint32_t)KNOWN_ELEM_FLAGS))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(k->part) && k->part[i] != PART_NONE; i++) {
		if (i > 0 && k->last_optional && !a[IPSET_ATTR_ETHER])
			break;
		if (i > 0)
			put_word(l, ",");
		if (!put_part(l, (enum part)k->part[i], a, r->family, flags))
			return false;
	}
	return put_elem_options(l, a, flags) && !l->full;
}

/* ---- what two readings are compared by ---- */

static void mix(uint64_t *hash, const void *p, size_t size)
{
	const uint8_t *b = p;

	for (; size >= 8; b += 8, size -= 8) {
		uint64_t v;

		memcpy(&v, b, 8);
		*hash = (*hash ^ v) * 0x9e3779b97f4a7c15u;
		*hash ^= *hash >> 29;
	}
	for (; size > 0; b++, size--)
		*hash = (*hash ^ *b) * 0x100000001b3u;
	*hash ^= *hash >> 32;
}

/* All attributes below @nest but those whose bit is set in @without. */
static void mix_nest(uint64_t *hash, const struct nlattr *nest, uint64_t without)
{
	struct walk w = walk_into(nest);
	const struct nlattr *a;

	while ((a = walk_next(&w)))
		if (type_of(a) >= 64 || !(without >> type_of(a) & 1))
			mix(hash, a, a->nla_len);
	mix(hash, "|", 1);
}

#define BIT(attribute) (UINT64_C(1) << (attribute))
#define CHANGING_IN_HEAD (BIT(IPSET_ATTR_REFERENCES) | BIT(IPSET_ATTR_MEMSIZE) | BIT(IPSET_ATTR_ELEMENTS))
#define CHANGING_IN_ELEM (BIT(IPSET_ATTR_TIMEOUT) | BIT(IPSET_ATTR_PACKETS) | BIT(IPSET_ATTR_BYTES) | BIT(IPSET_ATTR_PAD))

/* ---- sets ---- */

static bool put_range(struct line *l, const struct nlattr *const *a)
{
	int family = 0, family_to = 0;
	const uint8_t *from = get_addr(a[IPSET_ATTR_IP], &family), *to = get_addr(a[IPSET_ATTR_IP_TO], &family_to);
	uint16_t port, port_to;

	if (a[IPSET_ATTR_PORT]) {
		put_word(l, " range ");
		if (!get_u16(a[IPSET_ATTR_PORT], &port) || !get_u16(a[IPSET_ATTR_PORT_TO], &port_to))
			return false;
		put_uint(l, port);
		put_word(l, "-");
		put_uint(l, port_to);
		return true;
	}
	if (!a[IPSET_ATTR_IP])
		return true;
	put_word(l, " range ");
	if (!from || !to || family != AF_INET || family_to != AF_INET)
		return false;
	put_addr(l, from, family);
	put_word(l, "-");
	put_addr(l, to, family);
	return true;
}

static bool put_masks(struct line *l, const struct nlattr *const *a)
{
	const uint8_t *mask;
	uint8_t len;
	int family;

	if (a[IPSET_ATTR_NETMASK]) {
		put_word(l, " netmask ");
		if (!get_u8(a[IPSET_ATTR_NETMASK], &len))
			return false;
		put_uint(l, len);
	}
	if (!a[CADT_BITMASK])
		return true;
	put_word(l, " bitmask ");
	mask = get_addr(a[CADT_BITMASK], &family);
	if (mask)
		put_addr(l, mask, family);
	return mask;
}

static bool put_hash_seed(struct line *l, const struct nlattr *const *a)
{
	uint32_t v;
	uint8_t size;

	if (a[IPSET_ATTR_BUCKETSIZE]) {
		put_word(l, " bucketsize ");
		if (!get_u8(a[IPSET_ATTR_BUCKETSIZE], &size))
			return false;
		put_uint(l, size);
	}
	if (!a[IPSET_ATTR_INITVAL])
		return true;
	put_word(l, " initval ");
	if (!get_u32(a[IPSET_ATTR_INITVAL], &v))
		return false;
	put_hex(l, v, 8);
	return true;
}

#define KNOWN_SET_FLAGS (IPSET_FLAG_WITH_COUNTERS | IPSET_FLAG_WITH_COMMENT | IPSET_FLAG_WITH_FORCEADD | IPSET_FLAG_WITH_SKBINFO)

static bool put_set_flags(struct line *l, const struct nlattr *a)
{
	uint32_t flags = 0;

	if (a && !get_u32(a, &flags))
		return false;
	if (flags & IPSET_FLAG_WITH_COUNTERS)
		put_word(l, " counters");
	if (flags & IPSET_FLAG_WITH_COMMENT)
		put_word(l, " comment");
	if (flags & IPSET_FLAG_WITH_FORCEADD)
		put_word(l, " forceadd");
	if (flags & IPSET_FLAG_WITH_SKBINFO)
		put_word(l, " skbinfo");
	return !(flags & ~(uint32_t)KNOWN_SET_FLAGS);
}

static bool put_mark_mask(struct line *l, const struct nlattr *a)
{
	uint32_t v;

	if (!a)
		return true;
	put_word(l, " markmask ");
	if (!get_u32(a, &v))
		return false;
	put_hex(l, v, 8);
	return true;
}

static bool put_set_options(struct line *l, const struct ipset_reading *r, const struct nlattr *head)
{
	const struct nlattr *a[CREATE_ATTRS];
	bool whole = take_attributes(walk_into(head), a, CREATE_ATTRS) == 0;

	if (!r->kind->bitmap) {
		put_word(l, " family ");
		put(l, r->family == AF_INET6 ? "inet6" : "inet", r->family == AF_INET6 ? 5 : 4);
		whole = whole && (r->family == AF_INET || r->family == AF_INET6);
	}
	whole = whole && !a[IPSET_ATTR_PROTO] && !a[IPSET_ATTR_MARK] && !a[IPSET_ATTR_RESIZE];
	return put_range(l, a) && put_mark_mask(l, a[IPSET_ATTR_MARKMASK]) && put_number32(l, " hashsize ", a[IPSET_ATTR_HASHSIZE]) &&
	       put_number32(l, " maxelem ", a[IPSET_ATTR_MAXELEM]) && put_number32(l, " size ", a[IPSET_ATTR_SIZE]) && put_masks(l, a) &&
	       put_number32(l, " timeout ", a[IPSET_ATTR_TIMEOUT]) && put_set_flags(l, a[IPSET_ATTR_CADT_FLAGS]) && put_hash_seed(l, a) && whole;
}

static const struct ipset_kind *find_kind(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0)
			return &kinds[i];
	return NULL;
}

/* Twice: the first one may be taken for the value of a word before it. */
static void mark_unknown(struct line *l)
{
	for (int i = 0; i < 2; i++) {
		put_word(l, " ");
		put(l, unknown_word, sizeof(unknown_word) - 1);
	}
}

/* The line of a set whose name is in @r already. */
static int begin_set(struct ipset_reading *r, const struct nlattr *const *c, bool clean_name)
{
	struct ipset_digest digest = { 0 };
	const struct nlattr *head[CREATE_ATTRS] = { NULL };
	const char *type;
	struct line l = { .n = 0 };
	size_t len;

	if (!get_text(c[IPSET_ATTR_TYPENAME], IPSET_MAXNAMELEN - 1, &type, &len) || !get_u8(c[IPSET_ATTR_FAMILY], &r->family) ||
	    !c[IPSET_ATTR_DATA])
		return -EBADMSG;
	if (r->sets.len >= SETS_MAX)
		return -EFBIG;
	r->kind = find_kind(type, len);
	put_word(&l, "create ");
	put(&l, r->name, strlen(r->name));
	put_word(&l, " ");
	(void)put_clean(&l, type, len, false);
	if (!r->kind || !put_set_options(&l, r, c[IPSET_ATTR_DATA]) || !clean_name) {
		not_shown(r, !clean_name ? "its name is no word" : r->kind ? "an option is not known" : "its type is not known");
		mark_unknown(&l);
	}
	put_word(&l, "\n");
	strbuf_add(r->text, l.s, l.n);
	mix(&digest.hash, r->name, strlen(r->name) + 1);
	mix(&digest.hash, type, len);
	mix_nest(&digest.hash, c[IPSET_ATTR_DATA], CHANGING_IN_HEAD);
	(void)take_attributes(walk_into(c[IPSET_ATTR_DATA]), head, CREATE_ATTRS);
	digest.has_timeout = head[IPSET_ATTR_TIMEOUT];
	memcpy(digest.name, r->name, sizeof(digest.name));
	return array_push(&r->sets, digest);
}

static int add_elems(struct ipset_reading *r, const struct nlattr *adt)
{
	struct walk w = walk_into(adt);
	const struct nlattr *a;
	struct line l = { .n = 0 };
	size_t start;

	put_word(&l, "add ");
	put(&l, r->name, strlen(r->name));
	put_word(&l, " ");
	start = l.n;
	while ((a = walk_next(&w))) {
		if (type_of(a) != IPSET_ATTR_DATA)
			return -EBADMSG;
		mix_nest(&r->sets.v[r->sets.len - 1].hash, a, CHANGING_IN_ELEM);
		if (!r->kind)
			continue;
		l.n = start;
		l.full = false;
		if (!put_elem(&l, r, a)) {
			not_shown(r, "an element is not known");
			l.n = start - 1;
			mark_unknown(&l);
		}
		put_word(&l, "\n");
		strbuf_add(r->text, l.s, l.n);
	}
	return w.left ? -EBADMSG : r->text->len > IPSET_TEXT_MAX ? -EFBIG : 0;
}

int ipset_message(struct ipset_reading *r, const void *attributes, size_t size)
{
	const struct nlattr *c[COMMAND_ATTRS];
	struct line name = { .n = 0 };
	const char *s;
	size_t len;
	bool clean;
	int res = 0;

	if (take_attributes((struct walk){ attributes, size }, c, COMMAND_ATTRS) < 0 ||
	    !get_text(c[IPSET_ATTR_SETNAME], IPSET_MAXNAMELEN - 1, &s, &len))
		return -EBADMSG;
	clean = put_clean(&name, s, len, false);
	put(&name, "", 1);
	if (c[IPSET_ATTR_TYPENAME]) {
		memcpy(r->name, name.s, name.n);
		res = begin_set(r, c, clean);
	} else if (r->sets.len == 0 || strcmp(r->name, name.s) != 0) {
		return -EBADMSG;
	}
	if (res == 0 && c[IPSET_ATTR_ADT])
		res = add_elems(r, c[IPSET_ATTR_ADT]);
	return res < 0 ? res : r->text->failed ? -ENOMEM : 0;
}
