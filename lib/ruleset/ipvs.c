/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPVS virtual servers by what a packet is: protocol, address and port, or the firewall mark. */
#include <errno.h>
#include <netinet/in.h>

#include "ruleset-private.h"

#define FTP_PORT 21

struct server_key {
	struct ip_addr addr; /* of a firewall-mark service: the family alone */
	uint8_t proto;
	uint16_t port;
	uint32_t fwmark;
};

static void fill_key(struct server_key *k, const struct ip_addr *addr, uint8_t proto, uint16_t port, uint32_t fwmark)
{
	memset(k, 0, sizeof(*k));
	k->addr.family = addr->family;
	k->fwmark = fwmark;
	if (fwmark)
		return;
	k->addr = *addr;
	k->proto = proto;
	k->port = port;
}

bool rs_same_server(const struct rs_virtual_server *a, const struct rs_virtual_server *b)
{
	struct server_key x, y;

	fill_key(&x, &a->addr, a->proto, a->port, a->fwmark);
	fill_key(&y, &b->addr, b->proto, b->port, b->fwmark);
	return memcmp(&x, &y, sizeof(x)) == 0;
}

int ruleset_index_servers(struct ruleset *rs)
{
	struct server_key *keys = arena_array(&rs->arena, struct server_key, rs->servers.len);
	struct rs_servers *x = &rs->server_index;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < rs->servers.len; i++) {
		struct rs_virtual_server *s = rs->servers.v[i];

		fill_key(&keys[i], &s->addr, s->proto, s->port, s->fwmark);
		if (map_get(&x->by_key, &keys[i], sizeof(keys[i])))
			continue;
		if (map_put(&x->by_key, &keys[i], sizeof(keys[i]), s) < 0)
			return -ENOMEM;
		x->has_ftp = x->has_ftp || (!s->fwmark && s->proto == IPPROTO_TCP && s->port == FTP_PORT);
		x->has_any_port = x->has_any_port || (!s->fwmark && s->port == 0);
	}
	return 0;
}

const struct rs_virtual_server *ruleset_find_server(const struct ruleset *rs, uint8_t proto, const struct ip_addr *addr, uint16_t port)
{
	struct server_key k;

	fill_key(&k, addr, proto, port, 0);
	return map_get(&rs->server_index.by_key, &k, sizeof(k));
}

const struct rs_virtual_server *ruleset_find_mark_server(const struct ruleset *rs, int family, uint32_t fwmark)
{
	struct ip_addr any = { .family = (uint8_t)family };
	struct server_key k;

	if (fwmark == 0)
		return NULL;
	fill_key(&k, &any, 0, 0, fwmark);
	return map_get(&rs->server_index.by_key, &k, sizeof(k));
}
