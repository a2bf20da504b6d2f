/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -m ipvs: has IPVS handled the packet, and what of its connection? net/netfilter/xt_ipvs.c */
#include <errno.h>

#include "xtables-private.h"

enum { PLAIN, PROTO, ADDR, PORT, DIR, METHOD, PORTCTL };
const struct xt_opt xt_ipvs_opts[7] = {
	XT_FLAG(PLAIN, "ipvs"), XT_OPT(PROTO, "vproto"), XT_OPT(ADDR, "vaddr"), XT_OPT(PORT, "vport"),
	XT_OPT(DIR, "vdir"), XT_OPT(METHOD, "vmethod"), XT_OPT(PORTCTL, "vportctl"),
};

static bool seen(const struct xt_inst *m, unsigned id)
{
	return m->seen & 1u << id;
}

static bool is_word(const struct xt_word *w, const char *s)
{
	return strlen(s) == w->len && strncasecmp(w->s, s, w->len) == 0;
}

static int take_port(const struct xt_word *w, uint16_t *ret)
{
	uint32_t n;

	if (xt_uint(w->s, w->len, 65535, &n) < 0)
		return SD_EPARSE;
	*ret = (uint16_t)n;
	return 0;
}

static int take_dir(const struct xt_word *w, bool *ret_reply)
{
	*ret_reply = is_word(w, "REPLY");
	return *ret_reply || is_word(w, "ORIGINAL") ? 0 : SD_EPARSE;
}

static int take_method(const struct xt_word *w, uint8_t *ret)
{
	*ret = is_word(w, "GATE") ? 'r' : is_word(w, "IPIP") ? 't' : is_word(w, "MASQ") ? 'm' : 0;
	return *ret ? 0 : SD_EPARSE;
}

static int take_options(const struct xt_reader *x, const struct xt_inst *m, struct rs_ipvs *c)
{
	bool good = (!seen(m, PROTO) || xt_proto(&m->v[PROTO][0], &c->proto) == 0) &&
		    (!seen(m, ADDR) || xt_addr_mask(m->v[ADDR][0].s, m->v[ADDR][0].len, x->ip6, &c->addr, &c->mask) == 0) &&
		    (!seen(m, PORT) || take_port(&m->v[PORT][0], &c->port) == 0) &&
		    (!seen(m, DIR) || take_dir(&m->v[DIR][0], &c->reply) == 0) &&
		    (!seen(m, METHOD) || take_method(&m->v[METHOD][0], &c->method) == 0) &&
		    (!seen(m, PORTCTL) || take_port(&m->v[PORTCTL][0], &c->portctl) == 0);

	return good ? 0 : SD_EPARSE;
}

/* Every other option implies --ipvs, whose own negation counts for nothing then. */
int xt_emit_ipvs(struct xt_reader *x, const struct xt_inst *m)
{
	static const uint8_t bits[] = { [PROTO] = RS_IPVS_PROTO, [ADDR] = RS_IPVS_ADDR, [PORT] = RS_IPVS_PORT, [DIR] = RS_IPVS_DIR,
					[METHOD] = RS_IPVS_METHOD, [PORTCTL] = RS_IPVS_PORTCTL };
	bool plain = m->seen == 1u << PLAIN;
	struct rs_cond cond = { .field = FIELD_IPVS, .op = OP_IPVS, .negate = plain && m->negated & 1u << PLAIN };
	struct rs_ipvs *c = arena_new(&x->rs->arena, struct rs_ipvs);

	if (!c)
		return -ENOMEM;
	if (m->again || !m->seen || take_options(x, m, c) < 0)
		return SD_EPARSE;
	for (unsigned id = PROTO; id <= PORTCTL; id++) {
		c->asked |= seen(m, id) ? bits[id] : 0;
		c->negated |= m->negated & 1u << id ? bits[id] : 0;
	}
	c->text = arena_strndup(&x->rs->arena, m->start, (size_t)(m->end - m->start));
	if (!c->text)
		return -ENOMEM;
	cond.u.ipvs = c;
	return xt_add_cond(x, cond);
}
