/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads `ip -j addr` and `ip -j -d link` into a node's addresses and links. */
#include <errno.h>

#include "ip-json-private.h"

/* ---- addresses ---- */

static int read_address(struct ip_reader *r, const json_t *o, uint32_t ifindex, const char *ifname)
{
	struct node_address a = { .ifindex = ifindex, .ifname = ifname };
	uint32_t plen;
	int found;

	if (!json_is_object(o)) {
		ip_bad(r, "an address of '%s' is not an object", ifname);
		return 0;
	}
	found = ip_address(r, o, "local", &a.addr);
	if (found < 0)
		return 0;
	/* Some point-to-point links print the one address that they have as "address". */
	if (found == 0 && ip_address(r, o, "address", &a.addr) <= 0) {
		ip_bad(r, "an address of '%s' has no \"local\"", ifname);
		return 0;
	}
	if (found && ip_address(r, o, "address", &a.peer) < 0)
		a.peer = (struct ip_addr){ 0 };
	if (!ip_number(r, o, "prefixlen", (uint32_t)ip_addr_size(&a.addr) * 8, &plen) ||
	    plen > ip_addr_size(&a.addr) * 8) {
		ip_bad(r, "an address of '%s' has a bad \"prefixlen\"", ifname);
		return 0;
	}
	a.plen = (uint8_t)plen;
	a.scope = ip_scope(o, SCOPE_GLOBAL);
	a.secondary = ip_flag(o, "secondary");
	a.deprecated = ip_flag(o, "deprecated");
	a.tentative = ip_flag(o, "tentative") || ip_flag(o, "dadfailed");
	a.temporary = ip_flag(o, "temporary");
	a.optimistic = ip_flag(o, "optimistic");
	return array_push(&r->f->addrs, a);
}

/* What addresses and links have in common. @ret_name is NULL, with a note, where there is none. */
static int read_name(struct ip_reader *r, const json_t *item, const char **ret_name, uint32_t *ret_ifindex)
{
	int e = ip_copy(r, item, "ifname", ret_name);

	if (e < 0)
		return e;
	if (!*ret_name)
		ip_bad(r, "an interface has no \"ifname\"");
	(void)ip_number(r, item, "ifindex", 0, ret_ifindex);
	return 0;
}

static int take_addrs(struct ip_reader *r, const json_t *item)
{
	const json_t *list = json_arr(item, "addr_info"), *o;
	const char *name;
	uint32_t ifindex;
	size_t i;
	int e = read_name(r, item, &name, &ifindex);

	if (e < 0 || !name)
		return e;
	if (!list)
		ip_bad(r, "interface '%s' has no \"addr_info\": this is not the output of 'ip -j addr'", name);
	json_array_foreach(list, i, o) {
		e = read_address(r, o, ifindex, name);
		if (e < 0)
			return e;
	}
	return 0;
}

int read_ip_addr(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	struct ip_reader r = { .f = f, .file = file, .notes = notes };
	int e = ip_each(&r, data, size, take_addrs);

	if (e == 0 && r.taken == 0) {
		sd_note_add(notes, true, "empty", file, 1, 0, "ip -j addr",
			    "'%s' shows no interface, not even lo", file);
		return SD_EPARSE;
	}
	if (e == 0)
		f->addrs_known = true;
	return e;
}

/* ---- links ---- */

/* Other kinds have such keys too, with other values. */
static void read_tunnel(const json_t *data, struct node_link *l)
{
	const json_int_t id = json_integer_value(json_object_get(data, "id")), port = json_integer_value(json_object_get(data, "port"));
	const char *local = json_str(data, "local");

	l->over_ip6 = json_str(data, "local6") || json_str(data, "remote6") || json_str(data, "group6") || (local && strchr(local, ':'));
	l->learning = ip_flag(data, "l3miss") ? 1 : ip_tri(data, "learning");
	l->tunnel_id = id > 0 && id <= UINT32_MAX ? (uint32_t)id : 0;
	l->tunnel_port = port > 0 && port <= UINT16_MAX ? (uint32_t)port : 0;
}

static int read_link_info(struct ip_reader *r, const json_t *info, struct node_link *l)
{
	const json_t *data = json_obj(info, "info_data"), *port = json_obj(info, "info_slave_data");
	const char *port_kind = json_str(info, "info_slave_kind");
	int e;

	l->is_bridge_port = port_kind && strcmp(port_kind, "bridge") == 0;
	if (l->is_bridge_port) {
		l->hairpin = ip_tri(port, "hairpin");
		l->isolated = ip_tri(port, "isolated") == 1;
	}
	l->nf_call_iptables = ip_tri(data, "nf_call_iptables");
	l->nf_call_ip6tables = ip_tri(data, "nf_call_ip6tables");
	if (!l->lower && (e = ip_copy(r, data, "link", &l->lower)) < 0)
		return e;
	read_tunnel(data, l);
	return ip_copy(r, info, "info_kind", &l->kind);
}

static int take_link(struct ip_reader *r, const json_t *item)
{
	struct node_link l = { .hairpin = -1, .nf_call_iptables = -1, .nf_call_ip6tables = -1, .learning = -1 };
	uint32_t n;
	int e = read_name(r, item, &l.name, &l.ifindex);

	if (e < 0 || !l.name)
		return e;
	l.up = ip_has_word(item, "flags", "UP");
	l.loopback = ip_has_word(item, "flags", "LOOPBACK");
	l.promisc = ip_has_word(item, "flags", "PROMISC");
	l.pointopoint = ip_has_word(item, "flags", "POINTOPOINT");
	(void)ip_number(r, item, "promiscuity", UINT32_MAX, &n);
	l.promiscuity = n > INT32_MAX ? -1 : (int)n;
	(void)ip_number(r, item, "mtu", 0, &l.mtu);
	e = ip_copy(r, item, "master", &l.master);
	if (e == 0)
		e = ip_copy(r, item, "address", &l.mac);
	if (e == 0)
		e = ip_copy(r, item, "link", &l.lower);
	if (e == 0)
		e = read_link_info(r, json_obj(item, "linkinfo"), &l);
	return e < 0 ? e : array_push(&r->f->links, l);
}

int read_ip_link(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	struct ip_reader r = { .f = f, .file = file, .notes = notes };
	int e = ip_each(&r, data, size, take_link);

	if (e == 0 && r.taken == 0) {
		sd_note_add(notes, true, "empty", file, 1, 0, "ip -j -d link",
			    "'%s' shows no interface, not even lo", file);
		return SD_EPARSE;
	}
	if (e == 0)
		f->links_known = true;
	return e;
}
