/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RULESET_PRIVATE_H
#define RULESET_PRIVATE_H

#include <svcdoctor/ruleset.h>

/* Builds the index of a long chain in the ruleset's arena; short chains keep NULL. 0 or -ENOMEM. */
int chain_build_index(struct ruleset *rs, struct rs_chain *c);

/* The same object, writable: everything that a ruleset points at lies in its own arena. */
#define rs_writable(type, p) ((type *)(uintptr_t)(p))

/* Hashes of the indexes. */
static inline uint32_t rs_mix(uint32_t h)
{
	h ^= h >> 16;
	h *= 0x7feb352du;
	h ^= h >> 15;
	h *= 0x846ca68bu;
	return h ^ h >> 16;
}
static inline uint32_t rs_addr_hash(const struct ip_addr *a)
{
	uint32_t w[4];

	memcpy(w, a->b, sizeof(w));
	return rs_mix(w[0] ^ rs_mix(w[1] ^ rs_mix(w[2] ^ rs_mix(w[3] ^ a->family))));
}

/* Sets chain.inert of all chains. 0 or -ENOMEM. */
int ruleset_mark_inert(struct ruleset *rs);
/* Whether the rule does anything: once all chains are marked. */
bool rule_remembers(const struct rs_rule *r);
bool rule_acts(const struct rs_rule *r);

/* Puts @c among the ruleset's short cuts if it is so simple. 0 or -ENOMEM. */
int chain_shorten(struct ruleset *rs, struct rs_chain *c);

/* nft.c: notes what a rule asks of nftables' sets; then, with the sets' elements, sorts a set. 0 or -ENOMEM. */
void rule_note_sets(const struct rs_rule *r);
int ruleset_index_set(struct ruleset *rs, struct rs_set *s);

/* ipvs.c: finds virtual servers by what a packet is. 0 or -ENOMEM. */
int ruleset_index_servers(struct ruleset *rs);

/*
 * set.c: the positions of the elements that may have this address as their part @side, @ret_len of them. NULL: all elements may, for
 * they hold prefixes there, or are few.
 */
const uint32_t *ipset_with_addr(const struct rs_ipset *s, unsigned side, const struct ip_addr *a, uint32_t *ret_len);
const uint32_t *ipset_with_port(const struct rs_ipset *s, uint16_t port, uint32_t *ret_len);
/* net/netfilter/ipset/ip_set_getport.c: ICMP's type and code stand for its port; a protocol without ports has port 0. */
uint16_t ipset_port(const struct rs_set_packet *p, bool dst);

/*
 * When all is read: joins what names sets with the sets (@ipsets: name -> struct rs_set). A SET target whose set no rule asks
 * becomes ST_NOP; the others make their set dynamic. 0 or -ENOMEM.
 */
int ruleset_join_sets(struct ruleset *rs, const struct map *ipsets);

#endif
