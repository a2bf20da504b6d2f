/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_PRIVATE_H
#define NFT_PRIVATE_H

/* What the two halves of kernel_nft say to each other. What is asked of the kernel, and how, lies in nft-dump-private.h. */

#include "nft-dump-private.h"

/*
 * `iptables-nft-save` or `ip6tables-nft-save`, without counters, of the tables and chains of @d, whose rules are asked for here, by up to
 * two threads with a socket each. Of every table of a name that iptables uses it sets table->in_save when its rules stand in the text; where
 * it is false afterwards the table is one of the other half's ("incompatible", or of another name). 0, or -errno of the dump; the text is
 * of one generation only if that has not changed afterwards, which the caller sees to.
 */
int nft_save(struct nft_dump *d, bool ip6, struct kernel_text *ret);

/*
 * `nft -j list ruleset` of all tables that are not in_save: rules and elements are asked for here, also by two threads. 0, or -errno of the
 * dump, as above. What cannot be shown makes it partial.
 */
int nft_json(struct nft_dump *d, struct nft_sock *s, struct kernel_text *ret);

#endif
