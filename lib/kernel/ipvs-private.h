/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPVS_PRIVATE_H
#define IPVS_PRIVATE_H

/* What IPVS says of its virtual servers: ipvs.c asks for it, ipvs-text.c prints it as ipvsadm does, twice if need be. */

#include <linux/ip_vs.h>

#include "kernel-private.h"

struct ipvs_dest {
	uint8_t addr[16];
	uint32_t family, method; /* AF_INET or AF_INET6; IP_VS_CONN_F_MASQ, ... */
	int32_t weight;
	uint32_t upper, lower; /* thresholds, 0: none */
	uint16_t port;	       /* host byte order, as all numbers here */
	uint16_t tunnel_port, tunnel_flags;
	uint16_t tunnel; /* IP_VS_CONN_F_TUNNEL_TYPE_IPIP, ... */
	/* what may differ between two readings that agree: from here on */
	uint32_t active, inactive;
};
struct ipvs_service {
	uint8_t addr[16];
	uint32_t fwmark; /* or 0, and then an address */
	uint32_t family;
	uint16_t proto, port;
	uint32_t flags, timeout;
	uint8_t netmask[4]; /* of IPv4 */
	uint32_t prefix;    /* of IPv6 */
	char scheduler[IP_VS_SCHEDNAME_MAXLEN], engine[IP_VS_PENAME_MAXLEN];
	uint32_t first, ndests; /* its servers in ipvs_reading.dests */
};
/* All of it is zeroed before it is filled, so that it can be compared byte for byte. */
struct ipvs_reading {
	uint32_t version, table_size;
	ARRAY_OF(struct ipvs_service) services;
	ARRAY_OF(struct ipvs_dest) dests;
	size_t odd; /* servers with something that no command of ipvsadm says; they are printed as not readable */
};
void ipvs_reading_release(struct ipvs_reading *r);
/* By mark, family, protocol, address and port: so that the order of hash tables does not show. */
void ipvs_sort(struct ipvs_reading *r);
bool ipvs_same(const struct ipvs_reading *a, const struct ipvs_reading *b);

/* `ipvsadm -Sn`, with the thresholds, which that leaves out; @r->odd is counted anew. */
void ipvs_print_save(struct strbuf *b, struct ipvs_reading *r);
/* `ipvsadm -ln` */
void ipvs_print_list(struct strbuf *b, const struct ipvs_reading *r);

#endif
