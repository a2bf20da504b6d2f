/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_DUMP_H
#define NFT_DUMP_H

/*
 * How nf_tables is asked: sockets, dumps, attributes, and what there is of tables, chains and sets. Rules and elements are never kept; they
 * go by message by message. Only GET and DUMP are sent. What is read is of one generation only if that is the same afterwards.
 */

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include "kernel-private.h"

/* ---- attributes: include/uapi/linux/netlink.h ---- */

struct nft_attr {
	const uint8_t *p; /* NULL: it is not there */
	uint16_t size;
};
/* The next attribute between @pos and @end. False: there is none, or what is there is damaged (then *@pos is not @end). */
static inline bool nft_attr_next(const uint8_t **pos, const uint8_t *end, uint16_t *ret_type, struct nft_attr *ret)
{
	struct nlattr h;
	size_t left = (size_t)(end - *pos), aligned;

	if (left < sizeof(h))
		return false;
	memcpy(&h, *pos, sizeof(h));
	if (h.nla_len < sizeof(h) || h.nla_len > left)
		return false;
	*ret_type = h.nla_type & NLA_TYPE_MASK;
	*ret = (struct nft_attr){ *pos + sizeof(h), (uint16_t)(h.nla_len - sizeof(h)) };
	aligned = NLA_ALIGN(h.nla_len);
	*pos += MIN(aligned, left);
	return true;
}
/* All of them by type, those below @n; the others of @ret are { NULL }. False: damaged. */
bool nft_attrs(const uint8_t *p, size_t size, struct nft_attr *ret, size_t n);
/* Of a message, behind its struct nfgenmsg; @ret_family may be NULL. */
bool nft_message(const struct nlmsghdr *h, uint8_t *ret_family, struct nft_attr *ret, size_t n);
/* What is nested in @a; nothing where that is not there. */
static inline bool nft_nested(struct nft_attr a, struct nft_attr *ret, size_t n)
{
	return nft_attrs(a.p, a.size, ret, n);
}
/* Numbers in network byte order; @otherwise where the attribute is not there or too short. */
static inline uint32_t nft_u32(struct nft_attr a, uint32_t otherwise)
{
	uint32_t be32;

	if (!a.p || a.size < sizeof(be32))
		return otherwise;
	memcpy(&be32, a.p, sizeof(be32));
	return ntohl(be32);
}
static inline uint64_t nft_u64(struct nft_attr a, uint64_t otherwise)
{
	uint64_t r = 0;

	if (!a.p || a.size < sizeof(r))
		return otherwise;
	for (size_t i = 0; i < sizeof(r); i++)
		r = r << 8 | a.p[i];
	return r;
}
/* NULL: it is not there, or it does not end with NUL. */
static inline const char *nft_str(struct nft_attr a)
{
	return a.p && a.size && memchr(a.p, 0, a.size) ? (const char *)a.p : NULL;
}

/* ---- sockets: one for each thread ---- */

#define NFT_BUFFER (64u << 10) /* the kernel fills 32 KiB at most */
struct nft_sock {
	int fd;
	uint32_t seq;
	uint8_t *buffer; /* three of NFT_BUFFER: two to receive, one to send several requests */
};
#define NFT_SOCK_INIT { .fd = -1 }
/* Loads no module where nf_tables is there, which nft_is_here told before. 0 or -errno. */
int nft_sock_open(struct nft_sock *s);
void nft_sock_close(struct nft_sock *s);
bool nft_is_here(void);

/* One message of a dump, header included, as long as it says. What is negative ends the dump and is returned. */
typedef int nft_fn(void *arg, const struct nlmsghdr *h);
/*
 * 0; -errno of the kernel or of @fn; -EINTR: the ruleset changed meanwhile. All messages of @type (NFT_MSG_GETTABLE, ...) of @family
 * (NFPROTO_UNSPEC: all) with one or two names as attributes; a NULL name is left out.
 */
struct nft_ask {
	uint8_t type, family;
	uint16_t attr, attr2;
	const char *name, *name2;
};
int nft_ask(struct nft_sock *s, const struct nft_ask *ask, nft_fn *fn, void *arg);
int nft_generation(struct nft_sock *s, uint32_t *ret);

/* ---- what there is ---- */

struct nft_table {
	uint8_t family;
	const char *name;
	uint32_t flags, use; /* NFT_TABLE_F_* */
	uint64_t handle;
	uint32_t users;	     /* the sum of what its chains say of theirs: rules and jumps */
	struct nft_attr comment;
	uint64_t last_chain, last_set; /* the highest handles so far */
	bool in_save;	     /* nft_save: its rules stand in the text of iptables-nft-save */
};
struct nft_chain {
	struct nft_table *table;
	const char *name, *type; /* type: "filter", "nat", "route", NULL: no base chain */
	bool has_hook, has_policy;
	uint32_t hooknum, policy, flags, use;
	int32_t prio;
	uint64_t handle;
	struct nft_attr devs, userdata; /* devs: the nest of the hook */
};
struct nft_set {
	struct nft_table *table;
	const char *name;
	uint32_t flags, key_type, key_len, data_type, data_len, obj_type, size, policy, gc_interval;
	uint64_t timeout, handle;
	struct nft_attr userdata, expr, exprs;
	uint8_t nfields, fields[16]; /* bytes of the parts of a concatenation with ranges */
};
struct nft_dump {
	struct arena arena;
	/* in the kernel's order: the chains and sets of one table stand together */
	ARRAY_OF(struct nft_table *) tables;
	ARRAY_OF(struct nft_chain *) chains;
	ARRAY_OF(struct nft_set *) sets;
	struct nft_table *last; /* where the last one was found */
	bool damaged;		/* a message could not be read: something of it is not shown */
};
/* 0, -errno, -EINTR. */
int nft_dump_load(struct nft_dump *d, struct nft_sock *s);
void nft_dump_release(struct nft_dump *d);
/* The rules of one chain, in order; of all of the table where @c is NULL. 0, -errno, -EINTR. */
int nft_dump_rules(struct nft_sock *s, const struct nft_table *t, const struct nft_chain *c, nft_fn *fn, void *arg);
/* Its elements, several in each message. */
int nft_dump_elements(struct nft_sock *s, const struct nft_table *t, const char *set, nft_fn *fn, void *arg);
/*
 * Elements of several sets whose keys are known: the numbers from @first on. A dump walks the list of all sets of its table three times, this
 * only once. Each element is a message of its own, with which of @k it belongs to. @ret_r, an array as @k: 0 or -errno of each (-ENOENT: one
 * of its keys is not there). What is asked for in one call is limited to NFT_KEYS_MAX elements, so that the answers find room.
 */
#define NFT_KEYS_MAX 40u
struct nft_keys {
	const struct nft_table *table;
	const char *set;
	uint32_t first, n;
};
typedef int nft_keys_fn(void *arg, size_t which, const struct nlmsghdr *h);
int nft_get_elements(struct nft_sock *s, const struct nft_keys *k, size_t len, nft_keys_fn *fn, void *arg, int *ret_r);

#endif
