/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy's maps of nftables mode and its ipsets of IPVS mode: the frontend that an element stands for, and the Service
 * that the name of its chain, or its comment, tells.
 */
#include <errno.h>

#include "verify-private.h"

static bool one_address(uint8_t kind, const struct rs_value *v, struct ip_addr *ret)
{
	struct ip_addr a = { .family = AF_INET };
	uint32_t be;

	if (kind == VALUE_ADDR6) {
		*ret = v->u.addr6->lo;
		ret->family = AF_INET6;
		return ip_addr_equal(&v->u.addr6->lo, &v->u.addr6->hi);
	}
	if (kind != VALUE_ADDR4 || v->u.num.lo != v->u.num.hi)
		return false;
	be = htonl(v->u.num.lo);
	memcpy(a.b, &be, sizeof(be));
	*ret = a;
	return true;
}

static bool one_number(uint8_t kind, const struct rs_value *v, uint32_t max, uint32_t *ret)
{
	*ret = v->u.num.lo;
	return kind == VALUE_NUM && v->u.num.lo == v->u.num.hi && v->u.num.lo <= max;
}

bool velem_address(const struct rs_set *s, const struct rs_elem *e, struct ip_addr *ret)
{
	return e->keys && s->nfields > 0 && one_address(s->part_kinds[0], &e->keys[0], ret);
}

bool velem_key(const struct rs_set *s, const struct rs_elem *e, struct vfrontend_key *ret)
{
	const unsigned first = s->nfields == 3; /* address, protocol, port; node ports have no address */
	uint32_t proto, port;

	memset(ret, 0, sizeof(*ret));
	if (!e->keys || (s->nfields != 3 && s->nfields != 2) || (first && !one_address(s->part_kinds[0], &e->keys[0], &ret->addr)))
		return false;
	if (!first)
		ret->addr.family = s->table && s->table->family == RS_IP6 ? AF_INET6 : AF_INET;
	if (!one_number(s->part_kinds[first], &e->keys[first], UINT8_MAX, &proto) ||
	    !one_number(s->part_kinds[first + 1], &e->keys[first + 1], UINT16_MAX, &port))
		return false;
	ret->proto = (uint8_t)proto;
	ret->port = (uint16_t)port;
	return true;
}

bool vchain_service(const char *chain, struct vchain_name *ret)
{
	/* "service-ULMVA6XW-ns/name/tcp/port": the hash has eight letters. */
	const char *dash = strchr(chain, '-'), *ns = dash && strlen(dash) > 10 && dash[9] == '-' ? dash + 10 : NULL;
	const char *name = ns ? strchr(ns, '/') : NULL, *proto = name ? strchr(name + 1, '/') : NULL, *port = proto ? strchr(proto + 1, '/') : NULL;
	const char *end;

	if (!port || name == ns || proto == name + 1)
		return false;
	end = strstr(port + 1, "__"); /* of an endpoint */
	*ret = (struct vchain_name){ ns, (size_t)(name - ns), name + 1, (size_t)(proto - name - 1), port + 1,
				     end ? (size_t)(end - port - 1) : strlen(port + 1) };
	return true;
}

const char *velem_service(struct arena *a, const struct rs_elem *e)
{
	struct vchain_name n;

	if (e->target && vchain_service(e->target->name, &n))
		return arena_printf(a, "%.*s/%.*s", (int)n.ns_len, n.ns, (int)n.name_len, n.name);
	return arena_strndup(a, e->comment ? e->comment : "", e->comment ? strcspn(e->comment, ": ") : 0);
}

int vset_addresses(struct arena *a, const struct rs_set *s, struct map *ret)
{
	for (size_t i = 0; s && i < s->nelems; i++) {
		struct ip_addr *addr = arena_new(a, struct ip_addr);

		if (!addr)
			return -ENOMEM;
		if (velem_address(s, &s->elems[i], addr) && map_put(ret, addr, sizeof(*addr), addr) < 0)
			return -ENOMEM;
	}
	return 0;
}

const struct rs_set *vipset_find(const struct ruleset *rs, const char *name, bool six)
{
	for (size_t i = 0; i < rs->sets.len; i++) {
		const struct rs_set *s = rs->sets.v[i];

		if (s->backend == BACKEND_LEGACY && s->name && vset_is(s->name, name) && str_starts(s->name, "KUBE-6-") == six)
			return s;
	}
	return NULL;
}
