/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kube-proxy must have made, looked for in what the node has: rules by their signature, elements of maps and members of
 * ipsets by their key, virtual servers, addresses. Where the key is there and leads elsewhere, that is found in its place.
 * What was not collected is never missing.
 */
#include <errno.h>
#include <netinet/in.h>

#include "verify-private.h"

struct text_index { /* of one set */
	struct map by_key; /* text of the key -> element */
};

void vpresent_release(struct vnode *v)
{
	for (size_t i = 0; i < v->set_keys.cap; i++) {
		struct text_index *x = v->set_keys.v[i].value;

		if (x)
			map_release(&x->by_key);
	}
	map_release(&v->set_keys);
	map_release(&v->sets);
	map_release(&v->link_addresses);
}

/* ---- sets and maps of nftables ---- */

static const char *set_key(struct arena *a, unsigned six, bool ipset, const char *name)
{
	return arena_printf(a, "%c%c%s", six ? '6' : '4', ipset ? 'i' : 'n', name);
}

static int index_sets(struct vnode *v)
{
	const struct ruleset *rs = &v->snap->rules;

	v->sets_built = true;
	for (size_t i = 0; i < rs->sets.len; i++) {
		const struct rs_set *s = rs->sets.v[i];
		bool ipset = s->backend == BACKEND_LEGACY;
		const char *key;

		if (!s->name || (!ipset && (!s->table || strcmp(s->table->name, "kube-proxy") != 0)))
			continue;
		key = set_key(&v->arena, ipset ? str_starts(s->name, "KUBE-6-") : s->family == RS_IP6, ipset, s->name);
		if (!key || map_puts(&v->sets, key, rs->sets.v[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

const struct rs_set *vnode_set(struct vnode *v, struct arena *scratch, int family, bool ipset, const char *name)
{
	const char *key = set_key(scratch, family == AF_INET6, ipset, name);

	if (!v->sets_built && index_sets(v) < 0)
		return NULL;
	return key ? map_gets(&v->sets, key) : NULL;
}

#define ELEMENT_MAX 1024

/* "KEY : VALUE" of an element without its comment; cuts it, so that KEY is left in @buf. Returns VALUE, or "" of a set. */
static const char *split_element(const struct rs_set *s, const struct rs_elem *e, char buf[static ELEMENT_MAX])
{
	char *colon;

	if (rs_elem_print(s, e, buf, ELEMENT_MAX) >= ELEMENT_MAX)
		buf[0] = '\0';
	colon = s->is_map ? strstr(buf, " : ") : NULL;
	if (!colon)
		return "";
	*colon = '\0';
	return colon + 3;
}

const char *velem_text(struct arena *a, const struct rs_set *s, const struct rs_elem *e)
{
	char buf[ELEMENT_MAX];
	const char *value = split_element(s, e, buf);

	return arena_printf(a, "%s%s%s%s%s%s", buf, e->comment ? " comment \"" : "", e->comment ? e->comment : "", e->comment ? "\"" : "",
			    s->is_map ? " : " : "", value);
}

/* ---- members of ipsets, as ipset save has them ---- */

static void add_part(struct strbuf *b, const struct rs_ipset_type *t, unsigned part, const struct rs_ipset_elem *e, unsigned *addr)
{
	char buf[IP_PREFIX_STRLEN];
	struct ip_prefix p = { e->addr[*addr % 2], e->len[*addr % 2] };

	switch ((enum rs_ipset_part)t->part[part]) {
	case SETPART_IP:
	case SETPART_NET:
		strbuf_adds(b, p.len == 8 * ip_addr_size(&p.addr) ? ip_addr_format(&p.addr, buf) : ip_prefix_format(&p, buf));
		(*addr)++;
		break;
	case SETPART_PORT:
		strbuf_addf(b, "%s%s%u", t->range ? "" : proto_name(e->proto), t->range ? "" : ":", e->port);
		break;
	case SETPART_IFACE:
		strbuf_adds(b, e->iface ? e->iface : "");
		break;
	case SETPART_MARK:
		strbuf_addf(b, "0x%x", e->mark);
		break;
	case SETPART_SET:
		strbuf_adds(b, e->member ? e->member : "");
		break;
	case SETPART_MAC:
	case SETPART_NONE:
		break;
	}
}

const char *vmember_text(struct arena *a, const struct rs_ipset *s, const struct rs_ipset_elem *e)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	unsigned addr = 0;

	for (unsigned i = 0; i < RS_IPSET_PARTS && s->type->part[i] != SETPART_NONE; i++) {
		strbuf_adds(&b, i ? "," : "");
		add_part(&b, s->type, i, e, &addr);
	}
	return b.failed ? NULL : arena_strndup(a, strbuf_str(&b), b.len);
}

/* ---- keys of a set, on demand ---- */

static int index_members(struct vnode *v, const struct rs_set *s, struct map *m)
{
	for (uint32_t i = 0; s->ipset && s->ipset->type && i < s->ipset->nelems; i++) {
		const char *key = vmember_text(&v->arena, s->ipset, &s->ipset->elems[i]);

		if (!key || map_puts(m, key, &s->ipset->elems[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int index_elements(struct vnode *v, const struct rs_set *s, struct map *m)
{
	char buf[ELEMENT_MAX];

	for (size_t i = 0; i < s->nelems; i++) {
		const char *key = (split_element(s, &s->elems[i], buf), arena_strdup(&v->arena, buf));

		if (!key || map_puts(m, key, (void *)(uintptr_t)&s->elems[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void *find_key(struct vnode *v, const struct rs_set *s, const char *key)
{
	struct text_index *x = map_get(&v->set_keys, &s, sizeof(s));
	const struct rs_set **place;

	if (x)
		return map_gets(&x->by_key, key);
	x = arena_new(&v->arena, struct text_index);
	place = arena_new(&v->arena, const struct rs_set *);
	if (!x || !place)
		return NULL;
	*place = s;
	if ((s->backend == BACKEND_LEGACY ? index_members(v, s, &x->by_key) : index_elements(v, s, &x->by_key)) < 0 ||
	    map_put(&v->set_keys, place, sizeof(*place), x) < 0) {
		map_release(&x->by_key);
		return NULL;
	}
	return map_gets(&x->by_key, key);
}

/* ---- virtual servers, as ipvsadm -Sn has them ---- */

static const char *server_key(const struct rs_virtual_server *s, char buf[static IP_ENDPOINT_STRLEN + 20])
{
	char at[IP_ENDPOINT_STRLEN];

	(void)snprintf(buf, IP_ENDPOINT_STRLEN + 20, "%s %s", s->proto == IPPROTO_TCP ? "-t" : s->proto == IPPROTO_UDP ? "-u" : "--sctp-service",
		       ip_endpoint_format(&s->addr, s->port, at));
	return buf;
}

const char *vserver_text(struct arena *a, const struct rs_virtual_server *s)
{
	char key[IP_ENDPOINT_STRLEN + 20], persistent[32] = "";

	if (s->persistent)
		(void)snprintf(persistent, sizeof(persistent), " -p %u", s->persistent);
	if (s->fwmark)
		return arena_printf(a, "-A -f %u -s %s%s", s->fwmark, s->scheduler ? s->scheduler : "", persistent);
	return arena_printf(a, "-A %s -s %s%s%s%s", server_key(s, key), s->scheduler ? s->scheduler : "",
			    s->flags && *s->flags ? " -b " : "", s->flags ? s->flags : "", persistent);
}

const char *vreal_text(struct arena *a, const struct rs_virtual_server *s, const struct rs_real_server *r)
{
	char key[IP_ENDPOINT_STRLEN + 20], at[IP_ENDPOINT_STRLEN];

	return arena_printf(a, "-a %s -r %s -%c -w %d", server_key(s, key), ip_endpoint_format(&r->addr, r->port, at),
			    r->method == 'r' ? 'g' : r->method == 't' ? 'i' : 'm', r->weight);
}

/* "-t 10.96.0.1:443": option, blank, address and port. */
static const struct rs_virtual_server *find_server(const struct vnode *v, const char *key)
{
	const char *at = strchr(key, ' '), *colon = at ? strrchr(at, ':') : NULL;
	uint8_t proto = str_starts(key, "-t") ? IPPROTO_TCP : str_starts(key, "-u") ? IPPROTO_UDP : IPPROTO_SCTP;
	struct ip_addr a;
	uint64_t port;

	if (!colon || parse_uint(colon + 1, strlen(colon + 1), UINT16_MAX, &port) < 0)
		return NULL;
	at += at[1] == '[' ? 2 : 1;
	if (ip_addr_parsen(at, (size_t)(colon - at) - (colon[-1] == ']'), &a) < 0)
		return NULL;
	return ruleset_find_server(&v->snap->rules, proto, &a, (uint16_t)port);
}

static const struct rs_real_server *find_real(const struct rs_virtual_server *s, const char *key)
{
	char at[IP_ENDPOINT_STRLEN];

	for (size_t i = 0; i < s->nservers; i++)
		if (strcmp(ip_endpoint_format(&s->servers[i].addr, s->servers[i].port, at), key) == 0)
			return &s->servers[i];
	return NULL;
}

/* ---- addresses ---- */

bool vnode_on_ipvs_link(struct vnode *v, const struct ip_addr *a)
{
	const struct node_facts *f = &v->snap->facts;

	for (size_t i = 0; !v->link_built && i < f->addrs.len; i++) {
		const struct node_address *x = &f->addrs.v[i];

		if (x->ifname && strcmp(x->ifname, IPVS_LINK) == 0 &&
		    map_put(&v->link_addresses, &x->addr, sizeof(x->addr), (void *)(uintptr_t)x) < 0)
			return true;
	}
	v->link_built = true;
	return map_get(&v->link_addresses, a, sizeof(*a));
}

static bool on_link(struct vnode *v, const char *address)
{
	struct ip_addr a;

	return ip_addr_parse(address, &a) < 0 || vnode_on_ipvs_link(v, &a);
}

/* ---- all of it ---- */

static void look_at_element(struct vnode *v, struct arena *scratch, int family, const struct expect_rule *e, struct vfound *ret)
{
	char buf[ELEMENT_MAX];

	ret->set = vnode_set(v, scratch, family, false, e->set);
	ret->elem = ret->set ? find_key(v, ret->set, e->key) : NULL;
	ret->present = ret->elem && (!e->value || strcmp(split_element(ret->set, ret->elem, buf), e->value) == 0);
}

static void look_at_server(struct vnode *v, struct arena *scratch, const struct expect_rule *e, struct vfound *ret)
{
	const struct rs_real_server *r;
	const char *text;

	ret->server = find_server(v, e->part == PART_REAL ? e->set : e->key);
	if (!ret->server)
		return;
	r = e->part == PART_REAL ? find_real(ret->server, e->key) : NULL;
	if (e->part == PART_REAL && !r)
		ret->server = NULL;
	text = r ? vreal_text(scratch, ret->server, r) : ret->server ? vserver_text(scratch, ret->server) : NULL;
	ret->real = r;
	ret->present = text && strcmp(text, e->text) == 0;
}

void vnode_look(struct vnode *v, struct arena *scratch, int family, const struct expect_rule *e, struct vfound *ret)
{
	const enum known sets = v->snap->dumps[DUMP_IPSET];

	*ret = (struct vfound){ 0 };
	switch (e->part) {
	case PART_RULE:
		ret->rule = vnode_find_rule(v, scratch, family, e->table, e->chain, e->text, &ret->chain);
		ret->present = ret->rule || (v->servers_only[family == AF_INET6] && v->expect.mode == MODE_IPVS);
		break;
	case PART_SET:
		ret->set = vnode_set(v, scratch, family, false, e->set);
		ret->present = ret->set;
		break;
	case PART_ELEMENT:
		look_at_element(v, scratch, family, e, ret);
		break;
	case PART_SERVER:
	case PART_REAL:
		look_at_server(v, scratch, e, ret);
		break;
	case PART_MEMBER:
		ret->set = vnode_set(v, scratch, family, true, e->set);
		ret->present = sets != KNOWN || (ret->set && find_key(v, ret->set, e->key));
		break;
	case PART_ADDRESS:
		ret->present = !v->snap->facts.addrs_known || on_link(v, e->key);
		break;
	}
}

void verify_by_expected(struct arena *a, const char *node, enum rs_backend backend, int family, const struct expect_rule *e, struct verify_by *ret)
{
	static const enum nat_by_kind kinds[] = {
		[PART_RULE] = BY_RULE, [PART_SET] = BY_SET, [PART_ELEMENT] = BY_SET, [PART_SERVER] = BY_IPVS, [PART_REAL] = BY_IPVS,
		[PART_MEMBER] = BY_SET, [PART_ADDRESS] = BY_LINK,
	};
	const bool nft = e->part == PART_SET || e->part == PART_ELEMENT, rule = e->part == PART_RULE;
	const char *place = rule ? e->chain : e->part == PART_SERVER || e->part == PART_REAL || e->part == PART_ADDRESS ? NULL : e->set;

	*ret = (struct verify_by){
		.kind = kinds[e->part], .node = node, .backend = rule || nft ? rs_backend_name(nft ? BACKEND_NFT : backend) : NULL,
		.family = rs_family_name(family == AF_INET6 ? RS_IP6 : RS_IP4),
		.table = rule ? arena_strdup(a, e->table) : nft ? "kube-proxy" : NULL, .chain = place ? arena_strdup(a, place) : NULL, .missing = true,
	};
	/* a set that is not there can only be looked for among the others */
	ret->nft_kind = rule ? (str_is(e->table, "kube-proxy") ? "chain" : NULL) : e->part == PART_SET ? "table" :
			e->part == PART_ELEMENT ? (e->value ? "map" : "set") : NULL;
	ret->text = e->part == PART_ADDRESS ? arena_printf(a, "%s/%u dev %s", e->key, family == AF_INET6 ? 128 : 32, e->set) : arena_strdup(a, e->text);
}

void verify_by_found(struct arena *a, const char *node, const struct vfound *f, struct verify_by *ret)
{
	struct nat_by by = { 0 };

	if (f->rule)
		by = (struct nat_by){ .kind = BY_RULE, .rule = f->rule, .chain = f->rule->chain };
	else if (f->elem)
		by = (struct nat_by){ .kind = BY_SET, .set = f->set, .elem = f->elem };
	else if (f->server)
		by = (struct nat_by){ .kind = BY_IPVS, .server = f->server };
	verify_by_from_nat(a, node, &by, ret);
	if (f->real)
		ret->text = vreal_text(a, f->server, f->real);
}
