/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements of nftables that translate or refuse: dnat, snat, masquerade, redirect, reject. */
#include <errno.h>

#include "nft-private.h"

/* The whole argument is text: what it translates to is not known. */
static int text_only(struct nft_reader *x, struct rs_nat *n)
{
	n->has_addr = n->has_port = n->addr_map_has_port = false;
	n->addr_map = n->port_map = NULL;
	n->text = nft_stmt_text(x);
	return n->text ? 0 : -ENOMEM;
}

/* ---- addresses ---- */

static int address(const json_t *v, struct rs_nat *n)
{
	const json_t *range = json_arr(v, "range"), *prefix = json_obj(v, "prefix");
	struct ip_prefix p = { 0 };
	int64_t len;

	if (prefix) {
		if (nft_address(json_object_get(prefix, "addr"), &p.addr) < 0 || !json_int(prefix, "len", &len) || len < 0 ||
		    len > (p.addr.family == AF_INET ? 32 : 128))
			return SD_EPARSE;
		p.len = (uint8_t)len;
		n->lo = ip_prefix_first(&p);
		n->hi = ip_prefix_last(&p);
	} else if (nft_address(range ? json_array_get(range, 0) : v, &n->lo) < 0 ||
		   nft_address(range ? json_array_get(range, 1) : v, &n->hi) < 0) {
		return SD_EPARSE;
	}
	n->has_addr = true;
	return ip_addr_cmp(&n->lo, &n->hi) <= 0 && n->lo.family == n->hi.family ? 0 : SD_EPARSE;
}

/* The data of an anonymous map is seen by its first element: an address, or an address and a port. */
static bool has_port(const json_t *data)
{
	const json_t *first = json_array_get(json_array_get(json_arr(data, "set"), 0), 1);

	return json_array_size(json_arr(first, "concat")) == 2;
}

static int lookup(struct nft_reader *x, const json_t *map, const struct nft_map_of *of, struct rs_lookup **ret)
{
	struct nft_key k;
	int r = nft_key(x, json_object_get(map, "key"), &k);

	return r < 0 ? r : nft_lookup(x, &k, json_object_get(map, "data"), of, false, ret);
}

static int address_map(struct nft_reader *x, const json_t *map, bool ip6, struct rs_nat *n)
{
	struct nft_map_of of = { .data = { ip6 ? NFT_ADDR6 : NFT_ADDR4, NFT_SERVICE }, .ndata = 1, .is_map = true };
	struct rs_lookup *l;
	int r;

	n->addr_map_has_port = has_port(json_object_get(map, "data"));
	of.ndata = n->addr_map_has_port ? 2 : 1;
	r = lookup(x, map, &of, &l);
	if (r < 0)
		return r;
	n->addr_map = l;
	/* Whether a named map has ports it says itself. */
	if (l->name)
		x->lookups.v[x->lookups.len - 1].nat = n;
	return 0;
}

/* ---- ports ---- */

static int port_map(struct nft_reader *x, const json_t *map, struct rs_nat *n)
{
	static const struct nft_map_of of = { .data = { NFT_SERVICE }, .ndata = 1, .is_map = true };
	struct rs_lookup *l;
	int r = lookup(x, map, &of, &l);

	if (r == 0)
		n->port_map = l;
	return r;
}

static int port(struct nft_reader *x, const json_t *v, struct rs_nat *n)
{
	struct rs_value value;
	int r;

	if (json_obj(v, "map"))
		return port_map(x, json_obj(v, "map"), n);
	r = nft_value(x, NFT_SERVICE, v, &value);
	if (r < 0 || value.u.num.lo == 0)
		return r < 0 ? r : SD_EPARSE;
	n->has_port = true;
	n->port_lo = (uint16_t)value.u.num.lo;
	n->port_hi = (uint16_t)value.u.num.hi;
	return 0;
}

/* ---- all together ---- */

/* SD_EPARSE: something else stands among them, such as netmap. */
static int read_flags(const json_t *flags, struct rs_nat *n)
{
	size_t len = json_is_array(flags) ? json_array_size(flags) : flags ? 1 : 0;

	for (size_t i = 0; i < len; i++) {
		const char *word = json_string_value(json_is_array(flags) ? json_array_get(flags, i) : flags);

		if (str_is(word, "random"))
			n->random = true;
		else if (str_is(word, "fully-random"))
			n->random_fully = true;
		else if (str_is(word, "persistent"))
			n->persistent = true;
		else
			return SD_EPARSE;
	}
	return 0;
}

/* Of inet tables the statement names the family, and other packets pass by it: net/netfilter/nft_nat.c, nft_nat_inet_eval */
static int add_family(struct nft_reader *x, const json_t *arg, const struct rs_nat *n, bool *ret_ip6)
{
	const char *family = json_str(arg, "family");

	*ret_ip6 = x->table->family == RS_IP6;
	if (x->table->family != RS_INET || (!family && !n->has_addr))
		return 0;
	*ret_ip6 = family ? strcmp(family, "ip6") == 0 : n->lo.family == AF_INET6;
	return nft_add_implied(x, FIELD_NFPROTO, *ret_ip6 ? 10 : 2);
}

static int read_nat(struct nft_reader *x, const json_t *arg, struct rs_nat *n)
{
	const json_t *addr = json_object_get(arg, "addr"), *p = json_object_get(arg, "port");
	bool known = read_flags(json_object_get(arg, "flags"), n) == 0 && !json_object_get(arg, "type_flags"), ip6;
	int r;

	if (addr && !json_obj(addr, "map") && address(addr, n) < 0)
		known = false;
	r = add_family(x, arg, n, &ip6);
	if (r < 0)
		return r;
	if (n->has_addr && (n->lo.family == AF_INET6) != ip6)
		known = false;
	if (known && json_obj(addr, "map"))
		r = address_map(x, json_obj(addr, "map"), ip6, n);
	if (known && r == 0 && p)
		r = port(x, p, n);
	return known ? r : SD_EPARSE;
}

int nft_nat_statement(struct nft_reader *x, enum rs_stmt_kind kind, const json_t *arg)
{
	struct rs_stmt s = { .kind = (uint8_t)kind };
	struct rs_nat *n = arena_new(&x->rs->arena, struct rs_nat);
	size_t named = x->lookups.len;
	int r = n ? read_nat(x, arg, n) : -ENOMEM;

	if (r == SD_EPARSE) {
		for (size_t i = named; i < x->lookups.len; i++)
			x->lookups.v[i].nat = NULL;
		r = text_only(x, n);
	}
	s.u.nat = n;
	return r < 0 ? r : nft_add_stmt(x, s);
}

/* ---- reject ---- */

/* The names are those of iptables, which the rest of the program knows; icmpx is of both families. `nft -n` writes the codes. */
static const struct {
	const char *type, *expr;
	int code;
	const char *text;
} rejects[] = {
	{ "icmp", "port-unreachable", 3, "icmp-port-unreachable" },	{ "icmp", "net-unreachable", 0, "icmp-net-unreachable" },
	{ "icmp", "host-unreachable", 1, "icmp-host-unreachable" },	{ "icmp", "prot-unreachable", 2, "icmp-proto-unreachable" },
	{ "icmp", "net-prohibited", 9, "icmp-net-prohibited" },		{ "icmp", "host-prohibited", 10, "icmp-host-prohibited" },
	{ "icmp", "admin-prohibited", 13, "icmp-admin-prohibited" },	{ "icmpv6", "port-unreachable", 4, "icmp6-port-unreachable" },
	{ "icmpv6", "no-route", 0, "icmp6-no-route" },			{ "icmpv6", "admin-prohibited", 1, "icmp6-adm-prohibited" },
	{ "icmpv6", "addr-unreachable", 3, "icmp6-addr-unreachable" },	{ "icmpv6", "policy-fail", 5, "icmp6-policy-fail" },
	{ "icmpv6", "reject-route", 6, "icmp6-reject-route" },		{ "icmpx", "port-unreachable", 1, "icmpx-port-unreachable" },
	{ "icmpx", "admin-prohibited", 3, "icmpx-admin-prohibited" },	{ "icmpx", "no-route", 0, "icmpx-no-route" },
	{ "icmpx", "host-unreachable", 2, "icmpx-host-unreachable" },
};

/* NULL: not known. Without a code it is the first of its type. */
static const char *reject_text(const char *type, const json_t *expr)
{
	const char *word = json_string_value(expr);

	if (strcmp(type, "tcp reset") == 0)
		return "tcp-reset";
	for (size_t i = 0; i < ARRAY_LEN(rejects); i++)
		if (strcmp(rejects[i].type, type) == 0 &&
		    (!expr || str_is(word, rejects[i].expr) || (json_is_integer(expr) && json_integer_value(expr) == rejects[i].code)))
			return rejects[i].text;
	return NULL;
}

int nft_reject_statement(struct nft_reader *x, const json_t *arg)
{
	static const char *const of_family[] = { [RS_IP4] = "icmp", [RS_IP6] = "icmpv6", [RS_INET] = "icmpx" };
	const char *type = json_str(arg, "type");
	struct rs_stmt s = { .kind = ST_REJECT };
	bool inet = x->table->family == RS_INET;
	int r = 0;

	if (str_is(type, "tcp reset"))
		r = nft_add_implied(x, FIELD_PROTO, IPPROTO_TCP);
	else if (inet && (str_is(type, "icmp") || str_is(type, "icmpv6")))
		r = nft_add_implied(x, FIELD_NFPROTO, strcmp(type, "icmp") == 0 ? 2 : 10);
	s.u.text = reject_text(type ? type : of_family[x->table->family], json_object_get(arg, "expr"));
	if (!s.u.text)
		s.u.text = nft_stmt_text(x);
	return r < 0 ? r : s.u.text ? nft_add_stmt(x, s) : -ENOMEM;
}
