/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RULESET_PRIVATE_H
#define RULESET_PRIVATE_H

#include <svcdoctor/ruleset.h>

/* Builds the index of a long chain in the ruleset's arena; short chains keep NULL. 0 or -ENOMEM. */
int chain_build_index(struct ruleset *rs, struct rs_chain *c);

/* The same object, writable: everything that a ruleset points at lies in its own arena. */
#define rs_writable(type, p) ((type *)(uintptr_t)(p))

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

/* set.c: where the elements with this first address begin, from 1; others are among them. Of a set that has `firsts`. */
uint32_t ipset_first(const struct rs_ipset *s, const struct ip_addr *a);

/* ipvs.c: finds virtual servers by what a packet is. 0 or -ENOMEM. */
int ruleset_index_servers(struct ruleset *rs);

/*
 * When all is read: joins what names sets with the sets (@ipsets: name -> struct rs_set). A SET target whose set no rule asks
 * becomes ST_NOP; the others make their set dynamic. 0 or -ENOMEM.
 */
int ruleset_join_sets(struct ruleset *rs, const struct map *ipsets);

#endif
