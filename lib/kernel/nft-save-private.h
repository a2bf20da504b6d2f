/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_SAVE_PRIVATE_H
#define NFT_SAVE_PRIVATE_H

/* One rule of an nf_tables table that iptables uses, in the words of iptables-nft-save. */

#include "nft-dump-private.h"

/*
 * Appends what stands behind "-A CHAIN" in the text of iptables-nft-save 1.8.9, without a newline. @exprs: NFTA_RULE_EXPRESSIONS,
 * @userdata: NFTA_RULE_USERDATA. False: iptables has no words for it, or it is damaged; what was appended then is of no use. @ret_jumps:
 * does it jump or go to a chain? @sets: as in struct xt_rule_context.
 */
bool nft_rule_print(struct strbuf *b, bool ip6, struct xt_sets *sets, struct nft_attr exprs, struct nft_attr userdata, bool *ret_jumps);

/* Can it be a word of such a text? A name that iptables would read as something else has no words. */
bool nft_plain_name(const char *s, size_t len);

#endif
