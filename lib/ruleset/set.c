/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipsets: their types, and whether a packet is in one, as net/netfilter/ipset answers it. The elements lie in a hash
 * table; for networks it is asked once for each prefix length in use, the longest first.
 */
#include <errno.h>
#include <netinet/in.h>

#include "ruleset-private.h"

#define IP SETPART_IP
#define NET SETPART_NET
#define PORT SETPART_PORT
static const struct rs_ipset_type types[] = {
	{ "hash:ip", { IP }, false, false },
	{ "hash:net", { NET }, false, false },
	{ "hash:ip,port", { IP, PORT }, false, false },
	{ "hash:ip,port,ip", { IP, PORT, IP }, false, false },
	{ "hash:ip,port,net", { IP, PORT, NET }, false, false },
	{ "hash:net,port", { NET, PORT }, false, false },
	{ "hash:net,net", { NET, NET }, false, false },
	{ "hash:net,port,net", { NET, PORT, NET }, false, false },
	{ "hash:net,iface", { NET, SETPART_IFACE }, false, false },
	{ "hash:ip,mark", { IP, SETPART_MARK }, false, false },
	{ "hash:ip,mac", { IP, SETPART_MAC }, false, false },
	{ "hash:mac", { SETPART_MAC }, true, false },
	{ "bitmap:ip", { IP }, false, true },
	{ "bitmap:ip,mac", { IP, SETPART_MAC }, false, true },
	{ "bitmap:port", { PORT }, true, true },
	{ "list:set", { SETPART_SET }, true, false },
};
#undef IP
#undef NET
#undef PORT

const struct rs_ipset_type *rs_ipset_type_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strlen(types[i].name) == len && memcmp(types[i].name, name, len) == 0)
			return &types[i];
	return NULL;
}

static unsigned dimension(const struct rs_ipset_type *t)
{
	unsigned n = 0;

	while (n < RS_IPSET_PARTS && t->part[n] != SETPART_NONE)
		n++;
	return n;
}

/* ---- the table ---- */

/* What elements are found by. The interface is not among it: all elements of one network lie together. */
struct set_key {
	uint8_t addr[2][16];
	uint8_t len[2];
	uint8_t proto;
	uint8_t zero;
	uint16_t port, zero2;
	uint32_t mark;
};
_Static_assert(sizeof(struct set_key) == 44, "no byte of the key may be padding");

static struct set_key key_of(const struct rs_ipset_elem *e)
{
	struct set_key k = { .len = { e->len[0], e->len[1] }, .proto = e->proto, .port = e->port, .mark = e->mark };

	memcpy(k.addr[0], e->addr[0].b, 16);
	memcpy(k.addr[1], e->addr[1].b, 16);
	return k;
}

static uint32_t bucket_of(const struct rs_ipset *s, const struct set_key *k)
{
	return hash_bytes(k, sizeof(*k)) & (s->nbuckets - 1);
}

static void note_length(bool used[2][129], const struct rs_ipset_elem *e)
{
	used[0][e->len[0]] = true;
	used[1][e->len[1]] = true;
}

#define ADDR_INDEX_MIN 64u

static uint32_t part_bucket(const struct rs_ipset *s, const struct rs_ipset_elem *e, int side)
{
	return (side < 0 ? rs_mix(e->port) : rs_addr_hash(&e->addr[side])) & (s->nbuckets - 1);
}

/*
 * Which elements have an address as the part @side, or a port (-1): where one asks for a single address or port, of a set of
 * thousands few come into question.
 */
static int index_part(struct ruleset *rs, struct rs_ipset *s, int side, const uint32_t **ret_start, const uint32_t **ret_elems)
{
	uint32_t *start = arena_array(&rs->arena, uint32_t, (size_t)s->nbuckets + 1), *elems = arena_array(&rs->arena, uint32_t, s->nelems), sum = 0;

	if (!start || !elems)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->nelems; i++)
		start[part_bucket(s, &s->elems[i], side)]++;
	for (uint32_t b = 0; b < s->nbuckets; b++) {
		sum += start[b];
		start[b] = sum;
	}
	start[s->nbuckets] = sum;
	for (uint32_t i = s->nelems; i-- > 0;)
		elems[--start[part_bucket(s, &s->elems[i], side)]] = i;
	*ret_start = start;
	*ret_elems = elems;
	return 0;
}

static const uint32_t *in_bucket(const struct rs_ipset *s, const uint32_t *start, const uint32_t *elems, uint32_t hash, uint32_t *ret_len)
{
	uint32_t b = hash & (s->nbuckets - 1);

	if (!start)
		return NULL;
	*ret_len = start[b + 1] - start[b];
	return elems + start[b];
}

const uint32_t *ipset_with_addr(const struct rs_ipset *s, unsigned side, const struct ip_addr *a, uint32_t *ret_len)
{
	return side > 1 ? NULL : in_bucket(s, s->addr_start[side], s->addr_elems[side], rs_addr_hash(a), ret_len);
}

const uint32_t *ipset_with_port(const struct rs_ipset *s, uint16_t port, uint32_t *ret_len)
{
	return in_bucket(s, s->port_start, s->port_elems, rs_mix(port), ret_len);
}

/* For large sets, of single addresses. */
static int index_parts(struct ruleset *rs, struct rs_ipset *s)
{
	int r = 0;

	for (unsigned i = 0; i < RS_IPSET_PARTS && r == 0 && s->nelems >= ADDR_INDEX_MIN && !s->port_start; i++)
		if (s->type && s->type->part[i] == SETPART_PORT)
			r = index_part(rs, s, -1, &s->port_start, &s->port_elems);
	for (int side = 0; side < 2 && r == 0 && s->nelems >= ADDR_INDEX_MIN; side++) {
		const struct ip_addr *any = &s->elems[0].addr[side];

		if (any->family && s->nlens[side] == 1 && s->lens[side][0] == 8 * ip_addr_size(any) && !(s->has_mask && side == 0))
			r = index_part(rs, s, side, &s->addr_start[side], &s->addr_elems[side]);
	}
	return r;
}

int rs_ipset_index(struct ruleset *rs, struct rs_ipset *s)
{
	bool used[2][129] = { { false } };
	uint32_t n = 16;

	if (s->nelems == 0)
		return 0;
	while (n < s->nelems)
		n *= 2;
	s->buckets = arena_array(&rs->arena, uint32_t, n);
	if (!s->buckets)
		return -ENOMEM;
	s->nbuckets = n;
	/* The newest comes first: of two adds of one element the later one counts. */
	for (uint32_t i = 0; i < s->nelems; i++) {
		struct set_key k = key_of(&s->elems[i]);
		uint32_t b = bucket_of(s, &k);

		s->elems[i].next = s->buckets[b];
		s->buckets[b] = i + 1;
		note_length(used, &s->elems[i]);
	}
	for (unsigned side = 0; side < 2; side++)
		for (unsigned len = 129; len-- > 0;)
			if (used[side][len])
				s->lens[side][s->nlens[side]++] = (uint8_t)len;
	return index_parts(rs, s);
}

/* ---- one packet ---- */

struct lookup {
	const struct rs_set_ref *ref;
	const struct rs_ipset *set;
	struct ip_addr addr[2];
	struct set_key key;
	const char *iface; /* NULL: not asked */
	bool has_mac;
	bool pending;	   /* an element that expires said @said; what would be said without it? */
	enum rs_answer said;
};

/* --return-nomatch turns the answer of one element round, in types that know nomatch: ip_set_test() of ip_set_core.c */
static enum rs_answer element_says(const struct lookup *l, const struct rs_ipset_elem *e)
{
	if (l->has_mac)
		return RS_UNKNOWN;
	for (unsigned i = 0; i < RS_IPSET_PARTS; i++)
		if (l->set->type->part[i] == SETPART_NET)
			return e->nomatch == l->ref->return_nomatch ? RS_YES : RS_NO;
	return RS_YES;
}

static bool same_key(const struct rs_ipset_elem *e, const struct set_key *k)
{
	return memcmp(e->addr[0].b, k->addr[0], 16) == 0 && memcmp(e->addr[1].b, k->addr[1], 16) == 0 &&
	       e->len[0] == k->len[0] && e->len[1] == k->len[1] && e->proto == k->proto && e->port == k->port &&
	       e->mark == k->mark;
}

static bool iface_fits(const struct rs_ipset_elem *e, const char *name)
{
	/* No option of iptables asks for the bridge port that "physdev:" stands for. */
	if (e->physdev || !e->iface)
		return false;
	return e->wildcard ? str_starts(name, e->iface) : strcmp(name, e->iface) == 0;
}

/* An element that expires says @a; whether it is still there is not known. */
static void pend(struct lookup *l, enum rs_answer a)
{
	l->said = l->pending && l->said != a ? RS_UNKNOWN : a;
	l->pending = true;
}

/*
 * One combination of prefix lengths. True: @ret is the answer. In a hash:net,iface the longest prefix that holds the address
 * decides, whatever interfaces it names: mtype_test_cidrs() stops once `multi` has counted one.
 */
static bool probe(struct lookup *l, enum rs_answer *ret)
{
	const struct rs_ipset *s = l->set;
	bool other_iface = false;

	for (uint32_t i = s->buckets[bucket_of(s, &l->key)]; i; i = s->elems[i - 1].next) {
		const struct rs_ipset_elem *e = &s->elems[i - 1];

		if (!same_key(e, &l->key))
			continue;
		if (l->iface && !iface_fits(e, l->iface)) {
			other_iface = other_iface || !e->expires;
			if (e->expires)
				pend(l, RS_NO);
			continue;
		}
		if (!e->expires) {
			*ret = element_says(l, e);
			return true;
		}
		pend(l, element_says(l, e));
	}
	*ret = RS_NO;
	return other_iface;
}

static void set_prefix(struct set_key *k, unsigned side, const struct ip_addr *a, unsigned len)
{
	unsigned whole = len / 8, rest = len % 8;

	memset(k->addr[side], 0, sizeof(k->addr[side]));
	memcpy(k->addr[side], a->b, whole);
	if (rest)
		k->addr[side][whole] = (uint8_t)(a->b[whole] & (0xff00 >> rest));
	k->len[side] = (uint8_t)len;
}

static enum rs_answer probe_all(struct lookup *l)
{
	const struct rs_ipset *s = l->set;
	enum rs_answer a = RS_NO;
	bool found = false;

	for (unsigned i = 0; i < s->nlens[0] && !found; i++) {
		set_prefix(&l->key, 0, &l->addr[0], s->lens[0][i]);
		for (unsigned k = 0; k < s->nlens[1] && !found; k++) {
			set_prefix(&l->key, 1, &l->addr[1], s->lens[1][k]);
			found = probe(l, &a);
		}
	}
	if (!found)
		a = RS_NO;
	return l->pending && l->said != a ? RS_UNKNOWN : a;
}

uint16_t ipset_port(const struct rs_set_packet *p, bool dst)
{
	switch (p->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
		return dst ? p->dport : p->sport;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return (uint16_t)(p->icmp_type << 8 | p->icmp_code);
	default:
		return 0;
	}
}

static bool mask_first(struct lookup *l)
{
	const struct rs_ipset *s = l->set;

	for (size_t i = 0; s->has_mask && i < sizeof(s->mask.b); i++)
		l->addr[0].b[i] &= s->mask.b[i];
	/* hash_ip4_kadt(), hash_ip6_kadt(): 0.0.0.0 and :: are in no hash:ip */
	return strcmp(s->type->name, "hash:ip") != 0 || !ip_addr_is_zero(&l->addr[0]);
}

/* The parts of the packet that the type asks. False: @ret is the answer. */
static bool take_parts(struct lookup *l, const struct rs_set_packet *p, enum rs_answer *ret)
{
	const struct rs_ipset *s = l->set;
	unsigned naddr = 0;

	for (unsigned i = 0; i < RS_IPSET_PARTS; i++) {
		bool dst = l->ref->dst[i];

		switch ((enum rs_ipset_part)s->type->part[i]) {
		case SETPART_IP:
		case SETPART_NET:
			if (!dst && !p->src_known) {
				*ret = RS_UNKNOWN;
				return false;
			}
			l->addr[naddr++] = dst ? p->dst : p->src;
			break;
		case SETPART_PORT:
			l->key.proto = p->proto;
			l->key.port = ipset_port(p, dst);
			break;
		case SETPART_IFACE:
			l->iface = dst ? p->oif : p->iif;
			*ret = l->iface ? RS_NO : RS_UNKNOWN;
			if (!l->iface || !*l->iface)
				return false;
			break;
		case SETPART_MARK:
			l->key.mark = p->mark & s->mark_mask;
			break;
		case SETPART_MAC:
			l->has_mac = true;
			break;
		default:
			break;
		}
	}
	*ret = RS_NO;
	/* A bitmap:port knows ports of TCP and UDP only, and not of which of them: ip_set_get_ip_port() */
	if (s->type->range && naddr == 0) {
		if (l->key.proto != IPPROTO_TCP && l->key.proto != IPPROTO_UDP)
			return false;
		l->key.proto = 0;
	}
	return mask_first(l);
}

static enum rs_answer set_has(const struct rs_set_ref *ref, const struct rs_set *set, const struct rs_set_packet *p,
			      bool *state, unsigned depth);

/* A list asks its sets in order: net/netfilter/ipset/ip_set_list_set.c, list_set_ktest. Lists hold no lists. */
static enum rs_answer list_has(const struct rs_set_ref *ref, const struct rs_ipset *s, const struct rs_set_packet *p,
			       bool *state, unsigned depth)
{
	enum rs_answer all = RS_NO;
	bool one = false, no = false;

	for (uint32_t i = 0; i < s->nelems; i++) {
		enum rs_answer a;

		one = false;
		a = set_has(ref, s->elems[i].set, p, &one, depth + 1);
		if (a == RS_YES && s->elems[i].expires)
			a = RS_UNKNOWN;
		if (a == RS_YES) {
			*state = one;
			return a;
		}
		if (a == RS_UNKNOWN)
			all = a;
		no = no || one;
	}
	*state = no;
	return all;
}

static enum rs_answer set_has(const struct rs_set_ref *ref, const struct rs_set *set, const struct rs_set_packet *p,
			      bool *state, unsigned depth)
{
	const struct rs_ipset *s = set ? set->ipset : NULL;
	struct lookup l = { .ref = ref, .set = s };
	enum rs_answer a;

	if (!s || !s->type || s->damaged || depth > 1)
		return RS_UNKNOWN;
	if (ref->nfields < dimension(s->type) ||
	    (!s->any_family && (set->family == RS_IP6) != (p->dst.family == AF_INET6)))
		return RS_NO;
	if (s->type->part[0] == SETPART_SET) {
		a = list_has(ref, s, p, state, depth);
	} else {
		if (!s->nelems)
			a = RS_NO;
		else if (s->type->part[0] == SETPART_MAC)
			a = RS_UNKNOWN;
		else if (take_parts(&l, p, &a))
			a = probe_all(&l);
		*state = false;
	}
	if (a == RS_UNKNOWN)
		return a;
	*state = *state || (a == RS_YES ? s->shrinks : set->dynamic);
	return a;
}

enum rs_answer rs_set_has(const struct rs_set_ref *ref, const struct rs_set_packet *p, bool *ret_state)
{
	bool state = false;
	enum rs_answer a = set_has(ref, ref->set, p, &state, 0);

	*ret_state = a != RS_UNKNOWN && state;
	return a;
}

static bool asks_source(const struct rs_set_ref *ref, const struct rs_set *set, unsigned depth)
{
	const struct rs_ipset *s = set ? set->ipset : NULL;
	bool asks = false;

	if (!s || !s->type || depth > 1)
		return false;
	for (unsigned i = 0; i < RS_IPSET_PARTS; i++)
		asks = asks || ((s->type->part[i] == SETPART_IP || s->type->part[i] == SETPART_NET) && !ref->dst[i]);
	for (uint32_t i = 0; i < s->nelems && !asks && s->type->part[0] == SETPART_SET; i++)
		asks = asks_source(ref, s->elems[i].set, depth + 1);
	return asks;
}

bool rs_set_asks_source(const struct rs_set_ref *ref)
{
	return asks_source(ref, ref->set, 0);
}
