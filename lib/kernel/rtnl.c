/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rtnetlink's messages hold, and the reading of one list until it is whole. */

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "rtnl-private.h"

#define TRIES 8
#define LINKS_MAX (1u << 20)

/* ---- attributes ---- */

void rtnl_attrs(const struct nlattr *first, size_t size, const struct nlattr **tb, unsigned max)
{
	int left = (int)size;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	if (!first)
		return;
	for (const struct nlattr *a = first; mnl_attr_ok(a, left); left -= (int)MNL_ALIGN(a->nla_len), a = mnl_attr_next(a)) {
		if (mnl_attr_get_type(a) <= max)
			tb[mnl_attr_get_type(a)] = a;
	}
}

void rtnl_nested(const struct nlattr *a, const struct nlattr **tb, unsigned max)
{
	rtnl_attrs(a ? mnl_attr_get_payload(a) : NULL, rtnl_size(a), tb, max);
}

size_t rtnl_size(const struct nlattr *a)
{
	return a ? mnl_attr_get_payload_len(a) : 0;
}

const void *rtnl_data(const struct nlattr *a)
{
	return mnl_attr_get_payload(a);
}

uint64_t rtnl_num(const struct nlattr *a, uint64_t fallback)
{
	switch (rtnl_size(a)) {
	case 1:
		return mnl_attr_get_u8(a);
	case 2:
		return mnl_attr_get_u16(a);
	case 4:
		return mnl_attr_get_u32(a);
	case 8:
		return mnl_attr_get_u64(a);
	default:
		return fallback;
	}
}

const char *rtnl_text(const struct nlattr *a, char *ret, size_t size)
{
	const size_t len = a ? strnlen(rtnl_data(a), MIN(rtnl_size(a), size - 1)) : 0;

	if (len)
		memcpy(ret, rtnl_data(a), len);
	ret[len] = '\0';
	return ret;
}

const struct nlattr *rtnl_first(const struct nlattr *list)
{
	const struct nlattr *a = mnl_attr_get_payload(list);

	return mnl_attr_ok(a, (int)rtnl_size(list)) ? a : NULL;
}

const struct nlattr *rtnl_next(const struct nlattr *list, const struct nlattr *a)
{
	const char *end = (const char *)mnl_attr_get_payload(list) + rtnl_size(list);
	const struct nlattr *next = mnl_attr_next(a);
	const ptrdiff_t left = end - (const char *)next;

	return left > 0 && mnl_attr_ok(next, (int)left) ? next : NULL;
}

/* ---- links, by which everything is named ---- */

static int note_link(void *arg, const struct rtnl_message *m)
{
	const struct ifinfomsg *h = m->header;
	const struct nlattr *tb[IFLA_IFNAME + 1];
	struct rtnl_reading *r = arg;
	struct rtnl_link l = { .ifindex = (uint32_t)h->ifi_index, .flags = h->ifi_flags, .type = h->ifi_type };

	if (m->type != RTM_NEWLINK)
		return 0;
	if (r->links.len >= LINKS_MAX)
		return -EFBIG;
	rtnl_attrs(m->attrs, m->attrs_size, tb, IFLA_IFNAME);
	(void)rtnl_text(tb[IFLA_IFNAME], l.name, sizeof(l.name));
	return array_push(&r->links, l);
}

static int by_index(const void *a, const void *b)
{
	const uint32_t x = ((const struct rtnl_link *)a)->ifindex, y = ((const struct rtnl_link *)b)->ifindex;

	return x < y ? -1 : x > y;
}

static int read_links(struct rtnl_reading *r)
{
	const struct ifinfomsg h = { .ifi_family = AF_UNSPEC };
	const struct rtnl_request q = { RTM_GETLINK, &h, sizeof(h), RTEXT_FILTER_SKIP_STATS, NULL };
	int e;

	r->links.len = 0;
	e = rtnl_dump(&q, note_link, r);
	if (e == 0 && r->links.len)
		qsort(r->links.v, r->links.len, sizeof(*r->links.v), by_index);
	return e;
}

const struct rtnl_link *rtnl_link_find(const struct rtnl_reading *r, uint32_t ifindex)
{
	const struct rtnl_link key = { .ifindex = ifindex };

	return r->links.len ? bsearch(&key, r->links.v, r->links.len, sizeof(*r->links.v), by_index) : NULL;
}

void jo_dev(struct rtnl_reading *r, const char *key, uint32_t ifindex)
{
	const struct rtnl_link *l = rtnl_link_find(r, ifindex);

	if (l) {
		jo_str(&r->out, key, l->name);
		return;
	}
	r->strange = true;
	jo_strf(&r->out, key, "if%u", ifindex);
}

/* ---- one list ---- */

static void reading_release(struct rtnl_reading *r)
{
	array_free(&r->links);
	for (size_t i = 0; i < NAMES_COUNT; i++) {
		for (size_t k = 0; k < r->names[i].len; k++)
			free(r->names[i].v[k].name);
		array_free(&r->names[i]);
	}
}

static int read_once(struct kernel_text *t, struct rtnl_reading *r, int (*read)(struct rtnl_reading *r), bool last)
{
	int e;

	strbuf_reset(&t->text);
	r->out = (struct json_out){ .b = &t->text };
	r->strange = r->odd = r->in_pieces = false;
	r->result = 0;
	e = read_links(r);
	if (e < 0)
		return e;
	jo_open(&r->out, NULL, '[');
	e = read(r);
	jo_close(&r->out, ']');
	strbuf_addc(&t->text, '\n');
	if (e == 0)
		e = t->text.failed ? -ENOMEM : r->result;
	/* an interface that has come or gone since the links were read; at last it is left at its number, as ip does */
	return e == 0 && r->strange && !last ? -EAGAIN : e;
}

/* Is this the second of two that are equal? Else it is kept for the next one. */
static bool agrees(struct strbuf *before, struct kernel_text *t)
{
	const bool same = before->len == t->text.len && memcmp(before->s, t->text.s, t->text.len) == 0;
	const struct strbuf swapped = t->text;

	if (same)
		return true;
	t->text = *before;
	*before = swapped;
	return false;
}

int rtnl_read(struct kernel_text *t, const char *what, int (*read)(struct rtnl_reading *r))
{
	CLEANUP(reading_release) struct rtnl_reading r = { 0 };
	CLEANUP(strbuf_release) struct strbuf before = STRBUF_INIT;
	int e = -EAGAIN;

	for (int i = 0; i < TRIES && (e == -EAGAIN || e == -ENOBUFS); i++) {
		e = read_once(t, &r, read, i == TRIES - 1);
		if (e == 0 && r.in_pieces && !agrees(&before, t))
			e = -EAGAIN;
	}
	if (e == -EAGAIN)
		return kernel_text_end(t, KERNEL_CHANGED, "the %s changed during each of %d readings", what, TRIES);
	if (e < 0)
		return kernel_text_errno(t, e, "CAP_NET_ADMIN", what);
	t->partial = r.odd;
	return kernel_text_end(t, KERNEL_READ, "%s", r.odd ? "something in it has a size that this program does not know" : "");
}
