/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of the legacy backend, as iptables-legacy-save prints them. The kernel is asked as libiptc asks it (getsockopt IPT_SO_GET_INFO and
 * IPT_SO_GET_ENTRIES, the structs of linux/netfilter_ipv4/ip_tables.h), but its answer is printed where it lies: libiptc builds a list of all
 * rules, with an allocation for each, in order to change them: to open a table and walk it costs a third more time, and half as much memory again, as all
 * of this (170,000 rules). What libiptc does and this must do too
 * (libiptc.c, parse_table): a chain begins at a hook's entry or behind an ERROR entry with its name, its last entry is its policy, a jump's
 * verdict is the place of the first rule of a chain, and user-defined chains are sorted by name.
 *
 * Asking for a table creates it, so only those that /proc/net/ip_tables_names lists are asked for. Tables have no generation, but each is
 * handed out as a whole (get_entries holds its lock). So all are read, the largest one last, and then all but that one again: if they
 * are as before, all were so when the largest one was read. That saves reading most of the rules twice.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xt-private.h"

#include <linux/capability.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#define TABLES_MAX 16u
#define READINGS_MAX 5u
#define LARGE_PAGE ((size_t)2 << 20)
#define ENTRIES_MAX (2000u << 20)
#define SHARED_FROM (4u << 20) /* bytes of a table that two threads print */
#define LACKS "CAP_NET_ADMIN"

/* IPT_SO_GET_* are the same for both families; so are struct ipt_getinfo and what stands before the entries. */
_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "one struct serves both");
_Static_assert(offsetof(struct ipt_get_entries, entrytable) == offsetof(struct ip6t_get_entries, entrytable), "one head serves both");
_Static_assert(IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES && IPT_SO_GET_INFO == IP6T_SO_GET_INFO, "one number serves both");
#define HEAD offsetof(struct ipt_get_entries, entrytable)

struct table {
	char name[XT_TABLE_MAXNAMELEN];
	struct ipt_getinfo info;
	char *data; /* struct ipt_get_entries */
	size_t cap;
};
struct legacy {
	bool ip6;
	int fd;
	struct table tables[TABLES_MAX];
	size_t ntables;
	struct table again; /* the second reading of one */
	struct xt_sets *sets[CREW_SIZE]; /* names that each thread asked for */
};

static void legacy_release(struct legacy *l)
{
	fd_close(&l->fd);
	for (size_t i = 0; i < TABLES_MAX; i++)
		free(l->tables[i].data);
	free(l->again.data);
	for (size_t i = 0; i < CREW_SIZE; i++)
		xt_sets_free(l->sets[i]);
}

/* ---- asking ---- */

/* The tables of this namespace: a line for each. */
static int table_names(struct legacy *l)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	int r = kernel_proc_read(l->ip6 ? "net/ip6_tables_names" : "net/ip_tables_names", &b);

	l->ntables = 0;
	if (r < 0)
		return r;
	for (const char *s = strbuf_str(&b), *end; (end = strchr(s, '\n')); s = end + 1) {
		struct table *t = &l->tables[l->ntables];
		size_t len = (size_t)(end - s);

		if (len == 0)
			continue;
		if (l->ntables == TABLES_MAX || len >= sizeof(t->name))
			return -EFBIG;
		memset(t->name, 0, sizeof(t->name));
		memcpy(t->name, s, len);
		l->ntables++;
	}
	return 0;
}

static int read_info(struct legacy *l, struct table *t)
{
	socklen_t size = sizeof(t->info);

	memset(&t->info, 0, sizeof(t->info));
	memcpy(t->info.name, t->name, sizeof(t->name));
	if (getsockopt(l->fd, l->ip6 ? SOL_IPV6 : SOL_IP, IPT_SO_GET_INFO, &t->info, &size) < 0)
		return -errno;
	return size != sizeof(t->info) || t->info.size > ENTRIES_MAX ? -EFBIG : 0;
}

/* In large pages where there are some: the kernel fills it in pieces of a few bytes, and all of it is walked through. */
static void *large_buffer(size_t size)
{
	void *p;

	if (size < LARGE_PAGE)
		return malloc(size);
	size = (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	p = aligned_alloc(LARGE_PAGE, size);
	if (p)
		(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* Has the pages of the buffer made by another thread, while the kernel sums up its counters, before it fills them. */
static void make_pages(void *arg, void *part, unsigned who)
{
	const struct table *t = part;

	(void)arg;
	(void)who;
	for (size_t at = 0; at < t->cap; at += LARGE_PAGE)
		if (madvise(t->data + at, MIN(LARGE_PAGE, t->cap - at), MADV_POPULATE_WRITE) < 0)
			return;
}

static int get_entries(const struct legacy *l, struct table *t, bool fresh, socklen_t *size)
{
	struct crew *crew = fresh && t->cap >= SHARED_FROM ? crew_start(make_pages, NULL) : NULL;
	int r;

	if (crew)
		crew_add(crew, t);
	r = getsockopt(l->fd, l->ip6 ? SOL_IPV6 : SOL_IP, IPT_SO_GET_ENTRIES, t->data, size) < 0 ? -errno : 0;
	crew_finish(crew);
	return r;
}

/* -EAGAIN: the table was replaced since its size was asked for. */
static int read_table(struct legacy *l, struct table *t)
{
	socklen_t size;
	size_t need;
	bool fresh;
	int r = read_info(l, t);

	if (r < 0)
		return r;
	need = HEAD + t->info.size;
	fresh = t->cap < need;
	if (fresh) {
		free(t->data);
		t->cap = 0;
		t->data = large_buffer(need);
		if (!t->data)
			return -ENOMEM;
		t->cap = need;
	}
	memset(t->data, 0, HEAD);
	memcpy(t->data, t->name, sizeof(t->name));
	memcpy(t->data + offsetof(struct ipt_get_entries, size), &t->info.size, sizeof(t->info.size));
	size = (socklen_t)need;
	r = get_entries(l, t, fresh, &size);
	return r < 0 ? r : size == need ? 0 : -EBADMSG;
}

/* ---- entries ---- */

/* One of struct ipt_entry and struct ip6t_entry, checked against what is left of the table. */
struct entry {
	const char *at;
	size_t place, size; /* in the table */
	size_t matches;	    /* where they begin */
	const struct xt_entry_target *target;
	size_t target_size;
};

static size_t entry_head(bool ip6)
{
	return ip6 ? sizeof(struct ip6t_entry) : sizeof(struct ipt_entry);
}

static bool entry_at(const struct legacy *l, const struct table *t, size_t place, struct entry *ret)
{
	size_t head = entry_head(l->ip6), left = t->info.size - place, target, next;
	const char *at = t->data + HEAD + place;

	if (place > t->info.size || left < head || place % 8 != 0)
		return false;
	target = l->ip6 ? ((const struct ip6t_entry *)(const void *)at)->target_offset : ((const struct ipt_entry *)(const void *)at)->target_offset;
	next = l->ip6 ? ((const struct ip6t_entry *)(const void *)at)->next_offset : ((const struct ipt_entry *)(const void *)at)->next_offset;
	if (target < head || target % 8 != 0 || next < target + sizeof(struct xt_entry_target) || next > left)
		return false;
	*ret = (struct entry){ .at = at, .place = place, .size = next, .matches = head,
			       .target = (const struct xt_entry_target *)(const void *)(at + target) };
	ret->target_size = ret->target->u.target_size;
	return ret->target_size >= sizeof(struct xt_entry_target) && ret->target_size <= next - target &&
	       memchr(ret->target->u.user.name, 0, sizeof(ret->target->u.user.name));
}

/* Its name where it begins a user-defined chain, or "ERROR" where it ends the table. */
static const char *entry_chain(const struct entry *e)
{
	const struct xt_error_target *t = (const void *)e->target;

	if (e->target->u.user.name[0] != 'E' || strcmp(e->target->u.user.name, XT_ERROR_TARGET) != 0 || e->target_size < sizeof(*t) || !memchr(t->errorname, 0, sizeof(t->errorname)))
		return NULL;
	return t->errorname;
}

/* ---- printing ---- */

static void add_interface(struct strbuf *b, const char *option, const char *name, const unsigned char *mask, bool negated)
{
	size_t n = 0;

	/* "! -i +" never matches. */
	if (!mask[0] && !negated)
		return;
	xt_not(b, negated);
	strbuf_adds(b, option);
	while (n < IFNAMSIZ && mask[n])
		n++;
	if (n == IFNAMSIZ || (n > 0 && !name[n - 1])) {
		xt_name(b, name, n);
		return;
	}
	strbuf_addc(b, ' ');
	strbuf_add(b, name, n);
	strbuf_addc(b, '+');
}

static void add_protocol(struct strbuf *b, uint16_t proto, bool negated)
{
	if (!proto)
		return;
	xt_not(b, negated);
	XT_WORDS(b, " -p ");
	xt_put_proto(b, proto);
}

static void add_address(struct strbuf *b, bool ip6, const char *option, const void *addr, const void *mask, bool negated)
{
	static const char zero[16];
	size_t size = ip6 ? 16 : 4;

	if (!negated && memcmp(mask, zero, size) == 0 && (ip6 || memcmp(addr, zero, size) == 0))
		return;
	xt_not(b, negated);
	strbuf_adds(b, option);
	xt_addr(b, ip6, addr);
	xt_mask(b, ip6, mask, true);
}

/* @ret_goto: the flag that tells -g from -j. */
static void add_head4(struct strbuf *b, struct xt_rule_context *c, const struct ipt_ip *ip, bool *ret_goto)
{
	add_address(b, false, " -s ", &ip->src, &ip->smsk, ip->invflags & IPT_INV_SRCIP);
	add_address(b, false, " -d ", &ip->dst, &ip->dmsk, ip->invflags & IPT_INV_DSTIP);
	add_interface(b, " -i", ip->iniface, ip->iniface_mask, ip->invflags & IPT_INV_VIA_IN);
	add_interface(b, " -o", ip->outiface, ip->outiface_mask, ip->invflags & IPT_INV_VIA_OUT);
	add_protocol(b, ip->proto, ip->invflags & IPT_INV_PROTO);
	if (ip->flags & IPT_F_FRAG) {
		xt_not(b, ip->invflags & IPT_INV_FRAG);
		XT_WORDS(b, " -f");
	}
	if (ip->flags & ~IPT_F_MASK || ip->invflags & IPT_INV_TOS)
		xt_print_unknown(b, false, "flags", 0, &ip->flags, 2);
	c->proto = ip->invflags & IPT_INV_PROTO ? 0 : (uint8_t)ip->proto;
	*ret_goto = ip->flags & IPT_F_GOTO;
}

static void add_head6(struct strbuf *b, struct xt_rule_context *c, const struct ip6t_ip6 *ip, bool *ret_goto)
{
	uint16_t proto = ip->flags & IP6T_F_PROTO ? ip->proto : 0;

	add_address(b, true, " -s ", &ip->src, &ip->smsk, ip->invflags & IP6T_INV_SRCIP);
	add_address(b, true, " -d ", &ip->dst, &ip->dmsk, ip->invflags & IP6T_INV_DSTIP);
	add_interface(b, " -i", ip->iniface, ip->iniface_mask, ip->invflags & IP6T_INV_VIA_IN);
	add_interface(b, " -o", ip->outiface, ip->outiface_mask, ip->invflags & IP6T_INV_VIA_OUT);
	add_protocol(b, proto, ip->invflags & IP6T_INV_PROTO);
	if (ip->flags & ~(IP6T_F_PROTO | IP6T_F_GOTO) || ip->invflags & (IP6T_INV_TOS | IP6T_INV_FRAG))
		xt_print_unknown(b, false, "flags", 0, &ip->tos, 3);
	c->proto = ip->invflags & IP6T_INV_PROTO ? 0 : (uint8_t)proto;
	*ret_goto = ip->flags & IP6T_F_GOTO;
}

static int add_matches(struct strbuf *b, const struct xt_rule_context *c, const struct entry *e)
{
	size_t end = (size_t)((const char *)e->target - e->at);

	for (size_t at = e->matches; at < end;) {
		const struct xt_entry_match *m = (const void *)(e->at + at);
		size_t size;

		if (end - at < sizeof(*m))
			return -EBADMSG;
		size = m->u.match_size;
		if (size < sizeof(*m) || size > end - at || size % 8 != 0 || !memchr(m->u.user.name, 0, sizeof(m->u.user.name)))
			return -EBADMSG;
		if (!xt_print_match(b, c, m->u.user.name, m->u.user.revision, m->data, size - sizeof(*m)))
			xt_print_unknown(b, false, m->u.user.name, m->u.user.revision, m->data, size - sizeof(*m));
		at += size;
	}
	return 0;
}

/* The chain whose first rule is at @place: an ERROR entry with its name stands before it. */
static const char *chain_before(const struct legacy *l, const struct table *t, size_t place)
{
	size_t size = entry_head(l->ip6) + (sizeof(struct xt_error_target) + 7) / 8 * 8;
	struct entry e;

	if (place < size || place >= t->info.size || !entry_at(l, t, place - size, &e) || e.size != size)
		return NULL;
	return entry_chain(&e);
}

static int add_standard(struct strbuf *b, const struct legacy *l, const struct table *t, const struct entry *e, bool go)
{
	static const char *const verdicts[] = { " -j DROP", " -j ACCEPT", NULL, " -j QUEUE", " -j RETURN" };
	const struct xt_standard_target *std = (const void *)e->target;
	const char *chain;
	int v;

	if (e->target_size < sizeof(*std))
		return -EBADMSG;
	v = std->verdict;
	if (v < 0) {
		size_t i = (size_t)(-(int64_t)v - 1);

		if (i >= ARRAY_LEN(verdicts) || !verdicts[i])
			return -EBADMSG;
		strbuf_adds(b, verdicts[i]);
		return 0;
	}
	if ((size_t)v == e->place + e->size && !go)
		return 0;
	chain = chain_before(l, t, (size_t)v);
	if (!chain)
		return -EBADMSG;
	strbuf_adds(b, go ? " -g" : " -j");
	xt_name(b, chain, XT_FUNCTION_MAXNAMELEN);
	return 0;
}

static int add_rule(struct strbuf *b, struct xt_rule_context *c, const struct legacy *l, const struct table *t, const struct entry *e)
{
	const struct xt_entry_target *target = e->target;
	size_t size = e->target_size - sizeof(*target);
	bool go;
	int r;

	if (l->ip6)
		add_head6(b, c, &((const struct ip6t_entry *)(const void *)e->at)->ipv6, &go);
	else
		add_head4(b, c, &((const struct ipt_entry *)(const void *)e->at)->ip, &go);
	r = add_matches(b, c, e);
	if (r < 0)
		return r;
	if (!target->u.user.name[0])
		r = add_standard(b, l, t, e, go);
	else if (!xt_print_target(b, c, target->u.user.name, target->u.user.revision, target->data, size))
		xt_print_unknown(b, true, target->u.user.name, target->u.user.revision, target->data, size);
	strbuf_addc(b, '\n');
	return r;
}

/* ---- chains ---- */

struct chain {
	const char *name;
	const char *policy; /* NULL: user-defined */
	size_t text, end;   /* of its rules */
};
/* A table on its way to text, or a part of it that ends with a chain: one walk from its first entry to its last. */
struct writer {
	const struct legacy *l;
	const struct table *t;
	struct xt_rule_context context;
	struct strbuf *b;
	struct strbuf lead; /* "-A CHAIN" */
	ARRAY_OF(struct chain) chains;
	struct entry last; /* not written yet: it may be its chain's policy */
	bool has_last;
};

static void writer_release(struct writer *w)
{
	strbuf_release(&w->lead);
	array_free(&w->chains);
}

static const char *policy_name(const struct entry *e)
{
	const struct xt_standard_target *std = (const void *)e->target;

	if (e->target->u.user.name[0] || e->target_size < sizeof(*std))
		return NULL;
	return std->verdict == -NF_ACCEPT - 1 ? "ACCEPT" : std->verdict == -NF_DROP - 1 ? "DROP" : NULL;
}

static const char *hook_at(const struct table *t, size_t place)
{
	static const char *const names[NF_INET_NUMHOOKS] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

	for (unsigned i = 0; i < NF_INET_NUMHOOKS; i++)
		if (t->info.valid_hooks & 1u << i && t->info.hook_entry[i] == place)
			return names[i];
	return NULL;
}

static int chain_begins(struct writer *w, const char *name, bool builtin)
{
	struct chain chain = { .name = name, .policy = builtin ? "" : NULL, .text = w->b->len };

	strbuf_reset(&w->lead);
	strbuf_adds(&w->lead, "-A");
	xt_name(&w->lead, name, XT_FUNCTION_MAXNAMELEN);
	return w->lead.failed ? -ENOMEM : array_push(&w->chains, chain);
}

/* The entry before the one where the next chain begins is this chain's policy, and no rule. */
static int chain_ends(struct writer *w)
{
	struct chain *chain = w->chains.len ? &w->chains.v[w->chains.len - 1] : NULL;

	if (!chain)
		return w->has_last ? -EBADMSG : 0;
	if (!w->has_last)
		return -EBADMSG;
	w->has_last = false;
	chain->end = w->b->len;
	if (!chain->policy)
		return 0;
	chain->policy = policy_name(&w->last);
	return chain->policy ? 0 : -EBADMSG;
}

static int write_last(struct writer *w)
{
	if (!w->has_last)
		return 0;
	strbuf_add(w->b, w->lead.s, w->lead.len);
	return add_rule(w->b, &w->context, w->l, w->t, &w->last);
}

/* 1: that was the table's end. */
static int write_entry(struct writer *w, const struct entry *e)
{
	const char *name = entry_chain(e), *hook = name ? NULL : hook_at(w->t, e->place);
	int r;

	if (name || hook) {
		r = chain_ends(w);
		if (r == 0 && name && e->place + e->size == w->t->info.size)
			return 1;
		if (r == 0)
			r = chain_begins(w, name ? name : hook, hook != NULL);
	} else {
		r = w->chains.len ? write_last(w) : -EBADMSG;
	}
	if (r == 0 && !name) {
		w->last = *e;
		w->has_last = true;
	}
	return r;
}

static int by_name(const void *a, const void *b)
{
	const struct chain *x = a, *y = b;

	if (!x->policy != !y->policy)
		return x->policy ? -1 : 1;
	if (x->policy)
		return x->text < y->text ? -1 : x->text > y->text;
	return strcmp(x->name, y->name);
}

static bool in_order(const struct writer *w)
{
	for (size_t i = 1; i < w->chains.len; i++)
		if (by_name(&w->chains.v[i - 1], &w->chains.v[i]) > 0)
			return false;
	return true;
}

/* Built-in chains first, as they lie, then the others by name: iptables keeps them so, and other programs may not. */
static int sort_chains(struct writer *w, size_t from)
{
	CLEANUP(strbuf_release) struct strbuf sorted = STRBUF_INIT;

	if (in_order(w))
		return 0;
	qsort(w->chains.v, w->chains.len, sizeof(*w->chains.v), by_name);
	for (size_t i = 0; i < w->chains.len; i++)
		strbuf_add(&sorted, w->b->s + w->chains.v[i].text, w->chains.v[i].end - w->chains.v[i].text);
	if (sorted.failed || w->b->failed || sorted.len != w->b->len - from)
		return -ENOMEM;
	memcpy(w->b->s + from, strbuf_str(&sorted), sorted.len);
	return 0;
}

/* The heads of all chains stand before the rules of the first: they are put there when all are known. */
static int put_heads(struct writer *w, size_t from)
{
	CLEANUP(strbuf_release) struct strbuf heads = STRBUF_INIT;
	size_t rules = w->b->len - from;

	for (size_t i = 0; i < w->chains.len; i++) {
		size_t at = heads.len;

		xt_name(&heads, w->chains.v[i].name, XT_FUNCTION_MAXNAMELEN);
		if (heads.failed)
			return -ENOMEM;
		heads.s[at] = ':'; /* for the space that comes before a name */
		strbuf_addc(&heads, ' ');
		strbuf_adds(&heads, w->chains.v[i].policy ? w->chains.v[i].policy : "-");
		XT_WORDS(&heads, " [0:0]\n");
	}
	strbuf_add(w->b, strbuf_str(&heads), heads.len);
	if (heads.failed || w->b->failed)
		return -ENOMEM;
	memmove(w->b->s + from + heads.len, w->b->s + from, rules);
	memcpy(w->b->s + from, strbuf_str(&heads), heads.len);
	return 0;
}

static struct writer writer_of(const struct legacy *l, const struct table *t, struct strbuf *b, unsigned who)
{
	return (struct writer){ .l = l, .t = t, .b = b, .context = { .ip6 = l->ip6, .sets = l->sets[who] } };
}

/* The entries from @place on; 1: that was the table's end. */
static int write_entries(struct writer *w, size_t place, size_t end)
{
	struct entry e;
	int r = 0;

	for (; r == 0 && place < end; place += e.size)
		r = entry_at(w->l, w->t, place, &e) ? write_entry(w, &e) : -EBADMSG;
	return r;
}

/* Where the first chain begins in the second half; 0: nowhere, or it is not worth it. */
static size_t middle_of(const struct legacy *l, const struct table *t)
{
	struct entry e;

	if (t->info.size < SHARED_FROM)
		return 0;
	for (size_t place = 0; place < t->info.size && entry_at(l, t, place, &e); place += e.size)
		if (place >= t->info.size / 2 && entry_chain(&e))
			return place + e.size < t->info.size ? place : 0;
	return 0;
}

/* The second half, written by another thread. */
struct half {
	struct writer w;
	struct strbuf text;
	size_t from;
	int r;
};

static void half_release(struct half *h)
{
	writer_release(&h->w);
	strbuf_release(&h->text);
}

static void write_half(void *arg, void *part, unsigned who)
{
	struct half *h = part;

	(void)arg;
	(void)who;
	h->r = write_entries(&h->w, h->from, h->w.t->info.size);
}

static int join_half(struct writer *w, const struct half *h)
{
	const size_t at = w->b->len;

	strbuf_add(w->b, h->text.s, h->text.len);
	if (h->text.failed || w->b->failed)
		return -ENOMEM;
	for (size_t i = 0; i < h->w.chains.len; i++) {
		struct chain chain = h->w.chains.v[i];

		chain.text += at;
		chain.end += at;
		if (array_push(&w->chains, chain) < 0)
			return -ENOMEM;
	}
	return h->r;
}

/* All rules, by two threads where there are many. As write_entries. */
static int write_rules(struct writer *w)
{
	const size_t middle = middle_of(w->l, w->t);
	CLEANUP(half_release) struct half h = { .w = writer_of(w->l, w->t, NULL, 1), .from = middle };
	struct crew *crew = middle ? crew_start(write_half, NULL) : NULL;
	int r;

	if (!crew)
		return write_entries(w, 0, w->t->info.size);
	h.w.b = &h.text;
	crew_add(crew, &h);
	r = write_entries(w, 0, middle);
	crew_finish(crew);
	if (r == 0)
		r = chain_ends(w);
	return r == 0 ? join_half(w, &h) : r;
}

static int add_table(struct strbuf *b, const struct legacy *l, const struct table *t)
{
	CLEANUP(writer_release) struct writer w = writer_of(l, t, b, 0);
	size_t from;
	int r;

	strbuf_addf(b, "# Generated by ip%stables-legacy-save (svcdoctor)\n*%s\n", l->ip6 ? "6" : "", t->name);
	from = b->len;
	r = write_rules(&w);
	if (r != 1)
		return r < 0 ? r : -EBADMSG;
	r = b->failed ? -ENOMEM : sort_chains(&w, from);
	if (r == 0)
		r = put_heads(&w, from);
	XT_WORDS(b, "COMMIT\n# Completed\n");
	return r;
}

static int add_tables(struct strbuf *b, const struct legacy *l)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->ntables; i++)
		r = add_table(b, l, &l->tables[i]);
	return r < 0 ? r : b->failed ? -ENOMEM : 0;
}

/* ---- until two readings agree ---- */

/* Counters are no part of what is compared. */
static int clear_counters(const struct legacy *l, struct table *t)
{
	size_t counters = l->ip6 ? offsetof(struct ip6t_entry, counters) : offsetof(struct ipt_entry, counters);
	struct entry e;

	for (size_t place = 0; place < t->info.size; place += e.size) {
		if (!entry_at(l, t, place, &e))
			return -EBADMSG;
		memset(t->data + HEAD + place + counters, 0, sizeof(struct xt_counters));
	}
	return 0;
}

/* Kernels before 4.11 also hand out what matches keep for themselves (tokens of a limit): then the texts decide. */
static int same_text(struct legacy *l, const struct table *a, const struct table *b)
{
	CLEANUP(strbuf_release) struct strbuf ta = STRBUF_INIT, tb = STRBUF_INIT;
	int r = add_table(&ta, l, a);

	if (r == 0)
		r = add_table(&tb, l, b);
	if (r < 0)
		return r;
	if (ta.failed || tb.failed)
		return -ENOMEM;
	return ta.len == tb.len && memcmp(ta.s, tb.s, ta.len) == 0;
}

/* 1: it is as before; 0: it is not. */
static int same_table(struct legacy *l, struct table *t)
{
	int r;

	memcpy(l->again.name, t->name, sizeof(t->name));
	r = read_table(l, &l->again);
	if (r == 0 && (t->info.size != l->again.info.size || memcmp(&t->info, &l->again.info, sizeof(t->info)) != 0))
		return 0;
	if (r == 0)
		r = clear_counters(l, t);
	if (r == 0)
		r = clear_counters(l, &l->again);
	if (r < 0)
		return r;
	return memcmp(t->data, l->again.data, HEAD + t->info.size) == 0 ? 1 : same_text(l, t, &l->again);
}

/* Of the largest table: do the places of its hooks belong to the rules that were read after them? */
static int same_info(struct legacy *l, const struct table *t)
{
	int r;

	memcpy(l->again.name, t->name, sizeof(t->name));
	r = read_info(l, &l->again);
	return r < 0 ? r : memcmp(&t->info, &l->again.info, sizeof(t->info)) == 0;
}

static int same_names(struct legacy *l)
{
	struct legacy now = { .ip6 = l->ip6, .fd = -1 };
	int r = table_names(&now);

	if (r < 0)
		return r;
	for (size_t i = 0; i < l->ntables && i < now.ntables; i++)
		if (strcmp(l->tables[i].name, now.tables[i].name) != 0)
			return 0;
	return l->ntables == now.ntables;
}

static int new_sets(struct legacy *l)
{
	for (size_t i = 0; i < CREW_SIZE; i++) {
		xt_sets_free(l->sets[i]);
		l->sets[i] = xt_sets_new();
		if (!l->sets[i])
			return -ENOMEM;
	}
	return 0;
}

static int same_sets(const struct legacy *l)
{
	int r = 1;

	for (size_t i = 0; r == 1 && i < CREW_SIZE; i++)
		r = xt_sets_same(l->sets[i]);
	return r;
}

/* 1: @text is all tables as they were at one moment; 0: something changed meanwhile. */
static int one_reading(struct legacy *l, struct strbuf *text)
{
	size_t last = 0;
	int r = table_names(l);

	for (size_t i = 0; r == 0 && i < l->ntables; i++) {
		r = read_info(l, &l->tables[i]);
		if (l->tables[i].info.size > l->tables[last].info.size)
			last = i;
	}
	for (size_t i = 0; r == 0 && i < l->ntables; i++)
		r = i == last ? 0 : read_table(l, &l->tables[i]);
	if (r == 0 && l->ntables)
		r = read_table(l, &l->tables[last]);
	if (r < 0)
		return r;
	r = 1;
	for (size_t i = 0; r == 1 && i < l->ntables; i++)
		r = i == last ? same_info(l, &l->tables[i]) : same_table(l, &l->tables[i]);
	if (r == 1)
		r = same_names(l);
	if (r != 1)
		return r;
	strbuf_reset(text);
	r = new_sets(l);
	if (r == 0)
		r = add_tables(text, l);
	return r < 0 ? r : same_sets(l);
}

static int failed(const struct legacy *l, struct kernel_text *ret, int r)
{
	const char *what = l->ip6 ? "reading the legacy ip6tables" : "reading the legacy iptables";

	if (r == -EBADMSG)
		return kernel_text_end(ret, KERNEL_FAILED, "%s: the kernel's answer is not understood", what);
	return kernel_text_errno(ret, r, LACKS, what);
}

int kernel_xtables_legacy(bool ip6, struct kernel_text *ret)
{
	CLEANUP(legacy_release) struct legacy l = { .ip6 = ip6, .fd = -1 };
	const char *names = ip6 ? "ip6tables" : "iptables";
	int r = table_names(&l);

	if (r == -ENOENT || (r == 0 && l.ntables == 0))
		return kernel_text_end(ret, KERNEL_ABSENT, "no table of legacy %s is in use in this network namespace", names);
	/* The list is root's. */
	if (r == -EACCES && kernel_has_capability(CAP_NET_ADMIN))
		return kernel_text_errno(ret, r, "CAP_DAC_READ_SEARCH", ip6 ? "reading /proc/net/ip6_tables_names" : "reading /proc/net/ip_tables_names");
	if (r < 0)
		return failed(&l, ret, r);
	l.fd = socket(ip6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (l.fd < 0)
		return failed(&l, ret, -errno);
	for (unsigned i = 0; i < READINGS_MAX; i++) {
		r = one_reading(&l, &ret->text);
		if (r == 1)
			return kernel_text_end(ret, KERNEL_READ, "%s", "");
		if (r < 0 && r != -EAGAIN && r != -ENOENT)
			return failed(&l, ret, r);
	}
	return kernel_text_end(ret, KERNEL_CHANGED, "the rules of legacy %s changed during each of %u readings", names, READINGS_MAX);
}
