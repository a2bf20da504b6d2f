/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which IPv6 address of its own the node uses towards a destination: RFC 6724, section 5, in the order of
 * ipv6_get_saddr_eval() (net/ipv6/addrconf.c). Each candidate is scored rule by rule; the first rule that differs
 * decides, and of equals the first one stays. Home addresses (rule 4) and `ip addrlabel` are not modelled.
 */
#include "node-private.h"

/* The scope field of RFC 4291 multicast addresses, used for all of them. */
enum { SC_LINK = 2, SC_SITE = 5, SC_GLOBAL = 14 };

static bool starts(const struct ip_addr *a, const char *prefix)
{
	struct ip_prefix p;

	return ip_prefix_parse(prefix, &p) == 0 && ip_prefix_contains(&p, a);
}

static int scope_of(const struct ip_addr *a)
{
	if (a->b[0] == 0xff)
		return a->b[1] & 0xf;
	if (ip_addr_is_loopback(a) || (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80))
		return SC_LINK;
	if (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0xc0)
		return SC_SITE;
	return SC_GLOBAL;
}

/* The default policy table, with the kernel's labels (net/ipv6/addrlabel.c). */
static int label_of(const struct ip_addr *a)
{
	static const struct {
		const char *prefix;
		int label;
	} table[] = {
		{ "::1/128", 0 }, { "::ffff:0:0/96", 4 }, { "::/96", 3 }, { "2001:10::/28", 7 },
		{ "2001::/32", 6 }, { "2002::/16", 2 }, { "fc00::/7", 5 },
	};

	/* All of them begin with one of these bytes. */
	if (a->b[0] == 0 || a->b[0] == 0x20 || (a->b[0] & 0xfe) == 0xfc) {
		for (size_t i = 0; i < ARRAY_LEN(table); i++) {
			if (starts(a, table[i].prefix))
				return table[i].label;
		}
	}
	return 1;
}

static bool is_orchid(const struct ip_addr *a)
{
	return a->b[0] == 0x20 && a->b[1] == 0x01 && a->b[2] == 0 && (a->b[3] & 0xf0) == 0x20;
}

/* Loopback, compatible and mapped addresses: for these deprecation does not count (ipv6_saddr_preferred()). */
static bool always_preferred(const struct ip_addr *a)
{
	static const uint8_t zero[10];

	return memcmp(a->b, zero, sizeof(zero)) == 0 && a->b[10] == a->b[11] && (a->b[10] == 0 || a->b[10] == 0xff);
}

static int common_bits(const struct ip_addr *a, const struct ip_addr *b)
{
	int n = 0;

	while (n < 128 && !((a->b[n / 8] ^ b->b[n / 8]) & (0x80 >> (n % 8))))
		n++;
	return n;
}

struct target {
	const struct ip_addr *addr;
	int scope, label;
	const char *dev;
};

enum {
	SCORE_LOCAL, SCORE_SCOPE, SCORE_PREFERRED, SCORE_OIF, SCORE_LABEL, SCORE_PRIVACY, SCORE_ORCHID, SCORE_PREFIX,
	SCORES
};

/* What a candidate gets from rule @i; more is better. */
static int score(const struct node_facts *f, const struct node_address *a, const struct target *t, int i)
{
	int n;

	switch (i) {
	case SCORE_LOCAL:
		return ip_addr_equal(&a->addr, t->addr);
	case SCORE_SCOPE:
		n = scope_of(&a->addr);
		return n >= t->scope ? -n : n - 128;
	case SCORE_PREFERRED:
		return always_preferred(&a->addr) || !(a->deprecated || a->optimistic);
	case SCORE_OIF:
		return !t->dev || (a->ifname && strcmp(a->ifname, t->dev) == 0);
	case SCORE_LABEL:
		return label_of(&a->addr) == t->label;
	case SCORE_PRIVACY:
		return !a->temporary != (node_conf(f, AF_INET6, a->ifname, "use_tempaddr") >= 2);
	case SCORE_ORCHID:
		return is_orchid(&a->addr) == is_orchid(t->addr);
	case SCORE_PREFIX:
		return MIN(common_bits(&a->addr, t->addr), (int)a->plen);
	default:
		return 0;
	}
}

static bool is_candidate(const struct node_address *a)
{
	return (!a->tentative || a->optimistic) && !ip_addr_is_zero(&a->addr) && !ip_addr_is_multicast(&a->addr);
}

static bool is_better(const struct node_facts *f, const struct node_address *a, const struct node_address *best,
		      const struct target *t)
{
	for (int i = 0; best && i < SCORES; i++) {
		int x = score(f, a, t, i), y = score(f, best, t, i);

		if (x != y)
			return x > y;
	}
	return !best;
}

static const struct node_address *best_of(const struct node_facts *f, const struct node_dev *d, const struct target *t,
					  const struct node_address *best)
{
	for (uint32_t i = 0; d && i < d->count[1]; i++) {
		const struct node_address *a = f->index->addrs[d->first[1] + i];

		if (is_candidate(a) && is_better(f, a, best, t))
			best = a;
	}
	return best;
}

/* An address of the out interface of the very scope, preferred: only the destination itself could beat it. */
static bool is_unbeatable(const struct node_facts *f, const struct node_address *a, const struct target *t)
{
	return a && scope_of(&a->addr) == t->scope && score(f, a, t, SCORE_PREFERRED) && score(f, a, t, SCORE_OIF) &&
	       !map_get(&f->locals, t->addr, sizeof(*t->addr));
}

struct ip_addr node_select6(const struct node_facts *f, const char *dev, const struct ip_addr *dst)
{
	const struct node_dev *d = node_dev(f, dev), *vrf = node_vrf(f, dev);
	struct target t = { dst, scope_of(dst), label_of(dst), dev };
	const struct node_address *best = best_of(f, d, &t, NULL);
	bool own_only = ip_addr_is_multicast(dst) || t.scope <= SC_LINK ||
			node_conf(f, AF_INET6, dev, "use_oif_addrs_only") > 0;

	if (own_only || is_unbeatable(f, best, &t) || !f->index)
		return best ? best->addr : (struct ip_addr){ 0 };
	/* Once more from the beginning: of equals the first interface's address stays. */
	best = vrf ? best_of(f, vrf, &t, best) : NULL;
	for (size_t i = 0; i < f->index->ndevs; i++) {
		if (node_vrf(f, f->index->devs[i]->name) == vrf)
			best = best_of(f, f->index->devs[i], &t, best);
	}
	return best ? best->addr : (struct ip_addr){ 0 };
}
