/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of iptables-nft-save and ip6tables-nft-save: tables, chains and rules in the order of iptables 1.8.9 (iptables/nft.c, nft-cache.c).
 * Rules are asked for chain by chain, which costs the kernel least where there are many chains, by two threads with a socket each, and
 * go into the text as they come.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>

#include <linux/netfilter.h>

#include "nft-dump-private.h"
#include "nft-private.h"
#include "nft-save-private.h"
#include "xt-private.h"

#define PART_CHAINS 128u   /* asked for at a time by one thread */
#define CREW_CHAINS 256u   /* fewer of them are not worth a second thread */

/* ---- what iptables calls its own ---- */

#define HOOKS 5u
struct builtin {
	const char *name;
	struct {
		const char *type;
		int32_t prio;
	} hooks[HOOKS]; /* NF_INET_*; no type: the table has no such chain */
};
#define FILTER(prio) { "filter", (prio) }
#define NAT(prio) { "nat", (prio) }
static const struct builtin builtins[] = {
	{ "mangle", { FILTER(-150), FILTER(-150), FILTER(-150), { "route", -150 }, FILTER(-150) } },
	{ "security", { [NF_INET_LOCAL_IN] = FILTER(150), [NF_INET_FORWARD] = FILTER(150), [NF_INET_LOCAL_OUT] = FILTER(150) } },
	{ "raw", { [NF_INET_PRE_ROUTING] = FILTER(-300), [NF_INET_LOCAL_OUT] = FILTER(-300) } },
	{ "filter", { [NF_INET_LOCAL_IN] = FILTER(0), [NF_INET_FORWARD] = FILTER(0), [NF_INET_LOCAL_OUT] = FILTER(0) } },
	{ "nat", { [NF_INET_PRE_ROUTING] = NAT(-100), [NF_INET_LOCAL_IN] = NAT(100), [NF_INET_LOCAL_OUT] = NAT(-100), [NF_INET_POST_ROUTING] = NAT(100) } },
};
static const char *const hook_names[HOOKS] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

/* ---- chains in order ---- */

typedef ARRAY_OF(const struct nft_chain *) chain_list;

struct table_chains {
	const struct nft_chain *base[HOOKS];
	chain_list users;
};

static void release_chains(struct table_chains *c)
{
	array_free(&c->users);
}

static bool is_builtin(const struct builtin *b, const struct nft_chain *c, const struct table_chains *all)
{
	return c->hooknum < HOOKS && b->hooks[c->hooknum].type && c->type && strcmp(b->hooks[c->hooknum].type, c->type) == 0 &&
	       b->hooks[c->hooknum].prio == c->prio && strcmp(hook_names[c->hooknum], c->name) == 0 && !all->base[c->hooknum];
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct nft_chain *const *)a)->name, (*(const struct nft_chain *const *)b)->name);
}

/*
 * A name that iptables gives to no chain of its users ("chain name may not clash with target name"): nft does, and "-j NAME" would be the
 * target, "-A NAME" the chain of the hook.
 */
static bool is_taken(const struct builtin *b, const char *name)
{
	static const char *const verdicts[] = { "ACCEPT", "DROP", "QUEUE", "RETURN" };
	size_t n;
	const struct xt_row *rows = xt_target_rows(&n);

	for (unsigned i = 0; i < HOOKS; i++)
		if (b->hooks[i].type && strcmp(hook_names[i], name) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		if (strcmp(verdicts[i], name) == 0)
			return true;
	for (size_t i = 0; i < n; i++)
		if (*rows[i].name == *name && strcmp(rows[i].name, name) == 0)
			return true;
	return false;
}

/* 0, -ENOMEM; -ECANCELED: one of them is no chain that iptables makes. */
static int sort_chains(const struct nft_dump *d, const struct nft_table *t, const struct builtin *b, struct table_chains *ret)
{
	for (size_t i = 0; i < d->chains.len; i++) {
		const struct nft_chain *c = d->chains.v[i];

		if (c->table != t)
			continue;
		if (!c->name || !nft_plain_name(c->name, strlen(c->name)) || c->flags & NFT_CHAIN_BINDING ||
		    (c->has_hook ? !is_builtin(b, c, ret) : is_taken(b, c->name)))
			return -ECANCELED;
		if (c->has_hook)
			ret->base[c->hooknum] = c;
		else if (array_push(&ret->users, c) < 0)
			return -ENOMEM;
	}
	if (ret->users.len)
		qsort(ret->users.v, ret->users.len, sizeof(*ret->users.v), by_name);
	return 0;
}

/* A chain of iptables' own that is not there is shown as it would be made. */
static void print_chains(struct strbuf *text, const struct builtin *b, const struct table_chains *c)
{
	for (unsigned i = 0; i < HOOKS; i++)
		if (b->hooks[i].type)
			strbuf_addf(text, ":%s %s [0:0]\n", hook_names[i], c->base[i] && c->base[i]->policy == NF_DROP ? "DROP" : "ACCEPT");
	for (size_t i = 0; i < c->users.len; i++) {
		strbuf_addc(text, ':');
		strbuf_adds(text, c->users.v[i]->name);
		strbuf_add(text, " - [0:0]\n", 9);
	}
}

/* ---- rules ---- */

struct part {
	const struct nft_chain *const *chains;
	size_t nchains;
	struct strbuf text;
	uint32_t users;
	int r; /* -ECANCELED: a rule has no words, here or in another part */
};
struct asker { /* of one thread */
	struct nft_sock sock;
	struct xt_sets *sets;
};
struct work {
	const struct nft_table *table;
	struct asker askers[CREW_SIZE];
	atomic_bool stop;
};
struct one_chain {
	const struct nft_chain *chain;
	size_t name_size;
	struct xt_sets *sets;
	struct strbuf *text;
	uint32_t users; /* rules, and chains that they jump to: what struct nft_chain's use counts */
	bool ip6;
};

static void asker_close(struct asker *a)
{
	nft_sock_close(&a->sock);
	xt_sets_free(a->sets);
	a->sets = NULL;
}

/* 0 or -errno. */
static int asker_open(struct asker *a)
{
	int r = nft_sock_open(&a->sock);

	if (r < 0)
		return r;
	a->sets = xt_sets_new();
	if (a->sets)
		return 0;
	asker_close(a);
	return -ENOMEM;
}

static int on_rule(void *arg, const struct nlmsghdr *h)
{
	struct one_chain *o = arg;
	struct nft_attr a[NFTA_RULE_USERDATA + 1];
	const char *chain;
	bool jumps = false;

	if (!nft_message(h, NULL, a, ARRAY_LEN(a)))
		return -EBADMSG;
	chain = nft_str(a[NFTA_RULE_CHAIN]);
	/* A kernel that does not look at the name gives all chains. */
	if (!chain || strcmp(chain, o->chain->name) != 0)
		return 0;
	strbuf_add(o->text, "-A ", 3);
	strbuf_add(o->text, o->chain->name, o->name_size);
	if (!nft_rule_print(o->text, o->ip6, o->sets, a[NFTA_RULE_EXPRESSIONS], a[NFTA_RULE_USERDATA], &jumps))
		return -ECANCELED;
	o->users += 1u + jumps;
	strbuf_addc(o->text, '\n');
	return 0;
}

static int print_rules(struct asker *asker, const struct nft_chain *c, struct strbuf *text, uint32_t *users)
{
	struct one_chain o = {
		.chain = c, .name_size = strlen(c->name), .sets = asker->sets, .text = text, .ip6 = c->table->family == NFPROTO_IPV6,
	};
	int r = nft_dump_rules(&asker->sock, c->table, c, on_rule, &o);

	*users += o.users;
	return r;
}

static void print_part(void *arg, void *which, unsigned who)
{
	struct work *w = arg;
	struct part *p = which;

	for (size_t i = 0; i < p->nchains && p->r == 0; i++) {
		if (atomic_load_explicit(&w->stop, memory_order_relaxed))
			p->r = -ECANCELED;
		else
			p->r = print_rules(&w->askers[who], p->chains[i], &p->text, &p->users);
	}
	if (p->r < 0)
		atomic_store_explicit(&w->stop, true, memory_order_relaxed);
}

static void do_parts(struct work *w, struct part *parts, size_t n)
{
	struct crew *crew = w->askers[1].sock.fd >= 0 ? crew_start(print_part, w) : NULL;

	for (size_t i = 0; i < n; i++) {
		if (crew)
			crew_add(crew, &parts[i]);
		else
			print_part(w, &parts[i], 0);
	}
	crew_finish(crew);
}

/* Another failure than "no words" comes first. */
static int join_parts(struct strbuf *text, struct part *parts, size_t n, uint32_t *users)
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (parts[i].r < 0 && (r == 0 || r == -ECANCELED))
			r = parts[i].r;
		if (parts[i].text.failed)
			r = -ENOMEM;
		if (r == 0)
			strbuf_add(text, parts[i].text.s, parts[i].text.len);
		*users += parts[i].users;
		strbuf_release(&parts[i].text);
	}
	return r;
}

static int print_users(struct work *w, struct strbuf *text, const chain_list *chains, uint32_t *users)
{
	size_t n = (chains->len + PART_CHAINS - 1) / PART_CHAINS;
	struct part *parts = n ? calloc(n, sizeof(*parts)) : NULL;
	int r;

	if (n && !parts)
		return -ENOMEM;
	/* Without a second socket one thread does it all. */
	if (chains->len >= CREW_CHAINS && w->askers[1].sock.fd < 0 && asker_open(&w->askers[1]) == -ENOMEM) {
		free(parts);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		parts[i] = (struct part){ chains->v + i * PART_CHAINS, MIN(PART_CHAINS, chains->len - i * PART_CHAINS), STRBUF_INIT, 0, 0 };
	do_parts(w, parts, n);
	r = join_parts(text, parts, n, users);
	free(parts);
	return r;
}

/* ---- tables ---- */

/* Its elements jump, too: no table of iptables. */
static bool has_verdict_map(const struct nft_dump *d, const struct nft_table *t)
{
	for (size_t i = 0; i < d->sets.len; i++)
		if (d->sets.v[i]->table == t && d->sets.v[i]->data_type == NFT_DATA_VERDICT)
			return true;
	return false;
}

static int print_table(struct work *w, const struct nft_dump *d, const struct builtin *b, struct strbuf *text)
{
	CLEANUP(release_chains) struct table_chains c = { 0 };
	int r = w->table->flags & NFT_TABLE_F_DORMANT || has_verdict_map(d, w->table) ? -ECANCELED : sort_chains(d, w->table, b, &c);
	uint32_t users = 0;

	if (r < 0)
		return r;
	strbuf_addf(text, "# Generated by %s-nft-save v1.8.9 (nf_tables), which svcdoctor stood in for\n*%s\n",
		    w->table->family == NFPROTO_IPV6 ? "ip6tables" : "iptables", b->name);
	print_chains(text, b, &c);
	for (unsigned i = 0; r == 0 && i < HOOKS; i++)
		r = c.base[i] ? print_rules(&w->askers[0], c.base[i], text, &users) : 0;
	if (r == 0)
		r = print_users(w, text, &c.users, &users);
	/*
	 * A table that was replaced in one transaction stays in the list until all of it was taken away, and of two tables of one name only
	 * the first is asked for rules: all chains are empty meanwhile, and the generation is the new one already.
	 */
	if (r == 0 && users != w->table->users)
		return -EINTR;
	strbuf_adds(text, "COMMIT\n# Completed\n");
	return r;
}

static struct nft_table *find_table(const struct nft_dump *d, uint8_t family, const char *name)
{
	for (size_t i = 0; i < d->tables.len; i++)
		if (d->tables.v[i]->family == family && strcmp(d->tables.v[i]->name, name) == 0)
			return d->tables.v[i];
	return NULL;
}

static int print_builtin(struct work *w, struct nft_dump *d, const struct builtin *b, bool ip6, struct strbuf *text)
{
	struct nft_table *t = find_table(d, ip6 ? NFPROTO_IPV6 : NFPROTO_IPV4, b->name);
	size_t from = text->len;
	int r;

	if (!t)
		return 0;
	w->table = t;
	atomic_store(&w->stop, false);
	r = print_table(w, d, b, text);
	if (r < 0 && r != -ECANCELED)
		return r;
	t->in_save = r == 0;
	if (r < 0 && !text->failed) {
		text->len = from;
		strbuf_addf(text, "# Table `%s' is incompatible, use 'nft' tool.\n", b->name);
	}
	return text->failed ? -ENOMEM : 0;
}

int nft_save(struct nft_dump *d, bool ip6, struct kernel_text *ret)
{
	struct work w = { .askers = { { .sock = NFT_SOCK_INIT }, { .sock = NFT_SOCK_INIT } } };
	int r = asker_open(&w.askers[0]);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(builtins); i++)
		r = print_builtin(&w, d, &builtins[i], ip6, &ret->text);
	for (size_t i = 0; i < ARRAY_LEN(w.askers); i++) {
		/* A set that has another name than in the text. */
		int same = r == 0 ? xt_sets_same(w.askers[i].sets) : 1;

		if (same <= 0)
			r = same < 0 ? same : -EINTR;
		asker_close(&w.askers[i]);
	}
	return r;
}
