/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RTNL_PRIVATE_H
#define RTNL_PRIVATE_H

/*
 * What the readers of rtnetlink share. They speak it through libmnl: libnl-route (3.7) keeps objects of its own, which know nothing of a bridge's
 * nf_call_iptables, of most settings of a bridge port, of next hops' ids, of gateways of the other family, or of a rule's user range, ports
 * and protocol. So messages are read as they are, by the kernel's linux/rtnetlink.h and its like, and printed in the order of iproute2 6.1.
 */

#include <linux/if.h>
#include <linux/netlink.h>

#include "json-out-private.h"
#include "kernel-private.h"

/* ---- messages ---- */

struct rtnl_message {
	uint16_t type;
	const void *header; /* of the size that was asked for: struct ifinfomsg, rtmsg, ... */
	const struct nlattr *attrs;
	size_t attrs_size;
};
/* 0, or a negative code that ends the dump. */
typedef int (*rtnl_fn)(void *arg, const struct rtnl_message *m);

struct rtnl_request {
	uint16_t type;	    /* RTM_GETLINK, ... */
	const void *header; /* its fixed part, of which the answers have one of the same size */
	size_t header_size;
	uint32_t ext_mask; /* IFLA_EXT_MASK; 0: none */
	bool *ret_long;	   /* may be NULL: set to true when it did not come in one piece */
};
/*
 * Dumps. 0; -EAGAIN: it changed while it was read (NLM_F_DUMP_INTR), what @fn has is good for nothing; -EBADMSG: what came is no netlink; -errno,
 * the kernel's or that of @fn.
 */
int rtnl_dump(const struct rtnl_request *q, rtnl_fn fn, void *arg);

/* Attributes by their type, up to @max; the last one of a type counts. */
void rtnl_attrs(const struct nlattr *first, size_t size, const struct nlattr **tb, unsigned max);
void rtnl_nested(const struct nlattr *a, const struct nlattr **tb, unsigned max);
size_t rtnl_size(const struct nlattr *a);
const void *rtnl_data(const struct nlattr *a);
/* A number of 1, 2, 4 or 8 bytes; @fallback where there is none. */
uint64_t rtnl_num(const struct nlattr *a, uint64_t fallback);
/* The text of an attribute, up to its NUL, at most @size - 1 bytes of it. @ret is returned. */
const char *rtnl_text(const struct nlattr *a, char *ret, size_t size);
/* The attributes of a list one by one, each with the rest behind it: NULL at the end. */
const struct nlattr *rtnl_first(const struct nlattr *list);
const struct nlattr *rtnl_next(const struct nlattr *list, const struct nlattr *a);

/* ---- names ---- */

struct rtnl_link {
	uint32_t ifindex, flags;
	uint16_t type; /* ARPHRD_ */
	char name[IFNAMSIZ];
};
enum rtnl_names { NAMES_TABLE, NAMES_PROTOCOL, NAMES_SCOPE, NAMES_REALM, NAMES_DSFIELD, NAMES_GROUP, NAMES_COUNT };
struct rtnl_name {
	uint32_t id;
	char *name;
};
/* What one reading has gathered, and where it writes. */
struct rtnl_reading {
	struct json_out out;
	ARRAY_OF(struct rtnl_link) links; /* by ifindex */
	ARRAY_OF(struct rtnl_name) names[NAMES_COUNT];
	bool names_read[NAMES_COUNT];
	bool strange; /* an interface that was not there when the links were read */
	bool in_pieces; /* a list that came in pieces, between which the kernel forgets what it looks at: two readings have to agree */
	bool odd;     /* something has another size than this program knows: it was left out */
	int result;   /* of what cannot return it */
};

/*
 * One list of the kernel, read up to 8 times until a reading is whole. @read writes the elements, between "[" and "]"; 0 or a negative code,
 * -EAGAIN: once more. @what for messages: "links".
 */
int rtnl_read(struct kernel_text *t, const char *what, int (*read)(struct rtnl_reading *r));

const struct rtnl_link *rtnl_link_find(const struct rtnl_reading *r, uint32_t ifindex);
/* The interface's name; "if7" where it is not known, which is noted as strange. */
void jo_dev(struct rtnl_reading *r, const char *key, uint32_t ifindex);
/* The name of iproute2's files for a number, else the number. */
void jo_name(struct rtnl_reading *r, const char *key, enum rtnl_names which, uint32_t id);

/* ---- values ---- */

/* Members that are left out where the attribute is not there, or of no known size. */
void jo_num_attr(struct rtnl_reading *r, const char *key, const struct nlattr *a);  /* a number */
void jo_flag_attr(struct rtnl_reading *r, const char *key, const struct nlattr *a); /* true or false */
void jo_text_attr(struct rtnl_reading *r, const char *key, const struct nlattr *a);
void jo_addr_attr(struct rtnl_reading *r, const char *key, int family, const struct nlattr *a);
/* A link-layer address as ll_addr_n2a of iproute2 writes it for the type of device. */
void jo_lladdr_attr(struct rtnl_reading *r, const char *key, const struct nlattr *a, uint16_t type);
/* An address of @size bytes; false: this is none of that family. */
bool rtnl_addr(int family, const void *data, size_t size, struct ip_addr *ret);

/* The "flags" of a route or next hop: RTNH_F_ and RTM_F_ */
void jo_route_flags(struct rtnl_reading *r, uint32_t flags);

/* ---- next hops that are objects of their own: rtnl-nexthop.c ---- */

struct rtnl_hop {
	uint32_t id, ifindex, flags;
	struct ip_addr gateway; /* family 0: none */
	size_t from, len;	/* of a group: its members */
};
struct rtnl_member {
	uint32_t id;
	unsigned weight;
};
struct rtnl_hops {
	ARRAY_OF(struct rtnl_hop) v;
	ARRAY_OF(struct rtnl_member) members;
	bool read;
};
/* "nexthops" of a route of @family that has only number @id. They are read when the first one is asked for. 0 or a negative code. */
int jo_nexthops(struct rtnl_reading *r, struct rtnl_hops *v, uint32_t id, int family);
void rtnl_hops_release(struct rtnl_hops *v);

/* linkinfo: rtnl-kind.c */
void jo_linkinfo(struct rtnl_reading *r, const struct nlattr *info);

#endif
