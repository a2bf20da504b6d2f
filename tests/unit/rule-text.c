/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A decoded rule as text, for the tests of readers. */
#include "rule-text.h"

static const char *field_name(unsigned f)
{
	static const char *const names[] = {
#define X(name, text) &#name[6],
		RS_FIELDS(X)
#undef X
	};

	return f < ARRAY_LEN(names) ? names[f] : "?";
}

static const char *stmt_name(unsigned k)
{
	static const char *const names[] = {
#define X(name, text) &#name[3],
		RS_STATEMENTS(X)
#undef X
	};

	return k < ARRAY_LEN(names) ? names[k] : "?";
}

static void put_addr(struct strbuf *b, const struct ip_addr *a)
{
	char buf[IP_ADDR_STRLEN];

	strbuf_adds(b, ip_addr_format(a, buf));
}

static void put_addr4(struct strbuf *b, uint32_t value)
{
	struct ip_addr a = { .family = AF_INET };

	memcpy(a.b, &value, 4);
	put_addr(b, &a);
}

static void put_set(struct strbuf *b, const struct rs_set_ref *s)
{
	strbuf_addf(b, "=%s(", s->name);
	for (unsigned i = 0; i < s->nfields; i++)
		strbuf_addf(b, "%s%s", i ? "," : "", s->dst[i] ? "dst" : "src");
	strbuf_addf(b, ")%s", s->return_nomatch ? "nomatch" : "");
}

static void put_list(struct strbuf *b, const struct rs_list *l)
{
	for (unsigned i = 0; i < l->len; i++) {
		strbuf_addf(b, "%c%u", i ? ',' : '=', l->v[i].lo);
		if (l->v[i].hi != l->v[i].lo)
			strbuf_addf(b, "-%u", l->v[i].hi);
	}
}

static const char *const kinds[] = { "num", "ip", "ip6", "name", "opaque" };

static void put_selector(struct strbuf *b, const struct rs_selector *s)
{
	strbuf_adds(b, field_name(s->field));
	if (s->kind == VALUE_ADDR6 && s->plen < 128)
		strbuf_addf(b, "/%u", s->plen);
	if (s->mask != UINT32_MAX)
		strbuf_addf(b, "&%#x", s->mask);
	if (s->flip)
		strbuf_addf(b, "^%#x", s->flip);
	if (s->mod)
		strbuf_addf(b, "%%%u+%u", s->mod, s->offset);
	strbuf_adds(b, s->flags & RS_LIMIT_IIF ? "@iif" : s->flags & RS_LIMIT_OIF ? "@oif" : "");
}

static void put_elems(struct strbuf *b, const struct rs_set *s)
{
	char buf[512];

	for (size_t i = 0; i < s->nelems; i++) {
		rs_elem_print(s, &s->elems[i], buf, sizeof(buf));
		strbuf_addf(b, "%s%s", i ? ", " : "{", buf);
	}
	strbuf_adds(b, s->nelems ? "}" : "{}");
}

/* "(SADDR.DPORT)@name:ip.num", or the elements of a set without a name. */
static void put_lookup(struct strbuf *b, const struct rs_lookup *l)
{
	for (unsigned i = 0; i < l->nparts; i++) {
		strbuf_addc(b, i ? '.' : '(');
		put_selector(b, &l->parts[i]);
	}
	strbuf_addc(b, ')');
	if (l->name)
		strbuf_addf(b, "@%s", l->name);
	if (!l->set)
		strbuf_adds(b, "-");
	for (unsigned i = 0; l->set && i < l->set->nfields; i++)
		strbuf_addf(b, "%c%s", i ? '.' : ':', kinds[l->set->part_kinds[i]]);
	if (l->set && !l->name)
		put_elems(b, l->set);
	strbuf_adds(b, l->set && l->set->partly ? "..." : "");
}

static void put_cond(struct strbuf *b, const struct rs_cond *c)
{
	strbuf_addf(b, "%s%s", c->negate ? "!" : "", field_name(c->field));
	if (c->field == FIELD_FALSE)
		return;
	switch (c->op) {
	case OP_EQ:
		strbuf_addf(b, "=%u", c->u.range.lo);
		break;
	case OP_RANGE:
		strbuf_addf(b, "=%u-%u", c->u.range.lo, c->u.range.hi);
		break;
	case OP_MASK:
		strbuf_addf(b, "=%#x/%#x", c->u.bits.value, c->u.bits.mask);
		break;
	case OP_ANY:
		strbuf_addf(b, "&%#x", c->u.bits.value);
		break;
	case OP_LIST:
		put_list(b, c->u.list);
		break;
	case OP_ADDR4:
		strbuf_addc(b, '=');
		put_addr4(b, c->u.addr4.value);
		strbuf_addc(b, '/');
		put_addr4(b, c->u.addr4.mask);
		break;
	case OP_ADDR6:
		strbuf_addc(b, '=');
		put_addr(b, &c->u.addr6->value);
		strbuf_addc(b, '/');
		put_addr(b, &c->u.addr6->mask);
		break;
	case OP_ADDR_RANGE:
		strbuf_addc(b, '=');
		put_addr(b, &c->u.addr_range->lo);
		strbuf_addc(b, '-');
		put_addr(b, &c->u.addr_range->hi);
		break;
	case OP_IFNAME:
		strbuf_addf(b, "=%s", c->u.ifname);
		break;
	case OP_SET:
		put_set(b, c->u.set);
		break;
	case OP_RECENT:
		strbuf_addf(b, "=%s%s%s%s", c->u.recent->name, c->u.recent->update ? "+update" : "",
			    c->u.recent->remove ? "+remove" : "", c->u.recent->by_dest ? "+dest" : "");
		break;
	case OP_IPVS:
		strbuf_addf(b, "<%s>", c->u.ipvs->text);
		break;
	case OP_LOOKUP:
		put_lookup(b, c->u.lookup);
		break;
	default:
		strbuf_addf(b, "<%s>", c->u.text);
	}
	strbuf_adds(b, c->flags & RS_WILDCARD && c->op == OP_IFNAME ? "*" : "");
	strbuf_adds(b, c->flags & RS_LIMIT_IIF ? "@iif" : c->flags & RS_LIMIT_OIF ? "@oif" : "");
}

static void put_nat(struct strbuf *b, const struct rs_nat *n)
{
	if (n->text) {
		strbuf_addf(b, "<%s>", n->text);
		return;
	}
	if (n->has_addr) {
		strbuf_addc(b, ' ');
		put_addr(b, &n->lo);
		if (!ip_addr_equal(&n->lo, &n->hi)) {
			strbuf_addc(b, '-');
			put_addr(b, &n->hi);
		}
	}
	if (n->addr_map) {
		strbuf_adds(b, n->addr_map_has_port ? " map with port " : " map ");
		put_lookup(b, n->addr_map);
	}
	if (n->port_map) {
		strbuf_adds(b, " port map ");
		put_lookup(b, n->port_map);
	}
	if (n->has_port) {
		strbuf_addf(b, " port %u", n->port_lo);
		if (n->port_lo != n->port_hi)
			strbuf_addf(b, "-%u", n->port_hi);
		if (n->port_base)
			strbuf_addf(b, "/%u", n->port_base);
	}
	strbuf_addf(b, "%s%s%s", n->random ? " random" : "", n->random_fully ? " fully" : "",
			n->persistent ? " persistent" : "");
}

static void put_stmt(struct strbuf *b, const struct rs_stmt *s)
{
	if (s->after != 255)
		strbuf_addf(b, "after %u: ", s->after);
	strbuf_adds(b, stmt_name(s->kind));
	switch (s->kind) {
	case ST_JUMP:
	case ST_GOTO:
		strbuf_addf(b, " %s", s->u.target ? s->u.target->name : "-");
		break;
	case ST_MARK:
	case ST_CONNMARK:
	case ST_CONNMARK_SAVE:
	case ST_CONNMARK_RESTORE:
		strbuf_addf(b, " %#x/%#x", s->u.bits.value, s->u.bits.mask);
		break;
	case ST_DNAT:
	case ST_SNAT:
	case ST_MASQUERADE:
	case ST_REDIRECT:
	case ST_NETMAP:
		put_nat(b, s->u.nat);
		break;
	case ST_VMAP:
	case ST_MARK_MAP:
		strbuf_addc(b, ' ');
		put_lookup(b, s->u.lookup);
		break;
	case ST_UPDATE:
		strbuf_adds(b, s->u.update->is_delete ? " delete " : " ");
		put_lookup(b, &s->u.update->key);
		strbuf_adds(b, s->u.update->key.set && s->u.update->key.set->dynamic ? " dynamic" : "");
		break;
	case ST_ACCEPT:
	case ST_DROP:
	case ST_RETURN:
		break;
	case ST_SET:
		strbuf_addf(b, " %s%s", s->flags & RS_SET_DEL ? "del " : "", s->u.set->name);
		break;
	default:
		if (s->u.text)
			strbuf_addf(b, "<%s>", s->u.text);
	}
}

void rule_text(struct strbuf *b, const struct rs_rule *r)
{
	for (unsigned i = 0; i < r->nconds; i++) {
		put_cond(b, &r->conds[i]);
		strbuf_addc(b, ' ');
	}
	strbuf_adds(b, ":");
	for (unsigned i = 0; i < r->nstmts; i++) {
		strbuf_addc(b, ' ');
		put_stmt(b, &r->stmts[i]);
	}
	if (r->unknown)
		strbuf_adds(b, " ?");
}
