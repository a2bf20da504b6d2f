/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When nft-ruleset.json is read: behind the texts of iptables-nft-save, which say more of the tables that both show. Where they
 * have not come yet, and it may hold a table of theirs, it is kept until all members are there.
 */

#include <errno.h>

#include "bundle-private.h"

static void take_result(struct snap_node *n, const struct nft_text *t, bool cut)
{
	bool damaged = t->damaged || cut;

	n->dumps[DUMP_NFT_JSON] = damaged ? PARTLY_KNOWN : KNOWN;
	n->dump_empty[DUMP_NFT_JSON] = t->empty && !damaged;
	n->nft_proxy_rules[0] = t->proxy_rules[0];
	n->nft_proxy_rules[1] = t->proxy_rules[1];
	n->nft_not_modelled = t->not_modelled;
	/* What iptables-nft-save left out is here. */
	for (int ip6 = 0; ip6 < 2 && !damaged; ip6++)
		if (n->nft_incompatible[ip6])
			n->dumps[ip6 ? DUMP_NFT6 : DUMP_NFT4] = KNOWN;
}

/* Of the node's texts: what their notes tell to do is done. */
static void tell_read(struct sd_notes *notes, const char *path)
{
	const char *name = strrchr(path, '/');
	size_t folder = name ? (size_t)(name + 1 - path) : 0;

	for (size_t i = 0; i < notes->len; i++) {
		struct sd_note *note = &notes->v[i];
		char *hint;

		if (strcmp(note->code, "table-incompatible") != 0 || !note->file || strncmp(note->file, path, folder) != 0 ||
		    strchr(note->file + folder, '/'))
			continue;
		hint = strdup("its rules are those of nft's JSON, which does not say what iptables' own matches ask for");
		if (!hint)
			continue;
		free(note->hint);
		note->hint = hint;
	}
}

static int take(struct bundle *b, struct snap_node *n, const char *data, size_t size, const char *path, bool cut)
{
	struct nft_text t = { 0 };
	int r = read_nft(&n->rules, data, size, path, &b->s->notes, &t);

	if (r == 0) {
		take_result(n, &t, cut);
		if (n->dumps[DUMP_NFT_JSON] == KNOWN)
			tell_read(&b->s->notes, path);
	} else if (r != -ENOMEM) {
		n->dumps[DUMP_NFT_JSON] = UNREADABLE;
	}
	return r == -ENOMEM ? r : 0;
}

static bool is_double(struct bundle *b, const struct snap_node *n, const char *path)
{
	bool seen = n->dumps[DUMP_NFT_JSON] == KNOWN || n->dumps[DUMP_NFT_JSON] == PARTLY_KNOWN;

	for (size_t i = 0; i < b->nft.len; i++)
		seen |= b->nft.v[i].node == n;
	if (seen)
		sd_note_add(&b->s->notes, false, "double", path, 0, 0, NULL,
			    "the nftables rules of node '%s' were read already; this file is not used", n->name);
	return seen;
}

static bool both_texts_are_read(const struct snap_node *n)
{
	return n->dumps[DUMP_NFT4] != NOT_COLLECTED && n->dumps[DUMP_NFT6] != NOT_COLLECTED;
}

/* Is a member @key of some object, quotes included, the name of a table of iptables? */
static bool names_xtables(const char *data, size_t size, const char *key)
{
	static const char *const names[] = { "\"raw\"", "\"mangle\"", "\"nat\"", "\"filter\"", "\"security\"" };
	const char *p = data, *end = data + size;

	while ((p = memmem(p, (size_t)(end - p), key, strlen(key)))) {
		p += strlen(key);
		while (p < end && (*p == ' ' || *p == ':' || *p == '\t' || *p == '\n' || *p == '\r'))
			p++;
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if ((size_t)(end - p) >= strlen(names[i]) && memcmp(p, names[i], strlen(names[i])) == 0)
				return true;
	}
	return false;
}

/* Then a text of its node may still show that table. */
static bool may_hold_xtables(const char *data, size_t size)
{
	return names_xtables(data, size, "\"name\"") || names_xtables(data, size, "\"table\"");
}

int nft_use(struct bundle *b, struct snap_node *n, const char *path, bool cut, char **data, size_t size)
{
	struct nft_seen seen = { .node = n, .size = size, .cut = cut };
	int r;

	if (is_double(b, n, path))
		return 0;
	if (both_texts_are_read(n) || !may_hold_xtables(*data, size))
		return take(b, n, *data, size, path, cut);
	seen.path = strdup(path);
	seen.data = *data;
	r = seen.path ? array_push(&b->nft, seen) : -ENOMEM;
	if (r < 0)
		free(seen.path);
	else
		*data = NULL;
	return r;
}

int nft_use_all(struct bundle *b)
{
	int r = 0;

	for (size_t i = 0; i < b->nft.len && r == 0; i++) {
		struct nft_seen *s = &b->nft.v[i];

		r = take(b, s->node, s->data, s->size, s->path, s->cut);
		free(take_ptr(s->data));
	}
	nft_forget(b);
	return r;
}

void nft_forget(struct bundle *b)
{
	for (size_t i = 0; i < b->nft.len; i++) {
		free(b->nft.v[i].data);
		free(b->nft.v[i].path);
	}
	array_free(&b->nft);
}
